//! The board's own parts, on a desk.

use crate::{Board, Layout, NoEntropy, Note, Wall, Woke, clock};
use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use faultline_core::time::{ClockQuality, Instant, UnixTime};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    println, vec,
};

const BLOCK: u32 = 4096;
const STATE: u32 = 2 * BLOCK;
const QUEUE: u32 = 64 * BLOCK;
const LEDGER: u32 = 4 * BLOCK;
const SIZE: u32 = STATE + QUEUE + LEDGER;

/// A desk.
pub struct HostBoard {
    flash: FileFlash,
    /// What the wall clock said, and when.
    set: (UnixTime, Instant),
    quality: ClockQuality,
}

impl HostBoard {
    /// With a flash in the file at `path`, which is made where there is none, and a wall
    /// clock that says `now`.
    pub fn open(path: &Path, now: UnixTime) -> io::Result<Self> {
        Ok(Self {
            flash: FileFlash::open(path)?,
            set: (now, clock::now()),
            quality: ClockQuality::Ntp,
        })
    }
}

impl Board for HostBoard {
    type Flash = FileFlash;

    fn entropy(&mut self, octets: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(octets).map_err(|_| NoEntropy)
    }
    fn wall(&self) -> Wall {
        let (time, at) = self.set;
        Wall {
            time: time + clock::now().since(at),
            quality: self.quality,
        }
    }
    fn set_wall(&mut self, now: UnixTime) {
        // The system's own clock is better than one message.
        let _ = now;
    }
    fn flash(&mut self) -> &mut FileFlash {
        &mut self.flash
    }
    fn layout(&self) -> Layout {
        Layout {
            state: 0..STATE,
            queue: STATE..STATE + QUEUE,
            ledger: STATE + QUEUE..SIZE,
        }
    }
    fn feed(&mut self) {}
    fn woke(&self) -> Woke {
        Woke::Unknown
    }
    fn note(&mut self, note: &Note) {
        println!("{note:?}");
    }
    fn model(&self) -> &'static str {
        "host"
    }
}

/// A file that behaves as a NOR flash: written bits are only ever cleared.
pub struct FileFlash(File);

/// A file that does not.
#[derive(Debug)]
pub struct FlashError;

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl From<io::Error> for FlashError {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl FileFlash {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let there = file.metadata()?.len();
        if there < u64::from(SIZE) {
            let fresh = vec![0xff; (u64::from(SIZE) - there) as usize];
            file.write_all_at(&fresh, there)?;
        }
        Ok(Self(file))
    }
}

impl ErrorType for FileFlash {
    type Error = FlashError;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;
    async fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), FlashError> {
        Ok(self.0.read_exact_at(octets, offset.into())?)
    }
    fn capacity(&self) -> usize {
        SIZE as usize
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = BLOCK as usize;
    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let erased = vec![0xff; to.saturating_sub(from) as usize];
        Ok(self.0.write_all_at(&erased, from.into())?)
    }
    async fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), FlashError> {
        let mut there = vec![0; octets.len()];
        self.0.read_exact_at(&mut there, offset.into())?;
        there
            .iter_mut()
            .zip(octets)
            .for_each(|(to, from)| *to &= from);
        Ok(self.0.write_all_at(&there, offset.into())?)
    }
}

impl MultiwriteNorFlash for FileFlash {}
