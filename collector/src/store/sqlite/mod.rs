//! The embedded engine: one SQLite file, WAL, `synchronous=FULL`, one writer, readers on
//! their own connections.

mod batches;
mod beats;
mod count;
mod desk;
mod ledger;
mod migrate;
mod read;
mod retain;
mod schema;
mod shelf;
mod tally;
mod write;
mod writer;

use super::{
    Appended, Derive, Dropped, Facts, Incoming, MeasurementRow, Query, Retention, Rollup,
    StoreError, StoredBatch, Summary,
};
pub use beats::SqliteBeats;
use desk::Desk;
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

/// Ledger and facts in one file.
pub struct Sqlite {
    path: PathBuf,
    writer: writer::Writer,
    idle: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens or makes the file and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_capped(path, None)
    }

    /// Likewise, with the file capped at so many pages of 4096 bytes.
    pub fn open_capped(path: &Path, max_pages: Option<u32>) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.into(),
            writer: writer::Writer::start(path, max_pages)?,
            idle: Mutex::default(),
        })
    }

    /// All that `f` reads is of one state of the file.
    fn read<T>(
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

    fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.submit(work)
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
