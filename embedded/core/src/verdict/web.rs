//! Could the page be had, and if not, where was it stopped?

use super::{Case, Finding, Mechanism, Outcome, Reason, Rule, dns};
use crate::{
    failure::Failure,
    observation::{
        Fetch, Handshake, HandshakeRole, HandshakeStage, Observation, Step, Validity,
    },
    page::{long_words, uncommon_headers},
    time::ClockQuality,
};
use alloc::{collections::BTreeMap, collections::BTreeSet, string::String, vec::Vec};
use core::net::IpAddr;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let names = dns::judge(case);
    if names.outcome == Outcome::Anomaly {
        return names;
    }
    let known = known_hosts(case);
    if let Some(finding) = authenticated(case, &known) {
        return finding;
    }
    if case.control.is_empty() {
        return Finding::inconclusive(Rule::NoControl, Vec::new());
    }
    // Where the probe has answers for a name that the control denies, the control's failure
    // to fetch says nothing of what the probe got.
    if names
        .reasons
        .iter()
        .any(|r| r.rule == Rule::RewritingUntested)
    {
        return names;
    }
    let stopped = connects(case).or_else(|| handshakes(case));
    if let Some(finding) = stopped
        && (matches!(finding.outcome, Outcome::Anomaly | Outcome::Down) || control_had(case))
    {
        return finding;
    }
    if !control_had(case) {
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
    pages(case, &known).unwrap_or_else(|| match names.outcome {
        Outcome::Inconclusive | Outcome::Down => names,
        _ => stranded(case),
    })
}

/// Whether the target's name passes, where nothing but ClientHellos was sent.
pub(super) fn hello(case: &Case<'_>) -> Finding {
    let names = dns::judge(case);
    if names.outcome == Outcome::Anomaly {
        return names;
    }
    if case.control.is_empty() {
        return Finding::inconclusive(Rule::NoControl, Vec::new());
    }
    let greeted = |o: &Observation| {
        o.failure.is_none()
            && matches!(&o.step, Step::Handshake(shake) if shake.role == HandshakeRole::Target)
    };
    let passed: Vec<u16> = case
        .seen()
        .filter(|(_, o)| greeted(o))
        .map(|(at, _)| at)
        .collect();
    if !passed.is_empty() {
        let reason = Reason::new(Rule::HelloPasses, passed, Vec::new());
        return Finding::new(Outcome::Ok, reason);
    }
    let stopped = connects(case).or_else(|| handshakes(case));
    let there = case.control().any(|(_, o)| greeted(o));
    match stopped {
        Some(finding) if there || finding.outcome == Outcome::Anomaly => finding,
        _ if !there => {
            let failed = |(at, o): (u16, &Observation)| o.failure.is_some().then_some(at);
            let here = case.seen().filter_map(failed).collect();
            let there = case.control().filter_map(failed).collect();
            Finding::new(Outcome::Down, Reason::new(Rule::ControlFails, here, there))
        }
        _ => match names.outcome {
            Outcome::Inconclusive | Outcome::Down => names,
            _ => stranded(case),
        },
    }
}

/// `Some` where a page came over a certificate valid for its name. Nobody on the path wrote
/// it; that the server itself turns this visitor away and not the control is no interference
/// of the network, but not the page either.
fn authenticated(case: &Case<'_>, known: &BTreeSet<String>) -> Option<Finding> {
    let proven = |(_, fetch, failure): &(u16, &Fetch, Option<Failure>)| {
        // A redirect is not the page, however well it is authenticated.
        fetch.authenticated
            && failure.is_none()
            && !is_redirect(fetch)
            && host_of(&fetch.url)
                .is_some_and(|host| known.contains(&host) || same_domain(&host, &case.name()))
    };
    let mut refused = None;
    for (at, fetch, _) in fetches(case.seen()).filter(proven) {
        if turns_away(fetch) {
            refused = refused.or(Some(at));
        } else {
            let reason = Reason::new(Rule::Authenticated, alloc::vec![at], Vec::new());
            return Some(Finding::new(Outcome::Ok, reason));
        }
    }
    let at = refused?;
    let served = fetches(case.control())
        .find(|(_, f, failure)| failure.is_none() && !is_redirect(f) && !turns_away(f));
    let proof = alloc::vec![at];
    Some(if let Some((there, ..)) = served {
        let reason = Reason::new(Rule::ServerRefuses, alloc::vec![at], alloc::vec![there]);
        Finding::new(Outcome::Refused, reason).because(Rule::Authenticated, proof)
    } else {
        let reason = Reason::new(Rule::Authenticated, proof, Vec::new());
        Finding::new(Outcome::Ok, reason)
    })
}

