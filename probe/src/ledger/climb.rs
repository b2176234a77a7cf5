//! How is each rung tried over sockets that need no privilege, and what does that cost?
//!
//! | rung | how |
//! |---|---|
//! | power, link | the kernel's tables, nothing is sent |
//! | gateway | an empty datagram to its discard port (RFC 863): an ICMP "port unreachable", or an entry that the kernel keeps among its neighbours, says that it is there |
//! | resolver | the name servers of the root asked of a resolver that the network announced: any reply to that query counts |
//! | domestic, regional, foreign | the same question, or a TCP connection, to hosts that the collector names |
//! | canary | a TCP connection, or a ClientHello with the service's name |
//!
//! Bytes are those of IP packets (IPv4 20, IPv6 40, UDP 8, TCP 20 to 40 octets of header), those
//! of TCP connections estimated: a socket does not say what the kernel sent.

use crate::net::{Clock, Network, Patience};
use faultline_core::{
    dns::{Message, NameBuf, Query, RecordType},
    engine::{
        Want,
        handshake::{Event, Greeting, Trial},
        ledger::{Ladder, Rung, Target},
    },
    failure::Failure,
    observation::HandshakeRole,
    protocol::{AnchorItem, AnchorMethod},
    time::Duration,
};
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long one host is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// An open TCP connection: handshake and end, six packets with timestamps.
const TCP: u32 = 330;
/// What a TLS server sends before it hears more, with what it is asked.
const TLS: u32 = 6000;
/// The discard port.
const DISCARD: u16 = 9;

/// Somebody to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Where.
    pub at: SocketAddr,
    /// How.
    pub method: Method,
}

/// How a host is asked whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// An empty datagram, for the gateway.
    Knock,
    /// A DNS query over UDP for this name.
    Dns(Option<String>),
    /// A TCP connection.
    Tcp,
    /// A ClientHello with this name.
    Tls(String),
}

/// Everybody to ask in one walk: gateways, announced resolvers, and whom the collector named,
/// in two lists that go together. Addresses that no public host can have are left out unless
/// the settings say otherwise: a list from elsewhere must not send a probe to devices in its
/// owner's home.
pub fn anchors(
    gateways: &[SocketAddr],
    resolvers: &[SocketAddr],
    named: &[AnchorItem],
    special: bool,
) -> (Vec<Target>, Vec<Anchor>) {
    let gateways = gateways.iter().map(|gateway| {
        // A link-local one keeps the interface that it is behind.
        let mut at = *gateway;
        at.set_port(DISCARD);
        let method = Method::Knock;
        (Rung::Gateway, 0, Anchor { at, method })
    });
    let resolvers = resolvers.iter().map(|at| {
        let method = Method::Dns(None);
        (Rung::Resolver, 0, Anchor { at: *at, method })
    });
    let named = named
        .iter()
        .filter(|item| special || !faultline_core::dns::is_bogon(item.address.0))
        .filter_map(|item| {
            let method = match item.method {
                AnchorMethod::Dns => Method::Dns(item.name.clone()),
                AnchorMethod::Tcp => Method::Tcp,
                AnchorMethod::Tls => Method::Tls(item.name.clone()?),
                _ => return None,
            };
            let at = SocketAddr::new(item.address.0, item.port);
            let known = matches!(
                item.rung,
                Rung::Domestic | Rung::Regional | Rung::Foreign | Rung::Canary
            );
            known.then_some((item.rung, item.network.0, Anchor { at, method }))
        });
    let all = gateways.chain(resolvers).chain(named);
    all.map(|(rung, network, anchor)| {
        let cost = match anchor.method {
            Method::Knock => 84,
            Method::Dns(_) => 180,
            Method::Tcp => TCP,
            Method::Tls(_) => TLS,
        };
        let cost = cost as u16;
        (
            Target {
                rung,
                network,
                cost,
            },
            anchor,
        )
    })
    .unzip()
}

/// Climbs as far as the ladder wants.
pub async fn climb<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    ladder: &mut Ladder,
    targets: &[Target],
    anchors: &[Anchor],
    entropy: &mut dyn FnMut(&mut [u8]),
) {
    while let Some(next) = ladder.next(targets) {
        let (answered, bytes) = match anchors.get(next) {
            Some(anchor) => ask(net, clock, anchor, entropy).await,
            None => (false, 0),
        };
        ladder.report(targets, next, answered, bytes);
    }
}

async fn ask<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    anchor: &Anchor,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> (bool, u32) {
    match &anchor.method {
        Method::Knock => knock(net, anchor.at).await,
        Method::Dns(name) => dns(net, anchor.at, name.as_deref(), entropy).await,
        Method::Tcp => tcp(net, clock, anchor.at).await,
        Method::Tls(name) => tls(net, clock, anchor.at, name, entropy).await,
    }
}

/// Octets of headers around a datagram.
pub(super) const fn datagram(to: IpAddr) -> u32 {
    if to.is_ipv4() { 28 } else { 48 }
}

const WAIT: Patience = Patience {
    first: PATIENCE,
    further: Duration::ZERO,
};

