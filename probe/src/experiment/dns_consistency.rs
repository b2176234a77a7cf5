//! Do resolvers agree on a name, and does anybody else answer for them?
//!
//! OONI ts-002 with GFWatch's question to an address that runs no resolver and, for
//! rewriting of NXDOMAIN, a label that cannot exist. Known false positives are for the
//! verdict: geographical answers, split horizon, wildcard zones.

use super::lookup::{Ask, ask_system, is_answer, lookup, persist};
use super::{Outcome, Plan, World, captive, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    engine::agenda::{A, questions, unlikely_label},
    measurement::{Experiment, Limit},
    observation::{DnsTransport, Observation, ResolverRole, Step},
};
use futures_util::future::join_all;
use std::net::SocketAddr;

/// Asks everybody in the plan about `name`.
pub async fn dns_consistency<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    name: &str,
) -> Outcome {
    let run = Run::new(world, plan);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let run = &run;
    let nowhere = format!("{}.{name}", unlikely_label(run.random()));
    let announced = world.net.announced_resolvers();

    let mut asks = network(&announced, &name, &plan.query_types);
    asks.extend(questions(
        &plan.public_resolvers,
        &name,
        &plan.query_types,
        ResolverRole::Public,
    ));
    asks.extend(control(plan, &name));
    let once = questions(
        plan.non_resolver.as_slice(),
        &name,
        &[A],
        ResolverRole::NonResolver,
    );
    let rewritten = network(&announced, &nowhere, &[A]);

    // Silence is what an address without a resolver owes us, and NXDOMAIN a label without a
    // record: neither is asked twice.
    let (system, asked, once, (nowhere, rewritten), portal) = tokio::join!(
        system(run, &name),
        join_all(asks.iter().map(|ask| persist(run, ask))),
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
    let mut observations = system;
    observations.extend(asked.into_iter().flatten());
    observations.extend(once);
    observations.extend(nowhere);
    observations.extend(rewritten);
    if !controlled(&observations) {
        run.limit(Limit::Control);
    }
    Outcome::of(run, Experiment::DnsConsistency, &name, observations, portal)
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
