//! A measurement as found in the wild. Every accessor tolerates what is missing or of
//! another shape: null test keys, header lists, base64 bodies, `false` for a failure.

use super::tape::{Items, Node, Value, lay_out, read};
use base64::{Engine as _, alphabet, engine};
use sha2::{Digest, Sha256};
use std::{borrow::Cow, collections::BTreeSet, io::Write as _, net::IpAddr};
use url::Url;

/// One OONI measurement, in the text that it was read from.
#[derive(Clone, Debug)]
pub struct Document<'a>(Vec<Node<'a>>);

impl<'a> Document<'a> {
    /// From a tree; anything is accepted.
    pub fn new(json: &'a serde_json::Value) -> Self {
        let mut nodes = Vec::new();
        lay_out(json, &mut nodes);
        Self(nodes)
    }
    /// Parses one document.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        read(text).map(Self)
    }
    /// What it says, on one line.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.all()).unwrap_or_default() // names are texts: never
    }
    /// The nettest: `web_connectivity`.
    pub fn test_name(&self) -> &str {
        text(self.top("test_name"))
    }
    /// What was measured.
    pub fn input(&self) -> &str {
        text(self.top("input"))
    }
    /// Whether this looks like a measurement of whatever nettest.
    pub fn is_measurement(&self) -> bool {
        let given = |name| self.all().given(name).is_some();
        given("test_name") || given("test_keys")
    }
    /// SHA-256 of what the document says, however it was written down: order of keys and
    /// white space do not matter.
    pub fn digest(&self) -> [u8; 32] {
        let mut said = Vec::new();
        digest(self.all(), &mut said);
        Sha256::digest(&said).into()
    }
    fn all(&self) -> Value<'_> {
        Value::new(&self.0)
    }
    /// A field beside `test_keys`; null where there is none.
    pub(super) fn top(&self, name: &str) -> Value<'_> {
        self.all().field(name)
    }
    /// A field of `test_keys`; null where there is none.
    pub(super) fn key(&self, name: &str) -> Value<'_> {
        self.top("test_keys").field(name)
    }
    /// A list in `test_keys`; empty where it is null, absent or no list.
    pub(super) fn list(&self, name: &str) -> Items<'_> {
        self.key(name).items()
    }
    /// The networks that the document itself gives for an address.
    pub(super) fn networks(&self) -> impl Iterator<Item = (IpAddr, u32)> {
        let answers = self
            .list("queries")
            .flat_map(|q| q.field("answers").items());
        let answered = answers.filter_map(|answer| {
            let ip = answer_address(answer)?;
            Some((ip, u32::try_from(answer.field("asn").as_u64()?).ok()?))
        });
        let known = self.key("control").field("ip_info").sorted();
        let looked_up = known.into_iter().filter_map(|(ip, info)| {
            let asn = info.field("asn").as_u64()?;
            Some((ip.parse().ok()?, u32::try_from(asn).ok()?))
        });
        answered.chain(looked_up).filter(|(_, asn)| *asn != 0)
    }
}

/// Every part with its kind and length before it, so that no two documents run together alike.
fn digest(value: Value<'_>, said: &mut Vec<u8>) {
    // Writing to memory does not fail.
    if value.is_map() {
        let entries = value.sorted();
        let _ = write!(said, "{{{}", entries.len());
        for (name, value) in entries {
            let _ = write!(said, "{}:{name}", name.len());
            digest(value, said);
        }
    } else if value.is_list() {
        let _ = write!(said, "[{}", value.items().count());
        value.items().for_each(|item| digest(item, said));
    } else if let Some(text) = value.as_str() {
        let _ = write!(said, "\"{}:{text}", text.len());
    } else {
        let _ = serde_json::to_writer(&mut *said, &value);
        said.push(b';');
    }
}

/// A string, or the empty one.
pub(super) fn text(value: Value<'_>) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number, or zero.
pub(super) fn number(value: Value<'_>) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// A failure: `Some` for a non-empty string; null and `false` are success.
pub(super) fn failure(value: Value<'_>) -> Option<&str> {
    value.as_str().filter(|s| !s.is_empty())
}

/// The address in an answer to a query.
pub(super) fn answer_address(answer: Value<'_>) -> Option<IpAddr> {
    let (mut kind, mut v4, mut v6) = ("", "", "");
    for (name, value) in answer.entries() {
        match name {
            "answer_type" => kind = text(value),
            "ipv4" => v4 = text(value),
            "ipv6" => v6 = text(value),
            _ => {}
        }
    }
    match kind {
        "A" => v4.parse().ok(),
        "AAAA" => v6.parse().ok(),
        _ => None,
    }
}

/// A body: a string, or an object with base64 data whose padding may be wrong.
pub(super) fn body(value: Value<'_>) -> Cow<'_, [u8]> {
    match value.as_str() {
        Some(plain) => Cow::Borrowed(plain.as_bytes()),
        None => Cow::Owned(base64(text(value.field("data")))),
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
pub(super) fn header_names(value: Value<'_>) -> BTreeSet<&str> {
    let pairs = value
        .items()
        .map(|pair| text(pair.items().next().unwrap_or_default()));
    let names = value.entries().map(|(name, _)| name);
    names.chain(pairs.filter(|name| !name.is_empty())).collect()
}

/// The value of a tag `name=value`.
pub(super) fn tag<'d>(event: Value<'d>, name: &str) -> Option<&'d str> {
    tag_in(event.field("tags"), name)
}

/// The same, in a list of tags.
pub(super) fn tag_in<'d>(tags: Value<'d>, name: &str) -> Option<&'d str> {
    tags.items()
        .find_map(|tag| tag.as_str()?.strip_prefix(name)?.strip_prefix('='))
}

/// The host of a URL as written: not lower-cased, not made ASCII, as Go's `url.Hostname`.
pub(super) fn hostname(url: &str) -> Option<&str> {
    Url::parse(url).ok()?;
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next();
    }
    host.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_digest_is_of_what_is_said_not_of_how() {
        let digest = |text: &str| Document::parse(text).unwrap().digest();
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
        let tree = json!({ "test_keys": {
            "queries": [{ "answers": [
                { "answer_type": "A", "ipv4": "20.1.0.1", "asn": 64500 },
                { "answer_type": "A", "ipv4": "20.1.0.2", "asn": 0 },
                { "answer_type": "CNAME", "hostname": "x.example", "asn": 7 },
            ] }],
            "control": { "ip_info": { "21.1.0.1": { "asn": 64501 }, "x": { "asn": 1 } } },
        } });
        let document = Document::new(&tree);
        let all: Vec<_> = document.networks().collect();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(all, [(ip("20.1.0.1"), 64500), (ip("21.1.0.1"), 64501)]);
    }
}
