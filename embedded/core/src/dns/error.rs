//! Where did the octets stop being a DNS message?

/// The part of a message that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Field {
    /// The message as a whole: longer than 65,535 octets (RFC 1035 section 4.2.2).
    #[error("message length")]
    Message,
    /// The twelve octets of RFC 1035 section 4.1.1.
    #[error("header")]
    Header,
    /// QTYPE or QCLASS (RFC 1035 section 4.1.2).
    #[error("question")]
    Question,
    /// A name that is longer than 255 octets or ends beyond its container.
    #[error("name")]
    Name,
    /// A label that is cut short or has a reserved type (RFC 6891 section 5).
    #[error("label")]
    Label,
    /// A compression pointer that does not lead back to an earlier name (RFC 1035 4.1.4).
    #[error("compression pointer")]
    Pointer,
    /// TYPE, CLASS, TTL or RDLENGTH (RFC 1035 section 4.1.3).
    #[error("record header")]
    Record,
    /// RDATA that is cut short or does not have the form of its type.
    #[error("rdata")]
    RData,
    /// An OPT record with a name, outside the additional section, or a second one
    /// (RFC 6891 section 6.1.1).
    #[error("OPT record")]
    Opt,
}

/// The octets are not a DNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("malformed DNS message: {field} at octet {at}")]
pub struct Malformed {
    /// What was being read.
    pub field: Field,
    /// Its offset from the start of the message.
    pub at: u16,
}

impl Malformed {
    pub(super) fn new(field: Field, at: usize) -> Self {
        Self {
            field,
            at: u16::try_from(at).unwrap_or(u16::MAX),
        }
    }
}
