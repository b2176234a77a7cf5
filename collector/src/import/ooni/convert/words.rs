//! What do OONI's words mean in ours? Failures (df-007 and the test helper's own), times,
//! cipher suites, versions, record types.

use super::super::tape::Value;
use faultline_core::{
    failure::{Failure, Layer},
    time::UnixTime,
};

/// The reverse of [`Failure::ooni`]. The list that an entry stands in gives the layer; where
/// several of ours share a word, it is the first of the layer. A word that the layer does
/// not have belongs to another one, as when a request failed because its connection did.
pub(super) fn failure(word: &str, layer: Layer) -> Failure {
    let word = match word {
        // The test helper's words, and those of older ones.
        "dns_name_error" => "dns_nxdomain_error",
        "dns_lookup_error" => "dns_non_recoverable_failure",
        "dns_server_failure" => "dns_servfail_error",
        "connection_refused_error" => "connection_refused",
        "timed_out"
        | "tcp_timed_out_error"
        | "deferred_timeout_error"
        | "task_timed_out"
        | "response_never_received" => "generic_timeout_error",
        word => word,
    };
    let of = |wanted: Option<Layer>| {
        (Failure::NAMED.iter().copied()).find(|f| {
            wanted.is_none_or(|layer| f.layer() == layer)
                && f.ooni() == word
                && *f != Failure::LocalError
        })
    };
    // What is wrong with the certificate is not said; 612 and 613 say that it is its dates.
    if word == Failure::CertInvalid.ooni() {
        return Failure::CertInvalid;
    }
    of(Some(layer))
        .or_else(|| of(Some(Layer::Network)))
        .or_else(|| of(Some(Layer::Tcp)))
        .or_else(|| of(None))
        .unwrap_or(Failure::Unknown(u16::MAX))
}

/// Seconds as microseconds; a day at most.
pub(super) fn micros(seconds: Value<'_>) -> u64 {
    // Rounded: of 0.123457 s binary makes a little less.
    (seconds.as_f64().unwrap_or(0.0).clamp(0.0, 86_400.0) * 1e6).round() as u64
}

/// IANA numbers of record types.
const RECORDS: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SVCB", 64),
    ("HTTPS", 65),
];

/// The number of a record type.
pub(super) fn record_type(name: &str) -> Option<u16> {
    let mut all = RECORDS.iter();
    all.find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

/// The name of a record type; of those that OONI never asks for, its number (RFC 3597).
pub(crate) fn record_name(number: u16) -> String {
    let known = RECORDS.iter().find(|(_, known)| *known == number);
    known.map_or_else(|| format!("TYPE{number}"), |(name, _)| (*name).to_owned())
}

/// `TLSv1.3` and its elders; the first name of each number is the one that is written.
const VERSIONS: &[(&str, u16)] = &[
    ("SSLv3", 0x0300),
    ("TLSv1", 0x0301),
    ("TLSv1.0", 0x0301),
    ("TLSv1.1", 0x0302),
    ("TLSv1.2", 0x0303),
    ("TLSv1.3", 0x0304),
];

pub(super) fn version(name: &str) -> Option<u16> {
    let mut all = VERSIONS.iter();
    all.find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

pub(crate) fn version_name(number: u16) -> Option<&'static str> {
    let mut all = VERSIONS.iter();
    all.find(|(_, known)| *known == number)
        .map(|(name, _)| *name)
}

/// The name of a cipher suite, where OONI's clients offer it.
pub(crate) fn cipher_name(number: u16) -> Option<&'static str> {
    let mut all = CIPHERS.iter();
    all.find(|(_, known)| *known == number)
        .map(|(name, _)| *name)
}

/// IANA numbers of the cipher suites that OONI's clients offer.
pub(super) fn cipher(name: &str) -> Option<u16> {
    CIPHERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

const CIPHERS: &[(&str, u16)] = &[
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0x000a),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", 0x002f),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", 0x0035),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", 0x003c),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", 0x009d),
    ("TLS_AES_128_GCM_SHA256", 0x1301),
    ("TLS_AES_256_GCM_SHA384", 0x1302),
    ("TLS_CHACHA20_POLY1305_SHA256", 0x1303),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xc009),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 0xc00a),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", 0xc012),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xc013),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0xc014),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 0xc023),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 0xc027),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xc02c),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xc030),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", 0xcca8),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca8),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", 0xcca9),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca9),
];

/// `2024-02-29 00:00:01`, UTC.
pub(super) fn started(text: &str) -> Option<UnixTime> {
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
    use super::super::super::tape;
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
        for (word, layer, means) in [
            ("connection_reset", Layer::Tcp, Failure::TcpReset),
            ("connection_reset", Layer::Tls, Failure::TlsReset),
            ("connection_reset", Layer::Http, Failure::HttpReset),
            ("generic_timeout_error", Layer::Dns, Failure::DnsTimeout),
            ("generic_timeout_error", Layer::Http, Failure::HttpTimeout),
            ("dns_name_error", Layer::Dns, Failure::DnsNxDomain),
            ("connection_refused", Layer::Http, Failure::TcpRefused),
            ("connection_refused", Layer::Dns, Failure::DnsUnreachable),
            ("dns_nxdomain_error", Layer::Http, Failure::DnsNxDomain),
            ("connection_refused_error", Layer::Tcp, Failure::TcpRefused),
            ("ssl_invalid_hostname", Layer::Tls, Failure::CertName),
            ("ssl_unknown_authority", Layer::Tls, Failure::CertChain),
            ("ssl_invalid_certificate", Layer::Tls, Failure::CertInvalid),
            ("ssl_invalid_certificate", Layer::Http, Failure::CertInvalid),
            ("host_unreachable", Layer::Tcp, Failure::HostUnreachable),
            (
                "unknown_failure: what",
                Layer::Tcp,
                Failure::Unknown(u16::MAX),
            ),
        ] {
            assert_eq!(failure(word, layer), means, "{word}");
        }
    }

    #[test]
    fn offsets_are_bounded() {
        let read = |text: &str| micros(Value::new(&tape::read(text).unwrap()));
        assert_eq!(read("0.5"), 500_000);
        for odd in ["-1.0", "null", "\"x\""] {
            assert_eq!(read(odd), 0);
        }
        assert_eq!(read("1e300"), 86_400_000_000);
    }
}
