//! How does the report look in a browser? One file, no script, no other host.

use super::{
    super::score::{Calibration, Kind, Outcome},
    Report, Table,
    bars::is_national,
    plot::{Axes, Line, escaped, lines},
};
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;\
padding:0 1em;color:#222;background:#fff}h1,h2{line-height:1.2}table{border-collapse:collapse;\
font-size:.85em;margin:1em 0}td,th{border:1px solid #bbb;padding:.25em .5em;text-align:left;\
vertical-align:top}th{background:#eee}.wide{overflow-x:auto}svg{width:100%;max-width:40em;\
font:12px system-ui,sans-serif;fill:#222}.grid{stroke:#ddd}.no{background:#fbd5d5;\
font-weight:bold}figure{margin:1em 0}code{background:#eee}";

pub(super) fn page(report: &Report<'_>, tables: &[Table]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>How well are shutdowns found?</title><style>{STYLE}</style></head><body>\
         <h1>How well are shutdowns found?</h1>"
    );
    for line in &report.run {
        let _ = write!(page, "<p>{}</p>", escaped(line.trim()));
    }
    for (nth, one) in tables.iter().enumerate() {
        table(one, &mut page);
        if nth == 0 {
            for (title, plot) in plots(report) {
                let _ = write!(
                    page,
                    "<figure><figcaption>{}</figcaption>{plot}</figure>",
                    escaped(title)
                );
            }
        }
    }
    page.push_str("</body></html>\n");
    page
}

fn table(table: &Table, page: &mut String) {
    let _ = write!(
        page,
        "<h2>{}</h2><p>{}</p><div class=\"wide\"><table><thead><tr>",
        escaped(&table.title),
        escaped(&table.about)
    );
    for word in &table.head {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escaped(word));
    }
    page.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        page.push_str("<tr>");
        for cell in row {
            let class = if cell == "NO" { " class=\"no\"" } else { "" };
            let _ = write!(page, "<td{class}>{}</td>", escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

fn ticks(values: &[f64], word: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    values.iter().map(|value| (*value, word(*value))).collect()
}

fn plots(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let lag = "Total and isolation: share suspected after so many minutes, by size of fleet";
    let recall = "Total and isolation: share suspected at all, by rule and size of fleet";
    let stated = "Belief in the end, and how often it happened";
    vec![
        (lag, lags(report, lag)),
        (recall, recalls(report, recall)),
        (stated, beliefs(report, stated)),
    ]
}

fn national(outcomes: &[Outcome], probes: usize) -> Vec<&Outcome> {
    let of = |o: &&Outcome| o.kind == Kind::Event && is_national(o.class) && o.probes == probes;
    outcomes.iter().filter(of).collect()
}

fn lags(report: &Report<'_>, title: &str) -> String {
    let all = report.fleets.iter().map(|probes| {
        let outcomes = national(&report.results.outcomes, *probes);
        let points = (0..=30).map(|half| {
            let within = |o: &&&Outcome| o.suspected.is_some_and(|lag| lag <= half * 30);
            let part = outcomes.iter().filter(within).count();
            let share = part as f64 / outcomes.len().max(1) as f64;
            (half as f64 / 2.0, share)
        });
        Line {
            name: format!("{probes} probes"),
            points: points.collect(),
        }
    });
    let axes = Axes {
        title,
        x: "minutes since the onset",
        y: "share suspected",
        x_ticks: ticks(&[0.0, 3.0, 5.0, 10.0, 15.0], |x| format!("{x}")),
        y_ticks: ticks(&[0.0, 0.25, 0.5, 0.75, 1.0], |y| format!("{y}")),
    };
    lines(&axes, &all.collect::<Vec<_>>())
}

fn recalls(report: &Report<'_>, title: &str) -> String {
    let line = |name: String, outcomes: &[Outcome]| {
        let points = report.fleets.iter().enumerate().map(|(nth, probes)| {
            let of = national(outcomes, *probes);
            let found = of.iter().filter(|o| o.suspected.is_some()).count();
            (nth as f64, found as f64 / of.len().max(1) as f64)
        });
        Line {
            name,
            points: points.collect(),
        }
    };
    let mut all = vec![line("Faultline".to_owned(), &report.results.outcomes)];
    for (rival, (outcomes, _)) in &report.results.rivals {
        all.push(line(rival.to_string(), outcomes));
    }
    let sizes = report.fleets.iter().enumerate();
    let axes = Axes {
        title,
        x: "probes in the country",
        y: "recall",
        x_ticks: sizes.map(|(nth, n)| (nth as f64, n.to_string())).collect(),
        y_ticks: ticks(&[0.0, 0.25, 0.5, 0.75, 1.0], |y| format!("{y}")),
    };
    lines(&axes, &all)
}

fn beliefs(report: &Report<'_>, title: &str) -> String {
    let mut last: Calibration = report.results.last.clone();
    last.append(&report.results.quiet_last);
    let known = last.bins.iter().filter(|bin| bin.2 > 0);
    let points = known.map(|(sum, hits, all)| {
        let all = f64::from(*all);
        (sum / all, f64::from(*hits) / all)
    });
    let found = Line {
        name: "happened".to_owned(),
        points: points.collect(),
    };
    let ideal = Line {
        name: "as stated".to_owned(),
        points: vec![(0.0, 0.0), (1.0, 1.0)],
    };
    let quarters = [0.0, 0.25, 0.5, 0.75, 1.0];
    let axes = Axes {
        title,
        x: "stated belief",
        y: "happened",
        x_ticks: ticks(&quarters, |x| format!("{x}")),
        y_ticks: ticks(&quarters, |y| format!("{y}")),
    };
    lines(&axes, &[found, ideal])
}
