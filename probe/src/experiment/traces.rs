//! What do the experiments on the DNS itself have in common? Whom they ask, and how names
//! are drawn that nobody has.

use super::lookup::{Ask, Way, persist_by};
use super::{Outcome, captive, dns_consistency::controlled, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    measurement::{Experiment, Limit, Setting},
    observation::{DnsTransport, Observation, ResolverRole},
    trace,
};
use futures_util::future::join_all;
use std::net::SocketAddr;

/// How these experiments ask: as others do, but of a flood less is kept, since they ask more.
pub(super) fn way() -> Way {
    Way {
        total_cap: 8 * 1024,
        ..Way::default()
    }
}

/// Asks everything at once, and whether a portal is in the way.
pub(super) async fn ask_all<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    asks: &[Ask],
) -> (Vec<Observation>, Option<bool>) {
    let asked = asks.iter().map(|ask| persist_by(run, ask, way()));
    let (seen, portal) = tokio::join!(join_all(asked), captive::check(run));
    (seen.into_iter().flatten().collect(), portal)
}

/// The resolvers that the network announced, and those that the owner knows to be its.
pub(super) fn own<N: Network, C: Clock>(run: &Run<'_, N, C>) -> Vec<SocketAddr> {
    let mut all = run.world.net.announced_resolvers();
    for known in &run.plan.network_resolvers {
        if !all.contains(known) {
            all.push(*known);
        }
    }
    all
}

/// Each of the questions to each of the resolvers.
pub(super) fn of_all(
    resolvers: &[SocketAddr],
    questions: &[(String, u16)],
    role: ResolverRole,
    transport: DnsTransport,
) -> Vec<Ask> {
    let mut asks = Vec::new();
    for resolver in resolvers {
        for (name, rtype) in questions {
            asks.push(Ask {
                name: name.clone(),
                rtype: *rtype,
                role,
                transport,
                resolver: *resolver,
                resolver_name: None,
            });
        }
    }
    asks
}

/// What an experiment on `name` saw, by its whole name.
pub(super) fn measured<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    experiment: Experiment,
    name: &str,
    seen: Vec<Observation>,
    portal: Option<bool>,
) -> Outcome {
    if !controlled(&seen) {
        run.limit(Limit::Control);
    }
    let mut outcome = Outcome::of(run, experiment, &trace::target(name), seen, portal);
    if run.plan.own_resolvers {
        outcome.settings.push(Setting::OwnResolvers);
    }
    outcome
}
