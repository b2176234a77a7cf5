//! How is a world written down? As TOML; a key that is not known is an error.

use crate::authority::Certificate;
use crate::middlebox::Middlebox;
use crate::resolver::Resolver;
use faultline_core::time::ClockQuality;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A world, a probe in it, what it measures and what ought to come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence.
    pub name: String,
    /// What was seen in the real world: papers, reports, RFCs.
    pub cites: Vec<String>,
    /// Everything random comes from it.
    pub seed: u64,
    /// Countries, by user-assigned codes of ISO 3166-1 (XA to XZ).
    pub country: Vec<Country>,
    /// Networks.
    #[serde(rename = "as")]
    pub networks: Vec<Network>,
    /// Web sites.
    #[serde(default)]
    pub site: Vec<Site>,
    /// Resolvers.
    #[serde(default)]
    pub resolver: Vec<Resolver>,
    /// Boxes that interfere.
    #[serde(default)]
    pub middlebox: Vec<Middlebox>,
    /// Top-level domains beside those that every world has and those of sites.
    #[serde(default)]
    pub tld: Vec<Tld>,
    /// The operator's zone for checks of the DNS's way.
    #[serde(default)]
    pub test_zone: Option<String>,
    /// Where the measuring is done.
    pub probe: Probe,
    /// What is measured.
    pub measure: Vec<Measure>,
    /// What the rules ought to say of each.
    pub expect: Expect,
    /// What the rules know beforehand.
    #[serde(default)]
    pub knowledge: Knowledge,
}

/// A top-level domain of the one root.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tld {
    /// Its label.
    pub name: String,
    /// Whether its signatures do not fit: who validates fails for it.
    #[serde(default)]
    pub broken: bool,
}

/// A country.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Country {
    /// `XA` to `XZ`.
    pub code: String,
    /// What it calls itself.
    #[serde(default)]
    pub name: String,
}

/// An autonomous system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its number, of those for documentation (RFC 5398).
    pub asn: u32,
    /// Where it is.
    pub country: String,
    /// What it calls itself.
    #[serde(default)]
    pub name: String,
    /// How many people it serves.
    #[serde(default)]
    pub users: u64,
    /// What it announces: `address/length`.
    pub prefixes: Vec<String>,
    /// Whether packets over IPv6 find a way out: without, `ENETUNREACH`.
    #[serde(default)]
    pub ipv6: bool,
}

/// How a site's hosts treat connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// They serve.
    #[default]
    Up,
    /// They refuse connections.
    Refuses,
    /// Nothing answers.
    Silent,
    /// They accept connections and reset them once spoken to.
    Resets,
}

/// Another answer for some country's resolvers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    /// Whose resolvers.
    pub country: String,
    /// What they are told.
    pub addresses: Vec<IpAddr>,
    /// How the hosts there treat connections, where not as the site's others do.
    pub state: Option<State>,
    /// What certificate they show, where not the site's.
    pub certificate: Option<Certificate>,
}

impl Geo {
    /// Whether these hosts are unlike the site's others.
    pub fn differs(&self) -> bool {
        self.state.is_some() || self.certificate.is_some()
    }
}

/// A web site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Names in the DNS and in the certificate.
    pub names: Vec<String>,
    /// Where it is served from.
    pub addresses: Vec<IpAddr>,
    /// Names through which CNAME records lead from the first to the addresses.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Addresses that serve and are told to some countries only.
    #[serde(default)]
    pub geo: Vec<Geo>,
    /// Whether each answer begins at another address and names only one.
    #[serde(default)]
    pub rotates: bool,
    /// How its hosts treat connections.
    #[serde(default)]
    pub state: State,
    /// What they show.
    #[serde(default)]
    pub certificate: Certificate,
    /// A content network's number, known to the rules.
    pub cdn: Option<u32>,
    /// The status of its page.
    #[serde(default = "ok")]
    pub status: u16,
    /// Visitors from these countries are turned away.
    #[serde(default)]
    pub refuses_countries: Vec<String>,
    /// With this status.
    #[serde(default = "forbidden")]
    pub refuses_with: u16,
    /// The title of its page.
    #[serde(default)]
    pub title: String,
    /// Octets of the page's body.
    #[serde(default = "kilobyte")]
    pub length: usize,
    /// Octets by which the length varies from one request to the next.
    #[serde(default)]
    pub varies: usize,
    /// Where plain requests are redirected.
    pub redirect: Option<String>,
    /// Paths through which a visitor of `/` is redirected before there is a page.
    #[serde(default)]
    pub chain: Vec<String>,
    /// How long a hundred octets of the body take, milliseconds.
    #[serde(default)]
    pub pace_ms: u64,
    /// How long the server thinks, milliseconds.
    #[serde(default)]
    pub thinks_ms: u64,
    /// Whether its hosts speak QUIC.
    #[serde(default)]
    pub http3: bool,
    /// The key for ECH in its HTTPS record, where it has one.
    pub ech: Option<Ech>,
}

/// What a site does with ECH (RFC 9849).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ech {
    /// The name that its key shows.
    pub public_name: String,
    /// What its hosts do.
    #[serde(default)]
    pub hosts: EchHosts,
}

/// What hosts do whose record has a key for ECH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchHosts {
    /// They do not have the key, and prove the name that it shows: a record out of date.
    #[default]
    Reject,
    /// They do not have the key, and cannot prove the name that it shows.
    Ignore,
    /// They accept it.
    Accept,
}

