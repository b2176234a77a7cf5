#[cfg(feature = "transports")]
mod ech;
#[cfg(feature = "transports")]
mod encrypted;
#[cfg(feature = "transports")]
mod hop;
mod injection;
#[cfg(feature = "transports")]
mod quic;
mod traces;

use super::*;
use crate::{
    failure::Failure,
    id::MeasurementId,
    measurement::Driver,
    observation::*,
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};
use alloc::{string::ToString, vec};
use proptest::prelude::*;

const TRUE: &str = "20.1.0.1";
const LIE: &str = "21.9.0.9";

fn ip(text: &str) -> Ip {
    Ip(text.parse().unwrap())
}

fn seen(step: Step, failure: Option<Failure>) -> Observation {
    Observation {
        started: 0,
        ended: 1,
        step,
        failure,
    }
}

fn reply(addresses: &[&str]) -> Reply {
    Reply {
        after: 1,
        from: None,
        rcode: 0,
        flags: 0x8180,
        addresses: addresses.iter().map(|a| ip(a)).collect(),
        aliases: vec![],
        ttl: Some(60),
        edns: true,
        failure: None,
        case_echoed: None,
        raw: None,
        hop_limit: None,
    }
}

fn lookup(role: ResolverRole, name: &str, replies: Vec<Reply>) -> Lookup {
    let (transport, resolver) = match role {
        ResolverRole::System => (DnsTransport::System, None),
        ResolverRole::Encrypted => (DnsTransport::Tls, Some(ip("20.53.0.1"))),
        _ => (DnsTransport::Udp, Some(ip("20.53.0.2"))),
    };
    Lookup {
        name: name.to_string(),
        rtype: 1,
        role,
        transport,
        resolver,
        resolver_name: None,
        replies,
        watched: 0,
        attempt: 0,
    }
}

fn answer(role: ResolverRole, addresses: &[&str]) -> Observation {
    seen(
        Step::Lookup(lookup(role, "news.example", vec![reply(addresses)])),
        None,
    )
}

fn no_answer(role: ResolverRole, failure: Failure) -> Observation {
    seen(
        Step::Lookup(lookup(role, "news.example", vec![])),
        Some(failure),
    )
}

fn connect(address: &str, failure: Option<Failure>) -> Observation {
    let step = Connect {
        ip: ip(address),
        port: 443,
        source: AddressSource::Probe,
    };
    seen(Step::Connect(step), failure)
}

fn shake(role: HandshakeRole, chain: u8, wrong: Option<Failure>) -> Handshake {
    Handshake {
        ip: ip(TRUE),
        port: 443,
        server_name: Some("news.example".to_string()),
        role,
        stage: HandshakeStage::Complete,
        version: None,
        cipher: None,
        alpn: None,
        chain: vec![Blob(vec![chain])],
        certificate: Some(Validity { failure: wrong }),
        first_bytes: None,
        hop_limit: None,
    }
}

fn handshake(role: HandshakeRole, failure: Option<Failure>) -> Observation {
    let mut shake = shake(role, 1, None);
    if failure.is_some() {
        shake.stage = HandshakeStage::HelloSent;
        shake.certificate = None;
        shake.chain.clear();
    }
    seen(Step::Handshake(shake), failure)
}

fn fetch(status: u16, length: u64, authenticated: bool) -> Fetch {
    Fetch {
        url: "http://news.example/".to_string(),
        ip: ip(TRUE),
        port: 80,
        depth: 0,
        status: Some(status),
        headers: vec![],
        body_length: length,
        body_truncated: false,
        body_sha256: None,
        body: None,
        title: None,
        location: None,
        authenticated,
    }
}

fn page(fetch: Fetch) -> Observation {
    seen(Step::Fetch(fetch), None)
}

fn measurement(experiment: Experiment, observations: Vec<Observation>) -> Measurement {
    Measurement {
        id: MeasurementId([0; 16]),
        experiment,
        target: match experiment {
            Experiment::Web | Experiment::Hello | Experiment::Quic | Experiment::Ech => {
                "https://news.example/".to_string()
            }
            _ => "news.example".to_string(),
        },
        started: UnixTime(0),
        clock: ClockQuality::Ntp,
        runtime: 1,
        software: "test".to_string(),
        driver: Driver::Simulated,
        limits: vec![],
        bytes_sent: 0,
        bytes_received: 0,
        network: None,
        control: None,
        settings: vec![],
        consent: 1,
        observations,
        imported: None,
    }
}

fn report(observations: Vec<Observation>) -> ControlReport {
    ControlReport {
        target: "https://news.example/".to_string(),
        taken: UnixTime(0),
        vantage: "test".to_string(),
        observations,
    }
}

