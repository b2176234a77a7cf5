//! Who writes the ledger, and who reads from it? Walks and fixes come in, pages for the
//! collector go out; memory and file say the same.

use super::log::{Log, Read};
use faultline_core::{
    engine::ledger::{Book, BootId, Entry, Fix, Ledger, Page, Policy, State, Walk},
    time::{Duration, Instant, UnixTime},
};
use std::{io, path::Path};

/// The ledger of this run, with all that came before.
#[derive(Debug)]
pub struct Desk {
    log: Log,
    book: Book,
    ledger: Ledger,
    /// Why the log could not be written last.
    trouble: Option<io::Error>,
}

impl Desk {
    /// Begins a run. Its number is durable, or there is none: beats that carry a number twice
    /// are believed once.
    pub fn open(
        path: &Path,
        cap: u64,
        boot: BootId,
        now: Instant,
        interval: Duration,
    ) -> io::Result<Self> {
        let (log, Read { book, .. }) = Log::open(path, cap)?;
        let run = book.last_run().saturating_add(1);
        let (ledger, first) =
            Ledger::begin(run, book.next(), boot, now, Policy::every(interval));
        let mut desk = Self {
            log,
            book,
            ledger,
            trouble: None,
        };
        desk.write(&[first]);
        desk.trouble.take().map_or(Ok(desk), Err)
    }

    /// The number of this run.
    pub const fn run(&self) -> u32 {
        self.ledger.run()
    }

    /// The collector knows of run `known`, which this probe has forgotten: begins one behind
    /// it.
    pub fn begin_behind(&mut self, known: u32, now: Instant, interval: Duration) {
        if known < self.run() {
            return;
        }
        let closed: Vec<Entry> = self.ledger.close(now).into_iter().collect();
        self.write(&closed);
        let run = known.saturating_add(1);
        let (next, boot) = (self.book.next(), self.ledger.boot());
        let (ledger, first) = Ledger::begin(run, next, boot, now, Policy::every(interval));
        self.ledger = ledger;
        self.write(&[first]);
    }

    /// Walks come every `interval` from now on.
    pub fn every(&mut self, interval: Duration) {
        self.ledger.follow(Policy::every(interval));
    }

    /// A walk ended.
    pub fn note(&mut self, now: Instant, walk: Walk) {
        let entries: Vec<Entry> = self.ledger.note(now, walk).collect();
        self.write(&entries);
    }

    /// What the wall clock says.
    pub fn wall(&mut self, now: Instant, wall: UnixTime) {
        let entries: Vec<Entry> = self.ledger.wall(now, wall).into_iter().collect();
        self.write(&entries);
    }

    /// What time it is, by somebody who knows.
    pub fn fix(&mut self, fix: Fix) {
        let entries: Vec<Entry> = self.ledger.fix(fix).into_iter().collect();
        self.write(&entries);
    }

    /// The next part for the collector, oldest first.
    pub fn page(&self, most: usize) -> Option<Page> {
        Page::next(&self.book, self.going_on(), most)
    }

    /// The collector has a page.
    pub fn sent(&mut self, page: &Page) {
        let entry = self.ledger.sent(page.through);
        self.write(&[entry]);
    }

    /// Since when the state is what it is now.
    pub fn since(&self, now: Instant, state: State) -> Instant {
        self.ledger.since(now, state)
    }

    /// When the Internet abroad was there last, in this run.
    pub const fn last_good(&self) -> Option<Instant> {
        self.ledger.last_good()
    }

    /// The boot of the machine.
    pub const fn boot(&self) -> BootId {
        self.ledger.boot()
    }

    /// How many epochs wait, and the number of the oldest.
    pub fn waiting(&self) -> (u32, Option<u64>) {
        let open = self.going_on();
        let mut waiting = self.book.unsent().filter(|(n, ..)| Some(*n) != open);
        let oldest = waiting.next().map(|(number, ..)| number);
        let more = u32::try_from(waiting.count()).unwrap_or(u32::MAX);
        (more.saturating_add(u32::from(oldest.is_some())), oldest)
    }

    /// Writes how things stand, for an orderly end.
    pub fn close(&mut self) {
        let now = self.ledger.open().map(|(_, open)| open.until);
        let entries: Vec<Entry> = now
            .and_then(|now| self.ledger.close(now))
            .into_iter()
            .collect();
        self.write(&entries);
    }

    /// Why the log could not be written, told once.
    pub const fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    fn going_on(&self) -> Option<u64> {
        self.ledger.open().map(|(number, _)| number)
    }

    fn write(&mut self, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        for entry in entries {
            self.book.add(entry.record);
        }
        let before = self.log.frames();
        match self.log.write(&self.book, entries) {
            // Made smaller: memory follows, so that it has a bound, too.
            Ok(()) if self.log.frames() < before => {
                let records = self.book.clone().compact(self.log.frames());
                self.book = Book::read(records);
            }
            Ok(()) => {}
            Err(error) => self.trouble = Some(error),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.close();
    }
}
