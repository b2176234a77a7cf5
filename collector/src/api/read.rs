//! What can be read, one measurement after the other?

use super::{Service, evidence, filter::Filter, on_disk, refused::Refused, table, wire};
use crate::store::{Facts, MeasurementRow, Source};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use faultline_core::id::MeasurementId;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most rows that one request looks at: where few of them are wanted, the page is short and
/// `next` says where to go on.
const LOOKED_AT: usize = 100_000;

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
) -> Result<Response, Refused> {
    list(service, headers, filter, "measurements", evidence::brief).await
}

/// Verdicts of the measurements that may be shown.
pub(super) async fn verdicts(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Refused> {
    list(service, headers, filter, "verdicts", |service, row| {
        json!({
            "measurement": row.id,
            "started": row.started.to_string(),
            "experiment": row.experiment,
            "source": if service.is_import(row) { "import" } else { "probe" },
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
) -> Result<Response, Refused> {
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
        wire::json(&headers, &evidence::whole(&service, &row)?)
    })
    .await
}

async fn list(
    service: Arc<Service>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
    name: &'static str,
    show: fn(&Service, &MeasurementRow) -> Value,
) -> Result<Response, Refused> {
    let Query(filter) = filter.map_err(|e| Refused::bad_query(e.body_text()))?;
    let csv = wire::wants_csv(filter.format.as_deref())?;
    let wanted = filter.read()?;
    let operator = service.is_operator(&headers);
    // The store passes over what may not be shown, so that a page costs what it holds.
    let public = operator || service.config.public_evidence;
    let source = (!public).then_some(Source::Import);
    on_disk(move || {
        let (mut found, mut next) = (Vec::new(), None);
        let mut query = wanted.query(source);
        let mut last = query.after;
        let mut left = LOOKED_AT;
        'pages: loop {
            let rows = service.store.select(&query)?;
            let full = rows.len() == query.limit;
            for row in rows {
                let fits = service.may_show(&row, operator) && wanted.fits(&service, &row);
                if fits && found.len() == wanted.limit {
                    next = last;
                    break 'pages;
                }
                last = Some((row.started, row.id));
                if fits {
                    found.push(show(&service, &row));
                }
            }
            left = left.saturating_sub(query.limit);
            if !full {
                break;
            }
            if left == 0 {
                next = last;
                break;
            }
            query.after = last;
        }
        let next = next.map(|(started, id)| format!("{}-{id}", started.0));
        let simulated = service.config.simulated;
        let value = json!({ "simulated": simulated, name: found, "next": next });
        if csv {
            return wire::once(&headers, wire::media_type(csv), table::csv(&value, name)?);
        }
        wire::json(&headers, &value)
    })
    .await
}
