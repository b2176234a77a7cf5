//! Does the DNS pass the network as it was sent?
//!
//! A name of the operator's test zone, asked for in one way that RFCs promise to work
//! (RFC 3597, RFC 6891, RFC 3225, RFC 7766, 0x20) and, beside it, in the plainest way there
//! is: without EDNS, over UDP. Asked of the network's resolvers, through the network of
//! public ones, and of the control. Known false positives: see the rules,
//! `faultline_core::verdict`.

use super::dns_consistency::encrypted;
use super::lookup::{Ask, Way, is_answer, lookup_by, persist_by};
use super::traces::{self, measured, of_all, own};
use super::{Outcome, Plan, World, captive, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    dns::RecordType,
    engine::lookup::is_truncated,
    measurement::Experiment,
    observation::{DnsTransport, Observation, ResolverRole},
    trace::{self, Check},
};
use futures_util::future::join_all;

/// Tries of the plain query: what it is for is to be answered.
const PLAIN: [usize; 3] = [1, 1, 1];
/// Tries of the other, by rounds: as many as the rules ask for, and apart in time, since
/// losses come in bursts.
const ROUNDS: [usize; 3] = [1, 3, 4];
/// Answers to it: the rules take an altered one for a slip if it came once.
const ANSWERS: usize = 2;
/// What we say to take where a large answer is asked for.
const ROOMY: u16 = 4096;

/// Makes the check of `target` (`tcp.ZONE`); `None` where it is none.
pub async fn transparency<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    target: &str,
) -> Option<Outcome> {
    let (check, zone) = Check::of_target(target)?;
    let run = &Run::new(world, plan);
    let (name, plain) = (check.name(&zone), trace::plain(&zone));
    let (resolvers, public) = (own(run), &plan.public_resolvers);
    let of = |name: &str, rtype: RecordType, transport| {
        let what = [(name.to_owned(), rtype.0)];
        let mut asks = of_all(&resolvers, &what, ResolverRole::Network, transport);
        asks.extend(of_all(public, &what, ResolverRole::Public, transport));
        asks
    };
    let transport = match check {
        Check::Tcp => DnsTransport::Tcp,
        _ => DnsTransport::Udp,
    };
    let simple = Way {
        edns: false,
        ..traces::way()
    };
    let way = Way {
        udp_size: match check {
            Check::Large => ROOMY,
            _ => traces::way().udp_size,
        },
        ..traces::way()
    };
    let plainly = of(&plain, RecordType::TXT, DnsTransport::Udp);
    let checked = of(&name, check.rtype(), transport);
    let trusted = encrypted(plan, &name, check.rtype().0);
    // Where not even the plain query is answered, the other says nothing.
    let both = plainly.into_iter().zip(checked);
    let both = both.map(|(plain, check)| async move {
        let mut seen = insist(run, &plain, simple, &PLAIN, 1).await;
        if seen.iter().any(|plain| plain.failure.is_none()) {
            seen.extend(insist(run, &check, way, &ROUNDS, ANSWERS).await);
        }
        seen
    });
    let (seen, trusted, portal) = tokio::join!(
        join_all(both),
        join_all(
            trusted
                .iter()
                .map(|ask| persist_by(run, ask, traces::way()))
        ),
        captive::check(run),
    );
    let seen = [seen, trusted].concat().concat();
    Some(measured(
        run,
        Experiment::DnsTransparency,
        &name,
        seen,
        portal,
    ))
}

/// Asks round by round until there are so many answers, and after the first no more often
/// than that takes; over TCP as well where one was cut short.
async fn insist<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    way: Way,
    rounds: &[usize],
    answers: usize,
) -> Vec<Observation> {
    let (mut seen, mut attempt) = (Vec::<Observation>::new(), 0);
    for round in rounds {
        let had = seen.iter().filter(|seen| is_answer(seen.failure)).count();
        let round = match had {
            0 => *round,
            had => (*round).min(answers.saturating_sub(had)),
        };
        let tries = (attempt..).take(round);
        let tried = join_all(tries.map(|attempt| once(run, ask, way, attempt))).await;
        attempt += round as u8;
        seen.extend(tried.into_iter().flatten());
    }
    seen
}

async fn once<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    way: Way,
    attempt: u8,
) -> Vec<Observation> {
    let mut seen = vec![lookup_by(run, ask, attempt, way).await];
    if ask.transport == DnsTransport::Udp && seen.iter().any(is_truncated) {
        let over_tcp = Ask {
            transport: DnsTransport::Tcp,
            ..ask.clone()
        };
        seen.push(lookup_by(run, &over_tcp, attempt, way).await);
    }
    seen
}
