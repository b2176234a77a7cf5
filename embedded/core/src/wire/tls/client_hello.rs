//! Whom does a client ask for, and what does it offer?
//!
//! RFC 8446 section 4.1.2, the same layout since SSL 3.0:
//!
//! ```text
//!   | version 2 | random 32 | session <1> | suites <2> | compression <1> | extensions <2> |
//!     server_name:        <2>{ type 1 | name <2> }         RFC 6066 section 3
//!     ALPN:               <2>{ name <1> }                  RFC 7301 section 3.1
//!     supported_versions: <1>{ version 2 }                 RFC 8446 section 4.2.1
//!     key_share:          <2>{ group 2 | key <2> }         RFC 8446 section 4.2.8
//!   <n>: behind n octets of length
//! ```

use super::extension::{end, once};
use super::reader::Reader;
use super::{CipherSuite, Extensions, Field, Group, Malformed, Message, MessageType, Version};

/// The longest session identifier.
const SESSION_ID: usize = 32;
/// The only type of server name there is.
const HOST_NAME: u8 = 0;

/// A checked ClientHello.
#[derive(Clone, Debug)]
pub struct ClientHello<'a> {
    version: Version,
    random: &'a [u8; 32],
    session_id: &'a [u8],
    suites: Reader<'a>,
    extensions: Extensions<'a>,
    known: Known<'a>,
}

/// The extensions whose form was checked.
#[derive(Clone, Copy, Debug, Default)]
struct Known<'a> {
    name: Option<&'a [u8]>,
    alpn: Option<Reader<'a>>,
    versions: Option<Reader<'a>>,
    shares: Option<Reader<'a>>,
    groups: Option<Reader<'a>>,
    ech: Option<&'a [u8]>,
}

impl<'a> ClientHello<'a> {
    /// From a handshake message.
    pub fn parse(message: &Message<'a>) -> Result<Self, Malformed> {
        if message.kind != MessageType::CLIENT_HELLO {
            return Err(Malformed::new(Field::MessageType, 0));
        }
        let mut reader = Reader::new(message.body);
        let version = Version(reader.u16(Field::Version)?);
        let random = reader.array(Field::Random)?;
        let at = reader.at;
        let session_id = reader.vector8(Field::SessionId)?.rest();
        if session_id.len() > SESSION_ID {
            return Err(Malformed::new(Field::SessionId, at));
        }
        let suites = reader.vector16(Field::CipherSuites)?;
        let mut walk = suites;
        while !walk.is_empty() {
            walk.u16(Field::CipherSuites)?;
        }
        reader.vector8(Field::Compression)?;
        let mut known = Known::default();
        let extensions = Extensions::read(&mut reader, |kind, data| known.see(kind, data))?;
        Ok(Self {
            version,
            random,
            session_id,
            suites,
            extensions,
            known,
        })
    }

    /// The version field: TLS 1.2 at most, whatever [`Self::versions`] offers.
    pub fn legacy_version(&self) -> Version {
        self.version
    }
    /// 32 octets of chance.
    pub fn random(&self) -> &'a [u8; 32] {
        self.random
    }
    /// The session identifier, at most 32 octets; chance in TLS 1.3.
    pub fn session_id(&self) -> &'a [u8] {
        self.session_id
    }
    /// The cipher suites offered, in order of preference.
    pub fn cipher_suites(&self) -> impl Iterator<Item = CipherSuite> + use<'a> {
        Numbers(self.suites).map(CipherSuite)
    }
    /// All extensions, in order.
    pub fn extensions(&self) -> Extensions<'a> {
        self.extensions.clone()
    }
    /// The host name asked for, as sent: what boxes on the path look for. With ECH it is the
    /// outer, public one.
    pub fn server_name(&self) -> Option<&'a [u8]> {
        self.known.name
    }
    /// The application protocols offered, in order of preference.
    pub fn alpn(&self) -> Names<'a> {
        Names(self.known.alpn.unwrap_or(Reader::new(&[])))
    }
    /// The versions offered in supported_versions; none before TLS 1.3.
    pub fn versions(&self) -> impl Iterator<Item = Version> + use<'a> {
        Numbers(self.known.versions.unwrap_or(Reader::new(&[]))).map(Version)
    }
    /// The groups named in supported_groups.
    pub fn groups(&self) -> impl Iterator<Item = Group> + use<'a> {
        Numbers(self.known.groups.unwrap_or(Reader::new(&[]))).map(Group)
    }
    /// The groups for which a key is sent along, each with its key.
    pub fn key_shares(&self) -> KeyShares<'a> {
        KeyShares(self.known.shares.unwrap_or(Reader::new(&[])))
    }
    /// Whether an encrypted_client_hello extension is there: a true one or GREASE, which
    /// nobody can tell apart on the way (RFC 9849 section 6.2).
    pub fn has_ech(&self) -> bool {
        self.known.ech.is_some()
    }
}

