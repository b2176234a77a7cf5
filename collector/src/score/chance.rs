//! Where does chance come from, so that the same evidence gives the same bytes on every
//! machine? A counter through SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): integers only.
//! Real numbers use `+ - * /` and square roots, which IEEE 754 defines to the bit, and
//! logarithms and powers from `libm` in software, never the machine's own.

/// The golden ratio, 64 bits: SplitMix64's step.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that its key gives.
#[derive(Clone, Debug)]
pub struct Chance {
    at: u64,
    spare: Option<f64>,
}

impl Chance {
    /// The stream of `key` in the family of `seed`.
    pub fn new(seed: u64, key: u64) -> Self {
        Self {
            at: mix(seed ^ mix(key.wrapping_add(STEP))),
            spare: None,
        }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.at = self.at.wrapping_add(STEP);
        mix(self.at)
    }

    /// In the open interval from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0)
    }

    /// Between two numbers.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// Standard normal, by Marsaglia's polar method.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let f = (-2.0 * libm::log(s) / s).sqrt();
                self.spare = Some(v * f);
                return u * f;
            }
        }
    }

    /// Gamma of this shape and scale 1 (Marsaglia and Tsang, TOMS 2000).
    #[allow(clippy::many_single_char_names)] // those of the paper
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::exp(libm::log(self.uniform()) / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let t = 1.0 + c * x;
            if t <= 0.0 {
                continue;
            }
            let v = t * t * t;
            let u = self.uniform();
            let x2 = x * x;
            if u < 1.0 - 0.0331 * x2 * x2
                || libm::log(u) < 0.5 * x2 + d * (1.0 - v + libm::log(v))
            {
                return d * v;
            }
        }
    }

    /// Beta; parameters below 0.001 are taken as 0.001.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a.max(1e-3)), self.gamma(b.max(1e-3)));
        // Tiny shapes can give 0 on both sides: then either end is as good.
        if x + y > 0.0 {
            x / (x + y)
        } else if self.uniform() * (a + b) < a {
            1.0
        } else {
            0.0
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The value below which a share `p` of the sorted numbers lies; linear in between.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = p.clamp(0.0, 1.0) * last as f64;
    let low = at as usize;
    let value = |at: usize| sorted.get(at.min(last)).copied().unwrap_or(0.0);
    value(low) + (value(low + 1) - value(low)) * (at - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_its_published_numbers() {
        // The first outputs for seed 1234567 of the reference implementation.
        let mut chance = Chance {
            at: 1_234_567,
            spare: None,
        };
        let first: Vec<u64> = (0..3).map(|_| chance.bits()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn betas_have_their_moments() {
        for (a, b) in [(0.5, 0.5), (0.1, 4.0), (3.0, 1.0), (8.0, 20.0)] {
            let mut chance = Chance::new(1, 2);
            let n = 40_000;
            let draws: Vec<f64> = (0..n).map(|_| chance.beta(a, b)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance =
                draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / f64::from(n);
            let (want, spread) = (a / (a + b), a * b / ((a + b) * (a + b) * (a + b + 1.0)));
            assert!((mean - want).abs() < 0.01, "{a} {b}: {mean}");
            assert!(
                (variance / spread - 1.0).abs() < 0.05,
                "{a} {b}: {variance}"
            );
        }
    }

    #[test]
    fn the_same_key_gives_the_same_bits_everywhere() {
        let mut chance = Chance::new(2026, 7);
        let bits: Vec<u64> = (0..4).map(|_| chance.beta(0.7, 2.3).to_bits()).collect();
        assert_eq!(bits, PINNED);
    }

    const PINNED: [u64; 4] = [
        4_603_623_480_297_448_786,
        4_584_416_264_286_682_616,
        4_605_285_181_850_969_538,
        4_599_709_333_510_666_998,
    ];

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        assert!((quantile(&[0.0, 1.0, 2.0], 0.25) - 0.5).abs() < 1e-12);
        assert!((quantile(&[3.0], 0.9) - 3.0).abs() < 1e-12);
        assert!(quantile(&[], 0.5).abs() < 1e-12);
    }
}
