//! What is known of events, now or as of some day?

use super::from_json;
use crate::{
    detect::event::{Bin, Covered, EventId, Evidence, Location, Revision},
    store::{StoreError, events::Sought},
};
use faultline_core::{id::Country, time::UnixTime};
use rusqlite::{Connection, Params, params};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// The newest revision of each event; bare columns beside `max` are of its row.
const NOW: &str = "(SELECT * FROM revision WHERE newest = 1)";
const THEN: &str = "(SELECT number, event, max(revision) AS revision, as_of, state, class,
    countries, incident, since, until, 1 AS newest, body
  FROM revision WHERE as_of <= ?1 GROUP BY event)";

pub(super) fn events(db: &Connection, sought: &Sought) -> Result<Vec<Revision>, StoreError> {
    let source = if sought.as_of.is_some() { THEN } else { NOW };
    let order = if sought.by_change { "as_of" } else { "since" };
    let window = sought.window.clone();
    let window = window.unwrap_or(UnixTime(i64::MIN)..UnixTime(i64::MAX));
    let (after, last) = sought.after.unzip();
    // The order is one of two words of ours; everything else is bound.
    let question = format!(
        "SELECT body FROM {source} WHERE (?1 IS NULL OR as_of <= ?1)
           AND (?2 IS NULL OR instr(countries, ?2) > 0)
           AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR class = ?4)
           AND since < ?5 AND (until IS NULL OR until >= ?6)
           AND (?7 IS NULL OR {order} < ?7 OR ({order} = ?7 AND event < ?8))
           AND (?9 IS NULL OR incident = ?9) AND (?10 OR state <> 'candidate')
           AND (?12 IS NULL OR as_of >= ?12)
         ORDER BY {order} DESC, event DESC LIMIT ?11"
    );
    let found = params![
        sought.as_of.map(|at| at.0),
        sought.country.map(|country| format!(" {country} ")),
        sought.state.map(crate::detect::event::State::word),
        sought.class.map(crate::detect::event::Class::word),
        window.end.0,
        window.start.0,
        after.map(|at| at.0),
        last.map(|id| id.to_string()),
        sought.incident.map(|id| id.to_string()),
        sought.candidates,
        sought
            .limit
            .map_or(-1, |most| i64::try_from(most).unwrap_or(-1)),
        sought.changed_since.map(|at| at.0),
    ];
    bodies(db, &question, found)
}

pub(super) fn revisions(db: &Connection, event: EventId) -> Result<Vec<Revision>, StoreError> {
    let question = "SELECT body FROM revision WHERE event = ?1 ORDER BY revision";
    bodies(db, question, [event.to_string()])
}

pub(super) fn each_of(
    db: &Connection,
    event: EventId,
    each: &mut dyn FnMut(Revision) -> bool,
) -> Result<(), StoreError> {
    let mut found =
        db.prepare_cached("SELECT body FROM revision WHERE event = ?1 ORDER BY revision")?;
    let mut rows = found.query([event.to_string()])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        if !each(from_json(&body)?) {
            break;
        }
    }
    Ok(())
}

pub(super) fn evidence(db: &Connection, event: EventId) -> Result<Vec<Evidence>, StoreError> {
    let question = "SELECT body FROM evidence WHERE event = ?1 ORDER BY number";
    bodies(db, question, [event.to_string()])
}

fn bodies<T: DeserializeOwned>(
    db: &Connection,
    question: &str,
    with: impl Params,
) -> Result<Vec<T>, StoreError> {
    let mut found = db.prepare_cached(question)?;
    let rows = found.query_map(with, |r| r.get::<_, String>(0))?;
    rows.map(|body| from_json(&body?)).collect()
}

pub(super) fn each_revision(
    db: &Connection,
    until: UnixTime,
    each: &mut dyn FnMut(Revision, &str) -> bool,
) -> Result<(), StoreError> {
    let mut found = db.prepare_cached(
        "SELECT body FROM revision WHERE as_of < ?1 ORDER BY event, revision",
    )?;
    let mut rows = found.query([until.0])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        if !each(from_json(&body)?, &body) {
            break;
        }
    }
    Ok(())
}

