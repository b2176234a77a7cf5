//! What does one batch write, inside the writer's transaction?

use super::{
    super::{Appended, Derive, MeasurementRow, ReceiptRecord, StoreError},
    batches,
    desk::Desk,
    retain,
    shelf::Shelf,
    tally::{self, Cell},
};
use faultline_core::time::UnixTime;
use rusqlite::params;

/// A batch made ready outside the writer's thread.
pub(super) struct Ready {
    pub(super) receipt: ReceiptRecord,
    /// CBOR.
    pub(super) enrichment: Vec<u8>,
    pub(super) compressed: Vec<u8>,
    pub(super) rows: Vec<MeasurementRow>,
}

/// Where rows come from.
pub(in crate::store) struct Origin {
    pub(in crate::store) batch: i64,
    pub(in crate::store) probe: i64,
    pub(in crate::store) source: i64,
    pub(in crate::store) received: UnixTime,
}

pub(super) fn append(desk: &mut Desk, ready: &Ready) -> Result<Appended, StoreError> {
    let r = &ready.receipt;
    let Some(origin) = batches::note(&desk.db, r, &ready.enrichment)? else {
        return Ok(Appended::Duplicate);
    };
    desk.db
        .prepare_cached("INSERT INTO batch (key, bytes) VALUES (?1, ?2)")?
        .execute(params![origin.batch, ready.compressed])?;
    rows(desk, &origin, &ready.rows, None)?;
    Ok(Appended::Stored)
}

/// Stores rows. A measurement that is there already, in whatever batch, stays as it is; one
/// of a day whose rows were dropped is counted and not kept; one of a day before `from`, if
/// given, is passed over.
pub(super) fn rows(
    desk: &mut Desk,
    origin: &Origin,
    rows: &[MeasurementRow],
    from: Option<i64>,
) -> Result<(), StoreError> {
    let horizon = desk.horizon()?;
    for m in rows {
        let shelf = Shelf::of(m.started, m.network_known, origin.received);
        if from.is_some_and(|from| shelf.day() < from) {
            continue;
        }
        let kept = shelf.day() >= horizon.rows;
        let key = if kept { desk.day(shelf)?.2.next } else { 0 };
        let new = desk
            .db
            .prepare_cached("INSERT INTO seen VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![m.id.0, shelf.number(), key])?;
        if new == 0 {
            continue;
        }
        let (db, words) = (&desk.db, &mut desk.words);
        let country = words.number(db, m.country.as_str())?;
        let target = words.number(db, &m.target)?;
        let experiment = words.number(db, m.experiment)?;
        let outcome = words.number(db, &m.verdict.outcome)?;
        let mechanism = match &m.verdict.mechanism {
            Some(word) => Some(words.number(db, word)?),
            None => None,
        };
        if kept {
            let (db, words, day) = desk.day(shelf)?;
            day.next += 1;
            db.prepare_cached(&day.insert_measurement)?
                .execute(params![
                    key,
                    m.id.0,
                    origin.batch,
                    origin.source,
                    m.started.0,
                    experiment,
                    target,
                    country,
                    m.asn.0,
                    m.network_known,
                    m.scored,
                    outcome,
                    mechanism,
                    m.verdict.reasons,
                    m.verdict.rules
                ])?;
            let mut insert = db.prepare_cached(&day.insert_observation)?;
            for (at, o) in m.observations.iter().enumerate() {
                let step = words.number(db, o.step)?;
                insert.execute(params![
                    key, at as i64, o.at.0, step, o.failure, o.layer, o.payload
                ])?;
            }
        }
        // What counts has a believable start, see `derive`.
        if m.scored && matches!(shelf, Shelf::Day(_)) {
            let cell = Cell {
                hour: m.started.secs().div_euclid(3600),
                country,
                asn: m.asn.0,
                target,
                experiment,
                source: origin.source,
                outcome,
                mechanism: mechanism.unwrap_or(0),
            };
            desk.tally
                .count(&desk.db, cell, m.observations.len(), origin.probe)?;
        }
    }
    Ok(())
}

/// Makes all rows again that can be, batch by batch, in one transaction: it spills to the
/// log on disk, so that memory does not grow with the store, and readers see the old rows
/// until it is done.
pub(super) fn rederive(desk: &mut Desk, derive: &Derive) -> Result<(), StoreError> {
    let from = desk.horizon()?.frozen;
    retain::drop_days(&desk.db, from, i64::MAX)?;
    retain::forget_identities(&desk.db, from)?;
    tally::take_back(&desk.db, from)?;
    desk.forget();
    let mut after = i64::MIN;
    while let Some((key, batch)) = batches::after(&desk.db, after)? {
        after = key;
        let origin = batches::origin(&desk.db, key)?;
        rows(desk, &origin, &derive(&batch)?, Some(from))?;
    }
    Ok(())
}
