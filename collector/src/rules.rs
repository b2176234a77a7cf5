//! The published rules of judgement, in the form that the store asks for.

use crate::store::{Judge, Judgement, payload_of};
use faultline_core::{
    codec::to_cbor,
    id::Asn,
    measurement::{ControlReport, Measurement, NetworkEpoch},
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
        } = verdict::judge(
            measurement,
            control,
            &Networks {
                asn_of,
                home: home(measurement),
            },
        );
        Judgement {
            outcome: name(outcome).into(),
            mechanism: mechanism.map(|m| m.label().into()),
            reasons: to_cbor(&reasons),
            rules: rules.into(),
        }
    }
}

/// What the receipt of a batch knows of addresses.
struct Networks<'a> {
    asn_of: &'a dyn Fn(IpAddr) -> Option<Asn>,
    home: Option<Asn>,
}

impl Context for Networks<'_> {
    fn home(&self) -> Option<Asn> {
        self.home
    }
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        (self.asn_of)(ip)
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
