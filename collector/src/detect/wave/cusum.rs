//! When did a share rise, and when did it fall back? Two cumulative sums of log-likelihood
//! ratios, one over hours for shares from a third, one over days (the majority of each probe's
//! day) for small ones; and, while it is up, a third one that waits for the end.
//!
//! A probe votes again when it sees something else, or on another day: a chatty probe is one
//! witness. What is usual is learnt from votes while no sum is above zero, so that a slow rise
//! does not become usual.

use super::{Hour, PROBES};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One probe's view of one target in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vote {
    pub(super) hour: Hour,
    pub(super) voter: u64,
    pub(super) target: u32,
    pub(super) blocked: bool,
}

/// A time in which the share was up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The hour in which it was first seen.
    pub(super) start: Hour,
    /// The last hour with a vote before, after which it began.
    pub(super) before: Option<Hour>,
    /// Whether it was there before anybody could see that it was not.
    pub(super) standing: bool,
    /// When the votes sufficed to say so.
    pub(super) raised: Hour,
    /// The last hour in which it was seen, where it is over, and the first of the votes that
    /// say so.
    pub(super) end: Option<(Hour, Hour)>,
    /// The last vote in it.
    pub(super) last: Hour,
}

/// Of the hourly sum: shares of the probes that were not blocked before.
const FAST: [f64; 3] = [0.3, 0.6, 0.95];
/// Of the daily sum.
const SLOW: [f64; 3] = [0.1, 0.2, 0.4];
/// To raise: one in e^14 = 1.2 million series goes astray by votes alone; five of five.
const RAISE: f64 = 14.0;
/// To end: three of three where everybody was blocked.
const END: f64 = 8.0;
/// What is usual is never taken to be less, or more.
const USUAL: (f64, f64) = (0.02, 0.5);
/// Hours after which what could not be raised is usual: a home with a filter says blocked for
/// years, and must not date what others see one day.
const PATIENCE: Hour = 28 * 24;
/// Clear votes before it, fewer of which make a beginning unknown.
const KNOWN_CLEAR: u32 = 3;

/// How often probes saw it while nothing was the matter, with fifty votes of which one did.
#[derive(Clone, Copy, Default)]
struct Usual {
    blocked: f64,
    votes: f64,
}

impl Usual {
    fn share(self) -> f64 {
        ((self.blocked + 1.0) / (self.votes + 50.0)).clamp(USUAL.0, USUAL.1)
    }
}

/// Logarithm of how much likelier the votes are at the second share than at the first.
fn ratio(from: f64, to: f64, blocked: u32, clear: u32) -> f64 {
    f64::from(blocked) * (to / from).ln() + f64::from(clear) * ((1.0 - to) / (1.0 - from)).ln()
}

/// Sums for several shares.
struct Sums {
    shares: [f64; 3],
    heights: [f64; 3],
    since: [Hour; 3],
}

impl Sums {
    fn new(shares: [f64; 3]) -> Self {
        Self {
            shares,
            heights: [0.0; 3],
            since: [0; 3],
        }
    }

    fn step(&mut self, usual: f64, blocked: u32, clear: u32, at: Hour) {
        for ((sum, share), since) in self
            .heights
            .iter_mut()
            .zip(self.shares)
            .zip(&mut self.since)
        {
            let was = *sum;
            let raised = usual + (1.0 - usual) * share;
            *sum =
                (was + ratio(usual, raised.min(0.99), blocked, clear)).clamp(0.0, 2.0 * RAISE);
            if was == 0.0 && *sum > 0.0 {
                *since = at;
            }
        }
    }

    /// Since when, for each sum that suffices.
    fn sufficing(&self) -> impl Iterator<Item = Hour> {
        let all = self.heights.iter().zip(self.since);
        all.filter(|(sum, _)| **sum >= RAISE)
            .map(|(_, since)| since)
    }

    fn at_rest(&self) -> bool {
        self.heights.iter().all(|sum| *sum == 0.0)
    }
}

/// Votes that count, in order.
fn counted(votes: &[Vote]) -> Vec<Vote> {
    let mut last: HashMap<(u64, u32), (Hour, bool)> = HashMap::new();
    let counts = |vote: &&Vote| {
        let day = vote.hour.div_euclid(24);
        let said = last.insert((vote.voter, vote.target), (day, vote.blocked));
        said != Some((day, vote.blocked))
    };
    votes.iter().filter(counts).copied().collect()
}

/// Who saw it more often than not since then, with what they saw it of.
pub(super) fn firm(votes: &[Vote]) -> BTreeSet<(u64, u32)> {
    let mut balance: BTreeMap<(u64, u32), i32> = BTreeMap::new();
    for vote in votes {
        *balance.entry((vote.voter, vote.target)).or_default() +=
            if vote.blocked { 1 } else { -1 };
    }
    let firm = balance.into_iter().filter(|(_, balance)| *balance > 0);
    firm.map(|(unit, _)| unit).collect()
}

