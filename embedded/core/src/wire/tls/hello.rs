//! How does a client ask, in octets that look like anybody's?
//!
//! A ClientHello of RFC 8446 section 4.1.2 that offers TLS 1.3 and 1.2 with the suites, groups
//! and signature schemes that today's servers choose from. The test for interference needs no
//! more than the answer to it, so a board without TLS can send it: chance and the public key
//! come from the caller, and who wants to shake hands to the end keeps the private one.
//!
//! It is nobody's fingerprint: a box that acts on how a ClientHello is composed may treat it
//! differently from a browser's.

use super::{CipherSuite, ContentType, ExtensionType, Group, MessageType, Record, Version};

/// A ClientHello to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// 32 octets of chance.
    pub random: [u8; 32],
    /// 32 more: TLS 1.3 fills the field so that boxes see a session resumed (RFC 8446
    /// appendix D.4).
    pub session_id: [u8; 32],
    /// The name for SNI; `None` sends no such extension.
    pub server_name: Option<&'a str>,
    /// Application protocols, best first; empty sends no such extension.
    pub alpn: &'a [&'a [u8]],
    /// A public key.
    pub key_share: KeyShare,
}

/// A public key and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyShare {
    /// RFC 7748: any 32 octets will do where nobody finishes the handshake.
    X25519([u8; 32]),
    /// An uncompressed point of P-256 (RFC 8446 section 4.2.8.2), which servers check.
    Secp256r1([u8; 65]),
}

/// The ClientHello could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The buffer is too small.
    #[error("the buffer is too small for the ClientHello")]
    NoSpace,
    /// A name that its length field cannot count, or an empty one.
    #[error("a name in the ClientHello is empty or too long")]
    BadName,
}

/// Best first, as common libraries order them.
const SUITES: [CipherSuite; 9] = [
    CipherSuite::AES_128_GCM_SHA256,
    CipherSuite::AES_256_GCM_SHA384,
    CipherSuite::CHACHA20_POLY1305_SHA256,
    CipherSuite::ECDHE_ECDSA_AES_128_GCM_SHA256,
    CipherSuite::ECDHE_RSA_AES_128_GCM_SHA256,
    CipherSuite::ECDHE_ECDSA_AES_256_GCM_SHA384,
    CipherSuite::ECDHE_RSA_AES_256_GCM_SHA384,
    CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256,
    CipherSuite::ECDHE_RSA_CHACHA20_POLY1305_SHA256,
];
/// ECDSA with P-256 and P-384, Ed25519, RSA-PSS and RSA PKCS #1 (RFC 8446 section 4.2.3).
const SCHEMES: [u16; 9] = [
    0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601,
];
/// The longest host name (RFC 1035 section 2.3.4), without its final dot.
const LONGEST_NAME: usize = 253;

impl KeyShare {
    /// Of which group the key is.
    pub const fn group(&self) -> Group {
        match self {
            Self::X25519(_) => Group::X25519,
            Self::Secp256r1(_) => Group::SECP256R1,
        }
    }
    /// The key.
    pub const fn key(&self) -> &[u8] {
        match self {
            Self::X25519(key) => key,
            Self::Secp256r1(key) => key,
        }
    }
}

