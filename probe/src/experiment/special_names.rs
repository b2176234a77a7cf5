//! Does a special-use name lead to a public address?
//!
//! RFC 6761, RFC 9476: a random name below `invalid` or `alt`, or `localhost`, is asked of
//! the network's resolvers, of public ones and of the control; beside it a random ordinary
//! name, for resolvers that answer for everything.

use super::dns_consistency::encrypted;
use super::traces::{ask_all, measured, of_all, own};
use super::{Outcome, Plan, World, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    dns::RecordType,
    engine::agenda::unlikely_label,
    measurement::Experiment,
    observation::{DnsTransport, ResolverRole},
    trace,
};

/// Asks everybody in the plan about a name below `special`.
pub async fn special_names<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    special: &str,
) -> Outcome {
    let run = &Run::new(world, plan);
    let special = trace::bare(special);
    let a = RecordType::A.0;
    let name = match special.as_str() {
        "localhost" => special.clone(),
        _ => format!("{}.{special}", unlikely_label(run.random())),
    };
    let ordinary = format!("{}.{}", unlikely_label(run.random()), trace::ORDINARY);
    let all = [(name.clone(), a), (ordinary, a)];
    let udp = DnsTransport::Udp;
    let mut asks = of_all(&own(run), &all, ResolverRole::Network, udp);
    asks.extend(of_all(
        &plan.public_resolvers,
        &all,
        ResolverRole::Public,
        udp,
    ));
    asks.extend(encrypted(plan, &name, a));
    let (seen, portal) = ask_all(run, &asks).await;
    measured(run, Experiment::SpecialNames, &special, seen, portal)
}
