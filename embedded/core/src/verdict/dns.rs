//! Do the network's resolvers tell the same story as the control?

use super::{Case, Finding, Mechanism, Outcome, Reason, Rule, injection};
use crate::{
    dns::is_bogon,
    failure::Failure,
    observation::{Handshake, HandshakeRole, Lookup, Observation, Reply, ResolverRole, Step},
};
use alloc::{collections::BTreeMap, collections::BTreeSet, format, string::String, vec::Vec};
use core::net::IpAddr;

const A: u16 = 1;
const AAAA: u16 = 28;
/// RFC 1035 section 4.1.1.
const TC: u16 = 0x0200;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let name = case.name();
    let control = ControlView::new(case, &name);
    if let Some(injected) = injection::judge(case, &name, &control) {
        return injected;
    }
    let finding = stories(case, &name, &control);
    match injection::spoiled(case, &name) {
        spoiled if spoiled.is_empty() => finding,
        spoiled => finding.because(Rule::NobodyAnswersAll, spoiled),
    }
}

/// What the resolvers that the user gets say beside the control.
fn stories(case: &Case<'_>, name: &str, control: &ControlView) -> Finding {
    if !control.resolved() && !control.denied {
        return if control.failed && control.asked_helper {
            let reason = Reason::new(
                Rule::ControlFails,
                control.here.clone(),
                control.there.clone(),
            );
            Finding::new(Outcome::Down, reason)
        } else {
            Finding::inconclusive(Rule::NoControl, Vec::new())
        };
    }
    let (mut groups, mut six) = (Groups::default(), Groups::default());
    let mut public = (Vec::new(), Vec::new());
    for (at, lookup, failure) in lookups(case, name) {
        let story = story(case, control, name, lookup, failure);
        match lookup.role {
            ResolverRole::System | ResolverRole::Network if lookup.rtype == AAAA => {
                six.add(at, lookup, story);
            }
            ResolverRole::System | ResolverRole::Network => groups.add(at, lookup, story),
            ResolverRole::Public => match story {
                Story::Agrees(_) => public.0.push(at),
                Story::Lies(..) | Story::Denies(_) => public.1.push(at),
                Story::Fails(_) | Story::Nothing => {}
            },
            _ => {}
        }
    }
    let (four, six) = (groups.conclude(case, control), six.conclude(case, control));
    let nothing = |f: &Finding| f.reasons.iter().all(|r| r.rule == Rule::NothingSeen);
    let finding = if four.outcome != Outcome::Anomaly
        && (six.outcome == Outcome::Anomaly || nothing(&four))
    {
        six
    } else {
        four
    };
    if finding.outcome != Outcome::Anomaly {
        return finding;
    }
    if !public.1.is_empty() {
        finding.because(Rule::PublicToo, public.1)
    } else if !public.0.is_empty() {
        finding.because(Rule::PublicFine, public.0)
    } else {
        finding
    }
}

/// What the control says of the name.
pub(super) struct ControlView {
    name: String,
    pub(super) addresses: BTreeSet<IpAddr>,
    denied: bool,
    failed: bool,
    asked_helper: bool,
    pub(super) here: Vec<u16>,
    pub(super) there: Vec<u16>,
}

impl ControlView {
    fn new(case: &Case<'_>, name: &str) -> Self {
        let mut view = Self {
            name: name.into(),
            addresses: BTreeSet::new(),
            denied: false,
            failed: false,
            asked_helper: false,
            here: Vec::new(),
            there: Vec::new(),
        };
        let mut denials = false;
        let here = case.seen().map(|(at, seen)| (at, seen, false));
        let there = case.control().map(|(at, seen)| (at, seen, true));
        for (at, seen, helper) in here.chain(there) {
            let Some(lookup) = about(seen, name) else {
                continue;
            };
            // Every lookup of the control's own report counts; of the probe's own, only
            // those whose answers are authenticated.
            if !helper && !matches!(lookup.role, ResolverRole::Encrypted | ResolverRole::Helper)
            {
                continue;
            }
            let addresses = addresses(lookup);
            match seen.failure {
                None if !addresses.is_empty() => view.addresses.extend(addresses),
                Some(Failure::DnsNxDomain) => denials = true,
                _ => view.failed = true,
            }
            view.asked_helper |= helper;
            if helper {
                view.there.push(at);
            } else {
                view.here.push(at);
            }
        }
        view.denied = denials && view.addresses.is_empty();
        view
    }

