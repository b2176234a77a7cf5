//! What is shown of one measurement, and to whom? Each observation by number, so that
//! reasons can name them; no probe's identity, no signatures, no tokens.

use super::{Service, refused::Refused};
use crate::store::MeasurementRow;
use axum::http::HeaderMap;
use faultline_core::{codec::from_cbor, observation::Observation, verdict::Reason};
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
fn same(a: &[u8], b: &[u8]) -> bool {
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
    let observations = row
        .observations
        .iter()
        .enumerate()
        .map(|(index, o)| {
            let seen: Observation = from_cbor(&o.payload)?;
            let mut value = serde_json::to_value(seen).map_err(|e| Refused::internal(&e))?;
            if let Value::Object(map) = &mut value {
                map.insert("index".into(), json!(index));
            }
            Ok(value)
        })
        .collect::<Result<Vec<_>, Refused>>()?;
    let mut value = brief(service, row);
    if let Value::Object(map) = &mut value {
        map.insert("simulated".into(), json!(service.config.simulated));
        map.insert("observations".into(), observations.into());
        map.insert("reasons".into(), reasons(&row.verdict.reasons));
    }
    Ok(value)
}

/// Reasons with the published sentence of each rule. Those of other rules as they were
/// written (CBOR), in JSON; `null` where they do not read.
fn reasons(cbor: &[u8]) -> Value {
    if let Ok(reasons) = from_cbor::<Vec<Reason>>(cbor) {
        let one = |reason: Reason| {
            json!({
                "rule": reason.rule,
                "sentence": reason.rule.sentence(),
                "observations": reason.observations,
                "control": reason.control,
            })
        };
        return reasons.into_iter().map(one).collect();
    }
    json_of(&mut Decoder::new(cbor), 16).unwrap_or(Value::Null)
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
