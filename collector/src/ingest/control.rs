//! Is this control report ours, about this target, and of this time? Otherwise it is ignored.

use faultline_core::{
    codec::{Envelope, PublicKey, Purpose},
    measurement::{ControlReport, Experiment, Measurement},
    time::UnixTime,
};
use url::Url;

/// Furthest from a measurement's start, microseconds. A site that was up a week ago proves
/// nothing today; a probe's clock may be off by a time zone.
const FAR: u64 = 24 * 3600 * 1_000_000;

pub(super) fn verify(
    report: &[u8],
    collector: &PublicKey,
    measurement: &Measurement,
) -> Option<ControlReport> {
    Envelope::parse(report)
        .ok()?
        .open::<ControlReport>(Purpose::ControlReport, collector)
        .ok()
        .filter(|report| is_about(&report.target, measurement))
        .filter(|report| is_near(report.taken, measurement.started))
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
