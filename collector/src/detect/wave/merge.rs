//! Which alarms are one event? Those of a country that began within 48 hours of each other and
//! share a target, a category or a mechanism; so a national block of forty targets in
//! forty-five networks is one wave and not 1,800.
//!
//! Beginnings that are not known within 48 hours, because nobody looked, join what began in
//! the time in which they may have begun, and do not tie two events together. What a new probe
//! finds standing joins the wave of that target. The same change of a target in most of the
//! countries that look at it is the target's own, or the control's: no event.

use super::{
    DETECTOR, Hour, PROBES, TOGETHER,
    alarm::Alarm,
    watch::{Scene, Watch},
};
use crate::{
    detect::event::{EventId, State},
    score::{cell::Source, floors::FLOORS},
};
use faultline_core::id::{Asn, Country};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Name of a wave: like that of an event, by the day of its beginning, country, source, and
/// its first target and mechanism.
pub type WaveId = EventId;

/// Alarms that are one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Its name.
    pub id: WaveId,
    /// Where.
    pub country: Country,
    /// Whose probes saw it.
    pub source: Source,
    /// Suspected, confirmed, ended, or over before it could be confirmed (lapsed).
    pub state: State,
    /// Whether it is older than the measurements.
    pub standing: bool,
    /// The first hour in which it was seen.
    pub start: Hour,
    /// The last hour in which it was not, where there is one.
    pub before: Option<Hour>,
    /// When the looks sufficed to say so.
    pub raised: Hour,
    /// The last hour in which it was seen and the first in which it was not, where it is over.
    pub end: Option<(Hour, Hour)>,
    /// The last look at any of its targets.
    pub last: Hour,
    /// Those that were seen blocked, by number.
    pub targets: BTreeSet<u32>,
    /// Series that were up.
    pub alarms: usize,
    /// From when until when which target was blocked where; no network: anywhere.
    pub(super) parts: Vec<Part>,
}

/// One target in one network, or in the country.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) target: u32,
    pub(super) asn: Option<Asn>,
    pub(super) from: Hour,
    pub(super) until: Hour,
    pub(super) causes: BTreeSet<u16>,
}

/// Categories of targets.
type Named = BTreeMap<u32, String>;

/// The waves of all countries, the latest first.
pub(super) fn waves(watch: &Watch, mut all: BTreeMap<Scene, (Vec<Alarm>, Named)>) -> Vec<Wave> {
    leave_out_sites(watch, &mut all);
    let mut waves: Vec<Wave> = Vec::new();
    for (scene, (mut alarms, named)) in all {
        order(watch, &mut alarms);
        let groups = Groups::new(watch, &alarms, &named).lists();
        waves.extend(groups.into_iter().filter_map(|list| {
            let alarms: Vec<&Alarm> =
                list.into_iter().filter_map(|at| alarms.get(at)).collect();
            wave(watch, scene, &alarms)
        }));
    }
    waves.sort_by(|a, b| (b.start, a.id).cmp(&(a.start, b.id)));
    waves
}

/// The wave of this name; else the one of the same country and source whose beginning is the
/// nearest, within 48 hours.
pub(super) fn find(waves: &[Wave], id: WaveId) -> Option<&Wave> {
    if let Some(wave) = waves.iter().find(|wave| wave.id == id) {
        return Some(wave);
    }
    let hour = |id: WaveId| (id.0 >> 80) as i64 / 3_600_000;
    let same = waves.iter().filter(|wave| place(wave.id) == place(id));
    let near = same.map(|wave| ((hour(wave.id) - hour(id)).abs(), wave.id, wave));
    let near = near.filter(|(far, ..)| *far <= i64::from(TOGETHER));
    near.min_by_key(|(far, id, _)| (*far, *id))
        .map(|(.., wave)| wave)
}

/// The bits of a name that say country and source.
const fn place(id: WaveId) -> u128 {
    id.0 >> 48 & 0xffff_ffff
}

fn name(country: Country, source: Source, start: Hour, first: &str) -> WaveId {
    let digest = |text: &str| -> u128 {
        let digest = Sha256::digest(format!("{DETECTOR}\0{text}"));
        digest
            .iter()
            .take(6)
            .fold(0, |sum, octet| sum << 8 | u128::from(*octet))
    };
    let source = if source == Source::Import {
        "import"
    } else {
        "probe"
    };
    let place = digest(&format!("{country}\0{source}")) & 0xffff_ffff;
    let day = i64::from(start.div_euclid(24)).max(0) as u128 * 86_400_000;
    EventId((day & ((1 << 48) - 1)) << 80 | place << 48 | digest(first))
}

