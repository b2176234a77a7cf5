//! What do the pages of a country and of one of its indicators show?

use super::{
    Service,
    ask::Ask,
    pages::{coverage, days, dimensions, evidence, parse_country, rounded, timeline, window},
    refused::Refused,
    tally::Tallies,
};
use crate::score::{
    indicator::Indicator,
    profile::METHOD,
    vintage::{first, hex},
};
use axum::{extract::Path, response::Response};
use faultline_core::verdict::RULES_VERSION;
use serde_json::json;

pub(super) async fn country(ask: Ask, Path(code): Path<String>) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    let key = format!("country {country}");
    let generation = move |s: &Service| s.scores.index().generation_of(country);
    ask.kept()
        .reply(key, "indicators", generation, move |page| {
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
        })
        .await
}

pub(super) async fn indicator(
    ask: Ask,
    Path((code, id)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    let id: Indicator = id
        .parse()
        .map_err(|()| Refused::not_found("no such indicator: /v1/method lists them"))?;
    let key = format!("indicator {country} {}", id.label());
    let generation = move |s: &Service| s.scores.index().generation_of(country);
    ask.reply(key, "networks", generation, move |page| {
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
    })
    .await
}
