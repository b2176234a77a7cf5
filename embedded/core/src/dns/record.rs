//! What does one resource record say?
//!
//! RFC 1035 sections 3.2.1, 3.3 and 3.4; AAAA from RFC 3596. Types known here are checked for
//! the form of their RDATA when the message is parsed; all others are octets (RFC 3597).
//! Classes NONE and ANY carry no data of the type (RFC 2136), and A and AAAA have their form
//! in class IN only.

use super::reader::Reader;
use super::{Class, Edns, Field, Malformed, Name, RecordType};
use core::net::{Ipv4Addr, Ipv6Addr};

/// A resource record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The owner.
    pub name: Name<'a>,
    /// TYPE.
    pub rtype: RecordType,
    /// CLASS; of an OPT record, the UDP payload size.
    pub class: Class,
    /// Seconds the record may be cached, as sent; RFC 2181 section 8 reads the upper half of
    /// the range as 0. Of an OPT record, the extended rcode and flags.
    pub ttl: u32,
    /// The data.
    pub rdata: RData<'a>,
}

impl<'a> Record<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let message = reader.bytes;
        let (name, behind) = Name::read(message, reader.at)?;
        reader.at = behind;
        let rtype = RecordType(reader.u16(Field::Record)?);
        let class = Class(reader.u16(Field::Record)?);
        let ttl = reader.u32(Field::Record)?;
        let len = reader.u16(Field::Record)?;
        let start = reader.at;
        reader.take(usize::from(len), Field::RData)?;
        let inside = message.get(..reader.at).unwrap_or(message);
        if rtype == RecordType::OPT && !name.is_root() {
            return Err(Malformed::new(Field::Opt, name.offset()));
        }
        let rdata = RData::read(rtype, class, ttl, Reader::new(inside, start))?;
        Ok(Self {
            name,
            rtype,
            class,
            ttl,
            rdata,
        })
    }
}

/// The data of a record, by its type.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RData<'a> {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The canonical name.
    Cname(Name<'a>),
    /// A name server.
    Ns(Name<'a>),
    /// Where the name points to.
    Ptr(Name<'a>),
    /// Start of authority.
    Soa(Soa<'a>),
    /// Mail exchange.
    Mx {
        /// Lower is preferred.
        preference: u16,
        /// The host.
        exchange: Name<'a>,
    },
    /// Text.
    Txt(Txt<'a>),
    /// EDNS.
    Opt(Edns<'a>),
    /// The octets of any other type.
    Other(&'a [u8]),
}

/// The data of an SOA record (RFC 1035 section 3.3.13); times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Soa<'a> {
    /// The primary name server.
    pub mname: Name<'a>,
    /// The mailbox of who is responsible.
    pub rname: Name<'a>,
    /// The zone's version.
    pub serial: u32,
    /// Before secondaries look for a new version.
    pub refresh: u32,
    /// Before they try again.
    pub retry: u32,
    /// Before they give up.
    pub expire: u32,
    /// How long a negative answer is cached (RFC 2308 section 4).
    pub minimum: u32,
}

impl<'a> RData<'a> {
    fn read(
        rtype: RecordType,
        class: Class,
        ttl: u32,
        mut reader: Reader<'a>,
    ) -> Result<Self, Malformed> {
        let start = reader.at;
        if rtype != RecordType::OPT && matches!(class, Class::NONE | Class::ANY) {
            return Ok(Self::Other(reader.rest()));
        }
        let data = match rtype {
            RecordType::A if class == Class::IN => {
                Self::A(reader.array::<4>(Field::RData)?.into())
            }
            RecordType::AAAA if class == Class::IN => {
                Self::Aaaa(reader.array::<16>(Field::RData)?.into())
            }
            RecordType::CNAME => Self::Cname(name(&mut reader)?),
            RecordType::NS => Self::Ns(name(&mut reader)?),
            RecordType::PTR => Self::Ptr(name(&mut reader)?),
            RecordType::MX => Self::Mx {
                preference: reader.u16(Field::RData)?,
                exchange: name(&mut reader)?,
            },
            RecordType::SOA => Self::Soa(Soa {
                mname: name(&mut reader)?,
                rname: name(&mut reader)?,
                serial: reader.u32(Field::RData)?,
                refresh: reader.u32(Field::RData)?,
                retry: reader.u32(Field::RData)?,
                expire: reader.u32(Field::RData)?,
                minimum: reader.u32(Field::RData)?,
            }),
            RecordType::TXT => {
                let txt = Txt(reader.rest());
                let mut walk = Reader {
                    at: start,
                    ..reader
                };
                while !walk.is_empty() {
                    character_string(&mut walk)?;
                }
                Self::Txt(txt)
            }
            RecordType::OPT => {
                let edns = Edns::read(class, ttl, reader)?;
                reader.rest();
                Self::Opt(edns)
            }
            _ => Self::Other(reader.rest()),
        };
        // RDLENGTH and the data must agree.
        if reader.is_empty() {
            Ok(data)
        } else {
            Err(Malformed::new(Field::RData, reader.at))
        }
    }
}

fn name<'a>(reader: &mut Reader<'a>) -> Result<Name<'a>, Malformed> {
    let (name, behind) = Name::read(reader.bytes, reader.at)?;
    reader.at = behind;
    Ok(name)
}

fn character_string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let len = reader.u8(Field::RData)?;
    reader.take(usize::from(len), Field::RData)
}

/// The strings of a TXT record (RFC 1035 section 3.3.14). None at all is against the letter
/// of it, but happens, and is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Txt<'a>(&'a [u8]);

impl<'a> Txt<'a> {
    /// The strings in order, each up to 255 octets.
    pub fn strings(&self) -> Strings<'a> {
        Strings(Reader::new(self.0, 0))
    }
}

/// The strings of a TXT record.
#[derive(Clone, Debug)]
pub struct Strings<'a>(Reader<'a>);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        character_string(&mut self.0).ok()
    }
}
