//! How often do intervals cover the truth, and how far do liars move a score? Simulations
//! with a seed: a quick version each time, the tables of `docs/method.md` with
//!
//!     cargo test -p faultline-collector --test score_simulation -- --ignored --nocapture

use faultline_collector::score::{
    assess::Effort,
    binomial::wilson,
    cell::{Cell, Source, TargetId, Way},
    chance::{Chance, quantile},
    contest::MOST,
    estimate::{NetworkRate, Rates, tenth},
    indicator::{Dimension, Indicator},
    posterior,
    profile::{assess, available, combine, contested},
    shares::Shares,
};
use faultline_core::id::{Asn, Country, ProbeId};

const NETWORKS: usize = 20;
const PROBES: usize = 2;
const TARGETS: usize = 20;
const LEVEL: f64 = 0.95;

/// Zipf shares of twenty networks.
fn zipf(count: usize) -> Vec<f64> {
    let weights: Vec<f64> = (1..=count).map(|rank| 1.0 / rank as f64).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

#[derive(Default)]
struct Tally {
    runs: f64,
    covered: f64,
    width: f64,
    pooled_covered: f64,
    pooled_width: f64,
    best_width: f64,
}

/// One country drawn, sampled and estimated.
fn trial(tally: &mut Tally, mean: f64, icc: f64, k: usize, draws: usize, seed: u64) {
    let mut chance = Chance::new(seed, 1);
    let share = zipf(NETWORKS);
    let theta = |chance: &mut Chance| {
        if icc >= 1.0 {
            return f64::from(u8::from(chance.uniform() < mean));
        }
        let q = (1.0 - icc) / icc;
        chance.beta(mean * q, (1.0 - mean) * q)
    };
    let truth: Vec<f64> = (0..NETWORKS).map(|_| theta(&mut chance)).collect();
    let r: f64 = truth.iter().zip(&share).map(|(t, s)| t * s).sum();
    let mut order: Vec<usize> = (0..NETWORKS).collect();
    for at in (1..NETWORKS).rev() {
        order.swap(at, chance.below(at + 1));
    }
    let mut observed: Vec<usize> = order.into_iter().take(k).collect();
    observed.sort_unstable();
    let (mut networks, mut hits) = (Vec::new(), 0.0);
    for at in &observed {
        let mut seen = 0.0;
        for _ in 0..PROBES * TARGETS {
            seen += f64::from(u8::from(chance.uniform() < truth[*at]));
        }
        hits += seen;
        networks.push(NetworkRate {
            asn: Asn(*at as u32 + 1),
            probes: PROBES as u32,
            own: seen / (PROBES * TARGETS) as f64,
            rate: seen / (PROBES * TARGETS) as f64,
            removed: false,
            added: false,
            weight: share[*at],
        });
    }
    let sum: f64 = networks.iter().map(|n| n.weight).sum();
    for network in &mut networks {
        network.weight /= sum;
    }
    let point = networks.iter().map(|n| n.weight * n.rate).sum();
    let rates = Rates {
        networks,
        ..Rates::default()
    };
    let shares = Shares::from_users((1..).map(Asn).zip(share.iter().copied())).unwrap();
    let sample = posterior::draws(&rates, Some(&shares), seed, draws);
    let (low, high) = posterior::interval(&sample, LEVEL, point, &rates);
    let (from, to) = wilson(hits, (k * PROBES * TARGETS) as f64, 1.959_964);
    // The best that anybody could do who knew every observed network exactly and how the
    // others are distributed: what is left is the chance of the unobserved.
    let known: f64 = observed.iter().map(|at| share[*at] * truth[*at]).sum();
    let mut rest: Vec<f64> = (0..400)
        .map(|_| {
            let others = (0..NETWORKS).filter(|at| !observed.contains(at));
            known + others.map(|at| share[at] * theta(&mut chance)).sum::<f64>()
        })
        .collect();
    rest.sort_unstable_by(f64::total_cmp);
    tally.runs += 1.0;
    tally.covered += f64::from(u8::from(low <= r && r <= high));
    tally.width += high - low;
    tally.pooled_covered += f64::from(u8::from(from <= r && r <= to));
    tally.pooled_width += to - from;
    tally.best_width += quantile(&rest, 0.975) - quantile(&rest, 0.025);
}

fn coverage(mean: f64, icc: f64, k: usize, runs: u64, draws: usize) -> Tally {
    let mut tally = Tally::default();
    for run in 0..runs {
        let seed = run << 20
            ^ (mean * 1000.0) as u64
            ^ ((icc * 100.0) as u64) << 10
            ^ (k as u64) << 50;
        trial(&mut tally, mean, icc, k, draws, seed);
    }
    tally
}

#[test]
fn intervals_cover_the_truth_where_pooled_ones_do_not() {
    let (mut all, mut pooled) = (0.0, 0.0);
    for (mean, icc, k) in [(0.05, 0.5, 5), (0.1, 0.5, 5), (0.3, 0.3, 10)] {
        let t = coverage(mean, icc, k, 60, 500);
        all += t.covered / t.runs / 3.0;
        pooled += t.pooled_covered / t.runs / 3.0;
    }
    assert!(all >= 0.92, "coverage {all}");
    assert!(pooled < 0.85, "pooled {pooled}");
}

#[test]
#[ignore = "the whole table takes a while"]
fn table_of_coverage() {
    println!("mean  icc  K   covered  width | pooled: covered  width | best width");
    let mut least: f64 = 1.0;
    for mean in [0.02, 0.1, 0.3] {
        for icc in [0.1, 0.3, 0.5, 0.8, 1.0] {
            for k in [3, 5, 10, 20] {
                let t = coverage(mean, icc, k, 500, 800);
                let n = t.runs;
                least = least.min(t.covered / n);
                println!(
                    "{mean:<5} {icc:<4} {k:<3} {:.3}    {:.3} |         {:.3}    {:.3} |      {:.3}",
                    t.covered / n,
                    t.width / n,
                    t.pooled_covered / n,
                    t.pooled_width / n,
                    t.best_width / n,
                );
            }
        }
    }
    assert!(least >= 0.92, "least coverage {least}");
}

const LAST: i32 = 20_000;
const COUNTED: [Indicator; 4] = [Indicator::U1, Indicator::U2, Indicator::U3, Indicator::U6];

/// What liars do, all of them in every indicator at once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// Everything deviates.
    Accuse,
    /// Nothing does.
    Hide,
    /// Half of them accuse, half of them hide.
    Both,
    /// Only what is blocked is looked at.
    Select,
    /// They are gone.
    Silent,
    /// They moved to one network (by number, perhaps a new one), and accuse.
    AccuseFrom(usize),
    /// They moved to one network, and hide.
    HideFrom(usize),
    /// What is denied they call the removal of its top-level domain, at several resolvers.
    Forge,
    /// They see no removal where there is one.
    Undo,
}