pub(super) fn each_evidence(
    db: &Connection,
    until: UnixTime,
    each: &mut dyn FnMut(Evidence) -> bool,
) -> Result<(), StoreError> {
    let mut found =
        db.prepare_cached("SELECT body FROM evidence WHERE as_of < ?1 ORDER BY event, number")?;
    let mut rows = found.query([until.0])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        if !each(from_json(&body)?) {
            break;
        }
    }
    Ok(())
}

pub(super) fn bins(
    db: &Connection,
    location: Option<&Location>,
    window: Range<UnixTime>,
    each: &mut dyn FnMut(Bin) -> bool,
) -> Result<(), StoreError> {
    let mut found = db.prepare_cached(
        "SELECT name, at, expected, observed, eligible FROM place JOIN bin ON place = id
         WHERE (?1 IS NULL OR name = ?1) AND at >= ?2 AND at < ?3 ORDER BY name, at",
    )?;
    let name = location.map(ToString::to_string);
    let mut rows = found.query(params![name, window.start.0, window.end.0])?;
    while let Some(row) = rows.next()? {
        if !each(bin(row)?) {
            break;
        }
    }
    Ok(())
}

pub(super) fn newest_bins(db: &Connection, since: UnixTime) -> Result<Vec<Bin>, StoreError> {
    // For each place one look at the end of its bins.
    let mut found = db.prepare_cached(
        "SELECT name, at, expected, observed, eligible FROM place JOIN bin ON place = id
         WHERE at = (SELECT max(at) FROM bin AS last WHERE last.place = id) AND at >= ?1
         ORDER BY name",
    )?;
    let mut rows = found.query([since.0])?;
    let mut bins = Vec::new();
    while let Some(row) = rows.next()? {
        bins.push(bin(row)?);
    }
    Ok(bins)
}

fn bin(row: &rusqlite::Row<'_>) -> Result<Bin, StoreError> {
    let name: String = row.get(0)?;
    let location = name.parse();
    Ok(Bin {
        location: location.map_err(|_| StoreError::Corrupt(format!("the place {name}")))?,
        at: UnixTime(row.get(1)?),
        expected: row.get(2)?,
        observed: row.get(3)?,
        eligible: row.get(4)?,
    })
}

pub(super) fn coverage(
    db: &Connection,
    days: Range<UnixTime>,
) -> Result<Vec<Covered>, StoreError> {
    let question = "SELECT body FROM covered JOIN place ON place = id
        WHERE day >= ?1 AND day < ?2 ORDER BY day, name";
    bodies(db, question, [days.start.0, days.end.0])
}

/// Places of a country by their names (`Location`), and the first place of each day.
pub(super) fn coverage_in(
    db: &Connection,
    country: Country,
    days: Range<UnixTime>,
) -> Result<Vec<Covered>, StoreError> {
    let (first, before) = (days.start.0, days.end.0);
    let mut all: Vec<Covered> = bodies(
        db,
        "WITH RECURSIVE each (day) AS (
           SELECT min(day) FROM covered WHERE day >= ?1
           UNION ALL SELECT (SELECT min(day) FROM covered WHERE day > each.day) FROM each
             WHERE each.day < ?2)
         SELECT (SELECT body FROM covered WHERE covered.day = each.day LIMIT 1) FROM each
         WHERE each.day < ?2",
        [first, before],
    )?;
    all.extend(bodies::<Covered>(
        db,
        "SELECT body FROM covered WHERE day >= ?1 AND day < ?2 AND place IN (
           SELECT id FROM place WHERE name = ?3 OR name GLOB ?3 || '/*' OR name GLOB ?4)
         ORDER BY day",
        params![
            first,
            before,
            format!("country/{country}"),
            format!("region/{country}-*"),
        ],
    )?);
    Ok(all)
}
