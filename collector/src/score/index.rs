//! What has been measured so far, in a form that scores and pages are made from quickly?
//! Facts of a few bytes by country and day; words, names and probes by number. Everything
//! here follows from rows of the store and can be made again from them.

use super::{
    cell::{self, Cell, Day, Source, TargetId, Vote},
    services::{Services, host},
};
use crate::store::MeasurementRow;
use faultline_core::{
    id::{Asn, Country, ProbeId},
    verdict::Rule,
};
use std::{collections::BTreeMap, collections::HashMap, ops::RangeInclusive};

/// A target with what is known of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The whole text.
    pub text: String,
    /// Of the whole text.
    pub id: TargetId,
    /// Of its name.
    pub name: TargetId,
    /// Of its top-level domain.
    pub zone: u32,
    /// Whether it is a service.
    pub is_service: bool,
}

/// What rows say apart from who, where, when and of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Experiment.
    pub experiment: &'static str,
    /// Outcome.
    pub outcome: String,
    /// Mechanism, for anomalies.
    pub mechanism: Option<String>,
    /// Whether it may be scored.
    pub scored: bool,
    /// Whether its cause may count towards a country.
    pub counts: bool,
    /// Whether several resolvers of the network said so.
    pub several: bool,
}

/// One measurement, by numbers.
#[derive(Clone, Copy, Debug)]
struct Fact {
    asn: Asn,
    probe: u32,
    target: u32,
    kind: u16,
    source: Source,
}

/// One measurement, by words.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// When.
    pub day: Day,
    /// Where.
    pub asn: Asn,
    /// Whose, by number.
    pub probe: u32,
    /// Of what.
    pub target: &'a Target,
    /// Number of the target.
    pub target_number: u32,
    /// What came of it.
    pub kind: &'a Kind,
    /// Whose probe.
    pub source: Source,
    votes: &'a [Vec<Vote>; 2],
}

impl Seen<'_> {
    /// What it says to each indicator.
    pub fn votes(&self) -> &[Vote] {
        &self.votes[usize::from(self.target.is_service)]
    }
}

/// What measurements are looked for.
pub struct Sought<'a> {
    /// In this network.
    pub asn: Option<Asn>,
    /// Of this target, as measured.
    pub target: Option<&'a str>,
    /// Of these probes.
    pub source: Option<Source>,
    /// Of these kinds, with what they say to indicators.
    pub kind: &'a dyn Fn(&Kind, &[Vote]) -> bool,
}

/// Everything of one country.
#[derive(Clone, Debug, Default)]
struct Of {
    days: BTreeMap<Day, OfDay>,
    /// Of the last change.
    generation: u64,
}

/// Everything of one day.
#[derive(Clone, Debug, Default)]
struct OfDay {
    facts: Vec<Fact>,
    /// Of the last change.
    generation: u64,
}

/// The index.
#[derive(Debug, Default)]
pub struct Index {
    services: Services,
    countries: BTreeMap<Country, Of>,
    targets: Vec<Target>,
    target_numbers: HashMap<String, u32>,
    probes: Vec<ProbeId>,
    probe_numbers: HashMap<ProbeId, u32>,
    kinds: Vec<(Kind, [Vec<Vote>; 2])>,
    kind_numbers: HashMap<Kind, u16>,
    generation: u64,
}

