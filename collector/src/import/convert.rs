//! What did somebody else's probe see, in our words? OONI's `web_connectivity` documents
//! (df-002, df-006, df-007; ts-017) become measurements. The list that an entry stands in
//! gives the layer of its failure. Steps keep OONI's order within each list. Requests and
//! the test helper's view are not converted: rules that need them stay inconclusive.

use faultline_core::{
    failure::{Failure, Layer},
    id::{Asn, Country, MeasurementId},
    measurement::{Driver, Experiment, Measurement},
    observation::{
        AddressSource, Connect, DnsTransport, Handshake, HandshakeRole, HandshakeStage, Lookup,
        Observation, Reply, ResolverRole, Step,
    },
    time::{ClockQuality, UnixTime},
    value::Ip,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A document in our words, with the place that it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// What was seen.
    pub measurement: Measurement,
    /// `probe_cc`.
    pub country: Country,
    /// `probe_asn`.
    pub asn: Asn,
}

/// Reads an entry of one list.
type Reader = fn(&Value) -> Option<Step>;

/// Converts one document. `None` where it is no `web_connectivity` measurement.
/// The identity follows from the bytes: the same document is the same measurement.
pub fn convert(bytes: &[u8]) -> Option<Converted> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    if text(&document, "test_name")? != "web_connectivity" {
        return None;
    }
    let keys = document.get("test_keys")?;
    let list = |name: &str| keys.get(name).and_then(Value::as_array);
    let mut observations = Vec::new();
    let kinds: [(&str, Layer, Reader); 3] = [
        ("queries", Layer::Dns, lookup),
        ("tcp_connect", Layer::Tcp, connect),
        ("tls_handshakes", Layer::Tls, handshake),
    ];
    for (name, layer, step) in kinds {
        for entry in list(name).into_iter().flatten() {
            if let Some(step) = step(entry) {
                observations.push(observation(entry, step, layer));
            }
        }
    }
    let digest = Sha256::digest(bytes);
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    let asn = text(&document, "probe_asn").and_then(|a| a.strip_prefix("AS")?.parse().ok());
    let country = text(&document, "probe_cc").and_then(Country::new);
    Some(Converted {
        measurement: Measurement {
            id: MeasurementId(id),
            experiment: Experiment::Web,
            target: text(&document, "input")?.to_owned(),
            started: started(text(&document, "measurement_start_time")?)?,
            clock: ClockQuality::Rtc, // what disciplined it is not said
            runtime: micros(document.get("test_runtime")),
            software: format!(
                "ooni {} {}",
                text(&document, "software_name").unwrap_or("unknown"),
                text(&document, "software_version").unwrap_or("unknown"),
            ),
            driver: Driver::Sockets,
            limits: vec![],
            bytes_sent: 0,
            bytes_received: 0,
            network: None,
            control: None,
            settings: vec![],
            consent: 0,
            observations,
        },
        country: country.unwrap_or_default(),
        asn: Asn(asn.unwrap_or(0)),
    })
}

fn observation(entry: &Value, step: Step, layer: Layer) -> Observation {
    let word = text(entry, "failure").or_else(|| {
        entry
            .get("status")
            .and_then(|status| text(status, "failure"))
    });
    let ended = micros(entry.get("t"));
    Observation {
        started: entry.get("t0").map_or(ended, |t| micros(Some(t))),
        ended,
        step,
        failure: word.map(|word| failure(word, layer)),
    }
}

/// The reverse of [`Failure::ooni`] within one layer. Where several of ours share a word,
/// the first of the layer; a word that the layer does not have, in any layer or unknown.
fn failure(word: &str, layer: Layer) -> Failure {
    let of = |wanted: Layer| {
        (Failure::NAMED.iter().copied())
            .find(|f| f.layer() == wanted && f.ooni() == word && *f != Failure::LocalError)
    };
    of(layer)
        .or_else(|| of(Layer::Network))
        .unwrap_or(Failure::Unknown(u16::MAX))
}

fn lookup(entry: &Value) -> Option<Step> {
    let (rtype, field) = match text(entry, "query_type")? {
        "A" => (1, "ipv4"),
        "AAAA" => (28, "ipv6"),
        _ => return None,
    };
    let answers = entry.get("answers").and_then(Value::as_array);
    let mut reply = Reply {
        after: 0,
        from: None,
        rcode: 0,
        flags: 0,
        addresses: vec![],
        aliases: vec![],
        ttl: None,
        edns: false,
        failure: None,
        case_echoed: None,
        raw: None,
        hop_limit: None,
    };
    for answer in answers.into_iter().flatten() {
        reply.addresses.extend(address(answer, field));
        reply
            .aliases
            .extend(text(answer, "hostname").map(str::to_owned));
    }
    let (role, transport) = match text(entry, "engine") {
        Some("udp") => (ResolverRole::Public, DnsTransport::Udp),
        Some("tcp") => (ResolverRole::Public, DnsTransport::Tcp),
        Some("dot") => (ResolverRole::Encrypted, DnsTransport::Tls),
        Some("doh") => (ResolverRole::Encrypted, DnsTransport::Https),
        _ => (ResolverRole::System, DnsTransport::System),
    };
    let answered = !reply.addresses.is_empty() || !reply.aliases.is_empty();
    Some(Step::Lookup(Lookup {
        name: text(entry, "hostname")?.trim_end_matches('.').to_owned(),
        rtype,
        role,
        transport,
        resolver: None,
        resolver_name: None,
        replies: answered.then_some(reply).into_iter().collect(),
        watched: 0,
        attempt: 0,
    }))
}

