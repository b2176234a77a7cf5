//! What would the detector say, told the same again? The log says at which step it was told
//! what; who was present is in the store of heartbeats. Minutes in which nothing can change are
//! left out, as the detector says.

use super::{MINUTE, PAST, back, input, ledgers::Ledgers, presences, step, whole};
use crate::{
    detect::{Changes, Detector, Settings, input::Input},
    store::{
        StoreError,
        beats::{Beats, Presence},
        events::{Events, Moment, Note, Noted},
    },
};
use faultline_core::time::{Duration, UnixTime};
use std::{collections::VecDeque, ops::Range};

const DAY: Duration = Duration::from_hours(24);

/// Tells a new detector everything, step by step; gives the last step. `each` gets what each
/// said.
pub(super) fn replay(
    beats: &dyn Beats,
    events: &dyn Events,
    detector: &mut Detector,
    ledgers: &mut Ledgers,
    each: &mut dyn FnMut(Moment, Changes) -> Result<(), StoreError>,
) -> Result<Option<Moment>, StoreError> {
    let spans = events.steps()?;
    let (Some((first, _)), Some((_, end))) = (spans.first().copied(), spans.last().copied())
    else {
        return Ok(None);
    };
    let mut notes = VecDeque::new();
    events.noted(first, &mut |noted| {
        notes.push_back(noted);
        true
    })?;
    let mut heard = Heard::new(beats, back(first, PAST), end);
    let mut last = None;
    for (from, until) in spans {
        let mut tick = from;
        while tick <= until {
            let mut told = false;
            let mut pass = 0;
            loop {
                while let Some(Noted { at, note }) = notes.front() {
                    if (at.tick, at.pass) > (tick, pass) {
                        break;
                    }
                    if let Note::Told(told) = note {
                        ledgers.remember(told);
                    }
                    detector.take(input(note.clone()));
                    told = true;
                    notes.pop_front();
                }
                if pass == 0 {
                    for presence in heard.before(tick)? {
                        detector.take(Input::Heard(presence));
                        told = true;
                    }
                }
                let at = Moment { tick, pass };
                // An analyst acted in this minute: it is there, also where nothing else happened.
                let acted = notes.front().is_some_and(|noted| noted.at.tick == tick);
                if pass > 0 {
                    each(at, detector.again())?;
                } else if told || acted || tick >= detector.idle_until() {
                    each(at, detector.tick(tick))?;
                }
                last = Some(at);
                match notes.front() {
                    Some(noted) if noted.at.tick == tick => pass = noted.at.pass,
                    _ => break,
                }
            }
            tick = UnixTime(tick.0 + MINUTE);
            let mut awake = detector.idle_until();
            if let Some(noted) = notes.front() {
                awake = awake.min(noted.at.tick);
            }
            if let Some(next) = heard.next()? {
                // Told of at the first minute that ends after it began.
                awake = awake.min(UnixTime(next.0 + 1));
            }
            if awake > tick {
                // The last minute of a span is always gone through: it says where time stands.
                tick = UnixTime(whole(awake.0).min(until.0).max(tick.0));
            }
        }
    }
    Ok(last)
}

/// Presences in the order in which they began, a day at a time.
struct Heard<'a> {
    beats: &'a dyn Beats,
    read: UnixTime,
    end: UnixTime,
    waiting: VecDeque<Presence>,
    begun: bool,
}

impl<'a> Heard<'a> {
    fn new(beats: &'a dyn Beats, from: UnixTime, end: UnixTime) -> Self {
        Self {
            beats,
            read: from,
            end,
            waiting: VecDeque::new(),
            begun: false,
        }
    }

    /// Those that began before `tick`.
    fn before(&mut self, tick: UnixTime) -> Result<Vec<Presence>, StoreError> {
        let mut begun = Vec::new();
        while self.next()?.is_some_and(|from| from < tick) {
            begun.extend(self.waiting.pop_front());
        }
        Ok(begun)
    }

    /// When the next one began.
    fn next(&mut self) -> Result<Option<UnixTime>, StoreError> {
        while self.waiting.is_empty() && self.read < self.end {
            let until = (self.read + DAY).min(self.end);
            let window: Range<UnixTime> = self.read..until;
            let first = self.read;
            self.waiting = presences(self.beats, window)?.into();
            // Those that began earlier were there in an earlier window, but for the first.
            if self.begun {
                self.waiting.retain(|presence| presence.from >= first);
            }
            self.begun = true;
            self.read = until;
        }
        Ok(self.waiting.front().map(|presence| presence.from))
    }
}

/// What became of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Revisions that were made again.
    pub made: usize,
    /// Revisions that were kept.
    pub kept: usize,
    /// Of the made and the kept, those that the other side does not have, word for word.
    pub different: usize,
    /// The first of them, as `EVENT revision N`.
    pub first: Option<String>,
}

impl Rebuilt {
    pub fn is_equal(&self) -> bool {
        self.different == 0
    }
}

/// Makes all events again and compares them with those that are kept, word for word; with
/// `replace`, puts them in their place.
pub fn rebuild(
    beats: &dyn Beats,
    events: &dyn Events,
    settings: Settings,
    replace: bool,
) -> Result<Rebuilt, StoreError> {
    let mut detector = Detector::new(settings);
    let mut all = Changes::default();
    let each = &mut |_: Moment, changes: Changes| {
        all.revisions.extend(changes.revisions);
        all.evidence.extend(changes.evidence);
        all.bins.extend(changes.bins);
        all.coverage.extend(changes.coverage);
        Ok(())
    };
    let last = replay(beats, events, &mut detector, &mut Ledgers::default(), each)?;
    let mut made = std::collections::BTreeMap::new();
    for revision in &all.revisions {
        let body = serde_json::to_string(revision);
        let body = body.map_err(|e| StoreError::Corrupt(format!("a revision ({e})")))?;
        made.insert((revision.event_id, revision.revision), body);
    }
    let mut done = Rebuilt {
        made: made.len(),
        ..Rebuilt::default()
    };
    let differs = |done: &mut Rebuilt, key: (crate::detect::event::EventId, u32)| {
        done.different += 1;
        done.first
            .get_or_insert_with(|| format!("{} revision {}", key.0, key.1));
    };
    events.each_revision(UnixTime(i64::MAX), &mut |revision, body| {
        let key = (revision.event_id, revision.revision);
        done.kept += 1;
        if made.remove(&key).as_deref() != Some(body) {
            differs(&mut done, key);
        }
        true
    })?;
    for key in made.keys() {
        differs(&mut done, *key);
    }
    if replace {
        let at = last.unwrap_or_default();
        events.replace(&step(at, &all))?;
    }
    Ok(done)
}
