//! How does what was said compare with what happened? Every loss that probes shared is known;
//! an alarm is true where it is about the same place and time.
//!
//! - *suspected*, *confirmed*: first revision in that state by an event that fits the loss.
//! - *first data*: what was said while it lasted, before its probes could tell; *late*: what
//!   was said in the end.
//! - *false*: published, and no loss of two sites or more fits. Confirmed, it must fit a loss
//!   of three sites that lasted ten minutes.
//! - *hit* of a stated belief: the event fits a loss, of whatever cause: it happened.

use super::{fleet::Member, history::Story};
use faultline_collector::detect::event::{Cause, Class, EventId, Location, Revision, State};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// An event fits a loss that is at most so far away, seconds.
const SLACK: i64 = 900;
/// What is confirmed has lasted so long, with a minute of grace.
const LASTED: i64 = 540;

/// What a loss is to the evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Of the file: a shutdown.
    Event,
    /// Of the file: power, a cable, an operator.
    Control,
    /// Of the world's everyday life.
    Benign,
    /// Of the collector.
    Fault,
}

/// Something that probes lost together.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    pub id: String,
    pub kind: Kind,
    pub class: Class,
    pub cause: Cause,
    pub countries: BTreeSet<Country>,
    pub asns: BTreeSet<Asn>,
    pub sites: BTreeSet<u64>,
    pub from: i64,
    pub until: i64,
}

impl Loss {
    /// A story's, in one country.
    pub fn of(
        story: &Story,
        country: Country,
        several: bool,
        (from, until): (i64, i64),
    ) -> Self {
        let id = if several {
            format!("{}/{country}", story.id)
        } else {
            story.id.clone()
        };
        Self {
            id,
            kind: story.kind,
            class: story.class,
            cause: story.cause,
            countries: BTreeSet::from([country]),
            asns: BTreeSet::new(),
            sites: BTreeSet::new(),
            from,
            until: until.max(from + 60),
        }
    }

    /// Of nobody yet.
    pub fn benign(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            kind: Kind::Benign,
            class: Class::Regional,
            cause: Cause::Technical,
            countries: BTreeSet::new(),
            asns: BTreeSet::new(),
            sites: BTreeSet::new(),
            from: i64::MAX,
            until: i64::MIN,
        }
    }

    /// Everybody's.
    pub fn fault(fleet: &[Member], from: i64, until: i64) -> Self {
        let mut loss = Self::benign("collector");
        (loss.kind, loss.class) = (Kind::Fault, Class::CollectorFault);
        for member in fleet {
            loss.hits(member, from, until);
        }
        loss
    }

    /// A member that it touched, then.
    pub fn hits(&mut self, member: &Member, from: i64, until: i64) {
        self.notes(member);
        self.from = self.from.min(from);
        self.until = self.until.max(until);
    }

    /// A member that it touched.
    pub fn notes(&mut self, member: &Member) {
        self.countries.insert(member.country);
        self.asns.insert(member.asn);
        self.sites.insert(member.site);
    }

    fn fits(&self, place: &Place, from: i64, until: i64) -> bool {
        let here = match place {
            Place::World => true,
            Place::Network(asn) => self.asns.contains(asn),
            Place::Countries(countries) => !countries.is_disjoint(&self.countries),
        };
        here && from <= self.until + SLACK && until >= self.from - SLACK
    }

    fn is_large(&self) -> bool {
        self.sites.len() >= 3 && self.until - self.from >= LASTED
    }

    fn overlap(&self, from: i64, until: i64) -> i64 {
        self.until.min(until) - self.from.max(from)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    World,
    Network(Asn),
    Countries(BTreeSet<Country>),
}

/// An event, ours or a rival's, as it came to be said.
#[derive(Clone, Debug)]
pub struct Alarm {
    place: Place,
    pub from: i64,
    pub until: i64,
    /// When it was first published.
    pub suspected: Option<i64>,
    pub confirmed: Option<i64>,
    /// What was said of it, oldest first; none for rivals.
    pub said: Vec<Revision>,
}

