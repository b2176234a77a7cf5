//! Does a document of ours read back as what was measured? Measurements of every shape that the
//! format has words for are written, read by the importer, and compared; what the format has no
//! word for is named here, field by field, and nothing else may differ.

use super::{Scene, document};
use crate::import::ooni::{Document, convert};
use faultline_core::{
    failure::Failure,
    id::{Asn, Country, MeasurementId, ProbeId},
    measurement::{ControlReport, Driver, Experiment, Measurement},
    observation::{
        AddressSource, Connect, DnsTransport, Fetch, Handshake, HandshakeRole, HandshakeStage,
        Header, Lookup, Observation, Reply, ResolverRole, Step, Validity,
    },
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

const HOST: &str = "news.example";
const URL: &str = "https://news.example/";

fn ip(last: u8) -> Ip {
    Ip(IpAddr::V4(Ipv4Addr::new(20, 1, 0, last)))
}

fn measurement(observations: Vec<Observation>) -> Measurement {
    Measurement {
        id: MeasurementId([7; 16]),
        experiment: Experiment::Web,
        target: URL.into(),
        started: UnixTime::from_secs(1_790_000_000),
        clock: ClockQuality::Rtc,
        runtime: 1_234_567,
        software: "faultline-probe 0.1.0".into(),
        driver: Driver::Sockets,
        limits: Vec::new(),
        bytes_sent: 0,
        bytes_received: 0,
        network: None,
        control: None,
        settings: Vec::new(),
        consent: 0,
        observations,
        imported: None,
    }
}

fn reply(after: u64, addresses: Vec<Ip>, ttl: Option<u32>) -> Reply {
    Reply {
        after,
        from: None,
        rcode: 0,
        flags: 0,
        ttl: ttl.filter(|_| !addresses.is_empty()),
        addresses,
        aliases: Vec::new(),
        edns: false,
        failure: None,
        case_echoed: None,
        raw: None,
        hop_limit: None,
    }
}

/// Names that were asked for: by whom, how, with what end.
fn lookup() -> impl Strategy<Value = (Step, Option<Failure>, Option<u64>)> {
    let how = prop_oneof![
        Just((ResolverRole::System, DnsTransport::System)),
        Just((ResolverRole::Network, DnsTransport::Udp)),
        Just((ResolverRole::NonResolver, DnsTransport::Udp)),
        Just((ResolverRole::NonResolverInside, DnsTransport::Udp)),
        Just((ResolverRole::NonResolverAbroad, DnsTransport::Udp)),
        Just((ResolverRole::Public, DnsTransport::Udp)),
        Just((ResolverRole::Public, DnsTransport::Tcp)),
        Just((ResolverRole::Encrypted, DnsTransport::Tls)),
        Just((ResolverRole::Encrypted, DnsTransport::Https)),
        Just((ResolverRole::Encrypted, DnsTransport::Quic)),
    ];
    let end = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Failure::DnsNxDomain)),
        1 => Just(Some(Failure::DnsServFail)),
        1 => Just(Some(Failure::DnsRefused)),
        1 => Just(Some(Failure::DnsTimeout)),
    ];
    let replies = prop::collection::vec(
        (
            1u64..900_000,
            prop::collection::vec(1u8..250, 1..4),
            prop::option::of(0u32..9999),
        ),
        1..4,
    );
    (how, end, replies, prop::option::of("[a-z]{1,9}\\.example")).prop_map(
        |((role, transport), end, replies, alias)| {
            let mut replies: Vec<Reply> = replies
                .into_iter()
                .map(|(after, ips, ttl)| reply(after, ips.into_iter().map(ip).collect(), ttl))
                .collect();
            if transport == DnsTransport::System {
                replies.truncate(1);
            }
            if let (Some(alias), Some(first)) = (alias, replies.first_mut()) {
                first.aliases.push(alias);
            }
            if let Some(end) = end {
                // Who refuses speaks, who is silent does not, and the system does not say who.
                replies = match end {
                    Failure::DnsTimeout => Vec::new(),
                    _ if transport == DnsTransport::System => Vec::new(),
                    end => vec![Reply {
                        rcode: match end {
                            Failure::DnsNxDomain => 3,
                            Failure::DnsServFail => 2,
                            _ => 5,
                        },
                        ..reply(77, Vec::new(), None)
                    }],
                };
            }
            let encrypted = role == ResolverRole::Encrypted;
            let after = replies.first().map(|reply| reply.after);
            let step = Step::Lookup(Lookup {
                name: HOST.into(),
                rtype: 1,
                role,
                transport,
                resolver: (transport != DnsTransport::System && !encrypted).then(|| ip(253)),
                resolver_name: encrypted.then(|| "dns.example".into()),
                replies,
                watched: 0,
                attempt: 0,
            });
            (step, end, after)
        },
    )
}

