//! What should a store say? The simplest thing that could be right: everything in memory,
//! nothing counted in advance. Engines are compared with it.

use super::super::{
    Appended, Facts, Incoming, MeasurementRow, Query, Retention, Rollup, Source, Summary,
    query::{believable, day},
};
use faultline_core::{
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// A measurement that was taken in.
#[derive(Clone, Debug)]
struct Taken {
    row: MeasurementRow,
    /// The day that retention goes by.
    day: i64,
    believed: bool,
}

/// A store that is easy to believe.
#[derive(Clone, Debug)]
pub struct Model {
    import: ProbeId,
    /// Digests of all batches ever; bytes of those that are kept.
    receipts: BTreeMap<BatchId, [u8; 32]>,
    batches: Vec<(BatchId, UnixTime, Vec<u8>)>,
    seen: BTreeSet<MeasurementId>,
    taken: Vec<Taken>,
    rows_from: i64,
    lookups: usize,
}

impl Model {
    /// `import` is the one key whose measurements are imports.
    pub fn new(import: ProbeId) -> Self {
        Self {
            import,
            receipts: BTreeMap::new(),
            batches: Vec::new(),
            seen: BTreeSet::new(),
            taken: Vec::new(),
            rows_from: i64::MIN,
            lookups: usize::MAX,
        }
    }

    /// Likewise; of what is asked for by its identity, at most so many are asked for at a
    /// time, others each time. For engines where a question costs much.
    #[must_use]
    pub fn with_lookups(mut self, most: usize) -> Self {
        self.lookups = most;
        self
    }

    /// Which of so many are asked for.
    fn some<T>(&self, all: impl ExactSizeIterator<Item = T>) -> impl Iterator<Item = T> {
        let step = all.len() / self.lookups + 1;
        all.skip(self.taken.len() % step).step_by(step)
    }

    /// `None` is a conflict.
    pub fn append(&mut self, batch: &Incoming) -> Option<Appended> {
        let r = &batch.receipt;
        if let Some(there) = self.receipts.get(&r.batch) {
            return (*there == r.sha256).then_some(Appended::Duplicate);
        }
        self.receipts.insert(r.batch, r.sha256);
        self.batches
            .push((r.batch, r.received, batch.bytes.clone()));
        for row in &batch.rows {
            if self.seen.insert(row.id) {
                let believed = believable(row.started, row.network_known, r.received);
                let day = day(if believed { row.started } else { r.received });
                let row = row.clone();
                self.taken.push(Taken { row, day, believed });
            }
        }
        Some(Appended::Stored)
    }

    pub fn retain(&mut self, policy: &Retention, now: UnixTime) {
        let before = |days: Option<u32>| days.map(|days| day(now) - i64::from(days));
        self.rows_from = self
            .rows_from
            .max(before(policy.observations).unwrap_or(i64::MIN));
        let batches_from = before(policy.batches).unwrap_or(i64::MIN);
        // All that a batch carries started before the end of the day after its arrival.
        self.batches
            .retain(|(_, received, _)| day(*received).saturating_add(1) >= batches_from);
    }

    fn kept(&self) -> impl Iterator<Item = &MeasurementRow> {
        let kept = self
            .taken
            .iter()
            .filter(|taken| taken.day >= self.rows_from);
        kept.map(|taken| &taken.row)
    }

    /// Kept rows in the order of readers.
    pub fn rows(&self) -> Vec<MeasurementRow> {
        let mut rows: Vec<_> = self.kept().cloned().collect();
        rows.sort_by_key(|row| (row.started, row.id));
        rows
    }

    /// What [`Facts::select`] should give.
    pub fn select(&self, query: &Query) -> Vec<MeasurementRow> {
        let mut rows = self.rows();
        rows.retain(|row| {
            query.window.contains(&row.started)
                && query
                    .after
                    .is_none_or(|after| (row.started, row.id) > after)
                && query.country.is_none_or(|country| country == row.country)
                && query
                    .target
                    .as_ref()
                    .is_none_or(|target| *target == row.target)
                && (query.outcome.as_ref()).is_none_or(|o| *o == row.verdict.outcome)
                && query.source.is_none_or(|source| source == self.source(row))
        });
        rows.truncate(query.limit);
        if !query.observations {
            for row in &mut rows {
                row.observations.clear();
            }
        }
        rows
    }

    fn source(&self, row: &MeasurementRow) -> Source {
        if row.probe == self.import {
            Source::Import
        } else {
            Source::Probe
        }
    }

    /// Whatever was taken in counts for ever.
    fn counted(&self) -> impl Iterator<Item = &MeasurementRow> {
        let counted = self
            .taken
            .iter()
            .filter(|taken| taken.row.scored && taken.believed);
        counted.map(|taken| &taken.row)
    }

    fn rollups(&self) -> Vec<Rollup> {
        type Key<'a> = (
            i64,
            Country,
            Asn,
            &'a str,
            &'a str,
            Source,
            &'a str,
            Option<&'a str>,
        );
        let mut cells: BTreeMap<Key<'_>, (u64, u64, &'static str)> = BTreeMap::new();
        for row in self.counted() {
            let (outcome, mechanism) = (&row.verdict.outcome, row.verdict.mechanism.as_deref());
            let hour = row.started.secs().div_euclid(3600);
            let (place, source) = ((row.country, row.asn), self.source(row));
            let key = (
                hour,
                place.0,
                place.1,
                &*row.target,
                row.experiment,
                source,
                &**outcome,
                mechanism,
            );
            let cell = cells.entry(key).or_insert((0, 0, row.experiment));
            cell.0 += 1;
            cell.1 += row.observations.len() as u64;
        }
        let rollup = |(key, (count, observations, experiment)): (Key<'_>, _)| Rollup {
            hour: key.0,
            country: key.1,
            asn: key.2,
            target: key.3.into(),
            experiment,
            source: key.5,
            outcome: key.6.into(),
            mechanism: key.7.map(Into::into),
            count,
            observations,
        };
        cells.into_iter().map(rollup).collect()
    }

    fn summary(&self) -> Vec<Summary> {
        let mut lines: BTreeMap<(Country, &str, Source), Vec<&MeasurementRow>> =
            BTreeMap::new();
        for row in self.counted() {
            let key = (row.country, &*row.target, self.source(row));
            lines.entry(key).or_default().push(row);
        }
        let line = |((country, target, source), rows): ((_, &str, _), Vec<&MeasurementRow>)| {
            let mut outcomes = BTreeMap::new();
            let mut mechanisms = BTreeMap::new();
            for row in &rows {
                *outcomes.entry(row.verdict.outcome.clone()).or_default() += 1;
                if let Some(mechanism) = &row.verdict.mechanism {
                    *mechanisms.entry(mechanism.clone()).or_default() += 1;
                }
            }
            let hours = rows.iter().map(|row| row.started.secs().div_euclid(3600));
            Summary {
                country,
                target: target.into(),
                source,
                measurements: rows.len() as u64,
                observations: rows.iter().map(|row| row.observations.len() as u64).sum(),
                outcomes,
                mechanisms,
                probes: rows.iter().map(|r| r.probe).collect::<BTreeSet<_>>().len() as u64,
                networks: rows.iter().map(|r| r.asn).collect::<BTreeSet<_>>().len() as u64,
                hours: (hours.clone().min().unwrap_or(0), hours.max().unwrap_or(0)),
            }
        };
        lines.into_iter().map(line).collect()
    }

    /// Whether the store says the same, in every way that it can be asked.
    pub fn agrees<S: Facts>(&self, store: &S) {
        let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
        let rows = self.rows();
        assert_eq!(super::all(store), rows, "measurements");
        assert_eq!(
            store.rollups(all).expect("rollups"),
            self.rollups(),
            "rollups"
        );
        assert_eq!(
            store.summary().expect("a summary"),
            self.summary(),
            "summary"
        );
        let by_id: BTreeMap<_, _> = rows.iter().map(|row| (row.id, row)).collect();
        for id in self.some(self.seen.iter()) {
            let found = store.measurement(*id).expect("a measurement");
            assert_eq!(found.as_ref(), by_id.get(id).copied(), "measurement {id}");
        }
        let mut batches = Vec::new();
        let read = store.batches(&mut |b| {
            batches.push((b.receipt.batch, b.receipt.received, b.bytes));
            true
        });
        assert!(read.is_ok());
        assert_eq!(batches, self.batches, "batches, in order of arrival");
        for id in self.some(self.receipts.keys()) {
            let kept = store.batch(*id).expect("a batch").map(|b| b.bytes);
            let want = self
                .batches
                .iter()
                .find(|(b, ..)| b == id)
                .map(|(.., bytes)| bytes);
            assert_eq!(kept.as_ref(), want, "batch {id}");
        }
    }
}
