//! What came in, whichever process took it in? Batches are numbered in the ledger as they
//! come, and receipts are never dropped.

use super::{MeasurementRow, Store, StoreError, derive::payload_of};
use faultline_core::{id::BatchId, measurement::Batch};

/// Up to where in the order of arrival something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(pub(super) i64);

/// What is kept of a batch's measurements: those that came with it first.
pub fn rows_of(store: &dyn Store, id: BatchId) -> Result<Vec<MeasurementRow>, StoreError> {
    // Without its bytes, which may have been dropped, nobody knows what was in it.
    let Some(stored) = store.batch(id)? else {
        return Ok(Vec::new());
    };
    let batch: Batch =
        payload_of(&stored.bytes).ok_or_else(|| StoreError::Corrupt(format!("batch {id}")))?;
    let mut rows = Vec::new();
    for measurement in &batch.measurements {
        let row = store.measurement(measurement.id)?;
        rows.extend(row.filter(|row| row.batch == id));
    }
    Ok(rows)
}
