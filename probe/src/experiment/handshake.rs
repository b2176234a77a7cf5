//! How far does a TLS handshake come, and whose certificate answers?
//!
//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) with SNI (RFC 6066 section 3). The stage is read
//! from the bytes below the library: silence after the ClientHello and a reset after the
//! ServerHello are different boxes. Known false positives: servers that refuse unknown
//! clients with an alert, and certificates that roots of this build do not know.

use super::{run::Run, verifier::Recorder, watch::Watched};
use crate::net::{Clock, Network, at_layer};
use faultline_core::{
    failure::{Failure, Layer},
    measurement::Limit,
    observation::{Handshake, HandshakeRole, HandshakeStage, Observation, Step, Validity},
    value::{Blob, Ip},
};
use rustls::{ClientConfig, client::EchMode};
use rustls_pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Certificates and octets of each that are kept.
const CHAIN_CAP: usize = 8;
const CERTIFICATE_CAP: usize = 8192;

/// A handshake to be made.
pub(super) struct Greeting<'a> {
    pub(super) to: SocketAddr,
    /// A name, sent in SNI, or an address, which is not.
    pub(super) server: &'a str,
    pub(super) role: HandshakeRole,
    pub(super) alpn: &'a [u8],
}

/// What the ClientHello offers beside the name.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// TLS 1.2 and 1.3.
    Usual,
    /// TLS 1.3 alone, and nothing else of what ECH brings.
    Newest,
    /// TLS 1.3 with an ECH extension; the verifier then is told which name to look for.
    Ech(EchMode),
    /// TLS 1.3 without ECH, as long as what another shape gives for this name.
    AsLongAs(String, Box<Shape>),
}

/// What came of it.
pub(super) struct Greeted<S> {
    pub(super) observation: Observation,
    /// Where the handshake is complete, with whatever certificate.
    pub(super) stream: Option<TlsStream<Watched<S>>>,
    /// Complete with a valid certificate.
    pub(super) authenticated: bool,
}

/// Makes one handshake over an open connection.
pub(super) async fn handshake<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    stream: Watched<N::Stream>,
    greeting: &Greeting<'_>,
) -> Greeted<N::Stream> {
    handshake_in(run, stream, greeting, &Shape::Usual).await
}

/// Likewise, by a ClientHello of the caller's shape.
pub(super) async fn handshake_in<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    stream: Watched<N::Stream>,
    greeting: &Greeting<'_>,
    shape: &Shape,
) -> Greeted<N::Stream> {
    let started = run.elapsed();
    let mut fact = Handshake {
        ip: Ip(greeting.to.ip()),
        port: greeting.to.port(),
        server_name: None,
        role: greeting.role,
        stage: HandshakeStage::Connected,
        version: None,
        cipher: None,
        alpn: None,
        chain: Vec::new(),
        certificate: None,
        first_bytes: None,
        hop_limit: None,
    };
    let bare = greeting.server.trim_matches(['[', ']']).to_owned();
    let prepared = ServerName::try_from(bare)
        .ok()
        .and_then(|name| Some((prepare_in(run, name.clone(), greeting.alpn, shape)?, name)));
    let Some(((config, recorder), name)) = prepared else {
        let step = Step::Handshake(fact);
        let observation = run.ended(started, step, Some(Failure::LocalError));
        return Greeted {
            observation,
            stream: None,
            authenticated: false,
        };
    };
    if let ServerName::DnsName(dns) = &name {
        fact.server_name = Some(dns.as_ref().to_owned());
    }

    let seen = stream.seen();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let result = run.within(run.plan.timeouts.tls, connecting).await;
    let (stream, mut failure) = match result {
        Some(Ok(stream)) => (Some(stream), None),
        Some(Err(error)) => (None, Some(broken(&error))),
        None => (None, Some(Failure::TlsTimeout)),
    };
    let seen = seen.borrow().clone();
    fact.stage = match (&stream, seen.sent) {
        (Some(_), _) => HandshakeStage::Complete,
        _ if seen.server_hello() => HandshakeStage::ServerHello,
        (None, true) => HandshakeStage::HelloSent,
        (None, false) => HandshakeStage::Connected,
    };
    if !seen.is_tls() {
        fact.first_bytes = Some(Blob(seen.first));
        if failure == Some(Failure::TlsHandshake) {
            failure = Some(Failure::TlsMalformed);
        }
    }
    if let Some(stream) = &stream {
        let (_, session) = stream.get_ref();
        fact.version = session.protocol_version().map(u16::from);
        fact.cipher = session
            .negotiated_cipher_suite()
            .map(|s| u16::from(s.suite()));
        fact.alpn = session
            .alpn_protocol()
            .map(|p| String::from_utf8_lossy(p).into_owned());
    }
    let shown = recorder.shown();
    fact.chain = kept(run, shown.chain);
    let valid = matches!(shown.validity, Some(Validity { failure: None }));
    let wrong = shown
        .validity
        .as_ref()
        .and_then(|validity| validity.failure);
    fact.certificate = shown.validity;
    let authenticated = stream.is_some() && valid;
    if failure == Some(Failure::TlsEchRejected) {
        // Whoever refuses without proving the visible name may be anybody on the path.
        failure = wrong.or(failure);
    }
    // The neutral name is not the server's: that its certificate does not fit is expected.
    if greeting.role != HandshakeRole::NeutralName {
        failure = failure.or(wrong);
    }
    let observation = run.ended(started, Step::Handshake(fact), failure);
    Greeted {
        observation,
        stream,
        authenticated,
    }
}

