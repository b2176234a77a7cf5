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
use rustls::ClientConfig;
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
    };
    let bare = greeting.server.trim_matches(['[', ']']).to_owned();
    let prepared = ServerName::try_from(bare)
        .ok()
        .and_then(|name| Some((prepare(run, name.clone(), greeting.alpn)?, name)));
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clock = run.world.clock;
    let recorder = Arc::new(Recorder::new(
        Arc::clone(&run.plan.roots),
        Arc::clone(&provider),
        name,
        clock.unix(),
        clock.quality(),
    ));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
        .with_no_client_auth();
    // A resumed session shows no certificates.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![alpn.to_vec()];
    Some((config, recorder))
}

/// Why the library gave up.
fn broken(error: &io::Error) -> Failure {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::AlertReceived(alert)) => Failure::TlsAlert(u8::from(*alert)),
        Some(_) => Failure::TlsHandshake,
        None => at_layer(error, Layer::Tls),
    }
}
