//! Does the embedded engine keep its promises: ingest, idempotency, crash, full disk,
//! rebuild, hostile uploads?

mod batches;

use batches::{
    NOW, Table, batch, enrol_all, id16, identity, ingest, measurement, probe_id, seal,
    suite::Engine, token,
};
use faultline_collector::{
    ingest::{Enricher, Mmdb, Refusal, issue},
    rules::Rules,
    store::{
        Facts, Judge, Judgement, Ledger, ProbeRecord, Retention, Source, StoreError, rebuild,
        sqlite::Sqlite,
    },
};
use faultline_core::{
    codec::Purpose,
    id::{Asn, BatchId, Country, MeasurementId},
    measurement::{ControlReport, Measurement},
    observation::{Fetch, Step},
    time::{Duration, UnixTime},
    value::Ip,
};
use proptest::prelude::*;
use std::{
    io::{BufRead, BufReader},
    net::IpAddr,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

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
/// A new store that knows everybody in [`batches::varied`].
fn fresh(path: &Path) -> Arc<Sqlite> {
    let store = open(path, None);
    enrol_all(&*store);
    store
}

/// Stores in a folder.
struct Folder(tempfile::TempDir);

impl Engine for Folder {
    type Store = Sqlite;
    const CASES: u32 = 32;
    const BATCHES: u32 = 60;
    const LOOKUPS: usize = usize::MAX;
    fn start() -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }
    fn open(&self, name: &str) -> Arc<Sqlite> {
        Arc::new(Sqlite::open(&self.0.path().join(name)).unwrap())
    }
}

contract!(Folder);

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
fn rebuilding_by_other_rules_and_back_gives_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("db"), None);
    let ingest = ingest(&store);
    for n in [7, 2, 9, 0, 5] {
        ingest.accept(&seal(&batch(n)), NOW).unwrap();
    }
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
