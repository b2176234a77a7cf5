//! What may be said of few? Everything published passes here, and only here.
//!
//! A count of sites that can be subtracted from another is as good as the difference. So every
//! published count is a multiple of three, the nearest one, and a group of fewer than three is
//! not there: no sum and no difference of published counts, of two releases, of a country and
//! its networks, of two windows, is one or two. Shares are quotients of such counts; sums over
//! sites are scaled to them; numbers that follow from which networks have a site at all are
//! blunt. What one site does to a time is hidden by rounding, and what only one or two sites'
//! ledgers say is not said until a third one does, unless it takes an accusation back.

use crate::{
    config::Dataset,
    detect::event::{Bin, Covered, EventId, Evidence, Location, Reason, Revision, State},
    score::floors::FLOORS,
};
use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// Nothing is said of fewer sites; all counts are multiples of it.
pub const GRAIN: u32 = FLOORS.event_sites;
/// Of fewer sites times of return are blunt, and bins wide.
const FEW: u32 = 12;
/// How blunt, microseconds.
const BLUNT: i64 = 600_000_000;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 86_400_000_000;

/// What the operator holds back for a day.
#[derive(Clone, Debug, Default)]
pub struct Hold {
    /// Countries in which rows of single networks wait.
    pub countries: BTreeSet<Country>,
}

impl Hold {
    /// As the settings have it.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            countries: dataset.high_risk.iter().copied().collect(),
        }
    }
}

/// What there is, as the detector says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Material {
    pub revisions: Vec<Revision>,
    pub evidence: Vec<Evidence>,
    pub bins: Vec<Bin>,
    pub coverage: Vec<Covered>,
    /// Events of which something is public ([`public_from`]) and whose revisions are not here.
    pub others: BTreeSet<EventId>,
}

/// A bin, and how wide it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Wide {
    pub bin: Bin,
    pub seconds: u32,
}

/// What may be published of it, in the order of its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Published {
    pub revisions: Vec<Revision>,
    pub evidence: Vec<Evidence>,
    pub bins: Vec<Wide>,
    pub coverage: Vec<Covered>,
}

/// A count as it is published: the nearest multiple of three, 0 for fewer than three.
pub const fn count(sites: u32) -> u32 {
    if sites < GRAIN { 0 } else { nearest(sites) }
}

/// The same of those that are part of a group that may be spoken of: two of many are three.
const fn nearest(sites: u32) -> u32 {
    sites.saturating_add(GRAIN / 2) / GRAIN * GRAIN
}

/// Applies the floors as of a moment.
pub fn publish(material: &Material, as_of: UnixTime, hold: &Hold) -> Published {
    let coverage = newest_days(material, as_of);
    let rules = Rules {
        places: Places::of(&coverage),
        as_of,
        hold,
    };
    let covered = coverage.iter().filter_map(|day| rules.covered(day));
    let revisions = rules.revisions(&material.revisions, &material.others);
    let named: BTreeSet<_> = revisions.iter().map(|r| r.event_id).collect();
    let mut evidence = rules.evidence(&material.evidence);
    evidence.retain(|e| named.contains(&e.event_id));
    Published {
        coverage: covered.collect(),
        bins: rules.bins(&material.bins),
        evidence,
        revisions,
    }
}

/// When something of an event is published, from the first of its revisions for which this is
/// known: `None` is of one of which nothing is said. How places are covered does not matter.
pub fn public_from(raw: &Revision, as_of: UnixTime, hold: &Hold) -> Option<UnixTime> {
    let rules = Rules {
        places: Places(BTreeMap::new()),
        as_of,
        hold,
    };
    (!rules.hides(raw, true)).then(|| said_at(raw))
}

/// Finished days by place and day; the last word on each.
fn newest_days(material: &Material, as_of: UnixTime) -> Vec<Covered> {
    let mut days = BTreeMap::new();
    for day in &material.coverage {
        if day.day.0.saturating_add(DAY) <= as_of.0 {
            days.insert((day.location.clone(), day.day), day.clone());
        }
    }
    days.into_values().collect()
}

/// Places that have three sites or more, by day.
struct Places(BTreeMap<UnixTime, BTreeSet<Location>>);

