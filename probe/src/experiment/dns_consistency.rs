//! Do resolvers agree on a name, and does anybody else answer for them?
//!
//! OONI ts-002 with GFWatch's question to addresses that run no resolver, of which each is
//! asked for a neutral name, too, and, for rewriting of NXDOMAIN, a label that cannot exist.
//! Ports stay open to late replies ([`Listening`]). Known false positives are for the verdict:
//! geographical answers, split horizon, wildcard zones.

use super::late::Ears;
use super::lookup::{Ask, Way, addresses, ask_system, is_answer, lookup, persist_with};
use super::{Outcome, Plan, World, captive, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    dns::is_bogon,
    engine::agenda::{A, nobody, questions, unlikely_label},
    failure::Failure,
    measurement::{Experiment, Limit},
    observation::{DnsTransport, Lookup, Observation, ResolverRole, Step},
};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Asks everybody in the plan about `name`. Where what came is suspicious, it waits for what
/// may come after it.
pub async fn dns_consistency<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    name: &str,
) -> Outcome {
    let mut names = ask_names(world, plan, name).await;
    names.settle().await;
    names.finish()
}

/// A measurement of a name whose ports are still open.
pub struct Listening<'a, N, C> {
    run: Run<'a, N, C>,
    ears: Ears,
    name: String,
    observations: Vec<Observation>,
    /// Of each port, the observation that it belongs to.
    places: Vec<usize>,
    portal: Option<bool>,
}

/// Likewise, and goes on listening while the caller does something else.
pub async fn ask_names<'a, N: Network, C: Clock>(
    world: &'a World<'_, N, C>,
    plan: &'a Plan,
    name: &str,
) -> Listening<'a, N, C> {
    let run = Run::new(world, plan);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ears = Ears::default();
    let asked = {
        // On the heap: it is as large as all questions together.
        let asking = Box::pin(ask(&run, &ears, &name));
        tokio::select! {
            biased;
            asked = asking => asked,
            never = ears.hear(&run) => match never {},
        }
    };
    let (seen, portal) = asked;
    let (mut observations, mut places) = (Vec::new(), Vec::new());
    for (at, (observation, port)) in seen.into_iter().enumerate() {
        observations.push(observation);
        places.extend(port.map(|port| (port, at)));
    }
    places.sort_unstable();
    if !controlled(&observations) {
        run.limit(Limit::Control);
    }
    Listening {
        run,
        ears,
        name,
        observations,
        places: places.into_iter().map(|(_, at)| at).collect(),
        portal,
    }
}

impl<N: Network, C: Clock> Listening<'_, N, C> {
    /// What has been seen, but for what came late.
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// Bytes sent and received so far.
    pub fn bytes(&self) -> u64 {
        self.run.traffic.sent.get() + self.run.traffic.received.get()
    }

    /// Does something else meanwhile.
    pub async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = work => done,
            never = self.ears.hear(&self.run) => match never {},
        }
    }

    /// Waits until the ports close, if what came so far gives reason to.
    pub async fn settle(&mut self) {
        if !self.is_suspicious() {
            return;
        }
        if let Some(until) = self.ears.until(&self.run) {
            let clock = self.run.world.clock;
            self.beside(clock.sleep(until.since(clock.now()))).await;
        }
    }

    /// Whether a lone answer to a datagram has nothing in common with the control's, or denies
    /// what the control resolves, or is no address of the Internet: then a truer one may
    /// follow. Where two different ones have come, nothing is left to wait for.
    fn is_suspicious(&self) -> bool {
        let known: BTreeSet<IpAddr> = self
            .lookups()
            .filter(|(lookup, _)| lookup.role == ResolverRole::Encrypted)
            .flat_map(|(_, seen)| addresses(seen).iter().map(|ip| ip.0))
            .collect();
        self.lookups().any(|(lookup, seen)| {
            if lookup.transport != DnsTransport::Udp || lookup.role.is_nobody() {
                return false;
            }
            let said: BTreeSet<IpAddr> = addresses(seen).iter().map(|ip| ip.0).collect();
            let alike = |ip: &IpAddr| said.iter().any(|other| other.is_ipv4() == ip.is_ipv4());
            match seen.failure {
                _ if lookup.replies.len() > 1 => false,
                Some(Failure::DnsNxDomain) => !known.is_empty(),
                None if said.is_empty() => false,
                None => {
                    said.iter().all(|ip| is_bogon(*ip))
                        || known.iter().any(alike) && said.is_disjoint(&known)
                }
                Some(_) => false,
            }
        })
    }

    /// Lookups of the name.
    fn lookups(&self) -> impl Iterator<Item = (&Lookup, &Observation)> {
        self.observations
            .iter()
            .filter_map(|seen| match &seen.step {
                Step::Lookup(lookup) if lookup.name == self.name => Some((lookup, seen)),
                _ => None,
            })
    }

    /// Closes the ports.
    pub fn finish(mut self) -> Outcome {
        let heard = self.ears.close(&self.run);
        for (at, heard) in self.places.iter().zip(heard) {
            if let Some(seen) = self.observations.get_mut(*at) {
                *seen = heard;
            }
        }
        let (run, portal) = (&self.run, self.portal);
        let last = self.observations.iter().map(|seen| seen.ended).max();
        let seen = self.observations;
        let mut outcome =
            Outcome::of(run, Experiment::DnsConsistency, &self.name, seen, portal);
        // What the caller did meanwhile is no part of it.
        outcome.runtime = last.unwrap_or(outcome.runtime);
        outcome
    }
}

