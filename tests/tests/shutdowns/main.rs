//! Does each outage stand in the ledger as it was? One trial per file and probe. Does what
//! stands there change the event?

mod event;

use faultline_internet::outage::{self, Outage};
use libtest_mimic::{Arguments, Failed, Trial};
use std::{fmt::Write as _, path::Path};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/shutdown");
    let mut files: Vec<_> = std::fs::read_dir(&root)
        .expect("there are scenarios of shutdowns")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|file| file.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let mut trials = event::trials(&root);
    for file in files {
        let outage = Outage::read(&file).expect("a scenario");
        let name = file.file_stem().unwrap_or_default().display().to_string();
        for at in 0..outage.probe.len() {
            let outage = outage.clone();
            let name = format!("shutdown/{name}/{}", outage.probe[at].access);
            trials.push(Trial::test(name, move || check(&outage, at)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(outage: &Outage, at: usize) -> Result<(), Failed> {
    let probe = &outage.probe[at];
    let folder = tempfile::tempdir()?;
    let told = outage::run(outage, probe, folder.path())?;
    let mut wrong = outage::differences(outage, probe, &told);
    // Without a heartbeat a day has nothing to say; each costs a kibibyte, on average.
    if told.beats < 10 || told.bytes > 1024 {
        wrong.push(format!("{} beats of {} bytes", told.beats, told.bytes));
    }
    println!(
        "{}: {} beats, {} bytes each",
        outage.name, told.beats, told.bytes
    );
    if wrong.is_empty() {
        return Ok(());
    }
    let mut report = format!("{}: {}\n", outage.name, wrong.join("; "));
    for chapter in &told.chapters {
        writeln!(report, "{chapter:?}")?;
    }
    Err(report.into())
}
