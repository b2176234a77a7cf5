//! What do the pages of the world and of coverage show?

use super::{
    ask::{Ask, of_all},
    pages::{coverage, days, dimensions, window},
    refused::Refused,
};
use crate::score::profile::METHOD;
use axum::response::Response;
use serde_json::json;

pub(super) async fn atlas(ask: Ask) -> Result<Response, Refused> {
    ask.kept()
        .reply(
            "atlas",
            "countries",
            |_| 0,
            |page| {
                let countries = page.service.scores.names.countries();
                let countries =
                    countries.map(|(code, name)| json!({ "code": code, "name": name }));
                Ok(json!({
                    "simulated": page.simulated(),
                    "kind": if page.simulated() { "simulated" } else { "earth" },
                    "countries": countries.collect::<Vec<_>>(),
                }))
            },
        )
        .await
}

pub(super) async fn world(ask: Ask) -> Result<Response, Refused> {
    ask.kept()
        .reply("world", "countries", of_all, |page| {
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
        })
        .await
}

pub(super) async fn coverages(ask: Ask) -> Result<Response, Refused> {
    ask.kept()
        .reply("coverage", "countries", of_all, |page| {
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
        })
        .await
}
