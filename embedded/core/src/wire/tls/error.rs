//! Where did the octets stop being TLS?

/// The part of a stream or message that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Field {
    /// The type of a record: none that TLS 1.0 to 1.3 know (RFC 8446 section 5.1).
    #[error("content type")]
    ContentType,
    /// The version of a record: not 3.x.
    #[error("record version")]
    RecordVersion,
    /// The length of a record: more than any version allows.
    #[error("record length")]
    RecordLength,
    /// A handshake message that another record interrupts (RFC 8446 section 5.1).
    #[error("interrupted handshake message")]
    Interrupted,
    /// A message of another type than the one expected.
    #[error("handshake type")]
    MessageType,
    /// The version in a hello.
    #[error("version")]
    Version,
    /// The 32 octets of chance in a hello.
    #[error("random")]
    Random,
    /// The session identifier: cut short, or longer than 32 octets.
    #[error("session identifier")]
    SessionId,
    /// The cipher suites, or the one chosen.
    #[error("cipher suites")]
    CipherSuites,
    /// The compression methods, or the one chosen.
    #[error("compression methods")]
    Compression,
    /// The list of extensions: its length does not fit the message.
    #[error("extensions")]
    Extensions,
    /// An extension that is cut short, stands twice or does not have the form of its type.
    #[error("extension")]
    Extension,
    /// An alert that is not two octets long.
    #[error("alert")]
    Alert,
}

/// The octets are not TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("malformed TLS: {field} at octet {at}")]
pub struct Malformed {
    /// What was being read.
    pub field: Field,
    /// Its offset: from the start of the stream for records, from the start of the body for
    /// what stands in a handshake message.
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
