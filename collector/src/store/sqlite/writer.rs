//! How do many uploads share one fsync? One thread writes; whatever waits in its channel
//! goes into one transaction, and nobody hears back before the commit is on the disk.

use super::{
    super::{Appended, StoreError},
    schema, tune,
};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

type Reply = Result<Appended, StoreError>;
type Work = Box<dyn FnMut(&Connection) -> Reply + Send>;
struct Job {
    work: Work,
    reply: SyncSender<Reply>,
}

/// Most jobs in one transaction.
const GROUP: usize = 64;

pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(path: &Path, max_pages: Option<u32>) -> Result<Self, StoreError> {
        let mut db = Connection::open(path)?;
        tune(&db)?;
        schema::migrate(&mut db)?;
        if let Some(pages) = max_pages {
            db.pragma_update(None, "max_page_count", pages)?;
        }
        let (jobs, queue) = sync_channel(4 * GROUP);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&mut db, &queue))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(super) fn submit(
        &self,
        work: impl FnMut(&Connection) -> Reply + Send + 'static,
    ) -> Reply {
        let (reply, answer) = sync_channel(1);
        let job = Job {
            work: Box::new(work),
            reply,
        };
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

fn run(db: &mut Connection, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        if let Ok(done) = commit(db, &mut group) {
            for (job, outcome) in group.into_iter().zip(done) {
                let _ = job.reply.send(Ok(outcome));
            }
        } else {
            // Something in the group failed and took all down: each alone, so that only
            // the culprit hears of it.
            for job in group {
                let mut alone = [job];
                let result = commit(db, &mut alone)
                    .map(|done| done.first().copied().unwrap_or(Appended::Stored))
                    .map_err(name_full);
                let [job] = alone;
                let _ = job.reply.send(result);
            }
        }
    }
}

fn commit(db: &mut Connection, group: &mut [Job]) -> Result<Vec<Appended>, StoreError> {
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done = group
        .iter_mut()
        .map(|job| (job.work)(&tx))
        .collect::<Result<Vec<_>, _>>()?;
    tx.commit()?;
    Ok(done)
}

/// A full disk is told apart from other failures: it is worth trying again.
fn name_full(error: StoreError) -> StoreError {
    match error {
        StoreError::Engine(e)
            if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
        {
            StoreError::Full
        }
        other => other,
    }
}
