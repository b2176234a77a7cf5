//! How does a host touch the simulated world? Through the probe's own traits.

use crate::flow::{Later, Way, client};
use crate::link::Link;
use crate::middlebox::address::Fate;
use crate::middlebox::dns_mangler::{Mangle, arrives, passes};
use crate::path::{Path, SimStream};
use crate::resolver::{read, truncated};
use crate::scenario::Probe;
use crate::web;
use crate::world::{VANTAGE, World};
use faultline_core::{
    dns::{NameBuf, Query, Rcode, RecordType},
    failure::{Failure, Layer},
};
use faultline_probe::net::{
    Attachment, Datagram, Exchange, Expiry, Flow, Network, Patience, from_errno,
};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

/// `ENETUNREACH` on Linux.
const NO_ROUTE: i32 = 101;
/// `ECONNREFUSED` on Linux.
const REFUSED: i32 = 111;
/// How long stub resolvers of today wait for each server.
const STUB: Patience = Patience {
    first: Duration::from_secs(2),
    further: Duration::ZERO,
};

/// A host's view of the world.
#[derive(Clone)]
pub struct SimNetwork {
    world: Arc<World>,
    link: Arc<Link>,
    asn: u32,
    captive: bool,
    vpn: bool,
    segment: Option<usize>,
}

impl SimNetwork {
    /// The probe's.
    pub fn probe(world: &Arc<World>, probe: &Probe, seed: u64) -> Self {
        Self {
            world: Arc::clone(world),
            link: Arc::new(Link::new(seed, probe.delay_ms, probe.loss_percent)),
            asn: probe.asn,
            captive: probe.captive_portal,
            vpn: probe.vpn,
            segment: probe.segment,
        }
    }

    /// The clean vantage point's.
    pub fn vantage(world: &Arc<World>, seed: u64) -> Self {
        Self {
            world: Arc::clone(world),
            link: Arc::new(Link::new(seed ^ 1, 10, 0)),
            asn: VANTAGE,
            captive: false,
            vpn: false,
            segment: None,
        }
    }

    /// One question as a stub resolver asks it: the first answer counts.
    async fn stub(
        &self,
        server: SocketAddr,
        name: NameBuf,
        rtype: RecordType,
    ) -> Result<Vec<IpAddr>, Failure> {
        let mut query = vec![0; Query::MAX_LEN];
        let length = Query::new(1, name, rtype).emit(&mut query);
        query.truncate(length.map_err(|_| Failure::LocalError)?);
        let exchange = self.exchange(server, &query, STUB).await;
        let first = exchange.datagrams.into_iter().next();
        let mut reply = first.map(|datagram| datagram.payload);
        if reply.as_deref().is_some_and(truncated) {
            let whole = self.over_tcp(server, &query).await;
            reply = Some(whole.map_err(|_| Failure::DnsTruncated)?);
        }
        match reply.and_then(|reply| read(&reply)) {
            None => Err(Failure::DnsTimeout),
            Some((Rcode::NO_ERROR, found)) if found.is_empty() => Err(Failure::DnsNoAnswer),
            Some((Rcode::NO_ERROR, found)) => Ok(found),
            Some((Rcode::NX_DOMAIN, _)) => Err(Failure::DnsNxDomain),
            Some((Rcode::REFUSED, _)) => Err(Failure::DnsRefused),
            Some((Rcode::SERV_FAIL, _)) => Err(Failure::DnsServFail),
            Some(_) => Err(Failure::DnsOtherRcode),
        }
    }

    fn fate(&self, to: IpAddr) -> Option<Fate> {
        if to.is_ipv6() && !self.world.network(self.asn).is_some_and(|n| n.ipv6) {
            return Some(Fate::Refused(NO_ROUTE));
        }
        let mut boxes = self.world.boxes.iter().filter(|b| b.asn == self.asn);
        boxes.find_map(|middlebox| middlebox.on_packet(to))
    }

    /// Whether a box on the path lets nothing through to a port.
    fn shut(&self, to: SocketAddr) -> bool {
        let mut boxes = self.world.boxes.iter().filter(|b| b.asn == self.asn);
        boxes.any(|middlebox| middlebox.shuts(to))
    }

    /// What boxes on the path do to the DNS.
    fn mangles(&self) -> Vec<Mangle> {
        let boxes = self.world.boxes.iter().filter(|b| b.asn == self.asn);
        boxes.flat_map(|b| b.mangles.clone()).collect()
    }

    /// A query as stub resolvers repeat it after a truncated reply (RFC 7766).
    async fn over_tcp(&self, to: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.connect(to).await?;
        stream.write_u16(query.len() as u16).await?;
        stream.write_all(query).await?;
        let mut reply = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut reply).await?;
        Ok(reply)
    }

    /// Everything that will come back, with its delay, in order of arrival.
    fn replies(&self, to: SocketAddr, query: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        let mut replies = Vec::new();
        let boxes = || self.world.boxes.iter().filter(|b| b.asn == self.asn);
        for forged in boxes().filter_map(|b| b.inject(to.ip(), query)) {
            // Nearer than any resolver, so it wins the race.
            replies.push((self.link.one_way(), forged));
        }
        let mangles = self.mangles();
        let Some(query) = &passes(&mangles, query) else {
            return replies;
        };
        let mut round_trip = self.link.one_way() + self.link.one_way();
        let proxy = boxes().find_map(|b| b.proxy(to.ip()));
        let answer = if let Some(proxy) = &proxy {
            proxy.reply(&self.world, query)
        } else {
            let resolver = self.world.resolver_at(to.ip());
            let resolver = resolver.filter(|_| to.port() == 53);
            round_trip += Duration::from_millis(resolver.map_or(0, |r| r.thinks_ms));
            resolver.and_then(|resolver| resolver.datagram(&self.world, query))
        };
        if let Some(answer) = answer.filter(|answer| arrives(&mangles, answer)) {
            replies.push((round_trip, answer));
        }
        // A question is lost for everybody who would answer, an answer for itself.
        if self.link.loses() {
            replies.clear();
        }
        replies.retain(|_| !self.link.loses());
        replies.sort_by_key(|(after, _)| *after);
        replies
    }
}

