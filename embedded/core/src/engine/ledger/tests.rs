use super::*;
use proptest::prelude::*;
use std::{string::ToString as _, vec, vec::Vec};

const MINUTE: Duration = Duration::from_mins(1);

fn at(secs: u64) -> Instant {
    Instant(secs * 1_000_000)
}

fn state(good: &[Rung], bad: &[Rung]) -> State {
    let state = good.iter().fold(State::default(), |state, rung| {
        state.with(*rung, Reach::Good)
    });
    bad.iter()
        .fold(state, |state, rung| state.with(*rung, Reach::Bad))
}

fn walk(state: State) -> Walk {
    Walk {
        state,
        checks: 4,
        failures: 1,
        bytes: 500,
    }
}

fn target(rung: Rung, network: u32) -> Target {
    Target {
        rung,
        network,
        cost: 180,
    }
}

/// One gateway, one resolver, two hosts in the country, four abroad, two canaries.
fn targets() -> Vec<Target> {
    let mut all = vec![
        Target {
            cost: 84,
            ..target(Rung::Gateway, 0)
        },
        target(Rung::Resolver, 0),
        target(Rung::Domestic, 1),
        target(Rung::Domestic, 2),
        target(Rung::Regional, 3),
    ];
    all.extend((10..14).map(|network| target(Rung::Foreign, network)));
    all.extend((20..22).map(|network| Target {
        cost: 600,
        ..target(Rung::Canary, network)
    }));
    all
}

/// Climbs once; `answers` says which rungs do.
fn climb(ladder: &mut Ladder, targets: &[Target], answers: impl Fn(&Target) -> bool) -> Walk {
    ladder.begin(Reach::Good, Reach::Good);
    let mut tried = 0;
    while let Some(next) = ladder.next(targets) {
        let answered = answers(&targets[next]);
        let cost = if answered { targets[next].cost } else { 50 };
        ladder.report(targets, next, answered, cost.into());
        tried += 1;
        assert!(tried < 40, "a walk ends");
    }
    ladder.spend(370);
    ladder.finish()
}

#[test]
fn states_say_how_far_it_reaches() {
    use Rung::{Canary, Collector, Domestic, Foreign, Gateway, Link, Regional, Resolver};
    for (good, bad, extent) in [
        (&[][..], &[][..], Extent::Unknown),
        (&[Link, Gateway], &[], Extent::Unknown),
        (&[], &[Link], Extent::NoLink),
        (&[Link], &[Gateway, Foreign, Domestic], Extent::NoGateway),
        (
            &[Link, Gateway, Resolver],
            &[Domestic, Foreign, Collector],
            Extent::NoUpstream,
        ),
        (&[Link, Gateway], &[Collector], Extent::NoUpstream),
        (
            &[Link, Gateway, Domestic],
            &[Foreign, Collector],
            Extent::Domestic,
        ),
        (&[Link, Regional], &[Domestic, Foreign], Extent::Domestic),
        (&[Link, Collector], &[Foreign], Extent::Domestic),
        (&[Link, Foreign, Collector], &[Canary], Extent::NoCanary),
        (&[Link, Foreign], &[Collector], Extent::NoCollector),
        (&[Link, Domestic], &[Collector], Extent::NoCollector),
        (&[Link, Foreign, Collector], &[Gateway], Extent::Whole),
        (&[Link, Collector], &[], Extent::Whole),
    ] {
        assert_eq!(state(good, bad).extent(), extent, "{good:?} {bad:?}");
    }
    let (dark, light) = (state(&[], &[Rung::Foreign]), state(&[Rung::Foreign], &[]));
    assert_eq!(dark.merged(light).extent(), Extent::Mixed);
    assert_eq!(dark.merged(dark), dark);
    assert_eq!(
        state(&[Link, Gateway], &[Foreign]).to_string(),
        "link+ gateway+ foreign-"
    );
}

