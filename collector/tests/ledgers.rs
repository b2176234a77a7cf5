//! Do ledgers that probes hand in late stand in the store as the probes have them?

use faultline_collector::{
    anchors::Anchors,
    ingest::{Ingest, Nowhere, Terms, Ward},
    rules::Rules,
    store::{
        Facts as _, Ledger as _, ProbeRecord, Source,
        beats::Beats,
        sqlite::{Sqlite, SqliteBeats},
    },
};
use faultline_core::{
    codec::{Identity, Purpose},
    engine::ledger::{
        Book, BootId, Fix, Ledger, Page, Policy, Reach, Rung, Source as TimeSource, State, Walk,
    },
    id::BatchId,
    measurement::{Batch, SCHEMA_VERSION},
    time::{Duration, Instant, UnixTime},
};
use std::{path::Path, sync::Arc};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const MINUTE: Duration = Duration::from_mins(1);

fn key(byte: u8) -> Identity {
    Identity::from_bytes(&[byte; 32]).unwrap()
}

struct Collector {
    store: Arc<Sqlite>,
    beats: Arc<SqliteBeats>,
    ingest: Ingest,
}

fn open(folder: &Path) -> Collector {
    let store = Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap());
    let beats = Arc::new(SqliteBeats::open(&folder.join("beats.db")).unwrap());
    let public = key(1).public();
    store
        .enrol(&ProbeRecord {
            id: public.probe_id(),
            public_key: public.to_sec1(),
            consent: 2,
            software: "test".into(),
            enrolled: NOW,
            revoked: None,
            source: Source::Probe,
        })
        .unwrap();
    let terms = Terms {
        port: 1,
        address: None,
        interval: 60,
        anchors: Anchors::default(),
    };
    let (probes, kept) = (Arc::clone(&store), Arc::clone(&beats));
    let ward = Ward::new(probes, kept, Arc::new(Nowhere), key(9), terms);
    let public = key(9).public();
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::new(Nowhere),
        Arc::new(Rules),
        public,
    )
    .hearing(Arc::new(ward));
    Collector {
        store,
        beats,
        ingest,
    }
}

/// A month in the dark, one change every hour, and what the probe has of it.
fn month() -> (Book, Option<u64>) {
    let mut now = Instant(0);
    let policy = Policy::every(MINUTE);
    let (mut ledger, first) = Ledger::begin(1, 1, BootId([3; 16]), now, policy);
    let mut book = Book::read([first.record]);
    for hour in 0..720 {
        let reach = if hour % 2 == 0 {
            Reach::Bad
        } else {
            Reach::Good
        };
        let state = State::default()
            .with(Rung::Link, Reach::Good)
            .with(Rung::Foreign, reach);
        let walk = Walk {
            state,
            ..Walk::default()
        };
        for _ in 0..3 {
            now = now + Duration::from_secs(100);
            ledger
                .note(now, walk)
                .for_each(|entry| book.add(entry.record));
        }
        now = now + Duration::from_mins(55);
    }
    let fix = Fix {
        at: now,
        utc: NOW,
        error: Duration::from_millis(40),
        source: TimeSource::Collector,
    };
    book.add(ledger.fix(fix).unwrap().record);
    (book, ledger.open().map(|(number, _)| number))
}

fn sealed(page: &Page, number: u8) -> Vec<u8> {
    let batch = Batch {
        schema: SCHEMA_VERSION,
        probe: key(1).public().probe_id(),
        id: BatchId([number; 16]),
        sequence: number.into(),
        created: NOW,
        measurements: Vec::new(),
        ledger: Some(page.part.clone()),
    };
    key(1).seal(Purpose::Batch, &batch)
}

#[test]
fn a_month_comes_in_pages_and_stands_where_it_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let collector = open(folder.path());
    let probe = key(1).public().probe_id();
    let (mut book, open_epoch) = month();
    let mut number = 0;
    while let Some(page) = Page::next(&book, open_epoch, 100) {
        number += 1;
        let bytes = sealed(&page, number);
        let receipt = collector.ingest.accept(&bytes, NOW).unwrap();
        assert!(!receipt.duplicate);
        // The answer was lost on its way: the same again, and under another number.
        assert!(collector.ingest.accept(&bytes, NOW).unwrap().duplicate);
        number += 1;
        collector
            .ingest
            .accept(&sealed(&page, number), NOW)
            .unwrap();
        let sent = faultline_core::engine::ledger::Record {
            number: book.next(),
            run: 1,
            body: faultline_core::engine::ledger::Body::Sent {
                through: page.through,
            },
        };
        book.add(sent);
    }
    assert!(number > 10);
    drop(collector);
    // As a later start finds it.
    let collector = open(folder.path());
    let kept = collector.beats.book(probe).unwrap().chapters();
    let mut ours = book.chapters();
    ours.pop(); // the one that goes on
    assert_eq!(kept, ours);
    let first = kept.first().unwrap();
    let from = first.from.unwrap();
    assert!(first.by_clock);
    // 30 days before the only fix, at 100 ppm.
    assert!(from.error > Duration::from_secs(250) && from.error < Duration::from_secs(260));
    let began = NOW.secs() - 720 * 3600 + 100;
    assert!(from.at.secs().abs_diff(began) <= from.error.as_secs());
    let window = NOW..NOW + MINUTE;
    assert_eq!(collector.beats.told(window).unwrap(), [probe]);
    assert!(collector.store.batch(BatchId([1; 16])).unwrap().is_some());
}
