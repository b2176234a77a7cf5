//! What is the best single number for one indicator in one country?
//!
//! For each target and probe the share of days that deviated, where the country saw it on
//! two days at least (for what is shown of a network, the network). For each target, the probes' values are winsorised over the country,
//! `k` being a tenth of the dimension's probes, rounded up: none counts as less than the
//! value ranked `2k + 1` from below, nor as more than the mean of the values ranked `2k + 1`
//! to `3k + 1` from above (or to the middle). A tenth, wherever it sits and whatever it
//! says, neither accuses where nobody else does nor clears where everybody else accuses, and
//! not even a second tenth could: so liars cannot take the number away either. Above it is a
//! mean, so that one honest witness more does not open the door to ten liars. A target that
//! no more than `4k` probes tested is not testable.
//!
//! What a network shows of a target is the median over its probes (the mean of two), or of
//! the country where none of them tested it, so that nobody raises a rate by testing only
//! what is blocked. A network's rate is the mean over all testable targets, and the
//! country's the mean over networks by their users, none of which weighs more than half. A
//! network whose users nobody counted weighs nothing where others' are counted.

use super::{
    evidence::{Entry, Evidence},
    floors::FLOORS,
    namespace,
    shares::Shares,
};
use faultline_core::id::Asn;

/// What is left out, to see how much hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// Nothing.
    Nothing,
    /// One probe, by index.
    Probe(u32),
    /// One network, by index.
    Network(u32),
}

impl Without {
    /// Whether a probe is not left out.
    pub(super) fn takes_part(self, evidence: &Evidence, probe: u32) -> bool {
        match self {
            Self::Nothing => true,
            Self::Probe(other) => probe != other,
            Self::Network(network) => {
                let member = evidence.probes.get(probe as usize);
                member.is_some_and(|m| m.network != network)
            }
        }
    }
}

/// One network's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkRate {
    /// Which.
    pub asn: Asn,
    /// Probes that took part.
    pub probes: u32,
    /// What its probes show by themselves, in [0, 1]: nothing is cut off over the country.
    pub own: f64,
    /// What counts of it in the country's rate.
    pub rate: f64,
    /// For a user share: whether a removal counts here.
    pub removed: bool,
    /// Likewise, an addition.
    pub added: bool,
    /// Weight in the country's mean; all sum to 1.
    pub weight: f64,
}

/// Rates of one indicator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// By network.
    pub networks: Vec<NetworkRate>,
    /// Testable targets.
    pub targets: u32,
    /// Probes that took part.
    pub probes: u32,
    /// The country's rate; none where nothing is testable.
    pub raw: Option<f64>,
    /// Whether it is a share of users, and not a mean of rates.
    pub user_share: bool,
}

/// As many probes as may lie: a tenth, rounded up.
pub const fn tenth(probes: usize) -> usize {
    let tenth = probes.div_ceil(10);
    if tenth == 0 { 1 } else { tenth }
}

/// How many of a target's values are cut off on either side.
pub(super) const fn cut(probes: usize) -> usize {
    2 * tenth(probes)
}

/// What one probe shows of one target.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Index of its network.
    pub(super) network: u32,
    /// The share of days that deviated; 0 where its network does not confirm it,
    pub(super) own: f64,
    /// or where the country does not.
    pub(super) value: f64,
    /// The same if any `liars` of the others had said otherwise, of this or of the namespace,
    /// at least,
    pub(super) least: f64,
    /// and at most.
    pub(super) most: f64,
}

/// The views of one target, by network. Whether a deviation is confirmed depends on
/// others, so liars have a say in it.
pub(super) fn views(evidence: &Evidence, entries: &[&Entry], liars: usize) -> Vec<View> {
    let network = |entry: &Entry| evidence.probes.get(entry.probe as usize).map(|m| m.network);
    let seen = |entries: &[&Entry]| {
        let days = entries.iter().fold(0u32, |all, e| all | e.deviating);
        days.count_ones() >= FLOORS.confirming_days
    };
    let confirmed = seen(entries);
    // It stays confirmed if for each day enough others saw it on another one, though what
    // might be the removal of a top-level domain turned out to be one.
    let all = entries.iter().filter(|e| e.least != 0).count();
    let alone = |day: u32| entries.iter().filter(|e| e.least == 1 << day).count();
    let alone = (0..FLOORS.window_days).map(alone).max().unwrap_or(0);
    let firm = all - alone > liars;
    let mut views = Vec::with_capacity(entries.len());
    // Entries stand by probe, and probes by network.
    for theirs in entries.chunk_by(|a, b| network(a) == network(b)) {
        let here = seen(theirs);
        views.extend(theirs.iter().map(|entry| {
            let share = |days: u32| {
                f64::from(days.count_ones()) / f64::from(entry.tested.count_ones().max(1))
            };
            let value = share(entry.deviating);
            let alone = entry.least.count_ones() >= FLOORS.confirming_days;
            View {
                network: network(entry).unwrap_or(0),
                own: if here { value } else { 0.0 },
                value: if confirmed { value } else { 0.0 },
                least: if firm || alone {
                    share(entry.least)
                } else {
                    0.0
                },
                most: share(entry.most),
            }
        }));
    }
    views
}

