//! Does a probe stay sane when its wall clock jumps by years, forwards and back?

use crate::world::{Loopback, collector_key};
use faultline_collector::{
    ingest::{Enricher, Ingest, issue},
    rules::Rules,
    store::{Ledger as _, ProbeRecord, Source, sqlite::Sqlite},
};
use faultline_core::{
    codec::{Envelope, Identity, Purpose},
    measurement::{Batch, Driver},
    protocol::Risk,
    time::{ClockQuality, Duration, Instant, UnixTime},
    value::Blob,
};
use faultline_internet::{
    clock::{EPOCH, SimClock},
    entropy::Seeded,
    network::SimNetwork,
    scenario::Scenario,
    world::{NEUTRAL, World},
};
use faultline_probe::{
    agent::Agent,
    budget::Budget,
    consent::{Consent, Group, VERSION},
    experiment::{self, Plan},
    learned::Learned,
    net::{Clock, Network as _},
    scrub::Scrubber,
    spool::Spool,
};
use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    path::Path,
    sync::Arc,
};

const DAY: Duration = Duration::from_hours(24);
const CLEAN: &str = include_str!("../../scenarios/benign/clean_dns.toml");

/// The simulation's clock, with a wall clock that can be set.
struct Jumping {
    steady: SimClock,
    off: Cell<i64>,
}

impl Clock for Jumping {
    fn now(&self) -> Instant {
        self.steady.now()
    }
    fn unix(&self) -> UnixTime {
        UnixTime(self.steady.unix().0 + self.off.get() * DAY.as_micros() as i64)
    }
    fn quality(&self) -> ClockQuality {
        self.steady.quality()
    }
    async fn sleep(&self, duration: Duration) {
        self.steady.sleep(duration).await;
    }
}

fn key() -> Identity {
    Identity::from_bytes(&[3; 32]).unwrap()
}

/// Days by which the wall clock is off at each measurement.
const JUMPS: [i64; 6] = [0, -365, 0, 365, 0, 1];

/// Measures once at each jump; gives the batches in the order in which they would be sent,
/// and how many bytes each of them left of its day's budget.
async fn measure(folder: &Path) -> Vec<(Batch, Vec<u8>, u64)> {
    let scenario = Scenario::parse(CLEAN).unwrap();
    let world = Arc::new(World::new(&scenario).unwrap());
    let net = SimNetwork::probe(&world, &scenario.probe, 1);
    let clock = Jumping {
        steady: SimClock::new(0, ClockQuality::Ntp),
        off: Cell::new(0),
    };
    let entropy = RefCell::new(Seeded::new(1, 2));
    let me = key().public().probe_id();
    let token = issue(
        &collector_key(),
        &Loopback,
        me,
        IpAddr::from([127, 0, 0, 1]),
        EPOCH,
        DAY,
    );
    let mut learned = Learned::open(folder.join("network.json"));
    let public = Blob(collector_key().public().to_sec1());
    learned.learn_key(public).unwrap();
    let network = net.attach().network;
    learned.learn_token(Some(Blob(token)), network).unwrap();
    let mut agent = Agent {
        world: experiment::World {
            net: &net,
            clock: &clock,
            entropy: &entropy,
        },
        plan: Plan::new(Arc::clone(&world.roots), NEUTRAL),
        driver: Driver::Simulated,
        identity: key(),
        consent: Consent {
            version: VERSION,
            given: String::new(),
            groups: vec![Group::Dns],
            risk: Risk::Low,
        },
        collector: None,
        spool: Spool::open(&folder.join("spool"), 1 << 30, 0).unwrap(),
        budget: Budget::open(folder.join("budget.json"), 1 << 20),
        scrubber: Scrubber::new([]),
        own_targets: Vec::new(),
        consent_file: folder.join("consent.json"),
        learned,
        asked_in: None,
        beats: None,
        away: false,
    };
    let mut left = Vec::new();
    for off in JUMPS {
        clock.off.set(off);
        let measured = agent.measure("news.example").await.unwrap();
        agent.keep(measured).unwrap();
        left.push(agent.budget.left(clock.unix()));
    }
    let sequence = agent.spool.waiting().unwrap();
    assert_eq!(sequence, (0..JUMPS.len() as u64).collect::<Vec<_>>());
    let open = |(n, left): (u64, u64)| {
        let sealed = agent.spool.read(n).unwrap();
        let envelope = Envelope::parse(&sealed).unwrap();
        (
            envelope.open(Purpose::Batch, &key().public()).unwrap(),
            sealed,
            left,
        )
    };
    sequence.into_iter().zip(left).map(open).collect()
}

#[test]
fn the_order_the_durations_and_the_budget_do_not_depend_on_the_wall_clock() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let batches = runtime.block_on(measure(folder.path()));
    let minute = Duration::from_mins(1).as_micros() as u64;
    for (batch, _, _) in &batches {
        let m = &batch.measurements[0];
        assert!(m.runtime < minute, "{} us", m.runtime);
        for seen in &m.observations {
            assert!(
                seen.started <= seen.ended && seen.ended <= m.runtime,
                "{seen:?}"
            );
        }
    }
    // Days 0, -365, 0, 365, 0, 1: the same day goes on where it was, others begin.
    let left: Vec<u64> = batches.iter().map(|(_, _, left)| *left).collect();
    assert!(left[0] > left[2] && left[2] > left[4], "{left:?}");
    for other in [1, 3, 5] {
        assert!(left[other] > left[2], "{left:?}");
    }

    // The collector believes only what fits its own clock and its token.
    let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
    let probe = ProbeRecord {
        id: key().public().probe_id(),
        public_key: key().public().to_sec1(),
        consent: VERSION,
        software: "test".into(),
        enrolled: EPOCH,
        source: Source::Probe,
        revoked: None,
    };
    store.enrol(&probe).unwrap();
    let enricher: Arc<dyn Enricher> = Arc::new(Loopback);
    let ingest = Ingest::new(
        Arc::clone(&store),
        enricher,
        Arc::new(Rules),
        collector_key().public(),
    );
    for (_, sealed, _) in &batches {
        ingest.accept(sealed, EPOCH + DAY / 2).unwrap();
    }
    let rows = crate::world::rows(&store);
    for ((batch, _, _), off) in batches.iter().zip(JUMPS) {
        let row = rows.iter().find(|row| row.id == batch.measurements[0].id);
        let row = row.unwrap();
        assert_eq!(
            (row.network_known, row.scored),
            (off == 0, off == 0),
            "{off} days"
        );
    }
}
