//! Is a public resolver reached over TLS, HTTPS and QUIC?
//!
//! One resolver at one address by three transports, each step an observation: DNS over TLS
//! (RFC 7858), over HTTPS (RFC 8484) and over QUIC (RFC 9250). A neutral name is asked for, and
//! in the clear as well. Where a transport fails by which the control got an answer: a neutral
//! name in the handshake to the same address; the resolver again; and other resolvers over the
//! same transport, until one is reached. OONI's `dnscheck` asks alike, without a control. Known
//! false positives are those of `embedded/core/src/verdict/encrypted.rs`.

use super::encrypted::{NO_PROTOCOL, converse, protocols};
use super::handshake::{Greeted, Greeting, handshake};
use super::lookup::{Ask, lookup, lookup_over};
use super::quic::{ask_over_quic, dial_resolver};
use super::web::connect;
use super::{Outcome, Plan, World, captive, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    engine::agenda::A,
    measurement::{ControlReport, Experiment, Limit},
    observation::{
        AddressSource, DnsTransport, HandshakeRole, Observation, ResolverRole, Step,
    },
    resolver::Service,
};
use std::net::SocketAddr;

const WAYS: [DnsTransport; 3] = [DnsTransport::Tls, DnsTransport::Https, DnsTransport::Quic];
/// Tries of a handshake over datagrams, of which lossy links lose one in fifty.
const TRIES: u8 = 3;
/// Other resolvers that are tried over a transport that failed.
const REFERENCES: usize = 2;

const fn port(transport: DnsTransport) -> u16 {
    match transport {
        DnsTransport::Udp => 53,
        DnsTransport::Https => 443,
        _ => 853,
    }
}

/// Asks the resolver that `target` names ([`Service::target`]); `None` where it names none.
pub async fn encrypted_dns<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    target: &str,
    report: Option<&ControlReport>,
) -> Option<Outcome> {
    let service = &Service::of_target(target)?;
    let run = &Run::new(world, plan);
    if report.is_none() {
        run.limit(Limit::Control);
    }
    let plain = question(run, service, DnsTransport::Udp);
    let (plain, portal) = tokio::join!(lookup(run, &plain, 0), captive::check(run));
    // What the control could not do either is tried over TCP, where it costs little, and not
    // over QUIC. Behind a portal nothing is told apart.
    let offered = |way| report.map(|report| offers(report, service, way));
    let by = |way| async move {
        match offered(way) {
            Some(false) if way == DnsTransport::Quic => Vec::new(),
            // On the heap, each as large as all that it may be waiting for.
            Some(true) if portal != Some(true) => Box::pin(insist(run, service, way)).await,
            _ => Box::pin(once(run, service, way, 0)).await.0,
        }
    };
    let [tls, https, quic] = WAYS;
    let (tls, https, quic) = tokio::join!(by(tls), by(https), by(quic));
    let seen = [vec![plain], tls, https, quic].concat();
    let target = service.target();
    Some(Outcome::of(
        run,
        Experiment::EncryptedDns,
        &target,
        seen,
        portal,
    ))
}

/// What a control does: each transport once, and again over TCP where that was not enough.
pub(super) async fn offer<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    service: &Service,
) -> Vec<Observation> {
    let by = |way| async move {
        let (mut seen, answered) = Box::pin(once(run, service, way, 0)).await;
        if !answered && way != DnsTransport::Quic {
            seen.extend(Box::pin(once(run, service, way, 1)).await.0);
        }
        seen
    };
    let [tls, https, quic] = WAYS;
    let (tls, https, quic) = tokio::join!(by(tls), by(https), by(quic));
    [tls, https, quic].concat()
}

/// Whether a control got an answer over a transport.
fn offers(report: &ControlReport, service: &Service, way: DnsTransport) -> bool {
    report.observations.iter().any(|seen| {
        matches!(&seen.step, Step::Lookup(lookup)
            if lookup.transport == way
                && lookup.resolver.is_some_and(|ip| ip.0 == service.address)
                && lookup.replies.iter().any(|reply| reply.failure.is_none()))
    })
}

