//! Which rows does a release need? What the store of events has by a moment: every revision and
//! all evidence, which places were covered, and bins of the time around events that may be
//! published.

use super::floors::{Hold, Material, publish};
use crate::{
    detect::event::{Location, Revision},
    store::{EARLIEST, StoreError, events::Events},
};
use faultline_core::{id::Country, time::UnixTime};
use std::{collections::BTreeSet, ops::Range};

const HOUR: i64 = 3_600_000_000;
/// Before and after an event.
const AROUND: i64 = 2 * HOUR;

/// Reads what was known at a moment, for events that touch a window.
pub fn gather<E: Events + ?Sized>(
    store: &E,
    as_of: UnixTime,
    window: &Range<UnixTime>,
    hold: &Hold,
) -> Result<Material, StoreError> {
    let until = UnixTime(as_of.0.saturating_add(1));
    let mut all = Material::default();
    store.each_revision(until, &mut |revision, _| {
        all.revisions.push(revision);
        true
    })?;
    store.each_evidence(until, &mut |evidence| {
        all.evidence.push(evidence);
        true
    })?;
    all.coverage = store.coverage(EARLIEST..until)?;
    // By what is published: the bounds of a time, too, would say what is not.
    let published = publish(&all, as_of, hold).revisions;
    let newest = published.chunk_by(|a, b| a.event_id == b.event_id);
    let touching: Vec<Near> = newest
        .filter_map(|event| Some(Near::of(event.last()?, as_of)))
        .filter(|near| near.span.start < window.end && near.span.end >= window.start)
        .collect();
    for span in spans(&touching) {
        store.each_bin(span, &mut |bin| {
            if touching
                .iter()
                .any(|near| near.takes(&bin.location, bin.at))
            {
                all.bins.push(bin);
            }
            true
        })?;
    }
    Ok(all)
}

/// The time and the places around an event.
struct Near {
    span: Range<UnixTime>,
    countries: BTreeSet<Country>,
    place: Location,
}

impl Near {
    fn of(event: &Revision, as_of: UnixTime) -> Self {
        let end = event.end.unwrap_or(as_of).min(as_of);
        let whole = |at: i64| at.div_euclid(HOUR).saturating_mul(HOUR);
        let start = whole(event.start.0.saturating_sub(AROUND));
        let end = whole(end.0.saturating_add(AROUND)).saturating_add(HOUR);
        Self {
            span: UnixTime(start)..UnixTime(end),
            countries: event.countries.iter().copied().collect(),
            place: event.location.clone(),
        }
    }

    fn takes(&self, place: &Location, at: UnixTime) -> bool {
        let country = place.country();
        let near = *place == self.place
            || *place == Location::World
            || country.is_some_and(|country| self.countries.contains(&country));
        near && self.span.contains(&at)
    }
}

/// Times that do not touch, in order.
fn spans(all: &[Near]) -> Vec<Range<UnixTime>> {
    let mut spans: Vec<Range<UnixTime>> = all.iter().map(|near| near.span.clone()).collect();
    spans.sort_by_key(|span| span.start);
    let mut joined: Vec<Range<UnixTime>> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}
