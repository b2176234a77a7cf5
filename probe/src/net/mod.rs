//! How does the probe touch the world? Through these traits and nothing else.
//!
//! Experiments are generic over [`Network`] and [`Clock`]. The operating system implements
//! them here; the simulated Internet implements them over virtual links and virtual time.
#![allow(async_fn_in_trait)] // driven by one current-thread runtime: futures need no Send

mod attachment;
mod clock;
mod failure;
mod ground;
mod os;

pub use attachment::Attachment;
pub use clock::{SystemClock, origin};
pub use failure::{at_layer, from_errno};
pub use ground::Ground;
pub use os::OsNetwork;

use faultline_core::{
    failure::Failure,
    time::{ClockQuality, Duration, Instant, UnixTime},
};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where time comes from.
pub trait Clock {
    /// The monotonic clock.
    fn now(&self) -> Instant;
    /// The wall clock's claim.
    fn unix(&self) -> UnixTime;
    /// How far [`Self::unix`] can be trusted.
    fn quality(&self) -> ClockQuality;
    /// Time since the machine booted, sleep included; where that is not known, since an
    /// arbitrary moment.
    fn uptime(&self) -> Instant {
        self.now()
    }
    /// The system's name for this boot of the machine, which it shows nobody outside; where
    /// there is none, every start of the program counts as a boot.
    fn boot(&self) -> Option<[u8; 16]> {
        None
    }
    /// Returns once `duration` has passed on the monotonic clock.
    async fn sleep(&self, duration: Duration);
}

/// One datagram that came in answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Time since the query left.
    pub after: Duration,
    /// Source, as the datagram says.
    pub from: SocketAddr,
    /// Its payload.
    pub payload: Vec<u8>,
    /// IP TTL or hop limit, where the driver sees it.
    pub hop_limit: Option<u8>,
}

/// What came of a datagram sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Everything that came, in order of arrival.
    pub datagrams: Vec<Datagram>,
    /// An error that the network reported (ICMP) or that sending met.
    pub failure: Option<Failure>,
    /// How long the socket stayed open after the first datagram.
    pub watched: Duration,
}

/// Datagrams to one host and whatever comes back, from one port.
pub trait Flow {
    /// Sends one datagram at once or not at all: `WouldBlock` where there is no room.
    fn send(&mut self, payload: &[u8]) -> std::io::Result<()>;
    /// The next datagram that came, whatever its source, or an error that the network
    /// reported (ICMP). `after` counts from the opening.
    fn poll_receive(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<Datagram>>;
}

/// Ends with the error that the network reported of a stream.
pub type Expiry = Pin<Box<dyn Future<Output = std::io::Error>>>;

/// How a UDP exchange waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the first datagram.
    pub first: Duration,
    /// For further ones, after the first.
    pub further: Duration,
}

/// Packets and streams.
///
/// Errors of streams are [`std::io::Error`]s with the errno that the kernel would give
/// (`ECONNRESET`, `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH` ...), simulated ones included.
pub trait Network {
    /// A connected TCP stream.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Sends one datagram from a fresh port and gathers everything that comes back to it,
    /// whatever its source: an answer from elsewhere is evidence.
    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange;

    /// Likewise, and gives the port back open, to listen on for what comes later. Networks
    /// that cannot give none.
    async fn exchange_open(
        &self,
        to: SocketAddr,
        payload: &[u8],
        patience: Patience,
    ) -> (Exchange, Option<Box<dyn Flow>>) {
        (self.exchange(to, payload, patience).await, None)
    }

    /// Opens a flow of datagrams. Networks without one say so, and nothing is measured.
    async fn flow(&self, _: SocketAddr) -> std::io::Result<Box<dyn Flow>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Opens a TCP connection; waiting is bounded by the caller.
    async fn connect(&self, to: SocketAddr) -> std::io::Result<Self::Stream>;

    /// Lets what leaves over a stream from now on go only so many hops. Where a router says that
    /// it expired, what is returned ends with `HostUnreachable`, or reading does.
    fn limit_hops(&self, _: &Self::Stream, _: u8) -> std::io::Result<Expiry> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Asks the operating system's resolver for the addresses of a name.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure>;

    /// The resolvers that the network announced (DHCP, resolv.conf).
    fn announced_resolvers(&self) -> Vec<SocketAddr>;

    /// Looks anew at how this host is attached: which network, through what, under which
    /// addresses. Resolvers stay those of the last look.
    fn attach(&self) -> Attachment {
        Attachment::default()
    }

    /// What is nearest: carrier, power, gateways. Sends nothing.
    fn ground(&self) -> Ground {
        Ground::default()
    }

    /// Whether the kernel has just heard this neighbour; `None` where it does not say.
    fn neighbour(&self, _: IpAddr) -> Option<bool> {
        None
    }
}
