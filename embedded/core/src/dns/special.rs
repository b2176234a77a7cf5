//! Can a public site live at this address?
//!
//! The IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190) as they
//! stood in July 2026, entry for entry, with multicast (RFC 5771, RFC 4291 section 2.7), the
//! reserved remainder of class E and two deprecated IPv6 blocks beside them. A
//! resolver that answers with such an address is lying, filtering or answering for a private
//! network: a *bogon*. That includes the few blocks which are globally reachable, since what
//! they hold (anycast sinks, relays, AS112) is infrastructure and never a site.
//!
//! Only `64:ff9b::/96` is looked through to the IPv4 address inside: there DNS64 (RFC 6147)
//! honestly puts every IPv4 site. 6to4 and Teredo hold an IPv4 address too, but no site is
//! published there, and mapped addresses never appear on the wire (RFC 4291 2.5.5.2).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A special-purpose block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its first address.
    pub first: IpAddr,
    /// Length of its prefix in bits.
    pub prefix: u8,
    /// What it is for.
    pub name: &'static str,
    /// The document that says so.
    pub rfc: &'static str,
}

const fn v4(a: [u8; 4], prefix: u8, name: &'static str, rfc: &'static str) -> Block {
    let first = IpAddr::V4(Ipv4Addr::new(a[0], a[1], a[2], a[3]));
    Block {
        first,
        prefix,
        name,
        rfc,
    }
}

const fn v6(a: [u16; 4], low: u16, prefix: u8, name: &'static str, rfc: &'static str) -> Block {
    let first = IpAddr::V6(Ipv6Addr::new(a[0], a[1], a[2], a[3], 0, 0, 0, low));
    Block {
        first,
        prefix,
        name,
        rfc,
    }
}

/// The one block whose prefix is longer than four words and not all zero.
const MAPPED: Block = Block {
    first: IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)),
    prefix: 96,
    name: "IPv4-mapped",
    rfc: "RFC 4291",
};

