//! How does a resolver, honest or not, reply?
//!
//! For simulated resolvers and injectors. Names are written out in full, except that an owner
//! may be a pointer to the question (`0xC00C`), which is what real ones send.

use super::header::{AA, AD, CD, QR, RA, RD, TC};
use super::query::emit_opt;
use super::writer::Writer;
use super::{Class, EdnsOption, EmitError, Header, Message, NameBuf, Rcode, RecordType};
use core::net::{Ipv4Addr, Ipv6Addr};

/// A section of records, in the order of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Records that answer the question.
    Answer,
    /// Records that point to an authority.
    Authority,
    /// Records that help.
    Additional,
}

/// Whom a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner<'d> {
    /// The name in the question, as a pointer to it; the root where there is no question.
    Question,
    /// A name written out.
    Name(&'d NameBuf),
}

/// The data of a record to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Data<'d> {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The canonical name.
    Cname(&'d NameBuf),
    /// A name server.
    Ns(&'d NameBuf),
    /// Strings of up to 255 octets.
    Txt(&'d [&'d [u8]]),
    /// Start of authority.
    Soa {
        /// The primary name server.
        mname: &'d NameBuf,
        /// The mailbox of who is responsible.
        rname: &'d NameBuf,
        /// Serial, refresh, retry, expire and minimum.
        numbers: [u32; 5],
    },
    /// Octets of any type, checked by nobody.
    Raw(RecordType, &'d [u8]),
}

impl Data<'_> {
    /// The TYPE of the record.
    pub const fn rtype(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::AAAA,
            Self::Cname(_) => RecordType::CNAME,
            Self::Ns(_) => RecordType::NS,
            Self::Txt(_) => RecordType::TXT,
            Self::Soa { .. } => RecordType::SOA,
            Self::Raw(rtype, _) => *rtype,
        }
    }

    fn emit(&self, out: &mut Writer<'_>) -> Result<(), EmitError> {
        match self {
            Self::A(address) => out.put(&address.octets()),
            Self::Aaaa(address) => out.put(&address.octets()),
            Self::Cname(name) | Self::Ns(name) => out.put(name.as_wire()),
            Self::Txt(strings) => strings.iter().try_for_each(|string| {
                out.u8(u8::try_from(string.len()).map_err(|_| EmitError::TooLong)?)?;
                out.put(string)
            }),
            Self::Soa {
                mname,
                rname,
                numbers,
            } => {
                out.put(mname.as_wire())?;
                out.put(rname.as_wire())?;
                numbers.iter().try_for_each(|number| out.u32(*number))
            }
            Self::Raw(_, octets) => out.put(octets),
        }
    }
}

/// Writes a response, section by section. A record that fails leaves no trace, so the caller
/// may set TC and finish.
#[derive(Debug)]
pub struct ResponseBuilder<'b> {
    out: Writer<'b>,
    flags: u16,
    rcode: Rcode,
    /// Of the question, if there is one.
    class: Option<Class>,
    section: Section,
    counts: [u16; 3],
    /// Where the OPT record begins.
    opt: Option<usize>,
}

impl<'b> ResponseBuilder<'b> {
    /// A reply to `query`: its identifier, opcode, RD, CD and first question, with QR and RA
    /// set and rcode 0.
    pub fn reply_to(query: &Message<'_>, buffer: &'b mut [u8]) -> Result<Self, EmitError> {
        let header = query.header();
        let mut out = Writer::new(buffer);
        out.u16(header.id())?;
        out.put(&[0; Header::LEN - 2])?;
        let question = query.question();
        if let Some(question) = question {
            out.put(question.name.to_buf().as_wire())?;
            out.u16(question.rtype.0)?;
            out.u16(question.class.0)?;
            out.patch(4, &1u16.to_be_bytes())?;
        }
        Ok(Self {
            out,
            flags: header.flags() & (0x7800 | RD | CD) | QR | RA,
            rcode: Rcode::NO_ERROR,
            class: question.map(|question| question.class),
            section: Section::Answer,
            counts: [0; 3],
            opt: None,
        })
    }

