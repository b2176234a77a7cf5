//! How are integers taken from octets without running off their end?

use super::{Field, Malformed};

/// A cursor over a message, or over the start of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// The message up to the end of the readable part.
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn take(&mut self, len: usize, field: Field) -> Result<&'a [u8], Malformed> {
        let end = self.at.saturating_add(len);
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or(Malformed::new(field, self.at))?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], Malformed> {
        let at = self.at;
        self.take(N, field)?
            .try_into()
            .map_err(|_| Malformed::new(field, at))
    }

    pub(super) fn u8(&mut self, field: Field) -> Result<u8, Malformed> {
        self.array(field).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self, field: Field) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: Field) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        self.at = self.bytes.len();
        rest
    }
}
