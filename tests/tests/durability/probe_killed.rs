//! Is a probe the same after it was killed at any of its system calls?

use crate::{
    process::{self, PROBE, Point, calls, died, dying, points, sample, traced},
    world::{Here, Home, batches, here, resolver, rows},
};
use faultline_collector::store::Ledger as _;
use faultline_core::{
    codec::{Envelope, Purpose},
    measurement::Batch,
};
use faultline_probe::{budget::Budget, consent::Consent, identity};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

const GIVE: [&str; 5] = ["consent", "give", "--group", "dns", "--i-agree"];

/// A probe whose owner agreed, and which did nothing yet.
fn agreed(more: &str) -> Home {
    let home = Home::new(resolver(), more);
    assert_eq!(home.run(&GIVE).0, 0);
    home
}

/// A probe that measured before, with batches that wait.
fn with_backlog(more: &str) -> Home {
    let home = agreed(more);
    for _ in 0..3 {
        let (status, _, why) = home.run(&["once", "--no-upload", "news.example"]);
        assert_eq!(status, 0, "{why}");
    }
    home
}

fn once(here: &Here) -> Vec<String> {
    let at = format!("http://{}", here.at);
    [
        "--collector",
        &at,
        "--format",
        "json",
        "once",
        "news.example",
    ]
    .map(String::from)
    .to_vec()
}

/// Every point at which the words can be interrupted.
fn every_point(home: &Home, words: &[&str]) -> Vec<Point> {
    let log = home.state().with_extension("trace");
    let mut run = home.with(traced(PROBE, Some(&log), None), words);
    let output = run.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let found = points(&calls(&log));
    assert!(found.len() > 5, "the trace was not read: {found:?}");
    found
}

/// What is on the disk of a probe, as far as it must never go back.
#[derive(Debug, Default)]
struct Kept {
    key: Option<Vec<u8>>,
    spent: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    sent: BTreeMap<u64, Vec<u8>>,
}

fn kept(home: &Home) -> Kept {
    let state = home.state();
    let now = crate::world::now();
    let files = |sub: &str| {
        let entries = fs::read_dir(state.join(sub)).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|e| e == "batch"))
            .map(|path| {
                let number = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                (number, fs::read(path).unwrap())
            })
            .collect()
    };
    Kept {
        key: fs::read(state.join("key")).ok(),
        spent: u64::MAX - Budget::open(state.join("budget.json"), u64::MAX).left(now),
        waiting: files("spool"),
        sent: files("spool/sent"),
    }
}

/// Kills one probe at `point`, lets it run again, and looks; gives whether it died.
fn check(home: &Home, here: &Here, point: Point) -> bool {
    let words = once(here);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let before = kept(home);
    let killed = home.with(dying(PROBE, point), &words).output().unwrap();
    let shown = measurements(&String::from_utf8_lossy(&killed.stdout));
    let between = kept(home);
    let text = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
    let at = format!(
        "killed at {point:?} ({:?}), {}",
        killed.status,
        text(&killed.stderr)
    );
    if before.key.is_some() {
        assert_eq!(between.key, before.key, "the key is the same: {at}");
    }
    assert!(between.spent >= before.spent, "the account is kept: {at}");
    Consent::read(&home.state().join("consent.json")).expect(&at);

    let (status, out, why) = home.run(&words);
    assert_eq!(status, 0, "it goes on: {at}: {why}");
    let after = kept(home);
    if between.key.is_some() {
        assert_eq!(after.key, between.key, "the key is the same: {at}");
    }
    assert!(after.spent > between.spent, "the account is kept: {at}");
    assert!(after.waiting.is_empty(), "all is uploaded: {at}: {why}");
    assert_eq!(home.unfinished(), Vec::<PathBuf>::new(), "{at}");
    let refused = home.state().join("spool/refused");
    assert_eq!(fs::read_dir(refused).unwrap().count(), 0, "{at}");

    // Whatever was shown or kept, before or after, is in the store, once.
    let stored = rows(&here.store);
    let ids: Vec<String> = stored.iter().map(|row| row.id.to_string()).collect();
    for id in shown.iter().chain(&measurements(&out)) {
        assert!(ids.contains(id), "{id} was shown and is lost: {at}");
    }
    let key = identity::load(&home.state().join("key")).unwrap().public();
    let mut numbers = BTreeMap::new();
    for batch in batches(&here.store) {
        let number = batch.receipt.sequence;
        let other = numbers.insert(number, batch.receipt.sha256);
        assert_eq!(other, None, "number {number} was used twice: {at}");
    }
    for (number, sealed) in before
        .waiting
        .iter()
        .chain(&between.waiting)
        .chain(&after.sent)
    {
        let batch: Batch = Envelope::parse(sealed)
            .and_then(|envelope| envelope.open(Purpose::Batch, &key))
            .expect(&at);
        assert_eq!(batch.sequence, *number, "{at}");
        assert!(
            here.store.receipt(batch.id).unwrap().is_some(),
            "{number} is lost: {at}"
        );
        let digest: [u8; 32] = Sha256::digest(sealed).into();
        assert_eq!(
            numbers.get(number),
            Some(&digest),
            "other bytes under {number}: {at}"
        );
    }
    died(killed.status)
}