fn good_control() -> ControlReport {
    report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        connect(TRUE, None),
        handshake(HandshakeRole::Target, None),
        page(fetch(200, 1000, true)),
    ])
}

fn dns(observations: Vec<Observation>) -> Verdict {
    judge(
        &measurement(Experiment::DnsConsistency, observations),
        None,
        &NoContext,
    )
}

fn web(observations: Vec<Observation>, control: Option<&ControlReport>) -> Verdict {
    judge(
        &measurement(Experiment::Web, observations),
        control,
        &NoContext,
    )
}

#[track_caller]
fn means(verdict: &Verdict, outcome: Outcome, mechanism: Option<Mechanism>, rule: Rule) {
    assert_eq!(
        (verdict.outcome, verdict.mechanism),
        (outcome, mechanism),
        "{verdict:?}"
    );
    assert!(
        verdict.reasons.iter().any(|r| r.rule == rule),
        "{verdict:?}"
    );
}

use HandshakeRole::{NeutralName, Target};
use Outcome::{Anomaly, Down, Inconclusive, Ok as Fine, Refused};
use ResolverRole::{Encrypted, Network, NonResolver, Public, System};

#[test]
fn a_common_address_is_agreement() {
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE, "20.1.0.2"]),
        answer(System, &[TRUE]),
    ]);
    means(&verdict, Fine, None, Rule::SameAddress);
    assert_eq!(verdict.reasons[0].observations, [0, 1]);
}

#[test]
fn another_address_alone_accuses_nobody() {
    let verdict = dns(vec![answer(Encrypted, &[TRUE]), answer(System, &[LIE])]);
    means(&verdict, Inconclusive, None, Rule::AddressNotTried);
}

#[test]
fn another_address_with_somebody_elses_certificate_is_a_hijack() {
    let mut other = shake(Target, 9, Some(Failure::CertName));
    other.ip = ip(LIE);
    let lie = seen(Step::Handshake(other.clone()), None);
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        answer(System, &[LIE]),
        lie,
    ]);
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::DnsHijackOther),
        Rule::OtherAnswer,
    );
    other.certificate = Some(Validity { failure: None });
    let cdn = seen(Step::Handshake(other), None);
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        answer(System, &[LIE]),
        cdn,
    ]);
    means(&verdict, Fine, None, Rule::ValidCertificate);
}

#[test]
fn networks_count_after_certificates_and_blockpages() {
    struct Isp;
    impl Context for Isp {
        fn asn_of(&self, _: IpAddr) -> Option<Asn> {
            Some(Asn(64500))
        }
        fn is_blockpage_address(&self, ip: IpAddr) -> bool {
            ip.to_string() == "21.9.9.9"
        }
    }
    let ask = |address| {
        let seen = vec![answer(Encrypted, &[TRUE]), answer(System, &[address])];
        judge(&measurement(Experiment::DnsConsistency, seen), None, &Isp)
    };
    means(&ask(LIE), Fine, None, Rule::SameNetwork);
    means(
        &ask("21.9.9.9"),
        Anomaly,
        Some(Mechanism::DnsHijackBlockpage),
        Rule::BlockpageAnswer,
    );
}

#[test]
fn bogons_count_unless_the_control_sees_them_too() {
    let bogon = "10.10.34.35";
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        answer(System, &[bogon]),
        answer(Public, &[TRUE]),
    ]);
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::DnsHijackBogon),
        Rule::PublicFine,
    );
    let verdict = dns(vec![
        answer(Encrypted, &["10.0.0.1"]),
        answer(System, &[bogon]),
    ]);
    assert_ne!(verdict.outcome, Anomaly);
}

#[test]
fn names_that_do_not_exist_and_names_that_are_denied() {
    let denied = |role| no_answer(role, Failure::DnsNxDomain);
    means(
        &dns(vec![denied(Encrypted), denied(System)]),
        Down,
        None,
        Rule::NameDoesNotExist,
    );
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        denied(System),
        denied(Public),
    ]);
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::DnsNxDomain),
        Rule::PublicToo,
    );
    let ghost = vec![denied(Encrypted), answer(System, &[LIE])];
    let untested = dns(ghost.clone());
    means(&untested, Inconclusive, None, Rule::RewritingUntested);
    let truthful = seen(
        Step::Lookup(lookup(System, "x7f3.news.example", vec![])),
        Some(Failure::DnsNxDomain),
    );
    means(
        &dns([ghost.clone(), vec![truthful]].concat()),
        Anomaly,
        Some(Mechanism::DnsGhost),
        Rule::GhostAnswer,
    );
    let random = lookup(System, "x7f3.news.example", vec![reply(&[LIE])]);
    let rewriting = [ghost, vec![seen(Step::Lookup(random), None)]].concat();
    means(&dns(rewriting), Down, None, Rule::NxRewriting);
}

