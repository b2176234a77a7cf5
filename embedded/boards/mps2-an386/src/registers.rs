//! How are a device's registers reached? By their offsets in its block.

/// The registers of a device.
#[derive(Clone, Copy)]
pub(crate) struct Block(usize);

impl Block {
    /// CMSDK APB timer 0 (Arm DAI 0386, "memory map").
    pub(crate) const TIMER0: Self = Self(0x4000_0000);
    /// CMSDK APB watchdog.
    pub(crate) const WATCHDOG: Self = Self(0x4000_8000);
    /// The LAN9118 behind the static memory interface.
    pub(crate) const LAN9118: Self = Self(0x4020_0000);

    /// Reads a register.
    pub(crate) fn read(self, offset: usize) -> u32 {
        // SAFETY: blocks are made above only, for devices that every machine of this kind has.
        #[allow(unsafe_code)] // devices are reached by their addresses, or not at all
        unsafe {
            core::ptr::with_exposed_provenance::<u32>(self.0 + offset).read_volatile()
        }
    }

    /// Writes a register.
    pub(crate) fn write(self, offset: usize, value: u32) {
        // SAFETY: as above. No device of these can be told to touch memory: none has DMA.
        #[allow(unsafe_code)] // as above
        unsafe {
            core::ptr::with_exposed_provenance_mut::<u32>(self.0 + offset)
                .write_volatile(value);
        }
    }
}
