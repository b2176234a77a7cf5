//! Does the same seed give the same octets, and do benign worlds never alarm?

use faultline_core::{codec::to_cbor, verdict::Outcome};
use faultline_internet::{run::run, scenario::Scenario};
use std::path::Path;

fn scenarios(kind: &str) -> Vec<Scenario> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scenarios")
        .join(kind);
    let entries = std::fs::read_dir(root).expect("scenarios are there");
    let files = entries.flatten().map(|entry| entry.path());
    files
        .map(|file| Scenario::read(&file).expect("a scenario"))
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    for kind in [
        "dns",
        "blocking",
        "censors",
        "governance",
        "technical",
        "benign",
    ] {
        for scenario in scenarios(kind) {
            let octets = || -> Vec<_> {
                let findings = run(&scenario).expect("it runs");
                findings.iter().map(|f| to_cbor(&f.measurement)).collect()
            };
            assert_eq!(octets(), octets(), "{}", scenario.name);
        }
    }
}

#[test]
fn benign_worlds_never_alarm() {
    for mut scenario in scenarios("benign") {
        // What chance decides is tried more often.
        let seeds = if scenario.probe.loss_percent > 0 {
            400
        } else {
            20
        };
        for seed in 0..seeds {
            scenario.seed = seed;
            for finding in run(&scenario).expect("it runs") {
                let verdict = finding.verdict;
                assert_ne!(
                    verdict.outcome,
                    Outcome::Anomaly,
                    "{} {verdict:?}",
                    scenario.name
                );
            }
        }
    }
}
