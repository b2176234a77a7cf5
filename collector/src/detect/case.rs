//! What is known of one event while it goes on and after? The sites that it took, when each
//! went and returned, and how far it has come.
//!
//! ```text
//!  candidate ─► suspected ─► confirmed ─► ending ─► ended ─► final
//!      │            │            ▲  ▲                  │
//!      │            └► lapsed ───┘  └───── reopened ───┘     any ─► retracted, merged
//!      └─ (forgotten)  (late evidence)
//! ```
//!
//! Only what was confirmed ends and becomes final: of what is over before anything confirmed
//! it, the suspicion lapses.
//!
//! An event ends when those that it took are back, not when the group looks whole: others were
//! never away.

use super::{
    event::{Class, EventId, Location, Revision, State},
    input::{Action, Signal, Watcher},
    late::Testimony,
    moment::{MINUTE, later, micros, since},
    probe::Gap,
    settings::Settings,
    site::Site,
};
use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// What gave the alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trigger {
    /// Sites fell silent or lost the world.
    Loss,
    /// Services fail while others abroad answer.
    Service,
    /// Fewer and fewer were heard.
    Slow,
}

/// A site that an event took.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    pub country: Country,
    pub asn: Asn,
    pub access: NetworkKind,
    pub region: String,
    /// Probes behind it at that time.
    pub probes: BTreeSet<usize>,
    /// Well for the last time, and the first sign that it was not.
    pub last_ok: UnixTime,
    pub first_bad: UnixTime,
    /// Found gone after so long.
    pub patience: i64,
    /// How often it goes by itself, a day.
    pub leaves: f64,
    /// Well again, and whether the machine ran through.
    pub back: Option<(UnixTime, Option<bool>)>,
    /// It was heard, and reached nothing abroad.
    pub isolated: bool,
    /// Its probe is somewhere else now: nothing more is to be learnt.
    pub moved: bool,
    /// It was cut off again after its return, as it told, and returned from that.
    pub again: bool,
}

/// A time in which a site was cut off once more, as it told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub site: usize,
    pub asn: Asn,
    pub from: UnixTime,
    pub until: UnixTime,
}

/// An event, from its alarm on.
pub(super) struct Case {
    pub id: EventId,
    pub location: Location,
    pub trigger: Trigger,
    pub opened: UnixTime,
    pub state: State,
    /// It was confirmed at some time.
    pub confirmed: bool,
    pub hits: BTreeMap<usize, Hit>,
    /// Eligible sites and networks of its place when it began.
    pub pool: u32,
    /// Those of them, by network, that hang on no satellite.
    pub ground: BTreeMap<Asn, u32>,
    pub pool_asns: BTreeSet<Asn>,
    /// By network: eligible sites.
    pub pool_by_asn: BTreeMap<Asn, u32>,
    /// The strongest evidence that the group gave, nats.
    pub score: f64,
    /// Elsewhere it was asked, and all was well.
    pub controlled: bool,
    /// The collector was at fault, as far as is known.
    pub fault: bool,
    /// The most sites out at once.
    pub worst: u32,
    /// Sites out, times microseconds.
    pub area: i128,
    /// The same by network.
    pub area_by_asn: BTreeMap<Asn, i128>,
    out: u32,
    out_by_asn: BTreeMap<Asn, u32>,
    evaluated: UnixTime,
    /// More than the share were back since then.
    pub back_since: Option<UnixTime>,
    /// When it ended, as far as beats say.
    pub ended: Option<UnixTime>,
    /// Nobody returned for so long that nobody will.
    pub abandoned: bool,
    pub told: BTreeMap<usize, Testimony>,
    pub signals: BTreeMap<(Watcher, String), Signal>,
    pub actions: Vec<Action>,
    /// Countries with an onset at the same time.
    pub elsewhere: BTreeSet<Country>,
    pub incident: Option<EventId>,
    pub related: BTreeSet<EventId>,
    pub merged_into: Option<EventId>,
    /// What was said last.
    pub said: Option<Revision>,
    /// Of what that was made.
    pub pulse: Option<Pulse>,
}

/// As long as this is the same, so is what is said, but for what grows with time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pulse {
    state: State,
    counts: [usize; 7],
    out: u32,
    score: f64,
    incident: Option<EventId>,
    flags: (bool, bool),
}

