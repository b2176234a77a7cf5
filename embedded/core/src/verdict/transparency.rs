//! Does the DNS pass a network as it was sent?
//!
//! A name of the operator's test zone is asked for in a way that RFCs promise to work
//! ([`trace::Check`]), and `plain.ZONE` in the simplest way there is, of the network's
//! resolvers and, through the network, of public ones. Where the plain query is answered and
//! the other is not, or not as the control got it, something between altered it.
//!
//! | own resolvers | at a private address | public ones | |
//! |---|---|---|---|
//! | fail | | | anomaly |
//! | | fails | fail | inconclusive: it may be the customer's own equipment |
//! | pass | passes | fail | anomaly: on the path |
//! | | fails | pass | ok: the path is not at fault |
//! | pass, or one of them | | pass, or none | ok |
//!
//! Known false positives: DNS proxies in the customer's own equipment (RFC 5625), told from
//! the network's by address; a resolver that validates nothing and keeps no signatures; links
//! that lose packets, against which silence takes eight tries; a failure that a resolver
//! remembers, for up to five minutes (RFC 2308 section 7.1, RFC 9520), so that SERVFAIL three
//! times in a row may be one failure: it never counts.

use super::resolver::{
    Evidence, Opinion, Place, Seen, Voice, answers, by_resolver, control, located, whole,
};
use super::{Case, Finding, Mechanism, Outcome, Reason, Rule};
use crate::{
    dns::{RData, RecordType},
    observation::{DnsTransport, Lookup, Reply, ResolverRole},
    trace::{self, Check},
};
use alloc::vec::Vec;

/// Tries that must have met silence: where a tenth of the packets is lost each way, a try fails
/// by chance in 19 of 100 cases, and eight in a row in one of 600,000. With six it was one of
/// 21,000, and a thousand seeds of the harmless worlds found it.
const SILENT: usize = 8;
/// Tries that must have been refused: a resolver under load refuses one or two.
const REFUSED: usize = 3;
/// Tries that must have come back altered: one may be a slip of a server behind the resolver.
const ALTERED: usize = 2;

/// RFC 1035 section 4.1.1.
const SERVFAIL: u16 = 2;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let Some((check, zone)) = Check::of_target(&case.measurement.target) else {
        return Finding::inconclusive(Rule::NothingSeen, Vec::new());
    };
    let (name, plain) = (check.name(&zone), trace::plain(&zone));
    let mut wanted = Wanted::new(check);
    let mut asked = Evidence::default();
    for (at, helper, lookup, _) in control(case) {
        if !is(lookup, &name) {
            continue;
        }
        let got = wanted.learn(lookup);
        let list = if helper {
            &mut asked.there
        } else {
            &mut asked.here
        };
        if got {
            list.push(at);
        }
    }
    if !wanted.known {
        return Finding::inconclusive(Rule::NoControl, Vec::new());
    }
    let voices = |role| -> Vec<Voice> {
        let mut voices = Vec::new();
        for (ip, lookups) in by_resolver(case, role) {
            let mut base = lookups.iter().filter(|(_, lookup, _)| is(lookup, &plain));
            let base = base.find(|(_, lookup, _)| !text(lookup).is_empty());
            let about = lookups.iter().filter(|(_, lookup, _)| is(lookup, &name));
            let (opinion, mut at) = wanted.opinion(about);
            let Some((plain, ..)) = base else {
                // No DNS at all passes here: that is not about this way of asking.
                let opinion = Opinion::Unclear(Rule::ResolverSilent);
                voices.push(Voice {
                    place: Place::of(case, ip),
                    opinion,
                    at,
                });
                continue;
            };
            at.push(*plain);
            voices.push(Voice {
                place: Place::of(case, ip),
                opinion,
                at,
            });
        }
        voices
    };
    let own = voices(ResolverRole::Network);
    let (elsewhere, own): (Vec<_>, Vec<_>) = own
        .into_iter()
        .partition(|voice| voice.place == Place::Elsewhere);
    // One that somebody chose is as good a public resolver as another.
    let public = [voices(ResolverRole::Public), elsewhere].concat();
    conclude(&own, &public, &asked)
}

