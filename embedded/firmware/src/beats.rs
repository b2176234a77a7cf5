//! Is the board alive, how far does the network reach, and does the collector know?
//!
//! Every interval one walk up the ladder of reach, kept in flash, and one signed datagram
//! ([`faultline_core::engine::heartbeat`]), while the rest of the firmware measures or waits.
//! What the ledger says goes into a batch as soon as the collector answers again. The gateway
//! is not tried: the stack answers no question about it; it stays untested, and so says the
//! ledger.

use crate::{
    Board, Chance, Line, Note, Settings, clock, line,
    log::Log,
    measure::announced,
    run::Shared,
    store::{Store, StoreError},
};
use alloc::{borrow::ToOwned, vec::Vec};
use core::cell::RefCell;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use embassy_futures::select::{Either, select};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, signal::Signal};
use faultline_core::{
    codec::{Identity, PublicKey, Purpose},
    dns::{NameBuf, Query, RecordType, is_bogon},
    engine::{
        handshake::{Greeting, Trial},
        heartbeat::{Heart, PATIENCE, Vitals},
        ledger::{BootId, Entry, Ladder, Ledger, Page, Policy, Reach, Rung, Target},
    },
    failure::Failure,
    id::BatchId,
    measurement::{Batch, SCHEMA_VERSION},
    observation::HandshakeRole,
    protocol::{AnchorItem, AnchorMethod, BeatTerms},
    time::Duration,
};

/// Between two beats, where the collector asks for nothing else.
const INTERVAL: Duration = Duration::from_mins(1);
/// The shortest and the longest that it may ask for.
const BOUNDS: (u16, u16) = (30, 3600);
/// How long a host on a rung may take to answer.
const TRY: Duration = Duration::from_secs(3);
/// Epochs in one batch.
const EPOCHS: usize = 32;
/// Hosts that are tried besides resolvers.
const ANCHORS: usize = 24;
/// Octets of IP and UDP headers, and of a TCP connection that opens and closes.
const UDP: u32 = 28;
const TCP: u32 = 280;

/// What the collector told the rest of the firmware, and when that should look again.
#[derive(Default)]
pub(crate) struct Told {
    known: RefCell<Option<(PublicKey, Option<BeatTerms>, Ipv4Addr)>>,
    news: Signal<NoopRawMutex, ()>,
    terms: Signal<NoopRawMutex, ()>,
}

impl Told {
    /// The collector has this key, wants beats so, and is at this address.
    pub(crate) fn learn(&self, key: PublicKey, terms: Option<BeatTerms>, at: Ipv4Addr) {
        let before = self.known.replace(Some((key, terms, at)));
        if before.is_none() {
            self.terms.signal(());
        }
    }

    /// Passes when there is something to upload, or the way to the collector is back.
    pub(crate) async fn news(&self) {
        self.news.wait().await;
    }
}

/// Beats for ever, where the owner agreed to it. Without room for a ledger there are no beats: their numbers could not be
/// kept from being used twice.
pub(crate) async fn beat<B: Board>(
    board: &Shared<B>,
    line: Line<'_>,
    settings: &Settings,
    told: &Told,
) -> ! {
    if let Some(consent) = settings.consent.filter(|consent| consent.beat) {
        let (special, sites) = (settings.contact_special, consent.sites);
        match Pulse::begin(board, line, told, special, sites).await {
            Ok(mut pulse) => loop {
                // The first beat leaves as soon as it is known where to.
                let due = clock::until(pulse.heart.poll_at());
                select(due, told.terms.wait()).await;
                if let Err(error) = pulse.once().await {
                    board.lock().await.note(&Note::Store(error));
                }
            },
            Err(error) => board.lock().await.note(&Note::Store(error)),
        }
    }
    core::future::pending().await
}

struct Pulse<'a, B> {
    board: &'a Shared<B>,
    line: Line<'a>,
    told: &'a Told,
    identity: Identity,
    chance: Chance,
    log: Log,
    ledger: Ledger,
    ladder: Ladder,
    heart: Heart,
    interval: Duration,
    special: bool,
    sites: bool,
}

