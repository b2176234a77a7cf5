//! How many users get another namespace than the one that IANA's root describes? (G3)
//!
//! `r = max(A, B / 2)`: A is the share of users of networks where the removal of a top-level
//! domain is confirmed, B that of networks where the addition of one is. Additions are milder:
//! mostly somebody chose names beside the common ones, and took none away.
//!
//! A network confirms that a target deviates in one way if
//!
//! - it was seen on two days; where the domain is there with other name servers, on four, or
//!   on days a week apart: a redelegation that resolvers and the control learn of at
//!   different times looks like a replacement for as long as its records are cached,
//! - at two resolvers, of one measurement or of two probes,
//! - and by most of its probes that tested the target.
//!
//! A confirmed way counts in the country if more probes than could lie have seen it confirmed,
//! of whatever target: a tenth accuses nobody. Domains come in turn, so few probes ask for
//! the same one. RFC 2826; ICANN OCTO-034.

use super::{
    cell::{Cell, Way},
    estimate::{NetworkRate, Rates, Without, cut, level, tenth},
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

/// What the probes of one network say of one target in one way.
pub(super) struct Claim<'a> {
    /// Index of the network.
    pub(super) network: u32,
    /// The top-level domain.
    pub(super) zone: u32,
    /// In which way.
    pub(super) way: Way,
    /// Who saw it.
    pub(super) seen: Vec<&'a Sighting>,
    /// Probes of the network that tested the target.
    pub(super) testers: usize,
}

impl Claim<'_> {
    fn days(&self, sighting: &Sighting) -> u32 {
        let days = |at| sighting.days.get::<usize>(at).copied();
        self.way.index().and_then(days).unwrap_or(0)
    }

    /// Whether one of them saw it at several resolvers.
    fn several(&self, sighting: &Sighting) -> bool {
        let several = |at| sighting.several.get::<usize>(at).copied();
        self.way.index().and_then(several).unwrap_or(false)
    }

    /// Whether the network confirms it.
    pub(super) fn confirmed(&self) -> bool {
        let days = self.seen.iter().fold(0, |all, s| all | self.days(s));
        lasts(self.way, days)
            && (self.seen.len() >= 2 || self.seen.iter().any(|s| self.several(s)))
            && 2 * self.seen.len() > self.testers
    }

    /// How many probes must leave the network or come to it, at least, until it does no
    /// longer confirm it.
    pub(super) fn price(&self) -> usize {
        let seen = self.seen.len();
        let majority = (2 * seen).saturating_sub(self.testers);
        let brief = |days: &u32| {
            let within = |s: &&&Sighting| self.days(s) & !days == 0;
            self.seen.iter().filter(within).count()
        };
        let lasting = seen - briefest(self.way).iter().map(brief).max().unwrap_or(0);
        let alone = self.seen.iter().any(|s| !self.several(s));
        majority.min(lasting).min(seen - usize::from(alone))
    }
}

/// Whether a way was seen long enough.
fn lasts(way: Way, days: u32) -> bool {
    let span = 32 - days.leading_zeros() - days.trailing_zeros().min(32);
    match way {
        Way::Replaced => {
            days.count_ones() >= FLOORS.replaced_days || span > FLOORS.replaced_apart
        }
        _ => days.count_ones() >= FLOORS.confirming_days,
    }
}

/// The largest sets of days that do not last: any other that does not is within one of them.
fn briefest(way: Way) -> Vec<u32> {
    let days = 0..FLOORS.window_days;
    if way != Way::Replaced {
        return days.map(|day| 1 << day).collect();
    }
    let mut all = Vec::new();
    for first in days {
        let last = (first + FLOORS.replaced_apart).min(FLOORS.window_days);
        for second in first..last {
            all.extend((second..last).map(|third| 1 << first | 1 << second | 1 << third));
        }
    }
    all
}

