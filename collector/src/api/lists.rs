//! What do the pages of networks and targets show, and what does the method say?

use super::{
    Service,
    ask::{Ask, of_all},
    pages::{coverage, date, days, rounded, window},
    refused::Refused,
    tally::Tallies,
};
use crate::score::{
    cell::Day,
    indicator::{self, Indicator},
    method,
    vintage::first,
};
use axum::{extract::Path, response::Response};
use faultline_core::id::{Asn, Country};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn network(ask: Ask, Path(asn): Path<String>) -> Result<Response, Refused> {
    let number = asn.trim_start_matches("AS").parse();
    let asn = Asn(number.map_err(|_| Refused::bad_query("a network is a number"))?);
    let key = format!("network {}", asn.0);
    ask.reply(key, "targets", of_all, move |page| {
        let scores = &page.service.scores;
        let nothing = || Refused::not_found("nothing public is known of this network");
        // A network stands in one country, mostly: the one with most of its measurements.
        let country = page
            .countries()
            .into_iter()
            .filter_map(|c| {
                let lines = scores.view(c, page.last).networks.clone().public(page.open);
                let lines = lines.iter().filter(|line| line.key == asn);
                let count: u64 = lines.map(|line| line.tally.measurements).sum();
                (count > 0).then_some((count, c))
            })
            .max()
            .map(|(_, country)| country)
            .ok_or_else(nothing)?;
        let profile = scores.profile(country, page.last);
        let (mut targets, mut by_day, mut whole) =
            (Tallies::default(), Tallies::default(), Tallies::default());
        let mut indicators: BTreeMap<Indicator, Tallies<()>> = BTreeMap::new();
        for seen in scores.index().seen(country, first(page.last)..=page.last) {
            if seen.asn != asn || !seen.kind.scored {
                continue;
            }
            let anomaly = seen.kind.outcome == "anomaly";
            targets.add(seen.target_number, &seen, anomaly);
            by_day.add(seen.day, &seen, anomaly);
            whole.add((), &seen, anomaly);
            for vote in seen.votes() {
                let of = indicators.entry(vote.indicator).or_default();
                of.add((), &seen, vote.deviates);
            }
        }
        let mut values = Vec::new();
        for (id, tallies) in indicators {
            let score = profile.indicator(id).map(|i| &i.assessment);
            let spec = id.spec();
            for line in tallies.public(page.open) {
                let score = score.filter(|a| a.evidence.imported == line.imported);
                let rate = score.and_then(|a| a.rates.networks.iter().find(|n| n.asn == asn));
                values.push(json!({
                    "id": id,
                    "title": spec.title,
                    "dimension": spec.dimension,
                    "tier": spec.tier,
                    "weight": rounded(indicator::weight(spec)),
                    "raw": rate.map(|n| rounded(n.own)),
                    "probes": line.probes(),
                    "imported": line.imported,
                    "measurements": line.tally.measurements,
                    "deviations": line.tally.deviations,
                }));
            }
        }
        let total = whole.total(page.open);
        let mut covered = coverage(&total, &profile);
        covered["user_share"] = json!(scores.share(country, asn).map(rounded));
        Ok(json!({
            "simulated": page.simulated(),
            "asn": asn,
            "name": scores.names.network(asn),
            "country": country,
            "country_name": scores.names.country(country),
            "window": window(page.last),
            "coverage": covered,
            "indicators": values,
            "targets": page.targets(targets),
            "days": days(by_day.public(page.open)),
            "evidence": format!("/v1/verdicts?asn={}&since={}&until={}",
                asn.0, date(first(page.last)), date(page.last)),
        }))
    })
    .await
}

pub(super) async fn targets(ask: Ask) -> Result<Response, Refused> {
    ask.reply("targets", "targets", of_all, |page| {
        let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for country in page.countries() {
            let view = page.service.scores.view(country, page.last);
            let lines = view.targets.clone().public(page.open);
            let index = page.service.scores.index();
            let mut here: BTreeMap<&str, u64> = BTreeMap::new();
            for line in &lines {
                if let Some(target) = index.target(line.key) {
                    *here.entry(&target.text).or_default() += line.tally.measurements;
                }
            }
            for (target, measurements) in here {
                let sum = all.entry(target.to_owned()).or_default();
                *sum = (sum.0 + 1, sum.1 + measurements);
            }
        }
        let targets = all.into_iter().map(|(target, (countries, measurements))| {
            json!({
                "category": page.service.category(&target),
                "target": target,
                "countries": countries,
                "measurements": measurements,
            })
        });
        Ok(json!({
            "simulated": page.simulated(),
            "window": window(page.last),
            "targets": targets.collect::<Vec<_>>(),
        }))
    })
    .await
}

pub(super) async fn target(ask: Ask, Path(target): Path<String>) -> Result<Response, Refused> {
    let key = format!("target {target}");
    ask.reply(key, "countries", of_all, move |page| {
        let scores = &page.service.scores;
        let (mut by_country, mut by_day) = (Tallies::<Country>::default(), Tallies::default());
        let mut history: BTreeMap<Country, Tallies<Day>> = BTreeMap::new();
        for country in page.countries() {
            for seen in scores.index().seen(country, first(page.last)..=page.last) {
                if seen.target.text == target && seen.kind.scored {
                    let anomaly = seen.kind.outcome == "anomaly";
                    by_country.add(country, &seen, anomaly);
                    by_day.add(seen.day, &seen, anomaly);
                    let of = history.entry(country).or_default();
                    of.add(seen.day, &seen, anomaly);
                }
            }
        }
        let lines = by_country.public(page.open);
        if lines.is_empty() {
            return Err(Refused::not_found("nothing public is known of this target"));
        }
        // Of countries that are shown: each one's days hide what its sum would tell.
        let shown: BTreeSet<Country> = lines.iter().map(|line| line.key).collect();
        let history = history.into_iter().filter(|(code, _)| shown.contains(code));
        let history = history.flat_map(|(code, tallies)| {
            let mut lines = days(tallies.public(page.open));
            for line in &mut lines {
                line["country"] = json!(code);
            }
            lines
        });
        let countries = lines.into_iter().map(|line| {
            json!({
                "country": line.key,
                "name": scores.names.country(line.key),
                "measurements": line.tally.measurements,
                "networks": line.tally.networks.len(),
                "probes": line.probes(),
                "imported": line.imported,
                "outcomes": line.tally.outcomes,
                "mechanisms": line.tally.mechanisms,
            })
        });
        Ok(json!({
            "simulated": page.simulated(),
            "window": window(page.last),
            "target": target,
            "category": page.service.category(&target),
            "countries": countries.collect::<Vec<_>>(),
            "days": days(by_day.public(page.open)),
            "history": history.collect::<Vec<_>>(),
            "waves": page.waves_of(&target),
        }))
    })
    .await
}

pub(super) async fn method(ask: Ask) -> Result<Response, Refused> {
    ask.kept()
        .reply(
            "method",
            "indicators",
            |_| 0,
            |page| {
                let mut value = method::document();
                value["simulated"] = Value::Bool(page.simulated());
                Ok(value)
            },
        )
        .await
}

impl Service {
    /// The category of a target or of its name.
    pub(super) fn category(&self, target: &str) -> Option<String> {
        self.scores.category(target, &self.targets)
    }

    /// Digests of what scores rest on beside the evidence.
    pub fn references(&self) -> BTreeMap<String, String> {
        let mut references = self.scores.references().clone();
        let geo = crate::score::vintage::hex(&self.enricher.digest());
        references.insert("geo_databases".into(), geo);
        references.insert("top_level_domains".into(), self.traces.version().into());
        references
    }
}