impl<'a> Known<'a> {
    fn see(
        &mut self,
        kind: super::ExtensionType,
        mut data: Reader<'a>,
    ) -> Result<(), Malformed> {
        use super::ExtensionType as E;
        let at = data.at;
        match kind {
            E::SERVER_NAME => once(&mut self.name, server_name(&mut data)?, at)?,
            E::ALPN => {
                let list = data.vector16(Field::Extension)?;
                let mut walk = list;
                while !walk.is_empty() {
                    walk.vector8(Field::Extension)?;
                }
                once(&mut self.alpn, list, at)?;
            }
            E::SUPPORTED_VERSIONS => {
                let list = numbers(data.vector8(Field::Extension)?)?;
                once(&mut self.versions, list, at)?;
            }
            E::SUPPORTED_GROUPS => {
                let list = numbers(data.vector16(Field::Extension)?)?;
                once(&mut self.groups, list, at)?;
            }
            E::KEY_SHARE => {
                let list = data.vector16(Field::Extension)?;
                let mut walk = list;
                while !walk.is_empty() {
                    walk.u16(Field::Extension)?;
                    walk.vector16(Field::Extension)?;
                }
                once(&mut self.shares, list, at)?;
            }
            E::ENCRYPTED_CLIENT_HELLO => return once(&mut self.ech, data.rest(), at),
            _ => return Ok(()),
        }
        end(data)
    }
}

/// The host name of the list; exactly one, since no other type was ever defined.
fn server_name<'a>(data: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let mut list = data.vector16(Field::Extension)?;
    let at = list.at;
    let kind = list.u8(Field::Extension)?;
    let name = list.vector16(Field::Extension)?.rest();
    if kind != HOST_NAME || name.is_empty() {
        return Err(Malformed::new(Field::Extension, at));
    }
    end(list)?;
    Ok(name)
}

/// A list of whole numbers of two octets.
fn numbers(list: Reader<'_>) -> Result<Reader<'_>, Malformed> {
    let mut walk = list;
    while !walk.is_empty() {
        walk.u16(Field::Extension)?;
    }
    Ok(list)
}

/// Numbers of two octets, in order.
#[derive(Clone, Debug)]
pub struct Numbers<'a>(Reader<'a>);

impl Iterator for Numbers<'_> {
    type Item = u16;
    fn next(&mut self) -> Option<u16> {
        self.0.u16(Field::Extension).ok()
    }
}

/// Names of up to 255 octets, in order.
#[derive(Clone, Debug)]
pub struct Names<'a>(Reader<'a>);

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        Some(self.0.vector8(Field::Extension).ok()?.rest())
    }
}

/// Groups and public keys, in order.
#[derive(Clone, Debug)]
pub struct KeyShares<'a>(Reader<'a>);

impl<'a> Iterator for KeyShares<'a> {
    type Item = (Group, &'a [u8]);
    fn next(&mut self) -> Option<Self::Item> {
        let group = Group(self.0.u16(Field::Extension).ok()?);
        Some((group, self.0.vector16(Field::Extension).ok()?.rest()))
    }
}
