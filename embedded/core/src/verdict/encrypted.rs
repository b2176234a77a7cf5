//! Does DNS over TLS, HTTPS or QUIC reach a public resolver?
//!
//! RFC 7858, RFC 8484, RFC 9250. Encrypted DNS alone is filtered in places: Basso, DNS over
//! TLS blocked in Iran (OONI 2020: after the ClientHello, by name); Basso, Measuring DoT/DoH
//! Blocking Using OONI Probe (NDSS DNS Privacy Workshop 2021: Kazakhstan, Iran, China); Jin et al.,
//! Understanding the Impact of Encrypted DNS on Internet Censorship (WWW 2021). Known false
//! positives and what stands against them: services that are down or never offered (the
//! control), firewalls that let nobody out by port 853 (another resolver over the same
//! transport), loss (repetition), software that reads every connection (the neutral name).
//!
//! Each transport is judged by itself; of those that fail, the first that can be held against
//! the network gives the verdict. What passes beside it is told with it.

use super::web::Tried;
use super::{Case, Finding, Mechanism, Outcome, Reason, Rule};
use crate::{
    failure::Failure,
    observation::{
        Connect, DnsTransport, Handshake, HandshakeRole as Role, HandshakeStage, Lookup,
        Observation, Quic, Step, Validity,
    },
    resolver::Service,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::net::IpAddr;

/// A way to speak to a resolver.
#[derive(Clone, Copy)]
struct Way {
    transport: DnsTransport,
    port: u16,
    fails: Rule,
}

const WAYS: [Way; 3] = [
    Way {
        transport: DnsTransport::Tls,
        port: 853,
        fails: Rule::EncryptedTlsFails,
    },
    Way {
        transport: DnsTransport::Https,
        port: 443,
        fails: Rule::EncryptedHttpsFails,
    },
    Way {
        transport: DnsTransport::Quic,
        port: 853,
        fails: Rule::EncryptedQuicFails,
    },
];

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let Some(Service { address, .. }) = Service::of_target(&case.measurement.target) else {
        return Finding::inconclusive(Rule::NothingSeen, Vec::new());
    };
    let (mut good, mut there) = (Vec::new(), Vec::new());
    let (mut failing, mut unknown) = (Vec::new(), Vec::new());
    for way in WAYS {
        let here = way.answers(case.seen(), address);
        let known = way.answers(case.control(), address);
        let tried = way.tried(case, address);
        there.extend(&known);
        match known.first() {
            _ if !here.is_empty() => good.extend(here),
            Some(known) if !tried.is_empty() => failing.push((way, *known)),
            None => unknown.extend(tried),
            Some(_) => {}
        }
    }
    let plain = answers(case.seen(), DnsTransport::Udp, address);
    if failing.is_empty() {
        return nothing_fails(case, &good, there, unknown, &plain);
    }
    let mut findings: Vec<Finding> = failing
        .into_iter()
        .map(|(way, known)| way.accuse(case, address, known))
        .collect();
    let worst = findings.iter().position(|f| f.outcome == Outcome::Anomaly);
    let mut finding = findings.swap_remove(worst.unwrap_or_default());
    if !good.is_empty() {
        finding = finding.because(Rule::EncryptedOthersPass, good);
    }
    if !plain.is_empty() {
        finding = finding.because(Rule::PlainAnswered, plain);
    }
    finding
}

/// No transport failed that the control got an answer by.
fn nothing_fails(
    case: &Case<'_>,
    good: &[u16],
    there: Vec<u16>,
    unknown: Vec<u16>,
    plain: &[u16],
) -> Finding {
    let blind = case.control.is_empty();
    if good.is_empty() && unknown.is_empty() {
        return Finding::inconclusive(Rule::NothingSeen, Vec::new());
    }
    // Without a control, a service that is not offered looks like one that is blocked.
    if blind && !unknown.is_empty() {
        return Finding::inconclusive(Rule::NoControl, unknown);
    }
    if good.is_empty() {
        let tried = case.control().map(|(at, _)| at).take(16).collect();
        let reason = Reason::new(Rule::EncryptedDown, unknown, tried);
        return Finding::new(Outcome::Down, reason);
    }
    let reason = Reason::new(Rule::EncryptedAnswers, good.to_vec(), there);
    let mut finding = Finding::new(Outcome::Ok, reason);
    if !unknown.is_empty() {
        finding = finding.because(Rule::EncryptedNotOffered, unknown);
    }
    let (said, clear) = (said(case, good), said(case, plain));
    if !clear.is_empty() && !said.is_empty() && said.is_disjoint(&clear) {
        finding = finding.because(Rule::PlainDiffers, plain.to_vec());
    }
    finding
}

