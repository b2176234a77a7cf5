//! `faultline-probe`: see `faultline-probe --help` and the volunteer's guide.

use clap::Parser as _;
use faultline_probe::{
    cli::{Action, Args, Exit, run, say, state_folder, whole},
    net::{OsNetwork, SystemClock},
    owner::{Owner, become_owner},
    random::OsEntropy,
};
use std::{cell::RefCell, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = Args::parse().of(&Owner::current());
    // A probe that runs until it is stopped has done what was asked when it is.
    let stopped = match args.action {
        Action::Run { .. } => Exit::Fine,
        _ => Exit::Failed,
    };
    // Before anything is opened, and while there is one thread.
    let mine = state_folder(&args).and_then(|folder| Ok(become_owner(&folder)?));
    if let Err(e) = mine {
        say(&whole(&e));
        return ExitCode::from(Exit::Failed as u8);
    }
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                let (net, clock) = (OsNetwork::new(), SystemClock::new());
                let entropy = RefCell::new(OsEntropy);
                let mut out = std::io::stdout().lock();
                let mut terminate = signal(SignalKind::terminate())?;
                tokio::select! {
                    ended = run(args, &net, &clock, &entropy, &mut out) => ended,
                    // What was measured is durable already; the rest is not begun.
                    _ = tokio::signal::ctrl_c() => Ok(stopped),
                    _ = terminate.recv() => Ok(stopped),
                }
            })
        });
    match ended {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(e) if broken_pipe(&e) => ExitCode::SUCCESS,
        Err(e) => {
            say(&whole(&e));
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
