//! What must every engine do alike? Checks that run against any implementation; each wants
//! a fresh store with the probes of its batches enrolled.

mod model;

pub use model::Model;

use super::{
    Appended, Dropped, Facts, Incoming, Judge, Ledger, MeasurementRow, Query, Retention,
    Source, StoreError, rebuild,
};
use faultline_core::{
    id::MeasurementId,
    time::{Duration, UnixTime},
};
use std::{collections::BTreeSet, sync::Arc};

/// Every measurement of a store, whole, in order.
pub fn all<S: Facts>(store: &S) -> Vec<MeasurementRow> {
    let mut rows = Vec::new();
    let read = store.measurements(UnixTime(i64::MIN)..UnixTime(i64::MAX), &mut |row| {
        rows.push(row);
        true
    });
    assert!(read.is_ok());
    rows
}

fn append<S: Facts>(store: &S, batch: &Incoming) {
    assert_eq!(store.append(batch.clone()).ok(), Some(Appended::Stored));
}

/// A batch sent twice is stored once; the same identity with other bytes is refused.
pub fn appends_idempotently<S: Ledger + Facts>(store: &S, batch: &Incoming) {
    append(store, batch);
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
        append(store, batch);
    }
    let mut want: Vec<_> = batches.iter().flat_map(|b| b.rows.clone()).collect();
    want.sort_by_key(|row| (row.started, row.id));
    assert_eq!(all(store), want);
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

/// Everything that can be asked is answered as by the [`Model`], late data included.
pub fn agrees_with_the_model<S: Facts>(store: &S, mut model: Model, batches: &[Incoming]) {
    for batch in batches.iter().rev() {
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
    }
    model.agrees(store);
    for query in queries(&model) {
        let found = store.select(&query).expect("a page");
        assert_eq!(found, model.select(&query), "{query:?}");
    }
}

/// Queries by each filter and some of their combinations, about what is there and is not.
fn queries(model: &Model) -> Vec<Query> {
    let rows = model.rows();
    let always = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let mut queries = vec![Query::within(always.clone(), 7)];
    let some = rows.iter().step_by(rows.len() / 12 + 1);
    for (row, n) in some.zip(0u8..) {
        let mut query = Query::within(always.clone(), 1 + rows.len() / 3);
        query.observations = n % 2 == 0;
        let mut also = |query: &Query| queries.push(query.clone());
        query.country = Some(row.country);
        also(&query);
        query.source = Some(if n % 3 == 0 {
            Source::Import
        } else {
            Source::Probe
        });
        also(&query);
        query.target = Some(row.target.clone());
        also(&query);
        query.outcome = Some(row.verdict.outcome.clone());
        also(&query);
        query.country = None;
        query.after = Some((row.started, row.id));
        also(&query);
        (query.target, query.outcome) = (None, None);
        query.window = row.started..row.started + Duration::from_hours(30);
        also(&query);
        query.source = None;
        query.after = Some((row.started, MeasurementId([0; 16])));
        also(&query);
        query.target = Some("https://never.example/".into());
        also(&query);
        query.target = None;
        query.window = row.started..row.started;
        also(&query);
    }
    queries
}

/// While batches arrive, pages neither repeat a measurement nor leave out one that was
/// there at the start.
pub fn pages_while_others_append<S: Facts>(store: &S, there: &[Incoming], then: &[Incoming]) {
    for batch in there {
        append(store, batch);
    }
    let want: BTreeSet<_> = all(store).iter().map(|row| (row.started, row.id)).collect();
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::sync_channel(0);
        scope.spawn(move || {
            for batch in then {
                append(store, batch);
                // In step with the reader while it reads, so that all lie between pages.
                let _ = tell.send(());
            }
        });
        let mut query = Query::within(UnixTime(i64::MIN)..UnixTime(i64::MAX), 3);
        query.observations = false;
        loop {
            let page = store.select(&query).expect("a page");
            let Some(last) = page.last() else { break };
            query.after = Some((last.started, last.id));
            seen.extend(page.iter().map(|row| (row.started, row.id)));
            let _ = told.recv();
        }
    });
    assert!(seen.is_sorted_by(|a, b| a < b), "in order, each once");
    let seen: BTreeSet<_> = seen.into_iter().collect();
    assert!(want.is_subset(&seen), "all that was there at the start");
}

