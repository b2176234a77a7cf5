//! What is shown of one measurement, and to whom? Each observation by number, the control's
//! likewise, so that reasons can name them; of imports also what their source said of them.
//! No probe's identity, no signatures, no tokens.

use super::{Service, refused::Refused};
use crate::store::{Facts as _, MeasurementRow, StoreError};
use axum::http::HeaderMap;
use faultline_core::{
    codec::{CodecError, Envelope, PublicKey, Purpose, from_cbor},
    measurement::{Batch, ControlReport, Imported, Measurement},
    observation::Observation,
    verdict::Reason,
};
use minicbor::{Decoder, data::Type};
use serde_json::{Map, Value, json};

impl Service {
    /// Whether a single measurement may be shown: imports to everybody, those of volunteers
    /// where the operator opened them or is asking.
    pub(super) fn may_show(&self, row: &MeasurementRow, operator: bool) -> bool {
        operator || self.config.public_evidence || self.is_import(row)
    }

    /// Whether the measurement was taken by somebody else's probe.
    pub(super) fn is_import(&self, row: &MeasurementRow) -> bool {
        self.importer == Some(row.probe)
    }

    /// Whether the operator is asking.
    pub(super) fn is_operator(&self, headers: &HeaderMap) -> bool {
        let sent = headers
            .get("x-operator-token")
            .map(axum::http::HeaderValue::as_bytes);
        match (&self.config.operator_token, sent) {
            (Some(token), Some(sent)) => same(token.as_bytes(), sent),
            _ => false,
        }
    }
}

/// Compares in a time that does not depend on where the difference is.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// Without observations.
pub(super) fn brief(service: &Service, row: &MeasurementRow) -> Value {
    json!({
        "id": row.id,
        "started": row.started.to_string(),
        "experiment": row.experiment,
        "target": row.target,
        "country": row.country,
        "asn": row.asn,
        "network_known": row.network_known,
        "scored": row.scored,
        "source": if service.is_import(row) { "import" } else { "probe" },
        "outcome": row.verdict.outcome,
        "mechanism": row.verdict.mechanism,
        "rules": row.verdict.rules,
    })
}

/// With everything that may be shown.
pub(super) fn whole(service: &Service, row: &MeasurementRow) -> Result<Value, Refused> {
    let observations = row.observations.iter().map(|o| Ok(from_cbor(&o.payload)?));
    let observations = observations.collect::<Result<Vec<_>, Refused>>()?;
    let (measurement, control) = beside(service, row)?;
    let mut value = brief(service, row);
    if let Value::Object(map) = &mut value {
        map.insert("simulated".into(), json!(service.config.simulated));
        map.insert("observations".into(), numbered(&observations)?);
        map.insert("reasons".into(), reasons(&row.verdict.reasons));
        map.insert(
            "control".into(),
            match control {
                Some(report) => json!({
                    "vantage": report.vantage,
                    "taken": report.taken.to_string(),
                    "observations": numbered(&report.observations)?,
                }),
                None => Value::Null,
            },
        );
        // A probe that says so of itself is not believed.
        if let Some(imported) = measurement.imported.filter(|_| service.is_import(row)) {
            map.insert("classic".into(), classic(&imported));
            map.insert(
                "imported".into(),
                json!({
                    "source": imported.source,
                    "test": imported.test,
                    "report": imported.report,
                    "uid": imported.uid,
                }),
            );
        }
    }
    Ok(value)
}

fn numbered(observations: &[Observation]) -> Result<Value, Refused> {
    let number = |(index, seen): (usize, &Observation)| {
        let mut value = serde_json::to_value(seen).map_err(|e| Refused::internal(&e))?;
        if let Value::Object(map) = &mut value {
            map.insert("index".into(), json!(index));
        }
        Ok(value)
    };
    let values = observations.iter().enumerate().map(number);
    values.collect::<Result<Vec<_>, Refused>>().map(Value::from)
}

/// The verdict by the source's own rules, as it was written down on import.
fn classic(imported: &Imported) -> Value {
    let verdict = imported.verdict.as_deref();
    verdict
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or(Value::Null)
}

