//! Where does the link ledger survive power cuts and full flash?
//!
//! In two halves, by turns. Records (48 octets each, `faultline_core::engine::ledger`) are
//! appended to one; when it is full, what they say is written as few records as hold it all
//! ([`Book::compact`]) to the other, between two marks, and only then is the first erased:
//!
//! ```text
//!   half = G generation u32 | record ... | D generation u32 | record ...
//! ```
//!
//! A half counts from its `D` mark on; a cut before it leaves the other one whole. The first
//! generation, 0, has no marks. A [`Book`] takes records in any order and as often as they
//! come, so nothing more is needed.

use crate::store::StoreError;
use alloc::vec::Vec;
use core::ops::Range;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use faultline_core::engine::ledger::{Book, FRAME, Record};
use sequential_storage::{
    cache::Cache,
    queue::{QueueConfig, QueueStorage},
};

/// What begins and ends a compaction.
const BEGUN: u8 = b'G';
const DONE: u8 = b'D';
/// Octets that an item takes in flash beside its own, at most.
const AROUND: usize = 16;
/// Of the frames of a half, those that a compaction leaves: a quarter stays free.
const KEPT: (usize, usize) = (3, 4);
/// Records of one half that are looked at: what a board has memory for.
const MOST: usize = 256;

/// The ledger's log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    halves: [Range<u32>; 2],
    current: usize,
    generation: u32,
}

#[derive(Default)]
struct Half {
    generation: Option<u32>,
    done: bool,
    records: Vec<Record>,
    items: usize,
}

impl Log {
    /// Reads what there is in `range`, and finishes what a cut left half done.
    pub(crate) async fn open<F: MultiwriteNorFlash>(
        flash: &mut F,
        range: &Range<u32>,
    ) -> Result<(Self, Book), StoreError> {
        let block = F::ERASE_SIZE as u32;
        let half = range.end.saturating_sub(range.start) / 2 / block * block;
        let whole = range.start.is_multiple_of(block) && range.end as usize <= flash.capacity();
        if half == 0 || !whole {
            return Err(StoreError::Layout);
        }
        let halves = [
            range.start..range.start + half,
            range.start + half..range.start + 2 * half,
        ];
        let [first, second] = [&halves[0], &halves[1]];
        let (first, second) = (read(flash, first).await?, read(flash, second).await?);
        let age = |half: &Half| match (half.generation, half.done) {
            (Some(generation), true) => Some(generation),
            (None, _) if half.items > 0 => Some(0),
            _ => None,
        };
        let current = usize::from(age(&second) > age(&first));
        let generation = age(&first).max(age(&second)).unwrap_or(0);
        let (counts, other) = match current {
            0 => (first, second),
            _ => (second, first),
        };
        let log = Self {
            halves,
            current,
            generation,
        };
        if other.items > 0 {
            log.items(flash, 1 - current)?.erase_all().await?;
        }
        Ok((log, Book::read(counts.records)))
    }

    /// Appends a record. Once this returns, it survives whatever happens.
    pub(crate) async fn append<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        record: &Record,
    ) -> Result<(), StoreError> {
        let pushed = self.push(flash, self.current, &record.encode()).await;
        if pushed != Err(StoreError::Full) {
            return pushed;
        }
        self.compact(flash).await?;
        self.push(flash, self.current, &record.encode()).await
    }

    /// Everything that the log says.
    pub(crate) async fn book<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
    ) -> Result<Book, StoreError> {
        let range = self.halves.get(self.current).ok_or(StoreError::Layout)?;
        Ok(Book::read(read(flash, range).await?.records))
    }

    async fn compact<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
    ) -> Result<(), StoreError> {
        let book = self.book(flash).await?;
        let (other, generation) = (1 - self.current, self.generation.wrapping_add(1));
        let half = self.halves.first().map_or(0, |half| half.end - half.start);
        let frames = half as usize / (FRAME + AROUND) * KEPT.0 / KEPT.1;
        self.items(flash, other)?.erase_all().await?;
        self.push(flash, other, &mark(BEGUN, generation)).await?;
        for record in book.compact(frames.min(MOST * KEPT.0 / KEPT.1)) {
            self.push(flash, other, &record.encode()).await?;
        }
        self.push(flash, other, &mark(DONE, generation)).await?;
        self.items(flash, self.current)?.erase_all().await?;
        self.current = other;
        self.generation = generation;
        Ok(())
    }

    async fn push<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        half: usize,
        item: &[u8],
    ) -> Result<(), StoreError> {
        self.items(flash, half)?.push(item, false).await?;
        Ok(())
    }

    fn items<'f, F: MultiwriteNorFlash>(
        &self,
        flash: &'f mut F,
        half: usize,
    ) -> Result<Items<'f, F>, StoreError> {
        let range = self.halves.get(half).ok_or(StoreError::Layout)?;
        items(flash, range)
    }
}

type Uncached = sequential_storage::cache::Uncached;
type Items<'f, F> = QueueStorage<&'f mut F, Cache<Uncached, Uncached, Uncached>>;

fn items<'f, F: MultiwriteNorFlash>(
    flash: &'f mut F,
    range: &Range<u32>,
) -> Result<Items<'f, F>, StoreError> {
    let config = QueueConfig::try_new(range.clone()).map_err(|_| StoreError::Layout)?;
    Ok(QueueStorage::new(flash, config, Cache::new_uncached()))
}

async fn read<F: MultiwriteNorFlash>(
    flash: &mut F,
    range: &Range<u32>,
) -> Result<Half, StoreError> {
    let mut half = Half::default();
    let mut items = items(flash, range)?;
    let mut all = items.iter().await?;
    let mut buffer = [0; FRAME + AROUND];
    while let Some(item) = all.next(&mut buffer).await? {
        half.items += 1;
        match *item {
            [BEGUN, a, b, c, d] => half.generation = Some(u32::from_be_bytes([a, b, c, d])),
            [DONE, a, b, c, d] => {
                half.done = half.generation == Some(u32::from_be_bytes([a, b, c, d]));
            }
            // A damaged one is none.
            ref frame => half.records.extend(Record::decode(frame)),
        }
        if half.records.len() > MOST {
            half.records = Book::read(half.records).compact(MOST * KEPT.0 / KEPT.1);
        }
    }
    Ok(half)
}

fn mark(kind: u8, generation: u32) -> [u8; 5] {
    let [a, b, c, d] = generation.to_be_bytes();
    [kind, a, b, c, d]
}

#[cfg(test)]
mod tests;