fn connect(entry: &Value) -> Option<Step> {
    Some(Step::Connect(Connect {
        ip: address(entry, "ip")?,
        port: entry.get("port")?.as_u64()?.try_into().ok()?,
        source: AddressSource::Probe,
    }))
}

fn handshake(entry: &Value) -> Option<Step> {
    let at: std::net::SocketAddr = text(entry, "address")?.parse().ok()?;
    let complete = entry.get("failure").is_some_and(Value::is_null);
    let version = match text(entry, "tls_version") {
        Some("TLSv1.2") => Some(0x0303),
        Some("TLSv1.3") => Some(0x0304),
        _ => None,
    };
    Some(Step::Handshake(Handshake {
        ip: Ip(at.ip()),
        port: at.port(),
        server_name: text(entry, "server_name").map(str::to_owned),
        role: HandshakeRole::Target,
        stage: if complete {
            HandshakeStage::Complete
        } else {
            HandshakeStage::HelloSent
        },
        version,
        cipher: None,
        alpn: text(entry, "negotiated_protocol")
            .filter(|p| !p.is_empty())
            .map(str::to_owned),
        chain: vec![],
        certificate: None,
        first_bytes: None,
    }))
}

fn address(entry: &Value, field: &str) -> Option<Ip> {
    text(entry, field)?.parse().ok().map(Ip)
}
fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}
fn micros(seconds: Option<&Value>) -> u64 {
    (seconds.and_then(Value::as_f64).unwrap_or(0.0).max(0.0) * 1e6) as u64
}

/// `2024-02-29 00:00:01`, UTC.
fn started(text: &str) -> Option<UnixTime> {
    let (date, time) = text.split_once(' ')?;
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let parts: Option<Vec<i64>> = text.split(by).map(|n| n.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let ([y, m, d], [hh, mm, ss]) = (numbers(date, '-')?, numbers(time, ':')?);
    let valid = (1970..=9999).contains(&y)
        && (1..=12).contains(&m)
        && (1..=31).contains(&d)
        && (0..24).contains(&hh)
        && (0..60).contains(&mm)
        && (0..=60).contains(&ss);
    if !valid {
        return None;
    }
    // Years start in March, so that leap days come last.
    let (y, m) = if m > 2 { (y, m - 3) } else { (y - 1, m + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1 - 719_468;
    Some(UnixTime::from_secs(
        days * 86_400 + hh * 3600 + mm * 60 + ss,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_they_print() {
        for t in [
            "1970-01-01 00:00:00",
            "2024-02-29 23:59:59",
            "2026-11-24 03:00:00",
        ] {
            let printed = started(t).unwrap().to_string();
            assert_eq!(printed, format!("{}.000000Z", t.replace(' ', "T")));
        }
        assert_eq!(started("2024-13-01 00:00:00"), None);
    }

    #[test]
    fn a_word_means_what_its_list_says() {
        let word = "connection_reset";
        assert_eq!(failure(word, Layer::Tcp), Failure::TcpReset);
        assert_eq!(failure(word, Layer::Tls), Failure::TlsReset);
        assert_eq!(
            failure("generic_timeout_error", Layer::Dns),
            Failure::DnsTimeout
        );
        assert_eq!(failure("what", Layer::Dns), Failure::Unknown(u16::MAX));
    }

    #[test]
    fn a_document_becomes_a_measurement() {
        let document = br#"{"test_name":"web_connectivity","input":"https://a.example/",
            "probe_cc":"XA","probe_asn":"AS64500","measurement_start_time":"2024-02-29 00:00:01",
            "test_keys":{"queries":[{"hostname":"a.example","query_type":"A","failure":null,
            "answers":[{"answer_type":"A","ipv4":"192.0.2.1"}],"t":0.5}],
            "tcp_connect":[{"ip":"192.0.2.1","port":443,"status":{"failure":"connection_refused"}}],
            "tls_handshakes":[{"address":"nonsense"}]}}"#;
        let converted = convert(document).unwrap();
        assert_eq!(converted.asn, Asn(64_500));
        let seen = &converted.measurement.observations;
        assert_eq!((seen.len(), seen[0].ended), (2, 500_000));
        assert_eq!(seen[1].failure, Some(Failure::TcpRefused));
        assert_eq!(convert(document), Some(converted));
        assert_eq!(convert(b"{}"), None);
    }
}
