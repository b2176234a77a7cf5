//! What came of an experiment, and how does it become a measurement?

use super::run::Run;
use crate::net::{Attachment, Clock, Network};
use faultline_core::{
    id::MeasurementId,
    measurement::{Driver, Experiment, Limit, Measurement, Setting},
    observation::Observation,
    time::{ClockQuality, UnixTime},
    value::Blob,
};

/// What an experiment saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The method used.
    pub experiment: Experiment,
    /// What it was used on.
    pub target: String,
    /// Wall-clock time of the start.
    pub started: UnixTime,
    /// How far `started` can be trusted.
    pub clock: ClockQuality,
    /// What was seen, in an order that does not depend on what completed first.
    pub observations: Vec<Observation>,
    /// What kept the measurement from being whole.
    pub limits: Vec<Limit>,
    /// Surroundings in which results are never scored.
    pub settings: Vec<Setting>,
    /// Bytes sent: datagrams with their IP and UDP headers, streams without headers.
    pub bytes_sent: u64,
    /// Bytes received, counted likewise.
    pub bytes_received: u64,
    /// Duration, microseconds.
    pub runtime: u64,
    /// How the host was attached, where that was the same at the start and at the end.
    pub attached: Option<Attachment>,
}

impl Outcome {
    pub(super) fn of<N: Network, C: Clock>(
        run: &Run<'_, N, C>,
        experiment: Experiment,
        target: &str,
        observations: Vec<Observation>,
        portal: Option<bool>,
    ) -> Self {
        let runtime = run.elapsed();
        let now = run.world.clock.unix();
        let attached = run.world.net.attach();
        let vpn = (attached.vpn || run.attached.vpn) && !run.plan.line_is_tunnel;
        let portal = portal == Some(true);
        Self {
            experiment,
            target: target.to_owned(),
            started: UnixTime(now.0.saturating_sub(runtime as i64)),
            clock: run.world.clock.quality(),
            observations,
            limits: run.limits(),
            settings: [(portal, Setting::CaptivePortal), (vpn, Setting::Vpn)]
                .into_iter()
                .filter_map(|(met, setting)| met.then_some(setting))
                .collect(),
            bytes_sent: run.traffic.sent.get(),
            bytes_received: run.traffic.received.get(),
            runtime,
            attached: (attached.network == run.attached.network).then_some(attached),
        }
    }
}

/// What a probe knows about itself when it measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Drawn at random.
    pub id: MeasurementId,
    /// Name and version of the software.
    pub software: String,
    /// How the probe reached the network.
    pub driver: Driver,
    /// The network-epoch token current at the start.
    pub network: Option<Blob>,
    /// The control's sealed report.
    pub control: Option<Blob>,
    /// Version of the consent text agreed to.
    pub consent: u16,
}

/// Wraps an outcome in what surrounds it on the wire.
pub fn measure(surroundings: Surroundings, outcome: Outcome) -> Measurement {
    Measurement {
        id: surroundings.id,
        experiment: outcome.experiment,
        target: outcome.target,
        started: outcome.started,
        clock: outcome.clock,
        runtime: outcome.runtime,
        software: surroundings.software,
        driver: surroundings.driver,
        limits: outcome.limits,
        bytes_sent: outcome.bytes_sent,
        bytes_received: outcome.bytes_received,
        network: surroundings.network,
        control: surroundings.control,
        settings: outcome.settings,
        consent: surroundings.consent,
        observations: outcome.observations,
        imported: None,
    }
}