impl Way {
    /// Lookups that were answered, whatever the answer. Only authenticated ones are there.
    fn answers<'a>(
        self,
        seen: impl Iterator<Item = (u16, &'a Observation)>,
        address: IpAddr,
    ) -> Vec<u16> {
        answers(seen, self.transport, address)
    }

    /// Everything done to speak to the resolver so, under its own name.
    fn tried(self, case: &Case<'_>, address: IpAddr) -> Vec<u16> {
        let own = case.seen().filter(|(_, o)| match &o.step {
            Step::Lookup(lookup) => self.is_lookup(lookup, address),
            Step::Connect(connect) => self.is_connect(connect, address),
            Step::Handshake(shake) => self.is_shake(shake, address, Role::Target),
            Step::Quic(quic) => self.is_dial(quic, address, Role::Target),
            Step::Fetch(_) => false,
        });
        own.map(|(at, _)| at).collect()
    }

    fn is_lookup(self, lookup: &Lookup, address: IpAddr) -> bool {
        is_at(lookup, self.transport, address)
    }
    fn is_connect(self, connect: &Connect, address: IpAddr) -> bool {
        self.is_stream() && (connect.ip.0, connect.port) == (address, self.port)
    }
    fn is_shake(self, shake: &Handshake, address: IpAddr, role: Role) -> bool {
        let here = shake.ip.0 == address || role == Role::Reference;
        self.is_stream() && here && shake.port == self.port && shake.role == role
    }
    fn is_dial(self, quic: &Quic, address: IpAddr, role: Role) -> bool {
        let here = quic.ip.0 == address || role == Role::Reference;
        !self.is_stream() && here && quic.port == self.port && quic.role == role
    }
    fn is_stream(self) -> bool {
        self.transport != DnsTransport::Quic
    }

    /// What can be said of a transport by which the control got an answer and the probe none.
    fn accuse(self, case: &Case<'_>, address: IpAddr, known: u16) -> Finding {
        let endpoint = (address, self.port);
        let reached = alloc::vec![(endpoint, known)];
        let (mut tried, mut steps) = (Tried::default(), Vec::new());
        let (mut wrong, mut answerless) = (Vec::new(), Vec::new());
        for (at, seen) in case.seen() {
            // By an older protocol the resolver may still answer (RFC 7301 section 3.2).
            let failure = seen.failure.filter(|f| *f != Failure::TlsAlert(120));
            let Some(failure) = failure else { continue };
            let own = match &seen.step {
                Step::Connect(connect) => self.is_connect(connect, address),
                Step::Handshake(shake) if self.is_shake(shake, address, Role::Target) => {
                    if is_wrong(shake.certificate.as_ref()) {
                        wrong.push((at, failure));
                        continue;
                    }
                    true
                }
                Step::Quic(quic) if self.is_dial(quic, address, Role::Target) => {
                    if is_wrong(quic.certificate.as_ref()) {
                        wrong.push((at, failure));
                        continue;
                    }
                    true
                }
                // It is proven by now who speaks: what it says is its own word.
                Step::Lookup(lookup) if self.is_lookup(lookup, address) => {
                    if !failure.is_timeout() {
                        answerless.push(at);
                        continue;
                    }
                    true
                }
                _ => false,
            };
            if own {
                steps.push((at, failure));
                tried.add(at, endpoint, failure, &reached);
            }
        }
        if !wrong.is_empty() {
            return self.intercepted(case, address, &wrong, known);
        }
        let unroutable = |failure: &Failure| {
            matches!(
                failure,
                Failure::NetworkUnreachable | Failure::HostUnreachable
            )
        };
        if address.is_ipv6() && steps.iter().any(|(_, failure)| unroutable(failure)) {
            let at = steps.into_iter().map(|(at, _)| at).collect();
            return Finding::inconclusive(Rule::Ipv6Broken, at);
        }
        if steps.is_empty() && answerless.len() > 1 {
            let reason = Reason::new(Rule::EncryptedRefused, answerless, alloc::vec![known]);
            return Finding::new(Outcome::Refused, reason);
        }
        let Some(finding) = tried.conclude(self.fails, mechanism) else {
            return Finding::inconclusive(Rule::NotRepeated, answerless);
        };
        if finding.outcome == Outcome::Anomaly {
            self.beside(case, address, finding)
        } else {
            finding
        }
    }

