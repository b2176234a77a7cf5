//! Whom does a board believe? A real server (rustls with ring) answers on the other end of the
//! stream, in this process.

use super::{Session, TlsError, Trust};
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{AlertDescription, CertificateError, ServerConfig, ServerConnection};
use std::io::{Read as _, Write as _};

const NAME: &str = "collector.example";
/// Some time of 2026.
const NOW: u32 = 1_790_000_000;

/// The server's end: what is written to it is answered at once.
struct Server {
    connection: ServerConnection,
    /// What the board was told so far, and will read.
    told: Vec<u8>,
    /// Octets that one read gives at most.
    at_once: usize,
    /// The stream ends here, whatever the server would still say.
    ends: bool,
    failed: Option<rustls::Error>,
    heard: Vec<u8>,
}

impl Server {
    fn new(config: ServerConfig) -> Self {
        Self {
            connection: ServerConnection::new(Arc::new(config)).expect("a server"),
            told: Vec::new(),
            at_once: 700,
            ends: false,
            failed: None,
            heard: Vec::new(),
        }
    }

    fn turn(&mut self) {
        if self.failed.is_none() {
            if let Err(error) = self.connection.process_new_packets() {
                self.failed = Some(error);
            }
            let _ = self.connection.reader().read_to_end(&mut self.heard);
        }
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.told).expect("a Vec");
        }
    }

    fn say(&mut self, octets: &[u8]) {
        self.connection
            .writer()
            .write_all(octets)
            .expect("a buffer");
        self.turn();
    }
}

impl ErrorType for &mut Server {
    type Error = ErrorKind;
}

impl Read for &mut Server {
    async fn read(&mut self, octets: &mut [u8]) -> Result<usize, ErrorKind> {
        let length = octets.len().min(self.told.len()).min(self.at_once);
        assert!(length > 0 || self.ends, "the board waits for ever");
        octets[..length].copy_from_slice(&self.told[..length]);
        self.told.drain(..length);
        Ok(length)
    }
}

impl Write for &mut Server {
    async fn write(&mut self, octets: &[u8]) -> Result<usize, ErrorKind> {
        let mut rest = octets;
        while !rest.is_empty() {
            self.connection
                .read_tls(&mut rest)
                .map_err(|_| ErrorKind::Other)?;
            self.turn();
        }
        Ok(octets.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// A certificate and its key.
struct Party {
    params: CertificateParams,
    certificate: Certificate,
    key: KeyPair,
}

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).expect("a key")
}

fn authority_called(name: &str, algorithm: &'static SignatureAlgorithm) -> Party {
    let key = key(algorithm);
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).expect("signed");
    Party {
        params,
        certificate,
        key,
    }
}

fn authority(algorithm: &'static SignatureAlgorithm) -> Party {
    authority_called("ours", algorithm)
}

fn leaf(name: &str, by: &Party) -> Party {
    let params = CertificateParams::new([name.to_string()]).expect("a name");
    signed(params, by)
}

fn signed(params: CertificateParams, by: &Party) -> Party {
    let key = key(&PKCS_ECDSA_P256_SHA256);
    let issuer = Issuer::from_params(&by.params, &by.key);
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    Party {
        params,
        certificate,
        key,
    }
}

