//! What comes of a scenario? The world is built, a control looks from a clean place, the
//! probe measures with its own code, and the rules judge.

use crate::clock::SimClock;
use crate::entropy::Seeded;
use crate::network::SimNetwork;
use crate::scenario::{Expect, Experiment, Measure, Scenario};
use crate::world::{CHECK, NEUTRAL, NEUTRAL_HOST, World, WorldError};
use faultline_core::{
    id::MeasurementId,
    measurement::{ControlReport, Driver, Measurement},
    observation::{DnsTransport, Observation},
    resolver::Service,
    time::ClockQuality,
    value::Ip,
    verdict::{Context as _, Verdict, judge},
};
use faultline_probe::experiment::{
    self, CaptiveCheck, EncryptedResolver, Nobody, Outcome, Plan, QuicReference, Surroundings,
    dns_consistency, ech, encrypted_dns, hello, measure, namespace, quic, special_names, told,
    transparency, web,
};
use faultline_probe::net::{Clock, Network};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

/// One measurement, the control beside it, and what they mean.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What the probe saw.
    pub measurement: Measurement,
    /// What the vantage point saw.
    pub control: ControlReport,
    /// What the rules say.
    pub verdict: Verdict,
}

/// Why a scenario did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such world.
    #[error("cannot build the world")]
    World(#[from] WorldError),
    /// There is no runtime.
    #[error("cannot start virtual time")]
    Runtime(#[source] std::io::Error),
}

/// Runs a scenario in virtual time of its own.
pub fn run(scenario: &Scenario) -> Result<Vec<Finding>, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(RunError::Runtime)?;
    let world = Arc::new(World::new(scenario)?);
    Ok(runtime.block_on(findings(scenario, &world)))
}

/// What of a finding is not as expected; empty where all is.
pub fn differences(expect: &Expect, verdict: &Verdict) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Option<&str>, got: Option<String>| {
        if expected != got.as_deref() {
            wrong.push(format!("{what}: expected {expected:?}, got {got:?}"));
        }
    };
    let word = |debug: String| debug.to_lowercase();
    let outcome = word(format!("{:?}", verdict.outcome));
    compare("outcome", Some(&expect.outcome), Some(outcome));
    let mechanism = verdict.mechanism.map(|m| m.label().to_owned());
    compare("mechanism", expect.mechanism.as_deref(), mechanism);
    let layer = verdict.layer().map(|layer| word(format!("{layer:?}")));
    compare("layer", expect.layer.as_deref(), layer);
    if let Some(rule) = &expect.reason {
        let spoke = verdict.reasons.iter().any(|r| r.rule.label() == rule);
        compare("reason", Some(rule), spoke.then(|| rule.clone()));
    }
    wrong
}

async fn findings(scenario: &Scenario, world: &Arc<World>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, wanted) in (0u64..).zip(&scenario.measure) {
        let seed = scenario.seed ^ at << 16;
        let vantage = SimNetwork::vantage(world, seed);
        let probe = SimNetwork::probe(world, &scenario.probe, seed);
        let mut clean = Plan::new(Arc::clone(&world.roots), NEUTRAL);
        let mut plan = clean.clone();
        clean.transports = wanted.experiment.is_transport();
        fill(&mut plan, scenario, world);
        let start = || {
            let probe = &scenario.probe;
            SimClock::new(probe.clock_offset_days, probe.clock.into())
        };
        if wanted.experiment.is_trace() {
            let seen = look(&probe, &start(), &plan, seed ^ 4, wanted, None).await;
            findings.push(traced(world, seed, Driver::Simulated, seen, Vec::new()));
            continue;
        }
        if wanted.experiment == Experiment::EncryptedDns {
            let clock = SimClock::new(0, ClockQuality::Ntp);
            let control = view(&vantage, &clock, &clean, seed ^ 2, &wanted.target, &[]).await;
            let seen = look(&probe, &start(), &plan, seed ^ 3, wanted, Some(&control)).await;
            findings.push(judged(world, seed, Driver::Simulated, seen, control));
            continue;
        }
        // A probe asks about names before it asks the control for its view of a page.
        let name = named(&wanted.target);
        let names = Measure {
            experiment: Experiment::DnsConsistency,
            target: name.to_owned(),
        };
        let first = look(&probe, &start(), &plan, seed ^ 4, &names, None).await;
        let told = told(name, &first.observations);
        let clock = SimClock::new(0, ClockQuality::Ntp);
        let control = view(&vantage, &clock, &clean, seed ^ 2, &wanted.target, &told).await;
        let seen = match wanted.experiment {
            Experiment::DnsConsistency => first,
            _ => look(&probe, &start(), &plan, seed ^ 3, wanted, Some(&control)).await,
        };
        findings.push(judged(world, seed, Driver::Simulated, seen, control));
    }
    findings
}

