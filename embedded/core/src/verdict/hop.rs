//! Between which hops is a ClientHello stopped?
//!
//! ClientHellos leave with rising hop limits over connections that are open (Xue et al., TSPU,
//! IMC 2022; Raman et al., CenTrace, CoNEXT 2022). One that expires is told of by a router
//! (RFC 792, time exceeded); one that is stopped before has met the box. The neutral name tells a
//! box from a hop that says nothing.
//!
//! What comes out is a range, and of one run: routes differ by flow, some boxes count hops anew or
//! let packets with few left pass, and many routers tell nobody of what expires there.

use super::{Case, Finding, Outcome, Rule};
use crate::{
    failure::Failure,
    observation::{HandshakeRole as Role, Step},
};
use alloc::{vec, vec::Vec};

/// One that left with a lowered limit.
#[derive(Clone, Copy)]
struct Limited {
    at: u16,
    role: Role,
    limit: u8,
    failure: Option<Failure>,
}

/// Says where, of an anomaly.
pub(super) fn located(case: &Case<'_>, finding: Finding) -> Finding {
    let all: Vec<Limited> = case
        .seen()
        .filter_map(|(at, seen)| match &seen.step {
            Step::Handshake(shake) => Some(Limited {
                at,
                role: shake.role,
                limit: shake.hop_limit?,
                failure: seen.failure,
            }),
            _ => None,
        })
        .collect();
    if finding.outcome != Outcome::Anomaly || all.is_empty() {
        return finding;
    }
    let of = |role: Role| all.iter().filter(move |one| one.role == role);
    let fares = |one: &Limited| {
        let mut neutral = of(Role::HopNeutral);
        neutral.find(|twin| twin.limit == one.limit && spared(*one, **twin))
    };
    let stopped = of(Role::HopTarget)
        .filter_map(|one| fares(one).map(|twin| (one, twin)))
        .min_by_key(|(one, _)| one.limit);
    let Some((stopped, twin)) = stopped else {
        return finding.because(Rule::HopUnknown, all.iter().map(|one| one.at).collect());
    };
    let untouched = of(Role::HopTarget)
        .filter(|one| one.limit < stopped.limit && expired(one.failure))
        .max_by_key(|one| one.limit);
    match untouched {
        Some(before) => finding.because(Rule::HopRange, vec![before.at, stopped.at, twin.at]),
        None => finding.because(Rule::HopNear, vec![stopped.at, twin.at]),
    }
}

/// The target's was cut off, and the neutral one expired or was answered.
fn spared(target: Limited, neutral: Limited) -> bool {
    let cut = matches!(
        target.failure,
        Some(Failure::TlsReset | Failure::TlsEof | Failure::TlsTimeout | Failure::TlsMalformed)
    );
    let passes = expired(neutral.failure)
        || matches!(neutral.failure, None | Some(Failure::TlsAlert(_)));
    cut && passes
}

/// A router said that the packet had no hops left.
fn expired(failure: Option<Failure>) -> bool {
    matches!(
        failure,
        Some(Failure::HostUnreachable | Failure::NetworkUnreachable)
    )
}
