//! Events in SQLite: a file of their own beside the store, `synchronous=FULL`, since what was
//! said must not be unsaid by a power cut. One writer at a time, an import beside `serve` waits.

mod days;
mod hooks;
mod log;
mod read;
mod told;

use super::super::{
    StoreError,
    events::{DEAF, Events, Moment, Note, Noted, Sought, Step},
};
use crate::detect::{
    event::{Bin, Covered, EventId, Evidence, Location, Revision},
    input::Action,
};
use days::Days;
use faultline_core::{
    id::Country,
    time::{Duration, UnixTime},
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const SCHEMA: i64 = 1;
const TABLES: &str = "
-- What was said. Rows are never changed but for `newest`.
CREATE TABLE IF NOT EXISTS revision (
  number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, revision INTEGER NOT NULL,
  as_of INTEGER NOT NULL, state TEXT NOT NULL, class TEXT NOT NULL, countries TEXT NOT NULL,
  incident TEXT, since INTEGER NOT NULL, until INTEGER, newest INTEGER NOT NULL,
  body TEXT NOT NULL, UNIQUE (event, revision));
CREATE INDEX IF NOT EXISTS revision_newest ON revision (newest, since, event);
CREATE INDEX IF NOT EXISTS revision_change ON revision (newest, as_of, event);
CREATE INDEX IF NOT EXISTS revision_incident ON revision (incident) WHERE newest = 1;
CREATE TABLE IF NOT EXISTS evidence (
  number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, as_of INTEGER NOT NULL,
  digest BLOB NOT NULL, body TEXT NOT NULL, UNIQUE (event, digest));
CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS bin (
  place INTEGER NOT NULL, at INTEGER NOT NULL, expected REAL NOT NULL,
  observed INTEGER NOT NULL, eligible INTEGER NOT NULL,
  PRIMARY KEY (place, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS covered (
  day INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (day, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS covered_place ON covered (place, day);
-- What the detector was told besides presences, and at which step; waiting where none has
-- taken it.
CREATE TABLE IF NOT EXISTS note (
  number INTEGER PRIMARY KEY AUTOINCREMENT, received INTEGER NOT NULL, tick INTEGER,
  pass INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL, name TEXT NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS note_tick ON note (tick, pass, number);
CREATE INDEX IF NOT EXISTS note_name ON note (kind, name, number);
-- Minutes that were gone through, and times in which the collector heard itself.
CREATE TABLE IF NOT EXISTS step (since INTEGER PRIMARY KEY, until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS life (since INTEGER PRIMARY KEY, until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS hook (
  name TEXT PRIMARY KEY, taken INTEGER NOT NULL, failures INTEGER NOT NULL,
  next INTEGER NOT NULL) WITHOUT ROWID;
";

const MINUTE: i64 = 60_000_000;

/// The file of events.
pub struct SqliteEvents {
    db: Mutex<Connection>,
    days: Mutex<Days>,
}

impl SqliteEvents {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        super::private::own(path)?;
        let mut db = Connection::open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found: i64 = tx.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if found > SCHEMA {
            return Err(StoreError::Newer {
                found,
                known: SCHEMA,
            });
        }
        tx.execute_batch(TABLES)?;
        tx.pragma_update(None, "user_version", SCHEMA)?;
        tx.commit()?;
        Ok(Self {
            db: Mutex::new(db),
            days: Mutex::default(),
        })
    }

    /// A panic elsewhere leaves a transaction that is rolled back.
    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut db = self.db();
        let done = || {
            let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        done().map_err(StoreError::named)
    }
}

impl Events for SqliteEvents {
    fn note(&self, note: &Note, received: UnixTime) -> Result<bool, StoreError> {
        self.write(|tx| log::note(tx, note, received))
    }

    fn waiting(&self, until: UnixTime) -> Result<Vec<(i64, Note)>, StoreError> {
        log::waiting(&self.db(), until)
    }

    fn noted(
        &self,
        from: UnixTime,
        each: &mut dyn FnMut(Noted) -> bool,
    ) -> Result<(), StoreError> {
        log::noted(&self.db(), from, each)
    }

    fn acted(&self) -> Result<BTreeMap<EventId, UnixTime>, StoreError> {
        log::acted(&self.db())
    }

    fn deeds(&self, event: EventId) -> Result<Vec<Action>, StoreError> {
        log::deeds(&self.db(), event)
    }

    fn keep(&self, step: &Step<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            log::take(tx, step)?;
            said(tx, step)?;
            went(tx, step.at)
        })
    }

    fn steps(&self) -> Result<Vec<(UnixTime, UnixTime)>, StoreError> {
        spans(
            &self.db(),
            "SELECT since, until FROM step WHERE until >= ?1 ORDER BY since",
            i64::MIN,
        )
    }

    fn replace(&self, step: &Step<'_>) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.execute_batch(
                "DELETE FROM revision; DELETE FROM evidence; DELETE FROM bin; DELETE FROM covered",
            )?;
            said(tx, step)?;
            tx.execute(
                "UPDATE hook SET taken = (SELECT coalesce(max(number), 0) FROM revision)",
                [],
            )?;
            Ok(())
        })
    }

    fn alive(&self, now: UnixTime) -> Result<(), StoreError> {
        self.write(|tx| {
            let last: Option<(i64, i64)> = tx
                .prepare_cached("SELECT since, until FROM life ORDER BY since DESC LIMIT 1")?
                .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?;
            let most = DEAF.as_micros() as i64;
            match last {
                // The clock went back: what was lived through already is not lived through again.
                Some((_, until)) if now.0 <= until => {}
                Some((since, until)) if now.0.saturating_sub(until) <= most => {
                    tx.prepare_cached("UPDATE life SET until = ?2 WHERE since = ?1")?
                        .execute([since, now.0])?;
                }
                _ => {
                    tx.execute("INSERT INTO life VALUES (?1, ?1)", [now.0])?;
                }
            }
            Ok(())
        })
    }

    fn lives(&self, since: UnixTime) -> Result<Vec<(UnixTime, UnixTime)>, StoreError> {
        spans(
            &self.db(),
            "SELECT since, until FROM life WHERE until >= ?1 ORDER BY since",
            since.0,
        )
    }

    fn events(&self, sought: &Sought) -> Result<Vec<Revision>, StoreError> {
        read::events(&self.db(), sought)
    }

    fn revisions(&self, event: EventId) -> Result<Vec<Revision>, StoreError> {
        read::revisions(&self.db(), event)
    }

    fn each_of(
        &self,
        event: EventId,
        each: &mut dyn FnMut(Revision) -> bool,
    ) -> Result<(), StoreError> {
        read::each_of(&self.db(), event, each)
    }

    fn evidence(&self, event: EventId) -> Result<Vec<Evidence>, StoreError> {
        read::evidence(&self.db(), event)
    }

    fn each_revision(
        &self,
        until: UnixTime,
        each: &mut dyn FnMut(Revision, &str) -> bool,
    ) -> Result<(), StoreError> {
        read::each_revision(&self.db(), until, each)
    }

    fn each_evidence(
        &self,
        until: UnixTime,
        each: &mut dyn FnMut(Evidence) -> bool,
    ) -> Result<(), StoreError> {
        read::each_evidence(&self.db(), until, each)
    }

    fn bins(
        &self,
        location: &Location,
        window: Range<UnixTime>,
    ) -> Result<Vec<Bin>, StoreError> {
        let mut found = Vec::new();
        read::bins(&self.db(), Some(location), window, &mut |bin| {
            found.push(bin);
            true
        })?;
        Ok(found)
    }

    fn each_bin(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(Bin) -> bool,
    ) -> Result<(), StoreError> {
        read::bins(&self.db(), None, window, each)
    }

    fn newest_bins(&self, since: UnixTime) -> Result<Vec<Bin>, StoreError> {
        read::newest_bins(&self.db(), since)
    }

    fn coverage(&self, days: Range<UnixTime>) -> Result<Vec<Covered>, StoreError> {
        read::coverage(&self.db(), days)
    }

    fn day(&self, day: UnixTime) -> Result<Arc<[Covered]>, StoreError> {
        let db = self.db();
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        days.read(&db, day)
    }

    fn coverage_in(
        &self,
        country: Country,
        days: Range<UnixTime>,
    ) -> Result<Vec<Covered>, StoreError> {
        read::coverage_in(&self.db(), country, days)
    }

    fn forget(&self, keep: Duration, now: UnixTime) -> Result<u64, StoreError> {
        self.write(|tx| {
            let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
            let day = 1440 * MINUTE;
            let dropped = tx.execute(
                "DELETE FROM bin WHERE at < ?1 AND NOT EXISTS (
                   SELECT 1 FROM revision WHERE newest = 1 AND since - ?2 <= bin.at
                     AND (until IS NULL OR until + ?2 >= bin.at))",
                [now.0.saturating_sub(keep), day],
            )?;
            Ok(dropped as u64)
        })
    }
}

/// Keeps what a step said.
fn said(tx: &Transaction<'_>, step: &Step<'_>) -> Result<(), StoreError> {
    for revision in step.revisions {
        revise(tx, revision)?;
    }
    for evidence in step.evidence {
        let body = json(evidence)?;
        let digest = Sha256::digest(&body);
        tx.prepare_cached(
            "INSERT INTO evidence (event, as_of, digest, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            evidence.event_id.to_string(),
            step.at.tick.0,
            &digest[..],
            body
        ])?;
    }
    for bin in step.bins {
        let place = place(tx, &bin.location)?;
        tx.prepare_cached("INSERT OR REPLACE INTO bin VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                place,
                bin.at.0,
                bin.expected,
                bin.observed,
                bin.eligible
            ])?;
    }
    for covered in step.coverage {
        let place = place(tx, &covered.location)?;
        tx.prepare_cached("INSERT OR REPLACE INTO covered VALUES (?1, ?2, ?3)")?
            .execute(params![covered.day.0, place, json(covered)?])?;
    }
    Ok(())
}

