//! How do frames get in and out of the LAN9118? Through two FIFOs of words, without DMA
//! (SMSC LAN9118 data sheet, revision 1.5; sections below are of it).
//!
//! ```text
//! receive:  RX_STATUS (length with CRC)   RX_DATA, ceil(length / 4) words
//! transmit: TX_DATA: command A (first|last|length), command B (length), words; TX_STATUS
//! ```

use crate::registers::Block;
use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;

/// The interrupt of the device on this machine.
pub(crate) const INTERRUPT: u16 = 13;
/// Longest frame: 1500 octets of payload and a header (IEEE 802.3), in whole words.
const FRAME: usize = 1516;
/// Ethernet's largest payload and its header.
const MTU: usize = 1514;
/// What follows a frame, and is counted by the device.
const CRC: usize = 4;

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const RX_CFG: usize = 0x6c;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_DP_CTRL: usize = 0x78;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

/// What `BYTE_TEST` reads (5.3.7).
const HERE: u32 = 0x8765_4321;
/// `RSFL`: a frame waits (5.3.4).
const RECEIVED: u32 = 1 << 3;
/// `TSFL`: a frame has left.
const SENT: u32 = 1 << 7;
/// Polls that a reset or a MAC register may take; the data sheet allows 10 ms.
const PATIENCE: u32 = 1_000_000;

static WAKER: AtomicWaker = AtomicWaker::new();

/// Why there is no network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Something else answers at its address.
    Stranger(u32),
    /// It does not come out of its reset.
    Stuck,
}

/// The device, up and receiving.
pub(crate) struct Lan9118 {
    address: [u8; 6],
    /// The frame in hand; words, since the FIFO gives words.
    frame: [u32; FRAME / 4],
}

impl Lan9118 {
    /// Resets the device, gives it its hardware address and lets it receive.
    pub(crate) fn new(address: [u8; 6]) -> Result<Self, Absent> {
        let found = BLOCK.read(BYTE_TEST);
        if found != HERE {
            return Err(Absent::Stranger(found));
        }
        BLOCK.write(HW_CFG, 1);
        until(|| BLOCK.read(HW_CFG) & 1 == 0)?;
        // Must be one (5.3.9); five kilobytes for frames to send.
        BLOCK.write(HW_CFG, 1 << 20 | 5 << 16);
        BLOCK.write(FIFO_INT, 0);
        BLOCK.write(RX_CFG, 0);
        BLOCK.write(TX_CFG, 1 << 1);
        // First octets first, in the low octets of both.
        let (mut low, mut high) = ([0; 4], [0; 4]);
        low.copy_from_slice(&address[..4]);
        high[..2].copy_from_slice(&address[4..]);
        mac(2, u32::from_le_bytes(high))?;
        mac(3, u32::from_le_bytes(low))?;
        // MAC_CR: transmit, receive.
        mac(1, 1 << 3 | 1 << 2)?;
        // Active high, push-pull, on.
        BLOCK.write(IRQ_CFG, 0x111);
        BLOCK.write(INT_STS, u32::MAX);
        BLOCK.write(INT_EN, RECEIVED);
        Ok(Self {
            address,
            frame: [0; FRAME / 4],
        })
    }

    /// Takes the next good frame out of the FIFO; what is too long or damaged is dropped.
    fn take(&mut self) -> Option<usize> {
        loop {
            let frames = BLOCK.read(RX_FIFO_INF).to_be_bytes()[1];
            if frames == 0 {
                return None;
            }
            let status = BLOCK.read(RX_STATUS);
            let length = (status >> 16 & 0x3fff) as usize;
            let words = length.div_ceil(4);
            // Error summary (3.13.3), too long for us, or shorter than a header.
            if status & 1 << 15 != 0 || words > self.frame.len() || length < 14 + CRC {
                // Fast forward needs four words (3.13.1.1).
                if words >= 4 && BLOCK.read(RX_DP_CTRL) >> 31 == 0 {
                    BLOCK.write(RX_DP_CTRL, 1 << 31);
                    let _ = until(|| BLOCK.read(RX_DP_CTRL) >> 31 == 0);
                } else {
                    (0..words).for_each(|_| _ = BLOCK.read(RX_DATA));
                }
                continue;
            }
            for word in &mut self.frame[..words] {
                *word = BLOCK.read(RX_DATA);
            }
            return Some(length - CRC);
        }
    }

    /// Whether a whole frame has room in the FIFO.
    fn room() -> bool {
        while BLOCK.read(TX_FIFO_INF).to_be_bytes()[1] != 0 {
            BLOCK.read(TX_STATUS);
        }
        (BLOCK.read(TX_FIFO_INF) & 0xffff) as usize >= FRAME + 8
    }
}

const BLOCK: Block = Block::LAN9118;

fn until(mut holds: impl FnMut() -> bool) -> Result<(), Absent> {
    (0..PATIENCE)
        .any(|_| holds())
        .then_some(())
        .ok_or(Absent::Stuck)
}

/// Writes a register of the MAC, which is reached through two others (5.4).
fn mac(register: u32, value: u32) -> Result<(), Absent> {
    until(|| BLOCK.read(MAC_CSR_CMD) >> 31 == 0)?;
    BLOCK.write(MAC_CSR_DATA, value);
    BLOCK.write(MAC_CSR_CMD, 1 << 31 | register);
    until(|| BLOCK.read(MAC_CSR_CMD) >> 31 == 0)
}

/// To be called when the device interrupts.
pub(crate) fn interrupted() {
    BLOCK.write(INT_EN, 0);
    BLOCK.write(INT_STS, u32::MAX);
    WAKER.wake();
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending;

    fn receive(&mut self, context: &mut Context) -> Option<(Received<'_>, Sending)> {
        // First the waker, then the look: a frame that comes between them wakes.
        WAKER.register(context.waker());
        BLOCK.write(INT_STS, u32::MAX);
        BLOCK.write(INT_EN, RECEIVED);
        if !Self::room() {
            BLOCK.write(INT_EN, RECEIVED | SENT);
            return None;
        }
        let length = self.take()?;
        let frame = &mut self.frame;
        Some((Received { frame, length }, Sending(())))
    }

    fn transmit(&mut self, context: &mut Context) -> Option<Sending> {
        WAKER.register(context.waker());
        if Self::room() {
            return Some(Sending(()));
        }
        BLOCK.write(INT_EN, RECEIVED | SENT);
        None
    }

    fn link_state(&mut self, _context: &mut Context) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// A frame that came.
pub(crate) struct Received<'a> {
    frame: &'a mut [u32; FRAME / 4],
    length: usize,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        let mut octets = [0; FRAME];
        for (four, word) in octets.chunks_exact_mut(4).zip(self.frame.iter()) {
            four.copy_from_slice(&word.to_le_bytes());
        }
        read(&mut octets[..self.length])
    }
}

/// Room for a frame.
pub(crate) struct Sending(());

impl TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut octets = [0; FRAME];
        let result = fill(&mut octets[..length]);
        BLOCK.write(TX_DATA, 1 << 13 | 1 << 12 | length as u32);
        BLOCK.write(TX_DATA, length as u32);
        for four in octets[..length.next_multiple_of(4)].chunks_exact(4) {
            let mut word = [0; 4];
            word.copy_from_slice(four);
            BLOCK.write(TX_DATA, u32::from_le_bytes(word));
        }
        result
    }
}