#[test]
fn failing_resolvers_must_fail_repeatedly_and_dead_ones_accuse_nobody() {
    let fails = |failure| no_answer(Network, failure);
    let with =
        |failures: Vec<Observation>| dns([vec![answer(Encrypted, &[TRUE])], failures].concat());
    let refused = || fails(Failure::DnsRefused);
    means(
        &with(vec![refused()]),
        Inconclusive,
        None,
        Rule::NotRepeated,
    );
    let twice = with(vec![refused(), refused()]);
    means(
        &twice,
        Anomaly,
        Some(Mechanism::DnsRefused),
        Rule::ResolverFails,
    );
    let silent = with(vec![fails(Failure::DnsTimeout), fails(Failure::DnsTimeout)]);
    means(&silent, Inconclusive, None, Rule::ResolverSilent);
}

#[test]
fn silence_on_one_type_of_a_name_is_loss_and_on_all_is_withholding() {
    let asked = |rtype, name, replies: Vec<Reply>, failure| {
        let asked = Lookup {
            rtype,
            ..lookup(Network, name, replies)
        };
        seen(Step::Lookup(asked), failure)
    };
    let lost = |rtype| asked(rtype, "news.example", vec![], Some(Failure::DnsTimeout));
    let control = || answer(Encrypted, &[TRUE]);
    let one_type = dns(vec![
        control(),
        answer(Network, &[TRUE]),
        lost(28),
        lost(28),
    ]);
    means(&one_type, Fine, None, Rule::SameAddress);
    let empty = asked(
        28,
        "news.example",
        vec![reply(&[])],
        Some(Failure::DnsNoAnswer),
    );
    let other_type = dns(vec![control(), lost(1), lost(1), empty]);
    means(&other_type, Inconclusive, None, Rule::NotRepeated);
    let alive = asked(
        1,
        "x.news.example",
        vec![reply(&[])],
        Some(Failure::DnsNxDomain),
    );
    let withheld = dns(vec![control(), lost(1), lost(1), lost(28), lost(28), alive]);
    let timeout = Some(Mechanism::DnsTimeout);
    means(&withheld, Anomaly, timeout, Rule::ResolverFails);
}

#[test]
fn failures_inside_the_machine_accuse_nobody() {
    for own in [
        Failure::DnsSystem,
        Failure::LocalError,
        Failure::Unknown(9999),
    ] {
        let fails = || no_answer(System, own);
        let seen = vec![answer(Encrypted, &[TRUE]), fails(), fails()];
        means(&dns(seen), Inconclusive, None, Rule::NothingSeen);
    }
}

#[test]
fn an_unreachable_control_accuses_nobody() {
    let verdict = dns(vec![
        no_answer(Encrypted, Failure::TcpTimeout),
        answer(System, &[LIE]),
    ]);
    means(&verdict, Inconclusive, None, Rule::NoControl);
}

#[test]
fn two_answers_to_one_query_are_an_injection() {
    let double = lookup(Public, "news.example", vec![reply(&[LIE]), reply(&[TRUE])]);
    let double = seen(Step::Lookup(double), None);
    let verdict = dns(vec![answer(Encrypted, &[TRUE]), double.clone()]);
    // The true answer is among them: the other one is the forgery.
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::DnsInjectionOther),
        Rule::Injected,
    );
    let nobody = lookup(NonResolver, "news.example", vec![reply(&["10.9.9.9"])]);
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        seen(Step::Lookup(nobody), None),
    ]);
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::DnsInjectionBogon),
        Rule::Injected,
    );
    let proxy = lookup(NonResolver, "news.example", vec![reply(&[TRUE])]);
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        answer(System, &[TRUE]),
        seen(Step::Lookup(proxy), None),
    ]);
    means(&verdict, Fine, None, Rule::SameAddress);
}

fn resolved() -> Vec<Observation> {
    vec![answer(Encrypted, &[TRUE]), answer(System, &[TRUE])]
}

#[test]
fn an_authenticated_page_is_fine_whatever_it_says() {
    let seen = [resolved(), vec![page(fetch(403, 5, true))]].concat();
    means(&web(seen, None), Fine, None, Rule::Authenticated);
}

