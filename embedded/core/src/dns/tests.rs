//! Messages written by hand, octet by octet, and messages written by chance.

use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use std::{format, string::String, string::ToString, vec, vec::Vec};

/// A reply for `a.bc`: CNAME to `x.bc` (compressed), A, and OPT with rcode 16 and NSID `ns`.
const REPLY: &[u8] = b"\x12\x34\x85\xb0\0\x01\0\x02\0\0\0\x01\
    \x01a\x02bc\0\0\x01\0\x01\
    \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01x\xc0\x0e\
    \xc0\x22\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04\
    \0\0\x29\x04\xd0\x01\0\x80\0\0\x06\0\x03\0\x02ns";

fn at(field: Field, at: u16) -> Result<(), Malformed> {
    Err(Malformed { field, at })
}

fn parsed(bytes: &[u8]) -> Result<(), Malformed> {
    Message::parse(bytes).map(|_| ())
}

#[test]
fn a_reply_reads_as_written() {
    let message = Message::parse(REPLY).unwrap();
    let header = message.header();
    assert_eq!((header.id(), header.opcode()), (0x1234, 0));
    assert!(
        header.qr() && header.aa() && header.rd() && header.ra() && header.ad() && header.cd()
    );
    assert!(!header.tc());
    assert_eq!(message.rcode(), Rcode::BAD_VERS);
    let name = "A.bc".parse().unwrap();
    assert!(
        message
            .question()
            .unwrap()
            .asks(&name, RecordType::A, Class::IN)
    );
    assert!(!message.question().unwrap().name.eq_exact(&name.as_name()));
    assert_eq!(message.edns().unwrap().nsid(), Some(&b"ns"[..]));
    let mut text = String::new();
    pretty(REPLY, &mut text).unwrap();
    assert_eq!(
        text,
        "id 0x1234 opcode 0 BADVERS qr aa rd ra ad cd\n\
         question a.bc IN A\n\
         answer a.bc 60 IN CNAME x.bc\n\
         answer x.bc 60 IN A 1.2.3.4\n\
         additional OPT version 0 udp 1232 do 3=6e73\n"
    );
}

#[test]
fn trailing_octets_are_shown_and_missing_ones_refused() {
    let mut longer = REPLY.to_vec();
    longer.extend_from_slice(b"more");
    assert_eq!(Message::parse(&longer).unwrap().trailing(), b"more");
    for len in 0..REPLY.len() {
        assert!(Message::parse(&REPLY[..len]).is_err(), "{len}");
    }
    assert_eq!(parsed(&REPLY[..5]), at(Field::Header, 4));
    assert_eq!(parsed(&vec![0; 65_536]), at(Field::Message, 65_535));
}

fn question(name: &[u8]) -> Vec<u8> {
    [b"\0\0\0\0\0\x01\0\0\0\0\0\0", name, b"\0\x01\0\x01"].concat()
}

#[test]
fn pointers_lead_backwards_to_names() {
    // To itself, forwards, into the header, into its own run of labels.
    assert_eq!(parsed(&question(b"\xc0\x0c")), at(Field::Pointer, 12));
    assert_eq!(parsed(&question(b"\xc0\x0e\0")), at(Field::Pointer, 12));
    assert_eq!(parsed(&question(b"\xc0\x00")), at(Field::Pointer, 12));
    assert_eq!(parsed(&question(b"\x01a\xc0\x0c")), at(Field::Pointer, 14));
    // Reserved label types.
    assert_eq!(parsed(&question(b"\x40\0")), at(Field::Label, 12));
    assert_eq!(parsed(&question(b"\x80\0")), at(Field::Label, 12));
}

#[test]
fn names_end_at_255_octets() {
    let label = [&[63u8][..], &[b'x'; 63]].concat();
    let three = [&label[..], &label, &label].concat();
    let most = [&three[..], &[61], &[b'y'; 61], &[0]].concat();
    assert_eq!(most.len(), 255);
    let message = question(&most);
    let name = Message::parse(&message).unwrap().question().unwrap().name;
    assert_eq!((name.wire_len(), name.labels().count()), (255, 4));
    assert_eq!(name.to_buf().as_wire(), most);
    let over = [&three[..], &[62], &[b'y'; 62], &[0]].concat();
    assert_eq!(parsed(&question(&over)), at(Field::Name, 12));
}

