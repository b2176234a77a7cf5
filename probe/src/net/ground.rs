//! What is nearest to this host: a carrier, the mains, a router? Read from the kernel, nothing
//! is sent.
//!
//! Carrier: `/sys/class/net/*/carrier` (`Documentation/ABI/testing/sysfs-class-net`), of the
//! interfaces that default routes lead through; where there are none, of all that could have
//! one. Power: `/sys/class/power_supply/*` (`sysfs-class-power`): a mains supply that is online,
//! or, without one, a battery that discharges. Most small computers have neither, and then
//! nothing is claimed. Neighbours: the flags of `/proc/net/arp` (proc(5)): an entry that the
//! kernel keeps as complete answered when it was used last; one that stopped answering is
//! marked within seconds of being used again. There is no such table of IPv6 neighbours in
//! `/proc`: routers that are reached by IPv6 alone are known by what they refuse.

use super::attachment::Way;
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    path::Path,
};

/// What is nearest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// Whether an interface has a carrier.
    pub link: Option<bool>,
    /// Whether the machine is on mains (and not on its battery).
    pub mains: Option<bool>,
    /// The routers that everything goes through; ports mean nothing.
    pub gateways: Vec<SocketAddr>,
}

pub(super) fn read(ways: &BTreeSet<Way>) -> Ground {
    let net = Path::new("/sys/class/net");
    Ground {
        link: carrier(net, ways),
        mains: mains(Path::new("/sys/class/power_supply")),
        gateways: ways
            .iter()
            .filter_map(|(name, gateway)| at(net, name, (*gateway)?))
            .collect(),
    }
}

/// A link-local router is reached through its interface (RFC 4007).
fn at(net: &Path, name: &str, gateway: IpAddr) -> Option<SocketAddr> {
    match gateway {
        IpAddr::V4(_) => Some(SocketAddr::new(gateway, 0)),
        IpAddr::V6(ip) => {
            let index = text(&net.join(name).join("ifindex"))?.parse().ok()?;
            Some(SocketAddrV6::new(ip, 0, 0, index).into())
        }
    }
}

fn carrier(net: &Path, ways: &BTreeSet<Way>) -> Option<bool> {
    let of = |name: &str| text(&net.join(name).join("carrier")).map(|state| state == "1");
    let named: Vec<bool> = ways.iter().filter_map(|(name, _)| of(name)).collect();
    if !named.is_empty() {
        return Some(named.contains(&true));
    }
    let mut any = None;
    for entry in fs::read_dir(net).ok()?.flatten() {
        let name = entry.file_name();
        let real = entry.path().join("device").exists();
        if let (true, Some(name)) = (real, name.to_str()) {
            // One that is switched off does not say, and has none.
            any = Some(any.unwrap_or(false) || of(name).unwrap_or(false));
        }
    }
    any
}

fn mains(supplies: &Path) -> Option<bool> {
    let mut discharging = None;
    let mut online = None;
    for entry in fs::read_dir(supplies).ok()?.flatten() {
        let path = entry.path();
        let is = |file: &str, word: &str| text(&path.join(file)).map(|said| said == word);
        match text(&path.join("type")).as_deref() {
            Some("Mains" | "USB") => {
                let here = is("online", "1").unwrap_or(false);
                online = Some(online.unwrap_or(false) || here);
            }
            Some("Battery") if is("scope", "Device") != Some(true) => {
                discharging = is("status", "Discharging").or(discharging);
            }
            _ => {}
        }
    }
    online.or(discharging.map(|discharging| !discharging))
}

/// `address type flags hardware mask device`, under a line of names.
pub(super) fn neighbour(gateway: IpAddr) -> Option<bool> {
    neighbour_of(&fs::read_to_string("/proc/net/arp").ok()?, gateway)
}

fn neighbour_of(arp: &str, gateway: IpAddr) -> Option<bool> {
    const COMPLETE: u32 = 2;
    let gateway = gateway.to_string();
    let line = arp
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&gateway))?;
    let flags = line.split_whitespace().nth(2)?.strip_prefix("0x")?;
    Some(u32::from_str_radix(flags, 16).ok()? & COMPLETE != 0)
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn ways(name: &str) -> BTreeSet<Way> {
        BTreeSet::from([(name.to_owned(), None)])
    }

    #[test]
    fn the_carrier_is_that_of_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("eth0/carrier", "0\n"),
            ("eth0/device/x", ""),
            ("wlan0/carrier", "1\n"),
            ("wlan0/device/x", ""),
            ("lo/carrier", "1\n"),
        ];
        write(folder.path(), &files);
        assert_eq!(carrier(folder.path(), &ways("eth0")), Some(false));
        assert_eq!(carrier(folder.path(), &ways("wlan0")), Some(true));
        // No route, as when the cable is out: whatever could have a carrier.
        assert_eq!(carrier(folder.path(), &BTreeSet::new()), Some(true));
        fs::write(folder.path().join("wlan0/carrier"), "0").unwrap();
        assert_eq!(carrier(folder.path(), &BTreeSet::new()), Some(false));
        let none = folder.path().join("none");
        assert_eq!(carrier(&none, &BTreeSet::new()), None);
    }

    #[test]
    fn power_is_known_where_a_supply_or_a_battery_says() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(mains(folder.path()), None);
        write(
            folder.path(),
            &[
                ("mouse/type", "Battery"),
                ("mouse/scope", "Device"),
                ("mouse/status", "Discharging"),
            ],
        );
        assert_eq!(mains(folder.path()), None, "a mouse is not the machine");
        write(
            folder.path(),
            &[("BAT0/type", "Battery"), ("BAT0/status", "Discharging")],
        );
        assert_eq!(mains(folder.path()), Some(false));
        write(folder.path(), &[("AC/type", "Mains"), ("AC/online", "1")]);
        assert_eq!(mains(folder.path()), Some(true));
    }

    #[test]
    fn neighbours_are_told_by_their_flags() {
        let arp = "IP address HW type Flags HW address Mask Device\n\
            192.168.1.1 0x1 0x2 02:00:00:00:00:01 * eth0\n\
            192.168.1.9 0x1 0x0 00:00:00:00:00:00 * eth0\n";
        let of = |ip: &str| neighbour_of(arp, ip.parse().unwrap());
        assert_eq!(of("192.168.1.1"), Some(true));
        assert_eq!(of("192.168.1.9"), Some(false));
        assert_eq!(of("192.168.1.7"), None);
    }
}
