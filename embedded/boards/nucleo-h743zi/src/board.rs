//! What of this board does the application use? A flash chip, the processor's random number
//! generator and watchdog, and a clock that the collector sets.

use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_stm32::gpio::Output;
use embassy_stm32::mode::Blocking;
use embassy_stm32::peripherals::{IWDG1, RNG};
use embassy_stm32::rng::Rng;
use embassy_stm32::spi::{Spi, mode::Master};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{Config, pac, uid};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use faultline_core::time::{ClockQuality, UnixTime};
use faultline_firmware::provision::ROOM;
use faultline_firmware::{Board, Layout, NoEntropy, Wall, WallClock, Woke};
use w25q32jv::{SECTOR_SIZE, W25q32jv};

/// Microseconds after which a board that hangs is started anew; the watchdog counts to
/// 32.7 seconds.
pub(crate) const WATCHDOG: u32 = 32_000_000;

type Bus = BlockingAsync<Spi<'static, Blocking, Master>>;
/// The chip.
pub(crate) type Flash =
    W25q32jv<ExclusiveDevice<Bus, Output<'static>, Delay>, Output<'static>, Output<'static>>;

/// The board.
pub(crate) struct Nucleo {
    flash: Flash,
    random: Rng<'static, RNG>,
    watchdog: IndependentWatchdog<'static, IWDG1>,
    woke: Woke,
    /// Not set until the collector tells the time: there is no battery.
    clock: WallClock,
}

impl Nucleo {
    /// Starts the watchdog.
    pub(crate) fn new(
        flash: Flash,
        random: Rng<'static, RNG>,
        mut watchdog: IndependentWatchdog<'static, IWDG1>,
    ) -> Self {
        watchdog.unleash();
        Self {
            flash,
            random,
            watchdog,
            woke: woke(),
            clock: WallClock::default(),
        }
    }
}

/// The processor's clocks: 48 MHz for the random number generator, the rest as after reset.
pub(crate) fn clocks() -> Config {
    let mut config = Config::default();
    config.rcc.hsi48 = Some(embassy_stm32::rcc::Hsi48Config::default());
    config
}

/// A hardware address of the board's own, locally administered (IEEE 802), from the
/// processor's serial number.
pub(crate) fn address() -> [u8; 6] {
    let [a, b, c, d, e, ..] = uid::uid();
    [0x02, a, b, c, d, e]
}

/// Why the processor was reset (RM0433 section 8.7.37); the note is cleared.
fn woke() -> Woke {
    let flags = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|flags| flags.set_rmvf(true));
    if flags.iwdg1rstf() {
        Woke::Watchdog
    } else if flags.porrstf() {
        Woke::Power
    } else if flags.borrstf() {
        Woke::Brownout
    } else if flags.pinrstf() || flags.sftrstf() {
        Woke::Reset
    } else {
        Woke::Unknown
    }
}

impl Board for Nucleo {
    type Flash = Flash;

    fn entropy(&mut self, octets: &mut [u8]) -> Result<(), NoEntropy> {
        self.random.fill_bytes(octets);
        // Its health test (RM0433 section 33.3.7): of the seed, of the clock.
        let state = pac::RNG.sr().read();
        if state.secs() || state.cecs() {
            return Err(NoEntropy);
        }
        Ok(())
    }

    fn wall(&self) -> Wall {
        self.clock.read()
    }

    fn set_wall(&mut self, now: UnixTime) {
        self.clock.set(now, ClockQuality::Collector);
    }

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn layout(&self) -> Layout {
        let settings = ROOM as u32;
        let state = settings..settings + 4 * SECTOR_SIZE;
        let queue = state.end..state.end + 512 * SECTOR_SIZE;
        let ledger = queue.end..queue.end + 16 * SECTOR_SIZE;
        Layout {
            state,
            queue,
            ledger,
        }
    }

    fn feed(&mut self) {
        self.watchdog.pet();
    }

    fn woke(&self) -> Woke {
        self.woke
    }

    fn model(&self) -> &'static str {
        "nucleo-h743zi"
    }
}