/// The table above.
fn conclude(own: &[Voice], public: &[Voice], control: &Evidence) -> Finding {
    let of = |voices: &[Voice], place: Option<Place>| Group::new(voices, place);
    let network = of(own, Some(Place::Network));
    let home = of(own, Some(Place::Home));
    let path = of(public, None);
    let reason = |rule, at: Vec<u16>| {
        Reason::new(
            rule,
            [at, control.here.clone()].concat(),
            control.there.clone(),
        )
    };
    if let Some((mechanism, rule)) = network.worst {
        if !network.good.is_empty() {
            let at = [network.good, network.bad].concat();
            return Finding::inconclusive(Rule::ResolversDisagree, at);
        }
        return located(
            Finding::anomaly(mechanism, reason(rule, network.bad)),
            public,
        );
    }
    match path.worst.filter(|_| path.good.is_empty()) {
        // Who intercepts may stand at home: a forwarder there that works speaks against it.
        Some((mechanism, rule)) if !network.good.is_empty() || !home.good.is_empty() => {
            Finding::anomaly(mechanism, reason(rule, path.bad.clone()))
                .because(Rule::PublicToo, path.bad)
        }
        Some(_) => {
            Finding::inconclusive(Rule::CustomerEquipment, [home.bad, path.bad].concat())
        }
        None => {
            let good = [network.good, home.good, path.good].concat();
            if !good.is_empty() {
                Finding::new(Outcome::Ok, reason(Rule::Transparent, good))
            } else if home.bad.is_empty() {
                let unclear = own
                    .iter()
                    .chain(public)
                    .find_map(|voice| match voice.opinion {
                        Opinion::Unclear(Rule::NotRepeated) => Some(voice.at.clone()),
                        _ => None,
                    });
                match unclear {
                    Some(at) => Finding::inconclusive(Rule::NotRepeated, at),
                    None => Finding::inconclusive(Rule::ResolverSilent, Vec::new()),
                }
            } else {
                Finding::inconclusive(Rule::CustomerEquipment, home.bad)
            }
        }
    }
}

/// Voices of one kind of resolver.
#[derive(Default)]
struct Group {
    good: Vec<u16>,
    bad: Vec<u16>,
    worst: Option<(Mechanism, Rule)>,
}

impl Group {
    fn new(voices: &[Voice], place: Option<Place>) -> Self {
        let mut group = Self::default();
        for voice in voices.iter().filter(|v| place.is_none_or(|p| v.place == p)) {
            match voice.opinion {
                Opinion::Fine(_) => group.good.extend(&voice.at),
                Opinion::Deviates(mechanism, rule) => {
                    group.bad.extend(&voice.at);
                    let this = (mechanism, rule);
                    group.worst = Some(group.worst.map_or(this, |other| other.min(this)));
                }
                Opinion::Unclear(_) => {}
            }
        }
        group
    }
}

/// How a lookup that a check is about came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    /// As the control got it.
    Whole,
    /// Otherwise.
    Altered,
    /// Cut short: what comes over TCP decides.
    Cut,
    /// Refused with a word.
    Refused,
    /// The resolver failed, perhaps minutes ago.
    Failed,
    /// Not read to its end: octets above a limit are not kept.
    Unread,
    /// Not at all.
    Silence,
}

/// What the control got.
struct Wanted {
    check: Check,
    known: bool,
    octets: Vec<u8>,
    signed: bool,
    edns: bool,
}

impl Wanted {
    fn new(check: Check) -> Self {
        Self {
            check,
            known: false,
            octets: Vec::new(),
            signed: false,
            edns: false,
        }
    }

