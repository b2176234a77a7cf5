//! What is a board on a desk? A process with a packet socket for a network device, a file
//! for a flash and the operating system's chance.
//!
//! Everything above that is the firmware: its stack speaks to the link itself, asks for an
//! address by DHCP, and the operating system's stack has no part in it. The interface should
//! have no addresses of its own, or its kernel answers, too, and resets every connection.
//!
//! ```text
//! faultline-firmware-host --interface up0 --flash flash.bin --settings board.toml
//! ```

mod board;
mod device;
mod executor;
mod settings;

pub use board::HostBoard;
pub use device::{DeviceError, Socket};
pub use executor::block_on;

use crate::{Line, Plain, SOCKETS, Tapped, Witness, run};
use anyhow::Context as _;
use clap::Parser;
use embassy_futures::select::{Either, select};
use embassy_net::{Config, StackResources};
use faultline_core::time::UnixTime;
use std::{path::PathBuf, string::String, time::Duration};

/// Opens `interface` and runs `job` over it to its end.
pub fn on_link<R>(
    interface: &str,
    seed: u64,
    job: impl AsyncFnOnce(Line<'_>) -> R,
) -> Result<R, DeviceError> {
    let witness = Witness::new();
    let device = Tapped::new(Socket::open(interface)?, &witness);
    let mut resources = StackResources::<SOCKETS>::new();
    let config = Config::default();
    let (stack, mut runner) = embassy_net::new(device, config, &mut resources, seed);
    let line = Line {
        stack,
        witness: &witness,
    };
    let done = block_on(select(runner.run(), job(line)));
    Ok(match done {
        Either::First(never) => never,
        Either::Second(done) => done,
    })
}

/// Faultline's firmware as a process.
#[derive(Parser)]
struct Arguments {
    /// The interface whose link is the board's.
    #[arg(long)]
    interface: String,
    /// A file that is the board's flash; made where there is none.
    #[arg(long)]
    flash: PathBuf,
    /// A TOML file with the board's settings.
    #[arg(long)]
    settings: PathBuf,
}

/// Runs until it is killed. `since` is the wall clock's time since 1970.
pub fn main(since: Duration) -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let path = &arguments.settings;
    let text = std::fs::read_to_string(path)
        .with_context(|| std::format!("cannot read the settings {}", path.display()))?;
    let settings = settings::read(&text)
        .with_context(|| std::format!("the settings {} are wrong", path.display()))?;
    let flash = &arguments.flash;
    let board = HostBoard::open(flash, UnixTime(since.as_micros() as i64))
        .with_context(|| std::format!("cannot use the flash file {}", flash.display()))?;
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|e| anyhow::anyhow!("no chance to be had: {e}"))?;
    on_link(
        &arguments.interface,
        u64::from_le_bytes(seed),
        async |line| std::boxed::Box::pin(run(board, line, Plain, settings)).await,
    )?
}
