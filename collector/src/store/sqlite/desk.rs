//! What does the writer keep at hand, so that it need not ask the file for every row? Words
//! that have numbers, days that have tables, and the counts of the transaction under way.
//! All of it is forgotten when a transaction fails, and when another process wrote.

use super::{super::StoreError, schema, shelf::Shelf, tally::Tally};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// Words at hand, at most: probes choose words.
const WORDS: usize = 100_000;

/// The writer's connection with its memory.
pub(super) struct Desk {
    pub(super) db: Connection,
    pub(super) words: Words,
    pub(super) tally: Tally,
    days: HashMap<Option<i64>, Day>,
    horizon: Option<Horizon>,
    version: i64,
}

/// The tables of one shelf.
pub(super) struct Day {
    /// The number of the next measurement.
    pub(super) next: i64,
    pub(super) insert_measurement: String,
    pub(super) insert_observation: String,
}

/// How far back rows and batches reach, in days since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    /// Rows of earlier days were dropped.
    pub(super) rows: i64,
    /// Rows of earlier days are not made again.
    pub(super) frozen: i64,
}

impl Desk {
    pub(super) fn new(db: Connection) -> Self {
        Self {
            db,
            words: Words::default(),
            tally: Tally::default(),
            days: HashMap::new(),
            horizon: None,
            version: -1,
        }
    }

    /// All of `work` is kept, or nothing.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = self.recall().and_then(|()| work(self)).and_then(|done| {
            self.flush()?;
            self.db.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        });
        if done.is_err() {
            self.forget();
            // Some failures end the transaction by themselves.
            if !self.db.is_autocommit() {
                self.db.execute_batch("ROLLBACK")?;
            }
        }
        done
    }

    /// Writes the counts that were gathered.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        Ok(self.tally.flush(&self.db)?)
    }

    /// Forgets what another connection may have changed.
    fn recall(&mut self) -> Result<(), StoreError> {
        let version = self
            .db
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |r| r.get(0))?;
        if version != self.version {
            self.forget();
            self.version = version;
        }
        Ok(())
    }

    pub(super) fn forget(&mut self) {
        self.words = Words::default();
        self.tally = Tally::default();
        self.days.clear();
        self.horizon = None;
    }

    pub(super) fn horizon(&mut self) -> rusqlite::Result<Horizon> {
        if let Some(horizon) = self.horizon {
            return Ok(horizon);
        }
        let horizon = Horizon {
            rows: horizon(&self.db, "rows")?.unwrap_or(i64::MIN),
            frozen: horizon(&self.db, "frozen")?.unwrap_or(i64::MIN),
        };
        self.horizon = Some(horizon);
        Ok(horizon)
    }

    /// The tables of a shelf, made where they are not there yet.
    pub(super) fn day(
        &mut self,
        shelf: Shelf,
    ) -> rusqlite::Result<(&Connection, &mut Words, &mut Day)> {
        let key = match shelf {
            Shelf::Day(day) => Some(day),
            Shelf::Odd(_) => None,
        };
        let day = match self.days.entry(key) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(Day::open(&self.db, shelf)?)
            }
        };
        Ok((&self.db, &mut self.words, day))
    }
}

impl Day {
    fn open(db: &Connection, shelf: Shelf) -> rusqlite::Result<Self> {
        if let Shelf::Day(day) = shelf {
            let new = db
                .prepare_cached("INSERT INTO day (day) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute([day])?;
            if new == 1 {
                db.execute_batch(&schema::tables(shelf))?;
            }
        }
        let s = shelf.suffix();
        let last: Option<i64> =
            db.query_row(&format!("SELECT max(key) FROM measurement_{s}"), [], |r| {
                r.get(0)
            })?;
        Ok(Self {
            next: last.unwrap_or(0) + 1,
            insert_measurement: format!(
                "INSERT INTO measurement_{s} VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"
            ),
            insert_observation: format!(
                "INSERT INTO observation_{s} VALUES (?1,?2,?3,?4,?5,?6,?7)"
            ),
        })
    }
}

pub(super) fn horizon(db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT day FROM horizon WHERE name = ?1")?
        .query_row([name], |r| r.get(0))
        .optional()
}

/// Numbers of words.
#[derive(Default)]
pub(super) struct Words(HashMap<Box<str>, i64>);

impl Words {
    /// The number of a word, new if need be.
    pub(super) fn number(&mut self, db: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.0.get(text) {
            return Ok(*number);
        }
        let number = if let Some(number) = word(db, text)? {
            number
        } else {
            db.prepare_cached("INSERT INTO word (text) VALUES (?1)")?
                .execute([text])?;
            db.last_insert_rowid()
        };
        if self.0.len() >= WORDS {
            self.0.clear();
        }
        self.0.insert(text.into(), number);
        Ok(number)
    }
}

/// The number of a word that is there.
pub(super) fn word(db: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM word WHERE text = ?1")?
        .query_row([text], |r| r.get(0))
        .optional()
}
