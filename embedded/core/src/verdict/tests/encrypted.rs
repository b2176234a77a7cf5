//! The rules of encrypted DNS, one by one, and what no set of observations may bring them to.

use super::*;
use DnsTransport::{Https, Quic as OverQuic, Tls, Udp};
use HandshakeRole::Reference;
use HandshakeStage::{Complete, HelloSent};

const HERE: &str = "21.1.0.53";
const ELSEWHERE: &str = "21.1.1.53";
const NAME: &str = "dns.public.example";

const fn port(transport: DnsTransport) -> u16 {
    match transport {
        Https => 443,
        _ => 853,
    }
}

fn connected(transport: DnsTransport, failure: Option<Failure>) -> Observation {
    let step = Connect {
        ip: ip(HERE),
        port: port(transport),
        source: AddressSource::Literal,
    };
    seen(Step::Connect(step), failure)
}

/// A handshake over TCP or QUIC; its certificate is wrong where the failure says so.
fn shaken(
    transport: DnsTransport,
    role: HandshakeRole,
    failure: Option<Failure>,
) -> Observation {
    let address = ip(if role == Reference { ELSEWHERE } else { HERE });
    let wrong = failure.filter(|f| matches!(f, Failure::CertName | Failure::CertChain));
    let whole = failure.is_none() || wrong.is_some();
    let certificate = whole.then_some(Validity { failure: wrong });
    let stage = if whole { Complete } else { HelloSent };
    let step = if transport == OverQuic {
        Step::Quic(Quic {
            ip: address,
            port: 853,
            source: AddressSource::Literal,
            server_name: Some(NAME.to_string()),
            role,
            stage,
            version: 1,
            versions: vec![],
            sent: 1,
            received: 0,
            alpn: None,
            chain: vec![Blob(vec![u8::from(wrong.is_some())])],
            certificate,
            close: None,
            status: None,
            answered: None,
        })
    } else {
        Step::Handshake(Handshake {
            ip: address,
            port: port(transport),
            stage,
            certificate,
            ..shake(role, u8::from(wrong.is_some()), None)
        })
    };
    seen(step, failure)
}

fn asked(transport: DnsTransport, failure: Option<Failure>) -> Observation {
    let replies = match failure {
        None => vec![reply(&[TRUE])],
        Some(_) => vec![],
    };
    let role = if transport == Udp { Public } else { Encrypted };
    let mut lookup = lookup(role, "neutral.example", replies);
    lookup.transport = transport;
    lookup.resolver = Some(ip(HERE));
    seen(Step::Lookup(lookup), failure)
}

/// A transport that works from the connection to the answer.
fn works(transport: DnsTransport) -> Vec<Observation> {
    let mut steps = vec![shaken(transport, Target, None), asked(transport, None)];
    if transport != OverQuic {
        steps.insert(0, connected(transport, None));
    }
    steps
}

/// A transport of which two handshakes fail, and what twins said.
fn stopped(
    transport: DnsTransport,
    failure: Failure,
    neutral: Option<Failure>,
    reference: Option<Failure>,
) -> Vec<Observation> {
    vec![
        shaken(transport, Target, Some(failure)),
        shaken(transport, NeutralName, neutral),
        shaken(transport, Target, Some(failure)),
        shaken(transport, Reference, reference),
    ]
}

fn control(of: &[DnsTransport]) -> ControlReport {
    let steps = of.iter().flat_map(|transport| works(*transport));
    let mut failed = vec![connected(Tls, Some(Failure::TcpRefused))];
    failed.extend(steps);
    report(failed)
}

fn verdict(steps: Vec<Observation>, control: Option<&ControlReport>) -> Verdict {
    let mut measurement = measurement(Experiment::EncryptedDns, steps);
    measurement.target = alloc::format!("resolver:{NAME}@{HERE}");
    judge(&measurement, control, &NoContext)
}

fn says(verdict: &Verdict, rule: Rule) -> bool {
    verdict.reasons.iter().any(|reason| reason.rule == rule)
}

const ALL: [DnsTransport; 3] = [Tls, Https, OverQuic];

