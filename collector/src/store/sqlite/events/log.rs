//! What was the detector told, besides who was heard, and when?

use super::{from_json, json, told};
use crate::{
    detect::{
        event::EventId,
        input::{Action, Signal},
    },
    store::{
        StoreError,
        events::{Moment, Note, Noted, Step},
    },
};
use faultline_core::time::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TOLD: u8 = 1;
const SIGNAL: u8 = 2;
const ACTED: u8 = 3;
const DEAF: u8 = 4;

#[derive(Serialize, Deserialize)]
struct Deaf {
    from: UnixTime,
    until: UnixTime,
}

/// Kind, name and bytes. What has the same name again replaces what had it before.
fn pack(note: &Note) -> Result<(u8, String, Vec<u8>), StoreError> {
    Ok(match note {
        Note::Told(told) => (TOLD, told.probe.to_string(), told::encode(told)),
        Note::Signal(signal) => {
            let watcher = json(&signal.watcher)?;
            let name = format!("{} {}", watcher.trim_matches('"'), signal.id);
            (SIGNAL, name, json(signal)?.into_bytes())
        }
        Note::Acted(action) => (ACTED, action.event.to_string(), json(action)?.into_bytes()),
        Note::Deaf { from, until } => {
            let (from, until) = (*from, *until);
            let body = json(&Deaf { from, until })?.into_bytes();
            (DEAF, format!("{} {}", from.0, until.0), body)
        }
    })
}

fn unpack(kind: u8, body: &[u8]) -> Result<Note, StoreError> {
    let corrupt = || StoreError::Corrupt("a note for the detector".into());
    if kind == TOLD {
        return told::decode(body).map(Note::Told).ok_or_else(corrupt);
    }
    let text = std::str::from_utf8(body).map_err(|_| corrupt())?;
    match kind {
        SIGNAL => from_json(text).map(Note::Signal),
        ACTED => from_json(text).map(Note::Acted),
        DEAF => from_json(text).map(|Deaf { from, until }| Note::Deaf { from, until }),
        _ => Err(corrupt()),
    }
}

pub(super) fn note(
    tx: &Transaction<'_>,
    note: &Note,
    received: UnixTime,
) -> Result<bool, StoreError> {
    let (kind, name, body) = pack(note)?;
    if matches!(note, Note::Signal(_) | Note::Deaf { .. }) {
        let known: Option<Vec<u8>> = tx
            .prepare_cached(
                "SELECT body FROM note WHERE kind = ?1 AND name = ?2
                 ORDER BY number DESC LIMIT 1",
            )?
            .query_row(params![kind, name], |r| r.get(0))
            .optional()?;
        if known.is_some_and(|known| same(kind, &known, &body)) {
            return Ok(false);
        }
    }
    tx.prepare_cached("INSERT INTO note (received, kind, name, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![received.0, kind, name, body])?;
    Ok(true)
}

/// Whether it says the same: when it came does not count. Both are read back, so that numbers
/// do not differ by how they were read.
fn same(kind: u8, known: &[u8], body: &[u8]) -> bool {
    match (unpack(kind, known), unpack(kind, body)) {
        (Ok(Note::Signal(old)), Ok(Note::Signal(new))) => {
            let received = new.received;
            Signal { received, ..old } == new
        }
        _ => known == body,
    }
}

pub(super) fn waiting(
    db: &Connection,
    until: UnixTime,
) -> Result<Vec<(i64, Note)>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT number, kind, body FROM note
         WHERE tick IS NULL AND received <= ?1 ORDER BY number",
    )?;
    let rows = found.query_map([until.0], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    rows.map(|row| {
        let (number, kind, body): (i64, u8, Vec<u8>) = row?;
        Ok((number, unpack(kind, &body)?))
    })
    .collect()
}

pub(super) fn noted(
    db: &Connection,
    from: UnixTime,
    each: &mut dyn FnMut(Noted) -> bool,
) -> Result<(), StoreError> {
    let mut found = db.prepare_cached(
        "SELECT tick, pass, kind, body FROM note WHERE tick >= ?1 ORDER BY tick, pass, number",
    )?;
    let mut rows = found.query([from.0])?;
    while let Some(row) = rows.next()? {
        if !each(one(row)?) {
            break;
        }
    }
    Ok(())
}

fn one(row: &Row<'_>) -> Result<Noted, StoreError> {
    let body: Vec<u8> = row.get(3)?;
    Ok(Noted {
        at: Moment {
            tick: UnixTime(row.get(0)?),
            pass: row.get(1)?,
        },
        note: unpack(row.get(2)?, &body)?,
    })
}

/// When analysts acted last, by event.
pub(super) fn acted(db: &Connection) -> Result<BTreeMap<EventId, UnixTime>, StoreError> {
    let mut found = db
        .prepare_cached("SELECT name, max(received) FROM note WHERE kind = ?1 GROUP BY name")?;
    let rows = found.query_map([ACTED], |r| Ok((r.get(0)?, r.get(1)?)))?;
    rows.map(|row| {
        let (name, at): (String, i64) = row?;
        let event = name.parse();
        let event = event.map_err(|_| StoreError::Corrupt(format!("a deed on {name}")))?;
        Ok((event, UnixTime(at)))
    })
    .collect()
}

/// What analysts did to an event, in order.
pub(super) fn deeds(db: &Connection, event: EventId) -> Result<Vec<Action>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT body FROM note WHERE kind = ?1 AND name = ?2 ORDER BY number",
    )?;
    let rows = found.query_map(params![ACTED, event.to_string()], |r| r.get(0))?;
    let mut deeds = Vec::new();
    for body in rows {
        let body: Vec<u8> = body?;
        let text = std::str::from_utf8(&body);
        let text = text.map_err(|_| StoreError::Corrupt(format!("a deed on {event}")))?;
        deeds.push(from_json(text)?);
    }
    Ok(deeds)
}

/// Notes what a step was told.
pub(super) fn take(tx: &Transaction<'_>, step: &Step<'_>) -> Result<(), StoreError> {
    let Moment { tick, pass } = step.at;
    for number in step.taken {
        tx.prepare_cached("UPDATE note SET tick = ?2, pass = ?3 WHERE number = ?1")?
            .execute(params![number, tick.0, pass])?;
    }
    for told in step.told {
        let body = told::encode(told);
        tx.prepare_cached(
            "INSERT INTO note (received, tick, pass, kind, name, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            told.received.0,
            tick.0,
            pass,
            TOLD,
            told.probe.to_string(),
            body
        ])?;
    }
    Ok(())
}
