//! What does the store in front of ClickHouse cost, beside the client alone?
//!
//! The floor is the official client inserting exactly the rows, counts and batch bytes that
//! the store left behind, by the same inserts; what the store does beside that is receipts and
//! identities in its ledger, with an fsync for each load, and deciding what is new. The
//! engine is the real one as a library in a process of its own, and its tables fsync. CPU
//! is that of both processes. Store and floor take turns, each into a new database.
//!
//!     cargo bench -p faultline-tests --bench facts [-- OBSERVATIONS [CLIENTS [TURNS]]]

#[path = "../../tests/facts/front.rs"]
mod front;
#[allow(dead_code)] // the bench of ingest uses all of it
#[path = "../ingest/load.rs"]
mod load;

mod floor;

use faultline_collector::{
    ingest::{Ingest, Nowhere},
    rules::Rules,
    store::{
        Appended, Arrival, Derive, Dropped, Facts, Incoming, Ledger, MeasurementRow,
        ProbeRecord, Query, ReceiptRecord, Retention, Rollup, Source, StoreError, StoredBatch,
        Summary, clickhouse::ClickHouse,
    },
};
use faultline_core::{
    codec::Identity,
    id::{BatchId, MeasurementId, ProbeId},
    time::{Duration, UnixTime},
};
use front::Front;
use load::{COLLECTOR, Controls, Load};
use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// What a turn took: seconds, of the clock and of both processes.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    ours: f64,
    engine: f64,
}

impl Cost {
    fn of(front: &Front, work: impl FnOnce()) -> Self {
        let engine = || cpu(&front.pid().expect("a process of ours").to_string());
        let (start, ours, theirs) = (Instant::now(), cpu("self"), engine());
        work();
        Self {
            wall: start.elapsed().as_secs_f64(),
            ours: cpu("self") - ours,
            engine: engine() - theirs,
        }
    }

    fn cpu(self) -> f64 {
        self.ours + self.engine
    }

    fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.ours += other.ours;
        self.engine += other.engine;
    }
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok());
    let total: usize = numbers.next().unwrap_or(1_000_000);
    let clients: usize = numbers.next().unwrap_or(64);
    let turns: usize = numbers.next().unwrap_or(3);
    let folder = tempfile::tempdir().expect("a folder");
    let Some(front) = Front::process(&folder.path().join("tables"), &[]) else {
        return;
    };
    let load = Load::new(total, 500, Controls::Shared);
    let probes: Vec<ProbeRecord> = load.probes.iter().map(probe).collect();
    let incoming = derived(&load, &probes);
    drop(load);
    let observations: usize = incoming
        .iter()
        .flat_map(|i| &i.rows)
        .map(|row| row.observations.len())
        .sum();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let client = |name: &str| floor::client(front.database(name).url(), name);
    let open = |name: &str| {
        ClickHouse::open(&folder.path().join(name), &front.database(name)).expect("a store")
    };

    let (mut store, mut alone, mut few) = (Cost::default(), Cost::default(), Cost::default());
    let mut loads = 0;
    for turn in 0..turns {
        let name = format!("store{turn}");
        let into = open(&name);
        for probe in &probes {
            into.enrol(probe).expect("to enrol");
        }
        let given: Vec<Mutex<Option<Incoming>>> = incoming
            .iter()
            .map(|one| Mutex::new(Some(one.clone())))
            .collect();
        store.add(Cost::of(&front, || append(&into, &given, clients)));
        let parts = runtime.block_on(floor::read(&client(&name)));
        loads += parts.len();

        let other = format!("floor{turn}");
        drop(open(&other)); // makes the tables
        let to = client(&other);
        alone.add(Cost::of(&front, || {
            runtime.block_on(floor::write(&to, &parts));
        }));
        let written = runtime.block_on(floor::digests(&to));
        let stored = runtime.block_on(floor::digests(&client(&name)));
        assert_eq!(written, stored, "the floor writes the same rows");

        let other = format!("few{turn}");
        drop(open(&other));
        let to = client(&other);
        let parts = floor::joined(parts);
        few.add(Cost::of(&front, || {
            runtime.block_on(floor::write(&to, &parts));
        }));
    }

    let rows = observations * turns;
    println!(
        "{observations} observations in {} batches, {clients} clients, {} loads; {turns} turns",
        incoming.len(),
        loads / turns
    );
    println!(
        "| | observations/s | per CPU-s | CPU-s ours | CPU-s engine | ratio (wall) | ratio (CPU) |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (what, cost) in [
        ("store", store),
        ("client alone, same inserts", alone),
        ("client alone, one insert a table", few),
    ] {
        println!(
            "| {what} | {:.0} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} |",
            rows as f64 / cost.wall,
            rows as f64 / cost.cpu(),
            cost.ours / turns as f64,
            cost.engine / turns as f64,
            cost.wall / store.wall,
            cost.cpu() / store.cpu(),
        );
    }
}

