//! Was it over? Ledgers may say that sites were cut off once more when nobody could see it: who
//! was away for most of six hours has no vote for a while after it returned.
//!
//! Three sites, of two networks where there are as many, have to have been cut off together for
//! long enough. Soon after the end, and of enough of those that were affected that it would not
//! have ended, it is the same event, which ends later. Later than that it is an event of its
//! own, as far as what they tell confirms it, and linked to the first, unless it is known.

use super::{
    case::{Again, Case, Trigger},
    event::{EventId, Location, State},
    fleet::Fleet,
    late::verdict,
    moment::{DAY, MINUTE, later, micros, since},
    settings::Settings,
    witness::Chapters,
};
use faultline_core::{
    engine::ledger::Chapter,
    id::{Asn, Country, ProbeId},
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// Walks of a ladder so far apart are about one time.
const JOINED: i64 = 5 * MINUTE;

/// Looks at what `new` probes told of the day after events that they were affected by. Gives
/// those that lasted longer than was known, or were not known.
pub(super) fn look(
    cases: &mut Vec<Case>,
    ledgers: &BTreeMap<ProbeId, Chapters>,
    fleet: &Fleet,
    new: &BTreeSet<ProbeId>,
    settings: &Settings,
) -> BTreeSet<EventId> {
    let mut changed = BTreeSet::new();
    let mut at = 0;
    // Those that are found on the way are looked at, too: there may be a third.
    while let Some(case) = cases.get(at) {
        at += 1;
        let over = matches!(case.state, State::Ended | State::Final) && !case.abandoned;
        if !over || case.trigger == Trigger::Service {
            continue;
        }
        let told = case.hits.values().flat_map(|hit| &hit.probes);
        let mut told = told.filter_map(|probe| fleet.probes.get(*probe));
        if !told.any(|probe| new.contains(&probe.id)) {
            continue;
        }
        let mut spans = spans(case, ledgers, fleet, settings);
        while let Some(group) = first(&spans, case_has_one_network(cases, at - 1), settings) {
            let last = group.iter().map(|one| one.until).max();
            spans.retain(|one| Some(one.from) > last);
            changed.extend(after(cases, at - 1, &group, settings));
        }
    }
    changed
}

fn case_has_one_network(cases: &[Case], at: usize) -> bool {
    cases.get(at).is_some_and(|case| case.asns().len() < 2)
}

/// When its sites were cut off once more within a day, each for long enough; by their beginning.
fn spans(
    case: &Case,
    ledgers: &BTreeMap<ProbeId, Chapters>,
    fleet: &Fleet,
    settings: &Settings,
) -> Vec<Again> {
    let Some(ended) = case.ended else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (site, hit) in &case.hits {
        let Some((back, _)) = hit.back else { continue };
        let probes = hit.probes.iter().filter_map(|at| fleet.probes.get(*at));
        for chapters in probes.filter_map(|probe| ledgers.get(&probe.id)) {
            let cuts = cuts(chapters.values(), back.max(ended));
            all.extend(cuts.into_iter().map(|(from, until)| Again {
                site: *site,
                asn: hit.asn,
                from,
                until,
            }));
        }
    }
    let long = micros(settings.confirm_after);
    all.retain(|one| since(one.from, one.until) >= long && since(ended, one.from) <= DAY);
    all.sort_by_key(|one| (one.from, one.until, one.site));
    all
}

/// Times after a moment in which a probe was cut off, by its clock.
fn cuts<'a>(
    chapters: impl Iterator<Item = &'a Chapter>,
    after: UnixTime,
) -> Vec<(UnixTime, UnixTime)> {
    let cut = chapters.filter(|chapter| chapter.by_clock && verdict(chapter).is_cut());
    let placed = cut.filter_map(|chapter| Some((chapter.from?.at, chapter.until?.at)));
    let mut all: Vec<_> = placed.filter(|(from, _)| *from > after).collect();
    all.sort_unstable();
    let mut joined: Vec<(UnixTime, UnixTime)> = Vec::new();
    for (from, until) in all {
        match joined.last_mut() {
            Some(last) if since(last.1, from) <= JOINED => last.1 = last.1.max(until),
            _ => joined.push((from, until)),
        }
    }
    joined
}

