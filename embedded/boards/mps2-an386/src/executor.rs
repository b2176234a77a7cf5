//! What does the processor do when there is nothing to do? It waits for an interrupt (WFI).
//!
//! embassy's own executor waits for an event (WFE), which QEMU takes for "go on": an idle
//! board would keep a core of its host busy, and every other board's time would be wrong.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use embassy_executor::{Spawner, raw::Executor};
use static_cell::StaticCell;

/// Whether a task was woken since the last look.
static WOKEN: AtomicBool = AtomicBool::new(false);

#[allow(unsafe_code)] // the executor calls it by this name
#[unsafe(export_name = "__pender")]
fn woken(_context: *mut ()) {
    WOKEN.store(true, SeqCst);
}

/// Runs tasks for ever; `first` spawns the first of them.
pub(crate) fn run(first: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    let executor: &'static Executor = EXECUTOR.init(Executor::new(core::ptr::null_mut()));
    first(executor.spawner());
    loop {
        // SAFETY: here only, and never from a task or an interrupt.
        #[allow(unsafe_code)] // the executor cannot know that
        unsafe {
            executor.poll();
        }
        // An interrupt that comes after the look still ends the wait, and is served after it.
        cortex_m::interrupt::disable();
        if !WOKEN.swap(false, SeqCst) {
            cortex_m::asm::wfi();
        }
        // SAFETY: they were on before.
        #[allow(unsafe_code)] // to turn interrupts on can break critical sections
        unsafe {
            cortex_m::interrupt::enable();
        }
    }
}
