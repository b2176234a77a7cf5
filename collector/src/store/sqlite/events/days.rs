//! Days of coverage that were read lately. Lists of events ask for the same few days, of all
//! places, for each of their rows.

use super::{super::super::StoreError, read};
use crate::detect::event::Covered;
use faultline_core::time::UnixTime;
use rusqlite::Connection;
use std::{collections::BTreeMap, sync::Arc};

/// Days that are kept: a page of a list is seldom of more.
const MOST: usize = 64;
const DAY: i64 = 86_400_000_000;

#[derive(Default)]
pub(super) struct Days {
    /// Of what state of the file: changes by this connection, and by others.
    of: (u64, i64),
    days: BTreeMap<UnixTime, Arc<[Covered]>>,
}

impl Days {
    pub(super) fn read(
        &mut self,
        db: &Connection,
        day: UnixTime,
    ) -> Result<Arc<[Covered]>, StoreError> {
        let others = db
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |r| r.get(0))?;
        let now = (db.total_changes(), others);
        if self.of != now {
            self.days.clear();
            self.of = now;
        }
        if let Some(rows) = self.days.get(&day) {
            return Ok(Arc::clone(rows));
        }
        let until = UnixTime(day.0.saturating_add(DAY));
        let rows: Arc<[Covered]> = read::coverage(db, day..until)?.into();
        if self.days.len() >= MOST {
            self.days.pop_first();
        }
        self.days.insert(day, Arc::clone(&rows));
        Ok(rows)
    }
}