impl Hello<'_> {
    /// Enough room for any hello with at most 64 octets of protocol names.
    pub const MAX_LEN: usize = 768;

    /// Writes one record with the hello into `buffer` and returns its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, EmitError> {
        let mut out = Writer {
            bytes: buffer,
            at: 0,
        };
        out.put(&[ContentType::HANDSHAKE.0])?;
        // RFC 8446 section 5.1: an initial ClientHello may claim TLS 1.0, for old servers.
        out.u16(Version::TLS_1_0.0)?;
        out.vector::<2>(|out| {
            out.put(&[MessageType::CLIENT_HELLO.0])?;
            out.vector::<3>(|out| self.body(out))
        })?;
        debug_assert!(out.at <= Record::LONGEST, "names are short");
        Ok(out.at)
    }

    fn body(&self, out: &mut Writer<'_>) -> Result<(), EmitError> {
        out.u16(Version::TLS_1_2.0)?;
        out.put(&self.random)?;
        out.vector::<1>(|out| out.put(&self.session_id))?;
        out.vector::<2>(|out| SUITES.iter().try_for_each(|suite| out.u16(suite.0)))?;
        out.vector::<1>(|out| out.put(&[0]))?;
        out.vector::<2>(|out| self.extensions(out))
    }

    fn extensions(&self, out: &mut Writer<'_>) -> Result<(), EmitError> {
        use ExtensionType as E;
        if let Some(name) = self.server_name {
            if name.is_empty() || name.len() > LONGEST_NAME {
                return Err(EmitError::BadName);
            }
            out.extension(E::SERVER_NAME, |out| {
                out.vector::<2>(|out| {
                    out.put(&[0])?;
                    out.vector::<2>(|out| out.put(name.as_bytes()))
                })
            })?;
        }
        out.extension(E::EXTENDED_MASTER_SECRET, |_| Ok(()))?;
        out.extension(E::RENEGOTIATION_INFO, |out| out.put(&[0]))?;
        // The group of the key comes first: it is the one preferred.
        let mut groups = [Group::X25519, Group::SECP256R1, Group::SECP384R1];
        if self.key_share.group() == Group::SECP256R1 {
            groups.swap(0, 1);
        }
        out.extension(E::SUPPORTED_GROUPS, |out| {
            out.vector::<2>(|out| groups.iter().try_for_each(|group| out.u16(group.0)))
        })?;
        out.extension(E::EC_POINT_FORMATS, |out| {
            out.vector::<1>(|out| out.put(&[0]))
        })?;
        if !self.alpn.is_empty() {
            out.extension(E::ALPN, |out| {
                out.vector::<2>(|out| self.alpn.iter().try_for_each(|name| out.name(name)))
            })?;
        }
        out.extension(E::SIGNATURE_ALGORITHMS, |out| {
            out.vector::<2>(|out| SCHEMES.iter().try_for_each(|scheme| out.u16(*scheme)))
        })?;
        out.extension(E::SUPPORTED_VERSIONS, |out| {
            out.vector::<1>(|out| {
                out.u16(Version::TLS_1_3.0)?;
                out.u16(Version::TLS_1_2.0)
            })
        })?;
        // psk_dhe_ke, which every client says.
        out.extension(E::PSK_KEY_EXCHANGE_MODES, |out| {
            out.vector::<1>(|out| out.put(&[1]))
        })?;
        out.extension(E::KEY_SHARE, |out| {
            out.vector::<2>(|out| {
                out.u16(self.key_share.group().0)?;
                out.vector::<2>(|out| out.put(self.key_share.key()))
            })
        })
    }
}

struct Writer<'b> {
    bytes: &'b mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, octets: &[u8]) -> Result<(), EmitError> {
        let end = self.at.saturating_add(octets.len());
        let room = self.bytes.get_mut(self.at..end);
        room.ok_or(EmitError::NoSpace)?.copy_from_slice(octets);
        self.at = end;
        Ok(())
    }

    fn u16(&mut self, value: u16) -> Result<(), EmitError> {
        self.put(&value.to_be_bytes())
    }

    fn name(&mut self, name: &[u8]) -> Result<(), EmitError> {
        if name.is_empty() {
            return Err(EmitError::BadName);
        }
        self.vector::<1>(|out| out.put(name))
    }

    fn extension(
        &mut self,
        kind: ExtensionType,
        data: impl FnOnce(&mut Self) -> Result<(), EmitError>,
    ) -> Result<(), EmitError> {
        self.u16(kind.0)?;
        self.vector::<2>(data)
    }

    /// What `content` writes, behind `WIDTH` octets of its length.
    fn vector<const WIDTH: usize>(
        &mut self,
        content: impl FnOnce(&mut Self) -> Result<(), EmitError>,
    ) -> Result<(), EmitError> {
        let start = self.at;
        self.put(&[0; WIDTH])?;
        content(self)?;
        let length = (self.at - start - WIDTH).to_be_bytes();
        let (over, counted) = length.split_at(length.len() - WIDTH);
        if over.iter().any(|octet| *octet != 0) {
            return Err(EmitError::BadName);
        }
        let room = self.bytes.get_mut(start..start + WIDTH);
        room.ok_or(EmitError::NoSpace)?.copy_from_slice(counted);
        Ok(())
    }
}
