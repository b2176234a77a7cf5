//! How are the programs that a task starts built and found? Beside the task's own binary, with
//! the features that it was built with, so that nothing is compiled twice.

use super::Trouble;
use faultline_internet::observatory::{Observatory, geo::Databases, lists};
use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Builds the probe and the collector.
pub(crate) fn build() -> Result<(), Trouble> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // The package of the tasks is named for its features alone: cargo unites them.
    build.args(["build", "--quiet", "-p", "faultline-tests"]);
    for program in ["faultline-probe", "faultline-collector"] {
        build.args(["-p", program, "--bin", program]);
    }
    // What cargo says of the task itself would make build scripts run again.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    if build.status()?.success() {
        Ok(())
    } else {
        Err("the build failed; its messages are above".into())
    }
}

/// A program that was built beside this one.
pub(crate) fn binary(name: &str) -> Result<PathBuf, Trouble> {
    let here = env::current_exe()?;
    let path = here.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is not there; run cargo demo", path.display()).into())
    }
}

/// An empty folder below the build products, so that nothing is left elsewhere.
pub(crate) fn fresh_folder(name: &str) -> Result<PathBuf, Trouble> {
    let here = env::current_exe()?;
    let folder = here.with_file_name(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A collector at work; it ends when this is dropped.
pub(crate) struct Collector {
    child: Child,
    /// Where it listens: `http://127.0.0.1:8080`.
    pub(crate) base: String,
}

impl Collector {
    /// Serves what a world's store in `folder` holds.
    pub(crate) fn start(
        world: &Observatory,
        folder: &Path,
        listen: SocketAddr,
    ) -> Result<Self, Trouble> {
        let path = folder.join("collector.toml");
        fs::write(&path, settings(world, folder, listen)?.to_string())?;
        let program = binary("faultline-collector")?;
        let mut child = Command::new(&program)
            .args(["--config".as_ref(), path.as_os_str()])
            .arg("serve")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        let mut line = String::new();
        if let Some(says) = child.stdout.take() {
            BufReader::new(says).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("listening on ") {
            Some(base) => Ok(Self {
                child,
                base: base.to_owned(),
            }),
            None => Err("the collector did not start; what it said is above".into()),
        }
    }

    /// Until it ends.
    pub(crate) fn wait(mut self) -> Result<(), Trouble> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(
    world: &Observatory,
    folder: &Path,
    listen: SocketAddr,
) -> Result<toml::Table, Trouble> {
    let text = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
    let geo = Databases::in_folder(folder);
    let mut table = toml::Table::from_iter([
        ("listen".to_owned(), listen.to_string().into()),
        ("state".to_owned(), text(folder)),
        ("country_db".to_owned(), text(&geo.country)),
        ("asn_db".to_owned(), text(&geo.asn)),
        ("simulated".to_owned(), true.into()),
        ("public_evidence".to_owned(), true.into()),
    ]);
    for (key, path) in lists::write(world, folder)?.settings() {
        table.insert(key.to_owned(), text(path));
    }
    Ok(table)
}
