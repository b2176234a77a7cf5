//! The rules of the experiments on the DNS itself, on replies as they stand on the wire.

use super::super::*;
use super::{measurement, report};
use crate::{
    dns::{Data, Message, NameBuf, Query, Rcode, RecordType, ResponseBuilder},
    failure::Failure,
    observation::{DnsTransport, Lookup, Reply, ResolverRole, Step},
    trace::{self, Check},
    value::{Blob, Ip},
};
use Outcome::{Anomaly, Down, Inconclusive, Ok as Fine};
use ResolverRole::{Encrypted, Network, Public};
use alloc::{borrow::ToOwned, string::String, vec};
use core::net::IpAddr;
use proptest::prelude::*;

const OWN: &str = "20.1.0.53";
const SECOND: &str = "20.1.0.54";
const HOME: &str = "192.168.1.1";
const FOREIGN: &str = "8.8.8.8";
const OPEN: &str = "9.9.9.9";
const AA: [u8; 4] = [20, 2, 0, 80];

/// Home is AS64500, where everything in 20.1.0.0/16 stands.
struct Isp;
impl Context for Isp {
    fn home(&self) -> Option<Asn> {
        Some(Asn(64_500))
    }
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        match ip {
            IpAddr::V4(ip) if ip.octets().starts_with(&[20, 1]) => Some(Asn(64_500)),
            IpAddr::V6(ip) if ip.octets().starts_with(&[0x2a, 0]) => Some(Asn(64_500)),
            _ => Some(Asn(64_999)),
        }
    }
}

