//! What is known of each country and target, in numbers that name nobody?

use super::{Service, on_disk, read::ALWAYS, refused::Refused};
use crate::store::Facts;
use axum::{Json, extract::State};
use faultline_core::id::{Asn, Country, ProbeId};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Default)]
struct Tally {
    measurements: u64,
    imported: u64,
    observations: u64,
    outcomes: BTreeMap<String, u64>,
    mechanisms: BTreeMap<String, u64>,
    probes: BTreeSet<ProbeId>,
    networks: BTreeSet<Asn>,
    span: Option<(String, String)>,
}

pub(super) async fn summary(
    State(service): State<Arc<Service>>,
) -> Result<Json<Value>, Refused> {
    on_disk(move || {
        let mut tallies: BTreeMap<(Country, String), Tally> = BTreeMap::new();
        service.store.measurements(ALWAYS, &mut |row| {
            if row.scored {
                let import = service.is_import(&row);
                let key = (row.country, row.target);
                let tally = tallies.entry(key).or_default();
                tally.measurements += 1;
                tally.observations += row.observations.len() as u64;
                *tally.outcomes.entry(row.verdict.outcome).or_default() += 1;
                if let Some(mechanism) = row.verdict.mechanism {
                    *tally.mechanisms.entry(mechanism).or_default() += 1;
                }
                if import {
                    tally.imported += 1;
                } else {
                    tally.probes.insert(row.probe);
                }
                tally.networks.insert(row.asn);
                let at = row.started.to_string();
                match &mut tally.span {
                    Some((_, last)) => *last = at,
                    none => *none = Some((at.clone(), at)),
                }
            }
            true
        })?;
        let rows: Vec<Value> = tallies.iter().map(|((c, t), n)| line(*c, t, n)).collect();
        Ok(Json(json!({
            "simulated": service.config.simulated,
            "summary": rows,
        })))
    })
    .await
}

fn line(country: Country, target: &str, tally: &Tally) -> Value {
    json!({
        "country": country,
        "target": target,
        "measurements": tally.measurements,
        "imported": tally.imported,
        "observations": tally.observations,
        "outcomes": tally.outcomes,
        "mechanisms": tally.mechanisms,
        "probes": tally.probes.len(),
        "networks": tally.networks.len(),
        "first": tally.span.as_ref().map(|s| &s.0),
        "last": tally.span.as_ref().map(|s| &s.1),
    })
}
