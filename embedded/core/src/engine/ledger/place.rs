//! When was it, by a clock that may have been wrong or missing?
//!
//! Epochs are on the monotonic clock of one boot. A [`Fix`] says what time it was at one
//! moment of that clock, give or take its error; a crystal drifts from there by [`DRIFT`] at
//! most. Each fix thus confines a moment to an interval, and all of one boot together to their
//! intersection:
//!
//! ```text
//!   utc = fix.utc + (at - fix.at)  ±  (fix.error + 100 ppm x |at - fix.at|)
//! ```
//!
//! So a boot that had no clock is placed as soon as the collector is reached once, however
//! late. A boot that never was is placed by order alone: after the one before, before the one
//! after.

use crate::time::{Duration, Instant, UnixTime};

/// How much a quartz runs fast or slow, parts in a million: 8.6 s a day.
pub const DRIFT: u64 = 100;

/// Whose word a [`Fix`] is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(
    feature = "alloc",
    derive(minicbor::Encode, minicbor::Decode),
    cbor(index_only)
)]
#[non_exhaustive]
pub enum Source {
    /// The system's clock, which said that NTP keeps it.
    #[cfg_attr(feature = "alloc", n(1))]
    Ntp = 1,
    /// The collector, signed, within a round trip.
    #[cfg_attr(feature = "alloc", n(2))]
    Collector = 2,
}

impl Source {
    pub(super) const fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Ntp),
            2 => Some(Self::Collector),
            _ => None,
        }
    }
}

/// What time it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fix {
    /// On the monotonic clock.
    pub at: Instant,
    /// By whoever knows.
    pub utc: UnixTime,
    /// Give or take.
    pub error: Duration,
    /// Whose word it is.
    pub source: Source,
}

impl Fix {
    /// From a question that left and an answer that came: the time in it was true at some
    /// moment between.
    pub fn between(asked: Instant, answered: Instant, utc: UnixTime, source: Source) -> Self {
        let half = answered.since(asked) / 2;
        // The crystal drifts on the way, too.
        let way = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
        let drift = Duration::from_micros(drift(way));
        Self {
            at: asked + half,
            utc,
            error: half.saturating_add(drift),
            source,
        }
    }

    /// The earliest and the latest that `at` can have been.
    fn bounds(&self, at: Instant) -> (i64, i64) {
        let later = micros(at.since(self.at));
        let earlier = micros(self.at.since(at));
        let middle = self.utc.0.saturating_add(later).saturating_sub(earlier);
        let apart = later.saturating_add(earlier).unsigned_abs();
        let drift = i64::try_from(drift(apart)).unwrap_or(i64::MAX);
        let error = micros(self.error).saturating_add(drift);
        (middle.saturating_sub(error), middle.saturating_add(error))
    }
}

/// By how much a crystal is off after so many microseconds, at most.
fn drift(micros: u64) -> u64 {
    let drift = (u128::from(micros) * u128::from(DRIFT)).div_ceil(1_000_000);
    u64::try_from(drift).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A moment on the world's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The middle of what is possible.
    pub at: UnixTime,
    /// Half of it.
    pub error: Duration,
}

impl Placed {
    fn within(earliest: i64, latest: i64) -> Self {
        let width = latest.abs_diff(earliest);
        Self {
            at: UnixTime(earliest.saturating_add_unsigned(width / 2)),
            error: Duration::from_micros(width.div_ceil(2)),
        }
    }
}

/// Places a moment by the fixes of its boot; `None` where there are none. The collector's word
/// stands above NTP's: a system may believe a forged server. Where fixes contradict each other,
/// each that is left out is one that disagrees with those nearer to the moment.
pub fn place(fixes: &[Fix], at: Instant) -> Option<Placed> {
    let best = fixes.iter().map(|fix| fix.source).max()?;
    let width = |fix: &Fix| {
        let (earliest, latest) = fix.bounds(at);
        latest.saturating_sub(earliest)
    };
    let of_best = || fixes.iter().filter(|fix| fix.source == best);
    let nearest = of_best().min_by_key(|fix| width(fix))?;
    let (mut earliest, mut latest) = nearest.bounds(at);
    // From the tightest outwards would need a sort and memory; any order that starts with the
    // tightest is sound, since only what overlaps is taken in.
    for fix in of_best() {
        let (from, to) = fix.bounds(at);
        if from <= latest && to >= earliest {
            earliest = earliest.max(from);
            latest = latest.min(to);
        }
    }
    Some(Placed::within(earliest, latest))
}

/// Places a boot without fixes between what came before and what came after it.
pub fn between(before: Option<Placed>, after: Option<Placed>) -> Option<Placed> {
    let earliest = |p: Placed| p.at.0.saturating_sub(micros(p.error));
    let latest = |p: Placed| p.at.0.saturating_add(micros(p.error));
    let (before, after) = (before?, after?);
    let (from, to) = (earliest(before), latest(after));
    (from <= to).then(|| Placed::within(from, to))
}
