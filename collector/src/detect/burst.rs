//! How surprising is it that so many fell silent within a few minutes?
//!
//! Each site goes away by itself with a probability of its own, so the number that does is
//! Poisson-binomial (Le Cam 1960; the exact distribution by convolution, e.g. Hong 2013, "On
//! computing the distribution function for the Poisson binomial distribution"). The tail is
//! summed from below with one absorbing state, "as many or more": only positive terms are
//! added, so that a tail of 1e-30 has its digits.

/// More trials than this, and Chernoff's bound stands in for the exact tail.
const EXACT: usize = 500;

/// The probability of `k` or more successes in trials of the given probabilities.
pub(super) fn tail(chances: &[f64], k: usize) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > chances.len() {
        return 0.0;
    }
    if chances.len() > EXACT {
        return bound(chances.iter().sum(), k as f64);
    }
    // below[j]: exactly j so far; the last is "k or more".
    let mut below = vec![0.0_f64; k + 1];
    below[0] = 1.0;
    for p in chances {
        let p = p.clamp(0.0, 1.0);
        below[k] += below[k - 1] * p;
        for j in (1..k).rev() {
            below[j] = below[j] * (1.0 - p) + below[j - 1] * p;
        }
        below[0] *= 1.0 - p;
    }
    below[k].min(1.0)
}

/// Chernoff: P(K >= k) <= exp(k - m - k ln(k / m)) for k above the mean m.
fn bound(mean: f64, k: f64) -> f64 {
    if k <= mean {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    libm::exp(k - mean - k * libm::log(k / mean)).min(1.0)
}

/// Ten to minus what that is: the score of a burst.
pub(super) fn surprise(chances: &[f64], k: usize) -> f64 {
    let tail = tail(chances, k);
    if tail <= 0.0 {
        return 300.0;
    }
    -libm::log10(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(one: f64, two: f64) {
        assert!((one - two).abs() <= 1e-12 * two.abs(), "{one} is not {two}");
    }

    #[test]
    fn equal_trials_are_binomial() {
        // P(K >= 2), n = 3, p = 1/2; P(K >= 3), n = 3, p = 1e-10 keeps its digits.
        close(tail(&[0.5; 3], 2), 0.5);
        close(tail(&[1e-10; 3], 3), 1e-30);
        close(tail(&[0.1; 10], 1), 1.0 - libm::pow(0.9, 10.0));
        close(tail(&[0.2], 0), 1.0);
        assert!(tail(&[0.2], 2).abs() < f64::EPSILON);
    }

    #[test]
    fn the_table_of_the_simulation_holds() {
        // k needed for p <= 1e-4 within ten minutes at 0.3 and 1.5 disconnections a day.
        let needed = |n: usize, a_day: f64| {
            let p = -libm::expm1(-a_day / 144.0);
            (1..=n).find(|k| tail(&vec![p; n], *k) <= 1e-4).unwrap()
        };
        let steady = [(3, 2), (5, 2), (10, 3), (20, 3), (50, 4)];
        let flaky = [(3, 3), (5, 3), (10, 4), (20, 4), (50, 6)];
        for (n, k) in steady {
            assert_eq!(needed(n, 0.3), k, "{n} steady");
        }
        for (n, k) in flaky {
            assert_eq!(needed(n, 1.5), k, "{n} flaky");
        }
    }

    #[test]
    fn many_trials_are_bounded_from_above() {
        let some = vec![0.002; 500];
        let many = vec![0.002; 501];
        assert!(tail(&many, 10) >= tail(&some, 10));
        assert!(tail(&many, 10) < 1e-5);
        close(tail(&many, 1), 1.0);
    }

    proptest! {
        #[test]
        fn the_tail_is_what_counting_all_outcomes_gives(
            chances in proptest::collection::vec(0.0_f64..1.0, 1..9),
            k in 0_usize..10,
        ) {
            let all: f64 = (0_u32..1 << chances.len())
                .filter(|outcome| outcome.count_ones() as usize >= k)
                .map(|outcome| {
                    let each = chances.iter().enumerate();
                    each.map(|(at, p)| if outcome >> at & 1 == 1 { *p } else { 1.0 - p })
                        .product::<f64>()
                })
                .sum();
            prop_assert!((tail(&chances, k) - all).abs() < 1e-12);
        }
    }
}
