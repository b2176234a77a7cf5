//! What do the first twelve octets claim?
//!
//! RFC 1035 section 4.1.1, with AD and CD of RFC 4035 sections 3.1.6 and 3.2.2:
//!
//! ```text
//!   0  1  2  3  4  5  6  7  8  9  10 11 12 13 14 15
//! |                      ID                       |
//! |QR|   Opcode  |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
//! |      QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT       |
//! ```

use super::reader::Reader;
use super::{Field, Malformed, Rcode};

pub(super) const QR: u16 = 0x8000;
pub(super) const AA: u16 = 0x0400;
pub(super) const TC: u16 = 0x0200;
pub(super) const RD: u16 = 0x0100;
pub(super) const RA: u16 = 0x0080;
pub(super) const AD: u16 = 0x0020;
pub(super) const CD: u16 = 0x0010;

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    id: u16,
    flags: u16,
    counts: [u16; 4],
}

impl Header {
    /// Length in octets.
    pub const LEN: usize = 12;

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut next = || reader.u16(Field::Header);
        Ok(Self {
            id: next()?,
            flags: next()?,
            counts: [next()?, next()?, next()?, next()?],
        })
    }

    /// The transaction identifier.
    pub const fn id(&self) -> u16 {
        self.id
    }
    /// All sixteen bits of the second word.
    pub const fn flags(&self) -> u16 {
        self.flags
    }
    /// Whether this is a response.
    pub const fn qr(&self) -> bool {
        self.flags & QR != 0
    }
    /// The kind of query; 0 is a standard query.
    pub const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }
    /// Authoritative answer.
    pub const fn aa(&self) -> bool {
        self.flags & AA != 0
    }
    /// Truncated.
    pub const fn tc(&self) -> bool {
        self.flags & TC != 0
    }
    /// Recursion desired.
    pub const fn rd(&self) -> bool {
        self.flags & RD != 0
    }
    /// Recursion available.
    pub const fn ra(&self) -> bool {
        self.flags & RA != 0
    }
    /// Authentic data.
    pub const fn ad(&self) -> bool {
        self.flags & AD != 0
    }
    /// Checking disabled.
    pub const fn cd(&self) -> bool {
        self.flags & CD != 0
    }
    /// The four bits of the header alone; [`super::Message::rcode`] adds those of EDNS.
    pub const fn rcode(&self) -> Rcode {
        Rcode(self.flags & 0xf)
    }
    /// Number of questions.
    pub const fn qdcount(&self) -> u16 {
        self.counts[0]
    }
    /// Number of answer records.
    pub const fn ancount(&self) -> u16 {
        self.counts[1]
    }
    /// Number of authority records.
    pub const fn nscount(&self) -> u16 {
        self.counts[2]
    }
    /// Number of additional records, OPT included.
    pub const fn arcount(&self) -> u16 {
        self.counts[3]
    }
}
