//! Where on disk is what? One folder, owned by the probe.

use crate::{
    budget::Budget,
    config::Config,
    learned::Learned,
    spool::{Spool, SpoolError},
};
use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// The probe's folder.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made.
    #[error(
        "cannot use the state folder {path}: {source}; create it, or name another with --state DIR"
    )]
    Unusable {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is somebody else's.
    #[error(
        "the state folder {path} is another user's; for the probe of this machine use sudo, for one of your own name a folder with --state DIR"
    )]
    Foreign {
        /// Which folder.
        path: PathBuf,
    },
}

impl State {
    /// Uses `folder`, creating it where its parent exists. What a probe saw is its owner's
    /// matter: nobody else on the machine may look.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = PathBuf::from(folder);
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StateError::Unusable { path, source });
            }
            _ => {}
        }
        match folder.read_dir() {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                Err(StateError::Foreign { path })
            }
            Err(source) => Err(StateError::Unusable { path, source }),
            Ok(_) => Ok(Self { folder: path }),
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// The private key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("key")
    }
    /// What the owner agreed to.
    pub fn consent(&self) -> PathBuf {
        self.folder.join("consent.json")
    }
    /// What the collector told: its key, the newest network-epoch token, own addresses.
    pub fn learned(&self) -> Learned {
        Learned::open(self.folder.join("network.json"))
    }
    /// Results that wait or are kept.
    pub fn spool(&self, config: &Config) -> Result<Spool, SpoolError> {
        let folder = self.folder.join("spool");
        Spool::open(
            &folder,
            config.spool_cap.as_u64(),
            config.spool_keep.as_u64(),
        )
    }
    /// The same, only to look at.
    pub fn look(&self) -> Result<Spool, SpoolError> {
        Spool::look(&self.folder.join("spool"))
    }
    /// The link ledger.
    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger")
    }
    /// Bytes spent today.
    pub fn budget(&self, config: &Config) -> Budget {
        Budget::open(self.folder.join("budget.json"), config.budget.as_u64())
    }
}
