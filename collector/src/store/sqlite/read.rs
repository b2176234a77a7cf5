//! How do measurements come back out? Page by page, by start and identity, whatever their
//! order of arrival: each table of a day is read along one index, and only as far as the
//! page needs.

use super::{
    super::{
        Judgement, MeasurementRow, ObservationRow, Query, Source, StoreError, derive::intern,
        query::day,
    },
    desk::word,
    shelf::Shelf,
};
use faultline_core::{
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};
use std::ops::Range;

/// Rows of a page when all of a window is read.
const PAGE: usize = 500;

/// The shelf that stands for all whose start is not believed.
const ODD: Shelf = Shelf::Odd(0);

pub(in crate::store) fn source_number(source: Source) -> i64 {
    match source {
        Source::Probe => 0,
        Source::Import => 1,
    }
}

pub(in crate::store) fn source_of(number: i64) -> Source {
    if number == 1 {
        Source::Import
    } else {
        Source::Probe
    }
}

/// All of a window, of one state of the file.
pub(super) fn measurements(
    db: &Connection,
    window: Range<UnixTime>,
    each: &mut dyn FnMut(MeasurementRow) -> bool,
) -> Result<(), StoreError> {
    let mut query = Query::within(window, PAGE);
    loop {
        let page = select(db, &query)?;
        let full = page.len() == PAGE;
        query.after = page.last().map(|row| (row.started, row.id));
        for row in page {
            if !each(row) {
                return Ok(());
            }
        }
        if !full {
            return Ok(());
        }
    }
}

pub(super) fn select(
    db: &Connection,
    query: &Query,
) -> Result<Vec<MeasurementRow>, StoreError> {
    let Some(filter) = Filter::of(db, query)? else {
        return Ok(Vec::new());
    };
    let mut days =
        db.prepare_cached("SELECT day FROM day WHERE day >= ?1 AND day <= ?2 ORDER BY day")?;
    let mut days = days.query([day(filter.start), day(filter.end)])?;
    let mut found: Vec<Found> = Vec::new();
    while found.len() < query.limit {
        let Some(row) = days.next()? else { break };
        let shelf = Shelf::Day(row.get(0)?);
        let mut of_day = filter.scan(db, shelf, query.limit - found.len())?;
        found.append(&mut of_day);
    }
    // Those with a nonsensical start stand anywhere between.
    found.append(&mut filter.scan(db, ODD, query.limit)?);
    found.sort_by_key(|found| (found.row.started, found.row.id));
    found.truncate(query.limit);
    found
        .into_iter()
        .map(|found| found.whole(db, query.observations))
        .collect()
}

pub(super) fn measurement(
    db: &Connection,
    id: MeasurementId,
) -> Result<Option<MeasurementRow>, StoreError> {
    let seen = db
        .prepare_cached("SELECT shelf, key FROM seen WHERE id = ?1")?
        .query_row([id.0], |r| {
            Ok((Shelf::from_number(r.get(0)?), r.get::<_, i64>(1)?))
        })
        .optional()?;
    let Some((shelf, key)) = seen else {
        return Ok(None);
    };
    if let Shelf::Day(day) = shelf {
        let there = db
            .prepare_cached("SELECT 1 FROM day WHERE day = ?1")?
            .exists([day])?;
        if !there {
            return Ok(None); // dropped
        }
    }
    // Keys of rows that were dropped may be used again where a table lives on.
    let found = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM measurement_{} m {JOINS} WHERE m.key = ?1 AND m.id = ?2",
            shelf.suffix()
        ))?
        .query_row((key, id.0), |r| Found::read(r, shelf))
        .optional()?;
    found.map(|found| found.whole(db, true)).transpose()
}

/// A row of one table, with what it is stored with.
pub(in crate::store) struct Raw {
    pub(in crate::store) key: i64,
    pub(in crate::store) row: MeasurementRow,
    pub(in crate::store) source: i64,
    pub(in crate::store) received: UnixTime,
}