impl Alarm {
    /// Of a rival, about a country or, with `asn`, a network.
    pub fn of_rival(
        country: Country,
        asn: Option<Asn>,
        (from, until): (i64, i64),
        suspected: i64,
        confirmed: Option<i64>,
    ) -> Self {
        Self {
            place: asn.map_or_else(
                || Place::Countries(BTreeSet::from([country])),
                Place::Network,
            ),
            from,
            until,
            suspected: Some(suspected),
            confirmed,
            said: Vec::new(),
        }
    }

    /// Ours, from everything that was said until `end`.
    pub fn ours(revisions: &[Revision], end: i64) -> Vec<Self> {
        let mut events: BTreeMap<EventId, Vec<Revision>> = BTreeMap::new();
        for revision in revisions {
            events
                .entry(revision.event_id)
                .or_default()
                .push(revision.clone());
        }
        let alarms = events.into_values().filter_map(|said| {
            let last = said.last()?;
            let first = |of: fn(State) -> bool| {
                let found = said.iter().find(|revision| of(revision.state));
                found.map(|revision| revision.as_of.secs())
            };
            let suspected = first(is_public);
            let confirmed = first(is_confirmed);
            Some(Self {
                place: place(last),
                from: last.start.secs(),
                until: last.end.map_or(end, UnixTime::secs),
                suspected,
                confirmed,
                said,
            })
        });
        alarms.collect()
    }

    fn last(&self) -> Option<&Revision> {
        self.said.last()
    }

    /// As it stood at a moment.
    fn at(&self, moment: i64) -> Option<&Revision> {
        self.said.iter().rfind(|r| r.as_of.secs() <= moment)
    }

    fn fits(&self, loss: &Loss) -> bool {
        loss.fits(&self.place, self.from, self.until)
    }

    /// Whether something of the kind happened at all.
    pub fn is_true(&self, losses: &[Loss]) -> bool {
        let fits = |loss: &&Loss| loss.kind != Kind::Fault && loss.sites.len() > 1;
        losses.iter().filter(fits).any(|loss| self.fits(loss))
    }

    /// Whether something happened that deserves to be confirmed.
    pub fn is_large(&self, losses: &[Loss]) -> bool {
        let fits = |loss: &&Loss| loss.kind != Kind::Fault && loss.is_large();
        losses.iter().filter(fits).any(|loss| self.fits(loss))
    }

    /// Whether it says that it was the collector.
    pub fn is_fault(&self) -> bool {
        self.last()
            .is_some_and(|last| last.disruption_class == Class::CollectorFault)
    }

    /// Whether in the end it still stands by itself.
    pub fn stands(&self) -> bool {
        self.last().is_none_or(|last| stands(last.state))
    }

    /// Whether another took it in.
    pub fn is_merged(&self) -> bool {
        self.last().is_some_and(|last| last.state == State::Merged)
    }

    /// Belief when first published, and in the end.
    pub fn beliefs(&self) -> Option<(f64, f64)> {
        let first = self
            .said
            .iter()
            .find(|revision| is_public(revision.state))?;
        Some((first.belief, self.last()?.belief))
    }

    /// The kind of loss that it ends up as.
    pub fn class(&self) -> Option<Class> {
        self.last().map(|last| last.disruption_class)
    }
}

fn place(revision: &Revision) -> Place {
    let countries: BTreeSet<Country> = revision.countries.iter().copied().collect();
    if !countries.is_empty() {
        return Place::Countries(countries);
    }
    match &revision.location {
        Location::Network(asn) => Place::Network(*asn),
        location => location.country().map_or(Place::World, |country| {
            Place::Countries(BTreeSet::from([country]))
        }),
    }
}

const fn is_public(state: State) -> bool {
    matches!(state, State::Suspected) || is_confirmed(state)
}

const fn is_confirmed(state: State) -> bool {
    matches!(
        state,
        State::Confirmed | State::Ending | State::Ended | State::Final
    )
}

const fn stands(state: State) -> bool {
    is_public(state)
}