impl Places {
    fn of(coverage: &[Covered]) -> Self {
        let mut days: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for day in coverage {
            let places: &mut BTreeSet<_> = days.entry(day.day).or_default();
            if day.eligible_sites >= GRAIN {
                places.insert(day.location.clone());
            }
        }
        Self(days)
    }

    /// On the day that a moment is in, or, before that day is over, the one before.
    fn at(&self, at: UnixTime) -> Option<&BTreeSet<Location>> {
        let day = UnixTime(at.0.div_euclid(DAY).saturating_mul(DAY));
        let before = UnixTime(day.0.saturating_sub(DAY));
        self.0.get(&day).or_else(|| self.0.get(&before))
    }

    fn has(&self, at: UnixTime, place: &Location) -> bool {
        self.at(at).is_some_and(|places| places.contains(place))
    }

    /// Whether a network may be named as part of what happened somewhere.
    fn network(&self, at: UnixTime, asn: Asn, countries: &[Country]) -> bool {
        let mut within = countries.iter();
        self.has(at, &Location::Network(asn))
            || within.any(|country| self.has(at, &Location::NetworkIn(*country, asn)))
    }

    fn region(&self, at: UnixTime, code: &str) -> bool {
        self.has(at, &Location::Region(code.to_owned()))
    }

    fn access(&self, at: UnixTime, kind: NetworkKind, countries: &[Country]) -> bool {
        let mut within = countries.iter();
        within.any(|country| self.has(at, &Location::Access(*country, kind)))
    }

    fn country(&self, at: UnixTime, country: Country) -> bool {
        self.has(at, &Location::Country(country))
    }

    /// How many networks in a country: known of countries only.
    fn count(&self, at: UnixTime, place: &Location) -> u32 {
        let Location::Country(country) = place else {
            return u32::from(place.asn().is_some());
        };
        let all = Location::NetworkIn(*country, Asn(0))
            ..=Location::NetworkIn(*country, Asn(u32::MAX));
        let places = self.at(at);
        places.map_or(0, |places| places.range(all).count()) as u32
    }
}

struct Rules<'a> {
    places: Places,
    as_of: UnixTime,
    hold: &'a Hold,
}

