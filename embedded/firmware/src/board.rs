//! What does the application need of a board?
//!
//! The network is not in here: the board hands its device to embassy-net (through
//! [`Tapped`](crate::Tapped)) and the stack to [`run`](crate::run), which sees the link's
//! state there. Nor is the monotonic clock: it is the board's `embassy-time` driver, whose
//! ticks must not wrap within the life of a board (64 bits).

use crate::Note;
use core::ops::Range;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use faultline_core::time::{ClockQuality, UnixTime};

/// A board.
pub trait Board {
    /// Where what must outlive a power cut is kept. Words are written once, and once more
    /// with zeroes: parts whose flash computes ECC by word bring an external one.
    type Flash: MultiwriteNorFlash;

    /// Fills `octets` with chance that nobody can guess. A board whose source fails its
    /// health test says so: then there is no key, no query and no upload.
    fn entropy(&mut self, octets: &mut [u8]) -> Result<(), NoEntropy>;

    /// The wall clock.
    fn wall(&self) -> Wall;

    /// Sets the wall clock to what the collector says.
    fn set_wall(&mut self, now: UnixTime);

    /// The flash.
    fn flash(&mut self) -> &mut Self::Flash;

    /// Which of its octets are whose.
    fn layout(&self) -> Layout;

    /// Tells the watchdog that the application lives. It is told at least every
    /// [`FED`](Self::FED) seconds.
    fn feed(&mut self);

    /// The longest time between two calls of [`Self::feed`], seconds.
    const FED: u64 = 30;

    /// Why the board has started.
    fn woke(&self) -> Woke;

    /// Hears what happens: for a light, a serial line, a test. Nothing hangs on it.
    fn note(&mut self, note: &Note) {
        let _ = note;
    }

    /// Name of the board, for the software's name in measurements: `mps2-an386`.
    fn model(&self) -> &'static str;
}

/// The source of chance cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the board's source of entropy fails: nothing is sent until it works again")]
pub struct NoEntropy;

/// What the wall clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// The time; where nobody has set the clock, since whatever moment it counts from.
    pub time: UnixTime,
    /// How far that can be trusted.
    pub quality: ClockQuality,
}

/// Ranges of the flash, in octets from its start, each of whole erase blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Key and what the collector told: two blocks or more.
    pub state: Range<u32>,
    /// Sealed batches that wait: two blocks or more.
    pub queue: Range<u32>,
    /// The link ledger: two blocks or more, of which more than a few dozen KiB help nobody.
    pub ledger: Range<u32>,
}

/// Why a board has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Woke {
    /// Power came.
    Power,
    /// Somebody or something asked for a reset.
    Reset,
    /// The watchdog was not fed.
    Watchdog,
    /// Power was too low.
    Brownout,
    /// The board cannot tell.
    Unknown,
}