/// Below what no value counts, and above what none does; there are more than twice `cut`.
fn limits(sorted: &[f64], cut: usize) -> (f64, f64) {
    let last = sorted.len().saturating_sub(1);
    let end = (cut + cut / 2).min(last / 2);
    let low = sorted.get(cut).copied().unwrap_or(0.0);
    let high = mean(sorted.get(last - end..=last - cut).unwrap_or_default());
    (low, high)
}

pub(super) fn mean(values: &[f64]) -> f64 {
    // Equal values have themselves as their mean, to the last bit.
    match values {
        [] => 0.0,
        [first, rest @ ..] if rest.iter().all(|v| v.to_bits() == first.to_bits()) => *first,
        _ => values.iter().sum::<f64>() / values.len() as f64,
    }
}

/// Computes rates.
pub fn rates(evidence: &Evidence, shares: Option<&Shares>, without: Without) -> Rates {
    if evidence.user_share {
        return namespace::rates(evidence, shares, without);
    }
    let takes_part = |probe: u32| without.takes_part(evidence, probe);
    let mut probes = vec![0u32; evidence.networks.len()];
    let mut left_out = 0;
    for (at, member) in (0..).zip(&evidence.probes) {
        match probes.get_mut(member.network as usize) {
            Some(count) if takes_part(at) => *count += 1,
            _ => left_out += 1,
        }
    }
    let minority = if evidence.imported {
        0
    } else {
        cut((evidence.witnesses as usize).saturating_sub(left_out))
    };
    let mut sums = Sums {
        targets: 0,
        networks: vec![(0.0, 0.0); evidence.networks.len()],
    };
    let mut group = Vec::new();
    let mut rest = evidence.entries.as_slice();
    while let Some(first) = rest.first() {
        let length = rest.partition_point(|e| e.target == first.target);
        let (target, after) = rest.split_at(length);
        rest = after;
        group.clear();
        group.extend(target.iter().filter(|e| takes_part(e.probe)));
        sums.add(evidence, &group, minority);
    }
    finish(evidence, shares, &sums, &probes)
}

/// Sums over targets of what each network shows by itself, and of what counts of it.
struct Sums {
    targets: u32,
    networks: Vec<(f64, f64)>,
}

impl Sums {
    /// Adds one target, by the entries of all probes that tested it.
    fn add(&mut self, evidence: &Evidence, entries: &[&Entry], minority: usize) {
        if entries.is_empty() || entries.len() <= 2 * minority {
            return;
        }
        self.targets += 1;
        if entries.iter().all(|entry| entry.deviating == 0) {
            return;
        }
        let views = views(evidence, entries, 0);
        let mut sorted: Vec<f64> = views.iter().map(|view| view.value).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (low, high) = limits(&sorted, minority);
        let everywhere = median(&mut sorted).clamp(low, high);
        let mut medians = vec![(everywhere, everywhere); self.networks.len()];
        let mut values = Vec::new();
        for theirs in views.chunk_by(|a, b| a.network == b.network) {
            let mut middle = |value: &dyn Fn(&View) -> f64| {
                values.clear();
                values.extend(theirs.iter().map(value));
                median(&mut values)
            };
            if let Some(own) = theirs
                .first()
                .and_then(|view| medians.get_mut(view.network as usize))
            {
                *own = (middle(&|v| v.own), middle(&|v| v.value.clamp(low, high)));
            }
        }
        for (sum, median) in self.networks.iter_mut().zip(medians) {
            *sum = (sum.0 + median.0, sum.1 + median.1);
        }
    }
}

fn finish(evidence: &Evidence, shares: Option<&Shares>, sums: &Sums, probes: &[u32]) -> Rates {
    let mut result = Rates {
        targets: sums.targets,
        ..Rates::default()
    };
    if sums.targets == 0 {
        return result;
    }
    let targets = f64::from(sums.targets);
    for ((asn, sum), probes) in evidence.networks.iter().zip(&sums.networks).zip(probes) {
        if *probes == 0 {
            continue;
        }
        result.probes += probes;
        result.networks.push(NetworkRate {
            asn: *asn,
            probes: *probes,
            own: (sum.0 / targets).clamp(0.0, 1.0),
            rate: (sum.1 / targets).clamp(0.0, 1.0),
            removed: false,
            added: false,
            weight: shares.map_or(1.0, |shares| shares.of(*asn)),
        });
    }
    level(&mut result.networks);
    let networks = result.networks.iter();
    result.raw = (!result.networks.is_empty()).then(|| {
        networks
            .map(|n| n.weight * n.rate)
            .sum::<f64>()
            .clamp(0.0, 1.0)
    });
    result
}

/// Makes weights sum to 1, none above one half.
pub(super) fn level(networks: &mut [NetworkRate]) {
    if networks.iter().all(|n| n.weight <= 0.0) {
        for network in networks.iter_mut() {
            network.weight = 1.0;
        }
    }
    let sum: f64 = networks.iter().map(|n| n.weight).sum();
    let greatest = networks.iter().map(|n| n.weight).fold(0.0, f64::max);
    let rest = sum - greatest;
    let cap = if rest > 0.0 {
        greatest.min(rest)
    } else {
        greatest
    };
    for network in networks.iter_mut() {
        network.weight = network.weight.min(cap) / (rest + cap);
    }
}

/// The middle; of two, their mean.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    if values.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.saturating_sub(1)), at(middle))
    }
}