impl Site {
    /// The names that its hosts prove.
    pub fn proves(&self) -> Vec<String> {
        let shown = self.ech.iter().filter(|ech| ech.hosts != EchHosts::Ignore);
        let shown = shown.map(|ech| ech.public_name.clone());
        self.names.iter().cloned().chain(shown).collect()
    }

    /// The status of its page for a visitor from a country.
    pub fn status_for(&self, country: &str) -> u16 {
        let refused = self.refuses_countries.iter().any(|c| c == country);
        if refused {
            self.refuses_with
        } else {
            self.status
        }
    }
}

fn ok() -> u16 {
    200
}
fn forbidden() -> u16 {
    403
}
fn kilobyte() -> usize {
    1024
}
fn twenty() -> u64 {
    20
}
fn ntp() -> Quality {
    Quality::Ntp
}

/// [`ClockQuality`] in a scenario.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// No clock.
    None,
    /// A clock with a battery.
    Rtc,
    /// Synchronised.
    Ntp,
}

impl From<Quality> for ClockQuality {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::None => Self::None,
            Quality::Rtc => Self::Rtc,
            Quality::Ntp => Self::Ntp,
        }
    }
}

/// Where the probe is and how it is connected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Its network.
    pub asn: u32,
    /// One way, milliseconds.
    #[serde(default = "twenty")]
    pub delay_ms: u64,
    /// Packets lost, of a hundred.
    #[serde(default)]
    pub loss_percent: u8,
    /// Octets of the client's stream that travel in one segment, where few; a box that does
    /// not reassemble looks at the first alone.
    pub segment: Option<usize>,
    /// Whether it finds out between which hops a name is stopped.
    #[serde(default)]
    pub locate: bool,
    /// Whether a portal waits for a login.
    #[serde(default)]
    pub captive_portal: bool,
    /// Whether packets leave through a tunnel.
    #[serde(default)]
    pub vpn: bool,
    /// By how much its wall clock is wrong.
    #[serde(default)]
    pub clock_offset_days: i64,
    /// What it knows of its clock.
    #[serde(default = "ntp")]
    pub clock: Quality,
    /// An address without a resolver to ask.
    pub non_resolver: Option<IpAddr>,
    /// Others, by the word of an operator, who knows in which country each is.
    #[serde(default)]
    pub nobody: Vec<IpAddr>,
    /// Whether its owner chose the resolvers.
    #[serde(default)]
    pub own_resolvers: bool,
}

impl Probe {
    /// An ordinary one.
    pub fn in_network(asn: u32, delay_ms: u64, loss_percent: u8) -> Self {
        Self {
            asn,
            delay_ms,
            loss_percent,
            locate: false,
            captive_portal: false,
            vpn: false,
            segment: None,
            clock_offset_days: 0,
            clock: ntp(),
            non_resolver: None,
            nobody: Vec::new(),
            own_resolvers: false,
        }
    }
}

/// An experiment on a target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Which.
    pub experiment: Experiment,
    /// A name or a URL.
    pub target: String,
}

/// The experiments there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Experiment {
    /// Do resolvers agree?
    DnsConsistency,
    /// Can the page be had?
    Web,
    /// Does a ClientHello come through?
    Hello,
    /// Does QUIC reach it?
    Quic,
    /// Does an encrypted ClientHello come through?
    Ech,
    /// Is the top-level domain where it is for everybody?
    Namespace,
    /// Does the special-use name lead nowhere?
    SpecialNames,
    /// Does the DNS pass as it was sent?
    DnsTransparency,
    /// Is a resolver reached over encrypted transports?
    EncryptedDns,
}

impl Experiment {
    /// Whether a control looks by other transports than pages need.
    pub const fn is_transport(self) -> bool {
        matches!(self, Self::Quic | Self::Ech)
    }

    /// Whether it is about the DNS itself: the probe's encrypted resolvers are its control.
    pub const fn is_trace(self) -> bool {
        matches!(
            self,
            Self::Namespace | Self::SpecialNames | Self::DnsTransparency
        )
    }
}

/// What ought to come of it, in the words of the rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `ok`, `anomaly`, `down`, `refused` or `inconclusive`.
    pub outcome: String,
    /// For anomalies: `tls.reset.sni`.
    pub mechanism: Option<String>,
    /// For anomalies: `dns`, `tcp`, `tls`, `http`.
    pub layer: Option<String>,
    /// A rule that must be among the reasons.
    pub reason: Option<String>,
}

impl Expect {
    /// Nothing but an outcome.
    pub fn outcome(word: &str) -> Self {
        Self {
            outcome: word.to_owned(),
            mechanism: None,
            layer: None,
            reason: None,
        }
    }
}

/// What the rules know beside a measurement.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knowledge {
    /// Addresses of blockpages.
    #[serde(default)]
    pub blockpage_addresses: Vec<IpAddr>,
    /// Titles of blockpages.
    #[serde(default)]
    pub blockpage_titles: Vec<String>,
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read scenario {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not a scenario.
    #[error("not a scenario: {0}")]
    Parse(#[from] toml::de::Error),
}

impl Scenario {
    /// From a file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// From text.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Ok(toml::from_str(text)?)
    }
}