/// Whether a class says that somebody took the network away.
pub const fn is_shutdown(class: Class) -> bool {
    matches!(
        class,
        Class::TotalBlackout
            | Class::InternationalIsolation
            | Class::MobileOnly
            | Class::FixedOnly
            | Class::ServiceBlock
            | Class::Throttling
    )
}

/// How one loss was seen.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub id: String,
    pub kind: Kind,
    pub class: Class,
    pub probes: usize,
    /// Sites and networks that were hit.
    pub sites: usize,
    pub networks: usize,
    /// Networks that its country's probes are in.
    pub asns: usize,
    /// How long it lasted, seconds.
    pub lasted: i64,
    /// From the onset, seconds.
    pub suspected: Option<i64>,
    pub confirmed: Option<i64>,
    /// While it lasted.
    pub first: Option<Class>,
    /// In the end.
    pub late: Option<Class>,
    /// In the end, as a confirmed event.
    pub late_confirmed: bool,
    /// Events of shutdown classes that stand in the end.
    pub accused: bool,
    pub start_error: Option<i64>,
    pub end_error: Option<i64>,
    pub revisions: usize,
    /// Minutes between the end and the last revision but `final`.
    pub settled: Option<i64>,
}

impl Outcome {
    /// Whether it was confirmed while it lasted.
    pub fn is_early(&self) -> bool {
        self.confirmed.is_some_and(|lag| lag <= self.lasted)
    }
}

/// Holds alarms against one loss.
pub fn outcome(loss: &Loss, alarms: &[Alarm], probes: usize, asns: usize) -> Outcome {
    let fitting: Vec<&Alarm> = alarms
        .iter()
        .filter(|alarm| !alarm.is_fault() && alarm.fits(loss))
        .collect();
    // What was said before it happened is about something else.
    let lag = |moment: fn(&Alarm) -> Option<i64>| {
        let moments = fitting.iter().filter_map(|alarm| moment(alarm));
        let lags = moments.map(|at| at - loss.from);
        lags.filter(|lag| *lag > -60).min()
    };
    let during = |alarm: &&Alarm| {
        let said = alarm.at(loss.until);
        said.filter(|said| is_public(said.state))
            .map(|said| (said.affected_sites, said.disruption_class))
    };
    let first = fitting
        .iter()
        .filter_map(during)
        .max_by_key(|(sites, _)| *sites);
    let standing = || fitting.iter().filter(|alarm| alarm.stands());
    let best = standing().max_by_key(|alarm| {
        let confirmed = alarm.confirmed.is_some();
        (confirmed, loss.overlap(alarm.from, alarm.until))
    });
    let last = best.and_then(|alarm| alarm.last());
    let accused = standing().any(|alarm| alarm.class().is_some_and(is_shutdown));
    Outcome {
        id: loss.id.clone(),
        kind: loss.kind,
        class: loss.class,
        probes,
        sites: loss.sites.len(),
        networks: loss.asns.len(),
        asns,
        lasted: loss.until - loss.from,
        suspected: lag(|alarm| alarm.suspected),
        confirmed: lag(|alarm| alarm.confirmed),
        first: first.map(|(_, class)| class),
        late: last.map(|last| last.disruption_class),
        late_confirmed: best.is_some_and(|alarm| alarm.confirmed.is_some()),
        accused,
        start_error: best.map(|alarm| alarm.from - loss.from),
        end_error: best.map(|alarm| alarm.until - loss.until),
        revisions: best.map_or(0, |alarm| alarm.said.len()),
        settled: best.and_then(|alarm| {
            let said = alarm.said.iter().rfind(|r| r.state != State::Final)?;
            Some((said.as_of.secs() - loss.until) / 60)
        }),
    }
}

/// What was said of nothing, in a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    pub group_years: f64,
    pub alarms: u32,
    /// Published without anything behind it.
    pub false_suspected: u32,
    pub false_confirmed: u32,
    /// Confirmed, of an everyday outage that did happen.
    pub benign_confirmed: u32,
    /// Everyday outages that stand as a shutdown in the end.
    pub benign_accused: u32,
}

