//! The probe on ST's Nucleo-H743ZI, with its own Ethernet and a serial NOR flash of the W25Q
//! family on SPI1 (D13 SCK, D12 MISO, D11 MOSI, D14 CS of the Arduino connector).
//!
//! **Not yet run on hardware.** It is built to keep [`Board`](faultline_firmware::Board)
//! honest: what that trait asks for has to be what a real processor has. The processor's own
//! flash does not do: it computes ECC over 32 octets and takes no second write.
#![no_std]
#![no_main]

extern crate alloc;

mod board;

use board::Nucleo;
use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_executor::Spawner;
use embassy_net::{Config, StackResources};
use embassy_stm32::eth::{Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::peripherals::{ETH, ETH_SMA, RNG};
use embassy_stm32::rng::Rng;
use embassy_stm32::spi::{self, Spi};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{bind_interrupts, eth, rng};
use embassy_time::Delay;
use embedded_alloc::LlffHeap;
use embedded_hal_bus::spi::ExclusiveDevice;
use embedded_storage_async::nor_flash::ReadNorFlash as _;
use faultline_firmware::provision::{Provision, ROOM};
use faultline_firmware::tls::Trust;
use faultline_firmware::{Board as _, Line, SOCKETS, Tapped, Witness, run};
use static_cell::{ConstStaticCell, StaticCell};
use w25q32jv::W25q32jv;

bind_interrupts!(struct Interrupts {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
});

/// Octets for everything that lives on the heap: as much as the emulated board has.
const HEAP: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: LlffHeap = LlffHeap::empty();

/// Nobody listens: the watchdog starts the board anew.
#[panic_handler]
fn panic(_why: &core::panic::PanicInfo) -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

type Device = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Tapped<'static, Device>>) -> ! {
    runner.run().await
}

/// What a board does that cannot go on: nothing, until somebody takes the power away.
async fn give_up() -> ! {
    core::future::pending().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static ARENA: ConstStaticCell<[u8; HEAP]> = ConstStaticCell::new([0; HEAP]);
    let arena = ARENA.take();
    // SAFETY: the arena is taken once, for ever, and is as long as said.
    #[allow(unsafe_code)] // the only way to give it memory
    unsafe {
        ALLOCATOR.init(arena.as_mut_ptr().expose_provenance(), HEAP);
    }
    let p = embassy_stm32::init(board::clocks());
    let bus = Spi::new_blocking(p.SPI1, p.PA5, p.PB5, p.PA6, spi::Config::default());
    let select = Output::new(p.PD14, Level::High, Speed::VeryHigh);
    // A pin of this processor always does what it is told.
    let Ok(device) = ExclusiveDevice::new(BlockingAsync::new(bus), select, Delay);
    // HOLD and WP are pins of their own, held high.
    let hold = Output::new(p.PE9, Level::High, Speed::Low);
    let protect = Output::new(p.PE11, Level::High, Speed::Low);
    let Ok(mut flash) = W25q32jv::new(device, hold, protect) else {
        give_up().await
    };
    let mut block = alloc::vec![0; ROOM];
    if flash.read(0, &mut block).await.is_err() {
        give_up().await
    }
    let Ok(provision) = Provision::read(&block) else {
        give_up().await
    };
    drop(block);
    let address = board::address();
    let watchdog = IndependentWatchdog::new(p.IWDG1, board::WATCHDOG);
    let random = Rng::new(p.RNG, Interrupts);
    let mut nucleo = Nucleo::new(flash, random, watchdog);
    let (mut seed, mut entropy) = ([0; 8], [0; 32]);
    if nucleo
        .entropy(&mut seed)
        .and(nucleo.entropy(&mut entropy))
        .is_err()
    {
        give_up().await
    }
    static QUEUE: StaticCell<PacketQueue<4, 4>> = StaticCell::new();
    let device = Ethernet::new(
        QUEUE.init(PacketQueue::new()),
        p.ETH,
        Interrupts,
        p.PA1,
        p.PA7,
        p.PC4,
        p.PC5,
        p.PG13,
        p.PB13,
        p.PG11,
        address,
        p.ETH_SMA,
        p.PA2,
        p.PC1,
    );
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    static WITNESS: Witness = Witness::new();
    let (stack, runner) = embassy_net::new(
        Tapped::new(device, &WITNESS),
        // The application asks for an address itself, once it knows of consent.
        Config::default(),
        RESOURCES.init(StackResources::new()),
        u64::from_le_bytes(seed),
    );
    match network(runner) {
        Ok(task) => spawner.spawn(task),
        Err(_) => give_up().await,
    }
    let trust = match provision.authority.as_slice() {
        [] => None,
        authority => match Trust::new(authority, entropy) {
            Ok(trust) => Some(trust),
            Err(_) => give_up().await,
        },
    };
    let line = Line {
        stack,
        witness: &WITNESS,
    };
    run(nucleo, line, trust, provision.settings).await;
}
