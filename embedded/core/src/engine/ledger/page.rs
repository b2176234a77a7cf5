//! What of the ledger goes into the next batch? Oldest first, with all that it takes to place
//! it in time.

use super::{
    book::Book,
    place::Fix,
    record::{Body, Epoch, Record},
};
use crate::{
    measurement::{EpochItem, FixItem, LedgerPart, LostItem, RunItem, StepItem},
    time::{Duration, Instant},
};
use alloc::{collections::BTreeSet, vec::Vec};

/// Part of a ledger, and up to which epoch the collector has it once it has this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What is sent.
    pub part: LedgerPart,
    /// The number of its newest epoch.
    pub through: u64,
    /// Whether more waits behind it.
    pub more: bool,
}

impl Page {
    /// The oldest epochs that were not sent, at most `most`, without the one that goes on;
    /// `None` where there are none.
    pub fn next(book: &Book, open: Option<u64>, most: usize) -> Option<Self> {
        let mut waiting = book.unsent().filter(|(number, ..)| Some(*number) != open);
        let epochs: Vec<(u64, u32, Epoch)> = waiting.by_ref().take(most).collect();
        let (through, ..) = *epochs.last()?;
        let used: BTreeSet<u32> = epochs.iter().map(|(_, run, _)| *run).collect();
        let boots: BTreeSet<_> = used.iter().filter_map(|run| book.boot(*run)).collect();
        let mut part = LedgerPart {
            runs: Vec::new(),
            epochs: Vec::new(),
            fixes: Vec::new(),
            steps: Vec::new(),
            lost: None,
        };
        // Fixes of other runs in the same boot place these epochs, too.
        let ours = |run: u32| book.boot(run).is_some_and(|boot| boots.contains(&boot));
        for record in book.clone().compact(usize::MAX) {
            part.add(&record, through, &ours);
        }
        part.epochs = epochs.into_iter().map(item).collect();
        Some(Self {
            part,
            through,
            more: waiting.next().is_some(),
        })
    }
}

fn item((number, run, epoch): (u64, u32, Epoch)) -> EpochItem {
    EpochItem {
        number,
        run,
        from: epoch.from.0,
        until: epoch.until.0,
        state: epoch.state,
        checks: epoch.checks,
        failures: epoch.failures,
    }
}

impl LedgerPart {
    fn add(&mut self, record: &Record, through: u64, ours: &impl Fn(u32) -> bool) {
        let Record { number, run, body } = *record;
        match body {
            Body::Run { boot, started } if ours(run) => self.runs.push(RunItem {
                number,
                run,
                boot,
                started: started.0,
            }),
            Body::Fix(fix) if ours(run) => self.fixes.push(FixItem {
                number,
                run,
                at: fix.at.0,
                utc: fix.utc,
                error: fix.error.as_micros() as u64,
                source: fix.source,
            }),
            Body::Step { at, from, to } if ours(run) => self.steps.push(StepItem {
                number,
                run,
                at: at.0,
                from,
                to,
            }),
            Body::Lost {
                through: newest,
                epochs,
            } if newest <= through => {
                self.lost = Some(LostItem {
                    through: newest,
                    epochs,
                });
            }
            _ => {}
        }
    }

    /// The records that it was made from, for the reader's [`Book`].
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let record = |number, run, body| Record { number, run, body };
        let runs = self.runs.iter().map(move |item| {
            let (boot, started) = (item.boot, Instant(item.started));
            record(item.number, item.run, Body::Run { boot, started })
        });
        let fixes = self.fixes.iter().map(move |item| {
            let fix = Fix {
                at: Instant(item.at),
                utc: item.utc,
                error: Duration::from_micros(item.error),
                source: item.source,
            };
            record(item.number, item.run, Body::Fix(fix))
        });
        let steps = self.steps.iter().map(move |item| {
            let at = Instant(item.at);
            let (from, to) = (item.from, item.to);
            record(item.number, item.run, Body::Step { at, from, to })
        });
        let epochs = self.epochs.iter().map(move |item| {
            let epoch = Epoch {
                from: Instant(item.from),
                until: Instant(item.until),
                state: item.state,
                checks: item.checks,
                failures: item.failures,
            };
            record(item.number, item.run, Body::Epoch(epoch))
        });
        let lost = self.lost.iter().map(move |item| {
            let (through, epochs) = (item.through, item.epochs);
            record(item.through, 0, Body::Lost { through, epochs })
        });
        runs.chain(fixes).chain(steps).chain(epochs).chain(lost)
    }
}