/// All claims, by target, network and way.
pub(super) fn claims<'a>(
    evidence: &'a Evidence,
    takes_part: &dyn Fn(u32) -> bool,
) -> Vec<Claim<'a>> {
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
    let mut claims = Vec::new();
    // Sightings stand by target and network.
    for of in sightings.chunk_by(|a, b| (a.target, a.network) == (b.target, b.network)) {
        let Some(first) = of.first() else { continue };
        let testers = testers.get(&(first.network, first.target));
        for way in Way::ALL {
            let mut claim = Claim {
                network: first.network,
                zone: first.zone,
                way,
                seen: of.to_vec(),
                testers: testers.copied().unwrap_or(0),
            };
            let seen = of.iter().filter(|s| claim.days(s) != 0).copied().collect();
            claim.seen = seen;
            if !claim.seen.is_empty() {
                claims.push(claim);
            }
        }
    }
    claims
}

/// As many probes as may lie about it.
pub(super) fn lying(evidence: &Evidence) -> usize {
    if evidence.imported {
        0
    } else {
        tenth(evidence.witnesses as usize)
    }
}

/// Whether so many probes could, with a tenth who say the same, be more than are `too_few` of
/// all. Some of these may leave altogether, so that a tenth of the rest is less.
pub(super) fn may_count(
    evidence: &Evidence,
    seen: usize,
    too_few: impl Fn(usize) -> usize,
) -> bool {
    let witnesses = evidence.witnesses as usize;
    let liars = tenth(witnesses);
    let counts = |leave| seen + liars - leave > too_few(witnesses.saturating_sub(leave));
    seen > 0 && (0..=liars).any(counts)
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
    let mut found = [Confirmed::default(), Confirmed::default()];
    for claim in claims(evidence, takes_part) {
        if let Some(found) = found.get_mut(usize::from(claim.way == Way::Added))
            && claim.confirmed()
        {
            found.networks.insert(claim.network);
            let (networks, probes) = found.zones.entry(claim.zone).or_default();
            networks.insert(claim.network);
            probes.extend(claim.seen.iter().map(|s| s.probe));
            found.probes.extend(claim.seen.iter().map(|s| s.probe));
        }
    }
    found.map(|found| {
        if found.probes.len() > lying(evidence) {
            found
        } else {
            Confirmed::default()
        }
    })
}

/// Which deviations of names are the removal of their top-level domain, which counts in G3
/// alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precedence {
    /// Networks and the top-level domains that are removed there.
    removed: BTreeSet<(Asn, u32)>,
    /// Top-level domains that so many saw removed that with a tenth who lie they could be.
    contested: BTreeSet<u32>,
}

impl Precedence {
    /// Here more than two tenths must have seen this very domain removed: with a tenth of
    /// liars there is then no removal that a second tenth could make, for which the names'
    /// dimension would lose its number.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let [removals, _] = confirmed(evidence, &|_| true);
        let minority = cut(evidence.witnesses as usize);
        let zones = removals.zones.into_iter();
        let removed = zones
            .filter(|(_, (_, probes))| probes.len() > minority)
            .flat_map(|(zone, (networks, _))| networks.into_iter().map(move |n| (n, zone)))
            .filter_map(|(network, zone)| {
                Some((*evidence.networks.get(network as usize)?, zone))
            })
            .collect();
        let claims = claims(evidence, &|_| true).into_iter();
        let mut seen: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for claim in claims.filter(|claim| claim.way != Way::Added) {
            let probes = claim.seen.iter().map(|s| s.probe);
            seen.entry(claim.zone).or_default().extend(probes);
        }
        let contested = seen.into_iter();
        let contested = contested.filter(|(_, probes)| may_count(evidence, probes.len(), cut));
        Self {
            removed,
            contested: contested.map(|(zone, _)| zone).collect(),
        }
    }

    /// Whether a deviation is such a removal.
    pub(super) fn takes(&self, cell: &Cell) -> bool {
        self.removed.contains(&(cell.asn, cell.zone))
    }

    /// Whether it could be made one by a tenth of the probes.
    pub(super) fn may_take(&self, cell: &Cell) -> bool {
        self.contested.contains(&cell.zone)
    }
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
