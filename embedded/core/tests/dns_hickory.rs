//! Do two implementations read the same messages the same way?
//!
//! hickory-proto is the other witness: what it builds, with its compression, we read as the
//! same records, and what we build it reads.

use faultline_core::dns::{
    self, Data, EdnsOption, EdnsRequest, Message, NameBuf, Owner, Query, RData, Rcode,
    RecordType, ResponseBuilder, Section,
};
use hickory_proto::op;
use hickory_proto::rr::rdata::{self, opt};
use hickory_proto::rr::{self as hickory, Name};
use proptest::prelude::*;

fn names() -> impl Strategy<Value = Name> {
    // Few and short labels, so that names share suffixes and get compressed.
    let label = prop_oneof![
        Just(b"a".to_vec()),
        Just(b"Www".to_vec()),
        Just(b"example".to_vec()),
        prop::collection::vec(any::<u8>(), 1..12),
    ];
    prop::collection::vec(label, 0..5)
        .prop_map(|labels| Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap())
}

fn rdata() -> impl Strategy<Value = hickory::RData> {
    let strings = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..4);
    prop_oneof![
        any::<[u8; 4]>().prop_map(|a| hickory::RData::A(rdata::A(a.into()))),
        any::<[u8; 16]>().prop_map(|a| hickory::RData::AAAA(rdata::AAAA(a.into()))),
        names().prop_map(|n| hickory::RData::CNAME(rdata::CNAME(n))),
        names().prop_map(|n| hickory::RData::NS(rdata::NS(n))),
        names().prop_map(|n| hickory::RData::PTR(rdata::PTR(n))),
        (any::<u16>(), names()).prop_map(|(p, n)| hickory::RData::MX(rdata::MX::new(p, n))),
        (names(), names(), any::<[u32; 2]>(), any::<[i32; 3]>()).prop_map(|(m, r, u, i)| {
            hickory::RData::SOA(rdata::SOA::new(m, r, u[0], i[0], i[1], i[2], u[1]))
        }),
        strings.prop_map(|s| {
            let strings = s.iter().map(Vec::as_slice).collect();
            hickory::RData::TXT(rdata::TXT::from_bytes(strings))
        }),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(|octets| hickory::RData::Unknown {
            code: hickory::RecordType::Unknown(65_280),
            rdata: rdata::NULL::with(octets),
        }),
    ]
}

fn records() -> impl Strategy<Value = Vec<hickory::Record>> {
    let record = (names(), any::<u32>(), rdata())
        .prop_map(|(name, ttl, data)| hickory::Record::from_rdata(name, ttl, data));
    prop::collection::vec(record, 0..4)
}

prop_compose! {
    fn messages()(
        id: u16, question in names(), qtype in 1u16..40, rcode in 0u16..11,
        flags: [bool; 6], sections in (records(), records(), records()),
        edns in prop::option::of(
            (512u16.., any::<bool>(), prop::collection::vec(any::<u8>(), 1..9)),
        ),
    ) -> op::Message {
        let mut message = op::Message::new(id, op::MessageType::Response, op::OpCode::Query);
        let meta = &mut message.metadata;
        [
            meta.authoritative,
            meta.truncation,
            meta.recursion_desired,
            meta.recursion_available,
            meta.authentic_data,
            meta.checking_disabled,
        ] = flags;
        meta.response_code = op::ResponseCode::from(0, rcode as u8);
        message.add_query(op::Query::query(question, qtype.into()));
        message.insert_answers(sections.0);
        message.insert_authorities(sections.1);
        message.insert_additionals(sections.2);
        if let Some((size, dnssec_ok, nsid)) = edns {
            let mut edns = op::Edns::new();
            edns.set_max_payload(size).set_version(0).set_dnssec_ok(dnssec_ok);
            let nsid = opt::NSIDPayload::new(nsid).unwrap();
            edns.options_mut().insert(opt::EdnsOption::NSID(nsid));
            message.set_edns(edns);
        }
        message
    }
}

