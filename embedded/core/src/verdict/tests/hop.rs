//! Where a ClientHello is stopped is a range, or not known.

use super::*;
use HandshakeRole::{HopNeutral, HopTarget};

const GONE: Option<Failure> = Some(Failure::HostUnreachable);

fn limited(role: HandshakeRole, limit: u8, failure: Option<Failure>) -> Observation {
    let mut seen = handshake(role, failure);
    if let Step::Handshake(shake) = &mut seen.step {
        shake.hop_limit = Some(limit);
    }
    seen
}

fn verdict(limited: Vec<Observation>) -> Verdict {
    let stopped = || handshake(Target, Some(Failure::TlsReset));
    let mut steps = vec![
        answer(Network, &[TRUE]),
        connect(TRUE, None),
        stopped(),
        handshake(NeutralName, None),
        stopped(),
    ];
    steps.extend(limited);
    let control = good_control();
    judge(
        &measurement(Experiment::Hello, steps),
        Some(&control),
        &NoContext,
    )
}

#[test]
fn the_range_is_between_what_expires_and_what_is_stopped() {
    let reset = Some(Mechanism::TlsResetSni);
    for cut in [Failure::TlsReset, Failure::TlsTimeout] {
        let found = verdict(vec![
            limited(HopTarget, 1, GONE),
            limited(HopTarget, 2, GONE),
            limited(HopTarget, 3, Some(Failure::TlsTimeout)),
            limited(HopNeutral, 3, Some(Failure::TlsTimeout)),
            limited(HopTarget, 4, Some(cut)),
            limited(HopNeutral, 4, GONE),
        ]);
        means(&found, Anomaly, reset, Rule::HopRange);
        let reason = found.reasons.iter().find(|r| r.rule == Rule::HopRange);
        // The silent hop tells nothing: the range spans it.
        assert_eq!(reason.unwrap().observations, [6, 9, 10]);
    }
    let near = verdict(vec![
        limited(HopTarget, 1, Some(Failure::TlsReset)),
        limited(HopNeutral, 1, GONE),
    ]);
    means(&near, Anomaly, reset, Rule::HopNear);
}

#[test]
fn names_that_fare_alike_locate_nothing_and_change_no_verdict() {
    let reset = Some(Mechanism::TlsResetSni);
    let alike = Some(Failure::TlsTimeout);
    let unknown = verdict(vec![
        limited(HopTarget, 1, alike),
        limited(HopNeutral, 1, alike),
    ]);
    means(&unknown, Anomaly, reset, Rule::HopUnknown);
    let without = verdict(vec![]);
    assert!(!without.reasons.iter().any(|r| r.rule == Rule::HopUnknown));
}
