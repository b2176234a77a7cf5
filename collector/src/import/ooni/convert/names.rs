//! Which names were asked of whom, and what came back? `queries` (df-002), the replies that
//! came late, and what a `whoami` name told of the resolvers.

use super::super::{
    document::{answer_address, base64, failure, tag, text},
    tape::Value,
};
use super::{Scene, clip, observation, words};
use faultline_core::{
    dns::Message,
    failure::{Failure, Layer},
    observation::{DnsTransport, Lookup, Observation, Reply, ResolverRole, Step},
    value::{Blob, Ip},
};
use std::net::{IpAddr, SocketAddr};

/// Octets kept of a reply; addresses and aliases kept of an answer.
const RAW_CAP: usize = 4096;
const ANSWERS_CAP: usize = 256;

const A: u16 = 1;
const AAAA: u16 = 28;

/// Every lookup, each with the replies that belong to it.
pub(super) fn lookups(scene: &mut Scene<'_>) -> Vec<Observation> {
    let document = scene.document;
    // Queries for other types of record stand apart.
    let apart = ["x_do53", "x_doh"].map(|name| document.key(name).field("queries").items());
    let all = document.list("queries").chain(apart.into_iter().flatten());
    let late: Vec<_> = scene
        .capped(document.list("x_dns_duplicate_responses"))
        .into_iter()
        .map(|reply| (question(reply), reply))
        .collect();
    let mut seen = Vec::new();
    for query in scene.capped(all) {
        let asked = question(query);
        for rtype in types(query) {
            let Some(mut step) = lookup(query, rtype) else {
                continue;
            };
            let again = late.iter().filter(|(answers, _)| *answers == asked);
            for (_, reply) in again.take(ANSWERS_CAP) {
                step.replies.push(self::reply(*reply, rtype));
            }
            let failed = failed(query, &step, rtype);
            seen.push(observation(query, Step::Lookup(step), failed));
        }
    }
    seen.extend(whoami(document.key("x_dns_whoami")));
    seen
}

/// The system's resolver is asked for both families at once (`ANY`): an answer is told by
/// family, a failure is one of both, as for our own probes.
fn types(query: Value<'_>) -> Vec<u16> {
    match text(query.field("query_type")) {
        "ANY" => {
            let has = |v4: bool| {
                let mut ips = query.field("answers").items().filter_map(answer_address);
                ips.any(|ip| ip.is_ipv4() == v4)
            };
            match (has(true), has(false)) {
                (true, false) => vec![A],
                (false, true) => vec![AAAA],
                _ => vec![A, AAAA],
            }
        }
        name => words::record_type(name).into_iter().collect(),
    }
}

fn lookup(query: Value<'_>, rtype: u16) -> Option<Lookup> {
    // Our own export says whose resolver it was; OONI's engines do not.
    let plain = match tag(query, "role") {
        Some("network") => ResolverRole::Network,
        Some("non_resolver") => ResolverRole::NonResolver,
        Some("non_resolver_inside") => ResolverRole::NonResolverInside,
        Some("non_resolver_abroad") => ResolverRole::NonResolverAbroad,
        _ => ResolverRole::Public,
    };
    let (role, transport) = match text(query.field("engine")) {
        "udp" => (plain, DnsTransport::Udp),
        "tcp" => (plain, DnsTransport::Tcp),
        "dot" => (ResolverRole::Encrypted, DnsTransport::Tls),
        "doh" | "doh3" => (ResolverRole::Encrypted, DnsTransport::Https),
        "doq" => (ResolverRole::Encrypted, DnsTransport::Quic),
        _ => (ResolverRole::System, DnsTransport::System),
    };
    let name = super::name(text(query.field("hostname")));
    if name.is_empty() {
        return None;
    }
    let address = text(query.field("resolver_address"));
    let resolver = address
        .parse::<SocketAddr>()
        .map(|at| at.ip())
        .or_else(|_| address.parse::<IpAddr>())
        .ok();
    let encrypted = role == ResolverRole::Encrypted;
    let first = reply(query, rtype);
    let spoke = !first.addresses.is_empty()
        || !first.aliases.is_empty()
        || first.raw.is_some()
        || (transport != DnsTransport::System && answered(failure(query.field("failure"))));
    Some(Lookup {
        name,
        rtype,
        role,
        transport,
        resolver: resolver.map(Ip),
        resolver_name: (encrypted && resolver.is_none())
            .then(|| host(address))
            .flatten(),
        replies: spoke.then_some(first).into_iter().collect(),
        watched: 0,
        attempt: 0,
    })
}

/// The host in a resolver's URL or `host:port`.
fn host(address: &str) -> Option<String> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next()?;
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    (!host.is_empty()).then(|| clip(host, 255))
}

/// Whether a resolver spoke, even if only to refuse.
fn answered(word: Option<&str>) -> bool {
    match word {
        None => true,
        Some(word) => rcode(words::failure(word, Layer::Dns)).is_some(),
    }
}