async fn knock<N: Network>(net: &N, at: SocketAddr) -> (bool, u32) {
    let seen = net.exchange(at, &[], WAIT).await;
    let header = datagram(at.ip());
    // What it refuses, it is there to refuse.
    let refused = seen.failure == Some(Failure::DnsUnreachable);
    let unreachable = seen.failure.is_some_and(|failure| {
        matches!(
            failure,
            Failure::HostUnreachable | Failure::NetworkUnreachable | Failure::NetworkDown
        )
    });
    let answered = refused
        || !seen.datagrams.is_empty()
        || (!unreachable && net.neighbour(at.ip()) == Some(true));
    (answered, header + if refused { 2 * header } else { 0 })
}

async fn dns<N: Network>(
    net: &N,
    at: SocketAddr,
    name: Option<&str>,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> (bool, u32) {
    let mut id = [0; 2];
    entropy(&mut id);
    let id = u16::from_be_bytes(id);
    let asked = name.unwrap_or(".").parse().unwrap_or(NameBuf::ROOT);
    let mut query = [0; Query::MAX_LEN];
    let Ok(length) = Query::new(id, asked, RecordType::SOA).emit(&mut query) else {
        return (false, 0);
    };
    let query = query.get(..length).unwrap_or_default();
    let seen = net.exchange(at, query, WAIT).await;
    let header = datagram(at.ip());
    let came = seen
        .datagrams
        .iter()
        .map(|d| d.payload.len() as u32 + header);
    let answered = seen.datagrams.iter().any(|datagram| {
        datagram.from.ip() == at.ip()
            && Message::parse(&datagram.payload)
                .is_ok_and(|reply| reply.header().id() == id && reply.header().qr())
    });
    (answered, header + query.len() as u32 + came.sum::<u32>())
}

async fn tcp<N: Network, C: Clock>(net: &N, clock: &C, at: SocketAddr) -> (bool, u32) {
    match within(clock, net.connect(at)).await {
        Some(Ok(_)) => (true, TCP),
        // The host is there, or a box that speaks for it: no canary's word.
        Some(Err(_)) => (false, 100),
        None => (false, 120),
    }
}

async fn tls<N: Network, C: Clock>(
    net: &N,
    clock: &C,
    at: SocketAddr,
    name: &str,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> (bool, u32) {
    let Some(Ok(mut stream)) = within(clock, net.connect(at)).await else {
        return (false, 120);
    };
    let greeting = Greeting {
        to: at,
        server_name: Some(name.to_owned()),
        role: HandshakeRole::Target,
        alpn: vec!["h2".into(), "http/1.1".into()],
        patience: PATIENCE,
    };
    let mut chance = [0; Trial::ENTROPY];
    entropy(&mut chance);
    let mut trial = Trial::new(greeting, clock.now(), clock.now(), &chance);
    let hello = match trial.poll(clock.now()) {
        Want::Send(octets) => octets.to_vec(),
        _ => return (false, TCP),
    };
    let asked = TCP + 52 + hello.len() as u32;
    let mut buffer = [0; 2048];
    let talk = async {
        stream.write_all(&hello).await?;
        loop {
            let length = stream.read(&mut buffer).await?;
            let octets = buffer.get(..length).unwrap_or_default();
            let event = if length == 0 {
                Event::Closed
            } else {
                Event::Received(octets)
            };
            trial.handle(clock.now(), event);
            if trial.poll(clock.now()) != Want::Wait {
                return Ok::<_, std::io::Error>(());
            }
        }
    };
    if !matches!(within(clock, talk).await, Some(Ok(()))) {
        return (false, asked);
    }
    let answered = trial.finish(clock.now()).failure.is_none();
    (answered, if answered { TLS } else { asked + 100 })
}

async fn within<C: Clock, T>(clock: &C, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep(PATIENCE) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{id::Asn, value::Ip};
    use std::net::SocketAddrV6;

    fn item(rung: Rung, address: &str, method: AnchorMethod) -> AnchorItem {
        AnchorItem {
            rung,
            method,
            address: Ip(address.parse().unwrap()),
            port: 443,
            network: Asn(7),
            name: None,
        }
    }

    #[test]
    fn a_list_from_elsewhere_leads_neither_home_nor_to_rungs_of_our_own() {
        let listed = [
            item(Rung::Foreign, "192.168.1.1", AnchorMethod::Tcp),
            item(Rung::Foreign, "127.0.0.1", AnchorMethod::Dns),
            item(Rung::Gateway, "20.1.0.1", AnchorMethod::Tcp),
            item(Rung::Collector, "20.1.0.1", AnchorMethod::Tcp),
            item(Rung::Canary, "20.1.0.1", AnchorMethod::Tls), // without a name
            item(Rung::Foreign, "20.1.0.1", AnchorMethod::Tcp),
        ];
        let (targets, whom) = anchors(&[], &[], &listed, false);
        assert_eq!(whom.len(), 1, "{whom:?}");
        assert_eq!((targets[0].rung, targets[0].network), (Rung::Foreign, 7));
        assert_eq!(anchors(&[], &[], &listed, true).1.len(), 3);
    }

    #[test]
    fn a_link_local_router_keeps_its_interface() {
        let router = SocketAddrV6::new("fe80::1".parse().unwrap(), 0, 0, 5);
        let (_, whom) = anchors(&[router.into()], &[], &[], false);
        assert_eq!(whom[0].at, SocketAddrV6::new(*router.ip(), 9, 0, 5).into());
    }
}
