//! How many bytes may be spent today? A metered link is its owner's money.
//!
//! The account is by UTC day and durable. Before anything is sent, an amount is held, and
//! when it is known what was spent, that takes its place: a probe that is killed again and
//! again still has a bill. Each day keeps its own sum, so that a clock that jumps, forwards
//! or back, neither opens a spent day again nor closes the days between.

use crate::durable;
use faultline_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, collections::BTreeMap, fs, io, path::PathBuf, rc::Rc};

/// Days that are remembered; the earliest are forgotten first.
const DAYS: usize = 32;

/// Bytes per UTC day. Clones spend from one account.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Rc<RefCell<Shared>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    per_day: u64,
    account: Account,
    held: Option<(i64, u64)>,
    /// The file is there and cannot be read: what was spent is not known.
    lost: bool,
    /// Bytes that are not in the file yet.
    unnoted: u64,
    /// Bytes of each day that measuring leaves to the heartbeat.
    kept_back: u64,
}

/// What may stand in memory alone: the heartbeat would write the file at each minute.
const UNNOTED: u64 = 64 << 10;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    days: BTreeMap<i64, u64>,
}

impl Budget {
    /// Opens the account. One that cannot be read counts as spent until the next day.
    pub fn open(path: PathBuf, per_day: u64) -> Self {
        let read = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Some(Account::default()),
            Err(_) => None,
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
        };
        let shared = Shared {
            path,
            per_day,
            lost: read.is_none(),
            account: read.unwrap_or_default(),
            held: None,
            unnoted: 0,
            kept_back: 0,
        };
        Self {
            shared: Rc::new(RefCell::new(shared)),
        }
    }

    /// Bytes that are left today.
    pub fn left(&self, now: UnixTime) -> u64 {
        self.shared.borrow().left(now)
    }

    /// Charges what a measurement will need at least, before it starts; `false`, and nothing
    /// is charged, where less than `least` is left beside what is kept back.
    pub fn hold(&mut self, now: UnixTime, least: u64, bytes: u64) -> io::Result<bool> {
        self.shared.borrow_mut().hold(now, least, bytes)
    }

    /// Notes bytes spent, in the place of those held.
    pub fn spend(&mut self, now: UnixTime, bytes: u64) -> io::Result<()> {
        self.shared.borrow_mut().spend(now, bytes)
    }

    /// Leaves so many bytes of each day to the heartbeat, but at most a tenth of it.
    pub fn keep_back(&self, bytes: u64) {
        let mut shared = self.shared.borrow_mut();
        shared.kept_back = bytes.min(shared.per_day / 10);
    }

    /// Whether the heartbeat may spend so many.
    pub fn can_beat(&self, now: UnixTime, bytes: u64) -> bool {
        self.left(now) >= bytes
    }

    /// Notes bytes of the heartbeat; the file follows when many have come together.
    pub fn beat(&self, now: UnixTime, bytes: u64) -> io::Result<()> {
        let mut shared = self.shared.borrow_mut();
        if bytes == 0 {
            return Ok(());
        }
        let spent = shared.account.days.entry(day(now)).or_default();
        *spent = spent.saturating_add(bytes);
        shared.unnoted = shared.unnoted.saturating_add(bytes);
        if shared.unnoted < UNNOTED {
            return Ok(());
        }
        shared.note(now)
    }
}

impl Shared {
    fn left(&self, now: UnixTime) -> u64 {
        let spent = self.account.days.get(&day(now)).copied().unwrap_or(0);
        self.per_day
            .saturating_sub(if self.lost { u64::MAX } else { spent })
    }

    fn hold(&mut self, now: UnixTime, least: u64, bytes: u64) -> io::Result<bool> {
        if self.lost {
            self.account.days.insert(day(now), self.per_day);
            self.note(now)?;
            self.lost = false;
        }
        if self.left(now).saturating_sub(self.kept_back) < least {
            return Ok(false);
        }
        self.charge(now, bytes)?;
        self.held = Some((day(now), bytes));
        Ok(true)
    }

