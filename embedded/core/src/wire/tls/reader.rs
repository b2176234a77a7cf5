//! How are integers and vectors (RFC 8446 section 3.4) taken from octets without running off
//! their end?

use super::{Field, Malformed};

/// A cursor over octets, or over the start of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// The octets up to the end of the readable part.
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn take(&mut self, len: usize, field: Field) -> Result<&'a [u8], Malformed> {
        let end = self.at.saturating_add(len);
        let taken = self.bytes.get(self.at..end);
        let taken = taken.ok_or(Malformed::new(field, self.at))?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: Field,
    ) -> Result<&'a [u8; N], Malformed> {
        let at = self.at;
        let taken = self.take(N, field)?;
        taken.try_into().map_err(|_| Malformed::new(field, at))
    }

    pub(super) fn u8(&mut self, field: Field) -> Result<u8, Malformed> {
        self.array(field).map(|octets| u8::from_be_bytes(*octets))
    }

    pub(super) fn u16(&mut self, field: Field) -> Result<u16, Malformed> {
        self.array(field).map(|octets| u16::from_be_bytes(*octets))
    }

    /// A vector behind one octet of length.
    pub(super) fn vector8(&mut self, field: Field) -> Result<Self, Malformed> {
        let length = self.u8(field)?;
        self.part(usize::from(length), field)
    }

    /// A vector behind two octets of length.
    pub(super) fn vector16(&mut self, field: Field) -> Result<Self, Malformed> {
        let length = self.u16(field)?;
        self.part(usize::from(length), field)
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }

    /// A reader of the next `length` octets, which keeps counting where they stand.
    fn part(&mut self, length: usize, field: Field) -> Result<Self, Malformed> {
        let from = self.at;
        self.take(length, field)?;
        Ok(Self {
            bytes: self.bytes.get(..self.at).unwrap_or(&[]),
            at: from,
        })
    }
}
