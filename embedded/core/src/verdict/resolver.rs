//! Whose resolver said it, and do the network's own say the same?
//!
//! What the experiments on the DNS itself accuse is a network: so only resolvers that stand
//! in it count against it. One at a private address may be the customer's own equipment (a
//! router that forwards, a filter on a small computer), one in another network was chosen by
//! somebody (Randall et al., Home is where the hijacking is, IMC 2021; RFC 5625). Both may
//! clear a network, neither may accuse it.

use super::{Case, Finding, Mechanism, Outcome, Reason, Rule};
use crate::{
    dns::{Message, Records, is_bogon},
    failure::Failure,
    observation::{Lookup, Reply, ResolverRole, Step},
};
use alloc::{collections::BTreeMap, vec::Vec};
use core::net::IpAddr;

/// RFC 1035 section 4.1.1.
const TC: u16 = 0x0200;

/// Where a resolver stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the network.
    Network,
    /// At an address that may be the customer's own: a private one, or one of IPv6.
    Home,
    /// In another network.
    Elsewhere,
}

impl Place {
    pub(super) fn of(case: &Case<'_>, resolver: IpAddr) -> Self {
        // Providers number their own resolvers so behind carrier-grade NAT (RFC 6598).
        let shared =
            matches!(resolver, IpAddr::V4(ip) if matches!(ip.octets(), [100, 64..=127, ..]));
        // But for the one that a well-known overlay puts into every host's settings.
        let overlay = resolver == IpAddr::from([100, 100, 100, 100]);
        if shared && !overlay {
            return Self::Network;
        }
        if is_bogon(resolver) || overlay {
            return Self::Home;
        }
        let home = case.context.home().filter(|asn| asn.0 != 0);
        match home {
            // Without a network nothing is scored: this is for the probe's owner.
            None => Self::Network,
            // A home's own router or filter has an address of the provider's prefix in IPv6.
            Some(home) if case.context.asn_of(resolver) == Some(home) => {
                if resolver.is_ipv6() {
                    Self::Home
                } else {
                    Self::Network
                }
            }
            Some(_) => Self::Elsewhere,
        }
    }
}

/// What one resolver is found to say, all its lookups together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Opinion {
    /// As it ought to be.
    Fine(Rule),
    /// Otherwise.
    Deviates(Mechanism, Rule),
    /// It cannot be told.
    Unclear(Rule),
}

/// An opinion, whose it is, and the observations that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Voice {
    pub(super) place: Place,
    pub(super) opinion: Opinion,
    pub(super) at: Vec<u16>,
}

/// Observations of the control's, the probe's own and its report's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) here: Vec<u16>,
    pub(super) there: Vec<u16>,
}

/// Lookups of the control: the probe's authenticated ones, and all of the report.
pub(super) fn control<'a>(
    case: &Case<'a>,
) -> impl Iterator<Item = (u16, bool, &'a Lookup, Option<Failure>)> {
    let here = case.seen().map(|(at, seen)| (at, false, seen));
    let there = case.control().map(|(at, seen)| (at, true, seen));
    here.chain(there).filter_map(|(at, helper, seen)| {
        let Step::Lookup(lookup) = &seen.step else {
            return None;
        };
        let trusted =
            helper || matches!(lookup.role, ResolverRole::Encrypted | ResolverRole::Helper);
        trusted.then_some((at, helper, lookup, seen.failure))
    })
}

/// A lookup, where it stands among the observations, and how it ended.
pub(super) type Seen<'a> = (u16, &'a Lookup, Option<Failure>);

/// Lookups at resolvers of a role, by the resolver's address.
pub(super) fn by_resolver<'a>(
    case: &Case<'a>,
    role: ResolverRole,
) -> BTreeMap<IpAddr, Vec<Seen<'a>>> {
    let mut groups = BTreeMap::<IpAddr, Vec<_>>::new();
    for (at, seen) in case.seen() {
        if let Step::Lookup(lookup) = &seen.step
            && lookup.role == role
            && let Some(ip) = lookup.resolver
        {
            groups
                .entry(ip.0)
                .or_default()
                .push((at, lookup, seen.failure));
        }
    }
    groups
}