#[test]
fn an_authenticated_refusal_is_the_servers_own() {
    let away = with_resolved(page(fetch(403, 10, true)));
    let control = good_control();
    let verdict = web(away.clone(), Some(&control));
    means(&verdict, Outcome::Refused, None, Rule::ServerRefuses);
    assert!(
        verdict
            .reasons
            .iter()
            .any(|r| r.rule == Rule::Authenticated)
    );
    means(&web(away.clone(), None), Fine, None, Rule::Authenticated);
    let then = [away, vec![page(fetch(200, 10, true))]].concat();
    means(&web(then, Some(&control)), Fine, None, Rule::Authenticated);
}

fn with_resolved(last: Observation) -> Vec<Observation> {
    [resolved(), vec![last]].concat()
}

#[test]
fn repeated_failures_where_the_control_succeeds_are_interference() {
    let control = good_control();
    for (failure, mechanism) in [
        (Failure::TcpTimeout, Mechanism::TcpTimeout),
        (Failure::TcpRefused, Mechanism::TcpRefused),
        (Failure::TcpReset, Mechanism::TcpReset),
        (Failure::HostUnreachable, Mechanism::IpUnreachable),
    ] {
        let once = [resolved(), vec![connect(TRUE, Some(failure))]].concat();
        means(
            &web(once.clone(), Some(&control)),
            Inconclusive,
            None,
            Rule::NotRepeated,
        );
        let twice = [once, vec![connect(TRUE, Some(failure))]].concat();
        means(
            &web(twice.clone(), Some(&control)),
            Anomaly,
            Some(mechanism),
            Rule::ConnectFails,
        );
        let down = report(vec![
            answer(ResolverRole::Helper, &[TRUE]),
            connect(TRUE, Some(failure)),
        ]);
        means(&web(twice, Some(&down)), Down, None, Rule::ControlFails);
    }
}

#[test]
fn broken_ipv6_accuses_nobody() {
    let seen = [
        resolved(),
        vec![connect("2a00::1", Some(Failure::NetworkUnreachable)); 2],
    ]
    .concat();
    means(
        &web(seen, Some(&good_control())),
        Inconclusive,
        None,
        Rule::Ipv6Broken,
    );
}

#[test]
fn the_neutral_twin_tells_names_from_addresses() {
    let reset = || handshake(Target, Some(Failure::TlsReset));
    let with = |twin: Option<Failure>| {
        let steps = vec![
            connect(TRUE, None),
            reset(),
            reset(),
            handshake(NeutralName, twin),
        ];
        web([resolved(), steps].concat(), Some(&good_control()))
    };
    means(
        &with(None),
        Anomaly,
        Some(Mechanism::TlsResetSni),
        Rule::NeutralNameWorks,
    );
    means(
        &with(Some(Failure::TlsAlert(112))),
        Anomaly,
        Some(Mechanism::TlsResetSni),
        Rule::NeutralNameWorks,
    );
    means(
        &with(Some(Failure::TlsReset)),
        Anomaly,
        Some(Mechanism::TlsResetOther),
        Rule::NeutralNameFails,
    );
}

#[test]
fn a_certificate_that_the_control_did_not_get_is_an_interception() {
    let wrong = |chain, why| {
        let forged = seen(Step::Handshake(shake(Target, chain, Some(why))), None);
        [resolved(), vec![connect(TRUE, None), forged]].concat()
    };
    let control = good_control();
    let verdict = web(wrong(9, Failure::CertChain), Some(&control));
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::TlsMitm),
        Rule::OtherChain,
    );
    let verdict = web(wrong(1, Failure::CertExpired), Some(&control));
    means(&verdict, Down, None, Rule::ControlFails);
    let verdict = web(wrong(1, Failure::CertClockUntrusted), Some(&control));
    means(&verdict, Inconclusive, None, Rule::ClockUntrusted);
}

#[test]
fn plain_pages_are_compared_with_the_controls() {
    let ask = |ours: Fetch| {
        let control = report(vec![
            answer(ResolverRole::Helper, &[TRUE]),
            page(fetch(200, 1000, false)),
        ]);
        web([resolved(), vec![page(ours)]].concat(), Some(&control))
    };
    means(&ask(fetch(200, 701, false)), Fine, None, Rule::PageAgrees);
    means(
        &ask(fetch(200, 700, false)),
        Anomaly,
        Some(Mechanism::HttpDiff),
        Rule::PageDiffers,
    );
    means(
        &ask(fetch(403, 10, false)),
        Refused,
        None,
        Rule::ServerRefuses,
    );
    let mut away = fetch(302, 0, false);
    away.location = Some("http://warning.gov/".to_string());
    means(
        &ask(away),
        Anomaly,
        Some(Mechanism::HttpRedirect),
        Rule::RedirectedElsewhere,
    );
}

