//! How does Linux carry packets for a probe without privileges?
//!
//! Ordinary sockets through tokio. ICMP errors reach an unconnected UDP socket through
//! `IP_RECVERR` (`ip(7)`). Hop limits of datagrams are not read.

use super::attachment::Tables;
use super::clock::instant;
use super::{
    Attachment, Datagram, Exchange, Expiry, Flow, Ground, Network, Patience, from_errno, ground,
};
use faultline_core::{
    failure::{Failure, Layer},
    time::Duration,
};
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{TokioResolver, net::DnsError, net::NetError, proto::op::ResponseCode};
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

/// The largest UDP payload.
const DATAGRAM: usize = 65_535;
/// Replies kept of one exchange: a flood of forged ones must not fill memory.
const MOST_DATAGRAMS: usize = 64;

/// The operating system's sockets and resolver settings.
///
/// `resolve` is the system's resolver as far as `/etc/resolv.conf` and `/etc/hosts` describe
/// it: the same servers, search rules and options that glibc would use, but asked through
/// hickory, since `getaddrinfo` hides the response code. Other sources of `nsswitch.conf`
/// (mDNS, systemd's varlink service) are not consulted.
#[derive(Clone)]
pub struct OsNetwork {
    settings: Arc<Mutex<Settings>>,
    /// Whether the settings are the system's, which change with the network.
    system: bool,
}

#[derive(Clone, Default)]
struct Settings {
    resolver: Option<TokioResolver>,
    announced: Vec<SocketAddr>,
}

impl OsNetwork {
    /// With the system's resolver settings as they are now, and then as they are at each
    /// [`Network::attach`]. Without readable settings every `resolve` fails with `dns.system`.
    pub fn new() -> Self {
        Self {
            settings: Arc::new(Mutex::new(Settings::of_system())),
            system: true,
        }
    }

    /// With these resolvers in the place of the system's, asked over UDP and, for what does
    /// not fit, TCP.
    pub fn asking(resolvers: &[SocketAddr]) -> Self {
        let settings = Settings::asking(resolvers);
        Self {
            settings: Arc::new(Mutex::new(settings)),
            system: false,
        }
    }

    fn settings(&self) -> Settings {
        let settings = self.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for OsNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    fn of_system() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            observing(builder.options_mut());
            builder.build()
        });
        Self {
            resolver: resolver.ok(),
            announced: announced(),
        }
    }

    fn asking(resolvers: &[SocketAddr]) -> Self {
        let server = |at: &SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(at.ip());
            for connection in &mut server.connections {
                connection.port = at.port();
            }
            server
        };
        let servers = resolvers.iter().map(server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        observing(builder.options_mut());
        Self {
            resolver: builder.build().ok(),
            announced: resolvers.to_vec(),
        }
    }
}

fn observing(options: &mut ResolverOpts) {
    options.cache_size = 0; // a remembered answer is no observation
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

fn announced() -> Vec<SocketAddr> {
    let Ok((config, _)) = hickory_resolver::system_conf::read_system_conf() else {
        return Vec::new();
    };
    let mut servers = Vec::new();
    for server in config.name_servers() {
        let address = SocketAddr::new(server.ip, 53);
        if !servers.contains(&address) {
            servers.push(address);
        }
    }
    servers
}

impl Network for OsNetwork {
    type Stream = TcpStream;

    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        self.exchange_open(to, payload, patience).await.0
    }

    async fn exchange_open(
        &self,
        to: SocketAddr,
        payload: &[u8],
        patience: Patience,
    ) -> (Exchange, Option<Box<dyn Flow>>) {
        let mut seen = Exchange::default();
        let sent = async {
            let socket = open(to).await?;
            socket.send_to(payload, to).await?;
            Ok::<_, io::Error>(socket)
        };
        let opened = instant();
        match sent.await {
            Ok(socket) => {
                listen(&socket, opened, patience, &mut seen).await;
                (seen, Some(Box::new(OsFlow::new(socket, to, opened))))
            }
            Err(error) => {
                seen.failure = Some(failure(&error));
                (seen, None)
            }
        }
    }

    async fn flow(&self, to: SocketAddr) -> io::Result<Box<dyn Flow>> {
        let socket = open(to).await?;
        // The runtime has yet to learn that there is room.
        socket.writable().await?;
        Ok(Box::new(OsFlow::new(socket, to, instant())))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Without `IP_RECVERR` Linux keeps an expired segment to itself, and sends it again. Such
    /// an error alone does not wake a reader, so a second descriptor waits for it.
    fn limit_hops(&self, stream: &TcpStream, hops: u8) -> io::Result<Expiry> {
        if stream.peer_addr()?.is_ipv4() {
            setsockopt(stream, sockopt::Ipv4RecvErr, &true)?;
            setsockopt(stream, sockopt::Ipv4Ttl, &i32::from(hops))?;
        } else {
            setsockopt(stream, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(stream, sockopt::Ipv6Ttl, &i32::from(hops))?;
        }
        let second = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        let second = TcpStream::from_std(second)?;
        Ok(Box::pin(async move {
            let error = match second.ready(Interest::ERROR).await {
                Ok(_) => second.take_error(),
                Err(error) => Err(error),
            };
            match error {
                Ok(Some(error)) | Err(error) => error,
                // A reader has had it already.
                Ok(None) => std::future::pending().await,
            }
        }))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let resolver = self.settings().resolver.ok_or(Failure::DnsSystem)?;
        // The final dot keeps search domains out: the target is a whole name.
        let whole = format!("{}.", name.trim_end_matches('.'));
        match resolver.lookup_ip(whole).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) => Err(unresolved(&error)),
        }
    }

    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        self.settings().announced
    }

    fn attach(&self) -> Attachment {
        let resolvers = if self.system {
            announced()
        } else {
            self.settings().announced
        };
        if resolvers != self.settings().announced {
            let settings = Settings::of_system();
            *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        }
        let resolvers = resolvers.iter().map(SocketAddr::ip).collect();
        let tables = Tables::read(sources(), resolvers);
        tables.map(|tables| tables.attachment()).unwrap_or_default()
    }

    fn ground(&self) -> Ground {
        let ways = Tables::read(Vec::new(), Vec::new()).map(|tables| tables.ways());
        ground::read(&ways.unwrap_or_default())
    }

    fn neighbour(&self, gateway: IpAddr) -> Option<bool> {
        ground::neighbour(gateway)
    }
}

