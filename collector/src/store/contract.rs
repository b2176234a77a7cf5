//! What must every engine do alike? Checks that run against any implementation; each wants
//! a fresh store.

use super::{Appended, Facts, Incoming, Ledger, StoreError};
use faultline_core::time::UnixTime;

/// A batch sent twice is stored once; the same identity with other bytes is refused.
pub fn appends_idempotently<S: Ledger + Facts>(store: &S, batch: &Incoming) {
    assert_eq!(store.append(batch.clone()).ok(), Some(Appended::Stored));
    let before = store.digest().ok();
    assert_eq!(store.append(batch.clone()).ok(), Some(Appended::Duplicate));
    let mut other = batch.clone();
    other.receipt.sha256[0] ^= 1;
    assert!(matches!(store.append(other), Err(StoreError::Conflict(_))));
    assert_eq!(store.digest().ok(), before);
    assert_eq!(
        store.receipt(batch.receipt.batch).ok().flatten().as_ref(),
        Some(&batch.receipt)
    );
    keeps_batches_verbatim(store, batch);
}

/// A stored batch comes back byte for byte; one that never came is absent, not an error.
fn keeps_batches_verbatim<S: Facts>(store: &S, batch: &Incoming) {
    let kept = store.batch(batch.receipt.batch).ok().flatten();
    assert_eq!(
        kept.map(|kept| (kept.receipt, kept.bytes)),
        Some((batch.receipt.clone(), batch.bytes.clone()))
    );
    let mut other = batch.receipt.batch;
    other.0[0] ^= 0xff;
    assert!(matches!(store.batch(other), Ok(None)));
}

/// Windows are half open and ordered by start, whatever the order of arrival.
pub fn reads_windows_in_order<S: Facts>(store: &S, batches: &[Incoming]) {
    for batch in batches.iter().rev() {
        assert_eq!(store.append(batch.clone()).ok(), Some(Appended::Stored));
    }
    let mut want: Vec<_> = batches.iter().flat_map(|b| b.rows.clone()).collect();
    want.sort_by_key(|row| (row.started, row.id));
    let mut seen = Vec::new();
    let read = store.measurements(UnixTime(i64::MIN)..UnixTime(i64::MAX), &mut |row| {
        seen.push(row);
        true
    });
    assert!(read.is_ok());
    assert_eq!(seen, want);
    let Some(last) = want.last() else { return };
    let (mut before, mut one) = (0, 0);
    let read = store.measurements(UnixTime(i64::MIN)..last.started, &mut |_| {
        before += 1;
        true
    });
    assert!(read.is_ok());
    assert_eq!(
        before,
        want.iter().filter(|r| r.started < last.started).count()
    );
    let read = store.measurements(UnixTime(i64::MIN)..UnixTime(i64::MAX), &mut |_| {
        one += 1;
        false
    });
    assert!(read.is_ok() && one == 1, "a reader may stop early");
}
