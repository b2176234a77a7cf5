//! What does a whole message say?

use super::reader::Reader;
use super::{
    Class, Edns, Field, Header, Malformed, Name, NameBuf, RData, Rcode, Record, RecordType,
};

/// A checked message: everything its header counts is there and can be read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
    /// Where the answer, authority and additional sections begin, and where the last ends.
    sections: [usize; 4],
    edns: Option<Edns<'a>>,
}

/// What is asked (RFC 1035 section 4.1.2).
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// QNAME.
    pub name: Name<'a>,
    /// QTYPE.
    pub rtype: RecordType,
    /// QCLASS.
    pub class: Class,
}

impl<'a> Question<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (name, behind) = Name::read(reader.bytes, reader.at)?;
        reader.at = behind;
        let rtype = RecordType(reader.u16(Field::Question)?);
        Ok(Self {
            name,
            rtype,
            class: Class(reader.u16(Field::Question)?),
        })
    }

    /// Whether this is the question for `name`, whatever its case.
    pub fn asks(&self, name: &NameBuf, rtype: RecordType, class: Class) -> bool {
        self.rtype == rtype
            && self.class == class
            && self.name.eq_ignore_ascii_case(&name.as_name())
    }
}

impl<'a> Message<'a> {
    /// Walk the message once. Octets behind the last counted record are no mistake here: see
    /// [`Self::trailing`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > usize::from(u16::MAX) {
            return Err(Malformed::new(Field::Message, usize::from(u16::MAX)));
        }
        let mut reader = Reader::new(bytes, 0);
        let header = Header::read(&mut reader)?;
        for _ in 0..header.qdcount() {
            Question::read(&mut reader)?;
        }
        let answers = reader.at;
        records_without_opt(&mut reader, header.ancount())?;
        let authorities = reader.at;
        records_without_opt(&mut reader, header.nscount())?;
        let additionals = reader.at;
        let mut edns = None;
        for _ in 0..header.arcount() {
            let at = reader.at;
            if let RData::Opt(opt) = Record::read(&mut reader)?.rdata
                && edns.replace(opt).is_some()
            {
                return Err(Malformed::new(Field::Opt, at));
            }
        }
        let sections = [answers, authorities, additionals, reader.at];
        Ok(Self {
            bytes,
            header,
            sections,
            edns,
        })
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }
    /// The response code, with the upper bits of EDNS if there are any.
    pub fn rcode(&self) -> Rcode {
        let upper = self.edns.map_or(0, |edns| edns.extended_rcode());
        Rcode(u16::from(upper) << 4 | self.header.rcode().0)
    }
    /// The questions; usually one.
    pub fn questions(&self) -> Questions<'a> {
        let reader = Reader::new(self.bytes, Header::LEN);
        Questions {
            reader,
            left: self.header.qdcount(),
        }
    }
    /// The first question.
    pub fn question(&self) -> Option<Question<'a>> {
        self.questions().next()
    }
    /// The answer section.
    pub fn answers(&self) -> Records<'a> {
        let [at, ..] = self.sections;
        self.records(at, self.header.ancount())
    }
    /// The authority section.
    pub fn authorities(&self) -> Records<'a> {
        let [_, at, ..] = self.sections;
        self.records(at, self.header.nscount())
    }
    /// The additional section, OPT included.
    pub fn additionals(&self) -> Records<'a> {
        let [_, _, at, _] = self.sections;
        self.records(at, self.header.arcount())
    }
    /// The OPT record.
    pub fn edns(&self) -> Option<Edns<'a>> {
        self.edns
    }
    /// Octets behind the last record that the header counts.
    pub fn trailing(&self) -> &'a [u8] {
        let [.., end] = self.sections;
        self.bytes.get(end..).unwrap_or(&[])
    }
    /// All octets, trailing ones included.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn records(&self, at: usize, left: u16) -> Records<'a> {
        Records {
            reader: Reader::new(self.bytes, at),
            left,
        }
    }
}

fn records_without_opt(reader: &mut Reader<'_>, count: u16) -> Result<(), Malformed> {
    for _ in 0..count {
        let at = reader.at;
        if Record::read(reader)?.rtype == RecordType::OPT {
            return Err(Malformed::new(Field::Opt, at));
        }
    }
    Ok(())
}

/// The questions of a message.
#[derive(Clone, Debug)]
pub struct Questions<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Questions<'a> {
    type Item = Question<'a>;
    fn next(&mut self) -> Option<Question<'a>> {
        self.left = self.left.checked_sub(1)?;
        Question::read(&mut self.reader).ok()
    }
}

/// The records of one section.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
    left: u16,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;
    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        Record::read(&mut self.reader).ok()
    }
}
