//! What was seen lately? Kept for a fixed time and within a bound of octets; the oldest goes
//! first. Time is an argument.

use super::Question;
use faultline_core::{
    codec::to_cbor,
    measurement::ControlReport,
    time::{Duration, Instant},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Reports by question.
pub struct Cache {
    keep: Duration,
    most: usize,
    octets: usize,
    held: HashMap<Question, Held>,
    order: VecDeque<(Instant, Question)>,
}

struct Held {
    since: Instant,
    octets: usize,
    report: Arc<ControlReport>,
}

impl Cache {
    /// Keeps reports for `keep`, at most `most` octets of them.
    pub fn new(keep: Duration, most: usize) -> Self {
        Self {
            keep,
            most,
            octets: 0,
            held: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// What is still fresh.
    pub fn find(&self, question: &Question, now: Instant) -> Option<Arc<ControlReport>> {
        let held = self.held.get(question)?;
        (now - held.since < self.keep).then(|| Arc::clone(&held.report))
    }

    /// Keeps a report.
    pub fn insert(&mut self, question: Question, report: Arc<ControlReport>, now: Instant) {
        self.drop_old(now);
        self.remove(&question);
        let octets = to_cbor(&*report).len();
        self.octets += octets;
        self.order.push_back((now, question.clone()));
        let held = Held {
            since: now,
            octets,
            report,
        };
        self.held.insert(question, held);
        while self.octets > self.most && self.drop_first() {}
    }

    /// Octets held.
    pub fn octets(&self) -> usize {
        self.octets
    }

    fn drop_old(&mut self, now: Instant) {
        while self
            .order
            .front()
            .is_some_and(|(since, _)| now - *since >= self.keep)
        {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) -> bool {
        let Some((since, question)) = self.order.pop_front() else {
            return false;
        };
        // The line may be about a report that a newer one has replaced.
        if self
            .held
            .get(&question)
            .is_some_and(|held| held.since == since)
        {
            self.remove(&question);
        }
        true
    }

    fn remove(&mut self, question: &Question) {
        if let Some(gone) = self.held.remove(question) {
            self.octets -= gone.octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::time::UnixTime;

    fn question(n: u8) -> Question {
        Question {
            target: format!("https://{n}.example/"),
            host: format!("{n}.example"),
            port: Some(443),
            told: Vec::new(),
            transports: false,
        }
    }
    fn report(n: u8) -> Arc<ControlReport> {
        Arc::new(ControlReport {
            target: format!("https://{n}.example/"),
            taken: UnixTime(0),
            vantage: "x".repeat(100),
            observations: Vec::new(),
        })
    }
    const fn at(secs: u64) -> Instant {
        Instant(secs * 1_000_000)
    }

    #[test]
    fn a_report_is_found_until_its_time_is_over() {
        let mut cache = Cache::new(Duration::from_mins(10), 1 << 20);
        cache.insert(question(1), report(1), at(0));
        assert_eq!(cache.find(&question(1), at(599)), Some(report(1)));
        assert_eq!(cache.find(&question(1), at(600)), None);
        assert_eq!(cache.find(&question(2), at(1)), None);
        // Taken anew, its time begins anew; the old line in the order does not end it.
        cache.insert(question(1), report(1), at(600));
        cache.insert(question(2), report(2), at(900));
        assert!(cache.find(&question(1), at(1199)).is_some());
    }

    #[test]
    fn octets_are_bounded_and_the_oldest_goes_first() {
        let each = to_cbor(&*report(10)).len();
        let mut cache = Cache::new(Duration::from_mins(10), 3 * each);
        for n in 10..100 {
            cache.insert(question(n), report(n), at(u64::from(n)));
            assert!(cache.octets() <= 3 * each);
        }
        assert!(cache.find(&question(96), at(100)).is_none());
        for n in 97..100 {
            assert!(cache.find(&question(n), at(100)).is_some());
        }
        cache.insert(question(10), report(10), at(10_000));
        assert_eq!(cache.octets(), each, "what is old makes room");
    }
}
