//! Does a board start, and find its way?

use crate::{Check, Place};
use faultline_internet::live::Emulator;
use libtest_mimic::Failed;
use std::time::Duration;

pub(crate) const TRIALS: &[(&str, Check)] = &[
    ("is_given_its_address", is_given_its_address),
    ("without_settings_says_so", without_settings_says_so),
];

/// Longest wait for something that takes a fraction of a second on a quiet machine.
const SOON: Duration = Duration::from_secs(30);

fn is_given_its_address(emulator: &Emulator) -> Result<(), Failed> {
    let place = Place::new("benign/clean.toml")?;
    let machine = place.machine(emulator, &place.provision(Vec::new()).block()?)?;
    let said = machine.start()?.says("address ", SOON)?;
    assert!(
        said.starts_with("address 20.1.0.8/24, resolvers [20.1.0.53"),
        "{said}"
    );
    Ok(())
}

fn without_settings_says_so(emulator: &Emulator) -> Result<(), Failed> {
    let place = Place::new("benign/clean.toml")?;
    let machine = place.machine(emulator, &[])?;
    machine.start()?.says("write the settings block", SOON)?;
    Ok(())
}
