//! The embedded engine: one SQLite file, WAL, `synchronous=FULL`, one writer, readers on
//! their own connections.

mod read;
mod schema;
mod write;
mod writer;

use super::{
    Appended, Derive, Facts, Incoming, Ledger, MeasurementRow, ProbeRecord, ReceiptRecord,
    Rollup, StoreError, StoredBatch,
};
use faultline_core::{
    id::{BatchId, MeasurementId, ProbeId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

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
            db.pragma_update(None, "query_only", true)?;
            db
        };
        let result = f(&db);
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(db);
        }
        result
    }

    fn write(
        &self,
        f: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writer
            .submit(move |db| f(db).map(|()| Appended::Stored).map_err(Into::into))
            .map(drop)
    }
}

fn tune(db: &Connection) -> Result<(), StoreError> {
    db.busy_timeout(Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(())
}

impl Ledger for Sqlite {
    fn enrol(&self, probe: &ProbeRecord) -> Result<(), StoreError> {
        let p = probe.clone();
        self.write(move |db| {
            db.execute(
                "INSERT INTO probe (id, public_key, consent, software, enrolled, revoked)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE
                 SET consent = excluded.consent, software = excluded.software",
                params![
                    p.id.0,
                    p.public_key,
                    p.consent,
                    p.software,
                    p.enrolled.0,
                    p.revoked.map(|t| t.0)
                ],
            )
            .map(drop)
        })
    }

    fn probe(&self, id: ProbeId) -> Result<Option<ProbeRecord>, StoreError> {
        self.read(|db| {
            Ok(db
                .query_row(
                    "SELECT public_key, consent, software, enrolled, revoked FROM probe WHERE id = ?1",
                    [id.0],
                    |r| {
                        Ok(ProbeRecord {
                            id,
                            public_key: r.get(0)?,
                            consent: r.get(1)?,
                            software: r.get(2)?,
                            enrolled: UnixTime(r.get(3)?),
                            revoked: r.get::<_, Option<i64>>(4)?.map(UnixTime),
                        })
                    },
                )
                .optional()?)
        })
    }

    fn revoke(&self, id: ProbeId, at: UnixTime) -> Result<(), StoreError> {
        self.write(move |db| {
            db.execute(
                "UPDATE probe SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
                params![id.0, at.0],
            )
            .map(drop)
        })
    }

    fn record_epoch(
        &self,
        probe: ProbeId,
        issued: UnixTime,
        token: &[u8],
    ) -> Result<(), StoreError> {
        let token = token.to_vec();
        self.write(move |db| {
            db.execute(
                "INSERT INTO epoch (probe, issued, token) VALUES (?1, ?2, ?3)",
                params![probe.0, issued.0, token],
            )
            .map(drop)
        })
    }

    fn receipt(&self, batch: BatchId) -> Result<Option<ReceiptRecord>, StoreError> {
        self.read(|db| read::receipt(db, batch))
    }

    fn audit(&self, at: UnixTime, what: &str) -> Result<(), StoreError> {
        let what = what.to_owned();
        self.write(move |db| {
            db.execute(
                "INSERT INTO audit (at, what) VALUES (?1, ?2)",
                params![at.0, what],
            )
            .map(drop)
        })
    }
}

impl Facts for Sqlite {
    fn append(&self, incoming: Incoming) -> Result<Appended, StoreError> {
        let compressed = zstd::bulk::compress(&incoming.bytes, 3)?;
        self.writer
            .submit(move |db| write::append(db, &incoming, &compressed))
    }
    fn measurements(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError> {
        self.read(|db| read::measurements(db, window, each))
    }
    fn measurement(&self, id: MeasurementId) -> Result<Option<MeasurementRow>, StoreError> {
        self.read(|db| read::measurement(db, id))
    }
    fn rollups(&self, window: Range<UnixTime>) -> Result<Vec<Rollup>, StoreError> {
        self.read(|db| read::rollups(db, window))
    }
    fn batch(&self, id: BatchId) -> Result<Option<StoredBatch>, StoreError> {
        self.read(|db| read::batch_of(db, id))
    }
    fn batches(&self, each: &mut dyn FnMut(StoredBatch) -> bool) -> Result<(), StoreError> {
        self.read(|db| read::batches(db, each))
    }
    fn rederive(&self, derive: Derive) -> Result<(), StoreError> {
        self.writer
            .submit(move |db| write::rederive(db, &derive))
            .map(drop)
    }
    fn digest(&self) -> Result<[u8; 32], StoreError> {
        self.read(read::digest)
    }
}
