//! Is every receipt true after the collector was killed at any of its system calls?

use crate::{
    load::{enrolment, link, probe, sealed},
    process::{self, COLLECTOR, Call, Point, calls, died, dying, points, sample, traced},
    world::batches,
};
use faultline_collector::{
    rules::Rules,
    store::{Facts as _, rebuild, sqlite::Sqlite},
};
use faultline_core::{
    codec::{Envelope, from_cbor},
    id::BatchId,
    protocol::{Enrolled, Receipt, Refusal},
};
use faultline_probe::{
    net::{OsNetwork, SystemClock},
    uplink::Reply,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

/// Probes that upload at the same time.
const PROBES: u8 = 6;
/// Batches that each of them has.
const EACH: u8 = 4;

/// The collector's machine.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nstate = {:?}\n",
            state.to_str().unwrap()
        );
        fs::write(folder.path().join("settings.toml"), settings).unwrap();
        Self { folder }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("state/collector.db")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("state/collector.key")
    }

    /// What it says on standard error.
    fn said(&self) -> PathBuf {
        self.folder.path().join("said")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    /// Starts a collector; `None` for its address where it died before it listened.
    fn start(&self, mut command: Command) -> (Running, Option<String>) {
        let said = fs::File::create(self.said()).unwrap();
        let mut child = command
            .arg("--config")
            .arg(self.folder.path().join("settings.toml"))
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let at = line.trim().strip_prefix("listening on ").map(str::to_owned);
        (Running(child), at)
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends a collector as an operator would.
fn stop(child: &mut Running) {
    let id = child.0.id().to_string();
    Command::new("kill").arg(&id).status().unwrap();
    assert!(child.0.wait().unwrap().success());
}

/// How the batches of all probes were answered; a batch that was not, is not in it.
#[derive(Debug, Default)]
struct Answers {
    receipts: BTreeMap<BatchId, Receipt>,
    refusals: Vec<(u16, Refusal)>,
}

/// All probes at once enrol and upload everything, each in its own order.
fn upload(at: &str, probes: u8) -> Answers {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (net, clock, link) = (OsNetwork::new(), SystemClock::new(), link(at));
    let one = async |p: u8| {
        let (net, clock, link) = (&net, &clock, &link);
        let mut answers = Answers::default();
        let known = link
            .post(net, clock, "/v1/probes", enrolment(&probe(p)))
            .await;
        note(&mut answers, known, true);
        for n in 0..EACH {
            let reply = link.post(net, clock, "/v1/batches", sealed(p, n).1).await;
            note(&mut answers, reply, false);
        }
        answers
    };
    let work = (0..probes).map(one);
    let mut all = Answers::default();
    for answers in runtime.block_on(futures_util::future::join_all(work)) {
        all.receipts.extend(answers.receipts);
        all.refusals.extend(answers.refusals);
    }
    all
}

fn note<E>(answers: &mut Answers, reply: Result<Reply, E>, enrolment: bool) {
    let Ok(reply) = reply else { return };
    if reply.status != 200 {
        let refusal = from_cbor(&reply.body).expect("a refusal in our own words");
        answers.refusals.push((reply.status, refusal));
    } else if enrolment {
        from_cbor::<Enrolled>(&reply.body).expect("an enrolment");
    } else {
        let receipt: Receipt = from_cbor(&reply.body).expect("a receipt");
        answers.receipts.insert(receipt.batch, receipt);
    }
}

/// Every point that a collector under this load comes to.
fn every_point() -> Vec<Point> {
    let site = Site::new();
    let (mut child, at) = site.start(traced(COLLECTOR, Some(&site.log()), None));
    let answers = upload(&at.unwrap(), PROBES);
    assert_eq!(answers.receipts.len(), usize::from(PROBES * EACH));
    stop(&mut child);
    let found = points(&calls(&site.log()));
    assert!(found.len() > 20, "the trace was not read: {found:?}");
    found
}

/// Starts a collector again where one died, and holds it to the receipts of before.
fn check(site: &Site, before: &Answers, why: &str) {
    let (mut child, at) = site.start(Command::new(COLLECTOR));
    let at = at.unwrap_or_else(|| panic!("it does not start again: {why}"));
    let after = upload(&at, PROBES);
    assert!(after.refusals.is_empty(), "{:?}: {why}", after.refusals);
    assert_eq!(after.receipts.len(), usize::from(PROBES * EACH), "{why}");
    for id in before.receipts.keys() {
        let again = &after.receipts[id];
        assert!(
            again.duplicate,
            "receipt {id} was given and the batch is lost: {why}"
        );
    }
    stop(&mut child);
    let store = Arc::new(Sqlite::open(&site.store()).unwrap());
    let mut want: BTreeSet<[u8; 32]> = (0..PROBES)
        .flat_map(|p| (0..EACH).map(move |n| Sha256::digest(sealed(p, n).1).into()))
        .collect();
    for batch in batches(&store) {
        assert!(want.remove(&batch.receipt.sha256), "stored twice: {why}");
        Envelope::parse(&batch.bytes).unwrap();
    }
    assert!(want.is_empty(), "{} are lost: {why}", want.len());
    assert_eq!(
        crate::world::rows(&store).len(),
        usize::from(PROBES * EACH) * 3,
        "{why}"
    );
    let kept = store.digest().unwrap();
    rebuild(&*store, Arc::new(Rules)).unwrap();
    assert_eq!(
        store.digest().unwrap(),
        kept,
        "rows are what follows from batches: {why}"
    );
}

#[test]
fn server_a_collector_killed_under_load_keeps_what_it_acknowledged() {
    if !process::can_trace() {
        return;
    }
    let all = every_point();
    let count = all.len();
    let chosen = sample(all, 25);
    let tried = chosen.len();
    let (mut deaths, mut given) = (0, 0);
    for point in chosen {
        let site = Site::new();
        let (mut child, at) = site.start(dying(COLLECTOR, point));
        let answers = at.map(|at| upload(&at, PROBES)).unwrap_or_default();
        // How batches share a commit differs from run to run: where the call did not come,
        // it is a plain kill after the load.
        child.0.kill().unwrap();
        deaths += usize::from(died(child.0.wait().unwrap()));
        given += answers.receipts.len();
        check(&site, &answers, &format!("killed at {point:?}"));
    }
    println!("{deaths} deaths at {tried} of {count} points, {given} receipts given before");
    assert!(given > 0, "no receipt was at stake");
}

/// A full disk is refused in words, with `retry`, and is over when there is room.
#[test]
fn server_a_collector_with_a_full_disk_refuses_in_words_and_goes_on() {
    if !process::can_trace() {
        return;
    }
    let mut refused = 0;
    for (call, from, to) in [
        ("pwrite64", 2, 9),
        ("pwrite64", 20, 90),
        ("fsync", 1, 3),
        ("fsync", 4, 20),
    ] {
        let site = Site::new();
        let (mut child, _) = site.start(Command::new(COLLECTOR)); // makes key and tables
        stop(&mut child);
        let files = ["collector.db", "collector.db-wal"];
        let files = files.map(|file| site.folder.path().join("state").join(file));
        let inject = format!("{call}:error=ENOSPC:when={from}..{to}");
        let (mut child, at) =
            site.start(process::watching(&files, COLLECTOR, None, Some(&inject)));
        let Some(at) = at else {
            panic!("{inject}: did not start: {:?}", child.0.wait());
        };
        let first = upload(&at, PROBES);
        for (status, refusal) in &first.refusals {
            assert!(
                *status >= 500 || refusal.code == "unknown_probe",
                "{inject}: {refusal:?}"
            );
            assert!(refusal.retry, "{inject}: {refusal:?}");
            assert!(refusal.message.contains(' '), "{inject}: {refusal:?}");
        }
        refused += first.refusals.len();
        // The disk has room again and the process goes on as it is: nobody starts it anew.
        let mut tries = 0;
        let answers = loop {
            let answers = upload(&at, PROBES);
            tries += 1;
            if answers.receipts.len() == usize::from(PROBES * EACH) {
                break answers;
            }
            assert!(
                tries < 20,
                "{inject}: it does not recover: {:?}",
                answers.refusals
            );
        };
        for id in first.receipts.keys() {
            assert!(answers.receipts[id].duplicate, "{inject}: {id} was lost");
        }
        stop(&mut child);
        check(&site, &answers, &inject);
    }
    assert!(refused > 0, "no disk was full");
}

#[test]
fn server_a_collector_that_starts_on_a_full_disk_says_so() {
    if !process::can_trace() {
        return;
    }
    for call in ["pwrite64", "write", "mkdir"] {
        let site = Site::new();
        let files = [
            "state",
            "state/collector.key.new",
            "state/import.key.new",
            "state/collector.db",
            "state/collector.db-wal",
        ];
        let files = files.map(|file| site.folder.path().join(file));
        let inject = format!("{call}:error=ENOSPC:when=1+");
        let (mut child, at) =
            site.start(process::watching(&files, COLLECTOR, None, Some(&inject)));
        assert_eq!(at, None, "{inject}");
        let status = child.0.wait().unwrap();
        let why = fs::read_to_string(site.said()).unwrap();
        assert_eq!(status.code(), Some(2), "{inject}: {why}");
        assert!(
            why.contains("full") || why.contains("No space"),
            "{inject}: {why}"
        );
        let (mut child, at) = site.start(Command::new(COLLECTOR));
        assert!(at.is_some(), "it starts when there is room: {inject}");
        stop(&mut child);
    }
}

/// What a power cut would leave is what was synchronised: each batch before its receipt.
#[test]
fn server_no_receipt_is_given_before_the_batch_is_on_the_disk() {
    if !process::can_trace() {
        return;
    }
    let site = Site::new();
    let (mut child, at) = site.start(traced(COLLECTOR, Some(&site.log()), None));
    // One probe, one batch after the other, so that the trace tells whose write is whose.
    let answers = upload(&at.unwrap(), 1);
    assert_eq!(answers.receipts.len(), usize::from(EACH));
    stop(&mut child);
    let calls = calls(&site.log());
    let wal = |call: &Call| call.rest.contains("collector.db-wal>");
    let mut replies = 0;
    for (at, call) in calls.iter().enumerate() {
        let sends =
            matches!(call.name.as_str(), "sendto" | "writev") && call.rest.contains("socket:");
        let Some(written) = calls[..at]
            .iter()
            .rposition(|c| c.name == "pwrite64" && wal(c))
        else {
            continue;
        };
        if !sends {
            continue;
        }
        replies += 1;
        let synced = calls[written..at]
            .iter()
            .any(|c| matches!(c.name.as_str(), "fdatasync" | "fsync") && wal(c));
        assert!(
            synced,
            "a reply before its bytes were synchronised: {call:?}"
        );
    }
    assert!(replies > EACH.into(), "{replies} replies in the trace");
}

#[test]
fn server_a_collector_killed_in_its_first_start_starts_again() {
    if !process::can_trace() {
        return;
    }
    let site = Site::new();
    let (mut child, at) = site.start(traced(COLLECTOR, Some(&site.log()), None));
    assert!(at.is_some());
    stop(&mut child);
    let mut deaths = 0;
    let chosen = sample(points(&calls(&site.log())), 25);
    for point in chosen {
        let site = Site::new();
        let (mut child, _) = site.start(dying(COLLECTOR, point));
        child.0.kill().unwrap();
        deaths += usize::from(died(child.0.wait().unwrap()));
        let key = fs::read(site.key());
        let (mut child, at) = site.start(Command::new(COLLECTOR));
        assert!(at.is_some(), "killed at {point:?}");
        stop(&mut child);
        if let Ok(key) = key {
            assert_eq!(fs::read(site.key()).unwrap(), key, "killed at {point:?}");
        }
    }
    assert!(deaths > 0);
}
