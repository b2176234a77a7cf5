//! Does the firmware do what boards are to do? As a process on links of the live Internet,
//! whose kernels have no part in it.

mod alike;
mod life;

use faultline_internet::live::{self, NamespaceError, chain};
use libtest_mimic::Arguments;
use std::sync::Arc;

/// Whether this process is in a world of its own.
type Entered = Arc<Result<(), NamespaceError>>;

fn main() {
    // Before anything else: once a thread runs, it is too late.
    let entered = Arc::new(live::enter());
    let arguments = Arguments::from_args();
    let mut trials = alike::trials(&entered);
    trials.extend(life::trials(&entered));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Says why, where a trial cannot run.
fn possible(entered: &Entered) -> bool {
    if let Err(error) = &**entered {
        println!("skipped: no namespaces: {}", chain(error));
        return false;
    }
    true
}
