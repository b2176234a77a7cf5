//! Does core build with each set of features, on its own?
//!
//! Cargo unifies features across a workspace build: `probe` turns on `std`, so
//! `cargo check --workspace` never sees core without it.

use std::{
    env,
    process::{Command, ExitCode},
};

/// Features are additive, so each must build alone and with the others.
const SETS: &[&str] = &[
    "",
    "alloc",
    "transports",
    "std",
    "serde",
    "alloc,serde",
    "alloc,std,serde",
];

/// Checks every set, also after one has failed.
pub(crate) fn run() -> ExitCode {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut broken = false;
    for features in SETS {
        let status = Command::new(&cargo)
            .args(["check", "--quiet", "--package", "faultline-core"])
            .args(["--no-default-features", "--features", features])
            .status();
        let holds = matches!(&status, Ok(status) if status.success());
        let word = if holds { "ok" } else { "FAILED" };
        println!("core with [{features}]: {word}");
        if let Err(error) = status {
            eprintln!("cannot start cargo: {error}");
        }
        broken |= !holds;
    }
    ExitCode::from(u8::from(broken))
}
