//! What is going on now? Every minute what was heard, told, seen by others and done by analysts
//! goes to the detector, and what it says is kept, in one transaction with the note that this
//! minute was gone through.
//!
//! ```text
//!   beats.db   presences, ledgers ──┐
//!   events.db  signals, deeds ──────┼──► Detector ──► revisions, evidence, bins, coverage
//!   events.db  when it heard itself ┘                 + the log of what it was told
//! ```
//!
//! The detector's state is in memory. At start it is found again by replaying the log
//! (`replay.rs`), which is also how a rebuild makes all events again.
//!
//! Time goes forward, minute by minute. A minute is gone through some seconds after its end, so
//! that what came in it is on the disk. Where the collector did not hear itself, minutes are
//! left out, and the detector is told that the collector was deaf. A clock that goes back is
//! waited for; one that leaps ahead by a month is not believed.

mod ledgers;
pub mod public;
mod replay;
#[cfg(test)]
pub(crate) mod sample;
pub use replay::{Rebuilt, rebuild};

use crate::{
    detect::{
        Changes, Detector, Settings,
        event::{EventId, Revision},
        input::{Action, Input},
    },
    store::{
        LEAP_DAYS, StoreError,
        beats::{Beats, Presence},
        events::{Events, Moment, Note, Step},
    },
};
use faultline_core::{
    id::Country,
    time::{Duration, UnixTime},
};
use ledgers::Ledgers;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) const MINUTE: i64 = 60_000_000;
/// How long after its end a minute is gone through.
const LAG: Duration = Duration::from_secs(5);
/// How far back presences matter to a detector that begins.
const PAST: Duration = Duration::from_hours(35 * 24);
/// How long after its arrival a ledger may become visible: a batch waits for the disk.
const SLOW: Duration = Duration::from_mins(10);

/// Why a minute could not be gone through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    #[error(
        "the clock says that {days} days passed since events were last looked for: if it is right, run `faultline-collector rebuild-events --clock-is-right` once"
    )]
    ClockLeap { days: i64 },
    #[error("no event of this name is open to deeds")]
    NoEvent,
    #[error("events cannot be kept")]
    Store(#[from] StoreError),
}

/// The detector at work.
pub struct Watch {
    beats: Arc<dyn Beats>,
    events: Arc<dyn Events>,
    settings: Settings,
    at_work: Mutex<AtWork>,
    /// Sites that were heard lately, by country: for who asks while the log is gone through.
    heard: Mutex<(i64, BTreeMap<Country, u32>)>,
}

struct AtWork {
    detector: Detector,
    ledgers: Ledgers,
    /// The last step that was kept, where there was one.
    last: Option<Moment>,
    /// Up to when the collector's own hearing was looked at.
    heard: UnixTime,
    /// When sites were heard last.
    sites: HashMap<u64, (Country, UnixTime)>,
    /// Memory and disk are not alike: the log has to be gone through first.
    astray: bool,
}

impl Watch {
    /// The log is gone through at the first step.
    pub fn new(beats: Arc<dyn Beats>, events: Arc<dyn Events>, settings: Settings) -> Self {
        let at_work = AtWork {
            detector: Detector::new(settings.clone()),
            ledgers: Ledgers::default(),
            last: None,
            heard: UnixTime(i64::MIN),
            sites: HashMap::new(),
            astray: true,
        };
        Self {
            beats,
            events,
            settings,
            at_work: Mutex::new(at_work),
            heard: Mutex::default(),
        }
    }

    /// How many sites of each country were heard in ten minutes that are over. By the minute, a
    /// count would tell when a single one went.
    pub fn heard(&self) -> BTreeMap<Country, u32> {
        let heard = self.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Where events are kept.
    pub fn events(&self) -> &Arc<dyn Events> {
        &self.events
    }

    /// Goes through the minutes that ended since the last time; gives how many revisions were
    /// made. `sure` where somebody looked at the clock.
    pub fn step(&self, now: UnixTime, sure: bool) -> Result<usize, WatchError> {
        let mut at_work = self.at_work()?;
        let lives = self.events.lives(at_work.heard)?;
        // Of a pause that goes on nothing is known, not even how long it is.
        let Some((_, heard)) = lives.last().copied() else {
            return Ok(0);
        };
        let end = back(now, LAG).0.min(heard.0);
        let target = end - end.rem_euclid(MINUTE);
        let first = at_work.last.map_or(target, |last| last.tick.0 + MINUTE);
        if first > target {
            return Ok(0);
        }
        let days = (target - first) / (1440 * MINUTE);
        if days > LEAP_DAYS && !sure {
            return Err(WatchError::ClockLeap { days });
        }
        let deaf = pauses(&lives);
        for (from, until) in deaf.iter().copied() {
            self.events.note(&Note::Deaf { from, until }, until)?;
        }
        at_work.heard = heard;
        let (mut made, mut tick) = (0, first);
        while tick <= target {
            // The detector is told of the pause when it is over.
            let pause = deaf
                .iter()
                .find(|(from, until)| (from.0..until.0).contains(&tick));
            if let Some((_, until)) = pause {
                tick = whole(until.0);
                continue;
            }
            made += at_work.go(&*self.beats, &*self.events, UnixTime(tick))?;
            tick += MINUTE;
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let ten = target.div_euclid(10 * MINUTE);
        if heard.0 != ten {
            *heard = (ten, at_work.present(target));
        }
        Ok(made)
    }

    /// An analyst acts: at once, in the minute that was gone through last. Gives the newest
    /// revision, which is none of the deed's where it changed nothing.
    pub fn act(&self, mut action: Action) -> Result<Revision, WatchError> {
        let mut at_work = self.at_work()?;
        let event = action.event;
        self.newest(event)?.ok_or(WatchError::NoEvent)?;
        let last = at_work.last.ok_or(WatchError::NoEvent)?;
        let at = Moment {
            pass: last.pass + 1,
            ..last
        };
        let received = action.at;
        // Of the minute that it belongs to; when it was done is in the log.
        action.at = last.tick;
        self.events.note(&Note::Acted(action), received)?;
        at_work.again(&*self.events, at)?;
        self.newest(event)?.ok_or(WatchError::NoEvent)
    }

    fn newest(&self, event: EventId) -> Result<Option<Revision>, StoreError> {
        Ok(self.events.revisions(event)?.pop())
    }

    fn at_work(&self) -> Result<MutexGuard<'_, AtWork>, StoreError> {
        let mut at_work = self.at_work.lock().unwrap_or_else(|poisoned| {
            // A panic left a state that is not to be trusted.
            self.at_work.clear_poison();
            let mut at_work = PoisonError::into_inner(poisoned);
            at_work.astray = true;
            at_work
        });
        // Another process may have gone through minutes meanwhile, after a look at the clock.
        let kept = self.events.steps()?.last().map(|(_, until)| *until);
        if at_work.astray || kept != at_work.last.map(|last| last.tick) {
            *at_work = AtWork::resume(&*self.beats, &*self.events, &self.settings)?;
        }
        Ok(at_work)
    }
}

/// Between two lives.
fn pauses(lives: &[(UnixTime, UnixTime)]) -> Vec<(UnixTime, UnixTime)> {
    let pairs = lives.windows(2).filter_map(|pair| match pair {
        [(_, until), (from, _)] => Some((*until, *from)),
        _ => None,
    });
    pairs.collect()
}

impl AtWork {
    /// Is where the last kept step left off.
    fn resume(
        beats: &dyn Beats,
        events: &dyn Events,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        let mut detector = Detector::new(settings.clone());
        let mut ledgers = Ledgers::default();
        let each = &mut |_: Moment, _: Changes| Ok(());
        let last = replay::replay(beats, events, &mut detector, &mut ledgers, each)?;
        Ok(Self {
            detector,
            ledgers,
            last,
            heard: last.map_or(UnixTime(i64::MIN), |last| last.tick),
            sites: HashMap::new(),
            astray: false,
        })
    }

