//! What does the emulator give that a real board has itself? Entropy, a wall clock, a file in
//! the place of flash, and an end: by semihosting (Arm IHI 0096, "Semihosting for AArch32 and
//! AArch64"). For tests only: nothing of this is there on a board, and the entropy is the
//! host's own.

use core::cell::Cell;
use core::fmt;
use cortex_m_semihosting::{nr, syscall, syscall1};

/// `SYS_EXIT_EXTENDED`: ends the emulator with a status (section 6.10).
const EXIT_EXTENDED: usize = 0x20;
/// `ADP_Stopped_ApplicationExit`.
const APPLICATION_EXIT: usize = 0x2_0026;

/// The host did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostFailed(pub(crate) &'static str);

/// A file of the host.
pub(crate) struct File(usize);

/// How a file is opened.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Read,
    ReadWrite,
}

fn call<T>(operation: usize, block: &T) -> usize {
    // SAFETY: every caller in this module passes the block that the operation asks for, whose
    // pointers are to live memory of the lengths beside them.
    #[allow(unsafe_code)] // a breakpoint is how one speaks to the emulator
    unsafe {
        syscall(operation, block)
    }
}

impl File {
    /// Opens a file; `name` ends with a zero octet.
    pub(crate) fn open(name: &[u8], mode: Mode) -> Result<Self, HostFailed> {
        let Some((0, text)) = name.split_last() else {
            return Err(HostFailed("a name without its end"));
        };
        let mode = match mode {
            Mode::Read => nr::open::R_BINARY,
            Mode::ReadWrite => nr::open::RW_BINARY,
        };
        let handle = call(nr::OPEN, &[name.as_ptr() as usize, mode, text.len()]);
        if handle == usize::MAX {
            return Err(HostFailed("open"));
        }
        Ok(Self(handle))
    }

    pub(crate) fn length(&mut self) -> Result<usize, HostFailed> {
        let length = call(nr::FLEN, &[self.0]);
        (length != usize::MAX)
            .then_some(length)
            .ok_or(HostFailed("length"))
    }

    pub(crate) fn seek(&mut self, to: u32) -> Result<(), HostFailed> {
        let done = call(nr::SEEK, &[self.0, to as usize]);
        (done == 0).then_some(()).ok_or(HostFailed("seek"))
    }

    /// Reads all that is asked for.
    pub(crate) fn read(&mut self, octets: &mut [u8]) -> Result<(), HostFailed> {
        let missing = call(
            nr::READ,
            &[self.0, octets.as_mut_ptr() as usize, octets.len()],
        );
        (missing == 0).then_some(()).ok_or(HostFailed("read"))
    }

    /// Writes all that is given: one call of the host's `write`.
    pub(crate) fn write(&mut self, octets: &[u8]) -> Result<(), HostFailed> {
        let missing = call(nr::WRITE, &[self.0, octets.as_ptr() as usize, octets.len()]);
        (missing == 0).then_some(()).ok_or(HostFailed("write"))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        call(nr::CLOSE, &[self.0]);
    }
}

/// Fills with the host's randomness.
pub(crate) fn random(octets: &mut [u8]) -> Result<(), HostFailed> {
    File::open(b"/dev/urandom\0", Mode::Read)?.read(octets)
}

/// Seconds since 1970 by the host's clock.
pub(crate) fn unix_seconds() -> u32 {
    // SAFETY: the operation takes no block.
    #[allow(unsafe_code)] // as above
    let seconds = unsafe { syscall1(nr::TIME, 0) };
    seconds as u32
}

/// What the emulator was started with (`-semihosting-config arg=...`), as it fits in `room`.
pub(crate) fn arguments(room: &mut [u8]) -> Result<&str, HostFailed> {
    // The operation writes the length back.
    let block = [room.as_mut_ptr() as usize, room.len()].map(Cell::new);
    let done = call(nr::GET_CMDLINE, &block);
    let length = block[1].get();
    let text = room.get(..length).filter(|_| done == 0);
    let text = text.and_then(|text| core::str::from_utf8(text).ok());
    text.map(|text| text.trim_end_matches('\0'))
        .ok_or(HostFailed("arguments"))
}

/// Ends the emulator, whose exit status is `status`.
pub(crate) fn exit(status: usize) -> ! {
    loop {
        call(EXIT_EXTENDED, &[APPLICATION_EXIT, status]);
    }
}

/// Where lines for people go: standard output of the emulator.
pub(crate) struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut octets = text.as_bytes();
        let mut room = [0; 129];
        while !octets.is_empty() {
            let (now, rest) = octets.split_at(octets.len().min(room.len() - 1));
            room[..now.len()].copy_from_slice(now);
            room[now.len()] = 0;
            // SAFETY: the text ends with a zero octet and lives.
            #[allow(unsafe_code)] // as above
            unsafe {
                syscall1(nr::WRITE0, room.as_ptr() as usize);
            }
            octets = rest;
        }
        Ok(())
    }
}

/// A line for people.
macro_rules! say {
    ($($words:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::host::Console, $($words)*);
    }};
}
pub(crate) use say;
