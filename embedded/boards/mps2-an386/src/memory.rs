//! How much memory is in use, and how much was at most? The heap counts itself; the stack was
//! painted before the program began (`paint-stack` of cortex-m-rt), and what is still painted
//! was never used.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use embedded_alloc::LlffHeap;

/// Octets for everything that lives on the heap.
pub(crate) const HEAP: usize = 64 * 1024;

/// A heap that knows how full it was.
struct Counted {
    heap: LlffHeap,
    peak: AtomicUsize,
}

#[global_allocator]
static ALLOCATOR: Counted = Counted {
    heap: LlffHeap::empty(),
    peak: AtomicUsize::new(0),
};

// SAFETY: everything is passed on to an allocator that keeps the contract.
#[allow(unsafe_code)] // an allocator's trait is unsafe
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { self.heap.alloc(layout) };
        // One processor, and no interrupt allocates.
        self.peak
            .store(self.peak.load(Relaxed).max(self.heap.used()), Relaxed);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { self.heap.dealloc(block, layout) }
    }
}

/// Gives the heap its memory; once, before anything is allocated.
pub(crate) fn start() {
    static ARENA: static_cell::ConstStaticCell<[u8; HEAP]> =
        static_cell::ConstStaticCell::new([0; HEAP]);
    let arena = ARENA.take();
    // SAFETY: the arena is taken once, for ever, and is as long as said.
    #[allow(unsafe_code)] // the only way to give it memory
    unsafe {
        ALLOCATOR
            .heap
            .init(arena.as_mut_ptr().expose_provenance(), HEAP);
    }
}

/// Octets of the heap in use when most were.
pub(crate) fn heap_peak() -> usize {
    ALLOCATOR.peak.load(Relaxed)
}

/// Octets of the stack, and how many of them were ever used.
pub(crate) fn stack() -> (usize, usize) {
    #[allow(unsafe_code)] // the linker's names for the ends of the stack
    unsafe extern "C" {
        static _stack_end: u32;
        static _stack_start: u32;
    }
    let (low, high) = (&raw const _stack_end, &raw const _stack_start);
    let words = (high.addr() - low.addr()) / 4;
    let mut untouched = 0;
    while untouched < words {
        // SAFETY: within the stack, which is memory of this program.
        #[allow(unsafe_code)] // what is below the stack's pointer has no owner to ask
        let word = unsafe { low.add(untouched).read_volatile() };
        if word != cortex_m_rt::STACK_PAINT_VALUE {
            break;
        }
        untouched += 1;
    }
    (words * 4, (words - untouched) * 4)
}