/// What was seen, beside what the control saw.
pub(crate) fn judged(
    world: &World,
    seed: u64,
    driver: Driver,
    seen: Outcome,
    control: ControlReport,
) -> Finding {
    let measurement = measure(surroundings(seed, driver), seen);
    let verdict = judge(&measurement, Some(&control), world);
    Finding {
        measurement,
        control,
        verdict,
    }
}

/// What the vantage point sees, with the code of the collector's control.
pub(crate) async fn view<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    plan: &Plan,
    seed: u64,
    target: &str,
    told: &[Ip],
) -> ControlReport {
    let entropy = RefCell::new(Seeded::new(seed, 0x22));
    let world = experiment::World {
        net,
        clock,
        entropy: &entropy,
    };
    let told: Vec<_> = told.iter().map(|ip| ip.0).collect();
    experiment::control(&world, plan, "XZ", target, &told).await
}

/// One experiment of the probe's.
pub(crate) async fn look<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    plan: &Plan,
    seed: u64,
    wanted: &Measure,
    control: Option<&ControlReport>,
) -> Outcome {
    let entropy = RefCell::new(Seeded::new(seed, 0x22));
    let world = experiment::World {
        net,
        clock,
        entropy: &entropy,
    };
    match wanted.experiment {
        Experiment::DnsConsistency => dns_consistency(&world, plan, &wanted.target).await,
        Experiment::Web => web(&world, plan, &wanted.target, control).await,
        Experiment::Hello => hello(&world, plan, &wanted.target, control).await,
        Experiment::Quic => Box::pin(quic(&world, plan, &wanted.target, control)).await,
        Experiment::Ech => Box::pin(ech(&world, plan, &wanted.target, control)).await,
        Experiment::Namespace => namespace(&world, plan, &wanted.target).await,
        Experiment::SpecialNames => special_names(&world, plan, &wanted.target).await,
        Experiment::DnsTransparency => transparency(&world, plan, &wanted.target)
            .await
            .expect("a scenario names a check and its zone"),
        Experiment::EncryptedDns => {
            Box::pin(encrypted_dns(&world, plan, &wanted.target, control))
                .await
                .expect("a scenario names a resolver and its address")
        }
    }
}

/// What an experiment on the DNS itself means, beside what was seen of the same in a place
/// that is trusted.
pub(crate) fn traced(
    world: &World,
    seed: u64,
    driver: Driver,
    seen: Outcome,
    trusted: Vec<Observation>,
) -> Finding {
    let control = ControlReport {
        target: seen.target.clone(),
        taken: seen.started,
        vantage: "XZ".to_owned(),
        observations: trusted,
    };
    judged(world, seed, driver, seen, control)
}

/// The name that a target is about.
pub fn named(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or(rest)
}

/// The probe's plan: the resolvers of the scenario and a check for portals.
pub fn fill(plan: &mut Plan, scenario: &Scenario, world: &World) {
    for resolver in &scenario.resolver {
        if resolver.public {
            plan.public_resolvers
                .push(SocketAddr::new(resolver.address, 53));
        }
        if let Some(name) = &resolver.name {
            plan.encrypted.push(EncryptedResolver {
                addr: SocketAddr::new(
                    resolver.address,
                    if resolver.over_tls { 853 } else { 443 },
                ),
                name: name.clone(),
                transport: if resolver.over_tls {
                    DnsTransport::Tls
                } else {
                    DnsTransport::Https
                },
            });
        }
    }
    let named = scenario.resolver.iter().filter_map(|resolver| {
        Some(Service {
            name: resolver.name.clone()?,
            address: resolver.address,
        })
    });
    plan.encrypted_references = named.collect();
    let country = |asn: u32| world.country(asn).to_owned();
    let home = country(scenario.probe.asn);
    plan.nobody = scenario
        .probe
        .nobody
        .iter()
        .map(|ip| Nobody {
            addr: SocketAddr::new(*ip, 53),
            abroad: world.asn_of(*ip).map(|asn| country(asn.0) != home),
        })
        .collect();
    plan.locate = scenario.probe.locate;
    plan.own_resolvers = scenario.probe.own_resolvers;
    let non_resolver = scenario.probe.non_resolver;
    plan.non_resolver = non_resolver.map(|ip| SocketAddr::new(ip, 53));
    plan.quic_references = vec![QuicReference {
        addr: SocketAddr::new(NEUTRAL_HOST, 443),
        name: NEUTRAL.to_owned(),
    }];
    plan.captive = Some(CaptiveCheck {
        url: CHECK.to_owned(),
        status: 204,
        body: None,
    });
}

pub(crate) fn surroundings(seed: u64, driver: Driver) -> Surroundings {
    Surroundings {
        id: MeasurementId(u128::from(seed).to_be_bytes()),
        software: concat!("faultline-internet/", env!("CARGO_PKG_VERSION")).to_owned(),
        driver,
        network: None,
        control: None,
        consent: 0,
    }
}