/// Rows of the table with that end of its name, after a key, in the order of arrival.
pub(in crate::store) fn raw(
    db: &Connection,
    suffix: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<Raw>, StoreError> {
    let mut found = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, m.source, r.received FROM measurement_{suffix} m {JOINS}
         WHERE m.key > ?1 ORDER BY m.key LIMIT ?2"
    ))?;
    let found = found.query_map((after, limit as i64), |r| {
        Ok((Found::read(r, ODD)?, r.get(15)?, UnixTime(r.get(16)?)))
    })?;
    let mut rows = Vec::new();
    for found in found {
        let (found, source, received) = found?;
        let key = found.key;
        let observations = observations(db, suffix, key)?;
        rows.push(Raw {
            key,
            row: MeasurementRow {
                observations,
                ..found.row
            },
            source,
            received,
        });
    }
    Ok(rows)
}

fn observations(
    db: &Connection,
    suffix: &str,
    key: i64,
) -> rusqlite::Result<Vec<ObservationRow>> {
    db.prepare_cached(&format!(
        "SELECT o.at, w.text, o.failure, o.layer, o.payload FROM observation_{suffix} o
         JOIN word w ON w.id = o.step WHERE o.measurement = ?1 ORDER BY o.idx"
    ))?
    .query_map([key], |o| {
        Ok(ObservationRow {
            at: UnixTime(o.get(0)?),
            step: intern(o.get_ref(1)?.as_str()?),
            failure: o.get(2)?,
            layer: o.get(3)?,
            payload: o.get(4)?,
        })
    })?
    .collect()
}

/// A [`Query`] in numbers.
struct Filter {
    start: UnixTime,
    end: UnixTime,
    after: Option<(UnixTime, MeasurementId)>,
    country: Option<i64>,
    target: Option<i64>,
    outcome: Option<i64>,
    sources: &'static [Source],
}

impl Filter {
    /// `None` where a word never occurred: nothing matches.
    fn of(db: &Connection, query: &Query) -> rusqlite::Result<Option<Self>> {
        let mut words = [None; 3];
        let wanted = [
            query.country.as_ref().map(Country::as_str),
            query.target.as_deref(),
            query.outcome.as_deref(),
        ];
        for (number, text) in words.iter_mut().zip(wanted) {
            if let Some(text) = text {
                *number = word(db, text)?;
                if number.is_none() {
                    return Ok(None);
                }
            }
        }
        let [country, target, outcome] = words;
        let after = query
            .after
            .map_or(UnixTime(i64::MIN), |(started, _)| started);
        Ok(Some(Self {
            start: query.window.start.max(after),
            end: query.window.end,
            after: query.after,
            country,
            target,
            outcome,
            sources: match query.source {
                Some(Source::Probe) => &[Source::Probe],
                Some(Source::Import) => &[Source::Import],
                None => &[Source::Probe, Source::Import],
            },
        }))
    }

    /// The first that match on one shelf, from each source; in order where there is one.
    fn scan(
        &self,
        db: &Connection,
        shelf: Shelf,
        limit: usize,
    ) -> rusqlite::Result<Vec<Found>> {
        let sql = self.sql(shelf);
        let (started, id) = self.after.unwrap_or_default();
        let (end, limit) = (self.end.0, limit as i64);
        let mut values: Vec<(&str, &dyn ToSql)> = Vec::new();
        if self.after.is_some() {
            values.extend_from_slice(named_params! { ":after": started.0, ":id": id.0 });
        }
        for (name, _, number) in self.words() {
            if number.is_some() {
                values.push((name, number));
            }
        }
        let mut found = Vec::new();
        for source in self.sources {
            let number = source_number(*source);
            let mut values = values.clone();
            values.extend_from_slice(named_params! {
                ":source": number, ":start": self.start.0, ":end": end, ":limit": limit,
            });
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map(&*values, |r| Found::read(r, shelf))?;
            for row in rows {
                found.push(row?);
            }
        }
        Ok(found)
    }

