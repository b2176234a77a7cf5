//! Does the evidence for one indicator carry a number, and which?

use super::{
    aggregate::{self, Input},
    cell::{Cell, Day, Source},
    contest::{self, Reach},
    estimate::{NetworkRate, Rates, Without, rates},
    evidence::{Counts, Evidence, Reading},
    floors::FLOORS,
    indicator::{Dimension, Spec},
    namespace::Precedence,
    posterior,
    profile::Interval,
    shares::Shares,
};

/// How much work is put in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Draws of the posterior.
    pub draws: usize,
    /// Level of statistical intervals.
    pub level: f64,
}

/// What is published.
pub const PUBLISHED: Effort = Effort {
    draws: posterior::DRAWS,
    level: 0.90,
};

/// A day of a timeline.
pub const OUTLINE: Effort = Effort {
    draws: 500,
    level: 0.90,
};

/// What an indicator must know of the others.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Probes of ours of which a tenth may lie: those of the dimension.
    pub witnesses: u32,
    /// Which deviations are another indicator's.
    pub precedence: &'a Precedence,
}

/// One indicator of one country, whether or not it carries a number.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Which.
    pub spec: &'static Spec,
    /// Its evidence.
    pub evidence: Evidence,
    /// Rates over all of it.
    pub rates: Rates,
    /// Why it carries no number; empty where it does.
    pub reasons: Vec<&'static str>,
    /// Draws of the score.
    pub draws: Vec<f64>,
    /// Share of users of the observed networks.
    pub user_share: Option<f64>,
    /// What a tenth of the dimension's probes could make of it: ranges of the rate, none
    /// where it would carry no number.
    pub choices: Vec<Option<Interval>>,
}

impl Assessment {
    /// Assesses our own evidence, or where that carries no number, an import that does. The
    /// two are never mixed.
    pub fn new(
        spec: &'static Spec,
        cells: &[Cell],
        around: Around<'_>,
        last: Day,
        shares: Option<&Shares>,
        seed: u64,
        effort: Effort,
    ) -> Self {
        let of = |source| {
            let cells = cells.iter().filter(|c| c.indicator == spec.id);
            let mut evidence = Evidence::beside(cells, last, source, around.precedence);
            if source == Source::Own {
                evidence.witnesses = around.witnesses;
            }
            Self::of(spec, evidence, shares, seed, effort)
        };
        let mut own = of(Source::Own);
        if !spec.implemented {
            return own;
        }
        let reach = own.reach(shares);
        own.choices = vec![Some(reach.raw)];
        if reach.stays {
            return own;
        }
        // An import would stand in, if liars took our own number away.
        let mut import = of(Source::Import);
        let mut choices = vec![import.imported_range(shares)];
        if reach.possible {
            choices.push(Some(reach.raw));
        }
        own.choices.clone_from(&choices);
        if own.published() {
            return own;
        }
        if import.published() || own.evidence.entries.is_empty() {
            import.choices = choices;
            return import;
        }
        own
    }

    /// How far our own liars can move an import: nobody lies in it, but a removal that they
    /// confirm, or no longer do, takes deviations of it along.
    fn imported_range(&self, shares: Option<&Shares>) -> Option<Interval> {
        let raw = self.rates.raw.filter(|_| self.published())?;
        if !self.evidence.yields() {
            return Some((raw, raw));
        }
        let read = |reading| {
            let evidence = self.evidence.read(reading);
            rates(&evidence, shares, Without::Nothing)
                .raw
                .unwrap_or(raw)
        };
        Some((read(Reading::Least).min(raw), read(Reading::Most).max(raw)))
    }

    /// How far liars can move it.
    fn reach(&self, shares: Option<&Shares>) -> Reach {
        contest::reach(self.spec, &self.evidence, shares, self.published())
    }

    /// What any tenth of the probes could make of the score, where it carries one and rests
    /// on probes of ours.
    pub fn contested(&self) -> Option<Interval> {
        let own = self.published() && !self.evidence.imported;
        let (low, high) = self.choices.last().copied().flatten().filter(|_| own)?;
        Some((self.spec.score(low), self.spec.score(high)))
    }

    fn of(
        spec: &'static Spec,
        evidence: Evidence,
        shares: Option<&Shares>,
        seed: u64,
        effort: Effort,
    ) -> Self {
        let rates = rates(&evidence, shares, Without::Nothing);
        let user_share = shares.map(|all| {
            rates
                .networks
                .iter()
                .map(|n| all.of(n.asn))
                .sum::<f64>()
                .min(1.0)
        });
        let reasons = missing(spec, &evidence, &rates, shares);
        let draws = if reasons.is_empty() {
            let seed = seed ^ (spec.id as u64 + 1) << 56;
            let mut draws = posterior::draws(&rates, shares, seed, effort.draws);
            for draw in &mut draws {
                *draw = spec.score(*draw);
            }
            draws
        } else {
            Vec::new()
        };
        Self {
            spec,
            evidence,
            rates,
            reasons,
            draws,
            user_share,
            choices: Vec::new(),
        }
    }

