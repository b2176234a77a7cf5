//! How do datagrams travel to a host and back? Delay, loss, and boxes that read along.

use crate::link::Link;
use crate::middlebox::address;
use crate::middlebox::quic::{Fate, NAMES, PORT};
use crate::quic::{Server, Service};
use crate::resolver::Speech;
use crate::scenario::State;
use crate::world::World;
use faultline_probe::net::{Datagram, Flow};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// `ECONNREFUSED` on Linux: ICMP port unreachable.
const REFUSED: i32 = 111;

/// A client's end.
pub struct SimFlow {
    out: mpsc::UnboundedSender<Vec<u8>>,
    back: mpsc::UnboundedReceiver<io::Result<Datagram>>,
}

impl Flow for SimFlow {
    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        // Nobody carries it only where the simulation has ended.
        let _ = self.out.send(payload.to_vec());
        Ok(())
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        match self.back.poll_recv(context) {
            Poll::Ready(Some(came)) => Poll::Ready(came),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// What still comes to a port from which one query left.
pub(crate) struct Later {
    sent: Instant,
    coming: VecDeque<Datagram>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Later {
    /// In order of arrival.
    pub(crate) fn new(sent: Instant, coming: VecDeque<Datagram>) -> Self {
        Self {
            sent,
            coming,
            wait: None,
        }
    }
}

impl Flow for Later {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        let Some(next) = self.coming.front() else {
            return Poll::Pending;
        };
        let at = self.sent + next.after;
        let wait = self
            .wait
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        ready!(wait.as_mut().poll(context));
        self.wait = None;
        match self.coming.pop_front() {
            Some(datagram) => Poll::Ready(Ok(datagram)),
            None => Poll::Pending,
        }
    }
}

/// The way that datagrams take.
pub(crate) struct Way {
    pub(crate) world: Arc<World>,
    pub(crate) link: Arc<Link>,
    pub(crate) asn: u32,
    /// Behind a portal, which lets nothing through that it cannot answer.
    pub(crate) captive: bool,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// What a box that goes by addresses does to all of them.
    pub(crate) fate: Option<address::Fate>,
}

enum Cargo {
    Out(Vec<u8>),
    Back(io::Result<Vec<u8>>),
}

impl Way {
    /// The client's end of a flow along this way.
    pub(crate) fn open(self) -> SimFlow {
        let (out, carried) = mpsc::unbounded_channel();
        let (delivered, back) = mpsc::unbounded_channel();
        tokio::spawn(self.carry(carried, delivered));
        SimFlow { out, back }
    }

    /// Until the client is gone. What is on its way waits in order of arrival.
    async fn carry(
        self,
        mut client: mpsc::UnboundedReceiver<Vec<u8>>,
        delivered: mpsc::UnboundedSender<io::Result<Datagram>>,
    ) {
        let opened = Instant::now();
        let mut server = self.server();
        let mut condemned = false;
        let mut number = 0_u64;
        let mut under_way = BTreeMap::<(Instant, u64), Cargo>::new();
        loop {
            let deadline = server.as_mut().and_then(Server::deadline);
            let arrival = under_way.keys().next().map(|(at, _)| *at);
            let next = [arrival, deadline.map(Instant::from_std)];
            let next = next.into_iter().flatten().min();
            let waited = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut departures = Vec::new();
            tokio::select! {
                biased;
                sent = client.recv() => match sent {
                    Some(payload) => departures = self.leaves(payload, &mut condemned),
                    None => return,
                },
                () = waited => {
                    let now = Instant::now();
                    let cargo = match under_way.first_key_value() {
                        Some(((at, _), _)) if *at <= now => under_way.pop_first(),
                        _ => None,
                    };
                    let replies = match (cargo, &mut server) {
                        (Some((_, Cargo::Back(came))), _) => {
                            let came = came.map(|payload| Datagram {
                                after: opened.elapsed(),
                                from: self.to,
                                payload,
                                hop_limit: None,
                            });
                            let _ = delivered.send(came);
                            Vec::new()
                        }
                        (Some((_, Cargo::Out(payload))), Some(server)) => {
                            server.handle(now.into_std(), self.from, &payload)
                        }
                        (Some((_, Cargo::Out(_))), None) => {
                            departures.extend(self.silence());
                            Vec::new()
                        }
                        (None, Some(server)) => server.due(now.into_std()),
                        (None, None) => Vec::new(),
                    };
                    let replies = replies.into_iter().filter(|_| !condemned);
                    let replies = replies.filter(|_| !self.link.loses());
                    departures.extend(replies.map(|(_, payload)| Cargo::Back(Ok(payload))));
                }
            }
            for cargo in departures {
                number += 1;
                under_way.insert((Instant::now() + self.link.one_way(), number), cargo);
            }
        }
    }

    /// A datagram of the client's, as far as its boxes.
    fn leaves(&self, payload: Vec<u8>, condemned: &mut bool) -> Vec<Cargo> {
        if self.link.loses() || self.captive {
            return Vec::new();
        }
        match self.fate {
            Some(address::Fate::Dropped) => return Vec::new(),
            // A RST is TCP's: datagrams pass such a box.
            Some(address::Fate::Refused(REFUSED)) | None => {}
            Some(address::Fate::Refused(errno)) => return vec![refusal(errno)],
        }
        let boxes = self.world.boxes.iter().filter(|b| b.asn == self.asn);
        if boxes.clone().any(|b| b.shuts(self.to)) {
            return Vec::new();
        }
        for middlebox in boxes {
            match middlebox.on_datagram(self.to, &payload) {
                Fate::Pass => {}
                Fate::Lose => return Vec::new(),
                Fate::Condemn(_) if *condemned => return Vec::new(),
                Fate::Condemn(answer) => {
                    *condemned = true;
                    return answer.map(|a| Cargo::Back(Ok(a))).into_iter().collect();
                }
            }
        }
        if *condemned {
            return Vec::new();
        }
        vec![Cargo::Out(payload)]
    }

    fn server(&self) -> Option<Server> {
        serve(&self.world, self.to, self.world.country(self.asn))
    }

    /// What a host says that serves nothing at this port.
    fn silence(&self) -> Option<Cargo> {
        let there = self.world.site_at(self.to.ip());
        let there = there.is_some_and(|(site, _)| site.state != State::Silent)
            || self.world.resolver_at(self.to.ip()).is_some();
        (there && !self.link.loses()).then(|| refusal(REFUSED))
    }
}

/// Who answers over QUIC at `to` to a client in a country.
pub(crate) fn serve(world: &Arc<World>, to: SocketAddr, country: &str) -> Option<Server> {
    let seed = || {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&world.draw().to_be_bytes());
        seed
    };
    if let Some(resolver) = world.resolver_at(to.ip()) {
        if to.port() != NAMES || !resolver.speaks(Speech::Quic) {
            return None;
        }
        let tls = world.resolver_server(to.ip())?;
        let seed = seed();
        let (world, ip, answers) = (Arc::clone(world), to.ip(), resolver.answers(country));
        let reply = move |query: &[u8]| {
            let resolver = world.resolver_at(ip).filter(|_| answers)?;
            resolver.reply(&world, query)
        };
        return Server::new(tls, seed, Service::Names(Box::new(reply)));
    }
    let (site, tls) = world.site_at(to.ip())?;
    if to.port() != PORT || !site.http3 || site.state != State::Up {
        return None;
    }
    Server::new(tls, seed(), Service::Pages(site.status_for(country)))
}

fn refusal(errno: i32) -> Cargo {
    Cargo::Back(Err(io::Error::from_raw_os_error(errno)))
}

/// The client's address in a simulation that knows no others.
pub(crate) fn client(to: IpAddr) -> SocketAddr {
    match to {
        IpAddr::V4(_) => ([192, 0, 2, 1], 50_000).into(),
        IpAddr::V6(_) => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 50_000).into(),
    }
}