    /// Rows come along an index in the order of the page, whatever is asked for; without a
    /// filter, ties are in order, too, for a day may have many measurements of one moment.
    fn sql(&self, shelf: Shelf) -> String {
        let s = shelf.suffix();
        let index = match (self.target, self.country) {
            (Some(_), _) => "target",
            (None, Some(_)) => "country",
            (None, None) => "time",
        };
        let mut sql = format!(
            "SELECT {COLUMNS} FROM measurement_{s} m INDEXED BY measurement_{s}_{index} {JOINS}
             WHERE m.source = :source AND m.started >= :start AND m.started < :end"
        );
        if self.after.is_some() {
            sql.push_str(" AND NOT (m.started = :after AND m.id <= :id)");
        }
        for (name, column, number) in self.words() {
            if number.is_some() {
                sql = sql + " AND m." + column + " = " + name;
            }
        }
        sql.push_str(" ORDER BY m.started, m.id LIMIT :limit");
        sql
    }

    /// Filters by word: parameter, column, value.
    fn words(&self) -> [(&'static str, &'static str, &Option<i64>); 3] {
        [
            (":country", "country", &self.country),
            (":target", "target", &self.target),
            (":outcome", "outcome", &self.outcome),
        ]
    }
}

const COLUMNS: &str = "m.key, m.id, r.batch, p.id, m.started, e.text, t.text, c.text, m.asn,
    m.known, m.scored, v.text, n.text, m.reasons, m.rules";
// CROSS JOIN keeps the order: rows come along the index of `m`.
const JOINS: &str =
    "CROSS JOIN receipt r ON r.key = m.batch CROSS JOIN probe p ON p.key = r.probe
    CROSS JOIN word e ON e.id = m.experiment CROSS JOIN word t ON t.id = m.target
    CROSS JOIN word c ON c.id = m.country CROSS JOIN word v ON v.id = m.outcome
    LEFT JOIN word n ON n.id = m.mechanism";

/// A measurement, still without its observations.
struct Found {
    shelf: Shelf,
    key: i64,
    row: MeasurementRow,
}

impl Found {
    fn read(r: &Row, shelf: Shelf) -> rusqlite::Result<Self> {
        let row = MeasurementRow {
            id: MeasurementId(r.get(1)?),
            batch: BatchId(r.get(2)?),
            probe: ProbeId(r.get(3)?),
            started: UnixTime(r.get(4)?),
            experiment: intern(r.get_ref(5)?.as_str()?),
            target: r.get(6)?,
            country: Country::new(r.get_ref(7)?.as_str()?).unwrap_or_default(),
            asn: Asn(r.get(8)?),
            network_known: r.get(9)?,
            scored: r.get(10)?,
            observations: Vec::new(),
            verdict: Judgement {
                outcome: r.get(11)?,
                mechanism: r.get(12)?,
                reasons: r.get(13)?,
                rules: r.get(14)?,
            },
        };
        Ok(Self {
            shelf,
            key: r.get(0)?,
            row,
        })
    }

    fn whole(
        mut self,
        db: &Connection,
        observations: bool,
    ) -> Result<MeasurementRow, StoreError> {
        if observations {
            self.row.observations = self::observations(db, &self.shelf.suffix(), self.key)?;
        }
        Ok(self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Sqlite;

    #[test]
    fn a_page_of_everything_sorts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("collector.db")).unwrap();
        let plan = store.read(|db| {
            // This reader alone may make the tables of a day.
            db.pragma_update(None, "query_only", false)?;
            db.execute_batch(&crate::store::sqlite::schema::tables(Shelf::Day(20_000)))?;
            let query = Query {
                after: Some((UnixTime(5), MeasurementId([1; 16]))),
                ..Query::within(UnixTime(0)..UnixTime(9), 50)
            };
            let filter = Filter::of(db, &query)?.expect("no word is asked for");
            let sql = format!("EXPLAIN QUERY PLAN {}", filter.sql(Shelf::Day(20_000)));
            let mut plan = db.prepare(&sql)?;
            let lines = plan.raw_query().mapped(|r| r.get::<_, String>(3));
            Ok(lines.collect::<Result<Vec<_>, _>>()?)
        });
        let plan = plan.unwrap();
        assert!(
            plan.iter().all(|line| !line.contains("TEMP B-TREE")),
            "{plan:?}"
        );
    }
}
