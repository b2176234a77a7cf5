//! Does QUIC reach the target where TLS over TCP does?
//!
//! QUIC alone is filtered in places: Elmenhorst et al., Web Censorship Measurements of HTTP/3
//! over QUIC (IMC 2021; India, Iran, China by address), TSPU from March 2022 on (version 1, by
//! its version field), Zohaib et al., Exposing and Circumventing SNI-based QUIC Censorship of
//! the Great Firewall (USENIX Security 2025). Known false positives and what stands against
//! them: firewalls that let no UDP pass (a reference host), targets without QUIC (the
//! control), targets out of reach altogether (TLS over TCP to the same address), loss
//! (repetition, and everything beside it works).

use super::web::Tried;
use super::{Case, Finding, Mechanism, Outcome, Reason, Rule, dns};
use crate::{
    failure::Failure,
    observation::{
        Handshake, HandshakeRole as Role, HandshakeStage, Observation, Quic, Step, Validity,
    },
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::net::IpAddr;

type Endpoint = (IpAddr, u16);

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let names = dns::judge(case);
    if names.outcome == Outcome::Anomaly {
        return names;
    }
    let passed: Vec<u16> = quics(case.seen())
        .filter(|(_, o, quic)| quic.role == Role::Target && whole(o, quic))
        .map(|(at, ..)| at)
        .collect();
    if !passed.is_empty() {
        let reason = Reason::new(Rule::QuicPasses, passed, Vec::new());
        return Finding::new(Outcome::Ok, reason);
    }
    let there: Vec<(Endpoint, u16)> = quics(case.control())
        .filter(|(_, o, quic)| quic.role == Role::Target && whole(o, quic))
        .map(|(at, _, quic)| ((quic.ip.0, quic.port), at))
        .collect();
    if there.is_empty() {
        return not_offered(case);
    }
    // The target itself must answer from here, or this is about its address.
    let over_tcp: BTreeSet<Endpoint> = case
        .seen()
        .filter_map(|(_, o)| match &o.step {
            Step::Handshake(shake) if o.failure.is_none() && proven(shake) => {
                Some((shake.ip.0, shake.port))
            }
            _ => None,
        })
        .collect();
    let mut tried = Tried::default();
    let (mut wrong, mut alone) = (Vec::new(), Vec::new());
    for (at, seen, quic) in quics(case.seen()).filter(|(.., q)| q.role == Role::Target) {
        let endpoint = (quic.ip.0, quic.port);
        match seen.failure {
            // Somebody shook hands: whose certificate that is, is for pages to judge.
            None => {}
            Some(_) if is_wrong(quic) => wrong.push(at),
            Some(_) if !over_tcp.contains(&endpoint) => alone.push(at),
            Some(failure) => tried.add(at, endpoint, failure, &there),
        }
    }
    let Some(finding) = tried.conclude(Rule::QuicFails, mechanism) else {
        return if !wrong.is_empty() {
            Finding::inconclusive(Rule::ChainNotCompared, wrong)
        } else if !alone.is_empty() {
            Finding::inconclusive(Rule::QuicTlsFailsToo, alone)
        } else {
            Finding::inconclusive(Rule::NothingSeen, Vec::new())
        };
    };
    if finding.outcome != Outcome::Anomaly {
        return finding;
    }
    beside(case, finding)
}

