//! How does a packet get from one host to another? Through one thread in a namespace that
//! holds the other end of every link.
//!
//! One packet socket (`packet(7)`), bound to no interface, hears them all. Every link has a
//! delay, jitter and loss each way, kept by a heap of timers, since kernels in the field
//! often lack `netem`:
//!
//! ```text
//! host --half the delay--> boxes of its network --half--> core --half--> boxes --half--> host
//! ```
//!
//! Links keep order. The core counts one hop, says time exceeded (RFC 792) and knows a route
//! to each address that is somebody's; what is nobody's is lost without a word.

use super::LiveError;
use super::capture::Capture;
use super::layout;
use super::lease::{Lease, ROUTER};
use super::packet::{Complaint, Packet};
use super::tamper::{Course, Tamper};
use crate::link::Link;
use crate::middlebox::{Middlebox, behind};
use crate::world::World;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto,
    setsockopt, socket, sockopt,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::PipeReader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Destination and source address, then type (IEEE 802.3).
const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// `PACKET_OUTGOING`: what this namespace sends itself.
const OUTGOING: u8 = 4;
/// Octets of frames that may wait to be read.
const BACKLOG: usize = 8 << 20;

/// The address by which the core speaks in ICMP.
pub(super) fn speaker(to: IpAddr) -> IpAddr {
    if to.is_ipv4() {
        Ipv4Addr::new(24, 255, 255, 254).into()
    } else {
        Ipv6Addr::new(0x2a0e, 0xffff, 0, 0, 0, 0, 0, 0xfffe).into()
    }
}

/// What a link's other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An ordinary host.
    Host,
    /// Takes all streams of hosts behind a portal.
    Portal,
    /// Takes the TLS streams of networks that intercept.
    Interceptor,
}

/// One link as its router sees it.
pub(super) struct Port {
    pub(super) asn: u32,
    pub(super) role: Role,
    pub(super) captive: bool,
    pub(super) addresses: Vec<IpAddr>,
    /// What the board there is given; kernels are told without asking.
    pub(super) lease: Option<Lease>,
    pub(super) state: LinkState,
}

/// What may change while packets flow.
pub(super) struct LinkState {
    pub(super) link: Link,
    pub(super) up: bool,
}

/// What the router shares with who steers it.
pub(super) struct Shared {
    pub(super) world: Arc<World>,
    pub(super) ports: Mutex<Vec<Port>>,
    pub(super) boxes: Mutex<Vec<Middlebox>>,
    pub(super) capture: Mutex<Capture>,
}

/// A lock whose holder panicked is as good as any: the test fails anyway.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The router, before it runs.
pub(super) struct Router {
    shared: Arc<Shared>,
    socket: OwnedFd,
    stop: PipeReader,
    /// By port: where to send, and to which hardware address.
    links: Vec<LinkAddr>,
    by_interface: HashMap<usize, usize>,
    routes: HashMap<IpAddr, usize>,
    tamper: Tamper,
    events: BinaryHeap<Reverse<Event>>,
    count: u64,
    /// By port, each way: when the last packet's way ends, so that none overtakes it.
    last: Vec<[Option<Instant>; 2]>,
    start: Instant,
}

