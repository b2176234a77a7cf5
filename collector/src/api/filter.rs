//! Which measurements are asked for? The filters that lists of measurements and verdicts
//! share. The store applies what it has an index for, the rest is applied to what it finds.

use super::{Service, moment, refused::Refused};
use crate::{
    score::{cell::votes, indicator::Indicator, services::host},
    store::{MeasurementRow, Query, Source},
};
use faultline_core::{
    id::{Country, MeasurementId},
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
    /// What the store can answer of it. One row more than wanted tells whether there is more;
    /// where most rows may not fit, they come in large pages.
    pub(super) fn query(&self, source: Option<Source>) -> Query {
        let w = &self.words;
        let all_fit = self.indicator.is_none()
            && w.asn.is_none()
            && w.experiment.is_none()
            && w.mechanism.is_none();
        Query {
            after: self.after,
            country: self.country,
            target: w.target.clone(),
            outcome: w.outcome.clone(),
            source,
            observations: false,
            ..Query::within(
                self.window.clone(),
                if all_fit { self.limit + 1 } else { PAGE },
            )
        }
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

/// All time.
const OPEN: Range<UnixTime> = UnixTime(i64::MIN)..UnixTime(i64::MAX);
/// Most rows of a page.
const PAGE: usize = 1000;

fn time(
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
