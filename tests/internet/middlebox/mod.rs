//! What stands on the path, and what does it do to whom?
//!
//! | box | seen in |
//! |---|---|
//! | `dns_injector` | China: Anonymous, CCR 2014; Hoang et al., GFWatch, USENIX Security 2021; Turkmenistan: Nourin et al., WWW 2023 |
//! | `dns_proxy` | Liu et al., Who Is Answering My Queries, USENIX Security 2018 |
//! | `dns_mangler` | Dagon et al., DNS-0x20, CCS 2008; Huque, DNS flag day 2019 (EDNS dropped); RFC 7766 section 1 (TCP blocked) |
//! | `sni_reset` | China: Chai et al., FOCI 2019; India: Singh et al., WebSci 2020 |
//! | `sni_drop` | Russia: Xue et al., TSPU, IMC 2022; Iran: Basso, DNS over TLS blocked in Iran, OONI 2020 |
//! | `ip_drop`, `ip_reset` | Russia: Ramesh et al., NDSS 2020; TSPU |
//! | `http_blockpage`, `http_redirect`, `http_reset` | India: Yadav et al., IMC 2018; Russia: Ramesh et al. |
//! | `throttle` | Russia: Xue et al., Throttling Twitter, IMC 2021 |
//! | `quic_drop` | China: Zohaib et al., Exposing and Circumventing SNI-based QUIC Censorship, USENIX Security 2025 |
//! | `quic_version_drop` | Russia: TSPU, March 2022: Xue et al., IMC 2022, section 5.2; OONI, 2022 |
//! | `quic_version_forge`, `quic_close` | RFC 9000 section 21.12 and RFC 9001 section 7: what anybody on the path can write |
//! | `udp_drop` | Elmenhorst et al., IMC 2021 (Iran: UDP by address); firewalls of companies |
//! | `port_drop` | Basso, Measuring DoT/DoH Blocking, DNS Privacy Workshop 2021; firewalls of companies |
//! | `ech_drop`, `ech_reset` | Russia, November 2024: by the extension and one visible name together; China, 2020, of its predecessor: Bock et al. |
//! | `long_drop` | tldr.fail, 2024: software that takes a ClientHello of one short segment alone |
//! | `tls_mitm` | Kazakhstan: Raman et al., IMC 2020 |

pub mod address;
pub mod dns_injector;
pub mod dns_mangler;
pub mod dns_proxy;
pub mod ech;
pub mod http;
pub mod quic;
pub mod sni;

use serde::Deserialize;
use std::net::IpAddr;

/// Octets a second that a throttling box lets pass.
pub const TRICKLE: usize = 100;

/// What kind of box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Races the true answer with a forged one, whoever is asked.
    DnsInjector,
    /// Answers in the place of every resolver, truly but for the listed names.
    DnsProxy,
    /// Lets the DNS pass, but not as it was sent: see `mangles`.
    DnsMangler,
    /// Resets connections whose ClientHello names a listed name.
    SniReset,
    /// Drops everything after such a ClientHello.
    SniDrop,
    /// Drops everything after a ClientHello with ECH, of listed visible names where there are any.
    EchDrop,
    /// Resets such connections.
    EchReset,
    /// Drops everything after a ClientHello of more than 400 octets, whosever.
    LongDrop,
    /// Drops packets to listed addresses.
    IpDrop,
    /// Answers SYNs to listed addresses with RST.
    IpReset,
    /// Says that listed addresses are unreachable (ICMP).
    IpUnreachable,
    /// Answers plain requests for listed names with a page of its own.
    HttpBlockpage,
    /// Redirects plain requests for listed names.
    HttpRedirect,
    /// Resets plain requests for listed names.
    HttpReset,
    /// Drops plain requests for listed names.
    HttpDrop,
    /// Lets a hundred octets a second pass to clients whose ClientHello names a listed name.
    Throttle,
    /// Drops flows whose QUIC Initial names a listed name.
    QuicDrop,
    /// Drops packets that say version 1 of QUIC, whomever they are for.
    QuicVersionDrop,
    /// Answers Initials that name a listed name with a Version Negotiation of its own.
    QuicVersionForge,
    /// Closes connections whose Initial names a listed name, in the server's name.
    QuicClose,
    /// Drops datagrams to port 443, of listed destinations where there are any.
    UdpDrop,
    /// Drops packets to listed ports, of listed destinations where there are any.
    PortDrop,
    /// Shakes hands in the place of listed names with certificates of its own root.
    TlsMitm,
}

/// A box on the paths of a network's clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Middlebox {
    /// What it does.
    pub kind: Kind,
    /// Whose clients pass it.
    pub asn: u32,
    /// Which names it looks for, with those below them.
    #[serde(default)]
    pub names: Vec<String>,
    /// Names that pass a box that reads ClientHellos and stops all others, where there are any.
    #[serde(default)]
    pub spares: Vec<String>,
    /// Which destinations it looks for; for boxes that read queries or go by ports, all where
    /// none are given.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Which ports it shuts.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// What a DNS box answers; NXDOMAIN where not given.
    #[serde(default)]
    pub answers: Vec<IpAddr>,
    /// What a mangler does.
    #[serde(default)]
    pub mangles: Vec<dns_mangler::Mangle>,
    /// Routers between it and the client; of all boxes of a network, the most counts.
    #[serde(default)]
    pub behind: u8,
    /// A blockpage's title.
    #[serde(default)]
    pub title: String,
    /// Whether it puts a stream's segments together before it looks; where not, it looks at
    /// the first alone.
    #[serde(default)]
    pub reassembles: bool,
    /// Where a redirect points.
    #[serde(default)]
    pub location: String,
}

/// What becomes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Pass,
    /// Both ends get a RST.
    Reset,
    /// Nothing passes any more.
    Drop,
    /// The client gets these octets and a FIN.
    Answer(Vec<u8>),
    /// A trickle comes back.
    Throttle,
    /// Somebody else shakes hands for this name.
    Intercept(String),
}

/// Routers between the clients of a network and its boxes.
pub fn behind(boxes: &[Middlebox], asn: u32) -> u8 {
    let own = boxes.iter().filter(|middlebox| middlebox.asn == asn);
    own.map(|middlebox| middlebox.behind).max().unwrap_or(0)
}

impl Middlebox {
    /// What becomes of a stream whose client first said `first`.
    pub fn on_stream(&self, first: &[u8]) -> Action {
        match self.kind {
            Kind::SniReset | Kind::SniDrop | Kind::Throttle | Kind::TlsMitm => {
                sni::act(self, first)
            }
            Kind::EchDrop | Kind::EchReset | Kind::LongDrop => ech::act(self, first),
            Kind::HttpBlockpage | Kind::HttpRedirect | Kind::HttpReset | Kind::HttpDrop => {
                http::act(self, first)
            }
            _ => Action::Pass,
        }
    }
}
