//! How long does scoring take? A synthetic world, ten observations a measurement: filling
//! the index, scoring every country anew, one batch more, and each page's reply. CPU time of
//! the thread, or of all of them for replies (`schedstat` in `/proc`), so that a busy machine
//! does not matter.
//!
//!     cargo bench -p faultline-tests --bench score -- [millions of observations, 10]

#[path = "../crowd/mod.rs"]
mod crowd;
mod events;

use axum::{body::Body, http::Request};
use crowd::cpu;
use faultline_collector::{
    api::{Scores, Service, router},
    config::Config,
    ingest::{Enricher, Ingest, Nowhere},
    rules::Rules,
    store::{
        Enrichment, Facts as _, Incoming, Judgement, Ledger as _, MeasurementRow, ProbeRecord,
        ReceiptRecord, Source, sqlite::Sqlite,
    },
    targets,
};
use faultline_core::{
    codec::Identity,
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
    value::Blob,
};
use std::{fmt::Write as _, path::Path, sync::Arc};
use tower::ServiceExt as _;

const DAY: i64 = 86_400;
const NOW: UnixTime = UnixTime::from_secs(20_833 * DAY + 80_000);
const OBSERVATIONS: usize = 10;
const COUNTRIES: usize = 150;
const NETWORKS: usize = 8;
const PROBES: usize = 5;
const TARGETS: usize = 52;
/// Measurements of a batch.
const BATCH: usize = 50;
/// Measurements that also lie in the store, for the lists of verdicts.
const STORED: usize = 150_000;

/// CPU time of all threads, milliseconds: replies that read the store are made by others.
fn of_all_threads() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let times = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    times.sum::<f64>() / 1e6
}

fn country(at: usize) -> Country {
    let letters = [b'A' + (at / 26) as u8, b'A' + (at % 26) as u8];
    Country::new(std::str::from_utf8(&letters).unwrap_or("XX")).unwrap_or_default()
}

/// The `at`-th measurement of a country.
fn row(place: usize, at: usize, names: &[String]) -> MeasurementRow {
    let (probe, rest) = (at % (NETWORKS * PROBES), at / (NETWORKS * PROBES));
    let (target, day) = (rest % TARGETS, rest / TARGETS);
    let number = |of: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(place as u64).to_be_bytes());
        id[8..].copy_from_slice(&(of as u64).to_be_bytes());
        id
    };
    let id = number(probe);
    // A third of the countries blocks some targets; in another third, half of the networks.
    let blocked = target.is_multiple_of(7)
        && (place.is_multiple_of(3) || place % 3 == 1 && probe.is_multiple_of(2));
    MeasurementRow {
        id: MeasurementId(number(at)),
        batch: BatchId(number(at / BATCH)),
        probe: ProbeId(id),
        // All of a day at one moment: the worst for lists, which stand in order of start.
        started: UnixTime::from_secs(NOW.secs() - (day % 28) as i64 * DAY),
        experiment: "web",
        target: names[target].clone(),
        country: country(place),
        asn: Asn((place * NETWORKS + probe % NETWORKS) as u32 + 1),
        network_known: true,
        scored: true,
        observations: vec![],
        verdict: Judgement {
            outcome: if blocked { "anomaly" } else { "ok" }.into(),
            mechanism: blocked.then(|| "tls.reset.sni".into()),
            reasons: vec![0x80],
            rules: 1,
        },
    }
}

fn config(folder: &Path) -> Config {
    let mut users = "country,asn,users\n".to_owned();
    for place in 0..COUNTRIES {
        for network in 0..NETWORKS + 4 {
            let asn = if network < NETWORKS {
                place * NETWORKS + network + 1
            } else {
                900_000 + place * 4 + network
            };
            let _ = writeln!(users, "{},{asn},{}", country(place), 1000 / (network + 1));
        }
    }
    let mut services = "url,name,category\n".to_owned();
    for at in 42..TARGETS {
        let _ = writeln!(services, "https://t{at}.example/,S{at},messaging");
    }
    let keep = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a temporary folder can be written");
        path
    };
    Config {
        network_users: Some(keep("users.csv", users)),
        services: Some(keep("services.csv", services)),
        simulated: true,
        public_evidence: true,
        ..Config::default()
    }
}

