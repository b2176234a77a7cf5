//! Who saw what in a wave, and where is it done? Distinct probes by network, target, mechanism
//! and day. A probe counts as having seen it where most of its looks at one of the targets did.

use super::{Hour, Watch, merge::Wave, watch::Look};
use crate::score::cell::Day;
use faultline_core::id::Asn;
use std::collections::{BTreeMap, BTreeSet};

/// Probes that saw it, of those that looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Saw it.
    pub blocked: BTreeSet<u64>,
    /// Looked.
    pub judged: BTreeSet<u64>,
}

impl Sum {
    fn add(&mut self, voter: u64, blocked: bool) {
        self.judged.insert(voter);
        if blocked {
            self.blocked.insert(voter);
        }
    }

    /// Share of those that saw it, 0 to 1.
    pub fn share(&self) -> f64 {
        self.blocked.len() as f64 / self.judged.len().max(1) as f64
    }
}

/// Where it is done, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// On the way: injected answers, connections that are cut, public resolvers diverted, too.
    OnPath,
    /// At resolvers of the networks: public ones answer rightly.
    Resolver,
    /// Both, in different networks or for different targets.
    Both,
    /// It cannot be told.
    Unclear,
}

impl Direction {
    /// The word of the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OnPath => "on_path",
            Self::Resolver => "resolver",
            Self::Both => "both",
            Self::Unclear => "unclear",
        }
    }
}

/// Everything that a wave rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// All.
    pub total: Sum,
    /// By network.
    pub networks: BTreeMap<Asn, Sum>,
    /// By target.
    pub targets: BTreeMap<u32, Sum>,
    /// By target and network.
    pub cells: BTreeMap<(u32, Asn), Sum>,
    /// By day.
    pub days: BTreeMap<Day, Sum>,
    /// Probes by what they saw.
    pub mechanisms: BTreeMap<String, BTreeSet<u64>>,
    /// Probes that saw it done on the way,
    pub on_path: BTreeSet<u64>,
    /// or at a resolver.
    pub by_resolver: BTreeSet<u64>,
}

impl Account {
    pub(super) fn new(watch: &Watch, wave: &Wave) -> Self {
        let mut account = Self::default();
        let Some(tracks) = watch.scenes.get(&(wave.country, wave.source)) else {
            return account;
        };
        for target in &wave.targets {
            let parts: Vec<_> = wave.parts.iter().filter(|p| p.target == *target).collect();
            let from = parts
                .iter()
                .map(|part| part.from)
                .min()
                .unwrap_or(Hour::MAX);
            let until = parts
                .iter()
                .map(|part| part.until)
                .max()
                .unwrap_or(Hour::MIN);
            let causes: BTreeSet<u16> = parts
                .iter()
                .flat_map(|part| part.causes.iter().copied())
                .collect();
            let looks = tracks.get(target).map_or(&[][..], |track| &track.looks);
            // Looks are in order: they were when the wave was found.
            let first = looks.partition_point(|look| look.hour < from);
            let last = looks.partition_point(|look| look.hour <= until);
            let looks = looks.get(first..last).unwrap_or_default();
            account.target(watch, *target, looks, &causes);
        }
        account
    }

    fn target(&mut self, watch: &Watch, target: u32, looks: &[Look], causes: &BTreeSet<u16>) {
        let mut balance: BTreeMap<(u64, Asn), (i32, i32)> = BTreeMap::new();
        let mut days: BTreeMap<(u64, Day), i32> = BTreeMap::new();
        for look in looks {
            let of = if look.cause == 0 {
                -1
            } else if causes.contains(&look.cause) {
                1
            } else {
                continue;
            };
            let (sum, any) = balance.entry((look.voter, look.asn)).or_default();
            (*sum, *any) = (*sum + of, *any + 1);
            *days
                .entry((look.voter, look.hour.div_euclid(24)))
                .or_default() += of;
        }
        for ((voter, asn), (sum, _)) in &balance {
            let blocked = *sum > 0;
            self.total.add(*voter, blocked);
            self.networks.entry(*asn).or_default().add(*voter, blocked);
            self.targets.entry(target).or_default().add(*voter, blocked);
            self.cells
                .entry((target, *asn))
                .or_default()
                .add(*voter, blocked);
        }
        for ((voter, day), sum) in days {
            self.days.entry(day).or_default().add(voter, sum > 0);
        }
        for look in looks.iter().filter(|look| causes.contains(&look.cause)) {
            let firm = balance
                .get(&(look.voter, look.asn))
                .is_some_and(|(sum, _)| *sum > 0);
            if let (true, Some(cause)) = (firm, watch.cause_of(look.cause)) {
                let of = self.mechanisms.entry(cause.mechanism.clone()).or_default();
                of.insert(look.voter);
                if cause.on_path {
                    self.on_path.insert(look.voter);
                }
                if cause.by_resolver {
                    self.by_resolver.insert(look.voter);
                }
            }
        }
    }

    /// Where it is done: told only where most who saw it say so.
    pub fn direction(&self) -> Direction {
        let all = self.total.blocked.len();
        let most = |those: &BTreeSet<u64>| 2 * those.len() > all;
        let some = |those: &BTreeSet<u64>| 4 * those.len() >= all && !those.is_empty();
        match (most(&self.on_path), most(&self.by_resolver)) {
            _ if some(&self.on_path) && some(&self.by_resolver) => Direction::Both,
            (true, _) => Direction::OnPath,
            (_, true) => Direction::Resolver,
            _ => Direction::Unclear,
        }
    }
}
