//! Is a top-level domain where it is for everybody?
//!
//! RFC 2826: one root, or names mean different things in different places. The control's
//! resolvers say by which name servers the domain is known, or that there is none; a network
//! *removes* it (its resolvers deny it, or fail for it alone), *replaces* it (they know it by
//! other servers), or *adds* one that the root does not have (ICANN OCTO-034). Whether the
//! root has it is the control's word, not a list's: lists grow old.
//!
//! Known false positives: resolvers that answer for every name that does not exist (found by
//! a random one), a resolver that somebody chose ([`super::resolver`]), a domain whose
//! signatures are broken (the control fails, too), a redelegation under way (other servers
//! for a day), and policies against malware that block whole top-level domains.

use super::resolver::{
    Evidence, Opinion, Place, Seen, Voice, answers, by_resolver, conclude, control, is_silence,
    whole,
};
use super::{Case, Finding, Mechanism, Outcome, Reason, Rule};
use crate::{
    dns::{RData, RecordType, is_bogon},
    failure::Failure,
    observation::{Lookup, ResolverRole},
    trace,
};
use alloc::{collections::BTreeSet, format, string::String, string::ToString, vec::Vec};

const NXDOMAIN: u16 = 3;

/// What was said of a top-level domain.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    /// Its name servers, in lower case.
    Servers(BTreeSet<String>),
    /// It does not exist, or has no name servers.
    Denied,
    /// The resolver failed, and said so.
    Failed,
    /// Nobody spoke, or what was said cannot be read.
    Nothing,
}

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let asked = Asked::new(&case.measurement.target);
    let view = View::new(case, &asked);
    if view.denied && !view.servers.is_empty() {
        return Finding::inconclusive(Rule::ControlDisagrees, view.evidence.here);
    }
    if !view.denied && view.servers.is_empty() {
        return if view.failed {
            let Evidence { here, there } = view.evidence;
            Finding::new(Outcome::Down, Reason::new(Rule::ControlFails, here, there))
        } else {
            Finding::inconclusive(Rule::NoControl, Vec::new())
        };
    }
    let voices = |role| -> Vec<Voice> {
        let resolvers = by_resolver(case, role).into_iter();
        resolvers
            .filter_map(|(ip, lookups)| {
                let (opinion, at) = asked.opinion(&view, &lookups)?;
                let place = Place::of(case, ip);
                Some(Voice { place, opinion, at })
            })
            .collect()
    };
    let (own, public) = (voices(ResolverRole::Network), voices(ResolverRole::Public));
    conclude(&own, &public, &view.evidence)
}

/// What the measurement is about.
struct Asked {
    name: String,
    tld: String,
}

impl Asked {
    fn new(target: &str) -> Self {
        Self {
            name: trace::bare(target),
            tld: trace::tld(target),
        }
    }

    fn is_about(&self, lookup: &Lookup) -> bool {
        let name = trace::bare(&lookup.name);
        (name == self.tld && lookup.rtype == RecordType::NS.0) || self.is_below(lookup, &name)
    }

    /// Whether an address of a name under the domain was asked for.
    fn is_below(&self, lookup: &Lookup, name: &str) -> bool {
        name == self.name && name != self.tld && lookup.rtype == RecordType::A.0
    }

