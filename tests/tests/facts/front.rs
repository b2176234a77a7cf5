//! Which ClickHouse is tested? The server that `CLICKHOUSE_URL` names; otherwise the engine
//! as a library that `tests/run` installs, behind a process of ours; otherwise none, and
//! that is said.
#![allow(dead_code)] // tests and bench each use their part

use faultline_collector::store::clickhouse::{Address, drop_database};
use std::{
    cell::RefCell,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Where the library is, in place of the cache folder.
const LIBRARY: &str = "FAULTLINE_LIBCHDB";

/// An engine under test.
pub(crate) struct Front {
    address: Address,
    /// `None` for a server that is not ours.
    process: Option<Process>,
    /// Databases to be dropped from a server that is not ours.
    made: RefCell<Vec<Address>>,
}

/// Our process and its tables.
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
    // Goes with this, where it is ours.
    kept: Option<tempfile::TempDir>,
}

/// The library, if it is installed.
fn library() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(LIBRARY) {
        return Some(named.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    let found = cache.join(format!(
        "faultline/clickhouse/node_modules/@chdb/lib-linux-{machine}-gnu/libchdb.so"
    ));
    found.exists().then_some(found)
}

impl Front {
    /// The engine, or `None` after saying why.
    pub(crate) fn start() -> Option<Self> {
        if let Ok(url) = std::env::var("CLICKHOUSE_URL") {
            let address = Address::parse(&url).expect("CLICKHOUSE_URL");
            return Some(Self {
                address: address.expect("CLICKHOUSE_URL names a server"),
                process: None,
                made: RefCell::default(),
            });
        }
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_owned();
        let mut front = Self::process(&folder, &[])?;
        if let Some(process) = &mut front.process {
            process.kept = Some(kept);
        }
        Some(front)
    }

    /// A process of ours, with its tables in that folder; for tests that kill it.
    pub(crate) fn process(folder: &Path, user: &[&str]) -> Option<Self> {
        let Some(library) = library() else {
            println!("skipped: no ClickHouse engine (tests/run installs it)");
            return None;
        };
        let (child, url) = spawn(&library, folder, 0, user);
        Some(Self {
            address: Address::parse(&url).expect("an address").expect("a server"),
            process: Some(Process {
                child,
                folder: folder.into(),
                kept: None,
            }),
            made: RefCell::default(),
        })
    }

    /// A database of that name, for this run alone.
    pub(crate) fn database(&self, name: &str) -> Address {
        if self.process.is_some() {
            return self.address.clone().with_database(name);
        }
        let name = format!("faultline_test_{}_{name}", std::process::id());
        let address = self.address.clone().with_database(&name);
        self.made.borrow_mut().push(address.clone());
        address
    }

    /// What `--facts` takes.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.address.url())
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Kills it, as a power cut of the process.
    pub(crate) fn kill(&mut self) {
        let process = self.process.as_mut().expect("a process of ours");
        process.child.kill().expect("to kill");
        process.child.wait().expect("an end");
    }

    /// Starts it again where it was, with the tables that it had.
    pub(crate) fn restart(&mut self) {
        let process = self.process.as_mut().expect("a process of ours");
        let port = self.address.url().rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok()).expect("a port");
        let (child, _) = spawn(&library().expect("a library"), &process.folder, port, &[]);
        process.child = child;
    }
}

/// Next to this program, or given by Cargo.
fn program() -> PathBuf {
    option_env!("CARGO_BIN_EXE_clickhouse-process").map_or_else(
        || {
            let this = std::env::current_exe().expect("a path");
            let folder = this.parent().and_then(Path::parent).expect("a folder");
            folder.join("clickhouse-process")
        },
        PathBuf::from,
    )
}

fn spawn(library: &Path, folder: &Path, port: u16, user: &[&str]) -> (Child, String) {
    let mut child = Command::new(program())
        .arg(library)
        .arg(folder)
        .arg(port.to_string())
        .args(user)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the engine starts");
    let mut said = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut said).expect("a line");
    let url = said.trim().strip_prefix("listening on ").expect("where");
    (child, url.to_owned())
}

impl Drop for Front {
    fn drop(&mut self) {
        for address in self.made.take() {
            drop_database(&address).expect("to drop what the test made");
        }
        if let Some(process) = &mut self.process {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
