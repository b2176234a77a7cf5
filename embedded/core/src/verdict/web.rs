//! Could the page be had, and if not, where was it stopped?

use super::{Case, Finding, Mechanism, Outcome, Reason, Rule, dns};
use crate::{
    failure::Failure,
    observation::{Fetch, Handshake, HandshakeRole, HandshakeStage, Observation, Step},
    time::ClockQuality,
};
use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::net::IpAddr;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let names = dns::judge(case);
    if names.outcome == Outcome::Anomaly {
        return names;
    }
    if let Some((at, _, _)) = fetches(case.seen()).find(|(_, fetch, failure)| {
        fetch.authenticated && failure.is_none() && fetch.depth == 0
    }) {
        let reason = Reason::new(Rule::Authenticated, alloc::vec![at], Vec::new());
        return Finding::new(Outcome::Ok, reason);
    }
    if case.control.is_empty() {
        return Finding::inconclusive(Rule::NoControl, Vec::new());
    }
    let had = fetches(case.control()).any(|(.., failure)| failure.is_none());
    if !had {
        let there = case
            .control()
            .filter(|(_, o)| o.failure.is_some())
            .map(|(at, _)| at);
        let here = case
            .seen()
            .filter(|(_, o)| o.failure.is_some())
            .map(|(at, _)| at);
        let reason = Reason::new(Rule::ControlFails, here.collect(), there.collect());
        return Finding::new(Outcome::Down, reason);
    }
    connects(case)
        .or_else(|| handshakes(case))
        .or_else(|| pages(case))
        .unwrap_or_else(|| match names.outcome {
            Outcome::Inconclusive | Outcome::Down => names,
            _ => Finding::inconclusive(Rule::NothingSeen, Vec::new()),
        })
}

/// `Some` where no connection came about, or nothing can be said.
fn connects(case: &Case<'_>) -> Option<Finding> {
    let there = endpoints(case.control(), |seen| matches!(seen.step, Step::Connect(_)));
    let mut tried = Tried::default();
    for (at, seen) in case.seen() {
        let Step::Connect(connect) = &seen.step else {
            continue;
        };
        let endpoint = (connect.ip.0, connect.port);
        match seen.failure {
            None => return None,
            Some(Failure::NetworkUnreachable | Failure::HostUnreachable)
                if endpoint.0.is_ipv6() =>
            {
                tried.v6.push(at);
            }
            Some(failure) => tried.add(at, endpoint, failure, &there),
        }
    }
    tried.conclude(Rule::ConnectFails, |failure| match failure {
        Failure::TcpRefused => Mechanism::TcpRefused,
        Failure::NetworkUnreachable | Failure::HostUnreachable => Mechanism::IpUnreachable,
        failure if failure.is_timeout() => Mechanism::TcpTimeout,
        _ => Mechanism::TcpReset,
    })
}

/// `Some` where no handshake with the target's name came to its end, or nothing can be said.
fn handshakes(case: &Case<'_>) -> Option<Finding> {
    let there = endpoints(
        case.control(),
        |seen| matches!(&seen.step, Step::Handshake(shake) if shake.role == HandshakeRole::Target),
    );
    let mut tried = Tried::default();
    let mut invalid = None;
    for (at, seen) in case.seen() {
        let Step::Handshake(shake) = &seen.step else {
            continue;
        };
        if shake.role != HandshakeRole::Target {
            continue;
        }
        let wrong = shake.certificate.as_ref().and_then(|v| v.failure);
        match (wrong, seen.failure) {
            (None, None) => return None,
            (Some(wrong), _) => invalid = invalid.or(Some((at, shake, wrong))),
            (None, Some(failure)) => tried.add(at, (shake.ip.0, shake.port), failure, &there),
        }
    }
    if let Some((at, shake, wrong)) = invalid {
        return Some(certificate(case, at, shake, wrong));
    }
    let twin = neutral_twin(case);
    let finding = tried.conclude(Rule::HandshakeFails, |failure| {
        let by_name = matches!(twin, Some((_, true)));
        match failure {
            Failure::TlsReset | Failure::TlsEof if by_name => Mechanism::TlsResetSni,
            Failure::TlsReset | Failure::TlsEof => Mechanism::TlsResetOther,
            Failure::TlsTimeout if by_name => Mechanism::TlsTimeoutSni,
            Failure::TlsTimeout => Mechanism::TlsTimeoutOther,
            Failure::TlsAlert(_) => Mechanism::TlsAlert,
            _ => Mechanism::TlsOther,
        }
    })?;
    Some(match twin {
        Some((at, works)) if finding.outcome == Outcome::Anomaly => finding.because(
            if works {
                Rule::NeutralNameWorks
            } else {
                Rule::NeutralNameFails
            },
            alloc::vec![at],
        ),
        _ => finding,
    })
}

