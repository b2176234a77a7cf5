//! What is left when power fails? The emulator is killed at changes of its flash, again and
//! again, through all that a board does from its first start to its last upload: so many
//! changes, drawn, after it started, checked in, kept a batch, or had one acknowledged.
//! `cargo x power-cuts` makes as many cuts as it is told.

use crate::Check;
use crate::collector::{Collector, Papers};
use crate::place::Place;
use faultline_core::codec::{Envelope, Purpose};
use faultline_core::measurement::Batch;
use faultline_internet::{entropy::Seeded, live::Emulator, live::Powered};
use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::BTreeSet;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

pub(crate) const TRIALS: &[(&str, Check)] = &[("loses_nothing_to_power_cuts", loses_nothing)];

/// Cuts, where nobody asks for more.
const TIMES: u32 = 10;
/// After what a board says power fails, in turn, and at most so many changes later.
const AFTER: [(&str, u64); 4] = [
    ("", 200),
    ("CheckedIn", 40),
    ("Kept", 40),
    ("Acknowledged", 20),
];
/// A life without a cut is over sooner.
const LIFE: Duration = Duration::from_mins(1);
/// Milliseconds without a change of the flash after which a board is looked at.
const QUIET: u16 = 100;

fn loses_nothing(emulator: &Emulator) -> Result<(), Failed> {
    let times = match std::env::var("FAULTLINE_POWER_CUTS") {
        Ok(times) => times.parse()?,
        Err(_) => TIMES,
    };
    let place = Place::new("benign/clean_dns.toml")?;
    let papers = Papers::honest()?;
    let collector = Collector::start(&place, &papers)?;
    let mut provision = place.provision(papers.authority.der());
    provision.settings.timeouts.watch = Duration::from_millis(50);
    let machine = place.machine(emulator, &provision.block()?)?;
    let mut random = Seeded::new(u64::from(times), 0x0c07);
    let mut said = Vec::new();
    let mut cut = 0;
    for (_, (after, most)) in (0..times).zip(AFTER.iter().cycle()) {
        let at = 1 + random.draw() % most;
        let mut watch = Watch::new(machine.flash())?;
        let mut board = machine.start()?;
        cut += u32::from(watch.until(after, at, &mut board)?);
        said.extend(board.cut());
    }
    let mut board = machine.start()?;
    board.says("Cycle", LIFE)?;
    said.extend(board.cut());
    println!("{cut} of {times} cuts before the board had nothing more to do");
    let batches = collector.end()?.batches()?;
    holds(&batches, &said)?;
    // Half of the lives were not cut before there was a batch, of this life or an earlier one.
    assert!(
        batches.len() as u32 >= times / 4,
        "{} batches",
        batches.len()
    );
    Ok(())
}

/// What must hold after all that boards said.
fn holds(
    batches: &[faultline_collector::store::StoredBatch],
    said: &[String],
) -> Result<(), Failed> {
    let trouble: Vec<_> = said
        .iter()
        .filter(|line| {
            ["Store(", "GivenUp", "panicked", "fault"]
                .iter()
                .any(|word| line.contains(word))
        })
        .collect();
    assert!(trouble.is_empty(), "{trouble:?}");
    let (kept, acknowledged) = (numbers(said, "Kept"), numbers(said, "Acknowledged"));
    let mut arrived = BTreeSet::new();
    let mut measurements = BTreeSet::new();
    let mut signers = BTreeSet::new();
    for stored in batches {
        let envelope = Envelope::parse(&stored.bytes)?;
        signers.insert(envelope.signer);
        let key = faultline_core::codec::PublicKey::from_sec1(&stored.public_key)?;
        let batch: Batch = envelope.open(Purpose::Batch, &key)?;
        assert!(
            arrived.insert(batch.sequence),
            "number {} twice",
            batch.sequence
        );
        for measurement in batch.measurements {
            assert!(measurements.insert(measurement.id), "a measurement twice");
        }
    }
    assert_eq!(signers.len(), 1, "one board, one identity");
    let lost: Vec<_> = kept
        .union(&acknowledged)
        .filter(|n| !arrived.contains(n))
        .collect();
    assert!(lost.is_empty(), "kept, and never arrived: {lost:?}");
    println!(
        "{} batches arrived, {} of them said to be kept",
        arrived.len(),
        kept.len()
    );
    Ok(())
}

/// The numbers of batches of which boards said `what`.
fn numbers(said: &[String], what: &str) -> BTreeSet<u64> {
    let lines = said.iter().filter(|line| line.starts_with(what));
    let number = |line: &String| -> Option<u64> {
        line.split(|c: char| !c.is_ascii_digit())
            .find(|word| !word.is_empty())?
            .parse()
            .ok()
    };
    lines.filter_map(number).collect()
}

/// Sees when a file changes.
struct Watch(Inotify);

impl Watch {
    fn new(file: &Path) -> Result<Self, Failed> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(file, AddWatchFlags::IN_MODIFY)?;
        Ok(Self(watch))
    }

    /// Waits for so many changes after the board said `after`; false where its life had
    /// nothing more to do before.
    fn until(&mut self, after: &str, wanted: u64, board: &mut Powered) -> Result<bool, Failed> {
        let mut seen = 0;
        loop {
            let mut sources = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let changed = poll(&mut sources, QUIET)? > 0;
            let said = board.heard().iter().any(|line| line.starts_with(after));
            while let Ok(events) = self.0.read_events() {
                seen += if said || after.is_empty() {
                    events.len() as u64
                } else {
                    0
                };
                if seen >= wanted {
                    return Ok(true);
                }
            }
            if !changed && board.heard().iter().any(|line| line == "Cycle") {
                return Ok(false);
            }
            if !board.runs() {
                return Err(format!("the board ended: {:?}", board.heard().last()).into());
            }
        }
    }
}
