//! How is a public resolver named as a target?
//!
//! As `resolver:NAME@ADDRESS`: the name that its certificate must be valid for (RFC 8310
//! section 8.1) and the one address that is tried, so that no answer of another resolver
//! stands between. Ports and the path are those of the RFCs: 853 for TLS (RFC 7858) and QUIC
//! (RFC 9250), 443 and `/dns-query` for HTTPS (RFC 8484).

use crate::dns::NameBuf;
use alloc::{format, string::String};
use core::net::IpAddr;

/// Before the target of a measurement.
pub const WORD: &str = "resolver:";

/// Large public resolvers, named where nobody names others. What each offers, the control
/// finds out.
pub const WELL_KNOWN: [&str; 4] = [
    "one.one.one.one@1.1.1.1",
    "dns.google@8.8.8.8",
    "dns.quad9.net@9.9.9.9",
    "dns.adguard-dns.com@94.140.14.14",
];

/// A public resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name that its certificate must be valid for, lower case.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
}

impl Service {
    /// From `NAME@ADDRESS`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, address) = text.split_once('@')?;
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let whole = name.contains('.') && name.parse::<NameBuf>().is_ok();
        let address: IpAddr = address.parse().ok()?;
        whole.then_some(Self {
            name,
            address: address.to_canonical(),
        })
    }

    /// From the target of a measurement.
    pub fn of_target(target: &str) -> Option<Self> {
        Self::parse(target.strip_prefix(WORD)?)
    }

    /// The target of a measurement of it.
    pub fn target(&self) -> String {
        format!("{WORD}{self}")
    }
}

impl core::fmt::Display for Service {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}@{}", self.name, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_resolver_is_a_name_at_an_address_in_one_form() {
        for known in WELL_KNOWN {
            let service = Service::parse(known).unwrap();
            assert_eq!(service.to_string(), known);
            let target = service.target();
            assert_eq!(Service::of_target(&target), Some(service));
        }
        let six = Service::parse("DNS.Example.net.@::ffff:20.1.0.1").unwrap();
        assert_eq!(six.to_string(), "dns.example.net@20.1.0.1");
        for wrong in [
            "",
            "@",
            "dns.google",
            "8.8.8.8",
            "@8.8.8.8",
            "dns.google@",
            "dns..google@8.8.8.8",
            "localhost@127.0.0.1",
            "dns.google@8.8.8.8:853",
            "dns.google@dns.google",
        ] {
            assert_eq!(Service::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Service::of_target("dns.google@8.8.8.8"), None);
    }
}
