//! Is this probe silent, and how surprising is that?
//!
//! Each probe is its own measure. From its presences of the last fortnight: how long its beats
//! are apart (silent is who is silent for longer than nearly all of that), how often it goes
//! away and comes back (hazards, with a Gamma prior of one week of a typical probe, so that a
//! new probe is taken for a typical one), and how much of four weeks it was there. A probe is
//! eligible for a group's vote when it was heard for an hour of the last six, and does not rest:
//! machines that their owners switch off every night go at nearly the same time, and are no
//! loss. Time that an event covers says nothing about the probe: it is left out (cf. the
//! inpainting of IODA), so that a curfew of every night does not become a habit.
//!
//! The prior of 0.3 disconnections a day is that of RIPE Atlas probes; hazards are rates of a
//! Poisson process, their estimate is the mean of the posterior: (a + events) / (b + days).

use crate::store::beats::Presence;
use faultline_core::time::{Duration, UnixTime};
use std::ops::Range;

/// For how long gaps and hazards are looked at.
const WINDOW: Duration = Duration::from_hours(14 * 24);
/// For how long presence is.
const LONG: Duration = Duration::from_hours(28 * 24);
/// Of a probe that votes: heard for so long ...
const HEARD: Duration = Duration::from_hours(1);
/// ... of so long.
const OF: Duration = Duration::from_hours(6);
/// Silent is who misses so many beats, at least.
const MISSED: u32 = 3;
/// The prior weighs as much as so many days of watching.
const PRIOR_DAYS: f64 = 7.0;
/// Reconnections of a typical probe in a day of absence: a median absence of an hour.
const RETURNS: f64 = 16.6;

/// Of a night's rest: longer absences say nothing of the hours of a day.
const REST: Duration = Duration::from_hours(16);
/// An hour is one of rest where it was missed so often, and on such a share of the days.
const OFTEN: u32 = 3;
const SHARE: f64 = 0.35;

const DAY: f64 = 86_400e6;
const HOUR: i64 = 3_600_000_000;

/// What a probe of some kind of access does, a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Disconnections a day of presence.
    pub leaves: f64,
    /// Reconnections a day of absence.
    pub returns: f64,
}

impl Default for Prior {
    fn default() -> Self {
        Self {
            leaves: 0.3,
            returns: RETURNS,
        }
    }
}

/// How alive a probe is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Liveness {
    /// When it was heard last.
    pub heard: UnixTime,
    /// Silent from so long after that.
    pub patience: Duration,
    /// Disconnections a day of presence.
    pub leaves: f64,
    /// Reconnections a day of absence.
    pub returns: f64,
    /// Share of four weeks (or of its life, if shorter) in which it was there.
    pub availability: f64,
    /// Hours of a day in UTC, from the least bit, in which it is usually away or about to go.
    pub rests: u32,
    /// Whether it counts in a group.
    pub eligible: bool,
}

impl Liveness {
    /// From the presences of one probe, oldest first, as of `now`. `frozen` are times covered by
    /// events; what begins or ends in them is not counted. `None` where it was never heard.
    pub fn of(
        presences: &[Presence],
        frozen: &[Range<UnixTime>],
        prior: Prior,
        now: UnixTime,
    ) -> Option<Self> {
        let known: Vec<&Presence> = presences.iter().filter(|p| p.from <= now).collect();
        let last = known.last()?;
        let heard = last.until.min(now);
        let patience = patience(&known, now);
        let absences: Vec<Range<UnixTime>> = known
            .windows(2)
            .filter_map(|pair| match pair {
                [one, two] if two.from.0.saturating_sub(one.until.0) > micros(patience) => {
                    Some(one.until..two.from)
                }
                _ => None,
            })
            .collect();
        let began = known.first().map_or(now, |first| first.from);
        let recent = back(now, WINDOW).max(began)..now;
        let calm = |at: UnixTime| !frozen.iter().any(|event| event.contains(&at));
        let mut left: Vec<&Range<UnixTime>> = absences.iter().collect();
        let silent = heard..now;
        if now.0.saturating_sub(heard.0) > micros(patience) {
            left.push(&silent);
        }
        let leaves = left
            .iter()
            .filter(|gap| recent.contains(&gap.start) && calm(gap.start));
        let returns = absences
            .iter()
            .filter(|gap| recent.contains(&gap.end) && calm(gap.start));
        let away: f64 = left
            .iter()
            .filter(|gap| calm(gap.start))
            .map(|gap| overlap(gap, &recent))
            .sum();
        let covered: f64 = frozen.iter().map(|event| overlap(event, &recent)).sum();
        let watched = (length(&recent) - covered).max(0.0);
        let there = (watched - away).max(0.0) / DAY;
        let rate = |prior: f64, events: usize, days: f64| {
            (prior * PRIOR_DAYS + events as f64) / (PRIOR_DAYS + days)
        };
        // A week of presence says much of leaving; of returning, an absence of a day does.
        let back_rate = (prior.returns + returns.count() as f64) / (1.0 + away / DAY);
        let long = back(now, LONG).max(began)..now;
        let absent: f64 = left.iter().map(|gap| overlap(gap, &long)).sum();
        let availability = match length(&long) {
            0.0 => 1.0,
            whole => 1.0 - absent / whole,
        };
        let short: Vec<&Range<UnixTime>> = absences
            .iter()
            .filter(|gap| calm(gap.start) && length(gap) <= micros(REST) as f64)
            .collect();
        let rests = rests(&short, &recent, watched / DAY);
        let late = back(now, OF)..now;
        let present: f64 = known
            .iter()
            .map(|p| overlap(&(p.from..p.until), &late))
            .sum();
        Some(Self {
            heard,
            patience,
            leaves: rate(prior.leaves, leaves.count(), there),
            returns: back_rate,
            availability,
            rests,
            eligible: present >= micros(HEARD) as f64 && !is_in(rests, now),
        })
    }

