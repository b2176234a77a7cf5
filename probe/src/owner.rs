//! Whose probe is this: where are its settings and its folder, and as whom does it run?
//!
//! A machine's probe has its settings in [`SETTINGS`] and its folder in [`STATE`], which
//! belongs to the user that the service runs as. Whoever may become root gives commands to it
//! by `sudo faultline-probe ...`: the program then becomes the owner of the folder before it
//! does anything, so that no file of root's lies in the service's way, and nothing that a
//! network sends is read as root. A user without a machine's probe has settings and folder
//! where the XDG Base Directory Specification (0.8) puts them.

use nix::unistd::{self, Gid, Uid};
use std::{
    env, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Settings of the machine's probe.
pub const SETTINGS: &str = "/etc/faultline/probe.toml";
/// Folder of the machine's probe.
pub const STATE: &str = "/var/lib/faultline-probe";

/// Who started the program.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// Whether it was root, or the user that the machine's folder belongs to: the service, and
    /// root after [`become_owner`].
    pub machine: bool,
    /// Absolute `XDG_CONFIG_HOME`, or `.config` at home.
    pub settings: Option<PathBuf>,
    /// Absolute `XDG_STATE_HOME`, or `.local/state` at home.
    pub state: Option<PathBuf>,
}

/// Why the program cannot become the owner of its folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot become user {user}, who owns {folder}: {source}; run as that user, or name another folder with --state DIR"
)]
pub struct OwnerError {
    folder: PathBuf,
    user: u32,
    source: io::Error,
}

impl Owner {
    /// As the system and the environment say.
    pub fn current() -> Self {
        let path = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let user = Uid::effective();
        let is_mine = |found: std::fs::Metadata| found.uid() == user.as_raw();
        let below = |folder: &str| path("HOME").map(|home| home.join(folder));
        Self {
            machine: user.is_root() || Path::new(STATE).metadata().is_ok_and(is_mine),
            settings: path("XDG_CONFIG_HOME").or_else(|| below(".config")),
            state: path("XDG_STATE_HOME").or_else(|| below(".local/state")),
        }
    }

    /// The settings file that is used where none was named: the user's own before the machine's.
    pub fn settings(&self) -> Option<PathBuf> {
        let own = self.settings.as_ref().filter(|_| !self.machine);
        own.map(|folder| folder.join("faultline/probe.toml"))
            .into_iter()
            .chain([SETTINGS.into()])
            .find(|path| path.exists())
    }

    /// The folder that is used where neither an argument nor the settings name one.
    pub fn state(&self) -> PathBuf {
        match &self.state {
            Some(folder) if !self.machine => folder.join("faultline-probe"),
            _ => STATE.into(),
        }
    }
}

/// Where root started the program and `folder` is another user's, becomes that user, for good.
///
/// To be called before any thread starts.
pub fn become_owner(folder: &Path) -> Result<(), OwnerError> {
    let Ok(found) = folder.metadata() else {
        return Ok(()); // made later, by whoever runs
    };
    if !Uid::effective().is_root() || found.uid() == 0 {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()));
    unistd::setgroups(&[])
        .and_then(|()| unistd::setresgid(group, group, group))
        .and_then(|()| unistd::setresuid(user, user, user))
        .map_err(|source| OwnerError {
            folder: folder.into(),
            user: found.uid(),
            source: source.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_places_of_its_own_and_the_machine_has_others() {
        let home = tempfile::tempdir().unwrap();
        let mut owner = Owner {
            machine: false,
            settings: Some(home.path().join(".config")),
            state: Some(home.path().join(".local/state")),
        };
        assert_eq!(
            owner.state(),
            home.path().join(".local/state/faultline-probe")
        );
        let own = home.path().join(".config/faultline/probe.toml");
        assert_ne!(owner.settings(), Some(own.clone()), "it is not there yet");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::write(&own, "").unwrap();
        assert_eq!(owner.settings(), Some(own.clone()));
        owner.machine = true;
        assert_ne!(owner.settings(), Some(own));
        assert_eq!(owner.state(), Path::new(STATE));
        assert_eq!(Owner::default().state(), Path::new(STATE), "homeless");
    }
}