fn voters(units: &BTreeSet<(u64, u32)>) -> usize {
    // Units are sorted by voter.
    let mut last = None;
    units
        .iter()
        .filter(|(voter, _)| last.replace(*voter) != Some(*voter))
        .count()
}

fn split(votes: &[Vote]) -> (u32, u32) {
    let blocked = votes.iter().filter(|vote| vote.blocked).count();
    (blocked as u32, (votes.len() - blocked) as u32)
}

/// Votes of the day, one of each unit, by majority.
fn of_day(votes: &[Vote]) -> (u32, u32) {
    let mut balance: BTreeMap<(u64, u32), i32> = BTreeMap::new();
    for vote in votes {
        *balance.entry((vote.voter, vote.target)).or_default() +=
            if vote.blocked { 1 } else { -1 };
    }
    let (mut blocked, mut clear) = (0, 0);
    for balance in balance.into_values() {
        blocked += u32::from(balance > 0);
        clear += u32::from(balance < 0);
    }
    (blocked, clear)
}

/// The state of one series.
struct Series<'a> {
    votes: &'a [Vote],
    usual: Usual,
    /// Votes of which it is not known yet whether they are usual.
    pending: (u32, u32),
    /// Since when.
    pending_since: Hour,
    clear: u32,
    fast: Sums,
    slow: Sums,
    /// The first vote of the day.
    day: usize,
    /// The first vote after the last end.
    from: usize,
    spans: Vec<Span>,
}

/// The spans of a series; votes are sorted, and one an hour, voter and target.
pub(super) fn spans(votes: &[Vote]) -> Vec<Span> {
    if votes.iter().filter(|vote| vote.blocked).count() < PROBES {
        return Vec::new();
    }
    let all = votes;
    let votes = counted(all);
    let mut series = Series {
        votes: &votes,
        usual: Usual::default(),
        pending: (0, 0),
        pending_since: Hour::MIN,
        clear: 0,
        fast: Sums::new(FAST),
        slow: Sums::new(SLOW),
        day: 0,
        from: 0,
        spans: Vec::new(),
    };
    let mut at = 0;
    while let Some(first) = votes.get(at) {
        let next = at + votes[at..].partition_point(|vote| vote.hour == first.hour);
        if let Some(since) = series.rise(at, next) {
            at = series.stand(since, next);
        } else {
            at = next;
        }
    }
    series.spans.iter_mut().for_each(|span| date(span, all));
    series.spans
}

/// Dates a span by all votes, also those that do not count twice.
fn date(span: &mut Span, all: &[Vote]) {
    let before = all.partition_point(|vote| vote.hour < span.start);
    span.before = all[..before].last().map(|vote| vote.hour);
    if let Some((last, cleared)) = &mut span.end {
        let until = all.partition_point(|vote| vote.hour < *cleared);
        if let Some(vote) = all[..until].iter().rfind(|vote| vote.blocked) {
            *last = vote.hour.max(*last);
        }
    }
}

