//! Who answers in the live Internet? The hosts of the world, on the kernel's sockets.
//!
//! One namespace holds the addresses of all sites and resolvers. How a site treats
//! connections is real: one that refuses has an address and no listener, one that is silent
//! has no address, one that resets closes with a RST.

use super::LiveError;
use crate::captive;
use crate::flow::serve;
use crate::middlebox::Action;
use crate::middlebox::quic::{NAMES, PORT};
use crate::middlebox::sni::server_name;
use crate::quic::Server;
use crate::resolver::below;
use crate::scenario::State;
use crate::web;
use crate::world::World;
use faultline_core::verdict::Context as _;
use std::collections::{BTreeSet, HashMap, hash_map::Entry};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A service that runs; it ends when this is dropped.
pub(super) struct Service {
    _stop: oneshot::Sender<()>,
    pub(super) handle: Handle,
}

/// The addresses at which somebody answers or refuses.
pub(super) fn addresses(world: &World) -> Vec<IpAddr> {
    let mut all = BTreeSet::new();
    for site in &world.sites {
        if site.state != State::Silent {
            all.extend(&site.addresses);
            // Hosts unlike the site's others are a site of their own.
            let alike = site.geo.iter().filter(|geo| !geo.differs());
            all.extend(alike.flat_map(|geo| &geo.addresses));
        }
    }
    all.extend(world.resolvers.iter().map(|resolver| resolver.address));
    all.into_iter().collect()
}

/// Runs what `open` opens until the service is dropped; called on a thread of its own.
pub(super) fn run<F>(open: impl FnOnce() -> F, ready: &mpsc::Sender<Result<Service, LiveError>>)
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(LiveError::Serve(error)));
            return;
        }
    };
    runtime.block_on(async {
        let opened = open().await;
        let (stop, stopped) = oneshot::channel();
        let handle = Handle::current();
        let service = opened.map(|()| Service {
            _stop: stop,
            handle,
        });
        let fine = service.is_ok();
        if ready.send(service.map_err(LiveError::Serve)).is_ok() && fine {
            let _ = stopped.await;
        }
    });
}

/// Every site and resolver of the world.
pub(super) async fn world(world: Arc<World>) -> io::Result<()> {
    for ip in addresses(&world) {
        if ip.is_ipv6() && !super::layout::has_ipv6() {
            continue;
        }
        if world.resolver_at(ip).is_some() {
            let socket = UdpSocket::bind((ip, 53)).await?;
            tokio::spawn(datagrams(Arc::clone(&world), ip, socket));
            if web::listens(&world, (ip, 53).into()).is_none() {
                let listener = TcpListener::bind((ip, 53)).await?;
                tokio::spawn(framed(Arc::clone(&world), ip, listener));
            }
        }
        for port in [PORT, NAMES] {
            let at = SocketAddr::new(ip, port);
            if serve(&world, at, "ZZ").is_some() {
                let socket = UdpSocket::bind(at).await?;
                tokio::spawn(quic(Arc::clone(&world), at, socket));
            }
        }
        for port in [80, 443, 853] {
            let at = SocketAddr::new(ip, port);
            if web::listens(&world, at).is_none() {
                let listener = TcpListener::bind(at).await?;
                tokio::spawn(streams(Arc::clone(&world), at, listener));
            }
        }
    }
    Ok(())
}

async fn datagrams(world: Arc<World>, ip: IpAddr, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let mut query = [0; 4096];
    loop {
        // An error tells of an earlier answer that nobody took.
        let Ok((length, from)) = socket.recv_from(&mut query).await else {
            continue;
        };
        let query = query.get(..length).unwrap_or_default();
        let resolver = world.resolver_at(ip);
        let reply = resolver.and_then(|resolver| resolver.datagram(&world, query));
        let thinks = Duration::from_millis(resolver.map_or(0, |resolver| resolver.thinks_ms));
        if let Some(reply) = reply {
            let socket = Arc::clone(&socket);
            tokio::spawn(async move {
                tokio::time::sleep(thinks).await;
                socket.send_to(&reply, from).await
            });
        }
    }
}

