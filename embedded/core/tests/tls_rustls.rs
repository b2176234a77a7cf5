//! Do the views and rustls read the same things in the same octets?
//!
//! rustls speaks TLS as servers and clients do; what its two sides write is parsed here, and
//! what [`Hello`] writes is answered by it.

#[cfg(feature = "alloc")]
use faultline_core::engine::{
    Want,
    handshake::{Event, Greeting, Trial},
};
use faultline_core::wire::tls::{
    Alert, AlertDescription, ClientHello, Group, Hello, KeyShare, Next, ServerHello, Stream,
    Version,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use std::sync::Arc;

type Versions = &'static [&'static rustls::SupportedProtocolVersion];
const BOTH: Versions = &[&rustls::version::TLS13, &rustls::version::TLS12];
const ONLY_12: Versions = &[&rustls::version::TLS12];
const ONLY_13: Versions = &[&rustls::version::TLS13];

fn client(versions: Versions, change: impl FnOnce(&mut ClientConfig), name: &str) -> Vec<u8> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    change(&mut config);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut octets = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut octets).unwrap();
    }
    octets
}

fn server(
    versions: Versions,
    provider: CryptoProvider,
    change: impl FnOnce(&mut ServerConfig),
) -> ServerConnection {
    let signed = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    change(&mut config);
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// What a server says to a client's first octets.
fn answer(server: &mut ServerConnection, hello: &[u8]) -> Vec<u8> {
    let mut rest = hello;
    while !rest.is_empty() {
        server.read_tls(&mut rest).unwrap();
    }
    let _ = server.process_new_packets(); // an error becomes an alert
    let mut octets = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut octets).unwrap();
    }
    octets
}

