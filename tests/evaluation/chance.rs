//! What shape has chance? Draws from the distributions of the published figures, by a seed.
//! Logarithms in software: the same fleets on every machine.

use crate::entropy::Seeded;

/// A seeded source of draws.
#[derive(Clone, Debug)]
pub struct Chance(Seeded);

impl Chance {
    /// A sequence of its own for each seed and purpose.
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(Seeded::new(seed, purpose))
    }

    /// From 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From `least` up to `most`, both possible.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        let width = most.saturating_sub(least).max(0) as f64 + 1.0;
        least + (self.unit() * width) as i64
    }

    /// An index below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// How long until the next event of a Poisson process.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Box and Muller's, of which one of two is used.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// With this median; `sigma` of its logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Moments of a Poisson process within a span, in order.
    pub fn moments(&mut self, per_day: f64, from: i64, until: i64) -> Vec<i64> {
        let mut found = Vec::new();
        if per_day <= 0.0 {
            return found;
        }
        let mut at = from as f64;
        loop {
            at += self.exponential(86_400.0 / per_day);
            if at >= until as f64 {
                return found;
            }
            found.push(at as i64);
        }
    }

    /// A sequence that is independent of how many draws this one gives.
    #[must_use]
    pub fn branch(&mut self, purpose: u64) -> Self {
        Self::new(self.0.draw(), purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_moments_that_they_are_named_after() {
        let mut chance = Chance::new(1, 1);
        let n = 40_000;
        let mean = (0..n).map(|_| chance.exponential(60.0)).sum::<f64>() / f64::from(n);
        assert!((mean - 60.0).abs() < 1.5, "{mean}");
        let mut all: Vec<f64> = (0..n).map(|_| chance.lognormal(0.3, 1.0)).collect();
        all.sort_by(f64::total_cmp);
        let median = all[all.len() / 2];
        assert!((median - 0.3).abs() < 0.01, "{median}");
        let moments = chance.moments(2.0, 0, 86_400 * 10_000).len();
        assert!((19_500..20_500).contains(&moments), "{moments}");
    }

    #[test]
    fn a_seed_says_it_all() {
        let draws = |seed| {
            let mut chance = Chance::new(seed, 7);
            (0..5)
                .map(|_| chance.between(0, 1_000_000))
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(3), draws(3));
        assert_ne!(draws(3), draws(4));
    }
}
