//! The published rules of judgement, in the form that the store asks for.

use crate::store::{Judge, Judgement};
use faultline_core::{
    codec::to_cbor,
    id::Asn,
    measurement::{ControlReport, Measurement},
    verdict::{self, Context, Outcome, Verdict},
};
use std::net::IpAddr;

/// Judges by [`faultline_core::verdict`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules;

impl Judge for Rules {
    fn judge(
        &self,
        measurement: &Measurement,
        control: Option<&ControlReport>,
        asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
    ) -> Judgement {
        let Verdict {
            outcome,
            mechanism,
            reasons,
            rules,
            ..
        } = verdict::judge(measurement, control, &Networks(asn_of));
        Judgement {
            outcome: name(outcome).into(),
            mechanism: mechanism.map(|m| m.label().into()),
            reasons: to_cbor(&reasons),
            rules: rules.into(),
        }
    }
}

/// What the receipt of a batch knows of addresses.
struct Networks<'a>(&'a dyn Fn(IpAddr) -> Option<Asn>);

impl Context for Networks<'_> {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        (self.0)(ip)
    }
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
