//! What was counted? Sums over the counts of all loads that exist.

use super::{
    super::{Rollup, StoreError, Summary, derive::intern, sqlite::read::source_of},
    ClickHouse,
    loads::Snapshot,
    rows::{Count, Line, Members},
};
use faultline_core::{id::Country, time::UnixTime};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

const HOUR: i64 = 3_600_000_000;

impl ClickHouse {
    pub(super) fn read_rollups(
        &self,
        snapshot: &Snapshot,
        window: &Range<UnixTime>,
    ) -> Result<Vec<Rollup>, StoreError> {
        // Hours that start in the window: both ends rounded up.
        let hour = |t: UnixTime| t.0.div_euclid(HOUR) + i64::from(t.0.rem_euclid(HOUR) != 0);
        // A sum may not be called like what it is a sum of.
        let sql = format!(
            "SELECT hour, country, asn, target, experiment, source, outcome, mechanism,
               sum(rollup.n) AS n, sum(rollup.observations) AS observations
             FROM rollup WHERE {} AND hour >= {} AND hour < {}
             GROUP BY hour, country, asn, target, experiment, source, outcome, mechanism
             ORDER BY hour, country, asn, target, experiment, source, outcome,
               mechanism NULLS FIRST",
            snapshot.of("rollup"),
            hour(window.start),
            hour(window.end)
        );
        let found = self.engine.all::<Count>(self.engine.client.query(&sql))?;
        let rollups = found.into_iter().map(|c| {
            let (country, asn) = c.place();
            Rollup {
                hour: c.hour,
                country,
                asn,
                source: c.source(),
                target: c.target,
                experiment: intern(&c.experiment),
                outcome: c.outcome,
                mechanism: c.mechanism,
                count: c.n,
                observations: c.observations,
            }
        });
        Ok(rollups.collect())
    }

    pub(super) fn read_summary(&self, snapshot: &Snapshot) -> Result<Vec<Summary>, StoreError> {
        let sql = format!(
            "SELECT country, target, source, uniqExactIf(who, kind = 0) AS probes,
               uniqExactIf(who, kind = 1) AS networks
             FROM member WHERE {} GROUP BY country, target, source",
            snapshot.of("member")
        );
        let members = self.engine.all::<Members>(self.engine.client.query(&sql))?;
        let mut sizes: HashMap<(String, String, u8), (u64, u64)> = members
            .into_iter()
            .map(|m| ((m.country, m.target, m.source), (m.probes, m.networks)))
            .collect();
        let sql = format!(
            "SELECT country, target, source, outcome, mechanism, sum(rollup.n) AS n,
               sum(rollup.observations) AS observations, min(hour) AS first, max(hour) AS last
             FROM rollup WHERE {} GROUP BY country, target, source, outcome, mechanism
             ORDER BY country, target, source",
            snapshot.of("rollup")
        );
        let found = self.engine.all::<Line>(self.engine.client.query(&sql))?;
        let mut lines: Vec<Summary> = Vec::new();
        for part in found {
            let country = Country::new(&part.country).unwrap_or_default();
            let source = source_of(i64::from(part.source));
            let same = |l: &Summary| {
                l.country == country && l.target == part.target && l.source == source
            };
            if !lines.last().is_some_and(same) {
                let key = (part.country, part.target.clone(), part.source);
                let (probes, networks) = sizes.remove(&key).unwrap_or_default();
                lines.push(Summary {
                    country,
                    target: part.target,
                    source,
                    measurements: 0,
                    observations: 0,
                    outcomes: BTreeMap::new(),
                    mechanisms: BTreeMap::new(),
                    probes,
                    networks,
                    hours: (i64::MAX, i64::MIN),
                });
            }
            let Some(line) = lines.last_mut() else {
                continue;
            };
            line.measurements += part.n;
            line.observations += part.observations;
            *line.outcomes.entry(part.outcome).or_default() += part.n;
            if let Some(mechanism) = part.mechanism {
                *line.mechanisms.entry(mechanism).or_default() += part.n;
            }
            line.hours.0 = line.hours.0.min(part.first);
            line.hours.1 = line.hours.1.max(part.last);
        }
        Ok(lines)
    }
}