    /// Set the response code.
    pub fn rcode(&mut self, rcode: Rcode) -> &mut Self {
        self.rcode = rcode;
        self
    }
    /// Set or clear AA.
    pub fn authoritative(&mut self, set: bool) -> &mut Self {
        self.flag(AA, set)
    }
    /// Set or clear TC.
    pub fn truncated(&mut self, set: bool) -> &mut Self {
        self.flag(TC, set)
    }
    /// Set or clear RA.
    pub fn recursion_available(&mut self, set: bool) -> &mut Self {
        self.flag(RA, set)
    }
    /// Set or clear AD.
    pub fn authentic_data(&mut self, set: bool) -> &mut Self {
        self.flag(AD, set)
    }

    fn flag(&mut self, bit: u16, set: bool) -> &mut Self {
        self.flags = if set {
            self.flags | bit
        } else {
            self.flags & !bit
        };
        self
    }

    /// Add an answer for the name in the question.
    pub fn answer(&mut self, ttl: u32, data: &Data<'_>) -> Result<&mut Self, EmitError> {
        self.record(Section::Answer, Owner::Question, ttl, data)
    }

    /// Add a record, in the class of the question. A raw OPT is refused: see [`Self::edns`].
    pub fn record(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        ttl: u32,
        data: &Data<'_>,
    ) -> Result<&mut Self, EmitError> {
        if data.rtype() == RecordType::OPT {
            return Err(EmitError::SecondOpt);
        }
        let class = self.class;
        self.add(section, |out| {
            match owner {
                Owner::Question if class.is_none() => out.u8(0)?,
                Owner::Question => out.u16(0xc000 | Header::LEN as u16)?,
                Owner::Name(name) => out.put(name.as_wire())?,
            }
            out.u16(data.rtype().0)?;
            out.u16(class.unwrap_or(Class::IN).0)?;
            out.u32(ttl)?;
            let length_at = out.at;
            out.u16(0)?;
            data.emit(out)?;
            let len = out.at - length_at - 2;
            let len = u16::try_from(len).map_err(|_| EmitError::TooLong)?;
            out.patch(length_at, &len.to_be_bytes())
        })
    }

    /// Add the OPT record to the additional section.
    pub fn edns(
        &mut self,
        udp_size: u16,
        dnssec_ok: bool,
        options: &[EdnsOption<'_>],
    ) -> Result<&mut Self, EmitError> {
        if self.opt.is_some() {
            return Err(EmitError::SecondOpt);
        }
        let at = self.out.at;
        self.add(Section::Additional, |out| {
            emit_opt(out, udp_size, dnssec_ok, options)
        })?;
        self.opt = Some(at);
        Ok(self)
    }

    /// Write with `emit`, or not at all.
    fn add(
        &mut self,
        section: Section,
        emit: impl FnOnce(&mut Writer<'_>) -> Result<(), EmitError>,
    ) -> Result<&mut Self, EmitError> {
        if section < self.section {
            return Err(EmitError::SectionOrder);
        }
        let [answers, authorities, additionals] = &mut self.counts;
        let count = match section {
            Section::Answer => answers,
            Section::Authority => authorities,
            Section::Additional => additionals,
        };
        let more = count.checked_add(1).ok_or(EmitError::TooMany)?;
        let start = self.out.at;
        if let Err(error) = emit(&mut self.out) {
            self.out.at = start;
            return Err(error);
        }
        *count = more;
        self.section = section;
        Ok(self)
    }

    /// Complete the header and return the length of the message.
    pub fn finish(mut self) -> Result<usize, EmitError> {
        let upper = u8::try_from(self.rcode.0 >> 4).map_err(|_| EmitError::Rcode)?;
        match self.opt {
            // Behind the root, TYPE and CLASS.
            Some(at) => self.out.patch(at + 5, &[upper])?,
            None if upper != 0 => return Err(EmitError::Rcode),
            None => {}
        }
        self.out
            .patch(2, &(self.flags | self.rcode.0 & 0xf).to_be_bytes())?;
        for (n, count) in self.counts.iter().enumerate() {
            self.out.patch(6 + 2 * n, &count.to_be_bytes())?;
        }
        Ok(self.out.at)
    }
}
