//! What does a resolver say, honest or not?
//!
//! Each way of lying is documented: NXDOMAIN, SERVFAIL and REFUSED by order (Italy, Russia,
//! Indonesia; Niaki et al., ICLab, S&P 2020), private addresses (Iran's 10.10.34.x; Aryan
//! et al., FOCI 2013), addresses of blockpages (Turkey, Indonesia, Italy; Pearce et al.,
//! Iris, USENIX Security 2017), rewriting of NXDOMAIN (RFC 8020 section 1, RFC 4924).

use crate::middlebox::dns_mangler::{Mangle, arrives, passes};
use crate::world::World;
use crate::zone;
use faultline_core::dns::{
    Data, Message, NameBuf, Owner, RData, Rcode, RecordType, ResponseBuilder, Section,
};
use serde::Deserialize;
use std::net::IpAddr;

/// How a resolver treats names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Tells the truth.
    #[default]
    Honest,
    /// NXDOMAIN for the listed names.
    Nxdomain,
    /// NOERROR without an answer for the listed names.
    NoAnswer,
    /// `answer` for the listed names.
    Address,
    /// REFUSED for the listed names.
    Refused,
    /// SERVFAIL for the listed names.
    Servfail,
    /// No word on the listed names; on none, if none is listed.
    Silent,
    /// `answer` for names that do not exist.
    RewritesNxdomain,
}

/// A transport that nobody can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speech {
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
    /// DNS over QUIC.
    Quic,
}

fn streams() -> Vec<Speech> {
    vec![Speech::Tls, Speech::Https]
}

/// A resolver.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolver {
    /// Where it is asked.
    pub address: IpAddr,
    /// The network whose clients are told of it.
    pub announced_in: Option<u32>,
    /// The network it stands in, which decides geographical answers; that of its clients,
    /// where not given.
    pub asn: Option<u32>,
    /// Its name: it speaks DNS over TLS and HTTPS.
    pub name: Option<String>,
    /// Whether the probe's plan names it among public resolvers.
    #[serde(default)]
    pub public: bool,
    /// How long it takes to answer a datagram, milliseconds.
    #[serde(default)]
    pub thinks_ms: u64,
    /// What it speaks beside the clear, where it has a name; all but QUIC where not given.
    #[serde(default = "streams")]
    pub speaks: Vec<Speech>,
    /// Whether of HTTP it speaks version 1.1 alone.
    #[serde(default)]
    pub old_http: bool,
    /// Clients from these countries get no answer to what they ask over encrypted transports.
    #[serde(default)]
    pub refuses_countries: Vec<String>,
    /// Whether it is asked over TLS (port 853), and not HTTPS, where it has a name.
    #[serde(default)]
    pub over_tls: bool,
    /// Whether its answers never fit into a datagram (TC, RFC 2181 section 9).
    #[serde(default)]
    pub truncates: bool,
    /// Whether it hears no TCP, as behind some firewalls (RFC 7766 section 1).
    #[serde(default)]
    pub datagrams_only: bool,
    /// Whether it gives names back in lower case, however they were asked.
    #[serde(default)]
    pub folds_case: bool,
    /// How it treats names.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// Which names it lies about, with those below them.
    #[serde(default)]
    pub names: Vec<String>,
    /// What it says instead.
    pub answer: Option<IpAddr>,
    /// Top-level domains of a root of its own: it knows them by other name servers than the
    /// rest of the world, and every name below them at `answer`.
    #[serde(default)]
    pub own_root: Vec<String>,
    /// Whether it validates signatures, and fails where they do not fit (RFC 4035).
    #[serde(default)]
    pub validates: bool,
    /// The most octets that it sends in a datagram (DNS flag day 2020: 1232).
    #[serde(default = "flag_day")]
    pub most_octets: usize,
    /// What it does to queries and replies beside (RFC 5625: forwarders in routers).
    #[serde(default)]
    pub mangles: Vec<Mangle>,
    /// Whether it leaves HTTPS records out, as resolvers before RFC 9460 do behind some routers.
    #[serde(default)]
    pub strips_services: bool,
}