#[test]
fn one_silent_host_abroad_is_no_shutdown_and_three_networks_are() {
    let all = targets();
    let mut ladder = Ladder::default();
    let calm = climb(&mut ladder, &all, |_| true);
    assert_eq!(calm.state.at(Rung::Foreign), Reach::Good);
    assert_eq!(calm.failures, 0);
    let one = climb(&mut ladder, &all, |t| t.network != 10 && t.network != 11);
    assert_eq!(one.state.at(Rung::Foreign), Reach::Good);
    let none = climb(&mut ladder, &all, |t| t.rung != Rung::Foreign);
    assert_eq!(none.state.at(Rung::Foreign), Reach::Bad);
    assert_eq!(none.state.extent(), Extent::Domestic);
    // With two networks nobody can tell.
    let few: Vec<_> = all.iter().filter(|t| t.network < 12).copied().collect();
    let few = climb(&mut Ladder::default(), &few, |t| t.rung != Rung::Foreign);
    assert_eq!(few.state.at(Rung::Foreign), Reach::Untested);
}

#[test]
fn what_goes_silent_is_looked_at_whole_and_at_once() {
    let all = targets();
    let mut ladder = Ladder::default();
    for _ in 0..20 {
        climb(&mut ladder, &all, |_| true);
    }
    let dark = climb(&mut ladder, &all, |t| {
        matches!(t.rung, Rung::Gateway | Rung::Resolver)
    });
    for (rung, reach) in [
        (Rung::Gateway, Reach::Good),
        (Rung::Resolver, Reach::Good),
        (Rung::Domestic, Reach::Bad),
        (Rung::Regional, Reach::Bad),
        (Rung::Foreign, Reach::Bad),
        (Rung::Canary, Reach::Bad),
    ] {
        assert_eq!(dark.state.at(rung), reach, "{rung:?}");
    }
}

#[test]
fn a_beat_costs_a_kibibyte_on_average_and_every_rung_has_its_turn() {
    for canary in [330, 600, 6000] {
        costs(canary);
    }
}

fn costs(canary: u16) {
    let mut all = targets();
    for target in all.iter_mut().filter(|t| t.rung == Rung::Canary) {
        target.cost = canary;
    }
    let all = all;
    let mut stale = 0;
    let mut ladder = Ladder::default();
    let mut turns = [0; Rung::ALL.len()];
    let mut bytes = 0;
    let beats = 1000;
    for _ in 0..beats {
        ladder.begin(Reach::Good, Reach::Untested);
        while let Some(next) = ladder.next(&all) {
            turns[all[next].rung.index()] += 1;
            ladder.report(&all, next, true, all[next].cost.into());
        }
        ladder.spend(370);
        let walk = ladder.finish();
        bytes += walk.bytes;
        let rungs = [Rung::Resolver, Rung::Regional, Rung::Canary];
        stale += u32::from(rungs.iter().any(|rung| walk.state.at(*rung) != Reach::Good));
    }
    // After the first round nothing is forgotten.
    assert!(stale < 60, "{stale} of {beats} walks");
    assert!(bytes / beats <= PURSE as u32, "{}", bytes / beats);
    for rung in [Rung::Gateway, Rung::Domestic, Rung::Foreign] {
        assert_eq!(turns[rung.index()], beats, "{rung:?}");
    }
    std::println!(
        "canary at {canary}: {} bytes a beat, {turns:?}",
        bytes / beats
    );
}

#[test]
fn without_a_link_nothing_is_tried_and_nothing_is_claimed() {
    let all = targets();
    let mut ladder = Ladder::default();
    climb(&mut ladder, &all, |_| true);
    ladder.begin(Reach::Bad, Reach::Bad);
    assert_eq!(ladder.next(&all), None);
    assert_eq!(
        ladder.finish().state,
        state(&[], &[Rung::Power, Rung::Link])
    );
}

