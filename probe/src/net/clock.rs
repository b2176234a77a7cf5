//! What time is it, and who says so?
//!
//! The only file that reads the operating system's clocks.

use super::Clock;
use faultline_core::{
    id::BatchId,
    time::{ClockQuality, Duration, Instant, UnixTime},
};
use nix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Signs of a clock disciplined by NTP (RFC 5905). timesyncd leaves its file once it has set
/// the time; chrony's only say that it runs. None says that the time still holds.
const SYNCHRONIZED: [&str; 3] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/chrony/chronyd.sock",
];

/// Drawn anew by the kernel at each boot (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

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

    fn uptime(&self) -> Instant {
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(
            |_| self.now(),
            |time| Instant(std::time::Duration::from(time).as_micros() as u64),
        )
    }

    fn boot(&self) -> Option<[u8; 16]> {
        let text = std::fs::read_to_string(BOOT_ID).ok()?;
        let digits = text.trim().replace('-', "");
        digits.parse().ok().map(|id: BatchId| id.0)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Any moment, to count from: protocol engines that want the standard library's `Instant`
/// look at differences alone, which the world's clock gives.
pub fn origin() -> std::time::Instant {
    std::time::Instant::now()
}

/// The runtime's monotonic clock, for deadlines inside the operating system's driver.
pub(super) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_a_name_and_its_clock_does_not_run_backwards() {
        let clock = SystemClock::new();
        let (first, second) = (clock.uptime(), clock.uptime());
        assert!(first > Instant(0) && first <= second);
        assert_eq!(clock.boot(), SystemClock::new().boot());
        let Some(boot) = clock.boot() else {
            println!("skipped: no {BOOT_ID} here");
            return;
        };
        assert_ne!(boot, [0; 16]);
    }
}
