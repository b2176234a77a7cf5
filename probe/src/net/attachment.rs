//! Which network is this host in, and through what?
//!
//! Read from the kernel's tables, without privileges and without sending anything:
//! `/proc/net/route` and `/proc/net/ipv6_route` (proc(5), `Documentation/networking`), the
//! hardware types (ARPHRD_*, `if_arp.h`) and `DEVTYPE` of interfaces in `/sys/class/net`, and
//! the addresses of interfaces (getifaddrs(3)).
//!
//! **Which network**: interfaces and gateways of the default routes, the gateways' hardware
//! addresses as far as the kernel knows them (`/proc/net/arp`: two homes may both have
//! 192.168.1.1), own addresses behind no gateway, and announced resolvers; digested together,
//! so that what is kept on disk names no network. Known gaps: two networks that look alike in
//! all of that count as one; a new lease of the same network may count as another, which
//! costs one check-in.
//!
//! **VPN**: a default route, or the pair of halves `0.0.0.0/1` and `128.0.0.0/1` that OpenVPN
//! and others lay over one, leads through a tunnel. Known false positives: PPPoE, mobile
//! dial-up over ppp and IPv6 over 6in4 at home: results are then labelled and not scored,
//! which errs on the right side; `line_is_tunnel` in the settings says that it is the line.
//! Rules that the main table does not show (`wg-quick` and its firewall mark) are met by the
//! source address that the kernel chooses for a packet that is never sent. Known gaps: VPNs
//! on the router, and proxies.

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// How a host is attached to a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// What tells this network from others, digested; `None` where nothing is known of it.
    pub network: Option<[u8; 32]>,
    /// Whether packets leave through a tunnel to somewhere else.
    pub vpn: bool,
    /// Addresses of this host's interfaces, those of no use elsewhere left out.
    pub own: Vec<IpAddr>,
}

/// What the kernel says, before anything is made of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// `/proc/net/route`.
    pub(super) route: String,
    /// `/proc/net/ipv6_route`.
    pub(super) route6: String,
    /// `/proc/net/arp`.
    pub(super) arp: String,
    /// Every interface.
    pub(super) links: Vec<Link>,
    /// Source addresses that the kernel would choose for packets to the Internet.
    pub(super) sources: Vec<IpAddr>,
    /// What the network announced.
    pub(super) resolvers: Vec<IpAddr>,
}

/// An interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) name: String,
    /// `type`: ARPHRD_*.
    pub(super) kind: u16,
    /// `DEVTYPE` of `uevent`.
    pub(super) devtype: Option<String>,
    /// Whether there is a `tun_flags` file.
    pub(super) tun: bool,
    pub(super) addresses: Vec<IpAddr>,
}

impl Link {
    /// Whether what enters here comes out somewhere else (`if_arp.h`): PPP, IP in IP, SIT,
    /// GRE, and what has no hardware at all (tun, WireGuard, IPsec) except mobile modems.
    fn is_tunnel(&self) -> bool {
        const TUNNELS: [u16; 7] = [512, 768, 769, 776, 778, 823, 65_534];
        self.tun || (TUNNELS.contains(&self.kind) && self.devtype.as_deref() != Some("wwan"))
    }
}

/// A route that everything takes: through what, and to which gateway.
pub(super) type Way = (String, Option<IpAddr>);

impl Tables {
    pub(super) fn read(sources: Vec<IpAddr>, resolvers: Vec<IpAddr>) -> Option<Self> {
        let text = |path: &str| std::fs::read_to_string(path);
        Some(Self {
            route: text("/proc/net/route").ok()?,
            // Absent where IPv6 is switched off.
            route6: text("/proc/net/ipv6_route").unwrap_or_default(),
            arp: text("/proc/net/arp").unwrap_or_default(),
            links: links(Path::new("/sys/class/net")),
            sources,
            resolvers,
        })
    }

    pub(super) fn attachment(&self) -> Attachment {
        let defaults: BTreeSet<Way> = self.ways();
        let through = |link: &Link| {
            defaults.iter().any(|(name, _)| *name == link.name)
                || link.addresses.iter().any(|ip| self.sources.contains(ip))
        };
        let leaving: Vec<&Link> = self.links.iter().filter(|link| through(link)).collect();
        Attachment {
            network: Some(self.digest(&defaults, &leaving)),
            vpn: leaving.iter().any(|link| link.is_tunnel()),
            own: self
                .links
                .iter()
                .flat_map(|link| &link.addresses)
                .copied()
                .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
                .collect(),
        }
    }

    /// The interfaces that everything leaves through, and their gateways.
    pub(super) fn ways(&self) -> BTreeSet<Way> {
        self.defaults4().chain(self.defaults6()).collect()
    }

