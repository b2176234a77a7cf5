//! Which events are one? A country swallows its networks and regions that went with it; what
//! began in several places at once, or night after night in one, is one incident.

use super::{
    belief,
    case::{Case, Trigger},
    classify::Tally,
    event::{EventId, Location, Reason, State, Verdict},
    moment::{DAY, MINUTE, micros, since},
    settings::Settings,
};
use faultline_core::time::UnixTime;
use std::collections::{BTreeMap, BTreeSet};

/// From the first to the last country that felt one cable, at most: 05:00 to 10:30 on
/// 14 March 2024 (research page 1), and half an hour.
const STAGGERED: i64 = 6 * super::moment::HOUR;

/// Whether one place lies within the other.
fn within(small: &Location, large: &Location) -> bool {
    match (small, large) {
        (Location::Country(_) | Location::World, _) => false,
        (_, Location::Country(country)) => small.country() == Some(*country),
        (Location::Network(_), Location::NetworkIn(..))
        | (Location::NetworkIn(..), Location::Network(_)) => small.asn() == large.asn(),
        _ => false,
    }
}

/// Takes events into the larger one that they are part of.
pub(super) fn merge(cases: &mut [Case], settings: &Settings) {
    let open: Vec<usize> = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| case.is_open() && case.state != State::Candidate)
        .map(|(at, _)| at)
        .collect();
    for large in &open {
        for small in &open {
            let (Some(one), Some(two)) = (cases.get(*small), cases.get(*large)) else {
                continue;
            };
            if small == large || !one.is_open() || !two.is_open() {
                continue;
            }
            let services = |case: &Case| case.trigger == Trigger::Service;
            let near = since(one.began(), two.began()).abs() <= 3 * micros(settings.together);
            let part = one
                .hits
                .keys()
                .filter(|at| two.hits.contains_key(at))
                .count();
            if !within(&one.location, &two.location)
                || services(one) != services(two)
                || !near
                || part * 5 < one.hits.len() * 4
            {
                continue;
            }
            let (id, told) = (two.id, one.told.clone());
            let confirmed = one.confirmed && one.asns().len() >= 2;
            let swallowed = one.id;
            if let Some(two) = cases.get_mut(*large) {
                two.told.extend(told);
                two.confirmed |= confirmed;
                if two.confirmed && two.state == State::Suspected {
                    two.state = State::Confirmed;
                }
                two.related.insert(swallowed);
            }
            if let Some(one) = cases.get_mut(*small) {
                one.state = State::Merged;
                one.merged_into = Some(id);
            }
        }
    }
}

