//! How many runs a second?

use faultline_internet::{run::run, scenario::Scenario};

const CLEAN: &str = include_str!("../scenarios/benign/clean.toml");

fn main() {
    divan::main();
}

#[divan::bench]
fn a_page_from_world_to_verdict(bencher: divan::Bencher<'_, '_>) {
    let scenario = Scenario::parse(CLEAN).expect("a scenario");
    bencher.bench(|| run(&scenario));
}
