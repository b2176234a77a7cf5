//! Is the web app built? `npm ci` and Vite, with Node found and new enough first; no build
//! script of a crate ever does this.

use super::house::root;
use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// What Vite asks for; odd majors between are not supported by it.
const OLDEST: [(u32, u32); 2] = [(20, 19), (22, 12)];

const WANTED: &str = "Node.js 20.19 or newer (or 22.12 or newer) with npm is needed; \
    on Debian see https://nodejs.org/ or the packages nodejs and npm";

/// Builds `dashboards/dist`, or only says whether that could be done here.
pub(crate) fn run(only_check: bool) -> ExitCode {
    let done = if only_check { node() } else { build() };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("x web: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether Node is there and new enough.
fn node() -> Result<(), String> {
    let output = Command::new("node").arg("--version").output();
    let said = output.map_err(|e| format!("node does not start ({e}): {WANTED}"))?;
    let version = String::from_utf8_lossy(&said.stdout);
    if !new_enough(&version) {
        return Err(format!("node is {}: {WANTED}", version.trim()));
    }
    let npm = Command::new("npm").arg("--version").output();
    npm.map(|_| ())
        .map_err(|e| format!("npm does not start ({e}): {WANTED}"))
}

/// Builds `dashboards/dist`, or says why not.
pub(crate) fn build() -> Result<(), String> {
    let folder = &root().join("dashboards");
    node()?;
    // `ci` takes exactly what the lockfile names, or fails.
    npm(folder, &["ci", "--no-audit", "--no-fund"])
        .map_err(|e| format!("{e}: is the npm registry within reach?"))?;
    npm(folder, &["run", "--silent", "build"])?;
    println!("the app is in dashboards/dist: build the collector to embed it");
    Ok(())
}

fn npm(folder: &Path, args: &[&str]) -> Result<(), String> {
    let status = Command::new("npm").args(args).current_dir(folder).status();
    let status = status.map_err(|e| format!("npm does not start ({e}): {WANTED}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`npm {}` failed ({status})", args.join(" ")))
    }
}

/// From `node --version`: `v20.20.2`.
fn new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.');
    let mut number = || numbers.next().and_then(|n| n.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (number(), number()) else {
        return false;
    };
    match OLDEST.iter().find(|(of, _)| *of == major) {
        Some((_, oldest)) => minor >= *oldest,
        None => OLDEST.iter().all(|(of, _)| major > *of),
    }
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn versions_are_compared_as_numbers() {
        for good in ["v20.19.0\n", "v20.20.2", "v22.12.0", "v24.0.0", "v100.1.0"] {
            assert!(new_enough(good), "{good}");
        }
        for bad in [
            "v18.20.4", "v20.9.0", "v21.7.0", "v22.9.0", "", "node", "v20",
        ] {
            assert!(!new_enough(bad), "{bad}");
        }
    }
}
