//! Power is cut at every write and every erasure of a board's life: is the queue whole, is
//! nothing lost that was not acknowledged, and is nothing sent under another identity?

use super::*;
use crate::{
    Layout,
    flash_model::{BLOCK, Model},
};
use embassy_futures::block_on;
use faultline_core::codec::Purpose;
use std::{collections::BTreeMap, string::String, vec};

const STATE: u32 = 2 * BLOCK as u32;
const QUEUE: u32 = 4 * BLOCK as u32;

fn layout() -> Layout {
    Layout {
        state: 0..STATE,
        queue: STATE..STATE + QUEUE,
        ledger: 0..0,
    }
}

fn open(flash: &mut Model) -> Store<'_, Model> {
    Store::new(flash, &layout()).unwrap()
}

/// Something of about so many octets in an envelope.
fn sealed(identity: &Identity, sequence: u64, length: usize) -> Vec<u8> {
    // The queue looks at the envelope's head alone.
    let payload = vec![sequence as u8; length];
    identity.seal(Purpose::Batch, &minicbor::bytes::ByteVec::from(payload))
}

/// What a board believes, across boots.
#[derive(Clone, Default)]
struct Known {
    draws: u8,
    /// Batches whose writing came to its end.
    kept: BTreeMap<u64, Vec<u8>>,
    /// Batches whose writing was begun.
    begun: BTreeMap<u64, Vec<u8>>,
    /// Batches that the collector has.
    acknowledged: Vec<u64>,
    last: Option<u64>,
    owner: Option<ProbeId>,
    /// Whether the owner asked for a new identity.
    resetting: bool,
}

