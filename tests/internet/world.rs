//! What is there? Countries, networks, sites, resolvers and boxes, built from a scenario.

use crate::authority::{Authority, AuthorityError, Certificate};
use crate::ech;
use crate::entropy::Seeded;
use crate::middlebox::Middlebox;
use crate::resolver::Resolver;
use crate::scenario::{Knowledge, Network, Scenario, Site, State, Tld};
use faultline_core::{id::Asn, observation::Fetch, verdict::Context};
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// The network of the clean vantage point; every world has it.
pub const VANTAGE: u32 = 64_511;
/// The vantage's resolver.
pub const VANTAGE_RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(24, 255, 0, 53));
/// The vantage's prefix of IPv6.
const VANTAGE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a0e, 0xffff, 0, 0, 0, 0, 0, 0));
/// A name that nobody filters, served in every world; not its own DNS answer matters but
/// that it may be said to any server.
pub const NEUTRAL: &str = "neutral.example";
/// Where it is served, over QUIC, too.
pub const NEUTRAL_HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(24, 255, 0, 80));
/// The page by which captive portals are noticed; every world has it.
pub const CHECK: &str = "http://check.example/";

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A certificate could not be made.
    #[error("no certificate for {name}: is it a domain name?")]
    Certificate {
        /// For whom.
        name: String,
        /// Why.
        #[source]
        source: AuthorityError,
    },
    /// The root is unusable.
    #[error("the simulated root is unusable")]
    Root(#[source] rustls::Error),
    /// Not `address/length`.
    #[error("{0} is not a prefix such as 20.1.0.0/16")]
    Prefix(String),
    /// A network in no country, or a probe in no network.
    #[error("{0} is not declared in the scenario")]
    Undeclared(String),
}

/// A network prefix.
type Prefix = (IpAddr, u8);

/// Everything there is.
pub struct World {
    /// Web sites, those of every world included.
    pub sites: Vec<Site>,
    /// Resolvers.
    pub resolvers: Vec<Resolver>,
    /// Boxes.
    pub boxes: Vec<Middlebox>,
    /// Top-level domains, those of every world included.
    pub tlds: Vec<Tld>,
    /// The zone for checks of the DNS's way.
    pub test_zone: Option<String>,
    home: Asn,
    /// The authorities that browsers trust here.
    pub roots: Arc<RootCertStore>,
    servers: Vec<Arc<ServerConfig>>,
    resolver_servers: BTreeMap<IpAddr, Arc<ServerConfig>>,
    /// Who vouches for the sites.
    pub authority: Authority,
    interceptor: Authority,
    networks: Vec<(Network, Vec<Prefix>)>,
    knowledge: Knowledge,
    chance: Mutex<Seeded>,
}

impl World {
    /// Builds what a scenario describes.
    pub fn new(scenario: &Scenario) -> Result<Self, WorldError> {
        let failed = |name: &str| {
            let name = name.to_owned();
            move |source| WorldError::Certificate { name, source }
        };
        let authority =
            Authority::new(scenario.seed, "Simulated Root").map_err(failed("root"))?;
        let interceptor =
            Authority::new(scenario.seed, "National Root").map_err(failed("interceptor"))?;
        let mut sites = scenario.site.clone();
        for site in &scenario.site {
            sites.extend(site.geo.iter().filter(|geo| geo.differs()).map(|geo| Site {
                addresses: geo.addresses.clone(),
                geo: Vec::new(),
                state: geo.state.unwrap_or(site.state),
                certificate: geo.certificate.unwrap_or(site.certificate),
                ..site.clone()
            }));
        }
        sites.push(check_site());
        let mut servers = Vec::new();
        for site in &sites {
            let name = site.names.first().map_or("", String::as_str);
            let server = authority.server(&site.proves(), site.certificate);
            servers.push(server.map_err(failed(name))?);
        }
        let mut resolvers = scenario.resolver.clone();
        resolvers.push(Resolver::honest(VANTAGE_RESOLVER, VANTAGE));
        let mut resolver_servers = BTreeMap::new();
        for resolver in &resolvers {
            if let Some(name) = &resolver.name {
                let server = authority.server(std::slice::from_ref(name), Certificate::Valid);
                let mut server = ServerConfig::clone(&*server.map_err(failed(name))?);
                if !resolver.old_http {
                    server.alpn_protocols = vec![b"h2".to_vec(), b"dot".to_vec()];
                }
                resolver_servers.insert(resolver.address, Arc::new(server));
            }
        }
        let mut networks = Vec::new();
        for network in &scenario.networks {
            if !scenario.country.iter().any(|c| c.code == network.country) {
                return Err(WorldError::Undeclared(format!(
                    "country {}",
                    network.country
                )));
            }
            let prefixes = network.prefixes.iter().map(|p| prefix(p));
            networks.push((network.clone(), prefixes.collect::<Result<_, _>>()?));
        }
        networks.push((
            vantage(),
            vec![([24, 255, 0, 0].into(), 16), (VANTAGE_V6, 32)],
        ));
        if !networks.iter().any(|(n, _)| n.asn == scenario.probe.asn) {
            return Err(WorldError::Undeclared(format!("as {}", scenario.probe.asn)));
        }
        Ok(Self {
            sites,
            resolvers,
            boxes: scenario.middlebox.clone(),
            tlds: tlds(scenario),
            test_zone: scenario.test_zone.clone(),
            home: Asn(scenario.probe.asn),
            roots: Arc::new(authority.roots().map_err(WorldError::Root)?),
            servers,
            resolver_servers,
            authority,
            interceptor,
            networks,
            knowledge: scenario.knowledge.clone(),
            chance: Mutex::new(Seeded::new(scenario.seed, 0x33)),
        })
    }

