//! How do an engine's octets get on the wire, and what came back?
//!
//! One flow at a time, each step with its own deadline: the stack's own timeouts are never
//! set, since it reports them as resets. Where the stack says that a connection was reset,
//! the [`Witness`](crate::Witness) must have seen the RST.

use crate::{Line, clock};
use core::net::{IpAddr, SocketAddr, SocketAddrV4};
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_net::{
    tcp::{ConnectError, TcpSocket},
    udp::{PacketMetadata, UdpSocket},
};
use faultline_core::{
    engine::{
        Want,
        handshake::{Event, Trial},
        lookup::Inquiry,
    },
    failure::Failure,
    time::{Duration, Instant},
};

/// Octets of a datagram that are taken: what EDNS invites (1232) and a little more.
const DATAGRAM: usize = 1536;
/// Octets and number of datagrams that may wait to be read.
const WAITING: (usize, usize) = (4096, 8);
/// Octets of a stream that may wait, each way.
pub(crate) const STREAM: usize = 2048;
/// How long a connection is given to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Octets of headers around a datagram's payload (RFC 791, RFC 768).
const UDP_HEADERS: usize = 28;

/// Octets that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// Buffers of one stream.
pub(crate) struct Buffers {
    rx: [u8; STREAM],
    tx: [u8; STREAM],
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Self {
            rx: [0; STREAM],
            tx: [0; STREAM],
        }
    }
}

