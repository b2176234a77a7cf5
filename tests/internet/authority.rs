//! Who vouches for the simulated web? A root of its own, drawn from the seed.
//!
//! Ed25519 (RFC 8032) signs without chance, so the same seed gives the same certificates,
//! octet for octet.

use crate::entropy::Seeded;
use faultline_probe::random::Entropy as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ED25519,
    SerialNumber, date_time_ymd,
};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;
use std::sync::Arc;

/// What certificate a server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// Of the root, for the site's names, in date.
    #[default]
    Valid,
    /// Of the root, for the site's names, out of date since 2025.
    Expired,
    /// Of the server itself.
    SelfSigned,
    /// Of the root, for somebody else's name.
    WrongName,
}

/// A certification authority and the key of the servers that it serves.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_pem: String,
    server_key: KeyPair,
}

/// A certificate could not be made: a name in the scenario is not one.
pub type AuthorityError = rcgen::Error;

impl Authority {
    /// The authority called `name` of this seed.
    pub fn new(seed: u64, name: &str) -> Result<Self, AuthorityError> {
        let purpose = name
            .bytes()
            .fold(7, |sum: u64, b| sum.rotate_left(5) ^ u64::from(b));
        let mut seeded = Seeded::new(seed, purpose);
        let key = draw_key(&mut seeded)?;
        let mut params = dated(Vec::new(), name, false)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            root_pem: root.pem(),
            root: root.der().clone(),
            server_key: draw_key(&mut seeded)?,
        })
    }

    /// The root, as a store of the trusted.
    pub fn roots(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone())?;
        Ok(roots)
    }

    /// The root, as settings files name it.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// A valid certificate for `names` and its key, as PEM (RFC 7468), for servers that are
    /// not ours.
    pub fn files(&self, names: &[String]) -> Result<(String, String), AuthorityError> {
        let common = names.first().cloned().unwrap_or_default();
        let params = dated(names.to_vec(), &common, false)?;
        let leaf = params.signed_by(&self.server_key, &self.issuer)?;
        Ok((leaf.pem(), self.server_key.serialize_pem()))
    }

    /// A TLS server that shows a certificate for `names`.
    pub fn server(
        &self,
        names: &[String],
        kind: Certificate,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let shown = match kind {
            Certificate::WrongName => vec!["somebody-else.example".to_owned()],
            _ => names.to_vec(),
        };
        let common = shown.first().cloned().unwrap_or_default();
        let params = dated(shown, &common, kind == Certificate::Expired)?;
        let leaf = match kind {
            Certificate::SelfSigned => params.self_signed(&self.server_key)?,
            _ => params.signed_by(&self.server_key, &self.issuer)?,
        };
        let key =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.server_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| AuthorityError::KeyGenerationUnavailable)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .map_err(|_| AuthorityError::CouldNotParseKeyPair)?;
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"dot".to_vec()];
        Ok(Arc::new(config))
    }
}

fn dated(
    names: Vec<String>,
    common: &str,
    expired: bool,
) -> Result<CertificateParams, AuthorityError> {
    let serial = names.iter().flat_map(|n| n.bytes()).fold(1, |sum: u64, b| {
        sum.wrapping_mul(31).wrapping_add(u64::from(b))
    });
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.serial_number = Some(SerialNumber::from(serial >> 1));
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(if expired { 2025 } else { 2036 }, 1, 1);
    Ok(params)
}

/// A private key as RFC 8410 section 7 lays it out around 32 octets.
fn draw_key(seeded: &mut Seeded) -> Result<KeyPair, AuthorityError> {
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    let mut secret = [0; 32];
    seeded.fill(&mut secret);
    der.extend(secret);
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519)
}
