//! Rows back out of the tables, always in an order that does not depend on arrival.

use super::super::{
    Enrichment, Judgement, MeasurementRow, ObservationRow, ReceiptRecord, Rollup, StoreError,
    StoredBatch, derive::intern,
};
use faultline_core::{
    codec::from_cbor,
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Largest batch that is ever unpacked.
const MAX_BATCH: usize = 16 << 20;

const RECEIPT: &str = "SELECT r.batch, p.id, r.sequence, r.sha256, r.received, r.measurements,
    r.enrichment FROM receipt r JOIN probe p ON p.key = r.probe";

fn receipt_row(row: &Row) -> rusqlite::Result<Option<ReceiptRecord>> {
    let enrichment: Vec<u8> = row.get(6)?;
    let Ok(enrichment) = from_cbor::<Enrichment>(&enrichment) else {
        return Ok(None);
    };
    Ok(Some(ReceiptRecord {
        batch: BatchId(row.get(0)?),
        probe: ProbeId(row.get(1)?),
        sequence: row.get::<_, i64>(2)? as u64,
        sha256: row.get(3)?,
        received: UnixTime(row.get(4)?),
        measurements: row.get(5)?,
        enrichment,
    }))
}

pub(super) fn receipt(
    db: &Connection,
    batch: BatchId,
) -> Result<Option<ReceiptRecord>, StoreError> {
    let found = db
        .prepare_cached(&format!("{RECEIPT} WHERE r.batch = ?1"))?
        .query_row([batch.0], receipt_row)
        .optional()?;
    match found {
        Some(None) => Err(StoreError::Corrupt(format!("receipt {batch}"))),
        found => Ok(found.flatten()),
    }
}

pub(super) fn batch(db: &Connection, key: i64) -> Result<StoredBatch, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("receipt number {key}"));
    let receipt = db
        .prepare_cached(&format!("{RECEIPT} WHERE r.key = ?1"))?
        .query_row([key], receipt_row)?
        .ok_or_else(corrupt)?;
    let (bytes, public_key): (Vec<u8>, Vec<u8>) = db
        .prepare_cached(
            "SELECT b.bytes, p.public_key FROM batch b JOIN receipt r ON r.key = b.key
             JOIN probe p ON p.key = r.probe WHERE b.key = ?1",
        )?
        .query_row([key], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let bytes = zstd::bulk::decompress(&bytes, MAX_BATCH).map_err(|_| corrupt())?;
    if Sha256::digest(&bytes)[..] != receipt.sha256 {
        return Err(corrupt());
    }
    Ok(StoredBatch {
        receipt,
        public_key,
        bytes,
    })
}

pub(super) fn batch_of(
    db: &Connection,
    id: BatchId,
) -> Result<Option<StoredBatch>, StoreError> {
    let key = db
        .prepare_cached("SELECT key FROM receipt WHERE batch = ?1")?
        .query_row([id.0], |r| r.get(0))
        .optional()?;
    key.map(|key| batch(db, key)).transpose()
}

pub(super) fn batches(
    db: &Connection,
    each: &mut dyn FnMut(StoredBatch) -> bool,
) -> Result<(), StoreError> {
    let mut keys = db.prepare_cached("SELECT key FROM receipt ORDER BY key")?;
    let mut keys = keys.query([])?;
    while let Some(row) = keys.next()? {
        if !each(batch(db, row.get(0)?)?) {
            break;
        }
    }
    Ok(())
}

pub(super) fn measurements(
    db: &Connection,
    window: Range<UnixTime>,
    each: &mut dyn FnMut(MeasurementRow) -> bool,
) -> Result<(), StoreError> {
    let filter = "m.started >= ?1 AND m.started < ?2 ORDER BY m.started, m.id";
    select(db, filter, params![window.start.0, window.end.0], each)
}

pub(super) fn measurement(
    db: &Connection,
    id: MeasurementId,
) -> Result<Option<MeasurementRow>, StoreError> {
    let mut found = None;
    select(db, "m.id = ?1", [id.0], &mut |row| {
        found = Some(row);
        false
    })?;
    Ok(found)
}

