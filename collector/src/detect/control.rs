//! Is it them, or is it us? What vanished in a group is held against everything elsewhere: a
//! collector that does not hear loses everybody.
//!
//! Fisher's exact test (one-sided) says whether the group lost more than the others did by
//! chance.

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub lost: u32,
    pub of: u32,
}

impl Lost {
    pub(super) fn share(self) -> f64 {
        if self.of == 0 {
            0.0
        } else {
            f64::from(self.lost) / f64::from(self.of)
        }
    }
}

/// What the control group says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Elsewhere all is well.
    Passed,
    /// There is nobody else to ask, or too few.
    Alone,
    /// Elsewhere they vanished as well.
    Fault,
}

/// Of a group, of everybody else, and how many of those are in countries that lost hardly
/// anybody.
pub(super) fn control(
    inside: Lost,
    outside: Lost,
    calm: u32,
    least: u32,
    most_share: f64,
) -> Control {
    if outside.of < least {
        return Control::Alone;
    }
    let chance = fisher(inside, outside);
    if outside.share() > most_share {
        // A cable takes several countries, and leaves others whole; deafness leaves none.
        let elsewhere = u64::from(calm) * 3 >= u64::from(outside.of) && calm >= least;
        return if elsewhere && chance < 1e-3 {
            Control::Passed
        } else {
            Control::Fault
        };
    }
    if chance < 0.01 {
        Control::Passed
    } else {
        Control::Alone
    }
}

/// How likely the first lost as many or more, if both were alike and as many were lost in all.
pub(super) fn fisher(one: Lost, two: Lost) -> f64 {
    let (n, m) = (f64::from(one.of), f64::from(two.of));
    let lost = f64::from(one.lost) + f64::from(two.lost);
    let all = choose(n + m, lost);
    let most = one.of.min(one.lost.saturating_add(two.lost));
    let sum: f64 = (one.lost..=most)
        .map(|k| {
            let k = f64::from(k);
            if lost - k > m {
                0.0
            } else {
                libm::exp(choose(n, k) + choose(m, lost - k) - all)
            }
        })
        .sum();
    sum.min(1.0)
}

/// Logarithm of the number of ways to choose.
fn choose(n: f64, k: f64) -> f64 {
    libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lost: u32, of: u32) -> Lost {
        Lost { lost, of }
    }

    #[test]
    fn fisher_is_as_in_the_textbook() {
        // The lady and the tea: 4 of 4 and 0 of 4, 1 in 70.
        assert!((fisher(of(4, 4), of(0, 4)) - 1.0 / 70.0).abs() < 1e-12);
        assert!((fisher(of(3, 4), of(1, 4)) - 17.0 / 70.0).abs() < 1e-12);
        assert!((fisher(of(0, 4), of(1, 4)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn whose_control_vanished_too_is_no_event() {
        let test = |inside, outside, calm| control(inside, outside, calm, 5, 0.2);
        assert_eq!(test(of(5, 5), of(0, 20), 20), Control::Passed);
        assert_eq!(test(of(5, 5), of(20, 20), 0), Control::Fault);
        assert_eq!(test(of(5, 5), of(6, 20), 0), Control::Fault);
        assert_eq!(test(of(5, 5), of(0, 4), 4), Control::Alone);
        // A cable: ten countries of twelve sites each, half of them cut.
        assert_eq!(test(of(12, 12), of(48, 108), 60), Control::Passed);
        // Not more than elsewhere: no event of this group.
        assert_eq!(test(of(3, 20), of(10, 60), 30), Control::Alone);
    }
}