fn revise(tx: &Transaction<'_>, revision: &Revision) -> Result<(), StoreError> {
    let event = revision.event_id.to_string();
    let last: u32 = tx
        .prepare_cached("SELECT coalesce(max(revision), 0) FROM revision WHERE event = ?1")?
        .query_row([&event], |r| r.get(0))?;
    let mut body = json(revision)?;
    let mut number = revision.revision;
    if number <= last {
        let kept: Option<String> = tx
            .prepare_cached("SELECT body FROM revision WHERE event = ?1 AND revision = ?2")?
            .query_row(params![event, number], |r| r.get(0))
            .optional()?;
        if kept.as_deref() == Some(&body) {
            return Ok(());
        }
        number = last + 1;
        tracing::warn!(%event, said = revision.revision, kept = number, "a revision was said otherwise before");
        body = json(&Revision {
            revision: number,
            ..revision.clone()
        })?;
    }
    tx.prepare_cached("UPDATE revision SET newest = 0 WHERE event = ?1 AND newest = 1")?
        .execute([&event])?;
    // A word each, between spaces, so that one can be looked for.
    let countries: Vec<&str> = revision.countries.iter().map(Country::as_str).collect();
    tx.prepare_cached(
        "INSERT INTO revision (event, revision, as_of, state, class, countries, incident, since,
           until, newest, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10)",
    )?
    .execute(params![
        event,
        number,
        revision.as_of.0,
        revision.state.word(),
        revision.disruption_class.word(),
        format!(" {} ", countries.join(" ")),
        revision.incident_id.map(|id| id.to_string()),
        revision.start.0,
        revision.end.map(|end| end.0),
        body
    ])?;
    Ok(())
}

