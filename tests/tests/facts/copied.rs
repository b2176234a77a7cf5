//! Does a store that moves to ClickHouse say there what it said in its file?

use crate::{batches, front::Front};
use batches::{NOW, suite::BATCHES};
use faultline_collector::{
    rules::Rules,
    store::{
        Facts as _, Retention, StoreError, clickhouse::ClickHouse, copy_facts, rebuild,
        sqlite::Sqlite,
    },
};
use faultline_core::time::Duration;
use std::sync::Arc;

#[test]
fn a_copy_goes_on_where_it_was_interrupted_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, path) = (folder.path().join("tables"), folder.path().join("db"));
    let Some(mut front) = Front::process(&tables, &[]) else {
        return;
    };
    let address = front.database("copied");
    let mut model = batches::model().with_lookups(12);
    let file = Sqlite::open(&path).unwrap();
    batches::enrol_all(&file);
    for batch in BATCHES.iter().take(20) {
        assert_eq!(file.append(batch.clone()).ok(), model.append(batch));
    }
    let policy = Retention {
        observations: Some(9),
        batches: Some(8),
        clock_checked: true,
    };
    let now = NOW + Duration::from_hours(24 * 11);
    file.retain(&policy, now).unwrap();
    model.retain(&policy, now);
    model.agrees(&file);
    let before = file.digest().unwrap();

    let unready = ClickHouse::open(&path, &address).err().unwrap();
    assert!(
        unready.to_string().contains("run `copy-facts`"),
        "{unready}"
    );

    // The engine dies after the second piece, whatever that is of.
    let mut said = 0;
    let interrupted = copy_facts(&path, &address, &mut |_| {
        said += 1;
        if said == 2 {
            front.kill();
        }
    });
    assert!(
        matches!(interrupted, Err(StoreError::Unreachable(_))),
        "{interrupted:?}"
    );
    assert_eq!(said, 2);
    // Nobody writes to the file any more, nor takes the half for the whole.
    let moving = file.append(BATCHES[20].clone());
    assert!(
        matches!(moving, Err(StoreError::Misplaced(_))),
        "{moving:?}"
    );
    front.restart();
    let half = ClickHouse::open(&path, &address).err().unwrap();
    assert!(half.to_string().contains("not complete"), "{half}");

    copy_facts(&path, &address, &mut |_| {}).unwrap();
    let gone = Sqlite::open(&path).err().unwrap();
    assert!(gone.to_string().contains("--facts"), "{gone}");
    let mut told = Vec::new();
    copy_facts(&path, &address, &mut |what| told.push(what.to_owned())).unwrap();
    assert_eq!(told, ["the facts are there already"]);

    let store = ClickHouse::open(&path, &address).unwrap();
    assert_eq!(store.digest().unwrap(), before);
    model.agrees(&store);
    for batch in BATCHES.iter().skip(15) {
        assert_eq!(store.append(batch.clone()).ok(), model.append(batch));
    }
    rebuild(&store, Arc::new(Rules)).unwrap();
    model.agrees(&store);
    // The file has let go of what it had.
    let size: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM batch", [], |r| r.get(0))
        .unwrap();
    assert_eq!(size, 0);
}
