//! Synthetic documents, each about one thing.
#![allow(clippy::needless_pass_by_value)] // `json!` at the place of use

use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use faultline_core::{
    codec::to_cbor,
    observation::{
        DnsTransport, Fetch, Handshake, HandshakeStage, Lookup, ResolverRole, Validity,
    },
    verdict::{self, Context, Mechanism, Outcome, Rule, Verdict},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A document of version 0.5 about a secure page, without any steps.
fn empty() -> Value {
    json!({
        "test_name": "web_connectivity", "test_version": "0.5.28",
        "software_name": "ooniprobe", "software_version": "3.22.0",
        "input": "https://news.example/", "report_id": "r", "measurement_uid": "u",
        "probe_cc": "XA", "probe_asn": "AS64500",
        "measurement_start_time": "2024-02-29 00:00:01", "test_runtime": 1.5,
        "test_helpers": { "backend": { "address": "https://th.example/", "type": "https" } },
        "test_keys": {
            "control_failure": null,
            "queries": [], "tcp_connect": [], "tls_handshakes": [], "requests": [],
            "x_control_request": { "http_request": "https://news.example/" },
            "control": {
                "dns": { "failure": null, "addrs": ["20.1.0.1"] },
                "tcp_connect": {
                    "20.1.0.1:443": { "status": true, "failure": null },
                    "21.9.0.9:443": { "status": false, "failure": "connection_refused_error" },
                },
                "tls_handshake": { "20.1.0.1:443": {
                    "server_name": "news.example", "status": true, "failure": null,
                } },
                "http_request": {
                    "failure": null, "status_code": 200, "body_length": 27,
                    "title": "Morning news", "headers": { "X-Ours": "2" },
                },
                "ip_info": { "20.1.0.1": { "asn": 64501, "flags": 3 } },
            },
        },
    })
}

fn query(engine: &str, query_type: &str, failure: Value, answers: Value) -> Value {
    json!({
        "engine": engine, "hostname": "news.example", "query_type": query_type,
        "failure": failure, "answers": answers, "transaction_id": 1,
        "resolver_address": match engine {
            "udp" => "20.53.0.1:53",
            "doh" => "https://dns.example/dns-query",
            _ => "",
        },
        "t0": 0.25, "t": 0.5, "tags": ["depth=0"],
    })
}

fn a(ip: &str) -> Value {
    json!([{ "answer_type": "A", "ipv4": ip, "ttl": 60, "asn": 64502 }])
}

fn with(changes: &[(&str, Value)]) -> Converted {
    let mut document = empty();
    for (pointer, value) in changes {
        *document
            .pointer_mut(&format!("/test_keys/{pointer}"))
            .expect(pointer) = value.clone();
    }
    converted(document)
}

fn converted(document: Value) -> Converted {
    convert(&Document::new(&document), &|_| None).unwrap()
}

struct Networks<'a>(&'a Converted);
impl Context for Networks<'_> {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        self.0.networks.get(&ip).copied()
    }
}

fn judged(converted: &Converted) -> Verdict {
    let control = converted.control.as_ref();
    verdict::judge(&converted.measurement, control, &Networks(converted))
}

fn lookups(converted: &Converted) -> Vec<(&Lookup, Option<Failure>)> {
    let seen = converted.measurement.observations.iter();
    seen.filter_map(|o| match &o.step {
        Step::Lookup(lookup) => Some((lookup, o.failure)),
        _ => None,
    })
    .collect()
}

fn shakes(converted: &Converted) -> Vec<&Handshake> {
    let seen = converted.measurement.observations.iter();
    seen.filter_map(|o| match &o.step {
        Step::Handshake(shake) => Some(shake),
        _ => None,
    })
    .collect()
}

fn fetches(converted: &Converted) -> Vec<&Fetch> {
    let seen = converted.measurement.observations.iter();
    seen.filter_map(|o| match &o.step {
        Step::Fetch(fetch) => Some(fetch),
        _ => None,
    })
    .collect()
}