/// QUIC: a server for each visitor's address, since each country gets a status of its own.
async fn quic(world: Arc<World>, at: SocketAddr, socket: UdpSocket) {
    let mut servers: HashMap<IpAddr, Server> = HashMap::new();
    let mut datagram = [0; 4096];
    loop {
        let deadline = servers.values_mut().filter_map(Server::deadline).min();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let replies: Vec<_> = tokio::select! {
            came = socket.recv_from(&mut datagram) => {
                // An error tells of an earlier answer that nobody took.
                let Ok((length, from)) = came else { continue };
                let payload = datagram.get(..length).unwrap_or_default();
                let now = std::time::Instant::now();
                let server = match servers.entry(from.ip()) {
                    Entry::Occupied(known) => Some(known.into_mut()),
                    Entry::Vacant(new) => start(&world, at, from).map(|server| new.insert(server)),
                };
                server.map(|server| server.handle(now, from, payload)).unwrap_or_default()
            }
            () = due => {
                let now = std::time::Instant::now();
                servers.values_mut().flat_map(|server| server.due(now)).collect()
            }
        };
        for (to, payload) in replies {
            let _ = socket.send_to(&payload, to).await;
        }
    }
}

fn start(world: &Arc<World>, at: SocketAddr, visitor: SocketAddr) -> Option<Server> {
    let asn = world.asn_of(visitor.ip()).map_or(0, |asn| asn.0);
    serve(world, at, world.country(asn))
}

/// DNS over TCP (RFC 7766), one question a connection.
async fn framed(world: Arc<World>, ip: IpAddr, listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let mut query = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut query).await?;
            let reply = world
                .resolver_at(ip)
                .and_then(|resolver| resolver.reply(&world, &query));
            if let Some(reply) = reply {
                stream.write_u16(reply.len() as u16).await?;
                stream.write_all(&reply).await?;
            }
            io::Result::Ok(())
        });
    }
}

async fn streams(world: Arc<World>, at: SocketAddr, listener: TcpListener) {
    while let Ok((stream, from)) = listener.accept().await {
        let world = Arc::clone(&world);
        let country = world
            .asn_of(from.ip())
            .map_or("ZZ", |asn| world.country(asn.0))
            .to_owned();
        tokio::spawn(async move {
            if web::resets(&world, at.ip()) {
                return reset(stream).await;
            }
            web::serve(world, at, country, stream).await;
        });
    }
}

/// Lets the client speak, then closes with a RST.
async fn reset(mut stream: TcpStream) {
    let mut first = [0; 4096];
    let _ = stream.read(&mut first).await;
    let _ = stream.set_zero_linger();
}

/// A portal in everybody's place (RFC 8952).
pub(super) async fn portal() -> io::Result<()> {
    for port in [53, 80, 443, 853] {
        for listener in everywhere(port).await? {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(login(stream, port));
                }
            });
        }
    }
    Ok(())
}

async fn login(mut stream: TcpStream, port: u16) {
    match captive::on_stream(port) {
        Action::Answer(page) => {
            let mut first = [0; 4096];
            let _ = stream.read(&mut first).await;
            let _ = stream.write_all(&page).await;
            let _ = stream.shutdown().await;
        }
        _ => reset(stream).await,
    }
}

/// An interceptor for `names`, which carries other streams on to where they were going by
/// connections made through `exit`, a service in another namespace.
pub(super) async fn interceptor(
    world: Arc<World>,
    names: Vec<String>,
    exit: Handle,
) -> io::Result<()> {
    for listener in everywhere(443).await? {
        let (world, names, exit) = (Arc::clone(&world), names.clone(), exit.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (world, names) = (Arc::clone(&world), names.clone());
                tokio::spawn(intercept(world, names, exit.clone(), stream));
            }
        });
    }
    Ok(())
}

async fn intercept(world: Arc<World>, names: Vec<String>, exit: Handle, stream: TcpStream) {
    let mut first = vec![0; 4096];
    let Ok(length) = stream.peek(&mut first).await else {
        return;
    };
    first.truncate(length);
    match server_name(&first) {
        Some(name) if below(&names, &name) => web::impersonate(world, name, stream).await,
        _ => {
            let _ = carry(exit, stream).await;
        }
    }
}

/// The local address of a connection that was diverted is where it was going.
async fn carry(exit: Handle, mut client: TcpStream) -> io::Result<()> {
    let to = client.local_addr()?;
    let connected = exit.spawn(TcpStream::connect(to)).await;
    let mut server = connected.map_err(io::Error::other)??;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn everywhere(port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners = vec![TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?];
    if super::layout::has_ipv6() {
        let socket = tokio::net::TcpSocket::new_v6()?;
        socket.set_reuseaddr(true)?;
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Ipv6V6Only, &true)?;
        socket.bind((Ipv6Addr::UNSPECIFIED, port).into())?;
        listeners.push(socket.listen(64)?);
    }
    Ok(listeners)
}