fn select(
    db: &Connection,
    filter: &str,
    values: impl Params,
    each: &mut dyn FnMut(MeasurementRow) -> bool,
) -> Result<(), StoreError> {
    let mut observations = db.prepare_cached(
        "SELECT o.at, w.text, o.failure, o.layer, o.payload FROM observation o
         JOIN word w ON w.id = o.step WHERE o.measurement = ?1 ORDER BY o.idx",
    )?;
    let mut found = db.prepare_cached(&format!(
        "SELECT m.key, m.id, r.batch, p.id, m.started, e.text, t.text, c.text, m.asn, m.known,
           m.scored, v.text, n.text, m.reasons, m.rules
         FROM measurement m JOIN receipt r ON r.key = m.batch JOIN probe p ON p.key = r.probe
         JOIN word e ON e.id = m.experiment JOIN word t ON t.id = m.target
         JOIN word c ON c.id = m.country JOIN word v ON v.id = m.outcome
         LEFT JOIN word n ON n.id = m.mechanism WHERE {filter}"
    ))?;
    let mut found = found.query(values)?;
    while let Some(r) = found.next()? {
        let observations = observations
            .query_map([r.get::<_, i64>(0)?], |o| {
                Ok(ObservationRow {
                    at: UnixTime(o.get(0)?),
                    step: intern(&o.get::<_, String>(1)?),
                    failure: o.get(2)?,
                    layer: o.get(3)?,
                    payload: o.get(4)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        let go_on = each(MeasurementRow {
            id: MeasurementId(r.get(1)?),
            batch: BatchId(r.get(2)?),
            probe: ProbeId(r.get(3)?),
            started: UnixTime(r.get(4)?),
            experiment: intern(&r.get::<_, String>(5)?),
            target: r.get(6)?,
            country: Country::new(&r.get::<_, String>(7)?).unwrap_or_default(),
            asn: Asn(r.get(8)?),
            network_known: r.get(9)?,
            scored: r.get(10)?,
            observations,
            verdict: Judgement {
                outcome: r.get(11)?,
                mechanism: r.get(12)?,
                reasons: r.get(13)?,
                rules: r.get(14)?,
            },
        });
        if !go_on {
            break;
        }
    }
    Ok(())
}

pub(super) fn rollups(
    db: &Connection,
    window: Range<UnixTime>,
) -> Result<Vec<Rollup>, StoreError> {
    // Hours that start in the window: both ends rounded up.
    let hour = |t: UnixTime| t.0.div_euclid(HOUR) + i64::from(t.0.rem_euclid(HOUR) != 0);
    Ok(db
        .prepare_cached(
            "SELECT u.hour, c.text, u.asn, t.text, v.text, u.n FROM rollup u
             JOIN word c ON c.id = u.country JOIN word t ON t.id = u.target
             JOIN word v ON v.id = u.outcome WHERE u.hour >= ?1 AND u.hour < ?2
             ORDER BY u.hour, c.text, u.asn, t.text, v.text",
        )?
        .query_map([hour(window.start), hour(window.end)], |r| {
            Ok(Rollup {
                hour: r.get(0)?,
                country: Country::new(&r.get::<_, String>(1)?).unwrap_or_default(),
                asn: Asn(r.get(2)?),
                target: r.get(3)?,
                outcome: r.get(4)?,
                count: r.get::<_, i64>(5)? as u64,
            })
        })?
        .collect::<Result<_, _>>()?)
}

const HOUR: i64 = 3_600_000_000;

pub(super) fn digest(db: &Connection) -> Result<[u8; 32], StoreError> {
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let mut hash = Sha256::new();
    measurements(db, all.clone(), &mut |m| {
        hash.update(format!("{m:?}\n"));
        true
    })?;
    for rollup in rollups(db, all)? {
        hash.update(format!("{rollup:?}\n"));
    }
    Ok(hash.finalize().into())
}
