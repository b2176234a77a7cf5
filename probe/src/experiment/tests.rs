//! The experiments over a scripted network in virtual time, and over real loopback sockets.

use super::lookup::{Ask, lookup, persist};
use super::{CaptiveCheck, Outcome, Plan, World, dns_consistency, run::Run, web};
use crate::net::{Clock, Datagram, Exchange, Network, OsNetwork, Patience, SystemClock};
use crate::random::Entropy;
use faultline_core::{
    dns::Message,
    failure::Failure,
    measurement::{Limit, Setting},
    observation::{DnsTransport, HandshakeRole, HandshakeStage, ResolverRole, Step},
    time::{ClockQuality, Duration, Instant, UnixTime},
    value::Ip,
};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

struct Counting(u8);
impl Entropy for Counting {
    fn fill(&mut self, buffer: &mut [u8]) {
        for octet in buffer {
            self.0 = self.0.wrapping_mul(13).wrapping_add(7);
            *octet = self.0;
        }
    }
}

/// Tokio's paused time.
struct VirtualClock(tokio::time::Instant);
impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        Instant(self.0.elapsed().as_micros() as u64)
    }
    fn unix(&self) -> UnixTime {
        UnixTime::from_secs(1_800_000_000)
    }
    fn quality(&self) -> ClockQuality {
        ClockQuality::Rtc
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// How the scripted server treats a connection.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    /// Answers plain HTTP with this text.
    Http(&'static str),
    /// Takes everything and says nothing.
    Silent,
    /// Reads the ClientHello and closes.
    Close,
    /// Refuses the connection.
    Refuse,
}

struct Scripted {
    addresses: Result<Vec<IpAddr>, Failure>,
    resolvers: Vec<SocketAddr>,
    /// Answers of the resolvers, in this order, to every query.
    answers: Vec<[u8; 4]>,
    behaviour: Behaviour,
    asked: Cell<u32>,
}

impl Scripted {
    fn new(behaviour: Behaviour) -> Self {
        Self {
            addresses: Ok(vec![[93, 184, 216, 34].into()]),
            resolvers: Vec::new(),
            answers: Vec::new(),
            behaviour,
            asked: Cell::new(0),
        }
    }
}

/// The query turned into a reply with one A record.
fn reply(query: &[u8], address: [u8; 4]) -> Vec<u8> {
    let mut reply = query[..query.len() - 11].to_vec(); // without OPT
    reply[2..4].copy_from_slice(&[0x81, 0x80]);
    reply[6..8].copy_from_slice(&[0, 1]);
    reply[10..12].copy_from_slice(&[0, 0]);
    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    reply.extend(address);
    reply
}

impl Network for Scripted {
    type Stream = DuplexStream;

    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        self.asked.set(self.asked.get() + 1);
        if self.answers.is_empty() {
            tokio::time::sleep(patience.first).await;
            return Exchange::default();
        }
        tokio::time::sleep(patience.further).await;
        let datagrams = self.answers.iter().map(|address| Datagram {
            after: Duration::from_millis(1),
            from: to,
            payload: reply(payload, *address),
            hop_limit: Some(60),
        });
        Exchange {
            datagrams: datagrams.collect(),
            failure: None,
            watched: patience.further,
        }
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<DuplexStream> {
        if self.behaviour == Behaviour::Refuse {
            return Err(io::Error::from_raw_os_error(111));
        }
        let (near, mut far) = tokio::io::duplex(65_536);
        let behaviour = self.behaviour;
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let _ = far.read(&mut request).await;
            match behaviour {
                Behaviour::Http(text) => {
                    let _ = far.write_all(text.as_bytes()).await;
                }
                Behaviour::Silent => tokio::time::sleep(Duration::from_mins(10)).await,
                Behaviour::Close | Behaviour::Refuse => {}
            }
        });
        Ok(near)
    }

    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Failure> {
        self.addresses.clone()
    }

    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        self.resolvers.clone()
    }
}

fn plan() -> Plan {
    Plan::new(Arc::new(RootCertStore::empty()), "neutral.example")
}

async fn fetch_scripted(net: &Scripted, plan: &Plan, url: &str) -> Outcome {
    let clock = VirtualClock(tokio::time::Instant::now());
    let entropy = RefCell::new(Counting(1));
    web(
        &World {
            net,
            clock: &clock,
            entropy: &entropy,
        },
        plan,
        url,
        None,
    )
    .await
}