#[test]
fn what_surrounds_the_steps() {
    let plain = converted(empty());
    assert_eq!((plain.country.as_str(), plain.asn), ("XA", Asn(64_500)));
    let m = &plain.measurement;
    assert_eq!(
        (m.runtime, m.software.as_str()),
        (1_500_000, "ooni ooniprobe 3.22.0")
    );
    let imported = m.imported.as_ref().unwrap();
    assert_eq!(imported.test, "web_connectivity 0.5.28");
    assert_eq!(
        (imported.report.as_deref(), imported.uid.as_deref()),
        (Some("r"), Some("u"))
    );
    let classic: Value = serde_json::from_str(imported.verdict.as_ref().unwrap()).unwrap();
    assert_eq!(
        (&classic["rules"], &classic["blocking"]),
        (&json!("0.5"), &Value::Null)
    );
    assert_eq!((m.limits.len(), m.settings.len()), (0, 0));
    let mut tunnelled = empty();
    tunnelled["annotations"] = json!({ "network_type": "vpn" });
    assert_eq!(converted(tunnelled).measurement.settings, [Setting::Vpn]);
}

#[test]
fn documents_that_cannot_be_used_say_why() {
    let without = |field: &str, value: Value| {
        let mut document = empty();
        document[field] = value;
        convert(&Document::new(&document), &|_| None).unwrap_err()
    };
    assert_eq!(
        without("test_name", json!("whatsapp")),
        Unusable::OtherTest("whatsapp".into())
    );
    assert_eq!(without("input", json!(null)), Unusable::Input);
    assert_eq!(without("input", json!("news")), Unusable::Input);
    let long = format!("https://news.example/{}", "x".repeat(9000));
    assert_eq!(without("input", json!(long)), Unusable::Input);
    assert_eq!(
        without("measurement_start_time", json!("soon")),
        Unusable::Start
    );
}

#[test]
fn each_engine_has_its_role() {
    use Failure::{DnsNoAnswer, DnsNxDomain, DnsRefused, DnsTimeout};
    use ResolverRole::{Encrypted, Public, System};

    let v6 = json!([{ "answer_type": "AAAA", "ipv6": "2a00::1" }]);
    let both =
        json!([a("20.1.0.1")[0], v6[0], { "answer_type": "CNAME", "hostname": "x.example." }]);
    let refused = json!("dns_refused_error");
    let seen = with(&[(
        "queries",
        json!([
            query("getaddrinfo", "ANY", json!(null), both),
            query("udp", "A", refused, json!(null)),
            query("doh", "AAAA", json!("dns_no_answer"), json!(null)),
            query(
                "getaddrinfo",
                "ANY",
                json!("dns_nxdomain_error"),
                json!(null)
            ),
            query("udp", "A", json!("generic_timeout_error"), json!(null)),
            query("udp", "HTTPS", json!(null), json!([])),
        ]),
    )]);
    let told: Vec<_> = lookups(&seen)
        .into_iter()
        .map(|(l, failure)| (l.role, l.transport, l.rtype, l.replies.len(), failure))
        .collect();
    assert_eq!(
        told,
        [
            (System, DnsTransport::System, 1, 1, None),
            (System, DnsTransport::System, 28, 1, None),
            (Public, DnsTransport::Udp, 1, 1, Some(DnsRefused)),
            (Encrypted, DnsTransport::Https, 28, 1, Some(DnsNoAnswer)),
            (System, DnsTransport::System, 1, 0, Some(DnsNxDomain)),
            (System, DnsTransport::System, 28, 0, Some(DnsNxDomain)),
            (Public, DnsTransport::Udp, 1, 0, Some(DnsTimeout)),
            (Public, DnsTransport::Udp, 65, 1, None),
        ]
    );
    let all = lookups(&seen);
    assert_eq!(all[0].0.replies[0].aliases, ["x.example"]);
    assert_eq!(
        (all[0].0.replies[0].ttl, all[0].0.replies[0].after),
        (Some(60), 250_000)
    );
    assert_eq!(all[2].0.resolver.unwrap().to_string(), "20.53.0.1");
    assert_eq!(all[2].0.replies[0].rcode, 5);
    assert_eq!(all[3].0.resolver_name.as_deref(), Some("dns.example"));
}

#[test]
fn replies_that_came_late_belong_to_their_query() {
    let mut document = empty();
    document["test_keys"]["queries"] = json!([
        query("doh", "A", json!(null), a("20.1.0.1")),
        query("udp", "A", json!(null), a("127.0.0.1")),
    ]);
    let late = json!([
        query("udp", "A", json!(null), a("20.1.0.1")),
        query("udp", "AAAA", json!(null), a("20.1.0.1")),
    ]);
    document["test_keys"]["x_dns_duplicate_responses"] = late;
    let seen = converted(document);
    let replies: Vec<_> = lookups(&seen)
        .iter()
        .map(|(l, _)| l.replies.len())
        .collect();
    assert_eq!(replies, [1, 2]);
    let verdict = judged(&seen);
    assert_eq!(
        verdict.mechanism,
        Some(Mechanism::DnsInjectionBogon),
        "{verdict:?}"
    );
}