/// Links what belongs together.
pub(super) fn link(
    cases: &mut [Case],
    reasons: &BTreeMap<EventId, Reason>,
    settings: &Settings,
) {
    let is_real = |case: &Case| {
        !matches!(
            case.state,
            State::Candidate | State::Retracted | State::Merged | State::Final
        ) && !case.hits.is_empty()
    };
    let new: Vec<usize> = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| is_real(case))
        .filter(|(_, case)| case.is_open() || reasons.contains_key(&case.id))
        .map(|(at, _)| at)
        .collect();
    for at in new {
        let Some(case) = cases.get(at) else { continue };
        let (id, began) = (case.id, case.began());
        let countries = case.countries();
        let abroad = is_abroad_lost(case);
        let mut cables: BTreeSet<EventId> = BTreeSet::new();
        let mut elsewhere = BTreeSet::new();
        let mut related: BTreeMap<EventId, Option<EventId>> = BTreeMap::new();
        for (other_at, other) in cases.iter().enumerate() {
            if other_at == at || !is_real(other) {
                continue;
            }
            let apart = since(other.began(), began);
            let same = other.countries() == countries;
            let at_once = apart.abs() <= micros(settings.together);
            if at_once && !same {
                elsewhere.extend(other.countries().difference(&countries).copied());
                related.insert(other.id, other.incident);
            }
            // Nights: the same hour, one to four days later.
            let days = (apart + DAY / 2).div_euclid(DAY);
            let off = (apart - days * DAY).abs();
            if other.location == case.location && (1..=4).contains(&days) && off <= 15 * MINUTE
            {
                related.insert(other.id, other.incident);
            }
            // A cable that breaks takes some hours later than others.
            let known = elsewhere_of(case) && elsewhere_of(other);
            if known && !same && apart.abs() <= DAY / 2 {
                related.insert(other.id, other.incident);
            }
            // Two governments that leave nothing but their own hosts, hours apart and both at
            // once: rarer than a cable that both hang on.
            if abroad
                && !same
                && apart.abs() <= STAGGERED
                && is_abroad_lost(other)
                && at_once_with(case, other)
            {
                elsewhere.extend(other.countries().difference(&countries).copied());
                cables.insert(other.id);
                related.insert(other.id, other.incident);
            }
        }
        if related.is_empty() {
            continue;
        }
        let incident = related
            .iter()
            .map(|(id, incident)| incident.unwrap_or(*id))
            .chain([case.incident.unwrap_or(id)])
            .min()
            .unwrap_or(id);
        let members: Vec<EventId> = related.keys().copied().collect();
        for other in cases.iter_mut() {
            if members.contains(&other.id) {
                other.related.insert(id);
                other.incident = Some(incident);
                if cables.contains(&other.id) {
                    let own = other.countries();
                    other.elsewhere.extend(countries.difference(&own));
                }
            }
        }
        if let Some(case) = cases.get_mut(at) {
            case.incident = Some(incident);
            case.related.extend(members);
            case.elsewhere = elsewhere;
        }
    }
}

fn elsewhere_of(case: &Case) -> bool {
    !case.elsewhere.is_empty()
}

/// Whether most of those who speak had their own country, and nothing else.
fn is_abroad_lost(case: &Case) -> bool {
    let live = case.hits.values().filter(|hit| hit.isolated).count();
    if case.told.is_empty() && live == 0 {
        return false;
    }
    let tally = Tally::of(case);
    let few = u32::try_from(live).unwrap_or(u32::MAX);
    tally.most(Verdict::PoweredDomesticOnly) || few >= 2 && few * 2 > tally.all()
}

/// Whether there was a time in which both went on.
fn at_once_with(one: &Case, two: &Case) -> bool {
    let ends = |case: &Case| case.ended.unwrap_or(UnixTime(i64::MAX));
    one.began() < ends(two) && two.began() < ends(one)
}

/// What late evidence decides: it retracts, confirms, or brings back.
pub(super) fn late(
    cases: &mut [Case],
    reasons: &BTreeMap<EventId, Reason>,
    now: UnixTime,
    settings: &Settings,
) {
    for case in cases {
        if reasons.get(&case.id) == Some(&Reason::ExternalImport)
            && case.state == State::Lapsed
            && belief::is_seen_outside(case, now, settings)
        {
            case.confirmed = true;
            case.state = State::Confirmed;
        }
        let told = [Reason::LateProbeEvidence, Reason::ClockCorrection];
        if reasons.get(&case.id).is_none_or(|why| !told.contains(why)) {
            continue;
        }
        let tally = Tally::of(case);
        if tally.most(Verdict::PoweredUpstreamOk) {
            if case.state != State::Candidate {
                case.state = State::Retracted;
            }
            case.confirmed = false;
            continue;
        }
        if belief::is_witnessed(case, settings) && !case.confirmed {
            let ours = case.fault;
            case.fault = false;
            case.confirmed = true;
            // What an analyst retracted stays so.
            if matches!(
                case.state,
                State::Candidate | State::Suspected | State::Lapsed | State::Ended
            ) || case.state == State::Retracted && ours
            {
                case.state = State::Confirmed;
            }
        }
    }
}
