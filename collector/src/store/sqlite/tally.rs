//! Which counts follow from scored measurements? Gathered over a transaction and written at
//! its end: they live or die with the rows they count.

use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap};

/// Who was seen where, at hand; at most so many.
const AT_HAND: usize = 500_000;
/// Counts that are gathered before they are written, at most.
const GATHERED: usize = 100_000;

/// A scored measurement, in numbers of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) hour: i64,
    pub(super) country: i64,
    pub(super) asn: u32,
    pub(super) target: i64,
    pub(super) experiment: i64,
    pub(super) source: i64,
    pub(super) outcome: i64,
    /// 0 is none.
    pub(super) mechanism: i64,
}

/// Country, target, source.
type Line = (i64, i64, i64);

#[derive(Default)]
pub(super) struct Tally {
    /// Measurements and observations.
    cells: BTreeMap<Cell, (i64, i64)>,
    /// New probes and networks.
    sizes: BTreeMap<Line, (i64, i64)>,
    /// First days.
    probes: HashMap<(Line, i64), i64>,
    networks: HashMap<(Line, i64), i64>,
}

impl Tally {
    /// Counts one measurement with its observations.
    pub(super) fn count(
        &mut self,
        db: &Connection,
        cell: Cell,
        observations: usize,
        probe: i64,
    ) -> rusqlite::Result<()> {
        let sum = self.cells.entry(cell).or_default();
        sum.0 += 1;
        sum.1 += observations as i64;
        let line = (cell.country, cell.target, cell.source);
        let day = cell.hour.div_euclid(24);
        if meet(db, "summary_probe", &mut self.probes, line, probe, day)? {
            self.sizes.entry(line).or_default().0 += 1;
        }
        let network = i64::from(cell.asn);
        if meet(
            db,
            "summary_network",
            &mut self.networks,
            line,
            network,
            day,
        )? {
            self.sizes.entry(line).or_default().1 += 1;
        }
        if self.cells.len() >= GATHERED {
            self.flush(db)?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if self.cells.is_empty() {
            return Ok(());
        }
        let mut rollup = db.prepare_cached(
            "INSERT INTO rollup VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET n = n + excluded.n,
               observations = observations + excluded.observations",
        )?;
        let mut summary = db.prepare_cached(
            "INSERT INTO summary VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
             ON CONFLICT DO UPDATE SET n = n + excluded.n,
               observations = observations + excluded.observations,
               first = min(first, excluded.first), last = max(last, excluded.last)",
        )?;
        for (c, (n, observations)) in std::mem::take(&mut self.cells) {
            rollup.execute(params![
                c.hour,
                c.country,
                c.asn,
                c.target,
                c.experiment,
                c.source,
                c.outcome,
                c.mechanism,
                n,
                observations
            ])?;
            summary.execute(params![
                c.country,
                c.target,
                c.source,
                c.outcome,
                c.mechanism,
                n,
                observations,
                c.hour
            ])?;
        }
        let mut size = db.prepare_cached(
            "INSERT INTO summary_size VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
             SET probes = probes + excluded.probes, networks = networks + excluded.networks",
        )?;
        for ((country, target, source), (probes, networks)) in std::mem::take(&mut self.sizes) {
            size.execute([country, target, source, probes, networks])?;
        }
        Ok(())
    }
}

/// Notes that somebody was met; says whether for the first time.
fn meet(
    db: &Connection,
    table: &str,
    at_hand: &mut HashMap<(Line, i64), i64>,
    line: Line,
    who: i64,
    day: i64,
) -> rusqlite::Result<bool> {
    if at_hand.get(&(line, who)).is_some_and(|first| *first <= day) {
        return Ok(false);
    }
    let (country, target, source) = line;
    let there: Option<i64> = db
        .prepare_cached(&format!(
            "SELECT first FROM {table}
             WHERE country = ?1 AND target = ?2 AND source = ?3 AND who = ?4"
        ))?
        .query_row([country, target, source, who], |r| r.get(0))
        .optional()?;
    let first = there.map_or(day, |first| first.min(day));
    if there != Some(first) {
        db.prepare_cached(&format!(
            "INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET first = excluded.first"
        ))?
        .execute([country, target, source, who, first])?;
    }
    if at_hand.len() >= AT_HAND {
        at_hand.clear();
    }
    at_hand.insert((line, who), first);
    Ok(there.is_none())
}

/// Takes back what was counted from a day on.
pub(super) fn take_back(db: &Connection, from: i64) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM rollup WHERE hour >= ?1",
        [from.saturating_mul(24)],
    )?;
    db.execute("DELETE FROM summary_probe WHERE first >= ?1", [from])?;
    db.execute("DELETE FROM summary_network WHERE first >= ?1", [from])?;
    db.execute_batch("DELETE FROM summary; DELETE FROM summary_size;")?;
    db.execute_batch(
        "INSERT INTO summary SELECT country, target, source, outcome, mechanism, sum(n),
           sum(observations), min(hour), max(hour) FROM rollup GROUP BY 1, 2, 3, 4, 5;
         INSERT INTO summary_size SELECT country, target, source, sum(p), sum(n) FROM (
           SELECT country, target, source, 1 AS p, 0 AS n FROM summary_probe UNION ALL
           SELECT country, target, source, 0, 1 FROM summary_network) GROUP BY 1, 2, 3;",
    )
}
