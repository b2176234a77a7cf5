//! How many bytes may be spent today? A metered link is its owner's money.
//!
//! Spending is noted in a file before results are kept, by UTC day. A clock that jumps back
//! does not open a spent day again: the count starts anew only on a later day.

use faultline_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::PathBuf};

/// Bytes per UTC day.
#[derive(Debug)]
pub struct Budget {
    path: PathBuf,
    per_day: u64,
    spent: Spent,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Spent {
    day: i64,
    bytes: u64,
}

impl Budget {
    /// Opens the account; a file that cannot be read counts as a new day.
    pub fn open(path: PathBuf, per_day: u64) -> Self {
        let spent = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            path,
            per_day,
            spent,
        }
    }

    /// Bytes that are left today.
    pub fn left(&self, now: UnixTime) -> u64 {
        if day(now) > self.spent.day {
            self.per_day
        } else {
            self.per_day.saturating_sub(self.spent.bytes)
        }
    }

    /// Notes bytes spent.
    pub fn spend(&mut self, now: UnixTime, bytes: u64) -> io::Result<()> {
        if day(now) > self.spent.day {
            self.spent = Spent {
                day: day(now),
                bytes: 0,
            };
        }
        self.spent.bytes = self.spent.bytes.saturating_add(bytes);
        fs::write(&self.path, serde_json::to_vec(&self.spent)?)
    }
}

const fn day(now: UnixTime) -> i64 {
    now.secs().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_spent_once_even_when_the_clock_jumps_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.json");
        let (monday, tuesday) = (UnixTime::from_secs(0), UnixTime::from_secs(86_400));
        let mut budget = Budget::open(path.clone(), 100);
        budget.spend(tuesday, 70).unwrap();
        assert_eq!(budget.left(tuesday), 30);
        assert_eq!(budget.left(monday), 30);
        let mut again = Budget::open(path, 100);
        again.spend(monday, 50).unwrap();
        assert_eq!(again.left(tuesday), 0);
        assert_eq!(again.left(UnixTime::from_secs(2 * 86_400)), 100);
    }
}
