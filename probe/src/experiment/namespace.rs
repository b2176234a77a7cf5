//! Is a top-level domain where it is for everybody?
//!
//! RFC 2826, ICANN OCTO-034: the domain's name servers are asked of the network's resolvers,
//! of public ones over UDP and, as the control, of encrypted ones; beside it a random domain
//! (who answers for that, answers for everything) and one that works everywhere (who fails
//! for that, fails for everything). Known false positives: see the rules,
//! `faultline_core::verdict`.

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

/// Asks everybody in the plan about the top-level domain of `name`, and about `name` where it
/// is one below.
pub async fn namespace<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    name: &str,
) -> Outcome {
    let run = &Run::new(world, plan);
    let (name, tld) = (trace::bare(name), trace::tld(name));
    let (ns, a) = (RecordType::NS.0, RecordType::A.0);
    let random = unlikely_label(run.random());
    let mut about = vec![(tld.clone(), ns)];
    let mut beside = vec![
        (random.clone(), ns),
        (trace::reference(&tld).to_owned(), ns),
    ];
    if name != tld {
        about.push((name.clone(), a));
        beside.push((format!("{}.{random}", unlikely_label(run.random())), a));
    }
    let udp = DnsTransport::Udp;
    let all = [about.as_slice(), &beside].concat();
    let mut asks = of_all(&own(run), &all, ResolverRole::Network, udp);
    asks.extend(of_all(
        &plan.public_resolvers,
        &about,
        ResolverRole::Public,
        udp,
    ));
    asks.extend(encrypted(plan, &tld, ns));
    let (seen, portal) = ask_all(run, &asks).await;
    measured(run, Experiment::Namespace, &name, seen, portal)
}
