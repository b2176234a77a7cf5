//! How long does a packet take, and does it arrive? Delay, jitter and loss by seed.

use crate::entropy::Seeded;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// First retransmission of a SYN or query by the stacks of today (RFC 6298 section 2).
const RETRANSMIT: Duration = Duration::from_secs(1);

/// The access link of a host.
#[derive(Debug)]
pub struct Link {
    delay: Duration,
    loss_percent: u8,
    chance: Mutex<Seeded>,
}

impl Link {
    /// One way takes `delay_ms` and up to a fifth more; `loss_percent` of packets are lost.
    pub fn new(seed: u64, delay_ms: u64, loss_percent: u8) -> Self {
        Self {
            delay: Duration::from_millis(delay_ms),
            loss_percent,
            chance: Mutex::new(Seeded::new(seed, 0x11)),
        }
    }

    /// Whether a datagram is lost on one way.
    pub fn loses(&self) -> bool {
        self.with(|chance| chance.chance(self.loss_percent))
    }

    /// The time of one way.
    pub fn one_way(&self) -> Duration {
        let jitter = (self.delay.as_millis() as u64 / 5).max(1);
        self.delay + Duration::from_millis(self.with(|chance| chance.draw() % jitter))
    }

    /// The time of one way for a stream's segment, retransmissions included; each waits
    /// twice as long as the one before.
    pub fn reliable(&self) -> Duration {
        let (mut time, mut wait) = (self.one_way(), RETRANSMIT);
        for _ in 0..3 {
            if !self.loses() {
                break;
            }
            time += wait;
            wait *= 2;
        }
        time
    }

    fn with<T>(&self, draw: impl FnOnce(&mut Seeded) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