/// A certificate that does not prove the name: whose is it?
fn certificate(case: &Case<'_>, at: u16, shake: &Handshake, wrong: Failure) -> Finding {
    if wrong == Failure::CertClockUntrusted
        || (wrong == Failure::CertExpired && case.measurement.clock == ClockQuality::None)
    {
        return Finding::inconclusive(Rule::ClockUntrusted, alloc::vec![at]);
    }
    let mut there = Vec::new();
    let (mut same, mut valid) = (false, false);
    for (index, seen) in case.control() {
        let Step::Handshake(control) = &seen.step else {
            continue;
        };
        if control.role == HandshakeRole::Target {
            there.push(index);
            same |= !control.chain.is_empty() && control.chain.first() == shake.chain.first();
            valid |= control
                .certificate
                .as_ref()
                .is_some_and(|v| v.failure.is_none());
        }
    }
    if same || !valid {
        let reason = Reason::new(Rule::ControlFails, alloc::vec![at], there);
        return Finding::new(Outcome::Down, reason);
    }
    Finding::anomaly(
        Mechanism::TlsMitm,
        Reason::new(Rule::OtherChain, alloc::vec![at], there),
    )
}

/// A handshake with a neutral name, and whether the server answered it.
fn neutral_twin(case: &Case<'_>) -> Option<(u16, bool)> {
    let twins = || {
        case.seen().filter_map(|(at, seen)| match &seen.step {
            Step::Handshake(shake) if shake.role == HandshakeRole::NeutralName => {
                // An alert is an answer, too: a server may refuse a name that it does not
                // know, and a box that drops by name would not have let it speak.
                let alert = matches!(seen.failure, Some(Failure::TlsAlert(_)));
                let works = seen.failure.is_none()
                    || alert
                    || matches!(
                        shake.stage,
                        HandshakeStage::ServerHello | HandshakeStage::Complete
                    );
                Some((at, works))
            }
            _ => None,
        })
    };
    twins().find(|(_, works)| *works).or_else(|| twins().next())
}

/// What came back over plain HTTP, or why nothing did.
fn pages(case: &Case<'_>) -> Option<Finding> {
    let mut failed = Vec::new();
    let mut last = None;
    for (at, fetch, failure) in fetches(case.seen()) {
        match failure {
            None => {
                let body = fetch.body.as_ref().map_or(&[][..], |b| &b.0);
                if !fetch.authenticated
                    && case.context.is_blockpage(body, fetch.title.as_deref())
                {
                    let reason = Reason::new(Rule::KnownBlockpage, alloc::vec![at], Vec::new());
                    return Some(Finding::anomaly(Mechanism::HttpBlockpage, reason));
                }
                last = Some((at, fetch));
            }
            Some(failure) => failed.push((at, failure)),
        }
    }
    let (there, control) = fetches(case.control())
        .filter(|(.., failure)| failure.is_none())
        .map(|(at, fetch, _)| (at, fetch))
        .last()?;
    if let Some((at, fetch)) = last.filter(|(_, f)| !is_redirect(f) || failed.is_empty()) {
        return Some(compare(case, (at, fetch), (there, control)));
    }
    let (_, failure) = *failed.first()?;
    let at: Vec<_> = failed.iter().map(|(at, _)| *at).collect();
    if failed.len() < 2 {
        return Some(Finding::inconclusive(Rule::NotRepeated, at));
    }
    let mechanism = if failure.is_timeout() {
        Mechanism::HttpTimeout
    } else {
        Mechanism::HttpReset
    };
    let reason = Reason::new(Rule::ExchangeFails, at, alloc::vec![there]);
    Some(Finding::anomaly(mechanism, reason))
}

fn compare(
    case: &Case<'_>,
    (at, fetch): (u16, &Fetch),
    (there, control): (u16, &Fetch),
) -> Finding {
    let reason = |rule| Reason::new(rule, alloc::vec![at], alloc::vec![there]);
    if is_redirect(fetch) && !is_redirect(control) {
        let host = fetch.location.as_deref().and_then(host_of);
        let known: BTreeSet<_> = fetches(case.control())
            .flat_map(|(_, f, _)| [host_of(&f.url), f.location.as_deref().and_then(host_of)])
            .flatten()
            .chain([case.name()])
            .collect();
        return match host {
            Some(host) if !known.contains(&host) => {
                Finding::anomaly(Mechanism::HttpRedirect, reason(Rule::RedirectedElsewhere))
            }
            _ => Finding::inconclusive(Rule::NothingSeen, alloc::vec![at]),
        };
    }
    if agrees(fetch, control) {
        return Finding::new(Outcome::Ok, reason(Rule::PageAgrees));
    }
    // Statuses by which servers turn visitors away (RFC 9110, RFC 6585, RFC 7725).
    if matches!(fetch.status, Some(401 | 403 | 429 | 451 | 503)) {
        return Finding::new(Outcome::Refused, reason(Rule::ServerRefuses));
    }
    Finding::anomaly(Mechanism::HttpDiff, reason(Rule::PageDiffers))
}