impl Case {
    pub(super) fn new(
        location: Location,
        trigger: Trigger,
        now: UnixTime,
        pool: &[&Site],
    ) -> Self {
        let mut pool_by_asn: BTreeMap<Asn, u32> = BTreeMap::new();
        let mut ground: BTreeMap<Asn, u32> = BTreeMap::new();
        for site in pool {
            *pool_by_asn.entry(site.asn).or_default() += 1;
            if site.access != NetworkKind::Satellite {
                *ground.entry(site.asn).or_default() += 1;
            }
        }
        Self {
            id: EventId::of(&location, now),
            location,
            trigger,
            opened: now,
            state: State::Candidate,
            confirmed: false,
            hits: BTreeMap::new(),
            pool: u32::try_from(pool.len()).unwrap_or(u32::MAX),
            ground,
            pool_asns: pool_by_asn.keys().copied().collect(),
            pool_by_asn,
            score: 0.0,
            controlled: false,
            fault: false,
            worst: 0,
            area: 0,
            area_by_asn: BTreeMap::new(),
            out: 0,
            out_by_asn: BTreeMap::new(),
            evaluated: now,
            back_since: None,
            ended: None,
            abandoned: false,
            told: BTreeMap::new(),
            signals: BTreeMap::new(),
            actions: Vec::new(),
            elsewhere: BTreeSet::new(),
            incident: None,
            related: BTreeSet::new(),
            merged_into: None,
            said: None,
            pulse: None,
        }
    }

    /// Whether it still goes on.
    pub(super) const fn is_open(&self) -> bool {
        match self.state {
            State::Candidate => self.ended.is_none(),
            State::Suspected | State::Confirmed | State::Ending => true,
            _ => false,
        }
    }

    /// Takes a site in.
    pub(super) fn absorb(&mut self, at: usize, site: &Site) {
        if self.hits.contains_key(&at) {
            return;
        }
        let (last_ok, first_bad) = match (self.trigger, &site.gap) {
            (Trigger::Service, _) => (later(site.blocked_since, -MINUTE), site.blocked_since),
            (_, Some(gap)) => (gap.last_ok, gap.first_bad),
            (_, None) => (later(site.lost_since, -site.patience), site.lost_since),
        };
        // Losses that go on for long before the event are dated by what is known.
        let hit = Hit {
            country: site.country,
            asn: site.asn,
            access: site.access,
            region: site.region.clone(),
            probes: site.members.clone(),
            last_ok,
            first_bad,
            patience: if site.is_heard { 0 } else { site.patience },
            leaves: site.leaves,
            back: None,
            isolated: false,
            moved: false,
            again: false,
        };
        self.hits.insert(at, hit);
    }

    /// Looks at its sites, and moves on. `score` is what its group has now.
    pub(super) fn step(
        &mut self,
        sites: &[Site],
        score: f64,
        now: UnixTime,
        settings: &Settings,
    ) {
        self.integrate(now);
        self.score = self.score.max(score);
        self.look(sites);
        if !self.is_open() {
            return;
        }
        let known = self.hits.values().filter(|hit| !hit.moved).count();
        let back = self
            .hits
            .values()
            .filter(|hit| hit.back.is_some() && !hit.moved);
        let share = back.count() as f64 / known.max(1) as f64;
        if since(self.opened, now) > 2 * micros(settings.freeze) {
            self.abandoned = true;
            self.ended = Some(now);
            self.state = self.closed_state();
            return;
        }
        if share <= settings.back_share && known > 0 {
            self.back_since = None;
            if self.state == State::Ending {
                self.state = self.open_state();
            }
            return;
        }
        let began = *self.back_since.get_or_insert(now);
        if self.state == State::Confirmed {
            self.state = State::Ending;
        }
        if since(began, now) >= micros(settings.back_for) {
            self.ended = Some(self.returned());
            self.state = self.closed_state();
        }
    }

    fn open_state(&self) -> State {
        if self.confirmed {
            State::Confirmed
        } else {
            State::Suspected
        }
    }

    fn closed_state(&self) -> State {
        match self.state {
            State::Candidate => State::Candidate,
            _ if self.confirmed => State::Ended,
            _ => State::Lapsed,
        }
    }

