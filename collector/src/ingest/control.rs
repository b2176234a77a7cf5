//! Is this control report ours, and about this target? Otherwise it is ignored.

use super::verified::Verified;
use crate::signature;
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
        let envelope = Envelope::parse(report).ok()?;
        let report: ControlReport =
            signature::open(&envelope, Purpose::ControlReport, collector).ok()?;
        Some(report.target.into())
    });
    about.is_some_and(|about| *about == *target)
}
