//! The published rules of judgement, in the form that the store asks for.

use crate::{
    fingerprints::{Fingerprints, Signature},
    store::{Judge, Judgement, payload_of},
};
use faultline_core::{
    codec::to_cbor,
    id::Asn,
    measurement::{ControlReport, Measurement, NetworkEpoch},
    observation::Fetch,
    verdict::{self, Context, Outcome, Verdict},
};
use std::{net::IpAddr, sync::Arc};

/// Judges by [`faultline_core::verdict`], without knowledge of blockpages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules;

/// Judges by the same rules, with the operator's list of blockpages.
#[derive(Clone)]
pub struct Informed(pub Arc<Fingerprints>);

impl Judge for Rules {
    fn judge(
        &self,
        measurement: &Measurement,
        control: Option<&ControlReport>,
        asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
    ) -> Judgement {
        judge(measurement, control, asn_of, None)
    }
}

impl Judge for Informed {
    fn judge(
        &self,
        measurement: &Measurement,
        control: Option<&ControlReport>,
        asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
    ) -> Judgement {
        judge(measurement, control, asn_of, Some(&self.0))
    }
}

fn judge(
    measurement: &Measurement,
    control: Option<&ControlReport>,
    asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
    fingerprints: Option<&Fingerprints>,
) -> Judgement {
    let known = Known {
        asn_of,
        home: home(measurement),
        fingerprints,
    };
    let Verdict {
        outcome,
        mechanism,
        reasons,
        rules,
        ..
    } = verdict::judge(measurement, control, &known);
    Judgement {
        outcome: name(outcome).into(),
        mechanism: mechanism.map(|m| m.label().into()),
        reasons: to_cbor(&reasons),
        rules: rules.into(),
    }
}

/// What is known of addresses and pages beside a measurement.
pub struct Known<'a> {
    /// The network that announces an address.
    pub asn_of: &'a dyn Fn(IpAddr) -> Option<Asn>,
    /// The network that the measurement was taken in.
    pub home: Option<Asn>,
    /// Blockpages.
    pub fingerprints: Option<&'a Fingerprints>,
}

impl Context for Known<'_> {
    fn home(&self) -> Option<Asn> {
        self.home
    }
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        (self.asn_of)(ip)
    }
    fn is_blockpage_address(&self, ip: IpAddr) -> bool {
        let known = self.fingerprints.and_then(|f| f.address(ip));
        known.is_some_and(Signature::accuses)
    }
    fn is_blockpage(&self, page: &Fetch) -> bool {
        let known = self.fingerprints.and_then(|f| f.page(page));
        known.is_some_and(Signature::accuses)
    }
}

/// The network that a measurement says it was taken in. Whether its token is ours and of its
/// time was checked when it came: where not, the verdict is not scored.
fn home(measurement: &Measurement) -> Option<Asn> {
    let token = &measurement.network.as_ref()?.0;
    Some(payload_of::<NetworkEpoch>(token)?.asn)
}

/// The word for an outcome in rows, rollups and replies.
pub const fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Anomaly => "anomaly",
        Outcome::Down => "down",
        Outcome::Refused => "refused",
        _ => "inconclusive",
    }
}
