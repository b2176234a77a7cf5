//! Does a file of an older schema open, with everything that it holds? The old file is
//! made here, by the statements of then.

use faultline_collector::{
    rules::Rules,
    store::{
        Appended, Enrichment, Facts, Incoming, Ledger, Place, ProbeRecord, ReceiptRecord,
        Source, derive, rebuild, sqlite::Sqlite,
    },
};
use faultline_core::{
    codec::{Identity, Purpose, to_cbor},
    id::{Asn, BatchId, Country, MeasurementId},
    measurement::{Batch, Driver, Experiment, Measurement, SCHEMA_VERSION},
    observation::{AddressSource, Connect, Observation, Step},
    time::{ClockQuality, Duration, UnixTime},
    value::{Blob, Ip},
};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::{net::IpAddr, path::Path, sync::Arc};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Schema 1, as it was written by the first collectors.
const SCHEMA_1: &str = "
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE probe (
  key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, public_key BLOB NOT NULL,
  consent INTEGER NOT NULL, software TEXT NOT NULL, enrolled INTEGER NOT NULL, revoked INTEGER);
CREATE TABLE epoch (probe BLOB NOT NULL, issued INTEGER NOT NULL, token BLOB NOT NULL);
CREATE INDEX epoch_time ON epoch (issued);
CREATE TABLE audit (at INTEGER NOT NULL, what TEXT NOT NULL);
CREATE TABLE receipt (
  key INTEGER PRIMARY KEY, batch BLOB NOT NULL UNIQUE, probe INTEGER NOT NULL REFERENCES probe,
  sequence INTEGER NOT NULL, sha256 BLOB NOT NULL, received INTEGER NOT NULL,
  measurements INTEGER NOT NULL, enrichment BLOB NOT NULL);
CREATE TABLE batch (key INTEGER PRIMARY KEY REFERENCES receipt, bytes BLOB NOT NULL);
CREATE TABLE measurement (
  key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, batch INTEGER NOT NULL,
  started INTEGER NOT NULL, experiment INTEGER NOT NULL, target INTEGER NOT NULL,
  country INTEGER NOT NULL, asn INTEGER NOT NULL, known INTEGER NOT NULL, scored INTEGER NOT NULL,
  outcome INTEGER NOT NULL, mechanism INTEGER, reasons BLOB NOT NULL, rules INTEGER NOT NULL);
CREATE INDEX measurement_time ON measurement (started, id);
CREATE TABLE observation (
  measurement INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL, step INTEGER NOT NULL,
  failure INTEGER, layer INTEGER, payload BLOB NOT NULL, PRIMARY KEY (measurement, idx)) WITHOUT ROWID;
CREATE TABLE rollup (
  hour INTEGER NOT NULL, country INTEGER NOT NULL, asn INTEGER NOT NULL, target INTEGER NOT NULL,
  outcome INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (hour, country, asn, target, outcome)) WITHOUT ROWID;
PRAGMA user_version = 1;
";

fn word(db: &Connection, text: &str) -> i64 {
    let there = db
        .query_row("SELECT id FROM word WHERE text = ?1", [text], |r| r.get(0))
        .optional()
        .unwrap();
    there.unwrap_or_else(|| {
        db.execute("INSERT INTO word (text) VALUES (?1)", [text])
            .unwrap();
        db.last_insert_rowid()
    })
}

