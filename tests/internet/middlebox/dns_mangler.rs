//! Who lets the DNS pass, but not as it was sent? Firewalls and old proxies that know only
//! RFC 1035.
//!
//! Seen: EDNS dropped or taken out (RFC 6891 section 6.2.6, DNS flag day 2019), datagrams
//! above 512 octets dropped (RFC 4035 section 1, DNS flag day 2020), TCP refused (RFC 7766
//! section 1), types that a box does not know (RFC 5625 section 4.3), letter case folded
//! (Dagon et al., CCS 2008).

use crate::resolver::lower_case;
use faultline_core::dns::{Message, Query, RecordType};
use serde::Deserialize;

/// What is done to queries and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mangle {
    /// Queries with an OPT record are lost.
    DropsEdns,
    /// Queries are passed on without their OPT record.
    StripsEdns,
    /// Queries of types for private use are lost.
    DropsUnknownTypes,
    /// Replies of more than 512 octets are lost.
    DropsLong,
    /// Nothing over TCP reaches port 53.
    DropsTcp,
    /// Names are passed on in lower case.
    FoldsCase,
}

/// The first of the types for private use (RFC 6895 section 3.1).
const PRIVATE: u16 = 65_280;
/// Octets of the largest datagram of RFC 1035.
const LONG: usize = 512;

/// A query as it goes on; `None` where it is lost.
pub fn passes(mangles: &[Mangle], query: &[u8]) -> Option<Vec<u8>> {
    let mut passed = query.to_vec();
    for mangle in mangles {
        match mangle {
            Mangle::DropsEdns if has_edns(&passed) => return None,
            Mangle::StripsEdns if has_edns(&passed) => passed = without_edns(&passed)?,
            Mangle::DropsUnknownTypes if rtype(&passed)?.0 >= PRIVATE => return None,
            Mangle::FoldsCase => passed = lower_case(&passed),
            _ => {}
        }
    }
    Some(passed)
}

/// Whether a reply reaches the client.
pub fn arrives(mangles: &[Mangle], reply: &[u8]) -> bool {
    reply.len() <= LONG || !mangles.contains(&Mangle::DropsLong)
}

fn has_edns(query: &[u8]) -> bool {
    Message::parse(query).is_ok_and(|message| message.edns().is_some())
}

fn rtype(query: &[u8]) -> Option<RecordType> {
    Some(Message::parse(query).ok()?.question()?.rtype)
}

/// The same question, put anew.
fn without_edns(query: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(query).ok()?;
    let question = message.question()?;
    let again = Query::new(
        message.header().id(),
        question.name.to_buf(),
        question.rtype,
    );
    let mut octets = vec![0; Query::MAX_LEN];
    let length = again.emit(&mut octets).ok()?;
    octets.truncate(length);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::dns::EdnsRequest;

    fn query(rtype: RecordType, edns: bool) -> Vec<u8> {
        let edns = edns.then_some(EdnsRequest {
            udp_size: 1232,
            dnssec_ok: true,
            nsid: false,
        });
        let query = Query {
            edns,
            ..Query::new(7, "Www.Example".parse().unwrap(), rtype)
        };
        let mut octets = vec![0; Query::MAX_LEN];
        let length = query.emit(&mut octets).unwrap();
        octets.truncate(length);
        octets
    }

    #[test]
    fn each_box_harms_what_it_does_not_know_and_nothing_else() {
        let (plain, edns) = (query(RecordType::A, false), query(RecordType::A, true));
        let unknown = query(RecordType(PRIVATE), false);
        let all = [&plain, &edns, &unknown];
        for (mangle, passed) in [
            (Mangle::DropsEdns, [true, false, true]),
            (Mangle::DropsUnknownTypes, [true, true, false]),
            (Mangle::DropsTcp, [true; 3]),
            (Mangle::DropsLong, [true; 3]),
        ] {
            for (query, passed) in all.iter().zip(passed) {
                let through = passes(&[mangle], query);
                assert_eq!(through, passed.then(|| (*query).clone()), "{mangle:?}");
            }
        }
        assert_eq!(passes(&[Mangle::StripsEdns], &edns), Some(plain.clone()));
        let folded = passes(&[Mangle::FoldsCase], &plain).unwrap();
        assert!(folded.windows(3).any(|w| w == b"www") && folded.len() == plain.len());
        assert!(arrives(&[Mangle::DropsLong], &[0; 512]));
        assert!(!arrives(&[Mangle::DropsLong], &[0; 513]) && arrives(&[], &[0; 513]));
    }
}
