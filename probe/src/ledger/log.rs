//! Where does the ledger stand so that a power cut takes nothing that was said to be durable?
//!
//! One file of frames of one size, each with its own checksum (`faultline_core::engine::ledger`).
//! Frames are written at their place, so that what a write left half is written over by the
//! next; a synchronisation follows where the next walk must find the entry. What a power cut
//! left torn, or of zeroes, or of another time, is no frame and is passed over; whole frames
//! behind it count.
//!
//! At its cap the file is written anew, smaller, as a whole (see [`durable`](crate::durable)).
//! A disk that says no loses nothing as long as the program runs: everything is in memory, and
//! the next entry writes it all.

use crate::durable;
use faultline_core::engine::ledger::{Book, Entry, FRAME, Record};
use std::{
    fs, io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// The fewest frames that a log has room for.
const LEAST: usize = 256;

/// What was read of a log.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// What its whole frames say.
    pub book: Book,
    /// Frames that are there and say nothing: torn or damaged.
    pub damaged: usize,
    frames: usize,
}

/// The file, to be written by one process at a time: the spool's lock stands for it, too.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// `None` after a failure: then everything is written anew.
    file: Option<fs::File>,
    /// Frames in the file, whole or not.
    frames: usize,
    most: usize,
}

impl Log {
    /// Opens or creates the log; `cap` bounds its bytes. One that cannot be read is an error:
    /// it is rather looked into by its owner than begun anew.
    pub fn open(path: &Path, cap: u64) -> io::Result<(Self, Read)> {
        let read = look(path)?;
        let most = usize::try_from(cap / FRAME as u64).unwrap_or(usize::MAX);
        let log = Self {
            path: path.into(),
            file: Some(Self::file(path)?),
            frames: read.frames,
            most: most.max(LEAST),
        };
        Ok((log, read))
    }

    fn file(path: &Path) -> io::Result<fs::File> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        // A file without a name in its folder is none after a power cut.
        if let Some(folder) = path.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(file)
    }

    /// Writes entries that `book` holds already.
    pub fn write(&mut self, book: &Book, entries: &[Entry]) -> io::Result<()> {
        let full = self.frames + entries.len() > self.most;
        if full || self.file.is_none() {
            return self.rewrite(book);
        }
        let octets: Vec<u8> = entries.iter().flat_map(|e| e.record.encode()).collect();
        let durable = entries.iter().any(|entry| entry.durable);
        let written = self.file.as_ref().map_or(Ok(()), |file| {
            file.write_all_at(&octets, (self.frames * FRAME) as u64)?;
            if durable { file.sync_data() } else { Ok(()) }
        });
        match written {
            Ok(()) => self.frames += entries.len(),
            // What is in the file now is not known.
            Err(_) => self.file = None,
        }
        written
    }

    /// Writes all anew, with room for more.
    fn rewrite(&mut self, book: &Book) -> io::Result<()> {
        self.file = None;
        let records = book.clone().compact(self.most / 4 * 3);
        let octets: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        durable::write(&self.path, &octets, 0o644)?;
        self.file = Some(Self::file(&self.path)?);
        self.frames = records.len();
        Ok(())
    }

    /// Whether the book in memory should be read anew: the file says less since it was made
    /// smaller.
    pub const fn frames(&self) -> usize {
        self.frames
    }
}

