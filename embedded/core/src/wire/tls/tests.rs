use super::*;
use crate::failure::Failure;
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;

/// The base point of P-256 (SEC 2 section 2.4.2), uncompressed.
const POINT: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
    0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8,
    0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a,
    0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40,
    0x68, 0x37, 0xbf, 0x51, 0xf5,
];

fn record(content: u8, fragment: &[u8]) -> Vec<u8> {
    let mut octets = std::vec![content, 3, 3];
    octets.extend((fragment.len() as u16).to_be_bytes());
    octets.extend(fragment);
    octets
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = (body.len() as u32).to_be_bytes().to_vec();
    octets[0] = kind;
    octets.extend(body);
    octets
}

/// A ClientHello with these extensions, raw.
fn hello_with(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, data) in extensions {
        list.extend(kind.to_be_bytes());
        list.extend((data.len() as u16).to_be_bytes());
        list.extend(*data);
    }
    let mut body = std::vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend((list.len() as u16).to_be_bytes());
    body.extend(list);
    body
}

fn parse(body: &[u8]) -> Result<ClientHello<'_>, Malformed> {
    let kind = MessageType::CLIENT_HELLO;
    ClientHello::parse(&Message { kind, body })
}

fn emitted(hello: &Hello<'_>) -> Vec<u8> {
    let mut buffer = [0; Hello::MAX_LEN];
    let length = hello.emit(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn a_hello_says_what_was_put_into_it() {
    let hello = Hello {
        random: [1; 32],
        session_id: [2; 32],
        server_name: Some("blocked.example"),
        alpn: &[b"h2", b"http/1.1"],
        key_share: KeyShare::Secp256r1(POINT),
    };
    let octets = emitted(&hello);
    let mut stream = Stream::new(&octets);
    let Next::Handshake(message) = stream.next(&mut []).unwrap() else {
        panic!()
    };
    let read = ClientHello::parse(&message).unwrap();
    assert_eq!((read.random(), read.session_id()), (&[1; 32], &[2; 32][..]));
    assert_eq!(read.server_name(), Some(&b"blocked.example"[..]));
    assert!(read.alpn().eq([&b"h2"[..], b"http/1.1"]));
    assert!(read.versions().eq([Version::TLS_1_3, Version::TLS_1_2]));
    assert!(read.key_shares().eq([(Group::SECP256R1, &POINT[..])]));
    assert_eq!(read.groups().next(), Some(Group::SECP256R1));
    assert_eq!(read.cipher_suites().count(), 9);
    assert_eq!(read.extensions().count(), 10);
    assert_eq!(read.legacy_version(), Version::TLS_1_2);
    assert!(!read.has_ech());
    let end = stream.next(&mut []).unwrap();
    assert_eq!(end, Next::Incomplete { begun: None });
}

#[test]
fn names_that_cannot_be_sent_are_refused() {
    let hello = Hello {
        random: [0; 32],
        session_id: [0; 32],
        server_name: None,
        alpn: &[],
        key_share: KeyShare::X25519([9; 32]),
    };
    let long = "a".repeat(254);
    let protocol = [b'a'; 256];
    for (bad, why) in [
        (
            Hello {
                server_name: Some(""),
                ..hello
            },
            EmitError::BadName,
        ),
        (
            Hello {
                server_name: Some(&long),
                ..hello
            },
            EmitError::BadName,
        ),
        (
            Hello {
                alpn: &[b""],
                ..hello
            },
            EmitError::BadName,
        ),
        (
            Hello {
                alpn: &[&protocol],
                ..hello
            },
            EmitError::BadName,
        ),
    ] {
        assert_eq!(bad.emit(&mut [0; 2048]), Err(why), "{bad:?}");
    }
    let length = emitted(&hello).len();
    assert_eq!(
        hello.emit(&mut std::vec![0; length - 1]),
        Err(EmitError::NoSpace)
    );
    // The longest of everything that the buffer is meant for.
    let (name, protocols) = ("a".repeat(253), [&[b'a'; 31][..]; 2]);
    let longest = Hello {
        server_name: Some(&name),
        alpn: &protocols,
        key_share: KeyShare::Secp256r1(POINT),
        ..hello
    };
    assert!(emitted(&longest).len() <= Hello::MAX_LEN);
}

#[test]
fn extensions_are_read_once_and_whole() {
    let name = b"\x00\x06\x00\x00\x03a.b";
    let read = |extensions: &[(u16, &[u8])]| {
        parse(&hello_with(extensions)).map(|hello| {
            let name = hello.server_name().map(String::from_utf8_lossy);
            (name.map(String::from), hello.has_ech())
        })
    };
    assert_eq!(read(&[]), Ok((None, false)));
    assert_eq!(read(&[(0, name)]), Ok((Some("a.b".to_string()), false)));
    assert_eq!(read(&[(0xfe0d, b"\x00what")]), Ok((None, true)));
    // Unknown ones may stand twice for all we care, those we judge by may not.
    assert!(read(&[(0xaaaa, b""), (0xaaaa, b"")]).is_ok());
    for (wrong, at) in [
        (&[(0, &name[..]), (0, name)][..], 59),
        (&[(0, b"\x00\x06\x01\x00\x03a.b")], 49),
        (&[(0, b"\x00\x03\x00\x00\x00")], 49),
        (&[(0, b"\x00\x06\x00\x00\x03a.b!")], 55),
        (&[(0, b"\x00\x09\x00\x00\x03a.b")], 49),
        (&[(0, b"")], 47),
        (&[(16, b"\x00\x03\x03h2")], 50),
        (&[(43, b"\x03\x03\x04\x03")], 50),
        (&[(51, b"\x00\x04\x00\x1d\x00\x09")], 53),
        (&[(10, b"\x00\x01\x00")], 49),
    ] {
        let field = Field::Extension;
        assert_eq!(read(wrong), Err(Malformed { field, at }), "{wrong:?}");
    }
}

#[test]
fn fixed_fields_have_their_bounds() {
    let good = hello_with(&[]);
    assert!(parse(&good).is_ok());
    // Without extensions, as before TLS 1.2.
    assert!(parse(&good[..good.len() - 2]).is_ok());
    let fails = |body: &[u8], field, at| {
        let failed = parse(body).map(|_| ());
        assert_eq!(failed, Err(Malformed { field, at }));
    };
    fails(&good[..1], Field::Version, 0);
    fails(&good[..33], Field::Random, 2);
    fails(&good[..34], Field::SessionId, 34);
    fails(&good[..38], Field::CipherSuites, 37);
    fails(&good[..40], Field::Compression, 40);
    fails(&good[..good.len() - 1], Field::Extensions, 41);
    fails(&[&good[..], &[0]].concat(), Field::Extensions, 43);
    let mut session = good.clone();
    session.splice(34..35, [33; 34]);
    fails(&session, Field::SessionId, 34);
    let mut odd = good.clone();
    odd.splice(35..39, [0, 3, 0x13, 1, 0x13]);
    fails(&odd, Field::CipherSuites, 39);
    let kind = MessageType::SERVER_HELLO;
    let body = &good;
    let wrong = ClientHello::parse(&Message { kind, body }).map(|_| ());
    let field = Field::MessageType;
    assert_eq!(wrong, Err(Malformed { field, at: 0 }));
}

#[test]
fn other_protocols_are_told_from_tls() {
    for (octets, field, at) in [
        (&b"HTTP/1.1 403"[..], Field::ContentType, 0),
        (b"\x16\x02\x00", Field::RecordVersion, 1),
        (b"\x16\x03\x01\x48\x01", Field::RecordLength, 3),
    ] {
        let failed = Stream::new(octets).next(&mut []);
        assert_eq!(failed, Err(Malformed { field, at }));
        let mut records = Records::new(octets);
        assert!(matches!(records.next(), Some(Err(_))));
        assert!(records.next().is_none(), "it does not fail for ever");
        assert_eq!(records.remainder(), octets);
    }
    assert!(could_be_tls(b"") && could_be_tls(b"\x16") && could_be_tls(b"\x15\x03"));
    assert!(!could_be_tls(b"H") && !could_be_tls(b"\x16\x02"));
}

#[test]
fn messages_share_records_and_span_them() {
    let two = [message(2, b"one"), message(11, b"two!")].concat();
    let whole = record(22, &two);
    let mut split = record(22, &two[..2]);
    split.extend(record(22, b""));
    split.extend(record(22, &two[2..9]));
    split.extend(record(22, &two[9..]));
    for octets in [whole, split] {
        let mut stream = Stream::new(&octets);
        for (kind, body) in [(2, &b"one"[..]), (11, b"two!")] {
            let kind = MessageType(kind);
            let mut buffer = [0; 16];
            let next = stream.next(&mut buffer).unwrap();
            assert_eq!(next, Next::Handshake(Message { kind, body }));
        }
    }
}

#[test]
fn what_is_not_whole_says_how_far_it_came() {
    let octets = [
        record(22, &message(2, b"four")[..3]),
        record(22, &message(2, b"four")[3..]),
    ]
    .concat();
    for end in 0..octets.len() {
        let begun = (end >= 6).then_some(MessageType::SERVER_HELLO);
        let next = Stream::new(&octets[..end]).next(&mut [0; 16]).map(|next| {
            let Next::Incomplete { begun } = next else {
                panic!("{next:?}")
            };
            begun
        });
        assert_eq!(next, Ok(begun), "{end}");
    }
    let mut small = [0; 3];
    let kind = MessageType::SERVER_HELLO;
    let next = Stream::new(&octets).next(&mut small).unwrap();
    assert_eq!(next, Next::TooLong { kind, length: 4 });

    let interrupted = [record(22, &[2, 0]), record(21, &[2, 40])].concat();
    let field = Field::Interrupted;
    let mut buffer = [0; 16];
    let failed = Stream::new(&interrupted).next(&mut buffer);
    assert_eq!(failed, Err(Malformed { field, at: 7 }));
}

#[test]
fn alerts_have_names_and_become_failures() {
    let octets = [record(21, &[1, 112]), record(21, &[2, 40])].concat();
    let mut stream = Stream::new(&octets);
    let Next::Alert(warning) = stream.next(&mut []).unwrap() else {
        panic!()
    };
    let Next::Alert(fatal) = stream.next(&mut []).unwrap() else {
        panic!()
    };
    assert!(warning.is_warning() && !fatal.is_warning());
    assert_eq!(warning.to_string(), "unrecognized_name (warning)");
    assert_eq!(fatal.to_string(), "handshake_failure (fatal)");
    assert_eq!(Failure::from(fatal), Failure::TlsAlert(40));
    assert_eq!(AlertDescription(200).to_string(), "0x00c8");
    let close = Alert::parse(&[1, 0]).unwrap();
    assert!(!close.is_warning(), "nothing follows it");
    // Encrypted, as TLS 1.2 sends them later.
    let octets = record(21, &[0; 26]);
    assert!(matches!(
        Stream::new(&octets).next(&mut []),
        Ok(Next::Other(_))
    ));
}

#[test]
fn downgrades_are_marked() {
    let server = |random: [u8; 32]| {
        let mut body = std::vec![3, 3];
        body.extend(random);
        body.extend([0, 0xc0, 0x2f, 0]);
        body
    };
    let read = |random| {
        let body = server(random);
        let kind = MessageType::SERVER_HELLO;
        let hello = Message { kind, body: &body };
        let hello = ServerHello::parse(&hello).unwrap();
        assert_eq!(hello.version(), Version::TLS_1_2);
        assert_eq!(
            hello.cipher_suite(),
            CipherSuite::ECDHE_RSA_AES_128_GCM_SHA256
        );
        assert!(!hello.is_retry());
        hello.is_downgrade()
    };
    assert!(!read([0; 32]));
    let mut random = [0; 32];
    random[24..].copy_from_slice(b"DOWNGRD\x01");
    assert!(read(random));
}

/// Walks everything there is to read.
fn walk(octets: &[u8]) {
    let mut stream = Stream::new(octets);
    let mut buffer = [0; 512];
    for _ in 0..=octets.len() {
        match stream.next(&mut buffer) {
            Ok(Next::Handshake(message)) => {
                if let Ok(hello) = ClientHello::parse(&message) {
                    let lists = hello.alpn().count() + hello.key_shares().count();
                    let numbers = hello.versions().count() + hello.groups().count();
                    let read = lists + numbers + hello.cipher_suites().count();
                    assert!(read + hello.extensions().count() <= message.body.len());
                }
                if let Ok(hello) = ServerHello::parse(&message) {
                    assert!(hello.extensions().count() <= message.body.len());
                }
            }
            Ok(Next::Alert(_) | Next::Other(_)) => {}
            Ok(Next::TooLong { .. } | Next::Incomplete { .. }) | Err(_) => return,
        }
    }
    panic!("a stream yields fewer things than it has octets");
}

proptest! {
    #[test]
    fn arbitrary_octets_are_read_to_an_end(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        walk(&octets);
        for content in [21, 22] {
            walk(&record(content, &octets));
            for kind in [1, 2] {
                walk(&record(22, &message(kind, &octets)));
            }
        }
    }

    #[test]
    fn changed_hellos_are_read_to_an_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut octets = emitted(&Hello {
            random: [1; 32],
            session_id: [2; 32],
            server_name: Some("a.example"),
            alpn: &[b"h2"],
            key_share: KeyShare::X25519([3; 32]),
        });
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        walk(&octets);
        walk(&octets[..cut.index(octets.len())]);
    }

    /// Whatever is written is read back, however the octets are cut into records, and every
    /// shorter start of them is incomplete, not malformed.
    #[test]
    fn what_is_written_is_read_back(
        random in any::<[u8; 32]>(),
        session_id in any::<[u8; 32]>(),
        key in any::<[u8; 32]>(),
        name in prop::option::of("[a-z0-9]{1,63}(\\.[a-z0-9]{1,63}){0,2}"),
        protocols in prop::collection::vec("[a-z0-9/.]{1,12}", 0..4),
        cuts in prop::collection::vec(1_usize..200, 1..6),
    ) {
        let alpn: Vec<&[u8]> = protocols.iter().map(String::as_bytes).collect();
        let server_name = name.as_deref();
        let key_share = KeyShare::X25519(key);
        let hello = Hello { random, session_id, server_name, alpn: &alpn, key_share };
        let octets = emitted(&hello);
        let mut cut = Vec::new();
        let mut rest = &octets[5..];
        for length in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*length).min(rest.len()));
            cut.extend(record(22, head));
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        for octets in [octets, cut] {
            let mut buffer = [0; 1024];
            let mut stream = Stream::new(&octets);
            let Next::Handshake(message) = stream.next(&mut buffer).unwrap() else {
                panic!()
            };
            let read = ClientHello::parse(&message).unwrap();
            prop_assert_eq!(read.random(), &random);
            prop_assert_eq!(read.session_id(), &session_id[..]);
            prop_assert_eq!(read.server_name(), server_name.map(str::as_bytes));
            prop_assert!(read.alpn().eq(alpn.iter().copied()));
            prop_assert!(read.key_shares().eq([(Group::X25519, &key[..])]));
            for end in 0..octets.len() {
                let mut buffer = [0; 1024];
                let next = Stream::new(&octets[..end]).next(&mut buffer);
                prop_assert!(matches!(next, Ok(Next::Incomplete { .. })), "{:?}", next);
            }
        }
    }
}
