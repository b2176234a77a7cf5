//! What comes of a scenario on the live Internet? The vantage point looks, the probe
//! measures through the operating system's own sockets, and the rules judge, as on the
//! first rung.

use super::{HostSpec, Internet, LiveError};
use crate::clock::SimClock;
use crate::run::{Finding, fill, judged, look, named, traced, view};
use crate::scenario::{Experiment, Measure, Scenario};
use crate::world::{NEUTRAL, VANTAGE, World, WorldError};
use faultline_core::{
    measurement::{ControlReport, Driver},
    time::ClockQuality,
    value::Ip,
};
use faultline_probe::experiment::{Outcome, Plan, Timeouts, told};
use faultline_probe::net::OsNetwork;
use std::sync::Arc;
use std::time::Duration;

/// Why a scenario did not run.
#[derive(Debug, thiserror::Error)]
pub enum LiveRunError {
    /// There is no such world.
    #[error("cannot build the world")]
    World(#[from] WorldError),
    /// There is no live Internet.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// There is no runtime.
    #[error("cannot start a runtime")]
    Runtime(#[source] std::io::Error),
}

/// What a run brought.
pub struct LiveRun {
    /// As on the first rung.
    pub findings: Vec<Finding>,
    /// Every packet, as a pcap file.
    pub capture: Vec<u8>,
}

/// Real time passes, so less of it: still many times the longest round trip and the first
/// two retransmissions of a SYN (RFC 6298 section 2: after one second, then two).
const TIMEOUTS: Timeouts = Timeouts {
    dns: Duration::from_secs(2),
    tcp: Duration::from_secs(4),
    tls: Duration::from_secs(4),
    http: Duration::from_secs(8),
    quic: Duration::from_secs(4),
    watch: Duration::from_millis(500),
    late: Duration::from_secs(5),
};

/// Why this rung cannot run a scenario here; `None` where it can.
pub fn obstacle(scenario: &Scenario) -> Option<&'static str> {
    if scenario.probe.vpn {
        return Some("no tunnels on the live Internet");
    }
    let mut networks = scenario.networks.iter();
    if scenario.probe.segment.is_some()
        && networks.any(|network| network.asn == scenario.probe.asn && network.ipv6)
    {
        return Some("no route of IPv6 makes segments small");
    }
    let six = scenario.networks.iter().any(|network| network.ipv6);
    (six && !super::has_ipv6()).then_some("no IPv6 in this kernel")
}

/// Runs a scenario in an Internet of its own. [`super::enter`] comes before.
pub fn run(scenario: &Scenario) -> Result<LiveRun, LiveRunError> {
    let world = Arc::new(World::new(scenario)?);
    let probe = &scenario.probe;
    let vantage = HostSpec {
        delay_ms: 10,
        ..HostSpec::within(&world, "vantage", VANTAGE, 7)?
    };
    let prober = HostSpec {
        delay_ms: probe.delay_ms,
        loss_percent: probe.loss_percent,
        segment: probe.segment,
        captive_portal: probe.captive_portal,
        ..HostSpec::within(&world, "probe", probe.asn, 7)?
    };
    let internet = Internet::start(&world, vec![vantage, prober])?;
    let mut findings = Vec::new();
    let control = plan(&world);
    let mut full = control.clone();
    fill(&mut full, scenario, &world);
    let clock = (probe.clock_offset_days, probe.clock.into());
    for (at, wanted) in (0u64..).zip(&scenario.measure) {
        let seed = scenario.seed ^ at << 16;
        let plans = (&control, &full);
        findings.push(find(&internet, &world, plans, clock, seed, wanted)?);
    }
    Ok(LiveRun {
        findings,
        capture: internet.capture(),
    })
}

/// What the vantage point sees, with the code of the collector's control.
fn view_from(
    internet: &Internet,
    plan: &Plan,
    seed: u64,
    target: &str,
    told: Vec<Ip>,
) -> Result<ControlReport, LiveRunError> {
    let (plan, target) = (plan.clone(), target.to_owned());
    let job = move || {
        Ok(runtime()?.block_on(async {
            let net = OsNetwork::new();
            let clock = SimClock::new(0, ClockQuality::Ntp);
            view(&net, &clock, &plan, seed, &target, &told).await
        }))
    };
    internet.on("vantage", job)?.map_err(LiveRunError::Runtime)
}

/// A plan that asks nobody beside, with the timeouts of this rung.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan::new(Arc::clone(&world.roots), NEUTRAL);
    plan.timeouts = TIMEOUTS;
    plan
}

/// One experiment: the host `vantage` looks by the first plan, then the host `probe`
/// measures by the second, with a clock so many days wrong of such quality.
pub fn find(
    internet: &Internet,
    world: &World,
    (control, full): (&Plan, &Plan),
    clock: (i64, ClockQuality),
    seed: u64,
    wanted: &Measure,
) -> Result<Finding, LiveRunError> {
    if wanted.experiment.is_trace() {
        let seen = on(internet, "probe", clock, full, seed ^ 4, wanted, None)?;
        let mut trusted = Vec::new();
        if full.encrypted.is_empty() {
            // Where no resolver is encrypted, the vantage's own stand in.
            let clean = (0, ClockQuality::Ntp);
            let there = on(internet, "vantage", clean, control, seed ^ 2, wanted, None)?;
            trusted = there.observations;
        }
        return Ok(traced(world, seed, Driver::Sockets, seen, trusted));
    }
    let control = &Plan {
        transports: wanted.experiment.is_transport(),
        ..control.clone()
    };
    if wanted.experiment == Experiment::EncryptedDns {
        let control = view_from(internet, control, seed ^ 2, &wanted.target, Vec::new())?;
        let known = Some(control.clone());
        let seen = on(internet, "probe", clock, full, seed ^ 3, wanted, known)?;
        return Ok(judged(world, seed, Driver::Sockets, seen, control));
    }
    let name = named(&wanted.target).to_owned();
    let names = Measure {
        experiment: Experiment::DnsConsistency,
        target: name.clone(),
    };
    let first = on(internet, "probe", clock, full, seed ^ 4, &names, None)?;
    let told = told(&name, &first.observations);
    let control = view_from(internet, control, seed ^ 2, &wanted.target, told)?;
    let known = Some(control.clone());
    let seen = match wanted.experiment {
        Experiment::DnsConsistency => first,
        _ => on(internet, "probe", clock, full, seed ^ 3, wanted, known)?,
    };
    Ok(judged(world, seed, Driver::Sockets, seen, control))
}

fn on(
    internet: &Internet,
    host: &str,
    (offset, quality): (i64, ClockQuality),
    plan: &Plan,
    seed: u64,
    wanted: &Measure,
    control: Option<ControlReport>,
) -> Result<Outcome, LiveRunError> {
    let (plan, wanted) = (plan.clone(), wanted.clone());
    let job = move || {
        Ok(runtime()?.block_on(async {
            let net = OsNetwork::new();
            let clock = SimClock::new(offset, quality);
            look(&net, &clock, &plan, seed, &wanted, control.as_ref()).await
        }))
    };
    internet.on(host, job)?.map_err(LiveRunError::Runtime)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
