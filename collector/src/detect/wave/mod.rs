//! Where did blocking begin or end, in how many networks, and is it one event? Shares of probes
//! in, events out; pure, in five steps:
//!
//! ```text
//! rows -> looks     who could tell what of a target in which hour     (watch)
//! looks -> spans    cumulative sums of a share, hourly and daily      (cusum)
//! spans -> alarms   per network, country, target, mechanism, category (alarm)
//! alarms -> waves   what began together is one event                  (merge)
//! wave -> account   who saw what in it, and where it is done          (account)
//! ```
//!
//! A change is what is looked for, but what was there at the first look is told, too, and said to
//! be older than the measurements. Late data change what is recomputed and nothing else: the same
//! looks give the same waves in whatever order they came. Page, E. S. (1954) "Continuous
//! inspection schemes", Biometrika 41; OONI's changepoints for the shape of the problem: up to
//! 1,800 alerts for one national block.
//!
//! Known false positives: a site that fails in most countries at once (left out), a site that
//! turns away some networks with a page of its own (the verdict's business), probes behind one
//! filter at home (three probes are the least).

mod account;
mod alarm;
mod cusum;
mod merge;
mod watch;

pub use account::{Account, Direction, Sum};
pub use merge::{Wave, WaveId};
pub use watch::{Cause, Watch};

/// Which algorithm speaks; goes up with every change that can change a wave.
pub const DETECTOR: &str = "faultline-waves-0.1.0";

/// Hours since 1970.
pub type Hour = i32;

/// The hour of a time in microseconds.
pub fn hour(micros: i64) -> Hour {
    micros.div_euclid(3_600_000_000) as Hour
}

/// Probes that see it, at least; and, so that it is more than suspected, networks or days.
pub const PROBES: usize = crate::score::floors::FLOORS.public_probes as usize;
/// Hours between beginnings that belong together.
pub const TOGETHER: Hour = 48;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
