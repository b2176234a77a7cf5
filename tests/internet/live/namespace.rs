//! Where can a network be built without root? In a user namespace (`user_namespaces(7)`),
//! which owns the network namespaces made in it.
//!
//! [`enter`] moves the whole process, so it must come before the first thread; afterwards
//! any thread may have a network of its own ([`alone`]), and what it starts inherits it.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::path::Path;
use std::sync::OnceLock;

/// Why there is no namespace.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// Namespaces can only be entered by a process with one thread.
    #[error("{0} threads run already: enter the namespace first in main")]
    Threads(usize),
    /// The system does not let ordinary users make namespaces.
    #[error(
        "this system forbids network namespaces to ordinary users: {by}; the first rung (in \
         process) runs everywhere"
    )]
    Forbidden {
        /// Which setting forbids it and how it is changed.
        by: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A step that should work inside did not.
    #[error("cannot {step} in a new namespace")]
    Step {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

static ENTERED: OnceLock<()> = OnceLock::new();

/// Moves this process into a user, network and mount namespace of its own, as root of
/// those. Sockets that were opened before stay in the network they were opened in.
pub fn enter() -> Result<(), NamespaceError> {
    if entered() {
        return Ok(());
    }
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(NamespaceError::Threads(threads));
    }
    let (user, group) = (geteuid(), getegid());
    let network = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    match unshare(CloneFlags::CLONE_NEWUSER | network) {
        Ok(()) => {
            write("/proc/self/setgroups", "deny")?;
            write("/proc/self/uid_map", &format!("0 {user} 1"))?;
            write("/proc/self/gid_map", &format!("0 {group} 1"))?;
        }
        // Root needs no user namespace.
        Err(_) if user.is_root() && unshare(network).is_ok() => {}
        Err(error) => return Err(forbidden(error)),
    }
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let none = None::<&str>;
    mount(none, "/", none, private, none)
        .map_err(|error| step("keep mounts private", error))?;
    ENTERED.get_or_init(|| ());
    Ok(())
}

/// Whether this process is in a namespace of [`enter`].
pub fn entered() -> bool {
    ENTERED.get().is_some()
}

/// Gives the calling thread an empty network and mounts of its own; threads and processes
/// that it starts inherit them.
pub(super) fn alone() -> Result<(), NamespaceError> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .map_err(|error| step("leave the common network", error))
}

/// Gives the processes that the calling thread starts from now on a process namespace; the
/// first is its init. The thread can start no threads any more.
pub(super) fn parent() -> Result<(), NamespaceError> {
    unshare(CloneFlags::CLONE_NEWPID).map_err(|error| step("give processes a namespace", error))
}

/// Lets the calling thread's mount namespace see `file` in the place of `over`.
pub(super) fn cover(file: &Path, over: &Path) -> Result<(), NamespaceError> {
    let none = None::<&str>;
    mount(Some(file), over, none, MsFlags::MS_BIND, none)
        .map_err(|error| step("put resolv.conf in its place", error))
}

fn step(step: &'static str, error: Errno) -> NamespaceError {
    let source = error.into();
    NamespaceError::Step { step, source }
}

/// Writes a map; refused where a profile took the new namespace's rights away.
fn write(path: &str, text: &str) -> Result<(), NamespaceError> {
    std::fs::write(path, text).map_err(|error| match error.raw_os_error() {
        Some(errno) => forbidden(Errno::from_raw(errno)),
        None => NamespaceError::Step {
            step: "map users",
            source: error,
        },
    })
}

fn forbidden(source: Errno) -> NamespaceError {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let by = reason(source, read);
    NamespaceError::Forbidden { by, source }
}

/// Settings that forbid user namespaces: where, at which value, and what would allow them.
const SETTINGS: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sysctl user.max_user_namespaces=10000",
    ),
];

fn reason(error: Errno, read: impl Fn(&str) -> Option<String>) -> String {
    for (path, value, remedy) in SETTINGS {
        if read(path).is_some_and(|text| text.trim() == value) {
            let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
            return format!("{name} is {value} (root can allow it: {remedy})");
        }
    }
    match error {
        Errno::EPERM => "no setting says why; a container's seccomp profile often does".into(),
        Errno::ENOSPC | Errno::EUSERS => "too many or too deep namespaces".into(),
        Errno::EINVAL | Errno::ENOSYS => "this kernel is built without them".into(),
        other => other.desc().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_is_named() {
        for (path, value, remedy) in SETTINGS {
            let read = |asked: &str| (asked == path).then(|| format!("{value}\n"));
            let said = reason(Errno::EPERM, read);
            assert!(said.contains(remedy), "{said}");
        }
        let allowed =
            |path: &str| Some(if path.contains("apparmor") { "0" } else { "1" }.into());
        assert!(reason(Errno::EPERM, allowed).contains("seccomp"));
        assert!(reason(Errno::ENOSPC, |_| None).contains("too many"));
    }
}