#[test]
fn data_has_the_length_of_its_type() {
    let record = |rest: &[u8]| [b"\0\0\x80\0\0\0\0\x01\0\0\0\0\0", rest].concat();
    assert_eq!(
        parsed(&record(b"\0\x01\0\x01\0\0\0\0\0\x03abc")),
        at(Field::RData, 23)
    );
    assert_eq!(
        parsed(&record(b"\0\x01\0\x01\0\0\0\0\0\x05abcde")),
        at(Field::RData, 27)
    );
    // A name that runs beyond its RDLENGTH.
    assert_eq!(
        parsed(&record(b"\0\x05\0\x01\0\0\0\0\0\x02\x01a\0")),
        at(Field::Name, 25)
    );
    // A string that does.
    assert_eq!(
        parsed(&record(b"\0\x10\0\x01\0\0\0\0\0\x02\x02a")),
        at(Field::RData, 24)
    );
    // In CHAOS an A record is something else, and unknown types are anything.
    assert!(parsed(&record(b"\0\x01\0\x03\0\0\0\0\0\x01a")).is_ok());
    assert!(parsed(&record(b"\xff\0\0\x01\0\0\0\0\0\x01a")).is_ok());
    // OPT is of the additional section alone.
    assert_eq!(
        parsed(&record(b"\0\x29\0\x01\0\0\0\0\0\0")),
        at(Field::Opt, 12)
    );
}

#[test]
fn a_query_has_the_octets_of_rfc_1035_and_6891() {
    let mut query = Query::new(0xabcd, "a.bc".parse().unwrap(), RecordType::AAAA);
    let mut buffer = [0; Query::MAX_LEN];
    let len = query.emit(&mut buffer).unwrap();
    assert_eq!(
        &buffer[..len],
        b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x1c\0\x01"
    );
    query.edns = Some(EdnsRequest {
        udp_size: 1232,
        dnssec_ok: true,
        nsid: true,
    });
    let len = query.emit(&mut buffer).unwrap();
    assert_eq!(
        &buffer[len - 15..len],
        b"\0\0\x29\x04\xd0\0\0\x80\0\0\x04\0\x03\0\0"
    );
    assert_eq!(query.emit(&mut buffer[..len - 1]), Err(EmitError::NoSpace));
}

#[test]
fn a_response_repeats_the_question_and_holds_what_was_added() {
    let query = Query::new(7, "WwW.example".parse().unwrap(), RecordType::A);
    let mut asked = [0; Query::MAX_LEN];
    let len = query.emit(&mut asked).unwrap();
    let asked = Message::parse(&asked[..len]).unwrap();
    let (mname, cdn): (NameBuf, NameBuf) = (
        "ns.example".parse().unwrap(),
        "cdn.example".parse().unwrap(),
    );
    let mut buffer = [0; 512];
    let mut reply = ResponseBuilder::reply_to(&asked, &mut buffer).unwrap();
    reply.authoritative(true).rcode(Rcode::BAD_COOKIE);
    reply.answer(60, &Data::Cname(&cdn)).unwrap();
    let owner = Owner::Name(&cdn);
    let a = Data::A(Ipv4Addr::new(192, 0, 2, 1));
    reply.record(Section::Answer, owner, 60, &a).unwrap();
    let aaaa = Data::Aaaa(Ipv6Addr::LOCALHOST);
    reply.record(Section::Answer, owner, 60, &aaaa).unwrap();
    reply.answer(1, &Data::Txt(&[b"a \"b\"", b""])).unwrap();
    reply
        .answer(1, &Data::Raw(RecordType(65_280), &[1, 2]))
        .unwrap();
    let soa = Data::Soa {
        mname: &mname,
        rname: &mname,
        numbers: [1, 2, 3, 4, 5],
    };
    reply
        .record(Section::Authority, Owner::Name(&NameBuf::ROOT), 9, &soa)
        .unwrap();
    assert_eq!(reply.answer(1, &a).unwrap_err(), EmitError::SectionOrder);
    let blocked = EdnsOption {
        code: EdnsOption::EXTENDED_ERROR,
        data: b"\0\x10law",
    };
    reply.edns(1232, false, &[blocked]).unwrap();
    assert_eq!(
        reply.edns(1232, false, &[]).unwrap_err(),
        EmitError::SecondOpt
    );
    let too_long = Data::Raw(RecordType::TXT, &[0; 512]);
    let failed = reply.record(Section::Additional, owner, 0, &too_long);
    assert_eq!(failed.unwrap_err(), EmitError::NoSpace);
    let len = reply.finish().unwrap();
    let message = Message::parse(&buffer[..len]).unwrap();
    assert_eq!(
        message.edns().unwrap().extended_error(),
        Some((16, &b"law"[..]))
    );
    assert_eq!(
        message.to_string(),
        "id 0x0007 opcode 0 BADCOOKIE qr aa rd ra\n\
         question WwW.example IN A\n\
         answer WwW.example 60 IN CNAME cdn.example\n\
         answer cdn.example 60 IN A 192.0.2.1\n\
         answer cdn.example 60 IN AAAA ::1\n\
         answer WwW.example 1 IN TXT \"a \\\"b\\\"\" \"\"\n\
         answer WwW.example 1 IN TYPE65280 \\# 2 0102\n\
         authority . 9 IN SOA ns.example ns.example 1 2 3 4 5\n\
         additional OPT version 0 udp 1232 15=00106c6177\n"
    );
    let mut reply = ResponseBuilder::reply_to(&asked, &mut buffer).unwrap();
    reply.rcode(Rcode::BAD_VERS);
    assert_eq!(reply.finish(), Err(EmitError::Rcode));
}

