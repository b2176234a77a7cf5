//! Does the detector do what it must? Each bar with what was measured.

use super::super::{
    run::Results,
    score::{Kind, Outcome, quantile},
};
use super::tables::seconds;
use faultline_collector::detect::event::Class;

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub asks: String,
    pub measured: String,
    /// `None` where nothing was run that could tell.
    pub holds: Option<bool>,
}

impl Bar {
    fn new(asks: &str, measured: String, holds: Option<bool>) -> Self {
        Self {
            asks: asks.to_owned(),
            measured,
            holds,
        }
    }
}

/// A whole country's loss.
pub(super) const fn is_national(class: Class) -> bool {
    matches!(class, Class::TotalBlackout | Class::InternationalIsolation)
}

/// All of them.
pub fn bars(results: &Results) -> Vec<Bar> {
    let events = || results.outcomes.iter().filter(|o| o.kind == Kind::Event);
    let national = |least: usize| {
        events().filter(move |o| is_national(o.class) && o.probes >= least && o.asns >= 2)
    };
    let mut bars = Vec::new();
    let all = national(10).count();
    let found = national(10).filter(|o| o.late_confirmed).count();
    let early = national(10).filter(|o| o.is_early()).count();
    bars.push(Bar::new(
        "recall of total and isolation, 10 probes and more in 2 networks and more: 95 % confirmed",
        format!("{found} of {all}, {early} while it lasted"),
        (all > 0).then_some(found * 20 >= all * 19),
    ));
    for (asks, most, lag) in [
        (
            "median lag to suspected, the same, 5 probes and more: 5 min at most",
            300,
            (|o| o.suspected) as fn(&Outcome) -> Option<i64>,
        ),
        (
            "median lag to confirmed, the same: 15 min at most",
            900,
            |o| o.confirmed,
        ),
    ] {
        let median = quantile(national(5).filter_map(lag), 0.5);
        bars.push(Bar::new(
            asks,
            median.map_or_else(|| "none".to_owned(), seconds),
            median.map(|median| median <= most),
        ));
    }
    let controls = || results.outcomes.iter().filter(|o| o.kind == Kind::Control);
    let accused = controls().filter(|o| o.accused).count();
    bars.push(Bar::new(
        "controls (power, cable, operator) that stand as a shutdown after late evidence: none",
        format!("{accused} of {}", controls().count()),
        (controls().count() > 0).then_some(accused == 0),
    ));
    let errors = national(3).filter_map(|o| o.start_error.map(i64::abs));
    let median = quantile(errors, 0.5);
    bars.push(Bar::new(
        "median error of the start of total and isolation: 2 min at most",
        median.map_or_else(|| "none".to_owned(), seconds),
        median.map(|median| median <= 120),
    ));
    let quiet = &results.quiet;
    bars.push(Bar::new(
        "confirmed events of nothing, or of an everyday outage as a shutdown, in quiet years: none",
        format!(
            "{} and {} in {:.0} group-years",
            quiet.false_confirmed, quiet.benign_accused, quiet.group_years
        ),
        (quiet.group_years > 0.0).then_some(quiet.false_confirmed + quiet.benign_accused == 0),
    ));
    let mut last = results.last.clone();
    last.append(&results.quiet_last);
    let mut worst: Option<(f64, f64, u32)> = None;
    for (sum, hits, all) in last.bins {
        let (stated, hit) = (sum / f64::from(all), f64::from(hits) / f64::from(all));
        // Two standard deviations of the share must lie within the five points.
        let error = (stated * (1.0 - stated) / f64::from(all)).sqrt();
        if all > 0 && 2.0 * error <= 0.05 && worst.is_none_or(|w| (stated - hit).abs() > w.0) {
            worst = Some(((stated - hit).abs(), stated, all));
        }
    }
    bars.push(Bar::new(
        "belief in the end against hit rate, bins with enough events: within 5 points",
        worst.map_or_else(
            || "no bin has enough".to_owned(),
            |(off, stated, all)| {
                format!(
                    "{:.1} points off at {stated:.2} ({all} events)",
                    off * 100.0
                )
            },
        ),
        worst.map(|(off, ..)| off <= 0.05),
    ));
    bars
}