#[test]
fn an_epoch_lasts_from_the_first_to_the_last_walk_that_found_it() {
    let policy = Policy::every(MINUTE);
    let (mut ledger, first) = Ledger::begin(1, 1, BootId([1; 16]), at(30), policy);
    let mut log = vec![first];
    let light = state(&[Rung::Link, Rung::Foreign], &[]);
    let dark = state(&[Rung::Link], &[Rung::Foreign, Rung::Collector]);
    for minute in 0..60 {
        let found = if (20..40).contains(&minute) {
            dark
        } else {
            light
        };
        log.extend(ledger.note(at(60 + minute * 60), walk(found)));
    }
    log.extend(ledger.close(at(60 + 59 * 60)));
    assert!(log.len() < 20, "{}", log.len());
    let book = Book::read(log.iter().map(|entry| entry.record));
    let epochs: Vec<_> = book.epochs().map(|(.., epoch)| epoch).collect();
    let times: Vec<_> = epochs.iter().map(|e| (e.from, e.until)).collect();
    assert_eq!(
        times,
        [
            (at(60), at(60 + 19 * 60)),
            (at(60 + 20 * 60), at(60 + 39 * 60)),
            (at(60 + 40 * 60), at(60 + 59 * 60))
        ]
    );
    assert_eq!(epochs[1].checks, 20 * 4);
    assert_eq!(ledger.last_good(), Some(at(60 + 59 * 60)));
    // Nobody looked for long: what was between is not claimed.
    let mut later = ledger.note(at(20_000), walk(light));
    assert!(matches!(later.next().unwrap().record.body, Body::Epoch(_)));
    assert_eq!(ledger.open().unwrap().1.from, at(20_000));
}

#[test]
fn jumps_of_the_wall_clock_are_told_and_slewing_is_not() {
    let policy = Policy::every(MINUTE);
    let (mut ledger, _) = Ledger::begin(1, 1, BootId::default(), at(0), policy);
    let wall = |secs: i64| UnixTime::from_secs(secs);
    assert_eq!(ledger.wall(at(10), wall(1010)), None);
    for minute in 1..100 {
        let slewed = 1010 + minute * 60 + minute;
        assert_eq!(ledger.wall(at(10 + minute as u64 * 60), wall(slewed)), None);
    }
    let jumped = ledger.wall(at(6010), wall(1_000_000)).unwrap();
    let Body::Step {
        at: noticed,
        from,
        to,
    } = jumped.record.body
    else {
        panic!("{jumped:?}")
    };
    assert_eq!((noticed, to), (at(6010), wall(1_000_000)));
    assert_eq!(from, wall(1010 + 6000 + 99));
}

#[test]
fn a_day_after_a_fix_the_error_is_nine_seconds() {
    let fix = Fix::between(
        at(100),
        at(101),
        UnixTime::from_secs(5000),
        Source::Collector,
    );
    assert_eq!(
        (fix.at, fix.error),
        (Instant(100_500_000), Duration::from_micros(500_050))
    );
    let placed = place(&[fix], at(100 + 86_400)).unwrap();
    assert_eq!(placed.error, Duration::from_millis(8_640 + 500));
    assert_eq!(placed.at.secs(), 5000 + 86_399);
    // Earlier moments likewise, and a second fix on the other side makes both better.
    let other = Fix {
        at: at(100 + 86_400),
        utc: UnixTime::from_secs(5000 + 86_399),
        error: Duration::from_millis(20),
        source: Source::Collector,
    };
    let halfway = place(&[fix, other], at(100 + 43_200)).unwrap();
    assert!(halfway.error < Duration::from_secs(5), "{halfway:?}");
    // What contradicts a nearer fix is left out; NTP's word yields to the collector's.
    let liar = Fix {
        utc: UnixTime::from_secs(9_999_999),
        ..fix
    };
    assert_eq!(place(&[other, liar], other.at).unwrap().at, other.utc);
    let ntp = Fix {
        error: Duration::ZERO,
        source: Source::Ntp,
        ..liar
    };
    assert_eq!(place(&[other, ntp], other.at).unwrap().at, other.utc);
    assert_eq!(place(&[], at(0)), None);
}

#[test]
fn a_boot_that_never_knew_the_time_lies_between_its_neighbours() {
    let policy = Policy::every(MINUTE);
    let mut log = Vec::new();
    let mut next = 1;
    for run in 1..=3u32 {
        let boot = BootId([run as u8; 16]);
        let (mut ledger, first) = Ledger::begin(run, next, boot, at(0), policy);
        log.push(first);
        log.extend(ledger.note(at(60), walk(state(&[Rung::Link], &[Rung::Foreign]))));
        if run != 2 {
            log.extend(ledger.fix(Fix {
                at: at(60),
                utc: UnixTime::from_secs(i64::from(run) * 100_000),
                error: Duration::ZERO,
                source: Source::Collector,
            }));
        }
        next = Book::read(log.iter().map(|e| e.record)).next();
    }
    let chapters = Book::read(log.iter().map(|e| e.record)).chapters();
    assert_eq!(chapters.len(), 3);
    assert!(chapters[0].by_clock && !chapters[1].by_clock && chapters[2].by_clock);
    let middle = chapters[1].from.unwrap();
    assert_eq!(middle.at, UnixTime::from_secs(200_000));
    assert_eq!(middle.error, Duration::from_secs(100_000));
}

