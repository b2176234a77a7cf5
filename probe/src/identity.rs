//! Under which key does this probe sign? A P-256 key in a file that only its owner reads.

use crate::durable;
use faultline_core::codec::Identity;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error(
        "cannot use the key file {path}: {source}; check that its folder exists and is writable"
    )]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a key.
    #[error(
        "the key file {path} does not hold a key (32 bytes); move it away to start under a new identity"
    )]
    NotAKey {
        /// Which file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("the key file {path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Reads the key at `path`; where there is none, draws one with `fill` and keeps it.
pub fn load_or_create(
    path: &Path,
    fill: &mut dyn FnMut(&mut [u8]),
) -> Result<Identity, IdentityError> {
    match load(path) {
        Err(IdentityError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path, fill).map_err(|source| IdentityError::File {
                path: path.into(),
                source,
            })
        }
        loaded => loaded,
    }
}

/// Reads the key at `path`.
pub fn load(path: &Path) -> Result<Identity, IdentityError> {
    let file_error = |source| IdentityError::File {
        path: path.into(),
        source,
    };
    let bytes = fs::read(path).map_err(file_error)?;
    let mode = fs::metadata(path).map_err(file_error)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed {
            path: path.into(),
            mode,
        });
    }
    <&[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .and_then(Identity::from_bytes)
        .ok_or_else(|| IdentityError::NotAKey { path: path.into() })
}

fn create(path: &Path, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<Identity> {
    let (secret, identity) = loop {
        let mut secret = [0; 32];
        fill(&mut secret);
        if let Some(identity) = Identity::from_bytes(&secret) {
            break (secret, identity);
        }
    };
    durable::write(path, &secret, 0o600)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_the_same_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = load_or_create(&path, &mut |b| b.fill(7)).unwrap().public();
        let again = load_or_create(&path, &mut |b| b.fill(8)).unwrap().public();
        assert_eq!(first, again);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = load_or_create(&path, &mut |_| ());
        assert!(matches!(exposed, Err(IdentityError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        let broken = load_or_create(&path, &mut |_| ());
        assert!(matches!(broken, Err(IdentityError::NotAKey { .. })));
    }
}
