//! What is given to volunteers: the probe's programs for three kinds of machine, each in a
//! Debian package.
//!
//! The same bytes for the same commit and toolchain: times in packages are those of the commit
//! (`SOURCE_DATE_EPOCH` where it is set, <https://reproducible-builds.org/specs/source-date-epoch/>),
//! owners are root, names are sorted.

mod contents;
mod deb;
mod toolchain;

use super::house::root;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, UNIX_EPOCH},
};

pub(super) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A kind of machine.
pub(super) struct Machine {
    /// Debian's word for it.
    pub(super) debian: &'static str,
    /// Rust's.
    pub(super) rust: &'static str,
    /// The C library that the program needs on the machine: none if it is static.
    pub(super) glibc: Option<&'static str>,
}

/// Static where Rust's standard library allows it. There is none of musl for hard-float ARMv7
/// everywhere; Debian 11, the oldest that Raspberry Pi OS still builds on, has glibc 2.31.
const MACHINES: [Machine; 3] = [
    Machine {
        debian: "amd64",
        rust: "x86_64-unknown-linux-musl",
        glibc: None,
    },
    Machine {
        debian: "arm64",
        rust: "aarch64-unknown-linux-musl",
        glibc: None,
    },
    Machine {
        debian: "armhf",
        rust: "armv7-unknown-linux-gnueabihf",
        glibc: Some("2.31"),
    },
];

impl Machine {
    /// Where Cargo leaves the program.
    pub(super) fn program(&self, profile: &str, target: &Path) -> PathBuf {
        let folder = if profile == "dev" { "debug" } else { profile };
        target.join(self.rust).join(folder).join("faultline-probe")
    }
}

/// The machine of a name, Debian's or Rust's.
pub(super) fn machine(named: &str) -> std::result::Result<&'static Machine, String> {
    MACHINES
        .iter()
        .find(|machine| [machine.debian, machine.rust].contains(&named))
        .ok_or(format!(
            "there is no package for {named}, only for amd64, arm64 and armhf"
        ))
}

/// What was asked for.
struct Wishes {
    machines: Vec<&'static Machine>,
    version: Option<String>,
    profile: String,
    only_check: bool,
}

/// Builds packages into `target/packages`, and prints where each is.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let wishes = match wishes(words) {
        Ok(wishes) => wishes,
        Err(why) => return super::refuse(&why),
    };
    match all(&wishes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("x dist: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wishes(words: &[String]) -> std::result::Result<Wishes, String> {
    let mut wishes = Wishes {
        machines: Vec::new(),
        version: None,
        profile: "dist".into(),
        only_check: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "check" => wishes.only_check = true,
            "--version" => wishes.version = Some(value()?.clone()),
            "--profile" => wishes.profile.clone_from(value()?),
            "--target" => {
                wishes.machines.push(machine(value()?)?);
            }
            other => return Err(format!("dist does not know {other}")),
        }
    }
    if wishes.machines.is_empty() {
        wishes.machines = MACHINES.iter().collect();
    }
    Ok(wishes)
}

fn all(wishes: &Wishes) -> Result<()> {
    let tools = toolchain::ready(&wishes.machines)?;
    if wishes.only_check {
        return Ok(());
    }
    let target = target()?;
    let folder = target.join("packages");
    fs::create_dir_all(&folder)?;
    let time = time()?;
    let version = wishes
        .version
        .as_deref()
        .unwrap_or(env!("CARGO_PKG_VERSION"));
    for machine in &wishes.machines {
        let program = toolchain::build(&tools, machine, &wishes.profile, &target)?;
        let package = contents::package(&root(), machine, &program, version, time)?;
        let path = folder.join(format!("faultline-probe_{version}_{}.deb", machine.debian));
        fs::write(&path, package.bytes(time)?)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The folder into which Cargo builds: this program stands two below it.
pub(super) fn target() -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let target = me.ancestors().nth(2).ok_or("no target folder")?;
    Ok(target.to_owned())
}

/// What all times in the packages are, in seconds since 1970.
fn time() -> Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        let seconds = text.trim().parse();
        return Ok(seconds.map_err(|_| format!("SOURCE_DATE_EPOCH={text} is no number"))?);
    }
    let git = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root())
        .output();
    let said = git.ok().filter(|git| git.status.success());
    let said = said.and_then(|git| String::from_utf8(git.stdout).ok());
    if let Some(seconds) = said.and_then(|text| text.trim().parse().ok()) {
        return Ok(seconds);
    }
    // Not a checkout: as old as the newest thing that says what it is.
    let written = fs::metadata(root().join("CHANGELOG.md"))?.modified()?;
    Ok(written
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs())
}

/// Reads a file of the project, saying which if it cannot.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    Ok(fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn wishes_are_understood_or_refused_by_name() {
        let all = wishes(&[]).unwrap();
        assert_eq!((all.machines.len(), all.profile.as_str()), (3, "dist"));
        let one = wishes(&words("--target armhf --version 1.2 --profile release")).unwrap();
        assert_eq!(one.machines[0].rust, "armv7-unknown-linux-gnueabihf");
        assert_eq!(one.version.as_deref(), Some("1.2"));
        for (typed, told) in [
            ("--target riscv64", "riscv64"),
            ("--target", "needs a value"),
            ("--fast", "--fast"),
        ] {
            let why = wishes(&words(typed)).err().unwrap();
            assert!(why.contains(told), "{why}");
        }
    }
}
