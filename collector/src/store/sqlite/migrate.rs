//! How does a file of an older schema become one of today's?
//!
//! Of schema 1 the rows are read as they were written and put where they stand now, in the
//! order of arrival, by the code that stores new ones. Of schema 3 the days' indexes of time
//! are made again, with the identity at their end.

use super::{
    super::{Judgement, MeasurementRow, ObservationRow, StoreError, derive::intern},
    desk::Desk,
    schema,
    shelf::Shelf,
    write,
};
use faultline_core::{
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
};

/// Schema 1, as it was.
pub(super) const SCHEMA_1: &str = "
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE probe (
  key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, public_key BLOB NOT NULL,
  consent INTEGER NOT NULL, software TEXT NOT NULL, enrolled INTEGER NOT NULL, revoked INTEGER);
CREATE TABLE epoch (probe BLOB NOT NULL, issued INTEGER NOT NULL, token BLOB NOT NULL);
CREATE INDEX epoch_time ON epoch (issued);
CREATE TABLE audit (at INTEGER NOT NULL, what TEXT NOT NULL);
CREATE TABLE receipt (
  key INTEGER PRIMARY KEY, batch BLOB NOT NULL UNIQUE, probe INTEGER NOT NULL REFERENCES probe,
  sequence INTEGER NOT NULL, sha256 BLOB NOT NULL, received INTEGER NOT NULL,
  measurements INTEGER NOT NULL, enrichment BLOB NOT NULL);
CREATE TABLE batch (key INTEGER PRIMARY KEY REFERENCES receipt, bytes BLOB NOT NULL);
CREATE TABLE measurement (
  key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, batch INTEGER NOT NULL,
  started INTEGER NOT NULL, experiment INTEGER NOT NULL, target INTEGER NOT NULL,
  country INTEGER NOT NULL, asn INTEGER NOT NULL, known INTEGER NOT NULL, scored INTEGER NOT NULL,
  outcome INTEGER NOT NULL, mechanism INTEGER, reasons BLOB NOT NULL, rules INTEGER NOT NULL);
CREATE INDEX measurement_time ON measurement (started, id);
CREATE TABLE observation (
  measurement INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL, step INTEGER NOT NULL,
  failure INTEGER, layer INTEGER, payload BLOB NOT NULL, PRIMARY KEY (measurement, idx)) WITHOUT ROWID;
CREATE TABLE rollup (
  hour INTEGER NOT NULL, country INTEGER NOT NULL, asn INTEGER NOT NULL, target INTEGER NOT NULL,
  outcome INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (hour, country, asn, target, outcome)) WITHOUT ROWID;
";

/// Rows that are moved at a time.
const CHUNK: i64 = 1000;

pub(super) fn to_2(desk: &mut Desk) -> Result<(), StoreError> {
    desk.db.execute_batch(&schema::tables(Shelf::Odd(0)))?;
    // Schema 1 told imports by what their key's record said.
    desk.db.execute(
        "UPDATE probe SET source = 1 WHERE software = 'import' AND consent = 0",
        [],
    )?;
    let mut after = i64::MIN;
    loop {
        let rows = chunk(desk, after)?;
        let Some((last, ..)) = rows.last() else { break };
        after = *last;
        for (_, origin, row) in rows {
            write::rows(desk, &origin, std::slice::from_ref(&row), None)?;
        }
        desk.flush()?;
    }
    desk.db
        .execute_batch("DROP TABLE observation; DROP TABLE measurement;")?;
    Ok(())
}

/// Lists of verdicts are in the order of time and identity: without the latter in the index,
/// a day in which many began at one moment is sorted for each page.
pub(super) fn to_4(desk: &mut Desk) -> Result<(), StoreError> {
    let days: Vec<String> = desk
        .db
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'measurement_*'",
        )?
        .query_map([], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    for day in days {
        desk.db.execute_batch(&format!(
            "DROP INDEX IF EXISTS {day}_time;
             CREATE INDEX {day}_time ON {day} (source, started, id);"
        ))?;
    }
    Ok(())
}

fn chunk(
    desk: &Desk,
    after: i64,
) -> Result<Vec<(i64, write::Origin, MeasurementRow)>, StoreError> {
    let mut observations = desk.db.prepare_cached(
        "SELECT o.at, w.text, o.failure, o.layer, o.payload FROM observation o
         JOIN word w ON w.id = o.step WHERE o.measurement = ?1 ORDER BY o.idx",
    )?;
    let mut found = desk.db.prepare_cached(
        "SELECT m.key, m.id, r.batch, p.id, m.started, e.text, t.text, c.text, m.asn, m.known,
           m.scored, v.text, n.text, m.reasons, m.rules, r.key, p.key, p.source, r.received
         FROM measurement m JOIN receipt r ON r.key = m.batch JOIN probe p ON p.key = r.probe
         JOIN word e ON e.id = m.experiment JOIN word t ON t.id = m.target
         JOIN word c ON c.id = m.country JOIN word v ON v.id = m.outcome
         LEFT JOIN word n ON n.id = m.mechanism WHERE m.key > ?1 ORDER BY m.key LIMIT ?2",
    )?;
    let mut found = found.query([after, CHUNK])?;
    let mut rows = Vec::new();
    while let Some(r) = found.next()? {
        let key = r.get(0)?;
        let observations = observations
            .query_map([key], |o| {
                Ok(ObservationRow {
                    at: UnixTime(o.get(0)?),
                    step: intern(&o.get::<_, String>(1)?),
                    failure: o.get(2)?,
                    layer: o.get(3)?,
                    payload: o.get(4)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        let row = MeasurementRow {
            id: MeasurementId(r.get(1)?),
            batch: BatchId(r.get(2)?),
            probe: ProbeId(r.get(3)?),
            started: UnixTime(r.get(4)?),
            experiment: intern(&r.get::<_, String>(5)?),
            target: r.get(6)?,
            country: Country::new(&r.get::<_, String>(7)?).unwrap_or_default(),
            asn: Asn(r.get(8)?),
            network_known: r.get(9)?,
            scored: r.get(10)?,
            observations,
            verdict: Judgement {
                outcome: r.get(11)?,
                mechanism: r.get(12)?,
                reasons: r.get(13)?,
                rules: r.get(14)?,
            },
        };
        let origin = write::Origin {
            batch: r.get(15)?,
            probe: r.get(16)?,
            source: r.get(17)?,
            received: UnixTime(r.get(18)?),
        };
        rows.push((key, origin, row));
    }
    Ok(rows)
}