/// What is kept of a chain; a limit is noted where something was left out.
pub(super) fn kept<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    chain: Vec<Vec<u8>>,
) -> Vec<Blob> {
    if chain.len() > CHAIN_CAP || chain.iter().any(|der| der.len() > CERTIFICATE_CAP) {
        run.limit(Limit::Cap);
    }
    let capped = chain.into_iter().take(CHAIN_CAP).map(|mut der| {
        der.truncate(CERTIFICATE_CAP);
        Blob(der)
    });
    capped.collect()
}

/// A connector's settings around a verifier that records; `None` where the provider lacks a
/// protocol version, which it does not.
pub(super) fn prepare<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    name: ServerName<'static>,
    alpn: &[u8],
) -> Option<(ClientConfig, Arc<Recorder>)> {
    prepare_in(run, name, alpn, &Shape::Usual)
}

fn prepare_in<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    name: ServerName<'static>,
    alpn: &[u8],
    shape: &Shape,
) -> Option<(ClientConfig, Arc<Recorder>)> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clock = run.world.clock;
    let recorder = Arc::new(Recorder::new(
        Arc::clone(&run.plan.roots),
        Arc::clone(&provider),
        clock.unix(),
        clock.quality(),
    ));
    let builder = ClientConfig::builder_with_provider(provider);
    let versions = match shape {
        Shape::Usual => builder.with_safe_default_protocol_versions(),
        Shape::Ech(mode) => builder.with_ech(mode.clone()),
        _ => builder.with_protocol_versions(&[&rustls::version::TLS13]),
    };
    let mut config = versions
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
        .with_no_client_auth();
    // A resumed session shows no certificates.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![alpn.to_vec()];
    if let Shape::AsLongAs(other, shape) = shape {
        let other = ServerName::try_from(other.clone()).ok()?;
        let (long, _) = prepare_in(run, other.clone(), alpn, shape)?;
        let missing = length(long, other)?.saturating_sub(length(config.clone(), name)?);
        config.alpn_protocols.extend(filler(missing));
    }
    Some((config, recorder))
}

/// Octets of the ClientHello that these settings give.
fn length(config: ClientConfig, name: ServerName<'static>) -> Option<usize> {
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).ok()?;
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).ok()?;
    Some(hello.len())
}

/// Application protocols that nobody speaks, of so many octets with their lengths: padding
/// (RFC 7685) that the library lets us write.
fn filler(mut octets: usize) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    while octets > 1 {
        let part = octets.min(200);
        // A single octet left over would be a name without letters.
        let part = if octets - part == 1 { part - 1 } else { part };
        let mut name = vec![b'-'; part - 1];
        if let Some(last) = name.last_mut() {
            *last = b'a' + (names.len() % 26) as u8;
        }
        names.push(name);
        octets -= part;
    }
    names
}

/// Why the library gave up.
fn broken(error: &io::Error) -> Failure {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::PeerIncompatible(
            rustls::PeerIncompatible::ServerRejectedEncryptedClientHello(_),
        )) => Failure::TlsEchRejected,
        Some(rustls::Error::AlertReceived(alert)) => Failure::TlsAlert(u8::from(*alert)),
        Some(_) => Failure::TlsHandshake,
        None => at_layer(error, Layer::Tls),
    }
}