fn flag_day() -> usize {
    1232
}

impl Resolver {
    /// An honest one for the clients of a network.
    pub fn honest(address: IpAddr, asn: u32) -> Self {
        Self {
            address,
            announced_in: Some(asn),
            asn: Some(asn),
            name: None,
            public: false,
            thinks_ms: 0,
            speaks: streams(),
            old_http: false,
            refuses_countries: Vec::new(),
            over_tls: false,
            truncates: false,
            datagrams_only: false,
            folds_case: false,
            behaviour: Behaviour::Honest,
            names: Vec::new(),
            answer: None,
            own_root: Vec::new(),
            validates: false,
            most_octets: flag_day(),
            mangles: Vec::new(),
            strips_services: false,
        }
    }

    /// Whether it speaks so to clients of a country; whether it listens is another matter.
    pub fn answers(&self, country: &str) -> bool {
        !self
            .refuses_countries
            .iter()
            .any(|refused| refused == country)
    }

    /// Whether it listens for a transport.
    pub fn speaks(&self, speech: Speech) -> bool {
        self.name.is_some() && self.speaks.contains(&speech)
    }

    /// The reply in a datagram.
    pub fn datagram(&self, world: &World, query: &[u8]) -> Option<Vec<u8>> {
        let query = &passes(&self.mangles, query)?;
        // Silent ones are silent here, too.
        let reply = self.reply(world, query)?;
        if !self.truncates && reply.len() <= room(query)?.min(self.most_octets) {
            return arrives(&self.mangles, &reply).then_some(reply);
        }
        let mut reply = compose(query, Rcode::NO_ERROR, &[], &[])?;
        *reply.get_mut(2)? |= TC;
        Some(reply)
    }

    /// The reply to a query; `None` for silence.
    pub fn reply(&self, world: &World, query: &[u8]) -> Option<Vec<u8>> {
        if self.folds_case {
            let folded = lower_case(query);
            return self.say(world, &folded);
        }
        self.say(world, query)
    }

    /// The reply about a name below a top-level domain of its own root.
    fn of_own_root(&self, query: &[u8], name: &str) -> Option<Vec<u8>> {
        let tld = top(name);
        if !self.own_root.iter().any(|own| own == tld) {
            return None;
        }
        if name == tld {
            return zone::delegation(query, tld, "other-root");
        }
        compose(query, Rcode::NO_ERROR, &[], self.answer.as_slice())
    }

    fn say(&self, world: &World, query: &[u8]) -> Option<Vec<u8>> {
        let name = asked(query)?;
        let country = world.country(self.asn.or(self.announced_in).unwrap_or(0));
        let truth = world.addresses(&name, country);
        let listed = below(&self.names, &name);
        if let Some(reply) = self.of_own_root(query, &name) {
            return Some(reply);
        }
        let tld = world.tlds.iter().find(|tld| tld.name == top(&name));
        if self.validates && tld.is_some_and(|tld| tld.broken) {
            return compose(query, Rcode::SERV_FAIL, &[], &[]);
        }
        let infrastructure = zone::answer(world, query, &name)
            .or_else(|| zone::service(world, query, &name).filter(|_| !self.strips_services));
        let forged = || Some(vec![self.answer?]);
        match self.behaviour {
            Behaviour::Silent if listed || self.names.is_empty() => None,
            Behaviour::Nxdomain if listed => compose(query, Rcode::NX_DOMAIN, &[], &[]),
            Behaviour::NoAnswer if listed => compose(query, Rcode::NO_ERROR, &[], &[]),
            Behaviour::Refused if listed => compose(query, Rcode::REFUSED, &[], &[]),
            Behaviour::Servfail if listed => compose(query, Rcode::SERV_FAIL, &[], &[]),
            Behaviour::Address if listed => compose(query, Rcode::NO_ERROR, &[], &forged()?),
            Behaviour::RewritesNxdomain if truth.is_none() && infrastructure.is_none() => {
                compose(query, Rcode::NO_ERROR, &[], &forged()?)
            }
            _ if infrastructure.is_some() => infrastructure,
            _ => match truth {
                Some(addresses) => {
                    let aliases = world.aliases(&name);
                    compose(query, Rcode::NO_ERROR, aliases, &addresses)
                }
                None => compose(query, Rcode::NX_DOMAIN, &[], &[]),
            },
        }
    }
}

