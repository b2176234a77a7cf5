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

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{
        codec::Identity, id::MeasurementId, measurement::Driver, time::ClockQuality,
    };

    const PAGE: &str = "https://news.example:8443/";
    const DAY: i64 = 86_400;

    fn accepted(experiment: Experiment, target: &str, started: i64, key: u8) -> bool {
        let report = ControlReport {
            target: PAGE.into(),
            taken: UnixTime::from_secs(10 * DAY),
            vantage: "ZZ".into(),
            observations: Vec::new(),
        };
        let collector = Identity::from_bytes(&[9; 32]).unwrap();
        let signer = Identity::from_bytes(&[key; 32]).unwrap();
        let sealed = signer.seal(Purpose::ControlReport, &report);
        let measurement = Measurement {
            id: MeasurementId([1; 16]),
            experiment,
            target: target.into(),
            started: UnixTime::from_secs(started),
            clock: ClockQuality::Ntp,
            runtime: 0,
            software: String::new(),
            driver: Driver::Simulated,
            limits: Vec::new(),
            bytes_sent: 0,
            bytes_received: 0,
            network: None,
            control: None,
            settings: Vec::new(),
            consent: 1,
            imported: None,
            observations: Vec::new(),
        };
        verify(&sealed, &Reports::new(), &collector.public(), &measurement)
    }

    #[test]
    fn a_report_is_about_its_page_and_the_name_of_its_host() {
        let now = 10 * DAY;
        assert!(accepted(Experiment::Web, PAGE, now, 9));
        assert!(accepted(Experiment::DnsConsistency, "news.example", now, 9));
        assert!(!accepted(Experiment::Web, "https://news.example/", now, 9));
        assert!(!accepted(Experiment::Web, "news.example", now, 9));
        assert!(!accepted(
            Experiment::DnsConsistency,
            "other.example",
            now,
            9
        ));
        assert!(!accepted(Experiment::Web, PAGE, now, 8), "somebody else's");
    }

    #[test]
    fn a_report_of_another_day_proves_nothing() {
        for (started, counts) in [
            (9 * DAY, true),
            (11 * DAY, true),
            (9 * DAY - 1, false),
            (11 * DAY + 1, false),
            (i64::MIN / 1_000_000, false),
        ] {
            assert_eq!(
                accepted(Experiment::Web, PAGE, started, 9),
                counts,
                "{started}"
            );
        }
    }
}
