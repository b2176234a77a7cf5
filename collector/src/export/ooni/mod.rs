//! How do our measurements read as OONI's? One line of JSON for each run of the web experiment,
//! in the shape of `web_connectivity` 0.5 (data format 0.2.0), with OONI's own verdict on it.
//!
//! Only what the operator made public, and nothing of few: a network's measurements of a day are
//! there where three probes or more took them, and once the day is over. No identity of a probe,
//! none of a batch; a report of its own for each measurement, under a name that changes with
//! each release, so that nothing ties two measurements of a probe together.

mod document;
mod scrub;
mod steps;

pub use document::{Scene, document};

use super::floors::{GRAIN, Hold};
use crate::store::{Facts, MeasurementRow, StoreError, StoredBatch, payload_of};
use faultline_core::{
    id::{Asn, BatchId, Country, ProbeId},
    measurement::{Batch, ControlReport},
    time::UnixTime,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    net::IpAddr,
    ops::Range,
};

const DAY: i64 = 86_400_000_000;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub window: Range<UnixTime>,
    pub country: Option<Country>,
    /// What is not over by then is not there.
    pub now: UnixTime,
    pub hold: &'a Hold,
    /// Under which imports were taken; those are OONI's already.
    pub importer: Option<ProbeId>,
    /// Secret of this release.
    pub key: [u8; 32],
    pub simulated: bool,
}

/// What became of the measurements in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub written: u64,
    /// Of networks with fewer than three probes on the day.
    pub few: u64,
    /// Of days that are not over, or held back.
    pub waiting: u64,
    /// Of other experiments, or not to be counted.
    pub others: u64,
    /// Imported ones.
    pub imports: u64,
    /// Whose batches are kept no more.
    pub gone: u64,
}

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was written could not be.
    #[error("cannot write the measurements: {0}")]
    Write(#[from] io::Error),
}

/// Writes what may be published, by day and start.
pub fn export<S: Facts + ?Sized>(
    store: &S,
    wish: &Wish<'_>,
    out: &mut dyn Write,
) -> Result<Summary, ExportError> {
    let mut summary = Summary::default();
    let newest = UnixTime(wish.now.0.div_euclid(DAY) * DAY);
    // Whole days, whatever the window: what is counted does not follow from where it begins.
    let first = wish
        .window
        .start
        .0
        .max(crate::store::EARLIEST.0)
        .div_euclid(DAY);
    let last = wish.window.end.0.min(wish.now.0.saturating_add(1));
    let last = last.saturating_sub(1).div_euclid(DAY);
    for day in first..=last {
        let start = UnixTime(day * DAY);
        let rows = of_day(store, wish, start, &mut summary)?;
        let over = start < newest;
        let networks = networks(&rows);
        let mut batches = Batches {
            store,
            newest: None,
        };
        for row in rows {
            if !wish.window.contains(&row.started) {
                continue;
            }
            let risky = wish.hold.countries.contains(&row.country);
            let late = UnixTime(start.0 + 2 * DAY) > wish.now;
            if !over || (risky && late) {
                summary.waiting += 1;
                continue;
            }
            let probes = networks
                .get(&(row.country, row.asn))
                .map_or(0, BTreeSet::len);
            if probes < GRAIN as usize {
                summary.few += 1;
                continue;
            }
            match batches.document(&row, wish)? {
                Some(document) => {
                    serde_json::to_writer(&mut *out, &document).map_err(io::Error::from)?;
                    out.write_all(b"\n")?;
                    summary.written += 1;
                }
                None => summary.gone += 1,
            }
        }
    }
    out.flush()?;
    Ok(summary)
}

/// Measurements of a day that can be told in OONI's words.
fn of_day<S: Facts + ?Sized>(
    store: &S,
    wish: &Wish<'_>,
    start: UnixTime,
    summary: &mut Summary,
) -> Result<Vec<MeasurementRow>, StoreError> {
    let mut rows = Vec::new();
    store.measurements(start..UnixTime(start.0 + DAY), &mut |mut row| {
        let wanted = wish.country.is_none_or(|country| country == row.country);
        let inside = u64::from(wanted && wish.window.contains(&row.started));
        if Some(row.probe) == wish.importer {
            summary.imports += inside;
        } else if row.experiment != "web" || !row.scored || row.asn == Asn(0) {
            summary.others += inside;
        } else if wanted {
            // They are in the batch, too.
            row.observations = Vec::new();
            rows.push(row);
        }
        true
    })?;
    Ok(rows)
}

/// Who measured where.
fn networks(rows: &[MeasurementRow]) -> BTreeMap<(Country, Asn), BTreeSet<ProbeId>> {
    let mut networks: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in rows {
        networks
            .entry((row.country, row.asn))
            .or_default()
            .insert(row.probe);
    }
    networks
}

/// Batches, of which the last one often serves again.
struct Batches<'a, S: ?Sized> {
    store: &'a S,
    newest: Option<(BatchId, Option<(Batch, StoredBatch)>)>,
}

impl<S: Facts + ?Sized> Batches<'_, S> {
    fn document(
        &mut self,
        row: &MeasurementRow,
        wish: &Wish<'_>,
    ) -> Result<Option<serde_json::Value>, StoreError> {
        if self.newest.as_ref().is_none_or(|(id, _)| *id != row.batch) {
            let stored = self.store.batch(row.batch)?;
            let opened = stored.and_then(|s| Some((payload_of::<Batch>(&s.bytes)?, s)));
            self.newest = Some((row.batch, opened));
        }
        let Some((_, Some((batch, stored)))) = &self.newest else {
            return Ok(None);
        };
        let enrichment = &stored.receipt.enrichment;
        let mut all = batch.measurements.iter().zip(&enrichment.places);
        let Some((measurement, place)) = all.find(|(m, _)| m.id == row.id) else {
            return Ok(None);
        };
        // Signatures were checked when the batch came.
        let token = measurement.control.as_ref().filter(|_| place.control_valid);
        let control = token.and_then(|token| payload_of::<ControlReport>(&token.0));
        let networks: BTreeMap<IpAddr, Asn> = enrichment
            .addresses
            .iter()
            .map(|a| (a.ip.0, a.asn))
            .collect();
        Ok(Some(document(&Scene {
            measurement,
            control: control.as_ref(),
            country: row.country,
            asn: row.asn,
            networks: &networks,
            key: &wish.key,
            simulated: wish.simulated,
        })))
    }
}

#[cfg(test)]
mod tests;
