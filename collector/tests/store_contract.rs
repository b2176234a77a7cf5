//! Does the embedded engine keep its promises: ingest, idempotency, crash, full disk,
//! rebuild, hostile uploads?

use faultline_collector::{
    ingest::{Enricher, Ingest, Mmdb, Refusal, issue},
    rules::Rules,
    store::{
        Appended, Enrichment, Facts, Incoming, Judge, Judgement, Ledger, Place, ProbeRecord,
        ReceiptRecord, Retention, Source, StoreError,
        contract::{self, Model},
        derive, rebuild,
        sqlite::Sqlite,
    },
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    measurement::{Batch, ControlReport, Driver, Experiment, Measurement, SCHEMA_VERSION},
    observation::{AddressSource, Connect, Fetch, Observation, Step},
    time::{ClockQuality, Duration, UnixTime},
    value::{Blob, Ip},
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::{
    io::{BufRead, BufReader},
    net::IpAddr,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, LazyLock},
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

struct Table;
impl Enricher for Table {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        match ip {
            IpAddr::V4(v4) => Some(Asn(64_500 + u32::from(v4.octets()[2]))),
            IpAddr::V6(_) => None,
        }
    }
    fn country_of(&self, ip: IpAddr) -> Option<Country> {
        self.asn_of(ip)
            .and_then(|a| Country::new(if a.0 == 64_501 { "XA" } else { "XB" }))
    }
    fn digest(&self) -> [u8; 32] {
        [1; 32]
    }
}

struct OtherRules;
impl Judge for OtherRules {
    fn judge(
        &self,
        m: &Measurement,
        control: Option<&ControlReport>,
        asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
    ) -> Judgement {
        // The stored answer, not a database of today.
        assert_eq!(asn_of(IpAddr::from([192, 0, 2, 7])), Some(Asn(64_502)));
        let mut judgement = Rules.judge(m, control, asn_of);
        judgement.rules = u32::MAX;
        judgement
    }
}

fn identity(byte: u8) -> Identity {
    Identity::from_bytes(&[byte; 32]).unwrap()
}
fn probe_id() -> ProbeId {
    identity(1).public().probe_id()
}
fn token(probe: ProbeId, net: u8, at: UnixTime) -> Vec<u8> {
    let ip = IpAddr::from([192, 0, net, 1]);
    issue(&identity(9), &Table, probe, ip, at, Duration::from_hours(1))
}
fn id16(n: u32) -> [u8; 16] {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    id[12..].copy_from_slice(&n.to_be_bytes());
    id
}
fn measurement(n: u32, network: Option<Vec<u8>>) -> Measurement {
    Measurement {
        id: MeasurementId(id16(n)),
        experiment: Experiment::Web,
        target: format!("https://site{}.example/", n % 3),
        started: NOW + Duration::from_secs(u64::from(n % 50)),
        clock: ClockQuality::Ntp,
        runtime: 5,
        software: "test".into(),
        driver: Driver::Simulated,
        limits: vec![],
        bytes_sent: 1,
        bytes_received: 2,
        network: network.map(Blob),
        control: None,
        settings: vec![],
        consent: 1,
        observations: vec![Observation {
            started: 1,
            ended: 2,
            step: Step::Connect(Connect {
                ip: Ip(IpAddr::from([192, 0, 2, 7])),
                port: 443,
                source: AddressSource::Probe,
            }),
            failure: None,
        }],
        imported: None,
    }
}
fn batch(n: u32) -> Batch {
    let measurements = (0..4).map(|i| measurement(n * 4 + i, Some(token(probe_id(), 1, NOW))));
    Batch {
        schema: SCHEMA_VERSION,
        probe: probe_id(),
        id: BatchId(id16(n)),
        sequence: u64::from(n),
        created: NOW,
        measurements: measurements.collect(),
        ledger: None,
    }
}
fn seal(batch: &Batch) -> Vec<u8> {
    identity(1).seal(Purpose::Batch, batch)
}
fn open(path: &Path, pages: Option<u32>) -> Arc<Sqlite> {
    let store = Sqlite::open_capped(path, pages).unwrap();
    store
        .enrol(&ProbeRecord {
            id: probe_id(),
            public_key: identity(1).public().to_sec1(),
            consent: 1,
            software: "test".into(),
            enrolled: NOW,
            revoked: None,
            source: Source::Probe,
        })
        .unwrap();
    Arc::new(store)
}
fn ingest(store: &Arc<Sqlite>) -> Ingest<Sqlite> {
    Ingest::new(
        store.clone(),
        Arc::new(Table),
        Arc::new(Rules),
        identity(9).public(),
    )
}
fn incoming(n: u32) -> Incoming {
    let batch = batch(n);
    let places = vec![
        Place {
            known: true,
            country: Country::new("XA").unwrap(),
            asn: Asn(64_501),
            control_valid: false,
            control_ignored: false,
            clock_future: false,
        };
        4
    ];
    let enrichment = Enrichment {
        geo: Blob(vec![1]),
        addresses: vec![],
        places,
    };
    ready(&identity(1), &batch, enrichment, NOW)
}
fn ready(
    key: &Identity,
    batch: &Batch,
    enrichment: Enrichment,
    received: UnixTime,
) -> Incoming {
    let bytes = key.seal(Purpose::Batch, batch);
    Incoming {
        rows: derive(batch, &enrichment, &Rules),
        receipt: ReceiptRecord {
            batch: batch.id,
            probe: batch.probe,
            sequence: batch.sequence,
            sha256: Sha256::digest(&bytes).into(),
            received,
            measurements: batch.measurements.len() as u32,
            enrichment,
        },
        bytes,
    }
}

