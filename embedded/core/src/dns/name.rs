//! Which name is written here?
//!
//! A name is a chain of labels that ends in the root or in a pointer to an earlier name
//! (RFC 1035 section 4.1.4):
//!
//! ```text
//!   | 00 | length (6) | octets ... |     a label of 1 to 63 octets; length 0 is the root
//!   | 11 | offset (14)            |     the rest is at `offset` from the message's start
//! ```
//!
//! A pointer must lead to before the run of labels it ends, and not into the header, so every
//! chain of pointers terminates. Labels hold any octet; ASCII letters compare without case
//! (RFC 4343), except where the case itself is the question (0x20 encoding).

use super::{Field, Header, Malformed, NameBuf};
use core::fmt::{self, Write as _};

/// No name has more labels than 127, so no sane compressor jumps more often.
const MAX_JUMPS: usize = 127;

/// A checked name inside a message. No `PartialEq`: say which equality is meant.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    start: usize,
}

impl<'a> Name<'a> {
    /// Check the name at `start`; also returns the offset behind its own octets.
    pub(super) fn read(message: &'a [u8], start: usize) -> Result<(Self, usize), Malformed> {
        let (mut at, mut run, mut total, mut jumps) = (start, start, 1, 0);
        let mut behind = None;
        loop {
            let first = *message.get(at).ok_or(Malformed::new(Field::Name, at))?;
            match first {
                0 => return Ok((Self { message, start }, behind.unwrap_or(at + 1))),
                1..=63 => {
                    let end = at + 1 + usize::from(first);
                    if message.len() < end {
                        return Err(Malformed::new(Field::Label, at));
                    }
                    total += 1 + usize::from(first);
                    if total > NameBuf::MAX_LEN {
                        return Err(Malformed::new(Field::Name, start));
                    }
                    at = end;
                }
                0xc0..=0xff => {
                    let target =
                        pointer(message, at).ok_or(Malformed::new(Field::Pointer, at))?;
                    jumps += 1;
                    if target >= run || target < Header::LEN || jumps > MAX_JUMPS {
                        return Err(Malformed::new(Field::Pointer, at));
                    }
                    behind.get_or_insert(at + 2);
                    (at, run) = (target, target);
                }
                _ => return Err(Malformed::new(Field::Label, at)),
            }
        }
    }

    /// An already checked name without pointers.
    pub(super) fn from_wire(wire: &'a [u8]) -> Self {
        Self {
            message: wire,
            start: 0,
        }
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(&self) -> Labels<'a> {
        Labels {
            message: self.message,
            at: self.start,
        }
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.labels().next().is_none()
    }

    /// Octets of the uncompressed wire form, 1 to 255.
    pub fn wire_len(&self) -> usize {
        self.labels().map(|l| 1 + l.0.len()).sum::<usize>() + 1
    }

    /// The offset in the message at which the name begins.
    pub fn offset(&self) -> usize {
        self.start
    }

    /// The same name as DNS sees it: ASCII case does not matter (RFC 4343).
    pub fn eq_ignore_ascii_case(&self, other: &Name<'_>) -> bool {
        let (mut a, mut b) = (self.labels(), other.labels());
        loop {
            match (a.next(), b.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a.0.eq_ignore_ascii_case(b.0) => {}
                _ => return false,
            }
        }
    }

    /// The same octets, case included: what 0x20 encoding checks.
    pub fn eq_exact(&self, other: &Name<'_>) -> bool {
        self.labels().eq(other.labels())
    }

    /// The name in a buffer of its own.
    pub fn to_buf(&self) -> NameBuf {
        NameBuf::from_labels(self.labels().map(|l| l.0)).unwrap_or_default()
    }
}

/// Where the two octets at `at` point to.
fn pointer(message: &[u8], at: usize) -> Option<usize> {
    let pair = message.get(at..at + 2)?;
    Some(usize::from(
        u16::from_be_bytes(pair.try_into().ok()?) & 0x3fff,
    ))
}

/// Presentation form (RFC 1035 section 5.1, RFC 4343 section 2.1) without the final dot, as
/// host names are written; the root is `.`.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_char('.');
        }
        for (n, label) in self.labels().enumerate() {
            if n > 0 {
                f.write_char('.')?;
            }
            label.fmt(f)?;
        }
        Ok(())
    }
}
impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// One label: 1 to 63 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label<'a>(pub(super) &'a [u8]);

impl<'a> Label<'a> {
    /// The octets as they stand in the message.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}
impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&octet| match octet {
            b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                write!(f, "\\{}", char::from(octet))
            }
            0x21..=0x7e => f.write_char(char::from(octet)),
            _ => write!(f, "\\{octet:03}"),
        })
    }
}
impl fmt::Debug for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({self})")
    }
}

/// The labels of a name.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Labels<'a> {
    type Item = Label<'a>;
    fn next(&mut self) -> Option<Label<'a>> {
        loop {
            match *self.message.get(self.at)? {
                0 => return None,
                len @ 1..=63 => {
                    let from = self.at + 1;
                    self.at = from + usize::from(len);
                    return self.message.get(from..self.at).map(Label);
                }
                // `Name::read` has checked that pointers lead backwards, run by run.
                _ => self.at = pointer(self.message, self.at)?,
            }
        }
    }
}
