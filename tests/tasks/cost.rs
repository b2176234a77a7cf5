//! What does a target cost a volunteer, on the wire and in time?
//!
//! Every scenario of the simulated Internet is measured on the first rung as
//! [`crate::detection`] does it. Octets are those that the probe counts against its budget, both
//! ways; what the upload takes is the measurement in CBOR before compression, beside the same
//! measurement as OONI's JSON, which its uploads are.

use crate::detection::{KINDS, on_all_cores, scenarios};
use faultline_collector::export::ooni;
use faultline_core::{
    codec::to_cbor,
    id::{Asn, Country},
    measurement::Experiment,
    verdict::Outcome,
};
use faultline_internet::run::{self, Finding};
use std::{collections::BTreeMap, process::ExitCode};

/// What was counted of one measurement.
struct Cost {
    /// The experiment, and whether somebody interfered.
    of: (Experiment, bool),
    octets: u64,
    milliseconds: u64,
    cbor: u64,
    /// None where OONI's format has no word for the experiment.
    json: Option<u64>,
}

/// The table, from so many seeds of each scenario.
pub(crate) fn table(seeds: u64) -> Result<ExitCode, crate::Trouble> {
    let mut worlds = scenarios("benign")?;
    for kind in KINDS {
        worlds.extend(scenarios(kind)?);
    }
    let costs = on_all_cores(&worlds, |(_, scenario)| {
        let mut scenario = scenario.clone();
        let mut costs = Vec::new();
        for seed in 0..seeds {
            scenario.seed = seed;
            let findings = run::run(&scenario).map_err(|error| error.to_string())?;
            costs.extend(findings.iter().map(cost));
        }
        Ok(costs)
    })?;
    let costs: Vec<Cost> = costs.into_iter().flatten().collect();
    let kinds: BTreeMap<_, _> = costs
        .iter()
        .map(|cost| (format!("{:?}", cost.of), cost.of))
        .collect();
    println!("{} scenarios, {seeds} seeds each\n", worlds.len());
    println!("| experiment | | n | octets | most | s | most | CBOR | JSON |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for of in kinds.into_values() {
        let these: Vec<&Cost> = costs.iter().filter(|cost| cost.of == of).collect();
        let (octets, most_octets) = median_and_most(these.iter().map(|cost| cost.octets));
        let (time, most_time) = median_and_most(these.iter().map(|cost| cost.milliseconds));
        let (cbor, _) = median_and_most(these.iter().map(|cost| cost.cbor));
        let json = match median_and_most(these.iter().filter_map(|cost| cost.json)) {
            (0, _) => "-".to_owned(),
            (median, _) => median.to_string(),
        };
        let (experiment, found) = of;
        let what = if found { "anomaly" } else { "none" };
        println!(
            "| {experiment:?} | {what} | {} | {octets} | {most_octets} | {:.1} | {:.1} | {cbor} | {json} |",
            these.len(),
            time as f64 / 1e3,
            most_time as f64 / 1e3,
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn cost(finding: &Finding) -> Cost {
    let measurement = &finding.measurement;
    let json = matches!(measurement.experiment, Experiment::Web).then(|| {
        let document = ooni::document(&ooni::Scene {
            measurement,
            control: Some(&finding.control),
            country: Country::UNKNOWN,
            asn: Asn(0),
            networks: &BTreeMap::new(),
            key: &[0; 32],
            simulated: true,
        });
        document.to_string().len() as u64
    });
    Cost {
        of: (
            measurement.experiment,
            finding.verdict.outcome == Outcome::Anomaly,
        ),
        octets: measurement.bytes_sent + measurement.bytes_received,
        milliseconds: measurement.runtime / 1000,
        cbor: to_cbor(measurement).len() as u64,
        json,
    }
}

/// Zero of nothing.
fn median_and_most(values: impl Iterator<Item = u64>) -> (u64, u64) {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let median = values.get(values.len() / 2).copied().unwrap_or(0);
    (median, values.last().copied().unwrap_or(0))
}
