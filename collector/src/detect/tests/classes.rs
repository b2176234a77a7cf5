//! Of each class a world, and the late evidence that decides it.

use super::{
    super::{
        Detector, Input, Settings,
        event::{Cap, Class, Grade, Location, Reason, Revision, State},
        input::{Action, Deed, Signal, Told, Watcher},
    },
    NOON, Post, at, first, others, post, replay, run, well, world,
};
use crate::detect::{
    Changes,
    event::{Cause, CauseStatus, Known},
};
use faultline_core::{
    engine::ledger::{BootId, Chapter, Epoch, Placed, Reach, Rung, State as Ladder},
    measurement::NetworkKind,
    time::{Duration, Instant, UnixTime},
};

/// A chapter of a probe's ledger. `up`: minutes since the boot when it began.
pub(super) fn chapter(
    number: u64,
    boot: u8,
    (from, until): (i64, i64),
    up: i64,
    state: Ladder,
) -> Chapter {
    let placed = |minute| Placed {
        at: at(minute),
        error: Duration::from_secs(9),
    };
    let start = Instant(up as u64 * 60_000_000);
    Chapter {
        number,
        run: boot.into(),
        boot: BootId([boot; 16]),
        epoch: Epoch {
            from: start,
            until: start + Duration::from_secs((until - from) as u64 * 60),
            state,
            checks: 10,
            failures: 9,
        },
        from: Some(placed(from)),
        until: Some(placed(until)),
        by_clock: true,
    }
}

pub(super) fn cut() -> Ladder {
    Ladder::default()
        .with(Rung::Link, Reach::Good)
        .with(Rung::Gateway, Reach::Good)
        .with(Rung::Domestic, Reach::Bad)
        .with(Rung::Foreign, Reach::Bad)
        .with(Rung::Collector, Reach::Bad)
}

pub(super) fn domestic() -> Ladder {
    cut().with(Rung::Domestic, Reach::Good)
}

fn ours() -> Ladder {
    well().with(Rung::Collector, Reach::Bad)
}

/// What a probe hands in that was in `state` for as long as it was not heard.
fn ledger(post: &Post, told: i64, (from, until): (i64, i64), state: Ladder) -> (i64, Input) {
    let chapters = vec![
        chapter(1, 1, (from - 600, from - 1), 1000, well()),
        chapter(2, 1, (from, until), 1600, state),
        chapter(3, 1, (until + 1, until + 30), 1700, well()),
    ];
    let told = Told {
        probe: post.id(),
        received: at(told),
        chapters,
    };
    (told.received.0, Input::Told(told)).due()
}

/// What one hands in that was off.
fn off(post: &Post, told: i64, (from, until): (i64, i64)) -> (i64, Input) {
    let chapters = vec![
        chapter(1, 1, (from - 600, from - 1), 1000, well()),
        chapter(2, 2, (until, until + 30), 1, well()),
    ];
    let told = Told {
        probe: post.id(),
        received: at(told),
        chapters,
    };
    (told.received.0, Input::Told(told)).due()
}

trait Due {
    fn due(self) -> (i64, Input);
}

impl Due for (i64, Input) {
    /// Microseconds to minutes of the tests.
    fn due(self) -> (i64, Input) {
        ((self.0 - at(0).0) / 60_000_000, self.1)
    }
}

pub(super) fn country(networks: u32, n: u16) -> Vec<Post> {
    (0..n)
        .map(|number| post(number, "XA", u32::from(number) % networks + 1))
        .collect()
}

pub(super) fn with_others(mut posts: Vec<Post>) -> Vec<Post> {
    posts.extend(others());
    posts
}

/// Plays a world in which some are silent for a time.
fn play(
    posts: Vec<Post>,
    (from, until): (i64, i64),
    hit: impl Fn(&Post) -> bool,
    minutes: i64,
    late: &[(i64, Input)],
) -> (Detector, Changes) {
    let posts = with_others(posts);
    let script = move |post: &Post, minute: i64| {
        let out = hit(post) && (from..until).contains(&minute);
        (!out).then(|| (well(), 1, 1))
    };
    run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        late,
    )
}

