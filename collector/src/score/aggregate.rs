//! How do indicators become one number for a dimension? The weighted geometric mean of
//! integrity (section 5.4): `D = (1 - prod (1 - (1 - e) s_i)^w_i) / (1 - e)`, `e = 0.05`,
//! weights normalised over what is available. Idempotent, in [0, 1], and not to be
//! compensated as a mean would be: one strong deviation is not thinned out by calm ones.

use super::{chance::Chance, floors::FLOORS, indicator::Tier};

/// Keeps the logarithm finite.
pub const EPSILON: f64 = 0.05;

/// Aggregates `(weight, score)` pairs; none where there is no weight.
pub fn geometric(scores: &[(f64, f64)]) -> Option<f64> {
    let weights: f64 = scores.iter().map(|(w, _)| w).sum();
    if weights <= 0.0 {
        return None;
    }
    if scores.iter().all(|(_, s)| *s <= 0.0) {
        return Some(0.0);
    }
    let log: f64 = scores
        .iter()
        .map(|(w, s)| w / weights * libm::log(1.0 - (1.0 - EPSILON) * s.clamp(0.0, 1.0)))
        .sum();
    Some(((1.0 - libm::exp(log)) / (1.0 - EPSILON)).clamp(0.0, 1.0))
}

/// The weighted mean, for comparison.
pub fn arithmetic(scores: &[(f64, f64)]) -> Option<f64> {
    let weights: f64 = scores.iter().map(|(w, _)| w).sum();
    (weights > 0.0).then(|| scores.iter().map(|(w, s)| w * s).sum::<f64>() / weights)
}

/// Half the greatest, half the mean, for comparison.
pub fn blend(scores: &[(f64, f64)]) -> Option<f64> {
    let greatest = scores.iter().map(|(_, s)| *s).fold(0.0, f64::max);
    arithmetic(scores).map(|mean| f64::midpoint(greatest, mean))
}

/// The aggregate if what is missing were 0, and if it were 1. Weights are those of the whole
/// dimension.
pub fn bounds(available: &[(f64, f64)], missing: &[f64]) -> Option<(f64, f64)> {
    let with = |score: f64| {
        let mut all = available.to_vec();
        all.extend(missing.iter().map(|weight| (*weight, score)));
        geometric(&all)
    };
    Some((with(0.0)?, with(1.0)?))
}

/// Why the available indicators do not make a dimension; empty where they do.
pub fn availability(available: &[(f64, Tier)]) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    let weight: f64 = available.iter().map(|(w, _)| w).sum();
    if weight < FLOORS.weight - 1e-9 {
        reasons.push("floor.weight");
    }
    if available.len() < FLOORS.indicators as usize {
        reasons.push("floor.indicators");
    }
    if !available.iter().any(|(_, tier)| *tier == Tier::A) {
        reasons.push("floor.tier_a");
    }
    reasons
}

/// What an indicator brings into the method interval.
#[derive(Clone, Debug)]
pub struct Input {
    /// Weight within the whole dimension.
    pub weight: f64,
    /// Background.
    pub b: f64,
    /// Goalpost.
    pub h: f64,
    /// Raw value, and that without each network in turn.
    pub raws: Vec<f64>,
}

/// Runs of the method interval.
pub const RUNS: usize = 2000;

/// From the 5 % to the 95 % quantile over what the method could have chosen otherwise:
/// weights by a Dirichlet distribution of concentration 50, one of three ways to aggregate,
/// goalpost times 0.7 to 1.3, background times 0.5 to 1.5, one indicator left out (of more
/// than two) and one network left out, each in half of the runs. What the posterior assumes
/// (correlations) moves the statistical interval and not the point, so it is not varied here.
pub fn method_interval(inputs: &[Input], seed: u64) -> Option<(f64, f64)> {
    let mut chance = Chance::new(seed, 1 << 43);
    let mut results = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let dropped =
            (inputs.len() > 2 && chance.uniform() < 0.5).then(|| chance.below(inputs.len()));
        let mut scores = Vec::with_capacity(inputs.len());
        for (at, input) in inputs.iter().enumerate() {
            let weight = chance.gamma(50.0 * input.weight);
            let h = input.h * chance.between(0.7, 1.3);
            let b = input.b * chance.between(0.5, 1.5);
            let whole = input.raws.len() < 2 || chance.uniform() < 0.5;
            let raw = if whole {
                input.raws.first()
            } else {
                input.raws.get(1 + chance.below(input.raws.len() - 1))
            };
            if dropped != Some(at) {
                let raw = raw.copied().unwrap_or(0.0);
                scores.push((weight, super::indicator::scaled(raw, b, h)));
            }
        }
        let way = chance.below(3);
        results.extend(match way {
            0 => geometric(&scores),
            1 => arithmetic(&scores),
            _ => blend(&scores),
        });
    }
    results.sort_unstable_by(f64::total_cmp);
    let quantile = |p| super::chance::quantile(&results, p);
    (!results.is_empty()).then(|| (quantile(0.05), quantile(0.95)))
}
