//! Whose certificates count? The public authorities, and those that the owner adds.

pub use rustls::RootCertStore;

use rustls::pki_types::{CertificateDer, pem, pem::PemObject as _};
use std::path::{Path, PathBuf};

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Not a readable file of PEM.
    #[error("cannot read certificates from {path}: {source}; it must be a PEM file")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Not an authority's certificate.
    #[error("a certificate in {path} cannot be a root: {source}")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Nothing in it.
    #[error("there is no certificate in {path}; it must be a PEM file")]
    Empty {
        /// Which.
        path: PathBuf,
    },
}

/// The public authorities, and those of a file.
pub fn roots(extra: Option<&Path>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra {
        add(&mut roots, path)?;
    }
    Ok(roots)
}

/// Those of a file alone.
pub fn only(path: &Path) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    add(&mut roots, path)?;
    Ok(roots)
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let before = roots.len();
    let file = |source| TrustError::File {
        path: path.into(),
        source,
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(file)? {
        roots
            .add(certificate.map_err(file)?)
            .map_err(|source| TrustError::Certificate {
                path: path.into(),
                source,
            })?;
    }
    if roots.len() == before {
        return Err(TrustError::Empty { path: path.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let told = |path: &Path| only(path).unwrap_err().to_string();
        assert!(told(&path).contains("roots.pem"), "absent");
        std::fs::write(&path, "nothing here").unwrap();
        assert!(told(&path).contains("no certificate"), "{}", told(&path));
        let own = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        std::fs::write(&path, own.cert.pem()).unwrap();
        assert_eq!(only(&path).unwrap().len(), 1);
        assert!(roots(Some(&path)).unwrap().len() > roots(None).unwrap().len());
    }
}
