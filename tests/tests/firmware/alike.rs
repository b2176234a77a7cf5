//! In the same world, do the firmware and the Linux probe measure the same and come to the
//! same verdicts? One trial a scenario file; the Linux probe asks no resolver of an operating
//! system and no encrypted one, as the firmware cannot, and both say so.

use crate::{Entered, chain, possible};
use core::net::{SocketAddr, SocketAddrV4};
use faultline_core::{
    id::MeasurementId,
    measurement::{ControlReport, Driver, Measurement},
    time::{ClockQuality, UnixTime},
    verdict::{Outcome, judge},
};
use faultline_firmware::{
    Captive, Chance, Settings, Timeouts,
    host::on_link,
    measure::{self, Seen},
};
use faultline_internet::{
    alike::normalised,
    live::{self, HostSpec, Internet},
    run::{differences, fill, named},
    scenario::{Experiment, Measure, Scenario},
    world::{CHECK, NEUTRAL, VANTAGE, World},
};
use faultline_probe::experiment::Plan;
use libtest_mimic::{Failed, Trial};
use std::path::Path;
use std::sync::Arc;

/// Scenarios, honest and hostile, that both can measure: without a tunnel, IPv6, cut streams
/// or chance.
const SCENARIOS: &[&str] = &[
    "benign/captive_portal",
    "benign/clean",
    "benign/clean_dns",
    "benign/cname_chain",
    "benign/dead_resolver",
    "benign/geo_cdn_dns",
    "benign/nxdomain_for_all",
    "benign/rewriting",
    "benign/site_refuses",
    "benign/site_resets",
    "benign/site_silent",
    "benign/truncated",
    "benign/truncated_no_tcp",
    "blocking/ip_drop",
    "blocking/ip_reset",
    "blocking/ip_unreachable",
    "blocking/sni_drop",
    "blocking/sni_reset",
    "blocking/tls_mitm",
    "dns/blockpage",
    "dns/bogon",
    "dns/ghost",
    "dns/injector_blockpage",
    "dns/injector_bogon",
    "dns/injector_no_resolver",
    "dns/injector_other",
    "dns/no_answer",
    "dns/nxdomain",
    "dns/proxy_nxdomain",
    "dns/refused",
    "dns/servfail",
];

/// One trial per scenario.
pub(crate) fn trials(entered: &Entered) -> Vec<Trial> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let trial = |name: &&str| {
        let entered = Arc::clone(entered);
        let file = root.join(name).with_extension("toml");
        Trial::test(format!("namespace_alike_{name}"), move || {
            if possible(&entered) {
                check(&file)
            } else {
                Ok(())
            }
        })
    };
    SCENARIOS.iter().map(trial).collect()
}

struct Stage {
    scenario: Scenario,
    world: Arc<World>,
    internet: Internet,
    clean: Plan,
    full: Plan,
    settings: Settings,
}

fn check(file: &Path) -> Result<(), Failed> {
    let stage = Stage::build(file)?;
    for (at, wanted) in (0u64..).zip(&stage.scenario.measure) {
        let seed = stage.scenario.seed ^ at << 16;
        let names = Measure {
            experiment: Experiment::DnsConsistency,
            target: named(&wanted.target).to_owned(),
        };
        stage.compare(seed, &names, &wanted.target)?;
        if wanted.target.starts_with("https://") {
            let hello = Measure {
                experiment: Experiment::Hello,
                target: wanted.target.clone(),
            };
            stage.compare(seed, &hello, &wanted.target)?;
        }
    }
    Ok(())
}

impl Stage {
    fn build(file: &Path) -> Result<Self, Failed> {
        let scenario = Scenario::read(file)?;
        let world = Arc::new(World::new(&scenario)?);
        let probe = &scenario.probe;
        let attached = |name, number| -> Result<HostSpec, Failed> {
            Ok(HostSpec {
                delay_ms: probe.delay_ms,
                loss_percent: probe.loss_percent,
                captive_portal: probe.captive_portal,
                ..HostSpec::within(&world, name, probe.asn, number)?
            })
        };
        let hosts = vec![
            HostSpec {
                delay_ms: 10,
                ..HostSpec::within(&world, "vantage", VANTAGE, 7)?
            },
            attached("probe", 7)?,
            HostSpec {
                board: true,
                ..attached("board", 8)?
            },
        ];
        let internet = Internet::start(&world, hosts).map_err(|error| chain(&error))?;
        let clean = live::plan(&world);
        let mut full = clean.clone();
        fill(&mut full, &scenario, &world);
        full.system = false;
        full.encrypted.clear();
        let settings = settings(&full);
        Ok(Self {
            scenario,
            world,
            internet,
            clean,
            full,
            settings,
        })
    }

