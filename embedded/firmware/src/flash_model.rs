//! A NOR flash as datasheets describe it, whose power can be cut at any word.
//!
//! Erased octets are `0xff`, and writing clears bits. A cut in the middle of a word leaves
//! some of its bits cleared, one in the middle of an erasure leaves some of the block
//! erased; which, chance decides, seeded. After the cut nothing works until the next boot.

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::{vec, vec::Vec};

pub(crate) const WORD: usize = 4;
pub(crate) const BLOCK: usize = 4096;

#[derive(Clone)]
pub(crate) struct Model {
    octets: Vec<u8>,
    /// Operations (words written, blocks erased) until the cut.
    pub(crate) left: Option<u64>,
    pub(crate) done: u64,
    chance: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Cut,
    Misuse,
}

impl NorFlashError for Broken {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Model {
    pub(crate) fn new(blocks: usize) -> Self {
        Self {
            octets: vec![0xff; blocks * BLOCK],
            left: None,
            done: 0,
            chance: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Power returns; it is cut again after so many operations.
    pub(crate) fn boot(&mut self, left: Option<u64>) {
        self.left = left;
        self.done = 0;
        self.chance ^= left.unwrap_or_default().wrapping_mul(0xd134_2543_de82_ef95);
    }

    /// xorshift64 (Marsaglia 2003).
    fn draw(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }

    /// Whether one more operation comes to its end; the last one does not.
    fn powered(&mut self) -> Result<bool, Broken> {
        match &mut self.left {
            None => {}
            Some(0) => return Err(Broken::Cut),
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    return Ok(false);
                }
            }
        }
        self.done += 1;
        Ok(true)
    }
}

impl ErrorType for Model {
    type Error = Broken;
}

impl ReadNorFlash for Model {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), Broken> {
        if self.left == Some(0) {
            return Err(Broken::Cut);
        }
        let from = offset as usize;
        let there = self.octets.get(from..from + octets.len());
        octets.copy_from_slice(there.ok_or(Broken::Misuse)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.octets.len()
    }
}

impl NorFlash for Model {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = BLOCK;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        for block in (from as usize..to as usize).step_by(BLOCK) {
            let whole = self.powered()?;
            let erased = if whole {
                BLOCK
            } else {
                self.draw() as usize % BLOCK
            };
            self.octets[block..block + erased].fill(0xff);
            if !whole {
                return Err(Broken::Cut);
            }
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), Broken> {
        if !(offset as usize | octets.len()).is_multiple_of(WORD) {
            return Err(Broken::Misuse);
        }
        for (at, word) in (offset as usize..).step_by(WORD).zip(octets.chunks(WORD)) {
            let whole = self.powered()?;
            let spared = if whole { 0 } else { self.draw() as u32 };
            for ((to, from), spared) in self.octets[at..]
                .iter_mut()
                .zip(word)
                .zip(spared.to_be_bytes())
            {
                *to &= from | spared;
            }
            if !whole {
                return Err(Broken::Cut);
            }
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Model {}
