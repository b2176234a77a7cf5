//! Does a name that is for special use lead to a public address?
//!
//! Below `invalid` and `alt` nothing exists, by RFC 6761 section 6.4 and RFC 9476, and
//! `localhost` is this machine (RFC 6761 section 6.3). A resolver of the network that gives a
//! global address for one, and denies a random ordinary name, has a namespace of its own.
//!
//! Known false positives: resolvers that answer for every name that does not exist (found by
//! the ordinary name), and resolvers that somebody chose ([`super::resolver`]). A private or
//! loopback address is no deviation: filters answer so.

use super::resolver::{
    Evidence, Opinion, Place, Voice, by_resolver, conclude, control, is_silence, whole,
};
use super::{Case, Finding, Mechanism, Outcome, Reason, Rule};
use crate::{
    dns::is_bogon,
    failure::Failure,
    observation::{Lookup, ResolverRole},
    trace,
};
use alloc::vec::Vec;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let special = trace::bare(&case.measurement.target);
    let about = |lookup: &Lookup| trace::tld(&lookup.name) == special;
    let (mut evidence, mut agrees) = (Evidence::default(), Evidence::default());
    for (at, helper, lookup, failure) in control(case) {
        let Some(public) = about(lookup).then(|| leads(lookup, failure)).flatten() else {
            continue;
        };
        let list = if public { &mut agrees } else { &mut evidence };
        if helper {
            list.there.push(at);
        } else {
            list.here.push(at);
        }
    }
    if !agrees.here.is_empty() || !agrees.there.is_empty() {
        let reason = Reason::new(Rule::ControlFails, agrees.here, agrees.there);
        return Finding::new(Outcome::Down, reason);
    }
    if evidence.here.is_empty() && evidence.there.is_empty() {
        return Finding::inconclusive(Rule::NoControl, Vec::new());
    }
    let voices = |role| -> Vec<Voice> {
        let mut voices = Vec::new();
        for (ip, lookups) in by_resolver(case, role) {
            let (mut public, mut denied, mut silent) = (Vec::new(), Vec::new(), Vec::new());
            let mut ordinary = (Vec::new(), Vec::new());
            for (at, lookup, failure) in lookups {
                match (about(lookup), leads(lookup, failure)) {
                    (true, Some(true)) => public.push(at),
                    (true, Some(false)) => denied.push(at),
                    (true, None) => silent.push(at),
                    (false, Some(true)) => ordinary.0.push(at),
                    (false, Some(false)) => ordinary.1.push(at),
                    (false, None) => {}
                }
            }
            let (opinion, at) = if !public.is_empty() {
                if !ordinary.0.is_empty() {
                    let at = [public, ordinary.0].concat();
                    (Opinion::Unclear(Rule::NxRewriting), at)
                } else if ordinary.1.is_empty() {
                    (Opinion::Unclear(Rule::RewritingUntested), public)
                } else {
                    let (how, rule) = (Mechanism::SpecialAnswered, Rule::SpecialAnswered);
                    (Opinion::Deviates(how, rule), [public, ordinary.1].concat())
                }
            } else if !denied.is_empty() {
                (Opinion::Fine(Rule::SpecialDenied), denied)
            } else if !silent.is_empty() {
                (Opinion::Unclear(Rule::ResolverSilent), silent)
            } else {
                continue;
            };
            let place = Place::of(case, ip);
            voices.push(Voice { place, opinion, at });
        }
        voices
    };
    let (own, public) = (voices(ResolverRole::Network), voices(ResolverRole::Public));
    conclude(&own, &public, &evidence)
}

/// Whether a name leads to a public address; `None` where nobody spoke. A failure that was
/// spoken leads nowhere.
fn leads(lookup: &Lookup, failure: Option<Failure>) -> Option<bool> {
    match whole(lookup) {
        Some(reply) if reply.rcode == 0 => {
            Some(reply.addresses.iter().any(|ip| !is_bogon(ip.0)))
        }
        Some(_) => Some(false),
        None => failure.filter(|f| !is_silence(*f)).map(|_| false),
    }
}