fn any_state() -> impl Strategy<Value = State> {
    prop::collection::vec(0u32..3, 9).prop_map(|reaches| {
        let bits = reaches.iter().enumerate();
        State(bits.fold(0, |all, (at, reach)| all | reach << (2 * at)))
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let body = prop_oneof![
        (any::<[u8; 16]>(), any::<u64>()).prop_map(|(boot, started)| Body::Run {
            boot: BootId(boot),
            started: Instant(started)
        }),
        (any::<(u64, u64, u32, u32)>(), any_state()).prop_map(
            |((from, until, checks, failures), state)| Body::Epoch(Epoch {
                from: Instant(from),
                until: Instant(until),
                state,
                checks,
                failures
            })
        ),
        any::<(u64, i64, u64, bool)>().prop_map(|(at, utc, error, collector)| Body::Fix(Fix {
            at: Instant(at),
            utc: UnixTime(utc),
            error: Duration::from_micros(error),
            source: if collector {
                Source::Collector
            } else {
                Source::Ntp
            }
        })),
        any::<(u64, i64, i64)>().prop_map(|(at, from, to)| Body::Step {
            at: Instant(at),
            from: UnixTime(from),
            to: UnixTime(to)
        }),
        any::<u64>().prop_map(|through| Body::Sent { through }),
        any::<(u64, u32)>().prop_map(|(through, epochs)| Body::Lost { through, epochs }),
    ];
    (any::<u64>(), any::<u32>(), body).prop_map(|(number, run, body)| Record {
        number,
        run,
        body,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_read_back_and_no_damaged_one_does(record in any_record(), bit in 0usize..FRAME * 8) {
        let mut frame = record.encode();
        prop_assert_eq!(Record::decode(&frame), Some(record));
        prop_assert_eq!(Record::decode(&frame[..FRAME - 1]), None);
        frame[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Record::decode(&frame), None);
    }

    #[test]
    fn places_never_lie_about_their_error(
        // A true clock whose crystal drifts within bounds, fixes taken by it, and a moment.
        ppm in -100i64..=100,
        fixes in prop::collection::vec((0u64..1_000_000, 0u64..5_000_000, 0u64..=100), 1..6),
        moment in 0u64..1_000_000,
    ) {
        let utc = |mono: u64| {
            // Rounded the way that it would be read: microseconds.
            let mono = mono as i64;
            UnixTime(1_700_000_000_000_000 + mono + mono / 1_000_000 * ppm)
        };
        let fixes: Vec<_> = fixes.iter().map(|(secs, trip, share)| {
            let asked = Instant(secs * 1_000_000);
            let answered = Instant(asked.0 + trip);
            // The time in the answer was true somewhere on the way.
            Fix::between(asked, answered, utc(asked.0 + trip * share / 100), Source::Collector)
        }).collect();
        let placed = place(&fixes, at(moment)).unwrap();
        let off = placed.at.0.abs_diff(utc(moment * 1_000_000).0);
        let stated = placed.error.as_micros() as u64;
        // What rounding of `utc` above adds.
        prop_assert!(off <= stated + 200, "{off} > {stated}");
        let best = fixes.iter().map(|f| f.error.as_micros() as u64
            + at(moment).0.abs_diff(f.at.0).div_ceil(10_000)).min().unwrap();
        prop_assert!(stated <= best + 1, "no worse than the best fix alone");
    }

    #[test]
    fn nothing_is_lost_or_lengthened_by_making_room(
        // Walks with what they found, restarts, and what was sent.
        steps in prop::collection::vec((any_state(), 1u64..400, 0u8..20), 1..120),
        most in 8usize..60,
        sent in prop::option::of(0usize..60),
    ) {
        let policy = Policy::every(MINUTE);
        let (mut run, mut now, mut boot) = (1u32, at(0), 1u8);
        let (mut ledger, first) = Ledger::begin(run, 1, BootId([boot; 16]), now, policy);
        let mut log = vec![first.record];
        for (found, secs, kind) in &steps {
            now = now + Duration::from_secs(*secs);
            if *kind == 0 {
                run += 1;
                boot += 1;
                now = at(0);
                let next = Book::read(log.iter().copied()).next();
                let begun = Ledger::begin(run, next, BootId([boot; 16]), now, policy);
                ledger = begun.0;
                log.push(begun.1.record);
            }
            log.extend(ledger.note(now, walk(*found)).map(|entry| entry.record));
        }
        log.extend(ledger.close(now).map(|entry| entry.record));
        let mut before = Book::read(log);
        let numbers: Vec<u64> = before.epochs().map(|(number, ..)| number).collect();
        if let Some(through) = sent.and_then(|at| numbers.get(at))
            && Some(*through) != numbers.last().copied()
        {
            before.add(Record { number: before.next(), run, body: Body::Sent { through: *through } });
        }
        let kept = before.clone().compact(most);
        let after = Book::read(kept.iter().copied());
        // Once more changes nothing.
        prop_assert_eq!(&Book::read(after.clone().compact(most)), &after);
        prop_assert_eq!(after.epochs().next_back(), before.epochs().next_back(), "the newest state");
        prop_assert_eq!((after.next(), after.last_run()), (before.next(), before.last_run()));
        prop_assert!(kept.len() <= most.max(4), "{} > {most}", kept.len());
        // What was not sent is there, coarser perhaps, or counted as lost.
        let lost = after.lost().unwrap_or_default();
        let oldest = after.unsent().next().map_or(u64::MAX, |(number, ..)| number);
        let mut gone = 0;
        for (number, its_run, epoch) in before.unsent() {
            let covered = after.unsent().any(|(_, run, e)| {
                run == its_run && e.from <= epoch.from && e.until >= epoch.until
            });
            prop_assert!(covered || number <= lost.0 || number < oldest);
            gone += u32::from(!covered);
        }
        prop_assert!(gone == 0 || lost.1 > 0);
        for (_, its_run, epoch) in after.unsent() {
            let (from, until) = before.epochs()
                .filter(|(_, run, e)| *run == its_run && e.from >= epoch.from && e.until <= epoch.until)
                .fold((Instant(u64::MAX), Instant(0)), |(from, until), (.., e)| {
                    (from.min(e.from), until.max(e.until))
                });
            prop_assert_eq!((from, until), (epoch.from, epoch.until), "no longer than what it is of");
        }
    }

    #[test]
    fn pages_carry_everything_once_oldest_first(
        found in prop::collection::vec(any_state(), 1..80),
        most in 1usize..20,
    ) {
        let policy = Policy::every(MINUTE);
        let (mut ledger, first) = Ledger::begin(1, 1, BootId([1; 16]), at(0), policy);
        let mut book = Book::read([first.record]);
        let mut now = at(0);
        for state in found {
            now = now + MINUTE;
            ledger.note(now, walk(state)).for_each(|entry| book.add(entry.record));
        }
        let open = ledger.open().map(|(number, _)| number);
        let all: Vec<_> = book.epochs().filter(|(number, ..)| Some(*number) != open).collect();
        let mut read = Book::default();
        while let Some(page) = Page::next(&book, open, most) {
            prop_assert!(page.part.epochs.len() <= most);
            let octets = crate::codec::to_cbor(&page.part);
            let part: crate::measurement::LedgerPart = crate::codec::from_cbor(&octets).unwrap();
            part.records().for_each(|record| read.add(record));
            book.add(ledger.sent(page.through).record);
            prop_assert_eq!(page.more, Page::next(&book, open, most).is_some());
        }
        prop_assert!(all.is_empty() || read.boot(1) == Some(BootId([1; 16])));
        prop_assert_eq!(read.epochs().collect::<Vec<_>>(), all);
    }
}
