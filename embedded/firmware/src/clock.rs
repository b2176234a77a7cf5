//! What time is it? The only place that asks; everything else is told.

use crate::Wall;
use faultline_core::time::{ClockQuality, Instant, UnixTime};

/// The monotonic clock: the board's time driver.
pub(crate) fn now() -> Instant {
    Instant(embassy_time::Instant::now().as_micros())
}

/// Passes when the monotonic clock reads `at`.
pub(crate) async fn until(at: Instant) {
    embassy_time::Timer::at(embassy_time::Instant::from_micros(at.0)).await;
}

/// The wall clock of a board: what it was set to, and as much more as the board's timer has
/// counted since.
#[derive(Default)]
pub struct WallClock {
    /// What it read when the timer read nothing, microseconds.
    since: i64,
    quality: ClockQuality,
}

impl WallClock {
    /// Sets it.
    pub fn set(&mut self, now: UnixTime, quality: ClockQuality) {
        self.since = now.0.saturating_sub(up());
        self.quality = quality;
    }

    /// Reads it.
    pub fn read(&self) -> Wall {
        Wall {
            time: UnixTime(self.since.saturating_add(up())),
            quality: self.quality,
        }
    }
}

/// Microseconds since power came.
fn up() -> i64 {
    embassy_time::Instant::now().as_micros().cast_signed()
}