    /// Goes through one minute.
    fn go(
        &mut self,
        beats: &dyn Beats,
        events: &dyn Events,
        tick: UnixTime,
    ) -> Result<usize, StoreError> {
        let before = self.last.map_or(back(tick, PAST), |last| last.tick);
        let late = back(before, SLOW)..back(tick, SLOW);
        let told = self.ledgers.told(beats, [late, before..tick], tick)?;
        let waiting = events.waiting(tick)?;
        let presences = presences(beats, before..tick)?;
        let taken: Vec<i64> = waiting.iter().map(|(number, _)| *number).collect();
        // From here on memory knows more than the disk.
        self.astray = true;
        for (_, note) in waiting {
            self.detector.take(input(note));
        }
        for told in &told {
            self.detector.take(Input::Told(told.clone()));
        }
        for presence in presences {
            let last = (presence.country, presence.until);
            self.sites.insert(presence.whereabouts.site, last);
            self.detector.take(Input::Heard(presence));
        }
        let changes = self.detector.tick(tick);
        let at = Moment { tick, pass: 0 };
        events.keep(&Step {
            told: &told,
            taken: &taken,
            ..step(at, &changes)
        })?;
        self.last = Some(at);
        self.astray = false;
        Ok(changes.revisions.len())
    }

    /// Sites that were heard lately.
    fn present(&mut self, tick: i64) -> BTreeMap<Country, u32> {
        self.sites
            .retain(|_, (_, until)| until.0 > tick - 10 * MINUTE);
        let mut present = BTreeMap::new();
        for (country, _) in self.sites.values() {
            *present.entry(*country).or_default() += 1;
        }
        present
    }

    /// Goes through the last minute again, with what waits.
    fn again(&mut self, events: &dyn Events, at: Moment) -> Result<(), StoreError> {
        let waiting = events.waiting(UnixTime(i64::MAX))?;
        let taken: Vec<i64> = waiting.iter().map(|(number, _)| *number).collect();
        self.astray = true;
        for (_, note) in waiting {
            self.detector.take(input(note));
        }
        let changes = self.detector.again();
        events.keep(&Step {
            taken: &taken,
            ..step(at, &changes)
        })?;
        self.last = Some(at);
        self.astray = false;
        Ok(())
    }
}

fn step(at: Moment, changes: &Changes) -> Step<'_> {
    Step {
        at,
        told: &[],
        taken: &[],
        revisions: &changes.revisions,
        evidence: &changes.evidence,
        bins: &changes.bins,
        coverage: &changes.coverage,
    }
}

fn input(note: Note) -> Input {
    match note {
        Note::Told(told) => Input::Told(told),
        Note::Signal(signal) => Input::Signal(signal),
        Note::Acted(action) => Input::Acted(action),
        Note::Deaf { from, until } => Input::Deaf { from, until },
    }
}

/// Who was heard in the window, by the time of the first beat and by name: in the order in
/// which they began.
fn presences(beats: &dyn Beats, window: Range<UnixTime>) -> Result<Vec<Presence>, StoreError> {
    let mut found = Vec::new();
    beats.presences(window, &mut |presence| {
        found.push(presence);
        true
    })?;
    found.sort_by_key(|presence| (presence.from, presence.probe));
    Ok(found)
}

/// The first whole minute that is not before.
fn whole(at: i64) -> i64 {
    at.saturating_add((-at).rem_euclid(MINUTE))
}

fn back(now: UnixTime, by: Duration) -> UnixTime {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    UnixTime(now.0.saturating_sub(by))
}