/// A packet somewhere on its way.
#[derive(Debug)]
struct Event {
    at: Instant,
    number: u64,
    place: Place,
    packet: Packet,
    /// What is left of the way over the present link.
    rest: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the boxes of the network that it comes from.
    Leaving(usize),
    /// In the core, on its way to this port if that is decided.
    Core(Option<usize>, usize),
    /// At the boxes of the network that it goes to.
    Entering(usize),
    /// At the end.
    Arrived(usize),
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Event {}

impl Router {
    /// On the router's thread, once all links end in its namespace.
    pub(super) fn open(shared: Arc<Shared>, stop: PipeReader) -> Result<Self, LiveError> {
        let failed = |errno: Errno| LiveError::Socket(errno.into());
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )
        .map_err(failed)?;
        // Only root may exceed the system's bound; the bound itself does for small worlds.
        if setsockopt(&socket, sockopt::RcvBufForce, &BACKLOG).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BACKLOG).map_err(failed)?;
        }
        let mut routes = HashMap::new();
        let count = {
            let ports = lock(&shared.ports);
            for (index, port) in ports.iter().enumerate() {
                if port.role == Role::Host {
                    routes.extend(port.addresses.iter().map(|address| (*address, index)));
                }
            }
            ports.len()
        };
        let mut known: HashMap<String, LinkAddr> = HashMap::new();
        for interface in getifaddrs().map_err(failed)? {
            if let Some(address) = interface.address.and_then(|a| a.as_link_addr().copied()) {
                known.insert(interface.interface_name, address);
            }
        }
        let mut links = Vec::new();
        let mut by_interface = HashMap::new();
        for index in 0..count {
            let link = known.get(&layout::port_name(index)).copied();
            let link = link.ok_or(LiveError::Gone)?;
            by_interface.insert(link.ifindex(), index);
            links.push(link);
        }
        Ok(Self {
            shared,
            socket,
            stop,
            links,
            by_interface,
            routes,
            tamper: Tamper::default(),
            events: BinaryHeap::new(),
            count: 0,
            last: vec![[None; 2]; count],
            start: Instant::now(),
        })
    }

    /// Until the other end of the stop pipe is closed.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let now = Instant::now();
            while let Some(Reverse(event)) = self.events.pop_if_due(now) {
                self.step(event, now);
            }
            let wait = self.events.peek().map(|Reverse(event)| {
                event.at.saturating_duration_since(now) + Duration::from_micros(999)
            });
            let timeout = wait.map_or(PollTimeout::NONE, |wait| {
                PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
            });
            let mut sources = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut sources, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
            if sources[1]
                .revents()
                .is_some_and(|events| !events.is_empty())
            {
                return;
            }
            self.receive(&mut buffer);
        }
    }

    /// Everything that waits at the socket.
    fn receive(&mut self, buffer: &mut [u8]) {
        while let Ok((length, from)) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), buffer) {
            let now = Instant::now();
            let Some(from) = from.filter(|from| from.pkttype() != OUTGOING) else {
                continue;
            };
            let Some(&port) = self.by_interface.get(&from.ifindex()) else {
                continue;
            };
            let Some(frame) = buffer.get(..length) else {
                continue;
            };
            if let Some(answer) = self.lease(port, frame) {
                self.put(port, &answer);
                continue;
            }
            if !matches!(frame.get(12..ETHERNET), Some(kind) if kind == IPV4 || kind == IPV6) {
                continue;
            }
            let Some(mut packet) = frame.get(ETHERNET..).and_then(Packet::read) else {
                continue;
            };
            if packet.dst().is_multicast() {
                continue;
            }
            packet.seal();
            self.note(now, &packet);
            self.travel(port, 0, Place::Leaving(port), packet, now);
        }
    }

    /// What a board that asks for its way is told, while its link is up.
    fn lease(&self, port: usize, frame: &[u8]) -> Option<Vec<u8>> {
        let ports = lock(&self.shared.ports);
        let port = ports.get(port).filter(|port| port.state.up)?;
        port.lease.as_ref()?.answer(frame)
    }

    /// Puts a packet on its way over a port's link, `way` 0 from the host and 1 to it.
    fn travel(&mut self, port: usize, way: usize, place: Place, packet: Packet, now: Instant) {
        let whole = {
            let ports = lock(&self.shared.ports);
            match ports.get(port).map(|port| &port.state) {
                Some(state) if state.up && !state.link.loses() => state.link.one_way(),
                _ => return,
            }
        };
        let Some(last) = self.last.get_mut(port).and_then(|ways| ways.get_mut(way)) else {
            return;
        };
        let end = last.map_or(now + whole, |last| last.max(now + whole));
        *last = Some(end);
        let whole = end.duration_since(now);
        self.schedule(now + whole / 2, place, packet, whole / 2);
    }

    fn schedule(&mut self, at: Instant, place: Place, packet: Packet, rest: Duration) {
        self.count += 1;
        self.events.push(Reverse(Event {
            at,
            number: self.count,
            place,
            packet,
            rest,
        }));
    }

    fn step(&mut self, event: Event, now: Instant) {
        let Event { packet, rest, .. } = event;
        match event.place {
            Place::Leaving(port) => self.leave(port, packet, rest, now),
            Place::Core(decided, from) => self.cross(decided, from, packet, now),
            Place::Entering(port) => {
                let asn = lock(&self.shared.ports).get(port).map(|port| port.asn);
                let passes = {
                    let boxes = lock(&self.shared.boxes);
                    self.tamper
                        .inbound(&boxes, asn.unwrap_or_default(), &packet, now)
                };
                if passes {
                    self.schedule(now + rest, Place::Arrived(port), packet, Duration::ZERO);
                }
            }
            Place::Arrived(port) => self.send(port, &packet),
        }
    }

    /// Past the boxes of the sender's network.
    fn leave(&mut self, port: usize, mut packet: Packet, rest: Duration, now: Instant) {
        let client = {
            let ports = lock(&self.shared.ports);
            ports.get(port).map(|port| (port.asn, port.captive))
        };
        let Some(client) = client else { return };
        let routers = behind(&lock(&self.shared.boxes), client.0);
        if (0..routers).any(|_| !packet.hop()) {
            self.expire(port, &packet, now);
            return;
        }
        let outcome = {
            let boxes = lock(&self.shared.boxes);
            let world = &self.shared.world;
            self.tamper.outbound(world, &boxes, client, &packet, now)
        };
        for forged in outcome.to_client {
            self.note(now, &forged);
            self.schedule(now + rest, Place::Arrived(port), forged, Duration::ZERO);
        }
        for forged in outcome.to_server {
            self.note(now, &forged);
            self.schedule(now + rest, Place::Core(None, port), forged, Duration::ZERO);
        }
        let decided = match outcome.course {
            Course::Lost => return,
            Course::On => None,
            Course::Portal => self.place(Role::Portal, client.0),
            Course::Interceptor => self.place(Role::Interceptor, client.0),
        };
        self.schedule(
            now + rest,
            Place::Core(decided, port),
            packet,
            Duration::ZERO,
        );
    }

    fn place(&self, role: Role, asn: u32) -> Option<usize> {
        let ports = lock(&self.shared.ports);
        ports
            .iter()
            .position(|port| port.role == role && port.asn == asn)
    }

    /// A packet has no hops left, and its sender is told.
    fn expire(&mut self, from: usize, packet: &Packet, now: Instant) {
        let speaker = speaker(packet.src());
        if let Some(answer) = Packet::complain(speaker, Complaint::TimeExceeded, packet) {
            self.note(now, &answer);
            self.travel(from, 1, Place::Entering(from), answer, now);
        }
    }

    /// Through the core, to the link that leads to the destination.
    fn cross(&mut self, decided: Option<usize>, from: usize, mut packet: Packet, now: Instant) {
        if !packet.hop() {
            self.expire(from, &packet, now);
            return;
        }
        packet.seal();
        let to = decided.or_else(|| self.routes.get(&packet.dst()).copied());
        if let Some(to) = to {
            self.travel(to, 1, Place::Entering(to), packet, now);
        }
    }

    fn send(&self, port: usize, packet: &Packet) {
        let mut frame = Vec::with_capacity(ETHERNET + packet.octets().len());
        frame.extend(layout::mac(port));
        frame.extend(ROUTER);
        frame.extend(if packet.src().is_ipv4() { IPV4 } else { IPV6 });
        frame.extend(packet.octets());
        self.put(port, &frame);
    }

    fn put(&self, port: usize, frame: &[u8]) {
        let Some(link) = self.links.get(port) else {
            return;
        };
        // A link that is full, too narrow or gone loses packets, as real ones do.
        let _ = sendto(self.socket.as_raw_fd(), frame, link, MsgFlags::empty());
    }

    fn note(&self, now: Instant, packet: &Packet) {
        lock(&self.shared.capture).note(now.duration_since(self.start), packet.octets());
    }
}

/// The next event whose time has come.
trait Due {
    fn pop_if_due(&mut self, now: Instant) -> Option<Reverse<Event>>;
}

impl Due for BinaryHeap<Reverse<Event>> {
    fn pop_if_due(&mut self, now: Instant) -> Option<Reverse<Event>> {
        if self.peek()?.0.at > now {
            return None;
        }
        self.pop()
    }
}
