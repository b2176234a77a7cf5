//! What does a board keep through power cuts?
//!
//! Its key, the number of its next batch, and sealed batches that the collector has not
//! acknowledged; by sequential-storage, which writes so that a cut at any write leaves the
//! state before or after it. A batch is longer than a flash block takes as one item, so it
//! stands in the queue in numbered parts, and counts only when the last is there:
//!
//! ```text
//!   item = sequence u64 | part u8 | parts u8 | octets      (big endian)
//! ```
//!
//! Numbers of batches are never used twice: the next one is noted before a batch is written.
//! A new key means a new identity. Batches that an older one sealed are dropped, not sent
//! under it: whoever resets a board wants nobody to connect the two.

use alloc::vec::Vec;
use core::ops::Range;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use faultline_core::{
    codec::{Envelope, Identity},
    id::ProbeId,
};
use sequential_storage::{
    Error,
    cache::Cache,
    map::{MapConfig, MapStorage},
    queue::{QueueConfig, QueueStorage},
};

/// Octets of one item, header included.
const ITEM: usize = 1024;
const HEADER: usize = 10;
const PART: usize = ITEM - HEADER;
/// Octets of the longest batch.
pub const LONGEST: usize = 24 * PART;
/// The map's keys.
const KEY: u8 = 1;
const NEXT: u8 = 2;
/// Octets for the map's work: the longest value and its key, in words.
const SCRATCH: usize = 64;

/// Why the flash cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The queue has no room.
    #[error("the queue in flash is full: what is measured from now on is lost until an upload")]
    Full,
    /// A batch is too long.
    #[error("a batch is longer than the queue takes")]
    TooLong,
    /// The board said ranges that are no ranges of its flash.
    #[error("the board's flash layout is wrong: ranges are whole erase blocks, two or more")]
    Layout,
    /// The flash does not work.
    #[error("the flash cannot be read or written")]
    Flash,
}

impl<E> From<Error<E>> for StoreError {
    fn from(error: Error<E>) -> Self {
        match error {
            Error::FullStorage => Self::Full,
            Error::ItemTooBig => Self::TooLong,
            _ => Self::Flash,
        }
    }
}

/// The oldest batch that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub sequence: u64,
    /// The sealed octets.
    pub sealed: Vec<u8>,
}

/// A flash and what is where in it.
pub struct Store<'f, F> {
    flash: &'f mut F,
    state: Range<u32>,
    queue: Range<u32>,
}

impl<'f, F: MultiwriteNorFlash> Store<'f, F> {
    /// Uses these ranges of `flash`.
    pub fn new(flash: &'f mut F, layout: &crate::Layout) -> Result<Self, StoreError> {
        let (state, queue) = (layout.state.clone(), layout.queue.clone());
        let capacity = flash.capacity() as u64;
        let fits =
            |range: &Range<u32>| range.start < range.end && u64::from(range.end) <= capacity;
        let apart = state.end <= queue.start || queue.end <= state.start;
        let two = |range: &Range<u32>| (range.end - range.start) as usize >= 2 * F::ERASE_SIZE;
        let blocks = MapConfig::<&mut F>::try_new(state.clone()).is_ok()
            && QueueConfig::<&mut F>::try_new(queue.clone()).is_ok();
        let roomy = F::ERASE_SIZE >= 2 * ITEM;
        if fits(&state) && fits(&queue) && two(&queue) && apart && blocks && roomy {
            Ok(Self {
                flash,
                state,
                queue,
            })
        } else {
            Err(StoreError::Layout)
        }
    }

    /// The identity; where there is none, one is made of what `draw` gives, and the queue
    /// begins empty. What is no key is none.
    pub async fn identity<E: From<StoreError>>(
        &mut self,
        mut draw: impl FnMut(&mut [u8; 32]) -> Result<(), E>,
    ) -> Result<Identity, E> {
        let kept: Option<[u8; 32]> = self.fetch(KEY).await?;
        if let Some(identity) = kept.as_ref().and_then(Identity::from_bytes) {
            return Ok(identity);
        }
        // First the batches, then the key: a cut between the two leaves neither.
        self.empty().await?;
        let mut secret = [0; 32];
        let identity = loop {
            draw(&mut secret)?;
            if let Some(identity) = Identity::from_bytes(&secret) {
                break identity;
            }
        };
        self.keep(KEY, &secret).await?;
        Ok(identity)
    }

    /// Forgets the identity and everything that it sealed.
    pub async fn reset(&mut self) -> Result<(), StoreError> {
        self.empty().await?;
        let range = config(MapConfig::try_new(self.state.clone()))?;
        let cache = Cache::new_uncached();
        MapStorage::<u8, _, _>::new(&mut *self.flash, range, cache)
            .erase_all()
            .await?;
        Ok(())
    }

    /// The number for a new batch, which will never be given again.
    pub async fn number(&mut self) -> Result<u64, StoreError> {
        let noted = self.fetch(NEXT).await?.map_or(0, u64::from_be_bytes);
        self.keep(NEXT, &(noted + 1).to_be_bytes()).await?;
        Ok(noted)
    }

    /// Whether a batch of so many octets finds room now.
    pub async fn has_room(&mut self, length: usize) -> Result<bool, StoreError> {
        // A part that does not fit at a block's end leaves it unused: one part a block.
        let spare = ITEM + ITEM;
        let left = self.items()?.space_left().await? as usize;
        Ok(left >= length.div_ceil(PART) * (ITEM + 32) + spare)
    }

