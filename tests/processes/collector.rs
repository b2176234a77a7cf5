//! The collector as a process of its own, for tests that kill it.

use faultline_probe::net::{Clock as _, SystemClock};
use std::process::ExitCode;

fn main() -> ExitCode {
    faultline_collector::cli::run(|| SystemClock::new().unix())
}
