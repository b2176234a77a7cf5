//! What came in, whichever process took it in? Batches are numbered as they come, and receipts
//! are never dropped.

use super::{
    super::{MeasurementRow, StoreError, derive::payload_of},
    batches, read,
};
use faultline_core::{id::BatchId, measurement::Batch, time::UnixTime};
use rusqlite::{Connection, OptionalExtension};

/// Up to where in the order of arrival something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(i64);

/// Everything, and where to go on.
pub(super) fn all(
    db: &Connection,
    each: &mut dyn FnMut(MeasurementRow),
) -> Result<Arrival, StoreError> {
    let always = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    read::measurements(db, always, &mut |row| {
        each(row);
        true
    })?;
    let last = db
        .prepare_cached("SELECT max(key) FROM receipt")?
        .query_row([], |r| r.get::<_, Option<i64>>(0))?;
    Ok(Arrival(last.unwrap_or(i64::MIN)))
}

/// The rows of each batch that came after, but of those that are known, and where to go on.
pub(super) fn after(
    db: &Connection,
    Arrival(mut last): Arrival,
    known: &dyn Fn(BatchId) -> bool,
    each: &mut dyn FnMut(BatchId, Vec<MeasurementRow>),
) -> Result<Arrival, StoreError> {
    let mut new =
        db.prepare_cached("SELECT key, batch FROM receipt WHERE key > ?1 ORDER BY key")?;
    let mut new = new.query([last])?;
    while let Some(row) = new.next()? {
        last = row.get(0)?;
        let id = BatchId(row.get(1)?);
        if !known(id) {
            each(id, rows(db, last, id)?);
        }
    }
    Ok(Arrival(last))
}

/// What is kept of a batch's measurements: those that came with it first.
fn rows(db: &Connection, key: i64, id: BatchId) -> Result<Vec<MeasurementRow>, StoreError> {
    // Without its bytes, which may have been dropped, nobody knows what was in it.
    let there = db
        .prepare_cached("SELECT 1 FROM batch WHERE key = ?1")?
        .query_row([key], |_| Ok(()))
        .optional()?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let stored = batches::by_key(db, key)?;
    let batch: Batch =
        payload_of(&stored.bytes).ok_or_else(|| StoreError::Corrupt(format!("batch {id}")))?;
    let mut rows = Vec::new();
    for measurement in &batch.measurements {
        let row = read::measurement(db, measurement.id)?;
        rows.extend(row.filter(|row| row.batch == id));
    }
    Ok(rows)
}
