//! Does each scenario come out the same on real sockets? One trial per file, each in
//! namespaces of its own. A failed one leaves its packets in a pcap file and says where.

use faultline_internet::{
    live::{self, NamespaceError},
    run::differences,
    scenario::Scenario,
};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn main() {
    // Before anything else: once a thread runs, it is too late.
    let entered = Arc::new(live::enter());
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let trials = files(&root).into_iter().map(|file| {
        let name = file.strip_prefix(&root).unwrap_or(&file).display();
        let entered = Arc::clone(&entered);
        Trial::test(format!("namespace_{name}"), move || check(&entered, &file))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for kind in ["dns", "blocking", "benign"] {
        match std::fs::read_dir(root.join(kind)) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            Err(error) => eprintln!("scenarios/{kind} cannot run: {error}"),
        }
    }
    files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files
}

fn check(entered: &Result<(), NamespaceError>, file: &Path) -> Result<(), Failed> {
    let scenario = Scenario::read(file)?;
    if let Err(error) = entered {
        println!("skipped: no namespaces: {error}");
        return Ok(());
    }
    if let Some(obstacle) = live::obstacle(&scenario) {
        println!("skipped: {obstacle}");
        return Ok(());
    }
    let run = live::run(&scenario).map_err(|error| chain(&error))?;
    for finding in &run.findings {
        let wrong = differences(&scenario.expect, &finding.verdict);
        if wrong.is_empty() {
            continue;
        }
        let mut report = format!("{}: {}\n", scenario.name, wrong.join("; "));
        for observation in &finding.measurement.observations {
            report.extend([serde_json::to_string(observation)?.as_str(), "\n"]);
        }
        report += &serde_json::to_string(&finding.verdict)?;
        let stem = file.file_stem().unwrap_or_default();
        let pcap = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(stem)
            .with_extension("pcap");
        std::fs::write(&pcap, &run.capture)?;
        report.extend(["\npackets: ", &pcap.display().to_string()]);
        return Err(report.into());
    }
    Ok(())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.extend([": ", &inner.to_string()]);
        source = inner.source();
    }
    text
}
