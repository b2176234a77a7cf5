//! The rules of ECH, one by one, and what no set of observations may bring them to.

use super::*;
use HandshakeRole::{Ech, GreaseEch, LongHello, PublicName};

const SHOWN: &str = "front.example";

/// A handshake under the name that its role shows.
fn greet(role: HandshakeRole, failure: Option<Failure>) -> Observation {
    named(role, failure, matches!(role, Ech | PublicName | LongHello))
}

fn named(role: HandshakeRole, failure: Option<Failure>, shown: bool) -> Observation {
    let mut seen = handshake(role, failure);
    if let Step::Handshake(shake) = &mut seen.step {
        if shown {
            shake.server_name = Some(SHOWN.to_string());
        }
        if failure == Some(Failure::TlsEchRejected) {
            shake.stage = HandshakeStage::ServerHello;
            shake.certificate = Some(Validity { failure: None });
        }
    }
    seen
}

fn control() -> ControlReport {
    let mut control = good_control();
    control.observations.push(greet(GreaseEch, None));
    let refused = Some(Failure::TlsEchRejected);
    control.observations.push(greet(Ech, refused));
    control
}

fn verdict(steps: Vec<Observation>) -> Verdict {
    let control = control();
    judge(
        &measurement(Experiment::Ech, steps),
        Some(&control),
        &NoContext,
    )
}

/// ECH is cut off twice; then twins, and the target again.
fn cut(failure: Failure, twins: Vec<Observation>, target: Option<Failure>) -> Vec<Observation> {
    let mut steps = vec![
        answer(Network, &[TRUE]),
        greet(Target, None),
        greet(GreaseEch, None),
        greet(Ech, Some(failure)),
        greet(Ech, Some(failure)),
    ];
    steps.extend(twins);
    steps.push(greet(Target, target));
    steps
}

#[test]
fn a_refusal_is_not_acceptance_and_grease_is_neither() {
    let with = |last: Option<Observation>| {
        let mut steps = vec![answer(Network, &[TRUE]), greet(Target, None)];
        steps.push(greet(GreaseEch, None));
        steps.extend(last);
        verdict(steps)
    };
    means(&with(Some(greet(Ech, None))), Fine, None, Rule::EchAccepted);
    let refused = greet(Ech, Some(Failure::TlsEchRejected));
    let refused = with(Some(refused));
    means(&refused, Fine, None, Rule::EchRejected);
    assert!(!refused.reasons.iter().any(|r| r.rule == Rule::EchAccepted));
    means(&with(None), Fine, None, Rule::EchGreasePasses);
    for unproven in [Failure::TlsAlert(112), Failure::CertName] {
        let mut seen = greet(Ech, Some(unproven));
        if let Step::Handshake(shake) = &mut seen.step {
            shake.stage = HandshakeStage::ServerHello;
        }
        means(&with(Some(seen)), Inconclusive, None, Rule::EchUnproven);
    }
}

#[test]
fn ech_alone_is_cut_off_where_both_near_misses_pass() {
    let near = || vec![greet(PublicName, None), greet(LongHello, None)];
    for (failure, mechanism) in [
        (Failure::TlsTimeout, Mechanism::TlsTimeoutEch),
        (Failure::TlsReset, Mechanism::TlsResetEch),
        (Failure::TlsEof, Mechanism::TlsResetEch),
    ] {
        let blocked = verdict(cut(failure, near(), None));
        means(&blocked, Anomaly, Some(mechanism), Rule::EchNearMissWorks);
        // Whose site the target is does not matter: ECH shows another name.
        let both = verdict(cut(failure, near(), Some(Failure::TlsReset)));
        means(&both, Anomaly, Some(mechanism), Rule::EchFails);
    }
    let mut once = cut(Failure::TlsReset, near(), None);
    once.remove(3);
    means(&verdict(once), Inconclusive, None, Rule::NotRepeated);
}

#[test]
fn what_stops_near_misses_too_is_not_about_ech() {
    let stopped = Some(Failure::TlsTimeout);
    let long = vec![
        greet(PublicName, None),
        greet(LongHello, stopped),
        greet(LongHello, stopped),
    ];
    let long = verdict(cut(Failure::TlsTimeout, long, None));
    means(&long, Inconclusive, None, Rule::EchLongFails);
    // A long one under another name says nothing of this one.
    let other = vec![greet(PublicName, None), named(LongHello, None, false)];
    let other = verdict(cut(Failure::TlsTimeout, other, None));
    means(&other, Inconclusive, None, Rule::EchLongFails);
    let name = || vec![greet(PublicName, stopped), greet(PublicName, stopped)];
    let shown = verdict(cut(Failure::TlsTimeout, name(), None));
    let sni = Some(Mechanism::TlsTimeoutSni);
    means(&shown, Anomaly, sni, Rule::EchPublicNameFails);
    let punished = verdict(cut(Failure::TlsTimeout, name(), stopped));
    means(&punished, Inconclusive, None, Rule::EchNothingPasses);
}

#[test]
fn without_a_control_that_was_answered_nobody_is_accused() {
    let near = vec![greet(PublicName, None), greet(LongHello, None)];
    let steps = measurement(Experiment::Ech, cut(Failure::TlsReset, near, None));
    let without = judge(&steps, Some(&good_control()), &NoContext);
    means(&without, Inconclusive, None, Rule::NoControl);
    let mut failing = good_control();
    let reset = Some(Failure::TlsReset);
    failing.observations.push(greet(Ech, reset));
    let failing = judge(&steps, Some(&failing), &NoContext);
    means(&failing, Inconclusive, None, Rule::ControlFails);
}

#[test]
fn grease_alone_is_accused_only_where_the_target_still_passes() {
    let steps = |target| {
        vec![
            answer(Network, &[TRUE]),
            greet(Target, None),
            greet(GreaseEch, Some(Failure::TlsReset)),
            greet(GreaseEch, Some(Failure::TlsReset)),
            named(LongHello, None, false),
            greet(Target, target),
        ]
    };
    let blocked = Some(Mechanism::TlsResetEch);
    means(
        &verdict(steps(None)),
        Anomaly,
        blocked,
        Rule::EchNearMissWorks,
    );
    let punished = verdict(steps(Some(Failure::TlsReset)));
    means(&punished, Inconclusive, None, Rule::EchNothingPasses);
}

#[test]
fn what_passed_at_another_address_before_does_not_stand_for_this_one() {
    let cut = Some(Failure::TlsReset);
    let first = || {
        vec![
            greet(Target, None),
            greet(GreaseEch, cut),
            greet(GreaseEch, cut),
            named(LongHello, None, false),
            greet(Target, cut),
        ]
    };
    let mut steps = vec![answer(Network, &[TRUE])];
    steps.extend(first());
    steps.extend(first().into_iter().map(|mut seen| {
        if let Step::Handshake(shake) = &mut seen.step {
            shake.ip = ip("20.1.0.2");
        }
        seen
    }));
    let mut control = control();
    let mut there = greet(GreaseEch, None);
    if let Step::Handshake(shake) = &mut there.step {
        shake.ip = ip("20.1.0.2");
    }
    control.observations.push(there);
    let punished = judge(
        &measurement(Experiment::Ech, steps),
        Some(&control),
        &NoContext,
    );
    means(&punished, Inconclusive, None, Rule::EchNothingPasses);
}
