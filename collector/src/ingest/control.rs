//! Is this control report ours, and about this target? Otherwise it is ignored.

use faultline_core::{
    codec::{Envelope, PublicKey, Purpose},
    measurement::ControlReport,
};

pub(super) fn verify(
    report: &[u8],
    collector: &PublicKey,
    target: &str,
) -> Option<ControlReport> {
    Envelope::parse(report)
        .ok()?
        .open::<ControlReport>(Purpose::ControlReport, collector)
        .ok()
        .filter(|report| report.target == target)
}
