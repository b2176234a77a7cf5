//! The firmware as a process of its own, for tests that cut its power.

use faultline_probe::net::{Clock as _, SystemClock};

fn main() -> anyhow::Result<()> {
    let since = SystemClock::new().unix().0.unsigned_abs();
    faultline_firmware::host::main(std::time::Duration::from_micros(since))
}
