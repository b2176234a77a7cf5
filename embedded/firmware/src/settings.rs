//! What did the owner set? Written into the board when it is flashed: it has no screen and
//! no keyboard.

use alloc::{string::String, vec::Vec};
use core::net::{Ipv4Addr, SocketAddrV4};
use faultline_core::{protocol::Risk, time::Duration};

/// Settings of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the owner agreed to. Without, nothing is sent, not even a question for an address.
    pub consent: Option<Consent>,
    /// Where results go.
    pub collector: CollectorAt,
    /// Targets beside those that the collector sends: URLs or names.
    pub targets: Vec<String>,
    /// Public resolvers asked over UDP.
    pub public_resolvers: Vec<SocketAddrV4>,
    /// An address that runs no resolver: any answer from it is an injection.
    pub non_resolver: Option<SocketAddrV4>,
    /// Name in the neutral twin of a handshake.
    pub neutral_name: String,
    /// A page whose answer is known, to notice captive portals.
    pub captive: Option<Captive>,
    /// Time between two cycles.
    pub every: Duration,
    /// Whether private and reserved addresses are contacted when a resolver gives them
    /// (closed test networks).
    pub contact_special: bool,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    /// Nothing is agreed to and nobody known.
    fn default() -> Self {
        Self {
            consent: None,
            collector: CollectorAt {
                host: String::new(),
                port: 443,
                tls: true,
                address: None,
            },
            targets: Vec::new(),
            public_resolvers: Vec::new(),
            non_resolver: None,
            neutral_name: "example.com".into(),
            captive: None,
            every: Duration::from_hours(1),
            contact_special: false,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A lookup.
    pub dns: Duration,
    /// How long a lookup over UDP listens on after the first reply.
    pub watch: Duration,
    /// A TCP connection.
    pub tcp: Duration,
    /// An answer to a ClientHello.
    pub tls: Duration,
    /// A plain page.
    pub http: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self {
            dns: Duration::from_secs(4),
            watch: Duration::from_millis(500),
            tcp: ten,
            tls: ten,
            http: ten,
        }
    }
}

/// What an owner agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Version of the text.
    pub version: u16,
    /// Lookups of names.
    pub names: bool,
    /// Connections to the sites of targets.
    pub sites: bool,
    /// Heartbeats, and walks up the ladder of reach: a datagram to the collector and a few to
    /// the hosts that it names, every minute, for as long as the board is on.
    pub beat: bool,
    /// The riskiest targets that are measured.
    pub risk: Risk,
}

/// Where the collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorAt {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to through [`Secure`](crate::Secure); plainly otherwise.
    pub tls: bool,
    /// Its address, where no resolver is to be trusted with its name.
    pub address: Option<Ipv4Addr>,
}

/// A page whose answer is known beforehand, fetched in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captive {
    /// The host.
    pub host: String,
    /// The path.
    pub path: String,
    /// The status that the real page has: usually 204.
    pub status: u16,
}
