//! Observations as lists of OONI's: `queries` (df-002), `tcp_connect` (df-005), `tls_handshakes`
//! (df-006), `requests` (df-001, the newest first), and what a test helper answers.

use super::{Scene, scrub};
use crate::import::ooni::words;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use faultline_core::{
    failure::Failure,
    observation::{
        Connect, DnsTransport, Fetch, Handshake, HandshakeRole, Lookup, Observation, Reply,
        ResolverRole, Step,
    },
    value::Ip,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

const CNAME: u16 = 5;

/// The lists of a document.
#[derive(Default)]
pub(super) struct Told {
    pub(super) queries: Vec<Value>,
    pub(super) late: Vec<Value>,
    pub(super) connects: Vec<Value>,
    pub(super) handshakes: Vec<Value>,
    pub(super) requests: Vec<Value>,
}

/// Microseconds as seconds.
pub(super) fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn failure(failure: Option<Failure>) -> Value {
    failure.map_or(Value::Null, |failure| failure.ooni().into())
}

/// Everything that was seen, each step with the transaction that it is part of.
pub(super) fn tell(scene: &Scene<'_>) -> Told {
    let seen = &scene.measurement.observations;
    let mut told = Told::default();
    // A connection's handshake and request come after it, to the same address.
    let mut open: BTreeMap<(Ip, u16), usize> = BTreeMap::new();
    for (index, one) in seen.iter().enumerate() {
        let fresh = index + 1;
        match &one.step {
            Step::Lookup(lookup) => lookups(scene, &mut told, one, lookup, fresh),
            Step::Connect(step) => {
                open.insert((step.ip, step.port), fresh);
                told.connects.push(connect(one, step, fresh));
            }
            // Other names and addresses are tried to tell mechanisms apart: OONI has no such step.
            Step::Handshake(step) if step.role == HandshakeRole::Target => {
                let transaction = open.get(&(step.ip, step.port)).copied().unwrap_or(fresh);
                told.handshakes.push(handshake(one, step, transaction));
            }
            Step::Fetch(step) => {
                let transaction = open.get(&(step.ip, step.port)).copied().unwrap_or(fresh);
                told.requests.push(request(one, step, transaction));
            }
            _ => {}
        }
    }
    told.requests.reverse();
    told
}

fn tags(depth: u8, more: Option<String>) -> Vec<String> {
    let mut tags = vec![format!("depth={depth}"), "fetch_body=true".to_owned()];
    tags.extend(more);
    tags
}

/// A query and its first reply; further replies as OONI keeps those that come late.
fn lookups(
    scene: &Scene<'_>,
    told: &mut Told,
    one: &Observation,
    step: &Lookup,
    transaction: usize,
) {
    let (engine, role) = match (step.role, step.transport) {
        (_, DnsTransport::Udp) => ("udp", role(step.role)),
        (_, DnsTransport::Tcp) => ("tcp", role(step.role)),
        (_, DnsTransport::Tls) => ("dot", None),
        (_, DnsTransport::Https) => ("doh", None),
        (_, DnsTransport::Quic) => ("doq", None),
        _ => ("getaddrinfo", None),
    };
    let resolver = resolver(step, engine);
    let tags = tags(
        0,
        role.or_else(|| (engine == "getaddrinfo").then(|| "classic".into())),
    );
    let entry = |reply: Option<&Reply>, failed: Option<Failure>, after: u64| {
        let started = one.started;
        json!({
            "answers": reply.map_or_else(Vec::new, |reply| answers(scene, reply)),
            "engine": engine,
            "failure": failure(failed),
            "hostname": step.name,
            "query_type": words::record_name(step.rtype),
            "raw_response": reply.and_then(raw),
            "rcode": reply.map(|reply| reply.rcode),
            "resolver_address": resolver,
            "resolver_hostname": null,
            "resolver_port": null,
            "t0": seconds(started),
            "t": seconds(started.saturating_add(after)),
            "tags": tags,
            "transaction_id": transaction,
        })
    };
    let whole = one.ended.saturating_sub(one.started);
    let first = step.replies.first();
    let after = first.map_or(whole, |reply| reply.after);
    told.queries.push(entry(first, one.failure, after));
    for reply in step.replies.iter().skip(1) {
        told.late
            .push(entry(Some(reply), reply.failure, reply.after));
    }
}

/// Whose word it was, which OONI's engines do not tell.
fn role(role: ResolverRole) -> Option<String> {
    let word = match role {
        ResolverRole::Network => "network",
        ResolverRole::NonResolver => "non_resolver",
        ResolverRole::NonResolverInside => "non_resolver_inside",
        ResolverRole::NonResolverAbroad => "non_resolver_abroad",
        _ => return None,
    };
    Some(format!("role={word}"))
}

fn resolver(step: &Lookup, engine: &str) -> String {
    let at = |ip: IpAddr, port| SocketAddr::new(ip, port).to_string();
    match (engine, &step.resolver_name, step.resolver) {
        ("doh", Some(name), _) => format!("https://{name}/dns-query"),
        ("dot" | "doq", Some(name), _) => format!("{name}:853"),
        ("dot" | "doh" | "doq", None, Some(ip)) => at(ip.0, 853),
        (_, _, Some(ip)) => at(ip.0, 53),
        _ => String::new(),
    }
}

fn answers(scene: &Scene<'_>, reply: &Reply) -> Vec<Value> {
    let aliases = reply.aliases.iter().map(|name| {
        json!({ "answer_type": words::record_name(CNAME), "hostname": name, "ttl": reply.ttl })
    });
    let addresses = reply.addresses.iter().map(|ip| {
        let (kind, field) = if ip.0.is_ipv4() {
            ("A", "ipv4")
        } else {
            ("AAAA", "ipv6")
        };
        let mut answer = json!({ "answer_type": kind, "ttl": reply.ttl });
        answer[field] = ip.to_string().into();
        if let Some(asn) = scene.networks.get(&ip.0) {
            answer["asn"] = asn.0.into();
        }
        answer
    });
    aliases.chain(addresses).collect()
}

/// The datagram. Not where it has options: some resolvers write the client's network there.
fn raw(reply: &Reply) -> Option<String> {
    let raw = reply.raw.as_ref().filter(|_| !reply.edns)?;
    Some(STANDARD.encode(&raw.0))
}

fn connect(one: &Observation, step: &Connect, transaction: usize) -> Value {
    json!({
        "ip": step.ip,
        "port": step.port,
        "status": { "failure": failure(one.failure), "success": one.failure.is_none() },
        "t0": seconds(one.started),
        "t": seconds(one.ended),
        "tags": tags(0, None),
        "transaction_id": transaction,
    })
}

fn handshake(one: &Observation, step: &Handshake, transaction: usize) -> Value {
    let wrong = step
        .certificate
        .as_ref()
        .and_then(|validity| validity.failure);
    let failed = one.failure.or(wrong);
    let chain = step
        .chain
        .iter()
        .map(|der| json!({ "data": STANDARD.encode(&der.0), "format": "base64" }));
    json!({
        "network": "tcp",
        "address": SocketAddr::new(step.ip.0, step.port).to_string(),
        "cipher_suite": step.cipher.and_then(words::cipher_name).unwrap_or_default(),
        "failure": failure(failed),
        "negotiated_protocol": step.alpn.as_deref().unwrap_or_default(),
        "no_tls_verify": failed.is_none() && step.certificate.is_none(),
        "peer_certificates": chain.collect::<Vec<_>>(),
        "server_name": step.server_name.as_deref().unwrap_or_default(),
        "so_error": null,
        "t0": seconds(one.started),
        "t": seconds(one.ended),
        "tags": tags(0, None),
        "tls_version": step.version.and_then(words::version_name).unwrap_or_default(),
        "transaction_id": transaction,
    })
}

/// Without the body, as if it had been cut to nothing.
fn request(one: &Observation, step: &Fetch, transaction: usize) -> Value {
    let pairs: Vec<(&str, String)> = step
        .headers
        .iter()
        .map(|header| {
            (
                header.name.as_str(),
                scrub::field(&header.name, &header.value),
            )
        })
        .collect();
    let map: Map<String, Value> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    let url = if step.depth == 0 {
        step.url.clone()
    } else {
        scrub::url(&step.url)
    };
    json!({
        "network": "tcp",
        "address": SocketAddr::new(step.ip.0, step.port).to_string(),
        "alpn": "",
        "failure": failure(one.failure),
        "request": {
            "body": "",
            "body_is_truncated": false,
            "headers": {},
            "headers_list": [],
            "method": "GET",
            "tor": { "exit_ip": null, "exit_name": null, "is_tor": false },
            "url": url,
            "x_transport": "tcp",
        },
        "response": {
            "body": "",
            "body_is_truncated": step.status.is_some(),
            "code": step.status.unwrap_or(0),
            "headers": map,
            "headers_list": pairs,
            "locations": null,
        },
        "t0": seconds(one.started),
        "t": seconds(one.ended),
        "tags": tags(step.depth, None),
        "transaction_id": transaction,
    })
}

/// What a test helper would have answered.
#[derive(Default)]
pub(super) struct Helped {
    pub(super) dns_failure: Option<&'static str>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) connects: Map<String, Value>,
    pub(super) handshakes: Map<String, Value>,
    pub(super) page: Value,
}

pub(super) fn help(seen: &[Observation]) -> Helped {
    let mut helped = Helped {
        page: json!({
            "body_length": -1, "failure": "unknown_failure", "headers": {}, "status_code": -1,
            "title": "",
        }),
        ..Helped::default()
    };
    let mut wrong = None;
    for one in seen {
        match &one.step {
            Step::Lookup(step) => {
                for ip in step.replies.iter().flat_map(|reply| &reply.addresses) {
                    if !helped.addresses.contains(&ip.0) {
                        helped.addresses.push(ip.0);
                    }
                }
                wrong = wrong.or(one.failure.filter(|f| *f != Failure::DnsNoAnswer));
            }
            Step::Connect(step) => {
                let at = SocketAddr::new(step.ip.0, step.port).to_string();
                let end =
                    json!({ "status": one.failure.is_none(), "failure": failure(one.failure) });
                helped.connects.insert(at, end);
            }
            Step::Handshake(step) if step.role == HandshakeRole::Target => {
                let at = SocketAddr::new(step.ip.0, step.port).to_string();
                let end = json!({
                    "server_name": step.server_name.as_deref().unwrap_or_default(),
                    "status": one.failure.is_none(),
                    "failure": failure(one.failure),
                });
                helped.handshakes.insert(at, end);
            }
            // The last page is where the redirects led.
            Step::Fetch(step) => helped.page = page(one, step),
            _ => {}
        }
    }
    if helped.addresses.is_empty() {
        // The test helper has words of its own for what does not exist.
        helped.dns_failure = wrong.map(|wrong| match wrong {
            Failure::DnsNxDomain => "dns_name_error",
            other => other.ooni(),
        });
    }
    helped
}

fn page(one: &Observation, step: &Fetch) -> Value {
    let headers: Map<String, Value> = step
        .headers
        .iter()
        .map(|h| (h.name.clone(), scrub::field(&h.name, &h.value).into()))
        .collect();
    json!({
        "body_length": step.body_length,
        "discovered_h3_endpoint": "",
        "failure": failure(one.failure),
        "headers": headers,
        "status_code": step.status.map_or(-1, i32::from),
        "title": step.title.as_deref().unwrap_or_default(),
    })
}
