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
    let all = 2 * world.measure.len() * world.members()?.len();
    if report.wrong().is_empty() && report.measurements() == all {
        return Ok(());
    }
    let found = format!("{} of {all} measurements", report.measurements());
    Err([report.wrong(), &[found, report.table(&world)]]
        .concat()
        .join("\n")
        .into())
}
