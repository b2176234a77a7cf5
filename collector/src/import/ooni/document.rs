//! A measurement as found in the wild. Every accessor tolerates what is missing or of
//! another shape: null test keys, header lists, base64 bodies, `false` for a failure.

use base64::{Engine as _, alphabet, engine};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, net::IpAddr};
use url::Url;

/// One OONI measurement.
#[derive(Clone, Debug)]
pub struct Document(Value);

impl Document {
    /// Wraps parsed JSON; anything is accepted.
    pub fn new(json: Value) -> Self {
        Self(json)
    }
    /// Parses one document.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes).map(Self)
    }
    /// What it says, on one line.
    pub fn to_json(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
    /// The nettest: `web_connectivity`.
    pub fn test_name(&self) -> &str {
        text(&self.0["test_name"])
    }
    /// What was measured.
    pub fn input(&self) -> &str {
        text(&self.0["input"])
    }
    /// Whether this looks like a measurement of whatever nettest.
    pub fn is_measurement(&self) -> bool {
        self.0.is_object()
            && (self.0.get("test_name").is_some() || self.0.get("test_keys").is_some())
    }
    /// SHA-256 of what the document says, however it was written down: order of keys and
    /// white space do not matter.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        digest(&self.0, &mut hash);
        hash.finalize().into()
    }
    /// A field beside `test_keys`; null where there is none.
    pub(super) fn top(&self, name: &str) -> &Value {
        &self.0[name]
    }
    /// A field of `test_keys`; null where there is none.
    pub(super) fn key(&self, name: &str) -> &Value {
        &self.0["test_keys"][name]
    }
    /// A list in `test_keys`; empty where it is null, absent or no list.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        list(self.key(name))
    }
    /// The networks that the document itself gives for an address.
    pub(super) fn networks(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        let answers = self
            .list("queries")
            .iter()
            .flat_map(|q| list(&q["answers"]));
        let answered = answers.filter_map(|answer| {
            let ip = answer_address(answer)?;
            Some((ip, u32::try_from(answer["asn"].as_u64()?).ok()?))
        });
        let known = self.key("control")["ip_info"].as_object();
        let looked_up = known.into_iter().flatten().filter_map(|(ip, info)| {
            let asn = info["asn"].as_u64()?;
            Some((ip.parse().ok()?, u32::try_from(asn).ok()?))
        });
        answered.chain(looked_up).filter(|(_, asn)| *asn != 0)
    }
}

fn digest(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(name, _)| *name);
            hash.update(format!("{{{}", entries.len()));
            for (name, value) in entries {
                hash.update(format!("{}:{name}", name.len()));
                digest(value, hash);
            }
        }
        Value::Array(items) => {
            hash.update(format!("[{}", items.len()));
            for item in items {
                digest(item, hash);
            }
        }
        Value::String(text) => hash.update(format!("\"{}:{text}", text.len())),
        other => hash.update(format!("{other};")),
    }
}

/// A list; empty where it is null, absent or no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string, or the empty one.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number, or zero.
pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A failure: `Some` for a non-empty string; null and `false` are success.
pub(super) fn failure(value: &Value) -> Option<&str> {
    value.as_str().filter(|s| !s.is_empty())
}

/// The address in an answer to a query.
pub(super) fn answer_address(answer: &Value) -> Option<IpAddr> {
    match text(&answer["answer_type"]) {
        "A" => text(&answer["ipv4"]).parse().ok(),
        "AAAA" => text(&answer["ipv6"]).parse().ok(),
        _ => None,
    }
}

/// A body: a string, or an object with base64 data whose padding may be wrong.
pub(super) fn body(value: &Value) -> Vec<u8> {
    match value.as_str() {
        Some(plain) => plain.as_bytes().to_vec(),
        None => base64(text(&value["data"])),
    }
}

/// Bytes from base64 with or without padding; none from what is no base64.
pub(super) fn base64(data: &str) -> Vec<u8> {
    let lenient = engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    engine::GeneralPurpose::new(&alphabet::STANDARD, lenient)
        .decode(data.trim_end_matches('='))
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

/// The host of a URL as written: not lower-cased, not made ASCII, as Go's `url.Hostname`.
pub(super) fn hostname(url: &str) -> Option<String> {
    Url::parse(url).ok()?;
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next().map(Into::into);
    }
    Some(host.split(':').next()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_digest_is_of_what_is_said_not_of_how() {
        let digest = |text: &str| Document::parse(text.as_bytes()).unwrap().digest();
        let one = digest(r#"{"a":[1,"x"],"b":null}"#);
        assert_eq!(one, digest("{ \"b\": null,\n \"a\": [1, \"\\u0078\"] }"));
        for other in [
            r#"{"a":[1,"y"],"b":null}"#,
            r#"{"a":["x",1],"b":null}"#,
            r#"{"a":[1],"b":null}"#,
            r#"{"a":[1,"x"]}"#,
        ] {
            assert_ne!(one, digest(other), "{other}");
        }
    }

    #[test]
    fn documents_know_the_networks_of_their_addresses() {
        let document = Document::new(json!({ "test_keys": {
            "queries": [{ "answers": [
                { "answer_type": "A", "ipv4": "20.1.0.1", "asn": 64500 },
                { "answer_type": "A", "ipv4": "20.1.0.2", "asn": 0 },
                { "answer_type": "CNAME", "hostname": "x.example", "asn": 7 },
            ] }],
            "control": { "ip_info": { "21.1.0.1": { "asn": 64501 }, "x": { "asn": 1 } } },
        } }));
        let all: Vec<_> = document.networks().collect();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(all, [(ip("20.1.0.1"), 64500), (ip("21.1.0.1"), 64501)]);
    }
}
