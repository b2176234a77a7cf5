//! What does the log say, whatever happened to it?
//!
//! A [`Book`] takes records in any order, as often as they come: of what is said of one epoch,
//! the longest counts. It places what it can, says what is still to be sent, and makes itself
//! smaller when there is no more room: first what the collector has, then neighbours are merged
//! from the oldest on, then the oldest go and a note of how many stays. The newest epoch is
//! never touched.

use super::{
    place::{Fix, Placed, between, place},
    record::{Body, BootId, Epoch, Record},
};
use crate::time::{Instant, UnixTime};
use alloc::{collections::BTreeMap, vec::Vec};

/// A start of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of its entry.
    pub number: u64,
    /// The boot of the machine that it was in.
    pub boot: BootId,
    /// When it started.
    pub started: Instant,
}

/// Run and number: numbers alone begin anew where a ledger was lost.
type Key = (u32, u64);

/// Everything that records say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    runs: BTreeMap<u32, Run>,
    epochs: BTreeMap<Key, Epoch>,
    fixes: BTreeMap<Key, Fix>,
    steps: BTreeMap<Key, (Instant, UnixTime, UnixTime)>,
    sent: Option<u64>,
    lost: Option<(u64, u32)>,
    /// Number and run of the newest entry that says what was sent and lost.
    newest: (u64, u32),
}

/// An epoch with its place in the world's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Its number.
    pub number: u64,
    /// Which start of the program.
    pub run: u32,
    /// Which boot of the machine.
    pub boot: BootId,
    /// On the monotonic clock of that boot.
    pub epoch: Epoch,
    /// When it began; `None` where nothing is known of that.
    pub from: Option<Placed>,
    /// When it was seen last.
    pub until: Option<Placed>,
    /// Whether a clock placed it, or only its order among others.
    pub by_clock: bool,
}

impl Book {
    /// From records in any order.
    pub fn read(records: impl IntoIterator<Item = Record>) -> Self {
        let mut book = Self::default();
        records.into_iter().for_each(|record| book.add(record));
        book
    }

    /// One record more.
    pub fn add(&mut self, record: Record) {
        let Record { number, run, body } = record;
        self.newest = (self.newest.0.max(number), self.newest.1.max(run));
        match body {
            Body::Run { boot, started } => {
                self.runs.entry(run).or_insert(Run {
                    number,
                    boot,
                    started,
                });
            }
            Body::Epoch(epoch) => {
                let known = self.epochs.entry((run, number)).or_insert(epoch);
                if epoch.until >= known.until {
                    *known = epoch;
                }
            }
            Body::Fix(fix) => {
                self.fixes.insert((run, number), fix);
            }
            Body::Step { at, from, to } => {
                self.steps.insert((run, number), (at, from, to));
            }
            Body::Sent { through } => self.sent = self.sent.max(Some(through)),
            Body::Lost { through, epochs } => {
                let known = self.lost.unwrap_or_default();
                // Written anew, it says how many in all.
                self.lost = Some((known.0.max(through), known.1.max(epochs)));
            }
        }
    }

    /// The number of the next entry.
    pub fn next(&self) -> u64 {
        self.newest.0.saturating_add(1)
    }

    /// The number of the newest run; 0 where there was none.
    pub const fn last_run(&self) -> u32 {
        self.newest.1
    }

    /// Starts of the program, oldest first.
    pub fn runs(&self) -> impl Iterator<Item = (u32, Run)> {
        self.runs.iter().map(|(run, what)| (*run, *what))
    }

    /// Fixes with the boot that they are of, oldest first.
    pub fn fixes(&self) -> impl Iterator<Item = (BootId, Fix)> {
        let all = self.fixes.iter();
        all.filter_map(|((run, _), fix)| Some((self.boot(*run)?, *fix)))
    }

    /// Jumps of the wall clock, oldest first: boot, when, from what, to what.
    pub fn steps(&self) -> impl Iterator<Item = (BootId, Instant, UnixTime, UnixTime)> {
        let all = self.steps.iter();
        all.filter_map(|((run, _), (at, from, to))| Some((self.boot(*run)?, *at, *from, *to)))
    }

    /// Up to which number the collector has the epochs.
    pub const fn sent(&self) -> Option<u64> {
        self.sent
    }

    /// Epochs that were dropped unsent, and the number of the newest of them.
    pub const fn lost(&self) -> Option<(u64, u32)> {
        self.lost
    }