/// A query over UDP from `port`, and everything that comes back to it.
pub(crate) async fn ask(
    line: Line<'_>,
    traffic: &mut Traffic,
    port: u16,
    inquiry: &mut Inquiry,
) {
    let SocketAddr::V4(to) = inquiry.question().resolver else {
        inquiry.poll(clock::now());
        return inquiry.fail(clock::now(), Failure::NetworkUnreachable);
    };
    let (mut rx_meta, mut tx_meta) =
        ([PacketMetadata::EMPTY; WAITING.1], [PacketMetadata::EMPTY]);
    let (mut rx, mut tx) = ([0; WAITING.0], [0; 512]);
    let mut socket = UdpSocket::new(line.stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    line.witness.forget();
    if socket.bind(port).is_err() {
        inquiry.poll(clock::now());
        return inquiry.fail(clock::now(), Failure::LocalError);
    }
    let mut datagram = [0; DATAGRAM];
    let mut complained = false;
    loop {
        match inquiry.poll(clock::now()) {
            Want::Send(query) => {
                let sent = socket.send_to(query, to).await;
                traffic.sent += (query.len() + UDP_HEADERS) as u64;
                if sent.is_err() {
                    inquiry.fail(clock::now(), Failure::NetworkUnreachable);
                    return;
                }
            }
            Want::Wait => {
                let until = inquiry.poll_at().unwrap_or_else(clock::now);
                let complaint = async {
                    if complained {
                        core::future::pending().await
                    } else {
                        line.witness.unreachable(to).await
                    }
                };
                match select3(
                    socket.recv_from(&mut datagram),
                    complaint,
                    clock::until(until),
                )
                .await
                {
                    Either3::First(Ok((length, meta))) => {
                        traffic.received += (length + UDP_HEADERS) as u64;
                        let IpAddr::V4(ip) = IpAddr::from(meta.endpoint.addr) else {
                            continue;
                        };
                        let from = SocketAddrV4::new(ip, meta.endpoint.port);
                        let hops = line.witness.hop_limit(from, port);
                        let payload = datagram.get(..length).unwrap_or_default();
                        inquiry.handle(clock::now(), from.into(), payload, hops);
                    }
                    Either3::Second(code) => {
                        complained = true;
                        let failure = match code {
                            0 | 6 | 9 => Failure::NetworkUnreachable,
                            3 => Failure::DnsUnreachable,
                            1 | 7 | 10 | 13 => Failure::HostUnreachable,
                            _ => Failure::LocalError,
                        };
                        inquiry.fail(clock::now(), failure);
                    }
                    // Time is up, or a datagram is longer than is taken.
                    Either3::Third(()) | Either3::First(Err(_)) => {}
                }
            }
            Want::Nothing => return,
        }
    }
}

/// Opens a connection until `deadline`.
pub(crate) async fn connect(
    line: Line<'_>,
    socket: &mut TcpSocket<'_>,
    to: SocketAddr,
    deadline: Instant,
) -> Result<(), Failure> {
    let SocketAddr::V4(to) = to else {
        return Err(Failure::NetworkUnreachable);
    };
    line.witness.forget();
    socket.set_nagle_enabled(false);
    let opened = select3(
        socket.connect(to),
        line.witness.unreachable(to),
        clock::until(deadline),
    )
    .await;
    match opened {
        Either3::First(Ok(())) => Ok(()),
        Either3::First(Err(ConnectError::NoRoute)) | Either3::Second(0 | 6 | 9) => {
            Err(Failure::NetworkUnreachable)
        }
        Either3::Second(1 | 7 | 10 | 13) => Err(Failure::HostUnreachable),
        Either3::Second(3) => Err(Failure::TcpRefused),
        Either3::First(Err(ConnectError::ConnectionReset)) if line.witness.reset(to) => {
            Err(Failure::TcpRefused)
        }
        // Without an RST, the stack gave up by itself.
        Either3::First(Err(_)) | Either3::Second(_) => Err(Failure::LocalError),
        Either3::Third(()) => Err(Failure::TcpTimeout),
    }
}

/// Whether a connection opens until `deadline`; nothing is said over it.
pub(crate) async fn opens(line: Line<'_>, to: SocketAddrV4, deadline: Instant) -> bool {
    with_stream(line, async |socket| {
        let opened = select(socket.connect(to), clock::until(deadline)).await;
        matches!(opened, Either::First(Ok(())))
    })
    .await
}

/// Drives a trial over an open connection to its end.
pub(crate) async fn greet(
    line: Line<'_>,
    traffic: &mut Traffic,
    socket: &mut TcpSocket<'_>,
    from: SocketAddr,
    trial: &mut Trial,
) {
    let mut chunk = [0; 512];
    loop {
        match trial.poll(clock::now()) {
            Want::Send(hello) => {
                traffic.sent += hello.len() as u64;
                if write(socket, hello).await.is_err() {
                    let event = torn(line, from);
                    trial.handle(clock::now(), event);
                }
            }
            Want::Wait => {
                let until = trial.poll_at().unwrap_or_else(clock::now);
                match select(socket.read(&mut chunk), clock::until(until)).await {
                    Either::First(Ok(0)) => trial.handle(clock::now(), Event::Closed),
                    Either::First(Ok(length)) => {
                        traffic.received += length as u64;
                        let octets = chunk.get(..length).unwrap_or_default();
                        trial.handle(clock::now(), Event::Received(octets));
                    }
                    Either::First(Err(_)) => {
                        let event = torn(line, from);
                        trial.handle(clock::now(), event);
                    }
                    Either::Second(()) => {}
                }
            }
            Want::Nothing => return,
        }
    }
}

/// What the stack's "reset" was.
fn torn(line: Line<'_>, from: SocketAddr) -> Event<'static> {
    if matches!(from, SocketAddr::V4(from) if line.witness.reset(from)) {
        Event::Reset
    } else {
        Event::Failed(Failure::LocalError)
    }
}

pub(crate) async fn write(
    socket: &mut TcpSocket<'_>,
    mut octets: &[u8],
) -> Result<(), embassy_net::tcp::Error> {
    while !octets.is_empty() {
        let sent = socket.write(octets).await?;
        octets = octets.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Opens a socket for `job` and closes it after, whatever came of it.
pub(crate) async fn with_stream<T>(
    line: Line<'_>,
    job: impl AsyncFnOnce(&mut TcpSocket<'_>) -> T,
) -> T {
    let mut buffers = Buffers::new();
    let mut socket = TcpSocket::new(line.stack, &mut buffers.rx, &mut buffers.tx);
    let result = job(&mut socket).await;
    socket.abort();
    select(socket.flush(), clock::until(clock::now() + GOODBYE)).await;
    result
}
