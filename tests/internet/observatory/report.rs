//! What was seen, by whom, and what does it mean? A table for people, and a comparison with
//! the world's outlook for tests.

use super::Observatory;
use crate::run::named;
use faultline_collector::store::{Facts, MeasurementRow, StoreError};
use faultline_core::{
    id::{Asn, Country, ProbeId},
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Which of the two experiments on a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// On its name.
    Name,
    /// On the page.
    Page,
}

/// Who found something.
#[derive(Clone, Debug, Default)]
pub struct Finders {
    probes: BTreeSet<ProbeId>,
    networks: BTreeSet<Asn>,
}

/// What was found about one target in one country: a mechanism or an outcome, and by whom.
pub type Found = BTreeMap<String, Finders>;

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    cells: BTreeMap<(Country, String), BTreeMap<About, Found>>,
    wrong: Vec<String>,
    measurements: usize,
    traces: usize,
}

impl Report {
    /// From the rows of a store, beside the world's outlook.
    pub fn new(world: &Observatory, facts: &dyn Facts) -> Result<Self, StoreError> {
        Self::since(world, facts, UnixTime(i64::MIN))
    }

    /// Likewise, of what was measured from `start` on.
    pub fn since(
        world: &Observatory,
        facts: &dyn Facts,
        start: UnixTime,
    ) -> Result<Self, StoreError> {
        let mut report = Self::default();
        facts.measurements(start..UnixTime(i64::MAX), &mut |row| {
            report.add(world, &row);
            true
        })?;
        Ok(report)
    }

    fn add(&mut self, world: &Observatory, row: &MeasurementRow) {
        let (about, target) = if row.experiment == "web" {
            (About::Page, row.target.clone())
        } else {
            // The experiment on the name carries the name: find its URL.
            let mut urls = world.measure.iter().map(|m| m.target.as_str());
            let url = urls.find(|url| named(url) == row.target);
            (About::Name, url.unwrap_or(&row.target).to_owned())
        };
        let found = row.verdict.mechanism.as_ref();
        let found = found.unwrap_or(&row.verdict.outcome).clone();
        let (name, page) = world.expected(row.country.as_str(), row.asn.0, &target);
        let expected = if about == About::Name { name } else { page };
        if found != expected {
            self.wrong.push(format!(
                "{} {} {target} {about:?}: expected {expected}, found {found}",
                row.country, row.asn
            ));
        }
        if matches!(row.experiment, "web" | "dns_consistency") {
            self.measurements += 1;
        } else {
            self.traces += 1;
        }
        let cell = self.cells.entry((row.country, target)).or_default();
        let finders = cell.entry(about).or_default().entry(found).or_default();
        finders.probes.insert(row.probe);
        finders.networks.insert(row.asn);
    }

    /// Findings that the outlook does not expect, one a line; empty where all is as it ought
    /// to be.
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// Measurements of names and pages in the report.
    pub fn measurements(&self) -> usize {
        self.measurements
    }

    /// Measurements of the DNS itself in the report.
    pub fn traces(&self) -> usize {
        self.traces
    }

    /// The table: a line for each country and target.
    pub fn table(&self, world: &Observatory) -> String {
        let mut lines = vec![[
            "country".to_owned(),
            "target".to_owned(),
            "name".to_owned(),
            "page".to_owned(),
        ]];
        let mut last = None;
        for ((country, target), cell) in &self.cells {
            let place = if last == Some(*country) {
                String::new()
            } else {
                format!("{country} {}", world.country_name(country.as_str()))
            };
            last = Some(*country);
            let words = |about| cell.get(&about).map(words).unwrap_or_default();
            lines.push([
                place,
                target.clone(),
                words(About::Name),
                words(About::Page),
            ]);
        }
        let width = |column: usize| lines.iter().map(|l| l[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let mut table = String::new();
        for [a, b, c, d] in &lines {
            let [wa, wb, wc] = widths;
            let line = format!("{a:wa$}  {b:wb$}  {c:wc$}  {d}");
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }
}

/// `dns.nxdomain 3/6 probes in 1/2 networks, ok 3/6 in 1/2`, the most frequent first.
fn words(found: &Found) -> String {
    let all = found.values().fold(Finders::default(), |mut all, some| {
        all.probes.extend(&some.probes);
        all.networks.extend(&some.networks);
        all
    });
    let mut entries: Vec<_> = found.iter().collect();
    entries.sort_by_key(|(word, finders)| (*word == "ok", usize::MAX - finders.probes.len()));
    let one = |(word, finders): &(&String, &Finders)| {
        format!(
            "{word} {}/{} in {}/{} AS",
            finders.probes.len(),
            all.probes.len(),
            finders.networks.len(),
            all.networks.len()
        )
    };
    entries.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observatory::{
        history::{History, history},
        simulated::simulate,
    };
    use faultline_collector::store::sqlite::Sqlite;
    use std::sync::Arc;

    #[test]
    fn what_was_measured_before_is_not_in_it() {
        let text = include_str!("../../scenarios/world/sixty_days.toml");
        let mut world = Observatory::parse(text).unwrap();
        world.fleet.truncate(1);
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
        let until = UnixTime::from_secs(1_790_000_000);
        let wanted = History {
            days: 2,
            until,
            targets: 1,
        };
        let made = history(&world, &wanted, &store, folder.path(), &mut |_| {}).unwrap();
        let count = |start| {
            Report::since(&world, &*store, start)
                .unwrap()
                .measurements()
        };
        let all = usize::try_from(made.measurements).unwrap();
        let report = Report::new(&world, &*store).unwrap();
        assert_eq!(report.measurements() + report.traces(), all);
        let yesterday = UnixTime::from_secs(until.secs() - 86_400);
        assert_eq!(count(yesterday), report.measurements() / 2);
        assert_eq!(
            count(until + faultline_core::time::Duration::from_hours(24)),
            0
        );
    }

    #[test]
    fn what_the_outlook_does_not_expect_is_wrong() {
        let text = include_str!("../../scenarios/world/six_countries.toml");
        let mut world = Observatory::parse(text).unwrap();
        world.fleet.truncate(1);
        world.measure.truncate(1);
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
        simulate(&world, &store, folder.path()).unwrap();
        let as_expected = Report::new(&world, &*store).unwrap();
        assert_eq!(as_expected.wrong(), <[String; 0]>::default());
        world.outlook.insert(
            0,
            crate::observatory::Outlook {
                country: None,
                networks: vec![],
                target: world.measure[0].target.clone(),
                name: None,
                page: Some("tls.reset.sni".into()),
            },
        );
        let wrong = Report::new(&world, &*store).unwrap();
        assert_eq!(wrong.wrong().len(), usize::from(world.fleet[0].probes));
        assert!(wrong.wrong()[0].contains("expected tls.reset.sni, found ok"));
    }
}
