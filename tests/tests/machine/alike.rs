//! In the same world, do the image of a board and the Linux probe measure the same, after the
//! published list, and come to the same verdicts without any? A selection of what the
//! firmware is compared by as a process: here it is the image, its network device, its flash
//! and the whole way to the collector's store.

use crate::collector::{Collector, Papers};
use crate::place::{BOARD, Place};
use crate::{Check, chain};
use faultline_core::codec::{Envelope, PublicKey, Purpose};
use faultline_core::measurement::{Batch, Experiment as Code, Limit, Measurement};
use faultline_core::time::{ClockQuality, Duration};
use faultline_core::verdict::judge;
use faultline_firmware::{Captive, Timeouts};
use faultline_internet::alike::normalised;
use faultline_internet::live::{self, Emulator};
use faultline_internet::run::{fill, named};
use faultline_internet::scenario::{Experiment, Measure};
use faultline_internet::world::CHECK;
use faultline_probe::experiment::Plan;
use libtest_mimic::Failed;
use std::net::{SocketAddr, SocketAddrV4};

pub(crate) const TRIALS: &[(&str, Check)] = &[
    ("alike_benign_clean", |e| alike(e, "benign/clean")),
    ("alike_benign_rewriting", |e| alike(e, "benign/rewriting")),
    ("alike_benign_truncated", |e| alike(e, "benign/truncated")),
    ("alike_blocking_ip_reset", |e| alike(e, "blocking/ip_reset")),
    ("alike_blocking_sni_drop", |e| alike(e, "blocking/sni_drop")),
    ("alike_blocking_sni_reset", |e| {
        alike(e, "blocking/sni_reset")
    }),
    ("alike_dns_blockpage", |e| alike(e, "dns/blockpage")),
    ("alike_dns_injector_bogon", |e| {
        alike(e, "dns/injector_bogon")
    }),
    ("alike_dns_injector_no_resolver", |e| {
        alike(e, "dns/injector_no_resolver")
    }),
    ("alike_dns_nxdomain", |e| alike(e, "dns/nxdomain")),
];

/// Longest silence of a board: a dropped ClientHello and its twin, tried again, take a while.
const WAIT: std::time::Duration = std::time::Duration::from_secs(90);

fn alike(emulator: &Emulator, scenario: &str) -> Result<(), Failed> {
    let place = Place::new(&format!("{scenario}.toml"))?;
    let papers = Papers::honest()?;
    let collector = Collector::start(&place, &papers)?;
    let clean = live::plan(&place.world);
    let mut full = clean.clone();
    fill(&mut full, &place.scenario, &place.world);
    // As for the firmware as a process: boards ask no system's resolver and no encrypted one.
    full.system = false;
    full.encrypted.clear();
    let mut provision = place.provision(papers.authority.der());
    told(&mut provision.settings, &full);
    let machine = place.machine(emulator, &provision.block()?)?;
    let mut board = machine.start()?;
    board.says("Cycle", WAIT)?;
    let heard = board.cut();
    let seen = measurements(&collector.end()?)?;
    let wrong = compare(&place, (&clean, &full), seen)?;
    if wrong.is_empty() {
        return Ok(());
    }
    let packets = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{BOARD}-{}.pcap", place.scenario.name));
    std::fs::write(&packets, place.internet.capture())?;
    let packets = packets.display();
    Err(format!(
        "{}\nthe board said {heard:?}\npackets: {packets}",
        wrong.join("\n")
    )
    .into())
}

