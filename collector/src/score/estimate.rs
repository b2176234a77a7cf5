//! What is the best single number for one indicator in one country?
//!
//! For each target and probe the share of days that deviated, where the network saw it on
//! two days at least. For each target, the probes' values are winsorised over the country:
//! with `k = max(1, P / 10)`, the `k` highest count as the next lower one and the `k` lowest
//! as the next higher one. A minority of a tenth, wherever it sits and whatever it says,
//! neither accuses where nobody else does nor clears where everybody else accuses; one
//! probe alone never accuses. A target that no more than `2k` probes tested is not testable.
//!
//! A probe's rate is its mean over all testable targets; a target that it did not test
//! counts as the median of its network, or else of the country, so that nobody raises a
//! rate by testing only what is blocked. A network's rate is the median over its probes
//! (the mean of two), and the country's the mean over networks by their users, none of
//! which weighs more than half.

use super::{
    evidence::{Entry, Evidence},
    floors::FLOORS,
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

/// One network's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkRate {
    /// Which.
    pub asn: Asn,
    /// Probes that took part.
    pub probes: u32,
    /// Rate, in [0, 1].
    pub rate: f64,
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
}

/// Computes rates.
pub fn rates(evidence: &Evidence, shares: Option<&Shares>, without: Without) -> Rates {
    let takes_part = |probe: u32| match without {
        Without::Nothing => true,
        Without::Probe(other) => probe != other,
        Without::Network(network) => {
            let member = evidence.probes.get(probe as usize);
            member.is_some_and(|m| m.network != network)
        }
    };
    let members: Vec<bool> = (0..)
        .zip(&evidence.probes)
        .map(|(at, _)| takes_part(at))
        .collect();
    let probes = members.iter().filter(|part| **part).count();
    let minority = if evidence.imported {
        0
    } else {
        (probes / 10).max(1)
    };
    let mut sums = Sums::new(evidence);
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
    finish(evidence, shares, &sums, &members)
}

/// Sums over targets: each network's medians, and what each probe differs from them.
struct Sums {
    targets: u32,
    networks: Vec<f64>,
    probes: Vec<f64>,
}

impl Sums {
    fn new(evidence: &Evidence) -> Self {
        Self {
            targets: 0,
            networks: vec![0.0; evidence.networks.len()],
            probes: vec![0.0; evidence.probes.len()],
        }
    }

    /// Adds one target, by the views of all probes that tested it.
    fn add(&mut self, evidence: &Evidence, views: &[&Entry], minority: usize) {
        if views.is_empty() || views.len() <= 2 * minority {
            return;
        }
        self.targets += 1;
        if views.iter().all(|view| view.deviating == 0) {
            return;
        }
        let network =
            |view: &Entry| evidence.probes.get(view.probe as usize).map(|m| m.network);
        // Views stand by probe, and probes by network.
        let mut values = Vec::with_capacity(views.len());
        for of_network in views.chunk_by(|a, b| network(a) == network(b)) {
            let days = of_network
                .iter()
                .fold(0u32, |all, view| all | view.deviating);
            let confirmed = days.count_ones() >= FLOORS.confirming_days;
            values.extend(of_network.iter().map(|view| {
                if confirmed {
                    f64::from(view.deviating.count_ones()) / f64::from(view.tested.count_ones())
                } else {
                    0.0
                }
            }));
        }
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let low = sorted.get(minority).copied().unwrap_or(0.0);
        let high = sorted
            .get(sorted.len() - 1 - minority)
            .copied()
            .unwrap_or(0.0);
        for value in &mut values {
            *value = value.clamp(low, high);
        }
        let everywhere = median(&mut sorted.clone()).clamp(low, high);
        let mut medians = vec![everywhere; self.networks.len()];
        let mut at = 0;
        for of_network in views.chunk_by(|a, b| network(a) == network(b)) {
            let theirs = values.get(at..at + of_network.len()).unwrap_or_default();
            at += of_network.len();
            let middle = median(&mut theirs.to_vec());
            if let Some(own) = of_network
                .first()
                .and_then(|view| network(view))
                .and_then(|network| medians.get_mut(network as usize))
            {
                *own = middle;
            }
            for (view, value) in of_network.iter().zip(theirs) {
                if let Some(sum) = self.probes.get_mut(view.probe as usize) {
                    *sum += value - middle;
                }
            }
        }
        for (sum, median) in self.networks.iter_mut().zip(medians) {
            *sum += median;
        }
    }
}

fn finish(
    evidence: &Evidence,
    shares: Option<&Shares>,
    sums: &Sums,
    members: &[bool],
) -> Rates {
    let mut result = Rates {
        targets: sums.targets,
        ..Rates::default()
    };
    if sums.targets == 0 {
        return result;
    }
    let targets = f64::from(sums.targets);
    for ((at, asn), base) in (0u32..).zip(&evidence.networks).zip(&sums.networks) {
        let mut rates: Vec<f64> = evidence
            .probes
            .iter()
            .zip(members)
            .zip(&sums.probes)
            .filter(|((member, part), _)| **part && member.network == at)
            .map(|(_, own)| ((base + own) / targets).clamp(0.0, 1.0))
            .collect();
        if rates.is_empty() {
            continue;
        }
        result.probes += rates.len() as u32;
        result.networks.push(NetworkRate {
            asn: *asn,
            probes: rates.len() as u32,
            rate: median(&mut rates),
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

/// Makes weights sum to 1, none above one half. Networks that the table of users does not
/// know weigh as much as the smallest that it knows.
fn level(networks: &mut [NetworkRate]) {
    let known = networks.iter().map(|n| n.weight).filter(|w| *w > 0.0);
    let least = known.fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 1.0 };
    for network in networks.iter_mut().filter(|n| n.weight <= 0.0) {
        network.weight = least;
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