#[test]
fn datagrams_tell_more_than_their_summary() {
    // A reply of NXDOMAIN to an A query for `a.`, with recursion available.
    let raw = [
        0, 1, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1,
    ];
    let mut one = query("udp", "A", json!("dns_nxdomain_error"), json!(null));
    one["raw_response"] = json!(STANDARD.encode(raw));
    let seen = with(&[("queries", json!([one]))]);
    let reply = &lookups(&seen)[0].0.replies[0];
    assert_eq!((reply.rcode, reply.flags), (3, 0x8183));
    assert_eq!(reply.raw.as_ref().unwrap().0, raw);
}

#[test]
fn whoami_names_tell_who_asks() {
    let mut document = empty();
    document["test_keys"]["x_dns_whoami"] = json!({
        "system_v4": [{ "address": "20.53.0.9" }],
        "udp_v4": { "20.53.0.1:53": [{ "address": "20.53.0.8" }] },
    });
    let seen = converted(document);
    let told: Vec<_> = lookups(&seen)
        .iter()
        .map(|(l, _)| (l.role, l.replies[0].addresses[0].to_string()))
        .collect();
    assert_eq!(
        told,
        [
            (ResolverRole::System, "20.53.0.9".into()),
            (ResolverRole::Public, "20.53.0.8".into())
        ]
    );
}

#[test]
fn addresses_have_their_givers() {
    let dial = |ip: &str| json!({ "ip": ip, "port": 443, "status": { "failure": null } });
    let steps = [
        (
            "queries",
            json!([query("getaddrinfo", "ANY", json!(null), a("21.9.0.9"))]),
        ),
        (
            "tcp_connect",
            json!([dial("21.9.0.9"), dial("20.1.0.1"), dial("[scrubbed]")]),
        ),
    ];
    let sources = |converted: &Converted| -> Vec<AddressSource> {
        let seen = converted.measurement.observations.iter();
        seen.filter_map(|o| match &o.step {
            Step::Connect(connect) => Some(connect.source),
            _ => None,
        })
        .collect()
    };
    let named = with(&steps);
    assert_eq!(
        sources(&named),
        [AddressSource::Probe, AddressSource::Control]
    );
    let mut literal = empty();
    literal["input"] = json!("https://20.1.0.1/");
    literal["test_keys"]["tcp_connect"] = json!([dial("20.1.0.1")]);
    literal["test_keys"]["x_control_request"] = json!(null);
    literal["test_keys"]["control"]["dns"]["failure"] = json!("dns_name_error");
    let literal = converted(literal);
    assert_eq!(sources(&literal), [AddressSource::Literal]);
    // That an address has no name is no denial.
    let control = literal.control.unwrap();
    assert!(
        !control
            .observations
            .iter()
            .any(|o| matches!(o.step, Step::Lookup(_)))
    );
}

fn shake(failure: Value) -> Value {
    json!({
        "address": "20.1.0.1:443", "server_name": "news.example", "failure": failure,
        "cipher_suite": "TLS_AES_128_GCM_SHA256", "tls_version": "TLSv1.3",
        "negotiated_protocol": "http/1.1", "no_tls_verify": false, "transaction_id": 2,
        "peer_certificates": [{ "format": "base64", "data": STANDARD.encode([0x30, 0x00]) }],
        "t": 0.5, "tags": ["depth=0"],
    })
}

#[test]
fn handshakes_say_what_certificates_proved() {
    let one = |failure: Value| {
        let seen = with(&[("tls_handshakes", json!([shake(failure)]))]);
        let shake = shakes(&seen)[0].clone();
        (
            shake.stage,
            shake.certificate,
            seen.measurement.observations[0].failure,
        )
    };
    let wrong = |failure| Some(Validity { failure });
    assert_eq!(
        one(json!(null)),
        (HandshakeStage::Complete, wrong(None), None)
    );
    for (word, failure) in [
        ("ssl_invalid_hostname", Failure::CertName),
        ("ssl_unknown_authority", Failure::CertChain),
        ("ssl_invalid_certificate", Failure::CertInvalid),
    ] {
        let told = (
            HandshakeStage::ServerHello,
            wrong(Some(failure)),
            Some(failure),
        );
        assert_eq!(one(json!(word)), told, "{word}");
    }
    assert_eq!(one(json!("connection_reset")).1, None);
    let seen = with(&[("tls_handshakes", json!([shake(json!(null))]))]);
    let told = shakes(&seen)[0];
    assert_eq!((told.version, told.cipher), (Some(0x0304), Some(0x1301)));
    assert_eq!(
        (told.alpn.as_deref(), told.chain.len()),
        (Some("http/1.1"), 1)
    );
    let mut blind = shake(json!(null));
    blind["no_tls_verify"] = json!(true);
    let seen = with(&[("tls_handshakes", json!([blind]))]);
    assert_eq!(shakes(&seen)[0].certificate, None);
}

