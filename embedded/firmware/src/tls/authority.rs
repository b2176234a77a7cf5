//! When is a certificate believed? When a path leads from it to the pinned authority, by
//! certificates that may sign others, and it is for the server's name (RFC 5280 section 6, as
//! rustls-webpki does it).
//!
//! A board without a clock cannot judge dates. It takes a date at which all of the path is
//! valid, if there is one: each refusal for a date names the date that would do.

use super::{Clock, TlsError};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Certificates of a path, and one more: so often may a date be refused.
const DATES: usize = 6;

#[derive(Debug)]
pub(super) struct Authority {
    path: Arc<WebPkiServerVerifier>,
    clock: Arc<Clock>,
}

impl Authority {
    pub(super) fn new(
        certificate: &[u8],
        provider: Arc<CryptoProvider>,
        clock: Arc<Clock>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(certificate))
            .map_err(|_| TlsError::Authority)?;
        let path = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|_| TlsError::Authority)?;
        Ok(Self { path, clock })
    }
}

impl ServerCertVerifier for Authority {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let at = |date| {
            self.path
                .verify_server_cert(certificate, others, name, staple, date)
        };
        let mut verified = at(now);
        if self.clock.known() {
            return verified;
        }
        for _ in 0..DATES {
            let date = match &verified {
                Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                    not_after,
                    ..
                })) => *not_after,
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before,
                    ..
                })) => *not_before,
                _ => break,
            };
            verified = at(date);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.path
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.path
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.path.supported_verify_schemes()
    }
}