#[test]
fn only_what_the_control_does_not_see_is_forged() {
    let nobody = |replies| {
        seen(
            Step::Lookup(lookup(NonResolver, "news.example", replies)),
            None,
        )
    };
    let agreed = || vec![answer(Encrypted, &[TRUE]), answer(System, &[TRUE])];
    let mut refused = reply(&[]);
    refused.rcode = 5;
    let verdict = dns([agreed(), vec![nobody(vec![refused])]].concat());
    means(&verdict, Fine, None, Rule::SameAddress);
    for replies in [[TRUE, LIE], [LIE, TRUE]] {
        let replies = replies.map(|address| reply(&[address])).to_vec();
        let verdict = dns([
            agreed(),
            vec![nobody(replies), nobody(vec![reply(&[TRUE])])],
        ]
        .concat());
        means(
            &verdict,
            Anomaly,
            Some(Mechanism::DnsInjectionOther),
            Rule::Injected,
        );
    }
}

#[test]
fn a_lie_in_one_family_is_not_excused_by_the_other() {
    let six = |role, address| {
        let mut lookup = lookup(role, "news.example", vec![reply(&[address])]);
        lookup.rtype = 28;
        seen(Step::Lookup(lookup), None)
    };
    let mut both = vec![answer(Encrypted, &[TRUE]), six(Encrypted, "2a00::1")];
    both.extend([answer(System, &["10.10.34.35"]), six(System, "2a00::1")]);
    means(
        &dns(both),
        Anomaly,
        Some(Mechanism::DnsHijackBogon),
        Rule::BogonAnswer,
    );
}

#[test]
fn a_reply_cut_short_denies_nothing() {
    let cut = |role| {
        let mut reply = reply(&[]);
        reply.flags |= 0x0200;
        let lookup = lookup(role, "news.example", vec![reply]);
        seen(Step::Lookup(lookup), Some(Failure::DnsTruncated))
    };
    let over_tcp = |failure| {
        let replies = match failure {
            None => vec![reply(&[TRUE])],
            Some(_) => vec![],
        };
        let mut lookup = lookup(ResolverRole::Network, "news.example", replies);
        lookup.transport = DnsTransport::Tcp;
        seen(Step::Lookup(lookup), failure)
    };
    let control = answer(ResolverRole::Encrypted, &[TRUE]);
    let network = cut(ResolverRole::Network);
    let answered = dns(vec![network.clone(), over_tcp(None), control.clone()]);
    means(&answered, Outcome::Ok, None, Rule::SameAddress);
    // TCP to port 53 is closed in many a network, whatever the name.
    let timeout = over_tcp(Some(Failure::DnsTimeout));
    let closed = dns(vec![network.clone(), timeout, control.clone()]);
    means(&closed, Outcome::Inconclusive, None, Rule::NotRepeated);
    let alone = dns(vec![network.clone(), network, control]);
    means(&alone, Outcome::Inconclusive, None, Rule::NothingSeen);
}

#[test]
fn a_resolver_that_is_silent_about_one_name_only_is_not_dead() {
    let random = no_answer(Network, Failure::DnsNxDomain);
    let Step::Lookup(mut random) = random.step else {
        unreachable!()
    };
    random.name = "x7f3.news.example".to_string();
    random.replies = vec![reply(&[])];
    let silent = || no_answer(Network, Failure::DnsTimeout);
    let verdict = dns(vec![
        answer(Encrypted, &[TRUE]),
        silent(),
        silent(),
        seen(Step::Lookup(random), Some(Failure::DnsNxDomain)),
    ]);
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::DnsTimeout),
        Rule::ResolverFails,
    );
}

#[test]
fn a_control_that_shook_hands_counts_even_where_its_fetch_failed() {
    let control = report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        connect(TRUE, None),
        handshake(Target, None),
        seen(
            Step::Fetch(fetch(200, 0, false)),
            Some(Failure::HttpTimeout),
        ),
    ]);
    let reset = || handshake(Target, Some(Failure::TlsReset));
    let steps = vec![
        connect(TRUE, None),
        reset(),
        reset(),
        handshake(NeutralName, None),
    ];
    let verdict = web([resolved(), steps].concat(), Some(&control));
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::TlsResetSni),
        Rule::HandshakeFails,
    );
}

