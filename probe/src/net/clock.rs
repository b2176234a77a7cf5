//! What time is it, and who says so?
//!
//! The only file that reads the operating system's clocks.

use super::Clock;
use faultline_core::time::{ClockQuality, Duration, Instant, UnixTime};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Signs of a clock disciplined by NTP (RFC 5905). timesyncd leaves its file once it has set
/// the time; chrony's only say that it runs. None says that the time still holds.
const SYNCHRONIZED: [&str; 3] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chrony/chronyd.sock",
];

/// The operating system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic origin is now.
    pub fn new() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant(self.origin.elapsed().as_micros() as u64)
    }

    fn unix(&self) -> UnixTime {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_micros() as i64,
            Err(before) => -(before.duration().as_micros() as i64),
        };
        UnixTime(micros)
    }

    fn quality(&self) -> ClockQuality {
        if SYNCHRONIZED.iter().any(|sign| Path::new(sign).exists()) {
            ClockQuality::Ntp
        } else {
            ClockQuality::Rtc
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The runtime's monotonic clock, for deadlines inside the operating system's driver.
pub(super) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
