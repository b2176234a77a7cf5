//! How is a question put?

use super::edns::DO;
use super::header::{CD, RD};
use super::writer::Writer;
use super::{Class, EdnsOption, EmitError, NameBuf, RecordType};

/// A query of one question (RFC 1035 section 4.1, RFC 9619).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The transaction identifier; draw it at random (RFC 5452 section 4.3).
    pub id: u16,
    /// What is asked about; see [`super::encode_0x20`].
    pub name: NameBuf,
    /// Which records.
    pub rtype: RecordType,
    /// Usually [`Class::IN`].
    pub class: Class,
    /// Ask a resolver to resolve.
    pub recursion_desired: bool,
    /// Ask a validating resolver for what it would refuse (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
    /// Send an OPT record.
    pub edns: Option<EdnsRequest>,
}

/// What the OPT record of a query says (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EdnsRequest {
    /// The largest UDP payload we take, in octets; 1232 avoids fragments.
    pub udp_size: u16,
    /// Ask for DNSSEC records (RFC 3225).
    pub dnssec_ok: bool,
    /// Ask which instance answers (RFC 5001).
    pub nsid: bool,
}

impl Query {
    /// Enough room for any query: header, longest name, OPT with an empty NSID.
    pub const MAX_LEN: usize = 12 + NameBuf::MAX_LEN + 4 + 11 + 4;

    /// An ordinary question to a resolver: class IN, recursion desired, no EDNS.
    pub const fn new(id: u16, name: NameBuf, rtype: RecordType) -> Self {
        Self {
            id,
            name,
            rtype,
            class: Class::IN,
            recursion_desired: true,
            checking_disabled: false,
            edns: None,
        }
    }

    /// Write the query into `buffer` and return its length.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, EmitError> {
        let mut out = Writer::new(buffer);
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        out.u16(self.id)?;
        out.u16(flag(self.recursion_desired, RD) | flag(self.checking_disabled, CD))?;
        for count in [1, 0, 0, u16::from(self.edns.is_some())] {
            out.u16(count)?;
        }
        out.put(self.name.as_wire())?;
        out.u16(self.rtype.0)?;
        out.u16(self.class.0)?;
        if let Some(edns) = self.edns {
            let nsid = EdnsOption {
                code: EdnsOption::NSID,
                data: &[],
            };
            let options = if edns.nsid { &[nsid][..] } else { &[] };
            emit_opt(&mut out, edns.udp_size, edns.dnssec_ok, options)?;
        }
        Ok(out.at)
    }
}

/// An OPT record of version 0 (RFC 6891 section 6.1.2).
pub(super) fn emit_opt(
    out: &mut Writer<'_>,
    udp_size: u16,
    dnssec_ok: bool,
    options: &[EdnsOption<'_>],
) -> Result<(), EmitError> {
    out.u8(0)?;
    out.u16(RecordType::OPT.0)?;
    out.u16(udp_size)?;
    out.u32(if dnssec_ok { DO } else { 0 })?;
    out.len16(options.iter().map(|option| 4 + option.data.len()).sum())?;
    for option in options {
        out.u16(option.code)?;
        out.len16(option.data.len())?;
        out.put(option.data)?;
    }
    Ok(())
}
