//! What is reported? The same tables as a page of its own, without any other host, and as
//! Markdown.

mod bars;
mod page;
mod plot;
mod tables;

use super::{history::History, run::Results};
use std::fmt::Write as _;

pub use bars::{Bar, bars};

/// What a report is about.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    pub history: &'a History,
    pub fleets: &'a [usize],
    pub seeds: u64,
    pub results: &'a Results,
    /// How it was run, and how long that took.
    pub run: Vec<String>,
}

/// Rows under a headline.
#[derive(Clone, Debug, Default)]
struct Table {
    title: String,
    /// What it says, in a sentence or two.
    about: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: &str, about: &str, head: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            head: head.iter().map(|&word| word.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl Report<'_> {
    /// For the documents: the tables without those of single events.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.run {
            text.push_str(line);
            text.push('\n');
        }
        for table in tables::all(self) {
            markdown(&table, &mut text);
        }
        text
    }

    /// For a browser.
    pub fn page(&self) -> String {
        page::page(self, &tables::all(self))
    }
}

fn markdown(table: &Table, text: &mut String) {
    let _ = write!(text, "\n### {}\n\n{}\n\n", table.title, table.about);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "/")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&line(&table.head));
    let _ = writeln!(text, "|{}", "---|".repeat(table.head.len()));
    for row in &table.rows {
        text.push_str(&line(row));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::run::{Plan, quiet_worlds, stories},
        *,
    };

    #[test]
    fn a_report_needs_no_other_host_and_has_every_event() {
        let text = "id,country_code,scope,area,asns,class,cause,start_utc,end_utc,pattern\n\
             A<b>,UG,national,,,total,government,2021-01-13T16:00Z,2021-01-13T20:00Z,single\n\
             B,AR,national,,,power,power,2021-01-13T16:00Z,2021-01-13T20:00Z,\n\
             C,AR,national,,,throttling,government,2021-01-13T16:00Z,,\n";
        let history = History::read(text, "t").unwrap();
        let plan = Plan {
            stories: history.stories.clone(),
            fleets: vec![3, 5],
            seeds: 1,
            first_seed: 0,
            settings: faultline_collector::detect::Settings::default(),
            quiet_years: 0,
            quiet_days: 1,
            threads: 2,
        };
        let mut results = Results::default();
        stories(&plan, &mut results, &|_, _| ());
        quiet_worlds(&plan, &mut results, &|_, _| ());
        assert_eq!(results.outcomes.len(), 4);
        let report = Report {
            history: &history,
            fleets: &plan.fleets,
            seeds: 1,
            results: &results,
            run: vec!["    cargo x evaluate".to_owned()],
        };
        let page = report.page();
        for outside in ["http://", "https://", "<script", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("A&lt;b&gt;") && page.contains("too small to show throttling"));
        let text = report.markdown();
        assert!(text.contains("### What must hold"));
        assert!(
            text.contains("| not run |"),
            "quiet years were not asked for"
        );
        // Every row has as many cells as its headline.
        for table in tables::all(&report) {
            assert!(table.rows.iter().all(|row| row.len() == table.head.len()));
        }
    }
}