/// All blocks, the narrower before the wider that holds it.
pub const BLOCKS: &[Block] = &[
    v4([0, 0, 0, 0], 32, "this host on this network", "RFC 1122"),
    v4([0, 0, 0, 0], 8, "this network", "RFC 791"),
    v4([10, 0, 0, 0], 8, "private use", "RFC 1918"),
    v4([100, 64, 0, 0], 10, "shared address space", "RFC 6598"),
    v4([127, 0, 0, 0], 8, "loopback", "RFC 1122"),
    v4([169, 254, 0, 0], 16, "link local", "RFC 3927"),
    v4([172, 16, 0, 0], 12, "private use", "RFC 1918"),
    v4([192, 0, 0, 0], 29, "IPv4 service continuity", "RFC 7335"),
    v4([192, 0, 0, 8], 32, "dummy address", "RFC 7600"),
    v4(
        [192, 0, 0, 9],
        32,
        "port control protocol anycast",
        "RFC 7723",
    ),
    v4([192, 0, 0, 10], 32, "TURN anycast", "RFC 8155"),
    v4([192, 0, 0, 170], 31, "NAT64/DNS64 discovery", "RFC 8880"),
    v4([192, 0, 0, 0], 24, "IETF protocol assignments", "RFC 6890"),
    v4([192, 0, 2, 0], 24, "documentation (TEST-NET-1)", "RFC 5737"),
    v4([192, 31, 196, 0], 24, "AS112", "RFC 7535"),
    v4([192, 52, 193, 0], 24, "AMT", "RFC 7450"),
    v4([192, 88, 99, 2], 32, "6a44 relay anycast", "RFC 6751"),
    v4(
        [192, 88, 99, 0],
        24,
        "deprecated 6to4 relay anycast",
        "RFC 7526",
    ),
    v4([192, 168, 0, 0], 16, "private use", "RFC 1918"),
    v4([192, 175, 48, 0], 24, "direct delegation AS112", "RFC 7534"),
    v4([198, 18, 0, 0], 15, "benchmarking", "RFC 2544"),
    v4(
        [198, 51, 100, 0],
        24,
        "documentation (TEST-NET-2)",
        "RFC 5737",
    ),
    v4(
        [203, 0, 113, 0],
        24,
        "documentation (TEST-NET-3)",
        "RFC 5737",
    ),
    v4([224, 0, 0, 0], 4, "multicast", "RFC 5771"),
    v4([255, 255, 255, 255], 32, "limited broadcast", "RFC 919"),
    v4([240, 0, 0, 0], 4, "reserved", "RFC 1112"),
    v6([0, 0, 0, 0], 0, 128, "unspecified", "RFC 4291"),
    v6([0, 0, 0, 0], 1, 128, "loopback", "RFC 4291"),
    v6(
        [0, 0, 0, 0],
        0,
        96,
        "deprecated IPv4-compatible",
        "RFC 4291",
    ),
    MAPPED,
    v6(
        [0x64, 0xff9b, 1, 0],
        0,
        48,
        "local-use IPv4/IPv6 translation",
        "RFC 8215",
    ),
    v6([0x100, 0, 0, 0], 0, 64, "discard only", "RFC 6666"),
    v6([0x100, 0, 0, 1], 0, 64, "dummy prefix", "RFC 9780"),
    v6([0x2001, 0, 0, 0], 0, 32, "Teredo", "RFC 4380"),
    v6(
        [0x2001, 1, 0, 0],
        1,
        128,
        "port control protocol anycast",
        "RFC 7723",
    ),
    v6([0x2001, 1, 0, 0], 2, 128, "TURN anycast", "RFC 8155"),
    v6(
        [0x2001, 1, 0, 0],
        3,
        128,
        "service registration protocol anycast",
        "RFC 9665",
    ),
    v6([0x2001, 2, 0, 0], 0, 48, "benchmarking", "RFC 5180"),
    v6([0x2001, 3, 0, 0], 0, 32, "AMT", "RFC 7450"),
    v6([0x2001, 4, 0x112, 0], 0, 48, "AS112", "RFC 7535"),
    v6([0x2001, 0x10, 0, 0], 0, 28, "deprecated ORCHID", "RFC 4843"),
    v6([0x2001, 0x20, 0, 0], 0, 28, "ORCHIDv2", "RFC 7343"),
    v6(
        [0x2001, 0x30, 0, 0],
        0,
        28,
        "drone remote identifiers",
        "RFC 9374",
    ),
    v6(
        [0x2001, 0, 0, 0],
        0,
        23,
        "IETF protocol assignments",
        "RFC 2928",
    ),
    v6([0x2001, 0xdb8, 0, 0], 0, 32, "documentation", "RFC 3849"),
    v6([0x2002, 0, 0, 0], 0, 16, "6to4", "RFC 3056"),
    v6(
        [0x2620, 0x4f, 0x8000, 0],
        0,
        48,
        "direct delegation AS112",
        "RFC 7534",
    ),
    v6([0x3fff, 0, 0, 0], 0, 20, "documentation", "RFC 9637"),
    v6([0x5f00, 0, 0, 0], 0, 16, "segment routing SIDs", "RFC 9602"),
    v6([0xfc00, 0, 0, 0], 0, 7, "unique local", "RFC 4193"),
    v6([0xfe80, 0, 0, 0], 0, 10, "link local", "RFC 4291"),
    v6(
        [0xfec0, 0, 0, 0],
        0,
        10,
        "deprecated site local",
        "RFC 3879",
    ),
    v6([0xff00, 0, 0, 0], 0, 8, "multicast", "RFC 4291"),
];

impl Block {
    /// Whether the block holds `address`; an IPv4 block never holds an IPv6 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = match (self.first, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        shared >= u32::from(self.prefix)
    }
}

/// The narrowest special-purpose block that holds `address`, or the IPv4 address that a NAT64
/// one translates to (RFC 6052 section 2.1).
pub fn block_of(address: IpAddr) -> Option<&'static Block> {
    let address = nat64(address).map_or(address, IpAddr::V4);
    BLOCKS.iter().find(|block| block.contains(address))
}

/// Whether no public site can live at `address`.
pub fn is_bogon(address: IpAddr) -> bool {
    block_of(address).is_some()
}

