//! Do the probes of the demonstration's world find what its networks do, and nothing else?

use faultline_collector::store::{Facts as _, sqlite::Sqlite};
use faultline_internet::observatory::{Observatory, report::Report, simulated::simulate};
use std::sync::Arc;

const SIX: &str = include_str!("../scenarios/world/six_countries.toml");

fn run(world: &Observatory) -> (Report, [u8; 32]) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
    simulate(world, &store, folder.path()).unwrap();
    let report = Report::new(world, &*store).unwrap();
    (report, store.digest().unwrap())
}

#[test]
fn every_network_of_six_countries_is_judged_as_it_deserves() {
    let world = Observatory::parse(SIX).unwrap();
    let (report, digest) = run(&world);
    println!("{}", report.table(&world));
    assert_eq!(report.wrong(), <[String; 0]>::default());
    let probes = world.members().unwrap().len();
    assert_eq!(report.measurements(), 2 * world.measure.len() * probes);
    assert!(!world.traces().is_empty());
    assert_eq!(report.traces(), world.traces().len() * probes);
    assert_eq!(run(&world).1, digest, "the same seed gives the same rows");
}