/// Whether a server's status turns a visitor away (RFC 9110, RFC 6585, RFC 7725).
fn turns_away(fetch: &Fetch) -> bool {
    matches!(fetch.status, Some(401 | 403 | 429 | 451 | 503))
}

/// Nothing came back and nothing can be compared: were there failures that the control
/// cannot speak to, as after a redirect that it does not tell of?
fn stranded(case: &Case<'_>) -> Finding {
    let connected = endpoints(case.control(), |o| matches!(o.step, Step::Connect(_)));
    let greeted = endpoints(case.control(), |o| matches!(o.step, Step::Handshake(_)));
    let reached = |there: &Reached, ip: IpAddr, port: u16| {
        there.iter().any(|(endpoint, _)| *endpoint == (ip, port))
    };
    let failed: Vec<u16> = case
        .seen()
        .filter(|(_, o)| o.failure.is_some())
        .filter(|(_, o)| match &o.step {
            Step::Connect(c) => !reached(&connected, c.ip.0, c.port),
            Step::Handshake(h) => {
                h.role == HandshakeRole::Target && !reached(&greeted, h.ip.0, h.port)
            }
            _ => false,
        })
        .map(|(at, _)| at)
        .collect();
    let rule = if failed.is_empty() {
        Rule::NothingSeen
    } else {
        Rule::ControlElsewhere
    };
    Finding::inconclusive(rule, failed)
}

/// Whether the control had the page.
fn control_had(case: &Case<'_>) -> bool {
    fetches(case.control()).any(|(.., failure)| failure.is_none())
}

/// The target's host, those that the control was sent to, and those that one of these sent
/// the probe to over a certificate valid for its name.
fn known_hosts(case: &Case<'_>) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = fetches(case.control())
        .flat_map(|(_, f, _)| [host_of(&f.url), f.location.as_deref().and_then(host_of)])
        .flatten()
        .chain([case.name()])
        .collect();
    let mut sent = BTreeMap::<String, Vec<String>>::new();
    for (_, fetch, failure) in fetches(case.seen()) {
        let link = || Some((host_of(&fetch.url)?, host_of(fetch.location.as_deref()?)?));
        if fetch.authenticated
            && failure.is_none()
            && is_redirect(fetch)
            && let Some((from, to)) = link()
        {
            sent.entry(from).or_default().push(to);
        }
    }
    // Links may stand in any order; each is followed once.
    let mut open: Vec<String> = known.iter().cloned().collect();
    while let Some(host) = open.pop() {
        for to in sent.remove(&host).into_iter().flatten() {
            if known.insert(to.clone()) {
                open.push(to);
            }
        }
    }
    known
}

