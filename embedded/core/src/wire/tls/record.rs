//! Which records stand in a stream?
//!
//! RFC 8446 section 5.1, the same in every version since TLS 1.0:
//!
//! ```text
//!   | type 1 | 03 xx | length 2 | fragment (at most 2^14, encrypted a little more) |
//! ```

use super::{ContentType, Field, Malformed, Version};

/// One whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it carries.
    pub content: ContentType,
    /// The version that it claims, for show since TLS 1.3.
    pub version: Version,
    /// What stands in it.
    pub fragment: &'a [u8],
    /// The offset of `fragment` from the start of the stream.
    pub(super) at: usize,
}

impl Record<'_> {
    /// Octets of type, version and length.
    pub const HEADER: usize = 5;
    /// The longest fragment that any version lets pass: an expanded ciphertext of TLS 1.2
    /// (RFC 5246 section 6.2.3).
    pub const LONGEST: usize = (1 << 14) + 2048;
}

/// Whether a stream that begins with these octets can be TLS, as far as it goes: a known type,
/// then a version of 3.x. A page in the place of a handshake is told by its first octet.
pub fn could_be_tls(first: &[u8]) -> bool {
    matches!(first, [] | [20..=24] | [20..=24, 3, ..])
}

/// The whole records of a stream, up to the first that is malformed or cut short.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    stream: &'a [u8],
    at: usize,
    broken: bool,
}

impl<'a> Records<'a> {
    /// Of the octets that one side sent, from the first.
    pub fn new(stream: &'a [u8]) -> Self {
        Self {
            stream,
            at: 0,
            broken: false,
        }
    }

    /// What stands behind the last record returned: nothing, the start of a record that is
    /// not whole yet, or what is no record.
    pub fn remainder(&self) -> &'a [u8] {
        self.stream.get(self.at..).unwrap_or(&[])
    }

    /// The next record; `None` where the stream ends before it does.
    fn read(&mut self) -> Result<Option<Record<'a>>, Malformed> {
        let rest = self.remainder();
        let wrong = |field, by| Err(Malformed::new(field, self.at + by));
        match rest {
            [] => return Ok(None),
            [20..=24] | [20..=24, 3, ..] => {}
            [20..=24, ..] => return wrong(Field::RecordVersion, 1),
            _ => return wrong(Field::ContentType, 0),
        }
        let [content, major, minor, high, low, behind @ ..] = rest else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length > Record::LONGEST {
            return wrong(Field::RecordLength, 3);
        }
        let Some(fragment) = behind.get(..length) else {
            return Ok(None);
        };
        let at = self.at + Record::HEADER;
        self.at = at + length;
        Ok(Some(Record {
            content: ContentType(*content),
            version: Version(u16::from_be_bytes([*major, *minor])),
            fragment,
            at,
        }))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let next = self.read().transpose();
        self.broken = matches!(next, Some(Err(_)));
        next
    }
}