fn question<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    service: &Service,
    transport: DnsTransport,
) -> Ask {
    let plain = transport == DnsTransport::Udp;
    Ask {
        name: run.plan.neutral_name.clone(),
        rtype: A,
        role: if plain {
            ResolverRole::Public
        } else {
            ResolverRole::Encrypted
        },
        transport,
        resolver: SocketAddr::new(service.address, port(transport)),
        resolver_name: (!plain).then(|| service.name.clone()),
    }
}

/// Everything that tells why a transport fails.
async fn insist<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    service: &Service,
    way: DnsTransport,
) -> Vec<Observation> {
    let tries = match way {
        DnsTransport::Quic => TRIES.max(run.plan.attempts),
        _ => run.plan.attempts.max(2),
    };
    let (mut seen, answered) = once(run, service, way, 0).await;
    if answered {
        return seen;
    }
    // The twin between two tries: what is out for a moment is out for all.
    let neutral = Service {
        name: run.plan.neutral_name.clone(),
        address: service.address,
    };
    let twin = shake(run, &neutral, way, HandshakeRole::NeutralName).await;
    seen.extend(twin.0);
    for attempt in 1..tries {
        let (again, answered) = once(run, service, way, attempt).await;
        seen.extend(again);
        if answered {
            return seen;
        }
    }
    let others = run.plan.encrypted_references.iter();
    let others = others.filter(|other| other.address != service.address);
    for other in others.take(REFERENCES) {
        let (shaken, works) = shake(run, other, way, HandshakeRole::Reference).await;
        seen.extend(shaken);
        if works {
            break;
        }
    }
    seen
}

/// One try, from the connection to the answer; whether there was one.
async fn once<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    service: &Service,
    way: DnsTransport,
    attempt: u8,
) -> (Vec<Observation>, bool) {
    let ask = question(run, service, way);
    let role = HandshakeRole::Target;
    let mut seen = Vec::new();
    let answer = if way == DnsTransport::Quic {
        let dialled = dial_resolver(run, ask.resolver, &service.name, role);
        let (shaken, line) = Box::pin(dialled).await;
        seen.push(shaken);
        let Some(line) = line else {
            return (seen, false);
        };
        let exchange = async |query: &[u8]| Box::pin(ask_over_quic(run, line, query)).await;
        lookup_over(run, &ask, attempt, exchange).await
    } else {
        let greeted = greet(run, service, way, role, &mut seen).await;
        let proven = greeted.filter(|greeted| greeted.authenticated);
        let Some(stream) = proven.and_then(|greeted| greeted.stream) else {
            return (seen, false);
        };
        let exchange = async |query: &[u8]| Box::pin(converse(&ask, stream, query)).await;
        lookup_over(run, &ask, attempt, exchange).await
    };
    let answered = matches!(&answer.step, Step::Lookup(lookup)
        if lookup.replies.iter().any(|reply| reply.failure.is_none()));
    seen.push(answer);
    (seen, answered)
}

/// A handshake alone; whether it came to its end with a valid certificate.
async fn shake<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    service: &Service,
    way: DnsTransport,
    role: HandshakeRole,
) -> (Vec<Observation>, bool) {
    let mut seen = Vec::new();
    let works = if way == DnsTransport::Quic {
        let to = SocketAddr::new(service.address, port(way));
        let (shaken, _) = Box::pin(dial_resolver(run, to, &service.name, role)).await;
        let works = shaken.failure.is_none();
        seen.push(shaken);
        works
    } else {
        let greeted = greet(run, service, way, role, &mut seen).await;
        greeted.is_some_and(|greeted| greeted.authenticated)
    };
    (seen, works)
}

/// A connection and a handshake over it, by the newest protocol that the resolver knows.
async fn greet<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    service: &Service,
    way: DnsTransport,
    role: HandshakeRole,
    seen: &mut Vec<Observation>,
) -> Option<Greeted<N::Stream>> {
    let to = SocketAddr::new(service.address, port(way));
    let mut greeted = None;
    for alpn in protocols(way) {
        let stream = connect(run, to, AddressSource::Literal, seen).await?;
        let greeting = Greeting {
            to,
            server: &service.name,
            role,
            alpn,
        };
        let shaken = Box::pin(handshake(run, stream, &greeting)).await;
        seen.push(shaken.observation.clone());
        let older = shaken.observation.failure == Some(NO_PROTOCOL);
        greeted = Some(shaken);
        if !older {
            break;
        }
    }
    greeted
}