/// Notes that a minute was gone through.
fn went(tx: &Transaction<'_>, at: Moment) -> Result<(), StoreError> {
    let at = at.tick.0;
    let longer = tx
        .prepare_cached(
            "UPDATE step SET until = max(until, ?1) WHERE until >= ?2 AND since <= ?1",
        )?
        .execute([at, at - MINUTE])?;
    if longer == 0 {
        tx.execute("INSERT INTO step VALUES (?1, ?1)", [at])?;
    }
    Ok(())
}

fn place(tx: &Transaction<'_>, location: &Location) -> Result<i64, StoreError> {
    let name = location.to_string();
    let known = tx
        .prepare_cached("SELECT id FROM place WHERE name = ?1")?
        .query_row([&name], |r| r.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    tx.execute("INSERT INTO place (name) VALUES (?1)", [&name])?;
    Ok(tx.last_insert_rowid())
}

fn spans(
    db: &Connection,
    question: &str,
    since: i64,
) -> Result<Vec<(UnixTime, UnixTime)>, StoreError> {
    let mut found = db.prepare_cached(question)?;
    let rows = found.query_map([since], |r| Ok((UnixTime(r.get(0)?), UnixTime(r.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Corrupt(format!("a row of events ({e})")))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|e| StoreError::Corrupt(format!("a row of events ({e})")))
}

#[cfg(test)]
mod tests;