/// The share of probes that see a top-level domain removed, of those that see names below it
/// denied: a tenth is 1. (All names of these countries stand below it.)
type Removal = usize;

/// The top-level domain.
const ZONE: u32 = 7;

/// Whether a target (of 40) deviates in a network (of those given), for every indicator.
type Truth = fn(network: usize, target: usize) -> bool;

/// What is published of a country.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    /// The point, published or not.
    point: f64,
    range: (f64, f64),
    published: bool,
}

/// D1 of a country where `hostile` says which probes lie. Probes of a network stand together.
fn dimension(
    probes: &[usize],
    (truth, removal): (Truth, Removal),
    lie: Lie,
    hostile: &[bool],
) -> Option<Said> {
    let all: usize = probes.iter().sum();
    // One network has users and no probes, at first.
    let shares = Shares::from_users((1..).map(Asn).zip(zipf(probes.len() + 1))).unwrap();
    let (mut cells, mut number) = (Vec::new(), 0usize);
    for (network, count) in probes.iter().enumerate() {
        for _ in 0..*count {
            let lies = hostile.get(number) == Some(&true);
            // Those who see it stand together, in the largest networks.
            let sees = number < (removal * all).div_ceil(10) && truth(network, 0);
            let sees = match lie {
                Lie::Forge if lies => true,
                _ => sees && !lies,
            };
            number += 1;
            if lies && lie == Lie::Silent {
                continue;
            }
            for target in 0..40 {
                let real = truth(network, target);
                if lies && lie == Lie::Select && !real {
                    continue;
                }
                let bad = match lie {
                    _ if !lies => real,
                    Lie::Forge | Lie::Undo => real,
                    Lie::Accuse | Lie::Select | Lie::AccuseFrom(_) => true,
                    Lie::Both => number.is_multiple_of(2),
                    Lie::Hide | Lie::HideFrom(_) | Lie::Silent => false,
                };
                let at = match lie {
                    Lie::AccuseFrom(to) | Lie::HideFrom(to) if lies => to,
                    _ => network,
                };
                let mut id = [0; 16];
                id[..8].copy_from_slice(&(number as u64).to_be_bytes());
                for (day, indicator) in [0, 1].into_iter().flat_map(|d| COUNTED.map(|i| (d, i)))
                {
                    let named = matches!(indicator, Indicator::U1 | Indicator::U3);
                    let cell = Cell {
                        indicator,
                        source: Source::Own,
                        target: TargetId(target as u64),
                        asn: Asn(at as u32 + 1),
                        probe: ProbeId(id),
                        // Three days, as the floor wants, of which each probe sees two.
                        day: LAST - day - (number % 2) as i32,
                        country: Country::UNKNOWN,
                        trials: 1,
                        deviations: u32::from(bad),
                        zone: if named && bad { ZONE } else { 0 },
                        way: Way::None,
                        several: false,
                    };
                    cells.push(cell);
                    if target == 0
                        && indicator == Indicator::U1
                        && removal + usize::from(lie == Lie::Forge) > 0
                    {
                        cells.push(Cell {
                            indicator: Indicator::G3,
                            target: TargetId(1000),
                            deviations: u32::from(sees),
                            zone: if sees { ZONE } else { 0 },
                            way: if sees { Way::Removed } else { Way::None },
                            several: sees,
                            ..cell
                        });
                    }
                }
            }
        }
    }
    let effort = Effort {
        draws: 1,
        level: 0.9,
    };
    let assessments = assess(&cells, LAST, Some(&shares), 1, effort);
    let (point, _) = combine(&available(Dimension::D1, &assessments))?;
    let (range, divided) = contested(Dimension::D1, &assessments, point);
    Some(Said {
        point,
        range,
        published: !divided,
    })
}