    pub(super) fn resolved(&self) -> bool {
        !self.addresses.is_empty()
    }
}

/// What one lookup says beside the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Story {
    Agrees(Rule),
    Lies(Rule),
    Denies(Failure),
    Fails(Failure),
    Nothing,
}

fn story(
    case: &Case<'_>,
    control: &ControlView,
    name: &str,
    lookup: &Lookup,
    failure: Option<Failure>,
) -> Story {
    let addresses = addresses(lookup);
    // A reply that did not fit says nothing of what there is.
    let cut = |reply: &Reply| reply.failure.is_none() && reply.flags & TC != 0;
    match failure {
        _ if addresses.is_empty() && lookup.replies.iter().any(cut) => Story::Nothing,
        None if addresses.is_empty() => Story::Nothing,
        None if control.denied => match rewrites(case, name, lookup) {
            Some(true) => Story::Agrees(Rule::NxRewriting),
            Some(false) => Story::Lies(Rule::GhostAnswer),
            None => Story::Agrees(Rule::RewritingUntested),
        },
        None => compare(case, control, name, &addresses),
        Some(Failure::DnsNxDomain) if control.denied => Story::Agrees(Rule::NameDoesNotExist),
        // A name may have only one family, and some servers deny the other with NXDOMAIN.
        Some(Failure::DnsNoAnswer | Failure::DnsNxDomain) if lookup.rtype == AAAA => {
            Story::Nothing
        }
        Some(Failure::DnsNoAnswer)
            if control.denied || !control.addresses.iter().any(IpAddr::is_ipv4) =>
        {
            Story::Nothing
        }
        // Truncation sends to TCP, and is all that a resolver under load says (rate limiting).
        // What failed inside this machine, or has no name, says nothing of the network.
        Some(
            Failure::DnsTruncated
            | Failure::DnsSystem
            | Failure::LocalError
            | Failure::Unknown(_),
        ) => Story::Nothing,
        Some(denial @ (Failure::DnsNxDomain | Failure::DnsNoAnswer)) => Story::Denies(denial),
        Some(failure) => Story::Fails(failure),
    }
}

/// The order of agreement; the first that holds wins.
fn compare(
    case: &Case<'_>,
    control: &ControlView,
    name: &str,
    addresses: &BTreeSet<IpAddr>,
) -> Story {
    if !addresses.is_disjoint(&control.addresses) {
        return Story::Agrees(Rule::SameAddress);
    }
    if addresses.iter().any(|ip| certified(case, name, *ip)) {
        return Story::Agrees(Rule::ValidCertificate);
    }
    if addresses
        .iter()
        .any(|ip| case.context.is_blockpage_address(*ip))
    {
        return Story::Lies(Rule::BlockpageAnswer);
    }
    let shared = |of: &dyn Fn(IpAddr) -> Option<u32>| {
        let ours: BTreeSet<_> = addresses.iter().filter_map(|ip| of(*ip)).collect();
        control
            .addresses
            .iter()
            .filter_map(|ip| of(*ip))
            .any(|key| ours.contains(&key))
    };
    let asn = |ip| {
        case.context
            .asn_of(ip)
            .map(|asn| asn.0)
            .filter(|asn| *asn != 0)
    };
    if shared(&asn) {
        return Story::Agrees(Rule::SameNetwork);
    }
    if shared(&|ip| case.context.cdn_of(ip)) {
        return Story::Agrees(Rule::SameCdn);
    }
    if addresses.iter().all(|ip| is_bogon(*ip))
        && !control.addresses.iter().any(|ip| is_bogon(*ip))
    {
        return Story::Lies(Rule::BogonAnswer);
    }
    // A different address alone is what every content network does. It counts only where a
    // handshake there brought somebody else's certificate.
    if disproved(case, name, addresses) {
        Story::Lies(Rule::OtherAnswer)
    } else {
        Story::Agrees(Rule::AddressNotTried)
    }
}