#[test]
fn answers_are_fine_and_what_is_not_offered_is_said() {
    let all: Vec<_> = ALL.into_iter().flat_map(works).collect();
    let fine = verdict(all, Some(&control(&ALL)));
    means(&fine, Fine, None, Rule::EncryptedAnswers);
    assert!(!says(&fine, Rule::EncryptedNotOffered));
    let some = [
        works(Tls),
        stopped(OverQuic, Failure::QuicTimeout, None, None),
    ]
    .concat();
    let unoffered = verdict(some.clone(), Some(&control(&[Tls])));
    means(&unoffered, Fine, None, Rule::EncryptedNotOffered);
    // Without a control what fails may be blocked or not there; what works, works.
    means(&verdict(some, None), Inconclusive, None, Rule::NoControl);
    means(
        &verdict(works(Tls), None),
        Fine,
        None,
        Rule::EncryptedAnswers,
    );
    means(
        &verdict(vec![], None),
        Inconclusive,
        None,
        Rule::NothingSeen,
    );
}

#[test]
fn what_is_down_for_the_control_is_down() {
    let steps = stopped(Tls, Failure::TlsTimeout, None, None);
    let down = verdict(steps, Some(&control(&[])));
    means(&down, Down, None, Rule::EncryptedDown);
}

#[test]
fn each_step_has_a_mechanism_by_what_passes_beside_it() {
    let silent = Some(Failure::TlsTimeout);
    for (failure, neutral, reference, mechanism) in [
        (Failure::TlsTimeout, None, silent, Mechanism::TlsTimeoutSni),
        (
            Failure::TlsTimeout,
            silent,
            None,
            Mechanism::TlsTimeoutOther,
        ),
        (Failure::TlsReset, None, silent, Mechanism::TlsResetSni),
        (Failure::TlsEof, silent, None, Mechanism::TlsResetOther),
        // A server that does not know the neutral name has spoken, too.
        (
            Failure::TlsReset,
            Some(Failure::TlsAlert(112)),
            silent,
            Mechanism::TlsResetSni,
        ),
    ] {
        for (way, rule) in [
            (Tls, Rule::EncryptedTlsFails),
            (Https, Rule::EncryptedHttpsFails),
        ] {
            let steps = stopped(way, failure, neutral, reference);
            let verdict = verdict(steps, Some(&control(&[way])));
            means(&verdict, Anomaly, Some(mechanism), rule);
            assert_eq!(
                says(&verdict, Rule::EncryptedReferenceWorks),
                reference.is_none()
            );
        }
    }
    let silent = Some(Failure::QuicTimeout);
    for (failure, neutral, reference, mechanism) in [
        (
            Failure::QuicTimeout,
            None,
            silent,
            Mechanism::QuicTimeoutSni,
        ),
        (
            Failure::QuicTimeout,
            silent,
            None,
            Mechanism::QuicTimeoutOther,
        ),
        (Failure::QuicClosed, silent, None, Mechanism::QuicReset),
    ] {
        let steps = stopped(OverQuic, failure, neutral, reference);
        let verdict = verdict(steps, Some(&control(&[OverQuic])));
        means(&verdict, Anomaly, Some(mechanism), Rule::EncryptedQuicFails);
    }
    for (failure, mechanism) in [
        (Failure::TcpTimeout, Mechanism::TcpTimeout),
        (Failure::TcpRefused, Mechanism::TcpRefused),
        (Failure::HostUnreachable, Mechanism::IpUnreachable),
    ] {
        let failed = || connected(Tls, Some(failure));
        let steps = vec![
            failed(),
            failed(),
            shaken(Tls, Reference, None),
            asked(Udp, None),
        ];
        let verdict = verdict(steps, Some(&control(&[Tls])));
        means(&verdict, Anomaly, Some(mechanism), Rule::PlainAnswered);
    }
}

#[test]
fn a_port_that_is_shut_to_all_is_not_held_against_the_network() {
    for (way, silent) in [
        (Tls, Failure::TlsTimeout),
        (Https, Failure::TlsTimeout),
        (OverQuic, Failure::QuicTimeout),
    ] {
        let steps = stopped(way, silent, Some(silent), Some(silent));
        let verdict = verdict(steps, Some(&control(&[way])));
        means(&verdict, Inconclusive, None, Rule::EncryptedPortFiltered);
    }
    // A transport that is shut to all hides no other that is shut to one.
    let shut = Some(Failure::TlsTimeout);
    let steps = [
        stopped(Tls, Failure::TlsTimeout, shut, shut),
        stopped(Https, Failure::TlsReset, None, shut),
    ];
    let both = verdict(steps.concat(), Some(&control(&[Tls, Https])));
    means(
        &both,
        Anomaly,
        Some(Mechanism::TlsResetSni),
        Rule::EncryptedHttpsFails,
    );
}

