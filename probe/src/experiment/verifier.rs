//! Is this certificate chain valid, and what exactly did the server send?
//!
//! The handshake goes on whatever the answer (it is an observation, and the page behind a
//! wrong certificate is evidence), so nothing secret is ever sent over such a connection.

use faultline_core::{
    failure::Failure,
    observation::Validity,
    time::{ClockQuality, UnixTime},
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime as PkiTime};
use std::sync::{Arc, Mutex};

/// What the server showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// DER, leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    /// `None` until a chain came.
    pub(super) validity: Option<Validity>,
}

/// Accepts every chain and remembers what it would have said.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    now: UnixTime,
    clock: ClockQuality,
    shown: Mutex<Shown>,
}

impl Recorder {
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
        now: UnixTime,
        clock: ClockQuality,
    ) -> Self {
        // Without a single root there is no verifier, and no chain has a path.
        let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .ok();
        Self {
            inner,
            provider,
            now,
            clock,
            shown: Mutex::default(),
        }
    }

    pub(super) fn shown(&self) -> Shown {
        self.shown
            .lock()
            .map(|shown| shown.clone())
            .unwrap_or_default()
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Option<Failure> {
        let Some(inner) = &self.inner else {
            return Some(Failure::CertChain);
        };
        let at = |secs: u64| {
            let time = PkiTime::since_unix_epoch(std::time::Duration::from_secs(secs));
            inner
                .verify_server_cert(leaf, others, name, &[], time)
                .err()
        };
        let error = at(self.now.secs().max(0) as u64)?;
        // Dates hide other faults, so look again at a moment when they fit.
        let fitting = match &error {
            Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            }) => Some(not_after.as_secs()),
            Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            }) => Some(not_before.as_secs()),
            _ => None,
        };
        match fitting.and_then(at) {
            Some(other) if !is_date(&other) => Some(fault(&other)),
            _ if is_date(&error) && self.clock < ClockQuality::Ntp => {
                Some(Failure::CertClockUntrusted)
            }
            _ => Some(fault(&error)),
        }
    }
}

fn is_date(error: &Error) -> bool {
    matches!(fault(error), Failure::CertExpired)
}

fn fault(error: &Error) -> Failure {
    use CertificateError as E;
    match error {
        Error::InvalidCertificate(why) => match why {
            E::Expired
            | E::ExpiredContext { .. }
            | E::NotValidYet
            | E::NotValidYetContext { .. } => Failure::CertExpired,
            // A box may put a trusted authority's name on what that authority never signed.
            E::UnknownIssuer | E::BadSignature => Failure::CertChain,
            E::NotValidForName | E::NotValidForNameContext { .. } => Failure::CertName,
            _ => Failure::CertInvalid,
        },
        _ => Failure::CertInvalid,
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        // The target's, or where ECH was refused, the one that it shows.
        name: &ServerName<'_>,
        _: &[u8],
        _: PkiTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge(leaf, others, name);
        if let Ok(mut shown) = self.shown.lock() {
            shown.chain = std::iter::once(leaf)
                .chain(others)
                .map(|der| der.to_vec())
                .collect();
            shown.validity = Some(Validity { failure: judged });
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_by_a_trusted_clock_and_hide_nothing() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let mut trusted = RootCertStore::empty();
        trusted.add(der.clone()).unwrap();
        let mut strange = RootCertStore::empty();
        let other = rcgen::generate_simple_self_signed(vec!["b.example".to_owned()]).unwrap();
        strange.add(other.cert.der().clone()).unwrap();
        let judge = |roots: &RootCertStore, name: &'static str, secs, clock| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let name = ServerName::try_from(name).unwrap();
            let now = UnixTime::from_secs(secs);
            Recorder::new(Arc::new(roots.clone()), provider, now, clock).judge(&der, &[], &name)
        };
        let (inside, outside) = (1_590_000_000, 1_790_000_000);
        let (rtc, ntp) = (ClockQuality::Rtc, ClockQuality::Ntp);
        assert_eq!(judge(&trusted, "a.example", inside, rtc), None);
        assert_eq!(
            judge(&trusted, "a.example", outside, ntp),
            Some(Failure::CertExpired)
        );
        assert_eq!(
            judge(&trusted, "a.example", 0, rtc),
            Some(Failure::CertClockUntrusted)
        );
        assert_eq!(
            judge(&trusted, "b.example", outside, rtc),
            Some(Failure::CertName)
        );
        assert_eq!(
            judge(&strange, "a.example", outside, rtc),
            Some(Failure::CertChain)
        );
    }
}