fn first<T>(octets: &[u8], read: impl FnOnce(Next<'_>) -> T) -> T {
    let mut buffer = [0; 2048];
    read(Stream::new(octets).next(&mut buffer).unwrap())
}

fn hello_of<T>(octets: &[u8], read: impl FnOnce(ClientHello<'_>) -> T) -> T {
    first(octets, |next| match next {
        Next::Handshake(message) => read(ClientHello::parse(&message).unwrap()),
        other => panic!("{other:?}"),
    })
}

fn server_hello_of<T>(octets: &[u8], read: impl FnOnce(ServerHello<'_>) -> T) -> T {
    first(octets, |next| match next {
        Next::Handshake(message) => read(ServerHello::parse(&message).unwrap()),
        other => panic!("{other:?}"),
    })
}

fn alert_of(octets: &[u8]) -> Alert {
    first(octets, |next| match next {
        Next::Alert(alert) => alert,
        other => panic!("{other:?}"),
    })
}

#[test]
fn clients_of_rustls_say_what_they_were_told_to() {
    let octets = client(
        BOTH,
        |config| config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        "Blocked.Example",
    );
    hello_of(&octets, |hello| {
        let name = hello.server_name().unwrap();
        assert!(name.eq_ignore_ascii_case(b"blocked.example"));
        assert!(hello.alpn().eq([&b"h2"[..], b"http/1.1"]));
        let versions: Vec<_> = hello.versions().collect();
        assert!(versions.contains(&Version::TLS_1_3) && versions.contains(&Version::TLS_1_2));
        let shares: Vec<_> = hello.key_shares().map(|(group, _)| group).collect();
        assert_eq!(shares, [Group::X25519]);
        let ours: Vec<u16> = hello.cipher_suites().map(|suite| suite.0).collect();
        for suite in ring::DEFAULT_CIPHER_SUITES {
            assert!(ours.contains(&u16::from(suite.suite())), "{suite:?}");
        }
        assert!(!hello.has_ech());
    });
    // An address is not sent, TLS 1.2 has neither supported_versions nor key shares.
    hello_of(&client(BOTH, |_| {}, "192.0.2.1"), |hello| {
        assert_eq!(hello.server_name(), None);
    });
    hello_of(&client(ONLY_12, |_| {}, "a.example"), |hello| {
        assert_eq!(hello.legacy_version(), Version::TLS_1_2);
        assert_eq!(hello.key_shares().count(), 0);
    });
}

#[test]
fn a_hello_in_many_records_is_put_together() {
    let octets = client(BOTH, |c| c.max_fragment_size = Some(32), "a.example");
    hello_of(&octets, |hello| {
        assert_eq!(hello.server_name(), Some(&b"a.example"[..]));
    });
    assert!(faultline_core::wire::tls::Records::new(&octets).count() > 3);
}

#[test]
fn servers_of_rustls_choose_what_we_read() {
    for (versions, expected) in [
        (BOTH, Version::TLS_1_3),
        (ONLY_13, Version::TLS_1_3),
        (ONLY_12, Version::TLS_1_2),
    ] {
        let mut server = server(versions, ring::default_provider(), |config| {
            config.alpn_protocols = vec![b"h2".to_vec()];
        });
        let hello = client(
            BOTH,
            |config| config.alpn_protocols = vec![b"h2".to_vec()],
            "a.example",
        );
        let octets = answer(&mut server, &hello);
        server_hello_of(&octets, |read| {
            assert_eq!(read.version(), expected);
            let chosen = server.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(read.cipher_suite().0, u16::from(chosen));
            assert!(!read.is_retry() && !read.is_downgrade());
            let is_13 = expected == Version::TLS_1_3;
            assert_eq!(read.group(), is_13.then_some(Group::X25519));
            assert_eq!(read.alpn(), (!is_13).then_some(&b"h2"[..]));
        });
    }
}

#[test]
fn a_server_that_was_asked_for_less_than_it_knows_says_so() {
    let mut server = server(BOTH, ring::default_provider(), |_| {});
    let octets = answer(&mut server, &client(ONLY_12, |_| {}, "a.example"));
    server_hello_of(&octets, |hello| {
        assert_eq!(hello.version(), Version::TLS_1_2);
        assert!(hello.is_downgrade());
    });
}

#[test]
fn a_server_that_wants_another_group_asks_again() {
    let mut provider = ring::default_provider();
    provider.kx_groups = vec![ring::kx_group::SECP384R1];
    let mut server = server(ONLY_13, provider, |_| {});
    let octets = answer(&mut server, &client(BOTH, |_| {}, "a.example"));
    server_hello_of(&octets, |hello| {
        assert!(hello.is_retry());
        assert_eq!(hello.group(), Some(Group::SECP384R1));
        assert_eq!(hello.version(), Version::TLS_1_3);
    });
}

#[test]
fn alerts_of_rustls_are_read() {
    let hello = client(ONLY_12, |_| {}, "a.example");
    let octets = answer(
        &mut server(ONLY_13, ring::default_provider(), |_| {}),
        &hello,
    );
    assert_eq!(
        alert_of(&octets).description,
        AlertDescription::PROTOCOL_VERSION
    );

    let hello = client(
        BOTH,
        |config| config.alpn_protocols = vec![b"dot".to_vec()],
        "a.example",
    );
    let h2 = |config: &mut ServerConfig| config.alpn_protocols = vec![b"h2".to_vec()];
    // Only TLS 1.2 chooses the protocol in the clear.
    let octets = answer(&mut server(ONLY_12, ring::default_provider(), h2), &hello);
    let alert = alert_of(&octets);
    assert_eq!(alert.description, AlertDescription::NO_APPLICATION_PROTOCOL);
    assert!(!alert.is_warning());

    let mut broken = client(BOTH, |_| {}, "a.example");
    broken[43] = 255; // the length of the session identifier
    let octets = answer(&mut server(BOTH, ring::default_provider(), |_| {}), &broken);
    assert!(!alert_of(&octets).is_warning());
}

#[test]
fn real_servers_answer_our_hello() {
    let point = {
        let signed = rcgen::KeyPair::generate().unwrap(); // P-256
        signed.public_key_raw().try_into().unwrap()
    };
    let shares = [KeyShare::X25519([9; 32]), KeyShare::Secp256r1(point)];
    for (versions, expected) in [
        (BOTH, Version::TLS_1_3),
        (ONLY_13, Version::TLS_1_3),
        (ONLY_12, Version::TLS_1_2),
    ] {
        for key_share in shares {
            for (server_name, alpn) in [
                (Some("a.example"), &[&b"h2"[..], b"http/1.1"][..]),
                (None, &[]),
            ] {
                let hello = Hello {
                    random: [3; 32],
                    session_id: [4; 32],
                    server_name,
                    alpn,
                    key_share,
                };
                let mut octets = [0; Hello::MAX_LEN];
                let length = hello.emit(&mut octets).unwrap();
                let mut server = server(versions, ring::default_provider(), |config| {
                    config.alpn_protocols = vec![b"h2".to_vec()];
                });
                let answer = answer(&mut server, &octets[..length]);
                server_hello_of(&answer, |read| {
                    assert_eq!(read.version(), expected);
                    assert!(!read.is_retry(), "our key share is good enough");
                    if expected == Version::TLS_1_3 {
                        assert_eq!(read.session_id(), [4; 32]);
                        assert_eq!(read.group(), Some(key_share.group()));
                    }
                });
                assert_eq!(server.server_name(), server_name);
                let protocol = server_name.map(|_| &b"h2"[..]);
                assert_eq!(server.alpn_protocol(), protocol);
            }
        }
    }
}

/// The engine that a board runs, against real servers: each answer comes octet by octet.
#[cfg(feature = "alloc")]
#[test]
fn trials_end_as_the_server_answers() {
    use faultline_core::failure::Failure;
    use faultline_core::observation::{HandshakeRole, HandshakeStage, Step};
    use faultline_core::time::{Duration, Instant};

    for (versions, alpn, failure, version) in [
        (BOTH, "h2", None, Some(0x0304)),
        (ONLY_12, "h2", None, Some(0x0303)),
        // Only TLS 1.2 refuses a protocol in the clear.
        (ONLY_12, "dot", Some(Failure::TlsAlert(120)), None),
    ] {
        let greeting = Greeting {
            to: "192.0.2.7:443".parse().unwrap(),
            server_name: Some("a.example".to_owned()),
            role: HandshakeRole::Target,
            alpn: vec![alpn.to_owned()],
            patience: Duration::from_secs(10),
        };
        let mut server = server(versions, ring::default_provider(), |config| {
            config.alpn_protocols = vec![b"h2".to_vec()];
        });
        let mut trial = Trial::new(greeting, Instant(0), Instant(0), &[0x11; 96]);
        let Want::Send(hello) = trial.poll(Instant(0)) else {
            panic!()
        };
        for octet in answer(&mut server, hello) {
            trial.handle(Instant(9), Event::Received(&[octet]));
        }
        let seen = trial.finish(Instant(10));
        let Step::Handshake(fact) = &seen.step else {
            panic!()
        };
        assert_eq!((seen.failure, fact.version), (failure, version));
        let came = failure.is_none();
        assert_eq!(fact.stage == HandshakeStage::ServerHello, came);
        let suite = server
            .negotiated_cipher_suite()
            .map(|s| u16::from(s.suite()));
        assert_eq!(fact.cipher, suite.filter(|_| came));
        assert_eq!(fact.first_bytes, None);
    }
}
