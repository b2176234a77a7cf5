//! Do real programs on real sockets find in six countries what their networks do, and
//! nothing else? The demonstration, as a trial.

use super::{Entered, chain, possible};
use faultline_collector::store::sqlite::Sqlite;
use faultline_internet::observatory::{
    Observatory,
    live::{Programs, start},
    report::Report,
};
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;

const SIX: &str = include_str!("../../scenarios/world/six_countries.toml");

pub(super) fn trials(entered: &Entered) -> Vec<Trial> {
    let entered = Arc::clone(entered);
    let name = "namespace_six_countries_by_real_programs";
    vec![Trial::test(name, move || six_countries(&entered))]
}

fn six_countries(entered: &Entered) -> Result<(), Failed> {
    if !possible(entered) {
        return Ok(());
    }
    let world = Observatory::parse(SIX)?;
    let folder = tempfile::tempdir()?;
    let programs = Programs {
        probe: env!("CARGO_BIN_EXE_probe-process").into(),
        collector: env!("CARGO_BIN_EXE_collector-process").into(),
    };
    let running = start(&world, folder.path(), &programs).map_err(|e| chain(&e))?;
    running.cycle(|_| ()).map_err(|e| chain(&e))?;
    let store = Sqlite::open(&folder.path().join("collector.db"))?;
    let report = Report::new(&world, &store)?;
    let probes = world.members()?.len();
    let all = 2 * world.measure.len() * probes;
    // Two top-level domains, where the draw was not twice the same, one that the root does
    // not have, a special-use name and a check.
    let traced = (4 * probes..=5 * probes).contains(&report.traces());
    if report.wrong().is_empty() && report.measurements() == all && traced {
        return Ok(());
    }
    let found = format!(
        "{} of {all} measurements, {} of the DNS itself",
        report.measurements(),
        report.traces()
    );
    Err([report.wrong(), &[found, report.table(&world)]]
        .concat()
        .join("\n")
        .into())
}
