//! Which names do the small experiments on the DNS itself ask for?
//!
//! Three experiments that a name server's traffic already carries, each on a target that is a
//! whole name with its final dot, so that no list of search domains can change it:
//!
//! | experiment | target | asked beside it |
//! |---|---|---|
//! | namespace | `com.`, `opennic.glue.` | a random top-level domain, and a [`reference()`] |
//! | special names | `invalid.`, `alt.`, `localhost.` | a random ordinary name |
//! | DNS transparency | `tcp.ZONE.`: a [`Check`] in the operator's zone | `plain.ZONE.` |
//!
//! Namespace: RFC 2826, ICANN OCTO-034. Special names: RFC 6761, RFC 9476. Transparency:
//! RFC 3597 (unknown types), RFC 3225 and RFC 6891 (DO, sizes), RFC 7766 (TCP),
//! draft-vixie-dnsext-dns0x20 (letter case).

use crate::dns::RecordType;
use alloc::{borrow::ToOwned, format, string::String};

/// Names that are for special use and never in the public DNS (RFC 6761, RFC 9476). Not
/// `onion` (RFC 7686): asking for it may mark the volunteer. Not `test`, `internal` and
/// `home.arpa`: networks use them among themselves.
pub const SPECIAL: [&str; 3] = ["invalid", "alt", "localhost"];

/// Names below top-level domains that the root does not have, which name nothing but their
/// namespace: the registry's own page of `OpenNIC`, whose servers know it.
pub const CANARIES: [&str; 1] = ["opennic.glue"];

/// Under which ordinary domain a name is drawn that nobody has registered.
pub const ORDINARY: &str = "com";

/// A top-level domain that works everywhere, for the measurement of another: whether a
/// resolver fails for one, or for all.
pub fn reference(tld: &str) -> &'static str {
    if tld.eq_ignore_ascii_case("com") {
        "net"
    } else {
        "com"
    }
}

/// The target of a measurement of a name: whole, in lower case.
pub fn target(name: &str) -> String {
    format!("{}.", bare(name))
}

/// A name in lower case without its final dot.
pub fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The top-level domain of a name.
pub fn tld(name: &str) -> String {
    let bare = bare(name);
    bare.rsplit('.').next().unwrap_or_default().to_owned()
}

/// A property of DNS paths, by a name of the operator's test zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// A type that nobody knows comes back, octet for octet (RFC 3597).
    UnknownType,
    /// A query with EDNS and the DO bit gets EDNS, and signatures where the zone has them
    /// (RFC 6891, RFC 3225).
    DnssecOk,
    /// An answer of 1,400 octets arrives, in one datagram or, cut short, over TCP.
    Large,
    /// A query over TCP is answered (RFC 7766).
    Tcp,
    /// The question comes back in the letter case in which it was asked (0x20).
    Case,
}

impl Check {
    /// All, in order.
    pub const ALL: [Self; 5] = [
        Self::UnknownType,
        Self::DnssecOk,
        Self::Large,
        Self::Tcp,
        Self::Case,
    ];

    /// The label of its name in the test zone.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownType => "type",
            Self::DnssecOk => "do",
            Self::Large => "large",
            Self::Tcp => "tcp",
            Self::Case => "case",
        }
    }

    /// The check of a target, and its zone.
    pub fn of_target(target: &str) -> Option<(Self, String)> {
        let bare = bare(target);
        let (label, zone) = bare.split_once('.')?;
        let check = Self::ALL.into_iter().find(|check| check.label() == label)?;
        Some((check, zone.to_owned()))
    }

    /// The name that it asks for.
    pub fn name(self, zone: &str) -> String {
        format!("{}.{}", self.label(), bare(zone))
    }

    /// The type that it asks for.
    pub const fn rtype(self) -> RecordType {
        match self {
            Self::UnknownType => UNKNOWN_TYPE,
            _ => RecordType::TXT,
        }
    }
}

/// A type of the range for private use (RFC 6895 section 3.1).
pub const UNKNOWN_TYPE: RecordType = RecordType(65_280);

/// The name in a test zone that asks for nothing special: where it does not come back
/// either, the path carries no DNS at all.
pub fn plain(zone: &str) -> String {
    format!("plain.{}", bare(zone))
}

/// The text at every name of a test zone but one.
pub const TEXT: &str = "faultline";

/// The data at the name of [`Check::UnknownType`].
pub const UNKNOWN_DATA: [u8; 8] = *b"\x00\xffDNS\x80\x0d\x0a";

/// The strings at the name of [`Check::Large`], each of [`LARGE_STRING`] octets. With
/// header, question and record they make about 1,400, which fits no datagram of RFC 1035.
pub const LARGE_STRINGS: usize = 6;
/// See [`LARGE_STRINGS`].
pub const LARGE_STRING: [u8; 222] = [b'x'; 222];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_its_check_and_its_zone() {
        for check in Check::ALL {
            let target = target(&check.name("Test.Example."));
            assert_eq!(
                Check::of_target(&target),
                Some((check, "test.example".to_owned()))
            );
        }
        for other in ["", ".", "tcp", "plain.test.example.", "x.tcp.example."] {
            assert_eq!(Check::of_target(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_whole_and_their_last_label_is_the_top() {
        assert_eq!(target("COM"), "com.");
        assert_eq!(
            (tld("opennic.GLUE."), tld("com")),
            ("glue".into(), "com".into())
        );
        assert_ne!(reference("COM"), "com");
    }
}
