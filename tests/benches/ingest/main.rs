//! What does taking in results cost, beside what it must cost?
//!
//! The floor is a bulk insert, by prepared statements, of exactly the rows, counts and batch
//! bytes that ingest leaves behind, into the same schema with the same transactions of one
//! batch; what ingest does beside that is HTTP, signatures, decoding, judging, compressing.
//! Batches are signed beforehand. The collector is the real program in a process of its own;
//! its CPU time is what the system says of that process, and the floor's of this one.
//!
//!     cargo bench -p faultline-tests --bench ingest [-- OBSERVATIONS]

mod collector;
mod floor;
mod load;

use collector::Collector;
use faultline_collector::store::{Facts as _, sqlite::Sqlite};
use load::{Controls, Load};
use std::{path::Path, time::Instant};

/// Uploads under way at the same time.
const CLIENTS: usize = 8;

/// What a run took.
struct Cost {
    rows: usize,
    wall: f64,
    cpu: f64,
}

impl Cost {
    fn per_cpu(&self) -> f64 {
        self.rows as f64 / self.cpu
    }
}

fn main() {
    let wanted = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let total: usize = wanted.unwrap_or(400_000);
    collector::build();
    println!(
        "| batch | controls | rows | ingest rows/s | ingest rows/CPU-s | floor rows/s | floor rows/CPU-s | ratio (CPU) | bytes/row | peak RSS |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (batch, controls) in [
        (500, Controls::Shared),
        (500, Controls::OfItsOwn),
        (50, Controls::Shared),
        (2000, Controls::Shared),
    ] {
        // Small batches are slow by nature: less of them says the same.
        let total = if batch < 500 { total / 4 } else { total };
        compare(&Load::new(total, batch, controls));
    }
}

fn compare(load: &Load) {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start(folder.path());
    collector.enrol(load);
    let before = collector.cpu();
    let start = Instant::now();
    collector.upload(load, CLIENTS);
    let wall = start.elapsed().as_secs_f64();
    let cpu = collector.cpu() - before;
    let rss = collector.peak_rss_mib();
    collector.stop();
    let ingest = Cost {
        rows: load.observations,
        wall,
        cpu,
    };

    let (from, to) = (
        folder.path().join("collector.db"),
        folder.path().join("floor.db"),
    );
    let floor = floor::insert(&from, &to);
    assert_eq!(floor.rows, ingest.rows, "every observation was stored");
    assert_eq!(digest(&from), digest(&to), "the floor writes the same rows");

    let bytes = std::fs::metadata(&from).expect("the store").len();
    println!(
        "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | **{:.2}** | {} | {rss} MiB |",
        load.batch,
        load.controls.name(),
        ingest.rows,
        ingest.rows as f64 / ingest.wall,
        ingest.per_cpu(),
        floor.rows as f64 / floor.wall,
        floor.per_cpu(),
        ingest.per_cpu() / floor.per_cpu(),
        bytes / ingest.rows as u64,
    );
}

fn digest(path: &Path) -> [u8; 32] {
    let store = Sqlite::open(path).expect("a store");
    store.digest().expect("a digest")
}
