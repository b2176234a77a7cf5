//! Does a share of a group fall silent for one reason? A CUSUM (Page 1954) of the likelihood
//! ratio between "a share phi of the sites is cut off" and "each for itself", minute by minute,
//! for several phi at once; the largest counts.
//!
//! ```text
//!  here -> gone   ln (phi q + (1-phi) p) / p          here -> here   ln (phi (1-q) + (1-phi)(1-p)) / (1-p)
//!  gone -> here   ln (phi e + (1-phi) r) / r          gone -> gone   ln (phi (1-e) + (1-phi)(1-r)) / (1-r)
//! ```
//!
//! p and r are how likely a site goes and returns by itself in a minute, q how fast an outage
//! takes those it meets, e how likely one returns in spite of it. Who beats rarely is found
//! gone later: its q is smaller in proportion, so that beats not yet due do not speak against
//! an outage. Absences of more than half an hour say nothing more.
//!
//! Sums are of whole billionths of a nat: they do not depend on the order of adding, so that
//! what was added can be taken away again, and nobody has to add everything up anew.

use super::moment::MINUTE;

/// The shares that are tried.
pub(super) const SHARES: [f64; 4] = [0.2, 0.3, 0.6, 0.95];
/// In so many of a nat.
const UNIT: f64 = 1e9;
/// How likely one that is cut off is heard in a minute all the same.
const LEAK: f64 = 1e-3;
/// Of those cut off that are found out after three minutes, so many a minute.
const DEATH: f64 = 0.5;

/// One number for each share.
pub(super) type Sums = [i64; 4];

/// What one site adds in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// It stayed.
    pub calm: Sums,
    /// It went, above that it is gone.
    pub went: Sums,
    /// It returned, above that it is here.
    pub came: Sums,
    /// It is still gone.
    pub gone: Sums,
}

impl Terms {
    /// Of a site that goes and returns so often a day by itself, and is found gone after
    /// `patience`, microseconds.
    pub(super) fn of(leaves: f64, returns: f64, patience: i64) -> Self {
        let slow = (3 * MINUTE) as f64 / patience.clamp(3 * MINUTE, 1440 * MINUTE) as f64;
        let q = -libm::expm1(-DEATH * slow);
        let p = (-libm::expm1(-leaves / 1440.0)).clamp(1e-6, q / 4.0);
        let r = (-libm::expm1(-returns / 1440.0)).clamp(4.0 * LEAK, 0.5);
        let all = |of: &dyn Fn(f64) -> f64| SHARES.map(|phi| (of(phi) * UNIT).round() as i64);
        let calm =
            all(&|phi| libm::log((phi * (1.0 - q) + (1.0 - phi) * (1.0 - p)) / (1.0 - p)));
        let gone =
            all(&|phi| libm::log((phi * (1.0 - LEAK) + (1.0 - phi) * (1.0 - r)) / (1.0 - r)));
        let went = all(&|phi| libm::log((phi * q + (1.0 - phi) * p) / p));
        let came = all(&|phi| libm::log((phi * LEAK + (1.0 - phi) * r) / r));
        Self {
            calm,
            went: minus(went, gone),
            came: minus(came, calm),
            gone,
        }
    }
}

/// The evidence so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cusum(Sums);

impl Cusum {
    /// One minute more.
    pub(super) fn step(&mut self, by: Sums) {
        for (sum, by) in self.0.iter_mut().zip(by) {
            // No more than anything needs: an outage of hours is forgotten within minutes.
            *sum = sum.saturating_add(by).clamp(0, MOST);
        }
    }

    /// The most that any share has, nats.
    pub(super) fn most(&self) -> f64 {
        self.0.iter().copied().max().unwrap_or(0) as f64 / UNIT
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0 == [0; 4]
    }
}

const MOST: i64 = 100_000_000_000;

pub(super) fn plus(one: Sums, two: Sums) -> Sums {
    let mut sum = one;
    for (sum, two) in sum.iter_mut().zip(two) {
        *sum = sum.saturating_add(two);
    }
    sum
}

pub(super) fn minus(one: Sums, two: Sums) -> Sums {
    plus(one, two.map(i64::saturating_neg))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEADY: f64 = 0.15;

    fn after(minutes: &[Sums]) -> f64 {
        let mut cusum = Cusum::default();
        for by in minutes {
            cusum.step(*by);
        }
        cusum.most()
    }

    #[test]
    fn calm_speaks_against_an_outage_whatever_the_site() {
        for leaves in [0.0, 0.3, 30.0, 1e4, 1e9] {
            for patience in [0, 3 * MINUTE, 15 * MINUTE, i64::MAX] {
                let terms = Terms::of(leaves, 16.6, patience);
                assert!(terms.calm.iter().all(|by| *by < 0), "{leaves} {patience}");
                assert!(terms.gone.iter().all(|by| *by > 0));
                assert!(terms.came.iter().all(|by| *by < 0));
            }
        }
        assert!(after(&[Terms::of(0.3, 16.6, 3 * MINUTE).calm]) <= 0.0);
    }

    #[test]
    fn three_of_five_at_once_are_an_alarm_and_one_is_none() {
        let site = Terms::of(STEADY, 16.6, 3 * MINUTE);
        let many = |one: Sums, n: i64| one.map(|by| by * n);
        let three = plus(many(plus(site.went, site.gone), 3), many(site.calm, 2));
        assert!(after(&[three]) > 12.0);
        let one = plus(plus(site.went, site.gone), many(site.calm, 4));
        let stays = plus(site.gone, many(site.calm, 4));
        let mut minutes = vec![one];
        minutes.resize(30, stays);
        assert!(after(&minutes) < 12.0);
    }

    #[test]
    fn who_beats_every_five_minutes_does_not_speak_against_it_before_the_time() {
        let often = Terms::of(STEADY, 16.6, 3 * MINUTE);
        let rarely = Terms::of(STEADY, 16.6, 15 * MINUTE);
        assert!(rarely.calm[3] * 4 > often.calm[3]);
    }

    #[test]
    fn what_was_added_can_be_taken_away() {
        let one = Terms::of(0.3, 16.6, 3 * MINUTE).calm;
        let two = Terms::of(1.7, 3.1, 15 * MINUTE).calm;
        assert_eq!(minus(plus(one, two), two), one);
    }
}
