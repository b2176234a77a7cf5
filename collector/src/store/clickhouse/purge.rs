//! When does what does not exist any more go from the disk? After the ledger said so, and
//! again where the engine was away: deleting twice does no harm.

use super::{
    super::{StoreError, sqlite::File as _},
    ClickHouse,
    engine::{LONG, PATIENCE},
    loads, read, schema,
};

impl ClickHouse {
    /// Deletes what was cut off.
    pub(super) fn purge(&self) -> Result<(), StoreError> {
        for cut in self.look(loads::cuts)? {
            // Those of a rebuild have no end: rows of the same days stand in their place.
            if cut.relation == "measurement" && cut.before != i64::MAX {
                self.move_ttl(cut.before)?;
            }
            self.delete(&cut.relation, &cut.condition())?;
            self.note(move |db| loads::done(db, &cut))?;
        }
        Ok(())
    }

    /// Deletes what was sent and never committed.
    pub(in crate::store) fn sweep(&self) -> Result<(), StoreError> {
        // The newest number may be about to be used.
        let before = self.look(loads::last)?;
        let lost = self.look(|db| loads::unswept(db, before))?;
        if lost.is_empty() {
            return Ok(());
        }
        for relation in schema::FACTS {
            self.delete(relation, &format!("load IN ({})", loads::list(&lost)))?;
        }
        self.note(move |db| loads::swept(db, before))
    }

    /// What comes from before that day, by whatever way, goes at the engine's next merge.
    /// Data that is there is deleted instead, at once.
    fn move_ttl(&self, day: i64) -> Result<(), StoreError> {
        self.engine.execute(
            PATIENCE,
            &format!(
                "ALTER TABLE measurement MODIFY TTL if(day < {},
                   toDateTime('1970-01-02 00:00:00', 'UTC'),
                   toDateTime('2106-01-01 00:00:00', 'UTC'))
                 SETTINGS materialize_ttl_after_modify = 0",
                read::int(day)
            ),
        )
    }

    /// Deletes, and waits until it is done.
    fn delete(&self, relation: &str, condition: &str) -> Result<(), StoreError> {
        self.engine.execute(
            LONG,
            &format!(
                "ALTER TABLE {relation} DELETE WHERE {condition} SETTINGS mutations_sync = 2"
            ),
        )
    }
}
