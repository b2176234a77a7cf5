//! What does the wall clock say? What it was set to, and as much more as the board's timer
//! has counted since.

use embassy_time::Instant;
use faultline_core::time::{ClockQuality, UnixTime};
use faultline_firmware::Wall;

/// The wall clock.
#[derive(Default)]
pub(crate) struct Clock {
    /// What it read when the timer read nothing, microseconds.
    since: i64,
    quality: ClockQuality,
}

impl Clock {
    /// Sets it.
    pub(crate) fn set(&mut self, now: UnixTime, quality: ClockQuality) {
        self.since = now.0.saturating_sub(up());
        self.quality = quality;
    }

    /// Reads it.
    pub(crate) fn read(&self) -> Wall {
        Wall {
            time: UnixTime(self.since.saturating_add(up())),
            quality: self.quality,
        }
    }
}

/// Microseconds since power came.
fn up() -> i64 {
    Instant::now().as_micros().cast_signed()
}