#[test]
fn the_site_may_send_its_visitors_to_its_own_secure_page() {
    let mut hop = fetch(301, 0, false);
    hop.location = Some("https://news.example/".to_string());
    let mut deep = fetch(200, 10, true);
    (deep.depth, deep.url) = (1, "https://news.example/".to_string());
    let secure = web(
        [resolved(), vec![page(hop), page(deep)]].concat(),
        Some(&good_control()),
    );
    means(&secure, Fine, None, Rule::Authenticated);
    let mut away = fetch(302, 0, false);
    away.location = Some("https://blocked.example.test/".to_string());
    let mut there = fetch(200, 900, true);
    (there.depth, there.url) = (1, "https://blocked.example.test/".to_string());
    let plain = report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        page(fetch(200, 1000, false)),
    ]);
    let mut forged = web(
        [resolved(), vec![page(away), page(there)]].concat(),
        Some(&plain),
    );
    // `example` is a label of both: a stranger shares none.
    assert_ne!(forged.outcome, Fine);
    let mut away = fetch(302, 0, false);
    away.location = Some("https://warning.gov/".to_string());
    forged = web([resolved(), vec![page(away)]].concat(), Some(&plain));
    means(
        &forged,
        Anomaly,
        Some(Mechanism::HttpRedirect),
        Rule::RedirectedElsewhere,
    );
}

/// A redirect over a valid certificate, and what came of following it.
fn redirected(to: &str, then: Vec<Observation>) -> Vec<Observation> {
    let mut hop = fetch(308, 0, true);
    hop.url = "https://news.example/".to_string();
    hop.location = Some(to.to_string());
    let first = vec![connect(TRUE, None), handshake(Target, None), page(hop)];
    [resolved(), first, then].concat()
}

#[test]
fn a_page_for_a_name_that_does_not_exist_is_not_a_site_that_is_down() {
    let gone = report(vec![
        no_answer(ResolverRole::Helper, Failure::DnsNxDomain),
        seen(
            Step::Fetch(fetch(200, 0, false)),
            Some(Failure::DnsNxDomain),
        ),
    ]);
    let seen = vec![answer(System, &[LIE]), page(fetch(200, 9, false))];
    let verdict = web(seen, Some(&gone));
    means(&verdict, Inconclusive, None, Rule::RewritingUntested);
}

#[test]
fn a_redirect_is_not_the_page() {
    let mut beyond = shake(Target, 1, None);
    beyond.ip = ip(LIE);
    (beyond.certificate, beyond.stage) = (None, HandshakeStage::HelloSent);
    let reset = seen(Step::Handshake(beyond), Some(Failure::TlsReset));
    let verdict = web(
        redirected("https://elsewhere.example.org/", vec![reset]),
        Some(&good_control()),
    );
    means(&verdict, Inconclusive, None, Rule::ControlElsewhere);
    assert_eq!(verdict.reasons[0].observations, [5]);
}

#[test]
fn an_authenticated_redirect_vouches_for_where_it_leads() {
    let mut there = fetch(200, 5, true);
    (there.depth, there.url) = (1, "https://elsewhere.example.org/x".to_string());
    let seen = redirected("https://elsewhere.example.org/x", vec![page(there)]);
    means(
        &web(seen.clone(), Some(&good_control())),
        Fine,
        None,
        Rule::Authenticated,
    );
    // A redirect that anybody on the path could have written vouches for nothing.
    let forged = seen.into_iter().map(|mut o| {
        if let Step::Fetch(fetch) = &mut o.step
            && fetch.depth == 0
        {
            fetch.authenticated = false;
        }
        o
    });
    let verdict = web(forged.collect(), Some(&good_control()));
    assert_ne!(verdict.outcome, Fine, "{verdict:?}");
}

#[test]
fn a_certificate_below_the_same_domain_counts_whoever_redirects() {
    for (host, fine) in [
        ("www.news.example", true),
        ("de.news.example", true),
        ("notnews.example", false),
        ("news.example.org", false),
        ("example", false),
    ] {
        let mut hop = fetch(301, 0, false);
        hop.location = Some(alloc::format!("https://{host}/"));
        let mut there = fetch(200, 5, true);
        (there.depth, there.url) = (1, alloc::format!("https://{host}/"));
        let plain = report(vec![
            answer(ResolverRole::Helper, &[TRUE]),
            page(fetch(200, 1000, false)),
        ]);
        let seen = [resolved(), vec![page(hop), page(there)]].concat();
        let verdict = web(seen, Some(&plain));
        assert_eq!(verdict.outcome == Fine, fine, "{host}: {verdict:?}");
    }
}

