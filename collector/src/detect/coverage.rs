//! Where could what have been seen? Beside every "no event" stands the smallest share of a
//! place whose loss would have raised an alarm: without it, silence says nothing.

use super::{
    cusum::{Cusum, Terms, plus},
    event::{Covered, Location},
    fleet::Fleet,
    group::Group,
    moment::{DAY, HOUR, MINUTE, later},
    settings::Settings,
};
use faultline_core::{id::Asn, time::UnixTime};
use std::collections::BTreeSet;

/// The day that ends at `midnight`.
pub(super) fn day(
    fleet: &mut Fleet,
    midnight: UnixTime,
    settings: &Settings,
    out: &mut Vec<Covered>,
) {
    let from = later(midnight, -DAY);
    let deaf = deaf_minutes(fleet, from, midnight);
    let places: Vec<(Location, usize)> = fleet
        .by_location
        .iter()
        .map(|(place, at)| (place.clone(), *at))
        .collect();
    for (location, at) in places {
        if let Some(group) = fleet.groups.get_mut(at) {
            group.advance(midnight);
        }
        let Some(group) = fleet.groups.get(at) else {
            continue;
        };
        let eligible = median(group, from);
        if eligible == 0 {
            continue;
        }
        let sites = group.sites.iter().filter_map(|at| fleet.sites.get(*at));
        let voting = || sites.clone().filter(|site| site.vote.counts);
        let asns: BTreeSet<Asn> = voting().map(|site| site.asn).collect();
        let mut leaves: Vec<f64> = voting().map(|site| site.leaves).collect();
        leaves.sort_by(f64::total_cmp);
        let leaves = leaves.get(leaves.len() / 2).copied().unwrap_or(0.3);
        out.push(Covered {
            location,
            day: from,
            eligible_sites: eligible,
            eligible_asns: u32::try_from(asns.len()).unwrap_or(u32::MAX),
            min_detectable_share: detectable(eligible, leaves, settings),
            deaf_minutes: deaf,
        });
    }
}

fn median(group: &Group, from: UnixTime) -> u32 {
    let first = from.0.div_euclid(HOUR);
    let mut all: Vec<u32> = group
        .hours
        .iter()
        .filter(|(hour, ..)| (first..first + 24).contains(hour))
        .map(|(_, _, eligible)| *eligible)
        .collect();
    all.sort_unstable();
    all.get(all.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0)
}

/// Minutes of its own deafness.
fn deaf_minutes(fleet: &Fleet, from: UnixTime, until: UnixTime) -> u32 {
    let sum: i64 = fleet
        .deaf
        .iter()
        .map(|span| super::moment::overlap((span.start, span.end), (from, until)))
        .sum();
    u32::try_from(sum.div_euclid(MINUTE)).unwrap_or(0).min(1440)
}

/// The smallest share, in twentieths, of which a loss is noticed nine times in ten.
pub(super) fn detectable(n: u32, leaves: f64, settings: &Settings) -> Option<f64> {
    let needed = (settings.least_sites..=n).find(|k| alarms(*k, n, leaves, settings))?;
    (1..=20)
        .map(|twentieth| f64::from(twentieth) / 20.0)
        .find(|share| {
            let chances = vec![*share; n as usize];
            // Exact up to five hundred sites, from where on the share is what counts.
            if n <= 500 {
                super::burst::tail(&chances, needed as usize) >= 0.9
            } else {
                share * f64::from(n) >= f64::from(needed) * 1.1
            }
        })
}

/// Whether the loss of `k` of `n` within a minute alarms.
fn alarms(k: u32, n: u32, leaves: f64, settings: &Settings) -> bool {
    if f64::from(k) < settings.least_share * f64::from(n) {
        return false;
    }
    let site = Terms::of(leaves, settings.prior.returns, 3 * MINUTE);
    let times = |sums: super::cusum::Sums, n: u32| sums.map(|one| one * i64::from(n));
    let first = plus(
        times(plus(site.went, site.gone), k),
        times(site.calm, n - k),
    );
    let mut cusum = Cusum::default();
    cusum.step(first);
    cusum.most() > settings.threshold
}