fn request(url: &str, transaction: i64, response: Value) -> Value {
    json!({
        "failure": null, "transaction_id": transaction, "address": "20.1.0.1:443",
        "request": { "url": url }, "response": response, "t": 1.0,
    })
}

#[test]
fn pages_are_authenticated_by_their_own_handshake() {
    let page = json!({ "code": 200, "body": "<title>Hi</title>", "headers": {} });
    let fetch = |url: &str, transaction| {
        let seen = with(&[
            ("tls_handshakes", json!([shake(json!(null))])),
            ("requests", json!([request(url, transaction, page.clone())])),
        ]);
        fetches(&seen)[0].clone()
    };
    let secure = fetch("https://news.example/", 2);
    assert!(secure.authenticated);
    assert_eq!((secure.port, secure.title.as_deref()), (443, Some("Hi")));
    assert_eq!(
        (secure.body_length, secure.body_sha256.is_some()),
        (17, true)
    );
    assert!(!fetch("https://news.example/", 3).authenticated);
    assert!(!fetch("http://news.example/", 2).authenticated);
}

#[test]
fn redirects_without_depths_are_in_the_order_of_the_list() {
    let hop = json!({
        "code": 301, "body": "", "headers_list": [["Location", "https://news.example/b"], ["X", "1"]],
        "headers": { "X": "1", "Location": "https://news.example/b" },
    });
    let page = json!({
        "code": 200, "body_is_truncated": true,
        "body": { "format": "base64", "data": STANDARD.encode(b"<TITLE>Hi</TITLE>\xff") },
        "headers": { "Y": { "format": "base64", "data": STANDARD.encode(b"caf\xe9") } },
    });
    let mut document = empty();
    document["test_version"] = json!("0.4.3");
    // The newest first, as version 0.4 writes them.
    let mut newest = request("https://news.example/b", 0, page);
    newest["address"] = json!(null);
    document["test_keys"]["requests"] =
        json!([newest, request("http://news.example/", 0, hop)]);
    let seen = converted(document);
    let told = fetches(&seen);
    assert_eq!((told[0].depth, told[1].depth), (0, 1));
    assert_eq!(told[0].location.as_deref(), Some("https://news.example/b"));
    assert_eq!(told[0].headers[0].name, "Location");
    assert_eq!(told[1].title.as_deref(), Some("Hi"));
    assert_eq!(told[1].headers[0].value, "caf\u{fffd}");
    assert!(told[1].body_truncated && told[1].authenticated);
    // An address that is not told is not made up.
    assert_eq!((told[1].ip, told[1].port), (requests::UNTOLD, 443));
}

#[test]
fn the_test_helpers_view_is_a_control() {
    let control = converted(empty()).control.unwrap();
    assert_eq!(control.vantage, "ooni test helper https://th.example/");
    let ended: Vec<_> = control.observations.iter().map(|o| o.failure).collect();
    assert_eq!(ended, [None, None, Some(Failure::TcpRefused), None, None]);
    let none = with(&[("control_failure", json!("connection_reset"))]);
    assert_eq!(none.control, None);
    assert_eq!(none.measurement.limits, [Limit::Control]);
    let gone = with(&[
        (
            "control/dns",
            json!({ "failure": "dns_name_error", "addrs": [] }),
        ),
        (
            "control/http_request",
            json!({ "failure": "dns_lookup_error", "status_code": -1 }),
        ),
    ]);
    let control = gone.control.unwrap();
    assert_eq!(control.observations[0].failure, Some(Failure::DnsNxDomain));
    assert_eq!(
        control.observations.last().unwrap().failure,
        Some(Failure::DnsSystem)
    );
}

