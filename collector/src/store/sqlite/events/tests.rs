use super::*;
use crate::{
    detect::{
        event::{Class, State},
        input::{Action, Deed, Signal, Told, Watcher},
    },
    store::events::{Outbox as _, Progress},
    watch::sample,
};
use faultline_core::{
    engine::ledger::{BootId, Chapter, Epoch, Placed},
    id::{Country, ProbeId},
    time::Instant,
};
use std::os::unix::fs::PermissionsExt as _;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn at(minutes: i64) -> UnixTime {
    UnixTime(NOW.0 + minutes * MINUTE)
}

fn place(text: &str) -> Location {
    text.parse().unwrap()
}

fn revision(location: &str, number: u32, minutes: i64, state: &str) -> Revision {
    sample::revision(location, number, NOW, at(minutes), state)
}

fn step(minutes: i64) -> Step<'static> {
    let tick = at(minutes);
    Step {
        at: Moment { tick, pass: 0 },
        ..Step::default()
    }
}

struct Kept {
    folder: tempfile::TempDir,
    events: SqliteEvents,
}

fn kept() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let events = SqliteEvents::open(&folder.path().join("events.db")).unwrap();
    Kept { folder, events }
}

#[test]
fn every_revision_stays_and_the_past_can_be_asked() {
    let kept = kept();
    let said = [
        revision("country/XA", 1, 5, "suspected"),
        revision("country/XA", 2, 15, "confirmed"),
    ];
    let other = revision("country/XB", 1, 6, "candidate");
    for (minutes, revision) in [(5, &said[0]), (6, &other), (15, &said[1])] {
        let step = Step {
            revisions: std::slice::from_ref(revision),
            ..step(minutes)
        };
        kept.events.keep(&step).unwrap();
        // Killed before it knew that this was kept, a detector says it again.
        kept.events.keep(&step).unwrap();
    }
    let id = said[0].event_id;
    assert_eq!(kept.events.revisions(id).unwrap(), said);
    let list = |sought: Sought| kept.events.events(&sought).unwrap();
    assert_eq!(
        list(Sought::default()),
        [said[1].clone()],
        "candidates are not listed"
    );
    let then = Sought {
        as_of: Some(at(14)),
        ..Sought::default()
    };
    assert_eq!(list(then.clone()), [said[0].clone()]);
    let confirmed = Sought {
        state: Some(State::Confirmed),
        ..then
    };
    assert_eq!(list(confirmed), []);
    let all = Sought {
        candidates: true,
        country: Country::new("XB"),
        ..Sought::default()
    };
    assert_eq!(list(all), [other]);
    let power = Sought {
        class: Some(Class::Power),
        ..Sought::default()
    };
    assert_eq!(list(power), []);
}

#[test]
fn a_number_that_is_taken_is_not_taken_again() {
    let kept = kept();
    let first = revision("country/XA", 1, 5, "suspected");
    let otherwise = revision("country/XA", 1, 7, "confirmed");
    for revision in [&first, &otherwise] {
        let step = Step {
            revisions: std::slice::from_ref(revision),
            ..step(5)
        };
        kept.events.keep(&step).unwrap();
    }
    let all = kept.events.revisions(first.event_id).unwrap();
    assert_eq!(all[0], first);
    assert_eq!((all[1].revision, all[1].state), (2, State::Confirmed));
}

#[test]
fn pages_follow_each_other_without_a_gap() {
    let kept = kept();
    let all: Vec<Revision> = (0..7)
        .map(|at| Revision {
            start: UnixTime(NOW.0 + i64::from(at / 2)),
            ..revision(&format!("asn/{at}"), 1, 5, "ended")
        })
        .collect();
    let step = Step {
        revisions: &all,
        ..step(5)
    };
    kept.events.keep(&step).unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = Sought {
            after,
            limit: Some(2),
            ..Sought::default()
        };
        let page = kept.events.events(&page).unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.start, last.event_id));
        seen.extend(page.iter().map(|r| r.event_id));
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (7, 7));
}

fn told() -> Told {
    let placed = |minutes| {
        let error = Duration::from_millis(1500);
        Some(Placed {
            at: at(minutes),
            error,
        })
    };
    Told {
        probe: ProbeId([3; 16]),
        received: at(2),
        chapters: vec![Chapter {
            number: 7,
            run: 2,
            boot: BootId([9; 16]),
            epoch: Epoch {
                from: Instant(1),
                until: Instant(u64::MAX),
                ..Epoch::default()
            },
            from: placed(-60),
            until: None,
            by_clock: true,
        }],
    }
}

fn signal(words: &str, received: UnixTime) -> Signal {
    Signal {
        watcher: Watcher::Ioda,
        id: "a".into(),
        source: "bgp".into(),
        location: place("country/XA"),
        from: NOW,
        until: None,
        precision_s: 300,
        value: Some(0.1 + 0.2),
        baseline: Some(1.0 / 3.0),
        class: None,
        cause: None,
        words: words.into(),
        url: None,
        received,
    }
}

