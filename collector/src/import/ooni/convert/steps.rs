//! Which addresses were connected to, and how did the handshakes end? `tcp_connect` (df-005)
//! and `tls_handshakes` (df-006).

use super::super::{
    document::{base64, failure, number, text},
    tape::Value,
};
use super::{Scene, clip, observation, words};
use faultline_core::{
    failure::{Failure, Layer},
    observation::{
        Connect, Handshake, HandshakeRole, HandshakeStage, Observation, Step, Validity,
    },
    value::Blob,
};

/// Certificates kept of a chain, and octets of each: as our own probes do.
const CHAIN_CAP: usize = 8;
const CERTIFICATE_CAP: usize = 8192;

pub(super) fn connects(scene: &mut Scene<'_>) -> Vec<Observation> {
    let events = scene.capped(scene.document.list("tcp_connect"));
    let connect = |event: Value<'_>| {
        let (ip, port) = super::endpoint(event)?;
        let word = failure(event.field("status").field("failure"));
        let step = Step::Connect(Connect {
            ip,
            port,
            source: scene.source(ip.0),
        });
        let failed = word.map(|word| words::failure(word, Layer::Tcp));
        Some(observation(event, step, failed))
    };
    events.into_iter().filter_map(connect).collect()
}

pub(super) fn handshakes(scene: &mut Scene<'_>) -> Vec<Observation> {
    let events = scene.capped(scene.document.list("tls_handshakes"));
    let mut seen = Vec::new();
    for event in events {
        let own = super::socket(text(event.field("address")));
        let tied = || {
            let transaction = number(event.field("transaction_id"));
            scene.endpoints.get(&transaction).copied()
        };
        let Some((ip, port)) = own.or_else(tied) else {
            continue;
        };
        let failed =
            failure(event.field("failure")).map(|word| words::failure(word, Layer::Tls));
        let (chain, cut) = chain(event.field("peer_certificates"));
        scene.cut |= cut;
        let step = Step::Handshake(Handshake {
            ip,
            port,
            server_name: named(&super::name(text(event.field("server_name")))),
            role: HandshakeRole::Target,
            stage: stage(failed, &chain),
            version: words::version(text(event.field("tls_version"))),
            cipher: words::cipher(text(event.field("cipher_suite"))),
            alpn: named(text(event.field("negotiated_protocol"))),
            chain,
            certificate: validity(failed, event.field("no_tls_verify").is_true()),
            first_bytes: None,
            hop_limit: None,
        });
        seen.push(observation(event, step, failed));
    }
    seen
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| clip(text, 255))
}

/// OONI verifies as browsers do and gives up where that fails: a handshake that came to its
/// end proves the name, unless verification was switched off.
pub(super) fn validity(failed: Option<Failure>, unverified: bool) -> Option<Validity> {
    match failed {
        None if unverified => None,
        None => Some(Validity { failure: None }),
        Some(wrong) if is_certificate(wrong) => Some(Validity {
            failure: Some(wrong),
        }),
        Some(_) => None,
    }
}

pub(super) fn is_certificate(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::CertName | Failure::CertChain | Failure::CertInvalid
    )
}

/// How far it came, as far as can be told: certificates follow the ServerHello.
pub(super) fn stage(failed: Option<Failure>, chain: &[Blob]) -> HandshakeStage {
    match failed {
        None => HandshakeStage::Complete,
        Some(failure) if is_certificate(failure) || !chain.is_empty() => {
            HandshakeStage::ServerHello
        }
        Some(_) => HandshakeStage::HelloSent,
    }
}

/// Certificates as sent, and whether any were cut.
fn chain(value: Value<'_>) -> (Vec<Blob>, bool) {
    let mut cut = value.items().nth(CHAIN_CAP).is_some();
    let chain = value
        .items()
        .take(CHAIN_CAP)
        .map(|certificate| {
            let data = certificate
                .as_str()
                .unwrap_or(text(certificate.field("data")));
            let mut der = base64(data);
            cut |= der.len() > CERTIFICATE_CAP;
            der.truncate(CERTIFICATE_CAP);
            Blob(der)
        })
        .filter(|der| !der.0.is_empty())
        .collect();
    (chain, cut)
}

/// Which connections ended in a handshake that proved the name.
pub(super) fn proved(scene: &Scene<'_>, transaction: i64) -> bool {
    let shakes = scene.document.list("tls_handshakes");
    let mut own = shakes.filter(|event| number(event.field("transaction_id")) == transaction);
    own.any(|event| {
        failure(event.field("failure")).is_none() && !event.field("no_tls_verify").is_true()
    })
}