    fn spend(&mut self, now: UnixTime, bytes: u64) -> io::Result<()> {
        if let Some((day, held)) = self.held.take()
            && let Some(spent) = self.account.days.get_mut(&day)
        {
            *spent = spent.saturating_sub(held);
        }
        self.charge(now, bytes)
    }

    fn charge(&mut self, now: UnixTime, bytes: u64) -> io::Result<()> {
        let spent = self.account.days.entry(day(now)).or_default();
        *spent = spent.saturating_add(bytes);
        self.note(now)
    }

    fn note(&mut self, now: UnixTime) -> io::Result<()> {
        let today = day(now);
        while self.account.days.len() > DAYS
            && let Some(first) = self.account.days.keys().copied().find(|day| *day != today)
        {
            self.account.days.remove(&first);
        }
        durable::write(&self.path, &serde_json::to_vec(&self.account)?, 0o644)?;
        self.unnoted = 0;
        Ok(())
    }
}

const fn day(now: UnixTime) -> i64 {
    now.secs().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(day: i64) -> UnixTime {
        UnixTime::from_secs(day * DAY)
    }

    #[test]
    fn a_clock_that_jumps_neither_opens_a_spent_day_nor_closes_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.json");
        let mut budget = Budget::open(path.clone(), 100);
        budget.spend(at(1), 70).unwrap();
        budget.spend(at(366), 100).unwrap(); // a year forwards, and back
        assert_eq!(budget.left(at(1)), 30);
        assert_eq!(budget.left(at(366)), 0);
        let mut again = Budget::open(path, 100);
        again.spend(at(1), 50).unwrap();
        assert_eq!(again.left(at(1)), 0);
        assert_eq!(again.left(at(2)), 100, "the days between are open");
        assert_eq!(again.left(at(-400)), 100);
    }

    #[test]
    fn what_is_held_counts_until_it_is_known_what_was_spent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.json");
        let mut budget = Budget::open(path.clone(), 100);
        assert!(budget.hold(at(0), 10, 60).unwrap());
        // Killed here, the next start finds the amount.
        assert_eq!(Budget::open(path, 100).left(at(0)), 40);
        // The day may end in between: each has its own sum.
        budget.spend(at(1), 20).unwrap();
        assert_eq!((budget.left(at(0)), budget.left(at(1))), (100, 80));
        assert!(!budget.hold(at(1), 81, 81).unwrap());
        assert_eq!(budget.left(at(1)), 80, "a refusal costs nothing");
    }

    #[test]
    fn the_heartbeat_has_its_share_and_is_noted_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.json");
        let mut budget = Budget::open(path.clone(), 10 << 20);
        let heart = budget.clone();
        heart.keep_back(1 << 20);
        assert!(budget.hold(at(1), 1, 9 << 20).unwrap());
        assert!(
            !budget.hold(at(1), 1, 1).unwrap(),
            "the rest is the heart's"
        );
        assert!(heart.can_beat(at(1), 1 << 20));
        for _ in 0..100 {
            heart.beat(at(1), 1024).unwrap();
        }
        assert_eq!(budget.left(at(1)), (1 << 20) - 100 * 1024);
        let noted = Budget::open(path, 10 << 20).left(at(1));
        assert!(noted - budget.left(at(1)) <= UNNOTED);
        heart.keep_back(5 << 20);
        assert!(budget.hold(at(2), 8 << 20, 1).unwrap(), "a tenth at most");
    }

    #[test]
    fn an_account_that_cannot_be_read_is_spent_until_the_next_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.json");
        fs::write(&path, "{").unwrap();
        let mut budget = Budget::open(path.clone(), 100);
        assert_eq!(budget.left(at(5)), 0);
        assert!(!budget.hold(at(5), 1, 1).unwrap());
        let budget = Budget::open(path, 100);
        assert_eq!((budget.left(at(5)), budget.left(at(6))), (0, 100));
    }

    #[test]
    fn the_account_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget.json");
        let mut budget = Budget::open(path.clone(), 100);
        for day in 0..100 {
            budget.spend(at(day), 100).unwrap();
        }
        assert_eq!(Budget::open(path.clone(), 100).left(at(99)), 0);
        assert!(fs::metadata(path).unwrap().len() < 1000);
    }
}
