//! What is said of one country and window? The profile: three dimensions with intervals,
//! bounds and grades, their indicators, and what they rest on. A pure function of cells and
//! shares; the seed follows from the evidence.

use super::{
    aggregate,
    assess::{Around, Assessment, Effort, PUBLISHED},
    cell::{Cell, Day, Source, Way},
    contest,
    estimate::{Without, rates},
    evidence::Evidence,
    floors::FLOORS,
    indicator::{self, Dimension, Estimator, Indicator, SPECS},
    namespace::Precedence,
    posterior,
    shares::Shares,
};
use faultline_core::id::Country;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The method. A change of meaning takes another name.
pub const METHOD: &str = "fep-0.4.0";

/// How much a published number can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Grade {
    /// Many networks, narrow interval.
    A,
    /// Enough networks.
    B,
    /// Few networks or a wide interval.
    C,
    /// Hardly known.
    D,
}

/// Two ends.
pub type Interval = (f64, f64);

/// A number with what belongs to it, or why there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Why there is none: keys of messages; empty where it is published.
    pub reasons: Vec<&'static str>,
    /// The best single number.
    pub point: Option<f64>,
    /// Statistical, 90 %.
    pub interval: Option<Interval>,
    /// Over choices of the method, 5 to 95 %.
    pub method_interval: Option<Interval>,
    /// What is missing as 0, and as 1.
    pub bounds: Option<Interval>,
    /// What any tenth of the probes could have made of it, whatever they said.
    pub contested: Option<Interval>,
    /// How far to trust it.
    pub grade: Option<Grade>,
}

/// The reason why a dimension has no point though its indicators suffice: a tenth of the
/// probes could move it by more than [`contest::MOST`].
pub const DIVIDED: &str = "divided";

impl Estimate {
    /// Whether there is a number.
    pub fn published(&self) -> bool {
        self.point.is_some()
    }
}

/// One dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct DimensionScore {
    /// Which.
    pub dimension: Dimension,
    /// Its number.
    pub estimate: Estimate,
    /// From the least to the greatest point without one probe.
    pub without_one_probe: Option<Interval>,
    /// Draws, for claims of change.
    pub draws: Vec<f64>,
}

/// One indicator.
#[derive(Clone, Debug)]
pub struct IndicatorScore {
    /// Rates and evidence.
    pub assessment: Assessment,
    /// Its number.
    pub estimate: Estimate,
}

/// What all of it rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Networks.
    pub networks: u32,
    /// Probes of ours.
    pub probes: u32,
    /// Days with measurements.
    pub days: u32,
    /// Share of users of these networks, where it is known.
    pub user_share: Option<f64>,
    /// Measurements that could tell, by indicator and summed.
    pub measurements: u64,
}

/// The profile of one country.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Of which.
    pub country: Country,
    /// The last day of the window.
    pub last: Day,
    /// SHA-256 of method, cells and shares.
    pub digest: [u8; 32],
    /// Seed of all that is drawn.
    pub seed: u64,
    /// In order.
    pub dimensions: Vec<DimensionScore>,
    /// In order, also those that carry no number.
    pub indicators: Vec<IndicatorScore>,
    /// What it rests on.
    pub coverage: Coverage,
}

impl Profile {
    /// The score of a dimension.
    pub fn dimension(&self, dimension: Dimension) -> Option<&DimensionScore> {
        self.dimensions.iter().find(|d| d.dimension == dimension)
    }

    /// An indicator.
    pub fn indicator(&self, id: Indicator) -> Option<&IndicatorScore> {
        self.indicators.iter().find(|i| i.assessment.spec.id == id)
    }
}

/// The profile of a country from its cells; cells outside the window are left out.
pub fn profile(
    country: Country,
    last: Day,
    cells: &[Cell],
    shares: Option<&Shares>,
) -> Profile {
    let digest = digest(country, last, cells, shares);
    let seed = digest
        .iter()
        .take(8)
        .fold(0, |all, b| all << 8 | u64::from(*b));
    let assessments = assess(cells, last, shares, seed, PUBLISHED);
    let dimensions = Dimension::ALL
        .into_iter()
        .map(|dimension| score(dimension, &assessments, shares, seed))
        .collect();
    let coverage = coverage(cells, last, shares);
    let indicators = assessments
        .into_iter()
        .map(|assessment| IndicatorScore {
            estimate: estimate(&assessment, shares, seed),
            assessment,
        })
        .collect();
    Profile {
        country,
        last,
        digest,
        seed,
        dimensions,
        indicators,
        coverage,
    }
}

