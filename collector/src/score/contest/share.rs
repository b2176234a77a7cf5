//! How far could a tenth of the probes move the share of users who get another namespace (G3)?
//!
//! A network counts or does not, so what liars do is to flip networks, and each flip costs
//! at least one departure from the network or one arrival in it:
//!
//! - a network where nothing is confirmed begins to confirm: one liar suffices, with a domain
//!   that nobody else asked for, if only somebody honest saw anything at all, for more probes
//!   than could lie must have seen it;
//! - one where something is confirmed no longer does: by as many as take away the majority,
//!   the days or the second resolver ([`Claim::price`]);
//! - all at once, where so few are left who saw it that they could be lying;
//! - networks are founded, or lose their last probe.
//!
//! The rest is the knapsack of rates. `r = max(A, B / 2)` rises with A and with B, so the ends
//! of the two give its ends.

use super::{Game, Item};
use crate::score::{
    cell::Way,
    estimate::tenth,
    evidence::Evidence,
    namespace::{Claim, claims, lying, may_count, part},
};
use std::collections::{BTreeMap, BTreeSet};

/// Targets that stay, whoever leaves.
pub(super) fn certain_targets(evidence: &Evidence, liars: usize) -> u32 {
    let targets = evidence.entries.chunk_by(|a, b| a.target == b.target);
    targets.filter(|testers| testers.len() > liars).count() as u32
}

/// The least and the greatest share.
pub(super) fn range(game: &Game, evidence: &Evidence) -> (f64, f64) {
    let (additions, removals): (Vec<_>, Vec<_>) = claims(evidence, &|_| true)
        .into_iter()
        .partition(|claim| claim.way == Way::Added);
    let ends = |claims: &[Claim<'_>]| {
        let standing = standing(claims);
        let seen: BTreeSet<u32> = claims
            .iter()
            .flat_map(|claim| claim.seen.iter().map(|s| s.probe))
            .collect();
        let high = if may_count(evidence, seen.len(), tenth) {
            highest(game, &standing)
        } else {
            0.0
        };
        (lowest(game, evidence, &standing), high)
    };
    let ((low, high), (added_low, added_high)) = (ends(&removals), ends(&additions));
    (part(low, added_low), part(high, added_high))
}

/// What is confirmed in a network.
#[derive(Default)]
struct Standing {
    /// Flips that undo the cheapest claim, and the dearest.
    cheapest: usize,
    dearest: usize,
    /// Who saw any of it.
    probes: BTreeSet<u32>,
}

fn standing(claims: &[Claim<'_>]) -> BTreeMap<u32, Standing> {
    let mut networks: BTreeMap<u32, Standing> = BTreeMap::new();
    for claim in claims.iter().filter(|claim| claim.confirmed()) {
        let price = claim.price();
        let of = networks.entry(claim.network).or_insert_with(|| Standing {
            cheapest: price,
            ..Standing::default()
        });
        of.cheapest = of.cheapest.min(price);
        of.dearest = of.dearest.max(price);
        of.probes.extend(claim.seen.iter().map(|s| s.probe));
    }
    networks
}

fn highest(game: &Game, standing: &BTreeMap<u32, Standing>) -> f64 {
    let rates = |number: u32| {
        let now = f64::from(u8::from(standing.contains_key(&number)));
        vec![now, 1.0]
    };
    game.country(&items(game, rates), 1.0)
}

fn lowest(game: &Game, evidence: &Evidence, standing: &BTreeMap<u32, Standing>) -> f64 {
    let budget = 2 * game.liars;
    let all: usize = standing.values().map(|of| of.probes.len()).sum();
    if all.saturating_sub(discredited(standing, budget)) <= lying(evidence) {
        return 0.0;
    }
    // The share of those for whom nothing counts.
    let rates = |number: u32| match standing.get(&number) {
        None => vec![1.0; 2],
        Some(of) => (0..=budget)
            .map(|spent| f64::from(u8::from(spent >= of.dearest)))
            .collect(),
    };
    (1.0 - game.country(&items(game, rates), 1.0)).max(0.0)
}

fn items(game: &Game, rates: impl Fn(u32) -> Vec<f64>) -> Vec<Item> {
    let networks = (0..).zip(&game.networks);
    let with_users = networks.filter(|(_, network)| network.users > 0.0);
    with_users
        .map(|(number, network)| Item {
            users: network.users,
            probes: network.probes,
            rates: rates(number),
        })
        .collect()
}

/// The most probes that no longer count as having seen it: each flip takes one away, or all
/// of a network where it undoes a claim.
fn discredited(standing: &BTreeMap<u32, Standing>, budget: usize) -> usize {
    let mut best = vec![0usize; budget + 1];
    for of in standing.values() {
        let all = of.probes.len();
        let worth = |spent: usize| {
            if spent >= of.cheapest {
                all
            } else {
                spent.min(all)
            }
        };
        let before = best.clone();
        for (spent, best) in best.iter_mut().enumerate() {
            let ways = before.iter().take(spent + 1).enumerate();
            let most = ways.map(|(left, other)| other + worth(spent - left)).max();
            *best = most.unwrap_or(0);
        }
    }
    best.last().copied().unwrap_or(0)
}
