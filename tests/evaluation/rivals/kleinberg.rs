//! Is this a burst of disconnections? Kleinberg's automaton (KDD 2002) as Disco runs it
//! (Shah, Fontugne et al., TMA 2017): s = 2, gamma = 0.5, units of eight probes or more, ten
//! events in the signal or more, looked at every 720 s. State j has the rate of
//! s^j * n / T, where the base is one disconnection a probe in 8,640,000 s; a gap x costs
//! -ln(a e^(-a x)), a step up gamma ln n, one down nothing. IHR reports levels from 10 on, the
//! authors' own results from 12: the first is taken for *suspected*, the second for
//! *confirmed*. A burst starts at the median disconnection, ends at the median return, and is
//! open until half of its probes are back.

use super::{Alarm, Unit};

const S: f64 = 2.0;
const GAMMA: f64 = 0.5;
const PROBES: usize = 8;
const EVENTS: usize = 10;
const ROUND: i64 = 720;
const BASE: f64 = 8_640_000.0;
const SUSPECTED: usize = 10;
const CONFIRMED: usize = 12;

/// A disconnection.
#[derive(Clone, Copy, Debug)]
struct Gone {
    at: i64,
    noticed: i64,
    back: Option<i64>,
}

/// A burst that goes on.
#[derive(Clone, Debug, Default)]
struct Burst {
    gone: Vec<Gone>,
    suspected: i64,
    confirmed: Option<i64>,
}

pub(super) fn watch(unit: &Unit) -> Vec<Alarm> {
    if unit.probes.len() < PROBES {
        return Vec::new();
    }
    let mut events: Vec<Gone> = Vec::new();
    for online in &unit.probes {
        for (nth, one) in online.iter().enumerate() {
            events.push(Gone {
                at: one.until,
                noticed: one.noticed,
                back: online.get(nth + 1).map(|next| next.from),
            });
        }
    }
    let round = |gone: &Gone| gone.noticed + (-gone.noticed).rem_euclid(ROUND);
    events.sort_by_key(|gone| (round(gone), gone.at));
    let mut automaton = Automaton::of(unit.probes.len());
    let mut alarms = Vec::new();
    let mut open: Option<Burst> = None;
    let mut last: Option<i64> = None;
    for (nth, gone) in events.iter().enumerate() {
        let gap = last.map_or(BASE, |last| (gone.at - last).max(1) as f64);
        last = Some(gone.at.max(last.unwrap_or(i64::MIN)));
        let level = automaton.step(gap);
        let now = round(gone);
        if let Some(burst) = &open
            && let Some(until) = burst.over(gone.at)
        {
            alarms.push(burst.alarm(unit, until));
            open = None;
        }
        if level < SUSPECTED || nth + 1 < EVENTS {
            continue;
        }
        let burst = open.get_or_insert_with(|| Burst {
            suspected: now,
            ..Burst::default()
        });
        burst.gone.push(*gone);
        if level >= CONFIRMED && burst.confirmed.is_none() {
            burst.confirmed = Some(now);
        }
    }
    if let Some(burst) = open {
        let until = burst.over(i64::MAX).unwrap_or(i64::MAX / 2);
        alarms.push(burst.alarm(unit, until));
    }
    alarms
}

impl Burst {
    /// The median return, where half were back by then.
    fn over(&self, now: i64) -> Option<i64> {
        let mut back: Vec<i64> = self.gone.iter().filter_map(|gone| gone.back).collect();
        back.sort_unstable();
        let half = self.gone.len().div_ceil(2);
        let at = *back.get(half.checked_sub(1)?)?;
        (at <= now).then_some(at)
    }

    fn alarm(&self, unit: &Unit, until: i64) -> Alarm {
        let mut gone: Vec<i64> = self.gone.iter().map(|gone| gone.at).collect();
        gone.sort_unstable();
        let from = gone.get(gone.len() / 2).copied().unwrap_or(self.suspected);
        let span = (from, until);
        Alarm::of_rival(unit.country, unit.asn, span, self.suspected, self.confirmed)
    }
}

/// Least cost of being in each state, after the gaps so far.
struct Automaton {
    costs: Vec<f64>,
    base: f64,
    up: f64,
}

impl Automaton {
    fn of(probes: usize) -> Self {
        let base = probes as f64 / BASE;
        // Up to one a second, the shortest gap there is.
        let states = libm::ceil(libm::log2(1.0 / base)) as usize + 1;
        let mut costs = vec![f64::INFINITY; states];
        costs[0] = 0.0;
        Self {
            costs,
            base,
            up: GAMMA * libm::log(probes as f64),
        }
    }

    /// One gap more: the state that it is in by now.
    fn step(&mut self, gap: f64) -> usize {
        let mut next = vec![f64::INFINITY; self.costs.len()];
        for (to, cost) in next.iter_mut().enumerate() {
            let rate = self.base * libm::pow(S, to as f64);
            let here = rate * gap - libm::log(rate);
            for (from, before) in self.costs.iter().enumerate() {
                let step = to.saturating_sub(from) as f64 * self.up;
                *cost = cost.min(before + step + here);
            }
        }
        let least = next.iter().copied().fold(f64::INFINITY, f64::min);
        // Only differences count.
        self.costs = next.iter().map(|cost| cost - least).collect();
        let found = self.costs.iter().position(|cost| *cost <= 0.0);
        found.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Online, *};
    use faultline_core::id::Country;

    fn unit(probes: usize, outage: Option<i64>) -> Unit {
        let day = 86_400;
        let life = |nth: i64| {
            // Each is away for ten minutes every ten days.
            let mut online: Vec<Online> = Vec::new();
            let mut from = nth * 7_919;
            for turn in 0..10 {
                let until = from + 10 * day;
                online.push(Online {
                    from,
                    until,
                    noticed: until + 180,
                });
                from = until + 600 + turn;
            }
            let Some(at) = outage else { return online };
            let at = at + nth;
            let cut = online
                .iter()
                .position(|one| (one.from..one.until).contains(&at));
            if let Some(cut) = cut {
                let whole = online[cut];
                online[cut] = Online {
                    until: at,
                    noticed: at + 180,
                    ..whole
                };
                let from = at + 7200;
                online.insert(cut + 1, Online { from, ..whole });
            }
            online
        };
        Unit {
            country: Country::new("XA").unwrap(),
            asn: None,
            probes: (0..probes as i64).map(life).collect(),
        }
    }

    #[test]
    fn an_outage_of_everybody_is_a_burst_and_single_absences_are_none() {
        assert!(watch(&unit(20, None)).is_empty());
        let at = 45 * 86_400;
        let alarms = watch(&unit(20, Some(at)));
        let [alarm] = alarms.as_slice() else {
            panic!("{alarms:?}");
        };
        assert!((alarm.from - at - 10).abs() <= 1, "{alarm:?}");
        assert!((alarm.until - at - 7210).abs() <= 1, "{alarm:?}");
        let lag = alarm.suspected.unwrap() - at;
        assert!((180..180 + ROUND + 20).contains(&lag), "{lag}");
    }

    #[test]
    fn fewer_than_eight_probes_are_no_unit() {
        assert!(watch(&unit(7, Some(45 * 86_400))).is_empty());
    }
}
