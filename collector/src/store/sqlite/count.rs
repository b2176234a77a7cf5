//! What is counted already? Read as it was counted, never from the rows.

use super::{
    super::{Rollup, StoreError, Summary, derive::intern},
    read::{self, source_of},
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::ops::Range;

const HOUR: i64 = 3_600_000_000;

pub(in crate::store) fn rollups(
    db: &Connection,
    window: Range<UnixTime>,
    each: &mut dyn FnMut(Rollup),
) -> Result<(), StoreError> {
    // Hours that start in the window: both ends rounded up.
    let hour = |t: UnixTime| t.0.div_euclid(HOUR) + i64::from(t.0.rem_euclid(HOUR) != 0);
    let mut found = db.prepare_cached(
        "SELECT u.hour, c.text, u.asn, t.text, e.text, u.source, v.text, n.text, u.n,
           u.observations
         FROM rollup u JOIN word c ON c.id = u.country JOIN word t ON t.id = u.target
         JOIN word e ON e.id = u.experiment JOIN word v ON v.id = u.outcome
         LEFT JOIN word n ON n.id = u.mechanism WHERE u.hour >= ?1 AND u.hour < ?2
         ORDER BY u.hour, c.text, u.asn, t.text, e.text, u.source, v.text, n.text",
    )?;
    let mut found = found.query([hour(window.start), hour(window.end)])?;
    while let Some(r) = found.next()? {
        each(Rollup {
            hour: r.get(0)?,
            country: Country::new(r.get_ref(1)?.as_str().unwrap_or_default())
                .unwrap_or_default(),
            asn: Asn(r.get(2)?),
            target: r.get(3)?,
            experiment: intern(r.get_ref(4)?.as_str().unwrap_or_default()),
            source: source_of(r.get(5)?),
            outcome: r.get(6)?,
            mechanism: r.get(7)?,
            count: r.get::<_, i64>(8)? as u64,
            observations: r.get::<_, i64>(9)? as u64,
        });
    }
    Ok(())
}

pub(super) fn summary(db: &Connection) -> Result<Vec<Summary>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT c.text, t.text, s.source, v.text, n.text, s.n, s.observations, s.first, s.last,
           z.probes, z.networks
         FROM summary s JOIN summary_size z USING (country, target, source)
         JOIN word c ON c.id = s.country JOIN word t ON t.id = s.target
         JOIN word v ON v.id = s.outcome LEFT JOIN word n ON n.id = s.mechanism
         ORDER BY c.text, t.text, s.source",
    )?;
    let mut found = found.query([])?;
    let mut lines: Vec<Summary> = Vec::new();
    while let Some(r) = found.next()? {
        let country =
            Country::new(r.get_ref(0)?.as_str().unwrap_or_default()).unwrap_or_default();
        let (target, source) = (
            r.get_ref(1)?.as_str().unwrap_or_default(),
            source_of(r.get(2)?),
        );
        let same =
            |l: &Summary| l.country == country && l.target == target && l.source == source;
        if !lines.last().is_some_and(same) {
            lines.push(Summary {
                country,
                target: target.into(),
                source,
                measurements: 0,
                observations: 0,
                outcomes: std::collections::BTreeMap::new(),
                mechanisms: std::collections::BTreeMap::new(),
                probes: r.get::<_, i64>(9)? as u64,
                networks: r.get::<_, i64>(10)? as u64,
                hours: (i64::MAX, i64::MIN),
            });
        }
        let Some(line) = lines.last_mut() else {
            continue;
        };
        let count = r.get::<_, i64>(5)? as u64;
        line.measurements += count;
        line.observations += r.get::<_, i64>(6)? as u64;
        *line.outcomes.entry(r.get(3)?).or_default() += count;
        if let Some(mechanism) = r.get(4)? {
            *line.mechanisms.entry(mechanism).or_default() += count;
        }
        line.hours.0 = line.hours.0.min(r.get(7)?);
        line.hours.1 = line.hours.1.max(r.get(8)?);
    }
    Ok(lines)
}

pub(in crate::store) fn digest(db: &Connection) -> Result<[u8; 32], StoreError> {
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let mut hash = Sha256::new();
    read::measurements(db, all.clone(), &mut |m| {
        hash.update(format!("{m:?}\n"));
        true
    })?;
    rollups(db, all, &mut |rollup| hash.update(format!("{rollup:?}\n")))?;
    for line in summary(db)? {
        hash.update(format!("{line:?}\n"));
    }
    Ok(hash.finalize().into())
}
