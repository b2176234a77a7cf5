//! Heartbeats in SQLite: a file of their own beside the store, since they come often, weigh
//! little and may be lost for a second (`synchronous=NORMAL`), which a receipt must not.
//! Entries of ledgers are in batches, too, which are the truth.

use super::super::{
    LEAP_DAYS, StoreError,
    beats::{Beats, Heard, Presence, Whereabouts},
};
use faultline_core::{
    codec::{from_cbor, to_cbor},
    engine::ledger::{Body, Book, BootId, Record, State},
    id::{Asn, Country, ProbeId},
    measurement::{LedgerPart, NetworkKind},
    protocol::Beat,
    time::{Duration, UnixTime},
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::{
    ops::Range,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

const SCHEMA: i64 = 2;
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS last (
  probe BLOB PRIMARY KEY, received INTEGER NOT NULL, run INTEGER NOT NULL, count INTEGER NOT NULL,
  beat BLOB NOT NULL, country TEXT NOT NULL, asn INTEGER NOT NULL,
  site INTEGER NOT NULL DEFAULT 0, access INTEGER NOT NULL DEFAULT 0,
  region TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS presence (
  probe BLOB NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, beats INTEGER NOT NULL,
  gap INTEGER NOT NULL, pace INTEGER NOT NULL, state INTEGER NOT NULL, run INTEGER NOT NULL,
  boot BLOB NOT NULL, country TEXT NOT NULL, asn INTEGER NOT NULL,
  site INTEGER NOT NULL DEFAULT 0, access INTEGER NOT NULL DEFAULT 0,
  region TEXT NOT NULL DEFAULT '', PRIMARY KEY (probe, since)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS presence_time ON presence (until);
-- Frames as the probe wrote them, by kind; of one epoch the longest.
CREATE TABLE IF NOT EXISTS entry (
  probe BLOB NOT NULL, run INTEGER NOT NULL, number INTEGER NOT NULL, kind INTEGER NOT NULL,
  received INTEGER NOT NULL, frame BLOB NOT NULL,
  PRIMARY KEY (probe, run, number, kind)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_time ON entry (received, probe);
-- When old data was last dropped, or could have been.
CREATE TABLE IF NOT EXISTS swept (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
";

/// What schema 1 did not have.
const ADDED: &str = "
ALTER TABLE last ADD COLUMN site INTEGER NOT NULL DEFAULT 0;
ALTER TABLE last ADD COLUMN access INTEGER NOT NULL DEFAULT 0;
ALTER TABLE last ADD COLUMN region TEXT NOT NULL DEFAULT '';
ALTER TABLE presence ADD COLUMN site INTEGER NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN access INTEGER NOT NULL DEFAULT 0;
ALTER TABLE presence ADD COLUMN region TEXT NOT NULL DEFAULT '';
";

/// Entries kept of one probe: more than an honest one has in years.
const MOST: i64 = 200_000;

/// The file of heartbeats.
pub struct SqliteBeats {
    db: Mutex<Connection>,
}

impl SqliteBeats {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        super::private::own(path)?;
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        if found > SCHEMA {
            return Err(StoreError::Newer {
                found,
                known: SCHEMA,
            });
        }
        let tx = db.unchecked_transaction()?;
        if found == 1 {
            tx.execute_batch(ADDED)?;
        }
        tx.execute_batch(TABLES)?;
        tx.pragma_update(None, "user_version", SCHEMA)?;
        tx.commit()?;
        Ok(Self { db: Mutex::new(db) })
    }

    /// A panic elsewhere leaves a transaction that is rolled back.
    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beats for SqliteBeats {
    fn hear(&self, heard: &Heard) -> Result<bool, StoreError> {
        let mut db = self.db();
        let tx = db.transaction()?;
        let known: Option<(u32, u32)> = tx
            .prepare_cached("SELECT run, count FROM last WHERE probe = ?1")?
            .query_row([heard.probe.0], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        if known >= Some((heard.beat.run, heard.beat.count)) {
            return Ok(false);
        }
        tx.prepare_cached(
            "INSERT INTO last VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (probe) DO UPDATE
             SET received = excluded.received, run = excluded.run, count = excluded.count,
               beat = excluded.beat, country = excluded.country, asn = excluded.asn,
               site = excluded.site, access = excluded.access, region = excluded.region",
        )?
        .execute(params![
            heard.probe.0,
            heard.received.0,
            heard.beat.run,
            heard.beat.count,
            to_cbor(&heard.beat),
            heard.country.as_str(),
            heard.asn.0,
            heard.whereabouts.site.cast_signed(),
            access_number(heard.whereabouts.access),
            heard.whereabouts.region
        ])?;
        present(&tx, heard)?;
        tx.commit()?;
        Ok(true)
    }

    fn last(&self, probe: ProbeId) -> Result<Option<Heard>, StoreError> {
        let found = self
            .db()
            .prepare_cached(
                "SELECT received, beat, country, asn, site, access, region FROM last
                 WHERE probe = ?1",
            )?
            .query_row([probe.0], |r| {
                let beat: Vec<u8> = r.get(1)?;
                let place = (country(r, 2)?, Asn(r.get(3)?), whereabouts(r, 4)?);
                Ok((UnixTime(r.get(0)?), beat, place))
            })
            .optional()?;
        let Some((received, beat, (country, asn, whereabouts))) = found else {
            return Ok(None);
        };
        let beat: Beat = from_cbor(&beat)
            .map_err(|_| StoreError::Corrupt(format!("the last beat of {probe}")))?;
        Ok(Some(Heard {
            probe,
            received,
            beat,
            country,
            asn,
            whereabouts,
        }))
    }

    fn presences(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(Presence) -> bool,
    ) -> Result<(), StoreError> {
        let db = self.db();
        let mut found = db.prepare_cached(
            "SELECT probe, since, until, beats, gap, pace, state, run, boot, country, asn,
               site, access, region
             FROM presence WHERE until >= ?1 AND until < ?3 AND since < ?2
             ORDER BY probe, since",
        )?;
        // None is longer than a day: what ends later began later, too. A window of long ago
        // need not read everything since.
        let last = window.end.0.saturating_add(86_400_000_000);
        let mut rows = found.query([window.start.0, window.end.0, last])?;
        while let Some(r) = rows.next()? {
            let presence = Presence {
                probe: ProbeId(r.get(0)?),
                from: UnixTime(r.get(1)?),
                until: UnixTime(r.get(2)?),
                beats: r.get(3)?,
                longest_gap: r.get(4)?,
                interval: r.get(5)?,
                state: State(r.get(6)?),
                run: r.get(7)?,
                boot: BootId(r.get(8)?),
                country: country(r, 9)?,
                asn: Asn(r.get(10)?),
                whereabouts: whereabouts(r, 11)?,
            };
            if !each(presence) {
                break;
            }
        }
        Ok(())
    }

    fn record(
        &self,
        probe: ProbeId,
        part: &LedgerPart,
        received: UnixTime,
    ) -> Result<(), StoreError> {
        let mut db = self.db();
        // What is acknowledged must not be lost, unlike a beat.
        db.pragma_update(None, "synchronous", "FULL")?;
        let done = (|| {
            let tx = db.transaction()?;
            for record in part.records() {
                keep(&tx, probe, record, received)?;
            }
            let kept: i64 = tx
                .prepare_cached("SELECT count(*) FROM entry WHERE probe = ?1")?
                .query_row([probe.0], |r| r.get(0))?;
            if kept > MOST {
                tx.execute(
                    "DELETE FROM entry WHERE (probe, run, number, kind) IN
                       (SELECT probe, run, number, kind FROM entry WHERE probe = ?1
                        ORDER BY run, number LIMIT ?2)",
                    params![probe.0, kept - MOST],
                )?;
            }
            tx.commit()?;
            Ok(())
        })();
        db.pragma_update(None, "synchronous", "NORMAL")?;
        done
    }

    fn book(&self, probe: ProbeId) -> Result<Book, StoreError> {
        let db = self.db();
        let mut found = db.prepare_cached("SELECT frame FROM entry WHERE probe = ?1")?;
        let frames = found.query_map([probe.0], |r| r.get::<_, Vec<u8>>(0))?;
        let mut book = Book::default();
        for frame in frames {
            let record = Record::decode(&frame?);
            let record = record.ok_or_else(|| {
                StoreError::Corrupt(format!("an entry of the ledger of {probe}"))
            })?;
            book.add(record);
        }
        Ok(book)
    }

    fn told(&self, window: Range<UnixTime>) -> Result<Vec<ProbeId>, StoreError> {
        let db = self.db();
        let mut found = db.prepare_cached(
            "SELECT DISTINCT probe FROM entry WHERE received >= ?1 AND received < ?2 ORDER BY probe",
        )?;
        let probes =
            found.query_map([window.start.0, window.end.0], |r| r.get(0).map(ProbeId))?;
        Ok(probes.collect::<Result<_, _>>()?)
    }

    fn forget(&self, keep: Duration, now: UnixTime) -> Result<(), StoreError> {
        let mut db = self.db();
        let tx = db.transaction()?;
        let last: Option<i64> = tx
            .query_row("SELECT at FROM swept", [], |r| r.get(0))
            .optional()?;
        tx.execute(
            "INSERT INTO swept VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET at = excluded.at",
            [now.0],
        )?;
        let day = 86_400_000_000;
        let days = last.map_or(0, |last| now.0.saturating_sub(last) / day);
        if days > LEAP_DAYS {
            tx.commit()?;
            return Err(StoreError::ClockLeap { days });
        }
        let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let before = now.0.saturating_sub(keep);
        tx.execute("DELETE FROM presence WHERE until < ?1", [before])?;
        tx.execute("DELETE FROM entry WHERE received < ?1", [before])?;
        tx.commit()?;
        Ok(())
    }
}

/// Goes on with the presence at hand, or begins one: after a pause of more than two and a half
/// intervals, in another state or network, on another day, or by a clock that went back.
fn present(tx: &Transaction<'_>, heard: &Heard) -> Result<(), StoreError> {
    let beat = &heard.beat;
    let now = heard.received.0;
    let longest = i64::from(beat.interval) * 2_500_000;
    let midnight = now - now.rem_euclid(86_400_000_000);
    let Whereabouts {
        site,
        access,
        region,
    } = &heard.whereabouts;
    let went_on = tx
        .prepare_cached(
            "UPDATE presence SET until = ?2, beats = beats + 1,
               gap = max(gap, (?2 - until + 999999) / 1000000)
             WHERE probe = ?1 AND since = (SELECT max(since) FROM presence WHERE probe = ?1)
               AND until <= ?2 AND ?2 - until <= ?3 AND pace = ?4 AND state = ?5 AND run = ?6
               AND boot = ?7 AND country = ?8 AND asn = ?9 AND site = ?10 AND access = ?11
               AND region = ?12 AND since >= ?13",
        )?
        .execute(params![
            heard.probe.0,
            now,
            longest,
            beat.interval,
            beat.state.0,
            beat.run,
            beat.boot.0,
            heard.country.as_str(),
            heard.asn.0,
            site.cast_signed(),
            access_number(*access),
            region,
            midnight
        ])?;
    if went_on == 0 {
        tx.prepare_cached(
            "INSERT INTO presence VALUES (?1, ?2, ?2, 1, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            heard.probe.0,
            now,
            beat.interval,
            beat.state.0,
            beat.run,
            beat.boot.0,
            heard.country.as_str(),
            heard.asn.0,
            site.cast_signed(),
            access_number(*access),
            region
        ])?;
    }
    Ok(())
}

fn keep(
    tx: &Transaction<'_>,
    probe: ProbeId,
    record: Record,
    received: UnixTime,
) -> Result<(), StoreError> {
    let kind = match record.body {
        Body::Run { .. } => 1,
        Body::Epoch(_) => 2,
        Body::Fix(_) => 3,
        Body::Step { .. } => 4,
        Body::Lost { .. } => 6,
        Body::Sent { .. } => return Ok(()),
    };
    // SQLite counts to 2^63; no probe does.
    let number = i64::try_from(record.number).unwrap_or(i64::MAX);
    let known: Option<Vec<u8>> = tx
        .prepare_cached(
            "SELECT frame FROM entry WHERE probe = ?1 AND run = ?2 AND number = ?3 AND kind = ?4",
        )?
        .query_row(params![probe.0, record.run, number, kind], |r| r.get(0))
        .optional()?;
    let longer = match (known.and_then(|frame| Record::decode(&frame)), record.body) {
        (None, _) => true,
        (Some(known), Body::Epoch(new)) => {
            matches!(known.body, Body::Epoch(old) if new.until > old.until)
        }
        (Some(_), _) => false,
    };
    if longer {
        tx.prepare_cached(
            "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (probe, run, number, kind) DO UPDATE
             SET received = excluded.received, frame = excluded.frame",
        )?
        .execute(params![
            probe.0,
            record.run,
            number,
            kind,
            received.0,
            record.encode()
        ])?;
    }
    Ok(())
}

/// As in the messages of probes.
const fn access_number(access: NetworkKind) -> u8 {
    match access {
        NetworkKind::Fixed => 1,
        NetworkKind::Mobile => 2,
        NetworkKind::Satellite => 3,
        _ => 0,
    }
}

const fn access_of(number: u8) -> NetworkKind {
    match number {
        1 => NetworkKind::Fixed,
        2 => NetworkKind::Mobile,
        3 => NetworkKind::Satellite,
        _ => NetworkKind::Unknown,
    }
}

fn whereabouts(row: &Row<'_>, at: usize) -> rusqlite::Result<Whereabouts> {
    Ok(Whereabouts {
        site: row.get::<_, i64>(at)?.cast_unsigned(),
        access: access_of(row.get(at + 1)?),
        region: row.get(at + 2)?,
    })
}

fn country(row: &Row<'_>, at: usize) -> rusqlite::Result<Country> {
    let code: String = row.get(at)?;
    Ok(Country::new(&code).unwrap_or_default())
}
