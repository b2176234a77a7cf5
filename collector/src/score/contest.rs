//! How far could any tenth of the probes move an indicator, whoever they are, wherever they
//! sit, and whatever they say?
//!
//! A score can be poisoned: for no method does a tenth count for little in every country,
//! for between *nobody deviates* and *everybody does* lie ten steps of a tenth. So a number
//! is published only where the evidence certifies itself: for these probes an upper bound is
//! computed of what replacing any `h` of them (a tenth, rounded up) could do. It covers, at
//! once:
//!
//! - that they report anything, on any days, of any targets, of none, or nothing at all;
//! - that they leave their networks and come back in others, known or new, which shifts the
//!   weights of all; that a network loses its last probe;
//! - that they confirm what an honest probe saw on one day alone, or no longer do;
//! - that they make what a name does the removal of its top-level domain, or no longer;
//! - that they shift what counts as a minority, and which targets can be tested;
//! - that an indicator falls below its floors, or climbs above them.
//!
//! ```text
//! value of an honest probe, at most   clamp(most, F, C): F, C = the limits with h values
//!                                     gone below and h come above
//! median of a network, c of its       the value c / 2 ranks above the middle, or C
//! probes gone below or come above
//! country                             the best way to spend 2h departures and arrivals: a
//!                                     knapsack, and for the quotient Dinkelbach's method
//! ```
//!
//! Each step bounds the next from above, so the result holds, if not always tightly. What
//! can be lowered is the same in the mirror. (Dinkelbach, On Nonlinear Fractional
//! Programming, Management Science 13, 1967.)

mod share;

use super::{
    aggregate::{availability, geometric},
    estimate::{View, cut, mean, tenth, views},
    evidence::Evidence,
    floors::FLOORS,
    indicator::{self, Dimension, Spec},
    profile::Interval,
    shares::Shares,
};

/// The most that a tenth may move what is published.
pub const MOST: f64 = 0.05;

/// Two sums of the same numbers may differ by their order.
const SLACK: f64 = 1e-9;

/// What a tenth of the probes can make of an indicator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reach {
    /// The rate, from the least to the most.
    pub raw: Interval,
    /// Whether the indicator carries a number whatever they do.
    pub stays: bool,
    /// Whether it carries one, or could.
    pub possible: bool,
}

impl Reach {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        raw: (0.0, 1.0),
        stays: false,
        possible: true,
    };
}

/// What a tenth of the probes can make of this evidence. `published`: whether it carries a
/// number now.
pub fn reach(
    spec: &Spec,
    evidence: &Evidence,
    shares: Option<&Shares>,
    published: bool,
) -> Reach {
    let game = Game::new(spec, evidence, shares);
    let (certain, possible) = if evidence.user_share {
        // A target is there as soon as anybody tests it, so liars can add as many as they like.
        (share::certain_targets(evidence, game.liars), u32::MAX)
    } else {
        game.targets.iter().fold((0, 0), |(c, p), target| {
            (c + u32::from(target.certain), p + 1)
        })
    };
    let least = spec.min_targets.max(1);
    let networks = game.networks.iter().filter(|n| n.users > 0.0).count();
    let without = FLOORS.networks_without_shares as usize;
    let (need, could) = if shares.is_some() {
        (FLOORS.networks as usize, 1)
    } else {
        (without, without)
    };
    let enough = possible >= least
        && evidence.probes.len() + game.liars >= FLOORS.probes as usize
        && networks + game.liars >= could;
    if !published && !enough {
        return Reach {
            possible: false,
            ..Reach::UNKNOWN
        };
    }
    let days = if spec.dimension == Dimension::D3 {
        FLOORS.days_d3
    } else {
        FLOORS.days
    };
    let gone = game.gone();
    let stays = published
        && certain >= least
        && evidence.probes.len() >= FLOORS.probes as usize + game.liars
        && networks >= need + gone.networks
        && (shares.is_none() || game.seen >= FLOORS.user_share + gone.users)
        && game.firm_days(evidence) >= days;
    let (low, high) = if evidence.user_share {
        share::range(&game, evidence)
    } else {
        let low = 1.0 - game.highest(Way::Down, |view| 1.0 - view.least);
        (low, game.highest(Way::Up, |view| view.most))
    };
    Reach {
        raw: ((low - SLACK).max(0.0), (high + SLACK).min(1.0)),
        stays,
        possible: true,
    }
}

/// Which way they push. Down is up in the mirror, where the limits change places.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// What a tenth of the probes can make of a dimension, from what they can make of each of
/// its indicators; `None` stands for one that carries no number.
pub fn dimension(indicators: &[(&Spec, Vec<Option<Interval>>)]) -> Option<Interval> {
    let mut range: Option<Interval> = None;
    let mut chosen = Vec::new();
    each(indicators, &mut chosen, &mut range);
    range
}

