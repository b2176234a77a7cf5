//! How does one QUIC connection go, from the first Initial to a status?
//!
//! `quinn-proto` is the protocol without sockets and clocks (decision 27): datagrams and time
//! come from the probe's own traits, so virtual time needs no real time to pass. What came is
//! noted below the library, since a Version Negotiation packet says more than that it failed.

use super::super::handshake::{kept, prepare};
use super::super::{fetch::USER_AGENT, run::Run};
use super::http3::{self, Answer};
use crate::net::{Clock, Datagram, Flow, Network, at_layer, origin};
use bytes::{Bytes, BytesMut};
use faultline_core::{
    failure::{Failure, Layer},
    observation::{
        AddressSource, HandshakeRole, HandshakeStage, Observation, Quic, Step, Validity,
    },
    time::Duration,
    value::Ip,
    wire::quic::{GREASE, Long, SMALLEST, V1, grease},
};
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event, StreamId, TransportConfig, VarInt, crypto::rustls::QuicClientConfig,
};
use rustls_pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;

/// Versions kept of a Version Negotiation packet.
const VERSIONS: usize = 16;
/// Octets of a response that are waited for, and of its stream that the peer may send unasked.
const WINDOW: u32 = 16 << 10;
/// After so long a datagram of another version is sent again.
const AGAIN: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// A connection to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) to: SocketAddr,
    pub(super) source: AddressSource,
    /// A name, sent in SNI, or an address, which is not.
    pub(super) server: &'a str,
    pub(super) role: HandshakeRole,
    /// The page that is asked for once the handshake is complete.
    pub(super) page: Option<&'a Url>,
}

impl Call<'_> {
    fn fact(&self, version: u32) -> Quic {
        Quic {
            ip: Ip(self.to.ip()),
            port: self.to.port(),
            source: self.source,
            server_name: None,
            role: self.role,
            stage: HandshakeStage::Connected,
            version,
            versions: Vec::new(),
            sent: 0,
            received: 0,
            alpn: None,
            chain: Vec::new(),
            certificate: None,
            close: None,
            status: None,
            answered: None,
        }
    }
}

/// One handshake of version 1 and, where it comes to its end, one request.
pub(super) async fn dial<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    call: &Call<'_>,
) -> Observation {
    shake_hands(run, call, http3::ALPN).await.0
}

/// One handshake of version 1 with some protocol; where it comes to its end with a valid
/// certificate, the connection is left open to the caller.
pub(super) async fn shake_hands<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    call: &Call<'_>,
    alpn: &[u8],
) -> (Observation, Option<Box<Talk>>) {
    let started = run.elapsed();
    let mut fact = call.fact(V1);
    let bare = call.server.trim_matches(['[', ']']).to_owned();
    let prepared = ServerName::try_from(bare.clone()).ok().and_then(|name| {
        let (config, recorder) = prepare(run, name.clone(), alpn)?;
        Some((config, recorder, name))
    });
    let Some((config, recorder, name)) = prepared else {
        let step = Step::Quic(fact);
        return (run.ended(started, step, Some(Failure::LocalError)), None);
    };
    if let ServerName::DnsName(dns) = &name {
        fact.server_name = Some(dns.as_ref().to_owned());
    }
    let talk = match run.world.net.flow(call.to).await {
        Ok(flow) => Talk::new(run, flow, config, call.to, &bare),
        Err(error) => Err(at_layer(&error, Layer::Quic)),
    };
    let mut talk = match talk {
        Ok(talk) => talk,
        Err(failure) => return (run.ended(started, Step::Quic(fact), Some(failure)), None),
    };
    let patience = run.plan.timeouts.quic;
    let in_time = run.within(patience, talk.shake(run)).await.is_some();
    let mut failure = match (talk.connected, &talk.lost) {
        (true, _) => None,
        (false, Some(lost)) => Some(broken(lost)),
        (false, None) => talk.refused.or((!in_time).then_some(Failure::QuicTimeout)),
    };
    fact.stage = if talk.connected {
        HandshakeStage::Complete
    } else if talk.connection.stats().frame_rx.crypto > 0 {
        HandshakeStage::ServerHello
    } else {
        HandshakeStage::HelloSent
    };
    fact.close = talk.lost.as_ref().and_then(close);
    if talk.connected {
        fact.alpn = talk.protocol();
        if let Some(page) = call.page.filter(|_| fact.alpn.as_deref() == Some("h3")) {
            let patience = run.plan.timeouts.http;
            let status = run.within(patience, talk.request(run, page)).await;
            fact.status = status.flatten();
        }
    }
    fact.versions.clone_from(&talk.versions);
    (fact.sent, fact.received) = (talk.sent, talk.received);
    fact.answered = talk.answered.map(|at| at.saturating_sub(started));
    let shown = recorder.shown();
    let valid = matches!(shown.validity, Some(Validity { failure: None }));
    let wrong = shown.validity.as_ref().and_then(|v| v.failure);
    fact.certificate.clone_from(&shown.validity);
    if !valid {
        fact.chain = kept(run, shown.chain);
    }
    // The neutral name is not the server's: that its certificate does not fit is expected.
    if call.role != HandshakeRole::NeutralName {
        failure = failure.or(wrong);
    }
    let connected = talk.connected;
    let seen = run.ended(started, Step::Quic(fact), failure);
    if connected && valid && alpn != http3::ALPN {
        return (seen, Some(talk));
    }
    if connected {
        talk.hang_up(run, http3::NO_ERROR);
    }
    (seen, None)
}