impl Index {
    /// An empty one.
    pub fn new(services: Services) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }

    /// Adds a row. Rows of one batch twice are the store's business, not seen here. Those
    /// without a country are left out: nothing is ever said of them.
    pub fn add(&mut self, row: &MeasurementRow, source: Source) {
        if !row.network_known || row.country == Country::UNKNOWN {
            return;
        }
        let Some(kind) = self.kind(row) else { return };
        let fact = Fact {
            asn: row.asn,
            probe: self.probe(row.probe),
            target: self.target_number(&row.target),
            kind,
            source,
        };
        self.generation += 1;
        let of = self.countries.entry(row.country).or_default();
        of.generation = self.generation;
        let day = of.days.entry(cell::day(row.started.0)).or_default();
        day.generation = self.generation;
        day.facts.push(fact);
    }

    fn kind(&mut self, row: &MeasurementRow) -> Option<u16> {
        let kind = Kind {
            experiment: row.experiment,
            outcome: row.verdict.outcome.clone(),
            mechanism: row.verdict.mechanism.clone(),
            scored: row.scored,
            counts: cell::attribution(row).counts(),
            several: cell::spoke(row, Rule::SeveralResolvers),
        };
        if let Some(number) = self.kind_numbers.get(&kind) {
            return Some(*number);
        }
        // Words of verdicts are few and ours; should they ever run out, nothing breaks.
        let number = u16::try_from(self.kinds.len()).ok()?;
        let votes = |is_service| {
            if row.scored {
                cell::votes(row, is_service)
            } else {
                Vec::new()
            }
        };
        self.kinds.push((kind.clone(), [votes(false), votes(true)]));
        self.kind_numbers.insert(kind, number);
        Some(number)
    }

    fn probe(&mut self, id: ProbeId) -> u32 {
        *self.probe_numbers.entry(id).or_insert_with(|| {
            self.probes.push(id);
            self.probes.len() as u32 - 1
        })
    }

    fn target_number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.target_numbers.get(text) {
            return *number;
        }
        let name = host(text);
        self.targets.push(Target {
            id: TargetId::of(text),
            name: TargetId::of(&name),
            zone: cell::zone(&name),
            is_service: self.services.at(&name).is_some(),
            text: text.to_owned(),
        });
        let number = self.targets.len() as u32 - 1;
        self.target_numbers.insert(text.to_owned(), number);
        number
    }

    /// Countries with measurements.
    pub fn countries(&self) -> impl Iterator<Item = Country> {
        self.countries.keys().copied()
    }

    /// Grows with every row.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Grows with every row of the country; 0 where there is none.
    pub fn generation_of(&self, country: Country) -> u64 {
        self.countries.get(&country).map_or(0, |of| of.generation)
    }

    /// Grows with every row of the country in these days; 0 where there is none.
    pub fn generation_in(&self, country: Country, days: RangeInclusive<Day>) -> u64 {
        let of = self.countries.get(&country).into_iter();
        let days = of.flat_map(|of| of.days.range(days.clone()));
        days.map(|(_, day)| day.generation).max().unwrap_or(0)
    }

    /// The last day with measurements, none after `today`.
    pub fn last_day(&self, today: Option<Day>) -> Option<Day> {
        let last = |of: &Of| match today {
            Some(today) => of.days.range(..=today).next_back().map(|(day, _)| *day),
            None => of.days.keys().next_back().copied(),
        };
        self.countries.values().filter_map(last).max()
    }

    /// The first day with measurements of a country.
    pub fn first_day(&self, country: Country) -> Option<Day> {
        let days = &self.countries.get(&country)?.days;
        days.keys().next().copied()
    }

    /// A target by its number.
    pub fn target(&self, number: u32) -> Option<&Target> {
        self.targets.get(number as usize)
    }

    /// Whose probe has this number.
    pub fn probe_id(&self, number: u32) -> Option<ProbeId> {
        self.probes.get(number as usize).copied()
    }

    /// Measurements of a country in these days, by day.
    pub fn seen(
        &self,
        country: Country,
        days: RangeInclusive<Day>,
    ) -> impl Iterator<Item = Seen<'_>> {
        let of = self.countries.get(&country);
        let days = of
            .into_iter()
            .flat_map(move |of| of.days.range(days.clone()));
        days.flat_map(move |(day, of)| {
            of.facts.iter().filter_map(move |fact| {
                let (kind, votes) = self.kinds.get(fact.kind as usize)?;
                Some(Seen {
                    day: *day,
                    asn: fact.asn,
                    probe: fact.probe,
                    target: self.targets.get(fact.target as usize)?,
                    target_number: fact.target,
                    kind,
                    source: fact.source,
                    votes,
                })
            })
        })
    }

    /// Where something that is sought stands: days in order, each country's apart.
    pub fn standing(
        &self,
        country: Option<Country>,
        days: RangeInclusive<Day>,
        sought: &Sought<'_>,
    ) -> BTreeMap<Country, Vec<Day>> {
        let target = match sought.target {
            Some(text) => match self.target_numbers.get(text) {
                Some(number) => Some(*number),
                None => return BTreeMap::new(),
            },
            None => None,
        };
        // Kinds are few: each is looked at once, and a fact costs a few comparisons.
        let kinds: Vec<[bool; 2]> = (self.kinds.iter())
            .map(|(kind, votes)| votes.each_ref().map(|votes| (sought.kind)(kind, votes)))
            .collect();
        let fits = |fact: &Fact| {
            let service = |t: &Target| usize::from(t.is_service);
            let service = self.targets.get(fact.target as usize).map_or(0, service);
            sought.asn.is_none_or(|asn| asn == fact.asn)
                && sought.source.is_none_or(|source| source == fact.source)
                && target.is_none_or(|target| target == fact.target)
                && kinds.get(fact.kind as usize).is_some_and(|k| k[service])
        };
        let here = self.countries.iter();
        let here = here.filter(|(code, _)| country.is_none_or(|country| country == **code));
        here.map(|(code, of)| {
            let days = of.days.range(days.clone());
            let days = days.filter(|(_, of)| of.facts.iter().any(fits));
            (*code, days.map(|(day, _)| *day).collect())
        })
        .collect()
    }

    /// Cells of a country in these days.
    pub fn cells(&self, country: Country, days: RangeInclusive<Day>) -> Vec<Cell> {
        let mut cells = Vec::new();
        for seen in self.seen(country, days) {
            let Some(probe) = self.probe_id(seen.probe) else {
                continue;
            };
            cells.extend(seen.votes().iter().map(|vote| Cell {
                indicator: vote.indicator,
                source: seen.source,
                target: if vote.by_name {
                    seen.target.name
                } else {
                    seen.target.id
                },
                asn: seen.asn,
                probe,
                day: seen.day,
                country,
                trials: 1,
                deviations: u32::from(vote.deviates),
                zone: if vote.by_zone { seen.target.zone } else { 0 },
                way: vote.way,
                several: vote.several,
            }));
        }
        cells
    }
}