/// Everything that is asked; of each observation, the number of the port that stays open.
async fn ask<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ears: &Ears,
    name: &str,
) -> (Vec<(Observation, Option<usize>)>, Option<bool>) {
    let plan = run.plan;
    let nowhere = format!("{}.{name}", unlikely_label(run.random()));
    let announced = run.world.net.announced_resolvers();

    let mut asks = network(&announced, name, &plan.query_types);
    asks.extend(questions(
        &plan.public_resolvers,
        name,
        &plan.query_types,
        ResolverRole::Public,
    ));
    asks.extend(control(plan, name));
    let nobodies = nobodies(plan);
    let nobodies = nobodies
        .iter()
        .flat_map(|(address, role)| nobody(*address, *role, name, &plan.neutral_name));
    let once: Vec<Ask> = nobodies.collect();
    let rewritten = network(&announced, &nowhere, &[A]);

    // Silence is what an address without a resolver owes us, and NXDOMAIN a label without a
    // record: neither is asked twice.
    let (system, asked, once, (nowhere, rewritten), portal) = tokio::join!(
        system(run, name),
        join_all(
            asks.iter()
                .map(|ask| persist_with(run, ask, Way::default(), Some(ears)))
        ),
        join_all(once.iter().map(|ask| lookup(run, ask, 0))),
        async {
            tokio::join!(
                system_once(run, &nowhere, &[A]),
                join_all(rewritten.iter().map(|ask| lookup(run, ask, 0))),
            )
        },
        captive::check(run),
    );
    if !plan.system {
        run.limit(Limit::SystemResolver);
    }
    let closed = |seen: Vec<Observation>| seen.into_iter().map(|seen| (seen, None));
    let mut seen: Vec<_> = closed(system).collect();
    seen.extend(asked.into_iter().flatten());
    seen.extend(closed(once));
    seen.extend(closed(nowhere));
    seen.extend(closed(rewritten));
    (seen, portal)
}

/// Addresses that run no resolver: the owner's, and those of the collector's operator.
fn nobodies(plan: &Plan) -> Vec<(SocketAddr, ResolverRole)> {
    let own = plan.non_resolver.map(|at| (at, ResolverRole::NonResolver));
    let others = plan.nobody.iter().map(|nobody| {
        let role = match nobody.abroad {
            None => ResolverRole::NonResolver,
            Some(false) => ResolverRole::NonResolverInside,
            Some(true) => ResolverRole::NonResolverAbroad,
        };
        (nobody.addr, role)
    });
    let mut all: Vec<_> = own.into_iter().collect();
    for (addr, role) in others {
        if all.iter().all(|(known, _)| *known != addr) {
            all.push((addr, role));
        }
    }
    all
}

/// The system's answers, asked again where there was none.
pub(super) async fn system<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    name: &str,
) -> Vec<Observation> {
    let mut seen = Vec::new();
    let attempts = if run.plan.system {
        run.plan.attempts.max(1)
    } else {
        0
    };
    for attempt in 0..attempts {
        let answers = ask_system(run, name, &run.plan.query_types, attempt).await;
        let answered = answers.iter().all(|answer| is_answer(answer.failure));
        seen.extend(answers);
        if answered {
            break;
        }
    }
    seen
}

/// The system's answers to a question that is not asked twice.
async fn system_once<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    name: &str,
    types: &[u16],
) -> Vec<Observation> {
    if run.plan.system {
        ask_system(run, name, types, 0).await
    } else {
        Vec::new()
    }
}

/// Questions to the resolvers that the network announced.
pub(super) fn network(resolvers: &[SocketAddr], name: &str, types: &[u16]) -> Vec<Ask> {
    questions(resolvers, name, types, ResolverRole::Network)
}

/// Questions to the control.
pub(super) fn control(plan: &Plan, name: &str) -> Vec<Ask> {
    let types = plan.query_types.iter();
    types
        .flat_map(|rtype| encrypted(plan, name, *rtype))
        .collect()
}

/// A question to each of the plan's encrypted resolvers: the control.
pub(super) fn encrypted(plan: &Plan, name: &str, rtype: u16) -> Vec<Ask> {
    let each = plan.encrypted.iter().map(|resolver| Ask {
        name: name.to_owned(),
        rtype,
        role: ResolverRole::Encrypted,
        transport: match resolver.transport {
            DnsTransport::Https => DnsTransport::Https,
            _ => DnsTransport::Tls,
        },
        resolver: resolver.addr,
        resolver_name: Some(resolver.name.clone()),
    });
    each.collect()
}

/// Whether an encrypted resolver has answered.
pub(super) fn controlled(observations: &[Observation]) -> bool {
    observations.iter().any(|observation| {
        is_answer(observation.failure)
            && matches!(&observation.step, Step::Lookup(lookup)
                if lookup.role == ResolverRole::Encrypted)
    })
}
