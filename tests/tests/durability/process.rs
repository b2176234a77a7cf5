//! How is a process made to die, or to meet a full disk, at one system call of many?

use faultline_internet::entropy::Seeded;
use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

/// The probe's process.
pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_probe-process");
/// The collector's.
pub(crate) const COLLECTOR: &str = env!("CARGO_BIN_EXE_collector-process");

/// The watch for events.
pub(crate) const WATCH: &str = env!("CARGO_BIN_EXE_watch-process");

/// System calls between which a process may die: whatever changes a disk or the network's
/// idea of what happened.
pub(crate) const CALLS: &[&str] = &[
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "connect",
    "sendto",
    "writev",
    "recvfrom",
];

/// One call of one kind, counted from 1 within its thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) call: &'static str,
    pub(crate) nth: u32,
}

/// Whether strace is there and may trace and kill; says so where not.
pub(crate) fn can_trace() -> bool {
    let first = Point {
        call: "openat",
        nth: 1,
    };
    let tried = dying("true", first).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(died);
    if !can {
        println!("skipped: no strace here that may trace, so no process dies at a chosen call");
    }
    can
}

/// Whether it was killed.
pub(crate) fn died(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

/// `program` under strace as a child that is itself the program: its death is seen.
pub(crate) fn traced(program: &str, log: Option<&Path>, inject: Option<&str>) -> Command {
    let mut command = Command::new("strace");
    // Not --seccomp-bpf: with it, strace 6.1 sends no signal.
    command.args(["-D", "-f", "-qq", "-y", "-s", "0"]);
    command.arg("-o").arg(log.unwrap_or(Path::new("/dev/null")));
    let known: Vec<String> = CALLS.iter().map(|call| format!("?{call}")).collect();
    command.arg(format!("--trace={}", known.join(",")));
    if let Some(inject) = inject {
        command.arg(format!("--inject={inject}"));
    }
    command.arg("--").arg(program);
    command
}

/// The same with an eye only for calls on these files.
pub(crate) fn watching(
    files: &[PathBuf],
    program: &str,
    log: Option<&Path>,
    inject: Option<&str>,
) -> Command {
    let whole = traced(program, log, inject);
    let mut command = Command::new("strace");
    for file in files {
        command.arg("-P").arg(file);
    }
    command.args(whole.get_args());
    command
}

/// What dies at `point`.
pub(crate) fn dying(program: &str, point: Point) -> Command {
    let Point { call, nth } = point;
    traced(
        program,
        None,
        Some(&format!("{call}:signal=KILL:when={nth}")),
    )
}

/// A call as strace wrote it down.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) thread: u32,
    pub(crate) name: String,
    pub(crate) rest: String,
}

/// The calls of a trace, by their beginnings, in order.
pub(crate) fn calls(log: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(log).unwrap();
    let call = |line: &str| {
        let (thread, call) = line.split_once(' ')?;
        let (name, rest) = call.trim_start().split_once('(')?;
        Some(Call {
            thread: thread.parse().ok()?,
            name: name.to_owned(),
            rest: rest.to_owned(),
        })
    };
    text.lines().filter_map(call).collect()
}

/// Every point of a trace.
pub(crate) fn points(calls: &[Call]) -> Vec<Point> {
    let mut each: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for call in calls {
        *each.entry((&call.name, call.thread)).or_default() += 1;
    }
    let mut most: BTreeMap<&'static str, u32> = BTreeMap::new();
    for ((name, _), count) in each {
        if let Some(name) = CALLS.iter().find(|call| **call == name) {
            let most = most.entry(name).or_default();
            *most = count.max(*most);
        }
    }
    let all =
        |(call, most): (&'static str, u32)| (1..=most).map(move |nth| Point { call, nth });
    most.into_iter().flat_map(all).collect()
}

/// At most `count` of the points, drawn by the seed; all of them where asked for.
pub(crate) fn sample(mut points: Vec<Point>, count: usize) -> Vec<Point> {
    if std::env::var_os("FAULTLINE_EVERY_POINT").is_some() {
        return points;
    }
    let mut chance = Seeded::new(seed(), 0x44);
    while points.len() > count {
        let out = chance.draw() as usize % points.len();
        points.remove(out);
    }
    points
}

/// `FAULTLINE_SEED`, or 1.
pub(crate) fn seed() -> u64 {
    std::env::var("FAULTLINE_SEED").map_or(1, |text| text.parse().expect("a number"))
}
