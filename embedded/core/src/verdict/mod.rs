//! What does a measurement mean?
//!
//! A pure function of the measurement, the control's report and a little knowledge of
//! addresses. It accuses only where a control succeeded, where the failure was repeated and
//! where no benign explanation that it knows fits; otherwise it says why it cannot tell.
//! The rules are [`Rule::ALL`]; the order of agreement is that of Censored Planet's v2
//! outcomes (address, certificate, network), certificates before networks because
//! blockpages live inside ISPs that also host caches.

mod dns;
#[cfg(feature = "transports")]
mod ech;
#[cfg(feature = "transports")]
mod encrypted;
#[cfg(feature = "transports")]
mod hop;
mod injection;
mod mechanism;
mod namespace;
#[cfg(feature = "transports")]
mod quic;
mod reason;
mod resolver;
mod special;
mod transparency;
mod web;

pub use mechanism::Mechanism;
pub use reason::{Reason, Rule};

use crate::{
    failure::Layer,
    id::Asn,
    measurement::{ControlReport, Experiment, Measurement, Setting},
    observation::{Fetch, Observation, code},
};
use alloc::vec::Vec;
use core::net::IpAddr;
use minicbor::{Decode, Encode};

/// Version of the rules; stored with every verdict.
pub const RULES_VERSION: u16 = 3;

code! {
    /// What a measurement means.
    pub enum Outcome {
        /// What was asked for was had.
        0 Ok,
        /// Somebody interfered.
        1 Anomaly,
        /// The site or the name fails for the control too.
        2 Down,
        /// The server itself refuses this visitor.
        3 Refused,
        /// It cannot be told; the reasons say why.
        4 Inconclusive,
    }
}

/// The meaning of one measurement, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cbor(map)]
pub struct Verdict {
    /// What it means.
    #[n(0)]
    pub outcome: Outcome,
    /// How it was done, for anomalies.
    #[n(1)]
    pub mechanism: Option<Mechanism>,
    /// Why, with the observations it rests on.
    #[n(2)]
    pub reasons: Vec<Reason>,
    /// Version of the rules.
    #[n(3)]
    pub rules: u16,
    /// Whether it may enter scores as far as this measurement alone can tell.
    #[n(4)]
    pub scorable: bool,
}

impl Verdict {
    /// The layer of interference, for anomalies.
    pub fn layer(&self) -> Option<Layer> {
        self.mechanism.map(Mechanism::layer)
    }
}

/// What is known of addresses and pages beside the measurement.
pub trait Context {
    /// The network that the probe measured in.
    fn home(&self) -> Option<Asn> {
        None
    }
    /// The network that announces an address.
    fn asn_of(&self, _: IpAddr) -> Option<Asn> {
        None
    }
    /// The content network that serves from an address.
    fn cdn_of(&self, _: IpAddr) -> Option<u32> {
        None
    }
    /// Whether an address is known to serve blockpages.
    fn is_blockpage_address(&self, _: IpAddr) -> bool {
        false
    }
    /// Whether headers, body or title are those of a known blockpage.
    fn is_blockpage(&self, _: &Fetch) -> bool {
        false
    }
}

/// Nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContext;
impl Context for NoContext {}

/// Judges a measurement.
pub fn judge(
    measurement: &Measurement,
    control: Option<&ControlReport>,
    context: &dyn Context,
) -> Verdict {
    let case = Case {
        measurement,
        control: control.map_or(&[], |report| report.observations.as_slice()),
        context,
    };
    for (setting, rule) in [
        (Setting::CaptivePortal, Rule::CaptivePortal),
        (Setting::Vpn, Rule::Vpn),
        (Setting::OwnResolvers, Rule::HostResolver),
    ] {
        if measurement.settings.contains(&setting) {
            return Finding::inconclusive(rule, Vec::new()).verdict();
        }
    }
    match measurement.experiment {
        Experiment::DnsConsistency => dns::judge(&case).verdict(),
        Experiment::Web => web::judge(&case).verdict(),
        Experiment::Namespace => namespace::judge(&case).verdict(),
        Experiment::SpecialNames => special::judge(&case).verdict(),
        Experiment::DnsTransparency => transparency::judge(&case).verdict(),
        #[cfg(feature = "transports")]
        Experiment::Hello => hop::located(&case, web::hello(&case)).verdict(),
        #[cfg(not(feature = "transports"))]
        Experiment::Hello => web::hello(&case).verdict(),
        #[cfg(feature = "transports")]
        Experiment::Quic => quic::judge(&case).verdict(),
        #[cfg(feature = "transports")]
        Experiment::EncryptedDns => encrypted::judge(&case).verdict(),
        #[cfg(feature = "transports")]
        Experiment::Ech => ech::judge(&case).verdict(),
        #[cfg(not(feature = "transports"))]
        Experiment::Quic | Experiment::EncryptedDns | Experiment::Ech => {
            Finding::inconclusive(Rule::NothingSeen, Vec::new()).verdict()
        }
    }
}

/// What the rules look at.
struct Case<'a> {
    measurement: &'a Measurement,
    control: &'a [Observation],
    context: &'a dyn Context,
}

impl<'a> Case<'a> {
    fn seen(&self) -> impl Iterator<Item = (u16, &'a Observation)> + use<'a> {
        (0..=u16::MAX).zip(&self.measurement.observations)
    }
    fn control(&self) -> impl Iterator<Item = (u16, &'a Observation)> + use<'a> {
        (0..=u16::MAX).zip(self.control)
    }
    /// The name that the target is about, lower case, without a final dot.
    fn name(&self) -> alloc::string::String {
        let target = self.measurement.target.as_str();
        let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let host = host.rsplit('@').next().unwrap_or(host);
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        host.trim_end_matches('.').to_ascii_lowercase()
    }
}

/// A verdict in the making.
#[derive(Debug)]
struct Finding {
    outcome: Outcome,
    mechanism: Option<Mechanism>,
    reasons: Vec<Reason>,
}

impl Finding {
    fn new(outcome: Outcome, reason: Reason) -> Self {
        Self {
            outcome,
            mechanism: None,
            reasons: alloc::vec![reason],
        }
    }
    fn anomaly(mechanism: Mechanism, reason: Reason) -> Self {
        Self {
            mechanism: Some(mechanism),
            ..Self::new(Outcome::Anomaly, reason)
        }
    }
    fn inconclusive(rule: Rule, observations: Vec<u16>) -> Self {
        Self::new(
            Outcome::Inconclusive,
            Reason::new(rule, observations, Vec::new()),
        )
    }
    fn because(mut self, rule: Rule, observations: Vec<u16>) -> Self {
        self.reasons
            .push(Reason::new(rule, observations, Vec::new()));
        self
    }
    fn verdict(self) -> Verdict {
        Verdict {
            scorable: self.outcome != Outcome::Inconclusive,
            outcome: self.outcome,
            mechanism: self.mechanism,
            reasons: self.reasons,
            rules: RULES_VERSION,
        }
    }
}

#[cfg(test)]
mod tests;