/// Whether the resolver of `lookup` answers for a random label below the name; `None` where
/// it was not asked, or said nothing.
fn rewrites(case: &Case<'_>, name: &str, lookup: &Lookup) -> Option<bool> {
    let below = format!(".{name}");
    let mut told = case.seen().filter_map(|(_, seen)| match &seen.step {
        Step::Lookup(random)
            if random.role == lookup.role
                && random.resolver == lookup.resolver
                && random.name.to_ascii_lowercase().ends_with(&below) =>
        {
            match seen.failure {
                None => Some(!addresses(random).is_empty()),
                Some(Failure::DnsNxDomain | Failure::DnsNoAnswer) => Some(false),
                Some(_) => None,
            }
        }
        _ => None,
    });
    let first = told.next()?;
    Some(first || told.any(|answered| answered))
}

/// Whether an address proved itself, to the probe or to the control.
fn certified(case: &Case<'_>, name: &str, ip: IpAddr) -> bool {
    let control = target_handshakes(case.control(), name);
    target_handshakes(case.seen(), name)
        .chain(control)
        .any(|shake| {
            shake.ip.0 == ip
                && shake
                    .certificate
                    .as_ref()
                    .is_some_and(|v| v.failure.is_none())
        })
}

/// Whether somebody else's certificate came from one of the addresses.
fn disproved(case: &Case<'_>, name: &str, addresses: &BTreeSet<IpAddr>) -> bool {
    target_handshakes(case.seen(), name).any(|shake| {
        addresses.contains(&shake.ip.0)
            && shake.certificate.as_ref().is_some_and(|v| {
                matches!(v.failure, Some(Failure::CertName | Failure::CertChain))
            })
    })
}

fn target_handshakes<'a>(
    seen: impl Iterator<Item = (u16, &'a Observation)>,
    name: &str,
) -> impl Iterator<Item = &'a Handshake> {
    seen.filter_map(move |(_, seen)| match &seen.step {
        Step::Handshake(shake)
            if shake.role == HandshakeRole::Target
                && shake
                    .server_name
                    .as_ref()
                    .is_some_and(|n| n.eq_ignore_ascii_case(name)) =>
        {
            Some(shake)
        }
        _ => None,
    })
}

/// The stories of the resolvers that the user gets, by resolver; one record type.
#[derive(Default)]
struct Groups(BTreeMap<Resolver, Vec<(u16, Story)>>);

/// A resolver as the user gets it.
type Resolver = (ResolverRole, Option<IpAddr>);

impl Groups {
    fn add(&mut self, at: u16, lookup: &Lookup, story: Story) {
        let key = (lookup.role, lookup.resolver.map(|ip| ip.0));
        self.0.entry(key).or_default().push((at, story));
    }

    fn conclude(self, case: &Case<'_>, control: &ControlView) -> Finding {
        let (mut good, mut open, mut bad) = (None, None, None);
        let (mut silent, mut once) = (Vec::new(), Vec::new());
        for (resolver, stories) in &self.0 {
            let of = |wanted: &dyn Fn(Story) -> bool| -> Option<(Story, Vec<u16>)> {
                let mut told: Vec<_> = stories.iter().filter(|(_, s)| wanted(*s)).collect();
                told.sort_by_key(|(at, story)| (*story, *at));
                let (_, first) = told.first()?;
                Some((*first, told.iter().map(|(at, _)| *at).collect()))
            };
            let unclear = |s| {
                matches!(
                    s,
                    Story::Agrees(Rule::AddressNotTried | Rule::RewritingUntested)
                )
            };
            let agrees = of(&|s| matches!(s, Story::Agrees(_)) && !unclear(s));
            let lies = of(&|s| matches!(s, Story::Lies(_) | Story::Denies(_)));
            let fails = of(&|s| matches!(s, Story::Fails(_)));
            if agrees.is_some() {
                good = good.or(agrees);
            } else if lies.is_some() {
                bad = bad.or(lies);
            } else if let Some(unclear) = of(&unclear) {
                open = open.or(Some(unclear));
            } else if let Some((story, at)) = fails {
                let unheard = matches!(story, Story::Fails(f) if f.is_timeout()
                    || f == Failure::DnsUnreachable);
                if unheard && !alive(case, *resolver) {
                    silent.extend(at);
                } else if at.len() < 2 || (unheard && told_of(case, &control.name, *resolver)) {
                    once.extend(at);
                } else {
                    bad = bad.or(Some((story, at)));
                }
            }
        }
        match (good.or(open), bad) {
            (Some((_, good)), Some((_, bad))) => {
                Finding::inconclusive(Rule::ResolversDisagree, [good, bad].concat())
            }
            (Some((Story::Agrees(rule), at)), None) => agreed(rule, at, control),
            (None, Some((story, at))) => lied(story, at, control),
            _ if !once.is_empty() => Finding::inconclusive(Rule::NotRepeated, once),
            _ if !silent.is_empty() => Finding::inconclusive(Rule::ResolverSilent, silent),
            _ => Finding::inconclusive(Rule::NothingSeen, Vec::new()),
        }
    }
}