/// What a day of a timeline shows of a dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// A point and its interval.
    Point(f64, Interval),
    /// The range that any tenth of the probes could make of it: too wide for a point.
    Divided(Interval),
}

impl Shown {
    /// The point, where there is one.
    pub fn point(self) -> Option<f64> {
        match self {
            Self::Point(point, _) => Some(point),
            Self::Divided(_) => None,
        }
    }
}

/// Each dimension alone, for a day of a timeline.
pub fn outline(
    country: Country,
    last: Day,
    cells: &[Cell],
    shares: Option<&Shares>,
    effort: Effort,
) -> Vec<Option<Shown>> {
    let digest = digest(country, last, cells, shares);
    let seed = digest
        .iter()
        .take(8)
        .fold(0, |all, b| all << 8 | u64::from(*b));
    let assessments = assess(cells, last, shares, seed, effort);
    let one = |dimension| {
        let available = available(dimension, &assessments);
        let (point, draws) = combine(&available)?;
        let (range, divided) = contested(dimension, &assessments, point);
        if divided {
            return Some(Shown::Divided(range));
        }
        let interval = interval(&available, &draws, effort.level, point);
        Some(Shown::Point(point, interval))
    };
    Dimension::ALL.into_iter().map(one).collect()
}

/// Every indicator that carries weight or context.
pub fn assess(
    cells: &[Cell],
    last: Day,
    shares: Option<&Shares>,
    seed: u64,
    effort: Effort,
) -> Vec<Assessment> {
    let all = witnesses(cells, last, None);
    let of = Dimension::ALL.map(|dimension| witnesses(cells, last, Some(dimension)));
    // A removed top-level domain takes names with it, from another dimension: then all the
    // probes are the witnesses.
    let namespace = cells.iter().filter(|c| c.way != Way::None);
    let namespace: Vec<Cell> = {
        let any = namespace.clone().next().is_some();
        let of = cells.iter().filter(|c| any && c.indicator == Indicator::G3);
        of.copied().collect()
    };
    let mut precedence = Precedence::default();
    if !namespace.is_empty() {
        let mut evidence = Evidence::new(&namespace, last, Source::Own);
        evidence.witnesses = all;
        precedence = Precedence::of(&evidence);
    }
    let none = Precedence::default();
    SPECS
        .iter()
        .map(|spec| {
            let cells: &[Cell] = if spec.implemented { cells } else { &[] };
            let around = match spec.estimator {
                Estimator::UserShare => Around {
                    witnesses: all,
                    precedence: &none,
                },
                _ => Around {
                    witnesses: of.get(spec.dimension as usize).copied().unwrap_or(0),
                    precedence: &precedence,
                },
            };
            Assessment::new(spec, cells, around, last, shares, seed, effort)
        })
        .collect()
}

/// Probes of ours that a dimension rests on, or all of them.
fn witnesses(cells: &[Cell], last: Day, dimension: Option<Dimension>) -> u32 {
    let counts = |cell: &&Cell| {
        let spec = cell.indicator.spec();
        dimension.is_none_or(|dimension| spec.dimension == dimension)
            && spec.implemented
            && cell.source == Source::Own
            && cell.trials > 0
            && cell.day <= last
            && cell.day > last - FLOORS.window_days as Day
    };
    let mut probes: Vec<_> = cells.iter().filter(counts).map(|c| c.probe).collect();
    probes.sort_unstable();
    probes.dedup();
    probes.len() as u32
}

/// What any tenth of the probes could make of a dimension, and whether that is too much to
/// publish a point.
pub fn contested(
    dimension: Dimension,
    assessments: &[Assessment],
    point: f64,
) -> (Interval, bool) {
    let of = assessments
        .iter()
        .filter(|a| a.spec.dimension == dimension && a.spec.tier.weight() > 0.0);
    let choices: Vec<_> = of
        .filter(|a| !a.choices.is_empty())
        .map(|a| (a.spec, a.choices.clone()))
        .collect();
    let (low, high) = contest::dimension(&choices).unwrap_or((0.0, 1.0));
    let range = (low.min(point), high.max(point));
    (
        range,
        (range.1 - point).max(point - range.0) > contest::MOST,
    )
}

/// Assessments of a dimension that carry a number.
pub fn available(dimension: Dimension, assessments: &[Assessment]) -> Vec<&Assessment> {
    assessments
        .iter()
        .filter(|a| a.spec.dimension == dimension && a.spec.tier.weight() > 0.0)
        .filter(|a| a.published())
        .collect()
}

