//! Who answers before the resolver can? A box beside the path that reads queries.
//!
//! It answers whatever the destination, also where no resolver runs, and the true answer
//! still comes, later (GFWatch; Duan et al., Hold-On, 2012).

use super::{Kind, Middlebox};
use crate::resolver::{asked, below, compose};
use faultline_core::dns::Rcode;
use std::net::IpAddr;

impl Middlebox {
    /// The forged reply to a query to `to`, if the box cares: one at a border sees only what
    /// leaves.
    pub fn inject(&self, to: IpAddr, query: &[u8]) -> Option<Vec<u8>> {
        let passes = self.addresses.is_empty() || self.addresses.contains(&to);
        if !passes || self.kind != Kind::DnsInjector || !below(&self.names, &asked(query)?) {
            return None;
        }
        let rcode = if self.answers.is_empty() {
            Rcode::NX_DOMAIN
        } else {
            Rcode::NO_ERROR
        };
        compose(query, rcode, &[], &self.answers)
    }
}