struct OsFlow {
    socket: UdpSocket,
    to: SocketAddr,
    opened: Instant,
    buffer: Vec<u8>,
}

impl OsFlow {
    fn new(socket: UdpSocket, to: SocketAddr, opened: Instant) -> Self {
        Self {
            socket,
            to,
            opened,
            buffer: Vec::new(),
        }
    }
}

impl Flow for OsFlow {
    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.socket.try_send_to(payload, self.to).map(drop)
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        // Most ports that are listened at hear nothing more, and need no room for it.
        ready!(self.socket.poll_recv_ready(context))?;
        self.buffer.resize(DATAGRAM, 0);
        let mut buffer = ReadBuf::new(&mut self.buffer);
        let from = ready!(self.socket.poll_recv_from(context, &mut buffer))?;
        Poll::Ready(Ok(Datagram {
            after: self.opened.elapsed(),
            from,
            payload: buffer.filled().to_vec(),
            hop_limit: None,
        }))
    }
}

/// The addresses that packets to the Internet would leave with: connecting a UDP socket sends
/// nothing and asks the kernel for its whole routing policy. The destinations are addresses
/// for documentation (RFC 5737, RFC 3849).
fn sources() -> Vec<IpAddr> {
    let source = |any: IpAddr, to: IpAddr| {
        let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let four = source(Ipv4Addr::UNSPECIFIED.into(), [192, 0, 2, 1].into());
    let to = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let six = source(Ipv6Addr::UNSPECIFIED.into(), to.into());
    four.into_iter().chain(six).collect()
}

/// A fresh port that hears ICMP errors.
async fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    if to.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(socket)
}

async fn listen(socket: &UdpSocket, start: Instant, patience: Patience, seen: &mut Exchange) {
    let mut buffer = vec![0; DATAGRAM];
    let mut deadline = start + patience.first;
    let mut first: Option<Instant> = None;
    while seen.datagrams.len() < MOST_DATAGRAMS {
        match timeout_at(deadline, socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, from))) => seen.datagrams.push(Datagram {
                after: start.elapsed(),
                from,
                payload: buffer.get(..length).unwrap_or_default().to_vec(),
                hop_limit: None,
            }),
            // An ICMP error may be forged like any datagram: the answer may still come.
            Ok(Err(error)) if seen.failure.is_none() => seen.failure = Some(failure(&error)),
            // Time is up, or errors keep coming.
            Err(_) | Ok(Err(_)) => break,
        }
        if first.is_none() {
            let now = instant();
            first = Some(now);
            deadline = now + patience.further;
        }
    }
    seen.watched = first.map_or(Duration::ZERO, |at| at.elapsed());
}

fn failure(error: &io::Error) -> Failure {
    error
        .raw_os_error()
        .map_or(Failure::LocalError, |errno| from_errno(errno, Layer::Dns))
}

fn unresolved(error: &NetError) -> Failure {
    match error {
        NetError::Timeout => Failure::DnsTimeout,
        // What did not fit into a datagram, and TCP brought nothing either.
        NetError::Truncated => Failure::DnsTruncated,
        NetError::Dns(DnsError::NoRecordsFound(none)) => rcode(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => rcode(*code),
        _ => Failure::DnsSystem,
    }
}

fn rcode(code: ResponseCode) -> Failure {
    Failure::from_rcode(code.low()).unwrap_or(Failure::DnsNoAnswer)
}
