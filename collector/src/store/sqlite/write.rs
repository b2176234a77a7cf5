//! What one batch writes, inside the writer's transaction.

use super::{
    super::{Appended, Derive, Incoming, MeasurementRow, StoreError},
    read,
};
use faultline_core::codec::to_cbor;
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn append(
    db: &Connection,
    incoming: &Incoming,
    compressed: &[u8],
) -> Result<Appended, StoreError> {
    let r = &incoming.receipt;
    let there: Option<[u8; 32]> = db
        .prepare_cached("SELECT sha256 FROM receipt WHERE batch = ?1")?
        .query_row([r.batch.0], |row| row.get(0))
        .optional()?;
    match there {
        Some(sha256) if sha256 == r.sha256 => return Ok(Appended::Duplicate),
        Some(_) => return Err(StoreError::Conflict(r.batch)),
        None => {}
    }
    db.prepare_cached(
        "INSERT INTO receipt (batch, probe, sequence, sha256, received, measurements, enrichment)
         VALUES (?1, (SELECT key FROM probe WHERE id = ?2), ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        r.batch.0, r.probe.0, r.sequence as i64, r.sha256, r.received.0, r.measurements,
        to_cbor(&r.enrichment)
    ])?;
    let key = db.last_insert_rowid();
    db.prepare_cached("INSERT INTO batch (key, bytes) VALUES (?1, ?2)")?
        .execute(params![key, compressed])?;
    rows(db, key, &incoming.rows)?;
    Ok(Appended::Stored)
}

pub(super) fn rederive(db: &Connection, derive: &Derive) -> Result<Appended, StoreError> {
    db.execute_batch("DELETE FROM rollup; DELETE FROM observation; DELETE FROM measurement;")?;
    let keys = db
        .prepare("SELECT key FROM receipt ORDER BY key")?
        .query_map([], |r| r.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    for key in keys {
        rows(db, key, &derive(&read::batch(db, key)?)?)?;
    }
    Ok(Appended::Stored)
}

/// A measurement that is there already, in whatever batch, stays as it is.
fn rows(db: &Connection, batch: i64, rows: &[MeasurementRow]) -> Result<(), StoreError> {
    for m in rows {
        let (country, target) = (word(db, m.country.as_str())?, word(db, &m.target)?);
        let outcome = word(db, &m.verdict.outcome)?;
        let mechanism = m
            .verdict
            .mechanism
            .as_deref()
            .map(|w| word(db, w))
            .transpose()?;
        let new = db
            .prepare_cached(
                "INSERT INTO measurement (id, batch, started, experiment, target, country, asn,
                   known, scored, outcome, mechanism, reasons, rules)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) ON CONFLICT (id) DO NOTHING",
            )?
            .execute(params![
                m.id.0, batch, m.started.0, word(db, m.experiment)?, target, country, m.asn.0,
                m.network_known, m.scored, outcome, mechanism, m.verdict.reasons, m.verdict.rules
            ])?;
        if new == 0 {
            continue;
        }
        let key = db.last_insert_rowid();
        let mut insert =
            db.prepare_cached("INSERT INTO observation VALUES (?1,?2,?3,?4,?5,?6,?7)")?;
        for (at, o) in m.observations.iter().enumerate() {
            let step = word(db, o.step)?;
            insert.execute(params![
                key, at as i64, o.at.0, step, o.failure, o.layer, o.payload
            ])?;
        }
        if m.scored {
            db.prepare_cached(
                "INSERT INTO rollup VALUES (?1, ?2, ?3, ?4, ?5, 1)
                 ON CONFLICT DO UPDATE SET n = n + 1",
            )?
            .execute(params![
                m.started.secs().div_euclid(3600),
                country,
                m.asn.0,
                target,
                outcome
            ])?;
        }
    }
    Ok(())
}

fn word(db: &Connection, text: &str) -> rusqlite::Result<i64> {
    let there = db
        .prepare_cached("SELECT id FROM word WHERE text = ?1")?
        .query_row([text], |r| r.get(0))
        .optional()?;
    if let Some(id) = there {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO word (text) VALUES (?1)")?
        .execute([text])?;
    Ok(db.last_insert_rowid())
}