#[test]
fn the_same_page_behind_the_sites_other_door_agrees() {
    let titled = |mut fetch: Fetch| {
        fetch.title = Some("Morning news".to_string());
        fetch
    };
    let mut hop = fetch(301, 0, false);
    hop.location = Some("http://www.news.example.org/".to_string());
    let mut there = titled(fetch(200, 5, false));
    (there.depth, there.url) = (1, "http://www.news.example.org/".to_string());
    let plain = report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        page(titled(fetch(200, 1000, false))),
    ]);
    let with = |status| {
        let mut there = there.clone();
        there.status = Some(status);
        let seen = [resolved(), vec![page(hop.clone()), page(there)]].concat();
        web(seen, Some(&plain))
    };
    means(&with(200), Fine, None, Rule::PageAgrees);
    means(&with(404), Inconclusive, None, Rule::RedirectedElsewhere);
}

#[test]
fn a_certificate_that_nobody_showed_and_nobody_explains_accuses_nobody() {
    let with = |chain: Vec<Blob>, why| {
        let mut wrong = shake(Target, 9, Some(why));
        wrong.chain = chain;
        let seen = vec![connect(TRUE, None), seen(Step::Handshake(wrong), Some(why))];
        web([resolved(), seen].concat(), Some(&good_control()))
    };
    let forged = || vec![Blob(vec![9])];
    for why in [
        Failure::CertInvalid,
        Failure::CertChain,
        Failure::CertExpired,
    ] {
        means(
            &with(vec![], why),
            Inconclusive,
            None,
            Rule::ChainNotCompared,
        );
        means(
            &with(forged(), why),
            Anomaly,
            Some(Mechanism::TlsMitm),
            Rule::OtherChain,
        );
    }
    // A certificate for another name is not the one that is valid for this name.
    means(
        &with(vec![], Failure::CertName),
        Anomaly,
        Some(Mechanism::TlsMitm),
        Rule::OtherChain,
    );
}

#[test]
fn an_address_that_proved_itself_to_the_control_is_no_lie() {
    let mut there = shake(Target, 1, None);
    there.ip = ip(LIE);
    let control = report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        seen(Step::Handshake(there), None),
    ]);
    let mut old = shake(Target, 9, Some(Failure::CertChain));
    old.ip = ip(LIE);
    let mut asked = measurement(
        Experiment::DnsConsistency,
        vec![answer(System, &[LIE]), seen(Step::Handshake(old), None)],
    );
    let told = judge(&asked, Some(&control), &NoContext);
    means(&told, Fine, None, Rule::ValidCertificate);
    // Without that, a strange certificate is a lie's.
    let silent = report(vec![answer(ResolverRole::Helper, &[TRUE])]);
    asked.observations.reverse();
    let told = judge(&asked, Some(&silent), &NoContext);
    means(
        &told,
        Anomaly,
        Some(Mechanism::DnsHijackOther),
        Rule::OtherAnswer,
    );
}

#[test]
fn one_failure_each_at_two_addresses_is_no_repetition() {
    let control = report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        connect(TRUE, None),
        connect(LIE, None),
        page(fetch(200, 1000, true)),
    ]);
    let failed = vec![
        connect(TRUE, Some(Failure::TcpTimeout)),
        connect(LIE, Some(Failure::TcpRefused)),
    ];
    let verdict = web([resolved(), failed].concat(), Some(&control));
    means(&verdict, Inconclusive, None, Rule::NotRepeated);
}

#[test]
fn a_hello_passes_or_is_stopped_and_says_nothing_of_certificates() {
    let greeted = |stage, failure| {
        let mut bare = shake(HandshakeRole::Target, 1, None);
        (bare.chain, bare.certificate, bare.stage) = (vec![], None, stage);
        seen(Step::Handshake(bare), failure)
    };
    let hello = |steps: Vec<Observation>, control: Option<&ControlReport>| {
        let steps = [vec![answer(ResolverRole::Network, &[TRUE])], steps].concat();
        judge(&measurement(Experiment::Hello, steps), control, &NoContext)
    };
    let passed = || {
        vec![
            connect(TRUE, None),
            greeted(HandshakeStage::ServerHello, None),
        ]
    };
    let reset = || greeted(HandshakeStage::HelloSent, Some(Failure::TlsReset));
    let stopped = || {
        let twin = handshake(HandshakeRole::NeutralName, None);
        vec![connect(TRUE, None), reset(), twin, reset()]
    };
    let control = good_control();
    let fine = hello(passed(), Some(&control));
    means(&fine, Outcome::Ok, None, Rule::HelloPasses);
    let filtered = hello(stopped(), Some(&control));
    let by_name = Some(Mechanism::TlsResetSni);
    means(&filtered, Outcome::Anomaly, by_name, Rule::HandshakeFails);
    let unknown = hello(stopped(), None);
    means(&unknown, Outcome::Inconclusive, None, Rule::NoControl);
    // The site is down for the control, too.
    let down = report(vec![
        answer(ResolverRole::Helper, &[TRUE]),
        connect(TRUE, Some(Failure::TcpRefused)),
    ]);
    let refused = vec![connect(TRUE, Some(Failure::TcpRefused)); 2];
    let verdict = hello(refused, Some(&down));
    means(&verdict, Outcome::Down, None, Rule::ControlFails);
    let once = hello(vec![connect(TRUE, None), reset()], Some(&control));
    means(&once, Outcome::Inconclusive, None, Rule::NotRepeated);
    // Certificates and pages left out of the control's report change nothing.
    for steps in [passed(), stopped()] {
        let whole = hello(steps.clone(), Some(&control));
        assert_eq!(hello(steps, Some(&control.brief())), whole);
    }
}

