//! Who is asked, how often, and over which sockets?
//!
//! A thin driver: the query, the watch for late replies and the judgement of how a lookup
//! ended are [`faultline_core::engine::lookup`]'s, which a board runs too. Here are UDP, TCP
//! (RFC 7766) and the operating system's resolver; see `encrypted` for the others.

use super::late::Ears;
use super::run::Run;
use crate::net::{Clock, Flow, Network, Patience, at_layer};
use faultline_core::{
    engine::{
        Want,
        framing::{Deframer, frame},
        lookup::{Inquiry, Settings, is_truncated},
    },
    failure::{Failure, Layer},
    observation::{DnsTransport, Lookup, Observation, Reply, ResolverRole, Step},
    time::Instant,
    value::Ip,
};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(super) use faultline_core::engine::lookup::{Question as Ask, addresses, is_answer};

/// Header bytes of a UDP datagram over IPv4 (RFC 791, RFC 768); 20 more over IPv6.
const UDP_HEADERS: usize = 28;

/// How a query is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// With an OPT record (RFC 6891) and the DO bit.
    pub(super) edns: bool,
    /// The largest UDP payload that we say to take.
    pub(super) udp_size: u16,
    /// Octets kept of all replies to it.
    pub(super) total_cap: usize,
}

impl Default for Way {
    fn default() -> Self {
        let Settings {
            edns,
            udp_size,
            total_cap,
            ..
        } = Settings::default();
        Self {
            edns,
            udp_size,
            total_cap,
        }
    }
}

/// Asks once, over the transport that `ask` names.
pub(super) async fn lookup<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    attempt: u8,
) -> Observation {
    lookup_by(run, ask, attempt, Way::default()).await
}

/// Likewise, put in a way of the caller's.
pub(super) async fn lookup_by<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    attempt: u8,
    way: Way,
) -> Observation {
    tried(run, ask, attempt, way, None).await.0
}

/// Likewise, over an exchange of the caller's with a resolver that is connected to: what it
/// brings is the reply. As patient as for a page, since a stream sends again what was lost
/// after one second, three and seven (RFC 6298).
pub(super) async fn lookup_over<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    attempt: u8,
    exchange: impl AsyncFnOnce(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Observation {
    let sent = run.world.clock.now();
    let mut inquiry = inquiry(run, ask, attempt, Way::default(), sent);
    if let Want::Send(query) = inquiry.poll(sent) {
        let query = query.to_vec();
        let patience = run.plan.timeouts.http;
        let result = run.within(patience, exchange(&query)).await;
        take(run, ask, result, &mut inquiry);
    }
    inquiry.finish(run.world.clock.now())
}

/// One try. Where there are ears, the port stays open, and its number among theirs is told.
async fn tried<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    attempt: u8,
    way: Way,
    ears: Option<&Ears>,
) -> (Observation, Option<usize>) {
    let clock = run.world.clock;
    let sent = clock.now();
    let mut inquiry = inquiry(run, ask, attempt, way, sent);
    let mut open = None;
    if let Want::Send(query) = inquiry.poll(sent) {
        let query = query.to_vec();
        match ask.transport {
            DnsTransport::Udp => {
                let ears = ears.is_some();
                open = over_udp(run, ask, &query, sent, &mut inquiry, ears).await;
            }
            _ => over_stream(run, ask, &query, &mut inquiry).await,
        }
    }
    let number = ears
        .zip(open)
        .map(|(ears, flow)| ears.open(inquiry.clone(), flow, sent));
    (inquiry.finish(clock.now()), number)
}

fn inquiry<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    attempt: u8,
    way: Way,
    sent: Instant,
) -> Inquiry {
    let settings = Settings {
        first: run.plan.timeouts.dns,
        further: run.plan.timeouts.watch,
        edns: way.edns,
        udp_size: way.udp_size,
        total_cap: way.total_cap,
        ..Settings::default()
    };
    let entropy = run.random();
    Inquiry::new(ask.clone(), settings, attempt, run.start, sent, &entropy)
}

/// Asks, and asks again where no answer came: up to the plan's number of attempts.
pub(super) async fn persist<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
) -> Vec<Observation> {
    persist_by(run, ask, Way::default()).await
}

/// Likewise, put in a way of the caller's.
pub(super) async fn persist_by<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    way: Way,
) -> Vec<Observation> {
    let seen = persist_with(run, ask, way, None).await;
    seen.into_iter()
        .map(|(observation, _)| observation)
        .collect()
}

/// Likewise, with ports that stay open to what comes late.
pub(super) async fn persist_with<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    way: Way,
    ears: Option<&Ears>,
) -> Vec<(Observation, Option<usize>)> {
    let mut seen = Vec::new();
    for attempt in 0..run.plan.attempts.max(1) {
        let (observation, number) = tried(run, ask, attempt, way, ears).await;
        let answered = is_answer(observation.failure);
        let truncated = ask.transport == DnsTransport::Udp && is_truncated(&observation);
        seen.push((observation, number));
        if truncated {
            let ask = Ask {
                transport: DnsTransport::Tcp,
                ..ask.clone()
            };
            seen.push((lookup_by(run, &ask, attempt, way).await, None));
        }
        // What was cut short would be cut short again.
        if answered || truncated {
            break;
        }
    }
    seen
}

