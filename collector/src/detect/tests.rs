//! Worlds in virtual time, told to the detector a minute at a time.

use super::{
    Changes, Detector, Input, Settings,
    event::{Class, Location, Revision, State},
    input::{Told, Watcher},
};
use crate::store::beats::{Presence, Whereabouts};
use faultline_core::{
    engine::ledger::{BootId, Reach, Rung, State as Ladder},
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
    time::UnixTime,
};

/// A midnight.
const START: i64 = 1_800_057_600;

pub(super) fn at(minutes: i64) -> UnixTime {
    UnixTime::from_secs(START + minutes * 60)
}

/// A probe of a simulated country.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub number: u16,
    pub country: &'static str,
    pub asn: u32,
    pub access: NetworkKind,
    pub region: &'static str,
    /// Seconds after the minute at which it beats.
    pub phase: i64,
}

pub(super) fn post(number: u16, country: &'static str, asn: u32) -> Post {
    Post {
        number,
        country,
        asn,
        access: NetworkKind::Fixed,
        region: "",
        phase: i64::from(number) * 17 % 60,
    }
}

/// Whether and how a probe beats in a minute: its ladder, run and boot.
pub(super) type Script<'a> = &'a dyn Fn(&Post, i64) -> Option<(Ladder, u32, u8)>;

pub(super) fn well() -> Ladder {
    Ladder::default()
        .with(Rung::Domestic, Reach::Good)
        .with(Rung::Foreign, Reach::Good)
        .with(Rung::Canary, Reach::Good)
        .with(Rung::Collector, Reach::Good)
}

impl Post {
    pub(super) fn id(&self) -> ProbeId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&self.number.to_be_bytes());
        id[15] = 1;
        ProbeId(id)
    }

    fn beat(&self, minute: i64, how: (Ladder, u32, u8)) -> Presence {
        let when = UnixTime::from_secs(START + minute * 60 + self.phase);
        Presence {
            probe: self.id(),
            from: when,
            until: when,
            beats: 1,
            longest_gap: 0,
            interval: 60,
            state: how.0,
            run: how.1,
            boot: BootId([how.2; 16]),
            country: Country::new(self.country).unwrap(),
            asn: Asn(self.asn),
            whereabouts: Whereabouts {
                site: u64::from(self.number) + 1,
                access: self.access,
                region: self.region.to_owned(),
            },
        }
    }
}

/// The presences of a world, as the store would hold them in the end, and each as it was after
/// each minute.
pub(super) struct World {
    /// (minute of arrival, the row as it was then)
    pub growing: Vec<(i64, Presence)>,
    pub whole: Vec<Presence>,
}

pub(super) fn world(posts: &[Post], minutes: i64, script: Script) -> World {
    let mut growing = Vec::new();
    let mut whole = Vec::new();
    for post in posts {
        let mut current: Option<Presence> = None;
        for minute in 0..minutes {
            let Some(how) = script(post, minute) else {
                continue;
            };
            let beat = post.beat(minute, how);
            let goes_on = current.as_ref().is_some_and(|current: &Presence| {
                let pause = beat.from.0 - current.until.0;
                let day = |at: UnixTime| at.0.div_euclid(86_400_000_000);
                pause <= 150_000_000
                    && day(beat.from) == day(current.from)
                    && (current.state, current.run, current.boot)
                        == (beat.state, beat.run, beat.boot)
            });
            if goes_on && let Some(current) = &mut current {
                current.until = beat.until;
                current.beats += 1;
            } else {
                whole.extend(current.replace(beat));
            }
            growing.extend(current.clone().map(|row| (minute + 1, row)));
        }
        whole.extend(current);
    }
    growing.sort_by_key(|(minute, row)| (*minute, row.until));
    whole.sort_by_key(|row| (row.from, row.probe));
    World { growing, whole }
}

/// Runs a world a minute at a time with `others` told when they are due.
pub(super) fn run(
    world: &World,
    minutes: i64,
    settings: Settings,
    others: &[(i64, Input)],
) -> (Detector, Changes) {
    let mut detector = Detector::new(settings);
    let mut all = Changes::default();
    let mut rows = world.growing.iter().peekable();
    let mut others = others.iter().peekable();
    for minute in 0..=minutes {
        while let Some((_, row)) = rows.next_if(|(arrives, _)| *arrives <= minute) {
            detector.take(Input::Heard(row.clone()));
        }
        while let Some((_, input)) = others.next_if(|(arrives, _)| *arrives <= minute) {
            detector.take(input.clone());
        }
        let changes = detector.tick(at(minute));
        all.revisions.extend(changes.revisions);
        all.evidence.extend(changes.evidence);
        all.bins.extend(changes.bins);
        all.coverage.extend(changes.coverage);
    }
    (detector, all)
}