impl Network for SimNetwork {
    type Stream = SimStream;

    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        self.exchange_open(to, payload, patience).await.0
    }

    async fn exchange_open(
        &self,
        to: SocketAddr,
        payload: &[u8],
        patience: Patience,
    ) -> (Exchange, Option<Box<dyn Flow>>) {
        match self.fate(to.ip()) {
            // A RST is TCP's: datagrams pass such a box.
            None | Some(Fate::Refused(REFUSED)) => {}
            Some(Fate::Refused(errno)) => {
                let refused = Exchange {
                    failure: Some(from_errno(errno, Layer::Dns)),
                    ..Exchange::default()
                };
                return (refused, None);
            }
            Some(Fate::Dropped) => {
                tokio::time::sleep(patience.first).await;
                return (Exchange::default(), None);
            }
        }
        let sent = Instant::now();
        let replies = self.replies(to, payload);
        let first = replies.first().map(|(after, _)| *after);
        let Some(first) = first.filter(|first| *first <= patience.first) else {
            tokio::time::sleep(patience.first).await;
            return (Exchange::default(), None);
        };
        let until = first + patience.further;
        tokio::time::sleep(until).await;
        let datagrams = replies.into_iter().map(|(after, payload)| Datagram {
            after,
            from: to,
            payload,
            hop_limit: Some(56),
        });
        let (seen, later): (VecDeque<_>, _) =
            datagrams.partition(|datagram| datagram.after <= until);
        let exchange = Exchange {
            datagrams: seen.into(),
            failure: None,
            watched: patience.further,
        };
        (exchange, Some(Box::new(Later::new(sent, later))))
    }

    async fn flow(&self, to: SocketAddr) -> io::Result<Box<dyn Flow>> {
        let fate = self.fate(to.ip());
        if let Some(Fate::Refused(errno @ NO_ROUTE)) = fate {
            return Err(io::Error::from_raw_os_error(errno));
        }
        Ok(Box::new(
            Way {
                world: Arc::clone(&self.world),
                link: Arc::clone(&self.link),
                asn: self.asn,
                captive: self.captive,
                from: client(to.ip()),
                to,
                fate,
            }
            .open(),
        ))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<SimStream> {
        if to.port() == 53 && self.mangles().contains(&Mangle::DropsTcp) {
            return std::future::pending().await;
        }
        if self.shut(to) {
            return std::future::pending().await;
        }
        match self.fate(to.ip()) {
            Some(Fate::Dropped) => std::future::pending().await,
            Some(Fate::Refused(errno)) => {
                tokio::time::sleep(self.link.one_way()).await;
                return Err(io::Error::from_raw_os_error(errno));
            }
            None => {}
        }
        tokio::time::sleep(self.link.reliable() + self.link.one_way()).await;
        // A portal speaks for hosts that it does not know.
        match web::listens(&self.world, to).filter(|_| !self.captive) {
            Some(None) => std::future::pending().await,
            Some(Some(errno)) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(Path {
                world: Arc::clone(&self.world),
                link: Arc::clone(&self.link),
                asn: self.asn,
                captive: self.captive,
                segment: self.segment,
                to,
            }
            .open()),
        }
    }

    fn limit_hops(&self, stream: &SimStream, hops: u8) -> io::Result<Expiry> {
        stream.limit_hops(hops);
        Ok(Box::pin(std::future::pending()))
    }

    /// As the probe's stub resolver does: the announced servers in turn, until one speaks of
    /// A; where neither type brings an address, what happened to A is reported.
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let name: NameBuf = name.parse().map_err(|_| Failure::LocalError)?;
        let mut failure = Failure::DnsTimeout;
        for server in self.announced_resolvers() {
            let four = self.stub(server, name, RecordType::A).await;
            let six = self.stub(server, name, RecordType::AAAA).await;
            match (four, six) {
                (Ok(four), Ok(six)) => return Ok([four, six].concat()),
                (Ok(some), Err(_)) | (Err(_), Ok(some)) => return Ok(some),
                (Err(last @ (Failure::DnsNxDomain | Failure::DnsNoAnswer)), Err(_)) => {
                    return Err(last);
                }
                (Err(last), Err(_)) => failure = last,
            }
        }
        Err(failure)
    }

    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        self.world.announced(self.asn)
    }

    fn attach(&self) -> Attachment {
        let mut network = [0; 32];
        network[..4].copy_from_slice(&self.asn.to_be_bytes());
        Attachment {
            network: Some(network),
            vpn: self.vpn,
            own: Vec::new(),
        }
    }
}