/// Every choice of what the indicators could carry, of those that make a dimension.
fn each<'a>(
    rest: &'a [(&Spec, Vec<Option<Interval>>)],
    chosen: &mut Vec<(&'a Spec, Interval)>,
    range: &mut Option<Interval>,
) {
    let Some(((spec, choices), rest)) = rest.split_first() else {
        let weights: Vec<_> = chosen
            .iter()
            .map(|(spec, _)| (indicator::weight(spec), spec.tier))
            .collect();
        if !availability(&weights).is_empty() {
            return;
        }
        let end = |pick: fn(Interval) -> f64| {
            let scores: Vec<_> = chosen
                .iter()
                .map(|(spec, raw)| (indicator::weight(spec), spec.score(pick(*raw))))
                .collect();
            geometric(&scores)
        };
        if let (Some(low), Some(high)) = (end(|r| r.0), end(|r| r.1)) {
            let (least, most) = range.unwrap_or((low, high));
            *range = Some((least.min(low), most.max(high)));
        }
        return;
    };
    for choice in choices {
        match choice {
            None => each(rest, chosen, range),
            Some(raw) => {
                chosen.push((spec, *raw));
                each(rest, chosen, range);
                chosen.pop();
            }
        }
    }
}

/// A network with probes.
struct Network {
    /// Weight, before weights are made to sum to 1.
    users: f64,
    probes: usize,
}

/// A target that can be tested, whatever it takes.
struct Target {
    views: Vec<View>,
    /// Whether it can be tested whatever they do.
    certain: bool,
}

/// What does not change while they try.
struct Game {
    networks: Vec<Network>,
    /// Weights of networks without probes, the greatest first, one for each who may come.
    fresh: Vec<f64>,
    /// Of how many of them users are counted.
    seen: f64,
    targets: Vec<Target>,
    least_targets: usize,
    /// Probes of the dimension.
    witnesses: usize,
    liars: usize,
}

/// What is lost at the worst.
struct Gone {
    networks: usize,
    users: f64,
}

impl Game {
    fn new(spec: &Spec, evidence: &Evidence, shares: Option<&Shares>) -> Self {
        let witnesses = evidence.witnesses as usize;
        let liars = tenth(witnesses);
        let mut networks: Vec<Network> = evidence
            .networks
            .iter()
            .map(|asn| Network {
                users: shares.map_or(1.0, |all| all.of(*asn)),
                probes: 0,
            })
            .collect();
        for member in &evidence.probes {
            if let Some(network) = networks.get_mut(member.network as usize) {
                network.probes += 1;
            }
        }
        let mut fresh: Vec<f64> = match shares {
            None => vec![1.0; liars],
            Some(all) => {
                let others = all
                    .iter()
                    .filter(|(asn, _)| evidence.networks.binary_search(asn).is_err());
                others.map(|(_, users)| users).collect()
            }
        };
        fresh.sort_unstable_by(|a, b| b.total_cmp(a));
        fresh.truncate(liars);
        let mut targets = Vec::new();
        let mut rest = evidence.entries.as_slice();
        while let Some(first) = rest.first() {
            let length = rest.partition_point(|e| e.target == first.target);
            let (entries, after) = rest.split_at(length);
            rest = after;
            // Some of them may leave altogether, so that a tenth of the rest is less.
            let possible = (0..=liars)
                .any(|leave| length + liars - leave > 2 * cut(witnesses.saturating_sub(leave)));
            if possible {
                let entries: Vec<_> = entries.iter().collect();
                targets.push(Target {
                    views: views(evidence, &entries, liars),
                    certain: length > 2 * cut(witnesses) + liars,
                });
            }
        }
        Self {
            seen: networks.iter().map(|n| n.users).sum(),
            networks,
            fresh,
            targets,
            least_targets: spec.min_targets.max(1) as usize,
            witnesses,
            liars,
        }
    }

    /// The most networks, and the most users, that lose their last probe.
    fn gone(&self) -> Gone {
        let mut small: Vec<&Network> = self.networks.iter().filter(|n| n.users > 0.0).collect();
        small.sort_unstable_by_key(|n| n.probes);
        let (mut left, mut networks) = (self.liars, 0);
        for network in &small {
            if network.probes > left {
                break;
            }
            left -= network.probes;
            networks += 1;
        }
        Gone {
            networks,
            users: losable(small.into_iter(), self.liars),
        }
    }

    /// Days with measurements of more probes than lie.
    fn firm_days(&self, evidence: &Evidence) -> u32 {
        let mut days = vec![0u32; evidence.probes.len()];
        for entry in &evidence.entries {
            if let Some(days) = days.get_mut(entry.probe as usize) {
                *days |= entry.tested;
            }
        }
        let on = |day: u32| days.iter().filter(|d| *d >> day & 1 == 1).count();
        (0..FLOORS.window_days)
            .filter(|day| on(*day) > self.liars)
            .count() as u32
    }