/// The key for imports among the batches of [`varied`].
const IMPORT: u8 = 5;

/// Batches of several probes and of imports: over twelve days, some late, some with a
/// nonsensical clock, some not scored, some with identities that were used before.
fn varied(n: u32) -> Incoming {
    let who = [1, 2, 3, 4, IMPORT][n as usize % 5];
    let key = identity(who);
    let day = Duration::from_hours(24);
    let received = NOW + day * (n % 12);
    let measurements: Vec<Measurement> = (0..5)
        .map(|i| {
            let mut m = measurement(n * 4 + i, None); // the last is the next one's first
            m.started = match (n + i) % 7 {
                0 => UnixTime(i64::from(n) * 1_000_000),
                1 => received + day * 400,
                2 => UnixTime::from_secs(1_500_000_000), // unvouched and long ago
                3 => UnixTime(received.0 - 3 * 86_400_000_000),
                _ => UnixTime(received.0 - i64::from(i) * 7_000_000_000),
            };
            if (n + i).is_multiple_of(4) {
                m.observations.clear();
            }
            m
        })
        .collect();
    let places = measurements
        .iter()
        .zip(n..)
        .map(|(m, i)| Place {
            known: i % 5 != 0 && m.started != UnixTime::from_secs(1_500_000_000),
            country: Country::new(["XA", "XB", "XC"][i as usize % 3]).unwrap(),
            asn: Asn(64_500 + i % 4),
            control_valid: false,
            control_ignored: false,
            clock_future: m.started > received,
        })
        .collect();
    let batch = Batch {
        schema: SCHEMA_VERSION,
        probe: key.public().probe_id(),
        id: BatchId(id16(n)),
        sequence: u64::from(n),
        created: received,
        measurements,
        ledger: None,
    };
    let enrichment = Enrichment {
        geo: Blob(vec![1]),
        addresses: vec![],
        places,
    };
    ready(&key, &batch, enrichment, received)
}

fn model() -> Model {
    Model::new(identity(IMPORT).public().probe_id())
}

/// A new store that knows everybody in [`varied`].
fn fresh(path: &Path) -> Arc<Sqlite> {
    let store = open(path, None);
    for who in 2..=IMPORT {
        store
            .enrol(&ProbeRecord {
                id: identity(who).public().probe_id(),
                public_key: identity(who).public().to_sec1(),
                consent: 1,
                software: "test".into(),
                enrolled: NOW,
                revoked: None,
                source: if who == IMPORT {
                    Source::Import
                } else {
                    Source::Probe
                },
            })
            .unwrap();
    }
    store
}
fn count(store: &Sqlite) -> usize {
    let mut n = 0;
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    store
        .measurements(all, &mut |row| {
            assert_eq!(row.observations.len(), 1);
            n += 1;
            true
        })
        .unwrap();
    n
}

