//! Is this control report ours, and about this target? Otherwise it is ignored.

use super::verified::Verified;
use faultline_core::{
    codec::{Envelope, PublicKey, Purpose},
    measurement::ControlReport,
};
use std::sync::Arc;

/// The target of a report that is ours.
pub(super) type Reports = Verified<Arc<str>>;

pub(super) fn verify(
    report: &[u8],
    verified: &Reports,
    collector: &PublicKey,
    target: &str,
) -> bool {
    let about = verified.open(report, |report| {
        Envelope::parse(report)
            .ok()?
            .open::<ControlReport>(Purpose::ControlReport, collector)
            .ok()
            .map(|report| report.target.into())
    });
    about.is_some_and(|about| *about == *target)
}