    /// The highest rate that can be made of these values.
    fn highest(&self, way: Way, value: impl Fn(&View) -> f64) -> f64 {
        if self
            .targets
            .iter()
            .all(|t| t.views.iter().all(|v| value(v) <= 0.0))
        {
            return 0.0;
        }
        let budget = 2 * self.liars;
        let mut sums: Vec<Mean> = Vec::new();
        let size = |n: &Network| n.probes.min(budget) + 1;
        for network in &self.networks {
            sums.extend((0..size(network)).map(|_| Mean::default()));
        }
        let mut top = Mean::default();
        let mut own = Vec::new();
        for target in &self.targets {
            let mut sorted: Vec<f64> = target.views.iter().map(&value).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let limits = self.limits(&sorted, target.certain, way);
            top.add(limits.high, target.certain);
            let everywhere = raised(&sorted, budget, limits.high).max(limits.low);
            let mut at = 0;
            let mut rest = target.views.as_slice();
            for (number, network) in (0..).zip(&self.networks) {
                let length = rest.partition_point(|v| v.network <= number);
                let (theirs, after) = rest.split_at(length);
                rest = after;
                own.clear();
                own.extend(
                    theirs
                        .iter()
                        .map(|v| value(v).clamp(limits.low, limits.high)),
                );
                own.sort_unstable_by(f64::total_cmp);
                for spent in 0..size(network) {
                    let median = match own.len() {
                        0 if spent == 0 => everywhere.min(limits.high),
                        probes if spent < probes => raised(&own, spent, limits.high),
                        _ => limits.high,
                    };
                    if let Some(sum) = sums.get_mut(at + spent) {
                        sum.add(median, target.certain);
                    }
                }
                at += size(network);
            }
        }
        let rates: Vec<f64> = sums
            .into_iter()
            .map(|sum| sum.highest(self.least_targets))
            .collect();
        let mut rest = rates.as_slice();
        let items: Vec<Item> = self
            .networks
            .iter()
            .map(|network| {
                let (own, after) = rest.split_at(size(network).min(rest.len()));
                rest = after;
                Item {
                    users: network.users,
                    probes: network.probes,
                    rates: own.to_vec(),
                }
            })
            .filter(|item| item.users > 0.0)
            .collect();
        self.country(&items, top.highest(self.least_targets))
    }

    /// Bounds of what no value counts below and above, each as high as it can be made.
    fn limits(&self, sorted: &[f64], certain: bool, way: Way) -> Limits {
        let (n, h) = (sorted.len(), self.liars);
        // So many of them leave altogether; the others come above, after h went below.
        let high = (0..=h).map(|leave| {
            let probes = self.witnesses.saturating_sub(leave);
            let (cut, come) = (cut(probes), h - leave);
            let end = match way {
                Way::Down => cut,
                Way::Up => {
                    let middle = (n + come).saturating_sub(h + 1) / 2;
                    (cut + tenth(probes)).min(middle).max(cut)
                }
            };
            let from = n.saturating_sub(end + 1 - come);
            let to = n.saturating_sub(cut - come);
            mean(
                sorted
                    .get(from..to.max(from + 1).min(n))
                    .unwrap_or_default(),
            )
        });
        let high = high.fold(0.0, f64::max);
        let (cut, middle) = (cut(self.witnesses), n.saturating_sub(1) / 2);
        let end = match way {
            Way::Up => cut,
            Way::Down => (cut + tenth(self.witnesses)).min(middle),
        };
        let low = match sorted.get(h + cut..=h + end) {
            Some(low) if certain => mean(low),
            _ => high,
        };
        Limits {
            low: low.min(high),
            high,
        }
    }

    /// The highest mean over networks. Where one has more users than all others together it
    /// counts half, so that case is looked at as well.
    fn country(&self, items: &[Item], top: f64) -> f64 {
        let budget = 2 * self.liars;
        if items.is_empty() {
            return 1.0;
        }
        let mut highest = quotient(items, &self.fresh, top, budget);
        let total: f64 = items.iter().map(|item| item.users).sum();
        for (at, giant) in items.iter().enumerate() {
            let others = || {
                let all = items.iter().enumerate();
                all.filter(move |(other, _)| *other != at).map(|(_, i)| i)
            };
            let sizes: Vec<Network> = others()
                .map(|i| Network {
                    users: i.users,
                    probes: i.probes,
                })
                .collect();
            let least = total - giant.users - losable(sizes.iter(), self.liars);
            if giant.users < least {
                continue;
            }
            let others: Vec<Item> = others().cloned().collect();
            // In steps, where there are many: what is spent is rounded up for the giant and
            // down for the others.
            let step = (budget / 8).max(1);
            for spent in (0..=budget).step_by(step) {
                let most = (spent + step - 1).min(giant.rates.len() - 1);
                let own = giant.rates.get(most).copied().unwrap_or(1.0);
                let rest = quotient(&others, &self.fresh, top, budget - spent);
                highest = highest.max(f64::midpoint(own, rest));
            }
        }
        let left = total - losable(self.networks.iter(), self.liars);
        if self.fresh.iter().any(|giant| *giant >= left) {
            let rest = quotient(items, &self.fresh, top, budget);
            highest = highest.max(f64::midpoint(top, rest));
        }
        highest
    }
}