    /// Every epoch, oldest first.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = (u64, u32, Epoch)> {
        let all = self.epochs.iter();
        all.map(|((run, number), epoch)| (*number, *run, *epoch))
    }

    /// Epochs that the collector has not, oldest first.
    pub fn unsent(&self) -> impl DoubleEndedIterator<Item = (u64, u32, Epoch)> {
        let sent = self.sent;
        self.epochs()
            .filter(move |(number, ..)| Some(*number) > sent)
    }

    /// The boot that a run was in; unknown where its entry is damaged.
    pub fn boot(&self, run: u32) -> Option<BootId> {
        self.runs.get(&run).map(|run| run.boot)
    }

    /// Every epoch in its place, oldest first. One of a run whose entry is damaged is left out:
    /// nothing says on which clock it is.
    pub fn chapters(&self) -> Vec<Chapter> {
        let mut clocks: BTreeMap<BootId, Vec<Fix>> = BTreeMap::new();
        for (boot, fix) in self.fixes() {
            clocks.entry(boot).or_default().push(fix);
        }
        let on = |boot: BootId, at| place(clocks.get(&boot).map_or(&[][..], |all| all), at);
        let mut chapters: Vec<Chapter> = self
            .epochs()
            .filter_map(|(number, run, epoch)| {
                let boot = self.boot(run)?;
                let from = on(boot, epoch.from);
                Some(Chapter {
                    number,
                    run,
                    boot,
                    epoch,
                    from,
                    until: on(boot, epoch.until),
                    by_clock: from.is_some(),
                })
            })
            .collect();
        by_order(&mut chapters);
        chapters
    }

    /// The records of this book, as few as say it all, and no more than `most` frames.
    pub fn compact(mut self, most: usize) -> Vec<Record> {
        let last = self.epochs.last_key_value().map(|(key, _)| *key);
        self.thin();
        if self.frames() > most {
            let sent = self.sent;
            let keep = |key: &Key| Some(key.1) > sent || Some(*key) == last;
            let mut from = core::mem::take(&mut self.epochs);
            let mut over = (self.frames() + from.len()).saturating_sub(most);
            // Oldest first, and only as many as there must be room for.
            from.retain(|key, _| {
                let stays = over == 0 || keep(key);
                over -= usize::from(!stays);
                stays
            });
            self.epochs = from;
            self.forget();
        }
        if self.frames() > most {
            self.merge(most);
        }
        self.drop_oldest(most, last);
        self.records()
    }

    fn frames(&self) -> usize {
        let notes = usize::from(self.sent.is_some()) + usize::from(self.lost.is_some());
        self.runs.len() + self.epochs.len() + self.fixes.len() + self.steps.len() + notes
    }

    /// Of each boot the first fix and the last of the best source: the others add little.
    fn thin(&mut self) {
        let mut ends: BTreeMap<(BootId, bool), (Key, Key)> = BTreeMap::new();
        for (key, fix) in &self.fixes {
            if let Some(boot) = self.boot(key.0) {
                let best = fix.source == super::place::Source::Collector;
                let known = ends.entry((boot, best)).or_insert((*key, *key));
                *known = (known.0.min(*key), known.1.max(*key));
            }
        }
        let kept = |key: &Key| ends.values().any(|ends| ends.0 == *key || ends.1 == *key);
        self.fixes.retain(|key, _| kept(key));
    }

    /// What belongs to runs of which no epoch is left goes, except to the newest, and fixes of
    /// boots that no epoch is in.
    fn forget(&mut self) {
        let used: alloc::collections::BTreeSet<BootId> = self
            .epochs
            .keys()
            .filter_map(|(run, _)| self.boot(*run))
            .collect();
        let newest = self.runs.last_key_value().map(|(run, _)| *run);
        let boots = &used;
        self.runs
            .retain(|run, what| Some(*run) == newest || boots.contains(&what.boot));
        let runs = &self.runs;
        self.fixes.retain(|(run, _), _| runs.contains_key(run));
        self.steps.retain(|(run, _), _| runs.contains_key(run));
    }

    /// Merges neighbours of one run, oldest first, in rounds, so that what is older is coarser.
    fn merge(&mut self, most: usize) {
        let Some((last, newest)) = self.epochs.pop_last() else {
            return;
        };
        loop {
            let mut over = (self.frames() + 1).saturating_sub(most);
            if over == 0 {
                break;
            }
            let before = self.epochs.len();
            let mut merged: BTreeMap<Key, Epoch> = BTreeMap::new();
            let mut all = core::mem::take(&mut self.epochs).into_iter().peekable();
            while let Some((key, epoch)) = all.next() {
                let pair = all
                    .next_if(|((run, _), _)| over > 0 && *run == key.0)
                    .map(|(second, other)| (second, both(epoch, other)));
                over -= usize::from(pair.is_some());
                // The number of the later one: what was sent of it is sent again.
                let (key, epoch) = pair.unwrap_or((key, epoch));
                merged.insert(key, epoch);
            }
            self.epochs = merged;
            if self.epochs.len() == before {
                break;
            }
        }
        self.epochs.insert(last, newest);
    }

    /// Last resort: a machine that boots again and again.
    fn drop_oldest(&mut self, most: usize, last: Option<Key>) {
        while self.frames() > most
            && let Some((key, _)) = self.epochs.first_key_value()
            && Some(*key) != last
        {
            // A tenth at a time: what follows looks at everything.
            let count = (self.epochs.len() / 10).max(1);
            for _ in 0..count {
                let Some((key, _)) = self.epochs.first_key_value() else {
                    break;
                };
                let (run, number) = *key;
                if Some((run, number)) == last {
                    break;
                }
                self.epochs.remove(&(run, number));
                if Some(number) > self.sent {
                    let known = self.lost.unwrap_or_default();
                    self.lost = Some((known.0.max(number), known.1.saturating_add(1)));
                }
            }
            self.forget();
        }
        while self.frames() > most && self.steps.pop_first().is_some() {}
    }

    fn records(&self) -> Vec<Record> {
        let record = |number, run, body| Record { number, run, body };
        let mut all: Vec<Record> = Vec::with_capacity(self.frames());
        all.extend(self.runs.iter().map(|(run, what)| {
            let (boot, started) = (what.boot, what.started);
            record(what.number, *run, Body::Run { boot, started })
        }));
        let epochs = self.epochs.iter();
        all.extend(epochs.map(|((run, n), epoch)| record(*n, *run, Body::Epoch(*epoch))));
        let fixes = self.fixes.iter();
        all.extend(fixes.map(|((run, n), fix)| record(*n, *run, Body::Fix(*fix))));
        all.extend(self.steps.iter().map(|((run, n), (at, from, to))| {
            let (at, from, to) = (*at, *from, *to);
            record(*n, *run, Body::Step { at, from, to })
        }));
        all.sort_by_key(|record| record.number);
        // These hold the newest number: none may be used again.
        let (number, run) = self.newest;
        all.extend(
            self.lost
                .map(|(through, epochs)| record(number, run, Body::Lost { through, epochs })),
        );
        // One there must be, to hold the number.
        let through = self.sent;
        if through.is_some() || all.last().is_none_or(|last| last.number < number) {
            let through = through.unwrap_or(0);
            all.push(record(number, run, Body::Sent { through }));
        }
        all
    }
}

/// Two neighbours as one.
fn both(one: Epoch, two: Epoch) -> Epoch {
    Epoch {
        from: one.from.min(two.from),
        until: one.until.max(two.until),
        state: one.state.merged(two.state),
        checks: one.checks.saturating_add(two.checks),
        failures: one.failures.saturating_add(two.failures),
    }
}

/// What no clock placed lies between the neighbours that one did.
fn by_order(chapters: &mut [Chapter]) {
    let mut before = None;
    let mut gaps: Vec<(usize, Option<Placed>)> = Vec::new();
    for (at, chapter) in chapters.iter().enumerate() {
        match chapter.until {
            Some(until) => before = Some(until),
            None => gaps.push((at, before)),
        }
    }
    let mut after = None;
    let mut ends: BTreeMap<usize, Option<Placed>> = BTreeMap::new();
    for (at, chapter) in chapters.iter().enumerate().rev() {
        match chapter.from {
            Some(from) => after = Some(from),
            None => {
                ends.insert(at, after);
            }
        }
    }
    for (at, before) in gaps {
        let placed = between(before, ends.get(&at).copied().flatten());
        if let Some(chapter) = chapters.get_mut(at) {
            (chapter.from, chapter.until) = (placed, placed);
        }
    }
}
