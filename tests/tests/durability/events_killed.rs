//! Are events the same after the collector was killed at any system call that keeps them? The
//! watch for events as a process in virtual time, on real files.

use crate::process::{self, Point, WATCH, calls, died, dying, points, sample, traced};
use faultline_collector::{
    detect::{
        Settings,
        event::{Bin, Covered, Evidence, Reason, Revision, State},
    },
    store::{
        beats::{Beats as _, Heard, Whereabouts},
        events::Events as _,
        sqlite::{SqliteBeats, SqliteEvents},
    },
    watch::rebuild,
};
use faultline_core::{
    engine::ledger::{BootId, Reach, Rung, State as Ladder},
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
    protocol::Beat,
    time::{ClockQuality, UnixTime},
};
use std::{fs, path::Path, process::Command};
use tempfile::TempDir;

/// A midnight, minutes since 1970.
const START: i64 = 29_999_520;
/// Calm, half an hour without XA, and half an hour after it.
const CALM: i64 = 100;
const LONG: i64 = 160;
const MINUTE: i64 = 60_000_000;

/// Six probes in two networks of XA and eight in two of XB, and when they were heard.
fn beats(folder: &Path) {
    let beats = SqliteBeats::open(&folder.join("beats.db")).unwrap();
    let silent = CALM..CALM + 30;
    for minute in 0..LONG {
        for probe in 0..14_u8 {
            if probe < 6 && silent.contains(&minute) {
                continue;
            }
            let second = 1 + i64::from(probe);
            let received = UnixTime((START + minute) * MINUTE + second * 1_000_000);
            let heard = Heard {
                probe: ProbeId([probe + 1; 16]),
                received,
                beat: Beat {
                    run: 1,
                    count: minute as u32 + 1,
                    boot: BootId([probe; 16]),
                    uptime: 0,
                    wall: received,
                    clock: ClockQuality::Ntp,
                    state: Ladder::default().with(Rung::Foreign, Reach::Good),
                    since: 0,
                    last_good: None,
                    waiting: 0,
                    oldest: None,
                    interval: 60,
                },
                country: Country::new(if probe < 6 { "XA" } else { "XB" }).unwrap(),
                asn: Asn(64_500 + u32::from(probe % 2) + u32::from(probe / 6) * 2),
                whereabouts: Whereabouts {
                    site: u64::from(probe) + 1,
                    access: NetworkKind::Fixed,
                    region: String::new(),
                },
            };
            assert!(beats.hear(&heard).unwrap());
        }
    }
}

/// A folder in which nobody looked for events yet.
fn place(heard: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(heard.join("beats.db"), folder.path().join("beats.db")).unwrap();
    folder
}

fn run(mut command: Command, folder: &Path) -> std::process::Output {
    let minutes = [START + 1, START + LONG].map(|minute| minute.to_string());
    command.arg(folder).args(minutes).output().unwrap()
}

/// The minutes that it said were kept.
fn said(output: &std::process::Output) -> Vec<i64> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Everything that is kept of events.
#[derive(Debug, PartialEq)]
struct Kept {
    revisions: Vec<Revision>,
    evidence: Vec<Evidence>,
    bins: Vec<Bin>,
    coverage: Vec<Covered>,
    steps: Vec<(UnixTime, UnixTime)>,
}

fn kept(folder: &Path, why: &str) -> Kept {
    let beats = SqliteBeats::open(&folder.join("beats.db")).unwrap();
    let events = SqliteEvents::open(&folder.join("events.db")).unwrap();
    let settings = Settings {
        self_tested: true,
        ..Settings::default()
    };
    let again = rebuild(&beats, &events, settings, false).unwrap();
    assert!(again.is_equal(), "{again:?}: {why}");
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let (mut revisions, mut evidence, mut bins) = (vec![], vec![], vec![]);
    let each = &mut |mut revision: Revision, _: &str| {
        // A deed whose minute was cut short is done in the next one.
        if revision.revision_reason == Reason::Analyst {
            revision.as_of = UnixTime(0);
        }
        revisions.push(revision);
        true
    };
    events.each_revision(all.end, each).unwrap();
    let each = &mut |one| {
        evidence.push(one);
        true
    };
    events.each_evidence(all.end, each).unwrap();
    let each = &mut |one| {
        bins.push(one);
        true
    };
    events.each_bin(all.clone(), each).unwrap();
    Kept {
        revisions,
        evidence,
        bins,
        coverage: events.coverage(all).unwrap(),
        steps: events.steps().unwrap(),
    }
}

#[test]
fn server_events_outlive_their_collector_at_any_call() {
    if !process::can_trace() {
        return;
    }
    let heard = tempfile::tempdir().unwrap();
    beats(heard.path());
    let steady = place(heard.path());
    let log = heard.path().join("trace");
    let output = run(traced(WATCH, Some(&log), None), steady.path());
    assert!(output.status.success(), "{output:?}");
    let want = kept(steady.path(), "nobody was killed");
    for state in [State::Suspected, State::Confirmed, State::Ended] {
        assert!(want.revisions.iter().any(|one| one.state == state));
    }
    let analyst = |one: &&Revision| one.revision_reason == Reason::Analyst;
    assert!(want.revisions.iter().any(|one| analyst(&one)));
    let calls = calls(&log);

    // What a power cut would leave is what was synchronised: each minute before it is said.
    let wal = |rest: &str| rest.contains("events.db-wal>");
    let mut lines = 0;
    for (at, call) in calls.iter().enumerate() {
        if call.name != "write" || !call.rest.contains("pipe:") {
            continue;
        }
        let before = calls.get(..at).unwrap_or_default();
        let written = before
            .iter()
            .rposition(|call| call.name == "pwrite64" && wal(&call.rest));
        let since = before
            .get(written.unwrap_or_default()..)
            .unwrap_or_default();
        let synced = since
            .iter()
            .any(|call| matches!(call.name.as_str(), "fdatasync" | "fsync") && wal(&call.rest));
        assert!(synced, "said before it was synchronised: {call:?}");
        lines += 1;
    }
    assert_eq!(lines, LONG, "a line a minute");

    let all = points(&calls);
    let count = all.len();
    let (mut deaths, mut tried) = (0, 0);
    for point in sample(all, 12) {
        tried += 1;
        deaths += usize::from(check(heard.path(), point, &want));
    }
    println!("{deaths} deaths at {tried} of {count} points");
    assert_eq!(deaths, tried, "each call comes again");
}

/// Kills one at `point`, lets another go on, and looks; gives whether it died.
fn check(heard: &Path, point: Point, want: &Kept) -> bool {
    let folder = place(heard);
    let killed = run(dying(WATCH, point), folder.path());
    let why = format!("killed at {point:?} ({:?})", killed.status);
    let told = said(&killed);
    if let Some(last) = told.last() {
        let events = SqliteEvents::open(&folder.path().join("events.db")).unwrap();
        let steps = events.steps().unwrap();
        let until = steps.last().map(|(_, until)| until.0 / MINUTE);
        assert!(until >= Some(*last), "minute {last} is lost: {why}");
    }
    let after = run(Command::new(WATCH), folder.path());
    let error = String::from_utf8_lossy(&after.stderr);
    assert!(after.status.success(), "it goes on: {why}: {error}");
    assert_eq!(kept(folder.path(), &why), *want, "{why}");
    died(killed.status)
}