/// In an order that does not depend on numbers, which follow the order of arrival.
fn order(watch: &Watch, alarms: &mut [Alarm]) {
    alarms.sort_by_cached_key(|alarm| {
        let texts: Vec<&str> = alarm
            .targets
            .iter()
            .map(|t| watch.target_text(*t))
            .collect();
        let causes: BTreeSet<_> = alarm
            .causes
            .iter()
            .filter_map(|c| watch.cause_of(*c))
            .collect();
        let first = texts.iter().min().map(|text| (*text).to_owned());
        let cause = causes.first().map(|cause| cause.mechanism.clone());
        (alarm.span.start, alarm.wide, first, cause, alarm.asn)
    });
}

/// Drops what began in more than half of the countries that look at a target, and in three at
/// least, within 48 hours: the site is at fault.
fn leave_out_sites(watch: &Watch, all: &mut BTreeMap<Scene, (Vec<Alarm>, Named)>) {
    let mut began: BTreeMap<u32, Vec<(Hour, Country)>> = BTreeMap::new();
    for ((country, _), (alarms, _)) in &*all {
        for alarm in alarms
            .iter()
            .filter(|alarm| !alarm.span.standing && !alarm.wide)
        {
            for target in &alarm.targets {
                began
                    .entry(*target)
                    .or_default()
                    .push((alarm.span.start, *country));
            }
        }
    }
    let mut at_fault: BTreeMap<u32, Vec<Hour>> = BTreeMap::new();
    for (target, starts) in began {
        let watching: BTreeSet<Country> = (watch.scenes.iter())
            .filter(|(_, tracks)| tracks.contains_key(&target))
            .map(|((country, _), _)| *country)
            .collect();
        for (start, _) in &starts {
            let near = starts
                .iter()
                .filter(|(other, _)| (other - start).abs() <= TOGETHER);
            let near: BTreeSet<Country> = near.map(|(_, country)| *country).collect();
            if near.len() >= 3 && 2 * near.len() > watching.len() {
                at_fault.entry(target).or_default().push(*start);
            }
        }
    }
    for (alarms, _) in all.values_mut() {
        alarms.retain(|alarm| {
            let faulty = |target: &u32| {
                let at = at_fault.get(target).into_iter().flatten();
                at.into_iter().any(|at| *at == alarm.span.start)
            };
            alarm.span.standing || alarm.wide || !alarm.targets.iter().all(faulty)
        });
    }
}

/// Alarms by number, each in one group.
struct Groups<'a> {
    alarms: &'a [Alarm],
    parent: Vec<usize>,
}

