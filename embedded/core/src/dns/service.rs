//! How is a service reached, and by which key is the name in its ClientHello hidden?
//!
//! The data of SVCB and HTTPS records (RFC 9460 section 2.2). Parameters stand in strictly
//! increasing order of their keys, and the target's name is never compressed.
//!
//! ```text
//!   +----------+-------------+-------+--------+-------+---
//!   | priority | target name |  key  | length | value | ...
//!   +----------+-------------+-------+--------+-------+---
//!        2        1 to 255       2       2
//! ```

use super::reader::Reader;
use super::{Field, Malformed, Message, Name, RData, RecordType};

/// The data of an SVCB or HTTPS record.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    priority: u16,
    target: Name<'a>,
    params: Reader<'a>,
}

impl<'a> Service<'a> {
    /// The key of the parameter that holds an ECHConfigList (RFC 9848).
    pub const ECH: u16 = 5;

    /// Walks the data once; what it accepts can be read.
    pub fn parse(rdata: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(rdata, 0);
        let priority = reader.u16(Field::RData)?;
        let (target, behind) = Name::read(rdata, reader.at)?;
        if behind.saturating_sub(reader.at) != target.wire_len() {
            return Err(Malformed::new(Field::Pointer, reader.at));
        }
        reader.at = behind;
        let params = reader;
        let mut last = None;
        while !reader.is_empty() {
            let at = reader.at;
            let (key, _) = param(&mut reader)?;
            if last.is_some_and(|last| key <= last) {
                return Err(Malformed::new(Field::RData, at));
            }
            last = Some(key);
        }
        Ok(Self {
            priority,
            target,
            params,
        })
    }

    /// 0 where the record is an alias and says nothing else.
    pub fn priority(&self) -> u16 {
        self.priority
    }

    /// Where the service is; the root stands for the record's owner.
    pub fn target(&self) -> Name<'a> {
        self.target
    }

    /// The value of a parameter.
    pub fn param(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut reader = self.params;
        while let Ok((key, value)) = param(&mut reader) {
            if key == wanted {
                return Some(value);
            }
        }
        None
    }
}

fn param<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Malformed> {
    let key = reader.u16(Field::RData)?;
    let length = reader.u16(Field::RData)?;
    Ok((key, reader.take(usize::from(length), Field::RData)?))
}

/// The ECHConfigList in a reply: of the HTTPS record with the lowest priority that is about
/// the owner's own addresses. Alternative endpoints live elsewhere, and are not looked at.
pub fn ech_config(reply: &[u8]) -> Option<&[u8]> {
    let message = Message::parse(reply).ok()?;
    let mut best: Option<(u16, &[u8])> = None;
    for record in message.answers() {
        let RData::Other(data) = record.rdata else {
            continue;
        };
        if record.rtype != RecordType::HTTPS {
            continue;
        }
        let Ok(service) = Service::parse(data) else {
            continue;
        };
        let own = service.target.is_root() || service.target.eq_ignore_ascii_case(&record.name);
        if let Some(config) = service.param(Service::ECH)
            && own
            && service.priority > 0
            && best.is_none_or(|(priority, _)| service.priority < priority)
        {
            best = Some((service.priority, config));
        }
    }
    best.map(|(_, config)| config)
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Query, ResponseBuilder};
    use super::*;

    const MODE: &[u8] = &[0, 1, 0, 0, 1, 0, 2, 1, 0x78, 0, 5, 0, 3, 7, 8, 9];

    fn reply<'b>(records: &[&[u8]], buffer: &'b mut [u8; 512]) -> &'b [u8] {
        let mut asked = [0; 512];
        let name = "site.example".parse().unwrap();
        let length = Query::new(1, name, RecordType::HTTPS)
            .emit(&mut asked)
            .unwrap();
        let query = Message::parse(asked.get(..length).unwrap()).unwrap();
        let mut reply = ResponseBuilder::reply_to(&query, buffer.as_mut_slice()).unwrap();
        for record in records {
            reply
                .answer(60, &Data::Raw(RecordType::HTTPS, record))
                .unwrap();
        }
        let length = reply.finish().unwrap();
        buffer.get(..length).unwrap()
    }

    #[test]
    fn the_key_of_the_first_record_about_the_owner_counts() {
        let service = Service::parse(MODE).unwrap();
        assert_eq!(service.param(Service::ECH), Some(&[7, 8, 9][..]));
        assert_eq!(service.param(2), None);
        let alias: &[u8] = &[0, 0, 0];
        let elsewhere: &[u8] = &[0, 1, 1, b'x', 0, 0, 5, 0, 1, 1];
        let later: &[u8] = &[0, 2, 0, 0, 5, 0, 1, 2];
        let mut buffer = [0; 512];
        let found = ech_config(reply(&[alias, elsewhere, later, MODE], &mut buffer));
        assert_eq!(found, Some(&[7, 8, 9][..]));
        let mut buffer = [0; 512];
        assert_eq!(ech_config(reply(&[alias, elsewhere], &mut buffer)), None);
    }

    #[test]
    fn whatever_does_not_end_where_it_says_is_refused() {
        for length in 0..MODE.len() {
            // A record without its last parameter is whole.
            let whole = matches!(length, 3 | 9);
            let parsed = Service::parse(MODE.get(..length).unwrap());
            assert_eq!(parsed.is_ok(), whole, "{length}");
        }
        let unordered = [0, 1, 0, 0, 5, 0, 0, 0, 1, 0, 0];
        assert!(Service::parse(&unordered).is_err());
        let compressed = [0, 1, 0xc0, 0];
        assert!(Service::parse(&compressed).is_err());
    }
}
