//! Does a ClientHello come through, and who answers it?
//!
//! The test for interference that needs no TLS library: over an open TCP connection one
//! [`Hello`] with the target's name goes out, and what comes back first decides. A
//! ServerHello means that the name passed; a reset, an end, silence or octets that are not
//! TLS are what boxes do (Chai et al., FOCI 2019; Xue et al., TSPU, IMC 2022). Its twin
//! ([`Greeting::twin`]) sends a neutral name to the same address and tells a filter of names
//! from one of addresses. The handshake is left there: certificates are not seen.
//!
//! Known false positives: servers that refuse unknown names with an alert or a reset, and
//! boxes that act on how a ClientHello is composed rather than on its name.

use super::Want;
use crate::{
    failure::Failure,
    observation::{Handshake, HandshakeRole, HandshakeStage, Observation, Step},
    time::{Duration, Instant},
    value::{Blob, Ip},
    wire::tls::{
        Alert, AlertDescription, Hello, KeyShare, MessageType, Next, ServerHello, Stream,
        could_be_tls,
    },
};
use alloc::{string::String, vec, vec::Vec};
use core::net::{IpAddr, SocketAddr};

/// Octets kept of what came first.
const KEPT: usize = 512;
/// Octets read before giving up on a ServerHello, which takes about a hundred.
const READ: usize = 2048;

/// Whom to greet, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The address that the connection leads to.
    pub to: SocketAddr,
    /// The name for SNI. An address is not sent (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// Why the handshake is tried.
    pub role: HandshakeRole,
    /// Application protocols offered.
    pub alpn: Vec<String>,
    /// How long an answer is waited for.
    pub patience: Duration,
}

impl Greeting {
    /// The same with a name that nobody filters: the control for [`HandshakeRole::Target`].
    #[must_use]
    pub fn twin(&self, neutral: &str) -> Self {
        Self {
            server_name: Some(neutral.into()),
            role: HandshakeRole::NeutralName,
            ..self.clone()
        }
    }

    fn sni(&self) -> Option<&str> {
        let name = self.server_name.as_deref()?.trim_end_matches('.');
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        (!is_address).then_some(name)
    }
}

/// What happened to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Octets came.
    Received(&'a [u8]),
    /// The other end, or a box, tore it (RST).
    Reset,
    /// The other end, or a box, ended it (FIN).
    Closed,
    /// Something else went wrong.
    Failed(Failure),
}

/// What a server's first octets say; see [`read_answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether a ServerHello has come, at least in part.
    pub begun: bool,
    /// A warning before it.
    pub warning: Option<Alert>,
    /// What it comes to.
    pub says: Says,
}

/// What a server's first octets come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Nothing yet.
    More,
    /// A ServerHello, HelloRetryRequest included.
    Hello {
        /// The version chosen.
        version: u16,
        /// The cipher suite chosen.
        cipher: u16,
        /// The protocol chosen, where that is said in the clear.
        alpn: Option<String>,
    },
    /// An alert that ends the handshake.
    Refused(Alert),
    /// Something that no server says at this point.
    Nonsense,
}

/// Reads what came back to a ClientHello, from the first octet.
pub fn read_answer(octets: &[u8]) -> Answer {
    let mut answer = Answer {
        begun: false,
        warning: None,
        says: Says::More,
    };
    let mut stream = Stream::new(octets);
    let mut buffer = vec![0; octets.len().min(READ)];
    loop {
        answer.says = match stream.next(&mut buffer) {
            Ok(Next::Alert(alert)) if alert.is_warning() => {
                answer.warning = Some(alert);
                continue;
            }
            Ok(Next::Alert(alert)) => Says::Refused(alert),
            Ok(Next::Incomplete { begun: None }) => Says::More,
            Ok(Next::Incomplete { begun: Some(kind) }) if kind == MessageType::SERVER_HELLO => {
                answer.begun = true;
                Says::More
            }
            Ok(Next::Handshake(message)) => {
                answer.begun = message.kind == MessageType::SERVER_HELLO;
                match ServerHello::parse(&message) {
                    Ok(hello) => Says::Hello {
                        version: hello.version().0,
                        cipher: hello.cipher_suite().0,
                        alpn: hello
                            .alpn()
                            .map(|name| String::from_utf8_lossy(name).into_owned()),
                    },
                    Err(_) => Says::Nonsense,
                }
            }
            Ok(Next::Incomplete { .. } | Next::Other(_) | Next::TooLong { .. }) | Err(_) => {
                Says::Nonsense
            }
        };
        return answer;
    }
}

/// One ClientHello over one connection.
#[derive(Clone, Debug)]
pub struct Trial {
    greeting: Greeting,
    origin: Instant,
    started: Instant,
    /// Empty where the name cannot be sent.
    hello: Vec<u8>,
    deadline: Option<Instant>,
    received: Vec<u8>,
    answer: Answer,
    /// When and how it ended.
    ended: Option<(Instant, Option<Failure>)>,
}

impl Trial {
    /// Octets of chance that a trial takes: random, session identifier and key share. No
    /// private key belongs to the last, since nobody shakes hands to the end.
    pub const ENTROPY: usize = 96;