impl<'a, B: Board> Pulse<'a, B> {
    async fn begin(
        board: &'a Shared<B>,
        line: Line<'a>,
        told: &'a Told,
        special: bool,
        sites: bool,
    ) -> Result<Self, StoreError> {
        let mut own = board.lock().await;
        let mut chance = Chance::draw(&mut *own).map_err(|_| StoreError::Flash)?;
        let layout = own.layout();
        let mut store = Store::new(own.flash(), &layout)?;
        let identity = store
            .identity(|secret| -> Result<(), StoreError> {
                *secret = chance.octets();
                Ok(())
            })
            .await?;
        let (mut log, book) = Log::open(own.flash(), &layout.ledger).await?;
        let (run, now) = (book.last_run().saturating_add(1), clock::now());
        let boot = BootId(chance.octets());
        let policy = Policy::every(INTERVAL);
        let (ledger, first) = Ledger::begin(run, book.next(), boot, now, policy);
        log.append(own.flash(), &first.record).await?;
        drop(own);
        Ok(Self {
            board,
            line,
            told,
            identity,
            chance,
            log,
            ledger,
            ladder: Ladder::default(),
            heart: Heart::new(run, INTERVAL, now),
            interval: INTERVAL,
            special,
            sites,
        })
    }

    /// One walk, one beat, and what follows from them.
    async fn once(&mut self) -> Result<(), StoreError> {
        let known = self.told.known.borrow().clone();
        let terms = known.as_ref().and_then(|(_, terms, _)| terms.clone());
        if let Some(terms) = &terms {
            self.agree(terms).await?;
        }
        self.walk(terms.as_ref()).await;
        let known = known.and_then(|(key, terms, at)| Some((key, terms?, at)));
        match known {
            Some((key, terms, at)) => self.exchange(&key, &terms, at).await?,
            None => self.heart.skip(clock::now()),
        }
        let (now, walk) = (clock::now(), self.ladder.finish());
        let entries: Vec<Entry> = self.ledger.note(now, walk).collect();
        for entry in entries {
            self.append(&entry).await?;
        }
        let wall = self.board.lock().await.wall();
        if let Some(entry) = self.ledger.wall(now, wall.time) {
            self.append(&entry).await?;
        }
        self.deliver().await
    }

    /// Takes the collector's terms; begins behind every run that it knows.
    async fn agree(&mut self, terms: &BeatTerms) -> Result<(), StoreError> {
        let interval = terms.interval.clamp(BOUNDS.0, BOUNDS.1);
        self.interval = Duration::from_secs(interval.into());
        self.heart.every(self.interval);
        // Beats that this run did not send: the ledger was lost, or went back with its flash.
        if (terms.run, terms.count) <= self.heart.newest() {
            return Ok(());
        }
        let mut own = self.board.lock().await;
        let book = self.log.book(own.flash()).await?;
        let (run, now) = (terms.run.saturating_add(1), clock::now());
        let policy = Policy::every(self.interval);
        let boot = self.ledger.boot();
        let (ledger, first) = Ledger::begin(run, book.next(), boot, now, policy);
        self.log.append(own.flash(), &first.record).await?;
        self.ledger = ledger;
        self.heart = Heart::new(run, self.interval, now);
        Ok(())
    }

    /// Tries what the ladder asks for.
    async fn walk(&mut self, terms: Option<&BeatTerms>) {
        let link = if self.line.stack.is_link_up() {
            Reach::Good
        } else {
            Reach::Bad
        };
        self.ladder.begin(link, Reach::Untested);
        let mut targets = Vec::new();
        let mut ways = Vec::new();
        for resolver in announced(self.line) {
            targets.push(Target {
                rung: Rung::Resolver,
                network: 0,
                cost: 200,
            });
            ways.push(AnchorItem {
                rung: Rung::Resolver,
                method: AnchorMethod::Dns,
                address: faultline_core::value::Ip(resolver.ip()),
                port: resolver.port(),
                network: faultline_core::id::Asn(0),
                name: None,
            });
        }
        let named = terms.iter().flat_map(|terms| &terms.anchors);
        // A list from elsewhere must not send a board to devices in its owner's home.
        // A ClientHello names a service to whoever watches: it takes consent to sites.
        let allowed = |item: &&AnchorItem| {
            (self.special || !is_bogon(item.address.0))
                && (self.sites || item.method != AnchorMethod::Tls)
        };
        for anchor in named.filter(allowed).take(ANCHORS) {
            targets.push(Target {
                rung: anchor.rung,
                network: anchor.network.0,
                cost: match anchor.method {
                    AnchorMethod::Dns => 200,
                    AnchorMethod::Tcp => TCP as u16,
                    _ => 1000,
                },
            });
            ways.push(anchor.clone());
        }
        while let Some(at) = self.ladder.next(&targets) {
            let (answered, octets) = match ways.get(at) {
                Some(way) => self.attempt(way).await,
                None => (false, 0),
            };
            self.ladder.report(&targets, at, answered, octets);
        }
    }

