//! What can be asked of the facts, and what is counted in advance? The words of every
//! engine: nothing here knows SQL.

use super::EARLIEST;
use faultline_core::{
    id::{Asn, Country, MeasurementId},
    time::{Duration, UnixTime},
};
use std::{collections::BTreeMap, ops::Range};

/// Who took a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A probe of ours.
    #[default]
    Probe,
    /// Somebody else, who published it.
    Import,
}

/// Which measurements are wanted. They come by start and identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Started in here.
    pub window: Range<UnixTime>,
    /// Only what comes after this one: the last of the page before.
    pub after: Option<(UnixTime, MeasurementId)>,
    pub country: Option<Country>,
    /// The whole of it, as measured.
    pub target: Option<String>,
    /// As in a verdict.
    pub outcome: Option<String>,
    pub source: Option<Source>,
    /// Whether observations are wanted too; without, rows come with none.
    pub observations: bool,
    /// Most rows that come.
    pub limit: usize,
}

impl Query {
    /// Everything in a window, whole.
    pub fn within(window: Range<UnixTime>, limit: usize) -> Self {
        Self {
            window,
            after: None,
            country: None,
            target: None,
            outcome: None,
            source: None,
            observations: true,
            limit,
        }
    }
}

/// Scored measurements of one hour by place, target and outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// Hours since 1970.
    pub hour: i64,
    pub country: Country,
    pub asn: Asn,
    pub target: String,
    pub experiment: &'static str,
    pub source: Source,
    pub outcome: String,
    pub mechanism: Option<String>,
    /// Measurements.
    pub count: u64,
    /// Observations of them.
    pub observations: u64,
}

/// All scored measurements of a target in a country, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub country: Country,
    pub target: String,
    pub source: Source,
    pub measurements: u64,
    pub observations: u64,
    pub outcomes: BTreeMap<String, u64>,
    pub mechanisms: BTreeMap<String, u64>,
    /// Different probes, exactly. Which ones stays inside.
    pub probes: u64,
    /// Different networks, exactly.
    pub networks: u64,
    /// Hours since 1970 of the first and the last.
    pub hours: (i64, i64),
}

/// For how many days something is kept; `None` is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Measurements with their observations and verdicts, by day of start.
    pub observations: Option<u32>,
    /// Batches with their signatures, and network-epoch tokens, by day of arrival. What
    /// they gave rise to stays, and is not made again.
    pub batches: Option<u32>,
    /// Whether somebody vouches for the clock: otherwise a leap of more than
    /// [`LEAP_DAYS`] is not believed.
    pub clock_checked: bool,
}

/// A clock that went ahead further than this since data was last dropped may be wrong, and
/// what a wrong clock drops is gone.
pub const LEAP_DAYS: i64 = 30;

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub measurements: u64,
    pub batches: u64,
    pub tokens: u64,
}

/// A start further than this after the arrival is not believed.
const AHEAD: Duration = Duration::from_hours(1);
/// A start longer than this before the arrival, microseconds, is believed only where a
/// network-epoch token or the operator's import vouches for it.
const BEHIND: i64 = 60 * 86_400_000_000;

/// Whether a measurement may stand on the day on which it says it started. Otherwise it
/// counts as of the day of arrival for retention, and no engine lets its sender choose how
/// many days there are.
pub(super) fn believable(started: UnixTime, vouched: bool, received: UnixTime) -> bool {
    let recent = started.0 >= received.0.saturating_sub(BEHIND);
    started >= EARLIEST && started <= received + AHEAD && (vouched || recent)
}

/// Days since 1970.
pub(super) fn day(at: UnixTime) -> i64 {
    at.secs().div_euclid(86_400)
}
