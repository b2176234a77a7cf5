//! Is a ClientHello stopped because its name is encrypted?
//!
//! Encrypted Client Hello (RFC 9849) hides the target's name in an extension and shows that of
//! the client-facing server. Boxes have been seen to look for the extension alone (China, of its
//! predecessor: Bock et al., 2020, the extension `encrypted_server_name`), and for the extension
//! and one visible name together (Russia, from November 2024 on: `cloudflare-ech.com` with ECH,
//! and neither alone). Hence two handshakes that miss narrowly: the target's name with an
//! extension that means nothing (GREASE, section 6.2), and the visible name without one.
//!
//! Known false positives and what stands against them: keys out of date and servers without ECH
//! (they answer, and an answer is never an anomaly), servers that choke on the extension (the
//! control), boxes that cannot take a long ClientHello (one as long without ECH), visible names
//! that are filtered themselves (the same without ECH), boxes that punish an address (the twins
//! come last and have to pass), loss (repetition), records stripped by old resolvers (noted, and
//! never an anomaly).

use super::web::Tried;
use super::{Case, Finding, Mechanism, Outcome, Reason, Rule, dns};
use crate::{
    dns::ech_config,
    failure::Failure,
    observation::{
        Handshake, HandshakeRole as Role, HandshakeStage, Observation, ResolverRole, Step,
        Validity,
    },
};
use alloc::vec::Vec;
use core::net::IpAddr;

type Endpoint = (IpAddr, u16);

/// IANA's number of the HTTPS record.
const HTTPS: u16 = 65;

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let names = dns::judge(case);
    if names.outcome == Outcome::Anomaly {
        return names;
    }
    // What is offered with a key first: it is what people use.
    let mut open = None;
    for role in [Role::Ech, Role::GreaseEch] {
        let Some(finding) = cut_off(case, role) else {
            continue;
        };
        if finding.outcome == Outcome::Anomaly {
            return finding;
        }
        open = open.or(Some(finding));
    }
    let finding = open.unwrap_or_else(|| passed(case));
    match missing_record(case) {
        Some((here, there)) => {
            let mut finding = finding;
            let reason = Reason::new(Rule::EchRecordMissing, here, there);
            finding.reasons.push(reason);
            finding
        }
        None => finding,
    }
}

/// What is said where ECH was not cut off.
fn passed(case: &Case<'_>) -> Finding {
    let of = |role: Role, is: fn(&Observation, &Handshake) -> bool| -> Vec<u16> {
        shakes(case.seen())
            .filter(|(_, o, shake)| shake.role == role && is(o, shake))
            .map(|(at, ..)| at)
            .collect()
    };
    let accepted = of(Role::Ech, |o, shake| o.failure.is_none() && valid(shake));
    let refused = of(Role::Ech, |o, _| rejected(o));
    let unproven = of(Role::Ech, answered);
    let grease = of(Role::GreaseEch, |o, shake| {
        o.failure.is_none() && valid(shake)
    });
    let ok = |rule, at| Finding::new(Outcome::Ok, Reason::new(rule, at, Vec::new()));
    let finding = if !accepted.is_empty() {
        ok(Rule::EchAccepted, accepted)
    } else if !refused.is_empty() {
        ok(Rule::EchRejected, refused)
    } else if !unproven.is_empty() {
        Finding::inconclusive(Rule::EchUnproven, unproven)
    } else if !grease.is_empty() {
        return ok(Rule::EchGreasePasses, grease);
    } else {
        let grease = of(Role::GreaseEch, answered);
        let failed = |(_, o): &(u16, &Observation)| {
            o.failure.is_some() && matches!(o.step, Step::Handshake(_) | Step::Connect(_))
        };
        let failed: Vec<u16> = case.seen().filter(failed).map(|(at, _)| at).collect();
        return if !grease.is_empty() {
            Finding::inconclusive(Rule::EchUnproven, grease)
        } else if !failed.is_empty() {
            Finding::inconclusive(Rule::EchNothingPasses, failed)
        } else {
            Finding::inconclusive(Rule::NothingSeen, Vec::new())
        };
    };
    if grease.is_empty() {
        finding
    } else {
        finding.because(Rule::EchGreasePasses, grease)
    }
}

/// `Some` where handshakes of this role were cut off everywhere.
fn cut_off(case: &Case<'_>, role: Role) -> Option<Finding> {
    let mine = || shakes(case.seen()).filter(move |(.., shake)| shake.role == role);
    if mine().any(|(_, o, shake)| answered(o, shake)) {
        return None;
    }
    let stopped: Vec<u16> = mine()
        .filter(|(_, o, shake)| stopped(o, shake))
        .map(|(at, ..)| at)
        .collect();
    if stopped.is_empty() {
        return None;
    }
    let control = || shakes(case.control()).filter(move |(.., shake)| shake.role == role);
    let there: Vec<(Endpoint, u16)> = control()
        .filter(|(_, o, shake)| answered(o, shake))
        .map(|(at, _, shake)| ((shake.ip.0, shake.port), at))
        .collect();
    if there.is_empty() {
        let tried: Vec<u16> = control().map(|(at, ..)| at).collect();
        return Some(if tried.is_empty() {
            Finding::inconclusive(Rule::NoControl, stopped)
        } else {
            let reason = Reason::new(Rule::ControlFails, stopped, tried);
            Finding::new(Outcome::Inconclusive, reason)
        });
    }
    let mut tried = Tried::default();
    for (at, seen, shake) in mine() {
        if let Some(failure) = seen.failure.filter(|_| stopped.contains(&at)) {
            tried.add(at, (shake.ip.0, shake.port), failure, &there);
        }
    }
    let finding = tried.conclude(Rule::EchFails, |failure| match failure {
        Failure::TlsTimeout => Mechanism::TlsTimeoutEch,
        _ => Mechanism::TlsResetEch,
    })?;
    Some(if finding.outcome == Outcome::Anomaly {
        beside(case, role, &stopped, finding)
    } else {
        finding
    })
}

