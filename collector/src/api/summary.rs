//! What is known of each country and target, in numbers that name nobody?

use super::{Service, on_disk, read::ALWAYS, refused::Refused};
use crate::store::Facts;
use axum::{Json, extract::State, http::HeaderMap};
use faultline_core::id::{Asn, Country, ProbeId};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Default)]
struct Tally {
    measurements: u64,
    observations: u64,
    outcomes: BTreeMap<String, u64>,
    mechanisms: BTreeMap<String, u64>,
    probes: BTreeSet<ProbeId>,
    networks: BTreeSet<Asn>,
    span: Option<(String, String)>,
}

/// Nothing about fewer probes of ours is public: one volunteer's habits are nobody's
/// business. Imports are public already.
const PROBES: usize = 3;

pub(super) async fn summary(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    let whole = service.is_operator(&headers) || service.config.public_evidence;
    on_disk(move || {
        // Imports have lines of their own: a difference of two lines would tell the rest.
        let mut tallies: BTreeMap<(Country, String, bool), Tally> = BTreeMap::new();
        service.store.measurements(ALWAYS, &mut |row| {
            if row.scored {
                let import = service.is_import(&row);
                let key = (row.country, row.target, import);
                let tally = tallies.entry(key).or_default();
                tally.measurements += 1;
                tally.observations += row.observations.len() as u64;
                *tally.outcomes.entry(row.verdict.outcome).or_default() += 1;
                if let Some(mechanism) = row.verdict.mechanism {
                    *tally.mechanisms.entry(mechanism).or_default() += 1;
                }
                tally.probes.insert(row.probe);
                tally.networks.insert(row.asn);
                let at = row.started.to_string()[..10].to_owned();
                match &mut tally.span {
                    Some((_, last)) => *last = at,
                    none => *none = Some((at.clone(), at)),
                }
            }
            true
        })?;
        let rows: Vec<Value> = tallies
            .iter()
            .filter(|((.., import), tally)| whole || *import || tally.probes.len() >= PROBES)
            .map(|((country, target, import), tally)| line(*country, target, *import, tally))
            .collect();
        Ok(Json(json!({
            "simulated": service.config.simulated,
            "summary": rows,
        })))
    })
    .await
}

fn line(country: Country, target: &str, import: bool, tally: &Tally) -> Value {
    json!({
        "country": country,
        "target": target,
        "measurements": tally.measurements,
        "imported": import,
        "observations": tally.observations,
        "outcomes": tally.outcomes,
        "mechanisms": tally.mechanisms,
        "probes": if import { 0 } else { tally.probes.len() },
        "networks": tally.networks.len(),
        "first": tally.span.as_ref().map(|s| &s.0),
        "last": tally.span.as_ref().map(|s| &s.1),
    })
}
