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

/// Rows that one request looks at in vain, at most, and for each that is wanted: where few of
/// a day and country fit, the page is short, perhaps empty, and `next` says where to go on.
const IN_VAIN: usize = 2000;
const IN_VAIN_EACH: usize = 4;

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
        let mut walk = wanted.walk(&service, source);
        let (mut found, mut next, mut last) = (Vec::new(), None, None);
        let mut in_vain = IN_VAIN + IN_VAIN_EACH * wanted.limit;
        while let Some(row) = walk.next()? {
            if service.may_show(&row, operator) && wanted.fits(&service, &row) {
                if found.len() == wanted.limit {
                    next = last;
                    break;
                }
                found.push(show(&service, &row));
            } else {
                in_vain -= 1;
            }
            last = Some((row.started, row.id));
            if in_vain == 0 {
                next = last;
                break;
            }
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
