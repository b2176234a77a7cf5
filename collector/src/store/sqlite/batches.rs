//! How do receipts and batches come back out, in the order in which they came in?

use super::{
    super::{Enrichment, ReceiptRecord, StoreError, StoredBatch},
    write::Origin,
};
use faultline_core::{
    codec::from_cbor,
    id::{BatchId, ProbeId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

/// Largest batch that is ever unpacked.
const MAX_BATCH: usize = 16 << 20;

const RECEIPT: &str = "SELECT r.batch, p.id, r.sequence, r.sha256, r.received, r.measurements,
    r.enrichment FROM receipt r JOIN probe p ON p.key = r.probe";

fn receipt_row(row: &Row) -> rusqlite::Result<Option<ReceiptRecord>> {
    let Ok(enrichment) = from_cbor::<Enrichment>(row.get_ref(6)?.as_blob()?) else {
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

/// Notes a batch's receipt: where its rows come from, or nothing if it was noted before. The
/// same identity with other bytes is an error.
pub(in crate::store) fn note(
    db: &Connection,
    r: &ReceiptRecord,
    enrichment: &[u8],
) -> Result<Option<Origin>, StoreError> {
    let there: Option<[u8; 32]> = db
        .prepare_cached("SELECT sha256 FROM receipt WHERE batch = ?1")?
        .query_row([r.batch.0], |row| row.get(0))
        .optional()?;
    match there {
        Some(sha256) if sha256 == r.sha256 => return Ok(None),
        Some(_) => return Err(StoreError::Conflict(r.batch)),
        None => {}
    }
    let (probe, source) = db
        .prepare_cached("SELECT key, source FROM probe WHERE id = ?1")?
        .query_row([r.probe.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    db.prepare_cached(
        "INSERT INTO receipt
           (batch, probe, sequence, sha256, received, measurements, enrichment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        r.batch.0,
        probe,
        r.sequence as i64,
        r.sha256,
        r.received.0,
        r.measurements,
        enrichment
    ])?;
    Ok(Some(Origin {
        batch: db.last_insert_rowid(),
        probe,
        source,
        received: r.received,
    }))
}

pub(in crate::store) fn receipt(
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

/// By identity; `None` where it is unknown or was dropped.
pub(super) fn batch(db: &Connection, id: BatchId) -> Result<Option<StoredBatch>, StoreError> {
    let key = db
        .prepare_cached(
            "SELECT b.key FROM batch b JOIN receipt r ON r.key = b.key WHERE r.batch = ?1",
        )?
        .query_row([id.0], |r| r.get(0))
        .optional()?;
    key.map(|key| by_key(db, key)).transpose()
}

/// The first that came after `key`.
pub(in crate::store) fn after(
    db: &Connection,
    key: i64,
) -> Result<Option<(i64, StoredBatch)>, StoreError> {
    let next = db
        .prepare_cached("SELECT key FROM batch WHERE key > ?1 ORDER BY key LIMIT 1")?
        .query_row([key], |r| r.get(0))
        .optional()?;
    next.map(|key| Ok((key, by_key(db, key)?))).transpose()
}

pub(super) fn batches(
    db: &Connection,
    each: &mut dyn FnMut(StoredBatch) -> bool,
) -> Result<(), StoreError> {
    let mut last = i64::MIN;
    while let Some((key, batch)) = after(db, last)? {
        last = key;
        if !each(batch) {
            break;
        }
    }
    Ok(())
}

/// What rows of a batch are stored with.
pub(super) fn origin(db: &Connection, key: i64) -> Result<Origin, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT r.key, p.key, p.source, r.received FROM receipt r
             JOIN probe p ON p.key = r.probe WHERE r.key = ?1",
        )?
        .query_row([key], |r| {
            Ok(Origin {
                batch: r.get(0)?,
                probe: r.get(1)?,
                source: r.get(2)?,
                received: UnixTime(r.get(3)?),
            })
        })?)
}

fn by_key(db: &Connection, key: i64) -> Result<StoredBatch, StoreError> {
    let bytes: Vec<u8> = db
        .prepare_cached("SELECT bytes FROM batch WHERE key = ?1")?
        .query_row([key], |r| r.get(0))?;
    let bytes = zstd::bulk::decompress(&bytes, MAX_BATCH).map_err(|_| corrupt(key))?;
    with_receipt(db, key, bytes)
}

fn corrupt(key: i64) -> StoreError {
    StoreError::Corrupt(format!("receipt number {key}"))
}

/// The number of a receipt.
pub(in crate::store) fn number(
    db: &Connection,
    id: BatchId,
) -> Result<Option<i64>, StoreError> {
    Ok(db
        .prepare_cached("SELECT key FROM receipt WHERE batch = ?1")?
        .query_row([id.0], |r| r.get(0))
        .optional()?)
}

/// Puts the receipt to the bytes that it is about.
pub(in crate::store) fn with_receipt(
    db: &Connection,
    key: i64,
    bytes: Vec<u8>,
) -> Result<StoredBatch, StoreError> {
    let receipt = db
        .prepare_cached(&format!("{RECEIPT} WHERE r.key = ?1"))?
        .query_row([key], receipt_row)
        .optional()?
        .flatten()
        .ok_or_else(|| corrupt(key))?;
    let public_key = db
        .prepare_cached(
            "SELECT p.public_key FROM receipt r JOIN probe p ON p.key = r.probe
             WHERE r.key = ?1",
        )?
        .query_row([key], |r| r.get(0))?;
    if Sha256::digest(&bytes)[..] != receipt.sha256 {
        return Err(corrupt(key));
    }
    Ok(StoredBatch {
        receipt,
        public_key,
        bytes,
    })
}
