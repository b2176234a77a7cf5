//! What does one resolver answer to one question?
//!
//! UDP (RFC 1035 section 4.2.1), TCP (RFC 7766) and the operating system's resolver; see
//! `encrypted` for the others. Every datagram that comes back is recorded, also those that
//! cannot be the answer (RFC 5452 section 9.1): an injected reply often comes first and the
//! true one after it (Duan et al., "Hold-On", 2012).

use super::run::Run;
use crate::net::{Clock, Datagram, Network, Patience, at_layer};
use faultline_core::{
    dns::{EdnsRequest, Message, NameBuf, Query, RData, RecordType, encode_0x20},
    failure::{Failure, Layer},
    observation::{DnsTransport, Lookup, Observation, Reply, ResolverRole, Step},
    time::Duration,
    value::{Blob, Ip},
};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets kept of a reply.
const RAW_CAP: usize = 4096;
/// Header bytes of a UDP datagram over IPv4 (RFC 791, RFC 768); 20 more over IPv6.
const UDP_HEADERS: usize = 28;

/// A question to be asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) name: String,
    pub(super) rtype: u16,
    pub(super) role: ResolverRole,
    pub(super) transport: DnsTransport,
    pub(super) resolver: SocketAddr,
    /// For encrypted transports.
    pub(super) resolver_name: Option<String>,
}

/// A question as it went out.
pub(super) struct Asked {
    pub(super) id: u16,
    pub(super) name: NameBuf,
    pub(super) rtype: RecordType,
    pub(super) wire: Vec<u8>,
}

impl Ask {
    /// The query's octets; over UDP with letter case mixed at random. `None` where the name
    /// is no domain name.
    pub(super) fn emit<N: Network, C: Clock>(&self, run: &Run<'_, N, C>) -> Option<Asked> {
        let name: NameBuf = self.name.parse().ok()?;
        let [a, b, case @ ..] = run.random::<34>();
        let (id, name) = match self.transport {
            DnsTransport::Udp | DnsTransport::Tcp => {
                (u16::from_be_bytes([a, b]), encode_0x20(&name, &case))
            }
            // RFC 8484 section 4.1: zero, so that caches can work.
            DnsTransport::Https => (0, name),
            _ => (u16::from_be_bytes([a, b]), name),
        };
        let rtype = RecordType(self.rtype);
        let edns = EdnsRequest {
            udp_size: 1232,
            dnssec_ok: false,
            nsid: false,
        };
        let query = Query {
            edns: Some(edns),
            ..Query::new(id, name, rtype)
        };
        let mut wire = vec![0; Query::MAX_LEN];
        let length = query.emit(&mut wire).ok()?;
        wire.truncate(length);
        Some(Asked {
            id,
            name,
            rtype,
            wire,
        })
    }

    pub(super) fn seen(&self, replies: Vec<Reply>, watched: Duration, attempt: u8) -> Step {
        Step::Lookup(Lookup {
            name: self.name.clone(),
            rtype: self.rtype,
            role: self.role,
            transport: self.transport,
            resolver: Some(Ip(self.resolver.ip())),
            resolver_name: self.resolver_name.clone(),
            replies,
            watched: watched.as_micros() as u64,
            attempt,
        })
    }
}

/// Asks once, over the transport that `ask` names.
pub(super) async fn lookup<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    attempt: u8,
) -> Observation {
    let started = run.elapsed();
    let Some(asked) = ask.emit(run) else {
        let step = ask.seen(Vec::new(), Duration::ZERO, attempt);
        return run.ended(started, step, Some(Failure::LocalError));
    };
    if ask.transport == DnsTransport::Udp {
        return over_udp(run, ask, &asked, attempt).await;
    }
    let sent = run.world.clock.now();
    let exchange = async {
        match ask.transport {
            DnsTransport::Tcp => over_tcp(run, ask, &asked).await,
            _ => super::encrypted::ask(run, ask, &asked).await,
        }
    };
    let result = run.within(run.plan.timeouts.dns, exchange).await;
    let (replies, failure) = match result.unwrap_or(Err(Failure::DnsTimeout)) {
        Err(failure) => (Vec::new(), Some(failure)),
        Ok(payload) => {
            let datagram = Datagram {
                after: run.world.clock.now() - sent,
                from: ask.resolver,
                payload,
                hop_limit: None,
            };
            let replies = vec![read(&asked, ask.resolver, &datagram)];
            let failure = conclude(&replies, None);
            (replies, failure)
        }
    };
    run.ended(started, ask.seen(replies, Duration::ZERO, attempt), failure)
}

