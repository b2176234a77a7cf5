//! Does each scenario come out the same on real sockets? One trial per file, each in
//! namespaces of its own. A failed one leaves its packets in a pcap file and says where.

use crate::{Entered, chain, leave, possible};
use faultline_core::observation::Step;
use faultline_internet::{
    live,
    run::{self, Finding, differences},
    scenario::Scenario,
};
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One trial per file.
pub(crate) fn trials(entered: &Entered) -> Vec<Trial> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let trial = |file: PathBuf| {
        let name = file.strip_prefix(&root).unwrap_or(&file).display();
        let entered = Arc::clone(entered);
        Trial::test(format!("namespace_{name}"), move || check(&entered, &file))
    };
    files(&root).into_iter().map(trial).collect()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for kind in [
        "dns",
        "blocking",
        "censors",
        "governance",
        "technical",
        "benign",
    ] {
        match std::fs::read_dir(root.join(kind)) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            Err(error) => eprintln!("scenarios/{kind} cannot run: {error}"),
        }
    }
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files
}

fn check(entered: &Entered, file: &Path) -> Result<(), Failed> {
    let scenario = Scenario::read(file)?;
    if !possible(entered) {
        return Ok(());
    }
    if let Some(obstacle) = live::obstacle(&scenario) {
        println!("skipped: {obstacle}");
        return Ok(());
    }
    let run = live::run(&scenario).map_err(|error| chain(&error))?;
    let virtually = run::run(&scenario)?;
    for (finding, virtual_one) in run.findings.iter().zip(&virtually) {
        let mut wrong = differences(&scenario.expect, &finding.verdict);
        if !by_chance(&scenario) {
            let (real, modelled) = (steps(finding), steps(virtual_one));
            let both = [
                (&real, &modelled, "only here"),
                (&modelled, &real, "only in process"),
            ];
            for (these, others, whose) in both {
                let alone = these.difference(others);
                wrong.extend(alone.map(|step| format!("{whose}: {step}")));
            }
        }
        if wrong.is_empty() {
            continue;
        }
        let mut report = format!("{}: {}\n", scenario.name, wrong.join("; "));
        for observation in &finding.measurement.observations {
            report.extend([serde_json::to_string(observation)?.as_str(), "\n"]);
        }
        report += &serde_json::to_string(&finding.verdict)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        report += &leave(&stem, &run.capture);
        return Err(report.into());
    }
    Ok(())
}

/// Whether chance decides what happens, and no two runs are alike.
fn by_chance(scenario: &Scenario) -> bool {
    scenario.probe.loss_percent > 0 || scenario.site.iter().any(|site| site.rotates)
}

/// What was done and how it ended, without times, on both sides. The first rung believes
/// what we believe of kernels; here they are asked.
fn steps(finding: &Finding) -> BTreeSet<String> {
    let sides = [
        ("vantage", &finding.control.observations),
        ("probe", &finding.measurement.observations),
    ];
    let mut steps = BTreeSet::new();
    for (side, observations) in sides {
        for observation in observations {
            let what = match &observation.step {
                Step::Lookup(l) => format!(
                    "asks {:?} over {:?} for {} of type {}: {} replies",
                    l.role,
                    l.transport,
                    // Labels that cannot exist are drawn anew each time.
                    l.name.len(),
                    l.rtype,
                    l.replies.len()
                ),
                Step::Connect(c) => format!("connects to {:?} port {}", c.ip, c.port),
                Step::Handshake(h) => {
                    format!("greets {:?} as {:?}, up to {:?}", h.ip, h.role, h.stage)
                }
                Step::Fetch(f) => format!("fetches {}: {:?} {:?}", f.url, f.status, f.title),
                Step::Quic(q) => format!(
                    "dials {:?} as {:?}, up to {:?}: {:?} {:?}",
                    q.ip, q.role, q.stage, q.versions, q.status
                ),
                _ => continue,
            };
            steps.insert(format!("{side} {what}: {:?}", observation.failure));
        }
    }
    steps
}
