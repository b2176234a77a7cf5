//! How does a box throttle? It drops what exceeds a rate, as Russia's do (Xue et al.,
//! Throttling Twitter, IMC 2021), by the virtual scheduling algorithm of
//! ITU-T I.371.
//!
//! A handshake's flight passes at once; of a page nothing but its small pieces passes until
//! the rate has made up for a whole segment. Segments without octets always pass.

use crate::middlebox::TRICKLE;
use std::time::{Duration, Instant};

/// Octets that may come at once: a segment of the usual size.
const BURST: usize = 1460;

/// What one stream's client may still have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trickle {
    /// When all that passed has been made up for.
    paid: Instant,
}

impl Trickle {
    pub(super) fn new(now: Instant) -> Self {
        Self { paid: now }
    }

    /// Whether so many octets pass.
    pub(super) fn passes(&mut self, octets: usize, now: Instant) -> bool {
        let paid = self.paid.max(now) + cost(octets);
        let passes = octets == 0 || paid <= now + cost(BURST);
        if passes {
            self.paid = paid;
        }
        passes
    }
}

/// The time that so many octets take.
fn cost(octets: usize) -> Duration {
    Duration::from_secs(octets as u64) / TRICKLE as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_a_hundred_octets_a_second() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut trickle = Trickle::new(start);
        assert!(trickle.passes(1000, start));
        assert!(!trickle.passes(1448, start), "more than is left");
        assert!(trickle.passes(460, start), "what was dropped cost nothing");
        assert!(!trickle.passes(1, start));
        assert!(trickle.passes(0, start), "acknowledgements cost nothing");
        assert!(!trickle.passes(301, after(3)));
        assert!(trickle.passes(300, after(3)));
        assert!(!trickle.passes(1448, after(17)));
        assert!(trickle.passes(1448, after(18)));
        assert!(!trickle.passes(1461, after(3600)), "rest is not saved up");
        assert!(trickle.passes(1460, after(3600)));
        assert!(!trickle.passes(1, after(3600)));
    }
}