    /// Whether it carries a number.
    pub fn published(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The number, where it carries one.
    pub fn point(&self) -> Option<f64> {
        let raw = self.rates.raw.filter(|_| self.published())?;
        Some(self.spec.score(raw))
    }

    /// The statistical interval of the score.
    pub fn interval(&self, level: f64) -> Option<(f64, f64)> {
        Some(posterior::interval(
            &self.draws,
            level,
            self.point()?,
            &self.rates,
        ))
    }

    /// The score if all users of unobserved networks saw nothing, and if they saw everything
    /// deviate; none where it is not known how many they are.
    pub fn bounds(&self) -> Option<(f64, f64)> {
        let (raw, seen) = (
            self.rates.raw.filter(|_| self.published())?,
            self.user_share?,
        );
        let raw = raw * seen;
        Some((self.spec.score(raw), self.spec.score(raw + 1.0 - seen)))
    }

    /// For the method interval: the raw value, and that without each network.
    pub fn input(&self, shares: Option<&Shares>) -> Input {
        let mut raws = vec![self.rates.raw.unwrap_or(0.0)];
        // A mean of zeros stays zero, whichever is left out.
        if raws.iter().any(|r| *r > 0.0) && self.rates.networks.len() > 1 {
            let without = |at| rates(&self.evidence, shares, Without::Network(at)).raw;
            raws.extend((0..self.evidence.networks.len() as u32).filter_map(without));
        }
        Input {
            weight: super::indicator::weight(self.spec),
            b: self.spec.b,
            h: self.spec.h,
            raws,
        }
    }

    /// The method interval of this indicator alone.
    pub fn method_interval(&self, shares: Option<&Shares>, seed: u64) -> Option<(f64, f64)> {
        let point = self.point()?;
        let (low, high) = aggregate::method_interval(&[self.input(shares)], seed)?;
        Some((low.min(point), high.max(point)))
    }

    /// Networks that deviate by more than the background.
    pub fn deviating(&self) -> usize {
        let networks = self.rates.networks.iter();
        networks.filter(|n| self.deviates(n)).count()
    }

    /// Whether a network deviates by more than the background: by what counts in the
    /// country, or by what probes enough to name it show by themselves.
    pub fn deviates(&self, network: &NetworkRate) -> bool {
        let enough = self.evidence.imported || network.probes >= FLOORS.naming_probes;
        network.rate.min(network.own) > self.spec.b || enough && network.own > self.spec.b
    }

    /// Measurements.
    pub fn total(&self) -> Counts {
        self.evidence.total()
    }
}

/// Which floors the evidence does not reach.
fn missing(
    spec: &Spec,
    evidence: &Evidence,
    rates: &Rates,
    shares: Option<&Shares>,
) -> Vec<&'static str> {
    if !spec.implemented {
        return vec!["floor.not_implemented"];
    }
    let mut reasons = Vec::new();
    // Where users are counted, a network without any is no witness of theirs.
    let weighty = rates.networks.iter().filter(|n| n.weight > 0.0);
    let networks = weighty.count() as u32;
    let seen = shares.map(|all| rates.networks.iter().map(|n| all.of(n.asn)).sum::<f64>());
    match (shares, seen) {
        (Some(shares), Some(seen)) => {
            let large: Vec<_> = shares.iter().filter(|(_, share)| *share > 0.01).collect();
            let all_large = large.len() < FLOORS.networks as usize
                && seen >= FLOORS.absence_share
                && large
                    .iter()
                    .all(|(asn, _)| rates.networks.iter().any(|n| n.asn == *asn));
            if networks == 2 && !all_large {
                reasons.push("floor.provisional");
            } else if networks < FLOORS.networks && !all_large {
                reasons.push("floor.networks");
            }
            if seen < FLOORS.user_share {
                reasons.push("floor.user_share");
            }
        }
        _ if networks < FLOORS.networks_without_shares => {
            reasons.push("floor.networks_without_shares");
        }
        _ => {}
    }
    if !evidence.imported && rates.probes < FLOORS.probes {
        reasons.push("floor.probes");
    }
    let days = if spec.dimension == Dimension::D3 {
        FLOORS.days_d3
    } else {
        FLOORS.days
    };
    if evidence.days < days {
        reasons.push("floor.days");
    }
    if rates.targets < spec.min_targets.max(1) {
        reasons.push("floor.targets");
    }
    reasons
}