    fn digest(&self, defaults: &BTreeSet<Way>, leaving: &[&Link]) -> [u8; 32] {
        let mut text = String::new();
        for (name, gateway) in defaults {
            let hardware = gateway.map(|ip| self.hardware(ip));
            let _ = writeln!(text, "{name} {gateway:?} {hardware:?}");
        }
        for link in leaving {
            // IPv6 privacy addresses (RFC 8981) change daily in one network: prefixes stay.
            let prefixes: BTreeSet<_> = link.addresses.iter().map(|ip| prefix(*ip)).collect();
            let _ = writeln!(text, "{} {prefixes:?}", link.name);
        }
        let resolvers: BTreeSet<_> = self.resolvers.iter().collect();
        let _ = writeln!(text, "{resolvers:?}");
        Sha256::digest(text).into()
    }

    /// `Iface Destination Gateway Flags ... Mask`: addresses as the machine's words.
    fn defaults4(&self) -> impl Iterator<Item = Way> {
        self.route.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let word = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
            let address = |at| Some(Ipv4Addr::from(word(at)?.to_ne_bytes()));
            let (to, mask) = (address(1)?, u32::from(address(7)?));
            let up = word(3)? & 1 != 0;
            let everything = mask == 0 || (mask == 1 << 31 && u32::from(to) & !(1 << 31) == 0);
            let gateway = address(2)?;
            (up && everything).then(|| {
                let gateway = (!gateway.is_unspecified()).then_some(gateway.into());
                Some(((*fields.first()?).to_owned(), gateway))
            })?
        })
    }

    /// `destination length source length gateway metric ref use flags device`.
    fn defaults6(&self) -> impl Iterator<Item = Way> {
        const UP: u32 = 1;
        const REJECT: u32 = 0x200;
        self.route6.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let address = |at: usize| {
                let bits = u128::from_str_radix(fields.get(at)?, 16).ok()?;
                Some(Ipv6Addr::from_bits(bits))
            };
            let length = u8::from_str_radix(fields.get(1)?, 16).ok()?;
            let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
            let to = address(0)?.to_bits();
            // Global unicast as a whole (2000::/3) and halves are laid over ::/0 too.
            let everything = length == 0
                || (length == 1 && to & !(1 << 127) == 0)
                || (length == 3 && to == 1 << 125);
            let gateway = address(4)?;
            (everything && flags & UP != 0 && flags & REJECT == 0).then(|| {
                let gateway = (!gateway.is_unspecified()).then_some(gateway.into());
                Some(((*fields.get(9)?).to_owned(), gateway))
            })?
        })
    }

    /// The hardware address of a neighbour, if known: `address type flags hardware ...`.
    fn hardware(&self, gateway: IpAddr) -> Option<&str> {
        let gateway = gateway.to_string();
        let line = self
            .arp
            .lines()
            .find(|line| line.split_whitespace().next() == Some(&gateway))?;
        let hardware = line.split_whitespace().nth(3)?;
        (hardware != "00:00:00:00:00:00").then_some(hardware)
    }
}

/// The network that an address is in, by the usual lengths.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