    fn compare(&self, seed: u64, wanted: &Measure, page: &str) -> Result<(), Failed> {
        let probe = &self.scenario.probe;
        let clock = (probe.clock_offset_days, ClockQuality::from(probe.clock));
        let plans = (&self.clean, &self.full);
        let by_linux = live::find(&self.internet, &self.world, plans, clock, seed, wanted)
            .map_err(|error| chain(&error))?;
        let control = by_linux.control;
        let seen = self.on_board(seed, wanted, &control)?;
        let by_board = measurement(seen, clock.1);
        let verdict = judge(&by_board, Some(&control), &*self.world);
        let mut wrong = Vec::new();
        // What is expected is of the scenario's own experiment.
        let own = self.scenario.measure.iter().any(|measure| {
            measure.experiment == wanted.experiment && measure.target == wanted.target
        });
        let greeted = wanted.experiment == Experiment::Hello
            && matches!(self.scenario.expect.layer.as_deref(), Some("tcp" | "tls"))
            && self.scenario.expect.mechanism.as_deref() != Some("tls.mitm");
        if own || greeted {
            wrong.extend(differences(&self.scenario.expect, &verdict));
        }
        if self.scenario.expect.outcome != "anomaly" && verdict.outcome == Outcome::Anomaly {
            wrong.push(format!("a benign {page} is accused: {verdict:?}"));
        }
        if verdict != by_linux.verdict {
            wrong.push(format!(
                "verdicts differ: board {verdict:?}, Linux {:?}",
                by_linux.verdict
            ));
        }
        let (board, linux) = (normalised(by_board), normalised(by_linux.measurement));
        if board.observations.is_empty() {
            wrong.push("nothing was seen".to_owned());
        }
        if board != linux {
            wrong.push(first_difference(&board, &linux)?);
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            let kind = wanted.experiment;
            Err(format!("{} {kind:?}: {}", self.scenario.name, wrong.join("\n")).into())
        }
    }

    fn on_board(
        &self,
        seed: u64,
        wanted: &Measure,
        control: &ControlReport,
    ) -> Result<Seen, Failed> {
        let (wanted, control, settings) =
            (wanted.clone(), control.clone(), self.settings.clone());
        let job = move || {
            on_link("up0", seed, async |line| {
                line.attach().await;
                let mut chance = Chance::of([seed as u8; 32]);
                let target = &wanted.target;
                match wanted.experiment {
                    Experiment::DnsConsistency => {
                        measure::names(line, &settings, &mut chance, target).await
                    }
                    _ => {
                        measure::hello(line, &settings, &mut chance, target, Some(&control))
                            .await
                    }
                }
            })
        };
        let seen = self
            .internet
            .on("board", job)
            .map_err(|error| chain(&error))?;
        Ok(seen.map_err(|error| chain(&error))?)
    }
}

/// The firmware's settings for a plan.
fn settings(plan: &Plan) -> Settings {
    let four = |resolver: &SocketAddr| match resolver {
        SocketAddr::V4(resolver) => Some::<SocketAddrV4>(*resolver),
        SocketAddr::V6(_) => None,
    };
    let check = CHECK.strip_prefix("http://").unwrap_or(CHECK);
    let (host, path) = check.split_once('/').unwrap_or((check, ""));
    Settings {
        public_resolvers: plan.public_resolvers.iter().filter_map(four).collect(),
        non_resolver: plan.non_resolver.as_ref().and_then(four),
        neutral_name: NEUTRAL.to_owned(),
        captive: Some(Captive {
            host: host.to_owned(),
            path: format!("/{path}"),
            status: 204,
        }),
        contact_special: plan.contact_bogons,
        timeouts: Timeouts {
            dns: plan.timeouts.dns,
            watch: plan.timeouts.watch,
            tcp: plan.timeouts.tcp,
            tls: plan.timeouts.tls,
            http: plan.timeouts.http,
        },
        ..Settings::default()
    }
}

fn measurement(seen: Seen, clock: ClockQuality) -> Measurement {
    Measurement {
        id: MeasurementId::default(),
        experiment: seen.experiment,
        target: seen.target,
        started: UnixTime::default(),
        clock,
        runtime: seen.runtime.as_micros() as u64,
        software: String::new(),
        driver: Driver::Firmware,
        limits: seen.limits,
        bytes_sent: seen.bytes_sent,
        bytes_received: seen.bytes_received,
        network: None,
        control: None,
        settings: seen.settings,
        consent: 0,
        observations: seen.observations,
        imported: None,
    }
}

/// The first thing in which two measurements differ.
fn first_difference(board: &Measurement, linux: &Measurement) -> Result<String, Failed> {
    let mut said = String::new();
    for (at, (ours, theirs)) in board
        .observations
        .iter()
        .zip(&linux.observations)
        .enumerate()
    {
        if ours != theirs {
            let (ours, theirs) = (serde_json::to_string(ours)?, serde_json::to_string(theirs)?);
            said = format!("step {at}:\n  board {ours}\n  Linux {theirs}");
            break;
        }
    }
    if said.is_empty() {
        let bare = |m: &Measurement| -> Result<String, Failed> {
            let mut bare = m.clone();
            bare.observations.truncate(0);
            let steps = m.observations.len();
            Ok(format!("{steps} steps, {}", serde_json::to_string(&bare)?))
        };
        said = format!("\n  board {}\n  Linux {}", bare(board)?, bare(linux)?);
    }
    Ok(format!("measurements differ at {said}"))
}