    /// The site served from an address, and its TLS server.
    pub fn site_at(&self, ip: IpAddr) -> Option<(&Site, &Arc<ServerConfig>)> {
        let serves = |site: &Site| {
            site.addresses.contains(&ip)
                || site
                    .geo
                    .iter()
                    .any(|geo| !geo.differs() && geo.addresses.contains(&ip))
        };
        self.sites
            .iter()
            .zip(&self.servers)
            .find(|(site, _)| serves(site))
    }

    /// The TLS server of the resolver at an address.
    pub fn resolver_server(&self, ip: IpAddr) -> Option<&Arc<ServerConfig>> {
        self.resolver_servers.get(&ip)
    }

    /// The resolver at an address.
    pub fn resolver_at(&self, ip: IpAddr) -> Option<&Resolver> {
        self.resolvers
            .iter()
            .find(|resolver| resolver.address == ip)
    }

    /// A TLS server for any name, of an authority that nobody trusts.
    pub fn intercept(&self, name: &str) -> Option<Arc<ServerConfig>> {
        self.interceptor
            .server(&[name.to_owned()], Certificate::Valid)
            .ok()
    }

    /// The truth about a name as told in a country; `None` where it does not exist.
    pub fn addresses(&self, name: &str, country: &str) -> Option<Vec<IpAddr>> {
        let site = self.sites.iter().find(|site| {
            site.names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        })?;
        let geo = site.geo.iter().find(|geo| geo.country == country);
        let mut addresses = geo.map_or(&site.addresses, |geo| &geo.addresses).clone();
        if site.rotates && !addresses.is_empty() {
            let first = self.draw() as usize % addresses.len();
            addresses.rotate_left(first);
            addresses.truncate(1);
        }
        Some(addresses)
    }

    /// The names through which CNAME records lead from a name.
    pub fn aliases(&self, name: &str) -> &[String] {
        let is = |site: &&Site| site.names.first().is_some_and(|first| first == name);
        self.sites.iter().find(is).map_or(&[], |site| &site.aliases)
    }