/// As the first collectors wrote it.
fn append_1(db: &Connection, incoming: &Incoming) {
    let r = &incoming.receipt;
    db.execute(
        "INSERT INTO receipt (batch, probe, sequence, sha256, received, measurements, enrichment)
         VALUES (?1, (SELECT key FROM probe WHERE id = ?2), ?3, ?4, ?5, ?6, ?7)",
        params![
            r.batch.0, r.probe.0, r.sequence as i64, r.sha256, r.received.0, r.measurements,
            to_cbor(&r.enrichment)
        ],
    )
    .unwrap();
    let batch = db.last_insert_rowid();
    let compressed = zstd::bulk::compress(&incoming.bytes, 3).unwrap();
    db.execute(
        "INSERT INTO batch VALUES (?1, ?2)",
        params![batch, compressed],
    )
    .unwrap();
    for m in &incoming.rows {
        let (country, target) = (word(db, m.country.as_str()), word(db, &m.target));
        let outcome = word(db, &m.verdict.outcome);
        let mechanism = m.verdict.mechanism.as_deref().map(|w| word(db, w));
        let new = db
            .execute(
                "INSERT INTO measurement (id, batch, started, experiment, target, country, asn,
                   known, scored, outcome, mechanism, reasons, rules)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) ON CONFLICT (id) DO NOTHING",
                params![
                    m.id.0, batch, m.started.0, word(db, m.experiment), target, country, m.asn.0,
                    m.network_known, m.scored, outcome, mechanism, m.verdict.reasons,
                    m.verdict.rules
                ],
            )
            .unwrap();
        if new == 0 {
            continue;
        }
        let key = db.last_insert_rowid();
        for (at, o) in m.observations.iter().enumerate() {
            db.execute(
                "INSERT INTO observation VALUES (?1,?2,?3,?4,?5,?6,?7)",
                params![
                    key,
                    at as i64,
                    o.at.0,
                    word(db, o.step),
                    o.failure,
                    o.layer,
                    o.payload
                ],
            )
            .unwrap();
        }
        if m.scored {
            let hour = m.started.secs().div_euclid(3600);
            db.execute(
                "INSERT INTO rollup VALUES (?1, ?2, ?3, ?4, ?5, 1)
                 ON CONFLICT DO UPDATE SET n = n + 1",
                params![hour, country, m.asn.0, target, outcome],
            )
            .unwrap();
        }
    }
}

fn probe(n: u8) -> ProbeRecord {
    let key = Identity::from_bytes(&[n; 32]).unwrap().public();
    let import = n == 3;
    ProbeRecord {
        id: key.probe_id(),
        public_key: key.to_sec1(),
        consent: u16::from(!import),
        software: if import { "import" } else { "faultline-probe" }.into(),
        enrolled: NOW,
        revoked: (n == 2).then_some(NOW),
        source: if import {
            Source::Import
        } else {
            Source::Probe
        },
    }
}

fn incoming(n: u8) -> Incoming {
    let key = Identity::from_bytes(&[n % 3 + 1; 32]).unwrap();
    let measurements: Vec<Measurement> = (0..6)
        .map(|i: u8| Measurement {
            id: MeasurementId([n * 5 + i; 16]), // the last is the next one's first
            experiment: Experiment::Web,
            target: format!("https://site{}.example/", i % 2),
            started: match i {
                0 => UnixTime(i64::from(n)),
                1 => NOW + Duration::from_hours(9000),
                _ => UnixTime(NOW.0 - i64::from(i) * 50_000_000_000),
            },
            clock: ClockQuality::Ntp,
            runtime: 5,
            software: "test".into(),
            driver: Driver::Simulated,
            limits: vec![],
            bytes_sent: 1,
            bytes_received: 2,
            network: None,
            imported: None,
            control: None,
            settings: vec![],
            consent: 1,
            observations: (0..i)
                .map(|port| Observation {
                    started: 1,
                    ended: 2,
                    step: Step::Connect(Connect {
                        ip: Ip(IpAddr::from([192, 0, 2, 7])),
                        port: u16::from(port),
                        source: AddressSource::Probe,
                    }),
                    failure: None,
                })
                .collect(),
        })
        .collect();
    let place = |m: &Measurement| Place {
        known: !m.id.0[0].is_multiple_of(4),
        country: Country::new("XA").unwrap(),
        asn: Asn(64_500 + u32::from(n)),
        control_valid: false,
        control_ignored: false,
        clock_future: m.started > NOW,
    };
    let enrichment = Enrichment {
        geo: Blob(vec![1]),
        addresses: vec![],
        places: measurements.iter().map(place).collect(),
    };
    let batch = Batch {
        schema: SCHEMA_VERSION,
        probe: key.public().probe_id(),
        id: BatchId([n; 16]),
        sequence: u64::from(n),
        created: NOW,
        measurements,
        ledger: None,
    };
    let bytes = key.seal(Purpose::Batch, &batch);
    Incoming {
        rows: derive(&batch, &enrichment, &Rules),
        receipt: ReceiptRecord {
            batch: batch.id,
            probe: batch.probe,
            sequence: batch.sequence,
            sha256: Sha256::digest(&bytes).into(),
            received: NOW,
            measurements: 6,
            enrichment,
        },
        bytes,
    }
}