    /// Takes in a lookup of the control's; whether it brought an answer.
    fn learn(&mut self, lookup: &Lookup) -> bool {
        let octets = data(lookup, self.check.rtype());
        let Some(reply) = whole(lookup).filter(|_| !octets.is_empty()) else {
            return false;
        };
        self.known = true;
        self.octets = core::mem::take(&mut self.octets).max(octets);
        self.edns |= reply.edns;
        self.signed |= signed(reply);
        true
    }

    fn got(&self, lookup: &Lookup) -> Got {
        let octets = data(lookup, self.check.rtype());
        let Some(reply) = whole(lookup) else {
            let cut = lookup.replies.iter().any(|reply| reply.failure.is_none());
            return if cut { Got::Cut } else { Got::Silence };
        };
        if octets.is_empty() {
            // A refusal of the question is not an answer to it.
            return match reply.rcode {
                0 if answers(reply).is_none() => Got::Unread,
                0 => Got::Altered,
                SERVFAIL => Got::Failed,
                _ => Got::Refused,
            };
        }
        let same = octets == self.octets;
        let fine = match self.check {
            Check::UnknownType | Check::Large | Check::Tcp => same,
            Check::DnssecOk => {
                same && (reply.edns || !self.edns) && (signed(reply) || !self.signed)
            }
            Check::Case => same && reply.case_echoed != Some(false),
        };
        if fine { Got::Whole } else { Got::Altered }
    }

    /// What the lookups at one resolver come to.
    fn opinion<'a>(&self, lookups: impl Iterator<Item = &'a Seen<'a>>) -> (Opinion, Vec<u16>) {
        let (mut whole, mut altered, mut tried) = (Vec::new(), Vec::new(), Vec::new());
        let (mut silent, mut refused) = (0, 0);
        for (at, lookup, _) in lookups {
            if self.check == Check::Tcp && lookup.transport != DnsTransport::Tcp {
                continue;
            }
            match self.got(lookup) {
                Got::Whole => whole.push(*at),
                Got::Altered => altered.push(*at),
                other => {
                    tried.push(*at);
                    silent += usize::from(other == Got::Silence);
                    refused += usize::from(other == Got::Refused);
                }
            }
        }
        if !whole.is_empty() {
            (Opinion::Fine(Rule::Transparent), whole)
        } else if altered.len() >= ALTERED {
            let (how, rule) = (Mechanism::TransparencyAltered, Rule::Altered);
            (Opinion::Deviates(how, rule), altered)
        } else if silent >= SILENT || refused >= REFUSED {
            let (how, rule) = (Mechanism::TransparencyDropped, Rule::Dropped);
            (Opinion::Deviates(how, rule), tried)
        } else {
            tried.extend(altered);
            tried.sort_unstable();
            let rule = if tried.is_empty() {
                Rule::NothingSeen
            } else {
                Rule::NotRepeated
            };
            (Opinion::Unclear(rule), tried)
        }
    }
}

fn is(lookup: &Lookup, name: &str) -> bool {
    trace::bare(&lookup.name) == name
}

/// The text of the answer to a lookup, if it is one of text.
fn text(lookup: &Lookup) -> Vec<u8> {
    data(lookup, RecordType::TXT)
}

/// The data of the answer's records of a type, one behind the other in the order of octets.
fn data(lookup: &Lookup, rtype: RecordType) -> Vec<u8> {
    let Some(reply) = whole(lookup).filter(|reply| reply.rcode == 0) else {
        return Vec::new();
    };
    let Some(records) = answers(reply) else {
        return Vec::new();
    };
    let mut all: Vec<Vec<u8>> = records
        .filter(|record| record.rtype == rtype)
        .map(|record| match record.rdata {
            RData::Txt(txt) => txt.strings().collect::<Vec<_>>().concat(),
            RData::Other(octets) => octets.into(),
            _ => Vec::new(),
        })
        .collect();
    all.sort_unstable();
    all.concat()
}

/// Whether there is a signature in the answer.
fn signed(reply: &Reply) -> bool {
    answers(reply)
        .is_some_and(|mut records| records.any(|record| record.rtype == RecordType::RRSIG))
}