/// The worst that a tenth of the probes does.
#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    /// How far the point goes, published or not.
    point: f64,
    /// How far a published point goes: both are published.
    published: f64,
    /// By which lie.
    by: Option<Lie>,
    /// Lies that take the number away.
    silenced: u32,
    /// All lies.
    lies: u32,
}

/// The worst that a tenth of the probes does: they sit where a majority of the largest
/// networks costs least, or where one of them is a network of its own, or anywhere (drawn).
fn worst(probes: &[usize], truth: (Truth, Removal), draws: usize) -> (Said, Worst) {
    let all: usize = probes.iter().sum();
    let budget = tenth(all);
    let weights = zipf(probes.len());
    let starts: Vec<usize> = probes
        .iter()
        .scan(0, |at, count| {
            let start = *at;
            *at += count;
            Some(start)
        })
        .collect();
    let mut placements: Vec<Vec<bool>> = Vec::new();
    for first in (0..probes.len()).step_by(1 + probes.len() / 7) {
        let mut order: Vec<usize> = (0..probes.len()).collect();
        let price = |at: usize| (probes[at] / 2 + 1) as f64 / weights[at];
        order.sort_by(|a, b| price(*a).total_cmp(&price(*b)));
        order.retain(|at| *at != first);
        order.insert(0, first);
        let (mut hostile, mut left) = (vec![false; all], budget);
        for at in order {
            let need = (probes[at] / 2 + 1).min(left);
            hostile[starts[at]..starts[at] + need].fill(true);
            left -= need;
        }
        placements.push(hostile);
    }
    let mut chance = Chance::new(all as u64, 9);
    for _ in 0..draws {
        let mut hostile = vec![false; all];
        while hostile.iter().filter(|h| **h).count() < budget {
            let at = chance.below(all);
            hostile[at] = true;
        }
        placements.push(hostile);
    }
    let honest = dimension(probes, truth, Lie::Hide, &[]).unwrap();
    let mut worst = Worst::default();
    let mut lies = vec![Lie::Accuse, Lie::Hide, Lie::Both, Lie::Select, Lie::Silent];
    lies.extend([Lie::Forge, Lie::Undo]);
    // To the smallest networks, and to the one that nobody stood in.
    for to in probes.len().saturating_sub(2)..=probes.len() {
        lies.extend([Lie::AccuseFrom(to), Lie::HideFrom(to)]);
    }
    for lie in lies {
        for hostile in &placements {
            worst.lies += 1;
            let Some(said) = dimension(probes, truth, lie, hostile) else {
                worst.silenced += u32::from(honest.published);
                continue;
            };
            let moved = said.point - honest.point;
            if moved.abs() > worst.point.abs() {
                worst.point = moved;
                worst.by = Some(lie);
            }
            if honest.published || said.published {
                // Each range holds the other's point, whichever of the two is published.
                let certain = if honest.published { honest } else { said };
                let other = if honest.published { said } else { honest };
                let (low, high) = certain.range;
                assert!(
                    low <= other.point && other.point <= high,
                    "{other:?} is not in the range of {certain:?} ({lie:?})"
                );
            }
            if honest.published && said.published {
                if moved.abs() > worst.published.abs() {
                    worst.published = moved;
                }
            } else {
                worst.silenced += u32::from(honest.published);
            }
        }
    }
    (honest, worst)
}

