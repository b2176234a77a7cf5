//! Which tools build for other machines, and are they here?
//!
//! Zig is a C compiler and linker for every machine in one archive, and `cargo-zigbuild` lets
//! Cargo use it (ring holds C and assembler). Both come from PyPI, in fixed versions, into a
//! folder of the user's cache; nothing of the system changes. A cross gcc of Debian links
//! nothing static against musl that holds C.

use super::{Machine, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const TOOLS: [&str; 2] = ["ziglang==0.17.1", "cargo-zigbuild==0.24.1"];

/// The folder of the tools, once they and the standard libraries of `machines` are here.
pub(super) fn ready(machines: &[&Machine]) -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or("neither HOME nor XDG_CACHE_HOME says where the tools may be kept")?;
    let name = TOOLS.join("+").replace("==", "-");
    let folder = cache.join("faultline/zigbuild").join(name);
    if !folder.is_dir() {
        fetch(&folder)?;
    }
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output()
        .map_err(|e| {
            format!("rustup does not start ({e}); it brings Rust's standard library for other machines: https://rustup.rs")
        })?;
    let installed = String::from_utf8_lossy(&installed.stdout);
    for machine in machines {
        if installed.lines().any(|line| line == machine.rust) {
            continue;
        }
        let added = Command::new("rustup")
            .args(["--quiet", "target", "add", machine.rust])
            .stdout(Stdio::null())
            .status()?;
        if !added.success() {
            return Err(format!(
                "rustup has no standard library for {}; is there a network? Try: rustup target add {0}",
                machine.rust
            )
            .into());
        }
    }
    Ok(folder)
}

/// All or nothing: a folder that has its name is whole.
fn fetch(folder: &Path) -> Result<()> {
    let parent = folder.parent().ok_or("no folder")?;
    let unfinished = parent.join(format!("unfinished-{}", std::process::id()));
    fs::create_dir_all(&unfinished)
        .map_err(|e| format!("cannot make {}: {e}", unfinished.display()))?;
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(["--no-compile", "--only-binary", ":all:", "--target"])
        .arg(&unfinished)
        .args(TOOLS)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let why = match pip {
        Ok(pip) if pip.status.success() => None,
        Ok(pip) => Some(String::from_utf8_lossy(&pip.stderr).trim().to_owned()),
        Err(e) => Some(e.to_string()),
    };
    if let Some(why) = why {
        let _ = fs::remove_dir_all(&unfinished);
        let last = why.lines().last().unwrap_or_default();
        return Err(format!(
            "python3 -m pip cannot install {} into {}: {last}; needed are Python's pip (on Debian: apt-get install python3-pip) and a network",
            TOOLS.join(" and "),
            folder.display()
        )
        .into());
    }
    // Another that was faster has the same.
    if fs::rename(&unfinished, folder).is_err() {
        fs::remove_dir_all(&unfinished)?;
    }
    Ok(())
}

/// Builds the probe for `machine`, and says where it is.
pub(super) fn build(
    tools: &Path,
    machine: &Machine,
    profile: &str,
    target: &Path,
) -> Result<PathBuf> {
    let triple = match machine.glibc {
        Some(glibc) => format!("{}.{glibc}", machine.rust),
        None => machine.rust.to_owned(),
    };
    let mut build = Command::new(tools.join("bin/cargo-zigbuild"));
    build
        .arg("zigbuild")
        .args(["--quiet", "--locked", "--package", "faultline-probe"])
        .args(["--bin", "faultline-probe", "--profile", profile])
        .args(["--target", &triple, "--target-dir"])
        .arg(target)
        .current_dir(super::root())
        .env("CARGO_ZIGBUILD_ZIG_PATH", tools.join("ziglang/zig"));
    // What `cargo x` says of itself would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    // Where the sources and the registry lie must not show in the program.
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    for (from, to) in [(Some(super::root()), "/faultline"), (home, "/cargo")] {
        if let Some(from) = from {
            flags = format!("{flags} --remap-path-prefix={}={to}", from.display());
        }
    }
    build.env("RUSTFLAGS", flags.trim());
    let status = build.status().map_err(|e| {
        format!(
            "{} does not start: {e}; remove that folder and try again",
            tools.join("bin/cargo-zigbuild").display()
        )
    })?;
    if !status.success() {
        return Err(format!("the probe does not build for {}", machine.debian).into());
    }
    Ok(machine.program(profile, target))
}