pub(super) fn only(detector: &Detector) -> Revision {
    let all: Vec<_> = detector
        .events()
        .into_iter()
        .filter(|event| event.state != State::Merged)
        .collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

fn place(text: &str) -> Location {
    text.parse().unwrap()
}

const LONG: (i64, i64) = (NOON, NOON + 180);

#[test]
fn late_ledgers_turn_a_blackout_into_isolation_and_raise_the_confidence() {
    let posts = country(2, 10);
    let late: Vec<_> = posts
        .iter()
        .take(5)
        .map(|post| ledger(post, NOON + 200, LONG, domestic()))
        .collect();
    let (detector, changes) = play(posts, LONG, |post| post.country == "XA", NOON + 300, &late);
    let last = only(&detector);
    assert_eq!(last.disruption_class, Class::InternationalIsolation);
    assert_eq!(last.state, State::Ended);
    let before = first(&changes, State::Confirmed).unwrap();
    assert_eq!(before.disruption_class, Class::TotalBlackout);
    assert!(before.confidence <= Cap::NoOutsideSignal.limit());
    assert!(last.confidence > 0.95, "{last:#?}");
    assert_eq!(last.evidence_grade, Grade::B);
    assert_eq!(last.retro_evidence_sites, 5);
    assert!(last.retro_minutes > 800);
    let said = changes
        .evidence
        .iter()
        .rev()
        .find(|row| row.verdict == "powered_domestic_only");
    assert_eq!(said.unwrap().sites, Some(5));
    assert!(last.start_upper.0 - last.start_lower.0 <= 90_000_000);
}

/// Two beats without an answer, and a probe notes that nobody is there: what its ledger says
/// before that is no proof that somebody was.
#[test]
fn a_ledger_that_notices_late_does_not_exclude_when_it_began() {
    let posts = country(2, 10);
    let noticed = (LONG.0 + 2, LONG.1);
    let late: Vec<_> = posts
        .iter()
        .map(|post| ledger(post, NOON + 200, noticed, domestic()))
        .collect();
    let (detector, _) = play(posts, LONG, |post| post.country == "XA", NOON + 300, &late);
    let last = only(&detector);
    assert_eq!(last.retro_evidence_sites, 10);
    assert!(last.start_lower <= at(NOON), "{}", last.start_lower);
    assert!(last.start_upper >= at(NOON), "{}", last.start_upper);
}

#[test]
fn who_is_heard_and_reaches_nothing_abroad_is_isolated_at_once() {
    let posts = with_others(country(2, 8));
    let script = |post: &Post, minute: i64| {
        let out = post.country == "XA" && (LONG.0..LONG.1).contains(&minute);
        let state = if out {
            well().with(Rung::Foreign, Reach::Bad)
        } else {
            well()
        };
        Some((state, 1, 1))
    };
    let minutes = NOON + 300;
    let (detector, changes) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    let suspected = first(&changes, State::Suspected).unwrap();
    assert_eq!(suspected.disruption_class, Class::InternationalIsolation);
    assert!(suspected.as_of <= at(NOON + 3));
    assert!(first(&changes, State::Confirmed).is_some());
    assert_eq!(only(&detector).state, State::Ended);
}

#[test]
fn services_that_fail_alone_are_a_service_block() {
    let posts = with_others(country(2, 8));
    let script = |post: &Post, minute: i64| {
        let out = post.country == "XA" && (LONG.0..LONG.1).contains(&minute);
        let state = if out {
            well().with(Rung::Canary, Reach::Bad)
        } else {
            well()
        };
        Some((state, 1, 1))
    };
    let minutes = NOON + 300;
    let (detector, changes) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    assert!(first(&changes, State::Confirmed).is_some());
    let last = only(&detector);
    assert_eq!(last.disruption_class, Class::ServiceBlock);
    assert_eq!(last.full_or_service, crate::detect::event::Extent::Service);
    assert_eq!(last.state, State::Ended);
}

#[test]
fn what_takes_one_kind_of_access_is_named_after_it() {
    for (kind, class) in [
        (NetworkKind::Mobile, Class::MobileOnly),
        (NetworkKind::Fixed, Class::FixedOnly),
    ] {
        let mut posts = country(4, 12);
        for post in &mut posts {
            post.access = if post.asn <= 2 {
                NetworkKind::Mobile
            } else {
                NetworkKind::Fixed
            };
        }
        let hit = move |post: &Post| post.country == "XA" && post.access == kind;
        let (detector, changes) = play(posts, LONG, hit, NOON + 300, &[]);
        let last = only(&detector);
        assert_eq!(last.disruption_class, class, "{last:#?}");
        assert_eq!(last.location.country().unwrap().as_str(), "XA");
        assert!(matches!(last.location, Location::Access(..)));
        assert!(first(&changes, State::Confirmed).is_some());
    }
}

#[test]
fn one_network_is_never_confirmed_by_liveness_alone() {
    let hit = |post: &Post| post.country == "XA" && post.asn == 1;
    let (detector, changes) = play(country(2, 12), LONG, hit, NOON + 300, &[]);
    let last = only(&detector);
    assert_eq!(last.location, place("country/XA/asn/1"));
    assert_eq!(last.disruption_class, Class::AsnOnly);
    assert!(first(&changes, State::Confirmed).is_none());
    assert!(last.confidence <= Cap::OneNetwork.limit());
    assert_eq!(last.evidence_grade, Grade::D);
    // With an outside signal it is.
    let late = [signal(Watcher::Ioda, "country/XA/asn/1", NOON, NOON + 20)];
    let (detector, changes) = play(country(2, 12), LONG, hit, NOON + 300, &late);
    assert!(first(&changes, State::Confirmed).is_some());
    assert!(only(&detector).signals.contains(&"import:ioda".to_owned()));
    // With ledgers it is, too.
    let late: Vec<_> = country(2, 12)
        .iter()
        .filter(|post| hit(post))
        .map(|post| ledger(post, NOON + 200, LONG, cut()))
        .collect();
    let (detector, changes) = play(country(2, 12), LONG, hit, NOON + 300, &late);
    assert!(first(&changes, State::Confirmed).is_some());
    assert_eq!(only(&detector).disruption_class, Class::AsnOnly);
}

#[test]
fn a_part_of_a_country_is_regional() {
    let mut posts = country(3, 15);
    for post in &mut posts {
        post.region = if post.number < 6 { "XA-01" } else { "XA-02" };
    }
    let hit = |post: &Post| post.region == "XA-01";
    let late: Vec<_> = posts
        .iter()
        .filter(|post| hit(post))
        .map(|post| ledger(post, NOON + 200, LONG, cut()))
        .collect();
    let (detector, changes) = play(posts, LONG, hit, NOON + 300, &late);
    let last = only(&detector);
    assert_eq!(last.location, place("region/XA-01"));
    assert_eq!(last.disruption_class, Class::Regional);
    assert_eq!(last.admin1_codes, ["XA-01"]);
    let confirmed = first(&changes, State::Confirmed).unwrap();
    assert_eq!(confirmed.revision_reason, Reason::LateProbeEvidence);
}

#[test]
fn an_evening_power_cut_of_one_provider_ends_as_power() {
    let evening = (19 * 60, 20 * 60 + 30);
    let hit = |post: &Post| post.country == "XA" && post.asn == 1;
    let posts = country(2, 12);
    let late: Vec<_> = posts
        .iter()
        .filter(|post| hit(post))
        .map(|post| off(post, evening.1 + 20, evening))
        .collect();
    let (detector, changes) = play(posts, evening, hit, 23 * 60, &late);
    let last = only(&detector);
    assert_eq!(last.disruption_class, Class::Power, "{last:#?}");
    assert_eq!(
        (last.cause, last.cause_status),
        (Cause::Power, CauseStatus::Inferred)
    );
    assert!(first(&changes, State::Confirmed).is_none());
}

#[test]
fn boots_alone_point_to_power() {
    let posts = with_others(country(2, 12));
    let hit = |post: &Post| post.country == "XA" && post.number < 8;
    let script = |post: &Post, minute: i64| {
        let from = NOON + i64::from(post.number) * 5;
        let out = hit(post) && (from..NOON + 200).contains(&minute);
        let boot = 1 + u8::from(hit(post) && minute >= from);
        (!out).then(|| (well(), boot.into(), boot))
    };
    let minutes = NOON + 300;
    let (detector, _) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    for event in detector.events() {
        assert_eq!(event.disruption_class, Class::Power, "{event:#?}");
    }
    assert!(!detector.events().is_empty());
}

#[test]
fn the_same_minute_in_several_countries_is_a_cable_and_one_incident() {
    let mut posts = country(2, 6);
    posts.extend((20..26).map(|n| post(n, "XB", u32::from(n % 2) + 11)));
    posts.extend((30..36).map(|n| post(n, "XC", u32::from(n % 2) + 21)));
    let hit = |post: &Post| post.number < 100;
    let (detector, _) = play(posts, LONG, hit, NOON + 300, &[]);
    let events = detector.events();
    assert_eq!(events.len(), 3, "{events:#?}");
    for event in &events {
        assert_eq!(event.disruption_class, Class::Cable, "{event:#?}");
        assert_eq!(
            event.incident_id,
            events.iter().map(|event| event.event_id).min()
        );
        assert_eq!(event.related_ids.len(), 2);
    }
}

/// Hours apart, and with nothing but hosts of their own: one cable, as soon as both tell.
#[test]
fn isolations_that_overlap_in_two_countries_are_a_cable_once_they_tell() {
    let mut posts = country(2, 6);
    posts.extend((20..26).map(|n| post(n, "XB", u32::from(n % 2) + 11)));
    let end = NOON + 500;
    let span = |post: &Post| match post.country {
        "XA" => Some((NOON, NOON + 300)),
        "XB" => Some((NOON + 120, NOON + 300)),
        _ => None,
    };
    let late: Vec<_> = posts
        .iter()
        .filter_map(|post| Some(ledger(post, NOON + 350, span(post)?, domestic())))
        .collect();
    let script = |post: &Post, minute: i64| {
        let out = span(post).is_some_and(|(from, until)| (from..until).contains(&minute));
        (!out).then(|| (well(), 1, 1))
    };
    let world = world(&with_others(posts), end, &script);
    let (detector, _) = run(&world, end, Settings::default(), &late);
    let events = detector.events();
    assert_eq!(events.len(), 2, "{events:#?}");
    for event in &events {
        assert_eq!(event.disruption_class, Class::Cable, "{event:#?}");
        assert_eq!(event.related_ids.len(), 1);
    }
}

/// An order reaches every network; a cable those that lease it.
#[test]
fn an_isolation_that_spares_networks_may_be_a_cable() {
    let posts = country(4, 12);
    let classes = |spared: u32| {
        let hit = |post: &Post| post.country == "XA" && post.asn > spared;
        let cut = posts.iter().filter(|post| hit(post));
        let late: Vec<_> = cut
            .map(|post| ledger(post, NOON + 200, LONG, domestic()))
            .collect();
        let (detector, _) = play(posts.clone(), LONG, hit, NOON + 300, &late);
        only(&detector).disruption_class
    };
    assert_eq!(classes(0), Class::InternationalIsolation);
    assert_eq!(classes(1), Class::Cable);
}

/// From inside a broken cable looks like an order; on an island with one cable, only the
/// cable is known to do that. Who documents an order is believed.
#[test]
fn an_island_with_one_cable_is_not_said_to_be_cut_off_by_order() {
    let island = |number| post(number, "TO", u32::from(number) % 2 + 1);
    let posts: Vec<Post> = (0..10).map(island).collect();
    let hit = |post: &Post| post.country == "TO";
    let told: Vec<_> = posts
        .iter()
        .map(|post| ledger(post, NOON + 200, LONG, domestic()))
        .collect();
    let (detector, _) = play(posts.clone(), LONG, hit, NOON + 300, &told);
    let last = only(&detector);
    assert_eq!(last.disruption_class, Class::Cable);
    let isolation = last
        .alternatives
        .iter()
        .find(|one| one.class == Class::InternationalIsolation)
        .unwrap();
    assert!(isolation.probability > 0.01, "{:?}", last.alternatives);
    // Nothing gets through at all: no cable does that.
    let dark: Vec<_> = posts
        .iter()
        .map(|post| ledger(post, NOON + 200, LONG, cut()))
        .collect();
    let (detector, _) = play(posts.clone(), LONG, hit, NOON + 300, &dark);
    assert_eq!(only(&detector).disruption_class, Class::TotalBlackout);
    let mut late = told;
    late.push(signal(Watcher::KeepItOn, "country/TO", 0, NOON + 220));
    let (detector, _) = play(posts, LONG, hit, NOON + 300, &late);
    let last = only(&detector);
    assert_eq!(last.disruption_class, Class::InternationalIsolation);
    assert_eq!(last.cause_status, CauseStatus::Documented);
}

#[test]
fn throttling_is_said_by_others_or_an_analyst() {
    let hit = |post: &Post| post.country == "XA";
    let (detector, _) = play(country(2, 8), LONG, hit, NOON + 200, &[]);
    let event = only(&detector).event_id;
    let rule = acted(
        event,
        NOON + 210,
        Deed::Reclassify {
            class: Class::Throttling,
        },
    );
    let (detector, _) = play(country(2, 8), LONG, hit, NOON + 300, &[rule]);
    let last = only(&detector);
    assert_eq!(last.disruption_class, Class::Throttling);
    assert_eq!(last.revision_reason, Reason::Analyst);
}

fn acted(event: crate::detect::event::EventId, minute: i64, deed: Deed) -> (i64, Input) {
    let action = Action {
        event,
        at: at(minute),
        by: "an analyst".into(),
        deed,
        reason: "a reason".into(),
    };
    (minute, Input::Acted(action))
}

pub(super) fn signal(
    watcher: Watcher,
    location: &str,
    from: i64,
    received: i64,
) -> (i64, Input) {
    let daily = watcher == Watcher::KeepItOn;
    let signal = Signal {
        watcher,
        id: "one".into(),
        source: "bgp".into(),
        location: place(location),
        from: at(from),
        until: Some(at(from + if daily { 2880 } else { 100 })),
        precision_s: if daily { 86_400 } else { 300 },
        value: Some(1.0),
        baseline: Some(100.0),
        class: None,
        cause: daily.then_some(Cause::Government),
        words: "outage".into(),
        url: Some("https://example.org/1".into()),
        received: at(received),
    };
    (received, Input::Signal(signal))
}

#[test]
fn a_collector_that_hears_nobody_accuses_nobody_until_ledgers_clear_it() {
    let everybody = |_: &Post| true;
    let (detector, changes) = play(country(2, 10), LONG, everybody, NOON + 300, &[]);
    assert!(changes.revisions.is_empty(), "{:#?}", changes.revisions);
    assert!(detector.events().is_empty());
    // It was a coincidence: in one country they were cut off.
    let late: Vec<_> = country(2, 10)
        .iter()
        .map(|post| ledger(post, NOON + 200, LONG, cut()))
        .collect();
    let (detector, _) = play(country(2, 10), LONG, everybody, NOON + 300, &late);
    let last = only(&detector);
    assert_eq!(last.location, place("country/XA"));
    assert_eq!(last.disruption_class, Class::TotalBlackout);
    assert_eq!(last.state, State::Ended);
    assert!(last.confidence > 0.9, "{last:#?}");
}

#[test]
fn ledgers_that_saw_everything_but_the_collector_retract() {
    let posts = country(2, 10);
    let hit = |post: &Post| post.country == "XA";
    let late: Vec<_> = posts
        .iter()
        .map(|post| ledger(post, NOON + 200, LONG, ours()))
        .collect();
    let (detector, changes) = play(posts, LONG, hit, NOON + 300, &late);
    assert!(first(&changes, State::Confirmed).is_some());
    let last = only(&detector);
    assert_eq!(last.state, State::Retracted);
    assert_eq!(last.disruption_class, Class::CollectorFault);
    assert!(last.belief < 0.05);
}

/// Four of ten: liveness alone confirms no such thing. They are of two networks, and what two
/// lose may be a fault of each: ledgers of some minutes do not confirm it, nor do those of an
/// hour; those of hours do.
#[test]
fn what_lapsed_is_confirmed_by_who_was_on_and_cut_off_for_long_enough() {
    let posts = country(2, 10);
    let hit = |post: &Post| post.country == "XA" && post.number < 4;
    let told = |span| -> Vec<_> {
        let hit = posts.iter().filter(|post| hit(post));
        hit.map(|post| ledger(post, NOON + 200, span, cut()))
            .collect()
    };
    for long in [7, 60] {
        let span = (NOON, NOON + long);
        let (detector, changes) = play(posts.clone(), span, hit, NOON + 300, &told(span));
        assert_eq!(only(&detector).state, State::Lapsed);
        assert!(first(&changes, State::Confirmed).is_none());
    }
    let long = (NOON, NOON + 130);
    let (detector, _) = play(posts.clone(), long, hit, NOON + 199, &[]);
    assert_eq!(only(&detector).state, State::Lapsed);
    let (detector, changes) = play(posts.clone(), long, hit, NOON + 300, &told(long));
    let confirmed = first(&changes, State::Confirmed).unwrap();
    assert_eq!(confirmed.revision_reason, Reason::LateProbeEvidence);
    assert_eq!(only(&detector).state, State::Ended);
}

/// In several networks at the same minute, a quarter of an hour of it is enough.
#[test]
fn what_several_networks_lost_together_is_confirmed_by_minutes_of_ledgers() {
    let posts = country(4, 16);
    let hit = |post: &Post| post.country == "XA" && post.number < 8;
    let span = (NOON, NOON + 15);
    let told: Vec<_> = posts
        .iter()
        .filter(|post| hit(post))
        .map(|post| ledger(post, NOON + 100, span, cut()))
        .collect();
    let (detector, changes) = play(posts, span, hit, NOON + 200, &told);
    let confirmed = first(&changes, State::Confirmed).unwrap();
    assert_eq!(confirmed.revision_reason, Reason::LateProbeEvidence);
    assert_eq!(only(&detector).state, State::Ended);
}

/// An hour of the night in one network is its operator's maintenance, whoever attests it, as
/// long as nobody else saw it.
#[test]
fn an_hour_of_one_network_is_maintenance_until_somebody_else_saw_it() {
    let night = (3 * 60, 4 * 60);
    let posts = country(3, 12);
    let hit = |post: &Post| post.country == "XA" && post.asn == 1;
    let mut late: Vec<_> = posts
        .iter()
        .filter(|post| hit(post))
        .map(|post| ledger(post, night.1 + 30, night, cut()))
        .collect();
    let end = night.1 + 120;
    let (detector, changes) = play(posts.clone(), night, hit, end, &late);
    assert_eq!(only(&detector).state, State::Lapsed);
    assert!(first(&changes, State::Confirmed).is_none());
    let seen = signal(Watcher::Ioda, "country/XA/asn/1", night.0, night.1 + 60);
    late.push(seen);
    let (detector, changes) = play(posts, night, hit, end, &late);
    assert!(first(&changes, State::Confirmed).is_some());
    assert_eq!(only(&detector).disruption_class, Class::AsnOnly);
}

/// One network's maintenance, and the only site of another that goes by chance: all that a
/// country of three has, and no shutdown of it.
#[test]
fn a_network_and_a_single_site_beside_it_may_be_chance() {
    let networks = |number: u16| post(number, "XA", if number < 2 { 1 } else { 2 });
    let posts: Vec<Post> = (0..3).map(networks).collect();
    let hit = |post: &Post| post.country == "XA";
    let short = (NOON, NOON + 50);
    let (detector, changes) = play(posts.clone(), short, hit, NOON + 120, &[]);
    assert!(first(&changes, State::Confirmed).is_none());
    assert_eq!(only(&detector).state, State::Lapsed);
    // Neither lasts for hours.
    let (_, changes) = play(posts, LONG, hit, NOON + 240, &[]);
    let confirmed = first(&changes, State::Confirmed).unwrap();
    assert!(confirmed.as_of >= at(NOON + 120), "{}", confirmed.as_of);
}

#[test]
fn chapters_placed_by_order_alone_confirm_nothing() {
    let posts = country(2, 10);
    let short = (NOON, NOON + 7);
    let hit = |post: &Post| post.country == "XA";
    let late: Vec<_> = posts
        .iter()
        .map(|post| {
            let (due, input) = ledger(post, NOON + 100, short, cut());
            let Input::Told(mut told) = input else {
                unreachable!()
            };
            for chapter in &mut told.chapters {
                chapter.by_clock = false;
            }
            (due, Input::Told(told))
        })
        .collect();
    let (detector, changes) = play(posts, short, hit, NOON + 200, &late);
    assert!(first(&changes, State::Confirmed).is_none());
    assert_eq!(only(&detector).state, State::Lapsed);
}

/// The same chapters, placed by a clock that was not known before.
#[test]
fn chapters_that_a_clock_places_afterwards_are_a_correction_of_clocks() {
    let posts = country(2, 10);
    let span = (NOON, NOON + 130);
    let hit = |post: &Post| post.country == "XA" && post.number < 4;
    let tell = |minute: i64, by_clock: bool| {
        let posts = posts.iter().filter(|post| hit(post));
        let tell = posts.map(move |post| {
            let (due, input) = ledger(post, minute, span, cut());
            let Input::Told(mut told) = input else {
                unreachable!()
            };
            for chapter in &mut told.chapters {
                chapter.by_clock = by_clock;
            }
            (due, Input::Told(told))
        });
        tell.collect::<Vec<_>>()
    };
    let mut late = tell(NOON + 200, false);
    let (detector, _) = play(posts.clone(), span, hit, NOON + 300, &late);
    assert_eq!(only(&detector).state, State::Lapsed);
    late.extend(tell(NOON + 250, true));
    let (detector, changes) = play(posts.clone(), span, hit, NOON + 300, &late);
    let confirmed = first(&changes, State::Confirmed).unwrap();
    assert_eq!(confirmed.revision_reason, Reason::ClockCorrection);
    assert_eq!(only(&detector).state, State::Ended);
    // What is told again as it was corrects nothing.
    let mut again = tell(NOON + 200, true);
    again.extend(tell(NOON + 250, true));
    let (_, changes) = play(posts.clone(), span, hit, NOON + 300, &again);
    let reason = Reason::ClockCorrection;
    assert!(
        changes
            .revisions
            .iter()
            .all(|one| one.revision_reason != reason)
    );
}

#[test]
fn an_alarm_soon_after_the_end_is_the_same_event() {
    let posts = with_others(country(2, 10));
    let script = |post: &Post, minute: i64| {
        let spans = [(NOON, NOON + 60), (NOON + 75, NOON + 140)];
        let within = spans
            .iter()
            .any(|(from, until)| (*from..*until).contains(&minute));
        (!(post.country == "XA" && within)).then(|| (well(), 1, 1))
    };
    let minutes = NOON + 300;
    let (detector, changes) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    let last = only(&detector);
    assert_eq!(last.state, State::Ended);
    assert!(last.end.unwrap() > at(NOON + 130));
    let ended = changes
        .revisions
        .iter()
        .filter(|one| one.state == State::Ended);
    assert_eq!(ended.count(), 2);
}

#[test]
fn a_country_swallows_its_network() {
    let hit_at = |post: &Post| if post.asn == 1 { NOON } else { NOON + 12 };
    let posts = with_others(country(2, 12));
    let script = |post: &Post, minute: i64| {
        let out = post.country == "XA" && (hit_at(post)..NOON + 200).contains(&minute);
        (!out).then(|| (well(), 1, 1))
    };
    let minutes = NOON + 300;
    let (detector, _) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    let all = detector.events();
    assert_eq!(all.len(), 2, "{all:#?}");
    let large = only(&detector);
    assert_eq!(large.location, place("country/XA"));
    assert_eq!(large.affected_sites, 12);
    let small = all
        .iter()
        .find(|event| event.state == State::Merged)
        .unwrap();
    assert_eq!(small.merged_into, Some(large.event_id));
    assert!(large.related_ids.contains(&small.event_id));
}

#[test]
fn night_after_night_is_one_incident() {
    let posts = with_others(country(2, 8));
    let script = |post: &Post, minute: i64| {
        let night = (60..300).contains(&(minute % 1440)) && minute > 1440;
        (!(post.country == "XA" && night)).then(|| (well(), 1, 1))
    };
    let minutes = 4 * 1440;
    let (detector, _) = replay(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    let all = detector.events();
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(
        all.iter()
            .all(|event| event.incident_id == Some(all[0].event_id))
    );
    assert!(all.iter().all(|event| event.drop_fraction > 0.9));
}

#[test]
fn documents_give_causes_and_never_events() {
    let hit = |post: &Post| post.country == "XA";
    let day = [signal(Watcher::KeepItOn, "country/XA", 0, NOON + 220)];
    let (detector, _) = play(country(2, 8), LONG, |_| false, NOON + 300, &day);
    assert!(detector.events().is_empty());
    let (detector, changes) = play(country(2, 8), LONG, hit, NOON + 300, &day);
    let last = only(&detector);
    assert_eq!(
        (last.cause, last.cause_status),
        (Cause::Government, CauseStatus::Documented)
    );
    assert_eq!(last.source_urls, ["https://example.org/1"]);
    // A cause is no sign that it happened.
    assert!(last.confidence <= Cap::NoOutsideSignal.limit());
    assert!(
        changes
            .evidence
            .iter()
            .any(|row| row.signal == "import:keepiton")
    );
}

#[test]
fn analysts_act_by_revisions() {
    let hit = |post: &Post| post.country == "XA";
    let (detector, _) = play(country(2, 8), LONG, hit, NOON + 200, &[]);
    let event = only(&detector).event_id;
    let document = Deed::Document {
        cause: Cause::Exam,
        status: CauseStatus::Documented,
        context: vec![],
        ordered_by: Some("Executive government".into()),
        gov_ack: Known::Yes,
        legal_basis: None,
        area_name: None,
        sources: vec!["https://example.org/decree".into()],
    };
    let deeds = [
        acted(
            event,
            NOON + 210,
            Deed::Annotate {
                note: "seen".into(),
            },
        ),
        acted(event, NOON + 211, document),
        acted(event, NOON + 212, Deed::Retract),
        acted(event, NOON + 213, Deed::Restore),
    ];
    let (detector, changes) = play(country(2, 8), LONG, hit, NOON + 300, &deeds);
    let by: Vec<_> = changes
        .revisions
        .iter()
        .filter(|revision| revision.revision_reason == Reason::Analyst)
        .collect();
    assert_eq!(by.len(), 4);
    assert_eq!(by[2].state, State::Retracted);
    let last = only(&detector);
    assert_eq!(last.state, State::Ended);
    assert_eq!(last.cause, Cause::Exam);
    assert_eq!(last.notes, ["seen"]);
    let numbers: Vec<u32> = changes.revisions.iter().map(|one| one.revision).collect();
    assert!(
        numbers.iter().zip(1..).all(|(one, two)| *one == two),
        "{numbers:?}"
    );
}

#[test]
fn after_a_fortnight_it_is_final_and_what_comes_is_an_erratum() {
    let posts = country(2, 6);
    let hit = |post: &Post| post.country == "XA";
    let days = 18 * 1440;
    let late: Vec<_> = posts
        .iter()
        .map(|post| ledger(post, days - 600, LONG, domestic()))
        .collect();
    let script = |post: &Post, minute: i64| {
        let out = hit(post) && (LONG.0..LONG.1).contains(&minute);
        (!out).then(|| (well(), 1, 1))
    };
    let world = world(&with_others(posts), days, &script);
    let (detector, changes) = replay(&world, days, Settings::default(), &late);
    let last = only(&detector);
    assert_eq!(last.state, State::Final);
    assert_eq!(last.disruption_class, Class::InternationalIsolation);
    let finals: Vec<_> = changes
        .revisions
        .iter()
        .filter(|one| one.state == State::Final)
        .collect();
    assert!(finals.len() >= 2);
    assert!(finals[0].as_of >= at(14 * 1440));
    assert_eq!(finals[0].disruption_class, Class::TotalBlackout);
}

/// What must never become an event, or lapse.
fn quiet(changes: &Changes) {
    for revision in &changes.revisions {
        assert_ne!(revision.state, State::Confirmed, "{revision:#?}");
    }
    if let Some(last) = changes.revisions.last() {
        assert_eq!(last.state, State::Lapsed);
    }
}

#[test]
fn benign_one_probe_that_flaps() {
    let hit = |post: &Post| post.number == 3;
    let posts = with_others(country(2, 6));
    let script = move |post: &Post, minute: i64| {
        (!(hit(post) && minute % 20 < 8)).then(|| (well(), 1, 1))
    };
    let minutes = 2 * 1440;
    let (_, changes) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    assert!(changes.revisions.is_empty());
}

#[test]
fn benign_restart_of_the_collector() {
    for (long, told) in [(4, false), (12, false), (40, false), (12, true)] {
        let deaf = Input::Deaf {
            from: at(NOON),
            until: at(NOON + long),
        };
        let late = if told { vec![(NOON, deaf)] } else { vec![] };
        let (_, changes) = play(
            country(2, 6),
            (NOON, NOON + long),
            |_| true,
            NOON + 200,
            &late,
        );
        assert!(changes.revisions.is_empty(), "{:#?}", changes.revisions);
    }
}

/// Everybody was silent since the collector was deaf; two of five do not return from that.
#[test]
fn benign_deafness_and_who_stays_away_from_then_on() {
    let posts = with_others(country(3, 5));
    let script = |post: &Post, minute: i64| {
        let stays = post.country == "XA" && post.number < 2;
        let until = if stays { NOON + 240 } else { NOON + 12 };
        (!(NOON..until).contains(&minute)).then(|| (well(), 1, 1))
    };
    let minutes = NOON + 300;
    let (_, changes) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    assert!(first(&changes, State::Confirmed).is_none());
}

#[test]
fn benign_update_that_restarts_every_probe() {
    let posts = with_others(country(2, 10));
    let script = |post: &Post, minute: i64| {
        let from = NOON + i64::from(post.number % 10);
        let out = (from..from + 5).contains(&minute);
        let run = 1 + u32::from(minute >= from);
        (!out).then(|| (well(), run, 1))
    };
    let minutes = NOON + 200;
    let (_, changes) = run(
        &world(&posts, minutes, &script),
        minutes,
        Settings::default(),
        &[],
    );
    quiet(&changes);
}

#[test]
fn without_anybody_elsewhere_it_is_suspected_and_not_confirmed() {
    let posts = country(2, 8);
    let script =
        |_: &Post, minute: i64| (!(LONG.0..LONG.1).contains(&minute)).then(|| (well(), 1, 1));
    let minutes = NOON + 300;
    let world = world(&posts, minutes, &script);
    let (_, changes) = run(&world, minutes, Settings::default(), &[]);
    assert!(first(&changes, State::Suspected).is_some());
    assert!(first(&changes, State::Confirmed).is_none());
    let sure = Settings {
        self_tested: true,
        ..Settings::default()
    };
    let (_, changes) = run(&world, minutes, sure, &[]);
    assert!(first(&changes, State::Confirmed).is_some());
}

#[test]
fn coverage_says_what_could_have_been_seen() {
    let (_, changes) = play(country(2, 10), LONG, |_| false, 2 * 1440 + 10, &[]);
    let of = |text: &str| {
        let place = place(text);
        let rows = changes
            .coverage
            .iter()
            .filter(move |row| row.location == place);
        rows.cloned().next_back().unwrap()
    };
    let country = of("country/XA");
    assert_eq!((country.eligible_sites, country.eligible_asns), (10, 2));
    let least = country.min_detectable_share.unwrap();
    assert!((0.3..=0.7).contains(&least), "{least}");
    assert_eq!(country.deaf_minutes, 0);
    assert_eq!(country.day, UnixTime(at(1440).0));
}
