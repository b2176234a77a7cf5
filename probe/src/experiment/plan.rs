//! Who is asked, and how long do we wait?

use faultline_core::{observation::DnsTransport, resolver::Service, time::Duration};
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::sync::Arc;

/// What an experiment may contact besides its target, and its bounds.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether the operating system's resolver is asked. Off, a probe does what a board does
    /// that has no operating system, and says so.
    pub system: bool,
    /// Resolvers asked in the clear.
    pub public_resolvers: Vec<SocketAddr>,
    /// Resolvers asked over authenticated transports: the control for names.
    pub encrypted: Vec<EncryptedResolver>,
    /// An address that runs no resolver; whatever answers is an injector (GFWatch).
    pub non_resolver: Option<SocketAddr>,
    /// Others, by the word of the collector's operator.
    pub nobody: Vec<Nobody>,
    /// The authorities whose certificates count.
    pub roots: Arc<RootCertStore>,
    /// A name that nobody filters, for a handshake's twin.
    pub neutral_name: String,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// Body bytes read of a response.
    pub body_cap: usize,
    /// Body bytes kept of a response.
    pub excerpt_cap: usize,
    /// Addresses of a target that are tried.
    pub max_addresses: usize,
    /// Redirects that are followed.
    pub max_redirects: u8,
    /// Record types asked for (IANA numbers).
    pub query_types: Vec<u16>,
    /// Tries of a step that fails, the first included.
    pub attempts: u8,
    /// Whether addresses at which no public site can live (private, loopback ...) are
    /// contacted when a resolver gives them. Off for volunteers: a forged answer must not
    /// make a probe knock at devices in its owner's home.
    pub contact_bogons: bool,
    /// Whether redirects are followed only to ports 80, 443 and the target's own.
    pub usual_ports: bool,
    /// The network's resolvers that it does not announce itself, where a router at home
    /// stands between.
    pub network_resolvers: Vec<SocketAddr>,
    /// Whether the owner chose the resolvers that this host is told of.
    pub own_resolvers: bool,
    /// Whether the line itself is a tunnel (PPPoE, 6in4): then one is no sign of a VPN.
    pub line_is_tunnel: bool,
    /// How to find out whether a captive portal is in the way.
    pub captive: Option<CaptiveCheck>,
    /// Hosts known to speak QUIC: where none answers, QUIC passes to nobody.
    pub quic_references: Vec<QuicReference>,
    /// Resolvers that are reached over encrypted transports for comparison, where a target is
    /// not.
    pub encrypted_references: Vec<Service>,
    /// Whether a control tries QUIC, too.
    pub transports: bool,
    /// Whether it is found out between which hops a name is stopped.
    pub locate: bool,
}

impl Plan {
    /// A plan that asks nobody but the target and the network's own resolvers.
    pub fn new(roots: Arc<RootCertStore>, neutral_name: &str) -> Self {
        Self {
            system: true,
            public_resolvers: Vec::new(),
            encrypted: Vec::new(),
            non_resolver: None,
            nobody: Vec::new(),
            roots,
            neutral_name: neutral_name.to_owned(),
            timeouts: Timeouts::default(),
            body_cap: 512 * 1024,
            excerpt_cap: 64 * 1024,
            max_addresses: 4,
            max_redirects: 10,
            query_types: vec![1, 28],
            attempts: 2,
            contact_bogons: false,
            usual_ports: false,
            network_resolvers: Vec::new(),
            own_resolvers: false,
            line_is_tunnel: false,
            captive: None,
            quic_references: Vec::new(),
            encrypted_references: Vec::new(),
            transports: false,
            locate: false,
        }
    }
}

/// An address that runs no resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobody {
    /// Where.
    pub addr: SocketAddr,
    /// Whether it is in another country than the probe, where that is known.
    pub abroad: Option<bool>,
}

/// A host that speaks QUIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuicReference {
    /// Where.
    pub addr: SocketAddr,
    /// The name that its certificate must be valid for.
    pub name: String,
}

/// A resolver with an authenticated name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedResolver {
    /// Where it is: 853 for DNS over TLS, 443 for DNS over HTTPS.
    pub addr: SocketAddr,
    /// The name that its certificate must be valid for.
    pub name: String,
    /// [`DnsTransport::Tls`] or [`DnsTransport::Https`]; anything else is asked over TLS.
    pub transport: DnsTransport,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A lookup, connection and handshake of encrypted ones included.
    pub dns: Duration,
    /// A TCP connection.
    pub tcp: Duration,
    /// A TLS handshake.
    pub tls: Duration,
    /// A request, from its first byte to the response's last.
    pub http: Duration,
    /// A QUIC handshake: Initials leave at 0, 1, 3 and 7 seconds (RFC 9002 section 6.2).
    pub quic: Duration,
    /// How long a UDP lookup listens on after the first reply, for a second, truer one.
    pub watch: Duration,
    /// How long its port stays open after that reply, while other work goes on or what came
    /// is suspicious.
    pub late: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self {
            dns: Duration::from_secs(4),
            tcp: ten,
            tls: ten,
            http: ten,
            quic: ten,
            watch: Duration::from_millis(500),
            late: Duration::from_secs(5),
        }
    }
}

/// A page whose answer is known beforehand, fetched in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptiveCheck {
    /// An `http` URL that the operator chose.
    pub url: String,
    /// The status that the real page has: usually 204.
    pub status: u16,
    /// The body that it has, where that matters.
    pub body: Option<Vec<u8>>,
}
