//! Is this probe here, at this minute, and does it count?
//!
//! A presence may be fed as it grows or whole, ahead of time: what is said here is the same.
//! So nothing within a presence is used but its start and, once it is over, its end. A probe
//! is *here* from its first beat until its patience (three intervals) after the last; it is
//! *cut off* when it is heard but reaches nothing abroad. It *counts* when it was here for one
//! hour of the last six, and not in the hours of the day in which it usually rests.

use super::{
    liveness::{Liveness, Prior, is_in},
    moment::{HOUR, MINUTE, later, since},
};
use crate::store::beats::Presence;
use faultline_core::{
    engine::ledger::{BootId, Reach, Rung, State},
    id::ProbeId,
    time::UnixTime,
};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

const WINDOW: i64 = 6 * HOUR;
const ENOUGH: i64 = HOUR;
/// Presences less than this many intervals apart are one absence less.
const JOINED: i64 = 3;

/// What a state in a heartbeat means for its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// Nothing is heard.
    Silent,
    /// Heard, and nothing abroad answers it.
    Isolated,
    /// Heard; others abroad answer, services that are often singled out do not.
    Blocked,
    Well,
}

impl Condition {
    fn of(state: State) -> Self {
        if state.at(Rung::Foreign) == Reach::Bad {
            Self::Isolated
        } else if state.at(Rung::Canary) == Reach::Bad && state.at(Rung::Foreign) == Reach::Good
        {
            Self::Blocked
        } else {
            Self::Well
        }
    }

    /// Whether it is cut off from the world.
    pub(super) const fn is_lost(self) -> bool {
        matches!(self, Self::Silent | Self::Isolated)
    }
}

/// The last time that it was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Heard well for the last time.
    pub last_ok: UnixTime,
    /// The first beat that was missed, or said that it was cut off.
    pub first_bad: UnixTime,
    pub boot: BootId,
    /// Heard well again, and whether in the same boot.
    pub back: Option<(UnixTime, bool)>,
}

/// How often it goes and returns by itself, a day, and how much of the time it is here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Habits {
    pub leaves: f64,
    pub returns: f64,
    pub availability: f64,
    /// Hours of a day in which it is usually away.
    pub rests: u32,
}

pub(super) struct Probe {
    pub id: ProbeId,
    /// Where it votes.
    pub site: Option<usize>,
    pub condition: Condition,
    pub counts: bool,
    pub habits: Option<Habits>,
    pub gap: Option<Gap>,
    /// When it is to be looked at again.
    pub next_look: UnixTime,
    /// Whose start has not come, or was not looked at yet.
    ahead: BTreeMap<UnixTime, Presence>,
    current: Option<Presence>,
    /// The last beat of all presences that began.
    last: UnixTime,
    here_since: UnixTime,
    /// Times in which it was here.
    here: VecDeque<(UnixTime, UnixTime)>,
    /// Presences of four weeks, joined.
    history: Vec<Presence>,
}

impl Probe {
    pub(super) fn new(id: ProbeId) -> Self {
        Self {
            id,
            site: None,
            condition: Condition::Silent,
            counts: false,
            habits: None,
            gap: None,
            next_look: UnixTime(i64::MAX),
            ahead: BTreeMap::new(),
            current: None,
            last: UnixTime(i64::MIN),
            here_since: UnixTime(i64::MIN),
            here: VecDeque::new(),
            history: Vec::new(),
        }
    }

    /// The presence that it is in, or was in last.
    pub(super) const fn current(&self) -> Option<&Presence> {
        self.current.as_ref()
    }

    /// Takes a presence, new or longer than before: it counts at steps after its start. Says when to look, where that is needed.
    pub(super) fn take(&mut self, mut presence: Presence, now: UnixTime) -> Option<UnixTime> {
        // None spans a midnight: a clock that claims one is wrong.
        let last = later(super::moment::midnight(presence.from), super::moment::DAY);
        presence.until = presence.until.clamp(presence.from, last.max(presence.from));
        if let Some(current) = &mut self.current
            && current.from >= presence.from
        {
            // It grew, or came after its successor.
            if current.from == presence.from {
                current.until = current.until.max(presence.until);
            }
            if presence.until > self.last {
                self.last = presence.until;
                if let Some(last) = self.history.last_mut() {
                    last.until = last.until.max(presence.until);
                }
                let late = self.condition == Condition::Silent;
                return late.then_some(now);
            }
            return None;
        }
        let from = presence.from;
        let known = self.ahead.get(&from);
        if known.is_none_or(|known| known.until < presence.until) {
            self.ahead.insert(from, presence);
        }
        Some(later(from, 1))
    }

    /// Microseconds without a beat until it is taken for silent.
    pub(super) fn patience(&self) -> i64 {
        let interval = self.current.as_ref().map_or(60, |current| current.interval);
        patience(interval)
    }

    fn interval(&self) -> i64 {
        self.patience() / JOINED
    }

    /// When it is taken for silent, if nothing more is heard. Of the time in which the
    /// collector was deaf, nothing is held against it.
    fn expires(&self, deaf: &[Range<UnixTime>], now: UnixTime) -> UnixTime {
        let patience = self.patience();
        let mut last = self.last;
        for span in deaf {
            let touches = span.start <= now && span.start <= later(last, patience);
            if touches && last <= span.end {
                last = last.max(span.end);
            }
        }
        later(last, patience)
    }

