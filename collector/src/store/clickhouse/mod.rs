//! Facts at scale: the ledger stays in its SQLite file, batches and rows are in ClickHouse.
//!
//! ```text
//! ledger:  number given out        receipts, identities -> commit: number taken off the list
//! engine:                    rows under the number -> on disk ^
//! ```
//!
//! Where the two could disagree, the ledger is right: rows exist when its list says so
//! ([`loads`]). So a retried batch counts once, a crash at any step leaves nothing half done,
//! and a rebuild appears at once, though the engine has no transactions.

mod address;
mod count;
mod desk;
mod engine;
mod loads;
mod parcel;
mod purge;
mod read;
mod rows;
mod schema;

pub use address::{Address, AddressError};
pub use schema::{ddl, drop_database};
pub(super) use {
    desk::Desk,
    rows::{Cell, Member, Who},
};

use super::{
    Appended, Derive, Dropped, Facts, Incoming, MeasurementRow, Query, Retention, Rollup,
    StoreError, StoredBatch, Summary,
    sqlite::{self, File, Readers},
    writer::{Books as _, Writer},
};
use engine::Engine;
use faultline_core::{
    codec::to_cbor,
    id::{BatchId, MeasurementId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};
use std::{ops::Range, path::Path, sync::Arc};

/// Facts in ClickHouse, with the ledger in a file.
pub struct ClickHouse {
    readers: Readers,
    writer: Writer<Desk>,
    engine: Arc<Engine>,
}

/// What a ledger says of where its facts are.
pub(super) struct Elsewhere {
    id: String,
    pub(super) complete: bool,
}

impl ClickHouse {
    /// Opens the ledger and the database, makes what is not there, and brings both up to
    /// date. A ledger has its facts in one place for ever: those of a file are copied first.
    pub fn open(path: &Path, address: &Address) -> Result<Self, StoreError> {
        let store = Self::connect(path, address, false)?;
        // What cannot be deleted now does not exist all the same.
        if let Err(error) = store.sweep().and_then(|()| store.purge()) {
            tracing::warn!(%error, "old rows are still on the engine's disk");
        }
        Ok(store)
    }

    /// Likewise; for a copy, the file may have facts of its own, and the copy need not be
    /// complete.
    pub(super) fn connect(
        path: &Path,
        address: &Address,
        copying: bool,
    ) -> Result<Self, StoreError> {
        let mut books = sqlite::writing(path, None)?;
        let engine = Arc::new(Engine::start(address)?);
        let elsewhere = elsewhere(&books.db)?;
        if !copying {
            placed(&books.db, elsewhere.as_ref())?;
        }
        schema::migrate(&engine, address)?;
        let owner = schema::owner(&engine)?;
        let id = match &elsewhere {
            Some(known) => known.id.clone(),
            None if owner.is_none() => books.transaction(|books| {
                if !copying {
                    // Another process may have taken in facts meanwhile.
                    placed(&books.db, self::elsewhere(&books.db)?.as_ref())?;
                }
                bind(&books.db, !copying)
            })?,
            None => return Err(desk::not_ours(&engine)),
        };
        // A first start may have ended between the two notes; later, no owner is a loss.
        let sent = if copying { "copied" } else { "receipt" };
        if owner.is_none() && !any(&books.db, sent)? {
            schema::own(&engine, &id)?;
        }
        desk::belongs(&engine, &id)?;
        let desk = Desk::new(books, Arc::clone(&engine), id);
        Ok(Self {
            readers: Readers::of(path),
            writer: Writer::start(desk)?,
            engine,
        })
    }

    /// Does `work` in the writer's turn, in a transaction.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.submit(work)
    }
}

/// Where the ledger says that its facts are; `None` is in itself.
pub(super) fn elsewhere(db: &Connection) -> Result<Option<Elsewhere>, StoreError> {
    let found = db
        .query_row("SELECT hex(id), complete FROM elsewhere", [], |r| {
            Ok(Elsewhere {
                id: r.get(0)?,
                complete: r.get(1)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Whether facts may be looked for in ClickHouse.
fn placed(db: &Connection, elsewhere: Option<&Elsewhere>) -> Result<(), StoreError> {
    let why = match elsewhere {
        Some(Elsewhere { complete: true, .. }) => return Ok(()),
        Some(_) => "the copy of this store's facts to ClickHouse is not complete",
        None if any(db, "receipt")? => "this store has its facts in its own file",
        None => return Ok(()),
    };
    Err(StoreError::Misplaced(format!(
        "{why}: run `copy-facts` with the same --facts first"
    )))
}

fn any(db: &Connection, table: &str) -> Result<bool, StoreError> {
    Ok(db
        .prepare(&format!("SELECT 1 FROM {table} LIMIT 1"))?
        .exists([])?)
}

/// From now on this ledger's facts are elsewhere, under a new number.
fn bind(db: &Connection, complete: bool) -> Result<String, StoreError> {
    if let Some(there) = elsewhere(db)? {
        return Ok(there.id);
    }
    db.execute(
        "INSERT INTO elsewhere (id, complete) VALUES (randomblob(16), ?1)",
        params![complete],
    )?;
    Ok(db.query_row("SELECT hex(id) FROM elsewhere", [], |r| r.get(0))?)
}

impl File for ClickHouse {
    fn look<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.readers.read(work)
    }
    fn note<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(move |desk| work(&desk.books.db))
    }
}

impl Facts for ClickHouse {
    fn append(&self, incoming: Incoming) -> Result<Appended, StoreError> {
        let enrichment = to_cbor(&incoming.receipt.enrichment);
        let incoming = Arc::new(incoming);
        self.write(move |desk| desk.append(&incoming, &enrichment))
    }
    fn measurements(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError> {
        self.read_measurements(&window, each)
    }
    fn select(&self, query: &Query) -> Result<Vec<MeasurementRow>, StoreError> {
        self.read_page(query)
    }
    fn measurement(&self, id: MeasurementId) -> Result<Option<MeasurementRow>, StoreError> {
        self.read_measurement(id)
    }
    fn rollups(&self, window: Range<UnixTime>) -> Result<Vec<Rollup>, StoreError> {
        self.settled(|snapshot| self.read_rollups(snapshot, &window))
    }
    fn summary(&self) -> Result<Vec<Summary>, StoreError> {
        self.settled(|snapshot| self.read_summary(snapshot))
    }
    fn batch(&self, id: BatchId) -> Result<Option<StoredBatch>, StoreError> {
        self.read_batch(id)
    }
    fn batches(&self, each: &mut dyn FnMut(StoredBatch) -> bool) -> Result<(), StoreError> {
        self.read_batches(each)
    }
    fn rederive(&self, derive: Derive) -> Result<(), StoreError> {
        self.write(move |desk| desk.rederive(&derive))?;
        self.purge()
    }
    fn retain(&self, policy: &Retention, now: UnixTime) -> Result<Dropped, StoreError> {
        let policy = *policy;
        let dropped = self.write(move |desk| desk.retain(&policy, now))?;
        self.sweep()?;
        self.purge()?;
        Ok(dropped)
    }
    fn digest(&self) -> Result<[u8; 32], StoreError> {
        let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
        self.settled(|snapshot| {
            let mut hash = Sha256::new();
            self.read_measurements_of(snapshot, &all, &mut |m| {
                hash.update(format!("{m:?}\n"));
                true
            })?;
            for rollup in self.read_rollups(snapshot, &all)? {
                hash.update(format!("{rollup:?}\n"));
            }
            for line in self.read_summary(snapshot)? {
                hash.update(format!("{line:?}\n"));
            }
            Ok(hash.finalize().into())
        })
    }
}
