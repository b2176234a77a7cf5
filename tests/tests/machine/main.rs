//! Does the image of a board do on an emulated machine what boards must do? In the live
//! Internet, with the real collector, by the image that is built for the board.
//!
//! Where namespaces are forbidden, or QEMU or the image are not there, every trial says so as
//! `skipped: no ...`, and `tests/run` counts it.

mod alike;
mod collector;
mod cuts;
mod place;
mod start;
mod trust;

use faultline_internet::live::{self, Emulator, chain};
use libtest_mimic::{Arguments, Failed, Trial};
use place::Place;
use std::sync::Arc;

/// What there is to try with, or why there is nothing.
type Here = Arc<Result<Emulator, String>>;

fn main() {
    // Before anything else: once a thread runs, it is too late.
    let entered = live::enter().map_err(|error| format!("no namespaces: {}", chain(&error)));
    let here: Here = Arc::new(entered.and_then(|()| Emulator::find()));
    let arguments = Arguments::from_args();
    let trials = start::TRIALS.iter();
    let trials = trials
        .chain(trust::TRIALS)
        .chain(cuts::TRIALS)
        .chain(alike::TRIALS);
    let trials = trials.map(|&(name, check)| {
        let here = Arc::clone(&here);
        Trial::test(format!("namespace_board_{name}"), move || match &*here {
            Ok(emulator) => check(emulator),
            Err(why) => {
                println!("skipped: {why}");
                Ok(())
            }
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// A trial.
type Check = fn(&Emulator) -> Result<(), Failed>;