    /// `origin` is the start of the measurement; the connection is open.
    pub fn new(
        greeting: Greeting,
        origin: Instant,
        now: Instant,
        entropy: &[u8; Self::ENTROPY],
    ) -> Self {
        let hello = compose(&greeting, entropy).unwrap_or_default();
        let refused = hello.is_empty().then_some((now, Some(Failure::LocalError)));
        Self {
            greeting,
            origin,
            started: now,
            hello,
            deadline: None,
            received: Vec::new(),
            answer: read_answer(&[]),
            ended: refused,
        }
    }

    /// First the ClientHello; then patience.
    pub fn poll(&mut self, now: Instant) -> Want<'_> {
        if self.ended.is_some() {
            return Want::Nothing;
        }
        match self.deadline {
            None => {
                self.deadline = Some(now + self.greeting.patience);
                Want::Send(&self.hello)
            }
            Some(deadline) if now < deadline => Want::Wait,
            Some(_) => {
                self.end(now, Some(Failure::TlsTimeout));
                Want::Nothing
            }
        }
    }

    /// When [`Self::poll`] has something new to say if nothing comes; `None` once it wants
    /// nothing more.
    pub fn poll_at(&self) -> Option<Instant> {
        match self.ended {
            Some(_) => None,
            None => Some(self.deadline.unwrap_or(self.started)),
        }
    }

    /// Something happened to the connection.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) {
        if self.ended.is_some() {
            return;
        }
        let closed = || match self.answer.warning {
            Some(warning) => warning.into(),
            None => Failure::TlsEof,
        };
        match event {
            Event::Received(octets) => self.receive(now, octets),
            Event::Reset => self.end(now, Some(Failure::TlsReset)),
            Event::Closed => self.end(now, Some(closed())),
            Event::Failed(failure) => self.end(now, Some(failure)),
        }
    }

    /// What was seen, and how it ended. Where nothing decided yet, time ran out.
    pub fn finish(mut self, now: Instant) -> Observation {
        self.end(now, Some(Failure::TlsTimeout));
        let (ended, failure) = self.ended.unwrap_or((now, None));
        let offset = |at: Instant| at.since(self.origin).as_micros() as u64;
        let strange = self.answer.says == Says::Nonsense || !could_be_tls(&self.received);
        let (version, cipher, alpn) = match self.answer.says {
            Says::Hello {
                version,
                cipher,
                alpn,
            } => (Some(version), Some(cipher), alpn),
            _ => (None, None, None),
        };
        let first = self.received.get(..KEPT).unwrap_or(&self.received);
        Observation {
            started: offset(self.started),
            ended: offset(ended),
            step: Step::Handshake(Handshake {
                ip: Ip(self.greeting.to.ip()),
                port: self.greeting.to.port(),
                server_name: self.greeting.sni().map(Into::into),
                role: self.greeting.role,
                stage: match self.deadline {
                    None => HandshakeStage::Connected,
                    Some(_) if self.answer.begun => HandshakeStage::ServerHello,
                    Some(_) => HandshakeStage::HelloSent,
                },
                version,
                cipher,
                alpn,
                chain: Vec::new(),
                certificate: None,
                first_bytes: strange.then(|| Blob(first.to_vec())),
                hop_limit: None,
            }),
            failure,
        }
    }

    fn receive(&mut self, now: Instant, octets: &[u8]) {
        let room = READ.saturating_sub(self.received.len()).min(octets.len());
        self.received.extend(octets.get(..room).unwrap_or_default());
        self.answer = read_answer(&self.received);
        match &self.answer.says {
            Says::More if self.received.len() < READ => {}
            Says::Hello { .. } => self.end(now, None),
            // An end with good manners is an end all the same.
            Says::Refused(alert) if alert.description == AlertDescription::CLOSE_NOTIFY => {
                self.end(now, Some(Failure::TlsEof));
            }
            Says::Refused(alert) => {
                let failure = (*alert).into();
                self.end(now, Some(failure));
            }
            Says::More | Says::Nonsense => {
                self.answer.says = Says::Nonsense;
                self.end(now, Some(Failure::TlsMalformed));
            }
        }
    }

    /// The first end counts.
    fn end(&mut self, now: Instant, failure: Option<Failure>) {
        self.ended.get_or_insert((now, failure));
    }
}

/// The octets of the ClientHello; `None` where a name in it cannot be sent.
fn compose(greeting: &Greeting, entropy: &[u8; Trial::ENTROPY]) -> Option<Vec<u8>> {
    let (random, rest) = entropy.split_first_chunk()?;
    let (session_id, rest) = rest.split_first_chunk()?;
    let (key, _) = rest.split_first_chunk()?;
    let mut key: [u8; 32] = *key;
    // RFC 7748 section 5: the highest bit of a public key is not set.
    let [.., last] = &mut key;
    *last &= 0x7f;
    let alpn: Vec<&[u8]> = greeting.alpn.iter().map(String::as_bytes).collect();
    let hello = Hello {
        random: *random,
        session_id: *session_id,
        server_name: greeting.sni(),
        alpn: &alpn,
        key_share: KeyShare::X25519(key),
    };
    let names: usize = alpn.iter().map(|name| name.len() + 1).sum();
    let mut octets = vec![0; Hello::MAX_LEN + names];
    let length = hello.emit(&mut octets).ok()?;
    octets.truncate(length);
    Some(octets)
}
