//! How do DNS messages stand in a stream? Each behind two octets of its length (RFC 1035
//! section 4.2.2), over TCP and over TLS (RFC 7858 section 3.3).

use alloc::vec::Vec;

/// A message in its frame, to be written in one go (RFC 7766 section 8); `None` where its
/// length does not fit.
pub fn frame(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    let mut frame = Vec::with_capacity(message.len() + 2);
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    Some(frame)
}

/// The peer announces a message that is longer than we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0} octets is announced, more than is taken")]
pub struct TooLong(pub u16);

/// Takes the first message out of a stream. Memory grows with what comes, not with what is
/// announced.
#[derive(Clone, Debug)]
pub struct Deframer {
    octets: Vec<u8>,
    longest: u16,
}

impl Deframer {
    /// Of messages of at most `longest` octets.
    pub fn new(longest: u16) -> Self {
        Self {
            octets: Vec::new(),
            longest,
        }
    }

    /// Takes what came; gives the message once it is whole. What stands behind it is dropped.
    pub fn push(&mut self, octets: &[u8]) -> Result<Option<&[u8]>, TooLong> {
        let all = 2 + usize::from(u16::MAX);
        let room = all.saturating_sub(self.octets.len()).min(octets.len());
        self.octets.extend(octets.get(..room).unwrap_or(octets));
        let Some((prefix, message)) = self.octets.split_first_chunk() else {
            return Ok(None);
        };
        let length = u16::from_be_bytes(*prefix);
        if length > self.longest {
            return Err(TooLong(length));
        }
        Ok(message.get(..usize::from(length)))
    }
}
