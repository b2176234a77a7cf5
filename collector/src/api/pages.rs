//! How are a profile and what lies behind it put into JSON? In the shapes that the dashboards
//! know. Values are rounded to four decimals, and what is not published is null.

use super::{
    ask::Page,
    refused::Refused,
    scores::Outline,
    tally::{Line, Tallies, Tally},
};
use crate::score::{
    cell::Day,
    evidence::Counts,
    explain::{self, Account},
    floors::FLOORS,
    indicator::{self, Dimension, Indicator},
    profile::{Estimate, IndicatorScore, Interval, Profile, Shown},
    vintage::first,
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Page<'_> {
    pub(super) fn simulated(&self) -> bool {
        self.service.config.simulated
    }

    pub(super) fn countries(&self) -> Vec<Country> {
        self.service.scores.index().countries().collect()
    }

    /// What may be summed of a country; none where nothing of it is public.
    pub(super) fn total(&self, country: Country) -> Option<Tally> {
        let view = self.service.scores.view(country, self.last);
        let total = view.networks.total(self.open);
        (total.measurements > 0).then_some(total)
    }

    /// Hidden and absent look alike.
    pub(super) fn known(&self, country: Country) -> Result<Tally, Refused> {
        self.total(country)
            .ok_or_else(|| Refused::not_found("nothing public is known of this country"))
    }

    /// Lines of networks.
    pub(super) fn networks(&self, tallies: Tallies<Asn>) -> Vec<Value> {
        let lines = tallies.public(self.open).into_iter();
        lines
            .map(|line| {
                json!({
                    "asn": line.key,
                    "name": self.service.scores.names.network(line.key),
                    "probes": line.probes(),
                    "imported": line.imported,
                    "measurements": line.tally.measurements,
                    "indicators": {},
                })
            })
            .collect()
    }

    /// What each network's line says to an indicator.
    pub(super) fn add_indicator(
        &self,
        networks: &mut [Value],
        profile: &Profile,
        id: Indicator,
        tallies: Tallies<Asn>,
    ) {
        let Some(score) = profile.indicator(id) else {
            return;
        };
        let a = &score.assessment;
        for line in tallies.public(self.open) {
            let rate = a.rates.networks.iter().find(|n| n.asn == line.key);
            let rate = rate.filter(|_| a.evidence.imported == line.imported);
            let of = networks
                .iter_mut()
                .find(|n| n["asn"] == json!(line.key) && n["imported"] == json!(line.imported));
            if let Some(network) = of {
                network["indicators"][id.label()] = json!({
                    "raw": rate.map(|n| rounded(n.own)),
                    "measurements": line.tally.measurements,
                    "deviations": line.tally.deviations,
                });
            }
        }
    }

    /// Lines of targets.
    pub(super) fn targets(&self, tallies: Tallies<u32>) -> Vec<Value> {
        let lines = tallies.public(self.open);
        let index = self.service.scores.index();
        let mut lines: Vec<_> = lines
            .into_iter()
            .filter_map(|line| Some((index.target(line.key)?.text.clone(), line)))
            .collect();
        lines.sort_by(|a, b| (&a.0, a.1.imported).cmp(&(&b.0, b.1.imported)));
        let lines = lines.into_iter().map(|(target, line)| {
            json!({
                "target": target,
                "category": self.service.category(&target),
                "measurements": line.tally.measurements,
                "networks": line.tally.networks.len(),
                "probes": line.probes(),
                "imported": line.imported,
                "outcomes": line.tally.outcomes,
                "mechanisms": line.tally.mechanisms,
            })
        });
        lines.collect()
    }

    pub(super) fn changes(&self, country: Country) -> Vec<Value> {
        let scores = &self.service.scores;
        let changes = scores.changes(country, self.last);
        let one = |c: &crate::score::change::Change| {
            let middle = f64::midpoint(c.from, c.to);
            let timeline = scores.timeline(country, self.last);
            let recent = timeline.iter().filter(|(day, _)| *day > self.last - 28);
            let passed = |outline: &Outline| {
                let shown = outline.get(c.dimension as usize).copied().flatten()?;
                let point = shown.point()?;
                Some(if c.to > c.from {
                    point >= middle
                } else {
                    point <= middle
                })
            };
            let since = recent.into_iter().find(|(_, o)| passed(o) == Some(true));
            json!({
                "country": country,
                "dimension": c.dimension,
                "from": rounded(c.from),
                "to": rounded(c.to),
                "probability": rounded(c.probability),
                "since": date(since.map_or(self.last, |(day, _)| *day)),
            })
        };
        changes.iter().map(one).collect()
    }

    /// One indicator with its account. Counts below the floor are nobody's business.
    pub(super) fn indicator(&self, country: Country, score: &IndicatorScore) -> Value {
        let a = &score.assessment;
        let shown = self.open
            || a.evidence.imported
            || a.evidence.probes.len() >= FLOORS.public_probes as usize;
        let total = if shown { a.total() } else { Counts::default() };
        let count = |number: usize| if shown { number } else { 0 };
        let account = explain::indicator(score);
        json!({
            "id": a.spec.id,
            "title": a.spec.title,
            "dimension": a.spec.dimension,
            "tier": a.spec.tier,
            "weight": rounded(indicator::weight(a.spec)),
            "raw": a.rates.raw.filter(|_| a.published()).map(rounded),
            "score": estimate(&score.estimate),
            "networks": count(a.evidence.networks.len()),
            "networks_deviating": if a.published() { a.deviating() } else { 0 },
            "probes": if a.evidence.imported { Value::Null } else { json!(count(a.evidence.probes.len())) },
            "imported": a.evidence.imported,
            "measurements": total.trials,
            "deviations": total.deviations,
            "explanation": account.explanation,
            "alternatives": account.alternatives,
            "not_covered": account.not_covered,
            "evidence": evidence(country, a.spec.id, self.last),
        })
    }
}

