//! Which addresses of a target are tried, and who gave them?

use super::dns_consistency::{control, network, system};
use super::{Plan, lookup::persist, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    dns::is_bogon,
    engine::agenda,
    measurement::{ControlReport, Limit},
    observation::{AddressSource, Observation},
};
use futures_util::future::join_all;
use std::net::IpAddr;
use url::{Host, Url};

pub(super) use faultline_core::engine::agenda::{Sourced, in_turn};

/// The port that a URL names or implies.
pub(super) fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}

/// What is tried by this plan; and whether some addresses were left out.
pub(super) fn choose(
    plan: &Plan,
    lookups: &[Observation],
    control: Option<&ControlReport>,
) -> (Vec<Sourced>, bool) {
    agenda::choose(lookups, control, plan.max_addresses, |ip| {
        plan.contact_bogons || !is_bogon(ip)
    })
}

/// Asks every resolver of the plan for a host's addresses; nobody where it is an address.
pub(super) async fn resolve<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    host: &Host<&str>,
) -> Vec<Observation> {
    let Host::Domain(name) = host else {
        return Vec::new();
    };
    let announced = run.world.net.announced_resolvers();
    let mut asks = network(&announced, name, &run.plan.query_types);
    asks.extend(control(run.plan, name));
    let (mut seen, asked) = tokio::join!(
        system(run, name),
        join_all(asks.iter().map(|ask| persist(run, ask)))
    );
    seen.extend(asked.into_iter().flatten());
    seen
}

/// The addresses of a host that are tried; a limit is noted where some were left out.
pub(super) fn sought<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    host: &Host<&str>,
    lookups: &[Observation],
    report: Option<&ControlReport>,
) -> Vec<Sourced> {
    match host {
        Host::Domain(_) => {
            let (addresses, left_out) = choose(run.plan, lookups, report);
            if left_out {
                run.limit(Limit::Addresses);
            }
            addresses
        }
        Host::Ipv4(ip) => vec![((*ip).into(), AddressSource::Literal)],
        Host::Ipv6(ip) => vec![((*ip).into(), AddressSource::Literal)],
    }
}

/// Of these the ones that the control reached, where it tried any, and at most so many.
pub(super) fn narrowed<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    mut addresses: Vec<Sourced>,
    reached: Option<&[IpAddr]>,
    most: usize,
) -> Vec<Sourced> {
    if let Some(reached) = reached {
        addresses.retain(|(ip, _)| reached.contains(ip));
    }
    if addresses.len() > most {
        run.limit(Limit::Addresses);
        addresses.truncate(most);
    }
    addresses
}
