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
use rusqlite::{Connection, OptionalExtension, Row};
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
pub(super) fn after(
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

pub(super) fn by_key(db: &Connection, key: i64) -> Result<StoredBatch, StoreError> {
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