#[test]
fn the_log_gives_back_what_the_detector_was_told_when_it_was() {
    let kept = kept();
    let events = &kept.events;
    let notes = [
        Note::Signal(signal("half", at(1))),
        Note::Acted(Action {
            event: EventId(5),
            at: at(1),
            by: "somebody".into(),
            deed: Deed::Retract,
            reason: "a test".into(),
        }),
        Note::Deaf {
            from: at(-9),
            until: at(-2),
        },
    ];
    for note in &notes {
        assert!(events.note(note, at(1)).unwrap());
    }
    let again = signal("half", at(9));
    assert!(!events.note(&Note::Signal(again), at(9)).unwrap(), "known");
    assert!(
        events
            .note(&Note::Signal(signal("all", at(9))), at(9))
            .unwrap()
    );
    assert_eq!(events.waiting(at(0)).unwrap(), []);
    let waiting = events.waiting(at(2)).unwrap();
    let numbers: Vec<i64> = waiting.iter().map(|(number, _)| *number).collect();
    assert_eq!(waiting.len(), 3);
    let step = Step {
        taken: &numbers,
        told: &[told()],
        ..step(2)
    };
    events.keep(&step).unwrap();
    let mut seen = Vec::new();
    let each = &mut |noted: Noted| {
        assert_eq!(noted.at.tick, at(2));
        seen.push(noted.note);
        true
    };
    events.noted(at(0), each).unwrap();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[3], Note::Told(told()));
    assert_eq!(seen[1..3], notes[1..3]);
    assert_eq!(events.waiting(at(99)).unwrap().len(), 1, "the newer words");
}

#[test]
fn minutes_that_were_gone_through_and_lives_are_spans() {
    let kept = kept();
    for minutes in [1, 2, 3, 9, 10] {
        kept.events.keep(&step(minutes)).unwrap();
    }
    kept.events
        .keep(&Step {
            at: Moment {
                tick: at(10),
                pass: 1,
            },
            ..Step::default()
        })
        .unwrap();
    let steps = kept.events.steps().unwrap();
    assert_eq!(steps, [(at(1), at(3)), (at(9), at(10))]);
    // A clock that goes back is waited for; a pause of more than two minutes is one.
    for minutes in [0, 1, 3, 2, 4, 7, 8] {
        kept.events.alive(at(minutes)).unwrap();
    }
    let lives = kept.events.lives(at(-100)).unwrap();
    assert_eq!(lives, [(at(0), at(4)), (at(7), at(8))]);
}

#[test]
fn bins_go_after_their_time_unless_something_happened_then() {
    let kept = kept();
    let bin = |minutes, observed| Bin {
        location: place("country/XA"),
        at: at(minutes),
        expected: 4.5,
        observed,
        eligible: 5,
    };
    let bins = [bin(-9000, 5), bin(0, 4), bin(1, 0)];
    let revisions = [revision("country/XA", 1, 5, "confirmed")];
    let step = Step {
        bins: &bins,
        revisions: &revisions,
        ..step(1)
    };
    kept.events.keep(&step).unwrap();
    let all = at(-99_999)..at(99_999);
    assert_eq!(
        kept.events.bins(&place("country/XA"), all.clone()).unwrap(),
        bins
    );
    assert_eq!(kept.events.newest_bins(at(0)).unwrap(), bins[2..]);
    assert_eq!(kept.events.newest_bins(at(2)).unwrap(), []);
    let dropped = kept
        .events
        .forget(Duration::from_mins(1), at(50_000))
        .unwrap();
    assert_eq!(dropped, 1);
    assert_eq!(
        kept.events.bins(&place("country/XA"), all).unwrap(),
        bins[1..]
    );
}

#[test]
fn a_new_webhook_begins_with_what_comes_and_a_known_one_goes_on() {
    let kept = kept();
    let say = |minutes, number, state| {
        let revisions = [revision("country/XA", number, minutes, state)];
        let step = Step {
            revisions: &revisions,
            ..step(minutes)
        };
        kept.events.keep(&step).unwrap();
    };
    say(1, 1, "candidate");
    let begun = kept.events.progress("hook").unwrap();
    assert_eq!(kept.events.parcel(begun.taken).unwrap(), None);
    say(2, 2, "suspected");
    say(3, 3, "confirmed");
    let first = kept.events.parcel(begun.taken).unwrap().unwrap();
    assert_eq!(first.revision.revision, 2);
    assert_eq!(first.before, Some(State::Candidate));
    let progress = Progress {
        taken: first.number,
        failures: 0,
        next: at(4),
    };
    kept.events.note_progress("hook", progress).unwrap();
    let events = SqliteEvents::open(&kept.folder.path().join("events.db")).unwrap();
    assert_eq!(events.progress("hook").unwrap(), progress);
    let second = events.parcel(progress.taken).unwrap().unwrap();
    assert_eq!(second.before, Some(State::Suspected));
    assert_eq!(events.parcel(second.number).unwrap(), None);
}

#[test]
fn the_file_is_its_owners_alone_and_a_newer_one_is_refused() {
    let kept = kept();
    kept.events.alive(NOW).unwrap();
    let path = kept.folder.path().join("events.db");
    for file in std::fs::read_dir(kept.folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
    kept.events
        .db()
        .pragma_update(None, "user_version", SCHEMA + 1)
        .unwrap();
    let refused = SqliteEvents::open(&path).err();
    assert!(
        matches!(refused, Some(StoreError::Newer { .. })),
        "{refused:?}"
    );
}
