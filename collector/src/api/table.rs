//! How does a list leave as CSV? One line an object; nested objects become columns with
//! dotted names, arrays are joined. Every line says whether it is of a simulated world.

use super::refused::Refused;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The list `name` of a reply, or of one of its objects (`a.b`).
pub(super) fn csv(reply: &Value, name: &str) -> Result<Vec<u8>, Refused> {
    let found = name
        .split('.')
        .try_fold(reply, |value, part| value.get(part));
    let rows: Vec<Map<String, Value>> = match found {
        Some(Value::Array(list)) => {
            list.iter().filter_map(|v| v.as_object().cloned()).collect()
        }
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(key, v)| {
                let mut row = v.as_object()?.clone();
                row.entry("name").or_insert_with(|| key.as_str().into());
                Some(row)
            })
            .collect(),
        _ => {
            return Err(Refused::bad_query(format!(
                "there is no table {name:?} here"
            )));
        }
    };
    let mut lines: Vec<BTreeMap<String, String>> = Vec::new();
    for mut row in rows {
        for key in ["simulated", "method", "disclaimer"] {
            if let Some(value) = reply.get(key) {
                row.insert(key.into(), value.clone());
            }
        }
        let mut line = BTreeMap::new();
        flatten("", &Value::Object(row), &mut line);
        lines.push(line);
    }
    let mut columns: Vec<String> = lines.iter().flat_map(|l| l.keys().cloned()).collect();
    columns.sort();
    columns.dedup();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Refused::internal(&e);
    writer.write_record(&columns).map_err(failed)?;
    for line in &lines {
        let fields = columns
            .iter()
            .map(|c| line.get(c).map_or("", String::as_str));
        writer.write_record(fields).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| Refused::internal(&e))
}

fn flatten(prefix: &str, value: &Value, line: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let name = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&name, value, line);
            }
        }
        Value::Array(list) => {
            let parts = list.iter().map(word);
            line.insert(prefix.into(), parts.collect::<Vec<_>>().join(";"));
        }
        other => {
            line.insert(prefix.into(), word(other));
        }
    }
}

/// A field. What a spreadsheet would take for a formula is quoted as text.
fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Value::String(text) => text.clone(),
        Value::Object(map) => map
            .get("key")
            .and_then(Value::as_str)
            .map_or_else(|| value.to_string(), str::to_owned),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_become_lines_and_formulas_become_text() {
        let reply = json!({ "simulated": true, "rows": [
            { "a": { "b": [0.1, 0.5] }, "c": "=1+1" },
            { "c": null },
        ]});
        let text = String::from_utf8(csv(&reply, "rows").unwrap()).unwrap();
        assert_eq!(text, "a.b,c,simulated\n0.1;0.5,'=1+1,true\n,,true\n");
        assert!(csv(&reply, "none").is_err());
    }
}