    /// What the twins say of a transport that does not reach the resolver.
    fn beside(self, case: &Case<'_>, address: IpAddr, mut finding: Finding) -> Finding {
        let neutral = self.twin(case, address, Role::NeutralName);
        let reference = self.twin(case, address, Role::Reference);
        let works = |twin: Option<(u16, bool)>| twin.is_some_and(|(_, works)| works);
        if !works(neutral) && !works(reference) {
            let at = self.tried(case, address);
            let others = reference.into_iter().chain(neutral).map(|(at, _)| at);
            let at = at.into_iter().chain(others).collect();
            return Finding::inconclusive(Rule::EncryptedPortFiltered, at);
        }
        if works(neutral) {
            finding.mechanism = finding.mechanism.map(by_name);
        }
        let words = if self.is_stream() {
            (Rule::NeutralNameWorks, Rule::NeutralNameFails)
        } else {
            (Rule::QuicNeutralNameWorks, Rule::QuicNeutralNameFails)
        };
        if let Some((at, works)) = neutral {
            let word = if works { words.0 } else { words.1 };
            finding = finding.because(word, alloc::vec![at]);
        }
        if let Some((at, true)) = reference {
            finding = finding.because(Rule::EncryptedReferenceWorks, alloc::vec![at]);
        }
        finding
    }

    /// A twin, and whether it came through: one that did, where one did.
    fn twin(self, case: &Case<'_>, address: IpAddr, role: Role) -> Option<(u16, bool)> {
        let twins = case.seen().filter_map(|(at, o)| match &o.step {
            Step::Handshake(shake) if self.is_shake(shake, address, role) => {
                Some((at, came_through(o, shake.stage, role)))
            }
            Step::Quic(quic) if self.is_dial(quic, address, role) => {
                Some((at, came_through(o, quic.stage, role)))
            }
            _ => None,
        });
        twins.max_by_key(|(_, works)| *works)
    }

    /// Somebody else's certificate: whose, and for whom?
    fn intercepted(
        self,
        case: &Case<'_>,
        address: IpAddr,
        wrong: &[(u16, Failure)],
        known: u16,
    ) -> Finding {
        let at: Vec<u16> = wrong.iter().map(|(at, _)| *at).collect();
        let accuses =
            |failure: &Failure| matches!(failure, Failure::CertName | Failure::CertChain);
        if !wrong.iter().all(|(_, failure)| accuses(failure)) {
            return Finding::inconclusive(Rule::ClockUntrusted, at);
        }
        if at.len() < 2 {
            return Finding::inconclusive(Rule::NotRepeated, at);
        }
        let leaf = |role: Role| {
            move |(_, o): (u16, &Observation)| match &o.step {
                Step::Handshake(shake) if self.is_shake(shake, address, role) => {
                    Some((shake.certificate.clone(), shake.chain.first().cloned()))
                }
                Step::Quic(quic) if self.is_dial(quic, address, role) => {
                    Some((quic.certificate.clone(), quic.chain.first().cloned()))
                }
                _ => None,
            }
        };
        // An old list of authorities at the probe finds the true chain wrong, too.
        let true_ones: Vec<_> = case.control().filter_map(leaf(Role::Target)).collect();
        let shown: Vec<_> = case.seen().filter_map(leaf(Role::Target)).collect();
        let same = true_ones.iter().any(|(_, theirs)| {
            theirs.is_some() && shown.iter().any(|(_, ours)| ours == theirs)
        });
        let comparable = true_ones.iter().any(|(_, theirs)| theirs.is_some());
        let chain_only = wrong
            .iter()
            .all(|(_, failure)| *failure == Failure::CertChain);
        if same || chain_only && !comparable {
            return Finding::inconclusive(Rule::ChainNotCompared, at);
        }
        let for_everybody =
            case.seen()
                .filter_map(leaf(Role::NeutralName))
                .any(|(validity, _)| {
                    validity.is_some_and(|v| v.failure == Some(Failure::CertChain))
                });
        if for_everybody {
            return Finding::inconclusive(Rule::InterceptsAll, at);
        }
        let reason = Reason::new(Rule::EncryptedIntercepted, at, alloc::vec![known]);
        Finding::anomaly(Mechanism::TlsMitm, reason)
    }
}

