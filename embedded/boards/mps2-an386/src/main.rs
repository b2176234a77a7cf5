//! The probe on the board that QEMU emulates: `-M mps2-an386`, a Cortex-M4F with a LAN9118.
#![no_std]
#![no_main]

extern crate alloc;

mod host;
mod lan9118;
mod memory;
mod registers;
mod time;

use cortex_m::{interrupt::InterruptNumber, peripheral::NVIC};
use cortex_m_rt::{ExceptionFrame, exception};
use embassy_executor::Spawner;
use embassy_net::{Config, Stack, StackResources, dns::DnsQueryType};
use embassy_time::Instant;
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
    if number == lan9118::INTERRUPT as i16 {
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
async fn network(mut runner: embassy_net::Runner<'static, Lan9118>) -> ! {
    runner.run().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    memory::start();
    let core = cortex_m::Peripherals::take().expect("taken once");
    time::start(core.SYST);
    let device = match Lan9118::new([2, 0, 0, 0, 0, 1]) {
        Ok(device) => device,
        Err(absent) => {
            say!("no network device: {absent:?}");
            host::exit(BROKEN)
        }
    };
    // SAFETY: the handler is there, and takes no lock that the program holds.
    #[allow(unsafe_code)] // to unmask an interrupt can break critical sections
    unsafe {
        NVIC::unmask(Interrupt(lan9118::INTERRUPT));
    }
    let mut seed = [0; 8];
    host::random(&mut seed).expect("entropy");
    static RESOURCES: StaticCell<StackResources<6>> = StaticCell::new();
    let (stack, runner): (Stack, _) = embassy_net::new(
        device,
        Config::dhcpv4(embassy_net::DhcpConfig::default()),
        RESOURCES.init(StackResources::new()),
        u64::from_le_bytes(seed),
    );
    spawner.spawn(network(runner).expect("one task"));
    stack.wait_config_up().await;
    say!("{:?} at {} us", stack.config_v4(), Instant::now().as_micros());
    let mut room = [0; 256];
    let name = host::arguments(&mut room).expect("a name");
    match stack.dns_query(name, DnsQueryType::A).await {
        Ok(found) => say!("{name}: {found:?} at {} us", Instant::now().as_micros()),
        Err(error) => say!("{name}: {error:?}"),
    }
    say!("stack {:?} heap {}", memory::stack(), memory::heap_peak());
    host::exit(0)
}