/// What the batch says beside the rows: the measurement whole, and the control's report
/// where it counted.
fn beside(
    service: &Service,
    row: &MeasurementRow,
) -> Result<(Measurement, Option<ControlReport>), Refused> {
    let corrupt = || StoreError::Corrupt(format!("batch {}", row.batch));
    let stored = service.store.batch(row.batch)?.ok_or_else(corrupt)?;
    let key = PublicKey::from_sec1(&stored.public_key).map_err(|_| corrupt())?;
    let batch: Batch = open(&stored.bytes, Purpose::Batch, &key).map_err(|_| corrupt())?;
    let at = batch.measurements.iter().position(|m| m.id == row.id);
    let (at, places) = (at.ok_or_else(corrupt)?, &stored.receipt.enrichment.places);
    let measurement = batch.measurements.into_iter().nth(at).ok_or_else(corrupt)?;
    let sealed = measurement
        .control
        .as_ref()
        .filter(|_| places.get(at).is_some_and(|place| place.control_valid));
    // The control of an import is sealed by the import key, any other by the collector's.
    let key = if service.is_import(row) {
        key
    } else {
        service.identity.public()
    };
    let report = sealed.map(|report| open(&report.0, Purpose::ControlReport, &key));
    let report = report.transpose().map_err(|_| corrupt())?;
    Ok((measurement, report))
}

fn open<T: for<'b> minicbor::Decode<'b, ()>>(
    sealed: &[u8],
    purpose: Purpose,
    key: &PublicKey,
) -> Result<T, CodecError> {
    Envelope::parse(sealed)?.open(purpose, key)
}

/// Reasons with the rules' words and sentences. Of rules that this version does not know,
/// what they wrote (CBOR) is shown as it is; `null` where that does not read.
fn reasons(cbor: &[u8]) -> Value {
    match from_cbor::<Vec<Reason>>(cbor) {
        Ok(reasons) => reasons.iter().map(reason).collect(),
        Err(_) => json_of(&mut Decoder::new(cbor), 16).unwrap_or(Value::Null),
    }
}

fn reason(reason: &Reason) -> Value {
    json!({
        "rule": reason.rule,
        "sentence": reason.rule.sentence(),
        "observations": reason.observations,
        "control": reason.control,
    })
}

fn json_of(d: &mut Decoder<'_>, depth: u8) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match d.datatype().ok()? {
        Type::Bool => d.bool().ok()?.into(),
        Type::Null | Type::Undefined => {
            d.skip().ok()?;
            Value::Null
        }
        Type::String => d.str().ok()?.into(),
        Type::Bytes => json!(faultline_core::value::Blob(d.bytes().ok()?.into())),
        Type::F32 | Type::F64 => d.f64().ok()?.into(),
        Type::Array => {
            let count = d.array().ok()??;
            let mut list = Vec::new();
            for _ in 0..count {
                list.push(json_of(d, depth)?);
            }
            list.into()
        }
        Type::Map => {
            let count = d.map().ok()??;
            let mut map = Map::new();
            for _ in 0..count {
                let key = match json_of(d, depth)? {
                    Value::String(s) => s,
                    other => other.to_string(),
                };
                map.insert(key, json_of(d, depth)?);
            }
            map.into()
        }
        _ => i64::try_from(d.int().ok()?).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::codec::to_cbor;

    #[test]
    fn reasons_read_as_json_and_nonsense_as_null() {
        let known = Reason {
            rule: faultline_core::verdict::Rule::PageDiffers,
            observations: vec![7],
            control: vec![1, 2],
        };
        let shown = reasons(&to_cbor(&vec![known]));
        assert_eq!(shown[0]["rule"], "http.page_differs");
        assert!(shown[0]["sentence"].as_str().unwrap().ends_with('.'));
        assert_eq!(
            (&shown[0]["observations"], &shown[0]["control"]),
            (&json!([7]), &json!([1, 2]))
        );
        assert_eq!(reasons(&to_cbor(&vec!["a", "b"])), json!(["a", "b"]));
        assert_eq!(reasons(&[0x81; 64]), Value::Null);
        assert_eq!(reasons(&[0x9b, 0xff]), Value::Null);
    }

    #[test]
    fn tokens_compare_whole() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab"));
    }
}