/// Whether anybody answers a datagram of a version that nobody speaks (RFC 9000 section 6.1).
pub(super) async fn other_version<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    call: &Call<'_>,
) -> Observation {
    let started = run.elapsed();
    let mut fact = call.fact(GREASE);
    let mut payload = Box::new([0; SMALLEST]);
    run.world.entropy.borrow_mut().fill(&mut payload[..]);
    grease(&mut payload, &run.random());
    let mut failure = Some(Failure::QuicTimeout);
    match run.world.net.flow(call.to).await {
        Err(error) => failure = Some(at_layer(&error, Layer::Quic)),
        Ok(mut flow) => {
            for patience in AGAIN {
                run.traffic.add_sent(payload.len() + headers(call.to));
                fact.sent += u32::from(flow.send(&payload[..]).is_ok());
                fact.stage = HandshakeStage::HelloSent;
                let waiting = poll_fn(|cx| flow.poll_receive(cx));
                match run.within(patience, waiting).await {
                    Some(Ok(datagram)) => {
                        run.traffic
                            .add_received(datagram.payload.len() + headers(call.to));
                        fact.received += 1;
                        fact.answered = Some(run.elapsed() - started);
                        fact.versions = versions(&datagram.payload);
                        failure = None;
                        break;
                    }
                    Some(Err(error)) => failure = Some(at_layer(&error, Layer::Quic)),
                    None => {}
                }
            }
        }
    }
    run.ended(started, Step::Quic(fact), failure)
}

/// A connection and the flow that carries it.
pub(super) struct Talk {
    flow: Box<dyn Flow>,
    to: SocketAddr,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    connection: Connection,
    origin: std::time::Instant,
    sent: u32,
    received: u32,
    answered: Option<u64>,
    versions: Vec<u32>,
    connected: bool,
    lost: Option<ConnectionError>,
    /// What ICMP said. It may be forged, like any datagram: the answer may still come.
    refused: Option<Failure>,
}