impl Series<'_> {
    /// Takes in the votes of an hour; gives since when the share is up, where it is.
    fn rise(&mut self, at: usize, next: usize) -> Option<Hour> {
        let hour = self.votes[at].hour;
        let (blocked, clear) = split(&self.votes[at..next]);
        let usual = self.usual.share();
        self.fast.step(usual, blocked, clear, hour);
        let day = hour.div_euclid(24);
        let last_of_day = (self.votes.get(next)).is_none_or(|v| v.hour.div_euclid(24) != day);
        if last_of_day {
            let (blocked, clear) = of_day(&self.votes[self.day..next]);
            let first = self.votes[self.day].hour;
            self.slow.step(usual, blocked, clear, first);
            self.day = next;
        }
        if self.pending == (0, 0) {
            self.pending_since = hour;
        }
        self.pending = (self.pending.0 + blocked, self.pending.1 + clear);
        let sufficing = self.fast.sufficing().chain(self.slow.sufficing());
        let enough = |since: &Hour| {
            let from = self.votes[..next].partition_point(|vote| vote.hour < *since);
            voters(&firm(&self.votes[from.max(self.from)..next])) >= PROBES
        };
        // Of several, the one that dates it best: the latest beginning.
        if let Some(since) = sufficing.filter(enough).max() {
            return Some(since);
        }
        let weary = hour - self.pending_since >= PATIENCE;
        if weary {
            (self.fast, self.slow) = (Sums::new(FAST), Sums::new(SLOW));
        }
        if weary || self.fast.at_rest() && self.slow.at_rest() {
            let (blocked, clear) = std::mem::take(&mut self.pending);
            self.usual.blocked += f64::from(blocked);
            self.usual.votes += f64::from(blocked + clear);
            self.clear += clear;
        }
        None
    }

    /// Goes on from a rise to its end, or to the end of the votes; gives where.
    fn stand(&mut self, since: Hour, raised: usize) -> usize {
        let from = self.votes[..raised].partition_point(|vote| vote.hour < since);
        let from = from.max(self.from);
        // The first that saw it: a sum over days begins at midnight.
        let seen = self.votes[from..raised]
            .iter()
            .position(|vote| vote.blocked);
        let from = from + seen.unwrap_or(0);
        let clear_before = split(&self.votes[self.from..from]).1;
        let affected = firm(&self.votes[from..raised]);
        let mut span = Span {
            start: self.votes[from].hour,
            before: None, // dated below, by all votes
            standing: self.spans.is_empty() && clear_before.max(self.clear) < KNOWN_CLEAR,
            raised: self.votes[raised - 1].hour,
            end: None,
            last: self.votes[raised - 1].hour,
        };
        let usual = self.usual.share();
        let (blocked, clear) = split(&self.votes[from..raised]);
        let share = f64::from(blocked) / f64::from(blocked + clear);
        let share = share.clamp((usual + 0.05).min(0.95), 0.95);
        let (mut sum, mut rests) = (0.0_f64, raised);
        let mut now: BTreeMap<(u64, u32), bool> = BTreeMap::new();
        let mut at = raised;
        while let Some(first) = self.votes.get(at) {
            let next = at + self.votes[at..].partition_point(|vote| vote.hour == first.hour);
            let (blocked, clear) = split(&self.votes[at..next]);
            sum = (sum + ratio(share, usual, blocked, clear)).max(0.0);
            let units = self.votes[at..next].iter();
            let units = units.map(|vote| ((vote.voter, vote.target), vote.blocked));
            now.extend(units.filter(|(unit, _)| affected.contains(unit)));
            span.last = first.hour;
            at = next;
            if sum == 0.0 {
                rests = at;
            }
            let still = now.values().filter(|blocked| **blocked).count();
            if sum >= END && 2 * still <= now.len() {
                let last = self.votes[from..rests].iter().rfind(|vote| vote.blocked);
                let last = last.map_or(span.raised, |vote| vote.hour);
                let cleared = self.votes[rests..at].iter().find(|vote| !vote.blocked);
                span.end = Some((last, cleared.map_or(first.hour, |vote| vote.hour)));
                break;
            }
        }
        self.spans.push(span);
        (self.fast, self.slow) = (Sums::new(FAST), Sums::new(SLOW));
        (self.day, self.from, self.pending) = (at, at, (0, 0));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vote of each of so many probes every six hours; blocked: which, from, until.
    fn votes(probes: u64, blocked: u64, from: Hour, until: Hour, days: Hour) -> Vec<Vote> {
        let mut votes = Vec::new();
        for hour in (0..days * 24).step_by(6) {
            votes.extend((0..probes).map(|voter| Vote {
                hour,
                voter,
                target: 0,
                blocked: voter < blocked && (from..until).contains(&hour),
            }));
        }
        votes
    }

    #[test]
    fn a_block_is_dated_to_the_hour_of_the_look() {
        let found = spans(&votes(6, 6, 480, 720, 60));
        let [span] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (span.start, span.before, span.standing),
            (480, Some(474), false)
        );
        assert_eq!(span.raised, 480, "six of six at once");
        assert_eq!(span.end, Some((714, 720)));
    }

    #[test]
    fn less_than_half_is_found_and_two_probes_never() {
        let found = spans(&votes(10, 3, 480, 9999, 60));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].start == 480 && found[0].end.is_none());
        assert_eq!(spans(&votes(10, 2, 480, 9999, 60)), []);
        assert_eq!(spans(&votes(2, 2, 480, 9999, 60)), []);
    }

    #[test]
    fn what_was_there_at_the_first_look_has_no_known_beginning() {
        let found = spans(&votes(5, 5, 0, 9999, 10));
        assert!(matches!(found.as_slice(), [span] if span.standing && span.before.is_none()));
    }

    #[test]
    fn a_second_block_is_a_second_span() {
        let mut both = votes(5, 5, 240, 480, 60);
        for vote in &mut both {
            vote.blocked |= (960..1200).contains(&vote.hour);
        }
        let starts: Vec<_> = spans(&both)
            .iter()
            .map(|s| (s.start, s.end.is_some()))
            .collect();
        assert_eq!(starts, [(240, true), (960, true)]);
    }

    #[test]
    fn a_home_with_a_filter_does_not_date_what_others_see() {
        let mut all = votes(6, 6, 2400, 9999, 120);
        for vote in &mut all {
            vote.blocked |= vote.voter == 0;
        }
        let found = spans(&all);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].start, found[0].standing), (2400, false));
    }

    #[test]
    fn one_probe_that_flaps_raises_nothing() {
        let mut all = votes(8, 0, 0, 0, 60);
        for vote in &mut all {
            vote.blocked = vote.voter == 0 && vote.hour % 12 == 0;
        }
        assert_eq!(spans(&all), []);
    }
}