/// Identities of the measurements in the probe's JSON output; the last line may be cut.
fn measurements(json: &str) -> Vec<String> {
    let lines = json
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter_map(|value: serde_json::Value| Some(value.get("id")?.as_str()?.to_owned()))
        .collect()
}

fn kill_everywhere(home: &Home, most: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let trial = runtime.block_on(here());
    let words = once(&trial);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let all = every_point(&home.copy(), &words);
    let count = all.len();
    let chosen = sample(all, most);
    let mut deaths = 0;
    let tried = chosen.len();
    for point in chosen {
        let here = runtime.block_on(here());
        deaths += usize::from(check(&home.copy(), &here, point));
    }
    println!("{deaths} deaths at {tried} of {count} points");
    // The last call of a kind may not come in every run.
    assert!(deaths * 10 >= tried * 9, "{deaths} of {tried} died");
}

#[test]
fn server_a_probe_killed_in_its_first_cycle_loses_nothing() {
    if process::can_trace() {
        kill_everywhere(&agreed(""), 40);
    }
}

#[test]
fn server_a_probe_killed_with_a_backlog_loses_nothing() {
    if process::can_trace() {
        kill_everywhere(&with_backlog("spool_keep = \"1 KB\""), 40);
    }
}

#[test]
fn server_consent_is_the_old_or_the_new_wherever_the_probe_is_killed() {
    if !process::can_trace() {
        return;
    }
    let home = agreed("");
    let words = [
        "consent",
        "give",
        "--group",
        "dns",
        "--group",
        "web",
        "--i-agree",
    ];
    for point in every_point(&home.copy(), &words) {
        let home = home.copy();
        let mut killed = home.with(dying(PROBE, point), &words);
        assert!(died(killed.stdout(Stdio::null()).status().unwrap()));
        let read = Consent::read(&home.state().join("consent.json"));
        let groups = read.map(|consent| consent.groups.len());
        assert!(
            matches!(groups, Ok(1 | 2)),
            "killed at {point:?}: {groups:?}"
        );
    }
}

/// What a power cut would leave is what was synchronised: each file before its name, each
/// name before it is told to anybody.
#[test]
fn server_nothing_is_uploaded_before_it_is_on_the_disk() {
    if !process::can_trace() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let here = runtime.block_on(here());
    let words = once(&here);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let home = agreed("");
    let log = home.state().with_extension("trace");
    let run = home.with(traced(PROBE, Some(&log), None), &words).output();
    assert!(run.unwrap().status.success());
    let calls = calls(&log);
    let at = |name: &str, what: &str| {
        let found = calls
            .iter()
            .position(|call| call.name.starts_with(name) && call.rest.contains(what));
        found.unwrap_or_else(|| panic!("no {name} of {what} in the trace"))
    };
    let file = at("fsync", ".batch.new>");
    let name = at("rename", ".batch.new\"");
    let folder = name
        + calls[name..]
            .iter()
            .position(|c| c.name == "fsync")
            .unwrap();
    assert!(file < name, "the bytes before the name");
    assert!(calls[folder].rest.contains("spool>"), "{:?}", calls[folder]);
    let query = at("sendto", &home.resolver.port().to_string());
    assert!(
        at("rename", "budget") < query,
        "held before anything is spent"
    );
    // Enrolment, check-in and the control come before, the batch is the fourth connection.
    let port = here.at.port().to_string();
    let uploads: Vec<usize> = (0..calls.len())
        .filter(|at| calls[*at].name == "connect" && calls[*at].rest.contains(&port))
        .collect();
    assert_eq!(uploads.len(), 4);
    assert!(folder < uploads[3], "on the disk before it is sent");
}

