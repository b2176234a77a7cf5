//! What is known of one indicator in one country and window? Cells, put in order and made
//! compact: for each target and probe, on which days it could tell and on which it saw a
//! deviation. Nothing here depends on the order in which cells came.

use super::{
    cell::{Cell, Day, Source, TargetId},
    floors::FLOORS,
    indicator::Estimator,
    namespace::{Precedence, Sighting},
};
use faultline_core::id::{Asn, ProbeId};
use std::collections::{BTreeMap, BTreeSet};

/// One probe's view of one target; days are bits, the last day of the window is bit 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index of the target.
    pub target: u32,
    /// Index of the probe.
    pub probe: u32,
    /// Days on which it could tell.
    pub tested: u32,
    /// Days on which most of its measurements deviated.
    pub deviating: u32,
    /// The same if no deviation were another indicator's,
    pub most: u32,
    /// and if all were that might be.
    pub least: u32,
}

impl Entry {
    /// Marks a day, by measurements that could tell, and by those that deviated in each of
    /// the three readings.
    fn mark(&mut self, bit: u32, trials: u64, deviations: [u64; 3]) {
        self.tested |= bit;
        let days = [&mut self.deviating, &mut self.most, &mut self.least];
        for (days, deviations) in days.into_iter().zip(deviations) {
            *days &= !bit;
            if deviations * 2 > trials {
                *days |= bit;
            }
        }
    }
}

/// A probe in the one network in which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub probe: ProbeId,
    /// Index of its network.
    pub network: u32,
}

/// Counts of one network, before anything is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Measurements that could tell.
    pub trials: u64,
    /// Of these, measurements that deviated.
    pub deviations: u64,
}

/// Evidence for one indicator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Whether the evidence is imported.
    pub imported: bool,
    /// In order.
    pub networks: Vec<Asn>,
    /// What each network's probes measured.
    pub counts: Vec<Counts>,
    /// In order of network and probe.
    pub probes: Vec<Member>,
    /// How many targets there are.
    pub targets: u32,
    /// By target, then by probe.
    pub entries: Vec<Entry>,
    /// Days with measurements.
    pub days: u32,
    /// Probes of ours that the whole dimension rests on, of which a tenth may lie: those of
    /// this indicator, until it is said how many others there are.
    pub witnesses: u32,
    /// Whether the indicator is a share of users, from sightings.
    pub user_share: bool,
    /// Deviations by target, network and probe, where it is.
    pub sightings: Vec<Sighting>,
}

/// Whose deviations they are, where a removed top-level domain takes names with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// None is the namespace's.
    Most,
    /// All are that might be.
    Least,
}

