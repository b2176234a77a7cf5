//! How many runs a second? A run is a world built, a control that looks, a probe that
//! measures, and a verdict; virtual time costs nothing.

use faultline_internet::{run::run, scenario::Scenario, world::World};
use std::path::Path;

const PAGE: &str = include_str!("../scenarios/benign/clean.toml");
const NAMES: &str = include_str!("../scenarios/benign/clean_dns.toml");

fn main() {
    divan::main();
}

/// The floor: keys and certificates, nothing measured.
#[divan::bench]
fn the_world_alone(bencher: divan::Bencher<'_, '_>) {
    let scenario = Scenario::parse(PAGE).expect("a scenario");
    bencher
        .counter(divan::counter::ItemsCount::new(1_u32))
        .bench(|| World::new(&scenario).map(|world| world.sites.len()));
}

#[divan::bench(args = ["names", "page"])]
fn one(bencher: divan::Bencher<'_, '_>, what: &str) {
    let text = if what == "page" { PAGE } else { NAMES };
    let scenario = Scenario::parse(text).expect("a scenario");
    bencher
        .counter(divan::counter::ItemsCount::new(1_u32))
        .bench(|| run(&scenario));
}

#[divan::bench(sample_count = 20)]
fn all_scenarios(bencher: divan::Bencher<'_, '_>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut scenarios = Vec::new();
    for kind in ["dns", "blocking", "benign"] {
        for entry in std::fs::read_dir(root.join(kind)).expect("scenarios are there") {
            let path = entry.expect("a file").path();
            scenarios.push(Scenario::read(&path).expect("a scenario"));
        }
    }
    bencher
        .counter(divan::counter::ItemsCount::new(scenarios.len()))
        .bench(|| {
            for scenario in &scenarios {
                divan::black_box(run(scenario)).expect("it runs");
            }
        });
}