impl Errors {
    /// Of a world.
    pub fn of(alarms: &[Alarm], losses: &[Loss], group_years: f64) -> Self {
        let mut errors = Self {
            group_years,
            ..Self::default()
        };
        for alarm in alarms.iter().filter(|a| !a.is_fault() && !a.is_merged()) {
            if alarm.suspected.is_none() {
                continue;
            }
            errors.alarms += 1;
            let of_file = |loss: &&Loss| matches!(loss.kind, Kind::Event | Kind::Control);
            if losses.iter().filter(of_file).any(|loss| alarm.fits(loss)) {
                continue;
            }
            errors.false_suspected += u32::from(!alarm.is_true(losses));
            if alarm.confirmed.is_some() {
                if alarm.is_large(losses) {
                    errors.benign_confirmed += 1;
                } else {
                    errors.false_confirmed += 1;
                }
                let shutdown = alarm.class().is_none_or(is_shutdown);
                errors.benign_accused += u32::from(alarm.stands() && shutdown);
            }
        }
        errors
    }

    /// Two worlds' together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            group_years: self.group_years + other.group_years,
            alarms: self.alarms + other.alarms,
            false_suspected: self.false_suspected + other.false_suspected,
            false_confirmed: self.false_confirmed + other.false_confirmed,
            benign_confirmed: self.benign_confirmed + other.benign_confirmed,
            benign_accused: self.benign_accused + other.benign_accused,
        }
    }
}

/// Stated beliefs against what happened, in bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// By place in [`Self::EDGES`]: sum of beliefs, hits, all.
    pub bins: [(f64, u32, u32); 7],
    /// Each with what came of it, in no order.
    pub all: Vec<(f64, bool)>,
}

impl Calibration {
    /// Lower edges of the bins.
    pub const EDGES: [f64; 7] = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

    /// One belief, and whether it happened.
    pub fn add(&mut self, belief: f64, hit: bool) {
        self.all.push((belief, hit));
        let at = Self::EDGES.iter().rposition(|edge| belief >= *edge);
        if let Some(bin) = at.and_then(|at| self.bins.get_mut(at)) {
            bin.0 += belief;
            bin.1 += u32::from(hit);
            bin.2 += 1;
        }
    }

    /// Another's.
    pub fn append(&mut self, other: &Self) {
        self.all.extend(&other.all);
        for (bin, more) in self.bins.iter_mut().zip(other.bins) {
            *bin = (bin.0 + more.0, bin.1 + more.1, bin.2 + more.2);
        }
    }

    /// The rising line that fits best: points of stated belief and the share that happened
    /// (isotonic regression by pooling of adjacent violators; Ayer et al., 1955). Each level has
    /// two points, its lowest and highest stated belief.
    pub fn fit(&self) -> Vec<(f64, f64)> {
        let mut all = self.all.clone();
        all.sort_by(|one, two| one.0.total_cmp(&two.0));
        // Lowest, highest, hits, count.
        let mut levels: Vec<(f64, f64, f64, f64)> = Vec::new();
        for (stated, hit) in all {
            let hit = f64::from(u8::from(hit));
            match levels.last_mut() {
                // The same statement is one point, whatever came of it.
                Some(last) if last.1 >= stated => {
                    (last.2, last.3) = (last.2 + hit, last.3 + 1.0);
                }
                _ => levels.push((stated, stated, hit, 1.0)),
            }
            while let [.., one, two] = levels.as_slice()
                && one.2 / one.3 >= two.2 / two.3
            {
                let joined = (one.0, two.1, one.2 + two.2, one.3 + two.3);
                levels.truncate(levels.len() - 2);
                levels.push(joined);
            }
        }
        let ends = levels.iter().flat_map(|(from, to, hits, all)| {
            let share = hits / all;
            [(*from, share), (*to, share)]
        });
        let mut points: Vec<(f64, f64)> = ends.collect();
        points.dedup();
        points
    }

    /// All events of a world, when first published and in the end.
    pub fn of(alarms: &[Alarm], losses: &[Loss]) -> (Self, Self) {
        let (mut first, mut last) = (Self::default(), Self::default());
        for alarm in alarms.iter().filter(|alarm| !alarm.is_merged()) {
            let Some((published, late)) = alarm.beliefs() else {
                continue;
            };
            let hit = alarm.is_true(losses);
            first.add(published, hit);
            if !alarm.is_fault() {
                last.add(late, hit);
            }
        }
        (first, last)
    }
}

