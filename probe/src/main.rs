//! `faultline-probe`: see `faultline-probe --help` and the volunteer's guide.

use clap::Parser as _;
use faultline_probe::{
    cli::{Args, Exit, run, say},
    net::{OsNetwork, SystemClock},
    random::OsEntropy,
};
use std::{cell::RefCell, process::ExitCode};

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                let (net, clock) = (OsNetwork::new(), SystemClock::new());
                let entropy = RefCell::new(OsEntropy);
                let mut out = std::io::stdout().lock();
                tokio::select! {
                    ended = run(args, &net, &clock, &entropy, &mut out) => ended,
                    // What was measured is durable already; the rest is not begun.
                    _ = tokio::signal::ctrl_c() => Ok(Exit::Failed),
                }
            })
        });
    match ended {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(e) if broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            say(&format_args!("{e:#}"));
            ExitCode::from(Exit::Failed as u8)
        }
    }
}

/// Whoever read the output has seen enough: `faultline-probe show | head`.
fn broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
