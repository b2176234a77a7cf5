//! The firmware as a process.

use std::time::SystemTime;

fn main() -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    faultline_firmware::host::main(since)
}