/// What the near misses say of a handshake that was cut off.
fn beside(case: &Case<'_>, role: Role, accused: &[u16], mut finding: Finding) -> Finding {
    let mine: Vec<(u16, Endpoint, Option<&str>)> = shakes(case.seen())
        .filter(|(at, ..)| accused.contains(at))
        .map(|(at, _, shake)| {
            let name = shake.server_name.as_deref();
            (at, (shake.ip.0, shake.port), name)
        })
        .collect();
    // After what is accused, at its address, and for a long twin with its visible name.
    let after = |wanted: Role| {
        let mine = &mine;
        shakes(case.seen()).filter(move |(at, _, shake)| {
            let endpoint = (shake.ip.0, shake.port);
            let name = shake.server_name.as_deref();
            let same = |(first, there, shown): &(u16, Endpoint, Option<&str>)| {
                first < at
                    && *there == endpoint
                    && (wanted != Role::LongHello || *shown == name)
            };
            shake.role == wanted && mine.iter().any(same)
        })
    };
    let ends = |wanted: Role| -> (Vec<u16>, Vec<u16>) {
        let all: Vec<_> = after(wanted).collect();
        let passes = |(_, o, shake): &&(u16, &Observation, &Handshake)| answered(o, shake);
        let fails = |(_, o, shake): &&(u16, &Observation, &Handshake)| stopped(o, shake);
        (
            all.iter().filter(passes).map(|(at, ..)| *at).collect(),
            all.iter().filter(fails).map(|(at, ..)| *at).collect(),
        )
    };
    let (target, target_cut) = ends(Role::Target);
    if role == Role::Ech {
        let (public, public_cut) = ends(Role::PublicName);
        if public.is_empty() {
            // Twice, as an anomaly of its own.
            if public_cut.len() > 1 && !target.is_empty() {
                finding.mechanism = Some(match finding.mechanism {
                    Some(Mechanism::TlsTimeoutEch) => Mechanism::TlsTimeoutSni,
                    _ => Mechanism::TlsResetSni,
                });
                return finding.because(Rule::EchPublicNameFails, public_cut);
            }
            let mut all = accused.to_vec();
            all.extend(public_cut);
            all.extend(target_cut);
            return Finding::inconclusive(Rule::EchNothingPasses, all);
        }
    } else if target.is_empty() {
        let mut all = accused.to_vec();
        all.extend(target_cut);
        return Finding::inconclusive(Rule::EchNothingPasses, all);
    }
    let (long, long_cut) = ends(Role::LongHello);
    if long.is_empty() {
        let mut all = accused.to_vec();
        all.extend(long_cut);
        return Finding::inconclusive(Rule::EchLongFails, all);
    }
    finding = finding.because(Rule::EchNearMissWorks, long);
    let grease: Vec<u16> = shakes(case.seen())
        .filter(|(_, o, shake)| {
            shake.role == Role::GreaseEch && o.failure.is_none() && valid(shake)
        })
        .map(|(at, ..)| at)
        .collect();
    if role == Role::Ech && !grease.is_empty() {
        finding = finding.because(Rule::EchGreasePasses, grease);
    }
    finding
}

/// Lookups of the network's resolvers that gave no key, where the control has one.
fn missing_record(case: &Case<'_>) -> Option<(Vec<u16>, Vec<u16>)> {
    let asked = |o: &Observation| match &o.step {
        Step::Lookup(lookup) if lookup.rtype == HTTPS => {
            let mut raws = lookup.replies.iter().filter_map(|r| r.raw.as_ref());
            Some((lookup.role, raws.any(|raw| ech_config(&raw.0).is_some())))
        }
        _ => None,
    };
    let there: Vec<u16> = case
        .control()
        .filter(|(_, o)| matches!(asked(o), Some((_, true))))
        .map(|(at, _)| at)
        .collect();
    let mut known = !there.is_empty();
    let mut here = Vec::new();
    for (at, o) in case.seen() {
        match asked(o) {
            Some((ResolverRole::Encrypted, true)) => known = true,
            Some((ResolverRole::Network, true)) => return None,
            Some((ResolverRole::Network, false)) => here.push(at),
            _ => {}
        }
    }
    (known && !here.is_empty()).then_some((here, there))
}

/// Cut off before a ServerHello came. Alerts are answers: a box that drops or resets by the
/// extension would not have let the server speak.
fn stopped(observation: &Observation, shake: &Handshake) -> bool {
    matches!(
        observation.failure,
        Some(Failure::TlsReset | Failure::TlsEof | Failure::TlsTimeout)
    ) && shake.stage < HandshakeStage::ServerHello
}

/// Somebody answered by TLS.
fn answered(observation: &Observation, shake: &Handshake) -> bool {
    matches!(
        observation.failure,
        None | Some(Failure::TlsAlert(_) | Failure::TlsEchRejected)
    ) || shake.stage >= HandshakeStage::ServerHello
}

fn rejected(observation: &Observation) -> bool {
    observation.failure == Some(Failure::TlsEchRejected)
}

fn valid(shake: &Handshake) -> bool {
    matches!(shake.certificate, Some(Validity { failure: None }))
}

fn shakes<'a>(
    seen: impl Iterator<Item = (u16, &'a Observation)>,
) -> impl Iterator<Item = (u16, &'a Observation, &'a Handshake)> {
    seen.filter_map(|(at, o)| match &o.step {
        Step::Handshake(shake) => Some((at, o, shake)),
        _ => None,
    })
}