impl Talk {
    fn new<N: Network, C: Clock>(
        run: &Run<'_, N, C>,
        flow: Box<dyn Flow>,
        config: rustls::ClientConfig,
        to: SocketAddr,
        server: &str,
    ) -> Result<Box<Self>, Failure> {
        let local = |_| Failure::LocalError;
        let crypto = QuicClientConfig::try_from(config).map_err(|_| Failure::LocalError)?;
        let mut transport = TransportConfig::default();
        transport
            .mtu_discovery_config(None)
            .stream_receive_window(WINDOW.into())
            .receive_window((2 * WINDOW).into())
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None);
        let mut client = ClientConfig::new(Arc::new(crypto));
        client.transport_config(Arc::new(transport));
        let settings = Arc::new(EndpointConfig::default());
        let mut endpoint = Endpoint::new(settings, None, false, Some(run.random()));
        let origin = origin();
        let now = origin
            + run
                .world
                .clock
                .now()
                .since(faultline_core::time::Instant(0));
        let (handle, connection) = endpoint.connect(now, client, to, server).map_err(local)?;
        // On the heap: a connection is as large as all that may wait for it.
        Ok(Box::new(Self {
            flow,
            to,
            endpoint,
            handle,
            connection,
            origin,
            sent: 0,
            received: 0,
            answered: None,
            versions: Vec::new(),
            connected: false,
            lost: None,
            refused: None,
        }))
    }

    /// Until the handshake is complete or given up.
    async fn shake<N: Network, C: Clock>(&mut self, run: &Run<'_, N, C>) {
        while !self.connected && self.lost.is_none() {
            self.step(run).await;
        }
    }

    /// One GET; `None` where no status came back.
    async fn request<N: Network, C: Clock>(
        &mut self,
        run: &Run<'_, N, C>,
        page: &Url,
    ) -> Option<u16> {
        let control = self.connection.streams().open(Dir::Uni)?;
        let stream = self.connection.streams().open(Dir::Bi)?;
        let written = self.connection.send_stream(control).write(http3::CONTROL);
        written.ok()?;
        let request = http3::request(page, USER_AGENT);
        let mut sending = self.connection.send_stream(stream);
        // A URL that does not fit into the peer's first window is no page of ours.
        (sending.write(&request).ok()? == request.len()).then_some(())?;
        sending.finish().ok()?;
        let mut response = Vec::new();
        loop {
            self.step(run).await;
            let ended = self.read(stream, &mut response);
            match http3::answer(&response) {
                Answer::Status(status) => return Some(status),
                Answer::Malformed => return None,
                Answer::Unknown if ended || self.lost.is_some() => return None,
                Answer::Unknown => {}
            }
        }
    }

    /// What has come of a stream; whether it is over.
    fn read(&mut self, stream: StreamId, into: &mut Vec<u8>) -> bool {
        let mut receiving = self.connection.recv_stream(stream);
        let Ok(mut chunks) = receiving.read(true) else {
            return true;
        };
        let ended = loop {
            match chunks.next(WINDOW as usize) {
                Ok(Some(chunk)) => into.extend_from_slice(&chunk.bytes),
                Ok(None) => break true,
                Err(error) => break error != quinn_proto::ReadError::Blocked,
            }
        };
        let _ = chunks.finalize();
        ended || into.len() > WINDOW as usize
    }

    /// One message and the answer to it, on a stream of their own; `None` where the stream or
    /// the connection ends without one.
    pub(super) async fn exchange<N: Network, C: Clock>(
        &mut self,
        run: &Run<'_, N, C>,
        message: &[u8],
    ) -> Option<Vec<u8>> {
        let stream = self.connection.streams().open(Dir::Bi)?;
        let mut sending = self.connection.send_stream(stream);
        (sending.write(message).ok()? == message.len()).then_some(())?;
        sending.finish().ok()?;
        let mut answer = Vec::new();
        loop {
            self.step(run).await;
            let ended = self.read(stream, &mut answer);
            if ended || self.lost.is_some() {
                return (!answer.is_empty()).then_some(answer);
            }
        }
    }

    pub(super) fn hang_up<N: Network, C: Clock>(&mut self, run: &Run<'_, N, C>, code: u32) {
        let now = self.now(run);
        let code = VarInt::from_u32(code);
        self.connection.close(now, code, Bytes::new());
        self.send(run);
    }

    fn protocol(&self) -> Option<String> {
        let data = self.connection.crypto_session().handshake_data()?;
        let data = data
            .downcast::<quinn_proto::crypto::rustls::HandshakeData>()
            .ok()?;
        Some(String::from_utf8_lossy(&data.protocol?).into_owned())
    }

    /// Sends what is due, then waits for a datagram or for the connection's next deadline.
    async fn step<N: Network, C: Clock>(&mut self, run: &Run<'_, N, C>) {
        self.send(run);
        self.hear();
        if self.lost.is_some() {
            return;
        }
        let now = self.now(run);
        let deadline = self.connection.poll_timeout();
        let due = async {
            match deadline {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    run.world.clock.sleep(wait).await;
                }
                None => std::future::pending().await,
            }
        };
        let came = tokio::select! {
            biased;
            came = poll_fn(|cx| self.flow.poll_receive(cx)) => Some(came),
            () = due => None,
        };
        match came {
            Some(Ok(datagram)) => self.take(run, datagram),
            Some(Err(error)) => self.complain(&error),
            None => {
                let now = self.now(run);
                self.connection.handle_timeout(now);
            }
        }
        self.hear();
    }

    fn send<N: Network, C: Clock>(&mut self, run: &Run<'_, N, C>) {
        let mut buffer = Vec::new();
        loop {
            let now = self.now(run);
            self.events();
            buffer.clear();
            let Some(transmit) = self.connection.poll_transmit(now, 1, &mut buffer) else {
                return;
            };
            let datagram = buffer.get(..transmit.size).unwrap_or_default();
            run.traffic.add_sent(datagram.len() + headers(self.to));
            self.sent += 1;
            // What cannot leave is lost like any datagram, and the protocol sends it again.
            if let Err(error) = self.flow.send(datagram)
                && error.kind() != io::ErrorKind::WouldBlock
            {
                self.complain(&error);
            }
        }
    }

    fn take<N: Network, C: Clock>(&mut self, run: &Run<'_, N, C>, datagram: Datagram) {
        let Datagram { from, payload, .. } = datagram;
        run.traffic.add_received(payload.len() + headers(self.to));
        self.received += 1;
        self.answered.get_or_insert(run.elapsed());
        if self.versions.is_empty() {
            self.versions = versions(&payload);
        }
        let now = self.now(run);
        let data = BytesMut::from(&payload[..]);
        let mut reply = Vec::new();
        let event = (self.endpoint).handle(now, from, None, None, data, &mut reply);
        if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
            self.connection.handle_event(event);
        }
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.connection.handle_event(event);
            }
        }
    }

    fn hear(&mut self) {
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::ConnectionLost { reason } => self.lost = Some(reason),
                _ => {}
            }
        }
    }

    fn complain(&mut self, error: &io::Error) {
        self.refused.get_or_insert(at_layer(error, Layer::Quic));
    }

    fn now<N: Network, C: Clock>(&self, run: &Run<'_, N, C>) -> std::time::Instant {
        self.origin
            + run
                .world
                .clock
                .now()
                .since(faultline_core::time::Instant(0))
    }
}

/// Header octets of a datagram (RFC 791, RFC 8200, RFC 768).
fn headers(to: SocketAddr) -> usize {
    if to.is_ipv6() { 48 } else { 28 }
}

fn versions(datagram: &[u8]) -> Vec<u32> {
    let long = Long::parse(datagram);
    long.iter()
        .flat_map(Long::versions)
        .take(VERSIONS)
        .collect()
}

/// Why the library gave up.
fn broken(lost: &ConnectionError) -> Failure {
    match lost {
        ConnectionError::VersionMismatch => Failure::QuicVersion,
        ConnectionError::Reset => Failure::QuicReset,
        ConnectionError::TimedOut => Failure::QuicTimeout,
        ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
            alert @ 0x100..=0x1ff => Failure::TlsAlert(alert as u8),
            _ => Failure::QuicClosed,
        },
        ConnectionError::ApplicationClosed(_) => Failure::QuicClosed,
        ConnectionError::TransportError(_) => Failure::QuicMalformed,
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => Failure::LocalError,
    }
}

fn close(lost: &ConnectionError) -> Option<u64> {
    match lost {
        ConnectionError::ConnectionClosed(close) => Some(close.error_code.into()),
        ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
        _ => None,
    }
}