#[test]
fn what_was_seen_is_judged_by_the_published_rules() {
    let system = |ip: &str| query("getaddrinfo", "ANY", json!(null), a(ip));
    let denied = query(
        "getaddrinfo",
        "ANY",
        json!("dns_nxdomain_error"),
        json!(null),
    );
    let fine = with(&[("queries", json!([system("20.1.0.1")]))]);
    assert_ne!(judged(&fine).outcome, Outcome::Anomaly);
    let denial = judged(&with(&[("queries", json!([denied]))]));
    assert_eq!(denial.mechanism, Some(Mechanism::DnsNxDomain), "{denial:?}");
    // The document's own networks: 64501 for the control's address, 64502 for the answer.
    let apart = with(&[("queries", json!([system("21.9.0.9")]))]);
    assert_eq!(apart.networks.len(), 2);
    assert_ne!(judged(&apart).outcome, Outcome::Anomaly);
    let dial = json!({
        "ip": "20.1.0.1", "port": 443, "transaction_id": 2,
        "status": { "failure": "generic_timeout_error" },
    });
    let once = judged(&with(&[
        ("queries", json!([system("20.1.0.1")])),
        ("tcp_connect", json!([dial])),
    ]));
    assert_eq!(once.reasons[0].rule, Rule::NotRepeated);
}

#[test]
fn names_are_compared_in_ascii() {
    let mut document = empty();
    document["input"] = json!("http://ПРИМЕР.example/");
    document["test_keys"]["x_control_request"]["http_request"] = document["input"].clone();
    let mut asked = query(
        "getaddrinfo",
        "ANY",
        json!("dns_nxdomain_error"),
        json!(null),
    );
    asked["hostname"] = json!("xn--e1afmkfd.example");
    document["test_keys"]["queries"] = json!([asked]);
    let seen = converted(document);
    assert_eq!(seen.measurement.target, "http://xn--e1afmkfd.example/");
    assert_eq!(judged(&seen).mechanism, Some(Mechanism::DnsNxDomain));
}

#[test]
fn hostile_sizes_are_cut() {
    let page = json!({
        "code": 200, "body": "x".repeat(100_000),
        "headers": (0..80).map(|n| (format!("x-{n}"), json!("v".repeat(3000)))).collect::<serde_json::Map<_, _>>(),
    });
    let many = |n: usize, one: Value| json!(vec![one; n]);
    let answers: Vec<Value> = (0..300u16)
        .map(|n| a(&format!("20.1.{}.{}", n / 256, n % 256))[0].clone())
        .collect();
    let seen = with(&[
        (
            "requests",
            many(30, request("http://news.example/", 2, page)),
        ),
        (
            "queries",
            many(
                600,
                query("getaddrinfo", "ANY", json!(null), json!(answers)),
            ),
        ),
        ("tls_handshakes", many(600, shake(json!(null)))),
    ]);
    assert!(seen.measurement.limits.contains(&Limit::Cap));
    assert!(to_cbor(&seen.measurement).len() < crate::ingest::MAX_BATCH);
    assert!(seen.measurement.observations.len() < 2000);
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_point_nowhere(
        damages in prop::collection::vec((prop::collection::vec(0usize..12, 1..7), any::<u8>()), 1..6)
    ) {
        let mut document = empty();
        let hop = json!({ "code": 301, "body": "", "headers": { "Location": "/x" } });
        document["test_keys"]["queries"] = json!([
            query("getaddrinfo", "ANY", json!(null), a("20.1.0.1")),
            query("udp", "A", json!("dns_nxdomain_error"), json!(null)),
        ]);
        document["test_keys"]["x_dns_duplicate_responses"] =
            json!([query("udp", "A", json!(null), a("21.9.0.9"))]);
        document["test_keys"]["tls_handshakes"] = json!([shake(json!("connection_reset"))]);
        document["test_keys"]["requests"] = json!([request("https://news.example/", 2, hop)]);
        for (path, kind) in damages {
            super::super::tests::damage(&mut document, &path, kind);
        }
        if let Ok(converted) = convert(&Document::new(&document), &|_| None) {
            let own = converted.measurement.observations.len();
            let there = converted.control.as_ref().map_or(0, |c| c.observations.len());
            for reason in judged(&converted).reasons {
                prop_assert!(reason.observations.iter().all(|at| usize::from(*at) < own));
                prop_assert!(reason.control.iter().all(|at| usize::from(*at) < there));
            }
        }
    }
}