/// Many writers at the same time, each batch from three of them: stored once each, and
/// nothing differs from one writer in `other`.
pub fn takes_many_writers<S: Facts>(store: &S, other: &S, batches: &[Incoming]) {
    let stored = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let stored = &stored;
            scope.spawn(move || {
                for batch in batches.iter().skip(writer % 2).step_by(2) {
                    if store.append(batch.clone()).expect("to append") == Appended::Stored {
                        stored.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(stored.into_inner(), batches.len());
    for batch in batches {
        append(other, batch);
    }
    assert_eq!(store.digest().ok(), other.digest().ok());
}

/// Rebuilds and sweeps between uploads, in whatever company they come, lose and double
/// nothing.
pub fn rebuilds_while_others_append<S: Facts>(
    store: &S,
    judge: &Arc<dyn Judge>,
    mut model: Model,
    batches: &[Incoming],
    now: UnixTime,
) {
    let left = &std::sync::atomic::AtomicUsize::new(batches.len());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            scope.spawn(move || {
                for batch in batches.iter().skip(writer).step_by(4) {
                    append(store, batch);
                    left.fetch_sub(1, std::sync::atomic::Ordering::Release);
                }
            });
        }
        while left.load(std::sync::atomic::Ordering::Acquire) > 0 {
            assert!(rebuild(store, Arc::clone(judge)).is_ok());
            let policy = Retention {
                observations: Some(300),
                batches: Some(300),
                clock_checked: true,
            };
            assert_eq!(store.retain(&policy, now).ok(), Some(Dropped::default()));
        }
    });
    for batch in batches {
        assert_eq!(store.append(batch.clone()).ok(), Some(Appended::Duplicate));
    }
    // Whoever came first, all are there, once each.
    let mut stored = Vec::new();
    let read = store.batches(&mut |b| {
        stored.push(b.receipt.batch);
        true
    });
    assert!(read.is_ok());
    for id in stored {
        let batch = batches.iter().find(|b| b.receipt.batch == id);
        assert_eq!(
            batch.and_then(|batch| model.append(batch)),
            Some(Appended::Stored)
        );
    }
    model.agrees(store);
}

/// Made again from batches, every derived row is as it was, and a reader sees the old rows
/// or the new ones, never some of them.
pub fn rebuilds_the_same<S: Facts>(store: &S, judge: Arc<dyn Judge>, batches: &[Incoming]) {
    for batch in batches {
        append(store, batch);
    }
    let (before, count) = (store.digest().expect("a digest"), all(store).len());
    let done = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..3 {
                assert!(rebuild(store, Arc::clone(&judge)).is_ok());
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            assert_eq!(
                all(store).len(),
                count,
                "a reader sees all or nothing of it"
            );
        }
    });
    assert_eq!(store.digest().ok(), Some(before));
}

/// Days go and stay gone, whatever arrives and whatever is made again; what was
/// acknowledged is still known, what was counted still counts. `late` comes after.
pub fn forgets_old_days<S: Ledger + Facts>(
    store: &S,
    mut model: Model,
    judge: &Arc<dyn Judge>,
    batches: &[Incoming],
    late: &[Incoming],
    now: UnixTime,
) {
    for batch in batches {
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
    }
    let retain = |model: &mut Model, observations, batches| {
        let policy = Retention {
            observations,
            batches,
            clock_checked: true,
        };
        model.retain(&policy, now);
        let dropped = store.retain(&policy, now).expect("to retain");
        model.agrees(store);
        dropped
    };
    assert_eq!(retain(&mut model, None, None), Dropped::default());
    let before = model.rows().len();
    let dropped = retain(&mut model, Some(3), None);
    assert!(dropped.measurements > 0 && dropped.batches == 0);
    assert_eq!(
        model.rows().len() as u64,
        before as u64 - dropped.measurements
    );
    assert_eq!(
        retain(&mut model, Some(3), None),
        Dropped::default(),
        "once"
    );
    assert_eq!(
        retain(&mut model, Some(300), None),
        Dropped::default(),
        "gone is gone"
    );
    assert!(rebuild(store, Arc::clone(judge)).is_ok());
    model.agrees(store);
    let dropped = retain(&mut model, None, Some(4));
    assert!(dropped.measurements == 0 && dropped.batches > 0);
    for batch in batches {
        assert_eq!(store.append(batch.clone()).ok(), Some(Appended::Duplicate));
        let receipt = store.receipt(batch.receipt.batch).ok().flatten();
        assert_eq!(receipt.as_ref(), Some(&batch.receipt));
    }
    for batch in late {
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
    }
    model.agrees(store);
    assert!(rebuild(store, Arc::clone(judge)).is_ok());
    model.agrees(store);
}

/// A clock that leaps ahead drops nothing until somebody vouches for it.
pub fn doubts_a_leaping_clock<S: Facts>(store: &S, batches: &[Incoming], now: UnixTime) {
    for batch in batches {
        append(store, batch);
    }
    let mut policy = Retention {
        observations: Some(1),
        batches: Some(1),
        clock_checked: false,
    };
    let before = store.digest().ok();
    let leap = now + Duration::from_hours(24 * 365);
    let refused = store.retain(&policy, leap);
    assert!(matches!(refused, Err(StoreError::ClockLeap { days }) if days > 300));
    assert_eq!(store.digest().ok(), before);
    policy.clock_checked = true;
    assert!(
        store
            .retain(&policy, leap)
            .is_ok_and(|dropped| dropped.measurements > 0)
    );
    policy.clock_checked = false;
    assert!(
        store
            .retain(&policy, leap + Duration::from_hours(24))
            .is_ok()
    );
}
