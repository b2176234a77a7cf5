//! What did a probe's ledger say that it had not said before? Chapters that are new, longer, or
//! placed otherwise than when they were told last.

use crate::{
    detect::input::Told,
    store::{StoreError, beats::Beats},
};
use faultline_core::{engine::ledger::Chapter, id::ProbeId, time::UnixTime};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

/// Chapters of one probe whose telling is remembered, the newest: far more than a month has.
const REMEMBERED: usize = 20_000;

/// What was told of each ledger.
#[derive(Default)]
pub(super) struct Ledgers(HashMap<ProbeId, BTreeMap<(u32, u64), u64>>);

impl Ledgers {
    /// What ledgers that grew in the windows say anew.
    pub(super) fn told(
        &mut self,
        beats: &dyn Beats,
        windows: [Range<UnixTime>; 2],
        received: UnixTime,
    ) -> Result<Vec<Told>, StoreError> {
        let mut probes = BTreeSet::new();
        for window in windows {
            probes.extend(beats.told(window)?);
        }
        let mut all = Vec::new();
        for probe in probes {
            let mut told = Told {
                probe,
                received,
                chapters: beats.book(probe)?.chapters(),
            };
            let known = self.0.entry(probe).or_default();
            told.chapters.retain(|chapter| is_new(known, chapter));
            if !told.chapters.is_empty() {
                all.push(told);
            }
        }
        // Only now: what fails half-way is told whole the next time.
        for told in &all {
            self.remember(told);
        }
        Ok(all)
    }

    /// This was told.
    pub(super) fn remember(&mut self, told: &Told) {
        let known = self.0.entry(told.probe).or_default();
        for chapter in &told.chapters {
            known.insert((chapter.run, chapter.number), digest(chapter));
        }
        while known.len() > REMEMBERED {
            known.pop_first();
        }
    }
}

fn is_new(known: &BTreeMap<(u32, u64), u64>, chapter: &Chapter) -> bool {
    let key = (chapter.run, chapter.number);
    match known.get(&key) {
        Some(told) => *told != digest(chapter),
        // Forgotten, and so long ago that nobody waits for it.
        None => {
            known.len() < REMEMBERED || known.keys().next().is_none_or(|first| key > *first)
        }
    }
}

fn digest(chapter: &Chapter) -> u64 {
    let digest = Sha256::digest(format!("{chapter:?}"));
    let head = digest.iter().take(8);
    head.fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet))
}
