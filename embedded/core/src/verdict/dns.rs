//! Do the network's resolvers tell the same story as the control?

use super::{Case, Finding, Mechanism, Outcome, Reason, Rule};
use crate::{
    dns::is_bogon,
    failure::Failure,
    observation::{
        DnsTransport, Handshake, HandshakeRole, Lookup, Observation, ResolverRole, Step,
    },
};
use alloc::{collections::BTreeMap, collections::BTreeSet, format, string::String, vec::Vec};
use core::net::IpAddr;

const A: u16 = 1;
const AAAA: u16 = 28;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let name = case.name();
    let control = ControlView::new(case, &name);
    if let Some(injected) = injection(case, &name, &control) {
        return injected;
    }
    if !control.resolved() && !control.denied {
        return if control.failed && control.asked_helper {
            let reason = Reason::new(Rule::ControlFails, control.here, control.there);
            Finding::new(Outcome::Down, reason)
        } else {
            Finding::inconclusive(Rule::NoControl, Vec::new())
        };
    }
    let mut groups = Groups::default();
    let mut public = (Vec::new(), Vec::new());
    for (at, lookup, failure) in lookups(case, &name) {
        let story = story(case, &control, &name, lookup, failure);
        match lookup.role {
            ResolverRole::System | ResolverRole::Network => groups.add(at, lookup, story),
            ResolverRole::Public => match story {
                Story::Agrees(_) => public.0.push(at),
                Story::Lies(..) | Story::Denies(_) => public.1.push(at),
                Story::Fails(_) | Story::Nothing => {}
            },
            _ => {}
        }
    }
    let finding = groups.conclude(&control);
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
struct ControlView {
    addresses: BTreeSet<IpAddr>,
    denied: bool,
    failed: bool,
    asked_helper: bool,
    here: Vec<u16>,
    there: Vec<u16>,
}