/// What a resolver answers.
#[derive(Clone, Debug)]
enum Says {
    Servers(&'static str),
    Address([u8; 4]),
    Rcode(u16),
    Nodata,
    Nothing,
    Text(&'static [u8]),
    Octets(&'static [u8]),
    Signed(&'static [u8]),
    PlainText(&'static [u8]),
}

fn reply(name: &str, rtype: u16, says: &Says) -> Reply {
    let owner: NameBuf = name.parse().unwrap();
    let mut buffer = [0; 512];
    let length = Query::new(1, owner, RecordType(rtype))
        .emit(&mut buffer)
        .unwrap();
    let query = buffer[..length].to_vec();
    let query = Message::parse(&query).unwrap();
    let mut buffer = vec![0; 4096];
    let mut out = ResponseBuilder::reply_to(&query, &mut buffer).unwrap();
    let mut addresses = vec![];
    let mut edns = true;
    match says {
        Says::Servers(server) => {
            let server: NameBuf = server.parse().unwrap();
            out.answer(300, &Data::Ns(&server)).unwrap();
        }
        Says::Address(ip) => {
            addresses.push(Ip((*ip).into()));
            out.answer(300, &Data::A((*ip).into())).unwrap();
        }
        Says::Rcode(code) => {
            out.rcode(Rcode(*code));
        }
        Says::Text(text) => {
            out.answer(300, &Data::Txt(&[text])).unwrap();
        }
        Says::Signed(text) => {
            out.answer(300, &Data::Txt(&[text])).unwrap();
            out.answer(300, &Data::Raw(RecordType::RRSIG, b"signature"))
                .unwrap();
        }
        Says::PlainText(text) => {
            edns = false;
            out.answer(300, &Data::Txt(&[text])).unwrap();
        }
        Says::Octets(octets) => {
            out.answer(300, &Data::Raw(trace::UNKNOWN_TYPE, octets))
                .unwrap();
        }
        Says::Nodata | Says::Nothing => {}
    }
    let length = out.finish().unwrap();
    buffer.truncate(length);
    Reply {
        after: 1,
        from: None,
        rcode: match says {
            Says::Rcode(code) => *code,
            _ => 0,
        },
        flags: 0x8180,
        addresses,
        aliases: vec![],
        ttl: None,
        edns,
        failure: None,
        case_echoed: Some(true),
        raw: Some(Blob(buffer)),
        hop_limit: None,
    }
}

fn over(
    transport: DnsTransport,
    role: ResolverRole,
    resolver: &str,
    (name, rtype): (&str, RecordType),
    says: &Says,
) -> Observation {
    let failure = match says {
        Says::Nothing => Some(Failure::DnsTimeout),
        Says::Rcode(code) => Failure::from_rcode(*code as u8),
        Says::Nodata => Some(Failure::DnsNoAnswer),
        _ => None,
    };
    let replies = match says {
        Says::Nothing => vec![],
        some => vec![reply(name, rtype.0, some)],
    };
    Observation {
        started: 0,
        ended: 1,
        step: Step::Lookup(Lookup {
            name: name.to_owned(),
            rtype: rtype.0,
            role,
            transport,
            resolver: Some(Ip(resolver.parse().unwrap())),
            resolver_name: None,
            replies,
            watched: 0,
            attempt: 0,
        }),
        failure,
    }
}

fn asks(
    role: ResolverRole,
    resolver: &str,
    what: (&str, RecordType),
    says: &Says,
) -> Observation {
    let transport = match role {
        Encrypted => DnsTransport::Tls,
        _ => DnsTransport::Udp,
    };
    over(transport, role, resolver, what, says)
}

fn judged(experiment: Experiment, target: &str, seen: Vec<Observation>) -> Verdict {
    let mut measurement = measurement(experiment, seen);
    measurement.target = target.to_owned();
    judge(&measurement, None, &Isp)
}

#[track_caller]
fn means(verdict: &Verdict, outcome: Outcome, mechanism: Option<Mechanism>, rules: &[Rule]) {
    assert_eq!(
        (verdict.outcome, verdict.mechanism),
        (outcome, mechanism),
        "{verdict:?}"
    );
    for rule in rules {
        assert!(
            verdict.reasons.iter().any(|r| r.rule == *rule),
            "{rule:?}: {verdict:?}"
        );
    }
}

const TRUE: Says = Says::Servers("a.nic.example");
const OTHER: Says = Says::Servers("a.other-root.example");
const NXDOMAIN: Says = Says::Rcode(3);
const SERVFAIL: Says = Says::Rcode(2);
const NS: RecordType = RecordType::NS;
const A: RecordType = RecordType::A;

/// A top-level domain as the control and the given resolvers know it, with the reference.
fn tld(control: &Says, resolvers: &[(ResolverRole, &str, Says)]) -> Verdict {
    let mut seen = vec![asks(Encrypted, OPEN, ("org", NS), control)];
    for (role, resolver, says) in resolvers {
        for _ in 0..2 {
            seen.push(asks(*role, resolver, ("org", NS), says));
        }
        seen.push(asks(*role, resolver, ("com", NS), &TRUE));
        seen.push(asks(*role, resolver, ("qwertyuiop", NS), &NXDOMAIN));
    }
    judged(Experiment::Namespace, "org.", seen)
}

#[test]
fn a_domain_is_there_removed_or_replaced() {
    use Mechanism::{NamespaceRemoved as Removed, NamespaceReplaced as Replaced};
    let one = |says: Says| tld(&TRUE, &[(Network, OWN, says)]);
    means(&one(TRUE), Fine, None, &[Rule::SameDelegation]);
    means(&one(NXDOMAIN), Anomaly, Some(Removed), &[Rule::TldRemoved]);
    means(
        &one(Says::Nodata),
        Anomaly,
        Some(Removed),
        &[Rule::TldRemoved],
    );
    means(&one(SERVFAIL), Anomaly, Some(Removed), &[Rule::TldRemoved]);
    means(&one(OTHER), Anomaly, Some(Replaced), &[Rule::TldReplaced]);
    means(
        &one(Says::Nothing),
        Inconclusive,
        None,
        &[Rule::ResolverSilent],
    );
    let two = tld(
        &TRUE,
        &[(Network, OWN, NXDOMAIN), (Network, SECOND, NXDOMAIN)],
    );
    means(&two, Anomaly, Some(Removed), &[Rule::SeveralResolvers]);
    let split = tld(&TRUE, &[(Network, OWN, NXDOMAIN), (Network, SECOND, TRUE)]);
    means(&split, Inconclusive, None, &[Rule::ResolversDisagree]);
    let located = tld(&TRUE, &[(Network, OWN, NXDOMAIN), (Public, OPEN, TRUE)]);
    means(&located, Anomaly, Some(Removed), &[Rule::PublicFine]);
    let located = tld(&TRUE, &[(Network, OWN, NXDOMAIN), (Public, OPEN, NXDOMAIN)]);
    means(&located, Anomaly, Some(Removed), &[Rule::PublicToo]);
}

#[test]
fn a_domain_that_fails_for_all_or_a_resolver_that_fails_for_all_is_no_removal() {
    let broken = tld(&SERVFAIL, &[(Network, OWN, SERVFAIL)]);
    means(&broken, Down, None, &[Rule::ControlFails]);
    let seen = |reference: &Says| {
        vec![
            asks(Encrypted, OPEN, ("org", NS), &TRUE),
            asks(Network, OWN, ("org", NS), &SERVFAIL),
            asks(Network, OWN, ("org", NS), &SERVFAIL),
            asks(Network, OWN, ("com", NS), reference),
        ]
    };
    let verdict = judged(Experiment::Namespace, "org.", seen(&SERVFAIL));
    means(&verdict, Inconclusive, None, &[Rule::ResolverBroken]);
    // A line that is not paid: every domain is denied, or has no name servers.
    for says in [NXDOMAIN, Says::Nodata] {
        let seen = vec![
            asks(Encrypted, OPEN, ("org", NS), &TRUE),
            asks(Network, OWN, ("org", NS), &says),
            asks(Network, OWN, ("com", NS), &says),
        ];
        let verdict = judged(Experiment::Namespace, "org.", seen);
        means(&verdict, Inconclusive, None, &[Rule::ResolverBroken]);
    }
    let mut once = seen(&TRUE);
    once.remove(2);
    let verdict = judged(Experiment::Namespace, "org.", once);
    means(&verdict, Inconclusive, None, &[Rule::NotRepeated]);
    let alone = tld(&Says::Nothing, &[(Network, OWN, NXDOMAIN)]);
    means(&alone, Inconclusive, None, &[Rule::NoControl]);
    let mut torn = vec![asks(Encrypted, OPEN, ("org", NS), &NXDOMAIN)];
    torn.push(asks(Encrypted, FOREIGN, ("org", NS), &TRUE));
    torn.push(asks(Network, OWN, ("org", NS), &NXDOMAIN));
    let verdict = judged(Experiment::Namespace, "org.", torn);
    means(&verdict, Inconclusive, None, &[Rule::ControlDisagrees]);
}

#[test]
fn only_the_networks_own_resolvers_accuse_it() {
    let home = tld(&TRUE, &[(Network, HOME, NXDOMAIN)]);
    means(&home, Inconclusive, None, &[Rule::CustomerEquipment]);
    let chosen = tld(&TRUE, &[(Network, FOREIGN, NXDOMAIN)]);
    means(&chosen, Inconclusive, None, &[Rule::HostResolver]);
    let fine_at_home = tld(&TRUE, &[(Network, HOME, TRUE)]);
    means(&fine_at_home, Fine, None, &[Rule::SameDelegation]);
    let shared = tld(&TRUE, &[(Network, "100.64.0.53", NXDOMAIN)]);
    means(&shared, Anomaly, Some(Mechanism::NamespaceRemoved), &[]);
    // An overlay's resolver, and a router that announces its address of the provider's prefix.
    for own in ["100.100.100.100", "2a00:1::53"] {
        let verdict = tld(&TRUE, &[(Network, own, NXDOMAIN)]);
        means(&verdict, Inconclusive, None, &[Rule::CustomerEquipment]);
    }
    let mut measured = measurement(
        Experiment::Namespace,
        vec![
            asks(Encrypted, OPEN, ("org", NS), &TRUE),
            asks(Network, OWN, ("org", NS), &NXDOMAIN),
        ],
    );
    measured.target = "org.".to_owned();
    measured.settings.push(Setting::OwnResolvers);
    let verdict = judge(&measured, None, &Isp);
    means(&verdict, Inconclusive, None, &[Rule::HostResolver]);
}

#[test]
fn a_domain_is_added_where_a_random_one_is_denied() {
    let added = |says: &Says, random: Option<Says>| {
        let name = ("opennic.glue", A);
        let mut seen = vec![
            asks(Encrypted, OPEN, ("glue", NS), &NXDOMAIN),
            asks(Encrypted, OPEN, name, &NXDOMAIN),
            asks(Network, OWN, ("glue", NS), &NXDOMAIN),
            asks(Network, OWN, name, says),
            asks(Network, OWN, ("com", NS), &TRUE),
        ];
        if let Some(random) = random {
            seen.push(asks(Network, OWN, ("x.qwertyuiop", A), &random));
        }
        judged(Experiment::Namespace, "opennic.glue.", seen)
    };
    let one = Mechanism::NamespaceAdded;
    let real = Says::Address(AA);
    means(
        &added(&real, Some(NXDOMAIN)),
        Anomaly,
        Some(one),
        &[Rule::TldAdded],
    );
    means(
        &added(&real, Some(real.clone())),
        Inconclusive,
        None,
        &[Rule::NxRewriting],
    );
    means(
        &added(&real, None),
        Inconclusive,
        None,
        &[Rule::RewritingUntested],
    );
    means(
        &added(&NXDOMAIN, Some(NXDOMAIN)),
        Fine,
        None,
        &[Rule::NameDoesNotExist],
    );
    // A filter's sinkhole is no namespace.
    let sinkhole = Says::Address([10, 0, 0, 1]);
    means(
        &added(&sinkhole, Some(NXDOMAIN)),
        Fine,
        None,
        &[Rule::NameDoesNotExist],
    );
    let servers = tld(&NXDOMAIN, &[(Network, OWN, OTHER)]);
    means(&servers, Anomaly, Some(one), &[Rule::TldAdded]);
}

#[test]
fn a_special_name_has_no_public_address() {
    let special = |resolver: &str, says: &Says, ordinary: &Says, control: &Says| {
        let name = ("qwertyuiop.invalid", A);
        let seen = vec![
            asks(Encrypted, OPEN, name, control),
            asks(Network, resolver, name, says),
            asks(Network, resolver, ("asdfghjkl.com", A), ordinary),
        ];
        judged(Experiment::SpecialNames, "invalid.", seen)
    };
    let real = Says::Address(AA);
    let answered = Some(Mechanism::SpecialAnswered);
    let denied = &[Rule::SpecialDenied];
    means(
        &special(OWN, &NXDOMAIN, &NXDOMAIN, &NXDOMAIN),
        Fine,
        None,
        denied,
    );
    means(
        &special(OWN, &real, &NXDOMAIN, &NXDOMAIN),
        Anomaly,
        answered,
        &[Rule::SpecialAnswered],
    );
    means(
        &special(OWN, &real, &real, &NXDOMAIN),
        Inconclusive,
        None,
        &[Rule::NxRewriting],
    );
    means(
        &special(OWN, &real, &Says::Nothing, &NXDOMAIN),
        Inconclusive,
        None,
        &[Rule::RewritingUntested],
    );
    means(
        &special(HOME, &real, &NXDOMAIN, &NXDOMAIN),
        Inconclusive,
        None,
        &[Rule::CustomerEquipment],
    );
    means(
        &special(OWN, &real, &NXDOMAIN, &real),
        Down,
        None,
        &[Rule::ControlFails],
    );
    means(
        &special(OWN, &real, &NXDOMAIN, &Says::Nothing),
        Inconclusive,
        None,
        &[Rule::NoControl],
    );
    let loopback = Says::Address([127, 0, 0, 1]);
    means(
        &special(OWN, &loopback, &NXDOMAIN, &NXDOMAIN),
        Fine,
        None,
        denied,
    );
}

const PLAIN: (&str, RecordType) = ("plain.test.example", RecordType::TXT);
const TXT: Says = Says::Text(b"text");

/// A check as the control got it and as it came back eight times from some resolvers.
fn check(check: Check, control: &Says, resolvers: &[(ResolverRole, &str, Says)]) -> Verdict {
    let name = check.name("test.example");
    let what = (name.as_str(), check.rtype());
    let mut seen = vec![asks(Encrypted, OPEN, what, control)];
    for (role, resolver, says) in resolvers {
        seen.push(asks(*role, resolver, PLAIN, &TXT));
        let transport = match check {
            Check::Tcp => DnsTransport::Tcp,
            _ => DnsTransport::Udp,
        };
        seen.extend((0..8).map(|_| over(transport, *role, resolver, what, says)));
    }
    judged(Experiment::DnsTransparency, &trace::target(&name), seen)
}

#[test]
fn each_check_passes_is_altered_or_dropped() {
    use Mechanism::{TransparencyAltered as Altered, TransparencyDropped as Dropped};
    let octets = Says::Octets(b"octets");
    for (which, control, passes, altered) in [
        (
            Check::UnknownType,
            octets.clone(),
            octets,
            Says::Octets(b"other"),
        ),
        (Check::DnssecOk, TXT, TXT, Says::PlainText(b"text")),
        (
            Check::DnssecOk,
            Says::Signed(b"text"),
            Says::Signed(b"text"),
            TXT,
        ),
        (Check::Large, TXT, TXT, Says::Text(b"te")),
        (Check::Tcp, TXT, TXT, Says::Text(b"other")),
        (Check::Case, TXT, TXT, Says::Nodata),
    ] {
        let one = |says: &Says| check(which, &control, &[(Network, OWN, says.clone())]);
        means(&one(&passes), Fine, None, &[Rule::Transparent]);
        means(&one(&altered), Anomaly, Some(Altered), &[Rule::Altered]);
        for refusal in [Says::Nothing, Says::Rcode(4), Says::Rcode(1)] {
            means(&one(&refusal), Anomaly, Some(Dropped), &[Rule::Dropped]);
        }
        let alone = check(which, &Says::Nothing, &[(Network, OWN, Says::Nothing)]);
        means(&alone, Inconclusive, None, &[Rule::NoControl]);
    }
}

#[test]
fn letters_that_come_back_folded_are_altered() {
    let name = Check::Case.name("test.example");
    let what = (name.as_str(), RecordType::TXT);
    let mut folded = asks(Network, OWN, what, &TXT);
    if let Step::Lookup(lookup) = &mut folded.step {
        lookup.replies[0].case_echoed = Some(false);
    }
    let seen = vec![
        asks(Encrypted, OPEN, what, &TXT),
        asks(Network, OWN, PLAIN, &TXT),
        folded.clone(),
        folded,
    ];
    let verdict = judged(Experiment::DnsTransparency, "case.test.example.", seen);
    means(
        &verdict,
        Anomaly,
        Some(Mechanism::TransparencyAltered),
        &[Rule::Altered],
    );
}

/// Observations of the check of large answers at the network's resolver.
fn large(tried: Vec<Observation>) -> Verdict {
    let name = Check::Large.name("test.example");
    let mut seen = vec![
        asks(Encrypted, OPEN, (&name, RecordType::TXT), &TXT),
        asks(Network, OWN, PLAIN, &TXT),
    ];
    seen.extend(tried);
    judged(Experiment::DnsTransparency, "large.test.example.", seen)
}

#[test]
fn one_failure_that_is_remembered_one_slip_or_octets_not_kept_accuse_nobody() {
    let name = Check::Large.name("test.example");
    let try_with = |says: &Says| asks(Network, OWN, (&name, RecordType::TXT), says);
    let unclear = |tried| {
        means(&large(tried), Inconclusive, None, &[Rule::NotRepeated]);
    };
    // Three failures in a row may be one in a cache, however many there are.
    unclear(vec![try_with(&Says::Rcode(2)); 8]);
    // With seven tries in silence it is no eighth.
    let mut mixed = vec![try_with(&Says::Nothing); 7];
    mixed.push(try_with(&Says::Rcode(2)));
    unclear(mixed);
    // Another answer, once.
    unclear(vec![try_with(&Says::Text(b"te"))]);
    // Octets above a limit are cut, or not kept at all.
    for keep in [None, Some(40)] {
        let mut cut = try_with(&TXT);
        if let Step::Lookup(lookup) = &mut cut.step {
            let raw = lookup.replies[0].raw.take().unwrap().0;
            lookup.replies[0].raw = keep.map(|keep| Blob(raw[..keep].to_vec()));
        }
        unclear(vec![cut; 8]);
    }
}

#[test]
fn where_it_is_altered_decides_whom_it_is_held_against() {
    let at = |resolvers: &[(ResolverRole, &str, Says)]| check(Check::Large, &TXT, resolvers);
    let (no, yes) = (Says::Nothing, TXT);
    let home = at(&[(Network, HOME, no.clone())]);
    means(&home, Inconclusive, None, &[Rule::CustomerEquipment]);
    let home_and_path = at(&[(Network, HOME, no.clone()), (Public, OPEN, no.clone())]);
    means(
        &home_and_path,
        Inconclusive,
        None,
        &[Rule::CustomerEquipment],
    );
    let proxy_at_home = at(&[(Network, HOME, no.clone()), (Public, OPEN, yes.clone())]);
    means(&proxy_at_home, Fine, None, &[Rule::Transparent]);
    let path = at(&[(Network, HOME, yes.clone()), (Public, OPEN, no.clone())]);
    means(
        &path,
        Anomaly,
        Some(Mechanism::TransparencyDropped),
        &[Rule::PublicToo],
    );
    let nobody = at(&[(Public, OPEN, no.clone())]);
    means(&nobody, Inconclusive, None, &[Rule::CustomerEquipment]);
    let chosen = at(&[(Network, OWN, yes.clone()), (Network, FOREIGN, no.clone())]);
    means(
        &chosen,
        Anomaly,
        Some(Mechanism::TransparencyDropped),
        &[Rule::PublicToo],
    );
    let one_public = at(&[
        (Network, OWN, yes.clone()),
        (Public, OPEN, no.clone()),
        (Public, FOREIGN, yes.clone()),
    ]);
    means(&one_public, Fine, None, &[Rule::Transparent]);
    let split = at(&[(Network, OWN, yes), (Network, SECOND, no)]);
    means(&split, Inconclusive, None, &[Rule::ResolversDisagree]);
}

#[test]
fn where_nothing_passes_or_too_little_was_tried_nobody_is_accused() {
    let name = Check::Large.name("test.example");
    let what = (name.as_str(), RecordType::TXT);
    let seen = |plain: &Says, tries: usize| {
        let mut seen = vec![
            asks(Encrypted, OPEN, what, &TXT),
            asks(Network, OWN, PLAIN, plain),
        ];
        seen.extend((0..tries).map(|_| asks(Network, OWN, what, &Says::Nothing)));
        judged(Experiment::DnsTransparency, "large.test.example.", seen)
    };
    means(
        &seen(&Says::Nothing, 6),
        Inconclusive,
        None,
        &[Rule::ResolverSilent],
    );
    means(&seen(&TXT, 5), Inconclusive, None, &[Rule::NotRepeated]);
    let verdict = judged(Experiment::DnsTransparency, "nonsense", vec![]);
    means(&verdict, Inconclusive, None, &[Rule::NothingSeen]);
}

fn any_says() -> impl Strategy<Value = Says> {
    prop_oneof![
        Just(TRUE),
        Just(OTHER),
        Just(NXDOMAIN),
        Just(SERVFAIL),
        Just(Says::Rcode(5)),
        Just(Says::Nodata),
        Just(Says::Nothing),
        Just(Says::Address(AA)),
        Just(Says::Address([10, 0, 0, 1])),
        Just(TXT),
        Just(Says::Signed(b"text")),
        Just(Says::PlainText(b"text")),
        Just(Says::Octets(b"octets")),
    ]
}

fn any_lookup() -> impl Strategy<Value = Observation> {
    let names: Vec<(String, RecordType)> = [
        ("org", NS),
        ("com", NS),
        ("glue", NS),
        ("opennic.glue", A),
        ("qwertyuiop", NS),
        ("qwertyuiop.invalid", A),
        ("asdfghjkl.com", A),
        ("plain.test.example", RecordType::TXT),
        ("do.test.example", RecordType::TXT),
        ("type.test.example", trace::UNKNOWN_TYPE),
    ]
    .map(|(name, rtype)| (name.to_owned(), rtype))
    .into();
    (
        prop::sample::select(names),
        prop::sample::select(&[Network, Network, Public, Encrypted][..]),
        prop::sample::select(&[OWN, SECOND, HOME, FOREIGN][..]),
        any_says(),
        any::<bool>(),
    )
        .prop_map(|((name, rtype), role, resolver, says, tcp)| {
            let transport = if tcp {
                DnsTransport::Tcp
            } else {
                DnsTransport::Udp
            };
            over(transport, role, resolver, (&name, rtype), &says)
        })
}

const EXPERIMENTS: [(Experiment, &str); 6] = [
    (Experiment::Namespace, "org."),
    (Experiment::Namespace, "opennic.glue."),
    (Experiment::SpecialNames, "invalid."),
    (Experiment::DnsTransparency, "do.test.example."),
    (Experiment::DnsTransparency, "type.test.example."),
    (Experiment::DnsTransparency, "tcp.test.example."),
];

proptest! {
    #[test]
    fn every_verdict_names_its_evidence_and_no_order_changes_it(
        seen in prop::collection::vec(any_lookup(), 0..24),
        theirs in prop::collection::vec(any_lookup(), 0..3),
        which in 0..EXPERIMENTS.len(),
    ) {
        let (experiment, target) = EXPERIMENTS[which];
        let control = report(theirs);
        let mut measured = measurement(experiment, seen);
        measured.target = target.to_owned();
        let verdict = judge(&measured, Some(&control), &Isp);
        prop_assert!(!verdict.reasons.is_empty());
        prop_assert_eq!(verdict.mechanism.is_some(), verdict.outcome == Anomaly);
        for reason in &verdict.reasons {
            prop_assert!(reason.observations.iter().all(|at| usize::from(*at) < measured.observations.len()));
            prop_assert!(reason.control.iter().all(|at| usize::from(*at) < control.observations.len()));
        }
        if verdict.outcome == Anomaly {
            prop_assert!(verdict.reasons.iter().any(|r| !r.observations.is_empty()));
        }
        measured.observations.reverse();
        let back = judge(&measured, Some(&control), &Isp);
        prop_assert_eq!((back.outcome, back.mechanism), (verdict.outcome, verdict.mechanism));
    }

    /// Without a resolver in the network, or without a control, there is no accusation; but
    /// of a path on which a forwarder at home works.
    #[test]
    fn nobody_is_accused_from_afar_or_without_a_control(
        seen in prop::collection::vec(any_lookup(), 0..24),
        which in 0..EXPERIMENTS.len(),
        controlled in any::<bool>(),
    ) {
        let (experiment, target) = EXPERIMENTS[which];
        let own: IpAddr = OWN.parse().unwrap();
        let second: IpAddr = SECOND.parse().unwrap();
        let seen = seen.into_iter().filter(|o| match &o.step {
            Step::Lookup(l) if controlled => {
                let at = l.resolver.map(|ip| ip.0);
                l.role != Network || (at != Some(own) && at != Some(second))
            }
            Step::Lookup(l) => l.role != Encrypted,
            _ => true,
        });
        let verdict = judged(experiment, target, seen.collect());
        let path = controlled && experiment == Experiment::DnsTransparency;
        prop_assert!(verdict.outcome != Anomaly || path, "{:?}", verdict);
    }

    /// What does not parse, or was cut, is never an accusation's only ground.
    #[test]
    fn octets_of_chance_never_panic(raw in prop::collection::vec(any::<u8>(), 0..64), which in 0..EXPERIMENTS.len()) {
        let (experiment, target) = EXPERIMENTS[which];
        let name = trace::bare(target);
        let mut seen = vec![
            asks(Encrypted, OPEN, (&name, NS), &TRUE),
            asks(Network, OWN, (&name, NS), &TRUE),
        ];
        if let Step::Lookup(lookup) = &mut seen[1].step {
            lookup.replies[0].raw = Some(Blob(raw));
        }
        let verdict = judged(experiment, target, seen);
        prop_assert!(verdict.outcome != Anomaly);
    }
}