    /// The data of a name's HTTPS record, where it has one.
    pub fn service(&self, name: &str) -> Option<Vec<u8>> {
        let is = |site: &&Site| {
            site.names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        ech::record(self.sites.iter().find(is)?.ech.as_ref()?)
    }

    /// A network by its number.
    pub fn network(&self, asn: u32) -> Option<&Network> {
        self.networks
            .iter()
            .map(|(network, _)| network)
            .find(|network| network.asn == asn)
    }

    /// The country of a network.
    pub fn country(&self, asn: u32) -> &str {
        self.network(asn).map_or("ZZ", |network| &network.country)
    }

    /// The addresses of the resolvers that a network announces.
    pub fn announced(&self, asn: u32) -> Vec<SocketAddr> {
        let own = self
            .resolvers
            .iter()
            .filter(|r| r.announced_in == Some(asn));
        own.map(|r| SocketAddr::new(r.address, 53)).collect()
    }

    /// The `number`th addresses of a network: of its first prefix of each family, of IPv6
    /// only where packets over it find a way out.
    pub fn host_addresses(
        &self,
        asn: u32,
        number: u16,
    ) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let found = self.networks.iter().find(|(n, _)| n.asn == asn);
        let Some((network, prefixes)) = found else {
            return (None, None);
        };
        let v4 = prefixes.iter().find_map(|(base, _)| match base {
            IpAddr::V4(base) => Some(Ipv4Addr::from(u32::from(*base) | u32::from(number))),
            IpAddr::V6(_) => None,
        });
        let v6 = prefixes.iter().find_map(|(base, _)| match base {
            IpAddr::V6(base) => Some(Ipv6Addr::from(u128::from(*base) | u128::from(number))),
            IpAddr::V4(_) => None,
        });
        (v4, v6.filter(|_| network.ipv6))
    }

    /// A number by the seed.
    pub fn draw(&self) -> u64 {
        self.chance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .draw()
    }
}

impl Context for World {
    fn home(&self) -> Option<Asn> {
        Some(self.home)
    }
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        let inside = |prefixes: &[Prefix]| prefixes.iter().any(|p| contains(*p, ip));
        self.networks
            .iter()
            .find(|(_, p)| inside(p))
            .map(|(n, _)| Asn(n.asn))
    }
    fn cdn_of(&self, ip: IpAddr) -> Option<u32> {
        self.site_at(ip)?.0.cdn
    }
    fn is_blockpage_address(&self, ip: IpAddr) -> bool {
        self.knowledge.blockpage_addresses.contains(&ip)
    }
    fn is_blockpage(&self, page: &Fetch) -> bool {
        let known = &self.knowledge.blockpage_titles;
        page.title
            .as_ref()
            .is_some_and(|title| known.contains(title))
    }
}

fn prefix(text: &str) -> Result<Prefix, WorldError> {
    let bad = || WorldError::Prefix(text.to_owned());
    let (address, length) = text.split_once('/').ok_or_else(bad)?;
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let length: u8 = length.parse().map_err(|_| bad())?;
    (length <= if address.is_ipv4() { 32 } else { 128 })
        .then_some((address, length))
        .ok_or_else(bad)
}

fn contains((base, length): Prefix, ip: IpAddr) -> bool {
    let (base, ip) = match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => (
            u128::from(u32::from(base)) << 96,
            u128::from(u32::from(ip)) << 96,
        ),
        (IpAddr::V6(base), IpAddr::V6(ip)) => (u128::from(base), u128::from(ip)),
        _ => return false,
    };
    length == 0 || (base ^ ip) >> (128 - u32::from(length)) == 0
}

/// Those of the scenario, of every world and of sites, each once.
fn tlds(scenario: &Scenario) -> Vec<Tld> {
    let mut all = scenario.tld.clone();
    let names = scenario.site.iter().flat_map(|site| &site.names);
    let of_sites = names.filter_map(|name| name.rsplit('.').next());
    for name in ["com", "net", "org", "example"].into_iter().chain(of_sites) {
        if !all.iter().any(|tld| tld.name == name) {
            all.push(Tld {
                name: name.to_owned(),
                broken: false,
            });
        }
    }
    all
}

fn vantage() -> Network {
    Network {
        asn: VANTAGE,
        country: "XZ".to_owned(),
        name: "Vantage".to_owned(),
        users: 0,
        prefixes: Vec::new(),
        ipv6: true,
    }
}

/// The page of [`CHECK`], outside every filter, in the vantage's network.
fn check_site() -> Site {
    Site {
        names: vec!["check.example".to_owned(), NEUTRAL.to_owned()],
        addresses: vec![NEUTRAL_HOST],
        aliases: Vec::new(),
        geo: Vec::new(),
        rotates: false,
        state: State::Up,
        certificate: Certificate::Valid,
        cdn: None,
        status: 204,
        refuses_countries: Vec::new(),
        refuses_with: 403,
        title: String::new(),
        length: 0,
        varies: 0,
        redirect: None,
        chain: Vec::new(),
        pace_ms: 0,
        thinks_ms: 0,
        http3: true,
        ech: None,
    }
}