#[test]
fn benign_causes_come_first() {
    let here = control(&[Tls]);
    let mut once = stopped(Tls, Failure::TlsReset, None, None);
    once.remove(2);
    means(
        &verdict(once, Some(&here)),
        Inconclusive,
        None,
        Rule::NotRepeated,
    );
    // The resolver has proven itself and says no.
    let answer = || asked(Tls, Some(Failure::DnsMalformed));
    let steps = vec![
        shaken(Tls, Target, None),
        answer(),
        shaken(Tls, Target, None),
        answer(),
    ];
    let refused = verdict(steps.clone(), Some(&here));
    means(&refused, Outcome::Refused, None, Rule::EncryptedRefused);
    let once = verdict(steps[..2].to_vec(), Some(&here));
    means(&once, Inconclusive, None, Rule::NotRepeated);
    // An older protocol is another try of the same.
    let older = || shaken(Tls, Target, Some(Failure::TlsAlert(120)));
    let older = verdict(vec![older(), older()], Some(&here));
    assert_eq!(older.outcome, Inconclusive);
}

#[test]
fn somebody_elses_certificate_is_held_against_whom_it_is_shown_to_alone() {
    let here = control(&[Tls]);
    let wrong = |failure| shaken(Tls, Target, Some(failure));
    let own = Some(Failure::CertName); // of the resolver, for the neutral name
    let mitm = Some(Mechanism::TlsMitm);
    for failure in [Failure::CertChain, Failure::CertName] {
        let steps = vec![
            wrong(failure),
            shaken(Tls, NeutralName, own),
            wrong(failure),
        ];
        let one = verdict(steps.clone(), Some(&here));
        means(&one, Anomaly, mitm, Rule::EncryptedIntercepted);
        let once = verdict(steps[..2].to_vec(), Some(&here));
        means(&once, Inconclusive, None, Rule::NotRepeated);
    }
    let chain = || wrong(Failure::CertChain);
    let every = vec![
        chain(),
        shaken(Tls, NeutralName, Some(Failure::CertChain)),
        chain(),
    ];
    let every = verdict(every, Some(&here));
    means(&every, Inconclusive, None, Rule::InterceptsAll);
    // The control got the same chain: the probe's list of authorities is old.
    let mut same = control(&[Tls]);
    for seen in &mut same.observations {
        if let Step::Handshake(shake) = &mut seen.step {
            shake.chain = vec![Blob(vec![1])];
        }
    }
    let old = verdict(vec![chain(), chain()], Some(&same));
    means(&old, Inconclusive, None, Rule::ChainNotCompared);
    let nothing = verdict(vec![chain(), chain()], Some(&control(&[Tls]).brief()));
    means(&nothing, Inconclusive, None, Rule::ChainNotCompared);
}

fn any_step() -> impl Strategy<Value = Observation> {
    let transport = prop::sample::select(ALL.to_vec());
    let role = prop::sample::select(vec![Target, NeutralName, Reference]);
    let failure = prop::option::of(prop::sample::select(Failure::NAMED.to_vec()));
    (transport, role, failure, 0..3u8).prop_map(|(transport, role, failure, kind)| match kind {
        0 if transport != OverQuic => connected(transport, failure),
        1 => asked(transport, failure),
        _ => shaken(transport, role, failure),
    })
}

proptest! {
    #[test]
    fn an_accusation_rests_on_the_control_and_a_twin(
        ours in prop::collection::vec(any_step(), 0..16),
        theirs in prop::collection::vec(any_step(), 0..6),
    ) {
        let control = report(theirs);
        let verdict = verdict(ours.clone(), Some(&control));
        prop_assert!(!verdict.reasons.is_empty());
        prop_assert_eq!(verdict.mechanism.is_some(), verdict.outcome == Anomaly);
        if verdict.outcome != Anomaly {
            return Ok(());
        }
        let answered = |all: &[Observation], transport| all.iter().any(|o| {
            matches!(&o.step, Step::Lookup(l) if l.transport == transport && !l.replies.is_empty())
        });
        let accused = ALL.into_iter().filter(|way| {
            answered(&control.observations, *way) && !answered(&ours, *way)
        });
        prop_assert!(accused.count() > 0);
        let twin = |o: &Observation| match &o.step {
            Step::Handshake(s) => s.role != Target,
            Step::Quic(q) => q.role != Target,
            _ => false,
        };
        let intercepted = verdict.mechanism == Some(Mechanism::TlsMitm);
        prop_assert!(intercepted || ours.iter().any(twin));
    }
}