/// Twenty probes elsewhere, in two countries.
pub(super) fn others() -> Vec<Post> {
    (100..120)
        .map(|n| post(n, if n < 110 { "XY" } else { "XZ" }, u32::from(n % 4) + 900))
        .collect()
}

pub(super) fn first(changes: &Changes, state: State) -> Option<&Revision> {
    changes
        .revisions
        .iter()
        .find(|revision| revision.state == state)
}

const NOON: i64 = 12 * 60;

#[test]
fn five_probes_a_total_outage_is_suspected_in_five_minutes_and_confirmed_in_fifteen() {
    let mut posts: Vec<Post> = (0..5)
        .map(|n| post(n, "XA", u32::from(n % 2) + 1))
        .collect();
    posts.extend(others());
    let script = |post: &Post, minute: i64| {
        let out = post.country == "XA" && (NOON..NOON + 180).contains(&minute);
        (!out).then(|| (well(), 1, 1))
    };
    let end = NOON + 300;
    let (detector, changes) = run(&world(&posts, end, &script), end, Settings::default(), &[]);
    let suspected = first(&changes, State::Suspected).unwrap();
    assert!(suspected.as_of <= at(NOON + 5), "{}", suspected.as_of);
    let confirmed = first(&changes, State::Confirmed).unwrap();
    assert!(confirmed.as_of <= at(NOON + 15), "{}", confirmed.as_of);
    let last = detector.events();
    assert_eq!(last.len(), 1, "{last:#?}");
    let last = &last[0];
    assert_eq!(
        last.location,
        Location::Country(Country::new("XA").unwrap())
    );
    assert_eq!(last.disruption_class, Class::TotalBlackout);
    assert_eq!(last.state, State::Ended);
    let off = |one: UnixTime, two: i64| (one.0 - at(two).0).abs() / 1_000_000;
    assert!(off(last.start, NOON) <= 60, "{}", last.start);
    assert!(off(last.end.unwrap(), NOON + 180) <= 60, "{:?}", last.end);
    assert!(last.start_lower <= last.start && last.start <= last.start_upper);
    assert!(changes.bins.len() > 30);
}

/// The same world told otherwise: all rows at the start, and ticks only when they are needed.
fn replay(
    world: &World,
    minutes: i64,
    settings: Settings,
    others: &[(i64, Input)],
) -> (Detector, Changes) {
    let mut detector = Detector::new(settings);
    for row in &world.whole {
        detector.take(Input::Heard(row.clone()));
    }
    let mut all = Changes::default();
    let mut others = others.iter().peekable();
    for minute in 0..=minutes {
        let mut new = false;
        while let Some((_, input)) = others.next_if(|(arrives, _)| *arrives <= minute) {
            detector.take(input.clone());
            new = true;
        }
        if !new && minute > 0 && minute < minutes && at(minute) < detector.idle_until() {
            continue;
        }
        let changes = detector.tick(at(minute));
        all.revisions.extend(changes.revisions);
        all.evidence.extend(changes.evidence);
        all.bins.extend(changes.bins);
        all.coverage.extend(changes.coverage);
    }
    (detector, all)
}

