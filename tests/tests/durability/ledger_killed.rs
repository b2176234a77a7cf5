//! Is the link ledger the same after its probe was killed at any of its system calls, and does
//! the collector have it in the end?

use crate::{
    process::{self, PROBE, Point, calls, died, dying, points, sample, traced},
    world::{Hearing, Home, hearing, resolver},
};
use faultline_core::engine::ledger::{Book, Reach, Rung};
use faultline_probe::{identity, ledger::look};

fn book(home: &Home) -> Book {
    look(&home.state().join("ledger")).unwrap().book
}

/// A probe that beat before: it knows where to.
fn beating(here: &Hearing) -> Home {
    let home = Home::new(
        resolver(),
        "targets = [\"news.example\"]\ncontact_special = true",
    );
    let give = [
        "consent",
        "give",
        "--group",
        "dns",
        "--group",
        "beat",
        "--i-agree",
    ];
    assert_eq!(home.run(&give).0, 0);
    let (status, _, why) = home.run(&words(here, 1));
    assert_eq!(status, 0, "{why}");
    home
}

fn words(here: &Hearing, cycles: u8) -> [&str; 5] {
    let cycles = if cycles == 1 { "1" } else { "3" };
    ["--collector", &here.url, "run", "--cycles", cycles]
}

/// Whether all of `old` is in `new`, at least as long.
fn holds(new: &Book, old: &Book) -> bool {
    old.epochs().all(|(number, run, epoch)| {
        new.epochs().any(|(n, r, e)| {
            (n, r, e.from) == (number, run, epoch.from) && e.until >= epoch.until
        })
    })
}

/// Kills one probe at `point`, lets it run again, and looks; gives whether it died.
fn check(home: &Home, here: &Hearing, point: Point) -> bool {
    let before = book(home);
    let words = words(here, 3);
    let killed = home.with(dying(PROBE, point), &words).output().unwrap();
    let why = String::from_utf8_lossy(&killed.stderr);
    let at = format!("killed at {point:?} ({:?}), {why}", killed.status);
    let between = book(home);
    assert!(holds(&between, &before), "{at}");
    assert!(between.last_run() >= before.last_run(), "{at}");

    let (status, _, why) = home.run(&words);
    assert_eq!(status, 0, "it goes on: {at}: {why}");
    let after = book(home);
    assert!(holds(&after, &between), "{at}");
    assert!(after.last_run() > between.last_run(), "{at}");
    assert_eq!(
        look(&home.state().join("ledger")).unwrap().damaged,
        0,
        "{at}"
    );

    // What ended before this run is with the collector, as it is here.
    let probe = identity::load(&home.state().join("key")).unwrap();
    let theirs = here.book(probe.public().probe_id());
    let ended = between
        .epochs()
        .filter(|(number, ..)| Some(*number) <= after.sent());
    for (number, run, epoch) in ended {
        let (.., kept) = theirs
            .epochs()
            .find(|(n, r, _)| (*n, *r) == (number, run))
            .unwrap_or_else(|| panic!("{number} is lost: {at}"));
        assert!(kept.from == epoch.from && kept.state == epoch.state, "{at}");
    }
    let waiting = after
        .unsent()
        .filter(|(_, run, _)| *run != after.last_run());
    assert_eq!(waiting.count(), 0, "{at}");
    died(killed.status)
}

#[test]
fn server_a_ledger_outlives_its_probe_at_any_call() {
    if !process::can_trace() {
        return;
    }
    let here = hearing();
    let home = beating(&here);
    let log = home.state().with_extension("trace");
    let trial = home.copy();
    let mut run = trial.with(traced(PROBE, Some(&log), None), &words(&here, 3));
    let output = run.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let all = points(&calls(&log));
    let count = all.len();
    let chosen = sample(all, 30);
    let (mut deaths, mut tried) = (0, 0);
    for point in chosen {
        tried += 1;
        // Of its own, or beats of one copy would count as another's, repeated.
        let here = hearing();
        let home = beating(&here);
        deaths += u32::from(check(&home, &here, point));
    }
    println!("{deaths} deaths at {tried} of {count} points");
    // Beats and cycles go on beside each other: the last calls of a kind come as they come.
    assert!(deaths * 10 >= tried * 7, "{deaths} of {tried} died");

    let probe = identity::load(&home.state().join("key")).unwrap();
    let heard = here.last(probe.public().probe_id()).expect("it beat");
    // The copy, that is: the first run did not know where to.
    assert_eq!(heard.beat.run, 2);
    assert_eq!(heard.asn.0, 64_501);
    assert_eq!(heard.beat.state.at(Rung::Resolver), Reach::Good);
}
