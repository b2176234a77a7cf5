//! What time is it in the simulation? Tokio's paused time: it passes only while all wait.

use faultline_core::time::{ClockQuality, Duration, Instant, UnixTime};
use faultline_probe::net::Clock;

/// When every simulation starts: 2027-01-15, inside the validity of its certificates.
pub const EPOCH: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A clock that a host looks at; its wall clock may be wrong.
#[derive(Clone, Copy, Debug)]
pub struct SimClock {
    start: tokio::time::Instant,
    base: UnixTime,
    quality: ClockQuality,
}

impl SimClock {
    /// A clock whose wall time is off by `offset_days`.
    pub fn new(offset_days: i64, quality: ClockQuality) -> Self {
        Self {
            start: tokio::time::Instant::now(),
            base: UnixTime::from_secs(EPOCH.secs() + offset_days * 86_400),
            quality,
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        Instant(self.start.elapsed().as_micros() as u64)
    }
    fn unix(&self) -> UnixTime {
        self.base + self.start.elapsed()
    }
    fn quality(&self) -> ClockQuality {
        self.quality
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
