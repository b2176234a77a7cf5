//! Who are the probes, and what was acknowledged? The small tables with unique keys.

use super::{
    super::{Ledger, ProbeRecord, ReceiptRecord, StoreError},
    Sqlite, batches,
    read::{source_number, source_of},
};
use faultline_core::{
    id::{BatchId, ProbeId},
    time::UnixTime,
};
use rusqlite::{OptionalExtension, params};

impl Ledger for Sqlite {
    fn enrol(&self, probe: &ProbeRecord) -> Result<(), StoreError> {
        let p = probe.clone();
        self.write(move |desk| {
            desk.db.execute(
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
        self.read(|db| {
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
        self.write(move |desk| {
            desk.db.execute(
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
        self.write(move |desk| {
            desk.db.execute(
                "INSERT INTO epoch (probe, issued, token) VALUES (?1, ?2, ?3)",
                params![probe.0, issued.0, token],
            )?;
            Ok(())
        })
    }

    fn receipt(&self, batch: BatchId) -> Result<Option<ReceiptRecord>, StoreError> {
        self.read(|db| batches::receipt(db, batch))
    }

    fn audit(&self, at: UnixTime, what: &str) -> Result<(), StoreError> {
        let what = what.to_owned();
        self.write(move |desk| {
            desk.db.execute(
                "INSERT INTO audit (at, what) VALUES (?1, ?2)",
                params![at.0, what],
            )?;
            Ok(())
        })
    }
}
