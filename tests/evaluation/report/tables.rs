//! Which tables? Bars first, then what they hide.

use super::{
    super::score::{Calibration, Errors, Kind, Outcome, is_shutdown, quantile},
    Report, Table,
    bars::{bars, is_national},
};
use faultline_collector::detect::event::Class;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// A lag or an error.
pub(super) fn seconds(seconds: i64) -> String {
    let size = seconds.abs();
    match size {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{:.1} min", seconds as f64 / 60.0),
        7200..172_800 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{:.1} d", seconds as f64 / 86_400.0),
    }
}

fn spread(values: impl IntoIterator<Item = i64>) -> String {
    let all: Vec<i64> = values.into_iter().collect();
    let at = |share| quantile(all.iter().copied(), share);
    match (at(0.5), at(0.95)) {
        (Some(median), Some(high)) => format!("{}, {}", seconds(median), seconds(high)),
        _ => "-".to_owned(),
    }
}

pub(super) fn share(part: usize, all: usize) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let share = part as f64 / all as f64;
    format!("{share:.2} ({part} of {all})")
}

pub(super) fn all(report: &Report<'_>) -> Vec<Table> {
    vec![
        held(report),
        by_fleet(report),
        by_class(report),
        confusion(report, false),
        confusion(report, true),
        errors(report),
        calibration(report),
        rivals(report),
        events(report),
        left_out(report),
    ]
}

fn held(report: &Report<'_>) -> Table {
    let mut table = Table::new(
        "What must hold",
        "Each bar, and what this run measured.",
        &["bar", "measured", "holds"],
    );
    for bar in bars(report.results) {
        let holds = match bar.holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not run",
        };
        table.row([bar.asks, bar.measured, holds.to_owned()]);
    }
    table
}

const LAGS: [&str; 9] = [
    "losses",
    "suspected",
    "confirmed while it lasted",
    "confirmed in the end",
    "lag to suspected",
    "lag to confirmed",
    "error of start",
    "error of end",
    "revisions",
];

fn lags<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> [String; 9] {
    let all: Vec<&Outcome> = outcomes.collect();
    let count = |of: fn(&Outcome) -> bool| all.iter().filter(|o| of(o)).count();
    let errors = |of: fn(&Outcome) -> Option<i64>| {
        spread(all.iter().filter_map(|o| of(o)).map(i64::abs))
    };
    let revisions = all.iter().map(|o| o.revisions as i64).filter(|n| *n > 0);
    [
        all.len().to_string(),
        share(count(|o| o.suspected.is_some()), all.len()),
        share(count(Outcome::is_early), all.len()),
        share(count(|o| o.late_confirmed), all.len()),
        errors(|o| o.suspected),
        errors(|o| o.confirmed),
        errors(|o| o.start_error),
        errors(|o| o.end_error),
        quantile(revisions, 0.5).map_or_else(|| "-".to_owned(), |n| n.to_string()),
    ]
}

fn by_fleet(report: &Report<'_>) -> Table {
    let mut head = vec!["probes"];
    head.extend(LAGS);
    let mut table = Table::new(
        "Total and isolation, by size of fleet",
        "Lags count from the simulated onset; two values are the median and the 95th percentile.",
        &head,
    );
    for probes in report.fleets {
        let of =
            |o: &&Outcome| o.kind == Kind::Event && is_national(o.class) && o.probes == *probes;
        let mut row = vec![probes.to_string()];
        row.extend(lags(report.results.outcomes.iter().filter(of)));
        table.rows.push(row);
    }
    table
}

fn by_class(report: &Report<'_>) -> Table {
    let mut head = vec!["class", "sites hit"];
    head.extend(LAGS);
    let mut table = Table::new(
        "Every class, by the sites that it hit",
        "Of fewer than three sites nothing is ever said: such a loss is not covered.",
        &head,
    );
    let classes: BTreeSet<(Kind, Class)> = report
        .results
        .outcomes
        .iter()
        .map(|o| (o.kind, o.class))
        .collect();
    for (kind, class) in classes {
        for (least, most, words) in [
            (0, 3, "0 to 2"),
            (3, 10, "3 to 9"),
            (10, 9999, "10 and more"),
        ] {
            let of = |o: &&Outcome| {
                o.kind == kind && o.class == class && (least..most).contains(&o.sites)
            };
            if report.results.outcomes.iter().any(|o| of(&o)) {
                let control = if kind == Kind::Control {
                    ", control"
                } else {
                    ""
                };
                let mut row = vec![format!("{class}{control}"), words.to_owned()];
                row.extend(lags(report.results.outcomes.iter().filter(of)));
                table.rows.push(row);
            }
        }
    }
    table
}

