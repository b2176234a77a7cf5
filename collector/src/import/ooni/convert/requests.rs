//! Which pages came back? `requests` (df-001), the newest first; depths are those of the
//! tags, or, where there are none, of the order.

use super::super::{
    document::{body, failure, number, tag, text},
    tape::Value,
};
use super::{Scene, clip, observation, steps, words};
use faultline_core::{
    failure::Layer,
    observation::{Fetch, Header, Observation, Step},
    page::title,
    value::{Blob, Ip},
};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};

/// Header fields kept, and characters of each: as our own probes do.
const HEADERS_CAP: usize = 64;
const NAME_CAP: usize = 256;
const VALUE_CAP: usize = 2048;
/// Body bytes kept of one response, and of all together.
const EXCERPT_CAP: usize = 64 << 10;
const BODIES_CAP: usize = 512 << 10;
/// Requests kept: two chains of ten redirects.
const REQUESTS_CAP: usize = 22;
pub(super) const URL_CAP: usize = 8 << 10;

/// Stands for an address that the document does not tell.
pub(super) const UNTOLD: Ip = Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

pub(super) fn fetches(scene: &mut Scene<'_>) -> Vec<Observation> {
    let all = scene.document.list("requests");
    let count = all.clone().count();
    scene.cut |= count > REQUESTS_CAP;
    let (mut seen, mut room) = (Vec::new(), BODIES_CAP);
    for (index, event) in all.enumerate().take(REQUESTS_CAP) {
        let from_order = count - 1 - index;
        let depth = tag(event, "depth").and_then(|depth| depth.parse().ok());
        let depth = depth.unwrap_or_else(|| u8::try_from(from_order).unwrap_or(u8::MAX));
        if let Some(mut fetch) = fetch(scene, event, depth) {
            if let Some(excerpt) = &mut fetch.body {
                scene.cut |= excerpt.0.len() > room.min(EXCERPT_CAP);
                excerpt.0.truncate(room.min(EXCERPT_CAP));
                room -= excerpt.0.len();
            }
            let failed =
                failure(event.field("failure")).map(|w| words::failure(w, Layer::Http));
            seen.push(observation(event, Step::Fetch(fetch), failed));
        }
    }
    // The last became the first.
    seen.sort_by_key(|o| match &o.step {
        Step::Fetch(fetch) => fetch.depth,
        _ => 0,
    });
    seen
}

fn fetch(scene: &Scene<'_>, event: Value<'_>, depth: u8) -> Option<Fetch> {
    let (request, response) = (event.field("request"), event.field("response"));
    let url = text(request.field("url"));
    if url.is_empty() {
        return None;
    }
    let transaction = number(event.field("transaction_id"));
    let told = super::socket(text(event.field("address")))
        .or_else(|| scene.endpoints.get(&transaction).copied());
    let (ip, port) = told.unwrap_or((UNTOLD, super::port(url)));
    let status = u16::try_from(number(response.field("code")))
        .ok()
        .filter(|code| *code > 0);
    let headers = headers(response);
    let location = status
        .filter(|status| status / 100 == 3)
        .and_then(|_| {
            headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case("location"))
        })
        .map(|h| h.value.clone());
    let page = status.map(|_| body(response.field("body")));
    // Documents that tie no handshake to a request come from clients that always verify.
    let secure = url.starts_with("https://") && failure(event.field("failure")).is_none();
    let authenticated = secure && (transaction == 0 || steps::proved(scene, transaction));
    Some(Fetch {
        url: super::url(url),
        ip,
        port,
        depth,
        status,
        headers,
        body_length: page.as_ref().map_or(0, |page| page.len() as u64),
        // Some versions set the request's flag where the response's is meant.
        body_truncated: response.field("body_is_truncated").is_true()
            || request.field("body_is_truncated").is_true(),
        body_sha256: page
            .as_ref()
            .map(|page| Blob(Sha256::digest(page).to_vec())),
        title: page.as_deref().and_then(title),
        body: page.map(|page| Blob(page.into_owned())),
        location,
        authenticated,
    })
}

/// Headers in their order where that is told, else by name.
pub(super) fn headers(response: Value<'_>) -> Vec<Header> {
    let (ordered, named) = (response.field("headers_list"), response.field("headers"));
    let list = if ordered.is_null() { named } else { ordered };
    let pairs: Vec<(&str, Value<'_>)> = if list.is_list() {
        let pairs = list.items().map(|pair| {
            let mut parts = pair.items();
            let mut part = || parts.next().unwrap_or_default();
            (text(part()), part())
        });
        pairs.collect()
    } else {
        named.sorted().into_iter().collect()
    };
    pairs
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .take(HEADERS_CAP)
        .map(|(name, value)| Header {
            name: clip(name, NAME_CAP),
            value: clip(&value_of(value), VALUE_CAP),
        })
        .collect()
}

/// A value: a string, a list of them, or base64 of one that is not UTF-8.
fn value_of(value: Value<'_>) -> String {
    let first = value.items().next().unwrap_or(value);
    String::from_utf8_lossy(&body(first)).into_owned()
}
