//! What does a clean place see of a target that a probe measures?
//!
//! OONI's test helper (`th.go`, ts-017) with the probe's own steps, so that a difference
//! between probe and control is never a difference of tools: the name is asked of the clean
//! place's resolvers; the union of their answers and of the addresses that the probe was told
//! is connected to and greeted; the page is fetched from the clean place's own addresses
//! alone, since what a forged answer points to must never pass as the page. Known false
//! positives: sites that serve each place differently, and sites that turn away data centres.

use super::addresses::{Sourced, in_turn};
use super::dns_consistency::{network, system};
use super::lookup::{addresses, persist};
use super::web::{Way, visit};
use super::{Plan, World, run::Run};
use super::{ech, encrypted_dns, quic};
use crate::net::{Clock, Network};
use faultline_core::{
    dns::is_bogon,
    measurement::ControlReport,
    observation::{AddressSource, Observation, ResolverRole, Step},
    resolver::Service,
    value::Ip,
};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::net::IpAddr;
use url::{Host, Url};

/// Looks at a page, at a bare name, or at a resolver over encrypted transports, from the place called `vantage`. `told` are the
/// addresses that the asking probe's resolvers gave.
pub async fn control<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    vantage: &str,
    target: &str,
    told: &[IpAddr],
) -> ControlReport {
    let taken = world.clock.unix();
    let run = &Run::new(world, plan);
    let parsed = Url::parse(target)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut observations = match (&parsed, Service::of_target(target)) {
        (Some(url), _) => page(run, url, told).await,
        (None, Some(service)) if plan.contact_bogons || !is_bogon(service.address) => {
            encrypted_dns::offer(run, &service).await
        }
        (None, Some(_)) => Vec::new(),
        (None, None) => names(run, target).await,
    };
    for observation in &mut observations {
        if let Step::Lookup(lookup) = &mut observation.step {
            lookup.role = ResolverRole::Helper;
        }
    }
    ControlReport {
        target: target.to_owned(),
        taken,
        vantage: vantage.to_owned(),
        observations,
    }
}

/// Public addresses that lookups of `name` gave, for a control to try too.
pub fn told(name: &str, seen: &[Observation]) -> Vec<Ip> {
    let lookups = seen.iter().filter_map(|o| match &o.step {
        Step::Lookup(lookup) if lookup.name.eq_ignore_ascii_case(name) => Some(lookup),
        _ => None,
    });
    let all: BTreeSet<Ip> = lookups
        .flat_map(|lookup| &lookup.replies)
        .flat_map(|reply| reply.addresses.iter().copied())
        .collect();
    all.into_iter().collect()
}

/// What the resolvers of this place say; its system's, where it knows no others.
async fn names<N: Network, C: Clock>(run: &Run<'_, N, C>, name: &str) -> Vec<Observation> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let announced = run.world.net.announced_resolvers();
    if announced.is_empty() {
        return system(run, &name).await;
    }
    let asks = network(&announced, &name, &run.plan.query_types);
    let seen = join_all(asks.iter().map(|ask| persist(run, ask))).await;
    seen.into_iter().flatten().collect()
}

async fn page<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    url: &Url,
    told: &[IpAddr],
) -> Vec<Observation> {
    let (mut seen, chosen) = match url.host() {
        Some(Host::Domain(name)) => {
            let seen = names(run, name).await;
            let chosen = choose(run.plan, &seen, told);
            (seen, chosen)
        }
        Some(Host::Ipv4(ip)) => (Vec::new(), vec![(ip.into(), AddressSource::Literal)]),
        Some(Host::Ipv6(ip)) => (Vec::new(), vec![(ip.into(), AddressSource::Literal)]),
        None => return Vec::new(),
    };
    let way = Way {
        url,
        // A site is not knocked at twice to tell apart what interferes with a clean place.
        twin: false,
        fetched: |source| source != AddressSource::Probe,
        claims: std::cell::RefCell::default(),
    };
    let dialled = if run.plan.transports && url.scheme() == "https" {
        chosen.clone()
    } else {
        Vec::new()
    };
    let visits = chosen.into_iter().map(|address| visit(run, &way, address));
    let dials = dialled
        .iter()
        .map(|address| quic::offer(run, url, *address));
    let greets = ech::offer(run, url, &dialled);
    let (visited, dialled, greeted) = tokio::join!(join_all(visits), join_all(dials), async {
        if dialled.is_empty() {
            Vec::new()
        } else {
            greets.await
        }
    });
    seen.extend(visited.into_iter().flatten());
    seen.extend(dialled);
    seen.extend(greeted);
    seen
}

fn choose(plan: &Plan, lookups: &[Observation], told: &[IpAddr]) -> Vec<Sourced> {
    let allowed = |ip: &IpAddr| plan.contact_bogons || !is_bogon(*ip);
    let mut own: Vec<IpAddr> = Vec::new();
    for ip in lookups.iter().flat_map(addresses).map(|ip| ip.0) {
        if !own.contains(&ip) && allowed(&ip) {
            own.push(ip);
        }
    }
    let told = told
        .iter()
        .copied()
        .filter(|ip| !own.contains(ip) && allowed(ip));
    let told: Vec<_> = told.map(|ip| (ip, AddressSource::Probe)).collect();
    let own = own.iter().map(|ip| (*ip, AddressSource::Control)).collect();
    in_turn(own, told, plan.max_addresses).0
}