/// Asks the operating system once; one observation for each of the plan's types.
pub(super) async fn ask_system<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    name: &str,
    types: &[u16],
    attempt: u8,
) -> Vec<Observation> {
    let started = run.elapsed();
    let answer = run
        .within(run.plan.timeouts.dns, run.world.net.resolve(name))
        .await;
    let after = run.elapsed() - started;
    let answer = answer.unwrap_or(Err(Failure::DnsTimeout));
    let observe = |rtype: u16| {
        let (replies, failure) = match &answer {
            Err(failure) => (Vec::new(), Some(*failure)),
            Ok(all) => {
                let is_asked = |ip: &&IpAddr| match rtype {
                    1 => ip.is_ipv4(),
                    28 => ip.is_ipv6(),
                    _ => false,
                };
                let addresses: Vec<Ip> =
                    all.iter().filter(is_asked).map(|ip| Ip(*ip)).collect();
                let failure = addresses.is_empty().then_some(Failure::DnsNoAnswer);
                (vec![synthetic(after, addresses)], failure)
            }
        };
        let step = Step::Lookup(Lookup {
            name: name.to_owned(),
            rtype,
            role: ResolverRole::System,
            transport: DnsTransport::System,
            resolver: None,
            resolver_name: None,
            replies,
            watched: 0,
            attempt,
        });
        run.ended(started, step, failure)
    };
    types.iter().map(|rtype| observe(*rtype)).collect()
}

/// Everything that comes back goes through the inquiry, at the time at which it came. The port,
/// if it is to stay open.
async fn over_udp<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    query: &[u8],
    sent: Instant,
    inquiry: &mut Inquiry,
    open: bool,
) -> Option<Box<dyn Flow>> {
    let timeouts = run.plan.timeouts;
    let patience = Patience {
        first: timeouts.dns,
        further: timeouts.watch,
    };
    let headers = headers(ask);
    run.traffic.add_sent(query.len() + headers);
    let net = run.world.net;
    let (exchange, flow) = if open {
        net.exchange_open(ask.resolver, query, patience).await
    } else {
        (net.exchange(ask.resolver, query, patience).await, None)
    };
    for datagram in &exchange.datagrams {
        run.traffic.add_received(datagram.payload.len() + headers);
        let at = sent + datagram.after;
        inquiry.handle(at, datagram.from, &datagram.payload, datagram.hop_limit);
    }
    if let Some(failure) = exchange.failure {
        // The watch began with the first thing that came, an error included.
        let now = run.world.clock.now();
        let watched = exchange.watched.as_micros() as u64;
        inquiry.fail(Instant(now.0.saturating_sub(watched)), failure);
    }
    flow
}

/// Octets of the headers of a datagram to or from a resolver.
pub(super) fn headers(ask: &Ask) -> usize {
    UDP_HEADERS + if ask.resolver.is_ipv6() { 20 } else { 0 }
}

/// One message over a connection of its own.
async fn over_stream<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    query: &[u8],
    inquiry: &mut Inquiry,
) {
    let exchange = async {
        match ask.transport {
            DnsTransport::Tcp => over_tcp(run, ask, query).await,
            _ => super::encrypted::ask(run, ask, query).await,
        }
    };
    let result = run.within(run.plan.timeouts.dns, exchange).await;
    take(run, ask, result, inquiry);
}

/// What came over a stream, or did not in time.
fn take<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    result: Option<Result<Vec<u8>, Failure>>,
    inquiry: &mut Inquiry,
) {
    let now = run.world.clock.now();
    match result.unwrap_or(Err(Failure::DnsTimeout)) {
        Ok(message) => inquiry.handle(now, ask.resolver, &message, None),
        Err(failure) => inquiry.fail(now, failure),
    }
}

async fn over_tcp<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    query: &[u8],
) -> Result<Vec<u8>, Failure> {
    let stream = run.connect(ask.resolver).await;
    let mut stream = stream.map_err(|error| at_layer(&error, Layer::Dns))?;
    let reply = framed(&mut stream, query).await;
    reply.map_err(|error| at_layer(&error, Layer::Dns))
}

/// One message each way, each in its frame.
pub(super) async fn framed<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    query: &[u8],
) -> io::Result<Vec<u8>> {
    let query = frame(query).ok_or(io::ErrorKind::InvalidInput)?;
    stream.write_all(&query).await?;
    stream.flush().await?;
    let mut frames = Deframer::new(u16::MAX);
    let mut chunk = [0; 2048];
    loop {
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let read = frames.push(chunk.get(..length).unwrap_or_default());
        if let Some(message) = read.map_err(|_| io::ErrorKind::InvalidData)? {
            return Ok(message.to_vec());
        }
    }
}

fn synthetic(after: u64, addresses: Vec<Ip>) -> Reply {
    Reply {
        after,
        from: None,
        rcode: 0,
        flags: 0,
        addresses,
        aliases: Vec::new(),
        ttl: None,
        edns: false,
        failure: None,
        case_echoed: None,
        raw: None,
        hop_limit: None,
    }
}