    /// Whether nothing was heard for longer than is usual.
    pub fn is_silent(&self, now: UnixTime) -> bool {
        now.0.saturating_sub(self.heard.0) > micros(self.patience)
    }

    /// How likely it is that such a probe goes away within `window`, for reasons of its own.
    pub fn goes_within(&self, window: Duration) -> f64 {
        let days = window.as_micros() as f64 / DAY;
        // 1 - exp(-x), exact where x is small, and the same on every machine.
        -libm::expm1(-self.leaves * days)
    }
}

/// The hours that absences covered half of on many of so many days, and the hour before the
/// first of them, in which it goes.
fn rests(absences: &[&Range<UnixTime>], recent: &Range<UnixTime>, days: f64) -> u32 {
    let mut missed = [0_u32; 24];
    for gap in absences {
        let (start, end) = (gap.start.max(recent.start).0, gap.end.min(recent.end).0);
        // Rounded to whole hours, of which it covers at least half.
        let hours = (start + HOUR / 2).div_euclid(HOUR)..(end + HOUR / 2).div_euclid(HOUR);
        for hour in hours {
            if let Some(count) = missed.get_mut(hour.rem_euclid(24) as usize) {
                *count += 1;
            }
        }
    }
    let usual = |count: &u32| *count >= OFTEN && f64::from(*count) > days * SHARE;
    let hours = (0..24).zip(&missed);
    let rests = hours.fold(0, |all, (hour, count)| {
        all | u32::from(usual(count)) << hour
    });
    rests | (rests >> 1) | (rests & 1) << 23
}

/// Whether a moment is in one of these hours of a day.
pub(super) fn is_in(hours: u32, now: UnixTime) -> bool {
    hours >> now.0.div_euclid(HOUR).rem_euclid(24) & 1 == 1
}

/// Three beats, or as long as nearly all of its beats were apart, whichever is longer. Of a
/// presence only the longest gap is known: where one beat in a thousand or fewer came as late
/// as that, it is taken for the rare one and left out.
fn patience(presences: &[&Presence], now: UnixTime) -> Duration {
    let from = back(now, WINDOW);
    let recent = || presences.iter().filter(|p| p.until >= from);
    let interval = recent().map(|p| p.interval).next_back().unwrap_or(60);
    let beats: u64 = recent().map(|p| u64::from(p.beats)).sum();
    let mut longest: Vec<u32> = recent().map(|p| p.longest_gap).collect();
    longest.sort_unstable();
    let rare = usize::try_from(beats / 1000).unwrap_or(usize::MAX);
    let usual = longest.iter().rev().nth(rare).copied().unwrap_or(0);
    let least = Duration::from_secs(u64::from(interval)) * MISSED;
    least.max(Duration::from_secs(usual.into()))
}

