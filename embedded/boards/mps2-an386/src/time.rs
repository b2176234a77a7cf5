//! What time is it since power came? A timer counts at 25 MHz without ever stopping; 64 bits
//! of software behind its 32 last for ever.
//!
//! SysTick, once a millisecond, wakes what is due and notices that the timer went round (every
//! 171 s). It is not what counts: an emulator that was held up delivers one interrupt in the
//! place of many, and a clock that counted them would go slow.

use crate::registers::Block;
use core::cell::{Cell, RefCell};
use core::task::Waker;
use cortex_m::peripheral::{SYST, syst::SystClkSource};
use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

const MEGAHERTZ: u64 = 25;
/// Cycles of SysTick between two looks at what is due.
const LOOK: u32 = 25_000;

const CTRL: usize = 0x0;
const VALUE: usize = 0x4;
const RELOAD: usize = 0x8;

struct Clock {
    /// Cycles counted in full rounds, and the last reading within one.
    rounds: Mutex<Cell<(u64, u32)>>,
    due: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    rounds: Mutex::new(Cell::new((0, 0))),
    due: Mutex::new(RefCell::new(Queue::new())),
});

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|cs| {
            let elapsed = !Block::TIMER0.read(VALUE);
            let rounds = self.rounds.borrow(cs);
            let (mut whole, last) = rounds.get();
            if elapsed < last {
                whole += 1 << 32;
            }
            rounds.set((whole, elapsed));
            (whole + u64::from(elapsed)) / MEGAHERTZ
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            self.due.borrow(cs).borrow_mut().schedule_wake(at, waker);
        });
    }
}

/// Starts both timers.
pub(crate) fn start(mut systick: SYST) {
    Block::TIMER0.write(RELOAD, u32::MAX);
    Block::TIMER0.write(VALUE, u32::MAX);
    Block::TIMER0.write(CTRL, 1);
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(LOOK - 1);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();
}

/// To be called by SysTick's exception.
pub(crate) fn ticked() {
    let now = CLOCK.now();
    critical_section::with(|cs| {
        CLOCK.due.borrow(cs).borrow_mut().next_expiration(now);
    });
}