/// The value below which a share of all lie; `None` of none.
pub fn quantile(values: impl IntoIterator<Item = i64>, share: f64) -> Option<i64> {
    let mut all: Vec<i64> = values.into_iter().collect();
    all.sort_unstable();
    let last = all.len().checked_sub(1)?;
    all.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(kind: Kind, sites: u64, from: i64, until: i64) -> Loss {
        let mut loss = Loss::benign("x");
        loss.kind = kind;
        loss.countries.insert(Country::new("XA").unwrap());
        loss.sites.extend(0..sites);
        (loss.from, loss.until) = (from, until);
        loss
    }

    fn alarm(country: &str, from: i64, until: i64) -> Alarm {
        let country = Country::new(country).unwrap();
        Alarm::of_rival(country, None, (from, until), from + 300, Some(from + 900))
    }

    #[test]
    fn an_alarm_is_true_at_the_same_place_and_time() {
        let losses = [loss(Kind::Benign, 3, 10_000, 11_000)];
        assert!(alarm("XA", 10_100, 11_000).is_true(&losses));
        assert!(!alarm("XB", 10_100, 11_000).is_true(&losses));
        assert!(!alarm("XA", 30_000, 31_000).is_true(&losses));
    }

    #[test]
    fn errors_are_counted_by_what_was_behind() {
        let losses = [
            loss(Kind::Benign, 3, 10_000, 11_000),
            loss(Kind::Benign, 3, 100_000, 100_300),
            loss(Kind::Event, 5, 200_000, 210_000),
            loss(Kind::Fault, 5, 300_000, 301_000),
        ];
        let alarms = [
            alarm("XA", 10_100, 11_000),
            alarm("XA", 100_000, 101_000), // it lasted five minutes
            alarm("XA", 200_000, 210_000),
            alarm("XA", 300_000, 301_000),
            alarm("XB", 10_100, 11_000),
        ];
        let errors = Errors::of(&alarms, &losses, 2.0);
        assert_eq!(errors.alarms, 5);
        assert_eq!(errors.false_suspected, 2);
        assert_eq!(errors.false_confirmed, 3);
        assert_eq!(errors.benign_confirmed, 1);
    }

    #[test]
    fn lags_count_from_the_onset() {
        let found = outcome(
            &loss(Kind::Event, 5, 10_000, 20_000),
            &[alarm("XA", 10_050, 20_100)],
            5,
            2,
        );
        assert_eq!((found.suspected, found.confirmed), (Some(350), Some(950)));
        assert_eq!((found.start_error, found.end_error), (Some(50), Some(100)));
        let missed = outcome(&loss(Kind::Event, 5, 10_000, 20_000), &[], 5, 2);
        assert_eq!(missed.suspected, None);
    }

    #[test]
    fn quantiles_of_few_and_none() {
        assert_eq!(quantile([], 0.5), None);
        assert_eq!(quantile([3], 0.95), Some(3));
        assert_eq!(quantile([5, 1, 3], 0.5), Some(3));
    }

    #[test]
    fn a_fit_rises_and_pools_what_does_not() {
        let mut calibration = Calibration::default();
        for (stated, hit) in [(0.1, false), (0.2, true), (0.3, false), (0.9, true)] {
            calibration.add(stated, hit);
        }
        assert_eq!(
            calibration.fit(),
            [(0.1, 0.0), (0.2, 0.5), (0.3, 0.5), (0.9, 1.0)]
        );
    }

    #[test]
    fn beliefs_fall_into_their_bins() {
        let mut calibration = Calibration::default();
        calibration.add(0.995, true);
        calibration.add(0.99, false);
        calibration.add(0.2, false);
        assert_eq!(calibration.bins[6].1, 1);
        assert_eq!(calibration.bins[6].2, 2);
        assert_eq!(calibration.bins[0].2, 1);
    }
}
