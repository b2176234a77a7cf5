//! What is lost, or there twice, when the engine or the collector dies between two steps?
//! Nothing. And what is said meanwhile helps.

use crate::{Server, batches, front::Front};
use batches::{
    NOW, id16, incoming, measurement, probe_id, seal,
    suite::{BATCHES, Engine as _},
};
use faultline_collector::{
    rules::Rules,
    store::{
        Appended, Facts as _, Ledger as _, StoreError,
        clickhouse::{Address, ClickHouse},
        contract, rebuild,
    },
};
use faultline_core::{
    id::BatchId,
    time::{Duration, UnixTime},
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

/// Makes the ledger refuse a step, as a full disk would.
fn refuse(ledger: &Path, step: &str) {
    let db = rusqlite::Connection::open(ledger).unwrap();
    db.execute_batch(&format!(
        "CREATE TRIGGER refused BEFORE {step} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    ))
    .unwrap();
}

fn allow(ledger: &Path) {
    let db = rusqlite::Connection::open(ledger).unwrap();
    db.execute_batch("DROP TRIGGER refused").unwrap();
}

#[test]
fn what_was_sent_and_not_committed_does_not_exist_and_counts_once_when_retried() {
    let Some(server) = Server::start() else {
        return;
    };
    let ledger = server.ledgers.path().join("a");
    let store = server.fresh("a");
    let mut model = batches::model().with_lookups(12);
    // After the rows are on the engine's disk; before the commit.
    for (n, batch) in BATCHES.iter().take(12).enumerate() {
        if n % 3 == 1 {
            refuse(&ledger, "DELETE ON load");
            let failed = store.append(batch.clone());
            assert!(matches!(failed, Err(StoreError::Engine(_))), "{failed:?}");
            assert!(store.receipt(batch.receipt.batch).unwrap().is_none());
            allow(&ledger);
            model.agrees(&*store);
        }
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
    }
    model.agrees(&*store);
    // A rebuild that fails at its end leaves the old rows; so do its remains.
    refuse(&ledger, "DELETE ON load");
    assert!(rebuild(&*store, Arc::new(Rules)).is_err());
    allow(&ledger);
    model.agrees(&*store);
    rebuild(&*store, Arc::new(Rules)).unwrap();
    model.agrees(&*store);
    // Opened again, what was left behind is looked for and deleted; nothing else is.
    drop(store);
    model.agrees(&*server.open("a"));
    let db = rusqlite::Connection::open(&ledger).unwrap();
    let lost: i64 = db
        .query_row("SELECT count(*) FROM load WHERE swept > 0", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert!(lost >= 5, "{lost}");
}

#[test]
fn an_engine_that_dies_is_said_and_takes_nothing_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let Some(mut front) = Front::process(&folder.path().join("tables"), &[]) else {
        return;
    };
    let address = front.database("a");
    let store = ClickHouse::open(&path, &address).unwrap();
    batches::enrol_all(&store);
    let mut model = batches::model().with_lookups(12);
    for (n, batch) in BATCHES.iter().enumerate() {
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
        if n % 8 == 7 {
            front.kill();
            let next = incoming(1000 + n as u32);
            let failed = store.append(next.clone()).unwrap_err();
            assert!(matches!(failed, StoreError::Unreachable(_)), "{failed}");
            assert!(store.receipt(next.receipt.batch).unwrap().is_none());
            let unread = store.summary().unwrap_err();
            assert!(unread.to_string().contains("cannot be reached"), "{unread}");
            // What is the ledger's own goes on.
            assert!(store.probe(probe_id()).unwrap().is_some());
            store.audit(NOW, "the engine is away").unwrap();
            front.restart();
            assert_eq!(store.append(next.clone()).ok(), model.append(&next));
        }
    }
    model.agrees(&store);
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let nobody = Address::parse("clickhouse://127.0.0.1:9/a")
        .unwrap()
        .unwrap();
    let told = ClickHouse::open(&one, &nobody).err().unwrap().to_string();
    assert!(
        told.contains("127.0.0.1:9") && told.contains("see that it runs"),
        "{told}"
    );

    let guarded = folder.path().join("guarded");
    let Some(front) = Front::process(&guarded, &["me", "secret"]) else {
        return;
    };
    let open = |ledger: &Path, user: &str, database: &str| {
        let url = front
            .url(database)
            .replace("http://", &format!("http://{user}@"));
        ClickHouse::open(ledger, &Address::parse(&url).unwrap().unwrap())
    };
    let told = open(&one, "me:wrong", "a").err().unwrap().to_string();
    assert!(told.contains("check user, password"), "{told}");
    assert!(!told.contains("wrong"), "{told}");
    drop(open(&one, "me:secret", "a").unwrap());
    // A ledger has one database, and a database one ledger.
    let told = open(&other, "me:secret", "a").err().unwrap().to_string();
    assert!(told.contains("another ledger"), "{told}");
    drop(open(&other, "me:secret", "b").unwrap());
    let told = open(&other, "me:secret", "a").err().unwrap().to_string();
    assert!(told.contains("another ledger"), "{told}");
    let store = open(&one, "me:secret", "a").unwrap();
    batches::enrol_all(&store);
    store.append(incoming(1)).unwrap();
    drop(store);
    let told = open(&one, "me:secret", "empty").err().unwrap().to_string();
    assert!(told.contains("none of the facts"), "{told}");
    open(&one, "me:secret", "a").unwrap();
}

#[test]
fn an_engine_that_forgot_everything_gets_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let tables = folder.path().join("tables");
    let Some(mut front) = Front::process(&tables, &[]) else {
        return;
    };
    let store = ClickHouse::open(&folder.path().join("db"), &front.database("a")).unwrap();
    batches::enrol_all(&store);
    store.append(incoming(1)).unwrap();
    front.kill();
    std::fs::remove_dir_all(&tables).unwrap();
    front.restart();
    let refused = store.append(incoming(2)).unwrap_err();
    assert!(matches!(refused, StoreError::Misplaced(_)), "{refused}");
    assert!(store.receipt(incoming(2).receipt.batch).unwrap().is_none());
}

/// An import of twenty years, in one upload: more months than an insert may touch by default.
#[test]
fn a_batch_may_reach_over_many_months() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = server.fresh("a");
    let mut batch = incoming(0);
    let row = batch.rows[0].clone();
    batch.rows = (0..200u32)
        .map(|n| {
            let mut row = row.clone();
            row.id = faultline_core::id::MeasurementId(id16(n));
            row.started =
                UnixTime::from_secs(1_110_000_000) + Duration::from_hours(24 * 31) * n;
            row
        })
        .collect();
    assert_eq!(store.append(batch.clone()).unwrap(), Appended::Stored);
    assert_eq!(contract::all(&*store), batch.rows);
}

/// Words and bytes of anybody's choice come back as they were.
#[test]
fn hostile_words_are_words() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = server.fresh("a");
    let into = batches::ingest(&store);
    let words = [
        "?",
        "'; DROP TABLE measurement; --",
        "\\",
        "\0",
        "a\nb",
        "`",
        "{x:String}",
        "ü\u{202e}",
    ];
    let mut batch = batches::batch(0);
    batch.measurements = (0..)
        .zip(words)
        .map(|(n, word)| {
            let mut m = measurement(n, None);
            m.target = word.into();
            m
        })
        .collect();
    into.accept(&seal(&batch), NOW).unwrap();
    for word in words {
        let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
        let mut query = faultline_collector::store::Query::within(all, 10);
        query.target = Some(word.into());
        let found = store.select(&query).unwrap();
        let targets: Vec<_> = found.iter().map(|row| row.target.as_str()).collect();
        assert_eq!(targets, [word], "{word:?}");
    }
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn killed_child() {
    let (Some(path), Ok(url)) = (
        std::env::var_os("FAULTLINE_CRASH_STORE"),
        std::env::var("FAULTLINE_CRASH_FACTS"),
    ) else {
        return;
    };
    let address = Address::parse(&url).unwrap().unwrap();
    let store = Arc::new(ClickHouse::open(Path::new(&path), &address).unwrap());
    batches::enrol_all(&*store);
    let into = batches::ingest(&store);
    for n in 0..100_000 {
        into.accept(&seal(&batches::batch(n)), NOW).unwrap();
        println!("\nacknowledged {n}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_partial_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let Some(front) = Front::process(&folder.path().join("tables"), &[]) else {
        return;
    };
    for lines in [1, 3, 10] {
        let path = folder.path().join(format!("db{lines}"));
        let database = format!("killed{lines}");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "failures::killed_child", "--nocapture"])
            .env("FAULTLINE_CRASH_STORE", &path)
            .env("FAULTLINE_CRASH_FACTS", front.url(&database))
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
        assert!(acknowledged.len() >= lines);
        let store = ClickHouse::open(&path, &front.database(&database)).unwrap();
        for n in &acknowledged {
            let receipt = store.receipt(BatchId(id16(*n))).unwrap();
            assert!(receipt.is_some(), "batch {n}");
        }
        let mut batches = 0;
        store
            .batches(&mut |_| {
                batches += 1;
                true
            })
            .unwrap();
        assert!(batches >= lines);
        assert_eq!(contract::all(&store).len(), batches * 4);
        let before = store.digest().unwrap();
        rebuild(&store, Arc::new(Rules)).unwrap();
        assert_eq!(store.digest().unwrap(), before);
    }
}
