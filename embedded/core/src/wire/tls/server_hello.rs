//! What does a server choose?
//!
//! RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3:
//!
//! ```text
//!   | version 2 | random 32 | session <1> | suite 2 | compression 1 | extensions <2> |
//!     supported_versions: version 2      key_share: group 2 | key <2>, or group 2 alone
//! ```

use super::extension::{end, once};
use super::reader::Reader;
use super::{
    CipherSuite, ExtensionType, Extensions, Field, Group, Malformed, Message, MessageType,
    Version,
};

/// SHA-256 of `HelloRetryRequest`: a ServerHello with this random asks for another
/// ClientHello (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
    0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
    0x33, 0x9c,
];

/// A checked ServerHello.
#[derive(Clone, Debug)]
pub struct ServerHello<'a> {
    version: Version,
    random: &'a [u8; 32],
    session_id: &'a [u8],
    suite: CipherSuite,
    extensions: Extensions<'a>,
    chosen: Option<Version>,
    group: Option<Group>,
    alpn: Option<&'a [u8]>,
}

impl<'a> ServerHello<'a> {
    /// From a handshake message.
    pub fn parse(message: &Message<'a>) -> Result<Self, Malformed> {
        if message.kind != MessageType::SERVER_HELLO {
            return Err(Malformed::new(Field::MessageType, 0));
        }
        let mut reader = Reader::new(message.body);
        let version = Version(reader.u16(Field::Version)?);
        let random: &[u8; 32] = reader.array(Field::Random)?;
        let at = reader.at;
        let session_id = reader.vector8(Field::SessionId)?.rest();
        if session_id.len() > 32 {
            return Err(Malformed::new(Field::SessionId, at));
        }
        let suite = CipherSuite(reader.u16(Field::CipherSuites)?);
        reader.u8(Field::Compression)?;
        let retry = *random == RETRY;
        let (mut chosen, mut group, mut alpn) = (None, None, None);
        let extensions = Extensions::read(&mut reader, |kind, mut data| {
            let at = data.at;
            match kind {
                ExtensionType::SUPPORTED_VERSIONS => {
                    once(&mut chosen, Version(data.u16(Field::Extension)?), at)?;
                }
                ExtensionType::KEY_SHARE => {
                    once(&mut group, Group(data.u16(Field::Extension)?), at)?;
                    if !retry {
                        data.vector16(Field::Extension)?;
                    }
                }
                ExtensionType::ALPN => {
                    let mut list = data.vector16(Field::Extension)?;
                    let name = list.vector8(Field::Extension)?.rest();
                    end(list)?;
                    once(&mut alpn, name, at)?;
                }
                _ => return Ok(()),
            }
            end(data)
        })?;
        Ok(Self {
            version,
            random,
            session_id,
            suite,
            extensions,
            chosen,
            group,
            alpn,
        })
    }

    /// The version chosen: that of supported_versions where it is there, else the field.
    pub fn version(&self) -> Version {
        self.chosen.unwrap_or(self.version)
    }
    /// The version field alone.
    pub fn legacy_version(&self) -> Version {
        self.version
    }
    /// 32 octets: chance, or the mark of a HelloRetryRequest.
    pub fn random(&self) -> &'a [u8; 32] {
        self.random
    }
    /// The client's session identifier come back, or the server's own (TLS 1.2).
    pub fn session_id(&self) -> &'a [u8] {
        self.session_id
    }
    /// The cipher suite chosen.
    pub fn cipher_suite(&self) -> CipherSuite {
        self.suite
    }
    /// All extensions, in order.
    pub fn extensions(&self) -> Extensions<'a> {
        self.extensions.clone()
    }
    /// Whether this is a HelloRetryRequest: the server wants another key share.
    pub fn is_retry(&self) -> bool {
        *self.random == RETRY
    }
    /// The group of the key share, or the one wanted instead.
    pub fn group(&self) -> Option<Group> {
        self.group
    }
    /// The protocol chosen; encrypted in TLS 1.3, so absent.
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.alpn
    }
    /// Whether a server that knows TLS 1.3 says that it was asked for less: on a path that
    /// left the offer alone this cannot be (RFC 8446 section 4.1.3).
    pub fn is_downgrade(&self) -> bool {
        let (_, end) = self.random.split_at(24);
        matches!(end, b"DOWNGRD\x00" | b"DOWNGRD\x01")
    }
}