impl Evidence {
    /// From the cells of one country and indicator; others' days and sources are left out.
    /// A probe counts in one network, the one where it measured on most days: somebody who
    /// travels (or pretends to) is still one witness.
    pub fn new<'a>(
        cells: impl IntoIterator<Item = &'a Cell>,
        last: Day,
        source: Source,
    ) -> Self {
        Self::beside(cells, last, source, &Precedence::default())
    }

    /// The same where some deviations may be the removal of a top-level domain.
    pub fn beside<'a>(
        cells: impl IntoIterator<Item = &'a Cell>,
        last: Day,
        source: Source,
        precedence: &Precedence,
    ) -> Self {
        let length = FLOORS.window_days as Day;
        let mut cells: Vec<&Cell> = cells
            .into_iter()
            .filter(|c| c.source == source && c.day <= last && c.day > last - length)
            .filter(|c| c.trials > 0)
            .collect();
        cells.sort_unstable_by_key(|c| (c.target, c.asn, c.probe, c.day));
        let homes = homes(&cells, source);
        cells.retain(|c| homes.get(&c.probe).is_none_or(|home| *home == c.asn));
        let networks: BTreeSet<Asn> = cells.iter().map(|c| c.asn).collect();
        let networks: Vec<Asn> = networks.into_iter().collect();
        let network = |asn: Asn| networks.binary_search(&asn).unwrap_or(0);
        let members: BTreeSet<(Asn, ProbeId)> =
            cells.iter().map(|c| (c.asn, c.probe)).collect();
        let members: Vec<(Asn, ProbeId)> = members.into_iter().collect();
        let user_share = cells
            .first()
            .is_some_and(|c| c.indicator.spec().estimator == Estimator::UserShare);
        let mut sightings: Vec<Sighting> = Vec::new();
        let mut counts = vec![Counts::default(); networks.len()];
        let (mut entries, mut days, mut targets) = (Vec::<Entry>::new(), 0u32, 0u32);
        let mut before: Option<(TargetId, Asn, ProbeId)> = None;
        let mut daily: Option<(Day, u64, [u64; 3])> = None;
        for cell in &cells {
            let all = cell.deviations.min(cell.trials);
            let taken = all > 0 && precedence.takes(cell);
            let deviations = if taken { 0 } else { all };
            let least = if all > 0 && precedence.may_take(cell) {
                0
            } else {
                deviations
            };
            if let Some(count) = counts.get_mut(network(cell.asn)) {
                count.trials += u64::from(cell.trials);
                count.deviations += u64::from(deviations);
            }
            let key = (cell.target, cell.asn, cell.probe);
            if before.is_none_or(|(target, ..)| target != cell.target) {
                targets += 1;
            }
            if before != Some(key) {
                let probe = members.binary_search(&(cell.asn, cell.probe)).unwrap_or(0);
                entries.push(Entry {
                    target: targets - 1,
                    probe: probe as u32,
                    tested: 0,
                    deviating: 0,
                    most: 0,
                    least: 0,
                });
                daily = None;
            }
            if user_share && deviations > 0 {
                let (probe, network) = (
                    members.binary_search(&(cell.asn, cell.probe)).unwrap_or(0) as u32,
                    network(cell.asn) as u32,
                );
                if sightings
                    .last()
                    .is_none_or(|s| (s.target, s.probe) != (targets - 1, probe))
                {
                    sightings.push(Sighting::new(network, probe, targets - 1, cell.zone));
                }
                if let Some(sighting) = sightings.last_mut() {
                    sighting.add(cell, 1u32 << (last - cell.day));
                }
            }
            before = Some(key);
            // Cells of one day are summed before the majority is taken.
            let (mut trials, mut sums) = match daily {
                Some((day, trials, sums)) if day == cell.day => (trials, sums),
                _ => (0, [0; 3]),
            };
            trials += u64::from(cell.trials);
            for (sum, part) in sums.iter_mut().zip([deviations, all, least]) {
                *sum += u64::from(part);
            }
            daily = Some((cell.day, trials, sums));
            let bit = 1u32 << (last - cell.day);
            days |= bit;
            if let Some(entry) = entries.last_mut() {
                entry.mark(bit, trials, sums);
            }
        }
        entries.sort_unstable_by_key(|e| (e.target, e.probe));
        let probes = members.iter().map(|(asn, probe)| Member {
            probe: *probe,
            network: network(*asn) as u32,
        });
        Self {
            imported: source == Source::Import,
            witnesses: members.len() as u32,
            probes: probes.collect(),
            networks,
            counts,
            targets,
            entries,
            days: days.count_ones(),
            user_share,
            sightings,
        }
    }

    /// The same evidence, read otherwise.
    pub(super) fn read(&self, reading: Reading) -> Self {
        let mut other = self.clone();
        for entry in &mut other.entries {
            entry.deviating = match reading {
                Reading::Most => entry.most,
                Reading::Least => entry.least,
            };
        }
        other
    }

    /// Whether some deviations are, or might be, another indicator's.
    pub(super) fn yields(&self) -> bool {
        self.entries.iter().any(|e| e.most != e.least)
    }

    /// Measurements that could tell and that deviated.
    pub fn total(&self) -> Counts {
        self.counts
            .iter()
            .fold(Counts::default(), |all, one| Counts {
                trials: all.trials + one.trials,
                deviations: all.deviations + one.deviations,
            })
    }
}

/// The network in which each probe measured on most days; of equals, the lowest number.
/// Imports have no probes of ours: what one key imported counts in every network.
fn homes(cells: &[&Cell], source: Source) -> BTreeMap<ProbeId, Asn> {
    if source == Source::Import {
        return BTreeMap::new();
    }
    let seen: BTreeSet<(ProbeId, Asn, Day)> =
        cells.iter().map(|c| (c.probe, c.asn, c.day)).collect();
    let mut days: BTreeMap<(ProbeId, Asn), u32> = BTreeMap::new();
    for (probe, asn, _) in seen {
        *days.entry((probe, asn)).or_default() += 1;
    }
    let mut homes: BTreeMap<ProbeId, (u32, Asn)> = BTreeMap::new();
    for ((probe, asn), days) in days {
        let home = homes.entry(probe).or_insert((days, asn));
        if days > home.0 {
            *home = (days, asn);
        }
    }
    homes
        .into_iter()
        .map(|(probe, (_, asn))| (probe, asn))
        .collect()
}
