//! Does each scenario come out as it says? One trial per file.

use faultline_internet::{run, scenario::Scenario};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
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
    let trials = files.into_iter().map(|file| {
        let name = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .display()
            .to_string();
        Trial::test(name, move || check(&file))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn check(file: &Path) -> Result<(), Failed> {
    let scenario = Scenario::read(file)?;
    for finding in run::run(&scenario)? {
        let wrong = run::differences(&scenario.expect, &finding.verdict);
        if wrong.is_empty() {
            continue;
        }
        let mut report = format!("{}: {}\n", scenario.name, wrong.join("; "));
        for observation in &finding.measurement.observations {
            report.extend([serde_json::to_string(observation)?.as_str(), "\n"]);
        }
        report += &serde_json::to_string(&finding.verdict)?;
        return Err(report.into());
    }
    Ok(())
}
