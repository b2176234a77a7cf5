//! What can be read, one measurement after the other?

use super::{Service, evidence, moment, on_disk, refused::Refused};
use crate::store::{Facts, MeasurementRow, Query, Source};
use axum::{
    Json,
    extract::{Path, Query as Asked, State, rejection::QueryRejection},
    http::HeaderMap,
};
use faultline_core::{
    id::{Country, MeasurementId},
    time::UnixTime,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most rows of a page.
const PAGE: usize = 1000;

/// Which measurements are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    country: Option<String>,
    target: Option<String>,
    outcome: Option<String>,
    since: Option<String>,
    until: Option<String>,
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
    filter: Result<Asked<Filter>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    list(service, &headers, filter, "measurements", evidence::brief).await
}

/// Verdicts of the measurements that may be shown.
pub(super) async fn verdicts(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    filter: Result<Asked<Filter>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    list(service, &headers, filter, "verdicts", |_, row| {
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
    headers: &HeaderMap,
    filter: Result<Asked<Filter>, QueryRejection>,
    name: &'static str,
    show: fn(&Service, &MeasurementRow) -> Value,
) -> Result<Json<Value>, Refused> {
    let Asked(filter) = filter.map_err(|e| Refused::bad_query(e.body_text()))?;
    let mut query = filter.query()?;
    let operator = service.is_operator(headers);
    // The store passes over what may not be shown, so that a page costs what it holds.
    if !operator && !service.config.public_evidence {
        query.source = Some(Source::Import);
    }
    on_disk(move || {
        let limit = query.limit;
        query.limit += 1; // whether there is more
        let mut rows = service.store.select(&query)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| format!("{}-{}", row.started.0, row.id));
        let shown: Vec<Value> = rows
            .iter()
            .filter(|row| service.may_show(row, operator))
            .map(|row| show(&service, row))
            .collect();
        Ok(Json(json!({ name: shown, "next": next })))
    })
    .await
}

impl Filter {
    fn query(self) -> Result<Query, Refused> {
        let time = |name: &str, text: Option<&str>, open: i64| match text {
            Some(text) => moment::parse(text).ok_or_else(|| {
                Refused::bad_query(format!(
                    "{name} is a date or a time in UTC, like 2026-11-24 or 2026-11-24T01:02:03Z"
                ))
            }),
            None => Ok(UnixTime(open)),
        };
        let start = time("since", self.since.as_deref(), i64::MIN)?;
        let end = time("until", self.until.as_deref(), i64::MAX)?;
        let country = match &self.country {
            Some(code) => Some(
                Country::new(code)
                    .ok_or_else(|| Refused::bad_query("a country is two letters"))?,
            ),
            None => None,
        };
        Ok(Query {
            after: self.after.as_deref().map(cursor).transpose()?,
            country,
            target: self.target,
            outcome: self.outcome,
            observations: false,
            ..Query::within(start..end, self.limit.unwrap_or(100).clamp(1, PAGE))
        })
    }
}

/// `after`: where the page before ended, as its `next` said.
fn cursor(text: &str) -> Result<(UnixTime, MeasurementId), Refused> {
    text.rsplit_once('-')
        .and_then(|(t, id)| Some((UnixTime(t.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| Refused::bad_query("after is the `next` of the page before"))
}
