//! What do the pages of the world and of a country show? Profiles, coverage and lists, in
//! the shapes that the dashboards know; as CSV with `?format=csv`, where `table` picks one
//! of several lists. Values are rounded to four decimals, and what is not published is null.

use super::{
    Service, on_disk,
    refused::Refused,
    scores::Outline,
    table,
    tally::{Line, Tallies, Tally},
};
use crate::score::{
    cell::Day,
    evidence::Counts,
    explain::{self, Account},
    floors::FLOORS,
    indicator::{self, Dimension, Indicator},
    profile::{Estimate, IndicatorScore, Interval, METHOD, Profile},
    vintage::{first, hex},
};
use axum::{
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
    verdict::RULES_VERSION,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// How a reply is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    format: Option<String>,
    table: Option<String>,
}

pub(super) type Asked = Result<Query<Wanted>, QueryRejection>;

/// One request of a page.
pub(super) struct Page<'a> {
    pub(super) service: &'a Service,
    /// Whether everything may be shown.
    pub(super) open: bool,
    /// The last day of the window.
    pub(super) last: Day,
}

/// Makes a reply, or gives the one that was made from the same evidence.
pub(super) async fn reply(
    service: Arc<Service>,
    headers: HeaderMap,
    asked: Asked,
    key: String,
    list: &'static str,
    generation: impl FnOnce(&Service) -> u64 + Send + 'static,
    make: impl FnOnce(&Page<'_>) -> Result<Value, Refused> + Send + 'static,
) -> Result<Response, Refused> {
    let Query(wanted) = asked.map_err(|e| Refused::bad_query(e.body_text()))?;
    let csv = super::read::wants_csv(wanted.format.as_deref())?;
    let open = service.is_operator(&headers) || service.config.public_evidence;
    let bytes = on_disk(move || {
        let last = service.scores.last((service.now)());
        let table = wanted.table.as_deref().unwrap_or(list);
        let key = format!("{key} {open} {last} {csv} {table}");
        let page = Page {
            service: &service,
            open,
            last,
        };
        service.scores.rendered(key, generation(&service), || {
            let value = make(&page)?;
            if csv {
                return table::csv(&value, table);
            }
            serde_json::to_vec(&value).map_err(|e| Refused::internal(&e))
        })
    })
    .await?;
    let kind = if csv {
        "text/csv; charset=utf-8"
    } else {
        "application/json"
    };
    let body = Body::from(bytes.as_ref().clone());
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// The evidence of all countries.
pub(super) fn of_all(service: &Service) -> u64 {
    service.scores.index().generation()
}

pub(super) async fn atlas(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Refused> {
    reply(
        service,
        headers,
        asked,
        "atlas".into(),
        "countries",
        |_| 0,
        |page| {
            let countries = page.service.scores.names.countries();
            let countries = countries.map(|(code, name)| json!({ "code": code, "name": name }));
            Ok(json!({
                "simulated": page.simulated(),
                "kind": if page.simulated() { "simulated" } else { "earth" },
                "countries": countries.collect::<Vec<_>>(),
            }))
        },
    )
    .await
}

pub(super) async fn world(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Refused> {
    reply(
        service,
        headers,
        asked,
        "world".into(),
        "countries",
        of_all,
        |page| {
            let (mut countries, mut changes) = (Vec::new(), Vec::new());
            for country in page.countries() {
                let Some(total) = page.total(country) else {
                    continue;
                };
                let profile = page.service.scores.profile(country, page.last);
                countries.push(json!({
                    "country": country,
                    "name": page.service.scores.names.country(country),
                    "dimensions": dimensions(&profile),
                    "coverage": coverage(&total, &profile),
                }));
                changes.extend(page.changes(country));
            }
            Ok(json!({
                "simulated": page.simulated(),
                "method": METHOD,
                "disclaimer": crate::score::method::DISCLAIMER,
                "window": window(page.last),
                "countries": countries,
                "changes": changes,
            }))
        },
    )
    .await
}

pub(super) async fn coverages(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Refused> {
    reply(
        service,
        headers,
        asked,
        "coverage".into(),
        "countries",
        of_all,
        |page| {
            let countries = page.countries().into_iter().filter_map(|country| {
                let total = page.total(country)?;
                let view = page.service.scores.view(country, page.last);
                let profile = page.service.scores.profile(country, page.last);
                Some(json!({
                    "country": country,
                    "name": page.service.scores.names.country(country),
                    "coverage": coverage(&total, &profile),
                    "networks": page.networks(view.networks.clone()),
                    "days": days(view.days.clone().public(page.open)),
                }))
            });
            Ok(json!({
                "simulated": page.simulated(),
                "window": window(page.last),
                "countries": countries.collect::<Vec<_>>(),
            }))
        },
    )
    .await
}

pub(super) async fn country(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Path(code): Path<String>,
    asked: Asked,
) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    let key = format!("country {country}");
    let generation = move |s: &Service| s.scores.index().generation_of(country);
    reply(
        service,
        headers,
        asked,
        key,
        "indicators",
        generation,
        move |page| {
            let (total, scores) = (page.known(country)?, &page.service.scores);
            let profile = scores.profile(country, page.last);
            let view = scores.view(country, page.last);
            let mut networks = page.networks(view.networks.clone());
            for (id, tallies) in &view.indicators {
                page.add_indicator(&mut networks, &profile, *id, tallies.clone());
            }
            let indicators = profile
                .indicators
                .iter()
                .map(|i| page.indicator(country, i));
            Ok(json!({
                "simulated": page.simulated(),
                "country": country,
                "name": scores.names.country(country),
                "method": METHOD,
                "disclaimer": crate::score::method::DISCLAIMER,
                "code_version": env!("CARGO_PKG_VERSION"),
                "rules": RULES_VERSION.to_string(),
                "seed": format!("{:016x}", profile.seed),
                "window": window(page.last),
                "vintage": {
                    "computed": (page.service.now)().to_string(),
                    "digest": hex(&profile.digest),
                    "references": page.service.references(),
                },
                "dimensions": dimensions(&profile),
                "coverage": coverage(&total, &profile),
                "indicators": indicators.collect::<Vec<_>>(),
                "networks": networks,
                "targets": page.targets(view.targets.clone()),
                "timeline": timeline(&scores.timeline(country, page.last)),
                "changes": page.changes(country),
            }))
        },
    )
    .await
}

pub(super) async fn indicator(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Path((code, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    let id: Indicator = id
        .parse()
        .map_err(|()| Refused::not_found("no such indicator: /v1/method lists them"))?;
    let key = format!("indicator {country} {}", id.label());
    let generation = move |s: &Service| s.scores.index().generation_of(country);
    reply(
        service,
        headers,
        asked,
        key,
        "networks",
        generation,
        move |page| {
            page.known(country)?;
            let scores = &page.service.scores;
            let profile = scores.profile(country, page.last);
            let score = profile
                .indicator(id)
                .ok_or_else(|| Refused::not_found("no such indicator"))?;
            let (mut targets, mut by_day) = (Tallies::default(), Tallies::default());
            let mut networks = Tallies::default();
            for seen in scores.index().seen(country, first(page.last)..=page.last) {
                for vote in seen.votes().iter().filter(|vote| vote.indicator == id) {
                    let text = if vote.by_name {
                        crate::score::services::host(&seen.target.text)
                    } else {
                        seen.target.text.clone()
                    };
                    targets.add(text, &seen, vote.deviates);
                    by_day.add(seen.day, &seen, vote.deviates);
                    networks.add(seen.asn, &seen, vote.deviates);
                }
            }
            let rates = &score.assessment.rates.networks;
            let networks = networks.public(page.open).into_iter().map(|line| {
                let rate = rates
                    .iter()
                    .find(|n| n.asn == line.key)
                    .map(|n| rounded(n.own));
                json!({
                    "asn": line.key,
                    "name": scores.names.network(line.key),
                    "probes": line.probes(),
                    "imported": line.imported,
                    "measurements": line.tally.measurements,
                    "deviations": line.tally.deviations,
                    "raw": rate,
                })
            });
            let targets = targets.public(page.open).into_iter().map(|line| {
                json!({
                    "target": line.key,
                    "category": page.service.category(&line.key),
                    "measurements": line.tally.measurements,
                    "deviations": line.tally.deviations,
                    "networks": line.tally.networks.len(),
                    "imported": line.imported,
                    "mechanisms": line.tally.mechanisms,
                })
            });
            Ok(json!({
                "simulated": page.simulated(),
                "country": country,
                "name": scores.names.country(country),
                "method": METHOD,
                "disclaimer": crate::score::method::DISCLAIMER,
                "window": window(page.last),
                "indicator": page.indicator(country, score),
                "networks": networks.collect::<Vec<_>>(),
                "targets": targets.collect::<Vec<_>>(),
                "days": days(by_day.public(page.open)),
                "evidence": evidence(country, id, page.last),
            }))
        },
    )
    .await
}

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
    fn add_indicator(
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

    fn changes(&self, country: Country) -> Vec<Value> {
        let scores = &self.service.scores;
        let changes = scores.changes(country, self.last);
        let one = |c: &crate::score::change::Change| {
            let middle = f64::midpoint(c.from, c.to);
            let timeline = scores.timeline(country, self.last);
            let recent = timeline.iter().filter(|(day, _)| *day > self.last - 28);
            let passed = |outline: &Outline| {
                let point = outline.get(c.dimension as usize).copied().flatten()?.0;
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
    fn indicator(&self, country: Country, score: &IndicatorScore) -> Value {
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
fn evidence(country: Country, id: Indicator, last: Day) -> String {
    let (since, until) = (date(first(last)), date(last));
    let id = id.label();
    format!("/v1/verdicts?country={country}&indicator={id}&since={since}&until={until}")
}

fn dimensions(profile: &Profile) -> Map<String, Value> {
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

fn timeline(days: &[(Day, Arc<Outline>)]) -> Vec<Value> {
    let one = |(day, outline): &(Day, Arc<Outline>)| {
        let of = |dimension: Dimension| {
            let (point, (low, high)) = outline.get(dimension as usize).copied().flatten()?;
            Some([rounded(point), rounded(low), rounded(high)])
        };
        let values = Dimension::ALL.map(|d| (d.label(), of(d)));
        let mut value = BTreeMap::from(values.map(|(label, value)| (label, json!(value))));
        value.insert("day", json!(date(*day)));
        json!(value)
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