fn same_name(ours: &dns::Name<'_>, theirs: &Name) -> bool {
    ours.labels()
        .map(|label| label.as_bytes())
        .eq(theirs.iter())
}

fn same_data(ours: &RData<'_>, theirs: &hickory::RData) -> bool {
    match (ours, theirs) {
        (RData::A(a), hickory::RData::A(b)) => *a == b.0,
        (RData::Aaaa(a), hickory::RData::AAAA(b)) => *a == b.0,
        (RData::Cname(a), hickory::RData::CNAME(b)) => same_name(a, &b.0),
        (RData::Ns(a), hickory::RData::NS(b)) => same_name(a, &b.0),
        (RData::Ptr(a), hickory::RData::PTR(b)) => same_name(a, &b.0),
        (
            RData::Mx {
                preference,
                exchange,
            },
            hickory::RData::MX(b),
        ) => *preference == b.preference && same_name(exchange, &b.exchange),
        (RData::Soa(a), hickory::RData::SOA(b)) => {
            same_name(&a.mname, &b.mname)
                && same_name(&a.rname, &b.rname)
                && [a.serial, a.refresh, a.retry, a.expire, a.minimum]
                    == [
                        b.serial,
                        b.refresh as u32,
                        b.retry as u32,
                        b.expire as u32,
                        b.minimum,
                    ]
        }
        (RData::Txt(a), hickory::RData::TXT(b)) => {
            a.strings().eq(b.txt_data.iter().map(|string| &**string))
        }
        (RData::Other(a), hickory::RData::Unknown { rdata, .. }) => *a == rdata.anything,
        _ => false,
    }
}

fn same_records<'a>(
    ours: impl Iterator<Item = dns::Record<'a>>,
    theirs: &[hickory::Record],
) -> bool {
    let ours: Vec<_> = ours
        .filter(|record| record.rtype != RecordType::OPT)
        .collect();
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(a, b)| {
            same_name(&a.name, &b.name)
                && a.rtype.0 == u16::from(b.record_type())
                && a.class.0 == u16::from(b.dns_class)
                && a.ttl == b.ttl
                && same_data(&a.rdata, &b.data)
        })
}

fn agree(ours: &Message<'_>, theirs: &op::Message) -> Result<(), TestCaseError> {
    let (header, meta) = (ours.header(), &theirs.metadata);
    prop_assert_eq!(header.id(), meta.id);
    prop_assert_eq!(header.qr(), meta.message_type == op::MessageType::Response);
    prop_assert_eq!(
        [
            header.aa(),
            header.tc(),
            header.rd(),
            header.ra(),
            header.ad(),
            header.cd()
        ],
        [
            meta.authoritative,
            meta.truncation,
            meta.recursion_desired,
            meta.recursion_available,
            meta.authentic_data,
            meta.checking_disabled,
        ]
    );
    prop_assert_eq!(ours.rcode(), Rcode(meta.response_code.into()));
    prop_assert_eq!(ours.questions().count(), theirs.queries.len());
    for (a, b) in ours.questions().zip(&theirs.queries) {
        prop_assert!(same_name(&a.name, b.name()));
        prop_assert_eq!(a.rtype.0, u16::from(b.query_type()));
        prop_assert_eq!(a.class.0, u16::from(b.query_class()));
    }
    prop_assert!(same_records(ours.answers(), &theirs.answers));
    prop_assert!(same_records(ours.authorities(), &theirs.authorities));
    prop_assert!(same_records(ours.additionals(), &theirs.additionals));
    prop_assert_eq!(ours.edns().is_some(), theirs.edns.is_some());
    if let (Some(a), Some(b)) = (ours.edns(), &theirs.edns) {
        prop_assert_eq!(a.udp_size(), b.max_payload());
        prop_assert_eq!(a.version(), b.version());
        prop_assert_eq!(a.dnssec_ok(), b.flags().dnssec_ok);
        let nsid = a.nsid().map(|nsid| opt::NSIDPayload::new(nsid).unwrap());
        let nsid = nsid.map(opt::EdnsOption::NSID);
        prop_assert_eq!(nsid.as_ref(), b.option(opt::EdnsCode::NSID));
    }
    Ok(())
}

