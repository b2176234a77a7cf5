//! Whom does a box let nobody reach? Destinations by address, whatever is said to them.

use super::{Kind, Middlebox};
use std::net::{IpAddr, SocketAddr};

/// What becomes of a packet by its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is lost without a word.
    Dropped,
    /// The answer is an error of this number (`errno(3)`).
    Refused(i32),
}

impl Middlebox {
    /// Whether packets to a port are lost, whatever carries it.
    pub fn shuts(&self, to: SocketAddr) -> bool {
        let meant = self.addresses.is_empty() || self.addresses.contains(&to.ip());
        self.kind == Kind::PortDrop && meant && self.ports.contains(&to.port())
    }

    /// What becomes of packets to `to`; `None` where the box does not care.
    pub fn on_packet(&self, to: IpAddr) -> Option<Fate> {
        if !self.addresses.contains(&to) {
            return None;
        }
        match self.kind {
            Kind::IpDrop => Some(Fate::Dropped),
            Kind::IpReset => Some(Fate::Refused(111)),
            Kind::IpUnreachable => Some(Fate::Refused(113)),
            _ => None,
        }
    }
}
