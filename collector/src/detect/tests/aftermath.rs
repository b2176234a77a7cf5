//! What nobody could see, since those who returned had no vote yet, and told afterwards.

use super::{
    super::{
        Changes, Detector, Input, Settings,
        event::{Reason, State},
        input::Told,
    },
    Post, at,
    classes::{chapter, country, cut, only, with_others},
    run, well, world,
};

/// Ten hours: long enough that nobody has a vote when they return.
const FIRST: (i64, i64) = (12 * 60, 22 * 60);

/// Everything that a probe noted of these times in which it was cut off.
fn told(post: &Post, minute: i64, cuts: &[(i64, i64)]) -> (i64, Input) {
    let mut chapters = Vec::new();
    let (mut began, mut number) = (FIRST.0 - 600, 0);
    let mut note = |span: (i64, i64), state| {
        number += 1;
        chapters.push(chapter(number, 1, span, span.0 + 1000, state));
    };
    for (from, until) in cuts {
        note((began, from - 1), well());
        note((*from, *until), cut());
        began = until + 1;
    }
    note((began, minute), well());
    let told = Told {
        probe: post.id(),
        received: at(minute),
        chapters,
    };
    (minute, Input::Told(told))
}

/// A country that is cut off twice; those `again` the second time. All tell in the end.
fn twice(second: (i64, i64), again: u16) -> (Detector, Changes) {
    let posts = country(2, 10);
    let cuts = move |number: u16| {
        let mut cuts = vec![FIRST];
        if number < again {
            cuts.push(second);
        }
        cuts
    };
    let end = second.1 + 120;
    let late: Vec<_> = posts
        .iter()
        .map(|post| told(post, second.1 + 60, &cuts(post.number)))
        .collect();
    let script = move |post: &Post, minute: i64| {
        let spans = cuts(post.number);
        let mut spans = spans.iter();
        let out = spans.any(|(from, until)| (*from..*until).contains(&minute));
        (!(post.country == "XA" && out)).then(|| (well(), 1, 1))
    };
    let world = world(&with_others(posts), end, &script);
    run(&world, end, Settings::default(), &late)
}

fn near(one: faultline_core::time::UnixTime, minute: i64) -> bool {
    (one.0 - at(minute).0).abs() <= 2 * 60_000_000
}

#[test]
fn an_event_that_went_on_after_a_short_return_ends_when_ledgers_say_so() {
    let second = (FIRST.1 + 20, FIRST.1 + 300);
    let (detector, changes) = twice(second, 10);
    let last = only(&detector);
    assert_eq!(last.state, State::Ended);
    assert!(near(last.end.unwrap(), second.1), "{:?}", last.end);
    let before = changes
        .revisions
        .iter()
        .rfind(|one| one.as_of < at(second.1))
        .unwrap();
    assert!(near(before.end.unwrap(), FIRST.1), "{:?}", before.end);
    let late = changes
        .revisions
        .iter()
        .find(|one| one.end.is_some_and(|end| near(end, second.1)))
        .unwrap();
    assert_eq!(late.revision_reason, Reason::LateProbeEvidence);
    assert!(last.area_pct_min > before.area_pct_min);
    // Two of ten that stay away do not keep an event open, nor do they reopen it.
    let (detector, _) = twice(second, 2);
    let end = only(&detector).end.unwrap();
    assert!(near(end, FIRST.1), "{end:?}");
}

#[test]
fn a_second_one_that_nobody_could_see_is_an_event_of_its_own_and_of_one_incident() {
    let second = (FIRST.1 + 50, FIRST.1 + 300);
    let (detector, changes) = twice(second, 10);
    let events = detector.events();
    assert_eq!(events.len(), 2, "{events:#?}");
    let (first, last) = (&events[0], &events[1]);
    assert!(near(first.end.unwrap(), FIRST.1), "{first:#?}");
    assert_eq!(last.state, State::Ended);
    assert_eq!(last.location, first.location);
    assert!(near(last.start, second.0) && near(last.end.unwrap(), second.1));
    assert_eq!(last.affected_sites, 10);
    assert_eq!(last.related_ids, [first.event_id]);
    assert_eq!(last.incident_id, Some(first.event_id));
    assert_eq!(first.incident_id, Some(first.event_id));
    let mut said = changes.revisions.iter();
    let said = said.find(|one| one.event_id == last.event_id).unwrap();
    assert_eq!(said.revision_reason, Reason::LateProbeEvidence);
    // What liveness saw is linked, and not said twice.
    let seen = (FIRST.1 + 400, FIRST.1 + 600);
    let (detector, _) = twice(seen, 10);
    let events = detector.events();
    assert_eq!(events.len(), 2, "{events:#?}");
    assert_eq!(events[1].related_ids, [events[0].event_id]);
    assert!(events[1].start_lower <= events[1].start);
}
