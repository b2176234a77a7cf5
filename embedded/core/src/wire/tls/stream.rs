//! What comes next in the octets of one side?
//!
//! Handshake messages and records are cut independently: a record may hold several messages,
//! a message may span records (RFC 8446 section 5.1) and a record several segments. A message
//! that lies in one record is read where it stands; one that spans several is put together in
//! the caller's buffer.

use super::{Alert, ContentType, Field, Malformed, MessageType, Record, Records};

/// One whole handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: MessageType,
    /// What follows its four octets of type and length.
    pub body: &'a [u8],
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A handshake message.
    Handshake(Message<'a>),
    /// An alert in the clear.
    Alert(Alert),
    /// A record that says nothing in the clear: encrypted, or change_cipher_spec.
    Other(Record<'a>),
    /// A message that does not fit the buffer; nothing behind it is read.
    TooLong {
        /// What it is.
        kind: MessageType,
        /// Octets of its body.
        length: usize,
    },
    /// The octets end first: more may come.
    Incomplete {
        /// The type of the message that has begun, if one has.
        begun: Option<MessageType>,
    },
}

/// The octets that one side sent, from the first, taken apart one by one.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    records: Records<'a>,
    /// What is left of the current handshake record.
    open: &'a [u8],
    /// Where it stands.
    at: usize,
}

const HEADER: usize = 4;

impl<'a> Stream<'a> {
    /// Of the octets that one side sent.
    pub fn new(octets: &'a [u8]) -> Self {
        Self {
            records: Records::new(octets),
            open: &[],
            at: 0,
        }
    }

    /// What comes next; `buffer` takes messages that span records, header included. After
    /// [`Next::Incomplete`], [`Next::TooLong`] or an error there is nothing more: begin
    /// again once more octets are there.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Next<'b>, Malformed>
    where
        'a: 'b,
    {
        while self.open.is_empty() {
            let Some(record) = self.records.next().transpose()? else {
                let begun = begun(self.records.remainder());
                return Ok(Next::Incomplete { begun });
            };
            match record.content {
                ContentType::HANDSHAKE => self.enter(&record),
                ContentType::ALERT => {
                    // Longer ones are encrypted: TLS 1.2 keeps the type in sight.
                    return Ok(match Alert::parse(record.fragment) {
                        Ok(alert) => Next::Alert(alert),
                        Err(_) => Next::Other(record),
                    });
                }
                _ => return Ok(Next::Other(record)),
            }
        }
        if let Some((message, rest)) = whole(self.open) {
            self.advance(rest);
            return Ok(Next::Handshake(message));
        }
        self.gather(buffer)
    }

    /// Puts a message together that spans records.
    fn gather<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Next<'b>, Malformed>
    where
        'a: 'b,
    {
        let begun = self.open.first().copied().map(MessageType);
        let mut header = [0; HEADER];
        if !self.fill(&mut header)? {
            return Ok(Next::Incomplete { begun });
        }
        let [kind, high, middle, low] = header;
        let kind = MessageType(kind);
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let Some(body) = buffer.get_mut(..length) else {
            return Ok(Next::TooLong { kind, length });
        };
        if !self.fill(body)? {
            return Ok(Next::Incomplete { begun });
        }
        Ok(Next::Handshake(Message { kind, body }))
    }

    /// Copies the next octets of handshake records; false where the stream ends first.
    fn fill(&mut self, target: &mut [u8]) -> Result<bool, Malformed> {
        let mut missing = target;
        while !missing.is_empty() {
            if self.open.is_empty() {
                let Some(record) = self.records.next().transpose()? else {
                    return Ok(false);
                };
                if record.content != ContentType::HANDSHAKE {
                    return Err(Malformed::new(
                        Field::Interrupted,
                        record.at - Record::HEADER,
                    ));
                }
                self.enter(&record);
                continue;
            }
            let count = missing.len().min(self.open.len());
            let (now, later) = self.open.split_at(count);
            let (head, tail) = missing.split_at_mut(count);
            head.copy_from_slice(now);
            self.advance(later);
            missing = tail;
        }
        Ok(true)
    }

    fn enter(&mut self, record: &Record<'a>) {
        self.open = record.fragment;
        self.at = record.at;
    }

    fn advance(&mut self, rest: &'a [u8]) {
        self.at += self.open.len() - rest.len();
        self.open = rest;
    }
}

/// The type of the message that begins in a record which is not whole.
fn begun(record: &[u8]) -> Option<MessageType> {
    match record {
        [content, _, _, _, _, kind, ..] if *content == ContentType::HANDSHAKE.0 => {
            Some(MessageType(*kind))
        }
        _ => None,
    }
}

/// The message at the start of a fragment that holds all of it, and what stands behind.
fn whole(fragment: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let (header, behind) = fragment.split_first_chunk::<HEADER>()?;
    let [kind, high, middle, low] = *header;
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    let (body, rest) = behind.split_at_checked(length)?;
    let kind = MessageType(kind);
    Some((Message { kind, body }, rest))
}
