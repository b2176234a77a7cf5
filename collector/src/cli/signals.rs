//! What do others say of shutdowns, and what became of each row? Kept for the detector's next
//! step, by `serve` or not: what is known word for word is not kept again.

use anyhow::{Context as _, Result};
use faultline_collector::{
    config::Config,
    import::signals::{Found, ioda, keepiton_csv, keepiton_xlsx, radar},
    store::events::{Events as _, Note},
};
use faultline_core::time::UnixTime;
use std::{collections::BTreeMap, io::Read as _, path::Path};

/// Whose rows they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    Ioda,
    Radar,
    KeepItOn,
}

/// More than any of them publishes.
const LARGEST: u64 = 256 << 20;
/// Reasons that are told one by one.
const TOLD: usize = 50;

/// Imports a file; gives how many rows were left out.
pub(super) fn import(config: &Config, whose: Whose, from: &Path, now: UnixTime) -> Result<u64> {
    let name = from.display();
    let bytes = read(from).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(
        (bytes.len() as u64) <= LARGEST,
        "{name} is larger than 256 MiB: ask for a shorter time"
    );
    let found = understand(whose, &bytes, now).with_context(|| format!("cannot use {name}"))?;
    let events = super::watch::open(config)?;
    let (mut stored, mut known) = (0u64, 0u64);
    for signal in found.signals {
        let note = Note::Signal(signal);
        // The detector hears of it at the next step, as of now.
        if events.note(&note, now)? {
            stored += 1;
        } else {
            known += 1;
        }
    }
    for (place, why) in found.left_out.iter().take(TOLD) {
        eprintln!("left out: {name}, {place}: {why}");
    }
    for (place, why) in found.remarks.iter().take(TOLD) {
        eprintln!("note: {name}, {place}: {why}");
    }
    let left_out = found.left_out.len() as u64;
    println!(
        "stored {stored}, known already {known}, repeated in the file {}, left out {left_out}",
        found.repeated
    );
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, why) in &found.left_out {
        *reasons.entry(why).or_default() += 1;
    }
    for (why, count) in reasons {
        println!("  {count} left out: {why}");
    }
    Ok(left_out)
}

fn read(from: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if from == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(from)?
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn understand(whose: Whose, bytes: &[u8], now: UnixTime) -> Result<Found> {
    // A workbook is a zip archive.
    if matches!(whose, Whose::KeepItOn) && bytes.starts_with(b"PK") {
        return Ok(keepiton_xlsx(bytes, now)?);
    }
    let text = std::str::from_utf8(bytes).context("it is no text in UTF-8")?;
    Ok(match whose {
        Whose::Ioda => ioda(text, now)?,
        Whose::Radar => radar(text, now)?,
        Whose::KeepItOn => keepiton_csv(text, now)?,
    })
}