    /// Adds a sealed batch. Once this returns, the batch survives whatever happens.
    pub async fn push(&mut self, sequence: u64, sealed: &[u8]) -> Result<(), StoreError> {
        let parts = sealed.len().div_ceil(PART);
        if sealed.is_empty() || sealed.len() > LONGEST {
            return Err(StoreError::TooLong);
        }
        for (part, octets) in (0u8..).zip(sealed.chunks(PART)) {
            let mut item = Vec::with_capacity(HEADER + octets.len());
            item.extend(sequence.to_be_bytes());
            item.extend([part, parts as u8]);
            item.extend(octets);
            self.items()?.push(&item, false).await?;
        }
        Ok(())
    }

    /// The oldest whole batch of `probe`; what is not whole, or another's, is removed.
    pub async fn oldest(&mut self, probe: ProbeId) -> Result<Option<Waiting>, StoreError> {
        while let Some(head) = self.head().await? {
            if let Found::Whole(waiting) = head {
                let own = Envelope::parse(&waiting.sealed).is_ok_and(|e| e.signer == probe);
                if own {
                    return Ok(Some(waiting));
                }
                self.remove(waiting.sequence).await?;
            } else {
                self.drop_head().await?;
            }
        }
        Ok(None)
    }

    /// Removes the oldest batch, which has this number, because it was acknowledged.
    pub async fn remove(&mut self, sequence: u64) -> Result<(), StoreError> {
        let mut item = [0; ITEM];
        loop {
            let mut items = self.items()?;
            let head = items.peek(&mut item).await?;
            if head.and_then(|item| read(item)).map(|item| item.sequence) != Some(sequence) {
                return Ok(());
            }
            items.pop(&mut item).await?;
        }
    }

    /// Puts the parts at the queue's head together.
    async fn head(&mut self) -> Result<Option<Found>, StoreError> {
        let mut buffer = [0; ITEM];
        let mut items = self.items()?;
        let mut all = items.iter().await?;
        let mut batch: Option<(u64, u8, Vec<u8>)> = None;
        loop {
            let entry = all.next(&mut buffer).await?;
            let Some(entry) = entry else {
                // A batch whose writing was cut, or nothing at all.
                return Ok(batch.map(|_| Found::Broken));
            };
            let Some(item) = read(&entry) else {
                return Ok(Some(Found::Broken));
            };
            let (sequence, next, sealed) =
                batch.get_or_insert_with(|| (item.sequence, 0, Vec::new()));
            if item.sequence != *sequence || item.part != *next {
                return Ok(Some(Found::Broken));
            }
            sealed.extend(item.octets);
            *next += 1;
            if *next == item.parts
                && let Some((sequence, _, sealed)) = batch.take()
            {
                return Ok(Some(Found::Whole(Waiting { sequence, sealed })));
            }
        }
    }

    /// Removes the parts at the head that belong together, or the one that is nothing.
    async fn drop_head(&mut self) -> Result<(), StoreError> {
        let mut buffer = [0; ITEM];
        let head = self.items()?.pop(&mut buffer).await?;
        match head.and_then(|item| read(item)).map(|item| item.sequence) {
            Some(sequence) => self.remove(sequence).await,
            None => Ok(()),
        }
    }

    async fn empty(&mut self) -> Result<(), StoreError> {
        self.items()?.erase_all().await?;
        Ok(())
    }

    async fn fetch<const LEN: usize>(
        &mut self,
        key: u8,
    ) -> Result<Option<[u8; LEN]>, StoreError> {
        let mut scratch = [0; SCRATCH];
        let range = config(MapConfig::try_new(self.state.clone()))?;
        let mut map = MapStorage::new(&mut *self.flash, range, Cache::new_uncached());
        let value: Option<&[u8]> = map.fetch_item(&mut scratch, &key).await?;
        Ok(value.and_then(|value| value.try_into().ok()))
    }

    async fn keep(&mut self, key: u8, value: &[u8]) -> Result<(), StoreError> {
        let mut scratch = [0; SCRATCH];
        let range = config(MapConfig::try_new(self.state.clone()))?;
        let mut map = MapStorage::new(&mut *self.flash, range, Cache::new_uncached());
        map.store_item(&mut scratch, &key, &value).await?;
        Ok(())
    }

    fn items(&mut self) -> Result<Items<'_, F>, StoreError> {
        let range = config(QueueConfig::try_new(self.queue.clone()))?;
        Ok(QueueStorage::new(
            &mut *self.flash,
            range,
            Cache::new_uncached(),
        ))
    }
}

type Uncached = sequential_storage::cache::Uncached;
type Items<'f, F> = QueueStorage<&'f mut F, Cache<Uncached, Uncached, Uncached>>;

enum Found {
    Whole(Waiting),
    Broken,
}

struct Item<'a> {
    sequence: u64,
    part: u8,
    parts: u8,
    octets: &'a [u8],
}

fn read(item: &[u8]) -> Option<Item<'_>> {
    let (sequence, rest) = item.split_first_chunk()?;
    let [part, parts, octets @ ..] = rest else {
        return None;
    };
    Some(Item {
        sequence: u64::from_be_bytes(*sequence),
        part: *part,
        parts: *parts,
        octets,
    })
}

fn config<T, E>(made: Result<T, E>) -> Result<T, StoreError> {
    made.map_err(|_| StoreError::Layout)
}

#[cfg(test)]
mod tests;