    /// Whether a host answers, and what asking it cost.
    async fn attempt(&mut self, way: &AnchorItem) -> (bool, u32) {
        let IpAddr::V4(ip) = way.address.0 else {
            return (false, 0);
        };
        let to = SocketAddrV4::new(ip, way.port);
        match way.method {
            AnchorMethod::Dns => self.asks(to, way.name.as_deref()).await,
            AnchorMethod::Tcp => {
                let opened = line::opens(self.line, to, clock::now() + TRY).await;
                (opened, TCP)
            }
            _ => self.greets(to, way.name.as_deref()).await,
        }
    }

    async fn asks(&mut self, to: SocketAddrV4, name: Option<&str>) -> (bool, u32) {
        let Ok(name) = name.unwrap_or("example.com").parse::<NameBuf>() else {
            return (false, 0);
        };
        let [high, low] = self.chance.octets();
        let id = u16::from_be_bytes([high, low]);
        let mut query = [0; Query::MAX_LEN];
        let Ok(length) = Query::new(id, name, RecordType::A).emit(&mut query) else {
            return (false, 0);
        };
        let query = query.get(..length).unwrap_or_default();
        // Any answer to it is one, whatever it says.
        let mut bytes = query.len() as u32 + UDP;
        let mut answers = |reply: &[u8]| {
            bytes += reply.len() as u32 + UDP;
            reply.starts_with(&[high, low]).then_some(())
        };
        let answered = self.datagram(to, query, TRY, &mut answers).await.is_some();
        (answered, bytes)
    }

    async fn greets(&mut self, to: SocketAddrV4, name: Option<&str>) -> (bool, u32) {
        let greeting = Greeting {
            to: to.into(),
            server_name: name.map(ToOwned::to_owned),
            role: HandshakeRole::Target,
            alpn: Vec::new(),
            patience: TRY,
        };
        let entropy = self.chance.octets();
        let (parent, mut traffic) = (self.line, line::Traffic::default());
        let failure = line::with_stream(parent, async |socket| {
            let until = clock::until(clock::now() + TRY);
            match select(socket.connect(to), until).await {
                Either::First(Ok(())) => {}
                _ => return Some(Failure::TcpTimeout),
            }
            let now = clock::now();
            let mut trial = Trial::new(greeting, now, now, &entropy);
            line::greet(parent, &mut traffic, socket, SocketAddr::V4(to), &mut trial).await;
            trial.finish(clock::now()).failure
        })
        .await;
        // An alert is spoken TLS, too.
        let answered = matches!(failure, None | Some(Failure::TlsAlert(_)));
        (answered, TCP + (traffic.sent + traffic.received) as u32)
    }

