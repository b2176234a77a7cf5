//! Who answers in a resolver's place? A proxy that takes every query and lets none pass.

use super::{Kind, Middlebox};
use crate::resolver::{Behaviour, Resolver};
use std::net::IpAddr;

impl Middlebox {
    /// The resolver that answers for `to`, if the box is a proxy.
    pub fn proxy(&self, to: IpAddr) -> Option<Resolver> {
        (self.kind == Kind::DnsProxy).then(|| Resolver {
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