/// The rest of the life that `steps` describe; where power is cut, how far it came is known.
async fn live(flash: &mut Model, known: &mut Known, steps: &[Step]) -> Result<(), StoreError> {
    let mut store = open(flash);
    for step in steps {
        let draws = &mut known.draws;
        let identity: Identity = store
            .identity(|secret| -> Result<(), StoreError> {
                *draws += 1;
                secret.fill(*draws);
                Ok(())
            })
            .await?;
        let probe = identity.public().probe_id();
        if known.owner.is_some_and(|owner| owner != probe) {
            // Only where the owner wished it.
            assert!(known.resetting, "the identity changed by itself");
            known.kept.clear();
            known.begun.clear();
            known.last = None;
            known.resetting = false;
        }
        known.owner = Some(probe);
        match step {
            Step::Push(length) => {
                let sequence = store.number().await?;
                assert!(
                    known.last.is_none_or(|last| sequence > last),
                    "a number twice"
                );
                known.last = Some(sequence);
                let batch = sealed(&identity, sequence, *length);
                known.begun.insert(sequence, batch.clone());
                store.push(sequence, &batch).await?;
                known.kept.insert(sequence, batch);
            }
            Step::Upload => {
                let Some(waiting) = store.oldest(probe).await? else {
                    continue;
                };
                assert_eq!(known.begun.get(&waiting.sequence), Some(&waiting.sealed));
                known.kept.remove(&waiting.sequence);
                known.acknowledged.push(waiting.sequence);
                store.remove(waiting.sequence).await?;
            }
            Step::Reset => {
                known.resetting = true;
                store.reset().await?;
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(usize),
    Upload,
    Reset,
}

/// Everything that a board does with its flash, round its blocks and with a new owner.
const LIFE: [Step; 15] = [
    Step::Push(2500),
    Step::Push(200),
    Step::Push(1014),
    Step::Upload,
    Step::Push(2900),
    Step::Upload,
    Step::Upload,
    Step::Push(3000),
    Step::Push(1500),
    Step::Upload,
    Step::Push(700),
    Step::Reset,
    Step::Push(1800),
    Step::Push(300),
    Step::Upload,
];

/// What is in the flash is what `known` says must be there, and nothing that must not.
async fn check(flash: &mut Model, known: &mut Known) -> Result<(), String> {
    let mut store = open(flash);
    let draws = &mut known.draws;
    let identity = store
        .identity(|secret| -> Result<(), StoreError> {
            *draws += 1;
            secret.fill(*draws);
            Ok(())
        })
        .await;
    let identity = identity.map_err(|e| std::format!("identity: {e}"))?;
    let probe = identity.public().probe_id();
    if known.owner.is_some_and(|owner| owner != probe) {
        if !known.resetting {
            return Err("the identity changed by itself".into());
        }
        known.kept.clear();
        known.begun.clear();
        known.last = None;
    }
    let mut found = Vec::new();
    while let Some(waiting) = store.oldest(probe).await.map_err(|e| std::format!("{e}"))? {
        if known.begun.get(&waiting.sequence) != Some(&waiting.sealed) {
            return Err(std::format!("{} is not what was written", waiting.sequence));
        }
        found.push(waiting.sequence);
        store
            .remove(waiting.sequence)
            .await
            .map_err(|e| std::format!("{e}"))?;
    }
    if !found.is_sorted() {
        return Err(std::format!("{found:?} are out of order"));
    }
    // Where the owner wanted everything gone, part of it may be.
    let lost = known.kept.keys().find(|kept| !found.contains(kept));
    if let (Some(lost), false) = (lost, known.resetting) {
        return Err(std::format!("{lost} is lost; there are {found:?}"));
    }
    let number = store.number().await.map_err(|e| std::format!("{e}"))?;
    if known.last.is_some_and(|last| number <= last) && !known.resetting {
        return Err(std::format!("number {number} is used twice"));
    }
    Ok(())
}

/// A life without cuts: how many operations it took, and how things stood before each step.
struct Recorded {
    total: u64,
    before: Vec<(u64, Model, Known)>,
}

impl Recorded {
    fn new() -> Self {
        let (mut flash, mut known) = (Model::new(6), Known::default());
        let mut before = Vec::new();
        for step in LIFE {
            before.push((flash.done, flash.clone(), known.clone()));
            block_on(live(&mut flash, &mut known, &[step])).unwrap();
        }
        Self {
            total: flash.done,
            before,
        }
    }

    /// The same life, cut at an operation.
    fn cut(&self, at: u64) -> (Model, Known) {
        let step = self.before.partition_point(|(done, ..)| *done < at) - 1;
        let (done, mut flash, mut known) = self.before[step].clone();
        flash.boot(Some(at - done));
        let ended = block_on(live(&mut flash, &mut known, &LIFE[step..]));
        assert_eq!(ended, Err(StoreError::Flash), "cut {at} cut nothing");
        (flash, known)
    }
}

#[test]
fn a_cut_at_any_write_loses_nothing_and_mixes_nothing() {
    let life = Recorded::new();
    assert!(
        life.total > 3000,
        "{} operations are not a life",
        life.total
    );
    for at in 1..=life.total {
        let (mut flash, mut known) = life.cut(at);
        flash.boot(None);
        if let Err(wrong) = block_on(check(&mut flash, &mut known)) {
            panic!("cut at operation {at} of {}: {wrong}", life.total);
        }
    }
    std::println!("{} cuts", life.total);
}

#[test]
fn cuts_while_recovering_from_cuts_lose_nothing_either() {
    let life = Recorded::new();
    for first in (1..=life.total).step_by(97) {
        let cut = life.cut(first);
        for second in (1..200).step_by(7) {
            let (mut flash, mut known) = cut.clone();
            flash.boot(Some(second));
            let _ = block_on(live(&mut flash, &mut known, &LIFE[..4]));
            flash.boot(None);
            if let Err(wrong) = block_on(check(&mut flash, &mut known)) {
                panic!("cut at {first}, then at {second}: {wrong}");
            }
        }
    }
}

#[test]
fn a_full_queue_says_so_and_keeps_what_it_has() {
    let mut flash = Model::new(6);
    let mut store = open(&mut flash);
    block_on(async {
        let draw = |secret: &mut [u8; 32]| -> Result<(), StoreError> {
            secret.fill(7);
            Ok(())
        };
        let identity = store.identity(draw).await.unwrap();
        let probe = identity.public().probe_id();
        let mut pushed = 0;
        while store.has_room(2500).await.unwrap() {
            let sequence = store.number().await.unwrap();
            let batch = sealed(&identity, sequence, 2500);
            store.push(sequence, &batch).await.unwrap();
            pushed += 1;
        }
        assert!(pushed > 1, "{pushed}");
        let refused = loop {
            let sequence = store.number().await.unwrap();
            let batch = sealed(&identity, sequence, 2500);
            if let Err(error) = store.push(sequence, &batch).await {
                break error;
            }
            pushed += 1;
        };
        assert_eq!(refused, StoreError::Full);
        for sequence in 0..pushed {
            let waiting = store.oldest(probe).await.unwrap().unwrap();
            assert_eq!(waiting.sequence, sequence);
            store.remove(sequence).await.unwrap();
        }
        assert_eq!(store.oldest(probe).await, Ok(None), "half a batch is none");
        assert!(store.has_room(2500).await.unwrap());
        let long = vec![0; LONGEST + 1];
        assert_eq!(store.push(99, &long).await, Err(StoreError::TooLong));
    });
}

#[test]
fn another_identitys_batches_are_dropped_not_sent() {
    let mut flash = Model::new(6);
    let mut store = open(&mut flash);
    block_on(async {
        let old = Identity::from_bytes(&[3; 32]).unwrap();
        store.push(0, &sealed(&old, 0, 1500)).await.unwrap();
        let new = Identity::from_bytes(&[4; 32]).unwrap();
        let own = sealed(&new, 1, 300);
        store.push(1, &own).await.unwrap();
        let waiting = store
            .oldest(new.public().probe_id())
            .await
            .unwrap()
            .unwrap();
        assert_eq!((waiting.sequence, waiting.sealed), (1, own));
    });
}

#[test]
fn a_layout_that_does_not_fit_is_refused() {
    let block = BLOCK as u32;
    for (state, queue) in [
        (0..block, block..3 * block),
        (0..2 * block, block..3 * block),
        (0..2 * block, 2 * block..9 * block),
        (0..2 * block, 2 * block..2 * block),
        (7..2 * block, 2 * block..4 * block),
    ] {
        let layout = Layout {
            state,
            queue,
            ledger: 0..0,
        };
        let refused = Store::new(&mut Model::new(6), &layout).err();
        assert_eq!(refused, Some(StoreError::Layout), "{layout:?}");
    }
}
