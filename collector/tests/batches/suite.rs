//! The contract with every engine, as tests: one macro makes them all, so that no engine can
//! be tested less than another.

use super::{NOW, batch, enrol_all, incoming, ingest, seal, varied};
use faultline_collector::{
    rules::Rules,
    store::{
        Appended, Facts, Incoming, Judge, Ledger, Retention, StoreError,
        contract::{self, Model},
        rebuild,
    },
};
use faultline_core::{
    id::BatchId,
    time::{Duration, UnixTime},
};
use proptest::{prelude::*, test_runner::TestRunner};
use std::sync::{Arc, LazyLock};

/// An engine that stores can be opened on.
pub trait Engine: Sized {
    type Store: Ledger + Facts + 'static;
    /// Cases of the test that takes the longest.
    const CASES: u32;
    /// Batches in the others; twelve days take twelve.
    const BATCHES: u32;
    /// Rows that are asked for one by one, each time, at most.
    const LOOKUPS: usize;
    /// `None`, after saying why, where it is not installed.
    fn start() -> Option<Self>;
    /// A store of that name; the same again, if it was there.
    fn open(&self, name: &str) -> Arc<Self::Store>;

    /// A new store that knows everybody.
    fn fresh(&self, name: &str) -> Arc<Self::Store> {
        let store = self.open(name);
        enrol_all(&*store);
        store
    }
}

/// Every test of the contract, on one engine.
#[macro_export]
macro_rules! contract {
    ($engine:ty: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                if let Some(engine) = <$engine as batches::suite::Engine>::start() {
                    batches::suite::$test(&engine);
                }
            }
        )*
    };
    ($engine:ty) => {
        $crate::contract! { $engine:
            contract_idempotent
            contract_ordered
            contract_every_question_is_answered_as_by_the_model
            contract_pages_hold_while_others_append
            contract_many_writers
            contract_rebuilds_the_same
            contract_rebuilds_while_others_append
            contract_forgets_old_days
            contract_doubts_a_leaping_clock
            contract_two_writers_of_one_store
            contract_reused_measurement_ids_count_once
            contract_whatever_happens_it_says_what_the_model_says
        }
    };
}

fn model<E: Engine>() -> Model {
    super::model().with_lookups(E::LOOKUPS)
}

pub fn contract_idempotent<E: Engine>(engine: &E) {
    contract::appends_idempotently(&*engine.fresh("a"), &incoming(1));
}

pub fn contract_ordered<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..E::BATCHES / 3).map(incoming).collect();
    contract::reads_windows_in_order(&*engine.fresh("a"), &batches);
}

pub fn contract_every_question_is_answered_as_by_the_model<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..E::BATCHES).map(varied).collect();
    contract::agrees_with_the_model(&*engine.fresh("a"), model::<E>(), &batches);
}

pub fn contract_pages_hold_while_others_append<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..E::BATCHES).map(varied).collect();
    let (then, there) = batches.split_at(batches.len() / 2);
    contract::pages_while_others_append(&*engine.fresh("a"), there, then);
}

pub fn contract_many_writers<E: Engine>(engine: &E) {
    // Without reused identities, which would belong to whoever came first.
    let batches: Vec<_> = (0..E::BATCHES).map(incoming).collect();
    contract::takes_many_writers(&*engine.fresh("a"), &*engine.fresh("b"), &batches);
}

pub fn contract_rebuilds_the_same<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..E::BATCHES).map(varied).collect();
    contract::rebuilds_the_same(&*engine.fresh("a"), Arc::new(Rules), &batches);
}

pub fn contract_rebuilds_while_others_append<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..E::BATCHES).map(incoming).collect();
    let judge: Arc<dyn Judge> = Arc::new(Rules);
    contract::rebuilds_while_others_append(
        &*engine.fresh("a"),
        &judge,
        model::<E>(),
        &batches,
        NOW + Duration::from_hours(24),
    );
}

pub fn contract_forgets_old_days<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..E::BATCHES).map(varied).collect();
    let (late, early) = batches.split_at(batches.len() / 3);
    let now = NOW + Duration::from_hours(24 * 11);
    let judge: Arc<dyn Judge> = Arc::new(Rules);
    contract::forgets_old_days(&*engine.fresh("a"), model::<E>(), &judge, early, late, now);
}

