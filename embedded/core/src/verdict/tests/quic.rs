//! The rules of QUIC, one by one, and what no set of observations may bring them to.

use super::*;
use HandshakeRole::{OtherVersion, Reference};
use HandshakeStage::{Complete, HelloSent};

const ELSEWHERE: &str = "24.255.0.80";

fn quic(role: HandshakeRole, address: &str, failure: Option<Failure>) -> Observation {
    let valid = Validity { failure: None };
    let step = Quic {
        ip: ip(address),
        port: 443,
        source: AddressSource::Probe,
        server_name: None,
        role,
        stage: if failure.is_some() {
            HelloSent
        } else {
            Complete
        },
        version: 1,
        versions: vec![],
        sent: 1,
        received: 0,
        alpn: None,
        chain: vec![],
        certificate: failure.is_none().then_some(valid),
        close: None,
        status: None,
        answered: None,
    };
    seen(Step::Quic(step), failure)
}

fn control() -> ControlReport {
    let mut control = good_control();
    control.observations.push(quic(Target, TRUE, None));
    control
}

/// Three failed tries with the target's name, TLS over TCP, and what twins said.
fn stopped(failure: Failure, works: &[HandshakeRole]) -> Vec<Observation> {
    let twin = |role, address| {
        let failure = (!works.contains(&role)).then_some(Failure::QuicTimeout);
        quic(role, address, failure)
    };
    let target = || quic(Target, TRUE, Some(failure));
    vec![
        answer(Network, &[TRUE]),
        target(),
        connect(TRUE, None),
        handshake(Target, None),
        twin(NeutralName, TRUE),
        twin(OtherVersion, TRUE),
        target(),
        target(),
        twin(Reference, ELSEWHERE),
    ]
}

fn verdict(steps: Vec<Observation>, control: Option<&ControlReport>) -> Verdict {
    judge(&measurement(Experiment::Quic, steps), control, &NoContext)
}

#[test]
fn a_handshake_with_a_valid_certificate_is_enough() {
    let steps = vec![answer(Network, &[TRUE]), quic(Target, TRUE, None)];
    let fine = verdict(steps.clone(), None);
    means(&fine, Fine, None, Rule::QuicPasses);
    let mut late = stopped(Failure::QuicTimeout, &[]);
    late.push(quic(Target, TRUE, None));
    means(
        &verdict(late, Some(&control())),
        Fine,
        None,
        Rule::QuicPasses,
    );
}

#[test]
fn silence_is_told_apart_by_what_passes_beside_it() {
    for (works, mechanism, rule) in [
        (
            &[NeutralName, OtherVersion, Reference][..],
            Mechanism::QuicTimeoutSni,
            Rule::QuicNeutralNameWorks,
        ),
        (
            &[NeutralName],
            Mechanism::QuicTimeoutSni,
            Rule::QuicNeutralNameWorks,
        ),
        (
            &[OtherVersion, Reference],
            Mechanism::QuicVersion,
            Rule::QuicOtherVersionAnswered,
        ),
        (
            &[Reference],
            Mechanism::QuicTimeoutOther,
            Rule::QuicReferenceWorks,
        ),
    ] {
        let verdict = verdict(stopped(Failure::QuicTimeout, works), Some(&control()));
        means(&verdict, Anomaly, Some(mechanism), rule);
        means(&verdict, Anomaly, Some(mechanism), Rule::QuicFails);
        assert_eq!(verdict.layer(), Some(Layer::Quic));
    }
    // A server that does not know the neutral name speaks, too.
    let mut alert = stopped(Failure::QuicTimeout, &[]);
    alert[4].failure = Some(Failure::TlsAlert(112));
    let alert = verdict(alert, Some(&control()));
    let by_name = Some(Mechanism::QuicTimeoutSni);
    means(&alert, Anomaly, by_name, Rule::QuicNeutralNameWorks);
    for (works, rule) in [
        (&[OtherVersion][..], Rule::QuicVersionFiltered),
        (&[], Rule::QuicUdpBlocked),
    ] {
        let verdict = verdict(stopped(Failure::QuicTimeout, works), Some(&control()));
        means(&verdict, Inconclusive, None, rule);
    }
}

#[test]
fn forged_answers_have_names_of_their_own() {
    let works = &[NeutralName, OtherVersion, Reference];
    let forged = verdict(stopped(Failure::QuicVersion, works), Some(&control()));
    let version = Some(Mechanism::QuicVersion);
    means(&forged, Anomaly, version, Rule::QuicVersionForged);
    for failure in [
        Failure::QuicClosed,
        Failure::QuicReset,
        Failure::QuicUnreachable,
        Failure::TlsAlert(40),
        Failure::HostUnreachable,
    ] {
        let verdict = verdict(stopped(failure, works), Some(&control()));
        means(
            &verdict,
            Anomaly,
            Some(Mechanism::QuicReset),
            Rule::QuicFails,
        );
    }
}

