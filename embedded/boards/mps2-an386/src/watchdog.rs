//! What if the application hangs? The machine's watchdog, once started, is fed or resets it
//! (CMSDK APB watchdog; Arm DDI 0479, section 4.5). QEMU is told to end then (`-action
//! watchdog=shutdown`), so a hang is seen from outside.

use crate::registers::Block;

const BLOCK: Block = Block::WATCHDOG;
const LOAD: usize = 0x000;
const CONTROL: usize = 0x008;
const CLEAR: usize = 0x00c;
/// Cycles of 25 MHz, twice: the first round asks for an interrupt, the second resets.
const ROUND: u32 = 60 * 25_000_000;

/// From now on, whoever does not feed it is reset after two minutes.
pub(crate) fn start() {
    BLOCK.write(LOAD, ROUND);
    BLOCK.write(CONTROL, 0b11);
}

/// The application lives.
pub(crate) fn feed() {
    BLOCK.write(CLEAR, 1);
}
