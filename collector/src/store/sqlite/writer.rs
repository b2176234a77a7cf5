//! How do many uploads share one fsync? One thread writes; whatever waits in its channel
//! goes into one transaction, and nobody hears back before the commit is on the disk.

use super::{super::StoreError, desk::Desk, schema, tune};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

/// Most jobs in one transaction.
const GROUP: usize = 64;
/// Pages at hand, KiB: identities come in no order, so their index is wanted in memory.
const CACHE: i64 = 64 << 10;

/// Pages in the log before they are moved to the file (16 MiB): pages that many batches
/// touch are moved once for all of them.
const CHECKPOINT: i64 = 4096;

pub(super) struct Writer {
    jobs: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// What waits to be written.
trait Job: Send {
    /// Does it; an error takes the whole transaction down.
    fn run(&mut self, desk: &mut Desk) -> Result<(), StoreError>;
    /// Tells whoever waits, after the commit or after it failed.
    fn tell(&mut self, failed: Option<StoreError>);
}

struct Task<T, F> {
    work: F,
    done: Option<Result<T, StoreError>>,
    reply: SyncSender<Result<T, StoreError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnMut(&mut Desk) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
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

impl Writer {
    pub(super) fn start(path: &Path, max_pages: Option<u32>) -> Result<Self, StoreError> {
        let db = Connection::open(path)?;
        tune(&db)?;
        db.set_prepared_statement_cache_capacity(128);
        db.pragma_update(None, "cache_size", -CACHE)?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
        // What is dropped after its time is gone from the file too.
        db.pragma_update(None, "secure_delete", true)?;
        if let Some(pages) = max_pages {
            db.pragma_update(None, "max_page_count", pages)?;
        }
        let mut desk = Desk::new(db);
        schema::migrate(&mut desk).map_err(name)?;
        let (jobs, queue) = sync_channel(4 * GROUP);
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
        work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
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

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(desk: &mut Desk, queue: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        match commit(desk, &mut group).map_err(name) {
            Ok(()) => {
                for job in &mut group {
                    job.tell(None);
                }
                continue;
            }
            // Nobody's fault, and each alone would wait as long again.
            Err(StoreError::Busy) => {
                for job in &mut group {
                    job.tell(Some(StoreError::Busy));
                }
                continue;
            }
            Err(_) => {}
        }
        // Something in the group failed and took all down: each alone, so that only the
        // culprit hears of it.
        for mut job in group {
            let failed = commit(desk, std::slice::from_mut(&mut job)).err();
            job.tell(failed.map(name));
        }
    }
}

fn commit(desk: &mut Desk, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    desk.transaction(|desk| group.iter_mut().try_for_each(|job| job.run(desk)))
}

/// What is worth trying again is told apart from other failures.
fn name(error: StoreError) -> StoreError {
    let code = match &error {
        StoreError::Engine(e) => e.sqlite_error_code(),
        _ => None,
    };
    match code {
        Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
        Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::Busy,
        _ => error,
    }
}
