//! The probe on the board that QEMU emulates: `-M mps2-an386`, a Cortex-M4F with a LAN9118.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod executor;
mod flash;
mod host;
mod lan9118;
mod memory;
mod registers;
mod time;
mod watchdog;

use cortex_m::{interrupt::InterruptNumber, peripheral::NVIC};
use cortex_m_rt::{ExceptionFrame, exception};
use embassy_executor::Spawner;
use embassy_net::{Config, Stack, StackResources};
use faultline_firmware::{
    Board as _, Line, SOCKETS, Tapped, Witness, provision::Provision, provision::ROOM, run,
    tls::Trust,
};
use host::say;
use lan9118::Lan9118;
use static_cell::StaticCell;

/// The image could not go on; what it said is above.
const BROKEN: usize = 101;

#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: the number is one of this machine's, and stays the same.
#[allow(unsafe_code)] // the trait is unsafe
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

#[exception]
fn SysTick() {
    time::ticked();
}

#[exception]
#[allow(unsafe_code)] // cortex-m-rt asks for it: an exception may come at any time
unsafe fn DefaultHandler(number: i16) {
    if number.cast_unsigned() == lan9118::INTERRUPT {
        lan9118::interrupted();
    }
}

#[exception]
#[allow(unsafe_code)] // as above
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    say!("fault at {:#010x}: {frame:?}", frame.pc());
    host::exit(BROKEN)
}

#[panic_handler]
fn panic(why: &core::panic::PanicInfo) -> ! {
    say!("{why}");
    host::exit(BROKEN)
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Tapped<'static, Lan9118>>) -> ! {
    runner.run().await
}

/// Says now and then how much memory was used at most: whoever watches keeps the last line.
#[embassy_executor::task]
async fn figures() -> ! {
    let mut last = (0, 0);
    loop {
        let now = (memory::heap_peak(), memory::stack().1);
        if now != last {
            say!(
                "memory: heap {} of {}, stack {} of {}",
                now.0,
                memory::HEAP,
                now.1,
                memory::stack().0
            );
            last = now;
        }
        embassy_time::Timer::after_millis(250).await;
    }
}

/// Says when the board has an address, and when it has lost it.
#[embassy_executor::task]
async fn way(stack: Stack<'static>) -> ! {
    loop {
        stack.wait_config_up().await;
        if let Some(config) = stack.config_v4() {
            say!(
                "address {}, resolvers {:?}",
                config.address,
                config.dns_servers
            );
        }
        stack.wait_config_down().await;
        say!("no address any more");
    }
}

/// What the emulator was started with: `arg=mps2-an386,arg=FLASH,arg=MAC,arg=clock|no-clock`.
struct Wishes {
    flash: alloc::string::String,
    address: [u8; 6],
    clock: bool,
}

fn wishes() -> Option<Wishes> {
    let mut room = [0; 512];
    let mut words = host::arguments(&mut room).ok()?.split(' ').skip(1);
    let flash = alloc::format!("{}\0", words.next()?);
    let mut address = [0; 6];
    let mut octets = words.next()?.split(':');
    for octet in &mut address {
        *octet = u8::from_str_radix(octets.next()?, 16).ok()?;
    }
    let clock = words.next() == Some("clock");
    Some(Wishes {
        flash,
        address,
        clock,
    })
}

/// Ends with a word to whoever looks.
fn give_up(why: core::fmt::Arguments) -> ! {
    say!("{why}");
    host::exit(BROKEN)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    memory::start();
    executor::run(|spawner| match life(spawner) {
        Ok(life) => spawner.spawn(life),
        Err(_) => give_up(format_args!("no room for the first task")),
    })
}

static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
static WITNESS: Witness = Witness::new();

#[embassy_executor::task]
async fn life(spawner: Spawner) {
    let Some(core) = cortex_m::Peripherals::take() else {
        give_up(format_args!("the processor's devices are taken"))
    };
    time::start(core.SYST);
    watchdog::start();
    let Some(wishes) = wishes() else {
        give_up(format_args!(
            "arguments: mps2-an386 FLASH MAC clock|no-clock"
        ))
    };
    let mut flash = match flash::FileFlash::open(wishes.flash.as_bytes()) {
        Ok(flash) => flash,
        Err(failed) => give_up(format_args!("cannot {} in {}", failed.0, wishes.flash)),
    };
    let mut block = alloc::vec![0; ROOM];
    if let Err(error) = flash.read_now(0, &mut block) {
        give_up(format_args!("cannot read the settings: {error:?}"))
    }
    let provision = match Provision::read(&block) {
        Ok(provision) => provision,
        Err(error) => give_up(format_args!("{error}")),
    };
    drop(block);
    let device = match Lan9118::new(wishes.address) {
        Ok(device) => device,
        Err(absent) => give_up(format_args!("no network device: {absent:?}")),
    };
    // SAFETY: the handler is there, and takes no lock that the program holds.
    #[allow(unsafe_code)] // to unmask an interrupt can break critical sections
    unsafe {
        NVIC::unmask(Interrupt(lan9118::INTERRUPT));
    }
    let mut board = board::Emulated::new(flash, wishes.clock);
    let (mut seed, mut random) = ([0; 8], [0; 32]);
    if board
        .entropy(&mut seed)
        .and(board.entropy(&mut random))
        .is_err()
    {
        give_up(format_args!("no entropy"))
    }
    let (stack, runner) = embassy_net::new(
        Tapped::new(device, &WITNESS),
        // The application asks for an address itself, once it knows of consent.
        Config::default(),
        RESOURCES.init(StackResources::new()),
        u64::from_le_bytes(seed),
    );
    match (network(runner), figures(), way(stack)) {
        (Ok(network), Ok(figures), Ok(way)) => {
            spawner.spawn(network);
            spawner.spawn(figures);
            spawner.spawn(way);
        }
        _ => give_up(format_args!("no room for a task")),
    }
    let line = Line {
        stack,
        witness: &WITNESS,
    };
    // Who speaks in the clear, as in a closed test network, has no authority.
    let trust = match provision.authority.as_slice() {
        [] => None,
        authority => match Trust::new(authority, random) {
            Ok(trust) => Some(trust),
            Err(_) => give_up(format_args!(
                "the authority in the settings is no certificate"
            )),
        },
    };
    run(board, line, trust, provision.settings).await;
}