/// Point and draws of a dimension; none where its indicators do not suffice.
pub fn combine(available: &[&Assessment]) -> Option<(f64, Vec<f64>)> {
    let weights: Vec<_> = available
        .iter()
        .map(|a| (indicator::weight(a.spec), a.spec.tier))
        .collect();
    if !aggregate::availability(&weights).is_empty() {
        return None;
    }
    let points: Option<Vec<_>> = available
        .iter()
        .map(|a| Some((indicator::weight(a.spec), a.point()?)))
        .collect();
    let point = aggregate::geometric(&points?)?;
    let count = available.iter().map(|a| a.draws.len()).min().unwrap_or(0);
    let draws = (0..count)
        .map(|at| {
            let scores: Vec<_> = available
                .iter()
                .map(|a| {
                    let score = a.draws.get(at).copied().unwrap_or(0.0);
                    (indicator::weight(a.spec), score)
                })
                .collect();
            aggregate::geometric(&scores).unwrap_or(0.0)
        })
        .collect();
    Some((point, draws))
}

fn interval(available: &[&Assessment], draws: &[f64], level: f64, point: f64) -> Interval {
    let (low, high) = posterior::spread(draws, level, point);
    let calm = available
        .iter()
        .all(|a| a.rates.networks.iter().all(|n| n.own <= 0.0));
    (if calm { 0.0 } else { low }, high)
}

fn score(
    dimension: Dimension,
    assessments: &[Assessment],
    shares: Option<&Shares>,
    seed: u64,
) -> DimensionScore {
    let available = available(dimension, assessments);
    let Some((point, draws)) = combine(&available) else {
        let weights: Vec<_> = available
            .iter()
            .map(|a| (indicator::weight(a.spec), a.spec.tier))
            .collect();
        let mut reasons = aggregate::availability(&weights);
        let of = assessments.iter().filter(|a| a.spec.dimension == dimension);
        for reason in of.filter(|a| a.spec.implemented).flat_map(|a| &a.reasons) {
            if !reasons.contains(reason) {
                reasons.push(reason);
            }
        }
        let (points, missing) = (points(&available), missing(dimension, &available));
        return DimensionScore {
            dimension,
            estimate: Estimate {
                reasons,
                // How little is known: what is missing as 0, and as 1.
                bounds: aggregate::bounds(&points, &missing).filter(|_| !points.is_empty()),
                ..Estimate::default()
            },
            without_one_probe: None,
            draws: Vec::new(),
        };
    };
    let interval = interval(&available, &draws, PUBLISHED.level, point);
    let (range, divided) = contested(dimension, assessments, point);
    if divided {
        return DimensionScore {
            dimension,
            estimate: Estimate {
                reasons: vec![DIVIDED],
                interval: Some(interval),
                contested: Some(range),
                ..Estimate::default()
            },
            without_one_probe: None,
            draws,
        };
    }
    let inputs: Vec<_> = available.iter().map(|a| a.input(shares)).collect();
    let method = aggregate::method_interval(&inputs, seed ^ dimension as u64);
    let (points, missing) = (points(&available), missing(dimension, &available));
    let networks = available.iter().map(|a| a.rates.networks.len()).min();
    let share = available
        .iter()
        .filter_map(|a| a.user_share)
        .reduce(f64::min);
    DimensionScore {
        dimension,
        estimate: Estimate {
            reasons: Vec::new(),
            point: Some(point),
            interval: Some(interval),
            method_interval: method.map(|(low, high)| (low.min(point), high.max(point))),
            bounds: aggregate::bounds(&points, &missing),
            contested: Some(range),
            grade: Some(grade(networks.unwrap_or(0), share, interval)),
        },
        without_one_probe: Some(without_one_probe(&available, shares, point)),
        draws,
    }
}

/// Weights and points.
fn points(available: &[&Assessment]) -> Vec<(f64, f64)> {
    let points = available.iter();
    points
        .filter_map(|a| Some((indicator::weight(a.spec), a.point()?)))
        .collect()
}

/// Weights of what carries no number.
fn missing(dimension: Dimension, available: &[&Assessment]) -> Vec<f64> {
    indicator::of(dimension)
        .filter(|spec| !available.iter().any(|a| a.spec.id == spec.id))
        .map(indicator::weight)
        .collect()
}