    /// How long it lasted, as far as beats say; until `now` where it goes on.
    pub(super) fn lasted(&self, now: UnixTime) -> i64 {
        since(self.began(), self.ended.unwrap_or(now))
    }

    /// Sites of networks on the ground that lost nobody.
    pub(super) fn spared(&self) -> u32 {
        let hit = self.asns();
        let spared = self.ground.iter().filter(|(asn, _)| !hit.contains(asn));
        spared.map(|(_, sites)| sites).sum()
    }

    /// Whether those that it took are coming back.
    pub(super) const fn is_returning(&self) -> bool {
        self.back_since.is_some()
    }

    /// It goes on, after all.
    pub(super) fn reopen(&mut self) {
        self.state = self.open_state();
        self.ended = None;
        self.back_since = None;
    }

    /// It was not over: these were cut off again, as they told.
    pub(super) fn extend(&mut self, spans: &[Again]) {
        for one in spans {
            let Some(hit) = self.hits.get_mut(&one.site) else {
                continue;
            };
            hit.back = Some((one.until, hit.back.and_then(|(_, same)| same)));
            hit.again = true;
            self.area += i128::from(since(one.from, one.until));
            *self.area_by_asn.entry(one.asn).or_default() +=
                i128::from(since(one.from, one.until));
        }
        self.ended = median(spans.iter().map(|one| one.until));
    }

    /// One that nobody saw, of sites of another: what they told is all that is known of it, and
    /// has to confirm it. `None` where they told of none.
    pub(super) fn of_ledgers(
        first: &Self,
        location: Location,
        spans: &[Again],
    ) -> Option<Self> {
        let began = super::moment::minute(spans.iter().map(|one| one.from).min()?);
        let hits = spans.iter().filter_map(|one| {
            let hit = Hit {
                last_ok: one.from,
                first_bad: one.from,
                back: Some((one.until, None)),
                isolated: false,
                moved: false,
                again: false,
                ..first.hits.get(&one.site)?.clone()
            };
            Some((one.site, hit))
        });
        let mut case = Self::new(location, first.trigger, began, &[]);
        case.hits = hits.collect();
        case.pool = first.pool;
        case.ground.clone_from(&first.ground);
        case.pool_asns.clone_from(&first.pool_asns);
        case.pool_by_asn.clone_from(&first.pool_by_asn);
        case.worst = u32::try_from(case.hits.len()).unwrap_or(u32::MAX);
        case.extend(spans);
        Some(case)
    }

    /// Sites out, since the last look.
    fn integrate(&mut self, now: UnixTime) {
        let span = i128::from(since(self.evaluated, now).max(0));
        self.evaluated = now;
        self.area += span * i128::from(self.out);
        for (asn, out) in &self.out_by_asn {
            *self.area_by_asn.entry(*asn).or_default() += span * i128::from(*out);
        }
    }

    fn look(&mut self, sites: &[Site]) {
        self.out = 0;
        self.out_by_asn.clear();
        for (at, hit) in &mut self.hits {
            let Some(site) = sites.get(*at) else { continue };
            if site.members.is_empty() {
                hit.moved = hit.back.is_none();
                continue;
            }
            hit.moved = false;
            let well = match self.trigger {
                Trigger::Service => !site.vote.blocked && !site.vote.lost,
                Trigger::Loss | Trigger::Slow => !site.vote.lost,
            };
            hit.isolated |= site.vote.lost && site.is_heard;
            if !well {
                hit.back = None;
                self.out += 1;
                *self.out_by_asn.entry(hit.asn).or_default() += 1;
            } else if hit.back.is_none() {
                let back = site.gap.as_ref().and_then(|gap: &Gap| gap.back);
                hit.back = match back {
                    Some((at, same)) if at >= hit.last_ok => Some((at, Some(same))),
                    _ => Some((self.evaluated, None)),
                };
            }
        }
        self.worst = self.worst.max(self.out);
    }

    /// The best guess at the start, by beats alone.
    pub(super) fn began(&self) -> UnixTime {
        let onset = |hit: &Hit| later(hit.last_ok, since(hit.last_ok, hit.first_bad) / 2);
        median(self.hits.values().map(onset)).unwrap_or(self.opened)
    }

