//! What does the writer keep at hand, so that it need not ask the file for every row? Words
//! that have numbers, days that have tables, and the counts of the transaction under way.
//! All of it is forgotten when a transaction fails, and when another process wrote.

use super::{
    super::{StoreError, writer::Books},
    schema,
    shelf::Shelf,
    tally::Tally,
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// Words at hand, at most: probes choose words.
const WORDS: usize = 100_000;

/// The writer's connection with its memory.
pub(in crate::store) struct Desk {
    pub(in crate::store) db: Connection,
    pub(super) words: Words,
    pub(super) tally: Tally,
    days: HashMap<Option<i64>, Day>,
    horizon: Option<Horizon>,
    elsewhere: Option<bool>,
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
pub(in crate::store) struct Horizon {
    /// Rows of earlier days were dropped.
    pub(in crate::store) rows: i64,
    /// Rows of earlier days are not made again.
    pub(in crate::store) frozen: i64,
}

impl Books for Desk {
    const GROUP: usize = 64;

    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = self.recall().and_then(|_| work(self)).and_then(|done| {
            self.flush()?;
            self.db.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        });
        if done.is_err() {
            self.give_up()?;
        }
        done
    }
}

impl Desk {
    pub(super) fn new(db: Connection) -> Self {
        Self {
            db,
            words: Words::default(),
            tally: Tally::default(),
            days: HashMap::new(),
            horizon: None,
            elsewhere: None,
            version: -1,
        }
    }

    /// Takes back what the transaction under way did.
    pub(in crate::store) fn give_up(&mut self) -> Result<(), StoreError> {
        self.forget();
        // Some failures end the transaction by themselves.
        if !self.db.is_autocommit() {
            self.db.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    /// Says no where the facts are, or will be, in another engine.
    pub(super) fn here(&mut self) -> Result<(), StoreError> {
        let elsewhere = match self.elsewhere {
            Some(known) => known,
            None => self
                .db
                .prepare_cached("SELECT 1 FROM elsewhere")?
                .exists([])?,
        };
        self.elsewhere = Some(elsewhere);
        if elsewhere {
            return Err(StoreError::Misplaced(
                "the facts of this store are in ClickHouse, or on their way there: say where \
                 with --facts or the setting `facts`; `copy-facts` goes on where it stopped"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Writes the counts that were gathered.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        Ok(self.tally.flush(&self.db)?)
    }

    /// Forgets what another connection may have changed, and says whether there is any.
    pub(in crate::store) fn recall(&mut self) -> Result<bool, StoreError> {
        let version = self
            .db
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |r| r.get(0))?;
        let changed = version != self.version;
        if changed {
            self.forget();
            self.version = version;
        }
        Ok(changed)
    }

    pub(in crate::store) fn forget(&mut self) {
        self.words = Words::default();
        self.tally = Tally::default();
        self.days.clear();
        self.horizon = None;
        self.elsewhere = None;
    }

    pub(in crate::store) fn horizon(&mut self) -> rusqlite::Result<Horizon> {
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
