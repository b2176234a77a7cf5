//! What is known of each country and target, in numbers that name nobody? Read from what the
//! store counts as results come in; a request costs as much as its answer is long.

use super::{Service, on_disk, refused::Refused, wire};
use crate::store::{Facts, Source, Summary};
use axum::{extract::State, http::HeaderMap, response::Response};
use faultline_core::time::UnixTime;
use serde_json::{Value, json};
use std::sync::Arc;

/// Nothing about fewer probes of ours is public: one volunteer's habits are nobody's
/// business. Imports are public already.
const PROBES: u64 = 3;

pub(super) async fn summary(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let whole = service.is_operator(&headers) || service.config.public_evidence;
    on_disk(move || {
        // Imports have lines of their own: a difference of two lines would tell the rest.
        let rows: Vec<Value> = service
            .store
            .summary()?
            .iter()
            .filter(|s| whole || s.source == Source::Import || s.probes >= PROBES)
            .map(line)
            .collect();
        let value = json!({
            "simulated": service.config.simulated,
            "summary": rows,
        });
        wire::json(&headers, &value)
    })
    .await
}

fn line(s: &Summary) -> Value {
    let import = s.source == Source::Import;
    json!({
        "country": s.country,
        "target": s.target,
        "measurements": s.measurements,
        "imported": import,
        "observations": s.observations,
        "outcomes": s.outcomes,
        "mechanisms": s.mechanisms,
        "probes": if import { 0 } else { s.probes },
        "networks": s.networks,
        "first": day(s.hours.0),
        "last": day(s.hours.1),
    })
}

/// `2024-02-29`.
fn day(hour: i64) -> String {
    let time = UnixTime::from_secs(hour.saturating_mul(3600)).to_string();
    time.split('T').next().unwrap_or_default().to_owned()
}