fn confusion(report: &Report<'_>, late: bool) -> Table {
    let outcomes = &report.results.outcomes;
    let said = |o: &Outcome| if late { o.late } else { o.first };
    let columns: BTreeSet<Class> = outcomes.iter().filter_map(said).collect();
    let mut head = vec!["truly".to_owned()];
    head.extend(columns.iter().map(ToString::to_string));
    head.extend(["nothing".to_owned(), "right".to_owned()]);
    let mut table = Table {
        title: if late {
            "Classes after late evidence".to_owned()
        } else {
            "Classes while it lasted".to_owned()
        },
        about: if late {
            "Losses of three sites and more; what stands in the end.".to_owned()
        } else {
            "Losses of three sites and more; what was published before they could tell."
                .to_owned()
        },
        head,
        rows: Vec::new(),
    };
    let covered = || outcomes.iter().filter(|o| o.sites >= 3);
    let rows: BTreeSet<(Kind, Class)> = covered().map(|o| (o.kind, o.class)).collect();
    for (kind, class) in rows {
        let of = || covered().filter(|o| o.kind == kind && o.class == class);
        let count = |what| of().filter(|o| said(o) == what).count();
        let control = if kind == Kind::Control {
            ", control"
        } else {
            ""
        };
        let mut row = vec![format!("{class}{control}")];
        row.extend(
            columns
                .iter()
                .map(|column| count(Some(*column)).to_string()),
        );
        row.push(count(None).to_string());
        row.push(share(count(Some(class)), of().count() - count(None)));
        table.rows.push(row);
    }
    let taken = |shutdown: bool| {
        let side = covered().filter(|o| is_shutdown(o.class) == shutdown);
        let known: Vec<bool> = side.filter_map(said).map(is_shutdown).collect();
        let right = known.iter().filter(|word| **word == shutdown).count();
        share(right, known.len())
    };
    let _ = write!(
        table.about,
        " Taken for a shutdown or not as they are: shutdowns {}, others {}.",
        taken(true),
        taken(false)
    );
    table
}

fn errors(report: &Report<'_>) -> Table {
    let mut table = Table::new(
        "False alarms",
        "A group-year is a year of one country; events of its networks, regions and kinds of \
         access count for it. Everyday outages that were confirmed did happen (maintenance, \
         power), to three sites for ten minutes.",
        &[
            "worlds",
            "group-years",
            "events published",
            "suspected of nothing, a year",
            "confirmed of nothing",
            "everyday outages confirmed, a year",
            "of these as a shutdown",
        ],
    );
    let mut add = |name: String, errors: &Errors| {
        let rate =
            |count: u32| format!("{:.3}", f64::from(count) / errors.group_years.max(1e-9));
        table.row([
            name,
            format!("{:.1}", errors.group_years),
            errors.alarms.to_string(),
            rate(errors.false_suspected),
            errors.false_confirmed.to_string(),
            rate(errors.benign_confirmed),
            errors.benign_accused.to_string(),
        ]);
    };
    add("quiet years".to_owned(), &report.results.quiet);
    for (rival, errors) in &report.results.quiet_rivals {
        add(format!("quiet years, {rival}"), errors);
    }
    for (probes, errors) in &report.results.errors {
        add(format!("beside events, fleets of {probes}"), errors);
    }
    table
}

fn calibration(report: &Report<'_>) -> Table {
    let mut table = Table::new(
        "Stated belief against what happened",
        "All published events of this run, quiet years included: it happened where two sites \
         or more lost something together, for whatever cause but the collector.",
        &[
            "belief",
            "when first published: stated",
            "happened",
            "in the end: stated",
            "happened",
        ],
    );
    let results = report.results;
    let mut first = results.first.clone();
    first.append(&results.quiet_first);
    let mut last = results.last.clone();
    last.append(&results.quiet_last);
    for (nth, from) in Calibration::EDGES.iter().enumerate() {
        let until = Calibration::EDGES.get(nth + 1).unwrap_or(&1.0);
        let stated = |(sum, _, all): (f64, u32, u32)| {
            if all == 0 {
                "-".to_owned()
            } else {
                format!("{:.3}", sum / f64::from(all))
            }
        };
        let happened = |(_, hits, all): (f64, u32, u32)| share(hits as usize, all as usize);
        table.row([
            format!("{from} to {until}"),
            stated(first.bins[nth]),
            happened(first.bins[nth]),
            stated(last.bins[nth]),
            happened(last.bins[nth]),
        ]);
    }
    table
}