/// Reads a log, which another process may be writing. One that is not there is empty.
pub fn look(path: &Path) -> io::Result<Read> {
    let octets = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let mut read = Read::default();
    for (at, frame) in octets.chunks(FRAME).enumerate() {
        match Record::decode(frame) {
            Some(record) => {
                read.book.add(record);
                // Whatever stands behind the last whole frame is written over.
                read.frames = at + 1;
            }
            None => read.damaged += 1,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{
        engine::ledger::{Body, BootId, Ledger, Policy, Reach, Rung, State, Walk},
        time::{Duration, Instant},
    };
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Writes what a probe writes: one walk a step, a restart where a step says so.
    struct Life {
        log: Log,
        book: Book,
        ledger: Ledger,
        now: Instant,
    }

    impl Life {
        fn begin(path: &Path, cap: u64, now: Instant) -> (Self, Vec<Entry>) {
            let (log, Read { mut book, .. }) = Log::open(path, cap).unwrap();
            let run = book.last_run() + 1;
            let boot = BootId([run as u8; 16]);
            let (ledger, first) =
                Ledger::begin(run, book.next(), boot, now, Policy::every(MINUTE));
            book.add(first.record);
            let mut life = Self {
                log,
                book,
                ledger,
                now,
            };
            life.log.write(&life.book, &[first]).unwrap();
            (life, vec![first])
        }

        fn walk(&mut self, foreign: Reach) -> Vec<Entry> {
            self.now = self.now + MINUTE;
            let state = State::default()
                .with(Rung::Link, Reach::Good)
                .with(Rung::Foreign, foreign);
            let walk = Walk {
                state,
                checks: 1,
                ..Walk::default()
            };
            let entries: Vec<_> = self.ledger.note(self.now, walk).collect();
            for entry in &entries {
                self.book.add(entry.record);
            }
            self.log.write(&self.book, &entries).unwrap();
            entries
        }
    }

    fn reach() -> impl Strategy<Value = Reach> {
        prop_oneof![4 => Just(Reach::Good), 1 => Just(Reach::Bad)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        /// Power fails at any octet of what was not synchronised; what is left of it is old
        /// zeroes, noise, or nothing.
        #[test]
        fn a_power_cut_at_any_octet_takes_only_what_was_not_durable(
            walks in prop::collection::vec(reach(), 1..40),
            more in prop::collection::vec(reach(), 1..10),
            cut: prop::sample::Index,
            tail in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger");
            let (mut life, mut entries) = Life::begin(&path, 1 << 20, Instant(0));
            for foreign in walks {
                entries.extend(life.walk(foreign));
            }
            drop(life);
            let octets = fs::read(&path).unwrap();
            prop_assert_eq!(octets.len(), entries.len() * FRAME);
            // The cut lies behind the last synchronisation that ended before some moment.
            let moment = cut.index(entries.len()) + 1;
            let safe = entries[..moment].iter().rposition(|e| e.durable).map_or(0, |at| at + 1);
            let from = safe * FRAME;
            let cut = from + cut.index(octets.len() - from + 1);
            let mut left = octets[..cut].to_vec();
            left.extend(tail.unwrap_or_else(|| vec![0; octets.len() - cut]));
            fs::write(&path, left).unwrap();

            // Everything durable is there, and what is there was written.
            let read = look(&path).unwrap();
            let sure = Book::read(entries[..safe].iter().map(|e| e.record));
            for (number, run, epoch) in sure.epochs() {
                let (.., kept) = read.book.epochs().find(|(n, ..)| *n == number).unwrap();
                prop_assert!(kept.from == epoch.from && kept.until >= epoch.until);
                prop_assert_eq!(read.book.boot(run), sure.boot(run));
            }
            let all = Book::read(entries.iter().map(|e| e.record));
            for (number, _, epoch) in read.book.epochs() {
                let (.., whole) = all.epochs().find(|(n, ..)| *n == number).unwrap();
                prop_assert!(epoch.until <= whole.until && epoch.state == whole.state);
            }

            // It boots again and goes on, and nothing that it says is lost.
            let (mut life, mut again) = Life::begin(&path, 1 << 20, Instant(0));
            for foreign in more {
                again.extend(life.walk(foreign));
            }
            prop_assert!(again.iter().all(|e| !sure.epochs().any(|(n, ..)| n == e.record.number)),
                "numbers are not used again");
            let told = Book::read(again.iter().map(|e| e.record));
            let read = look(&path).unwrap().book;
            for (number, run, epoch) in told.epochs() {
                prop_assert!(read.epochs().any(|found| found == (number, run, epoch)));
            }
            prop_assert_eq!(read.last_run(), told.last_run());
        }
    }

    #[test]
    fn the_file_stays_below_its_cap_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let cap = (300 * FRAME) as u64;
        let (mut life, _) = Life::begin(&path, cap, Instant(0));
        for step in 0..2000 {
            let foreign = if step % 2 == 0 {
                Reach::Good
            } else {
                Reach::Bad
            };
            life.walk(foreign);
            assert!(fs::metadata(&path).unwrap().len() <= cap, "{step}");
        }
        let read = look(&path).unwrap();
        assert_eq!(read.damaged, 0);
        let (number, _, newest) = read.book.epochs().next_back().unwrap();
        assert_eq!((number, newest), life.ledger.open().unwrap());
        let (.., oldest) = read.book.epochs().next().unwrap();
        assert_eq!(oldest.from, Instant(60_000_000), "merged, not dropped");
        assert_eq!(oldest.state.at(Rung::Foreign), Reach::Mixed);
    }

    #[test]
    fn a_disk_that_says_no_loses_nothing_while_the_program_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (mut life, _) = Life::begin(&path, 1 << 20, Instant(0));
        life.walk(Reach::Good);
        // Read-only from here on, until there is a new one.
        life.log.file = Some(fs::File::open(&path).unwrap());
        life.now = life.now + MINUTE;
        let state = State::default().with(Rung::Link, Reach::Bad);
        let walk = Walk {
            state,
            ..Walk::default()
        };
        let entries: Vec<_> = life.ledger.note(life.now, walk).collect();
        for entry in &entries {
            life.book.add(entry.record);
        }
        assert!(life.log.write(&life.book, &entries).is_err());
        life.walk(Reach::Good);
        let read = look(&path).unwrap().book;
        assert_eq!(read.epochs().count(), 3);
        assert!(read.epochs().any(|(.., epoch)| epoch.state == state));
    }

    #[test]
    fn numbers_outlive_everything_that_carried_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (mut life, _) = Life::begin(&path, 1 << 20, Instant(0));
        life.walk(Reach::Good);
        let sent = life.ledger.sent(2);
        life.book.add(sent.record);
        life.log.write(&life.book, &[sent]).unwrap();
        let next = life.book.next();
        life.log.rewrite(&life.book).unwrap();
        let read = look(&path).unwrap().book;
        assert_eq!((read.next(), read.sent()), (next, Some(2)));
        assert!(matches!(sent.record.body, Body::Sent { through: 2 }));
    }
}