/// Whether one host is the other, or lies below it; `www.` aside. A certificate valid for
/// either then speaks for the same owner.
fn same_domain(one: &str, other: &str) -> bool {
    let bare = |host: &str| -> String { host.strip_prefix("www.").unwrap_or(host).into() };
    let (one, other) = (bare(one), bare(other));
    let below = |inner: &str, outer: &str| {
        outer.contains('.')
            && inner
                .strip_suffix(outer)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    below(&one, &other) || below(&other, &one)
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
    let (mut same, mut valid, mut here, mut comparable) = (false, false, false, false);
    for (index, seen) in case.control() {
        let Step::Handshake(control) = &seen.step else {
            continue;
        };
        if control.role == HandshakeRole::Target {
            there.push(index);
            comparable |= !control.chain.is_empty();
            same |= !control.chain.is_empty() && control.chain.first() == shake.chain.first();
            valid |= control
                .certificate
                .as_ref()
                .is_some_and(|v| v.failure.is_none());
            here |= control.ip == shake.ip && control.port == shake.port;
        }
    }
    if same || !valid {
        let reason = Reason::new(Rule::ControlFails, alloc::vec![at], there);
        return Finding::new(Outcome::Down, reason);
    }
    let compared = comparable && !shake.chain.is_empty();
    if wrong != Failure::CertName && !compared {
        return Finding::inconclusive(Rule::ChainNotCompared, alloc::vec![at]);
    }
    if !here {
        // Another edge of a content network may be the one that is misconfigured.
        return Finding::inconclusive(Rule::ControlElsewhere, alloc::vec![at]);
    }
    // Security software on the probe's machine, or an employer, replaces every certificate
    // (Durumeric et al., NDSS 2017): that is not done to this target.
    let twin = case.seen().find(|(_, seen)| match &seen.step {
        Step::Handshake(twin) => {
            let unknown = |v: &Validity| v.failure == Some(Failure::CertChain);
            twin.role == HandshakeRole::NeutralName
                && (twin.ip, twin.port) == (shake.ip, shake.port)
                && twin.certificate.as_ref().is_some_and(unknown)
        }
        _ => false,
    });
    if let (Some((twin, _)), Failure::CertChain) = (twin, wrong) {
        return Finding::inconclusive(Rule::InterceptsAll, alloc::vec![at, twin]);
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
fn pages(case: &Case<'_>, known: &BTreeSet<String>) -> Option<Finding> {
    let (mut failed, mut had) = (Vec::new(), Vec::new());
    for (at, fetch, failure) in fetches(case.seen()) {
        match failure {
            None => had.push((at, fetch)),
            Some(failure) => failed.push((at, (fetch.ip.0, fetch.port), failure)),
        }
    }
    let blockpage = had
        .iter()
        .find(|(_, fetch)| !fetch.authenticated && case.context.is_blockpage(fetch));
    if let Some((at, _)) = blockpage {
        let reason = Reason::new(Rule::KnownBlockpage, alloc::vec![*at], Vec::new());
        return Some(Finding::anomaly(Mechanism::HttpBlockpage, reason));
    }
    let (there, control) = fetches(case.control())
        .filter(|(.., failure)| failure.is_none())
        .map(|(at, fetch, _)| (at, fetch))
        .last()?;
    let reason = |rule, at| Reason::new(rule, alloc::vec![at], alloc::vec![there]);
    let landed = || had.iter().filter(|(_, fetch)| !is_redirect(fetch));
    let elsewhere = had.iter().find_map(|(at, fetch)| {
        let host = fetch.location.as_deref().and_then(host_of)?;
        (is_redirect(fetch) && !fetch.authenticated && !known.contains(&host))
            .then_some((*at, host))
    });
    if let Some((at, host)) = elsewhere {
        // Sites send visitors to their national editions; forgers send them to strangers.
        let same = landed()
            .find(|(_, fetch)| fetch.status == control.status && same_words(fetch, control));
        let kin = kin(&host, &case.name());
        return Some(if let (Some((page, _)), true) = (same, kin) {
            // The site's own other door to the same page, of which the control did not tell.
            Finding::new(Outcome::Ok, reason(Rule::PageAgrees, *page))
        } else if same.is_some() || kin {
            Finding::inconclusive(Rule::RedirectedElsewhere, alloc::vec![at])
        } else {
            Finding::anomaly(
                Mechanism::HttpRedirect,
                reason(Rule::RedirectedElsewhere, at),
            )
        });
    }
    if let Some((at, _)) = landed().find(|(_, fetch)| agrees(fetch, control)) {
        return Some(Finding::new(Outcome::Ok, reason(Rule::PageAgrees, *at)));
    }
    if let Some((at, _)) = landed().find(|(_, fetch)| turns_away(fetch)) {
        return Some(Finding::new(
            Outcome::Refused,
            reason(Rule::ServerRefuses, *at),
        ));
    }
    if let Some((at, _)) = landed().next() {
        return Some(Finding::anomaly(
            Mechanism::HttpDiff,
            reason(Rule::PageDiffers, *at),
        ));
    }
    let mut tried = Tried::default();
    let reached: Reached = failed
        .iter()
        .map(|(_, endpoint, _)| (*endpoint, there))
        .collect();
    for (at, endpoint, failure) in failed {
        tried.add(at, endpoint, failure, &reached);
    }
    tried.conclude(Rule::ExchangeFails, |failure| {
        if failure.is_timeout() {
            Mechanism::HttpTimeout
        } else {
            Mechanism::HttpReset
        }
    })
}

/// Whether two hosts share a label, their last ones aside, that is long enough to be a name
/// of its own.
fn kin(one: &str, other: &str) -> bool {
    let own = |host: &str| -> BTreeSet<String> {
        host.rsplit('.')
            .skip(1)
            .filter(|label| label.len() >= 4)
            .map(Into::into)
            .collect()
    };
    !own(one).is_disjoint(&own(other))
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
        || !telling_headers(fetch).is_disjoint(&telling_headers(control))
        || same_words(fetch, control)
        || (fetch.body_sha256.is_some() && fetch.body_sha256 == control.body_sha256)
}

/// OONI's uncommon headers, without those of transport.
fn telling_headers(fetch: &Fetch) -> BTreeSet<String> {
    let mut names = uncommon_headers(fetch.headers.iter().map(|header| header.name.as_str()));
    names.retain(|name| !TRANSPORT_HEADERS.contains(&name.as_str()));
    names
}

/// Titles agree where their long words are the same, and there are any.
fn same_words(fetch: &Fetch, control: &Fetch) -> bool {
    match (&fetch.title, &control.title) {
        (Some(ours), Some(theirs)) => {
            let ours = long_words(ours);
            !ours.is_empty() && ours == long_words(theirs)
        }
        _ => false,
    }
}

/// Failures of one layer, by endpoint.
#[derive(Default)]
pub(super) struct Tried {
    failed: Vec<(u16, (IpAddr, u16), Failure)>,
    there: BTreeSet<u16>,
    elsewhere: Vec<u16>,
    v6: Vec<u16>,
}

pub(super) type Reached = Vec<((IpAddr, u16), u16)>;

impl Tried {
    pub(super) fn add(
        &mut self,
        at: u16,
        endpoint: (IpAddr, u16),
        failure: Failure,
        there: &Reached,
    ) {
        match there.iter().find(|(reached, _)| *reached == endpoint) {
            Some((_, control)) => {
                self.there.insert(*control);
                self.failed.push((at, endpoint, failure));
            }
            None => self.elsewhere.push(at),
        }
    }

    pub(super) fn conclude(
        self,
        rule: Rule,
        mechanism: impl Fn(Failure) -> Mechanism,
    ) -> Option<Finding> {
        if self.failed.is_empty() {
            if !self.elsewhere.is_empty() {
                return Some(Finding::inconclusive(
                    Rule::ControlElsewhere,
                    self.elsewhere,
                ));
            }
            return (!self.v6.is_empty())
                .then(|| Finding::inconclusive(Rule::Ipv6Broken, self.v6));
        }
        let at: Vec<_> = self.failed.iter().map(|(at, ..)| *at).collect();
        // Repeated means: the same address failed in the same way again.
        let mut ways = BTreeMap::<_, u32>::new();
        for (_, endpoint, failure) in &self.failed {
            *ways.entry((mechanism(*failure), *endpoint)).or_default() += 1;
        }
        let Some(((mechanism, _), _)) = ways.into_iter().find(|(_, times)| *times > 1) else {
            return Some(Finding::inconclusive(Rule::NotRepeated, at));
        };
        let reason = Reason::new(rule, at, self.there.into_iter().collect());
        Some(Finding::anomaly(mechanism, reason))
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

/// Headers of transport, which say nothing about which page this is.
const TRANSPORT_HEADERS: &[&str] = &["connection", "content-length", "transfer-encoding"];