/// The response code that a failure stands for.
fn rcode(failure: Failure) -> Option<u16> {
    match failure {
        Failure::DnsNoAnswer => Some(0),
        Failure::DnsServFail => Some(2),
        Failure::DnsNxDomain => Some(3),
        Failure::DnsRefused => Some(5),
        _ => None,
    }
}

/// One reply as the document tells it; what only the datagram knows is read from there.
fn reply(query: Value<'_>, rtype: u16) -> Reply {
    let word = failure(query.field("failure")).map(|word| words::failure(word, Layer::Dns));
    let said = query
        .field("rcode")
        .as_u64()
        .and_then(|rcode| u16::try_from(rcode).ok());
    let started = words::micros(query.field("t0"));
    let mut reply = Reply {
        after: match query.given("t0") {
            Some(_) => words::micros(query.field("t")).saturating_sub(started),
            None => 0,
        },
        from: None,
        rcode: said.or_else(|| word.and_then(rcode)).unwrap_or(0),
        flags: 0,
        addresses: Vec::new(),
        aliases: Vec::new(),
        ttl: None,
        edns: false,
        failure: word.filter(|f| matches!(f, Failure::DnsMismatch | Failure::DnsMalformed)),
        case_echoed: None,
        raw: None,
        hop_limit: None,
    };
    let of_type = |ip: &IpAddr| match rtype {
        A => ip.is_ipv4(),
        AAAA => ip.is_ipv6(),
        _ => false,
    };
    for answer in query.field("answers").items().take(ANSWERS_CAP) {
        let address = answer_address(answer).filter(of_type);
        reply.addresses.extend(address.map(Ip));
        if text(answer.field("answer_type")) == "CNAME" {
            let alias = text(answer.field("hostname")).trim_end_matches('.');
            reply.aliases.push(clip(alias, 255));
        }
        if let Some(ttl) = answer.field("ttl").as_u64() {
            let ttl = u32::try_from(ttl).unwrap_or(u32::MAX);
            reply.ttl = Some(reply.ttl.map_or(ttl, |least| least.min(ttl)));
        }
    }
    let mut raw = base64(text(query.field("raw_response")));
    if let Ok(message) = Message::parse(&raw) {
        reply.rcode = message.rcode().0;
        reply.flags = message.header().flags();
        reply.edns = message.edns().is_some();
        let ttls = message.answers().map(|record| record.ttl);
        reply.ttl = ttls.min().or(reply.ttl);
    }
    if !raw.is_empty() {
        raw.truncate(RAW_CAP);
        reply.raw = Some(Blob(raw));
    }
    reply
}

/// How the lookup ended. An answer to `ANY` without addresses of one family, or one that
/// holds aliases alone, is no answer.
fn failed(query: Value<'_>, lookup: &Lookup, rtype: u16) -> Option<Failure> {
    let word = failure(query.field("failure")).map(|word| words::failure(word, Layer::Dns));
    let empty = matches!(rtype, A | AAAA)
        && lookup
            .replies
            .iter()
            .all(|reply| reply.addresses.is_empty());
    word.or(empty.then_some(Failure::DnsNoAnswer))
}

/// By what a reply that came late belongs to a query.
fn question(event: Value<'_>) -> [Value<'_>; 5] {
    [
        "engine",
        "hostname",
        "query_type",
        "resolver_address",
        "transaction_id",
    ]
    .map(|name| event.field(name))
}

/// `whoami.v4.powerdns.org` answers with the address that the query came from: which
/// resolver really asks.
fn whoami(told: Value<'_>) -> Vec<Observation> {
    let system = (told.field("system_v4").items(), ResolverRole::System, None);
    let public = told
        .field("udp_v4")
        .sorted()
        .into_iter()
        .map(|(resolver, told)| {
            let at = resolver.parse::<SocketAddr>().ok();
            (told.items(), ResolverRole::Public, at.map(|at| Ip(at.ip())))
        });
    std::iter::once(system)
        .chain(public)
        .take(16)
        .filter_map(|(told, role, resolver)| {
            let ips = told.filter_map(|one| text(one.field("address")).parse().ok());
            let addresses: Vec<Ip> = ips.take(ANSWERS_CAP).map(Ip).collect();
            if addresses.is_empty() {
                return None;
            }
            let step = Step::Lookup(Lookup {
                name: "whoami.v4.powerdns.org".into(),
                rtype: A,
                role,
                transport: match role {
                    ResolverRole::System => DnsTransport::System,
                    _ => DnsTransport::Udp,
                },
                resolver,
                resolver_name: None,
                replies: vec![Reply {
                    addresses,
                    ..reply(Value::default(), A)
                }],
                watched: 0,
                attempt: 0,
            });
            Some(observation(Value::default(), step, None))
        })
        .collect()
}
