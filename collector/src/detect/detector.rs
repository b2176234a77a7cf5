//! When is what decided? Rows wait until their moment has come; every minute of UTC is one
//! step, whoever calls when: a minute in which nothing can change is passed over, and gives
//! the same as if it had been looked at. So live operation and a rebuild say the same.
//!
//! ```text
//!   rows ─► fleet: probes ─► sites ─► groups ─► alarms ─► cases ─► revisions
//!              ▲ habits, at midnight            control ┘   ▲ ledgers, signals, analysts
//! ```

use super::{
    belief,
    case::{Case, Trigger},
    control::Control,
    coverage, draft,
    event::{Bin, Covered, EventId, Evidence, Location, Reason, Revision, State},
    fleet::Fleet,
    input::{Action, Input, Signal, Told},
    moment::{BIN, DAY, HOUR, MINUTE, later, micros, midnight, minute, minute_after, since},
    raise,
    settings::Settings,
    witness::Witnesses,
};
use faultline_core::time::UnixTime;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// What a tick brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub revisions: Vec<Revision>,
    pub evidence: Vec<Evidence>,
    pub bins: Vec<Bin>,
    pub coverage: Vec<Covered>,
}

impl Changes {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.revisions.is_empty()
            && self.evidence.is_empty()
            && self.bins.is_empty()
            && self.coverage.is_empty()
    }
}

/// The last moment that is believed, in the year 9999: a clock beyond it is broken.
const DOOM: UnixTime = UnixTime::from_secs(253_402_300_799);
/// Faults that nobody spoke for are kept for so long.
const KEPT: i64 = 90 * DAY;

/// The detector. Rows in, revisions out; no clock, no disk.
pub struct Detector {
    settings: Settings,
    fleet: Fleet,
    witnesses: Witnesses,
    cases: Vec<Case>,
    /// Rows whose moment has not come, in the order of these moments and then of arrival.
    waiting: BTreeMap<(UnixTime, u64), Row>,
    rows: u64,
    /// The last step.
    now: Option<UnixTime>,
    /// The first moment that any row is about.
    earliest: UnixTime,
    /// Newest bin that was given out, by place.
    drawn: BTreeMap<Location, UnixTime>,
    changes: Changes,
}

enum Row {
    Told(Told),
    Signal(Signal),
    Acted(Action),
}

