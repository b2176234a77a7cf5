//! How many users get another namespace than the one that IANA's root describes? (G3)
//!
//! `r = max(A, B / 2)`: A is the share of users of networks where the removal of a top-level
//! domain is confirmed, B that of networks where the addition of one is. Additions are milder:
//! mostly somebody chose names beside the common ones, and took none away.
//!
//! A network confirms that a target deviates in one way if
//!
//! - it was seen on two days (a redelegation makes one day of other name servers),
//! - at two resolvers, of one measurement or of two probes,
//! - and by most of its probes that tested the target.
//!
//! A confirmed way counts in the country if more probes than could lie have seen it confirmed,
//! of whatever target: a tenth accuses nobody. Domains come in turn, so few probes ask for
//! the same one. RFC 2826; ICANN OCTO-034.

use super::{
    cell::{Cell, Way},
    estimate::{NetworkRate, Rates, Without, level, tenth},
    evidence::Evidence,
    floors::FLOORS,
    shares::Shares,
};
use faultline_core::id::Asn;
use std::collections::{BTreeMap, BTreeSet};

/// What one probe saw of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Index of the network.
    pub network: u32,
    /// Index of the probe.
    pub probe: u32,
    /// Index of the target.
    pub target: u32,
    /// The top-level domain.
    pub zone: u32,
    /// On which days it deviated in each way: removed, replaced, added.
    pub days: [u32; 3],
    /// Whether several resolvers of the network said so, likewise.
    pub several: [bool; 3],
}

impl Sighting {
    /// Nothing yet.
    pub(super) fn new(network: u32, probe: u32, target: u32, zone: u32) -> Self {
        Self {
            network,
            probe,
            target,
            zone,
            days: [0; 3],
            several: [false; 3],
        }
    }

    /// Takes in one deviation.
    pub(super) fn add(&mut self, cell: &Cell, bit: u32) {
        let Some(at) = cell.way.index() else { return };
        if let (Some(days), Some(several)) = (self.days.get_mut(at), self.several.get_mut(at)) {
            *days |= bit;
            *several |= cell.several;
        }
    }
}

/// What is confirmed: in which networks, of which top-level domains, by which probes.
#[derive(Default)]
struct Confirmed {
    networks: BTreeSet<u32>,
    zones: BTreeMap<u32, (BTreeSet<u32>, BTreeSet<u32>)>,
    probes: BTreeSet<u32>,
}

/// Removals and additions that count in the country.
fn confirmed(evidence: &Evidence, takes_part: &dyn Fn(u32) -> bool) -> [Confirmed; 2] {
    let mut testers: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for entry in evidence.entries.iter().filter(|e| takes_part(e.probe)) {
        if let Some(member) = evidence.probes.get(entry.probe as usize) {
            *testers.entry((member.network, entry.target)).or_default() += 1;
        }
    }
    let sightings: Vec<&Sighting> = evidence
        .sightings
        .iter()
        .filter(|s| takes_part(s.probe))
        .collect();
    let mut found = [Confirmed::default(), Confirmed::default()];
    // Sightings stand by target and network.
    for of in sightings.chunk_by(|a, b| (a.target, a.network) == (b.target, b.network)) {
        let Some(first) = of.first() else { continue };
        let testers = testers.get(&(first.network, first.target));
        let testers = testers.copied().unwrap_or(0);
        for way in Way::ALL {
            let Some(at) = way.index() else { continue };
            let days = |s: &Sighting| s.days.get(at).copied().unwrap_or(0);
            let seen: Vec<_> = of.iter().filter(|s| days(s) != 0).collect();
            let union = seen.iter().fold(0, |all, s| all | days(s));
            let several = seen.iter().any(|s| s.several.get(at) == Some(&true));
            let enough = union.count_ones() >= FLOORS.confirming_days
                && (several || seen.len() >= 2)
                && 2 * seen.len() > testers;
            if let Some(found) = found.get_mut(usize::from(way == Way::Added))
                && enough
            {
                found.networks.insert(first.network);
                let (networks, probes) = found.zones.entry(first.zone).or_default();
                networks.insert(first.network);
                probes.extend(seen.iter().map(|s| s.probe));
                found.probes.extend(seen.iter().map(|s| s.probe));
            }
        }
    }
    let lying = if evidence.imported {
        0
    } else {
        tenth(evidence.witnesses as usize)
    };
    found.map(|found| {
        if found.probes.len() > lying {
            found
        } else {
            Confirmed::default()
        }
    })
}

/// Networks and top-level domains that are removed there: what names below them do is the
/// same event. Here more probes than could lie must have seen this very domain removed.
pub(super) fn removed(evidence: &Evidence) -> BTreeSet<(Asn, u32)> {
    let [removals, _] = confirmed(evidence, &|_| true);
    let lying = tenth(evidence.witnesses as usize);
    let zones = removals.zones.into_iter();
    zones
        .filter(|(_, (_, probes))| probes.len() > lying)
        .flat_map(|(zone, (networks, _))| networks.into_iter().map(move |n| (n, zone)))
        .filter_map(|(network, zone)| Some((*evidence.networks.get(network as usize)?, zone)))
        .collect()
}

/// Rates of the user share: a network counts as 1 where a removal is confirmed, as 1/2 where
/// an addition is.
pub(super) fn rates(evidence: &Evidence, shares: Option<&Shares>, without: Without) -> Rates {
    let takes_part = |probe: u32| without.takes_part(evidence, probe);
    let [removals, additions] = confirmed(evidence, &takes_part);
    let mut probes = vec![0u32; evidence.networks.len()];
    for (at, member) in (0..).zip(&evidence.probes) {
        if let Some(count) = probes.get_mut(member.network as usize)
            && takes_part(at)
        {
            *count += 1;
        }
    }
    let mut result = Rates {
        targets: evidence.targets,
        user_share: true,
        ..Rates::default()
    };
    for ((at, asn), probes) in (0..).zip(&evidence.networks).zip(probes) {
        if probes == 0 {
            continue;
        }
        let (removed, added) = (
            removals.networks.contains(&at),
            additions.networks.contains(&at),
        );
        let own = part(f64::from(u8::from(removed)), f64::from(u8::from(added)));
        result.probes += probes;
        result.networks.push(NetworkRate {
            asn: *asn,
            probes,
            own,
            rate: own,
            removed,
            added,
            weight: shares.map_or(1.0, |shares| shares.of(*asn)),
        });
    }
    level(&mut result.networks);
    let share = |of: fn(&NetworkRate) -> bool| -> f64 {
        let networks = result.networks.iter().filter(|n| of(n));
        // The sum of nothing is -0, which people would read.
        networks.fold(0.0, |all, n| all + n.weight)
    };
    result.raw = (!result.networks.is_empty())
        .then(|| part(share(|n| n.removed), share(|n| n.added)).clamp(0.0, 1.0));
    result
}

/// `max(A, B / 2)`.
pub(super) fn part(removed: f64, added: f64) -> f64 {
    removed.max(added / 2.0)
}
