//! How often may one ask? The generic cell rate algorithm (ITU-T I.371): of each asker one
//! moment is kept, when all that was granted would have been due at an even pace. Time is an
//! argument.

use faultline_core::time::{Duration, Instant};
use std::{collections::HashMap, hash::Hash};

/// A rate for each asker, with a bounded memory of askers.
pub struct Rate<K> {
    each: Duration,
    ahead: Duration,
    most: usize,
    due: HashMap<K, Instant>,
}

impl<K: Eq + Hash> Rate<K> {
    /// `per_hour` at an even pace, a tenth of them (at least one) at once, and at most `most`
    /// askers in memory.
    pub fn new(per_hour: u32, most: usize) -> Self {
        let per_hour = per_hour.max(1);
        let each = Duration::from_hours(1) / per_hour;
        Self {
            each,
            ahead: each * (per_hour / 10).max(1).saturating_sub(1),
            most,
            due: HashMap::new(),
        }
    }

    /// Whether one more is within the rate; it is counted if so. An asker for whom there is
    /// no memory is refused.
    pub fn take(&mut self, asker: K, now: Instant) -> bool {
        if self.due.len() >= self.most && !self.due.contains_key(&asker) {
            self.due.retain(|_, due| *due > now);
            if self.due.len() >= self.most {
                return false;
            }
        }
        let due = self.due.entry(asker).or_insert(now);
        let from = (*due).max(now);
        if from - now > self.ahead {
            return false;
        }
        *due = from + self.each;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Instant {
        Instant(secs * 1_000_000)
    }

    #[test]
    fn a_tenth_at_once_then_an_even_pace() {
        let mut rate = Rate::new(60, 10);
        let granted = (0..100).filter(|_| rate.take("a", at(0))).count();
        assert_eq!(granted, 6);
        assert!(!rate.take("a", at(59)));
        assert!(rate.take("a", at(60)) && !rate.take("a", at(60)));
        let in_an_hour = (61..3661).filter(|s| rate.take("a", at(*s))).count();
        assert!((59..=61).contains(&in_an_hour), "{in_an_hour}");
        let later = (0..100).filter(|_| rate.take("a", at(100_000))).count();
        assert_eq!(later, 6, "an idle hour saves up no more than a tenth");
    }

    #[test]
    fn memory_of_askers_is_bounded() {
        let mut rate = Rate::new(10, 3);
        assert!((0..3).all(|asker| rate.take(asker, at(0))));
        assert!(!rate.take(3, at(1)), "no memory for a fourth");
        assert!(rate.take(3, at(3600)), "the others' hour is over");
        assert_eq!(rate.due.len(), 1);
    }
}