fn back(now: UnixTime, by: Duration) -> UnixTime {
    UnixTime(now.0.saturating_sub(micros(by)))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn length(span: &Range<UnixTime>) -> f64 {
    span.end.0.saturating_sub(span.start.0).max(0) as f64
}

fn overlap(one: &Range<UnixTime>, two: &Range<UnixTime>) -> f64 {
    length(&(one.start.max(two.start)..one.end.min(two.end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::beats::Whereabouts;
    use faultline_core::{
        engine::ledger::{BootId, State},
        id::{Asn, Country, ProbeId},
    };

    const START: i64 = 1_800_000_000;

    fn at(minutes: i64) -> UnixTime {
        UnixTime::from_secs(START + minutes * 60)
    }

    fn present(from: i64, until: i64) -> Presence {
        Presence {
            probe: ProbeId([1; 16]),
            from: at(from),
            until: at(until),
            beats: (until - from + 1) as u32,
            longest_gap: 61,
            interval: 60,
            state: State::default(),
            run: 1,
            boot: BootId([1; 16]),
            country: Country::UNKNOWN,
            asn: Asn(1),
            whereabouts: Whereabouts::default(),
        }
    }

    fn of(presences: &[Presence], now: i64) -> Liveness {
        Liveness::of(presences, &[], Prior::default(), at(now)).unwrap()
    }

    const DAY: i64 = 24 * 60;

    #[test]
    fn a_steady_probe_is_silent_after_three_beats() {
        let steady = of(&[present(0, 7 * DAY)], 7 * DAY);
        assert_eq!(steady.patience, Duration::from_mins(3));
        assert!(!steady.is_silent(at(7 * DAY + 3)));
        assert!(steady.is_silent(at(7 * DAY + 4)));
        assert!(steady.eligible);
        // A week of prior and a week without an absence: half of the prior.
        assert!((steady.leaves - 0.15).abs() < 1e-9, "{steady:?}");
        assert!((steady.availability - 1.0).abs() < 1e-9);
        let p = steady.goes_within(Duration::from_mins(10));
        assert!((p - 0.15 / 144.0).abs() < 1e-5, "{p}");
    }

    #[test]
    fn a_flaky_probe_surprises_less_than_a_steady_one() {
        // Half an hour away in every six.
        let flaky: Vec<_> = (0..56)
            .map(|at| present(at * 360, at * 360 + 330))
            .collect();
        let flaky = of(&flaky, 56 * 360);
        assert!(flaky.leaves > 2.0 && flaky.leaves < 4.3, "{flaky:?}");
        assert!((flaky.availability - 11.0 / 12.0).abs() < 0.01);
        let window = Duration::from_mins(10);
        let steady = of(&[present(0, 14 * DAY)], 14 * DAY);
        assert!(flaky.goes_within(window) > 10.0 * steady.goes_within(window));
    }

    #[test]
    fn what_an_event_covers_says_nothing_about_the_probe() {
        let presences = [present(0, 5 * DAY), present(8 * DAY, 10 * DAY)];
        let event = at(5 * DAY - 5)..at(8 * DAY + 5);
        let now = at(10 * DAY);
        let blind = Liveness::of(&presences, &[], Prior::default(), now).unwrap();
        let knowing = Liveness::of(&presences, &[event], Prior::default(), now).unwrap();
        assert!(knowing.leaves < blind.leaves);
        let expected = 0.3 * 7.0 / (7.0 + 7.0);
        assert!((knowing.leaves - expected).abs() < 0.01, "{knowing:?}");
    }

    #[test]
    fn who_was_hardly_heard_has_no_vote_and_who_never_was_is_nobody() {
        let short = of(&[present(0, 30)], 60);
        assert!(!short.eligible);
        let gone = of(&[present(0, 600)], 600 + 301);
        assert!(
            !gone.eligible,
            "heard for less than an hour of the last six"
        );
        assert!(of(&[present(0, 600)], 600 + 299).eligible);
        assert_eq!(Liveness::of(&[], &[], Prior::default(), at(0)), None);
        let later = [present(100, 200)];
        assert_eq!(Liveness::of(&later, &[], Prior::default(), at(0)), None);
    }

    #[test]
    fn one_who_is_switched_off_every_night_has_no_vote_then() {
        // START is at 08:00. Off from 23:00 to 07:00, for ten days.
        let nightly: Vec<_> = (0..10)
            .map(|day| present(day * DAY, day * DAY + 15 * 60))
            .collect();
        let morning = of(&nightly, 9 * DAY + 10 * 60);
        assert!(morning.eligible);
        let hours: Vec<u32> = (0..24).filter(|h| morning.rests >> h & 1 == 1).collect();
        assert_eq!(hours, [0, 1, 2, 3, 4, 5, 6, 7, 22, 23]);
        // An hour before, and while it lasts, but not at noon.
        assert!(!of(&nightly, 9 * DAY + 14 * 60 + 10).eligible);
        // Absences without a habit, days of absence, and the nights of an event are none.
        let restless: Vec<_> = (0..20).map(|n| present(n * 500, n * 500 + 440)).collect();
        assert_eq!(of(&restless, 20 * 500).rests, 0);
        let away = [present(0, DAY), present(6 * DAY, 10 * DAY)];
        assert_eq!(of(&away, 10 * DAY).rests, 0);
        let curfew = |from: i64, until: i64| at(from)..at(until);
        let curfews: Vec<_> = (0..10)
            .map(|day| curfew(day * DAY + 15 * 60 - 5, (day + 1) * DAY + 5))
            .collect();
        let now = at(9 * DAY + 600);
        let known = Liveness::of(&nightly, &curfews, Prior::default(), now).unwrap();
        assert_eq!(known.rests, 0);
    }

    #[test]
    fn one_who_beats_irregularly_is_given_the_time_that_it_takes() {
        let mut late = present(0, 2 * DAY);
        late.longest_gap = 140;
        // One beat of 2881 came so late: rare enough to be left out.
        assert_eq!(
            of(&[late.clone()], 2 * DAY).patience,
            Duration::from_mins(3)
        );
        let often: Vec<_> = (0..40)
            .map(|hour| Presence {
                longest_gap: 400,
                ..present(hour * 60, hour * 60 + 50)
            })
            .collect();
        let often = of(&often, 2400);
        assert_eq!(often.patience, Duration::from_secs(400));
    }
}