/// Servers refuse names that they do not know by an alert, which is an answer, too: a box that
/// drops by name would not have let them speak. A reference has to prove itself.
fn came_through(observation: &Observation, stage: HandshakeStage, role: Role) -> bool {
    let spoke = matches!(observation.failure, Some(Failure::TlsAlert(_)))
        || matches!(
            stage,
            HandshakeStage::ServerHello | HandshakeStage::Complete
        );
    observation.failure.is_none() || role == Role::NeutralName && spoke
}

fn is_wrong(validity: Option<&Validity>) -> bool {
    validity.is_some_and(|validity| validity.failure.is_some())
}

fn mechanism(failure: Failure) -> Mechanism {
    match failure {
        Failure::TcpRefused => Mechanism::TcpRefused,
        Failure::NetworkUnreachable | Failure::HostUnreachable => Mechanism::IpUnreachable,
        Failure::TcpTimeout => Mechanism::TcpTimeout,
        Failure::TlsReset | Failure::TlsEof => Mechanism::TlsResetOther,
        Failure::TlsTimeout => Mechanism::TlsTimeoutOther,
        Failure::TlsAlert(_) => Mechanism::TlsAlert,
        Failure::TlsMalformed | Failure::TlsHandshake => Mechanism::TlsOther,
        Failure::QuicTimeout => Mechanism::QuicTimeoutOther,
        Failure::QuicVersion => Mechanism::QuicVersion,
        Failure::DnsTimeout => Mechanism::DnsTimeout,
        failure if failure.layer() == crate::failure::Layer::Quic => Mechanism::QuicReset,
        _ => Mechanism::TcpReset,
    }
}

/// The same, known to be done because of the name.
fn by_name(mechanism: Mechanism) -> Mechanism {
    match mechanism {
        Mechanism::TlsResetOther => Mechanism::TlsResetSni,
        Mechanism::TlsTimeoutOther => Mechanism::TlsTimeoutSni,
        Mechanism::QuicTimeoutOther => Mechanism::QuicTimeoutSni,
        other => other,
    }
}

fn is_at(lookup: &Lookup, transport: DnsTransport, address: IpAddr) -> bool {
    lookup.transport == transport && lookup.resolver.map(|ip| ip.0) == Some(address)
}

fn answers<'a>(
    seen: impl Iterator<Item = (u16, &'a Observation)>,
    transport: DnsTransport,
    address: IpAddr,
) -> Vec<u16> {
    let answered = |lookup: &Lookup| lookup.replies.iter().any(|reply| reply.failure.is_none());
    seen.filter(|(_, o)| {
        matches!(&o.step, Step::Lookup(lookup)
            if is_at(lookup, transport, address) && answered(lookup))
    })
    .map(|(at, _)| at)
    .collect()
}

/// The addresses that lookups brought.
fn said(case: &Case<'_>, lookups: &[u16]) -> BTreeSet<IpAddr> {
    case.seen()
        .filter(|(at, _)| lookups.contains(at))
        .filter_map(|(_, o)| match &o.step {
            Step::Lookup(lookup) => Some(&lookup.replies),
            _ => None,
        })
        .flatten()
        .filter(|reply| reply.failure.is_none())
        .flat_map(|reply| reply.addresses.iter().map(|ip| ip.0))
        .collect()
}