pub fn contract_doubts_a_leaping_clock<E: Engine>(engine: &E) {
    let batches: Vec<_> = (0..10).map(varied).collect();
    contract::doubts_a_leaping_clock(&*engine.fresh("a"), &batches, NOW);
}

/// A collector that serves and an import beside it: what one remembers of the store, the
/// other may have changed.
pub fn contract_two_writers_of_one_store<E: Engine>(engine: &E) {
    let (one, other) = (engine.fresh("a"), engine.fresh("a"));
    let mut model = model::<E>();
    let now = NOW + Duration::from_hours(24 * 11);
    for (n, batch) in (0u8..).zip(BATCHES.iter()) {
        let store = if n % 2 == 0 { &one } else { &other };
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
        if n == 9 {
            rebuild(&*one, Arc::new(Rules)).unwrap();
        }
        if n == 14 {
            let policy = Retention {
                observations: Some(5),
                batches: None,
                clock_checked: true,
            };
            model.retain(&policy, now);
            other.retain(&policy, now).unwrap();
        }
    }
    model.agrees(&*one);
    model.agrees(&*other);
}

pub fn contract_reused_measurement_ids_count_once<E: Engine>(engine: &E) {
    let store = engine.fresh("a");
    let ingest = ingest(&store);
    for n in [7, 2, 9, 0, 5] {
        assert!(!ingest.accept(&seal(&batch(n)), NOW).unwrap().duplicate);
    }
    let mut again = batch(2);
    again.id = BatchId([0xee; 16]);
    ingest.accept(&seal(&again), NOW).unwrap();
    assert_eq!(contract::all(&*store).len(), 20);
    let all = UnixTime(0)..UnixTime(i64::MAX);
    let total: u64 = store.rollups(all).unwrap().iter().map(|r| r.count).sum();
    assert_eq!(total, 20);
}

/// Signed once: that is what takes time.
pub static BATCHES: LazyLock<Vec<Incoming>> = LazyLock::new(|| (0..25).map(varied).collect());

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Happening {
    Append(u32),
    Conflict(u32),
    Rebuild,
    Reopen,
    Retain(Option<u32>, Option<u32>, u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    let days = || prop::option::of(0u32..14);
    prop_oneof![
        8 => (0u32..25).prop_map(Happening::Append),
        1 => (0u32..25).prop_map(Happening::Conflict),
        1 => Just(Happening::Rebuild),
        1 => Just(Happening::Reopen),
        1 => (days(), days(), 0u32..14).prop_map(|(o, b, now)| Happening::Retain(o, b, now)),
    ]
}

pub fn contract_whatever_happens_it_says_what_the_model_says<E: Engine>(engine: &E) {
    let config = ProptestConfig {
        cases: E::CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let number = std::cell::Cell::new(0);
    let happenings = prop::collection::vec(happening(), 1..40);
    let ran = TestRunner::new(config).run(&happenings, |happenings| {
        number.set(number.get() + 1);
        happen(engine, &format!("case{}", number.get()), happenings)
    });
    if let Err(failed) = ran {
        panic!("{failed}");
    }
}

fn happen<E: Engine>(
    engine: &E,
    name: &str,
    happenings: Vec<Happening>,
) -> Result<(), TestCaseError> {
    let varied = |n: u32| BATCHES[n as usize].clone();
    let (mut store, mut model) = (engine.fresh(name), model::<E>());
    for happening in happenings {
        match happening {
            Happening::Append(n) => {
                let batch = varied(n);
                let want = model.append(&batch).unwrap();
                prop_assert_eq!(store.append(batch).unwrap(), want);
            }
            Happening::Conflict(n) => {
                let mut batch = varied(n);
                if model.append(&batch) == Some(Appended::Stored) {
                    store.append(batch.clone()).unwrap();
                }
                batch.receipt.sha256[0] ^= 1;
                prop_assert!(model.append(&batch).is_none());
                prop_assert!(matches!(store.append(batch), Err(StoreError::Conflict(_))));
            }
            Happening::Rebuild => rebuild(&*store, Arc::new(Rules)).unwrap(),
            Happening::Reopen => {
                drop(store);
                store = engine.open(name);
            }
            Happening::Retain(observations, batches, day) => {
                let policy = Retention {
                    observations,
                    batches,
                    clock_checked: true,
                };
                let now = NOW + Duration::from_hours(24) * day;
                model.retain(&policy, now);
                store.retain(&policy, now).unwrap();
            }
        }
    }
    model.agrees(&*store);
    Ok(())
}
