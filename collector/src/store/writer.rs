//! How do many uploads share one fsync? One thread writes; whatever waits in its channel
//! goes into one transaction, and nobody hears back before the commit is on the disk.

use super::StoreError;
use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

/// What the writer's thread works with.
pub(super) trait Books: Send + 'static {
    /// Most jobs in one transaction.
    const GROUP: usize;

    /// All of `work` is kept, durably, or nothing.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;
}

pub(super) struct Writer<D> {
    jobs: Option<SyncSender<Box<dyn Job<D>>>>,
    thread: Option<JoinHandle<()>>,
}

/// What waits to be written.
trait Job<D>: Send {
    /// Does it; an error takes the whole transaction down.
    fn run(&mut self, desk: &mut D) -> Result<(), StoreError>;
    /// Tells whoever waits, after the commit or after it failed.
    fn tell(&mut self, failed: Option<StoreError>);
}

struct Task<T, F> {
    work: F,
    done: Option<Result<T, StoreError>>,
    reply: SyncSender<Result<T, StoreError>>,
}

impl<D, T, F> Job<D> for Task<T, F>
where
    T: Send,
    F: FnMut(&mut D) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, desk: &mut D) -> Result<(), StoreError> {
        match (self.work)(desk) {
            // Found out before anything was written: others need not suffer.
            Err(StoreError::Conflict(batch)) => {
                self.done = Some(Err(StoreError::Conflict(batch)));
            }
            done => self.done = Some(Ok(done?)),
        }
        Ok(())
    }
    fn tell(&mut self, failed: Option<StoreError>) {
        let done = match failed {
            Some(error) => Err(error),
            None => self.done.take().unwrap_or(Err(StoreError::Stopped)),
        };
        let _ = self.reply.send(done);
    }
}

impl<D: Books> Writer<D> {
    pub(super) fn start(mut desk: D) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(4 * D::GROUP);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&mut desk, &queue))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Waits until `work` is done and on the disk. It may be done twice: where another's
    /// failure takes the transaction down, each gets one of its own.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut D) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let job = Box::new(Task {
            work,
            done: None,
            reply,
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Stopped)?;
        jobs.send(job).map_err(|_| StoreError::Stopped)?;
        answer.recv().map_err(|_| StoreError::Stopped)?
    }
}

impl<D> Drop for Writer<D> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run<D: Books>(desk: &mut D, queue: &Receiver<Box<dyn Job<D>>>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(D::GROUP - 1));
        match commit(desk, &mut group).map_err(StoreError::named) {
            Ok(()) => {
                for job in &mut group {
                    job.tell(None);
                }
                continue;
            }
            // Nobody's fault, and each alone would wait as long again.
            Err(error) => {
                if let Some(error) = error.passing() {
                    for job in &mut group {
                        job.tell(error.passing());
                    }
                    continue;
                }
            }
        }
        // Something in the group failed and took all down: each alone, so that only the
        // culprit hears of it.
        for mut job in group {
            let failed = commit(desk, std::slice::from_mut(&mut job)).err();
            job.tell(failed.map(StoreError::named));
        }
    }
}

fn commit<D: Books>(desk: &mut D, group: &mut [Box<dyn Job<D>>]) -> Result<(), StoreError> {
    desk.transaction(|desk| group.iter_mut().try_for_each(|job| job.run(desk)))
}
