//! Are the messages of unbound and knot read as another library reads them?

use super::stage::{AUTHORITY, HONEST, Stage, ip};
use faultline_core::dns::{EdnsRequest, Message, NameBuf, Query, RData, RecordType, Records};
use hickory_proto::op;
use hickory_proto::rr::Record;
use libtest_mimic::Failed;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

/// DNSSEC types (RFC 4034) and SRV (RFC 2782), by IANA's numbers.
const TYPES: [u16; 12] = [1, 2, 5, 6, 15, 16, 28, 33, 43, 46, 47, 48];
const NAMES: [&str; 12] = [
    ".",
    "example",
    "news.example",
    "alias.example",
    "many.example",
    "large.example",
    "mail.example",
    "service.example",
    "nobody.example",
    "www.bogus.example",
    "root",
    "nowhere",
];
/// Extended DNS errors of a broken chain of trust (RFC 8914 sections 4.7, 4.10, 4.11).
const BOGUS: [u16; 4] = [6, 9, 10, 12];

pub(super) fn check() -> Result<(), Failed> {
    let stage = Stage::new("")?;
    let (mut signed, mut explained, mut largest) = (0, 0, 0);
    for (server, nsid) in [(ip(AUTHORITY), "knot-1"), (ip(HONEST), "unbound-1")] {
        let replies = stage.internet.on("probe", move || ask(server))??;
        assert_eq!(replies.len(), TYPES.len() * NAMES.len());
        for reply in &replies {
            let ours =
                Message::parse(reply).map_err(|error| format!("{error:?}: {reply:?}"))?;
            let theirs = op::Message::from_vec(reply)?;
            assert_eq!(u16::from(theirs.metadata.response_code), ours.rcode().0);
            same(ours.answers(), &theirs.answers);
            same(ours.authorities(), &theirs.authorities);
            same(ours.additionals(), &theirs.additionals);
            let edns = ours.edns().ok_or("no EDNS")?;
            assert_eq!(edns.nsid(), Some(nsid.as_bytes()));
            signed += ours.answers().filter(|record| record.rtype.0 == 46).count();
            if let Some((code, _)) = edns.extended_error() {
                explained += usize::from(BOGUS.contains(&code));
            }
            largest = largest.max(reply.len());
        }
    }
    assert!(signed > 20, "{signed} signatures");
    assert!(explained > 0, "nobody said why bogus.example fails");
    assert!(largest > 3000, "{largest} octets at most");
    Ok(())
}

/// Everything about everything, over TCP.
fn ask(server: IpAddr) -> std::io::Result<Vec<Vec<u8>>> {
    let mut replies = Vec::new();
    let mut stream = TcpStream::connect((server, 53))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    for name in NAMES {
        let name: NameBuf = name.parse().map_err(|_| std::io::ErrorKind::InvalidInput)?;
        for rtype in TYPES {
            let edns = EdnsRequest {
                udp_size: 1232,
                dnssec_ok: true,
                nsid: true,
            };
            let query = Query {
                edns: Some(edns),
                ..Query::new(rtype, name, RecordType(rtype))
            };
            let mut wire = vec![0; 2 + Query::MAX_LEN];
            let length = query.emit(&mut wire[2..]).map_err(std::io::Error::other)?;
            wire[..2].copy_from_slice(&(length as u16).to_be_bytes());
            stream.write_all(&wire[..2 + length])?;
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut reply)?;
            replies.push(reply);
        }
    }
    Ok(replies)
}

/// The same owners, types, lifetimes and, where both know it, data; without OPT, which the
/// other library keeps elsewhere.
fn same(ours: Records<'_>, theirs: &[Record]) {
    let ours: Vec<_> = ours.filter(|record| record.rtype.0 != 41).collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        let labels = ours.name.labels().map(|label| label.as_bytes());
        assert!(labels.eq(theirs.name.iter()), "{ours:?} {theirs:?}");
        assert_eq!(ours.rtype.0, u16::from(theirs.record_type()));
        assert_eq!(ours.ttl, theirs.ttl);
        let same = match (&ours.rdata, &theirs.data) {
            (RData::A(a), hickory_proto::rr::RData::A(b)) => *a == b.0,
            (RData::Cname(a), hickory_proto::rr::RData::CNAME(b)) => {
                a.labels().map(|label| label.as_bytes()).eq(b.0.iter())
            }
            (RData::Txt(a), hickory_proto::rr::RData::TXT(b)) => {
                a.strings().eq(b.txt_data.iter().map(|s| &**s))
            }
            (RData::Soa(a), hickory_proto::rr::RData::SOA(b)) => a.serial == b.serial,
            _ => true,
        };
        assert!(same, "{ours:?} {theirs:?}");
    }
}
