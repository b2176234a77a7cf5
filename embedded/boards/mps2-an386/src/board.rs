//! What of the board does the application use? Flash in a file, the host's entropy and clock,
//! and a watchdog.

use crate::flash::{BLOCK, FileFlash, SIZE};
use crate::host::{self, say};
use faultline_core::time::{ClockQuality, UnixTime};
use faultline_firmware::provision::ROOM;
use faultline_firmware::{Board, Layout, NoEntropy, Note, Wall, WallClock, Woke};

/// The board.
pub(crate) struct Emulated {
    flash: FileFlash,
    clock: WallClock,
}

impl Emulated {
    /// With a clock that is set, or one that knows nothing until the collector tells.
    pub(crate) fn new(flash: FileFlash, clock: bool) -> Self {
        let mut wall = WallClock::default();
        if clock {
            let now = UnixTime(i64::from(host::unix_seconds()) * 1_000_000);
            wall.set(now, ClockQuality::Rtc);
        }
        Self { flash, clock: wall }
    }
}

impl Board for Emulated {
    type Flash = FileFlash;

    fn entropy(&mut self, octets: &mut [u8]) -> Result<(), NoEntropy> {
        host::random(octets).map_err(|_| NoEntropy)
    }

    fn wall(&self) -> Wall {
        self.clock.read()
    }

    fn set_wall(&mut self, now: UnixTime) {
        self.clock.set(now, ClockQuality::Collector);
    }

    fn flash(&mut self) -> &mut FileFlash {
        &mut self.flash
    }

    fn layout(&self) -> Layout {
        let block = BLOCK as u32;
        let settings = ROOM as u32;
        let state = settings..settings + 4 * block;
        let queue = state.end..state.end + 32 * block;
        let ledger = queue.end..SIZE as u32;
        Layout {
            state,
            queue,
            ledger,
        }
    }

    fn feed(&mut self) {
        crate::watchdog::feed();
    }

    fn woke(&self) -> Woke {
        Woke::Power
    }

    fn note(&mut self, note: &Note) {
        say!("{note:?}");
    }

    fn model(&self) -> &'static str {
        "mps2-an386"
    }
}