mod aftermath;
mod classes;
mod nights;

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// What a ledger says: whose, when it is told, the chapter's number, from when, for how long,
    /// of which kind, placed by a clock or by order.
    type Telling = (u16, i64, u64, i64, i64, u8, bool);

    fn telling() -> impl Strategy<Value = Telling> {
        (
            0..26_u16,
            60..1740_i64,
            1..4_u64,
            0..1700_i64,
            1..400_i64,
            0..4_u8,
            any::<bool>(),
        )
    }

    /// Everything that is told besides presences, in the order in which it is.
    fn told(
        posts: &[Post],
        tellings: &[Telling],
        signals: &[(i64, i64)],
        deaf: &[(i64, i64)],
    ) -> Vec<(i64, Input)> {
        let mut all = Vec::new();
        for (number, minute, chapter, from, long, kind, by_clock) in tellings {
            let state = match kind {
                0 => classes::cut(),
                1 => classes::domestic(),
                2 => well().with(Rung::Collector, Reach::Bad),
                _ => well(),
            };
            let span = (*from, from + long);
            let mut chapter = classes::chapter(*chapter, 1, span, from + 1000, state);
            chapter.by_clock = *by_clock;
            let who = &posts[usize::from(*number) % posts.len()];
            let told = Told {
                probe: who.id(),
                received: at(*minute),
                chapters: vec![chapter],
            };
            all.push((*minute, Input::Told(told)));
        }
        for (minute, from) in signals {
            all.push(classes::signal(Watcher::Ioda, "country/XA", *from, *minute));
        }
        for (from, long) in deaf {
            let (from, until) = (at(*from), at(from + long));
            all.push((
                (until.0 - at(0).0) / 60_000_000,
                Input::Deaf { from, until },
            ));
        }
        all.sort_by_key(|(minute, _)| *minute);
        all
    }

    /// An outage: of which country's which part, from when, for how long.
    fn outage() -> impl Strategy<Value = (u8, u8, i64, i64)> {
        (0..3_u8, 0..6_u8, 60..1700_i64, 1..400_i64)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]

        #[test]
        fn whoever_feeds_it_how_it_says_the_same(
            outages in proptest::collection::vec(outage(), 0..6),
            flaps in proptest::collection::vec((0..26_u16, 0..1800_i64, 1..40_i64), 0..20),
            tellings in proptest::collection::vec(telling(), 0..60),
            signals in proptest::collection::vec((60..1740_i64, 0..1700_i64), 0..4),
            deaf in proptest::collection::vec((60..1600_i64, 1..60_i64), 0..4),
        ) {
            let mut posts: Vec<Post> = (0..6).map(|n| post(n, "XA", u32::from(n % 2) + 1)).collect();
            posts.extend(others());
            let countries = ["XA", "XY", "XZ"];
            let script = |post: &Post, minute: i64| {
                let within = |from: i64, long: i64| (from..from + long).contains(&minute);
                let hit = outages.iter().find(|(country, part, from, long)| {
                    countries[usize::from(*country)] == post.country
                        && post.number % 6 != u16::from(*part)
                        && within(*from, *long)
                });
                let flap = flaps.iter().any(|(number, from, long)| {
                    (post.number == *number || post.number == number + 94) && within(*from, *long)
                });
                match hit {
                    Some((_, 5, ..)) => Some((
                        well().with(Rung::Foreign, Reach::Bad), 1, 1,
                    )),
                    Some(_) => None,
                    None if flap => None,
                    None => Some((well(), 1, 1)),
                }
            };
            let minutes = 1440 + 300;
            let world = world(&posts, minutes, &script);
            let others = told(&posts, &tellings, &signals, &deaf);
            let (_, live) = run(&world, minutes, Settings::default(), &others);
            let (_, rebuilt) = replay(&world, minutes, Settings::default(), &others);
            prop_assert_eq!(live.revisions, rebuilt.revisions);
            prop_assert_eq!(live.bins, rebuilt.bins);
            prop_assert_eq!(live.evidence, rebuilt.evidence);
            prop_assert_eq!(live.coverage, rebuilt.coverage);
        }

        /// Rows of any order, place and state, clocks that leap, ticks that go back.
        #[test]
        fn no_rows_make_it_panic(
            rows in proptest::collection::vec(
                (0..12_u16, 0..5_u8, any::<u8>(), -90_000..90_000_i64, -600..90_000_i64, any::<u16>()),
                0..60,
            ),
            wild in proptest::collection::vec((any::<i64>(), any::<i64>()), 0..3),
            leaps in proptest::collection::vec(-7200..2 * 86_400_i64, 1..8),
        ) {
            let mut detector = Detector::new(Settings::default());
            let mut now = START;
            let mut leaps = leaps.into_iter();
            for (number, kind, any, from, lasts, interval) in rows {
                let country = ["XA", "XB", "X", ""][usize::from(any % 4)];
                let who = post(number, if country.len() == 2 { country } else { "XC" }, any.into());
                let mut row = who.beat(0, (well(), any.into(), any));
                row.from = UnixTime::from_secs(now + from);
                row.until = UnixTime::from_secs(now + from + lasts);
                (row.beats, row.interval) = (u32::from(any), interval);
                match kind {
                    0 => detector.take(Input::Deaf { from: row.from, until: row.until }),
                    1 => now += leaps.next().unwrap_or(60),
                    _ => detector.take(Input::Heard(row)),
                }
                detector.tick(UnixTime::from_secs(now));
            }
            for (from, until) in wild {
                let mut row = post(1, "XA", 1).beat(0, (well(), 1, 1));
                (row.from, row.until) = (UnixTime(from), UnixTime(until));
                detector.take(Input::Heard(row));
                detector.take(Input::Deaf { from: UnixTime(from), until: UnixTime(until) });
                now += 60;
                detector.tick(UnixTime::from_secs(now));
            }
            detector.again();
            detector.events();
        }
    }
}