fn main() {
    let millions = std::env::args()
        .find_map(|a| a.parse::<usize>().ok())
        .unwrap_or(10);
    let measurements = millions * 1_000_000 / OBSERVATIONS;
    let per_country = measurements / COUNTRIES;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = config(folder.path());
    let scores = Arc::new(Scores::new(&config, None).expect("lists read"));
    let names: Vec<String> = (0..TARGETS)
        .map(|t| format!("https://t{t}.example/"))
        .collect();
    let mut filling = 0.0;
    for place in 0..COUNTRIES {
        let rows: Vec<_> = (0..per_country).map(|at| row(place, at, &names)).collect();
        let before = cpu();
        scores.add(&rows);
        filling += cpu() - before;
    }
    println!(
        "{millions} million observations, {measurements} measurements, {COUNTRIES} countries of {NETWORKS} networks and {} probes",
        NETWORKS * PROBES
    );
    println!("filling the index        {filling:>9.1} ms CPU");
    let before = cpu();
    scores.warm(NOW);
    println!("scoring all countries    {:>9.1} ms CPU", cpu() - before);
    let last = scores.last(NOW);
    let (mut sum, mut most) = (0.0, 0.0f64);
    for place in 0..20 {
        let rows: Vec<_> = (0..50).map(|at| row(place, at, &names)).collect();
        let before = cpu();
        scores.add(&rows);
        let _ = scores.profile(country(place), last);
        let took = cpu() - before;
        sum += took;
        most = most.max(took);
    }
    println!(
        "one batch of 50 more     {:>9.1} ms CPU (most {most:.1})",
        sum / 20.0
    );
    pages(folder.path(), config, &scores, &names);
}

/// Batches of every country in the store; one key signed them all, which no list shows.
fn fill(store: &Sqlite, names: &[String]) {
    let signer = Identity::from_bytes(&[7; 32]).expect("a key").public();
    store
        .enrol(&ProbeRecord {
            id: signer.probe_id(),
            public_key: signer.to_sec1(),
            consent: 1,
            software: "bench".into(),
            enrolled: NOW,
            revoked: None,
            source: Source::Probe,
        })
        .expect("a probe");
    for place in 0..COUNTRIES {
        for first in (0..STORED / COUNTRIES).step_by(BATCH) {
            let rows: Vec<_> = (first..first + BATCH)
                .map(|at| row(place, at, names))
                .collect();
            let receipt = ReceiptRecord {
                batch: rows[0].batch,
                probe: signer.probe_id(),
                sequence: (place * STORED + first) as u64,
                sha256: [0; 32],
                received: NOW,
                measurements: BATCH as u32,
                enrichment: Enrichment {
                    geo: Blob(vec![]),
                    addresses: vec![],
                    places: vec![],
                },
            };
            let incoming = Incoming {
                receipt,
                bytes: vec![],
                rows,
            };
            store.append(incoming).expect("a batch");
        }
    }
}

/// Each page's reply, as often as asked for from the same evidence.
fn pages(folder: &Path, config: Config, scores: &Arc<Scores>, names: &[String]) {
    let store = Arc::new(Sqlite::open(&folder.join("collector.db")).expect("a store"));
    fill(&store, names);
    let enricher: Arc<dyn Enricher> = Arc::new(Nowhere);
    let identity = Identity::from_bytes(&[9; 32]).expect("a key");
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        identity.public(),
    );
    let (events, watch, event) = events::kept(folder);
    let event = format!("/v1/events/{event}");
    let app = router(Arc::new(Service {
        targets: targets::parse(targets::BUILT_IN),
        events: Some(events),
        watch: Some(watch),
        ..Service::new(config, store, ingest, identity, Arc::clone(scores), || NOW)
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    println!(
        "{:<50} {:>9} {:>9} {:>9} {:>9}",
        "reply", "first ms", "p50 ms", "p99 ms", "bytes"
    );
    for path in [
        "/v1/world",
        "/v1/coverage",
        "/v1/countries/AA",
        "/v1/countries/AB",
        "/v1/countries/AA/indicators/U2",
        "/v1/networks/1",
        "/v1/targets",
        "/v1/targets/https%3A%2F%2Ft0.example%2F",
        "/v1/verdicts?limit=50",
        "/v1/verdicts?country=AA&limit=50",
        "/v1/verdicts?country=AA&indicator=U2&since=2026-12-19&until=2027-01-15&limit=50",
        "/v1/verdicts?country=AC&outcome=anomaly&limit=50",
        "/v1/verdicts?target=https%3A%2F%2Ft0.example%2F&limit=50",
        "/v1/verdicts?asn=1&limit=50",
        "/v1/measurements?country=AA&limit=50",
        "/v1/method",
        "/v1/atlas",
        "/v1/countries/AA/matrix",
        "/v1/waves",
        "/v1/live",
        "/v1/events?limit=50",
        "/v1/events?country=AA&limit=50",
        event.as_str(),
        "/v1/countries/AA/calendar",
        "/v1/coverage/shutdowns",
        "/v1/events.atom",
    ] {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..301 {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let begun = of_all_threads();
            runtime.block_on(async {
                let reply = app.clone().oneshot(request).await.expect("never fails");
                assert!(reply.status().is_success(), "{path}");
                let body = axum::body::to_bytes(reply.into_body(), usize::MAX).await;
                bytes = body.expect("a body").len();
            });
            times.push(of_all_threads() - begun);
        }
        let first = times.remove(0);
        times.sort_unstable_by(f64::total_cmp);
        println!(
            "{path:<50} {first:>9.1} {:>9.2} {:>9.2} {bytes:>9}",
            times[150], times[296]
        );
    }
}