    /// The heartbeat, and the time that its answer brings.
    async fn exchange(
        &mut self,
        key: &PublicKey,
        terms: &BeatTerms,
        at: Ipv4Addr,
    ) -> Result<(), StoreError> {
        let before = self.heart.collector();
        let state = self.ladder.finish().state;
        let ip = match terms.address {
            Some(faultline_core::value::Ip(IpAddr::V4(ip)))
                if self.special || !is_bogon(IpAddr::V4(ip)) =>
            {
                ip
            }
            _ => at,
        };
        let (wall, waiting) = {
            let mut own = self.board.lock().await;
            let book = self.log.book(own.flash()).await?;
            let open = self.ledger.open().map(|(number, _)| number);
            let mut unsent = book.unsent().filter(|(number, ..)| Some(*number) != open);
            let oldest = unsent.next().map(|(number, ..)| number);
            let count = unsent.count() as u32 + u32::from(oldest.is_some());
            (own.wall(), (count, oldest))
        };
        let now = clock::now();
        let vitals = Vitals {
            boot: self.ledger.boot(),
            state,
            since: self.ledger.since(now, state),
            last_good: self.ledger.last_good(),
            wall: wall.time,
            clock: wall.quality,
            waiting: waiting.0,
            oldest: waiting.1,
        };
        let beat = self.heart.beat(now, &self.identity, &vitals);
        let mut heart = self.heart.clone();
        let to = SocketAddrV4::new(ip, terms.port);
        let mut bytes = beat.len() as u32 + UDP;
        let mut acknowledges = |reply: &[u8]| {
            bytes += reply.len() as u32 + UDP;
            heart.handle(clock::now(), reply, key)
        };
        let fix = self.datagram(to, &beat, PATIENCE, &mut acknowledges).await;
        self.heart = heart;
        self.ladder.spend(bytes);
        self.heart.give_up();
        let (reach, answered) = (self.heart.collector(), self.heart.answered());
        self.ladder.collector(reach, answered);
        if let Some(entry) = fix.and_then(|fix| self.ledger.fix(fix)) {
            self.append(&entry).await?;
        }
        if before != Reach::Good && self.heart.collector() == Reach::Good {
            self.told.news.signal(());
        }
        Ok(())
    }

    /// Puts epochs that have ended into a batch, once the collector answers. In the queue
    /// they are as good as sent: what is there is delivered.
    async fn deliver(&mut self) -> Result<(), StoreError> {
        if self.heart.collector() != Reach::Good {
            return Ok(());
        }
        let mut own = self.board.lock().await;
        let book = self.log.book(own.flash()).await?;
        let open = self.ledger.open().map(|(number, _)| number);
        let Some(page) = Page::next(&book, open, EPOCHS) else {
            return Ok(());
        };
        drop(book);
        let (layout, wall) = (own.layout(), own.wall());
        let mut store = Store::new(own.flash(), &layout)?;
        let sequence = store.number().await?;
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: self.identity.public().probe_id(),
            id: BatchId(self.chance.octets()),
            sequence,
            created: wall.time,
            measurements: Vec::new(),
            ledger: Some(page.part),
        };
        let sealed = self.identity.seal(Purpose::Batch, &batch);
        store.push(sequence, &sealed).await?;
        // A cut here sends these epochs twice, under the same numbers.
        let sent = self.ledger.sent(page.through);
        self.log.append(own.flash(), &sent.record).await?;
        own.note(&Note::Noted { sequence });
        drop(own);
        self.told.news.signal(());
        Ok(())
    }

    async fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let mut own = self.board.lock().await;
        self.log.append(own.flash(), &entry.record).await
    }

    /// Sends one datagram; what `wanted` says of the first reply from there of which it says
    /// something.
    async fn datagram<T>(
        &mut self,
        to: SocketAddrV4,
        octets: &[u8],
        patience: Duration,
        wanted: &mut dyn FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY]);
        let (mut rx, mut tx) = ([0; 1024], [0; 512]);
        let mut socket = UdpSocket::new(
            self.line.stack,
            &mut rx_meta,
            &mut rx,
            &mut tx_meta,
            &mut tx,
        );
        let [high, low] = self.chance.octets();
        socket.bind(0xc000 | u16::from_be_bytes([high, low])).ok()?;
        socket.send_to(octets, to).await.ok()?;
        let mut reply = [0; 512];
        let heard = async {
            loop {
                let Ok((length, meta)) = socket.recv_from(&mut reply).await else {
                    continue;
                };
                let from = SocketAddr::new(meta.endpoint.addr.into(), meta.endpoint.port);
                let said = reply.get(..length).filter(|_| from == SocketAddr::V4(to));
                if let Some(said) = said.and_then(&mut *wanted) {
                    return said;
                }
            }
        };
        match select(heard, clock::until(clock::now() + patience)).await {
            Either::First(said) => Some(said),
            Either::Second(()) => None,
        }
    }
}