impl Detector {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            fleet: Fleet::default(),
            witnesses: Witnesses::default(),
            cases: Vec::new(),
            waiting: BTreeMap::new(),
            rows: 0,
            now: None,
            earliest: UnixTime(i64::MAX),
            drawn: BTreeMap::new(),
            changes: Changes::default(),
        }
    }

    /// Takes a row. It counts from its moment on, or from the next tick where that is past.
    pub fn take(&mut self, input: Input) {
        let now = self.now.unwrap_or(UnixTime(i64::MIN));
        match input {
            Input::Heard(presence) => {
                self.earliest = self.earliest.min(presence.from);
                self.fleet.take(presence, now);
            }
            Input::Deaf { from, until } => self.fleet.deafen(from..until),
            Input::Told(told) => self.wait(told.received, Row::Told(told)),
            Input::Signal(signal) => self.wait(signal.received, Row::Signal(signal)),
            Input::Acted(action) => self.wait(action.at, Row::Acted(action)),
        }
    }

    fn wait(&mut self, at: UnixTime, row: Row) {
        self.earliest = self.earliest.min(at);
        self.waiting.insert((at, self.rows), row);
        self.rows += 1;
    }

    /// Everything up to the last full minute. A time before the last tick brings nothing.
    pub fn tick(&mut self, now: UnixTime) -> Changes {
        let until = minute(now.clamp(UnixTime(0), DOOM));
        let first = || minute_after(self.earliest.clamp(UnixTime(0), until)).min(until);
        let mut at = match self.now {
            None => first(),
            Some(last) => self.next(last),
        };
        while at <= until {
            self.step(at);
            at = self.next(at);
        }
        self.now = self.now.max(Some(until));
        std::mem::take(&mut self.changes)
    }

    /// The last step once more, for rows of its moment that came since: who acts on an event need
    /// not wait for the next.
    pub fn again(&mut self) -> Changes {
        if let Some(now) = self.now {
            let (mut reasons, mut forced) = (BTreeMap::new(), BTreeSet::new());
            self.read(now, &mut reasons, &mut forced);
            self.say(now, &reasons, &forced);
        }
        std::mem::take(&mut self.changes)
    }

    /// Ticks before this change nothing, as long as there is no new row.
    pub fn idle_until(&self) -> UnixTime {
        self.now.map_or(UnixTime(0), |now| self.next(now))
    }

    /// What is said last of each event.
    pub fn events(&self) -> Vec<Revision> {
        let mut all: Vec<Revision> = self
            .cases
            .iter()
            .filter_map(|case| case.said.clone())
            .collect();
        all.sort_by_key(|revision| revision.event_id);
        all
    }

    /// The first step after `now` at which anything may happen.
    fn next(&self, now: UnixTime) -> UnixTime {
        let never = UnixTime(i64::MAX);
        let rows = self
            .waiting
            .first_key_value()
            .map_or(never, |((at, _), _)| minute_after(*at));
        let day = if self.fleet.is_forgotten() {
            never
        } else {
            later(midnight(now), DAY)
        };
        let cases = self
            .cases
            .iter()
            .map(|case| minute_after(case.next(now, &self.settings)))
            .min()
            .unwrap_or(never);
        rows.min(day)
            .min(cases)
            .min(self.fleet.next(now))
            .max(later(now, MINUTE))
    }

    fn step(&mut self, now: UnixTime) {
        self.now = Some(now);
        self.fleet.step(now, &self.settings);
        let mut reasons: BTreeMap<EventId, Reason> = BTreeMap::new();
        let mut forced: BTreeSet<EventId> = BTreeSet::new();
        self.read(now, &mut reasons, &mut forced);
        self.raise(now);
        self.follow(now, &mut reasons);
        self.say(now, &reasons, &forced);
        self.draw(now);
        if now == midnight(now) {
            self.day(now);
        }
    }

    /// Rows whose moment has come.
    fn read(
        &mut self,
        now: UnixTime,
        reasons: &mut BTreeMap<EventId, Reason>,
        forced: &mut BTreeSet<EventId>,
    ) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            match first.remove() {
                Row::Told(told) => self.witnesses.take(told),
                Row::Signal(signal) => self.witnesses.watch(signal),
                Row::Acted(action) => {
                    let case = self.cases.iter_mut().find(|case| case.id == action.event);
                    if let Some(case) = case {
                        reasons.insert(case.id, Reason::Analyst);
                        forced.insert(case.id);
                        case.act(action);
                    }
                }
            }
        }
        let heard = self
            .witnesses
            .hear(&mut self.cases, &self.fleet, now, &self.settings);
        for (id, reason) in heard {
            reasons.entry(id).or_insert(reason);
        }
    }

    /// New alarms.
    fn raise(&mut self, now: UnixTime) {
        let slow = self.slow(now);
        if slow.is_empty() && self.fleet.awake.is_empty() {
            return;
        }
        let alarms = raise::alarms_of(&self.fleet, &self.cases, &slow, now, &self.settings);
        for alarm in alarms {
            self.open(&alarm, now);
        }
    }

    /// Groups in which too few are heard for a quarter of an hour.
    fn slow(&mut self, now: UnixTime) -> BTreeSet<usize> {
        if now.0.rem_euclid(BIN) != 0 {
            return BTreeSet::new();
        }
        let awake: Vec<usize> = self.fleet.awake.iter().copied().collect();
        awake
            .into_iter()
            .filter(|at| super::slow::step(&mut self.fleet, *at, now))
            .collect()
    }

    fn open(&mut self, alarm: &raise::Alarm, now: UnixTime) {
        let fleet = &self.fleet;
        let lost: Vec<(usize, &super::site::Site)> = alarm
            .lost
            .iter()
            .filter_map(|at| Some((*at, fleet.sites.get(*at)?)))
            .filter(|(_, site)| raise::contains(&alarm.location, site))
            .collect();
        let began = lost.iter().map(|(_, site)| site.lost_since).min();
        let reopen = micros(self.settings.reopen);
        let again = self.cases.iter_mut().find(|case| {
            case.location == alarm.location
                && matches!(case.state, State::Ended | State::Lapsed)
                && case.trigger == alarm.trigger
                && since(case.ended.unwrap_or(now), began.unwrap_or(now)) < reopen
        });
        let case = if let Some(case) = again {
            case.reopen();
            case
        } else {
            let pool: Vec<&super::site::Site> = fleet
                .eligible()
                .map(|(_, site)| site)
                .filter(|site| raise::contains(&alarm.location, site))
                .collect();
            let case = Case::new(alarm.location.clone(), alarm.trigger, now, &pool);
            if self.cases.iter().any(|known| known.id == case.id) {
                return; // Twice in one minute.
            }
            self.cases.push(case);
            let Some(case) = self.cases.last_mut() else {
                return;
            };
            case
        };
        for (at, site) in lost {
            case.absorb(at, site);
        }
    }

    /// What goes on, goes on.
    fn follow(&mut self, now: UnixTime, reasons: &mut BTreeMap<EventId, Reason>) {
        let settings = &self.settings;
        for case in &mut self.cases {
            if !case.is_open() {
                if case.state == State::Ended
                    && case
                        .ended
                        .is_some_and(|end| since(end, now) >= micros(settings.final_after))
                {
                    case.state = State::Final;
                }
                continue;
            }
            let group = self.fleet.group(&case.location);
            let channel = group.map(|group| {
                if case.trigger == Trigger::Service {
                    &group.service
                } else {
                    &group.loss
                }
            });
            let fresh = since(case.opened, now) <= micros(settings.absorb);
            let score = channel.map_or(0.0, |channel| channel.score.most());
            if let (Some(group), Some(channel)) = (group, channel)
                && (fresh
                    || score > settings.threshold && channel.fresh >= settings.least_sites)
                && !case.is_returning()
            {
                for at in &group.sites {
                    if let Some(site) = self.fleet.sites.get(*at) {
                        let out = if case.trigger == Trigger::Service {
                            site.vote.newly
                        } else {
                            site.vote.fresh
                        };
                        if site.vote.counts && out {
                            case.absorb(*at, site);
                        }
                    }
                }
            }
            case.step(&self.fleet.sites, score, now, settings);
            if !case.is_open() {
                continue;
            }
            if case.state == State::Candidate && raise::is_early(case, now) {
                continue;
            }
            if !case.confirmed {
                let control = raise::ask(case, &self.fleet, now, settings);
                case.controlled = control == Control::Passed;
                case.fault = control == Control::Fault;
                if case.fault {
                    reasons.entry(case.id).or_insert(Reason::CollectorFault);
                    if case.state != State::Candidate {
                        // It was said too early.
                        case.state = State::Retracted;
                    }
                    continue;
                }
                if case.state == State::Candidate {
                    case.state = State::Suspected;
                }
            }
            if case.state == State::Suspected && belief::confirms(case, now, settings) {
                case.confirmed = true;
                case.state = State::Confirmed;
            }
        }
        super::incident::merge(&mut self.cases, settings);
        super::incident::late(&mut self.cases, reasons, now, settings);
        super::incident::link(&mut self.cases, reasons, settings);
    }

    /// Revisions that are worth it.
    fn say(
        &mut self,
        now: UnixTime,
        reasons: &BTreeMap<EventId, Reason>,
        forced: &BTreeSet<EventId>,
    ) {
        for case in &mut self.cases {
            if case.state == State::Candidate {
                continue;
            }
            let pulse = Some(case.pulse());
            if case.pulse == pulse && !reasons.contains_key(&case.id) {
                continue;
            }
            case.pulse = pulse;
            let reason = reasons.get(&case.id).copied().unwrap_or(Reason::Detector);
            let new = draft::draft(case, now, &self.settings);
            let force = forced.contains(&case.id);
            if let Some(revision) = draft::worth(case, new, reason, force) {
                case.said = Some(revision.clone());
                self.changes.revisions.push(revision);
            }
        }
        self.changes.evidence.append(&mut self.witnesses.evidence);
    }

    /// Bins of places where something goes on.
    fn draw(&mut self, now: UnixTime) {
        if now.0.rem_euclid(BIN) != 0 && !self.cases.iter().any(|case| case.opened == now) {
            return;
        }
        let places: BTreeSet<Location> = self
            .cases
            .iter()
            .filter(|case| case.said.is_some())
            .filter(|case| {
                case.is_open() || case.ended.is_some_and(|end| since(end, now) <= HOUR)
            })
            .map(|case| case.location.clone())
            .collect();
        for place in places {
            let Some(at) = self.fleet.by_location.get(&place) else {
                continue;
            };
            let Some(group) = self.fleet.groups.get_mut(*at) else {
                continue;
            };
            group.advance(now);
            let drawn = self.drawn.get(&place).copied();
            for (bin, heard, eligible, expected) in &group.bins {
                if drawn.is_none_or(|drawn| *bin > drawn) {
                    self.changes.bins.push(Bin {
                        location: place.clone(),
                        at: *bin,
                        expected: *expected as f64 / 1000.0,
                        observed: *heard,
                        eligible: *eligible,
                    });
                    self.drawn.insert(place.clone(), *bin);
                }
            }
        }
    }

    /// A day is over.
    fn day(&mut self, now: UnixTime) {
        coverage::day(
            &mut self.fleet,
            now,
            &self.settings,
            &mut self.changes.coverage,
        );
        let frozen = self.frozen(now);
        self.fleet.learn(now, &self.settings, &frozen);
        self.witnesses.forget(now);
        self.cases.retain(|case| {
            case.state != State::Candidate || case.is_open() || since(case.opened, now) <= KEPT
        });
    }

    /// What events cover, by probe: it says nothing of how the probe is.
    fn frozen(&self, now: UnixTime) -> BTreeMap<usize, Vec<Range<UnixTime>>> {
        let mut frozen: BTreeMap<usize, Vec<Range<UnixTime>>> = BTreeMap::new();
        for case in &self.cases {
            if matches!(case.state, State::Lapsed | State::Merged) {
                continue;
            }
            let most = later(case.opened, micros(self.settings.freeze));
            for hit in case.hits.values() {
                let until = hit.back.map_or(now, |(at, _)| at).min(most);
                for probe in &hit.probes {
                    let spans = frozen.entry(*probe).or_default();
                    spans.push(later(hit.last_ok, -1)..later(until, MINUTE));
                }
            }
        }
        frozen
    }
}