impl ControlView {
    fn new(case: &Case<'_>, name: &str) -> Self {
        let mut view = Self {
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

    fn resolved(&self) -> bool {
        !self.addresses.is_empty()
    }
}

/// What one lookup says beside the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    match failure {
        None if addresses.is_empty() => Story::Nothing,
        None if control.denied => {
            if rewrites(case, name, lookup) {
                Story::Agrees(Rule::NxRewriting)
            } else {
                Story::Lies(Rule::GhostAnswer)
            }
        }
        None => compare(case, control, name, &addresses),
        Some(Failure::DnsNxDomain) if control.denied => Story::Agrees(Rule::NameDoesNotExist),
        // A name may have only one family: silence about AAAA is no denial.
        Some(Failure::DnsNoAnswer) if lookup.rtype == AAAA => Story::Nothing,
        Some(Failure::DnsNoAnswer)
            if control.denied || !control.addresses.iter().any(IpAddr::is_ipv4) =>
        {
            Story::Nothing
        }
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

/// Whether the resolver of `lookup` answers for a random label below the name.
fn rewrites(case: &Case<'_>, name: &str, lookup: &Lookup) -> bool {
    let below = format!(".{name}");
    case.seen().any(|(_, seen)| match &seen.step {
        Step::Lookup(random) => {
            random.role == lookup.role
                && random.resolver == lookup.resolver
                && random.name.to_ascii_lowercase().ends_with(&below)
                && seen.failure.is_none()
                && !addresses(random).is_empty()
        }
        _ => false,
    })
}

fn certified(case: &Case<'_>, name: &str, ip: IpAddr) -> bool {
    target_handshakes(case, name).any(|shake| {
        shake.ip.0 == ip
            && shake
                .certificate
                .as_ref()
                .is_some_and(|v| v.failure.is_none())
    })
}

/// Whether somebody else's certificate came from one of the addresses.
fn disproved(case: &Case<'_>, name: &str, addresses: &BTreeSet<IpAddr>) -> bool {
    target_handshakes(case, name).any(|shake| {
        addresses.contains(&shake.ip.0)
            && shake.certificate.as_ref().is_some_and(|v| {
                matches!(v.failure, Some(Failure::CertName | Failure::CertChain))
            })
    })
}

fn target_handshakes<'a>(case: &Case<'a>, name: &str) -> impl Iterator<Item = &'a Handshake> {
    case.seen().filter_map(move |(_, seen)| match &seen.step {
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

/// Answers from where none can come: two different ones to one query, or one from an
/// address that runs no resolver.
fn injection(case: &Case<'_>, name: &str, control: &ControlView) -> Option<Finding> {
    let mut at = Vec::new();
    let mut forged = BTreeSet::new();
    for (index, lookup, _) in lookups(case, name) {
        let counted: Vec<_> = lookup
            .replies
            .iter()
            .filter(|r| r.failure.is_none())
            .collect();
        if lookup.role == ResolverRole::NonResolver {
            if let Some(first) = counted.first() {
                at.push(index);
                forged.extend(first.addresses.iter().map(|ip| ip.0));
            }
        } else if lookup.transport == DnsTransport::Udp {
            let stories: BTreeSet<Vec<IpAddr>> = counted
                .iter()
                .filter(|r| r.rcode != 2 && r.rcode != 5)
                .map(|r| r.addresses.iter().map(|ip| ip.0).collect::<BTreeSet<_>>())
                .map(|set| set.into_iter().collect())
                .collect();
            let apart = stories.iter().any(|one| {
                stories.iter().any(|other| {
                    one != other
                        && !one.iter().any(|ip| other.contains(ip))
                        && !related(case, one, other)
                })
            });
            if apart {
                at.push(index);
                forged.extend(
                    stories
                        .iter()
                        .flatten()
                        .filter(|ip| !control.addresses.contains(*ip)),
                );
            }
        }
    }
    if at.is_empty() {
        return None;
    }
    // A transparent proxy answers for addresses that run no resolver, and answers truly:
    // that is interception, but this name is not blocked by it.
    if control.resolved() && !forged.is_empty() && !forged.is_disjoint(&control.addresses) {
        return None;
    }
    let mechanism = if forged
        .iter()
        .any(|ip| case.context.is_blockpage_address(*ip))
    {
        Mechanism::DnsInjectionBlockpage
    } else if !forged.is_empty() && forged.iter().all(|ip| is_bogon(*ip)) {
        Mechanism::DnsInjectionBogon
    } else {
        Mechanism::DnsInjectionOther
    };
    if !control.resolved() && mechanism == Mechanism::DnsInjectionOther {
        return None; // a proxy that answers truly cannot be told from a forger without control
    }
    let reason = Reason::new(Rule::Injected, at, control.there.clone());
    Some(Finding::anomaly(mechanism, reason))
}

fn related(case: &Case<'_>, one: &[IpAddr], other: &[IpAddr]) -> bool {
    one.iter()
        .filter_map(|ip| case.context.asn_of(*ip))
        .any(|asn| other.iter().any(|ip| case.context.asn_of(*ip) == Some(asn)))
}

/// The stories of the resolvers that the user gets, by resolver.
#[derive(Default)]
struct Groups(BTreeMap<Resolver, Vec<(u16, u16, Story)>>);

/// A resolver as the user gets it.
type Resolver = (ResolverRole, Option<IpAddr>);

impl Groups {
    fn add(&mut self, at: u16, lookup: &Lookup, story: Story) {
        let key = (lookup.role, lookup.resolver.map(|ip| ip.0));
        self.0
            .entry(key)
            .or_default()
            .push((at, lookup.rtype, story));
    }

    fn conclude(self, control: &ControlView) -> Finding {
        let (mut good, mut bad, mut silent, mut once) = (None, None, Vec::new(), Vec::new());
        for stories in self.0.values() {
            let of = |wanted: &dyn Fn(&Story) -> bool| -> Vec<(u16, Story)> {
                stories
                    .iter()
                    .filter(|(.., s)| wanted(s))
                    .map(|(at, _, s)| (*at, *s))
                    .collect()
            };
            let agrees = of(&|s| matches!(s, Story::Agrees(_)));
            let lies = of(&|s| matches!(s, Story::Lies(_) | Story::Denies(_)));
            let fails = of(&|s| matches!(s, Story::Fails(_)));
            let ats =
                |list: &[(u16, Story)]| list.iter().map(|(at, _)| *at).collect::<Vec<_>>();
            if let Some((_, story)) = agrees.first() {
                good = good.or(Some((*story, ats(&agrees))));
            } else if let Some((_, story)) = lies.first() {
                bad = bad.or(Some((*story, ats(&lies))));
            } else if let Some((_, story)) = fails.first() {
                let attempts = stories
                    .iter()
                    .filter(|(_, t, s)| *t == A && matches!(s, Story::Fails(_)));
                if matches!(story, Story::Fails(f) if f.is_timeout() || *f == Failure::DnsUnreachable)
                {
                    silent.extend(ats(&fails));
                } else if attempts.count() < 2 {
                    once.extend(ats(&fails));
                } else {
                    bad = bad.or(Some((*story, ats(&fails))));
                }
            }
        }
        match (good, bad) {
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

fn agreed(rule: Rule, at: Vec<u16>, control: &ControlView) -> Finding {
    let outcome = match rule {
        Rule::NameDoesNotExist | Rule::NxRewriting => Outcome::Down,
        Rule::AddressNotTried => Outcome::Inconclusive,
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
        Story::Fails(Failure::DnsRefused) => (Mechanism::DnsRefused, Rule::ResolverFails),
        Story::Fails(_) => (Mechanism::DnsServFail, Rule::ResolverFails),
        _ => (Mechanism::DnsHijackOther, Rule::OtherAnswer),
    };
    let at = [at, control.here.clone()].concat();
    Finding::anomaly(mechanism, Reason::new(rule, at, control.there.clone()))
}

fn lookups<'a>(
    case: &Case<'a>,
    name: &str,
) -> impl Iterator<Item = (u16, &'a Lookup, Option<Failure>)> {
    let name: String = name.into();
    case.seen().filter_map(move |(at, seen)| {
        about(seen, &name).map(|lookup| (at, lookup, seen.failure))
    })
}

/// The lookup, if it asks for addresses of `name`.
fn about<'a>(seen: &'a Observation, name: &str) -> Option<&'a Lookup> {
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
