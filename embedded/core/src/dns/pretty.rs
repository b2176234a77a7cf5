//! How does a message look to a person?
//!
//! One line for the header, one for each question and record, in the order and manner of
//! master files (RFC 1035 section 5), so that two readings can be compared line by line.

use super::{Edns, Label, Message, Question, RData, Record};
use core::fmt::{self, Display as _, Write};

/// Print any octets as a message, or say where they stop being one.
pub fn pretty(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    match Message::parse(bytes) {
        Ok(message) => write!(out, "{message}"),
        Err(malformed) => writeln!(out, "{malformed}"),
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let h = self.header();
        write!(
            f,
            "id {:#06x} opcode {} {}",
            h.id(),
            h.opcode(),
            self.rcode()
        )?;
        for (set, flag) in [
            (h.qr(), " qr"),
            (h.aa(), " aa"),
            (h.tc(), " tc"),
            (h.rd(), " rd"),
            (h.ra(), " ra"),
            (h.ad(), " ad"),
            (h.cd(), " cd"),
        ] {
            f.write_str(if set { flag } else { "" })?;
        }
        f.write_char('\n')?;
        self.questions()
            .try_for_each(|question| writeln!(f, "question {question}"))?;
        self.answers()
            .try_for_each(|record| writeln!(f, "answer {record}"))?;
        self.authorities()
            .try_for_each(|record| writeln!(f, "authority {record}"))?;
        self.additionals()
            .try_for_each(|record| writeln!(f, "additional {record}"))?;
        match self.trailing().len() {
            0 => Ok(()),
            n => writeln!(f, "trailing {n} octets"),
        }
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.class, self.rtype)
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rdata {
            RData::Opt(edns) => edns.fmt(f),
            rdata => {
                write!(
                    f,
                    "{} {} {} {} {rdata}",
                    self.name, self.ttl, self.class, self.rtype
                )
            }
        }
    }
}

impl fmt::Display for RData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Cname(name) | Self::Ns(name) | Self::Ptr(name) => name.fmt(f),
            Self::Soa(s) => write!(
                f,
                "{} {} {} {} {} {} {}",
                s.mname, s.rname, s.serial, s.refresh, s.retry, s.expire, s.minimum
            ),
            Self::Mx {
                preference,
                exchange,
            } => write!(f, "{preference} {exchange}"),
            Self::Txt(txt) => txt.strings().enumerate().try_for_each(|(n, string)| {
                f.write_str(if n == 0 { "\"" } else { " \"" })?;
                quoted(string, f)?;
                f.write_char('"')
            }),
            Self::Opt(edns) => edns.fmt(f),
            // RFC 3597 section 5.
            Self::Other(octets) => {
                write!(f, "\\# {}", octets.len())?;
                f.write_str(if octets.is_empty() { "" } else { " " })?;
                hex(octets, f)
            }
        }
    }
}

impl fmt::Display for Edns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OPT version {} udp {}", self.version(), self.udp_size())?;
        f.write_str(if self.dnssec_ok() { " do" } else { "" })?;
        self.options().try_for_each(|option| {
            write!(f, " {}=", option.code)?;
            hex(option.data, f)
        })
    }
}

fn hex(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

/// As in labels, but blanks need no escape between quotes.
fn quoted(string: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    string.iter().try_for_each(|octet| match octet {
        b' ' | b'.' | b'(' | b')' | b';' | b'@' | b'$' => f.write_char(char::from(*octet)),
        octet => Label(core::slice::from_ref(octet)).fmt(f),
    })
}