/// The first reply that answers the question and is whole.
pub(super) fn whole(lookup: &Lookup) -> Option<&Reply> {
    let mut replies = lookup.replies.iter();
    replies.find(|reply| reply.failure.is_none() && reply.flags & TC == 0)
}

/// The answer section of a reply; `None` where its octets were cut or not kept.
pub(super) fn answers(reply: &Reply) -> Option<Records<'_>> {
    let message = Message::parse(&reply.raw.as_ref()?.0).ok()?;
    Some(message.answers())
}

/// Whether a lookup met silence: nobody spoke, so nobody denied.
pub(super) fn is_silence(failure: Failure) -> bool {
    failure.is_timeout()
        || matches!(
            failure,
            Failure::DnsUnreachable
                | Failure::DnsTruncated
                | Failure::DnsMismatch
                | Failure::LocalError
                | Failure::NetworkUnreachable
                | Failure::HostUnreachable
                | Failure::NetworkDown
                | Failure::Interrupted
                | Failure::Unknown(_)
        )
}

/// What all resolvers of the user together say, and whether public ones say it, too.
pub(super) fn conclude(voices: &[Voice], public: &[Voice], control: &Evidence) -> Finding {
    let (mut good, mut bad, mut home) = (Vec::new(), Vec::new(), Vec::new());
    let (mut fine, mut worst) = (None, None);
    let (mut several, mut unclear) = (0, BTreeMap::<Rule, Vec<u16>>::new());
    for voice in voices {
        match (voice.opinion, voice.place) {
            (_, Place::Elsewhere) => {
                unclear
                    .entry(Rule::HostResolver)
                    .or_default()
                    .extend(&voice.at);
            }
            (Opinion::Fine(rule), _) => {
                fine = fine.max(Some(rule));
                good.extend(&voice.at);
            }
            (Opinion::Deviates(..), Place::Home) => home.extend(&voice.at),
            (Opinion::Deviates(mechanism, rule), Place::Network) => {
                let this = (mechanism, rule);
                worst = Some(worst.map_or(this, |other: (Mechanism, Rule)| other.min(this)));
                several += 1;
                bad.extend(&voice.at);
            }
            (Opinion::Unclear(rule), _) => {
                unclear.entry(rule).or_default().extend(&voice.at);
            }
        }
    }
    let reason = |rule, at: &[u16]| {
        Reason::new(rule, [at, &control.here].concat(), control.there.clone())
    };
    match (fine, worst) {
        (Some(_), Some(_)) => {
            Finding::inconclusive(Rule::ResolversDisagree, [good, bad].concat())
        }
        (Some(_), None) if !home.is_empty() => {
            Finding::inconclusive(Rule::ResolversDisagree, [good, home].concat())
        }
        (Some(rule), None) => Finding::new(Outcome::Ok, reason(rule, &good)),
        (None, Some((mechanism, rule))) => {
            let mut finding = Finding::anomaly(mechanism, reason(rule, &bad));
            if several > 1 {
                finding = finding.because(Rule::SeveralResolvers, bad);
            }
            located(finding, public)
        }
        (None, None) if !home.is_empty() => {
            Finding::inconclusive(Rule::CustomerEquipment, home)
        }
        (None, None) => {
            // The rule with the lowest number speaks, whatever the order of resolvers.
            let (rule, at) = unclear
                .pop_first()
                .unwrap_or((Rule::NothingSeen, Vec::new()));
            Finding::inconclusive(rule, at)
        }
    }
}

/// Adds whether public resolvers say so, too.
pub(super) fn located(finding: Finding, public: &[Voice]) -> Finding {
    let of = |wanted: fn(Opinion) -> bool| -> Vec<u16> {
        let voices = public.iter().filter(|voice| wanted(voice.opinion));
        voices.flat_map(|voice| voice.at.iter().copied()).collect()
    };
    let too = of(|opinion| matches!(opinion, Opinion::Deviates(..)));
    let fine = of(|opinion| matches!(opinion, Opinion::Fine(_)));
    if !too.is_empty() {
        finding.because(Rule::PublicToo, too)
    } else if !fine.is_empty() {
        finding.because(Rule::PublicFine, fine)
    } else {
        finding
    }
}