fn append(into: &ClickHouse, given: &[Mutex<Option<Incoming>>], clients: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while let Some(one) = given.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = one.lock().expect("a batch").take().expect("a batch");
                    assert_eq!(into.append(one).expect("to append"), Appended::Stored);
                }
            });
        }
    });
}

/// CPU seconds so far, of user and system (proc_pid_stat(5), fields 14 and 15).
fn cpu(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let after_name = stat.rsplit(')').next().expect("fields");
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|n| n.parse::<u64>().expect("a number"));
    ticks.sum::<u64>() as f64 / 100.0 // USER_HZ is 100 on every Linux that this runs on
}

fn probe(identity: &Identity) -> ProbeRecord {
    ProbeRecord {
        id: identity.public().probe_id(),
        public_key: identity.public().to_sec1(),
        consent: 1,
        software: "bench".into(),
        enrolled: UnixTime(0),
        revoked: None,
        source: Source::Probe,
    }
}

/// What ingest hands to a store, for each batch of a load.
fn derived(load: &Load, probes: &[ProbeRecord]) -> Vec<Incoming> {
    let caught = Arc::new(Caught {
        probes: probes.to_vec(),
        incoming: Mutex::default(),
    });
    let collector = Identity::from_bytes(&COLLECTOR).expect("a key");
    let ingest = Ingest::new(
        Arc::clone(&caught),
        Arc::new(Nowhere),
        Arc::new(Rules),
        collector.public(),
    );
    // An hour after the first was made.
    let received = load::START + Duration::from_hours(1);
    for batch in &load.batches {
        ingest.accept(batch, received).expect("to be taken");
    }
    let mut incoming = caught.incoming.lock().expect("what was caught");
    std::mem::take(&mut *incoming)
}

/// A store that only listens.
struct Caught {
    probes: Vec<ProbeRecord>,
    incoming: Mutex<Vec<Incoming>>,
}

type Done<T> = Result<T, StoreError>;

/// What nobody asks of it here.
const NOT_ASKED: StoreError = StoreError::Stopped;

impl Ledger for Caught {
    fn enrol(&self, _: &ProbeRecord) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn probe(&self, id: ProbeId) -> Done<Option<ProbeRecord>> {
        Ok(self.probes.iter().find(|p| p.id == id).cloned())
    }
    fn revoke(&self, _: ProbeId, _: UnixTime) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn record_epoch(&self, _: ProbeId, _: UnixTime, _: &[u8]) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn receipt(&self, _: BatchId) -> Done<Option<ReceiptRecord>> {
        Err(NOT_ASKED)
    }
    fn audit(&self, _: UnixTime, _: &str) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn newest(&self) -> Done<Arrival> {
        Err(NOT_ASKED)
    }
    fn after(&self, _: Arrival, _: &mut dyn FnMut(Arrival, BatchId)) -> Done<()> {
        Err(NOT_ASKED)
    }
}

impl Facts for Caught {
    fn append(&self, incoming: Incoming) -> Done<Appended> {
        self.incoming.lock().expect("room").push(incoming);
        Ok(Appended::Stored)
    }
    fn measurements(
        &self,
        _: Range<UnixTime>,
        _: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn select(&self, _: &Query) -> Done<Vec<MeasurementRow>> {
        Err(NOT_ASKED)
    }
    fn measurement(&self, _: MeasurementId) -> Done<Option<MeasurementRow>> {
        Err(NOT_ASKED)
    }
    fn rollups(&self, _: Range<UnixTime>) -> Done<Vec<Rollup>> {
        Err(NOT_ASKED)
    }
    fn summary(&self) -> Done<Vec<Summary>> {
        Err(NOT_ASKED)
    }
    fn batch(&self, _: BatchId) -> Done<Option<StoredBatch>> {
        Err(NOT_ASKED)
    }
    fn batches(&self, _: &mut dyn FnMut(StoredBatch) -> bool) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn rederive(&self, _: Derive) -> Done<()> {
        Err(NOT_ASKED)
    }
    fn retain(&self, _: &Retention, _: UnixTime) -> Done<Dropped> {
        Err(NOT_ASKED)
    }
    fn digest(&self) -> Done<[u8; 32]> {
        Err(NOT_ASKED)
    }
}