/// The first of these that went together and stayed away together.
fn first(spans: &[Again], one_network: bool, settings: &Settings) -> Option<Vec<Again>> {
    let together = micros(settings.window) / 2;
    let long = micros(settings.confirm_after);
    let mut each = spans.iter().enumerate();
    each.find_map(|(at, first)| {
        let near = |one: &&Again| since(first.from, one.from) <= together;
        let near = || spans.iter().skip(at).take_while(near);
        let last = near().map(|one| one.from).max()?;
        let mut sites = BTreeSet::new();
        let held = near().filter(|one| since(last, one.until) >= long);
        let group: Vec<Again> = held.filter(|one| sites.insert(one.site)).copied().collect();
        let networks: BTreeSet<Asn> = group.iter().map(|one| one.asn).collect();
        let enough = sites.len() >= 3 && (networks.len() >= 2 || one_network);
        enough.then_some(group)
    })
}

/// What follows for a case from those of its sites that were cut off once more.
fn after(
    cases: &mut Vec<Case>,
    at: usize,
    group: &[Again],
    settings: &Settings,
) -> Option<EventId> {
    let case = cases.get(at)?;
    let (id, ended) = (case.id, case.ended?);
    let began = group.first()?.from;
    let back = case.hits.len().saturating_sub(group.len());
    let over = back as f64 > settings.back_share * case.hits.len() as f64;
    let soon = since(ended, began) < micros(settings.reopen);
    if soon {
        // When more than the share are back, it is over, whatever becomes of the others.
        let case = cases.get_mut(at).filter(|_| !over)?;
        case.extend(group);
        return Some(id);
    }
    let ends = |other: &Case| other.ended.unwrap_or(UnixTime(i64::MAX));
    let known = cases.iter().position(|other| {
        let own = group
            .iter()
            .filter(|one| other.hits.contains_key(&one.site));
        other.id != id
            && other.trigger != Trigger::Service
            && own.count() * 2 >= group.len()
            && other.began() <= later(began, micros(settings.window))
            && ends(other) >= began
    });
    let other = if let Some(known) = known {
        // What was never published is no part of anything yet.
        let public = |other: &&Case| other.state != State::Candidate;
        cases.get(known).filter(public).map(|other| other.id)?
    } else {
        let found = Case::of_ledgers(case, place(case, group), group)?;
        let new = found.id;
        if cases.iter().any(|other| other.id == new) {
            return None;
        }
        cases.push(found);
        new
    };
    bind(cases, id, other);
    known.is_none().then_some(other)
}

/// The network, where it is one; else what the first event took.
fn place(case: &Case, group: &[Again]) -> Location {
    let asns: BTreeSet<Asn> = group.iter().map(|one| one.asn).collect();
    let countries: BTreeSet<Country> = case.countries();
    match (
        asns.iter().collect::<Vec<_>>().as_slice(),
        countries.iter().collect::<Vec<_>>().as_slice(),
    ) {
        ([asn], [country]) if **asn != Asn(0) => Location::NetworkIn(**country, **asn),
        _ => case.location.clone(),
    }
}

/// They are of one incident.
fn bind(cases: &mut [Case], one: EventId, two: EventId) {
    let both = |case: &&mut Case| case.id == one || case.id == two;
    let known = cases.iter().filter(|case| case.id == one || case.id == two);
    let Some(incident) = known.map(|case| case.incident.unwrap_or(case.id)).min() else {
        return;
    };
    for case in cases.iter_mut().filter(both) {
        case.incident = Some(incident);
        case.related.insert(if case.id == one { two } else { one });
    }
}