/// A server that shows a chain, the first certificate being its own.
fn server(chain: &[&Party]) -> ServerConfig {
    let shown: Vec<CertificateDer<'static>> = chain
        .iter()
        .map(|party| party.certificate.der().clone())
        .collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(chain[0].key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(shown, key)
        .expect("a key of the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn trust(authority: &Party) -> Trust {
    let trust = Trust::new(authority.certificate.der(), [7; 32]).expect("an authority");
    trust.set_time(NOW);
    trust
}

/// What comes of a handshake, and what the server made of it.
fn shake(trust: &Trust, name: &str, config: ServerConfig) -> (Result<(), TlsError>, Server) {
    let mut server = Server::new(config);
    let shaken = embassy_futures::block_on(trust.shake(name, &mut server)).map(drop);
    (shaken, server)
}

#[test]
fn the_collector_is_believed_and_both_sides_are_heard() {
    let authority = authority(&PKCS_ECDSA_P256_SHA256);
    let trust = trust(&authority);
    let long: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
    let mut server = Server::new(server(&[&leaf(NAME, &authority)]));
    embassy_futures::block_on(async {
        let mut session = trust.shake(NAME, &mut server).await.expect("a session");
        session.write_all(&long).await.expect("written");
        assert_eq!(session.close().await.expect("closed").heard, long);
    });
    assert_eq!(server.connection.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn the_longest_records_are_read_and_an_honest_end_is_one() {
    let authority = authority(&PKCS_ECDSA_P256_SHA256);
    let trust = trust(&authority);
    let long: Vec<u8> = (0..100_000u32).map(|n| (n / 3) as u8).collect();
    for at_once in [1, 700, 100_000] {
        let mut server = Server::new(server(&[&leaf(NAME, &authority)]));
        server.at_once = at_once;
        embassy_futures::block_on(async {
            let session = trust.shake(NAME, &mut server).await.expect("a session");
            let mut session: Session<&mut Server> = session;
            session.stream_mut().connection.set_buffer_limit(None);
            session.stream_mut().say(&long);
            session.stream_mut().connection.send_close_notify();
            session.stream_mut().turn();
            let mut read = alloc::vec![0; long.len()];
            session.read_exact(&mut read).await.expect("read");
            assert!(read == long);
            assert_eq!(session.read(&mut read).await, Ok(0), "an honest end");
        });
    }
}

#[test]
fn a_stream_that_is_cut_off_is_no_end() {
    let authority = authority(&PKCS_ECDSA_P256_SHA256);
    let trust = trust(&authority);
    let mut server = Server::new(server(&[&leaf(NAME, &authority)]));
    server.ends = true;
    embassy_futures::block_on(async {
        let mut session = trust.shake(NAME, &mut server).await.expect("a session");
        session.stream_mut().say(b"half of");
        let mut read = [0; 64];
        assert_eq!(session.read(&mut read).await, Ok(7));
        assert_eq!(session.read(&mut read).await, Err(TlsError::CutOff));
    });
}

#[test]
fn only_the_pinned_authority_counts() {
    let (ours, other) = (
        authority(&PKCS_ECDSA_P256_SHA256),
        authority_called("others", &PKCS_ECDSA_P256_SHA256),
    );
    let (shaken, server) = shake(&trust(&ours), NAME, server(&[&leaf(NAME, &other), &other]));
    assert_eq!(
        shaken,
        Err(TlsError::Certificate(CertificateError::UnknownIssuer))
    );
    let told = Some(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
    assert_eq!(server.failed, told, "the server is told why");
}

#[test]
fn a_leaf_that_acts_as_an_authority_is_refused() {
    let ours = authority(&PKCS_ECDSA_P256_SHA256);
    // Honestly signed, for somebody else's name: and now it signs for ours.
    let thief = leaf("elsewhere.example", &ours);
    let forged = leaf(NAME, &thief);
    let (shaken, _) = shake(&trust(&ours), NAME, server(&[&forged, &thief]));
    let Err(TlsError::Certificate(error)) = shaken else {
        panic!("{shaken:?}");
    };
    assert!(error != CertificateError::Expired && error != CertificateError::BadSignature);
    // The same chain with an authority in the thief's place is believed.
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let honest = signed(params, &ours);
    let (shaken, _) = shake(
        &trust(&ours),
        NAME,
        server(&[&leaf(NAME, &honest), &honest]),
    );
    assert_eq!(shaken, Ok(()));
}

#[test]
fn a_certificate_is_for_its_name_alone() {
    let ours = authority(&PKCS_ECDSA_P256_SHA256);
    let (shaken, _) = shake(
        &trust(&ours),
        NAME,
        server(&[&leaf("elsewhere.example", &ours)]),
    );
    let Err(TlsError::Certificate(CertificateError::NotValidForNameContext { .. })) = shaken
    else {
        panic!("{shaken:?}");
    };
    let (shaken, _) = shake(
        &trust(&ours),
        "20.1.0.55",
        server(&[&leaf("20.1.0.55", &ours)]),
    );
    assert_eq!(shaken, Ok(()), "an address is a name too");
}

#[test]
fn a_certificate_has_its_time_where_the_time_is_known() {
    let ours = authority(&PKCS_ECDSA_P256_SHA256);
    let mut params = CertificateParams::new([NAME.to_string()]).expect("a name");
    (params.not_before, params.not_after) =
        (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let old = signed(params, &ours);
    let (shaken, _) = shake(&trust(&ours), NAME, server(&[&old]));
    let Err(TlsError::Certificate(CertificateError::ExpiredContext { .. })) = shaken else {
        panic!("{shaken:?}");
    };
    // Without a clock any date will do; nothing else changes.
    let timeless = Trust::new(ours.certificate.der(), [7; 32]).expect("an authority");
    let mut params = CertificateParams::new([NAME.to_string()]).expect("a name");
    params.not_before = date_time_ymd(2090, 1, 1);
    for honest in [old, leaf(NAME, &ours), signed(params, &ours)] {
        let (shaken, _) = shake(&timeless, NAME, server(&[&honest]));
        assert_eq!(shaken, Ok(()));
    }
    let other = authority(&PKCS_ECDSA_P256_SHA256);
    let thief = leaf("elsewhere.example", &ours);
    for chain in [
        vec![&leaf(NAME, &other), &other],
        vec![&leaf("elsewhere.example", &ours)],
        vec![&leaf(NAME, &thief), &thief],
    ] {
        let (shaken, _) = shake(&timeless, NAME, server(&chain));
        assert!(
            matches!(shaken, Err(TlsError::Certificate(_))),
            "{shaken:?}"
        );
    }
}

#[test]
fn what_a_board_cannot_check_it_refuses() {
    // An authority on another curve signs with what this board cannot check.
    let ours = authority(&PKCS_ECDSA_P384_SHA384);
    let (shaken, _) = shake(&trust(&ours), NAME, server(&[&leaf(NAME, &ours)]));
    assert!(
        matches!(shaken, Err(TlsError::Certificate(_))),
        "{shaken:?}"
    );
}

#[test]
fn noise_in_the_place_of_a_server_is_an_error() {
    let ours = authority(&PKCS_ECDSA_P256_SHA256);
    for noise in [
        &b"HTTP/1.1 302 Found\r\n\r\n"[..],
        &vec![0x16; 30_000],
        &[22, 3, 3, 0xff, 0xff],
    ] {
        let mut server = Server::new(server(&[&leaf(NAME, &ours)]));
        server.told = noise.to_vec();
        server.ends = true;
        let trust = trust(&ours);
        let shaken = embassy_futures::block_on(trust.shake(NAME, &mut server)).map(drop);
        assert!(shaken.is_err());
    }
    assert_eq!(
        Trust::new(b"no certificate", [7; 32]).map(drop),
        Err(TlsError::Authority)
    );
}

#[test]
fn errors_say_what_to_do() {
    let said: String = TlsError::Certificate(CertificateError::UnknownIssuer).to_string();
    assert!(said.contains("authority"), "{said}");
}

#[test]
fn draws_differ_and_follow_from_the_seed() {
    let draw = |random: &super::random::Random| {
        let mut octets = [0; 40];
        random.draw(&mut octets);
        octets
    };
    let (one, same) = (
        super::random::Random::new([1; 32]),
        super::random::Random::new([1; 32]),
    );
    let first = draw(&one);
    assert_eq!(first, draw(&same));
    assert_ne!(first, draw(&one));
    assert_ne!(first[..32], [0; 32]);
    same.stir([2; 32]);
    assert_ne!(draw(&one), draw(&same));
}
