//! Has a country's score changed? Claimed only if the probability is 0.95 at least under one
//! method and the same indicators, and if the claim survives leaving out any one network.

use super::{
    aggregate::geometric,
    estimate::{Without, rates},
    floors::FLOORS,
    indicator::{self, Dimension},
    posterior,
    profile::Profile,
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
const DRAWS: usize = 1000;

/// Changes between two profiles of one country whose windows do not overlap.
pub fn changes(then: &Profile, now: &Profile, shares: Option<&Shares>) -> Vec<Change> {
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
            let networks = [then, now].into_iter().flat_map(|p| &p.indicators);
            let networks: BTreeSet<Asn> = networks
                .flat_map(|i| i.assessment.evidence.networks.iter().copied())
                .collect();
            let survives = networks.iter().all(|out| {
                let rest = shares.map(|all| all.without(*out));
                let left = |p: &Profile| without(p, dimension, *out, rest.as_ref());
                match (left(then), left(now)) {
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

/// Point and draws of a dimension as if a network did not exist. Floors are not asked: the
/// claim must hold in what is left.
fn without(
    profile: &Profile,
    dimension: Dimension,
    out: Asn,
    shares: Option<&Shares>,
) -> Option<(f64, Vec<f64>)> {
    let (mut points, mut all) = (Vec::new(), Vec::new());
    for score in &profile.indicators {
        let a = &score.assessment;
        let weight = indicator::weight(a.spec);
        if a.spec.dimension != dimension || !a.published() || weight <= 0.0 {
            continue;
        }
        let at = a.evidence.networks.binary_search(&out).ok();
        let left = at.map_or(Without::Nothing, |at| Without::Network(at as u32));
        let left = rates(&a.evidence, shares, left);
        points.push((weight, a.spec.score(left.raw?)));
        let seed = profile.seed ^ (a.spec.id as u64 + 1) << 56;
        all.push((weight, a.spec, posterior::draws(&left, shares, seed, DRAWS)));
    }
    let draw = |at: usize| {
        let scores: Vec<_> = all
            .iter()
            .map(|(weight, spec, draws)| {
                (*weight, spec.score(draws.get(at).copied().unwrap_or(0.0)))
            })
            .collect();
        geometric(&scores).unwrap_or(0.0)
    };
    Some((geometric(&points)?, (0..DRAWS).map(draw).collect()))
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
