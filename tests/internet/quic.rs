//! Who answers over QUIC? Sites, with HTTP/3 (RFC 9114) as small as it can be.
//!
//! `quinn-proto` without sockets and clocks, as in the probe, so that one server serves in
//! virtual time and on real sockets. It is the library's other half: what the probe's own
//! HTTP/3 says is held against an implementation of others in `probe/tests/http3.rs`.

use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    Event, ServerConfig, StreamEvent, StreamId, Transmit, TransportConfig,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A datagram and to whom.
pub type Sent = (SocketAddr, Vec<u8>);

/// The connections of one host.
pub struct Server {
    endpoint: Endpoint,
    connections: BTreeMap<usize, Connection>,
    service: Service,
}

/// What a host says over a connection.
pub enum Service {
    /// HTTP/3, with one status for every request.
    Pages(u16),
    /// DNS (RFC 9250): an answer to a query, where there is one.
    Names(Reply),
}

/// What is said to a query.
pub type Reply = Box<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send>;

impl Service {
    fn alpn(&self) -> &'static [u8] {
        match self {
            Self::Pages(_) => b"h3",
            Self::Names(_) => b"doq",
        }
    }
}

impl Server {
    /// A server with the certificate of `tls`. `None` where `tls` cannot serve QUIC, which
    /// those of this world can.
    pub fn new(tls: &rustls::ServerConfig, seed: [u8; 32], service: Service) -> Option<Self> {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![service.alpn().to_vec()];
        let crypto = Arc::new(QuicServerConfig::try_from(tls).ok()?);
        let mut config = ServerConfig::with_crypto(crypto);
        let mut transport = TransportConfig::default();
        transport.mtu_discovery_config(None);
        config.transport_config(Arc::new(transport));
        let settings = Arc::new(EndpointConfig::default());
        Some(Self {
            endpoint: Endpoint::new(settings, Some(Arc::new(config)), false, Some(seed)),
            connections: BTreeMap::new(),
            service,
        })
    }

    /// Takes a datagram; what is sent in return.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut buffer = Vec::new();
        let event = (self.endpoint).handle(now, from, None, None, datagram.into(), &mut buffer);
        match event {
            Some(DatagramEvent::ConnectionEvent(ConnectionHandle(at), event)) => {
                if let Some(connection) = self.connections.get_mut(&at) {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                buffer.clear();
                match self.endpoint.accept(incoming, now, &mut buffer, None) {
                    Ok((ConnectionHandle(at), connection)) => {
                        self.connections.insert(at, connection);
                    }
                    Err(error) => {
                        sent.extend(error.response.map(|transmit| taken(&transmit, &buffer)));
                    }
                }
            }
            Some(DatagramEvent::Response(transmit)) => sent.push(taken(&transmit, &buffer)),
            None => {}
        }
        self.work(now, &mut sent);
        sent
    }

    /// When [`Self::due`] wants to be called.
    pub fn deadline(&mut self) -> Option<Instant> {
        let deadlines = self.connections.values_mut();
        deadlines.filter_map(Connection::poll_timeout).min()
    }

    /// What is sent because time has passed.
    pub fn due(&mut self, now: Instant) -> Vec<Sent> {
        for connection in self.connections.values_mut() {
            connection.handle_timeout(now);
        }
        let mut sent = Vec::new();
        self.work(now, &mut sent);
        sent
    }

    fn work(&mut self, now: Instant, sent: &mut Vec<Sent>) {
        let mut buffer = Vec::new();
        for (at, connection) in &mut self.connections {
            while let Some(event) = connection.poll() {
                match (&self.service, event) {
                    (
                        Service::Pages(status),
                        Event::Stream(StreamEvent::Opened { dir: Dir::Bi }),
                    ) => {
                        answer(connection, *status);
                    }
                    (
                        Service::Names(reply),
                        Event::Stream(StreamEvent::Opened { dir: Dir::Bi }),
                    ) => {
                        // Small enough to have come with the first datagram of its stream.
                        while let Some(stream) = connection.streams().accept(Dir::Bi) {
                            say(connection, stream, reply);
                        }
                    }
                    (Service::Names(reply), Event::Stream(StreamEvent::Readable { id })) => {
                        say(connection, id, reply);
                    }
                    _ => {}
                }
            }
            loop {
                while let Some(event) = connection.poll_endpoint_events() {
                    let handle = ConnectionHandle(*at);
                    if let Some(event) = self.endpoint.handle_event(handle, event) {
                        connection.handle_event(event);
                    }
                }
                buffer.clear();
                let Some(transmit) = connection.poll_transmit(now, 1, &mut buffer) else {
                    break;
                };
                sent.push(taken(&transmit, &buffer));
            }
        }
        self.connections
            .retain(|_, connection| !connection.is_drained());
    }
}

/// Answers what was opened: settings, a status by literal, a short body.
fn answer(connection: &mut Connection, status: u16) {
    while let Some(stream) = connection.streams().accept(Dir::Bi) {
        if let Some(control) = connection.streams().open(Dir::Uni) {
            let _ = connection.send_stream(control).write(&[0, 4, 0]);
        }
        let section = [&[0, 0, 0x5f, 9, 3], status.to_string().as_bytes()].concat();
        let frame = [&[1, section.len() as u8], &section[..], &[0, 2, b'o', b'k']].concat();
        let mut sending = connection.send_stream(stream);
        let _ = sending.write(&frame);
        let _ = sending.finish();
    }
}

/// Reads a query behind its length, and answers it likewise.
fn say(
    connection: &mut Connection,
    stream: StreamId,
    reply: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) {
    let mut message = Vec::new();
    let mut receiving = connection.recv_stream(stream);
    if let Ok(mut chunks) = receiving.read(true) {
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            message.extend_from_slice(&chunk.bytes);
        }
        let _ = chunks.finalize();
    }
    let Some(answer) = message.get(2..).and_then(reply) else {
        return;
    };
    let mut sending = connection.send_stream(stream);
    let _ = sending.write(&(answer.len() as u16).to_be_bytes());
    let _ = sending.write(&answer);
    let _ = sending.finish();
}

fn taken(transmit: &Transmit, buffer: &[u8]) -> Sent {
    let octets = buffer.get(..transmit.size).unwrap_or_default();
    (transmit.destination, octets.to_vec())
}

/// The first datagram of a client that wants to speak to `name`.
pub fn first_datagram(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = QuicClientConfig::try_from(tls).expect("ring has AES-128-GCM");
    let settings = Arc::new(EndpointConfig::default());
    let mut endpoint = Endpoint::new(settings, None, false, None);
    let now = Instant::now();
    let to = ([21, 1, 0, 80], 443).into();
    let client = ClientConfig::new(Arc::new(crypto));
    let (_, mut connection) = endpoint.connect(now, client, to, name).expect("a name");
    let mut buffer = Vec::new();
    let sent = connection.poll_transmit(now, 1, &mut buffer);
    buffer.truncate(sent.map_or(0, |transmit| transmit.size));
    buffer
}
