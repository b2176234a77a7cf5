//! Machines that their owners switch off every night.

use super::{
    super::{Changes, Settings, event::State},
    Post, at, others, post, run, well, world,
};

const DAY: i64 = 1440;
/// The night on which they go at the same time.
const LAST: i64 = 5;

/// The three probes of a country, in two networks, are off from 23:00 to 07:00: on the last night from the
/// same minute, on those before, if they do it then, each at its own.
fn night(habit: bool) -> Changes {
    let mut posts: Vec<Post> = (0..3)
        .map(|n| post(n, "XA", u32::from(n % 2) + 1))
        .collect();
    posts.extend(others());
    let script = move |post: &Post, minute: i64| {
        // A night belongs to the day on which it begins.
        let day = (minute - 12 * 60).div_euclid(DAY);
        let spread = if day == LAST {
            0
        } else {
            i64::from(post.number) * 19 + day % 3 * 4 - 20
        };
        let off = day * DAY + 23 * 60 + spread;
        let asleep = (off..off + 8 * 60).contains(&minute);
        let sleeps = post.country == "XA" && day >= 0;
        let out = asleep && sleeps && (habit || day == LAST);
        (!out).then(|| (well(), 1, 1))
    };
    let end = (LAST + 1) * DAY + 9 * 60;
    run(&world(&posts, end, &script), end, Settings::default(), &[]).1
}

fn confirmed(changes: &Changes) -> usize {
    let mut all: Vec<_> = changes
        .revisions
        .iter()
        .filter(|said| said.state == State::Confirmed && said.start > at(0))
        .map(|said| said.event_id)
        .collect();
    all.dedup();
    all.len()
}

#[test]
fn who_is_switched_off_every_night_makes_no_event() {
    assert_eq!(confirmed(&night(true)), 0);
    // The same three, who never did it before, are one.
    assert_eq!(confirmed(&night(false)), 1);
}
