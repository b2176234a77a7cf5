//! Which minute is it? The detector's time goes in steps of a minute of UTC. Differences
//! saturate: a hostile clock makes nonsense, not a panic.

use faultline_core::time::{Duration, UnixTime};

/// Microseconds.
pub(super) const MINUTE: i64 = 60_000_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;
/// What timelines are drawn in.
pub(super) const BIN: i64 = 5 * MINUTE;

/// The last full minute.
pub(super) const fn minute(at: UnixTime) -> UnixTime {
    UnixTime(at.0.saturating_sub(at.0.rem_euclid(MINUTE)))
}

/// The first full minute that is not before.
pub(super) const fn minute_after(at: UnixTime) -> UnixTime {
    minute(UnixTime(at.0.saturating_add(MINUTE - 1)))
}

pub(super) const fn midnight(at: UnixTime) -> UnixTime {
    UnixTime(at.0.saturating_sub(at.0.rem_euclid(DAY)))
}

pub(super) const fn later(at: UnixTime, micros: i64) -> UnixTime {
    UnixTime(at.0.saturating_add(micros))
}

/// Microseconds from one to the other; negative where it is the other way round.
pub(super) const fn since(from: UnixTime, to: UnixTime) -> i64 {
    to.0.saturating_sub(from.0)
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// How much of a span lies in another.
pub(super) fn overlap(one: (UnixTime, UnixTime), two: (UnixTime, UnixTime)) -> i64 {
    since(one.0.max(two.0), one.1.min(two.1)).max(0)
}