impl Rules<'_> {
    /// Whether what a single network does at a moment waits still. Of a network by itself the
    /// country is not known: it waits where anything does.
    fn held(&self, place: &Location, at: UnixTime) -> bool {
        let countries = &self.hold.countries;
        let risky = match place.country() {
            Some(country) => countries.contains(&country),
            None => !countries.is_empty(),
        };
        place.asn().is_some() && risky && at.0.saturating_add(DAY) > self.as_of.0
    }

    fn covered(&self, day: &Covered) -> Option<Covered> {
        let eligible = count(day.eligible_sites);
        if eligible == 0 || self.held(&day.location, UnixTime(day.day.0 + DAY)) {
            return None;
        }
        let least = day.min_detectable_share.map(|share| {
            let sites = (share.clamp(0.0, 1.0) * f64::from(eligible) / f64::from(GRAIN)).ceil();
            sites * f64::from(GRAIN) / f64::from(eligible)
        });
        Some(Covered {
            location: day.location.clone(),
            day: day.day,
            eligible_sites: eligible,
            eligible_asns: self.places.count(day.day, &day.location),
            min_detectable_share: least.map(|share| digits(share, 4).min(1.0)),
            deaf_minutes: day.deaf_minutes.min(1440),
        })
    }

    /// What may be said of each event, in order.
    fn revisions(&self, all: &[Revision], others: &BTreeSet<EventId>) -> Vec<Revision> {
        let mut events: BTreeMap<_, BTreeMap<u32, &Revision>> = BTreeMap::new();
        for one in all.iter().filter(|one| one.as_of <= self.as_of) {
            let event = events.entry(one.event_id).or_default();
            event.insert(one.revision, one);
        }
        let mut kept = Vec::new();
        for event in events.values() {
            let own = self.event(event.values().copied());
            kept.extend(own.into_iter().filter(|r| r.as_of <= self.as_of));
        }
        // What was not published is no event of anybody.
        let named: BTreeSet<_> = kept.iter().map(|r: &Revision| r.event_id).collect();
        for one in &mut kept {
            let known = |id: &_| named.contains(id) || others.contains(id);
            one.incident_id = one.incident_id.filter(known);
            one.merged_into = one.merged_into.filter(known);
            one.related_ids.retain(known);
        }
        kept
    }

    fn event<'r>(&self, revisions: impl Iterator<Item = &'r Revision>) -> Vec<Revision> {
        let mut kept: Vec<Revision> = Vec::new();
        for raw in revisions {
            if self.hides(raw, kept.is_empty()) {
                continue;
            }
            let mut said = self.revision(raw);
            if let Some(last) = kept.last() {
                said.as_of = said.as_of.max(last.as_of);
                if !adds(last, &said) {
                    continue;
                }
            }
            kept.push(said);
        }
        kept
    }

    /// Whether nothing is said by a revision, by the first one or by a later one.
    fn hides(&self, raw: &Revision, first: bool) -> bool {
        let above = raw.affected_sites >= GRAIN && raw.eligible_sites >= GRAIN;
        raw.state == State::Candidate
            || (first && !above)
            || self.held(&raw.location, raw.start)
    }

    fn revision(&self, raw: &Revision) -> Revision {
        let mut said = raw.clone();
        let few = raw.affected_sites < FEW;
        said.affected_sites = count(raw.affected_sites.min(raw.eligible_sites));
        said.eligible_sites = count(raw.eligible_sites);
        let (part, whole) = (said.affected_sites, said.eligible_sites);
        let share = if whole == 0 {
            0.0
        } else {
            f64::from(part) / f64::from(whole)
        };
        // What was summed over sites is of the published share, too.
        let scale = if raw.drop_fraction > 0.0 {
            share / raw.drop_fraction
        } else {
            0.0
        };
        said.drop_fraction = digits(share, 4);
        said.area_pct_min = significant(raw.area_pct_min * scale, 2);
        said.user_hours = raw.user_hours.map(|hours| significant(hours * scale, 1));
        said.coverage = raw.coverage.map(|c| libm::floor(c * 10.0 + 1e-9) / 10.0);
        said.belief = digits(raw.belief, 2);
        said.confidence = digits(raw.confidence, 2);
        for other in &mut said.alternatives {
            other.probability = digits(other.probability, 2);
        }
        said.alternatives.retain(|other| other.probability > 0.0);
        self.name(raw, &mut said);
        said.eligible_asns = self.places.count(raw.start, &raw.location);
        said.retro_evidence_sites = count(raw.retro_evidence_sites);
        said.retro_minutes = proportional(
            raw.retro_minutes,
            said.retro_evidence_sites,
            raw.retro_evidence_sites,
        );
        said.start = down(raw.start, MINUTE);
        said.start_lower = down(raw.start_lower, MINUTE);
        said.start_upper = up(raw.start_upper, MINUTE);
        let grain = if few { BLUNT } else { MINUTE };
        let middle = |end: UnixTime| down(UnixTime(end.0.saturating_add(grain / 2)), grain);
        said.end = raw.end.map(|end| middle(end).max(said.start));
        said.end_lower = raw.end_lower.map(|end| down(end, grain).max(said.start));
        said.end_upper = raw.end_upper.map(|end| up(end, grain));
        said.as_of = said_at(raw);
        said
    }

    /// Leaves out parts of what happened that have fewer than three sites.
    fn name(&self, raw: &Revision, said: &mut Revision) {
        let (at, places) = (raw.start, &self.places);
        let own = |country: &Country| raw.location.country() == Some(*country);
        said.countries
            .retain(|country| own(country) || places.country(at, *country));
        let countries = said.countries.clone();
        said.asns.retain(|asn| {
            let named = places.network(at, *asn, &countries) && !self.waits(raw, *asn);
            named || raw.location.asn() == Some(*asn)
        });
        said.admin1_codes.retain(|code| {
            places.region(at, code) || raw.location == Location::Region(code.clone())
        });
        said.access_types.retain(|kind| {
            let own = matches!(raw.location, Location::Access(_, known) if known == *kind);
            own || places.access(at, *kind, &countries)
        });
    }

    /// Whether a network in the list of a country's event is not to be named yet.
    fn waits(&self, raw: &Revision, asn: Asn) -> bool {
        let mut places = raw.countries.iter().map(|c| Location::NetworkIn(*c, asn));
        places.any(|place| self.held(&place, raw.as_of))
    }

    fn evidence(&self, all: &[Evidence]) -> Vec<Evidence> {
        let mut known: Vec<&Evidence> = all.iter().collect();
        known.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut last: BTreeMap<_, u32> = BTreeMap::new();
        let mut kept = Vec::new();
        for raw in known {
            if self.held(&raw.location, raw.from) {
                continue;
            }
            let Some(mut said) = Self::one(raw) else {
                continue;
            };
            if said.received_at > self.as_of {
                continue;
            }
            if let Some(sites) = said.sites {
                // One site more changes nothing until there are three.
                let group = (
                    raw.event_id,
                    raw.signal.clone(),
                    raw.location.clone(),
                    raw.verdict.clone(),
                );
                if last.insert(group, sites) == Some(sites) {
                    continue;
                }
            }
            if said.url.as_deref() == Some("") {
                said.url = None;
            }
            kept.push(said);
        }
        kept.sort_by(|a, b| order(a).cmp(&order(b)));
        kept
    }

    fn one(raw: &Evidence) -> Option<Evidence> {
        let mut said = raw.clone();
        let Some(sites) = raw.sites else {
            // Only what others published has no sites of ours.
            said.llr = digits(raw.llr, 2);
            said.from = down(raw.from, 1_000_000);
            said.to = raw.to.map(|to| down(to, 1_000_000));
            said.received_at = up(raw.received_at, 1_000_000);
            return raw.signal.starts_with(OUTSIDE).then_some(said);
        };
        let shown = count(sites);
        if shown == 0 {
            return None;
        }
        let grain = if sites < FEW { BLUNT } else { MINUTE };
        said.sites = Some(shown);
        // It is a sum over sites: it would tell how many.
        said.llr = 0.0;
        let coarse = |number: f64| {
            let whole = if number.abs() <= 1.0 {
                f64::from(shown)
            } else {
                1.0
            };
            let step = f64::from(GRAIN) / whole;
            digits(libm::round(number / step) * step, 4)
        };
        said.value = raw.value.map(coarse);
        said.baseline = raw.baseline.map(coarse);
        // The first and the last of all sites: each is of one.
        said.from = down(raw.from, grain);
        said.to = raw.to.map(|to| up(to, grain));
        said.error_s = raw.error_s.max((grain / 2_000_000) as u32);
        said.received_at = up(raw.received_at, BLUNT);
        Some(said)
    }

    /// Whole bins as they are where there are many; ten minutes in one where there are few.
    fn bins(&self, all: &[Bin]) -> Vec<Wide> {
        let mut places: BTreeMap<&Location, BTreeMap<UnixTime, &Bin>> = BTreeMap::new();
        for bin in all {
            places.entry(&bin.location).or_default().insert(bin.at, bin);
        }
        let mut kept = Vec::new();
        for bins in places.values() {
            let width = step(bins.keys());
            let mut tens: BTreeMap<i64, Vec<&Bin>> = BTreeMap::new();
            for bin in bins.values() {
                tens.entry(bin.at.0.div_euclid(BLUNT))
                    .or_default()
                    .push(bin);
            }
            for (ten, bins) in tens {
                let from = UnixTime(ten * BLUNT);
                let over = from.0.saturating_add(BLUNT.max(width));
                // An unfinished one, taken again later, would tell the rest by difference.
                if over > self.as_of.0 || bins.iter().any(|bin| self.held(&bin.location, from))
                {
                    continue;
                }
                if bins.iter().all(|bin| bin.eligible >= FEW) {
                    kept.extend(bins.iter().filter_map(|bin| wide(bin.at, width, &[*bin])));
                } else {
                    kept.extend(wide(from, BLUNT.max(width), &bins));
                }
            }
        }
        kept
    }
}