const CLEAN: Truth = |_, _| false;
/// A few names everywhere.
const SLIGHT: Truth = |_, target| target < 3;
/// Many names everywhere.
const NATIONAL: Truth = |_, target| target < 8;
/// Two names, in the smallest networks alone.
const LOCAL: Truth = |network, target| network > 1 && target < 2;
/// The two largest networks alone.
const TWO: Truth = |network, target| network < 2 && target < 8;
/// Every other network, each with names of its own.
const PATCHY: Truth =
    |network, target| network.is_multiple_of(2) && (target + network) % 10 < 3;

const SHAPES: [(&str, &[usize]); 4] = [
    ("3 networks, 12 probes", &[5, 4, 3]),
    ("5 networks, 20 probes", &[6, 5, 4, 3, 2]),
    ("10 networks, 40 probes", &[8, 6, 5, 4, 4, 4, 3, 2, 2, 2]),
    (
        "20 networks, 100 probes",
        &[12, 10, 8, 7, 6, 6, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2],
    ),
];

#[test]
fn a_tenth_of_the_probes_neither_moves_a_published_number_nor_takes_it_away() {
    for (name, probes) in SHAPES.into_iter().take(2) {
        for truth in [CLEAN, NATIONAL] {
            let (honest, worst) = worst(probes, (truth, 0), 1);
            assert!(honest.published, "{name}: {honest:?}");
            // Of 5, 6, 11 or 12 probes, a tenth rounded up can be silent on so many targets
            // that the rest does not certify itself.
            let few = probes.iter().sum::<usize>() == 12;
            assert!(worst.silenced == 0 || few, "{name}: {worst:?}");
            assert!(worst.point.abs() <= 1e-9, "{name}: {worst:?}");
        }
        for world in [
            (LOCAL, 0),
            (PATCHY, 0),
            (NATIONAL, 1),
            (NATIONAL, 3),
            (NATIONAL, 10),
        ] {
            let (_, worst) = worst(probes, world, 0);
            assert!(worst.published.abs() <= MOST, "{name}: {worst:?}");
        }
    }
}

#[test]
#[ignore = "the whole table takes a while"]
fn table_of_poisoning() {
    let worlds: [(&str, (Truth, Removal)); 9] = [
        ("clean", (CLEAN, 0)),
        ("3 of 40 names everywhere", (SLIGHT, 0)),
        ("8 of 40 names everywhere", (NATIONAL, 0)),
        (
            "8 everywhere, their top-level domain removed, a tenth say",
            (NATIONAL, 1),
        ),
        (
            "8 everywhere, their top-level domain removed, 3 tenths say",
            (NATIONAL, 3),
        ),
        (
            "8 everywhere, their top-level domain removed, all say",
            (NATIONAL, 10),
        ),
        ("2 of 40 names in all but the two largest", (LOCAL, 0)),
        ("8 of 40 names in the two largest", (TWO, 0)),
        ("12 of 40 names in every other", (PATCHY, 0)),
    ];
    println!(
        "| country | deviates | published | published moved | taken away | a point would have moved |"
    );
    for (name, probes) in SHAPES {
        for (what, world) in worlds {
            let (honest, worst) = worst(probes, world, 200 / probes.iter().sum::<usize>());
            assert!(worst.published.abs() <= MOST);
            let (low, high) = honest.range;
            let said = if honest.published {
                format!("{:.3}", honest.point)
            } else {
                format!("{low:.2} to {high:.2}")
            };
            println!(
                "| {name} | {what} | {said} | {:.3} | {} of {} | {:+.3} {} |",
                worst.published.abs(),
                worst.silenced,
                worst.lies,
                worst.point,
                worst.by.map_or(String::new(), |by| format!("{by:?}")),
            );
        }
    }
}
