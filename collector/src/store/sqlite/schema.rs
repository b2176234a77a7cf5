//! Which tables are there? Migrations numbered by `user_version`, each in a transaction.
//! Repeated words live in a dictionary. Time leads every index over rows, for each day has
//! tables of its own; the indexes that are led by something else are those of unique keys
//! and of counts.

use super::{
    super::{StoreError, writer::Books as _},
    desk::Desk,
    migrate,
    shelf::Shelf,
};

enum Step {
    Sql(&'static str),
    Code(fn(&mut Desk) -> Result<(), StoreError>),
}

const MIGRATIONS: &[&[Step]] = &[
    &[Step::Sql(migrate::SCHEMA_1)],
    &[Step::Sql(SCHEMA_2), Step::Code(migrate::to_2)],
    &[Step::Sql(SCHEMA_3)],
    &[Step::Code(migrate::to_4)],
];

/// Beside `word`, `probe`, `epoch`, `audit`, `receipt` and `batch`, which stay.
const SCHEMA_2: &str = "
ALTER TABLE probe ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
CREATE INDEX receipt_time ON receipt (received);
-- Up to which day rows were dropped ('rows'), are not made again ('frozen'), and which day
-- it was then ('clock').
CREATE TABLE horizon (name TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
-- The days that have tables: measurement_YYYYMMDD and observation_YYYYMMDD.
CREATE TABLE day (day INTEGER PRIMARY KEY);
-- Every measurement ever taken in, also when its rows are gone. shelf is its day of start
-- since 1970, or -1 less the day of arrival for those in measurement_odd.
CREATE TABLE seen (id BLOB PRIMARY KEY, shelf INTEGER NOT NULL, key INTEGER NOT NULL) WITHOUT ROWID;
-- Scored measurements by hour; mechanism 0 is none.
DROP TABLE rollup;
CREATE TABLE rollup (
  hour INTEGER NOT NULL, country INTEGER NOT NULL, asn INTEGER NOT NULL, target INTEGER NOT NULL,
  experiment INTEGER NOT NULL, source INTEGER NOT NULL, outcome INTEGER NOT NULL,
  mechanism INTEGER NOT NULL, n INTEGER NOT NULL, observations INTEGER NOT NULL,
  PRIMARY KEY (hour, country, asn, target, experiment, source, outcome, mechanism)) WITHOUT ROWID;
-- The same over all hours and networks.
CREATE TABLE summary (
  country INTEGER NOT NULL, target INTEGER NOT NULL, source INTEGER NOT NULL,
  outcome INTEGER NOT NULL, mechanism INTEGER NOT NULL, n INTEGER NOT NULL,
  observations INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (country, target, source, outcome, mechanism)) WITHOUT ROWID;
-- Who is behind it, exactly, with the first day; and how many that are.
CREATE TABLE summary_probe (
  country INTEGER NOT NULL, target INTEGER NOT NULL, source INTEGER NOT NULL, who INTEGER NOT NULL,
  first INTEGER NOT NULL, PRIMARY KEY (country, target, source, who)) WITHOUT ROWID;
CREATE TABLE summary_network (
  country INTEGER NOT NULL, target INTEGER NOT NULL, source INTEGER NOT NULL, who INTEGER NOT NULL,
  first INTEGER NOT NULL, PRIMARY KEY (country, target, source, who)) WITHOUT ROWID;
CREATE TABLE summary_size (
  country INTEGER NOT NULL, target INTEGER NOT NULL, source INTEGER NOT NULL,
  probes INTEGER NOT NULL, networks INTEGER NOT NULL,
  PRIMARY KEY (country, target, source)) WITHOUT ROWID;
";

/// For facts that are in another engine; empty where they are here.
const SCHEMA_3: &str = "
-- The other engine knows this ledger by the same number. complete: whether all facts are there.
CREATE TABLE elsewhere (id BLOB NOT NULL, complete INTEGER NOT NULL);
-- What was copied there: of which table, up to which key.
CREATE TABLE copied (stage TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
-- Numbers under which rows were, or will be, sent there, that are not committed: what has such
-- a number does not exist. swept: how often it was looked for and deleted.
CREATE TABLE load (key INTEGER PRIMARY KEY AUTOINCREMENT, swept INTEGER NOT NULL DEFAULT 0);
-- Rows that do not exist any more: of a table, with a lower number than load, of the days in
-- first..before. done: whether they are deleted.
CREATE TABLE cut (
  key INTEGER PRIMARY KEY AUTOINCREMENT, relation TEXT NOT NULL, load INTEGER NOT NULL,
  first INTEGER NOT NULL, before INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0);
";

/// The two tables of a shelf.
pub(super) fn tables(shelf: Shelf) -> String {
    let s = shelf.suffix();
    format!(
        "CREATE TABLE IF NOT EXISTS measurement_{s} (
           key INTEGER PRIMARY KEY, id BLOB NOT NULL, batch INTEGER NOT NULL,
           source INTEGER NOT NULL, started INTEGER NOT NULL, experiment INTEGER NOT NULL,
           target INTEGER NOT NULL, country INTEGER NOT NULL, asn INTEGER NOT NULL,
           known INTEGER NOT NULL, scored INTEGER NOT NULL, outcome INTEGER NOT NULL,
           mechanism INTEGER, reasons BLOB NOT NULL, rules INTEGER NOT NULL);
         CREATE INDEX IF NOT EXISTS measurement_{s}_time
           ON measurement_{s} (source, started, id);
         CREATE INDEX IF NOT EXISTS measurement_{s}_country
           ON measurement_{s} (country, source, started);
         CREATE INDEX IF NOT EXISTS measurement_{s}_target
           ON measurement_{s} (target, source, started);
         CREATE TABLE IF NOT EXISTS observation_{s} (
           measurement INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
           step INTEGER NOT NULL, failure INTEGER, layer INTEGER, payload BLOB NOT NULL,
           PRIMARY KEY (measurement, idx)) WITHOUT ROWID;"
    )
}

pub(super) fn migrate(desk: &mut Desk) -> Result<(), StoreError> {
    let found: i64 = desk.db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (at, steps) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        desk.transaction(|desk| {
            // Another process may have done it meanwhile.
            let now: i64 = desk.db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
            if now > at as i64 {
                return Ok(());
            }
            for step in *steps {
                match step {
                    Step::Sql(sql) => desk.db.execute_batch(sql)?,
                    Step::Code(code) => code(desk)?,
                }
            }
            desk.db.pragma_update(None, "user_version", at as i64 + 1)?;
            Ok(())
        })?;
    }
    Ok(())
}