/// What differs, and what is missing.
fn compare(
    place: &Place,
    plans: (&Plan, &Plan),
    mut seen: Vec<Measurement>,
) -> Result<Vec<String>, Failed> {
    let mut wrong = Vec::new();
    let clock = (
        place.scenario.probe.clock_offset_days,
        ClockQuality::Collector,
    );
    for (at, measure) in (0u64..).zip(&place.scenario.measure) {
        let seed = place.scenario.seed ^ at << 16;
        let names = Measure {
            experiment: Experiment::DnsConsistency,
            target: named(&measure.target).to_owned(),
        };
        let hello = Measure {
            experiment: Experiment::Hello,
            target: measure.target.clone(),
        };
        let both = [(names, Code::DnsConsistency), (hello, Code::Hello)];
        let secure = measure.target.starts_with("https://");
        for (wanted, code) in both.into_iter().take(1 + usize::from(secure)) {
            let (internet, world) = (&place.internet, &place.world);
            let by_linux = live::find(internet, world, plans, clock, seed, &wanted)
                .map_err(|error| chain(&error))?;
            let at = seen
                .iter()
                .position(|m| m.experiment == code && m.target == wanted.target);
            let Some(at) = at else {
                wrong.push(format!("the board did not measure {wanted:?}"));
                continue;
            };
            let by_board = seen.remove(at);
            let verdict = judge(&by_board, Some(&by_linux.control), &**world);
            if verdict != by_linux.verdict {
                wrong.push(format!(
                    "verdicts differ: board {verdict:?}, Linux {:?}",
                    by_linux.verdict
                ));
            }
            let mut by_linux = by_linux.measurement;
            if by_board.control.is_some() {
                // Rung 2 looks names up before it has a report, and says so. Who carries a
                // report does not say that there is none.
                by_linux.limits.retain(|limit| *limit != Limit::Control);
            }
            let (board, linux) = (normalised(by_board), normalised(by_linux));
            if board != linux {
                wrong.push(difference(&board, &linux)?);
            }
        }
    }
    Ok(wrong)
}

/// Gives a board what the Linux probe's plan says.
fn told(settings: &mut faultline_firmware::Settings, plan: &Plan) {
    let four = |at: &SocketAddr| match at {
        SocketAddr::V4(at) => Some::<SocketAddrV4>(*at),
        SocketAddr::V6(_) => None,
    };
    let check = CHECK.strip_prefix("http://").unwrap_or(CHECK);
    let (host, path) = check.split_once('/').unwrap_or((check, ""));
    settings.public_resolvers = plan.public_resolvers.iter().filter_map(four).collect();
    settings.non_resolver = plan.non_resolver.as_ref().and_then(four);
    settings.captive = Some(Captive {
        host: host.to_owned(),
        path: format!("/{path}"),
        status: 204,
    });
    settings.contact_special = plan.contact_bogons;
    settings.every = Duration::from_hours(1);
    settings.timeouts = Timeouts {
        dns: plan.timeouts.dns,
        watch: plan.timeouts.watch,
        tcp: plan.timeouts.tcp,
        tls: plan.timeouts.tls,
        http: plan.timeouts.http,
    };
}

/// All that the collector keeps, as the board signed it.
fn measurements(kept: &crate::collector::Kept) -> Result<Vec<Measurement>, Failed> {
    let mut all = Vec::new();
    for stored in kept.batches()? {
        let key = PublicKey::from_sec1(&stored.public_key)?;
        let batch: Batch = Envelope::parse(&stored.bytes)?.open(Purpose::Batch, &key)?;
        all.extend(batch.measurements);
    }
    Ok(all)
}

/// The first thing in which two measurements differ.
fn difference(board: &Measurement, linux: &Measurement) -> Result<String, Failed> {
    let pairs = board.observations.iter().zip(&linux.observations);
    for (at, (ours, theirs)) in pairs.enumerate() {
        if ours != theirs {
            let (ours, theirs) = (serde_json::to_string(ours)?, serde_json::to_string(theirs)?);
            return Ok(format!("step {at}:\n  board {ours}\n  Linux {theirs}"));
        }
    }
    let bare = |measurement: &Measurement| -> Result<String, Failed> {
        let mut bare = measurement.clone();
        bare.observations.clear();
        let steps = measurement.observations.len();
        Ok(format!("{steps} steps, {}", serde_json::to_string(&bare)?))
    };
    Ok(format!(
        "measurements differ:\n  board {}\n  Linux {}",
        bare(board)?,
        bare(linux)?
    ))
}
