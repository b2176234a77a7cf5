//! Do the derived rows still follow from the batches? Makes them again from the kept bytes
//! and the enrichment in the receipts; the geo databases of today are not asked.

use super::{Facts, Judge, StoreError, derive};
use crate::signature;
use faultline_core::{
    codec::{Envelope, PublicKey, Purpose},
    measurement::Batch,
};
use std::sync::Arc;

/// Rebuilds every derived row. Signatures are checked again: a batch that was tampered with
/// is found here, and the rows stay as they were. Enrichment is trusted: nobody signs it.
pub fn rebuild(facts: &dyn Facts, judge: Arc<dyn Judge>) -> Result<(), StoreError> {
    facts.rederive(Arc::new(move |stored| {
        let corrupt = |_| StoreError::Corrupt(format!("batch {}", stored.receipt.batch));
        let key = PublicKey::from_sec1(&stored.public_key).map_err(corrupt)?;
        let batch: Batch = Envelope::parse(&stored.bytes)
            .and_then(|envelope| signature::open(&envelope, Purpose::Batch, &key))
            .map_err(corrupt)?;
        Ok(derive(&batch, &stored.receipt.enrichment, &*judge))
    }))
}