/// A full disk is said, costs nothing that was kept, and is over when there is room.
#[test]
fn server_a_probe_with_a_full_disk_keeps_what_it_has_and_goes_on() {
    if !process::can_trace() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let template = with_backlog("targets = [\"news.example\"]\nspool_keep = \"1 KB\"");
    let here = runtime.block_on(here());
    let (log, trial) = (template.state().with_extension("trace"), template.copy());
    let trace = process::watching(&files(&trial), PROBE, Some(&log), None);
    let run = trial.with(trace, &cycles(&here)).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let all = points(&calls(&log));
    let fills = |p: &Point| matches!(p.call, "openat" | "write" | "fsync" | "rename");
    let all: Vec<Point> = all.into_iter().filter(fills).collect();
    assert!(all.len() > 30, "{all:?}");
    for Point { call, nth } in sample(all, 20) {
        let here = runtime.block_on(self::here());
        let home = template.copy();
        let before = kept(&home);
        let inject = format!("{call}:error=ENOSPC:when={nth}..{}", nth + 2);
        let trace = process::watching(&files(&home), PROBE, None, Some(&inject));
        let full = home.with(trace, &cycles(&here)).output().unwrap();
        let why = String::from_utf8_lossy(&full.stderr).into_owned();
        let at = format!("{inject}: {:?}: {why}", full.status);
        assert!(matches!(full.status.code(), Some(0 | 2)), "{at}");
        if full.status.code() == Some(2) {
            assert!(why.contains("No space left"), "{at}");
        }
        let between = kept(&home);
        assert!(between.spent >= before.spent, "{at}");
        let words = once(&here);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (status, _, why) = home.run(&words);
        assert_eq!(status, 0, "it goes on when there is room: {at}: {why}");
        let stored = batches(&here.store);
        for sealed in before.waiting.values().chain(between.waiting.values()) {
            let batch = open(&home, sealed);
            let alike = stored
                .iter()
                .filter(|b| b.receipt.sequence == batch.sequence);
            let ids: Vec<_> = alike.map(|b| b.receipt.batch).collect();
            assert_eq!(ids, [batch.id], "lost, or one number for two: {at}");
        }
        for id in measurements(&String::from_utf8_lossy(&full.stdout)) {
            assert!(
                rows(&here.store).iter().any(|row| row.id.to_string() == id),
                "{at}"
            );
        }
        assert_eq!(home.unfinished(), Vec::<PathBuf>::new(), "{at}");
    }
}

/// Three cycles of the service.
fn cycles(here: &Here) -> [&'static str; 5] {
    let at = format!("http://{}", here.at).leak();
    ["--collector", at, "run", "--cycles", "3"]
}

/// Every file that such cycles write, and the folders.
fn files(home: &Home) -> Vec<PathBuf> {
    let state = home.state();
    let spool = state.join("spool");
    let batches = (0..9).map(|n| spool.join(format!("{n:020}.batch.new")));
    let others = ["sequence.new", "sent"].map(|name| spool.join(name));
    batches
        .chain(others)
        .chain([state.join("budget.json.new"), spool.clone(), state.clone()])
        .collect()
}

/// What only said something must not stop the measuring.
#[test]
fn server_a_probe_whose_log_is_on_a_full_disk_goes_on() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let home = with_backlog("targets = [\"news.example\"]");
    let nobody = "http://127.0.0.1:1"; // port 1 (tcpmux) listens nowhere: every cycle complains
    let words = ["--collector", nobody, "run", "--cycles", "2"];
    let mut run = home.with(Command::new(PROBE), &words);
    let status = run.stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    assert_eq!(kept(&home).waiting.len(), 5);
    let mut run = home.with(Command::new(PROBE), &["show"]);
    let output = run.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(why.contains("No space"), "{why}");
}

/// Uploading is what empties a full spool, so it must come also where nothing can be measured.
#[test]
fn server_a_full_spool_is_uploaded_by_the_next_run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let here = runtime.block_on(here());
    let home = with_backlog("");
    let settings = home.state().with_file_name("settings.toml");
    let full = fs::read_to_string(&settings).unwrap() + "spool_cap = \"1 KB\"\n";
    fs::write(&settings, full).unwrap();
    let words = once(&here);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (status, _, why) = home.run(&words);
    assert_eq!(status, 2);
    assert!(why.contains("spool_cap"), "it names the key to set: {why}");
    assert!(kept(&home).waiting.is_empty(), "{why}");
    assert_eq!(rows(&here.store).len(), 3);
}

fn open(home: &Home, sealed: &[u8]) -> Batch {
    let key = identity::load(&home.state().join("key")).unwrap().public();
    Envelope::parse(sealed)
        .and_then(|envelope| envelope.open(Purpose::Batch, &key))
        .unwrap()
}

/// Two at once would take the same number for different bytes.
#[test]
fn server_a_second_probe_on_the_same_folder_is_told_so() {
    let home = agreed("");
    let held = faultline_probe::spool::Spool::open(&home.state().join("spool"), 1 << 30, 0);
    let _held = held.unwrap();
    let (status, _, why) = home.run(&["once", "--no-upload", "news.example"]);
    assert_eq!(status, 2);
    assert!(why.contains("another"), "{why}");
    assert!(
        !home.state().join("key").exists(),
        "nor does it draw a second key"
    );
    let (status, _, why) = home.run(&["show"]);
    assert_eq!(status, 0, "looking is free: {why}");
    let mut doctor = home.with(Command::new(PROBE), &["doctor"]);
    let said = doctor.output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("ok    folder"), "{said}");
}
