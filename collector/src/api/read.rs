//! What can be read, one measurement after the other?

use super::{Service, evidence, filter::Filter, on_disk, refused::Refused, table};
use crate::store::{Facts, MeasurementRow};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use faultline_core::{id::MeasurementId, time::UnixTime};
use serde_json::{Value, json};
use std::sync::Arc;

/// All times.
pub(super) const ALWAYS: std::ops::Range<UnixTime> = UnixTime(i64::MIN)..UnixTime(i64::MAX);

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
) -> Result<Response, Refused> {
    let operator = service.is_operator(&headers);
    let at = Arc::clone(&service);
    list(service, filter, "verdicts", move |row| {
        at.may_show(row, operator).then(|| {
            json!({
                "measurement": row.id,
                "started": row.started.to_string(),
                "experiment": row.experiment,
                "source": if at.is_import(row) { "import" } else { "probe" },
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
) -> Result<Response, Refused> {
    let Query(filter) = filter.map_err(|e| Refused::bad_query(e.body_text()))?;
    let csv = wants_csv(filter.format.as_deref())?;
    let wanted = filter.read()?;
    on_disk(move || {
        let (mut found, mut last, mut more) = (Vec::new(), None, false);
        service
            .store
            .measurements(wanted.window.clone(), &mut |row| {
                let fits = wanted.fits(&service, &row);
                if let Some(value) = fits.then(|| show(&row)).flatten() {
                    if found.len() == wanted.limit {
                        more = true;
                        return false;
                    }
                    found.push(value);
                    last = Some(format!("{}-{}", row.started.0, row.id));
                }
                true
            })?;
        let next = last.filter(|_| more);
        let simulated = service.config.simulated;
        let value = json!({ "simulated": simulated, name: found, "next": next });
        if csv {
            return Ok(csv_reply(table::csv(&value, name)?));
        }
        Ok(Json(value).into_response())
    })
    .await
}

/// Whether a list is wanted as CSV.
pub(super) fn wants_csv(format: Option<&str>) -> Result<bool, Refused> {
    match format {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => Err(Refused::bad_query("format is json or csv")),
    }
}

/// A table on its way out.
fn csv_reply(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], bytes).into_response()
}