/// OONI's rule: the status matches, and the length, the headers or the title do.
fn agrees(fetch: &Fetch, control: &Fetch) -> bool {
    if fetch.status != control.status {
        return false;
    }
    let (short, long) = if fetch.body_length < control.body_length {
        (fetch.body_length, control.body_length)
    } else {
        (control.body_length, fetch.body_length)
    };
    // A proportion of exactly 0.7 is not enough.
    let length = !fetch.body_truncated && long > 0 && short * 10 > long * 7;
    length
        || uncommon_headers(fetch).any(|h| uncommon_headers(control).any(|c| c == h))
        || same_words(fetch, control)
        || (fetch.body_sha256.is_some() && fetch.body_sha256 == control.body_sha256)
}

fn uncommon_headers(fetch: &Fetch) -> impl Iterator<Item = String> {
    fetch
        .headers
        .iter()
        .map(|header| header.name.to_ascii_lowercase())
        .filter(|name| !COMMON_HEADERS.contains(&name.as_str()))
}

/// Titles agree where their words of at least five bytes are the same.
fn same_words(fetch: &Fetch, control: &Fetch) -> bool {
    let words = |title: &Option<String>| -> BTreeSet<String> {
        title
            .iter()
            .flat_map(|t| t.split(' '))
            .filter(|w| w.len() >= 5)
            .map(str::to_lowercase)
            .collect()
    };
    match (&fetch.title, &control.title) {
        (Some(_), Some(_)) => {
            let (ours, theirs) = (words(&fetch.title), words(&control.title));
            !ours.is_empty() && ours == theirs
        }
        _ => false,
    }
}

/// Failures of one layer, by endpoint.
#[derive(Default)]
struct Tried {
    failed: Vec<(u16, (IpAddr, u16), Failure)>,
    there: BTreeSet<u16>,
    elsewhere: Vec<u16>,
    v6: Vec<u16>,
}

type Reached = Vec<((IpAddr, u16), u16)>;

impl Tried {
    fn add(&mut self, at: u16, endpoint: (IpAddr, u16), failure: Failure, there: &Reached) {
        match there.iter().find(|(reached, _)| *reached == endpoint) {
            Some((_, control)) => {
                self.there.insert(*control);
                self.failed.push((at, endpoint, failure));
            }
            None => self.elsewhere.push(at),
        }
    }

    fn conclude(self, rule: Rule, mechanism: impl Fn(Failure) -> Mechanism) -> Option<Finding> {
        let at: Vec<_> = self.failed.iter().map(|(at, ..)| *at).collect();
        let Some(&(_, _, failure)) = self.failed.first() else {
            if !self.elsewhere.is_empty() {
                return Some(Finding::inconclusive(
                    Rule::ControlElsewhere,
                    self.elsewhere,
                ));
            }
            return (!self.v6.is_empty())
                .then(|| Finding::inconclusive(Rule::Ipv6Broken, self.v6));
        };
        if self.failed.len() < 2 {
            return Some(Finding::inconclusive(Rule::NotRepeated, at));
        }
        let reason = Reason::new(rule, at, self.there.into_iter().collect());
        Some(Finding::anomaly(mechanism(failure), reason))
    }
}

fn endpoints<'a>(
    seen: impl Iterator<Item = (u16, &'a Observation)>,
    wanted: impl Fn(&Observation) -> bool,
) -> Reached {
    seen.filter(|(_, o)| o.failure.is_none() && wanted(o))
        .filter_map(|(at, o)| match &o.step {
            Step::Connect(c) => Some(((c.ip.0, c.port), at)),
            Step::Handshake(h) => Some(((h.ip.0, h.port), at)),
            _ => None,
        })
        .collect()
}

fn fetches<'a>(
    seen: impl Iterator<Item = (u16, &'a Observation)>,
) -> impl Iterator<Item = (u16, &'a Fetch, Option<Failure>)> {
    seen.filter_map(|(at, o)| match &o.step {
        Step::Fetch(fetch) => Some((at, fetch, o.failure)),
        _ => None,
    })
}

fn is_redirect(fetch: &Fetch) -> bool {
    matches!(fetch.status, Some(301 | 302 | 303 | 307 | 308))
}

fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.split(':').next()?.to_ascii_lowercase())
}

/// Headers that say nothing about which page this is: OONI's list, and those of transport.
const COMMON_HEADERS: &[&str] = &[
    "date",
    "content-type",
    "server",
    "cache-control",
    "vary",
    "set-cookie",
    "location",
    "expires",
    "x-powered-by",
    "content-encoding",
    "last-modified",
    "accept-ranges",
    "pragma",
    "x-frame-options",
    "etag",
    "x-content-type-options",
    "age",
    "via",
    "p3p",
    "x-xss-protection",
    "content-language",
    "cf-ray",
    "strict-transport-security",
    "link",
    "x-varnish",
    "content-length",
    "connection",
    "transfer-encoding",
];
