//! Which measurements are asked for? The filters that lists of measurements and verdicts
//! share; days are UTC, both ends included.

use super::{Service, refused::Refused};
use crate::{
    score::{cell::votes, indicator::Indicator, services::host},
    store::MeasurementRow,
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
    /// Where to look.
    pub(super) window: Range<UnixTime>,
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
        let since = self.since.as_deref().map(day).transpose()?;
        let until = self.until.as_deref().map(day).transpose()?;
        let start = since.map_or(i64::MIN, |day| day * DAY);
        let end = until.map_or(i64::MAX, |day| (day + 1) * DAY);
        let start = after.map_or(start, |(started, _)| started.0.max(start));
        Ok(Wanted {
            country: country.transpose()?,
            indicator: indicator.transpose()?,
            after,
            window: UnixTime(start)..UnixTime(end),
            limit: self.limit.unwrap_or(100).clamp(1, 1000),
            words: self,
        })
    }
}

impl Wanted {
    /// Whether a row is asked for.
    pub(super) fn fits(&self, service: &Service, row: &MeasurementRow) -> bool {
        let is = |wanted: &Option<String>, word: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == word)
        };
        let w = &self.words;
        self.after.is_none_or(|after| (row.started, row.id) > after)
            && self.country.is_none_or(|c| c == row.country)
            && w.asn.is_none_or(|asn| asn == row.asn.0)
            && is(&w.target, &row.target)
            && is(&w.experiment, row.experiment)
            && is(&w.outcome, &row.verdict.outcome)
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

const DAY: i64 = 86_400_000_000;

/// Days since 1970 of a `2027-01-15` (the inverse of the era arithmetic in core's `time`).
fn day(text: &str) -> Result<i64, Refused> {
    let wrong = || Refused::bad_query("a day is written 2027-01-15");
    let parts: Vec<i64> = text.split('-').filter_map(|p| p.parse().ok()).collect();
    let [year @ 1..=9999, month @ 1..=12, day @ 1..=31] = parts.as_slice() else {
        return Err(wrong());
    };
    let (year, shifted) = (year - i64::from(*month <= 2), (month + 9) % 12);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    if super::pages::date(days as i32) == text {
        Ok(days)
    } else {
        Err(wrong())
    }
}

/// `after`: where the page before ended, as its `next` said.
fn cursor(text: &str) -> Result<(UnixTime, MeasurementId), Refused> {
    text.rsplit_once('-')
        .and_then(|(t, id)| Some((UnixTime(t.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| Refused::bad_query("after is the `next` of the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_read_and_days_that_are_none_do_not() {
        assert_eq!(day("1970-01-01").unwrap(), 0);
        assert_eq!(day("2024-02-29").unwrap(), 19_782);
        assert_eq!(day("2027-01-15").unwrap(), 20_833);
        for text in [
            "2023-02-29",
            "2023-13-01",
            "today",
            "2023-1-1",
            "2023-01-01-01",
        ] {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