fn old_file(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(SCHEMA_1).unwrap();
    for p in (1..=3).map(probe) {
        db.execute(
            "INSERT INTO probe (id, public_key, consent, software, enrolled, revoked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                p.id.0,
                p.public_key,
                p.consent,
                p.software,
                p.enrolled.0,
                p.revoked.map(|t| t.0)
            ],
        )
        .unwrap();
    }
    let tx = db.unchecked_transaction().unwrap();
    for n in 0..30 {
        append_1(&tx, &incoming(n));
    }
    tx.commit().unwrap();
}

fn new_file(path: &Path) -> Sqlite {
    let store = Sqlite::open(path).unwrap();
    for p in (1..=3).map(probe) {
        store.enrol(&p).unwrap();
    }
    for n in 0..30 {
        store.append(incoming(n)).unwrap();
    }
    store
}

#[test]
fn a_file_of_schema_1_becomes_what_it_would_be_today() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old");
    old_file(&path);
    let new = new_file(&dir.path().join("new"));
    let migrated = Sqlite::open(&path).unwrap();
    assert_eq!(migrated.digest().unwrap(), new.digest().unwrap());
    assert!(
        migrated
            .summary()
            .unwrap()
            .iter()
            .any(|s| s.source == Source::Import)
    );
    for n in 0..30 {
        let batch = incoming(n);
        let receipt = migrated.receipt(batch.receipt.batch).unwrap();
        assert_eq!(receipt.as_ref(), Some(&batch.receipt));
        assert_eq!(migrated.append(batch).unwrap(), Appended::Duplicate);
    }
    for p in (1..=3).map(probe) {
        assert_eq!(migrated.probe(p.id).unwrap(), Some(p));
    }
    rebuild(&migrated, Arc::new(Rules)).unwrap();
    drop(migrated);
    let again = Sqlite::open(&path).unwrap();
    assert_eq!(again.digest().unwrap(), new.digest().unwrap());
}

#[test]
fn a_migration_that_finds_no_room_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old");
    old_file(&path);
    let pages = |db: &Connection| -> u32 {
        db.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap()
    };
    let before = pages(&Connection::open(&path).unwrap());
    assert!(Sqlite::open_capped(&path, Some(before + 2)).is_err());
    let db = Connection::open(&path).unwrap();
    let version: i64 = db
        .query_row("PRAGMA user_version", [], |r| r.get(0))
        .unwrap();
    let rows: i64 = db
        .query_row("SELECT count(*) FROM measurement", [], |r| r.get(0))
        .unwrap();
    assert_eq!((version, rows), (1, 151));
    drop(db);
    let new = new_file(&dir.path().join("new"));
    assert_eq!(
        Sqlite::open(&path).unwrap().digest().unwrap(),
        new.digest().unwrap()
    );
}

#[test]
fn days_of_schema_3_get_the_index_of_today() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let indexes = |db: &Connection| -> Vec<(String, String)> {
        let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index'
                   AND name GLOB 'measurement_*_time' ORDER BY name";
        let mut found = db.prepare(sql).unwrap();
        let rows = found.query_map([], |r| Ok((r.get(0)?, r.get(1)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    let digest = new_file(&path).digest().unwrap();
    let db = Connection::open(&path).unwrap();
    let today = indexes(&db);
    assert!(today.len() > 2, "{today:?}");
    for (name, _) in &today {
        let table = name.trim_end_matches("_time");
        db.execute_batch(&format!(
            "DROP INDEX {name}; CREATE INDEX {name} ON {table} (source, started);"
        ))
        .unwrap();
    }
    db.pragma_update(None, "user_version", 3).unwrap();
    drop(db);
    assert_eq!(Sqlite::open(&path).unwrap().digest().unwrap(), digest);
    // SQLite keeps the statement, without IF NOT EXISTS, in the spaces in which it was written.
    let words = |all: Vec<(String, String)>| -> Vec<String> {
        let statements = all.iter().map(|(_, sql)| sql.split_whitespace());
        statements
            .map(|words| words.collect::<Vec<_>>().join(" "))
            .collect()
    };
    let now = indexes(&Connection::open(&path).unwrap());
    assert_eq!(words(now), words(today));
}
