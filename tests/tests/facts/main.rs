//! Does ClickHouse keep the contract of facts, and what happens when it, or we, die?

#[path = "../../../collector/tests/batches/mod.rs"]
mod batches;
mod copied;
mod failures;
mod front;
mod served;

use batches::suite::Engine;
use faultline_collector::store::clickhouse::ClickHouse;
use front::Front;
use std::sync::Arc;

/// An engine, and the ledgers of the stores on it.
struct Server {
    front: Front,
    ledgers: tempfile::TempDir,
}

impl Engine for Server {
    type Store = ClickHouse;
    // A question costs milliseconds, whatever it is about.
    const CASES: u32 = 4;
    const BATCHES: u32 = 24;
    const LOOKUPS: usize = 12;

    fn start() -> Option<Self> {
        Some(Self {
            front: Front::start()?,
            ledgers: tempfile::tempdir().unwrap(),
        })
    }
    fn open(&self, name: &str) -> Arc<ClickHouse> {
        let ledger = self.ledgers.path().join(name);
        Arc::new(ClickHouse::open(&ledger, &self.front.database(name)).unwrap())
    }
}

contract!(Server);
