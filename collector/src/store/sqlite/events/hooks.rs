//! What was each webhook sent?

use super::{SqliteEvents, from_json};
use crate::{
    detect::event::{Revision, State},
    store::{
        StoreError,
        events::{Outbox, Parcel, Progress},
    },
};
use faultline_core::time::UnixTime;
use rusqlite::{OptionalExtension as _, params};

impl Outbox for SqliteEvents {
    fn progress(&self, hook: &str) -> Result<Progress, StoreError> {
        self.write(|tx| {
            // History is no news: a new webhook begins with what comes.
            tx.prepare_cached(
                "INSERT INTO hook VALUES (
                   ?1, (SELECT coalesce(max(number), 0) FROM revision), 0, 0)
                 ON CONFLICT DO NOTHING",
            )?
            .execute([hook])?;
            let progress = tx
                .prepare_cached("SELECT taken, failures, next FROM hook WHERE name = ?1")?
                .query_row([hook], |r| {
                    Ok(Progress {
                        taken: r.get(0)?,
                        failures: r.get(1)?,
                        next: UnixTime(r.get(2)?),
                    })
                })?;
            Ok(progress)
        })
    }

    fn note_progress(&self, hook: &str, progress: Progress) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.prepare_cached(
                "UPDATE hook SET taken = max(taken, ?2), failures = ?3, next = ?4
                 WHERE name = ?1",
            )?
            .execute(params![
                hook,
                progress.taken,
                progress.failures,
                progress.next.0
            ])?;
            Ok(())
        })
    }

    fn parcel(&self, after: i64) -> Result<Option<Parcel>, StoreError> {
        let db = self.db();
        let found: Option<(i64, String)> = db
            .prepare_cached(
                "SELECT number, body FROM revision
                 WHERE number > ?1 AND state <> 'candidate' ORDER BY number LIMIT 1",
            )?
            .query_row([after], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let Some((number, body)) = found else {
            return Ok(None);
        };
        let revision: Revision = from_json(&body)?;
        let before: Option<String> = db
            .prepare_cached(
                "SELECT state FROM revision WHERE event = ?1 AND revision < ?2
                 ORDER BY revision DESC LIMIT 1",
            )?
            .query_row(
                params![revision.event_id.to_string(), revision.revision],
                |r| r.get(0),
            )
            .optional()?;
        let before = before.and_then(|word| {
            let mut all = State::ALL.iter();
            all.find(|state| state.word() == word).copied()
        });
        Ok(Some(Parcel {
            number,
            revision,
            before,
        }))
    }
}