/// The dimension's point without each probe in turn.
fn without_one_probe(
    available: &[&Assessment],
    shares: Option<&Shares>,
    point: f64,
) -> Interval {
    if available
        .iter()
        .all(|a| a.evidence.entries.iter().all(|e| e.deviating == 0))
    {
        return (point, point);
    }
    let ids: BTreeSet<_> = available
        .iter()
        .filter(|a| !a.evidence.imported)
        .flat_map(|a| a.evidence.probes.iter().map(|m| m.probe))
        .collect();
    let mut range = (point, point);
    for id in ids {
        let scores: Vec<_> = available
            .iter()
            .filter_map(|a| {
                let at = a.evidence.probes.iter().position(|m| m.probe == id);
                let raw = match at {
                    Some(at) if !a.evidence.imported => {
                        rates(&a.evidence, shares, Without::Probe(at as u32)).raw?
                    }
                    _ => a.rates.raw?,
                };
                Some((indicator::weight(a.spec), a.spec.score(raw)))
            })
            .collect();
        if let Some(without) = aggregate::geometric(&scores) {
            range = (range.0.min(without), range.1.max(without));
        }
    }
    range
}

fn estimate(a: &Assessment, shares: Option<&Shares>, seed: u64) -> Estimate {
    let interval = a.interval(PUBLISHED.level);
    Estimate {
        reasons: a.reasons.clone(),
        point: a.point(),
        interval,
        method_interval: a.method_interval(shares, seed ^ (a.spec.id as u64 + 16)),
        bounds: a.bounds(),
        contested: a.contested(),
        grade: interval.map(|i| grade(a.rates.networks.len(), a.user_share, i)),
    }
}

/// By networks, share of users and width of the interval.
pub fn grade(networks: usize, share: Option<f64>, (low, high): Interval) -> Grade {
    let (width, share) = (high - low, share.unwrap_or(0.0));
    let many = networks >= FLOORS.absence_networks as usize || share >= FLOORS.absence_share;
    let some = networks >= 5 || share >= 0.5;
    if many && width <= 0.15 {
        Grade::A
    } else if some && width <= 0.30 {
        Grade::B
    } else if width <= 0.60 {
        Grade::C
    } else {
        Grade::D
    }
}

fn coverage(cells: &[Cell], last: Day, shares: Option<&Shares>) -> Coverage {
    let inside = |c: &&Cell| c.day <= last && c.day > last - FLOORS.window_days as Day;
    let (mut networks, mut probes, mut days) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut measurements = 0;
    for cell in cells.iter().filter(inside) {
        networks.insert(cell.asn);
        days.insert(cell.day);
        measurements += u64::from(cell.trials);
        if cell.source == Source::Own {
            probes.insert(cell.probe);
        }
    }
    Coverage {
        networks: networks.len() as u32,
        probes: probes.len() as u32,
        days: days.len() as u32,
        user_share: shares.map(|all| networks.iter().map(|a| all.of(*a)).sum::<f64>().min(1.0)),
        measurements,
    }
}

/// SHA-256 over the method, the window and the evidence in canonical order.
fn digest(country: Country, last: Day, cells: &[Cell], shares: Option<&Shares>) -> [u8; 32] {
    let first = last - FLOORS.window_days as Day;
    let mut inside: Vec<Cell> = cells
        .iter()
        .filter(|c| c.day <= last && c.day > first)
        .copied()
        .collect();
    inside.sort_unstable();
    inside.dedup_by(|next, sum| {
        let same = (
            next.indicator,
            next.source,
            next.target,
            next.asn,
            next.probe,
            next.day,
            (next.zone, next.way, next.several),
        ) == (
            sum.indicator,
            sum.source,
            sum.target,
            sum.asn,
            sum.probe,
            sum.day,
            (sum.zone, sum.way, sum.several),
        );
        if same {
            sum.trials = sum.trials.saturating_add(next.trials);
            sum.deviations = sum.deviations.saturating_add(next.deviations);
        }
        same
    });
    let mut hash = Sha256::new();
    hash.update(METHOD);
    hash.update(country.as_str());
    hash.update(last.to_be_bytes());
    for c in &inside {
        let mut bytes = [0; 48];
        let parts: [&[u8]; 9] = [
            &[c.indicator as u8, c.source as u8],
            &c.target.0.to_be_bytes(),
            &c.asn.0.to_be_bytes(),
            &c.probe.0,
            &c.day.to_be_bytes(),
            &c.trials.to_be_bytes(),
            &c.deviations.to_be_bytes(),
            &c.zone.to_be_bytes(),
            &[c.way as u8, u8::from(c.several)],
        ];
        bytes
            .iter_mut()
            .zip(parts.into_iter().flatten())
            .for_each(|(to, from)| *to = *from);
        hash.update(bytes);
    }
    for (asn, share) in shares.into_iter().flat_map(Shares::iter) {
        hash.update(asn.0.to_be_bytes());
        hash.update(share.to_bits().to_be_bytes());
    }
    hash.finalize().into()
}