/// The width of bins: the shortest step between two; a minute where there is but one.
fn step<'a>(starts: impl Iterator<Item = &'a UnixTime> + Clone) -> i64 {
    let steps = starts.clone().zip(starts.skip(1)).map(|(a, b)| b.0 - a.0);
    steps.min().unwrap_or(MINUTE)
}

/// Begins the names of signals that others published.
const OUTSIDE: &str = "import:";

/// Bins as one: the least that were eligible, the mean of the others.
fn wide(at: UnixTime, width: i64, bins: &[&Bin]) -> Option<Wide> {
    let first = bins.first()?;
    let eligible = count(bins.iter().map(|bin| bin.eligible).min()?);
    if eligible == 0 {
        return None;
    }
    let mean = |of: fn(&Bin) -> f64| {
        let sum: f64 = bins.iter().map(|bin| of(bin)).sum();
        let mean = libm::round(sum / bins.len() as f64).max(0.0);
        nearest(mean as u32).min(eligible)
    };
    Some(Wide {
        bin: Bin {
            location: first.location.clone(),
            at,
            expected: mean(|bin| bin.expected).into(),
            observed: mean(|bin| bin.observed.into()),
            eligible,
        },
        seconds: (width / 1_000_000) as u32,
    })
}

/// Whether a revision says more than the last published one, above the floors.
fn adds(last: &Revision, said: &Revision) -> bool {
    if said.state == State::Retracted && last.state != State::Retracted {
        return true;
    }
    if said.revision_reason == Reason::LateProbeEvidence {
        let told = said.retro_evidence_sites;
        let turned = (last.state, last.disruption_class, last.cause)
            != (said.state, said.disruption_class, said.cause);
        return told > 0 && (turned || told != last.retro_evidence_sites);
    }
    let mut same = said.clone();
    (same.revision, same.as_of) = (last.revision, last.as_of);
    same.revision_reason = last.revision_reason;
    same != *last
}

