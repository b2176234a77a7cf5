//! What is left when power fails? The emulator is killed at changes of its flash, again and
//! again, through all that a board does from its first start to its last upload.
//!
//! A life without a cut says how often a board changes its flash; each cut comes at one of so
//! many changes, drawn. `cargo x power-cuts` makes as many as it is told.

use crate::Check;
use crate::collector::{Collector, Papers};
use crate::place::Place;
use faultline_core::codec::{Envelope, Purpose};
use faultline_core::measurement::Batch;
use faultline_internet::{entropy::Seeded, live::Emulator, live::Machine, live::Powered};
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
/// Of these so many are drawn as if each were of a first life.
const FIRST: u32 = 3;
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
    // How often a board's first life changes the flash, and a later one. Both are forgotten by
    // all, so that the first cuts may come before there is an identity.
    let (first, later) = (whole_life(&machine)?, whole_life(&machine)?);
    std::fs::remove_file(machine.flash())?;
    collector.forget()?;
    let collector = Collector::start(&place, &papers)?;
    let machine = place.machine(emulator, &provision.block()?)?;
    let mut random = Seeded::new(u64::from(times), 0x0c07);
    let mut said = Vec::new();
    let mut cut = 0;
    for round in 0..times {
        // Half of the lives come to their end, and power fails while they rest.
        let changes = 2 * if round < FIRST { first } else { later };
        let at = 1 + (random.draw() % u64::from(changes)) as u32;
        let mut watch = Watch::new(machine.flash())?;
        let mut board = machine.start()?;
        cut += u32::from(watch.until(at, &mut board)? == at);
        said.extend(board.cut());
    }
    let mut board = machine.start()?;
    board.says("Cycle", LIFE)?;
    said.extend(board.cut());
    println!(
        "{cut} of {times} cuts within a change of the flash, of {first} in a first life and {later} later"
    );
    let batches = collector.end()?.batches()?;
    holds(&batches, &said, cut)?;
    assert!(
        batches.len() as u32 >= times / 5,
        "hardly a board got to work"
    );
    Ok(())
}

/// What must hold after all that boards said.
fn holds(
    batches: &[faultline_collector::store::StoredBatch],
    said: &[String],
    cut: u32,
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
    assert!(cut > 1, "hardly a cut came within a change of the flash");
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

fn whole_life(machine: &Machine) -> Result<u32, Failed> {
    let mut watch = Watch::new(machine.flash())?;
    let mut board = machine.start()?;
    let changes = watch.until(u32::MAX, &mut board)?;
    board.cut();
    assert!(
        changes > 100,
        "a life changes the flash often, not {changes} times"
    );
    Ok(changes)
}

/// Sees when a file changes.
struct Watch(Inotify);

impl Watch {
    fn new(file: &Path) -> Result<Self, Failed> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(file, AddWatchFlags::IN_MODIFY)?;
        Ok(Self(watch))
    }

    /// Waits for so many changes, or until the board's life has nothing more to do.
    fn until(&mut self, wanted: u32, board: &mut Powered) -> Result<u32, Failed> {
        let mut seen = 0;
        loop {
            let mut sources = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let changed = poll(&mut sources, QUIET)? > 0;
            while let Ok(events) = self.0.read_events() {
                seen += events.len() as u32;
                if seen >= wanted {
                    return Ok(wanted);
                }
            }
            if !changed && board.heard().iter().any(|line| line == "Cycle") {
                return Ok(seen);
            }
            if !board.runs() {
                return Err(format!("the board ended: {:?}", board.heard().last()).into());
            }
        }
    }
}