fn failures(outcome: &Outcome) -> Vec<(&'static str, Option<Failure>)> {
    let kind = |step: &Step| match step {
        Step::Lookup(_) => "lookup",
        Step::Connect(_) => "connect",
        Step::Handshake(h) if h.role == HandshakeRole::NeutralName => "twin",
        Step::Handshake(_) => "handshake",
        Step::Fetch(_) => "fetch",
        _ => "other",
    };
    outcome
        .observations
        .iter()
        .map(|o| (kind(&o.step), o.failure))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_plain_page_is_fetched_and_described() {
    let net = Scripted::new(Behaviour::Http(
        "HTTP/1.1 200 OK\r\nContent-Length: 24\r\nServer: s\r\n\r\n<title>Hello you</title>\n",
    ));
    let outcome = fetch_scripted(&net, &plan(), "http://example.com/").await;
    assert_eq!(outcome.limits, [Limit::Control]);
    let last = outcome.observations.last().unwrap();
    let Step::Fetch(fetch) = &last.step else {
        panic!("{last:?}")
    };
    assert_eq!((last.failure, fetch.status), (None, Some(200)));
    assert_eq!(fetch.title.as_deref(), Some("Hello you"));
    assert_eq!(fetch.body_length, 24);
    assert!(outcome.bytes_sent > 0 && outcome.bytes_received > 24);
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_redirects_ends() {
    let net = Scripted::new(Behaviour::Http(
        "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    ));
    let outcome = fetch_scripted(&net, &plan(), "http://example.com/").await;
    let last = outcome.observations.last().unwrap();
    assert_eq!(last.failure, Some(Failure::HttpBadRedirect));
    assert!(outcome.limits.contains(&Limit::Redirects));
    let fetched = failures(&outcome)
        .iter()
        .filter(|(kind, _)| *kind == "fetch")
        .count();
    assert_eq!(fetched, 11);
}

#[tokio::test(start_paused = true)]
async fn silence_after_the_hello_gets_a_twin_and_a_retry() {
    let net = Scripted::new(Behaviour::Silent);
    let outcome = fetch_scripted(&net, &plan(), "https://example.com/").await;
    let timeout = Some(Failure::TlsTimeout);
    let expected = [
        ("connect", None),
        ("handshake", timeout),
        ("connect", None),
        ("twin", timeout),
        ("connect", None),
        ("handshake", timeout),
    ];
    assert!(
        failures(&outcome).ends_with(&expected),
        "{:?}",
        failures(&outcome)
    );
    let Step::Handshake(last) = &outcome.observations.last().unwrap().step else {
        panic!()
    };
    assert_eq!(last.stage, HandshakeStage::HelloSent);
    assert!(outcome.runtime >= 30_000_000);
}

#[tokio::test(start_paused = true)]
async fn closing_refusing_and_speaking_no_tls_are_told_apart() {
    for (behaviour, failure) in [
        (Behaviour::Close, Failure::TlsEof),
        (Behaviour::Refuse, Failure::TcpRefused),
        (
            Behaviour::Http("HTTP/1.1 403 Forbidden\r\n\r\n"),
            Failure::TlsMalformed,
        ),
    ] {
        let net = Scripted::new(behaviour);
        let outcome = fetch_scripted(&net, &plan(), "https://example.com/").await;
        assert_eq!(outcome.observations.last().unwrap().failure, Some(failure));
    }
}

#[tokio::test(start_paused = true)]
async fn private_answers_are_recorded_and_not_contacted() {
    let mut net = Scripted::new(Behaviour::Silent);
    net.addresses = Ok(vec![[192, 168, 1, 1].into()]);
    let outcome = fetch_scripted(&net, &plan(), "http://example.com/").await;
    assert!(failures(&outcome).iter().all(|(kind, _)| *kind == "lookup"));
}

#[tokio::test(start_paused = true)]
async fn a_portal_is_noticed() {
    let net = Scripted::new(Behaviour::Http(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ));
    let url = "http://check.example/".to_owned();
    let captive = Some(CaptiveCheck {
        url,
        status: 204,
        body: None,
    });
    let outcome = fetch_scripted(&net, &Plan { captive, ..plan() }, "http://a.com/").await;
    assert_eq!(outcome.settings, [Setting::CaptivePortal]);
}

#[tokio::test(start_paused = true)]
async fn every_reply_to_a_name_is_kept_and_runs_repeat() {
    let run = async || {
        let mut net = Scripted::new(Behaviour::Refuse);
        net.resolvers = vec!["198.51.100.53:53".parse().unwrap()];
        net.answers = vec![[1, 2, 3, 4], [5, 6, 7, 8]];
        let clock = VirtualClock(tokio::time::Instant::now());
        let entropy = RefCell::new(Counting(9));
        let world = World {
            net: &net,
            clock: &clock,
            entropy: &entropy,
        };
        dns_consistency(&world, &plan(), "Example.COM.").await
    };
    let outcome = run().await;
    let lookup = outcome.observations.iter().find_map(|o| match &o.step {
        Step::Lookup(l) if l.role == ResolverRole::Network => Some((l, o.failure)),
        _ => None,
    });
    let (lookup, failure) = lookup.unwrap();
    assert_eq!((lookup.name.as_str(), failure), ("example.com", None));
    assert_eq!(lookup.replies.len(), 2);
    assert_eq!(lookup.replies[1].addresses, [Ip([5, 6, 7, 8].into())]);
    assert_eq!(lookup.replies[0].case_echoed, Some(true));
    assert_eq!(outcome, run().await);
}

#[tokio::test(start_paused = true)]
async fn silence_is_asked_twice() {
    let net = Scripted::new(Behaviour::Refuse);
    let clock = VirtualClock(tokio::time::Instant::now());
    let entropy = RefCell::new(Counting(9));
    let plan = plan();
    let world = World {
        net: &net,
        clock: &clock,
        entropy: &entropy,
    };
    let run = Run::new(&world, &plan);
    let ask = question("198.51.100.53:53".parse().unwrap());
    let seen = Box::pin(persist(&run, &ask)).await;
    assert_eq!(net.asked.get(), 2);
    assert!(seen.iter().all(|o| o.failure == Some(Failure::DnsTimeout)));
}

fn question(resolver: SocketAddr) -> Ask {
    Ask {
        name: "example.com".to_owned(),
        rtype: 1,
        role: ResolverRole::Public,
        transport: DnsTransport::Udp,
        resolver,
        resolver_name: None,
    }
}

#[tokio::test]
async fn real_datagrams_and_icmp_errors_come_through() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = server.local_addr().unwrap();
    let (net, clock) = (OsNetwork::new(), SystemClock::new());
    let entropy = RefCell::new(crate::random::OsEntropy);
    let world = World {
        net: &net,
        clock: &clock,
        entropy: &entropy,
    };
    let plan = plan();
    let run = Run::new(&world, &plan);
    let serve = async {
        let mut query = [0; 512];
        let (length, from) = server.recv_from(&mut query).await.unwrap();
        assert!(Message::parse(&query[..length]).is_ok());
        for address in [[1, 2, 3, 4], [5, 6, 7, 8]] {
            server
                .send_to(&reply(&query[..length], address), from)
                .await
                .unwrap();
        }
    };
    let ask = question(at);
    let (seen, ()) = tokio::join!(lookup(&run, &ask, 0), serve);
    let Step::Lookup(fact) = &seen.step else {
        panic!()
    };
    assert_eq!((seen.failure, fact.replies.len()), (None, 2));
    drop(server);
    let seen = Box::pin(lookup(&run, &ask, 0)).await;
    assert_eq!(seen.failure, Some(Failure::DnsUnreachable));
}

#[tokio::test]
async fn what_is_cut_short_is_asked_over_tcp_once() {
    // An address of its own: the port that TCP got is free for UDP there.
    let tcp = tokio::net::TcpListener::bind("127.77.0.1:0").await.unwrap();
    let at = tcp.local_addr().unwrap();
    let udp = tokio::net::UdpSocket::bind(at).await.unwrap();
    let (net, clock) = (OsNetwork::new(), SystemClock::new());
    let entropy = RefCell::new(crate::random::OsEntropy);
    let world = World {
        net: &net,
        clock: &clock,
        entropy: &entropy,
    };
    let plan = plan();
    let run = Run::new(&world, &plan);
    let serve = async {
        let mut query = [0; 512];
        let (length, from) = udp.recv_from(&mut query).await.unwrap();
        let mut cut = query[..length - 11].to_vec(); // without OPT
        cut[2..4].copy_from_slice(&[0x83, 0x80]);
        cut[10..12].copy_from_slice(&[0, 0]);
        udp.send_to(&cut, from).await.unwrap();
        let (mut stream, _) = tcp.accept().await.unwrap();
        let length = usize::from(stream.read_u16().await.unwrap());
        stream.read_exact(&mut query[..length]).await.unwrap();
        let answer = reply(&query[..length], [1, 2, 3, 4]);
        stream.write_u16(answer.len() as u16).await.unwrap();
        // Segments end where they like.
        for part in answer.chunks(20) {
            stream.write_all(part).await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let ask = question(at);
    let (seen, ()) = tokio::join!(persist(&run, &ask), serve);
    let ends: Vec<_> = seen.iter().map(|o| o.failure).collect();
    assert_eq!(ends, [Some(Failure::DnsTruncated), None]);
    assert_eq!(
        super::lookup::addresses(&seen[1]),
        [Ip([1, 2, 3, 4].into())]
    );
    let Step::Lookup(over_tcp) = &seen[1].step else {
        panic!()
    };
    assert_eq!(over_tcp.transport, DnsTransport::Tcp);
}

/// A page, or an answer over HTTPS or TLS, by what the request looks like.
fn respond(request: &[u8]) -> Vec<u8> {
    let http = |body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    if request.starts_with(b"GET") {
        return http(b"hi");
    }
    if request.starts_with(b"POST /dns-query ") {
        let end = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        return http(&reply(&request[end + 4..], [9, 9, 9, 9]));
    }
    let reply = reply(&request[2..], [9, 9, 9, 9]);
    [&(reply.len() as u16).to_be_bytes()[..], &reply].concat()
}

/// A TLS server on loopback that answers one request on each connection.
async fn serve_tls(name: &str) -> (CertificateDer<'static>, SocketAddr) {
    let signed = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = signed.cert.der().clone();
    let key = rustls_pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut request = vec![0; 2048];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let answer = respond(&request[..length]);
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (certificate, at)
}

#[tokio::test]
async fn encrypted_resolvers_count_only_when_authenticated() {
    let (certificate, at) = serve_tls("dns.example").await;
    let (net, clock) = (OsNetwork::new(), SystemClock::new());
    let entropy = RefCell::new(crate::random::OsEntropy);
    let world = World {
        net: &net,
        clock: &clock,
        entropy: &entropy,
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let plan = Plan::new(Arc::new(roots), "neutral.example");
    let run = Run::new(&world, &plan);
    for transport in [DnsTransport::Tls, DnsTransport::Https] {
        for (name, failure) in [
            ("dns.example", None),
            ("other.example", Some(Failure::CertName)),
        ] {
            let resolver_name = Some(name.to_owned());
            let ask = Ask {
                transport,
                resolver_name,
                ..question(at)
            };
            let seen = Box::pin(lookup(&run, &ask, 0)).await;
            assert_eq!(seen.failure, failure, "{transport:?} {name}");
            if failure.is_none() {
                assert_eq!(super::lookup::addresses(&seen), [Ip([9, 9, 9, 9].into())]);
            }
        }
    }
}

#[tokio::test]
async fn a_real_tls_server_is_authenticated_only_by_its_root() {
    let (certificate, at) = serve_tls("127.0.0.1").await;
    let url = format!("https://{at}/");
    let (net, clock) = (OsNetwork::new(), SystemClock::new());
    let entropy = RefCell::new(crate::random::OsEntropy);
    let world = World {
        net: &net,
        clock: &clock,
        entropy: &entropy,
    };
    for (trusted, failure) in [(true, None), (false, Some(Failure::CertChain))] {
        let mut roots = RootCertStore::empty();
        if trusted {
            roots.add(certificate.clone()).unwrap();
        }
        let plan = Plan::new(Arc::new(roots), "neutral.example");
        let outcome = web(&world, &plan, &url, None).await;
        let handshake = outcome.observations.iter().find_map(|o| match &o.step {
            Step::Handshake(h) => Some((h, o.failure)),
            _ => None,
        });
        let (fact, failed) = handshake.unwrap();
        assert_eq!((fact.stage, failed), (HandshakeStage::Complete, failure));
        assert_eq!(fact.chain.len(), 1);
        let last = outcome.observations.last().unwrap();
        let Step::Fetch(page) = &last.step else {
            panic!("{last:?}")
        };
        assert_eq!((page.status, page.authenticated), (Some(200), trusted));
    }
}