fn links(folder: &Path) -> Vec<Link> {
    let mut links: Vec<Link> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let text = |file: &str| std::fs::read_to_string(entry.path().join(file)).ok();
            let uevent = text("uevent").unwrap_or_default();
            Some(Link {
                name: entry.file_name().into_string().ok()?,
                kind: text("type")?.trim().parse().ok()?,
                devtype: uevent
                    .lines()
                    .find_map(|line| line.strip_prefix("DEVTYPE="))
                    .map(str::to_owned),
                tun: entry.path().join("tun_flags").exists(),
                addresses: Vec::new(),
            })
        })
        .collect();
    for found in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let address = found.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::from(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| a.ip().into()))
        });
        let link = links
            .iter_mut()
            .find(|link| link.name == found.interface_name);
        if let (Some(link), Some(address)) = (link, address) {
            link.addresses.push(address);
        }
    }
    links.sort_by(|one, other| one.name.cmp(&other.name));
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    fn word(ip: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(ip))
    }

    fn route(name: &str, to: [u8; 4], gateway: [u8; 4], mask: [u8; 4]) -> String {
        let (to, gateway, mask) = (word(to), word(gateway), word(mask));
        format!("{name}\t{to}\t{gateway}\t0003\t0\t0\t0\t{mask}\t0\t0\t0\n")
    }

    fn link(name: &str, kind: u16, address: &str) -> Link {
        Link {
            name: name.into(),
            kind,
            addresses: vec![address.parse().unwrap()],
            ..Link::default()
        }
    }

    /// A home: Ethernet behind a router.
    fn home() -> Tables {
        let nowhere = [0; 4];
        Tables {
            route: [
                ROUTE,
                &route("eth0", nowhere, [192, 168, 1, 1], nowhere),
                &route("eth0", [192, 168, 1, 0], nowhere, [255, 255, 255, 0]),
            ]
            .concat(),
            arp: "IP address HW type Flags HW address Mask Device\n\
                  192.168.1.1 0x1 0x2 52:54:00:00:00:01 * eth0\n"
                .into(),
            links: vec![link("eth0", 1, "192.168.1.7"), link("lo", 772, "127.0.0.1")],
            resolvers: vec!["192.168.1.1".parse().unwrap()],
            ..Tables::default()
        }
    }

    #[test]
    fn another_router_resolver_or_address_is_another_network() {
        let at = |tables: &Tables| tables.attachment().network;
        assert_eq!(at(&home()), at(&home()));
        let mut others = vec![home(); 4];
        others[0].arp = others[0].arp.replace("00:01", "00:02");
        others[1].resolvers = vec!["9.9.9.9".parse().unwrap()];
        others[2].links[0].addresses = vec!["192.168.1.8".parse().unwrap()];
        others[3].route = ROUTE.into();
        for other in &others {
            assert_ne!(at(other), at(&home()), "{other:?}");
        }
        // A bridge for containers, a neighbour that came and went: the same network.
        let mut same = home();
        same.links.push(link("docker0", 1, "172.17.0.1"));
        same.arp += "192.168.1.9 0x1 0x0 00:00:00:00:00:00 * eth0\n";
        assert_eq!(at(&same), at(&home()));
    }

    #[test]
    fn own_addresses_are_those_of_interfaces_but_loopback() {
        let own = home().attachment().own;
        assert_eq!(own, ["192.168.1.7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_default_route_through_a_tunnel_is_a_vpn() {
        assert!(!home().attachment().vpn);
        let through = |route: String, link: Link| {
            let mut tables = home();
            tables.route += &route;
            tables.links.push(link);
            tables.attachment().vpn
        };
        let (zero, peer) = ([0; 4], [10, 8, 0, 1]);
        let half = [128, 0, 0, 0];
        let tun = || link("tun0", 65_534, "10.8.0.2");
        assert!(through(route("tun0", zero, peer, zero), tun()));
        assert!(through(route("tun0", half, peer, half), tun()));
        assert!(through(
            route("ppp0", zero, zero, zero),
            link("ppp0", 512, "10.8.0.2")
        ));
        // A tunnel to one network only, and a mobile modem, are none.
        let mask = [255, 0, 0, 0];
        assert!(!through(route("tun0", [10, 0, 0, 0], peer, mask), tun()));
        let mut modem = link("wwan0", 65_534, "10.8.0.2");
        modem.devtype = Some("wwan".into());
        assert!(!through(route("wwan0", zero, peer, zero), modem));
        let mut tap = link("tap0", 1, "10.8.0.2");
        tap.tun = true;
        assert!(through(route("tap0", zero, peer, zero), tap));
    }

    #[test]
    fn a_rule_that_the_main_table_does_not_show_is_seen_by_the_source_chosen() {
        let mut tables = home();
        tables.links.push(link("wg0", 65_534, "10.8.0.2"));
        tables.sources = vec!["192.168.1.7".parse().unwrap()];
        assert!(!tables.attachment().vpn);
        tables.sources = vec!["10.8.0.2".parse().unwrap()];
        assert!(tables.attachment().vpn);
    }

    #[test]
    fn ipv6_tunnels_count_and_routes_that_reject_do_not() {
        let line = |to: &str, length: &str, flags: &str| {
            let zero = "0".repeat(32);
            format!("{to} {length} {zero} 00 {zero} 00000400 1 0 {flags} sit1\n")
        };
        let zero = "0".repeat(32);
        let with = |route6: String| {
            let mut tables = home();
            tables.route6 = route6;
            tables.links.push(link("sit1", 776, "2001:db8::2"));
            tables.attachment().vpn
        };
        assert!(with(line(&zero, "00", "00000001")));
        assert!(with(line(
            &format!("2{}", "0".repeat(31)),
            "03",
            "00000001"
        )));
        assert!(!with(line(&zero, "00", "00000201")));
        assert!(!with("garbage\n\n".into()));
    }

    #[test]
    fn this_machine_can_be_read() {
        let tables = Tables::read(Vec::new(), Vec::new());
        let here = tables.expect("/proc/net/route is readable").attachment();
        assert!(here.network.is_some());
    }
}
