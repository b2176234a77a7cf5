//! How is one target measured?
//!
//! The questions, their order and the choice of addresses are those of every probe
//! ([`faultline_core::engine::agenda`]); one flow at a time carries them here. What is kept
//! of all replies together is bounded, whoever floods.

use crate::{Chance, Line, Settings, captive, clock, line, line::Traffic};
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::net::{IpAddr, SocketAddr};
use embassy_futures::select::{Either, select};
use faultline_core::{
    dns::is_bogon,
    engine::{
        Want,
        agenda::{A, Sourced, choose, nobody, questions, unlikely_label},
        framing::{Deframer, frame},
        handshake::{Greeting, Trial},
        lookup::{Inquiry, Question, Settings as Asking, is_answer, is_truncated},
    },
    failure::Failure,
    measurement::{ControlReport, Experiment, Limit, Setting},
    observation::{
        AddressSource, Connect, DnsTransport, HandshakeRole, Observation, ResolverRole, Step,
    },
    time::{Duration, Instant},
    value::Ip,
};

/// Types asked for: A and AAAA.
const TYPES: [u16; 2] = [1, 28];
/// Tries of a step that fails, the first included.
const ATTEMPTS: u8 = 2;
/// Addresses of a target that are tried.
const ADDRESSES: usize = 4;
/// Replies kept of one lookup.
const REPLIES: usize = 16;
/// Octets kept of all replies of one lookup, and of one measurement.
const LOOKUP: usize = 4096;
const KEPT: usize = 10 * 1024;
/// The longest message taken from a resolver over TCP.
const MESSAGE: u16 = 4096;
/// Protocols offered.
const ALPN: &str = "http/1.1";

/// What an experiment saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method used.
    pub experiment: Experiment,
    /// What it was used on.
    pub target: String,
    /// In the order of the agenda.
    pub observations: Vec<Observation>,
    /// What kept it from being whole.
    pub limits: Vec<Limit>,
    /// Surroundings in which results are never scored.
    pub settings: Vec<Setting>,
    /// Octets sent: datagrams with their headers, streams without.
    pub bytes_sent: u64,
    /// Octets received, counted likewise.
    pub bytes_received: u64,
    /// How long it took.
    pub runtime: Duration,
}

/// Do resolvers agree on `name`, and does anybody else answer for them?
pub async fn names(
    line: Line<'_>,
    settings: &Settings,
    chance: &mut Chance,
    name: &str,
) -> Seen {
    let mut run = Run::new(line, settings, chance);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let nowhere = format!("{}.{name}", unlikely_label(run.chance.octets()));
    let announced = announced(line);
    let public: Vec<SocketAddr> = settings
        .public_resolvers
        .iter()
        .map(|r| (*r).into())
        .collect();

    let mut seen = Vec::new();
    for (resolvers, role) in [
        (&announced, ResolverRole::Network),
        (&public, ResolverRole::Public),
    ] {
        for ask in questions(resolvers, &name, &TYPES, role) {
            run.persist(&ask, &mut seen).await;
        }
    }
    // Silence is what an address without a resolver owes us, and NXDOMAIN a label without a
    // record: neither is asked twice.
    let mut once = Vec::new();
    if let Some(silent) = settings.non_resolver {
        let neutral = &settings.neutral_name;
        once = nobody(silent.into(), ResolverRole::NonResolver, &name, neutral);
    }
    once.extend(questions(&announced, &nowhere, &[A], ResolverRole::Network));
    for ask in once {
        seen.push(run.lookup(&ask, 0).await);
    }
    run.limit(Limit::SystemResolver);
    run.limit(Limit::Control);
    run.end(Experiment::DnsConsistency, name, seen).await
}

/// Does a ClientHello with the name of an `https` URL's host come through, and if not, does
/// a neutral one?
pub async fn hello(
    line: Line<'_>,
    settings: &Settings,
    chance: &mut Chance,
    target: &str,
    control: Option<&ControlReport>,
) -> Seen {
    let mut run = Run::new(line, settings, chance);
    let Some((host, port)) = Target::read(target).and_then(|t| Some((t.host, t.secure?)))
    else {
        return run
            .end(Experiment::Hello, target.to_owned(), Vec::new())
            .await;
    };
    let mut seen = Vec::new();
    let addresses = if let Ok(ip) = host.parse() {
        alloc::vec![(ip, AddressSource::Literal)]
    } else {
        for ask in questions(&announced(line), &host, &TYPES, ResolverRole::Network) {
            run.persist(&ask, &mut seen).await;
        }
        let allowed = |ip: IpAddr| settings.contact_special || !is_bogon(ip);
        let (chosen, left_out) = choose(&seen, control, ADDRESSES, allowed);
        if left_out {
            run.limit(Limit::Addresses);
        }
        chosen
    };
    if control.is_none() {
        run.limit(Limit::Control);
    }
    run.limit(Limit::SystemResolver);
    for address in addresses {
        run.visit(&host, port, address, &mut seen).await;
    }
    run.end(Experiment::Hello, target.to_owned(), seen).await
}

