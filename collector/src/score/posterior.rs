//! How sure is it? Two levels, network and probe (section 5.2 of the method, "method D"),
//! by Monte Carlo with a seed from the evidence. The posterior gives the interval only; the
//! interval is clipped to contain the point.
//!
//! Pooled proportions treat measurements as independent, which they are not: in simulation
//! their intervals cover the truth far too rarely (`docs/method.md` has the table).

use super::{
    chance::{Chance, quantile},
    estimate::{NetworkRate, Rates},
    namespace,
    shares::Shares,
};
use faultline_core::id::Asn;

/// Correlation of probes within a network.
pub const WITHIN: f64 = 0.5;
/// Correlation of networks within a country, before there is enough data to estimate it. At
/// 0.5, intervals for countries whose networks deviate wholly or not at all covered the truth
/// in 87 % of simulations of nominal 95 % (ten of twenty networks seen).
pub const BETWEEN: f64 = 0.8;
/// Draws for what is published.
pub const DRAWS: usize = 4000;
/// Unobserved networks drawn one by one; the rest of the tail is drawn as one.
const TAIL: usize = 16;

/// Draws of the country's rate; of a share of users, of removals and of additions apart.
/// Without a table of users (`None`), the fallback: Jeffreys
/// with as many observations as Kish's effective number of networks.
pub fn draws(rates: &Rates, shares: Option<&Shares>, seed: u64, count: usize) -> Vec<f64> {
    if rates.user_share {
        let share = |of: fn(&NetworkRate) -> bool| {
            let networks = rates.networks.iter().map(|n| NetworkRate {
                own: f64::from(u8::from(of(n))),
                ..*n
            });
            let one = Rates {
                networks: networks.collect(),
                ..Rates::default()
            };
            draws(&one, shares, seed, count)
        };
        let (removed, added) = (share(|n| n.removed), share(|n| n.added));
        let both = removed.iter().zip(&added);
        return both.map(|(a, b)| namespace::part(*a, *b)).collect();
    }
    let networks = rates.networks.as_slice();
    let k = networks.len() as f64;
    if networks.is_empty() {
        return Vec::new();
    }
    let sum: f64 = networks.iter().map(|n| n.own).sum();
    let Some(shares) = shares else {
        return kish(networks, seed, count);
    };
    let mut total = vec![0.0; count];
    let prior = (sum + 0.5) / (k + 1.0);
    let seen: f64 = networks.iter().map(|n| shares.of(n.asn)).sum();
    // Networks that the table does not know: by their weights in the sample.
    let share = |n: &NetworkRate| {
        if seen > 0.0 {
            shares.of(n.asn)
        } else {
            n.weight
        }
    };
    for network in networks {
        let weight = share(network);
        if weight <= 0.0 {
            continue;
        }
        let n = f64::from(network.probes.min(10)) / WITHIN;
        let (a, b) = (
            network.own * n + prior,
            (1.0 - network.own) * n + 1.0 - prior,
        );
        let mut chance = Chance::new(seed, u64::from(network.asn.0));
        for total in &mut total {
            *total += weight * chance.beta(a, b);
        }
    }
    let unseen = if seen > 0.0 {
        unobserved(networks, shares)
    } else {
        Vec::new()
    };
    if !unseen.is_empty() {
        let mut means = Chance::new(seed, 1 << 40);
        let mut chance = Chance::new(seed, 1 << 41);
        let q = (1.0 - BETWEEN) / BETWEEN;
        for total in &mut total {
            let mean = means.beta(sum + 0.5, k - sum + 0.5);
            for weight in &unseen {
                *total += weight * chance.beta(mean * q, (1.0 - mean) * q);
            }
        }
    }
    for draw in &mut total {
        *draw = draw.clamp(0.0, 1.0);
    }
    total
}

/// Shares of the networks that no probe stands in, the greatest first.
fn unobserved(networks: &[NetworkRate], shares: &Shares) -> Vec<f64> {
    let seen = |asn: Asn| networks.iter().any(|n| n.asn == asn);
    let others = shares.iter().filter(|(asn, _)| !seen(*asn));
    let mut others: Vec<f64> = others.map(|(_, share)| share).collect();
    others.sort_unstable_by(|a, b| b.total_cmp(a));
    if others.len() > TAIL {
        let tail: f64 = others.drain(TAIL..).sum();
        others.push(tail);
    }
    others
}

fn kish(networks: &[NetworkRate], seed: u64, count: usize) -> Vec<f64> {
    let mean: f64 = networks.iter().map(|n| n.weight * n.own).sum();
    let squares: f64 = networks.iter().map(|n| n.weight * n.weight).sum();
    let n = 1.0 / squares;
    let (a, b) = (mean * n + 0.5, (1.0 - mean) * n + 0.5);
    let mut chance = Chance::new(seed, 1 << 42);
    (0..count).map(|_| chance.beta(a, b)).collect()
}

/// The interval of this level from draws, clipped to contain the point, and open to the
/// end where every network says the same.
pub fn interval(draws: &[f64], level: f64, point: f64, rates: &Rates) -> (f64, f64) {
    let (mut low, mut high) = spread(draws, level, point);
    if rates.networks.iter().all(|n| n.own <= 0.0) {
        low = 0.0;
    }
    if rates.networks.iter().all(|n| n.own >= 1.0) {
        high = 1.0;
    }
    (low, high)
}

/// The central interval of this level from draws, clipped to contain the point.
pub fn spread(draws: &[f64], level: f64, point: f64) -> (f64, f64) {
    let mut sorted = draws.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let (low, high) = (quantile(&sorted, tail), quantile(&sorted, 1.0 - tail));
    (low.min(point), high.max(point))
}
