//! When did it happen? Time is a number that is passed in, never read.
//!
//! [`Instant`] is monotonic and only good for differences; [`UnixTime`] is what the wall
//! clock claimed, with a [`ClockQuality`] beside it, since boards without a battery lie.

use core::ops::{Add, Sub};
pub use core::time::Duration;

/// Microseconds on a monotonic clock with an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// Time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs.as_micros() as u64))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

/// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// From whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }
    /// Whole seconds, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs.as_micros() as i64))
    }
}

/// `2026-11-24T01:02:03.000004Z` (RFC 3339, always UTC, always six decimals).
impl core::fmt::Display for UnixTime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (secs, micros) = (self.secs(), self.0.rem_euclid(1_000_000));
        let (days, day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let (y, m, d) = civil_from_days(days);
        let (hh, mm, ss) = (day / 3600, day / 60 % 60, day % 60);
        write!(
            f,
            "{y:04}-{m:02}-{d:02}T{hh:02}:{mm:02}:{ss:02}.{micros:06}Z"
        )
    }
}

/// Year, month, day of a day number counted from 1970-01-01 (proleptic Gregorian).
/// The 400-year era arithmetic starts years in March, so leap days come last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, d)
}

/// How far a wall-clock reading can be trusted, worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(
    feature = "alloc",
    derive(minicbor::Encode, minicbor::Decode, minicbor::CborLen),
    cbor(index_only)
)]
#[non_exhaustive]
pub enum ClockQuality {
    /// No source of wall time; the reading means nothing.
    #[default]
    #[cfg_attr(feature = "alloc", n(0))]
    None,
    /// A battery-backed clock, unchecked.
    #[cfg_attr(feature = "alloc", n(1))]
    Rtc,
    /// Disciplined by NTP.
    #[cfg_attr(feature = "alloc", n(2))]
    Ntp,
    /// Checked against the collector's time at check-in.
    #[cfg_attr(feature = "alloc", n(3))]
    Collector,
}

#[cfg(feature = "alloc")]
mod cbor {
    use super::UnixTime;
    use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

    impl<C> Encode<C> for UnixTime {
        fn encode<W: encode::Write>(
            &self,
            e: &mut Encoder<W>,
            _: &mut C,
        ) -> Result<(), encode::Error<W::Error>> {
            e.i64(self.0)?.ok()
        }
    }
    impl<'b, C> Decode<'b, C> for UnixTime {
        fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
            d.i64().map(Self)
        }
    }
    impl<C> minicbor::CborLen<C> for UnixTime {
        fn cbor_len(&self, ctx: &mut C) -> usize {
            self.0.cbor_len(ctx)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn prints_rfc3339() {
        assert_eq!(UnixTime(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            UnixTime(1_709_164_800_000_001).to_string(),
            "2024-02-29T00:00:00.000001Z"
        );
        assert_eq!(UnixTime(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn never_runs_backwards() {
        assert_eq!(Instant(5).since(Instant(9)), Duration::ZERO);
    }
}