/// The resolvers that the network announced.
pub(crate) fn announced(line: Line<'_>) -> Vec<SocketAddr> {
    let config = line.stack.config_v4();
    let servers = config.into_iter().flat_map(|config| config.dns_servers);
    servers
        .map(|server| SocketAddr::new(server.into(), 53))
        .collect()
}

/// A target, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    /// The port of an `https` URL.
    pub(crate) secure: Option<u16>,
}

impl Target {
    /// A name, or a URL as far as host and port matter. What carries a user's name, or is
    /// neither, is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.split(['/', '?', '#']).next()?;
        if authority.contains('@') || authority.starts_with('[') {
            return None;
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let plain = host
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'));
        (plain && !host.is_empty()).then_some(())?;
        let secure = match scheme {
            "https" => Some(port.unwrap_or(443)),
            "http" => None,
            // A bare name has neither port nor path.
            "" if port.is_none() && authority == rest => None,
            _ => return None,
        };
        Some(Self { host, secure })
    }

    /// Whether its host is an address at which no public site can live.
    pub(crate) fn is_special(&self) -> bool {
        self.host.parse().is_ok_and(is_bogon)
    }

    /// Whether its host is a name.
    pub(crate) fn is_named(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }
}

/// One measurement while it runs.
pub(crate) struct Run<'a> {
    pub(crate) line: Line<'a>,
    pub(crate) settings: &'a Settings,
    chance: &'a mut Chance,
    start: Instant,
    pub(crate) traffic: Traffic,
    limits: Vec<Limit>,
    /// Octets of replies that may still be kept.
    room: usize,
}

impl<'a> Run<'a> {
    pub(crate) fn new(line: Line<'a>, settings: &'a Settings, chance: &'a mut Chance) -> Self {
        Self {
            line,
            settings,
            chance,
            start: clock::now(),
            traffic: Traffic::default(),
            limits: Vec::new(),
            room: KEPT,
        }
    }

