//! Where is it? A group that alarms is one way to look at what was lost; the event is named
//! after the narrowest place that explains it: one network, one kind of access, one region, or
//! the country.

use super::{
    burst,
    case::{Case, Trigger},
    control::{Control, Lost, control, fisher},
    event::Location,
    fleet::Fleet,
    group::{Channel, Group},
    moment::{later, micros, since},
    settings::Settings,
    site::Site,
};
use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// An alarm: what was lost where, by what.
pub(super) struct Alarm {
    pub location: Location,
    pub trigger: Trigger,
    pub lost: BTreeSet<usize>,
}

/// Whether a channel of a group alarms.
fn alarms(
    group: &Group,
    channel: &Channel,
    fleet: &Fleet,
    now: UnixTime,
    settings: &Settings,
) -> bool {
    let (k, n) = (channel.fresh, group.eligible);
    if k < settings.least_sites || f64::from(k) < settings.least_share * f64::from(n) {
        return false;
    }
    if channel.score.most() > settings.threshold {
        return true;
    }
    // Only in a minute in which one more went.
    let new = channel.went.back().is_some_and(|(at, _)| *at == now);
    new && channel.went.len() >= settings.least_sites as usize && {
        let days = micros(settings.window) as f64 / super::moment::DAY as f64;
        let chances: Vec<f64> = group
            .sites
            .iter()
            .filter_map(|at| fleet.sites.get(*at))
            .filter(|site| site.vote.counts)
            .map(|site| -libm::expm1(-site.leaves * days))
            .collect();
        let went: BTreeSet<usize> = channel.went.iter().map(|(_, site)| *site).collect();
        burst::surprise(&chances, went.len()) >= settings.burst
    }
}

fn is_out(site: &Site, trigger: Trigger) -> bool {
    match trigger {
        Trigger::Service => site.vote.blocked,
        Trigger::Loss | Trigger::Slow => site.vote.lost,
    }
}

fn is_fresh(site: &Site, trigger: Trigger) -> bool {
    match trigger {
        Trigger::Service => site.vote.newly,
        Trigger::Loss => site.vote.fresh,
        Trigger::Slow => site.vote.lost,
    }
}

/// The alarms of this minute, one for each country or spread network, of what no open case
/// explains. `slow`: groups in which too few are heard for long.
pub(super) fn alarms_of(
    fleet: &Fleet,
    cases: &[Case],
    slow: &BTreeSet<usize>,
    now: UnixTime,
    settings: &Settings,
) -> Vec<Alarm> {
    let mut found = Vec::new();
    for trigger in [Trigger::Loss, Trigger::Service, Trigger::Slow] {
        // By country; networks that span several stand for themselves.
        let mut countries: BTreeMap<Country, BTreeSet<usize>> = BTreeMap::new();
        let mut networks: BTreeMap<Asn, BTreeSet<usize>> = BTreeMap::new();
        for at in fleet.awake.iter().chain(slow) {
            let Some(group) = fleet.groups.get(*at) else {
                continue;
            };
            let is = match trigger {
                Trigger::Loss => alarms(group, &group.loss, fleet, now, settings),
                Trigger::Service => alarms(group, &group.service, fleet, now, settings),
                Trigger::Slow => slow.contains(at),
            };
            if !is {
                continue;
            }
            let out = group.sites.iter().copied().filter(|at| {
                let site = fleet.sites.get(*at);
                site.is_some_and(|site| site.vote.counts && is_fresh(site, trigger))
            });
            match (&group.location, group.location.country()) {
                (_, Some(country)) => countries.entry(country).or_default().extend(out),
                (Location::Network(asn), _) => networks.entry(*asn).or_default().extend(out),
                _ => {}
            }
        }
        for (country, lost) in countries {
            let open = cases.iter().filter(|case| case.is_open());
            if !is_new(&lost, open, trigger, settings) {
                continue;
            }
            let location = locate(country, &lost, fleet);
            found.push(Alarm {
                location,
                trigger,
                lost,
            });
        }
        for (asn, lost) in networks {
            let open = cases.iter().filter(|case| case.is_open());
            let explained: BTreeSet<usize> = found
                .iter()
                .filter(|alarm| alarm.trigger == trigger)
                .flat_map(|alarm| alarm.lost.iter().copied())
                .collect();
            let rest: BTreeSet<usize> = lost.difference(&explained).copied().collect();
            let countries: BTreeSet<Country> = lost
                .iter()
                .filter_map(|at| fleet.sites.get(*at))
                .map(|site| site.country)
                .collect();
            if countries.len() >= 2 && is_new(&rest, open, trigger, settings) {
                found.push(Alarm {
                    location: Location::Network(asn),
                    trigger,
                    lost,
                });
            }
        }
    }
    found
}

