//! Has a country's score changed? Claimed only if the probability is 0.95 at least under one
//! method and the same indicators, and if the claim survives leaving out any one network.

use super::{
    assess::{Assessment, Effort},
    cell::{Cell, Day},
    floors::FLOORS,
    indicator::Dimension,
    profile::{Profile, assess, available, combine},
    shares::Shares,
};
use faultline_core::id::Asn;
use std::collections::BTreeSet;

/// A claimed change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Of which dimension.
    pub dimension: Dimension,
    /// The point of the window before.
    pub from: f64,
    /// The point now.
    pub to: f64,
    /// That it went that way.
    pub probability: f64,
}

/// Draws while networks are left out.
const EFFORT: Effort = Effort {
    draws: 1000,
    level: 0.90,
};

/// Changes between two profiles of one country whose windows do not overlap.
pub fn changes(
    then: &Profile,
    now: &Profile,
    cells: &[Cell],
    shares: Option<&Shares>,
) -> Vec<Change> {
    Dimension::ALL
        .into_iter()
        .filter_map(|dimension| {
            let before = then.dimension(dimension)?;
            let after = now.dimension(dimension)?;
            let (from, to) = (before.estimate.point?, after.estimate.point?);
            let ids = |p: &Profile| -> Vec<_> {
                let of = p.indicators.iter().map(|i| &i.assessment);
                let counted = of.filter(|a| a.spec.dimension == dimension && a.published());
                counted.map(|a| (a.spec.id, a.evidence.imported)).collect()
            };
            if ids(then) != ids(now) {
                return None;
            }
            let up = to > from;
            let probability = went(&before.draws, &after.draws, up);
            if from.to_bits() == to.to_bits() || probability < FLOORS.change {
                return None;
            }
            let networks: BTreeSet<Asn> = cells.iter().map(|c| c.asn).collect();
            let survives = networks.iter().all(|out| {
                let rest: Vec<Cell> = cells.iter().filter(|c| c.asn != *out).copied().collect();
                let draws = |last: Day, seed: u64| {
                    let all = assess(&rest, last, shares, seed, EFFORT);
                    // Floors may be missed without a network: the claim must hold all the same.
                    draws_of(&all, dimension)
                };
                match (draws(then.last, then.seed), draws(now.last, now.seed)) {
                    (Some((from, before)), Some((to, after))) => {
                        (to > from) == up && went(&before, &after, up) >= FLOORS.change
                    }
                    _ => false,
                }
            });
            survives.then_some(Change {
                dimension,
                from,
                to,
                probability,
            })
        })
        .collect()
}

fn draws_of(all: &[Assessment], dimension: Dimension) -> Option<(f64, Vec<f64>)> {
    combine(&available(dimension, all))
}

/// The share of pairs of draws that went up (or down).
fn went(before: &[f64], after: &[f64], up: bool) -> f64 {
    let pairs = before.len().min(after.len());
    if pairs == 0 {
        return 0.0;
    }
    let went = before
        .iter()
        .zip(after)
        .filter(|(b, a)| if up { a > b } else { a < b });
    went.count() as f64 / pairs as f64
}
