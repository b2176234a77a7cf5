//! How are integers put into a caller's buffer without running off its end?

/// The message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The buffer is too small.
    #[error("the buffer is too small for the DNS message")]
    NoSpace,
    /// A record for a section that has been closed by a record of a later one.
    #[error("records must be added section by section")]
    SectionOrder,
    /// Data that its length field cannot count.
    #[error("the data of a DNS record is too long")]
    TooLong,
    /// More records than a count can say.
    #[error("a section holds at most 65535 records")]
    TooMany,
    /// A second OPT record (RFC 6891 section 6.1.1).
    #[error("a message has at most one OPT record")]
    SecondOpt,
    /// A response code above 15 without EDNS to carry it, or one above 4095.
    #[error("the response code does not fit the message")]
    Rcode,
}

#[derive(Debug)]
pub(super) struct Writer<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) at: usize,
}

impl<'b> Writer<'b> {
    pub(super) fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn put(&mut self, octets: &[u8]) -> Result<(), EmitError> {
        let end = self.at.saturating_add(octets.len());
        self.bytes
            .get_mut(self.at..end)
            .ok_or(EmitError::NoSpace)?
            .copy_from_slice(octets);
        self.at = end;
        Ok(())
    }

    pub(super) fn u8(&mut self, value: u8) -> Result<(), EmitError> {
        self.put(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> Result<(), EmitError> {
        self.put(&value.to_be_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> Result<(), EmitError> {
        self.put(&value.to_be_bytes())
    }

    /// A counted length in octets.
    pub(super) fn len16(&mut self, len: usize) -> Result<(), EmitError> {
        self.u16(u16::try_from(len).map_err(|_| EmitError::TooLong)?)
    }

    /// Overwrite what has been written.
    pub(super) fn patch(&mut self, at: usize, octets: &[u8]) -> Result<(), EmitError> {
        let room = self
            .bytes
            .get_mut(at..at + octets.len())
            .ok_or(EmitError::NoSpace)?;
        room.copy_from_slice(octets);
        Ok(())
    }
}
