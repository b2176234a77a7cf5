//! Which packets were there? A classic pcap file of what entered the router and of what the
//! router and its boxes made themselves, for Wireshark and tcpdump.
//!
//! ```text
//! file   | a1b2c3d4 | 2 | 4 | 0 | 0 | snap length 4 | link type 4 = 101 (raw IP) |
//! packet | seconds 4 | microseconds 4 | kept 4 | length 4 | octets ...
//! ```

use crate::clock::EPOCH;
use std::time::Duration;

const RAW_IP: u32 = 101;
/// Octets kept of a run; what comes after is counted only.
const CAP: usize = 16 << 20;

/// A capture that grows.
#[derive(Debug)]
pub(super) struct Capture {
    octets: Vec<u8>,
    /// Packets that no longer fitted.
    missed: u64,
}

impl Capture {
    pub(super) fn new() -> Self {
        let mut octets = Vec::new();
        octets.extend(0xa1b2_c3d4_u32.to_le_bytes());
        octets.extend(2u16.to_le_bytes());
        octets.extend(4u16.to_le_bytes());
        octets.extend([0; 8]);
        octets.extend(65_535u32.to_le_bytes());
        octets.extend(RAW_IP.to_le_bytes());
        Self { octets, missed: 0 }
    }

    /// Notes a packet, `after` the start.
    pub(super) fn note(&mut self, after: Duration, packet: &[u8]) {
        if self.octets.len() + packet.len() > CAP {
            self.missed += 1;
            return;
        }
        let seconds = (EPOCH.secs() as u64 + after.as_secs()) as u32;
        let length = packet.len() as u32;
        for number in [seconds, after.subsec_micros(), length, length] {
            self.octets.extend(number.to_le_bytes());
        }
        self.octets.extend(packet);
    }

    /// The file so far.
    pub(super) fn file(&self) -> Vec<u8> {
        self.octets.clone()
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed
    }
}