/// What the twins say of a target that was not reached.
fn beside(case: &Case<'_>, mut finding: Finding) -> Finding {
    let accused: Vec<u16> = finding
        .reasons
        .iter()
        .flat_map(|reason| reason.observations.clone())
        .collect();
    let endpoints: BTreeSet<Endpoint> = quics(case.seen())
        .filter(|(at, ..)| accused.contains(at))
        .map(|(_, _, quic)| (quic.ip.0, quic.port))
        .collect();
    let here = |quic: &Quic| endpoints.contains(&(quic.ip.0, quic.port));
    let works = |role: Role| {
        quics(case.seen())
            .find(|(_, o, q)| {
                q.role == role && passes(o, q) && (role == Role::Reference || here(q))
            })
            .map(|(at, ..)| at)
    };
    let tried = |role: Role| quics(case.seen()).find(|(.., q)| q.role == role && here(q));
    let neutral = works(Role::NeutralName);
    let reference = works(Role::Reference);
    let other = works(Role::OtherVersion);
    if neutral.is_none() && reference.is_none() {
        let mut all: Vec<u16> = quics(case.seen()).map(|(at, ..)| at).collect();
        all.truncate(16);
        return match other {
            Some(at) => Finding::inconclusive(Rule::QuicVersionFiltered, alloc::vec![at]),
            None => Finding::inconclusive(Rule::QuicUdpBlocked, all),
        };
    }
    if finding.mechanism == Some(Mechanism::QuicTimeoutOther) {
        finding.mechanism = Some(match (neutral, other) {
            (Some(_), _) => Mechanism::QuicTimeoutSni,
            (None, Some(_)) => Mechanism::QuicVersion,
            (None, None) => Mechanism::QuicTimeoutOther,
        });
    }
    if let Some(at) = neutral {
        finding = finding.because(Rule::QuicNeutralNameWorks, alloc::vec![at]);
    } else if let Some((at, ..)) = tried(Role::NeutralName) {
        finding = finding.because(Rule::QuicNeutralNameFails, alloc::vec![at]);
    }
    if let Some(at) = other {
        finding = finding.because(Rule::QuicOtherVersionAnswered, alloc::vec![at]);
    }
    if let Some(at) = reference {
        finding = finding.because(Rule::QuicReferenceWorks, alloc::vec![at]);
    }
    let forged = |at: &u16| {
        let mut all = quics(case.seen());
        all.any(|(n, o, _)| n == *at && o.failure == Some(Failure::QuicVersion))
    };
    let forged: Vec<u16> = accused.iter().copied().filter(forged).collect();
    if !forged.is_empty() {
        finding = finding.because(Rule::QuicVersionForged, forged);
    }
    finding
}

fn mechanism(failure: Failure) -> Mechanism {
    match failure {
        Failure::QuicVersion => Mechanism::QuicVersion,
        failure if failure.is_timeout() => Mechanism::QuicTimeoutOther,
        _ => Mechanism::QuicReset,
    }
}

/// The control reached nothing over QUIC, or did not try.
fn not_offered(case: &Case<'_>) -> Finding {
    let tried: Vec<u16> = quics(case.control())
        .filter(|(.., quic)| quic.role == Role::Target)
        .map(|(at, ..)| at)
        .collect();
    if tried.is_empty() {
        return Finding::inconclusive(Rule::NoControl, Vec::new());
    }
    let reason = Reason::new(Rule::QuicNotOffered, Vec::new(), tried);
    Finding::new(Outcome::Inconclusive, reason)
}

fn whole(observation: &Observation, quic: &Quic) -> bool {
    observation.failure.is_none()
        && matches!(quic.certificate, Some(Validity { failure: None }))
}

/// Whether a twin came through. Servers refuse names that they do not know by an alert, which is
/// an answer, too: a box that drops by name would not have let them speak.
fn passes(observation: &Observation, quic: &Quic) -> bool {
    let spoke = matches!(observation.failure, Some(Failure::TlsAlert(_)))
        || quic.stage == HandshakeStage::ServerHello;
    observation.failure.is_none() || quic.role == Role::NeutralName && spoke
}

fn is_wrong(quic: &Quic) -> bool {
    matches!(quic.certificate, Some(Validity { failure: Some(_) }))
}

fn proven(shake: &Handshake) -> bool {
    shake.role == Role::Target && matches!(shake.certificate, Some(Validity { failure: None }))
}

fn quics<'a>(
    seen: impl Iterator<Item = (u16, &'a Observation)>,
) -> impl Iterator<Item = (u16, &'a Observation, &'a Quic)> {
    seen.filter_map(|(at, o)| match &o.step {
        Step::Quic(quic) => Some((at, o, quic)),
        _ => None,
    })
}
