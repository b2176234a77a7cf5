//! Which measurements are asked for? The filters that lists of measurements and verdicts
//! share. The store applies what it has an index for; for the rest, the facts in memory say
//! where to look, and it is applied to what is found there.

use super::{Service, moment, refused::Refused, walk::Walk};
use crate::{
    score::{
        cell::{self, Day, Vote, votes},
        index::{Kind, Sought},
        indicator::Indicator,
        services::host,
    },
    store::{MeasurementRow, Query, Source, Store},
};
use faultline_core::{
    id::{Asn, Country, MeasurementId},
    time::UnixTime,
};
use serde::Deserialize;
use std::ops::Range;

/// As it stands in the query.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    country: Option<String>,
    asn: Option<u32>,
    target: Option<String>,
    experiment: Option<String>,
    indicator: Option<String>,
    outcome: Option<String>,
    mechanism: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
    pub(super) format: Option<String>,
}

/// As it is applied.
pub(super) struct Wanted {
    country: Option<Country>,
    indicator: Option<Indicator>,
    after: Option<(UnixTime, MeasurementId)>,
    window: Range<UnixTime>,
    /// How many at most.
    pub(super) limit: usize,
    words: Filter,
}

impl Filter {
    /// Reads the words.
    pub(super) fn read(self) -> Result<Wanted, Refused> {
        let country = self.country.as_deref().map(|code| {
            Country::new(code).ok_or_else(|| Refused::bad_query("a country is two letters"))
        });
        let indicator = self.indicator.as_deref().map(|id| {
            let unknown = || Refused::bad_query("no such indicator: /v1/method lists them");
            id.parse().map_err(|()| unknown())
        });
        let after = self.after.as_deref().map(cursor).transpose()?;
        let start = time("since", self.since.as_deref(), moment::parse)?;
        let end = time("until", self.until.as_deref(), moment::end)?;
        let (start, end) = (start.unwrap_or(OPEN.start), end.unwrap_or(OPEN.end));
        Ok(Wanted {
            country: country.transpose()?,
            indicator: indicator.transpose()?,
            after,
            window: start..end,
            limit: self.limit.unwrap_or(100).clamp(1, PAGE),
            words: self,
        })
    }
}

impl Wanted {
    /// The way through the store along what may fit, after the page before.
    pub(super) fn walk<'a>(
        &self,
        service: &'a Service,
        source: Option<Source>,
    ) -> Walk<'a, dyn Store> {
        let w = &self.words;
        let indexed = self.indicator.is_none()
            && w.asn.is_none()
            && w.experiment.is_none()
            && w.mechanism.is_none();
        let wanted = Query {
            after: self.after,
            target: w.target.clone(),
            outcome: w.outcome.clone(),
            source,
            observations: false,
            ..Query::within(OPEN, 0)
        };
        let streams = if indexed {
            vec![(self.country, vec![self.window.clone()])]
        } else {
            self.streams(service, source)
        };
        // One row more than wanted tells whether there is more.
        let at_once = (self.limit + 1).div_ceil(streams.len().max(1));
        let limit = if indexed { at_once } else { at_once.max(LEAST) };
        Walk::new(&*service.store, Query { limit, ..wanted }, streams)
    }

    /// By country, the days on which something stands that fits.
    fn streams(
        &self,
        service: &Service,
        source: Option<Source>,
    ) -> Vec<(Option<Country>, Vec<Range<UnixTime>>)> {
        let w = &self.words;
        let is = |wanted: &Option<String>, word: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == word)
        };
        let kind = |kind: &Kind, votes: &[Vote]| {
            is(&w.experiment, kind.experiment)
                && is(&w.outcome, &kind.outcome)
                && is(&w.mechanism, kind.mechanism.as_deref().unwrap_or(""))
                && (self.indicator).is_none_or(|id| votes.iter().any(|v| v.indicator == id))
        };
        let sought = Sought {
            asn: w.asn.map(Asn),
            target: w.target.as_deref(),
            source: source.map(|source| match source {
                Source::Import => cell::Source::Import,
                Source::Probe => cell::Source::Own,
            }),
            kind: &kind,
        };
        let start = (self.after).map_or(self.window.start, |(at, _)| at.max(self.window.start));
        let days = cell::day(start.0)..=cell::day(self.window.end.0.saturating_sub(1));
        if days.is_empty() {
            return Vec::new();
        }
        let index = service.scores.index();
        let standing = index.standing(self.country, days, &sought);
        let mut streams: Vec<_> = standing
            .into_iter()
            .map(|(country, days)| (Some(country), windows(&days, &self.window)))
            .collect();
        // Measurements of an unknown place are not among the facts: nothing is said of them.
        let nowhere = Some(Country::UNKNOWN);
        if w.asn.is_none_or(|asn| asn == 0)
            && self.indicator.is_none()
            && (self.country.is_none() || self.country == nowhere)
        {
            streams.push((nowhere, vec![self.window.clone()]));
        }
        streams
    }

    /// Whether a row of the store's answer is asked for.
    pub(super) fn fits(&self, service: &Service, row: &MeasurementRow) -> bool {
        let is = |wanted: &Option<String>, word: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == word)
        };
        let w = &self.words;
        w.asn.is_none_or(|asn| asn == row.asn.0)
            && is(&w.experiment, row.experiment)
            && is(&w.mechanism, row.verdict.mechanism.as_deref().unwrap_or(""))
            && self.indicator.is_none_or(|id| {
                let service = service.scores.services().at(&host(&row.target));
                row.scored
                    && votes(row, service.is_some())
                        .iter()
                        .any(|v| v.indicator == id)
            })
    }
}

/// The windows of days, as far as they lie in `window`; days that follow each other share one.
fn windows(days: &[Day], window: &Range<UnixTime>) -> Vec<Range<UnixTime>> {
    let mut windows: Vec<Range<UnixTime>> = Vec::new();
    for day in days {
        let start = UnixTime(i64::from(*day) * moment::DAY);
        let end = UnixTime(start.0 + moment::DAY).min(window.end);
        match windows.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => windows.push(start.max(window.start)..end),
        }
    }
    windows
}

/// All time.
const OPEN: Range<UnixTime> = UnixTime(i64::MIN)..UnixTime(i64::MAX);
/// Rows that are read at a time where not all may fit, at least.
const LEAST: usize = 16;
/// Most rows of a page.
const PAGE: usize = 1000;

pub(super) fn time(
    name: &str,
    text: Option<&str>,
    read: fn(&str) -> Option<UnixTime>,
) -> Result<Option<UnixTime>, Refused> {
    let read = |text| {
        read(text).ok_or_else(|| {
            Refused::bad_query(format!(
                "{name} is a date or a time in UTC, like 2026-11-24 or 2026-11-24T01:02:03Z"
            ))
        })
    };
    text.map(read).transpose()
}

/// `after`: where the page before ended, as its `next` said.
fn cursor(text: &str) -> Result<(UnixTime, MeasurementId), Refused> {
    text.rsplit_once('-')
        .and_then(|(t, id)| Some((UnixTime(t.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| Refused::bad_query("after is the `next` of the page before"))
}