fn connect() -> impl Strategy<Value = (Step, Option<Failure>, Option<u64>)> {
    let end = prop::sample::select(vec![
        None,
        None,
        Some(Failure::TcpRefused),
        Some(Failure::TcpReset),
        Some(Failure::TcpTimeout),
        Some(Failure::HostUnreachable),
        Some(Failure::NetworkUnreachable),
    ]);
    (1u8..250, end).prop_map(|(last, end)| {
        let step = Step::Connect(Connect {
            ip: ip(last),
            port: 443,
            source: AddressSource::Probe,
        });
        (step, end, None)
    })
}

fn handshake() -> impl Strategy<Value = (Step, Option<Failure>, Option<u64>)> {
    let end = prop::sample::select(vec![
        None,
        None,
        Some(Failure::TlsReset),
        Some(Failure::TlsEof),
        Some(Failure::TlsTimeout),
        Some(Failure::CertName),
        Some(Failure::CertChain),
        Some(Failure::CertInvalid),
    ]);
    let cipher = prop::sample::select(vec![0x1301u16, 0x1302, 0x1303, 0xc02b]);
    (1u8..250, end, cipher, any::<bool>()).prop_map(|(last, end, cipher, chain)| {
        let wrong = end.filter(|f| {
            matches!(
                f,
                Failure::CertName | Failure::CertChain | Failure::CertInvalid
            )
        });
        let complete = end.is_none();
        let chain = if complete || wrong.is_some() || chain {
            vec![Blob(vec![0x30, 0x03, 1, 2, last])]
        } else {
            Vec::new()
        };
        let step = Step::Handshake(Handshake {
            ip: ip(last),
            port: 443,
            server_name: Some(HOST.into()),
            role: HandshakeRole::Target,
            stage: match end {
                None => HandshakeStage::Complete,
                Some(_) if !chain.is_empty() => HandshakeStage::ServerHello,
                Some(_) => HandshakeStage::HelloSent,
            },
            version: complete.then_some(0x0304),
            cipher: complete.then_some(cipher),
            alpn: complete.then(|| "h2".into()),
            certificate: (complete || wrong.is_some()).then_some(Validity { failure: wrong }),
            chain,
            first_bytes: None,
            hop_limit: None,
        });
        (step, end, None)
    })
}

fn fetch(depth: u8) -> impl Strategy<Value = (Step, Option<Failure>, Option<u64>)> {
    let end = prop::sample::select(vec![
        None,
        None,
        None,
        Some(Failure::HttpReset),
        Some(Failure::HttpEof),
        Some(Failure::HttpTimeout),
    ]);
    let status = prop::sample::select(vec![200u16, 302, 403, 451]);
    (1u8..250, end, status, "[a-z]{1,8}").prop_map(move |(last, end, status, word)| {
        let status = end.is_none().then_some(status);
        let location = status
            .filter(|s| s / 100 == 3)
            .map(|_| format!("https://{word}.example/"));
        let mut headers = Vec::new();
        if status.is_some() {
            headers.push(Header {
                name: "Server".into(),
                value: word,
            });
        }
        if let Some(location) = &location {
            headers.push(Header {
                name: "Location".into(),
                value: location.clone(),
            });
        }
        let nothing = Blob(Sha256::digest([]).to_vec());
        let step = Step::Fetch(Fetch {
            url: URL.into(),
            ip: ip(last),
            port: 443,
            depth,
            status,
            headers,
            body_length: 0,
            body_truncated: status.is_some(),
            body_sha256: status.map(|_| nothing),
            body: status.map(|_| Blob(Vec::new())),
            title: None,
            location,
            // By its handshake: there is none in this transaction.
            authenticated: false,
        });
        (step, end, None)
    })
}