/// Whether enough of it is no part of what is known.
fn is_new<'a>(
    lost: &BTreeSet<usize>,
    open: impl Iterator<Item = &'a Case>,
    trigger: Trigger,
    settings: &Settings,
) -> bool {
    let mut known: BTreeSet<usize> = BTreeSet::new();
    for case in
        open.filter(|case| (case.trigger == Trigger::Service) == (trigger == Trigger::Service))
    {
        known.extend(case.hits.keys());
    }
    let rest = lost.difference(&known).count();
    rest >= settings.least_sites as usize && rest * 5 >= lost.len()
}

/// The narrowest place that explains the loss in a country.
fn locate(country: Country, lost: &BTreeSet<usize>, fleet: &Fleet) -> Location {
    let eligible: Vec<(usize, &Site)> = fleet
        .eligible()
        .filter(|(_, site)| site.country == country)
        .collect();
    let split = |is: &dyn Fn(&Site) -> bool| {
        let (mut inside, mut outside) = (Lost::default(), Lost::default());
        for (at, site) in &eligible {
            let part = if is(site) { &mut inside } else { &mut outside };
            part.of += 1;
            part.lost += u32::from(lost.contains(at));
        }
        (inside, outside)
    };
    let of_lost = || lost.iter().filter_map(|at| fleet.sites.get(*at));
    let networks: BTreeSet<Asn> = of_lost().map(|site| site.asn).collect();
    // Nearly all of it, and nearly none elsewhere.
    let explains = |inside: Lost, outside: Lost| {
        inside.lost * 5 >= (inside.lost + outside.lost) * 4
            && (outside.lost == 0 || outside.share() <= 0.1)
    };
    for asn in &networks {
        let (inside, outside) = split(&|site| site.asn == *asn);
        if *asn != Asn(0) && explains(inside, outside) {
            return Location::NetworkIn(country, *asn);
        }
    }
    for access in [
        NetworkKind::Mobile,
        NetworkKind::Fixed,
        NetworkKind::Satellite,
    ] {
        let (inside, outside) = split(&|site| site.access == access);
        if outside.of >= 2 && explains(inside, outside) && fisher(inside, outside) <= 0.05 {
            return Location::Access(country, access);
        }
    }
    let regions: BTreeSet<&String> = of_lost().map(|site| &site.region).collect();
    for region in regions.into_iter().filter(|region| !region.is_empty()) {
        let (inside, outside) = split(&|site| site.region == *region);
        let place = Location::Region(region.clone());
        let known = place.country() == Some(country);
        if known
            && outside.of >= 2
            && explains(inside, outside)
            && fisher(inside, outside) <= 0.05
        {
            return place;
        }
    }
    Location::Country(country)
}

/// Whether a site lies in a place.
pub(super) fn contains(location: &Location, site: &Site) -> bool {
    match location {
        Location::World => true,
        Location::Country(country) => site.country == *country,
        Location::Network(asn) => site.asn == *asn,
        Location::NetworkIn(country, asn) => site.country == *country && site.asn == *asn,
        Location::Access(country, access) => site.country == *country && site.access == *access,
        Location::Region(region) => site.region == *region,
    }
}

/// What everybody else says of a case. Only those are asked who would be known to be silent by
/// now.
pub(super) fn ask(case: &Case, fleet: &Fleet, now: UnixTime, settings: &Settings) -> Control {
    let began = case.began();
    let from = later(began, -micros(settings.window));
    if fleet
        .deaf
        .iter()
        .any(|span| span.start <= later(began, 3 * super::moment::MINUTE) && span.end >= from)
        && case.trigger != Trigger::Service
    {
        return Control::Fault;
    }
    let countries = case.countries();
    let is_inside = |site: &Site| match &case.location {
        Location::World => true,
        Location::Network(_) => contains(&case.location, site),
        _ => countries.contains(&site.country),
    };
    let inside = Lost {
        lost: u32::try_from(case.hits.len()).unwrap_or(u32::MAX),
        of: case
            .pool
            .max(u32::try_from(case.hits.len()).unwrap_or(u32::MAX)),
    };
    let mut outside = Lost::default();
    let mut by_country: BTreeMap<Country, Lost> = BTreeMap::new();
    for (_, site) in fleet.eligible() {
        if is_inside(site) || since(began, now) < site.patience {
            continue;
        }
        let lost =
            is_out(site, case.trigger) && site.gap.is_some_and(|gap| gap.last_ok >= from);
        let lost = lost || case.trigger == Trigger::Service && site.vote.blocked;
        for part in [&mut outside, by_country.entry(site.country).or_default()] {
            part.of += 1;
            part.lost += u32::from(lost);
        }
    }
    let calm = by_country
        .values()
        .filter(|part| part.share() <= 0.1)
        .map(|part| part.of)
        .sum();
    control(
        inside,
        outside,
        calm,
        settings.least_control,
        settings.fault_share,
    )
}
