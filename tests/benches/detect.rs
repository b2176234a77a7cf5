//! What does detection cost? Ten thousand probes in a hundred countries and three hundred groups
//! and more, told to the detector a minute at a time as `serve` does it, and a month of them
//! as a rebuild reads them from the store. CPU time of the thread (`/proc/thread-self/schedstat`),
//! so that a busy machine does not matter; the floor is handing the same rows over and dropping
//! them. Then the same days as `serve` finds them again when it starts: from its files, which is
//! the replay and reading SQLite.
//!
//!     cargo bench -p faultline-tests --bench detect -- [days of the rebuild, 30]

use faultline_collector::{
    detect::{Changes, Detector, Input, Settings},
    store::{
        beats::{Presence, Whereabouts},
        events::Events as _,
        sqlite::{SqliteBeats, SqliteEvents},
    },
    watch::Watch,
};
use faultline_core::{
    engine::ledger::{BootId, State},
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
    time::UnixTime,
};
use rusqlite::{Connection, params};
use std::{hint::black_box, path::Path, sync::Arc, time::Duration};

const START: i64 = 20_833 * 86_400;
const PROBES: u32 = 10_000;
const COUNTRIES: u32 = 100;
/// Minutes that are measured one by one.
const MINUTES: i64 = 120;

/// CPU time of this thread, milliseconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e6
}

fn at(minute: i64) -> UnixTime {
    UnixTime::from_secs(START + minute * 60)
}

/// A number that looks drawn, the same each time.
fn drawn(one: u32, two: i64) -> u32 {
    let mut x = u64::from(one) << 32 ^ two as u64 ^ 0x9e37_79b9_7f4a_7c15;
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31) as u32
}

fn presence(probe: u32, from: UnixTime, until: UnixTime) -> Presence {
    let place = probe % COUNTRIES;
    let letters = [b'A' + (place / 26) as u8, b'A' + (place % 26) as u8];
    let mut id = [0; 16];
    id[..4].copy_from_slice(&probe.to_be_bytes());
    Presence {
        probe: ProbeId(id),
        from,
        until,
        beats: 1,
        longest_gap: 60,
        interval: 60,
        state: State::default(),
        run: 1,
        boot: BootId([1; 16]),
        country: Country::new(std::str::from_utf8(&letters).unwrap_or("XX"))
            .unwrap_or_default(),
        asn: Asn(place * 4 + probe / COUNTRIES % 3 + 1),
        whereabouts: Whereabouts {
            site: u64::from(probe) + 1,
            access: if probe.is_multiple_of(3) {
                NetworkKind::Mobile
            } else {
                NetworkKind::Fixed
            },
            region: String::new(),
        },
    }
}

/// Whether a probe is away: a third of a day's chance to go for half an hour.
fn away(probe: u32, minute: i64) -> bool {
    drawn(probe, minute / 30) < u32::MAX / 144
}

/// The presences of one day.
fn day(number: i64) -> Vec<Presence> {
    let mut rows = Vec::new();
    for probe in 0..PROBES {
        let second = i64::from(probe % 60);
        let mut from = None;
        for half in 0..=48 {
            let minute = number * 1440 + half * 30;
            let here = half < 48 && !away(probe, minute);
            match (here, from) {
                (true, None) => from = Some(minute),
                (false, Some(began)) => {
                    let one = UnixTime(at(began).0 + second * 1_000_000);
                    let two = UnixTime(at(minute - 1).0 + second * 1_000_000);
                    rows.push(presence(probe, one, two));
                    from = None;
                }
                _ => {}
            }
        }
    }
    rows
}

/// A month and more as a rebuild reads it; milliseconds, and what came of it.
fn rebuild(days: i64) -> (f64, f64, Changes) {
    let mut detector = Detector::new(Settings::default());
    let mut all = Changes::default();
    let (mut spent, mut floor) = (0.0, 0.0);
    for number in 0..days {
        let rows = day(number);
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

/// Files of a collector that ran for so many days, as they would be in the end.
fn files(folder: &Path, days: i64) -> rusqlite::Result<()> {
    let mut db = Connection::open(folder.join("beats.db"))?;
    let tx = db.transaction()?;
    for row in (0..days).flat_map(day) {
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
    for row in day(0) {
        detector.take(Input::Heard(row));
    }
    detector.tick(at(1439));
    for minute in 1440..1440 + MINUTES {
        let out = |probe: u32| outage && probe % COUNTRIES < 10 && minute >= 1460;
        let rows: Vec<Presence> = (0..PROBES)
            .filter(|probe| !away(*probe, minute) && !out(*probe))
            .map(|probe| {
                let second = i64::from(probe % 60) * 1_000_000;
                let half = (1440..=minute)
                    .rev()
                    .take_while(|minute| !away(probe, *minute))
                    .last()
                    .unwrap_or(minute);
                let from = UnixTime(at(half).0 + second);
                presence(probe, from, UnixTime(at(minute).0 + second))
            })
            .collect();
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
