//! How does the collector prove that it is the collector, where no proxy does it? By TLS 1.3
//! with the operator's certificate, on the address of the API. Records are short, since a board has to hold a
//! whole one to read it (RFC 8446 section 5.1).

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets of a record, with what is around its text.
const RECORD: usize = 4096;

/// Why the certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsSettingsError {
    /// A file is not there or not PEM.
    #[error("cannot read the {what} {path}: {source}; it has to be PEM")]
    File {
        /// Certificate or key.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in the file.
    #[error(
        "{0} holds no certificate: it needs the server's, then those that lead to its authority"
    )]
    Empty(PathBuf),
    /// Key and certificate do not go together.
    #[error(
        "the certificate {certificate} and the key {key} are of no use: {source}; are they of each other?"
    )]
    Pair {
        /// The one.
        certificate: PathBuf,
        /// The other.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// TLS by a certificate (with those that lead to its authority) and its key, both PEM files.
pub fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsSettingsError> {
    let unreadable = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsSettingsError::File { what, path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(unreadable("certificate", certificate))?;
    if chain.is_empty() {
        return Err(TlsSettingsError::Empty(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable("key", key))?;
    let pair = |source| TlsSettingsError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.max_fragment_size = Some(RECORD);
    Ok(Arc::new(config))
}