/// Whether a resolver answered anything at all.
fn alive(case: &Case<'_>, (role, resolver): Resolver) -> bool {
    case.seen().any(|(_, seen)| match &seen.step {
        Step::Lookup(lookup) => {
            lookup.role == role
                && lookup.resolver.map(|ip| ip.0) == resolver
                && !lookup.replies.is_empty()
        }
        _ => false,
    })
}

/// Whether a resolver answered any question about the name. Who withholds a name is silent
/// on all of its types; silence on one is what lost packets leave.
fn told_of(case: &Case<'_>, name: &str, (role, resolver): Resolver) -> bool {
    lookups(case, name).any(|(_, lookup, _)| {
        lookup.role == role
            && lookup.resolver.map(|ip| ip.0) == resolver
            && !lookup.replies.is_empty()
    })
}

fn agreed(rule: Rule, at: Vec<u16>, control: &ControlView) -> Finding {
    let outcome = match rule {
        Rule::NameDoesNotExist | Rule::NxRewriting => Outcome::Down,
        Rule::AddressNotTried | Rule::RewritingUntested => Outcome::Inconclusive,
        _ => Outcome::Ok,
    };
    let evidence = if control.here.is_empty() {
        Vec::new()
    } else {
        control.here.clone()
    };
    let at = [at, evidence].concat();
    Finding::new(outcome, Reason::new(rule, at, control.there.clone()))
}

fn lied(story: Story, at: Vec<u16>, control: &ControlView) -> Finding {
    let (mechanism, rule) = match story {
        Story::Lies(Rule::BlockpageAnswer) => {
            (Mechanism::DnsHijackBlockpage, Rule::BlockpageAnswer)
        }
        Story::Lies(Rule::BogonAnswer) => (Mechanism::DnsHijackBogon, Rule::BogonAnswer),
        Story::Lies(Rule::GhostAnswer) => (Mechanism::DnsGhost, Rule::GhostAnswer),
        Story::Denies(Failure::DnsNoAnswer) => (Mechanism::DnsNoAnswer, Rule::NegativeAnswer),
        Story::Denies(_) => (Mechanism::DnsNxDomain, Rule::NegativeAnswer),
        Story::Fails(f) if f.is_timeout() || f == Failure::DnsUnreachable => {
            (Mechanism::DnsTimeout, Rule::ResolverFails)
        }
        Story::Fails(Failure::DnsRefused) => (Mechanism::DnsRefused, Rule::ResolverFails),
        Story::Fails(_) => (Mechanism::DnsServFail, Rule::ResolverFails),
        _ => (Mechanism::DnsHijackOther, Rule::OtherAnswer),
    };
    let at = [at, control.here.clone()].concat();
    Finding::anomaly(mechanism, Reason::new(rule, at, control.there.clone()))
}

pub(super) fn lookups<'a>(
    case: &Case<'a>,
    name: &str,
) -> impl Iterator<Item = (u16, &'a Lookup, Option<Failure>)> {
    let name: String = name.into();
    case.seen().filter_map(move |(at, seen)| {
        about(seen, &name).map(|lookup| (at, lookup, seen.failure))
    })
}

/// The lookup, if it asks for addresses of `name`.
pub(super) fn about<'a>(seen: &'a Observation, name: &str) -> Option<&'a Lookup> {
    match &seen.step {
        Step::Lookup(lookup)
            if matches!(lookup.rtype, A | AAAA)
                && lookup.name.trim_end_matches('.').eq_ignore_ascii_case(name) =>
        {
            Some(lookup)
        }
        _ => None,
    }
}

fn addresses(lookup: &Lookup) -> BTreeSet<IpAddr> {
    lookup
        .replies
        .iter()
        .filter(|reply| reply.failure.is_none())
        .flat_map(|reply| reply.addresses.iter().map(|ip| ip.0))
        .collect()
}
