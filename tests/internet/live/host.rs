//! What is a host? A thread that owns a network namespace and a mount namespace, and starts
//! threads and processes in them.

use super::{LiveError, namespace};
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// A host. When it is dropped, its thread ends; what runs in its namespaces keeps them.
pub(super) struct Host {
    jobs: mpsc::Sender<Job>,
}

impl Host {
    /// A host with nothing but a loopback that is down. Where given, `resolv` is its
    /// `/etc/resolv.conf`.
    pub(super) fn start(name: &str, resolv: Option<&Path>) -> Result<Self, LiveError> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::channel();
        let resolv = resolv.map(Path::to_owned);
        let live = move || {
            let settle = || {
                namespace::alone()?;
                match resolv {
                    Some(file) => namespace::cover(&file, Path::new("/etc/resolv.conf")),
                    None => Ok(()),
                }
            };
            let settled = settle();
            let fine = settled.is_ok();
            if ready.send(settled).is_ok() && fine {
                for job in work {
                    job();
                }
            }
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(live)
            .map_err(LiveError::Thread)?;
        started.recv().map_err(|_| LiveError::Gone)??;
        Ok(Self { jobs })
    }

    /// Runs a short `job` on the host's own thread.
    pub(super) fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, LiveError> {
        let (done, result) = mpsc::channel();
        let job = move || {
            let _ = done.send(job());
        };
        self.jobs.send(Box::new(job)).map_err(|_| LiveError::Gone)?;
        result.recv().map_err(|_| LiveError::Gone)
    }

    /// Starts a thread in the host's namespaces.
    pub(super) fn begin<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<JoinHandle<R>, LiveError> {
        self.call(move || thread::Builder::new().spawn(job))?
            .map_err(LiveError::Thread)
    }

    /// Starts a process in the host's namespaces. Its parent, in the sense of
    /// `PR_SET_PDEATHSIG`, is the host's thread.
    pub(super) fn spawn(&self, mut command: Command) -> Result<io::Result<Child>, LiveError> {
        self.call(move || command.spawn())
    }
}
