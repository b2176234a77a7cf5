//! The embedded engine: one SQLite file, WAL, `synchronous=FULL`, one writer, readers on
//! their own connections.

pub(super) mod batches;
mod beats;
pub(super) mod count;
pub(super) mod desk;
mod events;
mod ledger;
mod migrate;
mod private;
pub(super) mod read;
pub(super) mod retain;
mod schema;
pub(super) mod shelf;
mod tally;
mod write;

pub(super) use ledger::File;

use super::{
    Appended, Derive, Dropped, Facts, Incoming, MeasurementRow, Query, Retention, Rollup,
    StoreError, StoredBatch, Summary,
    writer::{Books, Writer},
};
pub use beats::SqliteBeats;
use desk::Desk;
pub use events::SqliteEvents;
use faultline_core::{
    codec::to_cbor,
    id::{BatchId, MeasurementId},
    time::UnixTime,
};
use rusqlite::Connection;
use std::{
    cell::RefCell,
    ops::Range,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

/// Readers that are kept for the next one.
const IDLE: usize = 8;

/// Pages at hand, KiB: identities come in no order, so their index is wanted in memory.
const CACHE: i64 = 64 << 10;
/// Pages in the log before they are moved to the file (16 MiB): pages that many batches
/// touch are moved once for all of them.
const CHECKPOINT: i64 = 4096;

/// Ledger and facts in one file.
pub struct Sqlite {
    readers: Readers,
    writer: Writer<Desk>,
}

impl Sqlite {
    /// Opens or makes the file and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_capped(path, None)
    }

    /// Likewise, with the file capped at so many pages of 4096 bytes.
    pub fn open_capped(path: &Path, max_pages: Option<u32>) -> Result<Self, StoreError> {
        let mut desk = writing(path, max_pages)?;
        desk.transaction(Desk::here)?;
        Ok(Self {
            writer: Writer::start(desk)?,
            readers: Readers::of(path),
        })
    }

    fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers.read(f)
    }

    /// For what is about facts, which may have gone elsewhere meanwhile.
    fn write<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.submit(move |desk| {
            desk.here()?;
            work(desk)
        })
    }
}

impl File for Sqlite {
    fn look<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(work)
    }
    fn note<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.submit(move |desk| work(&desk.db))
    }
}

/// Opens or makes a file to write to, of the newest schema.
pub(super) fn writing(path: &Path, max_pages: Option<u32>) -> Result<Desk, StoreError> {
    private::own(path)?;
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
    schema::migrate(&mut desk).map_err(StoreError::named)?;
    Ok(desk)
}

/// Connections that only read.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.into(),
            idle: Mutex::default(),
        }
    }

    /// All that `f` reads is of one state of the file.
    pub(super) fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let db = if let Some(db) = idle {
            db
        } else {
            let db = Connection::open(&self.path)?;
            tune(&db)?;
            db.set_prepared_statement_cache_capacity(64);
            db.pragma_update(None, "query_only", true)?;
            db
        };
        let result = db
            .unchecked_transaction()
            .map_err(Into::into)
            .and_then(|tx| f(&tx));
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE
        {
            idle.push(db);
        }
        result
    }
}

/// Batches hold certificates and digests, which no level makes smaller, and words, which the
/// fastest level folds almost as well as slower ones.
const LEVEL: i32 = 1;

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    thread_local! {
        /// Tables are laid out once for each thread.
        static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
            const { RefCell::new(None) };
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        compressor.compress(bytes)
    })
}

fn tune(db: &Connection) -> Result<(), StoreError> {
    db.busy_timeout(Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(())
}

impl Facts for Sqlite {
    fn append(&self, incoming: Incoming) -> Result<Appended, StoreError> {
        // What can be done before the writer's turn is done here.
        let ready = write::Ready {
            enrichment: to_cbor(&incoming.receipt.enrichment),
            compressed: compress(&incoming.bytes)?,
            receipt: incoming.receipt,
            rows: incoming.rows,
        };
        self.write(move |desk| write::append(desk, &ready))
    }
    fn measurements(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError> {
        self.read(|db| read::measurements(db, window, each))
    }
    fn select(&self, query: &Query) -> Result<Vec<MeasurementRow>, StoreError> {
        self.read(|db| read::select(db, query))
    }
    fn measurement(&self, id: MeasurementId) -> Result<Option<MeasurementRow>, StoreError> {
        self.read(|db| read::measurement(db, id))
    }
    fn rollups(&self, window: Range<UnixTime>) -> Result<Vec<Rollup>, StoreError> {
        let mut found = Vec::new();
        self.read(|db| count::rollups(db, window, &mut |rollup| found.push(rollup)))?;
        Ok(found)
    }
    fn summary(&self) -> Result<Vec<Summary>, StoreError> {
        self.read(count::summary)
    }
    fn batch(&self, id: BatchId) -> Result<Option<StoredBatch>, StoreError> {
        self.read(|db| batches::batch(db, id))
    }
    fn batches(&self, each: &mut dyn FnMut(StoredBatch) -> bool) -> Result<(), StoreError> {
        self.read(|db| batches::batches(db, each))
    }
    fn rederive(&self, derive: Derive) -> Result<(), StoreError> {
        self.write(move |desk| write::rederive(desk, &derive))
    }
    fn retain(&self, policy: &Retention, now: UnixTime) -> Result<Dropped, StoreError> {
        let policy = *policy;
        self.write(move |desk| retain::retain(desk, &policy, now))
    }
    fn digest(&self) -> Result<[u8; 32], StoreError> {
        self.read(count::digest)
    }
}
