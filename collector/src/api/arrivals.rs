//! How do scores hear of what comes in? At once of what this process takes in; of what another
//! one did, an import, when the store is looked at again. Of each batch once.

use super::Scores;
use crate::store::{
    MeasurementRow, StoreError,
    sqlite::{Arrival, Sqlite},
};
use faultline_core::id::BatchId;
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
    pub fn load(scores: Arc<Scores>, store: &Sqlite) -> Result<Self, StoreError> {
        let mut rows = Vec::with_capacity(TOGETHER);
        let looked = store.everything(&mut |row| {
            rows.push(row);
            if rows.len() == TOGETHER {
                scores.add(&rows);
                rows.clear();
            }
        })?;
        scores.add(&rows);
        Ok(Self {
            scores,
            looked: Mutex::new(looked),
            told: Mutex::default(),
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
    pub fn look(&self, store: &Sqlite) -> Result<usize, StoreError> {
        let mut looked = guard(&self.looked);
        let mut new = 0;
        let known = |batch| guard(&self.told).batches.contains(&batch);
        *looked = store.arrived(*looked, &known, &mut |batch, rows| {
            // This process may have stored it, and be about to say so.
            if guard(&self.told).add(batch) {
                self.scores.add(&rows);
                new += 1;
            }
        })?;
        Ok(new)
    }
}

fn guard<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
