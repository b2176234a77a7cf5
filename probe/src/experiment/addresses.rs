//! Which addresses of a target are tried, and who gave them?

use super::{Plan, lookup};
use faultline_core::{
    dns::is_bogon,
    measurement::ControlReport,
    observation::{AddressSource, Observation, ResolverRole, Step},
};
use std::net::IpAddr;
use url::Url;

/// An address and its giver.
pub(super) type Sourced = (IpAddr, AddressSource);

/// The port that a URL names or implies.
pub(super) fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}

/// The union of what the probe's resolvers and the control gave, each address once, the
/// probe's and the control's in turn so that neither crowds out the other; and whether some
/// were left out.
pub(super) fn choose(
    plan: &Plan,
    lookups: &[Observation],
    control: Option<&ControlReport>,
) -> (Vec<Sourced>, bool) {
    let mut probe = Vec::new();
    let mut trusted = Vec::new();
    for observation in lookups {
        let list = if is_control(observation) {
            &mut trusted
        } else {
            &mut probe
        };
        gather(plan, list, observation);
    }
    for observation in control.map_or(&[][..], |report| &report.observations) {
        gather(plan, &mut trusted, observation);
    }
    trusted.retain(|ip| !probe.contains(ip));
    let probe = probe.into_iter().map(|ip| (ip, AddressSource::Probe));
    let trusted = trusted.into_iter().map(|ip| (ip, AddressSource::Control));
    in_turn(probe.collect(), trusted.collect(), plan.max_addresses)
}

/// At most `most` of two lists, of each in turn so that neither crowds out the other; and
/// whether some were left out.
pub(super) fn in_turn(
    one: Vec<Sourced>,
    other: Vec<Sourced>,
    most: usize,
) -> (Vec<Sourced>, bool) {
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

fn gather(plan: &Plan, list: &mut Vec<IpAddr>, observation: &Observation) {
    for ip in lookup::addresses(observation) {
        if !list.contains(&ip.0) && (plan.contact_bogons || !is_bogon(ip.0)) {
            list.push(ip.0);
        }
    }
}