    /// Looks at it at a step. `deaf`: times in which the collector was, oldest first.
    pub(super) fn look(&mut self, now: UnixTime, deaf: &[Range<UnixTime>]) {
        while let Some(first) = self.ahead.first_entry()
            && *first.key() < now
        {
            let presence = first.remove();
            self.begin(presence, deaf);
        }
        let before = self.condition;
        let expires = self.expires(deaf, now);
        let state = match &self.current {
            Some(current) if now <= expires => Condition::of(current.state),
            _ => Condition::Silent,
        };
        if before != Condition::Silent && state == Condition::Silent {
            self.close(expires.min(now));
            self.lose(self.last, later(self.last, self.interval()));
        } else if before == Condition::Silent && state != Condition::Silent {
            // Returned late in its presence: it was heard after it had been given up.
            self.here_since = self.here_since.max(now.min(self.last));
        }
        self.condition = state;
        if before.is_lost() && !state.is_lost() {
            self.find();
        }
        let rests = self.rests();
        self.counts = self.here_within(now) >= ENOUGH && !is_in(rests, now);
        self.next_look = self.schedule(now, expires);
    }

    fn schedule(&mut self, now: UnixTime, expires: UnixTime) -> UnixTime {
        let mut next = UnixTime(i64::MAX);
        let here = self.condition != Condition::Silent;
        if here {
            next = next.min(later(expires, 1));
        }
        let rests = self.rests();
        if rests != 0 {
            let hour = now.0.div_euclid(HOUR).saturating_add(1);
            next = next.min(UnixTime(hour.saturating_mul(HOUR)));
        }
        if here != self.counts && !is_in(rests, now) {
            let missing = (ENOUGH - self.here_within(now)).abs();
            next = next.min(later(now, missing.max(MINUTE)));
        }
        if let Some((from, _)) = self.ahead.first_key_value() {
            next = next.min(later(*from, 1));
        }
        next
    }

    /// Hours of a day in which it is usually away.
    pub(super) fn rests(&self) -> u32 {
        self.habits.map_or(0, |habits| habits.rests)
    }

    /// A presence begins.
    fn begin(&mut self, presence: Presence, deaf: &[Range<UnixTime>]) {
        let from = presence.from;
        let expires = self.expires(deaf, from);
        let was_here = self.condition != Condition::Silent;
        if self.current.is_none() || !was_here {
            self.here_since = from;
        } else if expires < from {
            // It went and returned between two steps.
            self.close(expires);
            self.lose(self.last, later(self.last, self.interval()));
            self.here_since = from;
        }
        let was_lost = self.condition.is_lost();
        let condition = Condition::of(presence.state);
        if !was_lost && condition.is_lost() {
            self.lose(self.last.min(from), from);
        }
        let joined = self.history.last_mut().filter(|last| {
            since(last.until, from) <= patience(presence.interval.max(last.interval))
        });
        match joined {
            Some(last) => {
                last.until = last.until.max(presence.until);
                last.interval = presence.interval;
            }
            None => self.history.push(Presence {
                // Gaps within a presence are shorter than any patience.
                beats: 0,
                longest_gap: 0,
                whereabouts: crate::store::beats::Whereabouts::default(),
                ..presence.clone()
            }),
        }
        self.last = self.last.max(presence.until);
        self.current = Some(presence);
        self.condition = condition;
        if was_lost && !condition.is_lost() {
            self.find();
        }
    }

    fn lose(&mut self, last_ok: UnixTime, first_bad: UnixTime) {
        let boot = self.current.as_ref().map(|current| current.boot);
        self.gap = Some(Gap {
            last_ok,
            first_bad: first_bad.max(last_ok),
            boot: boot.unwrap_or_default(),
            back: None,
        });
    }

    fn find(&mut self) {
        if let (Some(gap), Some(current)) = (&mut self.gap, &self.current)
            && gap.back.is_none()
        {
            gap.back = Some((current.from.max(gap.last_ok), current.boot == gap.boot));
        }
    }

    /// It was here until then.
    fn close(&mut self, until: UnixTime) {
        self.here.push_back((self.here_since, until));
    }

    fn here_within(&mut self, now: UnixTime) -> i64 {
        let from = later(now, -WINDOW);
        while self.here.front().is_some_and(|(_, until)| *until <= from) {
            self.here.pop_front();
        }
        let within = |one: (UnixTime, UnixTime)| super::moment::overlap(one, (from, now));
        let closed: i64 = self.here.iter().map(|one| within(*one)).sum();
        if self.condition == Condition::Silent {
            closed
        } else {
            closed + within((self.here_since, now))
        }
    }

    /// Learns its habits, at a midnight, from what is surely complete.
    pub(super) fn learn(
        &mut self,
        midnight: UnixTime,
        prior: Prior,
        frozen: &[Range<UnixTime>],
    ) {
        let until = later(midnight, -HOUR);
        let oldest = later(midnight, -29 * super::moment::DAY);
        self.history.retain(|one| one.until >= oldest);
        let known = Liveness::of(&self.history, frozen, prior, until);
        self.habits = known.map(|known| Habits {
            leaves: known.leaves,
            returns: known.returns,
            availability: known.availability,
            rests: known.rests,
        });
    }

    /// Whether anything is known of the last four weeks.
    pub(super) fn is_forgotten(&self) -> bool {
        self.history.is_empty()
    }
}

fn patience(interval: u16) -> i64 {
    i64::from(interval)
        .saturating_mul(1_000_000)
        .max(MINUTE / 3)
        * JOINED
}
