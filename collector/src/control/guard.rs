//! Which connections may the control open at all?
//!
//! The last word, below names, redirects and what probes say, on the very address that is
//! connected to: a name that resolves differently the second time gains nothing.

use faultline_core::{dns::is_bogon, failure::Failure};
use faultline_probe::net::{Attachment, Exchange, Flow, Network, Patience};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};

/// Where the control never goes.
#[derive(Clone, Debug)]
pub struct Keepout {
    /// Addresses of the collector, on interfaces or in front of it.
    pub own: Vec<IpAddr>,
    /// Where its API listens.
    pub listen: SocketAddr,
    /// Whether special-purpose addresses and any port are allowed: closed test worlds.
    pub allow_special: bool,
}

impl Keepout {
    /// Whether a page may be fetched from `to` in a look at a page at `port`.
    pub fn allows(&self, to: SocketAddr, port: Option<u16>) -> bool {
        let ip = to.ip().to_canonical();
        let api = to.port() == self.listen.port()
            && (ip == self.listen.ip().to_canonical()
                || ip.is_loopback()
                || ip.is_unspecified());
        if api || self.own.contains(&ip) {
            return false;
        }
        self.allow_special
            || (!is_bogon(to.ip())
                && ([80, 443].contains(&to.port()) || Some(to.port()) == port))
    }
}

/// A network within bounds.
pub struct Guarded<'a, N> {
    /// What lies behind.
    pub net: &'a N,
    /// The bounds.
    pub keepout: &'a Keepout,
    /// The port of the page that is looked at.
    pub port: Option<u16>,
}

/// `EACCES` on Linux.
const FORBIDDEN: i32 = 13;

impl<N: Network> Network for Guarded<'_, N> {
    type Stream = N::Stream;

    /// Only the operator's resolvers are sent datagrams.
    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        if self.net.announced_resolvers().contains(&to) {
            return self.net.exchange(to, payload, patience).await;
        }
        Exchange {
            failure: Some(Failure::LocalError),
            ..Exchange::default()
        }
    }

    /// QUIC goes where pages are fetched from, and nowhere else: resolvers included.
    async fn flow(&self, to: SocketAddr) -> io::Result<Box<dyn Flow>> {
        if self.keepout.allows(to, self.port) {
            return self.net.flow(to).await;
        }
        Err(io::Error::from_raw_os_error(FORBIDDEN))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<N::Stream> {
        let resolver = self.net.announced_resolvers().contains(&to);
        if resolver || self.keepout.allows(to, self.port) {
            return self.net.connect(to).await;
        }
        Err(io::Error::from_raw_os_error(FORBIDDEN))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        self.net.resolve(name).await
    }

    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        self.net.announced_resolvers()
    }

    fn attach(&self) -> Attachment {
        self.net.attach()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_of_others_at_usual_ports() {
        let mut keepout = Keepout {
            own: vec!["20.9.9.9".parse().unwrap()],
            listen: "127.0.0.1:8055".parse().unwrap(),
            allow_special: false,
        };
        let to = |text: &str| text.parse::<SocketAddr>().unwrap();
        for good in [
            "20.1.0.1:80",
            "20.1.0.1:443",
            "20.1.0.1:8443",
            "[2600::1]:443",
        ] {
            assert!(keepout.allows(to(good), Some(8443)), "{good}");
        }
        let never = [
            "20.9.9.9:443",
            "[::ffff:20.9.9.9]:443",
            "127.0.0.1:8055",
            "[::1]:8055",
        ];
        let seldom = [
            "127.0.0.1:80",
            "10.0.0.1:443",
            "169.254.169.254:80",
            "[fe80::1]:443",
            "[64:ff9b::7f00:1]:80",
            "20.1.0.1:25",
            "20.1.0.1:22",
        ];
        for bad in never.iter().chain(&seldom) {
            assert!(!keepout.allows(to(bad), Some(8443)), "{bad}");
        }
        assert!(!keepout.allows(to("20.1.0.1:8443"), None));
        keepout.allow_special = true;
        assert!(seldom.iter().all(|at| keepout.allows(to(at), None)));
        assert!(!never.iter().any(|at| keepout.allows(to(at), None)));
    }
}
