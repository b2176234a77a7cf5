//! Who answers in a resolver's place? A proxy that takes every query over UDP, or those to some
//! resolvers, and lets none pass; streams pass it.

use super::{Kind, Middlebox};
use crate::resolver::{Behaviour, Resolver};
use std::net::IpAddr;

impl Middlebox {
    /// The resolver that answers for `to`, if the box is a proxy.
    pub fn proxy(&self, to: IpAddr) -> Option<Resolver> {
        let meant = self.addresses.is_empty() || self.addresses.contains(&to);
        (self.kind == Kind::DnsProxy && meant).then(|| Resolver {
            behaviour: match self.answers.first() {
                Some(_) => Behaviour::Address,
                None => Behaviour::Nxdomain,
            },
            names: self.names.clone(),
            answer: self.answers.first().copied(),
            ..Resolver::honest(to, self.asn)
        })
    }
}