/// In order of arrival, then by what it says: equal rows stay equal however they come.
fn order(e: &Evidence) -> impl Ord + '_ {
    (
        e.event_id,
        e.received_at,
        &e.signal,
        &e.location,
        &e.verdict,
        e.from,
        e.sites,
    )
}

/// When it is published that something was said.
fn said_at(raw: &Revision) -> UnixTime {
    match raw.revision_reason {
        Reason::LateProbeEvidence => up(raw.as_of, BLUNT),
        _ => up(raw.as_of, 1_000_000),
    }
}

fn down(at: UnixTime, grain: i64) -> UnixTime {
    UnixTime(at.0.div_euclid(grain).saturating_mul(grain))
}

fn up(at: UnixTime, grain: i64) -> UnixTime {
    down(UnixTime(at.0.saturating_add(grain - 1)), grain)
}

fn proportional(minutes: u32, shown: u32, sites: u32) -> u32 {
    if shown == 0 {
        return 0;
    }
    let scaled = f64::from(minutes) * f64::from(shown) / f64::from(sites.max(1));
    (libm::round(scaled / 10.0) * 10.0) as u32
}

/// Rounded to so many digits after the point.
fn digits(number: f64, digits: i32) -> f64 {
    let scale = libm::pow(10.0, digits.into());
    libm::round(number * scale) / scale
}

/// Rounded to so many digits.
fn significant(number: f64, digits: i32) -> f64 {
    if number <= 0.0 || !number.is_finite() {
        return 0.0;
    }
    let last = libm::floor(libm::log10(number)) - f64::from(digits - 1);
    // Whole powers only: a tenth is none in binary.
    let step = libm::pow(10.0, last.abs());
    if last < 0.0 {
        libm::round(number * step) / step
    } else {
        libm::round(number / step) * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_multiples_of_three_and_few_are_none() {
        let of: Vec<u32> = (0..11).map(count).collect();
        assert_eq!(of, [0, 0, 0, 3, 3, 6, 6, 6, 9, 9, 9]);
        assert_eq!(nearest(1), 0);
        assert_eq!(nearest(2), 3);
        assert_eq!(count(u32::MAX) % 3, 0);
    }

    #[test]
    fn numbers_are_as_blunt_as_they_say() {
        let two = [5142.857, 0.123, 99.9, 0.0, -1.0, f64::NAN].map(|n| significant(n, 2));
        assert_eq!(
            two.map(|n| n.to_string()),
            ["5100", "0.12", "100", "0", "0", "0"]
        );
        assert_eq!(significant(123_456.0, 1).to_string(), "100000");
        assert_eq!(digits(0.666_666, 4).to_string(), "0.6667");
        let at = UnixTime::from_secs(3_599);
        assert_eq!(
            (down(at, MINUTE).secs(), up(at, BLUNT).secs()),
            (3_540, 3_600)
        );
    }
}