/// What alarms may have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Tie<'a> {
    Target(u32),
    Category(&'a str),
    Mechanism(&'a str),
}

impl<'a> Groups<'a> {
    fn new(watch: &'a Watch, alarms: &'a [Alarm], named: &'a Named) -> Self {
        let mut groups = Self {
            alarms,
            parent: (0..alarms.len()).collect(),
        };
        let ties = |alarm: &Alarm| {
            let mut ties = BTreeSet::new();
            for target in &alarm.targets {
                ties.insert(Tie::Target(*target));
                ties.extend(named.get(target).map(|name| Tie::Category(name)));
            }
            let causes = alarm
                .causes
                .iter()
                .filter_map(|cause| watch.cause_of(*cause));
            ties.extend(causes.map(|cause| Tie::Mechanism(&cause.mechanism)));
            ties
        };
        let ties: Vec<BTreeSet<Tie<'a>>> = alarms.iter().map(ties).collect();
        let well_dated = |alarm: &Alarm| {
            let (from, to) = alarm.began();
            !alarm.span.standing && to - from <= TOGETHER
        };
        groups.tie(&ties, |_, alarm| well_dated(alarm).then(|| alarm.began()));
        groups.tie(&ties, |_, alarm| {
            let at = (alarm.span.start, alarm.span.start);
            alarm.span.standing.then_some(at)
        });
        groups.join_standing();
        groups.join_vague(&ties, &well_dated);
        groups
    }

    /// Ties those of which `when` tells when they began.
    fn tie(
        &mut self,
        ties: &[BTreeSet<Tie<'_>>],
        when: impl Fn(usize, &Alarm) -> Option<(Hour, Hour)>,
    ) {
        let mut last: HashMap<&Tie<'_>, (usize, Hour)> = HashMap::new();
        for (at, alarm) in self.alarms.iter().enumerate() {
            let Some((from, to)) = when(at, alarm) else {
                continue;
            };
            for tie in ties.get(at).into_iter().flatten() {
                if let Some((before, latest)) = last.get(tie).copied()
                    && from - latest <= TOGETHER
                {
                    self.join(before, at);
                }
                last.insert(tie, (at, to));
            }
        }
    }

    /// What a new look finds standing joins what is known of the target.
    fn join_standing(&mut self) {
        let mut first: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, alarm) in self.alarms.iter().enumerate() {
            for target in &alarm.targets {
                let before = first.entry(*target).or_default();
                let open = |other: &&usize| {
                    let span = &self.alarms[**other].span;
                    span.end.is_none_or(|(last, _)| last >= alarm.span.start)
                };
                if alarm.span.standing
                    && let Some(other) = before.iter().rev().find(open).copied()
                {
                    self.join(other, at);
                }
                first.entry(*target).or_default().push(at);
            }
        }
    }

    /// Those whose beginning is not well known join the best dated that they may belong to,
    /// else one another.
    fn join_vague(&mut self, ties: &[BTreeSet<Tie<'_>>], well_dated: &dyn Fn(&Alarm) -> bool) {
        let vague = |alarm: &Alarm| !alarm.span.standing && !well_dated(alarm);
        let mut left = BTreeSet::new();
        for (at, alarm) in self.alarms.iter().enumerate().filter(|(_, a)| vague(a)) {
            let (from, to) = alarm.began();
            let fits = |other: &&(usize, &Alarm)| {
                let (a, b) = other.1.began();
                well_dated(other.1) && from <= b + TOGETHER && a <= to + TOGETHER
            };
            let common = |other: usize| {
                let both = ties[at].intersection(&ties[other]);
                let best = |tie: &Tie<'_>| match tie {
                    Tie::Target(_) => 3,
                    Tie::Category(_) => 2,
                    Tie::Mechanism(_) => 1,
                };
                both.map(best).max().unwrap_or(0)
            };
            let others: Vec<_> = self.alarms.iter().enumerate().collect();
            let best = others.iter().filter(fits).map(|(other, alarm)| {
                let far = (alarm.span.start - alarm.began().0).max(0);
                let late = (to - alarm.span.start).abs();
                (common(*other), std::cmp::Reverse((far, late, *other)))
            });
            match best.max() {
                Some((common, std::cmp::Reverse((.., other)))) if common > 0 => {
                    self.join(other, at);
                }
                _ => {
                    left.insert(at);
                }
            }
        }
        self.tie(ties, |at, alarm| {
            let start = alarm.span.start;
            left.contains(&at).then_some((start, start))
        });
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    fn lists(mut self) -> Vec<Vec<usize>> {
        let mut lists: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.alarms.len() {
            lists.entry(self.root(at)).or_default().push(at);
        }
        lists.into_values().collect()
    }
}

/// What a group of alarms says together; alarms are in order.
fn wave(watch: &Watch, scene: Scene, alarms: &[&Alarm]) -> Option<Wave> {
    let (country, source) = scene;
    let dated = alarms.iter().filter(|alarm| !alarm.span.standing);
    let standing = dated.clone().next().is_none();
    // Those that are dated say when; of several that begin at once, the best dated.
    let first = dated.chain(alarms).min_by_key(|alarm| {
        let (from, to) = alarm.began();
        (alarm.span.standing && !standing, to, to - from)
    })?;
    let mut parts = Vec::new();
    for alarm in alarms {
        for target in &alarm.targets {
            parts.push(Part {
                target: *target,
                asn: alarm.asn,
                from: alarm.span.start,
                until: alarm.span.end.map_or(Hour::MAX, |(last, _)| last),
                causes: alarm.causes.clone(),
            });
        }
    }
    parts.sort_unstable();
    let over = alarms.iter().all(|alarm| alarm.span.end.is_some());
    let ends = alarms.iter().filter_map(|alarm| alarm.span.end);
    let last_seen = ends.clone().map(|(last, _)| last).max();
    let cleared = ends.map(|(_, cleared)| cleared);
    let cleared = cleared.filter(|at| Some(*at) > last_seen).min();
    let cause = first
        .causes
        .iter()
        .filter_map(|c| watch.cause_of(*c))
        .min()?;
    let target = first.targets.iter().map(|t| watch.target_text(*t)).min()?;
    let lead = format!("{target}\0{}", cause.layer());
    let mut wave = Wave {
        id: name(country, source, first.span.start, &lead),
        country,
        source,
        state: State::Suspected,
        standing,
        start: first.span.start,
        before: first.span.before.filter(|_| !standing),
        raised: alarms.iter().map(|alarm| alarm.span.raised).min()?,
        end: last_seen.zip(cleared).filter(|_| over),
        last: alarms.iter().map(|alarm| alarm.span.last).max()?,
        targets: parts.iter().map(|part| part.target).collect(),
        alarms: alarms.len(),
        parts,
    };
    let account = watch.account(&wave);
    let firm = account.total.blocked.len() >= PROBES;
    let networks = account
        .networks
        .values()
        .filter(|sum| !sum.blocked.is_empty())
        .count();
    let days = account
        .days
        .values()
        .filter(|sum| !sum.blocked.is_empty())
        .count();
    let confirmed = firm
        && (networks >= FLOORS.naming_networks as usize
            || days >= FLOORS.confirming_days as usize);
    wave.state = match (confirmed, wave.end.is_some()) {
        (true, true) => State::Ended,
        (true, false) => State::Confirmed,
        (false, true) => State::Lapsed,
        (false, false) => State::Suspected,
    };
    firm.then_some(wave)
}