struct Limits {
    low: f64,
    high: f64,
}

/// A network in the knapsack: its rate, by how many of its probes go below or come above.
#[derive(Clone)]
struct Item {
    users: f64,
    probes: usize,
    rates: Vec<f64>,
}

/// The middle of sorted values after `moved` of them went below or others came above.
fn raised(sorted: &[f64], moved: usize, top: f64) -> f64 {
    let twice = sorted.len() + moved;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(top).min(top);
    match twice.checked_sub(1) {
        Some(twice) => f64::midpoint(at(twice / 2), at(twice.div_ceil(2))),
        None => top,
    }
}

/// The most users whose networks can lose their last probe, or a little more.
fn losable<'a>(networks: impl Iterator<Item = &'a Network>, liars: usize) -> f64 {
    let mut small: Vec<&Network> = networks.filter(|n| n.probes <= liars).collect();
    let worth = |n: &Network| n.users / n.probes.max(1) as f64;
    small.sort_unstable_by(|a, b| worth(b).total_cmp(&worth(a)));
    let (mut left, mut users) = (liars as f64, 0.0);
    for network in small {
        let part = (left / network.probes.max(1) as f64).min(1.0);
        users += part * network.users;
        left -= part * network.probes as f64;
    }
    users
}

/// A mean over targets some of which may be left out.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
    optional: Vec<f64>,
}

impl Mean {
    fn add(&mut self, value: f64, certain: bool) {
        if certain {
            self.sum += value;
            self.count += 1;
        } else {
            self.optional.push(value);
        }
    }

    fn highest(mut self, least: usize) -> f64 {
        self.optional.sort_unstable_by(|a, b| b.total_cmp(a));
        for value in self.optional {
            if self.count < least || value * self.count as f64 > self.sum {
                self.sum += value;
                self.count += 1;
            }
        }
        (self.sum / self.count.max(1) as f64).clamp(0.0, 1.0)
    }
}

/// The highest mean of rates, weighted by users, for so many departures and arrivals: of a
/// network that is there, the rate rises with what is spent on it, or it loses all probes;
/// a fresh one comes by one arrival and says the most.
fn quotient(items: &[Item], fresh: &[f64], top: f64, budget: usize) -> f64 {
    let mut best = 0.0f64;
    // Dinkelbach: what exceeds the best quotient so far, until nothing does.
    for _ in 0..64 {
        let mut states = vec![(0.0f64, 0.0f64, 0.0f64); budget + 1];
        for item in items {
            let before = states.clone();
            for (spent, state) in states.iter_mut().enumerate() {
                let mut next = (f64::NEG_INFINITY, 0.0, 0.0);
                for (cost, rate) in item.rates.iter().enumerate().take(spent + 1) {
                    let part = (item.users * rate, item.users);
                    next = better(next, before.get(spent - cost), part, best);
                }
                if item.probes <= spent {
                    next = better(next, before.get(spent - item.probes), (0.0, 0.0), best);
                }
                *state = next;
            }
        }
        for users in fresh {
            for spent in (1..=budget).rev() {
                let before = states.get(spent - 1).copied();
                let part = (users * top, *users);
                if let Some(state) = states.get_mut(spent) {
                    *state = better(*state, before.as_ref(), part, best);
                }
            }
        }
        let Some((value, sum, users)) = states.last().copied() else {
            break;
        };
        if value <= SLACK / 10.0 || users <= 0.0 {
            break;
        }
        best = sum / users;
    }
    best.clamp(0.0, 1.0)
}

/// The better of a state and another one with a network more.
fn better(
    state: (f64, f64, f64),
    before: Option<&(f64, f64, f64)>,
    (sum, users): (f64, f64),
    best: f64,
) -> (f64, f64, f64) {
    match before {
        Some((value, sums, all)) => {
            let value = value + sum - best * users;
            if value > state.0 {
                (value, sums + sum, all + users)
            } else {
                state
            }
        }
        None => state,
    }
}