/// Asks, and asks again where no answer came: up to the plan's number of attempts.
pub(super) async fn persist<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
) -> Vec<Observation> {
    let mut seen = Vec::new();
    for attempt in 0..run.plan.attempts.max(1) {
        let observation = lookup(run, ask, attempt).await;
        let answered = is_answer(observation.failure);
        let truncated = ask.transport == DnsTransport::Udp && is_truncated(&observation);
        seen.push(observation);
        if truncated {
            let ask = Ask {
                transport: DnsTransport::Tcp,
                ..ask.clone()
            };
            seen.push(lookup(run, &ask, attempt).await);
        }
        if answered {
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

/// Whether the resolver has spoken: addresses, or that there are none.
pub(super) fn is_answer(failure: Option<Failure>) -> bool {
    matches!(
        failure,
        None | Some(Failure::DnsNxDomain | Failure::DnsNoAnswer)
    )
}

/// The addresses of a successful lookup's first true reply.
pub(super) fn addresses(observation: &Observation) -> &[Ip] {
    match &observation.step {
        Step::Lookup(lookup) if observation.failure.is_none() => lookup
            .replies
            .iter()
            .find(|reply| reply.failure.is_none())
            .map_or(&[], |reply| &reply.addresses),
        _ => &[],
    }
}

/// TC of any reply that counts (RFC 1035 section 4.1.1, bit 0x0200).
fn is_truncated(observation: &Observation) -> bool {
    matches!(&observation.step, Step::Lookup(lookup)
        if lookup.replies.iter().any(|r| r.failure.is_none() && r.flags & 0x0200 != 0))
}

async fn over_udp<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    asked: &Asked,
    attempt: u8,
) -> Observation {
    let started = run.elapsed();
    let timeouts = run.plan.timeouts;
    let patience = Patience {
        first: timeouts.dns,
        further: timeouts.watch,
    };
    let headers = UDP_HEADERS + if ask.resolver.is_ipv6() { 20 } else { 0 };
    run.traffic.add_sent(asked.wire.len() + headers);
    let exchange = run
        .world
        .net
        .exchange(ask.resolver, &asked.wire, patience)
        .await;
    for datagram in &exchange.datagrams {
        run.traffic.add_received(datagram.payload.len() + headers);
    }
    let replies: Vec<Reply> = exchange
        .datagrams
        .iter()
        .map(|d| read(asked, ask.resolver, d))
        .collect();
    let failure = conclude(&replies, exchange.failure);
    run.ended(
        started,
        ask.seen(replies, exchange.watched, attempt),
        failure,
    )
}

async fn over_tcp<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    asked: &Asked,
) -> Result<Vec<u8>, Failure> {
    let stream = run.connect(ask.resolver).await;
    let mut stream = stream.map_err(|error| at_layer(&error, Layer::Dns))?;
    let reply = framed(&mut stream, &asked.wire).await;
    reply.map_err(|error| at_layer(&error, Layer::Dns))
}

/// One message each way, behind two octets of length (RFC 1035 section 4.2.2).
pub(super) async fn framed<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    query: &[u8],
) -> io::Result<Vec<u8>> {
    // In one write (RFC 7766 section 8).
    let mut frame = (query.len() as u16).to_be_bytes().to_vec();
    frame.extend_from_slice(query);
    stream.write_all(&frame).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}

/// How the lookup as a whole ended: by the first reply that can be an answer.
fn conclude(replies: &[Reply], network: Option<Failure>) -> Option<Failure> {
    if let Some(reply) = replies.iter().find(|reply| reply.failure.is_none()) {
        let rcode = u8::try_from(reply.rcode).unwrap_or(u8::MAX);
        let empty = reply.addresses.is_empty().then_some(Failure::DnsNoAnswer);
        return Failure::from_rcode(rcode).or(empty);
    }
    let unusable = replies.first().and_then(|reply| reply.failure);
    Some(unusable.or(network).unwrap_or(Failure::DnsTimeout))
}

/// What a datagram says, as far as it says anything.
fn read(asked: &Asked, resolver: SocketAddr, datagram: &Datagram) -> Reply {
    let raw = datagram.payload.get(..RAW_CAP).unwrap_or(&datagram.payload);
    let mut reply = Reply {
        from: Some(Ip(datagram.from.ip())),
        raw: Some(Blob(raw.to_vec())),
        hop_limit: datagram.hop_limit,
        ..synthetic(datagram.after.as_micros() as u64, Vec::new())
    };
    let Ok(message) = Message::parse(&datagram.payload) else {
        reply.failure = Some(Failure::DnsMalformed);
        return reply;
    };
    reply.rcode = message.rcode().0;
    reply.flags = message.header().flags();
    reply.edns = message.edns().is_some();
    let question = message.question();
    reply.case_echoed = question.map(|q| q.name.eq_exact(&asked.name.as_name()));
    // REFUSED and FORMERR may come without the question.
    let same_question = match question {
        Some(q) => q.asks(&asked.name, asked.rtype, faultline_core::dns::Class::IN),
        None => reply.rcode != 0,
    };
    let header = message.header();
    if header.id() != asked.id || !header.qr() || !same_question || datagram.from != resolver {
        reply.failure = Some(Failure::DnsMismatch);
    }
    for record in message.answers() {
        reply.ttl = Some(
            reply
                .ttl
                .map_or(record.ttl, |least: u32| least.min(record.ttl)),
        );
        match record.rdata {
            RData::A(ip) if asked.rtype == RecordType::A => reply.addresses.push(Ip(ip.into())),
            RData::Aaaa(ip) if asked.rtype == RecordType::AAAA => {
                reply.addresses.push(Ip(ip.into()));
            }
            RData::Cname(name) => reply.aliases.push(name.to_string()),
            _ => {}
        }
    }
    reply
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