proptest! {
    #[test]
    fn we_read_what_hickory_builds(message in messages()) {
        let bytes = message.to_vec().unwrap();
        let ours = Message::parse(&bytes).unwrap();
        prop_assert!(ours.trailing().is_empty());
        agree(&ours, &message)?;
    }

    #[test]
    fn whatever_is_accepted_can_be_read(
        message in messages(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = message.to_vec().unwrap();
        for (index, octet) in flips {
            let n = index.index(bytes.len());
            bytes[n] = octet;
        }
        let mut text = String::new();
        dns::pretty(&bytes, &mut text).unwrap();
        if let Ok(message) = Message::parse(&bytes) {
            let records = message.answers().chain(message.authorities());
            let header = message.header();
            let counts = [header.ancount(), header.nscount(), header.arcount()];
            prop_assert_eq!(
                records.chain(message.additionals()).count(),
                counts.map(usize::from).iter().sum::<usize>()
            );
        }
    }

    #[test]
    fn hickory_reads_our_queries(
        id: u16, name in names(), rtype in 1u16..40, bits: [u8; 32], rd: bool, cd: bool,
        edns in prop::option::of((512u16.., any::<bool>(), any::<bool>())),
    ) {
        let name = dns::encode_0x20(&NameBuf::from_labels(name.iter()).unwrap(), &bits);
        let mut query = Query::new(id, name, RecordType(rtype));
        query.recursion_desired = rd;
        query.checking_disabled = cd;
        query.edns =
            edns.map(|(udp_size, dnssec_ok, nsid)| EdnsRequest { udp_size, dnssec_ok, nsid });
        let mut buffer = [0; Query::MAX_LEN];
        let len = query.emit(&mut buffer).unwrap();
        let theirs = op::Message::from_vec(&buffer[..len]).unwrap();
        agree(&Message::parse(&buffer[..len]).unwrap(), &theirs)?;
    }

    #[test]
    fn hickory_reads_our_responses(
        id: u16, name in names(), other in names(), ttl: u32, v4: [u8; 4], v6: [u8; 16],
        text in prop::collection::vec(any::<u8>(), 1..256), rcode in prop_oneof![0u16..11, 16..24u16],
        numbers: [u32; 5], nsid in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let name = NameBuf::from_labels(name.iter()).unwrap();
        let other = NameBuf::from_labels(other.iter()).unwrap();
        let mut asked = [0; Query::MAX_LEN];
        let len = Query::new(id, name, RecordType::A).emit(&mut asked).unwrap();
        let mut buffer = [0; 4096];
        let asked = Message::parse(&asked[..len]).unwrap();
        let mut reply = ResponseBuilder::reply_to(&asked, &mut buffer).unwrap();
        reply.rcode(Rcode(rcode)).truncated(v4[0] & 1 == 1).authentic_data(v4[0] & 2 == 2);
        let soa = Data::Soa { mname: &name, rname: &other, numbers };
        let (a, aaaa) = (Data::A(v4.into()), Data::Aaaa(v6.into()));
        let option = EdnsOption { code: EdnsOption::NSID, data: &nsid };
        reply.answer(ttl, &Data::Cname(&other)).unwrap();
        reply.record(Section::Answer, Owner::Name(&other), ttl, &a).unwrap();
        reply.answer(ttl, &aaaa).unwrap();
        reply.answer(ttl, &Data::Txt(&[&text, b"x"])).unwrap();
        reply.answer(ttl, &Data::Raw(RecordType(65_280), &text)).unwrap();
        reply.record(Section::Authority, Owner::Question, ttl, &soa).unwrap();
        reply.record(Section::Authority, Owner::Question, ttl, &Data::Ns(&other)).unwrap();
        reply.edns(1232, true, &[option]).unwrap();
        let len = reply.finish().unwrap();
        let theirs = op::Message::from_vec(&buffer[..len]).unwrap();
        agree(&Message::parse(&buffer[..len]).unwrap(), &theirs)?;
    }
}