#[test]
fn contract_idempotent_and_ordered() {
    let dir = tempfile::tempdir().unwrap();
    contract::appends_idempotently(&*open(&dir.path().join("a"), None), &incoming(1));
    let batches: Vec<_> = (0..20).map(incoming).collect();
    contract::reads_windows_in_order(&*open(&dir.path().join("b"), None), &batches);
}

#[test]
fn contract_every_question_is_answered_as_by_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<_> = (0..60).map(varied).collect();
    contract::agrees_with_the_model(&*fresh(&dir.path().join("a")), model(), &batches);
}

#[test]
fn contract_pages_hold_while_others_append() {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<_> = (0..60).map(varied).collect();
    let (then, there) = batches.split_at(30);
    contract::pages_while_others_append(&*fresh(&dir.path().join("a")), there, then);
}

#[test]
fn contract_many_writers() {
    let dir = tempfile::tempdir().unwrap();
    // Without reused identities, which would belong to whoever came first.
    let batches: Vec<_> = (0..60).map(incoming).collect();
    let (one, other) = (fresh(&dir.path().join("a")), fresh(&dir.path().join("b")));
    contract::takes_many_writers(&*one, &*other, &batches);
}

#[test]
fn contract_rebuilds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<_> = (0..40).map(varied).collect();
    let store = fresh(&dir.path().join("a"));
    contract::rebuilds_the_same(&*store, Arc::new(Rules), &batches);
}

#[test]
fn contract_forgets_old_days() {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<_> = (0..60).map(varied).collect();
    let (late, early) = batches.split_at(20);
    let now = NOW + Duration::from_hours(24 * 11);
    let judge: Arc<dyn Judge> = Arc::new(Rules);
    let store = fresh(&dir.path().join("a"));
    contract::forgets_old_days(&*store, model(), &judge, early, late, now);
}

#[test]
fn contract_doubts_a_leaping_clock() {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<_> = (0..10).map(varied).collect();
    let store = fresh(&dir.path().join("a"));
    contract::doubts_a_leaping_clock(&*store, &batches, NOW);
}

#[test]
fn what_is_dropped_is_gone_from_the_file_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = fresh(&path);
    let mut batch = batch(0);
    // In the payload of an observation, and in no dictionary.
    let secret = b"what a volunteer looked at";
    batch.measurements[0].observations[0].step = Step::Fetch(Fetch {
        url: String::from_utf8(secret.to_vec()).unwrap(),
        ip: Ip(IpAddr::from([192, 0, 2, 7])),
        port: 443,
        depth: 0,
        status: Some(200),
        headers: vec![],
        body_length: 0,
        body_truncated: false,
        body_sha256: None,
        body: None,
        title: None,
        location: None,
        authenticated: true,
    });
    ingest(&store).accept(&seal(&batch), NOW).unwrap();
    store.record_epoch(probe_id(), NOW, b"token").unwrap();
    drop(store);
    let holds = || {
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(secret.len()).any(|w| w == secret)
    };
    assert!(holds());
    let store = open(&path, None);
    let policy = Retention {
        observations: Some(10),
        batches: Some(10),
        clock_checked: true,
    };
    let later = NOW + Duration::from_hours(24 * 20);
    let dropped = store.retain(&policy, later).unwrap();
    assert_eq!(
        (dropped.measurements, dropped.batches, dropped.tokens),
        (4, 1, 1)
    );
    assert!(
        ingest(&store)
            .accept(&seal(&batch), later)
            .unwrap()
            .duplicate
    );
    drop(store);
    assert!(!holds());
    let db = rusqlite::Connection::open(&path).unwrap();
    let noted: String = db
        .query_row("SELECT what FROM audit", [], |r| r.get(0))
        .unwrap();
    assert!(
        noted.contains("4 measurements, 1 batches and 1 network tokens"),
        "{noted}"
    );
}

/// A collector that serves and an import beside it: what one remembers of the file, the
/// other may have changed.
#[test]
fn two_writers_of_one_file_do_not_trip_over_what_they_remember() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (one, other) = (fresh(&path), fresh(&path));
    let mut model = model();
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

