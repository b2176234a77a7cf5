//! Power is cut at every write of a ledger's life, compactions included.

use super::*;
use crate::flash_model::{BLOCK, Model};
use embassy_futures::block_on;
use faultline_core::{
    engine::ledger::{Body, BootId, Entry, Ledger, Policy, Reach, Rung, State, Walk},
    time::{Duration, Instant},
};
use std::{println, vec};

const RANGE: Range<u32> = 0..2 * BLOCK as u32;

/// What a board knows that it has written.
#[derive(Clone, Default)]
struct Known {
    /// The newest entry whose writing came to its end.
    newest: u64,
    run: u32,
    /// The newest epoch of them, and how long it was seen to last.
    epoch: Option<(u64, Instant)>,
}

/// How things stood before a record was appended.
struct Moment {
    flash: Model,
    known: Known,
    log: Log,
    record: Record,
}

/// A boot: a run that begins, and so many minutes in which the network comes and goes. What
/// stood before each write is remembered.
async fn boot(
    flash: &mut Model,
    known: &mut Known,
    minutes: u64,
    moments: &mut Vec<Moment>,
) -> Result<(), StoreError> {
    let (mut log, book) = Log::open(flash, &RANGE).await?;
    check(&book, known);
    let run = book.last_run() + 1;
    let boot = BootId([run as u8; 16]);
    let policy = Policy::every(Duration::from_mins(1));
    let (mut ledger, first) = Ledger::begin(run, book.next(), boot, Instant(0), policy);
    let mut entries = vec![first];
    for minute in 1..=minutes {
        let reach = if minute / 3 % 2 == 0 {
            Reach::Good
        } else {
            Reach::Bad
        };
        let walk = Walk {
            state: State::default().with(Rung::Foreign, reach),
            checks: 1,
            failures: 0,
            bytes: 100,
        };
        entries.extend(ledger.note(Instant(minute * 60_000_000), walk));
    }
    for Entry { record, .. } in entries {
        moments.push(Moment {
            flash: flash.clone(),
            known: known.clone(),
            log: log.clone(),
            record,
        });
        log.append(flash, &record).await?;
        known.note(&record);
    }
    Ok(())
}

impl Known {
    fn note(&mut self, record: &Record) {
        self.newest = self.newest.max(record.number);
        self.run = self.run.max(record.run);
        if let Body::Epoch(epoch) = record.body {
            self.epoch = Some((record.number, epoch.until));
        }
    }
}

fn check(book: &Book, known: &Known) {
    assert!(book.next() > known.newest, "a number would be used twice");
    assert!(book.last_run() >= known.run, "a run would be used twice");
    if let Some((number, until)) = known.epoch {
        let found = book.epochs().find(|(at, ..)| *at == number);
        let lasted = found.map(|(_, _, epoch)| epoch.until);
        assert!(
            lasted >= Some(until),
            "epoch {number}: {lasted:?} of {until:?}"
        );
    }
}

const LIFE: [u64; 4] = [40, 90, 1, 120];

#[test]
fn a_cut_at_any_write_leaves_the_newest_entry() {
    let (mut flash, mut known) = (Model::new(2), Known::default());
    let mut moments = Vec::new();
    for minutes in LIFE {
        block_on(boot(&mut flash, &mut known, minutes, &mut moments)).unwrap();
    }
    let generation = block_on(Log::open(&mut flash, &RANGE))
        .unwrap()
        .0
        .generation;
    assert!(generation >= 2, "{generation} compactions show nothing");
    let mut cuts = 0;
    for moment in &moments {
        for left in 1.. {
            let mut flash = moment.flash.clone();
            flash.boot(Some(left));
            let mut log = moment.log.clone();
            if block_on(log.append(&mut flash, &moment.record)).is_ok() {
                break;
            }
            cuts += 1;
            // Power fails once more while what was half done is tidied up.
            flash.boot(Some(1));
            let _ = block_on(Log::open(&mut flash, &RANGE));
            flash.boot(None);
            let (mut log, book) = block_on(Log::open(&mut flash, &RANGE)).unwrap();
            check(&book, &moment.known);
            // And it goes on; a look at each eighth is enough.
            if cuts % 8 != 0 {
                continue;
            }
            block_on(log.append(&mut flash, &moment.record)).unwrap();
            let mut known = moment.known.clone();
            known.note(&moment.record);
            check(&block_on(log.book(&mut flash)).unwrap(), &known);
        }
    }
    assert!(cuts > 3000, "{cuts}");
    println!("{cuts} cuts");
}
