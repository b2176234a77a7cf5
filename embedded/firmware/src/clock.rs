//! What time is it? The only place that asks; everything else is told.

use faultline_core::time::Instant;

/// The monotonic clock: the board's time driver.
pub(crate) fn now() -> Instant {
    Instant(embassy_time::Instant::now().as_micros())
}

/// Passes when the monotonic clock reads `at`.
pub(crate) async fn until(at: Instant) {
    embassy_time::Timer::at(embassy_time::Instant::from_micros(at.0)).await;
}
