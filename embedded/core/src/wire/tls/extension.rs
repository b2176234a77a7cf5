//! What does a hello say beyond its fixed fields? (RFC 8446 section 4.2)
//!
//! ```text
//!   | length 2 | { type 2 | length 2 | data } ... |
//! ```

use super::reader::Reader;
use super::{ExtensionType, Field, Malformed};

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extension<'a> {
    /// What it is.
    pub kind: ExtensionType,
    /// What it says.
    pub data: &'a [u8],
}

/// The extensions of a hello, in order.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    reader: Reader<'a>,
}

impl<'a> Extensions<'a> {
    /// Checks that the list ends where the message does; where there is none, it is empty.
    /// `known` sees every extension with a reader of its data.
    pub(super) fn read(
        reader: &mut Reader<'a>,
        mut known: impl FnMut(ExtensionType, Reader<'a>) -> Result<(), Malformed>,
    ) -> Result<Self, Malformed> {
        let none = reader.is_empty();
        let list = if none {
            *reader
        } else {
            reader.vector16(Field::Extensions)?
        };
        if !reader.is_empty() {
            return Err(Malformed::new(Field::Extensions, reader.at));
        }
        let mut walk = list;
        while !walk.is_empty() {
            let kind = ExtensionType(walk.u16(Field::Extension)?);
            known(kind, walk.vector16(Field::Extension)?)?;
        }
        Ok(Self { reader: list })
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;
    fn next(&mut self) -> Option<Extension<'a>> {
        let kind = ExtensionType(self.reader.u16(Field::Extension).ok()?);
        let data = self.reader.vector16(Field::Extension).ok()?.rest();
        Some(Extension { kind, data })
    }
}

/// Keeps the first of an extension; a second one is malformed (RFC 8446 section 4.2).
pub(super) fn once<T>(slot: &mut Option<T>, value: T, at: usize) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::new(Field::Extension, at)),
    }
}

/// Fails where an extension says more than it may.
pub(super) fn end(reader: Reader<'_>) -> Result<(), Malformed> {
    if reader.is_empty() {
        Ok(())
    } else {
        Err(Malformed::new(Field::Extension, reader.at))
    }
}
