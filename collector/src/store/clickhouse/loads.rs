//! What exists? The ledger decides. Rows are sent under a number that the ledger gave out
//! beforehand, durably; they exist from the moment in which the ledger's transaction takes
//! the number off the list of those that do not. A row that the engine got twice, too late,
//! or before a power cut has a number on that list for ever. What was replaced or dropped is
//! cut off likewise, at once, and deleted afterwards.

use super::super::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use std::{fmt::Write as _, ops::RangeInclusive};

/// What the ledger said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The last number that was given out.
    last: i64,
    /// Numbers whose rows do not exist. A database that was away leaves thousands one after the
    /// other, for ever: they are one range.
    hidden: Vec<RangeInclusive<i64>>,
    /// Those not deleted yet.
    cuts: Vec<Cut>,
    /// The last cut ever.
    pub(super) epoch: i64,
}

/// Rows of a table that do not exist any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    key: i64,
    pub(super) relation: String,
    /// Those with a lower number,
    pub(super) load: i64,
    /// of days from here
    pub(super) first: i64,
    /// to before this one.
    pub(super) before: i64,
}

impl Cut {
    /// As a condition.
    pub(super) fn condition(&self) -> String {
        let mut sql = format!("load < {}", self.load);
        for (bound, at) in [(">=", self.first), ("<", self.before)] {
            if at != i64::MIN && at != i64::MAX {
                let _ = write!(sql, " AND day {bound} {at}");
            }
        }
        sql
    }
}

impl Snapshot {
    /// Which rows of a table exist, as a condition.
    pub(super) fn of(&self, relation: &str) -> String {
        let mut sql = format!("load <= {}", self.last);
        let (single, ranges): (Vec<_>, Vec<_>) = self
            .hidden
            .iter()
            .partition(|hidden| hidden.start() == hidden.end());
        if !single.is_empty() {
            let single: Vec<i64> = single.iter().map(|hidden| *hidden.start()).collect();
            let _ = write!(sql, " AND load NOT IN ({})", list(&single));
        }
        for hidden in ranges {
            let (first, last) = (hidden.start(), hidden.end());
            let _ = write!(sql, " AND load NOT BETWEEN {first} AND {last}");
        }
        for cut in self.cuts.iter().filter(|cut| cut.relation == relation) {
            let _ = write!(sql, " AND NOT ({})", cut.condition());
        }
        sql
    }
}

/// Ascending numbers, neighbours together.
fn ranges(keys: impl IntoIterator<Item = i64>) -> Vec<RangeInclusive<i64>> {
    let mut ranges: Vec<RangeInclusive<i64>> = Vec::new();
    for key in keys {
        match ranges.last_mut() {
            Some(range) if range.end() + 1 == key => *range = *range.start()..=key,
            _ => ranges.push(key..=key),
        }
    }
    ranges
}

/// Numbers with commas between.
pub(super) fn list(numbers: &[i64]) -> String {
    let words: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    words.join(", ")
}

pub(super) fn snapshot(db: &Connection) -> Result<Snapshot, StoreError> {
    let mut found = db.prepare_cached("SELECT key FROM load ORDER BY key")?;
    let mut found = found.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = found.next()? {
        keys.push(row.get(0)?);
    }
    Ok(Snapshot {
        last: last(db)?,
        hidden: ranges(keys),
        cuts: cuts(db)?,
        epoch: epoch(db)?,
    })
}

pub(super) fn epoch(db: &Connection) -> Result<i64, StoreError> {
    sequence(db, "cut")
}

/// The last number that was given out.
pub(super) fn last(db: &Connection) -> Result<i64, StoreError> {
    sequence(db, "load")
}

fn sequence(db: &Connection, table: &str) -> Result<i64, StoreError> {
    let found = db
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?
        .query_row([table], |r| r.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// Gives out the next number; it counts when the transaction is committed.
pub(super) fn give_out(db: &Connection) -> Result<i64, StoreError> {
    db.prepare_cached("INSERT INTO load DEFAULT VALUES")?
        .execute([])?;
    Ok(db.last_insert_rowid())
}

/// Takes a number off the list: committed, or never used.
pub(super) fn take_off(db: &Connection, load: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM load WHERE key = ?1")?
        .execute([load])?;
    Ok(())
}

/// Cuts off the rows of a table, of loads before `load` and days in `first..before`.
pub(super) fn cut(
    db: &Connection,
    relation: &str,
    load: i64,
    first: i64,
    before: i64,
) -> Result<(), StoreError> {
    if first >= before {
        return Ok(());
    }
    db.execute(
        "INSERT INTO cut (relation, load, first, before) VALUES (?1, ?2, ?3, ?4)",
        params![relation, load, first, before],
    )?;
    Ok(())
}

/// Those whose rows are still to be deleted.
pub(super) fn cuts(db: &Connection) -> Result<Vec<Cut>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT key, relation, load, first, before FROM cut WHERE done = 0 ORDER BY key",
    )?;
    let cuts = found
        .query_map([], |r| {
            Ok(Cut {
                key: r.get(0)?,
                relation: r.get(1)?,
                load: r.get(2)?,
                first: r.get(3)?,
                before: r.get(4)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(cuts)
}

pub(super) fn done(db: &Connection, cut: &Cut) -> Result<(), StoreError> {
    db.execute("UPDATE cut SET done = 1 WHERE key = ?1", [cut.key])?;
    Ok(())
}

/// Numbers before `load` that may have left rows behind, looked for less than twice: an
/// insert whose sender is gone may still end.
pub(super) fn unswept(db: &Connection, load: i64) -> Result<Vec<i64>, StoreError> {
    let found = db
        .prepare_cached("SELECT key FROM load WHERE swept < 2 AND key < ?1")?
        .query_map([load], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

pub(super) fn swept(db: &Connection, load: i64) -> Result<(), StoreError> {
    db.execute("UPDATE load SET swept = swept + 1 WHERE key < ?1", [load])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_a_condition() {
        let cut = |relation: &str, first, before| Cut {
            key: 1,
            relation: relation.into(),
            load: 9,
            first,
            before,
        };
        let snapshot = Snapshot {
            last: 12,
            hidden: ranges([3, 5, 6, 7, 12]),
            cuts: vec![cut("batch", i64::MIN, 40), cut("rollup", 7, i64::MAX)],
            epoch: 2,
        };
        assert_eq!(
            snapshot.of("batch"),
            "load <= 12 AND load NOT IN (3, 12) AND load NOT BETWEEN 5 AND 7 AND NOT (load < 9 AND day < 40)"
        );
        assert_eq!(
            snapshot.of("rollup"),
            "load <= 12 AND load NOT IN (3, 12) AND load NOT BETWEEN 5 AND 7 AND NOT (load < 9 AND day >= 7)"
        );
        assert_eq!(Snapshot::default().of("member"), "load <= 0");
    }
}
