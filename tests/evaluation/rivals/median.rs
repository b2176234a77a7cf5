//! Is less answering than usual? The moving rule of IODA's watchtower as its configuration and
//! help page state it: bins of 600 s, median of seven days, *warning* below 80 %, *critical*
//! below 50 %; while it is below 80 % the prediction goes into the history instead of the
//! value, for seven days at most; nothing is said where fewer than 20 are predicted. Warning
//! is taken for *suspected*, critical for *confirmed*. Its pipeline's waits (up to half an
//! hour) are not counted: an alarm is there when its bin ends.

use super::{Alarm, Unit};
use std::collections::VecDeque;

const BIN: i64 = 600;
const HISTORY: usize = 7 * 144;
const WARM: usize = 6;
const WARNING: f64 = 0.8;
const CRITICAL: f64 = 0.5;

pub(super) fn watch(unit: &Unit, from: i64, until: i64, least: usize) -> Vec<Alarm> {
    let mut past = Past::of(unit.probes.len());
    let mut alarms = Vec::new();
    let mut open: Option<(i64, i64, Option<i64>)> = None;
    let mut filled = 0;
    for (nth, value) in counts(unit, from, until).into_iter().enumerate() {
        let start = from + nth as i64 * BIN;
        let now = start + BIN;
        let predicted = past.median();
        let speaks = past.values.len() >= WARM && predicted >= least;
        let ratio = value as f64 / predicted.max(1) as f64;
        let low = speaks && ratio < WARNING;
        if low {
            let critical = ratio < CRITICAL;
            let (_, _, confirmed) = open.get_or_insert((start, now, None));
            if critical && confirmed.is_none() {
                *confirmed = Some(now);
            }
        } else if let Some((began, said, confirmed)) = open.take() {
            let span = (began, start);
            alarms.push(Alarm::of_rival(
                unit.country,
                unit.asn,
                span,
                said,
                confirmed,
            ));
        }
        filled = if low { filled + 1 } else { 0 };
        if filled == HISTORY {
            past.give_up();
        }
        let inpainted = low && filled < HISTORY;
        past.add(if inpainted { predicted } else { value }, value);
    }
    if let Some((began, said, confirmed)) = open {
        let span = (began, until);
        alarms.push(Alarm::of_rival(
            unit.country,
            unit.asn,
            span,
            said,
            confirmed,
        ));
    }
    alarms
}

/// Probes heard in each bin.
fn counts(unit: &Unit, from: i64, until: i64) -> Vec<usize> {
    let bins = ((until - from) / BIN).max(0) as usize;
    let mut counts = vec![0; bins];
    for online in &unit.probes {
        let mut next = 0;
        for one in online {
            let first = ((one.from - from).div_euclid(BIN)).max(next);
            let last = (one.until - from).div_euclid(BIN).min(bins as i64 - 1);
            for bin in first..=last {
                counts[bin as usize] += 1;
            }
            next = next.max(last + 1);
        }
    }
    counts
}

/// Seven days of values, and how often each is among them.
struct Past {
    /// With predictions where it was low, and as they were.
    values: VecDeque<usize>,
    raw: VecDeque<usize>,
    of: Vec<usize>,
}

impl Past {
    fn of(most: usize) -> Self {
        Self {
            values: VecDeque::with_capacity(HISTORY),
            raw: VecDeque::with_capacity(HISTORY),
            of: vec![0; most + 1],
        }
    }

    fn add(&mut self, value: usize, raw: usize) {
        if self.values.len() == HISTORY
            && let Some(oldest) = self.values.pop_front()
        {
            self.raw.pop_front();
            self.of[oldest] -= 1;
        }
        self.values.push_back(value);
        self.raw.push_back(raw);
        self.of[value] += 1;
    }

    /// The outage has lasted so long that it is what there is.
    fn give_up(&mut self) {
        self.values.clone_from(&self.raw);
        self.of.fill(0);
        for value in &self.values {
            self.of[*value] += 1;
        }
    }

    fn median(&self) -> usize {
        let mut left = self.values.len() / 2;
        for (value, count) in self.of.iter().enumerate() {
            if *count > left {
                return value;
            }
            left -= count;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Online, *};
    use faultline_core::id::Country;

    fn unit(probes: usize, gone: usize, at: i64, lasts: i64, end: i64) -> Unit {
        let online = |from, until| Online {
            from,
            until,
            noticed: until + 180,
        };
        let life = |nth: usize| {
            if nth < gone {
                vec![online(0, at), online(at + lasts, end)]
            } else {
                vec![online(0, end)]
            }
        };
        Unit {
            country: Country::new("XA").unwrap(),
            asn: None,
            probes: (0..probes).map(life).collect(),
        }
    }

    #[test]
    fn half_of_thirty_is_critical_and_a_fifth_a_warning() {
        let (at, end) = (10 * 86_400, 20 * 86_400);
        let alarms = watch(&unit(30, 20, at, 7200, end), 0, end, 20);
        let [alarm] = alarms.as_slice() else {
            panic!("{alarms:?}");
        };
        assert!(alarm.confirmed.is_some());
        // The bin in which they went still heard them.
        assert_eq!((alarm.from, alarm.until), (at + BIN, at + 7200));
        let warned = watch(&unit(30, 8, at, 7200, end), 0, end, 20);
        assert_eq!(warned.len(), 1);
        assert_eq!(warned[0].confirmed, None);
        assert!(watch(&unit(30, 5, at, 7200, end), 0, end, 20).is_empty());
        assert!(watch(&unit(19, 19, at, 7200, end), 0, end, 20).is_empty());
        assert_eq!(watch(&unit(19, 19, at, 7200, end), 0, end, 1).len(), 1);
    }

    #[test]
    fn a_week_is_the_longest_that_it_takes_for_an_outage() {
        let (at, end) = (10 * 86_400, 40 * 86_400);
        let alarms = watch(&unit(30, 30, at, 20 * 86_400, end), 0, end, 20);
        let lasted = alarms[0].until - alarms[0].from;
        assert!(
            (7 * 86_400 - 1200..8 * 86_400).contains(&lasted),
            "{lasted}"
        );
    }
}
