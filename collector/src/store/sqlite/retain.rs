//! What may go, and what stays when it goes? Whole days of rows go by dropping their tables;
//! batches go when they are old enough and nothing that is made again needs them. Receipts
//! and identities stay, so that nothing is taken twice; counts stay and are not made again.

use super::{
    super::{Dropped, LEAP_DAYS, Retention, StoreError, query::day},
    desk::{self, Desk},
    shelf::Shelf,
};
use faultline_core::time::UnixTime;
use rusqlite::{Connection, params};

const DAY: i64 = 86_400_000_000;

/// What a policy asks for, in days since 1970.
pub(in crate::store) struct Plan {
    /// Rows of earlier days go.
    pub(in crate::store) rows: i64,
    /// Batches that arrived on earlier days go, and tokens that were issued then.
    pub(in crate::store) batches: i64,
    frozen: i64,
    clock: i64,
}

impl Plan {
    /// `newest` gives the newest day that has rows.
    pub(in crate::store) fn new(
        desk: &mut Desk,
        policy: &Retention,
        now: UnixTime,
        newest: impl FnOnce(&mut Desk) -> Result<Option<i64>, StoreError>,
    ) -> Result<Self, StoreError> {
        let today = day(now);
        let last = match desk::horizon(&desk.db, "clock")? {
            Some(day) => day,
            None => newest(desk)?.unwrap_or(today),
        };
        if !policy.clock_checked && today - last > LEAP_DAYS {
            return Err(StoreError::ClockLeap { days: today - last });
        }
        let before = |days: Option<u32>| days.map_or(i64::MIN, |days| today - i64::from(days));
        let (rows, batches) = (before(policy.observations), before(policy.batches));
        let old = desk.horizon()?;
        let (rows, frozen) = (rows.max(old.rows), batches.max(rows).max(old.frozen));
        Ok(Self {
            rows,
            // All that a batch carries started before the end of the day after its arrival.
            batches: batches.min(frozen).saturating_sub(1),
            frozen,
            clock: today.max(last),
        })
    }

    /// Drops tokens, and keeps in mind what was dropped.
    pub(in crate::store) fn note(
        &self,
        desk: &mut Desk,
        now: UnixTime,
        measurements: u64,
        batches: u64,
    ) -> Result<Dropped, StoreError> {
        let db = &desk.db;
        let tokens = db.execute("DELETE FROM epoch WHERE issued < ?1", [self.received()])?;
        for (name, day) in [
            ("rows", self.rows),
            ("frozen", self.frozen),
            ("clock", self.clock),
        ] {
            if day > i64::MIN {
                db.execute(
                    "INSERT INTO horizon VALUES (?1, ?2) ON CONFLICT DO UPDATE SET day = excluded.day",
                    params![name, day],
                )?;
            }
        }
        let dropped = Dropped {
            measurements,
            batches,
            tokens: tokens as u64,
        };
        if dropped != Dropped::default() {
            let what = format!(
                "retention dropped {measurements} measurements, {batches} batches and {tokens} network tokens"
            );
            db.execute(
                "INSERT INTO audit (at, what) VALUES (?1, ?2)",
                params![now.0, what],
            )?;
        }
        desk.forget();
        Ok(dropped)
    }

    /// The first moment of arrival that stays.
    fn received(&self) -> i64 {
        self.batches.saturating_mul(DAY)
    }
}

pub(super) fn retain(
    desk: &mut Desk,
    policy: &Retention,
    now: UnixTime,
) -> Result<Dropped, StoreError> {
    let newest = |desk: &mut Desk| {
        Ok(desk
            .db
            .query_row("SELECT max(day) FROM day", [], |r| r.get(0))?)
    };
    let plan = Plan::new(desk, policy, now, newest)?;
    let measurements = drop_days(&desk.db, i64::MIN, plan.rows)?;
    let batches = desk.db.execute(
        "DELETE FROM batch WHERE key IN (SELECT key FROM receipt WHERE received < ?1)",
        [plan.received()],
    )?;
    plan.note(desk, now, measurements, batches as u64)
}

/// Drops the rows of the days in `from..before`; identities and counts stay. Gives how many
/// measurements went.
pub(super) fn drop_days(db: &Connection, from: i64, before: i64) -> rusqlite::Result<u64> {
    let days: Vec<i64> = db
        .prepare_cached("SELECT day FROM day WHERE day >= ?1 AND day < ?2")?
        .query_map([from, before], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    let mut measurements = 0;
    for day in days {
        let s = Shelf::Day(day).suffix();
        let n: i64 =
            db.query_row(&format!("SELECT count(*) FROM measurement_{s}"), [], |r| {
                r.get(0)
            })?;
        measurements += n as u64;
        db.execute_batch(&format!(
            "DROP TABLE measurement_{s}; DROP TABLE observation_{s};"
        ))?;
        db.execute("DELETE FROM day WHERE day = ?1", [day])?;
    }
    // Those with a nonsensical start go by the day of arrival.
    let arrived = "batch IN (SELECT key FROM receipt WHERE received >= ?1 AND received < ?2)";
    let bounds = [first(from), first(before)];
    db.execute(
        &format!(
            "DELETE FROM observation_odd WHERE measurement IN
               (SELECT key FROM measurement_odd WHERE {arrived})"
        ),
        bounds,
    )?;
    let odd = db.execute(
        &format!("DELETE FROM measurement_odd WHERE {arrived}"),
        bounds,
    )?;
    Ok(measurements + odd as u64)
}

/// Drops all facts, which are elsewhere now; the ledger stays.
pub(in crate::store) fn let_go(db: &Connection) -> rusqlite::Result<()> {
    drop_days(db, i64::MIN, i64::MAX)?;
    db.execute_batch(
        "DELETE FROM observation_odd; DELETE FROM measurement_odd; DELETE FROM batch;
         DELETE FROM rollup; DELETE FROM summary; DELETE FROM summary_size;
         DELETE FROM summary_probe; DELETE FROM summary_network; DELETE FROM copied;",
    )
}

/// Forgets the identities of the measurements from a day on.
pub(in crate::store) fn forget_identities(db: &Connection, from: i64) -> rusqlite::Result<()> {
    if from == i64::MIN {
        db.execute("DELETE FROM seen", [])?;
    } else {
        db.execute(
            "DELETE FROM seen WHERE shelf >= ?1 OR (shelf < 0 AND -1 - shelf >= ?1)",
            [from],
        )?;
    }
    Ok(())
}

/// The first moment of a day. Whatever arrived before 1970 counts as of then.
fn first(day: i64) -> i64 {
    if day <= 0 {
        i64::MIN
    } else {
        day.saturating_mul(DAY)
    }
}