/// The last label of a name.
pub fn top(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Octets that a client takes in a datagram (RFC 1035 section 4.2.1, RFC 6891 section 6.2.3).
fn room(query: &[u8]) -> Option<usize> {
    let edns = Message::parse(query).ok()?.edns();
    Some(edns.map_or(512, |edns| usize::from(edns.udp_size()).max(512)))
}

/// Whether a name or one above it is listed; `=name` lists that name alone.
pub fn below(names: &[String], name: &str) -> bool {
    names.iter().any(|listed| {
        name == listed.trim_start_matches('=')
            || name
                .strip_suffix(listed)
                .is_some_and(|rest| rest.ends_with('.'))
    })
}

/// The name that a query asks for, lower case, without a final dot.
pub fn asked(query: &[u8]) -> Option<String> {
    let message = Message::parse(query).ok()?;
    let name = message.question()?.name.to_buf().to_string();
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

/// TC in the third octet of a header (RFC 1035 section 4.1.1).
const TC: u8 = 2;

/// A query whose name is in lower case.
pub fn lower_case(query: &[u8]) -> Vec<u8> {
    let mut folded = query.to_vec();
    // Lengths of labels are no letters, and what follows the name has none but in options.
    let end = query.iter().skip(12).position(|octet| *octet == 0);
    if let Some(name) = end.and_then(|end| folded.get_mut(12..12 + end)) {
        name.make_ascii_lowercase();
    }
    folded
}

/// A reply that leads through the aliases to those of the addresses that are of the asked
/// type.
pub fn compose(
    query: &[u8],
    rcode: Rcode,
    aliases: &[String],
    addresses: &[IpAddr],
) -> Option<Vec<u8>> {
    let message = Message::parse(query).ok()?;
    let rtype = message.question()?.rtype;
    let mut buffer = vec![0; 4096];
    let mut reply = ResponseBuilder::reply_to(&message, &mut buffer).ok()?;
    reply.rcode(rcode);
    let names = aliases.iter().map(|alias| alias.parse());
    let names = names.collect::<Result<Vec<NameBuf>, _>>().ok()?;
    let mut owner = Owner::Question;
    for name in &names {
        let data = Data::Cname(name);
        reply.record(Section::Answer, owner, 300, &data).ok()?;
        owner = Owner::Name(name);
    }
    for address in addresses {
        let data = match address {
            IpAddr::V4(ip) if rtype == RecordType::A => Data::A(*ip),
            IpAddr::V6(ip) if rtype == RecordType::AAAA => Data::Aaaa(*ip),
            _ => continue,
        };
        reply.record(Section::Answer, owner, 300, &data).ok()?;
    }
    if let Some(edns) = message.edns() {
        reply.edns(1232, edns.dnssec_ok(), &[]).ok()?;
    }
    let length = reply.finish().ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Whether a reply was cut to fit a datagram.
pub fn truncated(reply: &[u8]) -> bool {
    reply.get(2).is_some_and(|octet| octet & TC != 0)
}

/// The response code and addresses of a reply.
pub fn read(reply: &[u8]) -> Option<(Rcode, Vec<IpAddr>)> {
    let message = Message::parse(reply).ok()?;
    let mut addresses = Vec::new();
    for record in message.answers() {
        match record.rdata {
            RData::A(ip) => addresses.push(ip.into()),
            RData::Aaaa(ip) => addresses.push(ip.into()),
            _ => {}
        }
    }
    Some((message.rcode(), addresses))
}
