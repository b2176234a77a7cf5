use super::framing::{Deframer, TooLong, frame};
use super::handshake::{Event, Greeting, Says, Trial, read_answer};
use super::lookup::{Inquiry, Question, Settings, addresses, is_answer, is_truncated};
use super::*;
use crate::{
    dns::{Data, Message, NameBuf, Rcode, RecordType, ResponseBuilder},
    failure::Failure,
    observation::{
        DnsTransport, Handshake, HandshakeRole, HandshakeStage, Lookup, Observation,
        ResolverRole, Step,
    },
    time::{Duration, Instant},
    value::Ip,
};
use alloc::{string::ToString, vec, vec::Vec};
use core::net::{IpAddr, SocketAddr};
use proptest::prelude::*;

const START: Instant = Instant(1_000_000);

fn ms(after: u64) -> Instant {
    START + Duration::from_millis(after)
}

fn resolver() -> SocketAddr {
    "198.51.100.53:53".parse().unwrap()
}

fn question(transport: DnsTransport) -> Question {
    Question {
        name: "Blocked.Example".to_string(),
        rtype: 1,
        role: ResolverRole::Public,
        transport,
        resolver: resolver(),
        resolver_name: None,
    }
}

fn inquiry(transport: DnsTransport, settings: Settings) -> Inquiry {
    let question = question(transport);
    Inquiry::new(question, settings, 1, Instant(500_000), START, &[0x5a; 34])
}

/// The inquiry after its query has left, and the query.
fn asked(settings: Settings) -> (Inquiry, Vec<u8>) {
    let mut inquiry = inquiry(DnsTransport::Udp, settings);
    assert_eq!(inquiry.poll_at(), Some(START));
    let Want::Send(query) = inquiry.poll(START) else {
        panic!()
    };
    let query = query.to_vec();
    (inquiry, query)
}

fn reply(query: &[u8], rcode: Rcode, address: Option<[u8; 4]>) -> Vec<u8> {
    let query = Message::parse(query).unwrap();
    let mut buffer = [0; 512];
    let mut reply = ResponseBuilder::reply_to(&query, &mut buffer).unwrap();
    reply.rcode(rcode);
    if let Some(address) = address {
        reply.answer(60, &Data::A(address.into())).unwrap();
    }
    let length = reply.finish().unwrap();
    buffer[..length].to_vec()
}

