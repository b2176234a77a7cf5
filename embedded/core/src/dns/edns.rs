//! What did the two sides agree on beyond RFC 1035?
//!
//! EDNS(0), RFC 6891 section 6.1: a pseudo-record in the additional section whose CLASS and
//! TTL mean other things.
//!
//! ```text
//!   NAME 0 | TYPE 41 | CLASS udp size | TTL: ext. rcode (8) version (8) DO (1) Z (15)
//!   RDATA: { OPTION-CODE (16) | OPTION-LENGTH (16) | OPTION-DATA } *
//! ```

use super::reader::Reader;
use super::{Class, Field, Malformed};

/// Flag bit DO, DNSSEC OK (RFC 3225).
pub(super) const DO: u32 = 0x8000;

/// A checked OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edns<'a> {
    class: Class,
    ttl: u32,
    options: &'a [u8],
}

impl<'a> Edns<'a> {
    pub(super) fn read(class: Class, ttl: u32, rdata: Reader<'a>) -> Result<Self, Malformed> {
        let mut walk = rdata;
        while !walk.is_empty() {
            EdnsOption::read(&mut walk)?;
        }
        Ok(Self {
            class,
            ttl,
            options: { rdata }.rest(),
        })
    }

    /// The largest UDP payload the sender takes, in octets.
    pub fn udp_size(&self) -> u16 {
        self.class.0
    }
    /// The upper eight of the twelve bits of the response code.
    pub fn extended_rcode(&self) -> u8 {
        (self.ttl >> 24) as u8
    }
    /// The EDNS version; only 0 is defined.
    pub fn version(&self) -> u8 {
        (self.ttl >> 16) as u8
    }
    /// Whether the sender wants DNSSEC records.
    pub fn dnssec_ok(&self) -> bool {
        self.ttl & DO != 0
    }
    /// The options, in order.
    pub fn options(&self) -> EdnsOptions<'a> {
        EdnsOptions(Reader::new(self.options, 0))
    }
    /// The data of the first option with this code.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        self.options()
            .find(|option| option.code == code)
            .map(|option| option.data)
    }
    /// The name server identifier (RFC 5001): which instance answered.
    pub fn nsid(&self) -> Option<&'a [u8]> {
        self.option(EdnsOption::NSID)
    }
    /// Extended DNS error (RFC 8914): INFO-CODE and EXTRA-TEXT. 15 is Blocked, 16 Censored,
    /// 17 Filtered.
    pub fn extended_error(&self) -> Option<(u16, &'a [u8])> {
        let (code, text) = self
            .option(EdnsOption::EXTENDED_ERROR)?
            .split_first_chunk()?;
        Some((u16::from_be_bytes(*code), text))
    }
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EdnsOption<'a> {
    /// OPTION-CODE.
    pub code: u16,
    /// OPTION-DATA.
    pub data: &'a [u8],
}

impl<'a> EdnsOption<'a> {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// Client subnet (RFC 7871).
    pub const CLIENT_SUBNET: u16 = 8;
    /// Cookie (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// Padding (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended DNS error (RFC 8914).
    pub const EXTENDED_ERROR: u16 = 15;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let code = reader.u16(Field::RData)?;
        let len = reader.u16(Field::RData)?;
        Ok(Self {
            code,
            data: reader.take(usize::from(len), Field::RData)?,
        })
    }
}

/// The options of an OPT record.
#[derive(Clone, Debug)]
pub struct EdnsOptions<'a>(Reader<'a>);

impl<'a> Iterator for EdnsOptions<'a> {
    type Item = EdnsOption<'a>;
    fn next(&mut self) -> Option<EdnsOption<'a>> {
        EdnsOption::read(&mut self.0).ok()
    }
}
