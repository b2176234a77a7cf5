//! A measurement as found in the wild. Every accessor tolerates what is missing or of
//! another shape: null test keys, header lists, base64 bodies, `false` for a failure.

use base64::{Engine as _, alphabet, engine};
use serde_json::Value;
use std::collections::BTreeSet;

/// One OONI measurement.
#[derive(Clone, Debug)]
pub struct Document(Value);

impl Document {
    /// Wraps parsed JSON; anything is accepted.
    pub fn new(json: Value) -> Self {
        Self(json)
    }
    /// The nettest: `web_connectivity`.
    pub fn test_name(&self) -> &str {
        text(&self.0["test_name"])
    }
    /// A field of `test_keys`; null where there is none.
    pub(super) fn key(&self, name: &str) -> &Value {
        &self.0["test_keys"][name]
    }
    /// A list in `test_keys`; empty where it is null, absent or no list.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.key(name).as_array().map_or(&[], Vec::as_slice)
    }
}

/// A string, or the empty one.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A failure: `Some` for a non-empty string; null and `false` are success.
pub(super) fn failure(value: &Value) -> Option<&str> {
    value.as_str().filter(|s| !s.is_empty())
}

/// A body: a string, or an object with base64 data whose padding may be wrong.
pub(super) fn body(value: &Value) -> Vec<u8> {
    if let Some(plain) = value.as_str() {
        return plain.as_bytes().to_vec();
    }
    let lenient = engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let data = text(&value["data"]).trim_end_matches('=');
    engine::GeneralPurpose::new(&alphabet::STANDARD, lenient)
        .decode(data)
        .unwrap_or_default()
}

/// Header names: of a map, or the first elements of a list of pairs.
pub(super) fn header_names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| text(&pair[0]).to_owned())
            .filter(|n| !n.is_empty())
            .collect(),
        _ => BTreeSet::new(),
    }
}

/// The value of a tag `name=value`.
pub(super) fn tag<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    let tags = event["tags"].as_array()?;
    tags.iter()
        .find_map(|tag| tag.as_str()?.strip_prefix(name)?.strip_prefix('='))
}