fn lookup(observation: &Observation) -> &Lookup {
    match &observation.step {
        Step::Lookup(lookup) => lookup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_query_asks_what_was_meant() {
    let (_, query) = asked(Settings::default());
    let message = Message::parse(&query).unwrap();
    let question = message.question().unwrap();
    let name: NameBuf = "blocked.example".parse().unwrap();
    assert!(question.asks(&name, RecordType::A, crate::dns::Class::IN));
    assert!(
        !question.name.eq_exact(&name.as_name()),
        "letter case is mixed"
    );
    let edns = message.edns().unwrap();
    assert!(edns.dnssec_ok() && edns.udp_size() == 1232);
    assert_eq!(message.header().id(), 0x5a5a);
    assert!(message.header().rd() && message.trailing().is_empty());
    // Caches of DNS over HTTPS want the same octets each time.
    let mut https = inquiry(DnsTransport::Https, Settings::default());
    let Want::Send(query) = https.poll(START) else {
        panic!()
    };
    assert_eq!(Message::parse(query).unwrap().header().id(), 0);
}

#[test]
fn a_query_without_edns_and_an_answer_without_addresses() {
    let settings = Settings {
        edns: false,
        ..Settings::default()
    };
    let text = Question {
        rtype: RecordType::TXT.0,
        ..question(DnsTransport::Udp)
    };
    for (data, failure) in [
        (Data::Txt(&[b"text"]), None),
        (Data::A([1, 2, 3, 4].into()), Some(Failure::DnsNoAnswer)),
    ] {
        let origin = Instant(500_000);
        let mut inquiry = Inquiry::new(text.clone(), settings, 0, origin, START, &[0x5a; 34]);
        let Want::Send(query) = inquiry.poll(START) else {
            panic!()
        };
        let query = query.to_vec();
        let message = Message::parse(&query).unwrap();
        assert!(message.edns().is_none());
        let mut buffer = [0; 512];
        let mut reply = ResponseBuilder::reply_to(&message, &mut buffer).unwrap();
        reply.answer(60, &data).unwrap();
        let length = reply.finish().unwrap();
        inquiry.handle(ms(20), resolver(), &buffer[..length], None);
        assert_eq!(inquiry.finish(ms(600)).failure, failure);
    }
}

#[test]
fn every_reply_of_the_window_is_kept_and_the_first_true_one_counts() {
    let (mut inquiry, query) = asked(Settings::default());
    assert_eq!(inquiry.poll(ms(1)), Want::Wait);
    assert_eq!(inquiry.poll_at(), Some(ms(4000)));
    let mut foreign = reply(&query, Rcode::NO_ERROR, Some([10, 0, 0, 1]));
    foreign[0] ^= 1;
    inquiry.handle(ms(20), resolver(), &foreign, Some(40));
    assert_eq!(inquiry.poll_at(), Some(ms(520)));
    let forged = reply(&query, Rcode::NO_ERROR, Some([1, 2, 3, 4]));
    inquiry.handle(ms(25), resolver(), &forged, Some(41));
    let elsewhere = "203.0.113.9:53".parse().unwrap();
    inquiry.handle(ms(30), elsewhere, &forged, None);
    let truth = reply(&query, Rcode::NO_ERROR, Some([5, 6, 7, 8]));
    inquiry.handle(ms(60), resolver(), &truth, Some(56));
    inquiry.handle(ms(61), resolver(), b"not a message", None);
    assert_eq!(inquiry.poll(ms(519)), Want::Wait);
    assert_eq!(inquiry.poll(ms(520)), Want::Nothing);
    let seen = inquiry.finish(ms(521));
    assert_eq!(
        (seen.started, seen.ended, seen.failure),
        (500_000, 1_021_000, None)
    );
    let lookup = lookup(&seen);
    assert_eq!((lookup.watched, lookup.attempt), (500_000, 1));
    assert_eq!(lookup.name, "Blocked.Example");
    let kept: Vec<_> = lookup
        .replies
        .iter()
        .map(|r| (r.after / 1000, r.failure))
        .collect();
    let mismatch = Some(Failure::DnsMismatch);
    let malformed = Some(Failure::DnsMalformed);
    assert_eq!(
        kept,
        [
            (20, mismatch),
            (25, None),
            (30, mismatch),
            (60, None),
            (61, malformed)
        ]
    );
    assert_eq!(addresses(&seen), [Ip([1, 2, 3, 4].into())]);
    let hops: Vec<_> = lookup.replies.iter().map(|r| r.hop_limit).collect();
    assert_eq!(hops, [Some(40), Some(41), None, Some(56), None]);
    let first_true = &lookup.replies[1];
    assert_eq!((first_true.ttl, first_true.edns), (Some(60), false));
    assert_eq!(first_true.case_echoed, Some(true));
    assert_eq!(lookup.replies[3].addresses, [Ip([5, 6, 7, 8].into())]);
    assert_eq!(lookup.replies[2].from, Some(Ip([203, 0, 113, 9].into())));
}

#[test]
fn silence_and_answers_without_addresses_are_told_apart() {
    let (mut silent, query) = asked(Settings::default());
    assert_eq!(silent.poll(ms(3999)), Want::Wait);
    assert_eq!(silent.poll(ms(4000)), Want::Nothing);
    let seen = silent.finish(ms(4000));
    assert_eq!(seen.failure, Some(Failure::DnsTimeout));
    assert_eq!(lookup(&seen).watched, 0);
    assert!(!is_answer(seen.failure));
    for (rcode, failure, answers) in [
        (Rcode::NO_ERROR, Failure::DnsNoAnswer, true),
        (Rcode::NX_DOMAIN, Failure::DnsNxDomain, true),
        (Rcode::REFUSED, Failure::DnsRefused, false),
        (Rcode::SERV_FAIL, Failure::DnsServFail, false),
        (Rcode(9), Failure::DnsOtherRcode, false),
    ] {
        let (mut inquiry, _) = asked(Settings::default());
        inquiry.handle(ms(9), resolver(), &reply(&query, rcode, None), None);
        let seen = inquiry.finish(ms(509));
        assert_eq!(seen.failure, Some(failure));
        assert_eq!(is_answer(seen.failure), answers);
    }
}

#[test]
fn an_error_may_be_forged_so_the_answer_is_waited_for() {
    let (mut inquiry, query) = asked(Settings::default());
    inquiry.fail(ms(10), Failure::DnsUnreachable);
    assert_eq!(inquiry.poll(ms(11)), Want::Wait);
    let truth = reply(&query, Rcode::NO_ERROR, Some([5, 6, 7, 8]));
    inquiry.handle(ms(60), resolver(), &truth, None);
    assert_eq!(inquiry.clone().finish(ms(510)).failure, None);
    inquiry.fail(ms(61), Failure::DnsUnreachable);
    assert_eq!(inquiry.poll(ms(61)), Want::Nothing, "errors keep coming");

    let (mut inquiry, _) = asked(Settings::default());
    inquiry.fail(ms(10), Failure::NetworkUnreachable);
    let seen = inquiry.finish(ms(10));
    assert_eq!(seen.failure, Some(Failure::NetworkUnreachable));
}

#[test]
fn a_flood_fills_no_memory() {
    let settings = Settings {
        most_replies: 3,
        most_records: 2,
        raw_cap: 40,
        total_cap: 1 << 20,
        ..Settings::default()
    };
    let (mut inquiry, query) = asked(settings);
    let message = Message::parse(&query).unwrap();
    let mut buffer = [0; 512];
    let mut many = ResponseBuilder::reply_to(&message, &mut buffer).unwrap();
    for host in 0..9 {
        many.answer(1, &Data::A([192, 0, 2, host].into())).unwrap();
    }
    let length = many.finish().unwrap();
    for _ in 0..9 {
        inquiry.handle(ms(5), resolver(), &buffer[..length], None);
    }
    assert_eq!(inquiry.poll(ms(5)), Want::Nothing);
    assert_eq!(inquiry.poll_at(), None);
    let seen = inquiry.finish(ms(5));
    let lookup = lookup(&seen);
    assert_eq!(lookup.replies.len(), 3);
    assert_eq!(lookup.replies[0].addresses.len(), 2);
    assert_eq!(lookup.replies[0].raw.as_ref().unwrap().0.len(), 40);
}

#[test]
fn a_flood_leaves_room_for_the_upload_and_keeps_the_first_words() {
    let (mut inquiry, query) = asked(Settings::default());
    let mut flood = reply(&query, Rcode::NO_ERROR, Some([192, 0, 2, 1]));
    flood.resize(4096, 0);
    for at in 0..200 {
        inquiry.handle(ms(at), resolver(), &flood, None);
    }
    let seen = inquiry.finish(ms(900));
    let kept = lookup(&seen);
    assert_eq!(kept.replies.len(), 64);
    assert_eq!(kept.replies[0].addresses.len(), 1);
    let size = crate::codec::to_cbor(&seen).len();
    assert!(size < 32 * 1024, "{size}");
}

#[test]
fn streams_have_one_reply_and_no_window() {
    let mut inquiry = inquiry(DnsTransport::Tcp, Settings::default());
    let Want::Send(query) = inquiry.poll(START) else {
        panic!()
    };
    let truth = reply(query, Rcode::NO_ERROR, Some([5, 6, 7, 8]));
    inquiry.handle(ms(70), resolver(), &truth, None);
    assert_eq!(inquiry.poll(ms(70)), Want::Nothing);
    let seen = inquiry.finish(ms(70));
    assert_eq!((seen.failure, lookup(&seen).watched), (None, 0));
}

#[test]
fn truncation_asks_for_a_stream() {
    let cut_short = Some(Failure::DnsTruncated);
    let [none, foreign] = [Failure::DnsNoAnswer, Failure::DnsMismatch].map(Some);
    let address = Some([5, 6, 7, 8]);
    for (flags, id, address, truncated, failure) in [
        // Cut to nothing, it does not say that there is nothing.
        (0x83, 0, None, true, cut_short),
        (0x83, 0, address, true, None),
        (0x81, 0, None, false, none),
        (0x83, 1, None, false, foreign),
    ] {
        let (mut inquiry, query) = asked(Settings::default());
        let mut cut = reply(&query, Rcode::NO_ERROR, address);
        cut[0] ^= id;
        cut[2] = flags;
        inquiry.handle(ms(9), resolver(), &cut, None);
        let seen = inquiry.finish(ms(509));
        assert_eq!((is_truncated(&seen), seen.failure), (truncated, failure));
    }
    assert!(!is_answer(cut_short));
}

#[test]
fn a_name_that_is_none_is_not_asked() {
    let question = Question {
        name: "a..b".to_string(),
        ..question(DnsTransport::Udp)
    };
    let settings = Settings::default();
    let mut inquiry = Inquiry::new(question, settings, 0, START, START, &[0; 34]);
    assert_eq!(inquiry.poll(START), Want::Nothing);
    assert_eq!(inquiry.poll_at(), None);
    inquiry.handle(START, resolver(), b"", None);
    let seen = inquiry.finish(START);
    assert_eq!(seen.failure, Some(Failure::LocalError));
    assert!(lookup(&seen).replies.is_empty());
}

#[test]
fn frames_come_apart_however_they_are_cut() {
    let framed = frame(b"message").unwrap();
    assert_eq!(frame(&vec![0; 65_536]), None);
    for cut in 0..framed.len() {
        let mut frames = Deframer::new(u16::MAX);
        let (head, tail) = framed.split_at(cut);
        assert_eq!(frames.push(head), Ok(None));
        let tail = [tail, b"more"].concat();
        assert_eq!(frames.push(&tail), Ok(Some(&b"message"[..])));
    }
    assert_eq!(Deframer::new(6).push(&framed), Err(TooLong(7)));
    assert_eq!(Deframer::new(6).push(&[0, 0]), Ok(Some(&b""[..])));
}

fn greeting() -> Greeting {
    Greeting {
        to: "192.0.2.7:443".parse().unwrap(),
        server_name: Some("blocked.example.".to_string()),
        role: HandshakeRole::Target,
        alpn: vec!["h2".to_string(), "http/1.1".to_string()],
        patience: Duration::from_secs(10),
    }
}

fn greeted(greeting: Greeting) -> Trial {
    let mut trial = Trial::new(greeting, START, ms(1), &[0xc7; 96]);
    assert_eq!(trial.poll_at(), Some(ms(1)));
    let Want::Send(hello) = trial.poll(ms(2)) else {
        panic!()
    };
    assert!(hello.starts_with(&[22, 3, 1]));
    assert_eq!(trial.poll_at(), Some(ms(10_002)));
    trial
}

fn handshake(observation: &Observation) -> &Handshake {
    match &observation.step {
        Step::Handshake(handshake) => handshake,
        other => panic!("{other:?}"),
    }
}

/// A ServerHello of TLS 1.2 in a record.
fn server_hello() -> Vec<u8> {
    let mut octets = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    octets.extend([7; 32]);
    octets.extend([0, 0xc0, 0x2f, 0]);
    octets
}

const WARNING: [u8; 7] = [21, 3, 3, 0, 2, 1, 112];
const FATAL: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

#[test]
fn a_server_hello_ends_the_trial_well() {
    let mut trial = greeted(greeting());
    // Servers of TLS 1.2 may warn first, and segments cut anywhere.
    let octets = [&WARNING[..], &server_hello()].concat();
    for octet in &octets {
        assert_eq!(trial.poll(ms(50)), Want::Wait);
        trial.handle(ms(50), Event::Received(&[*octet]));
    }
    assert_eq!(trial.poll(ms(51)), Want::Nothing);
    assert_eq!(trial.poll_at(), None);
    trial.handle(ms(60), Event::Reset);
    let seen = trial.finish(ms(70));
    assert_eq!(
        (seen.started, seen.ended, seen.failure),
        (1000, 50_000, None)
    );
    let fact = handshake(&seen);
    assert_eq!(fact.stage, HandshakeStage::ServerHello);
    assert_eq!((fact.version, fact.cipher), (Some(0x0303), Some(0xc02f)));
    assert_eq!(fact.server_name.as_deref(), Some("blocked.example"));
    assert_eq!((fact.first_bytes.as_ref(), fact.port), (None, 443));
}

#[test]
fn each_way_of_saying_no_has_its_failure() {
    let page = b"HTTP/1.1 403 Forbidden\r\n\r\n";
    let half = &server_hello()[..20];
    let hello_done = [22, 3, 3, 0, 4, 14, 0, 0, 0];
    let close_notify = [21, 3, 3, 0, 2, 1, 0];
    let (sent, hello) = (HandshakeStage::HelloSent, HandshakeStage::ServerHello);
    for (events, failure, stage, kept) in [
        (vec![Event::Reset], Failure::TlsReset, sent, false),
        (vec![Event::Closed], Failure::TlsEof, sent, false),
        (
            vec![Event::Failed(Failure::HostUnreachable)],
            Failure::HostUnreachable,
            sent,
            false,
        ),
        (
            vec![Event::Received(page)],
            Failure::TlsMalformed,
            sent,
            true,
        ),
        (
            vec![Event::Received(&hello_done)],
            Failure::TlsMalformed,
            sent,
            true,
        ),
        (
            vec![Event::Received(&FATAL)],
            Failure::TlsAlert(40),
            sent,
            false,
        ),
        (
            vec![Event::Received(&close_notify)],
            Failure::TlsEof,
            sent,
            false,
        ),
        (
            vec![Event::Received(&WARNING), Event::Closed],
            Failure::TlsAlert(112),
            sent,
            false,
        ),
        (
            vec![Event::Received(&WARNING), Event::Reset],
            Failure::TlsReset,
            sent,
            false,
        ),
        (
            vec![Event::Received(half), Event::Reset],
            Failure::TlsReset,
            hello,
            false,
        ),
        (vec![], Failure::TlsTimeout, sent, false),
    ] {
        let mut trial = greeted(greeting());
        for event in &events {
            trial.handle(ms(40), *event);
        }
        assert_eq!(trial.poll(ms(10_002)), Want::Nothing);
        let seen = trial.finish(ms(10_003));
        let fact = handshake(&seen);
        assert_eq!(
            (seen.failure, fact.stage),
            (Some(failure), stage),
            "{events:?}"
        );
        assert_eq!(fact.first_bytes.is_some(), kept, "{events:?}");
    }
}

#[test]
fn twins_differ_in_the_name_alone() {
    let twin = greeting().twin("neutral.example");
    assert_eq!(twin.role, HandshakeRole::NeutralName);
    let seen = greeted(twin).finish(ms(5));
    let name = handshake(&seen).server_name.as_deref();
    assert_eq!(name, Some("neutral.example"));
    // Addresses are not for SNI.
    for address in ["192.0.2.7", "2001:db8::7", "[2001:db8::7]"] {
        let server_name = Some(address.to_string());
        let greeting = Greeting {
            server_name,
            ..greeting()
        };
        let seen = greeted(greeting).finish(ms(5));
        assert_eq!(handshake(&seen).server_name, None);
    }
    let server_name = Some("a".repeat(300));
    let long = Greeting {
        server_name,
        ..greeting()
    };
    let mut trial = Trial::new(long, START, START, &[0; 96]);
    assert_eq!(trial.poll(START), Want::Nothing);
    let seen = trial.finish(ms(1));
    assert_eq!(seen.failure, Some(Failure::LocalError));
    assert_eq!(handshake(&seen).stage, HandshakeStage::Connected);
}

#[test]
fn a_drip_of_octets_ends() {
    let mut trial = greeted(greeting());
    trial.handle(ms(3), Event::Received(&[22, 3, 3, 0x40, 0, 2, 0, 0xff]));
    for _ in 0..300 {
        trial.handle(ms(4), Event::Received(&[0; 8]));
    }
    let seen = trial.finish(ms(5));
    assert_eq!(seen.failure, Some(Failure::TlsMalformed));
    assert!(handshake(&seen).first_bytes.as_ref().unwrap().0.len() <= 512);
    assert_eq!(read_answer(b"").says, Says::More);
}

#[derive(Clone, Debug)]
enum Move {
    Pass(u64),
    Datagram(Vec<u8>, bool),
    Mangled(Vec<(prop::sample::Index, u8)>),
    Fail,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let octets = || prop::collection::vec(any::<u8>(), 0..60);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    prop::collection::vec(
        prop_oneof![
            (0_u64..3000).prop_map(Move::Pass),
            (octets(), any::<bool>()).prop_map(|(o, from)| Move::Datagram(o, from)),
            changes.prop_map(Move::Mangled),
            Just(Move::Fail),
        ],
        0..40,
    )
}

proptest! {
    /// Whatever comes, in whatever order: the inquiry ends in time, keeps everything up to
    /// its bound, and its times run forwards.
    #[test]
    fn any_sequence_of_events_ends(moves in moves()) {
        let settings = Settings { most_replies: 16, ..Settings::default() };
        let (mut inquiry, query) = asked(settings);
        let (mut now, mut came) = (START, 0);
        for step in moves {
            match step {
                Move::Pass(time) => now = now + Duration::from_millis(time),
                Move::Datagram(octets, from_resolver) => {
                    let other: IpAddr = [192, 0, 2, 1].into();
                    let from = if from_resolver { resolver() } else { (other, 53).into() };
                    inquiry.handle(now, from, &octets, None);
                    came += 1;
                }
                Move::Mangled(changes) => {
                    let mut octets = reply(&query, Rcode::NO_ERROR, Some([9, 9, 9, 9]));
                    for (at, value) in changes {
                        let at = at.index(octets.len());
                        octets[at] = value;
                    }
                    inquiry.handle(now, resolver(), &octets, Some(1));
                    came += 1;
                }
                Move::Fail => inquiry.fail(now, Failure::DnsUnreachable),
            }
            prop_assert!(!matches!(inquiry.poll(now), Want::Send(_)));
            prop_assert!(inquiry.poll_at().is_none_or(|at| at <= now + Duration::from_secs(4)));
        }
        now = now + Duration::from_secs(4);
        prop_assert_eq!(inquiry.poll(now), Want::Nothing);
        let seen = inquiry.finish(now);
        let lookup = lookup(&seen);
        prop_assert_eq!(lookup.replies.len(), came.min(16));
        prop_assert!(lookup.replies.is_sorted_by_key(|r| r.after));
        prop_assert!(seen.started <= seen.ended && lookup.watched <= seen.ended - seen.started);
        let usable = lookup.replies.iter().any(|r| r.failure.is_none());
        prop_assert!(usable || seen.failure.is_some());
    }

    #[test]
    fn any_answer_to_a_hello_ends_once(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        records in any::<bool>(),
        reset in any::<bool>(),
    ) {
        let mut trial = greeted(greeting());
        for chunk in chunks {
            let mut octets = chunk;
            if records {
                octets.splice(0..0, [22, 3, 3, 0, octets.len() as u8]);
            }
            trial.handle(ms(30), Event::Received(&octets));
        }
        trial.handle(ms(31), if reset { Event::Reset } else { Event::Closed });
        prop_assert_eq!(trial.poll(ms(32)), Want::Nothing);
        let seen = trial.finish(ms(33));
        prop_assert!(seen.failure.is_some() != handshake(&seen).version.is_some());
    }
}
