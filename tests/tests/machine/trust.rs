//! Whom does the image of a board believe? The real collector shows certificates that are
//! honest, or forged.

use crate::Check;
use crate::collector::{Collector, Papers, Party};
use crate::place::{NAME, Place};
use faultline_core::codec::Envelope;
use faultline_internet::live::Emulator;
use libtest_mimic::Failed;
use std::time::Duration;

pub(crate) const TRIALS: &[(&str, Check)] = &[
    (
        "measures_and_uploads_within_its_memory",
        measures_and_uploads,
    ),
    ("without_a_clock_learns_the_time", without_a_clock),
    ("refuses_another_authority", refuses_another_authority),
    ("refuses_another_name", refuses_another_name),
    (
        "refuses_a_leaf_that_acts_as_authority",
        refuses_a_forged_chain,
    ),
];

/// Longest wait for a board that first looks up names and listens on for late replies.
const WAIT: Duration = Duration::from_mins(1);
const SCENARIO: &str = "benign/clean.toml";

fn measures_and_uploads(emulator: &Emulator) -> Result<(), Failed> {
    let place = Place::new(SCENARIO)?;
    let papers = Papers::honest()?;
    let collector = Collector::start(&place, &papers)?;
    let settings = place.provision(papers.authority.der()).block()?;
    let machine = place.machine(emulator, &settings)?;
    let mut board = machine.start()?;
    board.says("CheckedIn", WAIT)?;
    board.says("Acknowledged", WAIT)?;
    board.says("Cycle", WAIT)?;
    let heard = board.cut();
    let kept = collector.end()?;
    let batches = kept.batches()?;
    assert!(!batches.is_empty());
    assert_eq!(kept.probes()?, 1);
    let mut signers: Vec<_> = batches
        .iter()
        .map(|batch| Envelope::parse(&batch.bytes).map(|envelope| envelope.signer))
        .collect::<Result<_, _>>()?;
    signers.dedup();
    assert_eq!(signers.len(), 1);
    for line in heard {
        println!("{line}");
    }
    Ok(())
}

fn without_a_clock(emulator: &Emulator) -> Result<(), Failed> {
    let place = Place::new(SCENARIO)?;
    let papers = Papers::honest()?;
    let collector = Collector::start(&place, &papers)?;
    let settings = place.provision(papers.authority.der()).block()?;
    let mut machine = place.machine(emulator, &settings)?;
    machine.clock = false;
    let mut board = machine.start()?;
    board.says("Acknowledged", WAIT)?;
    board.cut();
    assert_eq!(collector.end()?.probes()?, 1);
    Ok(())
}

fn refuses_another_authority(emulator: &Emulator) -> Result<(), Failed> {
    let other = Party::authority("others")?;
    let chain = vec![other.sign(NAME)?, other];
    let authority = Party::authority("ours")?;
    refuses(emulator, &Papers { authority, chain })
}

fn refuses_another_name(emulator: &Emulator) -> Result<(), Failed> {
    let authority = Party::authority("ours")?;
    let chain = vec![authority.sign("elsewhere.example")?];
    refuses(emulator, &Papers { authority, chain })
}

/// Somebody has an honest certificate for a name of their own, and signs with it.
fn refuses_a_forged_chain(emulator: &Emulator) -> Result<(), Failed> {
    let authority = Party::authority("ours")?;
    let thief = authority.sign("elsewhere.example")?;
    let chain = vec![thief.sign(NAME)?, thief];
    refuses(emulator, &Papers { authority, chain })
}

/// With and without a clock.
fn refuses(emulator: &Emulator, papers: &Papers) -> Result<(), Failed> {
    let place = Place::new(SCENARIO)?;
    let collector = Collector::start(&place, papers)?;
    let settings = place.provision(papers.authority.der()).block()?;
    let mut machine = place.machine(emulator, &settings)?;
    for clock in [true, false] {
        machine.clock = clock;
        let mut board = machine.start()?;
        let said = board.says("NotNow", WAIT)?;
        assert!(said.contains("Unsecured(Certificate)"), "{said}");
        board.cut();
    }
    let kept = collector.end()?;
    assert_eq!(kept.probes()?, 0, "nobody enrolled");
    assert!(kept.batches()?.is_empty());
    Ok(())
}
