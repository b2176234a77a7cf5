//! Where on disk is what? One folder, owned by the probe.

use crate::{
    budget::Budget,
    config::Config,
    learned::Learned,
    spool::{Spool, SpoolError},
};
use std::path::{Path, PathBuf};

/// The probe's folder.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the state folder {path}: {source}; create it, or name another with --state DIR"
)]
pub struct StateError {
    path: PathBuf,
    source: std::io::Error,
}

impl State {
    /// Uses `folder`, creating it where its parent exists.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let made = std::fs::create_dir(folder);
        match made {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(StateError {
                    path: folder.into(),
                    source,
                })
            }
            _ => Ok(Self {
                folder: folder.into(),
            }),
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
