//! Is this control report ours, about this target, and of this time? Otherwise it is ignored.

use super::verified::Verified;
use crate::signature;
use faultline_core::{
    codec::{Envelope, PublicKey, Purpose},
    measurement::{ControlReport, Experiment, Measurement},
    time::UnixTime,
};
use std::sync::Arc;
use url::Url;

/// Furthest from a measurement's start, microseconds. A site that was up a week ago proves
/// nothing today; a probe's clock may be off by a time zone.
const FAR: u64 = 24 * 3600 * 1_000_000;

/// The target of a report that is ours, and when it was made.
pub(super) type Reports = Verified<(Arc<str>, UnixTime)>;

pub(super) fn verify(
    report: &[u8],
    verified: &Reports,
    collector: &PublicKey,
    measurement: &Measurement,
) -> bool {
    let known = verified.open(report, |report| {
        let envelope = Envelope::parse(report).ok()?;
        let report: ControlReport =
            signature::open(&envelope, Purpose::ControlReport, collector).ok()?;
        Some((report.target.into(), report.taken))
    });
    known.is_some_and(|(target, taken)| {
        is_about(&target, measurement) && is_near(taken, measurement.started)
    })
}

/// A page's report serves lookups of its host's name, too.
fn is_about(target: &str, measurement: &Measurement) -> bool {
    target == measurement.target
        || (measurement.experiment == Experiment::DnsConsistency
            && Url::parse(target)
                .is_ok_and(|url| url.host_str() == Some(measurement.target.as_str())))
}

const fn is_near(taken: UnixTime, started: UnixTime) -> bool {
    taken.0.abs_diff(started.0) <= FAR
}