/// Steps in the order in which lists keep them.
fn steps() -> impl Strategy<Value = Vec<Observation>> {
    let lists = (
        prop::collection::vec(lookup(), 0..5),
        prop::collection::vec(connect(), 0..4),
        prop::collection::vec(handshake(), 0..4),
        (prop::option::of(fetch(0)), prop::option::of(fetch(1))),
        prop::collection::vec((0u64..5_000_000, 0u64..5_000_000), 16..17),
    );
    lists.prop_map(|(lookups, connects, shakes, (first, second), times)| {
        let all = lookups
            .into_iter()
            .chain(connects)
            .chain(shakes)
            .chain(first)
            .chain(second);
        all.zip(times)
            .map(|((step, failure, after), (started, lasted))| Observation {
                started,
                // A query is over with its first reply: later ones have times of their own.
                ended: started + after.unwrap_or(lasted),
                step,
                failure,
            })
            .collect()
    })
}

fn written(m: &Measurement, control: Option<&ControlReport>) -> serde_json::Value {
    document(&Scene {
        measurement: m,
        control,
        country: Country::new("XA").unwrap(),
        asn: Asn(64_500),
        networks: &BTreeMap::from([(ip(9).0, Asn(64_501))]),
        key: &[1; 32],
        simulated: true,
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(steps in steps()) {
        let m = measurement(steps);
        let value = written(&m, None);
        // Over the wire, too.
        let text = serde_json::to_string(&value).unwrap();
        let read = convert(&Document::parse(&text).unwrap(), &|_| None).unwrap();
        prop_assert_eq!(&read.measurement.observations, &m.observations);
        prop_assert_eq!(read.measurement.started, m.started);
        prop_assert_eq!(read.measurement.runtime, m.runtime);
        prop_assert_eq!(&read.measurement.target, &m.target);
        prop_assert_eq!((read.country.as_str(), read.asn), ("XA", Asn(64_500)));
        prop_assert!(read.control.is_none());
    }
}

/// What else a measurement holds, and what becomes of it.
#[test]
fn what_the_format_has_no_word_for_is_left_out() {
    let fetch = Step::Fetch(Fetch {
        url: URL.into(),
        ip: ip(1),
        port: 443,
        depth: 0,
        status: Some(200),
        headers: vec![Header {
            name: "X-Client-IP".into(),
            value: "192.0.2.7".into(),
        }],
        body_length: 9_000,
        body_truncated: false,
        body_sha256: Some(Blob(vec![1; 32])),
        body: Some(Blob(b"<title>192.0.2.7</title>".to_vec())),
        title: Some("192.0.2.7".into()),
        location: None,
        authenticated: true,
    });
    let other = Step::Handshake(Handshake {
        ip: ip(1),
        port: 443,
        server_name: Some("neutral.example".into()),
        role: HandshakeRole::NeutralName,
        stage: HandshakeStage::HelloSent,
        version: None,
        cipher: None,
        alpn: None,
        chain: Vec::new(),
        certificate: None,
        first_bytes: Some(Blob(vec![1])),
        hop_limit: None,
    });
    let seen = |step| Observation {
        started: 5,
        ended: 9,
        step,
        failure: None,
    };
    let m = measurement(vec![seen(fetch), seen(other)]);
    let value = written(&m, None);
    let text = value.to_string();
    for secret in [
        "192.0.2.7",
        "neutral.example",
        &m.id.to_string(),
        &ProbeId([7; 16]).to_string(),
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(value["test_keys"]["requests"][0]["response"]["body"], "");
    assert_eq!(
        value["test_keys"]["requests"][0]["response"]["body_is_truncated"],
        true
    );
    assert_eq!(value["test_keys"]["tls_handshakes"], serde_json::json!([]));
}

#[test]
fn a_document_has_what_the_data_format_asks_for() {
    let m = measurement(Vec::new());
    let value = written(&m, None);
    for (field, kind) in [
        ("annotations", "object"),
        ("data_format_version", "string"),
        ("input", "string"),
        ("input_hashes", "array"),
        ("measurement_start_time", "string"),
        ("options", "array"),
        ("probe_asn", "string"),
        ("probe_cc", "string"),
        ("probe_ip", "string"),
        ("report_id", "string"),
        ("software_name", "string"),
        ("software_version", "string"),
        ("test_helpers", "object"),
        ("test_keys", "object"),
        ("test_name", "string"),
        ("test_runtime", "number"),
        ("test_start_time", "string"),
        ("test_version", "string"),
    ] {
        let is = match &value[field] {
            serde_json::Value::Object(_) => "object",
            serde_json::Value::Array(_) => "array",
            serde_json::Value::String(_) => "string",
            serde_json::Value::Number(_) => "number",
            _ => "nothing",
        };
        assert_eq!(is, kind, "{field}");
    }
    assert_eq!(
        (&value["data_format_version"], &value["probe_ip"]),
        (&"0.2.0".into(), &"127.0.0.1".into())
    );
    assert_eq!(value["software_name"], "faultline");
    assert_eq!(value["annotations"]["simulated"], "true");
    // Six parts, as their collector reads it back.
    let report = value["report_id"].as_str().unwrap();
    let parts: Vec<&str> = report.split('_').collect();
    assert_eq!(
        (parts.len(), &parts[1..5]),
        (6, &["webconnectivity", "XA", "64500", "n1"][..])
    );
    assert_eq!(parts[0].len(), "20260921T142640Z".len());
    // Verdict keys are there, by OONI's rules.
    for key in [
        "blocking",
        "accessible",
        "dns_consistency",
        "x_blocking_flags",
        "control_failure",
    ] {
        assert!(value["test_keys"].get(key).is_some(), "{key}");
    }
    // Another release, another name.
    let other = document(&Scene {
        measurement: &m,
        control: None,
        country: Country::UNKNOWN,
        asn: Asn(1),
        networks: &BTreeMap::new(),
        key: &[2; 32],
        simulated: false,
    });
    assert_ne!(
        other["report_id"].as_str().unwrap().split('_').next_back(),
        parts.last().copied()
    );
}

#[test]
fn the_control_reads_back_as_a_test_helper() {
    let seen = |step, failure| Observation {
        started: 0,
        ended: 0,
        step,
        failure,
    };
    let lookup = Step::Lookup(Lookup {
        name: HOST.into(),
        rtype: 1,
        role: ResolverRole::Helper,
        transport: DnsTransport::System,
        resolver: None,
        resolver_name: None,
        replies: vec![reply(0, vec![ip(1), ip(2)], None)],
        watched: 0,
        attempt: 0,
    });
    let connect = Step::Connect(Connect {
        ip: ip(1),
        port: 443,
        source: AddressSource::Control,
    });
    let fetch = Step::Fetch(Fetch {
        url: URL.into(),
        ip: ip(1),
        port: 443,
        depth: 0,
        status: Some(200),
        headers: vec![Header {
            name: "Server".into(),
            value: "x".into(),
        }],
        body_length: 1234,
        body_truncated: false,
        body_sha256: None,
        body: None,
        title: Some("News of the day".into()),
        location: None,
        authenticated: true,
    });
    let m = measurement(Vec::new());
    let report = ControlReport {
        target: URL.into(),
        taken: m.started,
        vantage: "ZZ".into(),
        observations: vec![
            seen(lookup.clone(), None),
            seen(connect.clone(), None),
            seen(fetch, None),
        ],
    };
    let value = written(&m, Some(&report));
    assert_eq!(
        value["test_keys"]["control_failure"],
        serde_json::Value::Null
    );
    let read = convert(&Document::new(&value), &|_| None).unwrap();
    let read = read.control.unwrap();
    assert_eq!(read.observations[0].step, lookup);
    assert_eq!(read.observations[1].step, connect);
    let Step::Fetch(page) = &read.observations[2].step else {
        panic!("{read:?}")
    };
    assert_eq!(
        (page.status, page.body_length, page.title.as_deref()),
        (Some(200), 1234, Some("News of the day"))
    );
}