#[test]
fn nonsensical_clocks_do_not_make_tables() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = open(&path, None);
    let mut b = batch(0);
    b.measurements = (0..300)
        .map(|n| {
            let mut m = measurement(n, None);
            m.started = UnixTime::from_secs(i64::from(n) * 86_400 * 400 - 5);
            m
        })
        .collect();
    ingest(&store).accept(&seal(&b), NOW).unwrap();
    assert_eq!(count(&store), 300);
    let db = rusqlite::Connection::open(&path).unwrap();
    let days: i64 = db
        .query_row("SELECT count(*) FROM day", [], |r| r.get(0))
        .unwrap();
    assert!(days <= 1, "{days}");
}

#[test]
fn rebuilding_gives_the_same_rows_and_reused_measurement_ids_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("db"), None);
    let ingest = ingest(&store);
    for n in [7, 2, 9, 0, 5] {
        assert!(!ingest.accept(&seal(&batch(n)), NOW).unwrap().duplicate);
    }
    let mut again = batch(2);
    again.id = BatchId([0xee; 16]);
    ingest.accept(&seal(&again), NOW).unwrap();
    assert_eq!(count(&store), 20);
    let all = UnixTime(0)..UnixTime(i64::MAX);
    let total: u64 = store.rollups(all).unwrap().iter().map(|r| r.count).sum();
    assert_eq!(total, 20);
    let before = store.digest().unwrap();
    rebuild(&*store, Arc::new(OtherRules)).unwrap();
    assert_ne!(
        store.digest().unwrap(),
        before,
        "new rules give new verdicts"
    );
    rebuild(&*store, Arc::new(Rules)).unwrap();
    assert_eq!(store.digest().unwrap(), before);
}

#[test]
fn networks_come_from_tokens_for_this_probe_and_time_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("db"), None);
    let forged = issue(
        &identity(8),
        &Table,
        probe_id(),
        IpAddr::from([192, 0, 1, 1]),
        NOW,
        Duration::from_secs(9),
    );
    let other = token(identity(2).public().probe_id(), 1, NOW);
    let expired = token(probe_id(), 1, UnixTime::from_secs(1_600_000_000));
    let mut b = batch(0);
    b.measurements = [
        Some(token(probe_id(), 1, NOW)),
        Some(other),
        Some(expired),
        Some(forged),
        None,
    ]
    .into_iter()
    .zip(0..)
    .map(|(token, n)| measurement(n, token))
    .collect();
    let mut future = measurement(
        5,
        Some(token(probe_id(), 1, NOW + Duration::from_secs(8000))),
    );
    future.started = NOW + Duration::from_mins(150);
    b.measurements.push(future);
    ingest(&store).accept(&seal(&b), NOW).unwrap();
    let row = |n| store.measurement(MeasurementId(id16(n))).unwrap().unwrap();
    assert!(row(0).scored && row(0).country.as_str() == "XA");
    for n in 1..5 {
        assert!(!row(n).network_known && !row(n).scored, "measurement {n}");
    }
    assert!(row(5).network_known && !row(5).scored);
}

#[test]
fn refusals_have_their_codes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("db"), None);
    let ingest = ingest(&store);
    let code = |bytes: &[u8]| ingest.accept(bytes, NOW).map_err(|r| r.code());
    assert_eq!(code(b"x").unwrap_err(), "malformed_envelope");
    assert_eq!(code(&vec![0; 5 << 20]).unwrap_err(), "too_large");
    let stranger = identity(3).seal(Purpose::Batch, &batch(0));
    assert_eq!(code(&stranger).unwrap_err(), "unknown_probe");
    let mut b = batch(0);
    b.probe = identity(3).public().probe_id();
    assert_eq!(code(&seal(&b)).unwrap_err(), "wrong_signer");
    b = batch(0);
    b.schema = 99;
    assert_eq!(code(&seal(&b)).unwrap_err(), "schema_unsupported");
    assert!(!code(&seal(&batch(0))).unwrap().duplicate);
    assert!(code(&seal(&batch(0))).unwrap().duplicate);
    b = batch(0);
    b.created = UnixTime(5);
    assert_eq!(code(&seal(&b)).unwrap_err(), "batch_conflict");
    store.revoke(probe_id(), NOW).unwrap();
    assert_eq!(code(&seal(&batch(1))).unwrap_err(), "revoked_probe");
}