pub(super) fn parse_country(code: &str) -> Result<Country, Refused> {
    Country::new(code).ok_or_else(|| Refused::bad_query("a country is two letters"))
}

/// Where the verdicts behind an indicator are listed.
pub(super) fn evidence(country: Country, id: Indicator, last: Day) -> String {
    let (since, until) = (date(first(last)), date(last));
    let id = id.label();
    format!("/v1/verdicts?country={country}&indicator={id}&since={since}&until={until}")
}

pub(super) fn dimensions(profile: &Profile) -> Map<String, Value> {
    let one = |dimension: Dimension| {
        let score = profile.dimension(dimension)?;
        let mut value = estimate(&score.estimate);
        let Account {
            explanation,
            alternatives,
            not_covered,
        } = explain::dimension(profile, score);
        if let Value::Object(map) = &mut value {
            map.insert("dimension".into(), json!(dimension));
            map.insert("explanation".into(), json!(explanation));
            map.insert("alternatives".into(), json!(alternatives));
            map.insert("not_covered".into(), json!(not_covered));
            let range = score.without_one_probe.map(pair);
            map.insert("loo_range".into(), json!(range));
        }
        Some((dimension.label().to_owned(), value))
    };
    Dimension::ALL.into_iter().filter_map(one).collect()
}

fn estimate(e: &Estimate) -> Value {
    json!({
        "state": match e.point {
            Some(_) => "published",
            None if e.contested.is_some() => "divided",
            None => "insufficient",
        },
        "reasons": e.reasons,
        "point": e.point.map(rounded),
        "interval": e.interval.map(pair),
        "method_interval": e.method_interval.map(pair),
        "bounds": e.bounds.map(pair),
        "contested": e.contested.map(pair),
        "grade": e.grade,
    })
}

pub(super) fn coverage(total: &Tally, profile: &Profile) -> Value {
    json!({
        "networks": total.networks.len(),
        "probes": total.probes.len(),
        "days": total.days.len(),
        "user_share": profile.coverage.user_share.map(rounded),
        "measurements": total.measurements,
    })
}

pub(super) fn timeline(days: &[(Day, Arc<Outline>)]) -> Vec<Value> {
    let one = |(day, outline): &(Day, Arc<Outline>)| {
        let mut value = Map::new();
        value.insert("day".into(), json!(date(*day)));
        for dimension in Dimension::ALL {
            let shown = outline.get(dimension as usize).copied().flatten();
            let (point, contested) = match shown {
                Some(Shown::Point(point, (low, high))) => {
                    (Some([point, low, high].map(rounded)), None)
                }
                Some(Shown::Divided(range)) => (None, Some(pair(range))),
                None => (None, None),
            };
            let label = dimension.label();
            value.insert(label.into(), json!(point));
            value.insert(format!("{label}_contested"), json!(contested));
        }
        Value::Object(value)
    };
    days.iter().map(one).collect()
}

/// Lines of days.
pub(super) fn days(lines: Vec<Line<Day>>) -> Vec<Value> {
    let one = |line: Line<Day>| {
        json!({
            "day": date(line.key),
            "probes": line.probes(),
            "imported": line.imported,
            "measurements": line.tally.measurements,
            "deviations": line.tally.deviations,
            "anomalies": line.tally.outcomes.get("anomaly").copied().unwrap_or(0),
        })
    };
    lines.into_iter().map(one).collect()
}

pub(super) fn window(last: Day) -> Value {
    json!({ "from": date(first(last)), "to": date(last), "days": FLOORS.window_days })
}

/// `2027-01-15`.
pub(super) fn date(day: Day) -> String {
    let mut text = UnixTime::from_secs(i64::from(day) * 86_400).to_string();
    text.truncate(text.find('T').unwrap_or(10));
    text
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn pair((low, high): Interval) -> [f64; 2] {
    [rounded(low), rounded(high)]
}
