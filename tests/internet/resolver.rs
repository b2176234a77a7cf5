//! What does a resolver say, honest or not?
//!
//! Each way of lying is documented: NXDOMAIN, SERVFAIL and REFUSED by order (Italy, Russia,
//! Indonesia; Niaki et al., ICLab, S&P 2020), private addresses (Iran's 10.10.34.x; Aryan
//! et al., FOCI 2013), addresses of blockpages (Turkey, Indonesia, Italy; Pearce et al.,
//! Iris, USENIX Security 2017), rewriting of NXDOMAIN (RFC 8020 section 1, RFC 4924).

use crate::world::World;
use faultline_core::dns::{Data, Message, RData, Rcode, RecordType, ResponseBuilder};
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
    /// How it treats names.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// Which names it lies about, with those below them.
    #[serde(default)]
    pub names: Vec<String>,
    /// What it says instead.
    pub answer: Option<IpAddr>,
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
            behaviour: Behaviour::Honest,
            names: Vec::new(),
            answer: None,
        }
    }

    /// The reply to a query; `None` for silence.
    pub fn reply(&self, world: &World, query: &[u8]) -> Option<Vec<u8>> {
        let name = asked(query)?;
        let country = world.country(self.asn.or(self.announced_in).unwrap_or(0));
        let truth = world.addresses(&name, country);
        let listed = below(&self.names, &name);
        let forged = || Some(vec![self.answer?]);
        match self.behaviour {
            Behaviour::Silent if listed || self.names.is_empty() => None,
            Behaviour::Nxdomain if listed => compose(query, Rcode::NX_DOMAIN, &[]),
            Behaviour::NoAnswer if listed => compose(query, Rcode::NO_ERROR, &[]),
            Behaviour::Refused if listed => compose(query, Rcode::REFUSED, &[]),
            Behaviour::Servfail if listed => compose(query, Rcode::SERV_FAIL, &[]),
            Behaviour::Address if listed => compose(query, Rcode::NO_ERROR, &forged()?),
            Behaviour::RewritesNxdomain if truth.is_none() => {
                compose(query, Rcode::NO_ERROR, &forged()?)
            }
            _ => match truth {
                Some(addresses) => compose(query, Rcode::NO_ERROR, &addresses),
                None => compose(query, Rcode::NX_DOMAIN, &[]),
            },
        }
    }
}

/// Whether a name or one above it is listed.
pub fn below(names: &[String], name: &str) -> bool {
    names.iter().any(|listed| {
        name == listed
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

/// A reply with those of the addresses that are of the asked type.
pub fn compose(query: &[u8], rcode: Rcode, addresses: &[IpAddr]) -> Option<Vec<u8>> {
    let message = Message::parse(query).ok()?;
    let rtype = message.question()?.rtype;
    let mut buffer = vec![0; 4096];
    let mut reply = ResponseBuilder::reply_to(&message, &mut buffer).ok()?;
    reply.rcode(rcode);
    for address in addresses {
        match address {
            IpAddr::V4(ip) if rtype == RecordType::A => {
                reply.answer(300, &Data::A(*ip)).ok()?;
            }
            IpAddr::V6(ip) if rtype == RecordType::AAAA => {
                reply.answer(300, &Data::Aaaa(*ip)).ok()?;
            }
            _ => {}
        }
    }
    let length = reply.finish().ok()?;
    buffer.truncate(length);
    Some(buffer)
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
