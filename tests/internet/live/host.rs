//! What is a host? A thread that owns a network namespace and a mount namespace, and starts
//! threads and processes in them.
//!
//! Processes also get a process namespace (`pid_namespaces(7)`), whose init is a `cat` that
//! reads from us: when nobody holds the other end any more, because the host was dropped or
//! this process ended, however it ended, `cat` ends and the kernel kills all the others.
//! `PR_SET_PDEATHSIG` would come too late for a child that has not yet asked for it.

use super::{LiveError, NamespaceError, namespace};
use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// A host. When it is dropped, its thread ends; what runs in its namespaces keeps them.
pub(super) struct Host {
    jobs: mpsc::Sender<Job>,
    nursery: Mutex<Option<Nursery>>,
}

/// A thread whose children are in a process namespace of their own. Threads cannot be
/// started from it, so it is not the host's own.
struct Nursery {
    jobs: mpsc::Sender<Job>,
    /// What keeps the children alive.
    _breath: ChildStdin,
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
        Ok(Self {
            jobs,
            nursery: Mutex::default(),
        })
    }

    /// Runs a short `job` on the host's own thread.
    pub(super) fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, LiveError> {
        call(&self.jobs, job)
    }

    /// Starts a thread in the host's namespaces.
    pub(super) fn begin<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<JoinHandle<R>, LiveError> {
        self.call(move || thread::Builder::new().spawn(job))?
            .map_err(LiveError::Thread)
    }

    /// Starts a process in the host's namespaces.
    pub(super) fn spawn(&self, mut command: Command) -> Result<io::Result<Child>, LiveError> {
        let mut nursery = self.nursery.lock().unwrap_or_else(PoisonError::into_inner);
        if nursery.is_none() {
            *nursery = Some(self.open_nursery()?);
        }
        let nursery = nursery.as_ref().ok_or(LiveError::Gone)?;
        call(&nursery.jobs, move || command.spawn())
    }

    fn open_nursery(&self) -> Result<Nursery, LiveError> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (ready, started) = mpsc::channel();
        self.begin(move || {
            let first = namespace::parent().and_then(|()| {
                let init = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .spawn();
                init.map_err(|source| NamespaceError::Step {
                    step: "run `cat` as init",
                    source,
                })
            });
            let mut init = match first {
                Ok(init) => init,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            if ready.send(Ok(init.stdin.take())).is_ok() {
                for job in work {
                    job();
                }
            }
            // Done once all children of this host are, and have been waited for.
            let _ = init.wait();
        })?;
        let breath = started.recv().map_err(|_| LiveError::Gone)??;
        Ok(Nursery {
            jobs,
            _breath: breath.ok_or(LiveError::Gone)?,
        })
    }
}

/// Runs a job on the thread behind `jobs`.
fn call<R: Send + 'static>(
    jobs: &mpsc::Sender<Job>,
    job: impl FnOnce() -> R + Send + 'static,
) -> Result<R, LiveError> {
    let (done, result) = mpsc::channel();
    let job = move || {
        let _ = done.send(job());
    };
    jobs.send(Box::new(job)).map_err(|_| LiveError::Gone)?;
    result.recv().map_err(|_| LiveError::Gone)
}