/// The IPv4 address inside the well-known prefix `64:ff9b::/96`.
fn nat64(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let bits = address.to_bits();
    (bits >> 32 == 0x0064_ff9b << 64).then(|| Ipv4Addr::from_bits(bits as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// First and last address of each block, and whether the addresses right before and right
    /// behind it are bogons too, written down by hand from the registries.
    const EDGES: &[(&str, &str, bool, bool)] = &[
        ("0.0.0.0", "0.0.0.0", false, true),
        ("0.0.0.0", "0.255.255.255", false, false),
        ("10.0.0.0", "10.255.255.255", false, false),
        ("100.64.0.0", "100.127.255.255", false, false),
        ("127.0.0.0", "127.255.255.255", false, false),
        ("169.254.0.0", "169.254.255.255", false, false),
        ("172.16.0.0", "172.31.255.255", false, false),
        ("192.0.0.0", "192.0.0.7", false, true),
        ("192.0.0.8", "192.0.0.8", true, true),
        ("192.0.0.9", "192.0.0.9", true, true),
        ("192.0.0.10", "192.0.0.10", true, true),
        ("192.0.0.170", "192.0.0.171", true, true),
        ("192.0.0.0", "192.0.0.255", false, false),
        ("192.0.2.0", "192.0.2.255", false, false),
        ("192.31.196.0", "192.31.196.255", false, false),
        ("192.52.193.0", "192.52.193.255", false, false),
        ("192.88.99.2", "192.88.99.2", true, true),
        ("192.88.99.0", "192.88.99.255", false, false),
        ("192.168.0.0", "192.168.255.255", false, false),
        ("192.175.48.0", "192.175.48.255", false, false),
        ("198.18.0.0", "198.19.255.255", false, false),
        ("198.51.100.0", "198.51.100.255", false, false),
        ("203.0.113.0", "203.0.113.255", false, false),
        ("224.0.0.0", "239.255.255.255", false, true),
        ("255.255.255.255", "255.255.255.255", true, false),
        ("240.0.0.0", "255.255.255.255", true, false),
        ("::", "::", false, true),
        ("::1", "::1", true, true),
        ("::", "::ffff:ffff", false, false),
        ("::ffff:0:0", "::ffff:ffff:ffff", false, false),
        (
            "64:ff9b:1::",
            "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        ("100::", "100::ffff:ffff:ffff:ffff", false, true),
        ("100:0:0:1::", "100::1:ffff:ffff:ffff:ffff", true, false),
        (
            "2001::",
            "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            true,
        ),
        ("2001:1::1", "2001:1::1", true, true),
        ("2001:1::2", "2001:1::2", true, true),
        ("2001:1::3", "2001:1::3", true, true),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", true, true),
        (
            "2001:3::",
            "2001:3:ffff:ffff:ffff:ffff:ffff:ffff",
            true,
            true,
        ),
        (
            "2001:4:112::",
            "2001:4:112:ffff:ffff:ffff:ffff:ffff",
            true,
            true,
        ),
        (
            "2001:10::",
            "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff",
            true,
            true,
        ),
        (
            "2001:20::",
            "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
            true,
            true,
        ),
        (
            "2001:30::",
            "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff",
            true,
            true,
        ),
        (
            "2001::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "2002::",
            "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "2620:4f:8000::",
            "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "5f00::",
            "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "fc00::",
            "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            false,
        ),
        (
            "fe80::",
            "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            false,
            true,
        ),
        (
            "fec0::",
            "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            true,
            true,
        ),
        (
            "ff00::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            true,
            false,
        ),
    ];

    fn step(address: IpAddr, by: i8) -> Option<IpAddr> {
        Some(match address {
            IpAddr::V4(a) => {
                Ipv4Addr::from_bits(a.to_bits().checked_add_signed(by.into())?).into()
            }
            IpAddr::V6(a) => {
                Ipv6Addr::from_bits(a.to_bits().checked_add_signed(by.into())?).into()
            }
        })
    }

    #[test]
    fn every_block_ends_where_its_registry_says() {
        assert_eq!(EDGES.len(), BLOCKS.len());
        for (block, (first, last, before, behind)) in BLOCKS.iter().zip(EDGES) {
            assert_eq!(block.first, ip(first), "{block:?}");
            assert!(block.contains(ip(last)), "{block:?}");
            assert!(is_bogon(ip(first)) && is_bogon(ip(last)), "{block:?}");
            for (edge, by, bogon) in [(first, -1, before), (last, 1, behind)] {
                if let Some(next) = step(ip(edge), by) {
                    assert!(!block.contains(next), "{block:?} {next}");
                    assert_eq!(is_bogon(next), *bogon, "{block:?} {next}");
                }
            }
        }
    }

    #[test]
    fn the_narrowest_block_gives_the_name() {
        for (place, block) in BLOCKS.iter().enumerate() {
            let found = block_of(block.first).unwrap();
            assert!(found.prefix >= block.prefix, "{block:?}");
            let wider = BLOCKS.iter().take(place);
            let hidden = wider.filter(|w| w.prefix < block.prefix && w.contains(block.first));
            assert_eq!(hidden.count(), 0, "{block:?} stands behind a wider one");
        }
        assert_eq!(block_of(ip("192.0.0.9")).unwrap().rfc, "RFC 7723");
        assert_eq!(block_of(ip("2001:20::1")).unwrap().name, "ORCHIDv2");
    }

    #[test]
    fn public_addresses_are_no_bogons() {
        for site in [
            "1.1.1.1",
            "93.184.215.14",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(!is_bogon(ip(site)), "{site}");
        }
    }

    #[test]
    fn nat64_is_as_public_as_what_it_translates_to() {
        assert!(!is_bogon(ip("64:ff9b::1.1.1.1")));
        assert_eq!(block_of(ip("64:ff9b::10.0.0.1")), block_of(ip("10.0.0.1")));
        assert!(is_bogon(ip("2002:101:101::1")) && is_bogon(ip("::ffff:1.1.1.1")));
    }
}