fn rivals(report: &Report<'_>) -> Table {
    let mut table = Table::new(
        "Side by side",
        "The same worlds in the same run. Recall is of total and isolation; the rivals' \
         thresholds stand in docs/shutdown-evaluation.md. False alarms are those of quiet years: \
         suspected or confirmed of nothing, in a group-year.",
        &[
            "rule",
            "probes",
            "suspected",
            "confirmed",
            "lag to suspected",
            "lag to confirmed",
            "error of start",
            "suspected of nothing",
            "confirmed of nothing",
        ],
    );
    let results = report.results;
    let mut add = |name: &str, outcomes: &[Outcome], errors: Option<&Errors>| {
        let rate = |of: fn(&Errors) -> u32| {
            errors.filter(|e| e.group_years > 0.0).map_or_else(
                || "-".to_owned(),
                |e| format!("{:.3}", f64::from(of(e)) / e.group_years),
            )
        };
        for probes in report.fleets {
            let of: Vec<&Outcome> = outcomes
                .iter()
                .filter(|o| {
                    o.kind == Kind::Event && is_national(o.class) && o.probes == *probes
                })
                .collect();
            let count = |of_it: fn(&Outcome) -> Option<i64>| {
                of.iter().filter(|o| of_it(o).is_some()).count()
            };
            let lag = |of_it: fn(&Outcome) -> Option<i64>| {
                spread(of.iter().filter_map(|o| of_it(o)).map(i64::abs))
            };
            table.row([
                name.to_owned(),
                probes.to_string(),
                share(count(|o| o.suspected), of.len()),
                share(count(|o| o.confirmed), of.len()),
                lag(|o| o.suspected),
                lag(|o| o.confirmed),
                lag(|o| o.start_error),
                rate(|e| e.false_suspected),
                rate(|e| e.false_confirmed),
            ]);
        }
    };
    add("Faultline", &results.outcomes, Some(&results.quiet));
    for (rival, (outcomes, _)) in &results.rivals {
        let errors = results.quiet_rivals.get(rival);
        add(&rival.to_string(), outcomes, errors);
    }
    table
}

fn events(report: &Report<'_>) -> Table {
    let mut head = vec!["event".to_owned(), "class".to_owned()];
    head.extend(report.fleets.iter().map(|n| format!("{n} probes")));
    head.push("made up or left out".to_owned());
    let mut table = Table {
        title: "Every event".to_owned(),
        about: "Confirmed in how many seeds, and what most of them ended up as.".to_owned(),
        head,
        rows: Vec::new(),
    };
    let mut ids: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in &report.results.outcomes {
        ids.entry(&outcome.id).or_default().push(outcome);
    }
    for (id, outcomes) in ids {
        let story = id.split('/').next().unwrap_or(id);
        let story = report.history.stories.iter().find(|s| s.id == story);
        let class = outcomes.first().map(|o| o.class.to_string());
        let mut row = vec![id.to_owned(), class.unwrap_or_default()];
        for probes in report.fleets {
            let of = outcomes.iter().filter(|o| o.probes == *probes);
            let (all, mut confirmed, mut hit) = (of.clone().count(), 0, 0);
            let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
            for one in of {
                confirmed += usize::from(one.late_confirmed);
                hit += one.sites;
                if let Some(class) = one.late {
                    *ends.entry(class.word()).or_default() += 1;
                }
            }
            let most = ends.iter().max_by_key(|(_, count)| **count);
            let most = most.map_or("", |(word, _)| word);
            row.push(if hit < 3 * all {
                format!("{confirmed}/{all} {most} (not covered)")
            } else {
                format!("{confirmed}/{all} {most}")
            });
        }
        row.push(story.map_or_else(String::new, |s| s.remarks.join("; ")));
        table.rows.push(row);
    }
    table
}

fn left_out(report: &Report<'_>) -> Table {
    let mut table = Table::new(
        "Left out",
        "Rows of the events file that cannot be replayed, and why.",
        &["row", "because"],
    );
    for (id, why) in &report.history.left_out {
        table.row([id.clone(), why.clone()]);
    }
    table
}
