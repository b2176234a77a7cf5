//! What does detection cost? Ten thousand probes in a hundred countries and three hundred groups
//! and more, told to the detector a minute at a time as `serve` does it, and a month of them
//! as a rebuild reads them from the store. CPU time of the thread (`/proc/thread-self/schedstat`),
//! so that a busy machine does not matter; the floor is handing the same rows over and dropping
//! them. Then the same days as `serve` finds them again when it starts: from its files, which is
//! the replay and reading SQLite.
//!
//!     cargo bench -p faultline-tests --bench detect -- [days of the rebuild, 30]

mod crowd;

use crowd::{COUNTRIES, PROBES, at, away, cpu, day, presence};
use faultline_collector::{
    detect::{Changes, Detector, Input, Settings},
    store::{
        beats::Presence,
        events::Events as _,
        sqlite::{SqliteBeats, SqliteEvents},
    },
    watch::Watch,
};
use faultline_core::{measurement::NetworkKind, time::UnixTime};
use rusqlite::{Connection, params};
use std::{hint::black_box, path::Path, sync::Arc, time::Duration};

/// Minutes that are measured one by one.
const MINUTES: i64 = 120;

/// A month and more as a rebuild reads it; milliseconds, and what came of it.
fn rebuild(days: i64) -> (f64, f64, Changes) {
    let mut detector = Detector::new(Settings::default());
    let mut all = Changes::default();
    let (mut spent, mut floor) = (0.0, 0.0);
    for number in 0..days {
        let rows = day(number, |_, _| false);
        let copy = rows.clone();
        let before = cpu();
        for row in copy {
            black_box(Input::Heard(row));
        }
        floor += cpu() - before;
        let before = cpu();
        for row in rows {
            detector.take(Input::Heard(row));
        }
        let mut minute = number * 1440;
        while minute < (number + 1) * 1440 {
            if at(minute) >= detector.idle_until() {
                let changes = detector.tick(at(minute));
                all.revisions.extend(changes.revisions);
                all.coverage.extend(changes.coverage);
            }
            minute += 1;
        }
        spent += cpu() - before;
    }
    (spent, floor, all)
}

/// The probes that were heard in a minute, as the store has them: those of whom `out` says
/// nothing else. What came before `first` is not told of.
fn heard(first: i64, minute: i64, out: impl Fn(u32) -> bool) -> Vec<Presence> {
    (0..PROBES)
        .filter(|probe| !away(*probe, minute) && !out(*probe))
        .map(|probe| {
            let second = i64::from(probe % 60) * 1_000_000;
            let half = (first..=minute)
                .rev()
                .take_while(|minute| !away(probe, *minute))
                .last()
                .unwrap_or(minute);
            let from = UnixTime(at(half).0 + second);
            presence(probe, from, UnixTime(at(minute).0 + second))
        })
        .collect()
}

/// Files of a collector that ran for so many days, as they would be in the end.
fn files(folder: &Path, days: i64) -> rusqlite::Result<()> {
    let mut db = Connection::open(folder.join("beats.db"))?;
    let tx = db.transaction()?;
    for row in (0..days).flat_map(|number| day(number, |_, _| false)) {
        tx.prepare_cached(
            "INSERT INTO presence VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, '')",
        )?
        .execute(params![
            row.probe.0,
            row.from.0,
            row.until.0,
            row.beats,
            row.longest_gap,
            row.interval,
            row.state.0,
            row.run,
            row.boot.0,
            row.country.as_str(),
            row.asn.0,
            row.whereabouts.site as i64,
            if row.whereabouts.access == NetworkKind::Fixed { 1 } else { 2 },
        ])?;
    }
    tx.commit()?;
    let events = Connection::open(folder.join("events.db"))?;
    events.execute(
        "INSERT INTO step VALUES (?1, ?2)",
        [at(1).0, at(days * 1440 - 1).0],
    )?;
    Ok(())
}

/// What a start costs: milliseconds until the first minute is gone through.
fn start(days: i64) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let beats = Arc::new(SqliteBeats::open(&folder.path().join("beats.db"))?);
    let events = Arc::new(SqliteEvents::open(&folder.path().join("events.db"))?);
    files(folder.path(), days)?;
    let end = days * 1440;
    events.alive(at(end - 1))?;
    events.alive(at(end))?;
    let watch = Watch::new(beats, events, Settings::default());
    let before = cpu();
    watch.step(at(end) + Duration::from_secs(6), false)?;
    Ok(cpu() - before)
}

/// Minutes one by one: milliseconds of each.
fn live(outage: bool) -> (Vec<f64>, Changes) {
    let mut detector = Detector::new(Settings::default());
    let mut each = Vec::new();
    let mut all = Changes::default();
    // A first day, whole, so that everybody has a vote.
    for row in day(0, |_, _| false) {
        detector.take(Input::Heard(row));
    }
    detector.tick(at(1439));
    for minute in 1440..1440 + MINUTES {
        let out = |probe: u32| outage && probe % COUNTRIES < 10 && minute >= 1460;
        let rows = heard(1440, minute, out);
        let before = cpu();
        for row in rows {
            detector.take(Input::Heard(row));
        }
        let changes = detector.tick(at(minute + 1));
        each.push(cpu() - before);
        all.revisions.extend(changes.revisions);
    }
    (each, all)
}

fn main() {
    let days = std::env::args()
        .find_map(|argument| argument.parse::<i64>().ok())
        .unwrap_or(30);
    println!("| {PROBES} probes, {COUNTRIES} countries | median ms | most ms | of a core % |");
    println!("|---|---|---|---|");
    for (name, outage) in [("quiet", false), ("ten countries vanish", true)] {
        let (mut each, changes) = live(outage);
        each.sort_by(f64::total_cmp);
        let median = each.get(each.len() / 2).copied().unwrap_or(0.0);
        let most = each.last().copied().unwrap_or(0.0);
        let share = each.iter().sum::<f64>() / each.len() as f64 / 600.0;
        println!("| a minute, {name} | {median:.1} | {most:.1} | {share:.3} |");
        println!("<!-- {} revisions -->", changes.revisions.len());
    }
    let (spent, floor, changes) = rebuild(days);
    println!(
        "rebuild of {days} days: {:.1} s ({:.1} s to hand the rows over); a year: {:.0} s; {} revisions, {} rows of coverage",
        spent / 1e3,
        floor / 1e3,
        spent / 1e3 / days as f64 * 365.0,
        changes.revisions.len(),
        changes.coverage.len()
    );
    match start(days) {
        Ok(spent) => println!(
            "a start after {days} days: {:.1} s; after a year: {:.0} s",
            spent / 1e3,
            spent / 1e3 / days as f64 * 365.0
        ),
        Err(why) => println!("skipped: no files to start from: {why}"),
    }
}