    /// What one resolver says beside the control; `None` where it was not asked.
    fn opinion(&self, view: &View, lookups: &[Seen<'_>]) -> Option<(Opinion, Vec<u16>)> {
        let about: Vec<&Seen<'_>> = lookups
            .iter()
            .filter(|(_, lookup, _)| self.is_about(lookup))
            .collect();
        if about.is_empty() {
            return None;
        }
        Some(if view.denied {
            self.added(lookups, &about)
        } else {
            self.missing(view, lookups, &about)
        })
    }

    /// The control knows the domain. Does the resolver?
    fn missing(
        &self,
        view: &View,
        lookups: &[Seen<'_>],
        about: &[&Seen<'_>],
    ) -> (Opinion, Vec<u16>) {
        use Mechanism::{NamespaceRemoved, NamespaceReplaced};
        let (mut same, mut other, mut denied) = (Vec::new(), Vec::new(), Vec::new());
        let (mut failed, mut silent) = (Vec::new(), Vec::new());
        for (at, lookup, failure) in about {
            if lookup.rtype != RecordType::NS.0 {
                continue;
            }
            match told(lookup, *failure, &self.tld) {
                Told::Servers(servers) if servers.is_disjoint(&view.servers) => other.push(*at),
                Told::Servers(_) => same.push(*at),
                Told::Denied => denied.push(*at),
                Told::Failed => failed.push(*at),
                Told::Nothing => silent.push(*at),
            }
        }
        if !same.is_empty() {
            (Opinion::Fine(Rule::SameDelegation), same)
        } else if !denied.is_empty() {
            // One that denies every domain, or gives name servers of none, removed none. A public
            // one is not asked for another: it accuses nobody, and tells where on the way.
            let other = trace::reference(&self.tld);
            let mut asked = lookups.iter().map(|(_, lookup, _)| lookup);
            if works_otherwise(lookups, other)
                || !asked.any(|lookup| trace::bare(&lookup.name) == other)
            {
                (
                    Opinion::Deviates(NamespaceRemoved, Rule::TldRemoved),
                    denied,
                )
            } else {
                (Opinion::Unclear(Rule::ResolverBroken), denied)
            }
        } else if !other.is_empty() {
            (
                Opinion::Deviates(NamespaceReplaced, Rule::TldReplaced),
                other,
            )
        } else if failed.is_empty() {
            (Opinion::Unclear(Rule::ResolverSilent), silent)
        } else if failed.len() < 2 {
            (Opinion::Unclear(Rule::NotRepeated), failed)
        } else if works_otherwise(lookups, trace::reference(&self.tld)) {
            (
                Opinion::Deviates(NamespaceRemoved, Rule::TldRemoved),
                failed,
            )
        } else {
            (Opinion::Unclear(Rule::ResolverBroken), failed)
        }
    }

    /// The control knows no such domain. Does the resolver, and of no random one?
    fn added(&self, lookups: &[Seen<'_>], about: &[&Seen<'_>]) -> (Opinion, Vec<u16>) {
        let (mut resolves, mut denied, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for seen in about {
            match resolved(seen) {
                Some(true) => resolves.push(seen.0),
                Some(false) => denied.push(seen.0),
                None => silent.push(seen.0),
            }
        }
        if resolves.is_empty() {
            return if denied.is_empty() {
                (Opinion::Unclear(Rule::ResolverSilent), silent)
            } else {
                (Opinion::Fine(Rule::NameDoesNotExist), denied)
            };
        }
        let mut random = (Vec::new(), Vec::new());
        for seen in lookups
            .iter()
            .filter(|(_, lookup, _)| self.is_random(lookup))
        {
            match resolved(seen) {
                Some(true) => random.0.push(seen.0),
                Some(false) => random.1.push(seen.0),
                None => {}
            }
        }
        if !random.0.is_empty() {
            (
                Opinion::Unclear(Rule::NxRewriting),
                [resolves, random.0].concat(),
            )
        } else if random.1.is_empty() {
            (Opinion::Unclear(Rule::RewritingUntested), resolves)
        } else {
            let opinion = Opinion::Deviates(Mechanism::NamespaceAdded, Rule::TldAdded);
            (opinion, [resolves, random.1].concat())
        }
    }

    /// Whether a lookup is of a top-level domain that was drawn, or of a name below one.
    fn is_random(&self, lookup: &Lookup) -> bool {
        let tld = trace::tld(&lookup.name);
        tld != self.tld && tld != trace::reference(&self.tld)
    }
}

/// What the control says of the domain.
#[derive(Default)]
struct View {
    servers: BTreeSet<String>,
    denied: bool,
    failed: bool,
    evidence: Evidence,
}

impl View {
    fn new(case: &Case<'_>, asked: &Asked) -> Self {
        let mut view = Self::default();
        for (at, helper, lookup, failure) in control(case) {
            let about = trace::bare(&lookup.name) == asked.tld;
            if !about || lookup.rtype != RecordType::NS.0 {
                continue;
            }
            match told(lookup, failure, &asked.tld) {
                Told::Servers(servers) => view.servers.extend(servers),
                Told::Denied => view.denied = true,
                Told::Failed => view.failed = true,
                Told::Nothing => continue,
            }
            if helper {
                view.evidence.there.push(at);
            } else {
                view.evidence.here.push(at);
            }
        }
        view
    }
}

/// What a lookup says of a top-level domain, by its first whole reply.
fn told(lookup: &Lookup, failure: Option<Failure>, tld: &str) -> Told {
    let Some(reply) = whole(lookup) else {
        return match failure {
            Some(failure) if !is_silence(failure) => Told::Failed,
            _ => Told::Nothing,
        };
    };
    match reply.rcode {
        NXDOMAIN => return Told::Denied,
        0 => {}
        _ => return Told::Failed,
    }
    let Some(answers) = answers(reply) else {
        return Told::Nothing;
    };
    let owner = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(tld);
    let servers: BTreeSet<String> = answers
        .filter(|record| owner(&record.name.to_string()))
        .filter_map(|record| match record.rdata {
            RData::Ns(server) => Some(trace::bare(&format!("{server}"))),
            _ => None,
        })
        .collect();
    if servers.is_empty() {
        Told::Denied
    } else {
        Told::Servers(servers)
    }
}

/// Whether a name resolves: name servers for a domain, a public address for a name; `None`
/// where nothing was said.
fn resolved((_, lookup, failure): &Seen<'_>) -> Option<bool> {
    if lookup.rtype == RecordType::NS.0 {
        return match told(lookup, *failure, &trace::bare(&lookup.name)) {
            Told::Servers(_) => Some(true),
            Told::Denied => Some(false),
            Told::Failed | Told::Nothing => None,
        };
    }
    let reply = whole(lookup)?;
    match reply.rcode {
        NXDOMAIN => Some(false),
        0 => Some(reply.addresses.iter().any(|ip| !is_bogon(ip.0))),
        _ => None,
    }
}

/// Whether the resolver knows another top-level domain.
fn works_otherwise(lookups: &[Seen<'_>], reference: &str) -> bool {
    lookups.iter().any(|(_, lookup, failure)| {
        trace::bare(&lookup.name) == reference
            && matches!(told(lookup, *failure, reference), Told::Servers(_))
    })
}