#[test]
fn a_full_disk_refuses_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = open(&path, Some(60));
    let into = ingest(&store);
    let mut taken = 0;
    let refusal = (0..2000)
        .find_map(|n| into.accept(&seal(&batch(n)), NOW).map(|_| taken += 1).err())
        .unwrap();
    assert!(matches!(refusal, Refusal::StorageFull) && refusal.retry());
    assert_eq!(count(&store), taken * 4);
    drop((into, store));
    let store = open(&path, None);
    ingest(&store).accept(&seal(&batch(5000)), NOW).unwrap();
    assert_eq!(count(&store), taken * 4 + 4);
}

#[test]
fn newer_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Newer { .. })));
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn crash_child() {
    let Some(path) = std::env::var_os("FAULTLINE_CRASH_STORE") else {
        return;
    };
    let store = open(Path::new(&path), None);
    let ingest = ingest(&store);
    for n in 0..100_000 {
        ingest.accept(&seal(&batch(n)), NOW).unwrap();
        println!("\nacknowledged {n}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_partial_after_a_kill() {
    for lines in [1, 4, 13] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash_child", "--nocapture"])
            .env("FAULTLINE_CRASH_STORE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(n) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged.push(n.parse::<u32>().unwrap());
            }
            if acknowledged.len() == lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = open(&path, None);
        for n in &acknowledged {
            assert!(
                store.receipt(BatchId(id16(*n))).unwrap().is_some(),
                "batch {n}"
            );
        }
        assert!(acknowledged.len() >= lines);
        let mut batches = 0;
        store
            .batches(&mut |_| {
                batches += 1;
                true
            })
            .unwrap();
        assert_eq!(count(&store), batches * 4);
        let before = store.digest().unwrap();
        rebuild(&*store, Arc::new(Rules)).unwrap();
        assert_eq!(store.digest().unwrap(), before);
    }
}

#[test]
fn geo_databases_are_read() {
    use mmdb_writer::{Value, Writer};
    let dir = tempfile::tempdir().unwrap();
    let (country, asn) = (dir.path().join("country"), dir.path().join("asn"));
    // Documentation networks are reserved, so the writer wants a public one.
    let net = (IpAddr::from([81, 2, 69, 0]), IpAddr::from([81, 2, 69, 255]));
    let write = |path: &Path, value: Value| {
        let mut writer = Writer::new("Test");
        writer.insert_range(net.0, net.1, &value).unwrap();
        std::fs::write(path, writer.to_bytes().unwrap()).unwrap();
    };
    let iso = Value::map([("iso_code", Value::String("XA".into()))]);
    write(&country, Value::map([("country", iso)]));
    write(
        &asn,
        Value::map([("autonomous_system_number", Value::from(64_501_u32))]),
    );
    let geo = Mmdb::open(&country, &asn).unwrap();
    assert_eq!(geo.asn_of(net.0), Some(Asn(64_501)));
    assert_eq!(geo.country_of(net.0), Country::new("XA"));
    assert_eq!(geo.asn_of(IpAddr::from([8, 8, 8, 8])), None);
    assert!(Mmdb::open(&dir.path().join("none"), &asn).is_err());
}

/// Signed once: that is what takes time.
static BATCHES: LazyLock<Vec<Incoming>> = LazyLock::new(|| (0..25).map(varied).collect());

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_store_says_what_the_model_says(
        happenings in prop::collection::vec(happening(), 1..40)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let varied = |n: u32| BATCHES[n as usize].clone();
        let (mut store, mut model) = (fresh(&path), model());
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
                    store = open(&path, None);
                }
                Happening::Retain(observations, batches, day) => {
                    let policy = Retention { observations, batches, clock_checked: true };
                    let now = NOW + Duration::from_hours(24) * day;
                    model.retain(&policy, now);
                    store.retain(&policy, now).unwrap();
                }
            }
        }
        model.agrees(&*store);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn mutated_uploads_are_always_refused(at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("db"), None);
        let mut bytes = seal(&batch(0));
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        prop_assert!(ingest(&store).accept(&bytes, NOW).is_err());
        prop_assert_eq!(count(&store), 0);
    }
}
