//! What needs a real kernel? Trials of the second rung, `namespace_...`: real sockets
//! through a router of our own; and of the third, `server_...`: real servers as well.
//!
//! Where namespaces are forbidden, every trial says so as `skipped: no ...`, and
//! `tests/run` counts it.

mod internet;
mod observatory;
mod scenarios;
mod servers;

use faultline_internet::live::{self, NamespaceError, chain};
use libtest_mimic::Arguments;
use std::path::Path;
use std::sync::Arc;

/// Whether this process is in a world of its own.
type Entered = Arc<Result<(), NamespaceError>>;

fn main() {
    // Before anything else: once a thread runs, it is too late.
    let entered = Arc::new(live::enter());
    let arguments = Arguments::from_args();
    let mut trials = scenarios::trials(&entered);
    trials.extend(internet::trials(&entered));
    trials.extend(observatory::trials(&entered));
    trials.extend(servers::trials(&entered));
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

/// Leaves the packets of a failed trial, and says where.
fn leave(name: &str, capture: &[u8]) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(name)
        .with_extension("pcap");
    match std::fs::write(&file, capture) {
        Ok(()) => format!("\npackets: {}", file.display()),
        Err(error) => format!("\npackets were lost: {}: {error}", file.display()),
    }
}
