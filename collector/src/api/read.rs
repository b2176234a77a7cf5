//! What can be read, one measurement after the other?

use super::{Service, evidence, on_disk, refused::Refused};
use crate::store::{Facts, MeasurementRow};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::HeaderMap,
};
use faultline_core::{
    id::{Country, MeasurementId},
    time::UnixTime,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// All times.
pub(super) const ALWAYS: std::ops::Range<UnixTime> = UnixTime(i64::MIN)..UnixTime(i64::MAX);

/// Which measurements are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    country: Option<String>,
    target: Option<String>,
    outcome: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

pub(super) async fn health(State(service): State<Arc<Service>>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "time": (service.now)().to_string(),
        "simulated": service.config.simulated,
        "control": service.config.control.enabled,
    }))
}

pub(super) async fn measurements(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let operator = service.is_operator(&headers);
    let at = Arc::clone(&service);
    list(service, filter, "measurements", move |row| {
        at.may_show(row, operator)
            .then(|| evidence::brief(&at, row))
    })
    .await
}

/// Verdicts of the measurements that may be shown.
pub(super) async fn verdicts(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let operator = service.is_operator(&headers);
    let at = Arc::clone(&service);
    list(service, filter, "verdicts", move |row| {
        at.may_show(row, operator).then(|| {
            json!({
                "measurement": row.id,
                "country": row.country,
                "asn": row.asn,
                "target": row.target,
                "outcome": row.verdict.outcome,
                "mechanism": row.verdict.mechanism,
                "rules": row.verdict.rules,
                "scored": row.scored,
            })
        })
    })
    .await
}

pub(super) async fn measurement(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let id: MeasurementId = id
        .parse()
        .map_err(|_| Refused::bad_query("a measurement's id is 32 hexadecimal digits"))?;
    let operator = service.is_operator(&headers);
    on_disk(move || {
        let row = service.store.measurement(id)?;
        // Hidden and absent look alike: an id must not confirm that somebody measured.
        let row = row
            .filter(|row| service.may_show(row, operator))
            .ok_or_else(|| Refused::not_found("no such measurement, or it is not public"))?;
        evidence::whole(&service, &row).map(Json)
    })
    .await
}

async fn list(
    service: Arc<Service>,
    filter: Result<Query<Filter>, QueryRejection>,
    name: &'static str,
    show: impl Fn(&MeasurementRow) -> Option<Value> + Send + 'static,
) -> Result<Json<Value>, Refused> {
    let Query(filter) = filter.map_err(|e| Refused::bad_query(e.body_text()))?;
    let country = match &filter.country {
        Some(code) => Some(
            Country::new(code).ok_or_else(|| Refused::bad_query("a country is two letters"))?,
        ),
        None => None,
    };
    let after = filter.after.as_deref().map(cursor).transpose()?;
    let limit = filter.limit.unwrap_or(100).clamp(1, 1000);
    on_disk(move || {
        let (mut found, mut last, mut more) = (Vec::new(), None, false);
        let mut window = ALWAYS;
        window.start = after.map_or(window.start, |(started, _)| started);
        service.store.measurements(window, &mut |row| {
            let wanted = after.is_none_or(|after| (row.started, row.id) > after)
                && country.is_none_or(|c| c == row.country)
                && filter.target.as_ref().is_none_or(|t| *t == row.target)
                && (filter.outcome.as_ref()).is_none_or(|o| *o == row.verdict.outcome);
            if let Some(value) = wanted.then(|| show(&row)).flatten() {
                if found.len() == limit {
                    more = true;
                    return false;
                }
                found.push(value);
                last = Some(format!("{}-{}", row.started.0, row.id));
            }
            true
        })?;
        let next = last.filter(|_| more);
        Ok(Json(json!({ name: found, "next": next })))
    })
    .await
}

/// `after`: where the page before ended, as its `next` said.
fn cursor(text: &str) -> Result<(UnixTime, MeasurementId), Refused> {
    text.rsplit_once('-')
        .and_then(|(t, id)| Some((UnixTime(t.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| Refused::bad_query("after is the `next` of the page before"))
}
