//! Which questions belong to a measurement, and which addresses are tried after them?
//!
//! What the experiments of every probe decide alike, whoever carries their packets: a board
//! and a Linux machine ask the same questions in the same order and choose the same
//! addresses, so that their measurements can be compared one with the other.

use super::lookup::{Question, addresses};
use crate::{
    measurement::ControlReport,
    observation::{AddressSource, DnsTransport, Observation, ResolverRole, Step},
};
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::net::{IpAddr, SocketAddr};

/// IANA number of A.
pub const A: u16 = 1;

/// An address and its giver.
pub type Sourced = (IpAddr, AddressSource);

/// Each resolver asked for each type, over UDP.
pub fn questions(
    resolvers: &[SocketAddr],
    name: &str,
    types: &[u16],
    role: ResolverRole,
) -> Vec<Question> {
    let mut asks = Vec::new();
    for resolver in resolvers {
        for rtype in types {
            asks.push(Question {
                name: name.to_owned(),
                rtype: *rtype,
                role,
                transport: DnsTransport::Udp,
                resolver: *resolver,
                resolver_name: None,
            });
        }
    }
    asks
}

/// What an address that runs no resolver is asked: the name, and a neutral one. Whoever answers
/// both is no injector of this name.
pub fn nobody(
    address: SocketAddr,
    role: ResolverRole,
    name: &str,
    neutral: &str,
) -> Vec<Question> {
    let mut asks = questions(&[address], name, &[A], role);
    if !neutral.eq_ignore_ascii_case(name) {
        asks.extend(questions(&[address], neutral, &[A], role));
    }
    asks
}

/// Twelve letters that nobody has registered.
pub fn unlikely_label(random: [u8; 12]) -> String {
    random
        .iter()
        .map(|octet| char::from(b'a' + octet % 26))
        .collect()
}

/// The addresses of a target that are tried: the union of what the probe's resolvers and the
/// control gave, each address once, the probe's and the control's in turn so that neither
/// crowds out the other; and whether some were left out. `allowed` says where a probe may
/// knock at all.
pub fn choose(
    lookups: &[Observation],
    control: Option<&ControlReport>,
    most: usize,
    allowed: impl Fn(IpAddr) -> bool,
) -> (Vec<Sourced>, bool) {
    let mut probe = Vec::new();
    let mut trusted = Vec::new();
    for observation in lookups {
        let list = if is_control(observation) {
            &mut trusted
        } else {
            &mut probe
        };
        gather(list, observation, &allowed);
    }
    for observation in control.map_or(&[][..], |report| &report.observations) {
        gather(&mut trusted, observation, &allowed);
    }
    trusted.retain(|ip| !probe.contains(ip));
    let probe = probe.into_iter().map(|ip| (ip, AddressSource::Probe));
    let trusted = trusted.into_iter().map(|ip| (ip, AddressSource::Control));
    in_turn(probe.collect(), trusted.collect(), most)
}

/// At most `most` of two lists, of each in turn so that neither crowds out the other; and
/// whether some were left out.
pub fn in_turn(one: Vec<Sourced>, other: Vec<Sourced>, most: usize) -> (Vec<Sourced>, bool) {
    let total = one.len() + other.len();
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut chosen = Vec::new();
    while chosen.len() < total {
        chosen.extend(one.next());
        chosen.extend(other.next());
    }
    chosen.truncate(most);
    let left_out = chosen.len() < total;
    (chosen, left_out)
}

fn is_control(observation: &Observation) -> bool {
    matches!(&observation.step, Step::Lookup(lookup)
        if matches!(lookup.role, ResolverRole::Encrypted | ResolverRole::Helper))
}

fn gather(
    list: &mut Vec<IpAddr>,
    observation: &Observation,
    allowed: &impl Fn(IpAddr) -> bool,
) {
    for ip in addresses(observation) {
        if !list.contains(&ip.0) && allowed(ip.0) {
            list.push(ip.0);
        }
    }
}
