//! How do measurements and batches come back out? One query sees one state of the tables,
//! however long it is read; which rows of it exist is what the ledger said before it began.
//! If something was cut off meanwhile, rows may have been deleted under the question: then
//! it is asked again.

use super::{
    super::{
        MeasurementRow, Query, StoreError, StoredBatch,
        sqlite::{File as _, batches, read::source_number, shelf::Shelf},
    },
    ClickHouse,
    loads::{self, Snapshot},
    rows::{KeptBatch, Measurement, columns, narrow},
};
use faultline_core::{
    id::{BatchId, Country, MeasurementId},
    time::UnixTime,
};
use rusqlite::OptionalExtension;
use std::{fmt::Write as _, ops::Range};

/// A number in SQL: the lowest has no literal.
pub(super) fn int(number: i64) -> String {
    if number == i64::MIN {
        format!("toInt64('{number}')")
    } else {
        number.to_string()
    }
}

fn hex(id: [u8; 16]) -> String {
    let digits = id.map(|byte| format!("{byte:02X}")).concat();
    format!("toFixedString(unhex('{digits}'), 16)")
}

/// Conditions on the start.
fn within(window: &Range<UnixTime>) -> String {
    format!(
        "started >= {} AND started < {}",
        int(window.start.0),
        int(window.end.0)
    )
}

impl ClickHouse {
    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.look(loads::snapshot)
    }

    /// Reads what exists at one moment.
    pub(super) fn settled<T>(
        &self,
        mut read: impl FnMut(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let snapshot = self.snapshot()?;
            let done = read(&snapshot)?;
            if self.still(&snapshot)? {
                return Ok(done);
            }
        }
    }

    /// Whether nothing was cut off since.
    fn still(&self, snapshot: &Snapshot) -> Result<bool, StoreError> {
        Ok(self.look(loads::epoch)? == snapshot.epoch)
    }

    pub(super) fn read_measurements(
        &self,
        window: &Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError> {
        let sql = |snapshot: &Snapshot| self.window(snapshot, window);
        self.steadily(sql, &mut |chunk| hand_over(chunk, each))
    }

    /// Those of a moment; whoever asks sees to it that nothing was cut off meanwhile.
    pub(super) fn read_measurements_of(
        &self,
        snapshot: &Snapshot,
        window: &Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError> {
        let query = self.window(snapshot, window);
        self.engine.each(query, &mut |chunk| hand_over(chunk, each))
    }

    fn window(
        &self,
        snapshot: &Snapshot,
        window: &Range<UnixTime>,
    ) -> clickhouse::query::Query {
        self.engine.client.query(&format!(
            "SELECT {} FROM measurement WHERE {} AND {} ORDER BY started, id",
            columns(true),
            within(window),
            snapshot.of("measurement")
        ))
    }

    pub(super) fn read_batches(
        &self,
        each: &mut dyn FnMut(StoredBatch) -> bool,
    ) -> Result<(), StoreError> {
        let sql = |snapshot: &Snapshot| {
            let sql = format!(
                "SELECT key, bytes FROM batch WHERE {} ORDER BY key",
                snapshot.of("batch")
            );
            self.engine.client.query(&sql)
        };
        let mut batches = |chunk: Vec<KeptBatch>| {
            for found in chunk {
                let bytes = found.bytes.into_vec();
                let whole = self.look(|db| batches::with_receipt(db, found.key, bytes))?;
                if !each(whole) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        self.steadily(sql, &mut batches)
    }

    /// A long answer: once its first rows are there, the engine holds on to the state that
    /// it reads.
    fn steadily<T>(
        &self,
        query: impl Fn(&Snapshot) -> clickhouse::query::Query,
        rows: &mut dyn FnMut(Vec<T>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead + Send + 'static,
    {
        loop {
            let snapshot = self.snapshot()?;
            let mut sure = false;
            let mut again = false;
            self.engine.each::<T>(query(&snapshot), &mut |chunk| {
                if !sure {
                    sure = self.still(&snapshot)?;
                    again = !sure;
                }
                if again { Ok(false) } else { rows(chunk) }
            })?;
            if !again {
                return Ok(());
            }
        }
    }

    pub(super) fn read_page(&self, query: &Query) -> Result<Vec<MeasurementRow>, StoreError> {
        self.settled(|snapshot| {
            let mut sql = format!(
                "SELECT {} FROM measurement WHERE {} AND {}",
                columns(query.observations),
                within(&query.window),
                snapshot.of("measurement")
            );
            if let Some((started, id)) = query.after {
                let (started, id) = (int(started.0), hex(id.0));
                let _ = write!(
                    sql,
                    " AND started >= {started} AND NOT (started = {started} AND id <= {id})"
                );
            }
            if let Some(source) = query.source {
                let _ = write!(sql, " AND source = {}", source_number(source));
            }
            let words = [
                ("country", query.country.as_ref().map(Country::as_str)),
                ("target", query.target.as_deref()),
                ("outcome", query.outcome.as_deref()),
            ];
            for (column, _) in words.iter().filter(|(_, word)| word.is_some()) {
                let _ = write!(sql, " AND {column} = ?");
            }
            let _ = write!(sql, " ORDER BY started, id LIMIT {}", query.limit);
            let mut asked = self.engine.client.query(&sql);
            for word in words.iter().filter_map(|(_, word)| *word) {
                asked = asked.bind(word);
            }
            let found = self.engine.all::<Measurement>(asked)?;
            found.into_iter().map(Measurement::whole).collect()
        })
    }

    pub(super) fn read_measurement(
        &self,
        id: MeasurementId,
    ) -> Result<Option<MeasurementRow>, StoreError> {
        self.settled(|snapshot| {
            let shelf = self.look(|db| {
                Ok(db
                    .prepare_cached("SELECT shelf FROM seen WHERE id = ?1")?
                    .query_row([id.0], |r| Ok(Shelf::from_number(r.get(0)?)))
                    .optional()?)
            })?;
            let Some(shelf) = shelf else { return Ok(None) };
            let sql = format!(
                "SELECT {} FROM measurement WHERE {} AND day = {} AND id = {} LIMIT 1",
                columns(true),
                snapshot.of("measurement"),
                narrow(shelf.day()),
                hex(id.0)
            );
            let found = self
                .engine
                .all::<Measurement>(self.engine.client.query(&sql))?;
            found.into_iter().next().map(Measurement::whole).transpose()
        })
    }

    pub(super) fn read_batch(&self, id: BatchId) -> Result<Option<StoredBatch>, StoreError> {
        let Some(key) = self.look(|db| batches::number(db, id))? else {
            return Ok(None);
        };
        let found = self.settled(|snapshot| {
            let sql = format!(
                "SELECT key, bytes FROM batch WHERE {} AND key = {key} LIMIT 1",
                snapshot.of("batch")
            );
            self.engine.all::<KeptBatch>(self.engine.client.query(&sql))
        })?;
        found
            .into_iter()
            .next()
            .map(|found| self.look(|db| batches::with_receipt(db, key, found.bytes.into_vec())))
            .transpose()
    }
}

fn hand_over(
    chunk: Vec<Measurement>,
    each: &mut dyn FnMut(MeasurementRow) -> bool,
) -> Result<bool, StoreError> {
    for found in chunk {
        if !each(found.whole()?) {
            return Ok(false);
        }
    }
    Ok(true)
}
