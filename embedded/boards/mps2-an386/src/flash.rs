//! Where does the board keep what must outlive a power cut? In a file of the host, which
//! behaves as serial NOR flash does: a write only clears bits, an erase sets a block's, both
//! take their time (those of a W25Q-class part), and both can end half-way.
//!
//! Each word is one write of the host: whoever kills the emulator leaves a word that was
//! written or one that was not, and as many of an operation's words as there were. In an erase
//! that ends half-way, part of the block is as it was.

use crate::host::{File, HostFailed, Mode};
use embassy_time::Timer;
use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Octets of the whole flash; the host's file has as many.
pub(crate) const SIZE: usize = 256 * 1024;
/// Octets that are erased together.
pub(crate) const BLOCK: usize = 4096;
const WORD: usize = 4;
/// Octets programmed at a time, and microseconds that it takes.
const PAGE: usize = 256;
const PROGRAM: u64 = 700;
/// Parts in which a block is erased, and microseconds for each.
const PARTS: usize = 16;
const ERASE: u64 = 45_000 / PARTS as u64;

/// The flash.
pub(crate) struct FileFlash(File);

/// Why flash was not read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlashError {
    /// The application asked for what is not there, or across words.
    Asked(NorFlashErrorKind),
    /// The host did not do it.
    Host(HostFailed),
}

impl From<HostFailed> for FlashError {
    fn from(failed: HostFailed) -> Self {
        Self::Host(failed)
    }
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Asked(kind) => *kind,
            Self::Host(_) => NorFlashErrorKind::Other,
        }
    }
}

impl FileFlash {
    /// Opens the host's file, whose name ends with a zero octet.
    pub(crate) fn open(name: &[u8]) -> Result<Self, HostFailed> {
        let mut file = File::open(name, Mode::ReadWrite)?;
        if file.length()? != SIZE {
            return Err(HostFailed("find 262144 octets of flash"));
        }
        Ok(Self(file))
    }

    /// Reads at once, before there is an executor.
    pub(crate) fn read_now(
        &mut self,
        offset: u32,
        octets: &mut [u8],
    ) -> Result<(), FlashError> {
        within(offset, octets.len(), 1)?;
        self.0.seek(offset)?;
        Ok(self.0.read(octets)?)
    }

    fn put(&mut self, offset: u32, octets: &[u8]) -> Result<(), FlashError> {
        self.0.seek(offset)?;
        Ok(self.0.write(octets)?)
    }
}

fn within(offset: u32, length: usize, unit: usize) -> Result<(), FlashError> {
    let offset = offset as usize;
    if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
        return Err(FlashError::Asked(NorFlashErrorKind::NotAligned));
    }
    if offset > SIZE || length > SIZE - offset {
        return Err(FlashError::Asked(NorFlashErrorKind::OutOfBounds));
    }
    Ok(())
}

impl ErrorType for FileFlash {
    type Error = FlashError;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), FlashError> {
        self.read_now(offset, octets)
    }

    fn capacity(&self) -> usize {
        SIZE
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = BLOCK;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        within(from, to.saturating_sub(from) as usize, BLOCK)?;
        for part in (from..to).step_by(BLOCK / PARTS) {
            Timer::after_micros(ERASE).await;
            self.put(part, &[0xff; BLOCK / PARTS])?;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), FlashError> {
        within(offset, octets.len(), WORD)?;
        for (at, page) in (offset..).step_by(PAGE).zip(octets.chunks(PAGE)) {
            Timer::after_micros(PROGRAM).await;
            for (at, word) in (at..).step_by(WORD).zip(page.chunks(WORD)) {
                let mut there = [0; WORD];
                self.read_now(at, &mut there)?;
                for (bits, new) in there.iter_mut().zip(word) {
                    *bits &= new;
                }
                self.put(at, &there)?;
            }
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for FileFlash {}