#[test]
fn benign_causes_come_first() {
    let works = &[NeutralName, OtherVersion, Reference];
    let all = || stopped(Failure::QuicTimeout, works);
    // Nobody looked, the control without QUIC included.
    means(&verdict(all(), None), Inconclusive, None, Rule::NoControl);
    let without = good_control();
    let unknown = verdict(all(), Some(&without));
    means(&unknown, Inconclusive, None, Rule::NoControl);
    // The target speaks none.
    let mut none = good_control();
    none.observations
        .push(quic(Target, TRUE, Some(Failure::QuicUnreachable)));
    let unoffered = verdict(all(), Some(&none));
    means(&unoffered, Inconclusive, None, Rule::QuicNotOffered);
    // The control spoke it elsewhere.
    let mut far = good_control();
    far.observations.push(quic(Target, LIE, None));
    let elsewhere = verdict(all(), Some(&far));
    means(&elsewhere, Inconclusive, None, Rule::ControlElsewhere);
    // The address is out of reach altogether.
    let mut alone = all();
    alone.retain(|o| !matches!(o.step, Step::Handshake(_)));
    let address = verdict(alone, Some(&control()));
    means(&address, Inconclusive, None, Rule::QuicTlsFailsToo);
    // Once is not twice, and two ways of failing are not one.
    let mut once = all();
    once.truncate(6);
    let once = verdict(once, Some(&control()));
    means(&once, Inconclusive, None, Rule::NotRepeated);
    let mut other = all();
    for (at, failure) in [(6, Failure::QuicVersion), (7, Failure::QuicReset)] {
        other[at].failure = Some(failure);
    }
    let mixed = verdict(other, Some(&control()));
    means(&mixed, Inconclusive, None, Rule::NotRepeated);
    // Somebody shook hands, but with another certificate.
    let mut wrong = all();
    for at in [1, 6, 7] {
        wrong[at].failure = Some(Failure::CertName);
        if let Step::Quic(quic) = &mut wrong[at].step {
            quic.certificate = Some(Validity {
                failure: Some(Failure::CertName),
            });
        }
    }
    let wrong = verdict(wrong, Some(&control()));
    means(&wrong, Inconclusive, None, Rule::ChainNotCompared);
    // Names come before ways.
    let mut lied = all();
    lied[0] = answer(Network, &["10.1.1.1"]);
    let lied = verdict(lied, Some(&control()));
    assert_eq!(lied.mechanism.map(Mechanism::layer), Some(Layer::Dns));
}

fn any_quic() -> impl Strategy<Value = Observation> {
    let role = prop::sample::select(vec![Target, NeutralName, OtherVersion, Reference]);
    let address = prop::sample::select(vec![TRUE, LIE, ELSEWHERE]);
    let failure = prop::option::of(prop::sample::select(Failure::NAMED.to_vec()));
    (role, address, failure, any::<bool>()).prop_map(|(role, address, failure, tcp)| {
        if tcp {
            let mut shake = shake(Target, 1, failure);
            shake.ip = ip(address);
            seen(Step::Handshake(shake), failure)
        } else {
            quic(role, address, failure)
        }
    })
}

proptest! {
    #[test]
    fn an_accusation_rests_on_all_its_twins(
        ours in prop::collection::vec(any_quic(), 0..16),
        theirs in prop::collection::vec(any_quic(), 0..4),
    ) {
        let steps = [vec![answer(Network, &[TRUE]), answer(Encrypted, &[TRUE])], ours].concat();
        let control = report(theirs);
        let verdict = verdict(steps.clone(), Some(&control));
        prop_assert!(!verdict.reasons.is_empty());
        prop_assert_eq!(verdict.mechanism.is_some(), verdict.outcome == Anomaly);
        if verdict.outcome != Anomaly {
            return Ok(());
        }
        let quics = |all: &[Observation], role, failed: bool| {
            let is = |o: &&Observation| matches!(&o.step, Step::Quic(q) if q.role == role)
                && o.failure.is_some() == failed;
            all.iter().filter(is).count()
        };
        prop_assert!(quics(&control.observations, Target, false) > 0);
        prop_assert!(quics(&steps, Target, true) > 1);
        prop_assert_eq!(quics(&steps, Target, false), 0);
        let spoke = |o: &Observation| matches!(&o.step, Step::Quic(q) if q.role == NeutralName)
            && matches!(o.failure, None | Some(Failure::TlsAlert(_)));
        prop_assert!(quics(&steps, Reference, false) > 0 || steps.iter().any(spoke));
        let over_tcp = |o: &Observation| matches!(o.step, Step::Handshake(_)) && o.failure.is_none();
        prop_assert!(steps.iter().any(over_tcp));
    }
}