    fn limit(&mut self, limit: Limit) {
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
            self.limits.sort_unstable();
        }
    }

    fn elapsed(&self) -> u64 {
        clock::now().since(self.start).as_micros() as u64
    }

    /// Asks once, over the transport that `ask` names.
    pub(crate) async fn lookup(&mut self, ask: &Question, attempt: u8) -> Observation {
        let timeouts = self.settings.timeouts;
        let settings = Asking {
            first: timeouts.dns,
            further: timeouts.watch,
            most_replies: REPLIES,
            total_cap: LOOKUP.min(self.room),
            ..Asking::default()
        };
        let entropy = self.chance.octets();
        let [high, low] = self.chance.octets();
        // The ports for everybody's use (RFC 6335), at random (RFC 5452).
        let port = 0xc000 | u16::from_be_bytes([high, low]);
        let now = clock::now();
        let mut inquiry =
            Inquiry::new(ask.clone(), settings, attempt, self.start, now, &entropy);
        match ask.transport {
            DnsTransport::Udp => {
                line::ask(self.line, &mut self.traffic, port, &mut inquiry).await;
            }
            _ => self.over_tcp(&mut inquiry).await,
        }
        let seen = inquiry.finish(clock::now());
        if let Step::Lookup(lookup) = &seen.step {
            let raw = lookup.replies.iter().filter_map(|reply| reply.raw.as_ref());
            let kept: usize = raw.map(|raw| raw.0.len()).sum();
            self.room = self.room.saturating_sub(kept);
            if self.room == 0 {
                self.limit(Limit::Cap);
            }
        }
        seen
    }

    /// Asks, and asks again where no answer came; over TCP where it was cut short.
    async fn persist(&mut self, ask: &Question, seen: &mut Vec<Observation>) {
        for attempt in 0..ATTEMPTS {
            let observation = self.lookup(ask, attempt).await;
            let answered = is_answer(observation.failure);
            let truncated = is_truncated(&observation);
            seen.push(observation);
            if truncated {
                let ask = Question {
                    transport: DnsTransport::Tcp,
                    ..ask.clone()
                };
                seen.push(self.lookup(&ask, attempt).await);
            }
            // What was cut short would be cut short again.
            if answered || truncated {
                break;
            }
        }
    }

    async fn over_tcp(&mut self, inquiry: &mut Inquiry) {
        let now = clock::now();
        let deadline = now + self.settings.timeouts.dns;
        let to = inquiry.question().resolver;
        let Want::Send(query) = inquiry.poll(now) else {
            return;
        };
        let Some(query) = frame(query) else { return };
        let (traffic, parent) = (&mut self.traffic, self.line);
        let message = line::with_stream(parent, async |socket| {
            line::connect(parent, socket, to, deadline)
                .await
                .map_err(at_dns)?;
            traffic.sent += query.len() as u64;
            line::write(socket, &query)
                .await
                .map_err(|_| Failure::DnsUnreachable)?;
            let mut frames = Deframer::new(MESSAGE);
            let mut chunk = [0; 512];
            loop {
                let read = socket.read(&mut chunk);
                let until = clock::until(deadline);
                let length = match select(read, until).await {
                    Either::First(read) => read.ok().filter(|length| *length > 0),
                    Either::Second(()) => {
                        return Err(Failure::DnsTimeout);
                    }
                };
                // Closed or torn without a word: it serves nobody.
                let length = length.ok_or(Failure::DnsUnreachable)?;
                traffic.received += length as u64;
                match frames.push(chunk.get(..length).unwrap_or_default()) {
                    Ok(Some(message)) => return Ok(message.to_vec()),
                    Ok(None) => {}
                    // Longer than this board takes: that is its own limit.
                    Err(_) => return Err(Failure::LocalError),
                }
            }
        })
        .await;
        match message {
            Ok(message) => inquiry.handle(clock::now(), to, &message, None),
            Err(failure) => {
                if failure == Failure::LocalError {
                    self.limit(Limit::Cap);
                }
                inquiry.fail(clock::now(), failure);
            }
        }
    }

    /// Everything done with one address: the target's name, and where it does not pass, the
    /// neutral one and the target's again.
    async fn visit(
        &mut self,
        host: &str,
        port: u16,
        (ip, source): Sourced,
        seen: &mut Vec<Observation>,
    ) {
        if ip.is_ipv6() {
            self.limit(Limit::Ipv6);
        }
        let target = Greeting {
            to: SocketAddr::new(ip, port),
            server_name: Some(host.to_owned()),
            role: HandshakeRole::Target,
            alpn: alloc::vec![ALPN.to_owned()],
            patience: self.settings.timeouts.tls,
        };
        let mut passed = None;
        for _ in 0..ATTEMPTS {
            passed = self.greet(target.clone(), source, seen).await;
            if passed.is_some() {
                break;
            }
        }
        if passed != Some(false) {
            return;
        }
        let twin = target.twin(&self.settings.neutral_name);
        self.greet(twin, source, seen).await;
        for _ in 1..ATTEMPTS {
            if self.greet(target.clone(), source, seen).await == Some(true) {
                break;
            }
        }
    }

    /// One connection and one ClientHello; whether a ServerHello came back, and `None` where
    /// there was no connection.
    async fn greet(
        &mut self,
        greeting: Greeting,
        source: AddressSource,
        seen: &mut Vec<Observation>,
    ) -> Option<bool> {
        let entropy = self.chance.octets();
        let (start, parent, to) = (self.start, self.line, greeting.to);
        let deadline = clock::now() + self.settings.timeouts.tcp;
        let started = self.elapsed();
        let traffic = &mut self.traffic;
        let done = line::with_stream(parent, async |socket| {
            let opened = line::connect(parent, socket, to, deadline).await;
            let connected = clock::now();
            if opened.is_err() {
                return (connected, opened, None);
            }
            let mut trial = Trial::new(greeting, start, connected, &entropy);
            line::greet(parent, traffic, socket, to, &mut trial).await;
            (connected, opened, Some(trial.finish(clock::now())))
        })
        .await;
        let (connected, opened, greeted) = done;
        seen.push(Observation {
            started,
            ended: connected.since(start).as_micros() as u64,
            step: Step::Connect(Connect {
                ip: Ip(to.ip()),
                port: to.port(),
                source,
            }),
            failure: opened.err(),
        });
        let greeted = greeted?;
        let passed = greeted.failure.is_none();
        seen.push(greeted);
        Some(passed)
    }

    async fn end(
        mut self,
        experiment: Experiment,
        target: String,
        observations: Vec<Observation>,
    ) -> Seen {
        let portal = captive::check(&mut self).await == Some(true);
        Seen {
            experiment,
            target,
            observations,
            limits: self.limits,
            settings: if portal {
                alloc::vec![Setting::CaptivePortal]
            } else {
                Vec::new()
            },
            bytes_sent: self.traffic.sent,
            bytes_received: self.traffic.received,
            runtime: clock::now().since(self.start),
        }
    }
}

/// A failure to connect, where a resolver was to be asked.
fn at_dns(failure: Failure) -> Failure {
    match failure {
        Failure::TcpRefused | Failure::TcpReset => Failure::DnsUnreachable,
        Failure::TcpTimeout => Failure::DnsTimeout,
        other => other,
    }
}
