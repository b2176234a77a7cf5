//! Did somebody on the path answer, and where does that stand?
//!
//! Answers from where none can come: two different ones to one query (Duan et al., Hold-On,
//! 2012), or one from an address that runs no resolver (GFWatch, USENIX Security 2021). A
//! transparent proxy that answers truly is interception, but this name is not blocked by it:
//! only what the control does not see is forged.
//!
//! That an address runs no resolver is the word of the operator. If it answers for a neutral
//! name, too, it does run one, or somebody answers every query: then it proves nothing of this
//! name. Addresses on both sides of the border tell where the forger stands (Anonymous, CCR
//! 2014). Known false positives: a resolver that answers twice from a pool whose networks the
//! control does not know.

use super::dns::{ControlView, about, lookups};
use super::{Case, Finding, Mechanism, Reason, Rule};
use crate::{
    dns::is_bogon,
    observation::{DnsTransport, Lookup, Reply, ResolverRole, Step},
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::net::IpAddr;

const NXDOMAIN: u16 = 3;
/// Microseconds after the first reply that OONI listens for: what comes later is late.
const LATE: u64 = 500_000;
/// Queries that must have met silence for it to say anything: one may be lost.
const SILENT: usize = 2;

/// The injection, if there is one.
pub(super) fn judge(case: &Case<'_>, name: &str, control: &ControlView) -> Option<Finding> {
    let (mut at, mut forged, mut denied) = (Vec::new(), BTreeSet::new(), false);
    let mut sides = Sides::default();
    for (index, lookup, _) in lookups(case, name) {
        let nobody = lookup.role.is_nobody();
        if nobody && answers_all(case, name, lookup) {
            continue;
        }
        let told = told(lookup);
        if nobody {
            sides.ask(index, lookup.role, told.is_empty());
        }
        let enough = if nobody { 1 } else { 2 };
        let watched = nobody || lookup.transport == DnsTransport::Udp;
        if !watched || told.len() < enough {
            continue;
        }
        let apart = told.iter().any(|one| {
            told.iter()
                .any(|other| one.is_disjoint(other) && !related(case, one, other))
        });
        let alien: BTreeSet<IpAddr> = told
            .iter()
            .filter(|set| set.is_disjoint(&control.addresses))
            .filter(|set| !related(case, set, &control.addresses))
            .flatten()
            .copied()
            .filter(|ip| control.resolved() || is_bogon(*ip))
            .collect();
        let denial = control.resolved() && told.contains(&BTreeSet::new());
        if (nobody || apart) && (!alien.is_empty() || denial) {
            at.push(index);
            forged.extend(alien);
            denied |= denial;
            if nobody {
                sides.answer(index, lookup.role);
            } else if late(lookup, control) {
                sides.late.push(index);
            }
        }
    }
    if at.is_empty() {
        return None;
    }
    let mechanism = if forged
        .iter()
        .any(|ip| case.context.is_blockpage_address(*ip))
    {
        Mechanism::DnsInjectionBlockpage
    } else if !denied && forged.iter().all(|ip| is_bogon(*ip)) {
        Mechanism::DnsInjectionBogon
    } else {
        Mechanism::DnsInjectionOther
    };
    let at = [at, control.here.clone()].concat();
    let reason = Reason::new(Rule::Injected, at, control.there.clone());
    Some(sides.tell(Finding::anomaly(mechanism, reason)))
}

/// Lookups at addresses that should run no resolver, where somebody answers whatever is
/// asked.
pub(super) fn spoiled(case: &Case<'_>, name: &str) -> Vec<u16> {
    lookups(case, name)
        .filter(|(_, lookup, _)| lookup.role.is_nobody() && answers_all(case, name, lookup))
        .map(|(at, ..)| at)
        .collect()
}

/// Whether the address that `lookup` was sent to answers for another name, too.
fn answers_all(case: &Case<'_>, name: &str, lookup: &Lookup) -> bool {
    case.seen().any(|(_, seen)| match &seen.step {
        Step::Lookup(other) => {
            other.role.is_nobody()
                && other.resolver == lookup.resolver
                && about(seen, name).is_none()
                && usable(other).next().is_some()
        }
        _ => false,
    })
}

/// Replies that could be an answer.
fn usable(lookup: &Lookup) -> impl Iterator<Item = &Reply> {
    lookup.replies.iter().filter(|reply| {
        let says = reply.rcode == NXDOMAIN || (reply.rcode == 0 && !reply.addresses.is_empty());
        reply.failure.is_none() && says
    })
}

/// The different answers.
fn told(lookup: &Lookup) -> BTreeSet<BTreeSet<IpAddr>> {
    usable(lookup).map(addresses).collect()
}

fn addresses(reply: &Reply) -> BTreeSet<IpAddr> {
    reply.addresses.iter().map(|ip| ip.0).collect()
}

/// Whether the answer that agrees with the control came long after another, and none before.
fn late(lookup: &Lookup, control: &ControlView) -> bool {
    let true_ones = usable(lookup)
        .filter(|reply| !addresses(reply).is_disjoint(&control.addresses))
        .map(|reply| reply.after);
    let first = usable(lookup).map(|reply| reply.after).min();
    let (first, agreed) = (first.unwrap_or_default(), true_ones.min());
    agreed.is_some_and(|after| after.saturating_sub(first) > LATE)
}

fn related(case: &Case<'_>, one: &BTreeSet<IpAddr>, other: &BTreeSet<IpAddr>) -> bool {
    let networks = |set: &BTreeSet<IpAddr>| -> BTreeSet<u32> {
        let known = set.iter().filter_map(|ip| case.context.asn_of(*ip));
        known.map(|asn| asn.0).filter(|asn| *asn != 0).collect()
    };
    !networks(one).is_disjoint(&networks(other))
}

/// What addresses without a resolver say of where the forger stands.
#[derive(Default)]
struct Sides {
    answered: Vec<u16>,
    inside: Vec<u16>,
    abroad: Vec<u16>,
    silent_inside: Vec<u16>,
    late: Vec<u16>,
}

impl Sides {
    fn ask(&mut self, at: u16, role: ResolverRole, silent: bool) {
        if silent && role == ResolverRole::NonResolverInside {
            self.silent_inside.push(at);
        }
    }

    fn answer(&mut self, at: u16, role: ResolverRole) {
        self.answered.push(at);
        match role {
            ResolverRole::NonResolverInside => self.inside.push(at),
            ResolverRole::NonResolverAbroad => self.abroad.push(at),
            _ => {}
        }
    }

    fn tell(self, mut finding: Finding) -> Finding {
        if !self.answered.is_empty() {
            finding = finding.because(Rule::NobodyAnswered, self.answered);
        }
        if !self.inside.is_empty() {
            finding = finding.because(Rule::InjectedInside, self.inside);
        } else if !self.abroad.is_empty() && self.silent_inside.len() >= SILENT {
            let at = [self.abroad, self.silent_inside].concat();
            finding = finding.because(Rule::InjectedAtBorder, at);
        }
        if !self.late.is_empty() {
            finding = finding.because(Rule::LateAnswer, self.late);
        }
        finding
    }
}