#[test]
fn portals_and_tunnels_are_labelled_and_never_scored() {
    let mut behind = measurement(Experiment::Web, resolved());
    behind
        .settings
        .push(crate::measurement::Setting::CaptivePortal);
    let verdict = judge(&behind, None, &NoContext);
    means(&verdict, Inconclusive, None, Rule::CaptivePortal);
    assert!(!verdict.scorable);
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let address = prop::sample::select(vec![TRUE, LIE, "10.1.1.1", "2a00::1"]);
    let role = prop::sample::select(vec![System, Network, Public, Encrypted, NonResolver]);
    let failure = prop::option::of(prop::sample::select(Failure::NAMED.to_vec()));
    (0..6, address, role, failure, any::<bool>()).prop_map(
        |(kind, address, role, failure, flag)| {
            let mut shake = shake(if flag { Target } else { NeutralName }, 1, failure);
            shake.ip = ip(address);
            match kind {
                0 => answer(role, &[address]),
                1 => no_answer(role, failure.unwrap_or(Failure::DnsNxDomain)),
                2 => connect(address, failure),
                3 => seen(Step::Handshake(shake), None),
                4 => handshake(if flag { Target } else { NeutralName }, failure),
                _ => seen(Step::Fetch(fetch(200, 100, flag)), failure),
            }
        },
    )
}

proptest! {
    #[test]
    fn every_verdict_names_evidence_that_exists(
        ours in prop::collection::vec(any_observation(), 0..12),
        theirs in prop::option::of(prop::collection::vec(any_observation(), 0..12)),
        page in any::<bool>(),
    ) {
        let experiment = if page { Experiment::Web } else { Experiment::DnsConsistency };
        let control = theirs.map(report);
        let measurement = measurement(experiment, ours);
        let verdict = judge(&measurement, control.as_ref(), &NoContext);
        prop_assert!(!verdict.reasons.is_empty());
        prop_assert_eq!(verdict.mechanism.is_some(), verdict.outcome == Anomaly);
        let there = control.map_or(0, |c| c.observations.len());
        for reason in &verdict.reasons {
            prop_assert!(reason.observations.iter().all(|at| usize::from(*at) < measurement.observations.len()));
            prop_assert!(reason.control.iter().all(|at| usize::from(*at) < there));
        }
        if verdict.outcome == Anomaly {
            prop_assert!(verdict.reasons.iter().any(|r| !r.observations.is_empty()));
        }
    }

    #[test]
    fn the_order_of_observations_does_not_matter(
        ours in prop::collection::vec(any_observation(), 0..8),
        theirs in prop::collection::vec(any_observation(), 0..8),
        page in any::<bool>(),
    ) {
        let experiment = if page { Experiment::Web } else { Experiment::DnsConsistency };
        let control = report(theirs);
        let forth = judge(&measurement(experiment, ours.clone()), Some(&control), &NoContext);
        let ours = ours.into_iter().rev().collect();
        let back = judge(&measurement(experiment, ours), Some(&control), &NoContext);
        prop_assert_eq!(forth.outcome, back.outcome);
    }

    #[test]
    fn without_any_control_only_a_forged_bogon_accuses(
        ours in prop::collection::vec(any_observation(), 0..12),
        page in any::<bool>(),
    ) {
        let experiment = if page { Experiment::Web } else { Experiment::DnsConsistency };
        let ours: Vec<_> = ours
            .into_iter()
            .filter(|o| !matches!(&o.step, Step::Lookup(l) if l.role == Encrypted))
            .collect();
        let verdict = judge(&measurement(experiment, ours), None, &NoContext);
        prop_assert!(
            verdict.outcome != Anomaly || verdict.mechanism == Some(Mechanism::DnsInjectionBogon)
        );
    }
}
