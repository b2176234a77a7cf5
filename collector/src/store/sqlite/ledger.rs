//! Who are the probes, and what was acknowledged? The small tables with unique keys.

use super::{
    super::{Arrival, Ledger, ProbeRecord, ReceiptRecord, StoreError},
    batches,
    read::{source_number, source_of},
};
use faultline_core::{
    id::{BatchId, ProbeId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, params};

/// A file that is a ledger, wherever its facts are.
pub(in crate::store) trait File {
    /// Reads one state of it.
    fn look<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError>;
    /// Writes, in the writer's turn; `work` may run twice.
    fn note<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError>;
}

impl<F: File + Send + Sync> Ledger for F {
    fn enrol(&self, probe: &ProbeRecord) -> Result<(), StoreError> {
        let p = probe.clone();
        self.note(move |db| {
            db.execute(
                "INSERT INTO probe (id, public_key, consent, software, enrolled, revoked, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE
                 SET consent = excluded.consent, software = excluded.software",
                params![
                    p.id.0,
                    p.public_key,
                    p.consent,
                    p.software,
                    p.enrolled.0,
                    p.revoked.map(|t| t.0),
                    source_number(p.source)
                ],
            )?;
            Ok(())
        })
    }

    fn probe(&self, id: ProbeId) -> Result<Option<ProbeRecord>, StoreError> {
        self.look(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT public_key, consent, software, enrolled, revoked, source
                     FROM probe WHERE id = ?1",
                )?
                .query_row([id.0], |r| {
                    Ok(ProbeRecord {
                        id,
                        public_key: r.get(0)?,
                        consent: r.get(1)?,
                        software: r.get(2)?,
                        enrolled: UnixTime(r.get(3)?),
                        revoked: r.get::<_, Option<i64>>(4)?.map(UnixTime),
                        source: source_of(r.get(5)?),
                    })
                })
                .optional()?)
        })
    }

    fn revoke(&self, id: ProbeId, at: UnixTime) -> Result<(), StoreError> {
        self.note(move |db| {
            db.execute(
                "UPDATE probe SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
                params![id.0, at.0],
            )?;
            Ok(())
        })
    }

    fn record_epoch(
        &self,
        probe: ProbeId,
        issued: UnixTime,
        token: &[u8],
    ) -> Result<(), StoreError> {
        let token = token.to_vec();
        self.note(move |db| {
            db.execute(
                "INSERT INTO epoch (probe, issued, token) VALUES (?1, ?2, ?3)",
                params![probe.0, issued.0, token],
            )?;
            Ok(())
        })
    }

    fn receipt(&self, batch: BatchId) -> Result<Option<ReceiptRecord>, StoreError> {
        self.look(|db| batches::receipt(db, batch))
    }

    fn audit(&self, at: UnixTime, what: &str) -> Result<(), StoreError> {
        let what = what.to_owned();
        self.note(move |db| {
            db.execute(
                "INSERT INTO audit (at, what) VALUES (?1, ?2)",
                params![at.0, what],
            )?;
            Ok(())
        })
    }

    fn newest(&self) -> Result<Arrival, StoreError> {
        self.look(|db| {
            let last = db
                .prepare_cached("SELECT max(key) FROM receipt")?
                .query_row([], |r| r.get::<_, Option<i64>>(0))?;
            Ok(Arrival(last.unwrap_or(i64::MIN)))
        })
    }

    fn after(
        &self,
        since: Arrival,
        each: &mut dyn FnMut(Arrival, BatchId),
    ) -> Result<(), StoreError> {
        self.look(|db| {
            let mut new = db
                .prepare_cached("SELECT key, batch FROM receipt WHERE key > ?1 ORDER BY key")?;
            let mut new = new.query([since.0])?;
            while let Some(row) = new.next()? {
                each(Arrival(row.get(0)?), BatchId(row.get(1)?));
            }
            Ok(())
        })
    }
}