    /// When those who are back returned: their median.
    pub(super) fn returned(&self) -> UnixTime {
        let back = self.hits.values().filter_map(|hit| hit.back);
        median(back.map(|(at, _)| at)).unwrap_or(self.evaluated)
    }

    /// See [`Pulse`].
    pub(super) fn pulse(&self) -> Pulse {
        let back = self.hits.values().filter(|hit| hit.back.is_some());
        Pulse {
            state: self.state,
            counts: [
                self.hits.len(),
                back.count(),
                self.told.len(),
                self.signals.len(),
                self.actions.len(),
                self.elsewhere.len(),
                self.hits.values().filter(|hit| hit.isolated).count(),
            ],
            out: self.out,
            score: self.score,
            incident: self.incident,
            flags: (self.fault, self.controlled),
        }
    }

    /// How far apart sites went, without the first and last tenth of them.
    pub(super) fn spread(&self) -> i64 {
        let mut onsets: Vec<UnixTime> = self.hits.values().map(|hit| hit.last_ok).collect();
        onsets.sort_unstable();
        let early = onsets.len() / 10;
        let late = onsets.len().saturating_sub(1 + early);
        match (onsets.get(early), onsets.get(late)) {
            (Some(first), Some(last)) => since(*first, *last),
            _ => 0,
        }
    }

    /// Whether they went within some minutes.
    pub(super) fn is_sudden(&self) -> bool {
        self.spread() <= 15 * MINUTE
    }

    /// Sites that are out now.
    pub(super) const fn out(&self) -> u32 {
        self.out
    }

    /// Networks of its sites.
    pub(super) fn asns(&self) -> BTreeSet<Asn> {
        self.hits.values().map(|hit| hit.asn).collect()
    }

    pub(super) fn countries(&self) -> BTreeSet<Country> {
        self.hits.values().map(|hit| hit.country).collect()
    }

    /// When it has to be looked at again, whatever happens.
    pub(super) fn next(&self, now: UnixTime, settings: &Settings) -> UnixTime {
        let never = UnixTime(i64::MAX);
        match self.state {
            State::Candidate if self.ended.is_some() => never,
            State::Candidate if since(self.opened, now) > super::moment::DAY => {
                later(now, super::moment::HOUR)
            }
            State::Candidate | State::Ending => later(now, MINUTE),
            // What is confirmed after it was over ends at once.
            State::Suspected | State::Confirmed if self.is_returning() => later(now, MINUTE),
            State::Suspected if since(self.opened, now) < 40 * MINUTE => later(now, MINUTE),
            State::Suspected | State::Confirmed => {
                // After a day the timeline is drawn by the hour.
                let young = since(self.opened, now) < super::moment::DAY;
                let bin = if young {
                    super::moment::BIN
                } else {
                    super::moment::HOUR
                };
                UnixTime(now.0 - now.0.rem_euclid(bin) + bin)
            }
            State::Ended => self
                .ended
                .map_or(never, |end| later(end, micros(settings.final_after))),
            _ => never,
        }
    }

    /// An analyst acts.
    pub(super) fn act(&mut self, action: Action) {
        use super::input::Deed;
        match action.deed {
            Deed::Retract => self.state = State::Retracted,
            Deed::Restore if self.state == State::Retracted => {
                self.fault = false;
                self.state = match self.ended {
                    Some(_) if self.confirmed => State::Ended,
                    Some(_) => State::Lapsed,
                    None => self.open_state(),
                };
            }
            _ => {}
        }
        self.actions.push(action);
    }

    /// Others who saw it. A document of a cause is no sight of it.
    pub(super) fn watchers(&self) -> usize {
        let watch = |signal: &&Signal| signal.watcher != Watcher::KeepItOn;
        self.signals.values().filter(watch).count()
    }

    /// The class that an analyst gave it.
    pub(super) fn ruled(&self) -> Option<Class> {
        self.actions
            .iter()
            .rev()
            .find_map(|action| match action.deed {
                super::input::Deed::Reclassify { class } => Some(class),
                _ => None,
            })
    }
}

/// The lower median: one of those that there are.
pub(super) fn median<T: Ord>(all: impl Iterator<Item = T>) -> Option<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    let middle = all.len().checked_sub(1)? / 2;
    all.into_iter().nth(middle)
}