/// Call every accessor; the iterators must give as many items as the header counts.
fn read_all(bytes: &[u8]) {
    let mut text = String::new();
    pretty(bytes, &mut text).unwrap();
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let header = message.header();
    assert_eq!(message.questions().count(), usize::from(header.qdcount()));
    assert_eq!(message.answers().count(), usize::from(header.ancount()));
    assert_eq!(message.authorities().count(), usize::from(header.nscount()));
    assert_eq!(message.additionals().count(), usize::from(header.arcount()));
    for record in message.answers() {
        let name = record.name.to_buf();
        assert!(name.as_name().eq_exact(&record.name));
        assert_eq!(name.as_wire().len(), record.name.wire_len());
        assert_eq!(record.name.to_string().parse(), Ok(name));
    }
}

prop_compose! {
    fn names()(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..4))
        -> NameBuf
    {
        NameBuf::from_labels(labels.iter().map(Vec::as_slice)).unwrap_or_default()
    }
}

proptest! {
    #[test]
    fn any_octets_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
        // Small counts make it likelier to get beyond the header.
        let few = [&[0, 0, 0x80, 0, 0, 1, 0, 2, 0, 0, 0, 1][..], &bytes].concat();
        read_all(&few);
    }

    #[test]
    fn mutated_messages_can_be_read(
        flips in prop::collection::vec((0..REPLY.len(), any::<u8>()), 1..4),
    ) {
        let mut bytes = REPLY.to_vec();
        for (n, octet) in flips {
            bytes[n] = octet;
        }
        read_all(&bytes);
    }

    #[test]
    fn what_is_emitted_parses_back(
        id: u16, name in names(), rtype: u16, class: u16, rd: bool, cd: bool,
        edns in prop::option::of((any::<u16>(), any::<bool>(), any::<bool>())), bits: [u8; 32],
    ) {
        let query = Query {
            id,
            name: encode_0x20(&name, &bits),
            rtype: RecordType(rtype),
            class: Class(class),
            recursion_desired: rd,
            checking_disabled: cd,
            edns: edns.map(|(udp_size, dnssec_ok, nsid)| EdnsRequest { udp_size, dnssec_ok, nsid }),
        };
        let mut buffer = [0; Query::MAX_LEN];
        let len = query.emit(&mut buffer).unwrap();
        let message = Message::parse(&buffer[..len]).unwrap();
        let question = message.question().unwrap();
        prop_assert!(question.asks(&name, query.rtype, query.class));
        prop_assert!(message.trailing().is_empty());
        let back = Query {
            id: message.header().id(),
            name: question.name.to_buf(),
            rtype: question.rtype,
            class: question.class,
            recursion_desired: message.header().rd(),
            checking_disabled: message.header().cd(),
            edns: message.edns().map(|edns| EdnsRequest {
                udp_size: edns.udp_size(),
                dnssec_ok: edns.dnssec_ok(),
                nsid: edns.nsid().is_some(),
            }),
        };
        prop_assert_eq!(back, query);
        prop_assert_eq!(format!("{}", query.name).parse(), Ok(query.name));
    }
}
