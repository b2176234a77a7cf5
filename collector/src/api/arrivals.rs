//! How do scores hear of what comes in? At once of what this process takes in; of what another
//! one did, an import, when the store is looked at again. Of each batch once.

use super::Scores;
use crate::store::{Arrival, MeasurementRow, Store, StoreError, rows_of};
use faultline_core::{id::BatchId, time::UnixTime};
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Batches that are remembered: far more than come in between two looks.
const REMEMBERED: usize = 1 << 16;
/// Rows that are taken in together.
const TOGETHER: usize = 1000;

/// What scores were told.
pub struct Arrivals {
    scores: Arc<Scores>,
    looked: Mutex<Arrival>,
    told: Mutex<Told>,
}

/// The latest batches, the oldest first.
#[derive(Default)]
struct Told {
    order: VecDeque<BatchId>,
    batches: HashSet<BatchId>,
}

impl Told {
    /// Whether it is new.
    fn add(&mut self, batch: BatchId) -> bool {
        if !self.batches.insert(batch) {
            return false;
        }
        self.order.push_back(batch);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.batches.remove(&oldest);
        }
        true
    }
}

impl Arrivals {
    /// Takes in everything that is stored.
    pub fn load(scores: Arc<Scores>, store: &dyn Store) -> Result<Self, StoreError> {
        let looked = store.newest()?;
        let mut rows = Vec::with_capacity(TOGETHER);
        // What came since `looked` may be among the rows, and will be found later, too.
        let mut seen = HashSet::new();
        let always = UnixTime(i64::MIN)..UnixTime(i64::MAX);
        store.measurements(always, &mut |row| {
            seen.insert(row.batch);
            rows.push(row);
            if rows.len() == TOGETHER {
                scores.add(&rows);
                rows.clear();
            }
            true
        })?;
        scores.add(&rows);
        let mut told = Told::default();
        store.after(looked, &mut |_, batch| {
            if seen.contains(&batch) {
                told.add(batch);
            }
        })?;
        Ok(Self {
            scores,
            looked: Mutex::new(looked),
            told: Mutex::new(told),
        })
    }

    /// Takes in the rows of a batch that this process stored.
    pub fn hear(&self, rows: &[MeasurementRow]) {
        if let Some(first) = rows.first()
            && guard(&self.told).add(first.batch)
        {
            self.scores.add(rows);
        }
    }

    /// Takes in what others stored since the last look; gives how many batches.
    pub fn look(&self, store: &dyn Store) -> Result<usize, StoreError> {
        let mut looked = guard(&self.looked);
        let mut new = Vec::new();
        store.after(*looked, &mut |at, batch| new.push((at, batch)))?;
        let mut count = 0;
        for (at, batch) in new {
            if !guard(&self.told).batches.contains(&batch) {
                let rows = match rows_of(store, batch) {
                    // It would not read at the next look either, nor let anything after it in.
                    Err(error @ StoreError::Corrupt(_)) => {
                        tracing::error!(%batch, %error, "a stored batch is passed over: scores do without it; `rebuild` tells more");
                        guard(&self.told).add(batch);
                        *looked = at;
                        continue;
                    }
                    rows => rows?,
                };
                // This process may have stored it, and be about to say so.
                if guard(&self.told).add(batch) {
                    self.scores.add(&rows);
                    count += 1;
                }
            }
            *looked = at;
        }
        Ok(count)
    }
}

fn guard<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
