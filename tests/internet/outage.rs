//! What does a probe's ledger say of an outage of which everything is known?
//!
//! The probe's own code beats over virtual time, with its log on a real disk, in front of a
//! world that goes silent as the scenario says: rungs, cables, power, wall clocks. A collector
//! answers beats and takes pages of the ledger while it can be reached. In the end the ledger
//! as the collector has it is held against the truth.
//!
//! A power cut takes the memory of the program, leaves half an entry at the end of its file, and
//! stops the clock of uptime; crystals run wrong by what the scenario says.

use crate::{clock::EPOCH, entropy::Seeded};
use faultline_core::{
    codec::{Envelope, Identity, Purpose, from_cbor, to_cbor},
    engine::{
        heartbeat::acknowledge,
        ledger::{Book, BootId, Chapter, Extent, Rung, State},
    },
    failure::Failure,
    id::Asn,
    measurement::LedgerPart,
    protocol::{AnchorItem, AnchorMethod, Beat, BeatTerms, Risk},
    time::{ClockQuality, Duration, Instant, UnixTime},
    value::Ip,
};
use faultline_probe::{
    budget::Budget,
    consent::{Consent, Group, VERSION},
    experiment::World,
    learned::Beating,
    ledger::{Beats, Settings},
    net::{Clock, Datagram, Exchange, Ground, Network, Patience},
};
use serde::Deserialize;
use std::{
    cell::{Cell, RefCell},
    fs, io, mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};
use tokio::io::DuplexStream;

/// Octets of an entry that a power cut leaves of the one under way.
const TORN: [u8; 20] = [0xaa; 20];
/// Beats whose answer is missed before the collector counts as away, and one to notice.
const NOTICE: u32 = 3;

/// A world that goes silent, and probes in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// One sentence.
    pub name: String,
    /// What was seen in the real world.
    pub cites: Vec<String>,
    /// Everything random comes from it.
    pub seed: u64,
    /// How long the story lasts.
    pub hours: u32,
    /// Datagrams lost, of a hundred.
    #[serde(default)]
    pub loss_percent: u8,
    /// Seconds between two beats, as the collector asks.
    #[serde(default = "minute")]
    pub interval: u16,
    /// Whether probes pay by the byte.
    #[serde(default)]
    pub metered: bool,
    /// What changes, in order.
    #[serde(default)]
    pub phase: Vec<Phase>,
    /// Who looks.
    pub probe: Vec<Probe>,
}

/// A change that lasts until the next.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Minutes from the start.
    pub minute: u32,
    /// For which kind of access; for all where it is not said.
    pub only: Option<String>,
    /// Rungs that do not answer from now on.
    #[serde(default)]
    pub silent: Vec<Rung>,
    /// Whether there is a carrier.
    #[serde(default = "yes")]
    pub link: bool,
    /// Whether there is power.
    #[serde(default = "yes")]
    pub power: bool,
}

const fn yes() -> bool {
    true
}

const fn minute() -> u16 {
    60
}

impl Outage {
    /// Between two beats.
    fn step(&self) -> Duration {
        let least = if self.metered { 300 } else { 0 };
        Duration::from_secs(u64::from(self.interval).max(least))
    }
}

/// A probe and what its ledger ought to say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// `fixed` or `mobile`.
    pub access: String,
    /// By how much its crystal is off, parts in a million.
    #[serde(default)]
    pub drift_ppm: i64,
    /// By how many days its wall clock is off after each boot.
    #[serde(default)]
    pub clock_days: Vec<i64>,
    /// What it ought to tell.
    pub expect: Vec<Expect>,
}

/// One thing told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// How much of the Internet was there.
    pub extent: Extent,
    /// From which minute, truly.
    pub from: u32,
    /// To which.
    pub until: u32,
    /// The largest error that may be stated, seconds; where nothing is said, only order places
    /// it.
    pub error: Option<u32>,
}

/// What became of a probe.
#[derive(Clone, Debug)]
pub struct Told {
    /// The ledger as the collector has it, epochs that read the same as one.
    pub chapters: Vec<Chapter>,
    /// The newest beat that the collector heard.
    pub last: Option<Beat>,
    /// Bytes of IP packets a beat, on average.
    pub bytes: u64,
    /// Beats sent.
    pub beats: u64,
}

impl Outage {
    /// From a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        toml::from_str(&text)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
    }
}

/// Runs one probe through the story.
pub fn run(outage: &Outage, probe: &Probe, folder: &Path) -> io::Result<Told> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(live(outage, probe, folder))
}

/// What of the ledger is not as it ought to be.
pub fn differences(outage: &Outage, probe: &Probe, told: &Told) -> Vec<String> {
    let mut wrong = Vec::new();
    let extents = |chapters: &[Chapter]| -> Vec<Extent> {
        chapters.iter().map(|c| c.epoch.state.extent()).collect()
    };
    let expected: Vec<_> = probe.expect.iter().map(|expect| expect.extent).collect();
    if extents(&told.chapters) != expected {
        return vec![format!(
            "told {:?}, not {expected:?}",
            extents(&told.chapters)
        )];
    }
    for (expect, chapter) in probe.expect.iter().zip(&told.chapters) {
        // What a power cut takes with it was not written yet.
        let cut = |phase: &Phase| phase.minute == expect.until && !phase.power;
        let unwritten = if outage.phase.iter().any(cut) { 300 } else { 0 };
        let slack = outage.step() * NOTICE + Duration::from_secs(60 + unwritten);
        let what = format!("{:?} from minute {}", expect.extent, expect.from);
        let minute = |minute: u32| EPOCH + Duration::from_mins(minute.into());
        let lasted = Duration::from_mins(u64::from(expect.until - expect.from));
        let off = lasted.abs_diff(chapter.epoch.lasted());
        let drift = lasted / 10_000;
        if off > slack + drift {
            wrong.push(format!("{what}: lasted {:?}", chapter.epoch.lasted()));
        }
        let (Some(from), Some(until)) = (chapter.from, chapter.until) else {
            wrong.push(format!("{what}: has no place"));
            continue;
        };
        for (placed, truly) in [(from, minute(expect.from)), (until, minute(expect.until))] {
            let away = Duration::from_micros(placed.at.0.abs_diff(truly.0));
            if away > placed.error + slack {
                wrong.push(format!("{what}: {truly} is placed at {placed:?}"));
            }
        }
        let stated = from.error.max(until.error);
        match expect.error {
            Some(most) if !chapter.by_clock || stated > Duration::from_secs(most.into()) => {
                wrong.push(format!("{what}: error {stated:?}, more than {most} s"));
            }
            None if chapter.by_clock => wrong.push(format!("{what}: placed by a clock")),
            _ => {}
        }
    }
    wrong
}

async fn live(outage: &Outage, probe: &Probe, folder: &Path) -> io::Result<Told> {
    let consent = Consent {
        version: VERSION,
        given: String::new(),
        groups: vec![Group::Beat],
        risk: Risk::Low,
    };
    let file = folder.join("consent.json");
    consent.write(&file).map_err(io::Error::other)?;
    let settings = Settings {
        path: folder.join("ledger"),
        cap: 2_000_000,
        consent: file,
        metered: outage.metered,
        special: true,
    };
    let stage = Stage::new(outage, probe);
    let entropy = RefCell::new(Seeded::new(outage.seed, 0x77));
    let key = identity(1);
    let mut boots = 0;
    let mut book = Book::default();
    let end = Duration::from_hours(outage.hours.into());
    while stage.since() < end {
        if !stage.now().power {
            tokio::time::sleep(Duration::from_secs(10)).await;
            continue;
        }
        let days = probe.clock_days.get(boots).copied().unwrap_or(0);
        boots += 1;
        let clock = OutageClock::boot(days, probe.drift_ppm);
        // It takes a while to start.
        clock.sleep(Duration::from_secs(25)).await;
        let budget = Budget::open(folder.join("budget.json"), 50_000_000);
        let boot = BootId([boots as u8; 16]);
        let beats = Beats::open(settings.clone(), budget, boot, clock.uptime())?;
        beats.learn(
            clock.uptime(),
            Some(&beating(outage.interval)),
            Some(identity(2).public()),
        );
        let world = World {
            net: &stage,
            clock: &clock,
            entropy: &entropy,
        };
        while stage.since() < end && stage.now().power {
            let wait = beats.due().since(clock.uptime());
            clock.sleep(wait.min(Duration::from_secs(10))).await;
            if clock.uptime() >= beats.due() && stage.now().power {
                beats.beat(&world, &key).await;
                if stage.answers(Rung::Collector) {
                    hand_in(&beats, &mut book);
                }
            }
        }
        if stage.since() < end {
            mem::forget(beats); // no program ends in an orderly way when the power does
            let mut log = fs::read(&settings.path)?;
            log.extend(TORN);
            fs::write(&settings.path, log)?;
        } else {
            // What goes on at the end is told, too.
            drop(beats);
            let read = faultline_probe::ledger::look(&settings.path)?;
            for record in read.book.compact(usize::MAX) {
                book.add(record);
            }
        }
    }
    let (last, spent) = (stage.last.into_inner(), stage.bytes.get());
    let beats = stage.beats.get();
    let few = outage.step() * 7 / 3;
    Ok(Told {
        chapters: alike(book.chapters(), few),
        last,
        bytes: spent / beats.max(1),
        beats,
    })
}

/// In the form in which batches carry it.
fn hand_in(beats: &Beats, book: &mut Book) {
    while let Some(page) = beats.page(50) {
        let part: LedgerPart = from_cbor(&to_cbor(&page.part)).expect("what is sent is read");
        part.records().for_each(|record| book.add(record));
        beats.sent(&page);
    }
}

/// Epochs of one boot with one extent as one; single beats whose answer was lost are passed
/// over.
fn alike(chapters: Vec<Chapter>, few: Duration) -> Vec<Chapter> {
    let mut told: Vec<Chapter> = Vec::new();
    for chapter in chapters {
        let extent = |state: State| state.extent();
        match told.last_mut() {
            Some(last)
                if last.boot == chapter.boot
                    && (extent(last.epoch.state) == extent(chapter.epoch.state)
                        || chapter.epoch.lasted() < few) =>
            {
                last.epoch.until = chapter.epoch.until;
                last.until = chapter.until;
            }
            _ => told.push(chapter),
        }
    }
    told
}

fn identity(number: u8) -> Identity {
    Identity::from_bytes(&[number; 32]).expect("small numbers are keys")
}

const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1));
const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(20, 1, 0, 53));
const COLLECTOR: IpAddr = IpAddr::V4(Ipv4Addr::new(30, 1, 0, 1));

fn beating(interval: u16) -> Beating {
    let item = |rung: Rung, network: u8, method| AnchorItem {
        rung,
        method,
        address: Ip(IpAddr::from([20 + network, rung.index() as u8, 0, 9])),
        port: 53,
        network: Asn(64_500 + u32::from(network)),
        name: None,
    };
    let mut anchors = vec![
        item(Rung::Domestic, 0, AnchorMethod::Dns),
        item(Rung::Domestic, 1, AnchorMethod::Dns),
        item(Rung::Regional, 2, AnchorMethod::Dns),
    ];
    anchors.extend((3..7).map(|network| item(Rung::Foreign, network, AnchorMethod::Dns)));
    anchors.extend((7..9).map(|network| item(Rung::Canary, network, AnchorMethod::Tcp)));
    Beating {
        to: SocketAddr::new(COLLECTOR, 8056),
        terms: BeatTerms {
            port: 8056,
            address: None,
            interval,
            run: 0,
            anchors,
            count: 0,
        },
    }
}

/// Whom an address is.
fn rung(to: IpAddr) -> Rung {
    match to {
        GATEWAY => Rung::Gateway,
        RESOLVER => Rung::Resolver,
        COLLECTOR => Rung::Collector,
        IpAddr::V4(ip) => {
            let [_, rung, ..] = ip.octets();
            let index = usize::from(rung);
            Rung::ALL.get(index).copied().unwrap_or(Rung::Foreign)
        }
        IpAddr::V6(_) => Rung::Foreign,
    }
}

/// The world around one probe.
struct Stage<'a> {
    phases: Vec<&'a Phase>,
    start: tokio::time::Instant,
    loss: u8,
    chance: RefCell<Seeded>,
    last: RefCell<Option<Beat>>,
    bytes: Cell<u64>,
    beats: Cell<u64>,
}

impl<'a> Stage<'a> {
    fn new(outage: &'a Outage, probe: &Probe) -> Self {
        let ours = |phase: &&Phase| phase.only.as_ref().is_none_or(|a| *a == probe.access);
        Self {
            phases: outage.phase.iter().filter(ours).collect(),
            start: tokio::time::Instant::now(),
            loss: outage.loss_percent,
            chance: RefCell::new(Seeded::new(outage.seed, 0x66)),
            last: RefCell::new(None),
            bytes: Cell::new(0),
            beats: Cell::new(0),
        }
    }

    fn since(&self) -> Duration {
        self.start.elapsed()
    }

    fn now(&self) -> Phase {
        let minute = self.since().as_secs() / 60;
        let begun = |phase: &&&Phase| u64::from(phase.minute) <= minute;
        self.phases.iter().rev().find(begun).map_or(
            Phase {
                minute: 0,
                only: None,
                silent: Vec::new(),
                link: true,
                power: true,
            },
            |phase| (**phase).clone(),
        )
    }

    fn answers(&self, rung: Rung) -> bool {
        let now = self.now();
        now.link && !now.silent.contains(&rung)
    }

    fn loses(&self) -> bool {
        self.chance.borrow_mut().chance(self.loss)
    }

    fn count(&self, octets: usize) {
        self.bytes.set(self.bytes.get() + 28 + octets as u64);
    }

    /// The collector's side of a beat.
    fn hear(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let beat: Beat = Envelope::parse(sealed)
            .ok()?
            .open(Purpose::Beat, &identity(1).public())
            .ok()?;
        *self.last.borrow_mut() = Some(beat);
        Some(acknowledge(sealed, &identity(2), EPOCH + self.since()))
    }
}

impl Network for Stage<'_> {
    type Stream = DuplexStream;

    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        let rung = rung(to.ip());
        self.count(payload.len());
        if rung == Rung::Collector {
            self.beats.set(self.beats.get() + 1);
        }
        if !self.answers(rung) || self.loses() {
            tokio::time::sleep(patience.first).await;
            return Exchange::default();
        }
        let delay = Duration::from_millis(20);
        tokio::time::sleep(delay).await;
        let reply = match rung {
            Rung::Gateway => {
                self.count(28);
                return Exchange {
                    failure: Some(Failure::DnsUnreachable),
                    ..Exchange::default()
                };
            }
            Rung::Collector => self.hear(payload),
            _ => {
                // A query becomes a reply by one bit (RFC 1035 section 4.1.1).
                let mut reply = payload.to_vec();
                if let Some(flags) = reply.get_mut(2) {
                    *flags |= 0x80;
                }
                // As long as what the root says of itself.
                reply.resize(reply.len() + 75, 0);
                Some(reply)
            }
        };
        tokio::time::sleep(delay).await;
        if self.loses() {
            tokio::time::sleep(patience.first.saturating_sub(2 * delay)).await;
            return Exchange::default();
        }
        let datagrams = reply.into_iter().map(|payload| {
            self.count(payload.len());
            Datagram {
                after: 2 * delay,
                from: to,
                payload,
                hop_limit: None,
            }
        });
        Exchange {
            datagrams: datagrams.collect(),
            ..Exchange::default()
        }
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<DuplexStream> {
        if !self.answers(rung(to.ip())) {
            self.count(32);
            std::future::pending::<()>().await;
        }
        self.count(330 - 28);
        Ok(tokio::io::duplex(64).0)
    }

    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Failure> {
        Err(Failure::DnsTimeout)
    }

    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        vec![SocketAddr::new(RESOLVER, 53)]
    }

    fn ground(&self) -> Ground {
        Ground {
            link: Some(self.now().link),
            mains: None,
            gateways: vec![SocketAddr::new(GATEWAY, 0)],
        }
    }
}

/// The clocks of one boot.
struct OutageClock {
    booted: tokio::time::Instant,
    wall: UnixTime,
    ppm: i64,
}

impl OutageClock {
    fn boot(days: i64, ppm: i64) -> Self {
        let day = Duration::from_hours(24).as_micros() as i64;
        Self {
            booted: tokio::time::Instant::now(),
            wall: UnixTime(EPOCH.0 + days * day),
            ppm,
        }
    }
}

impl Clock for OutageClock {
    fn now(&self) -> Instant {
        let true_micros = self.booted.elapsed().as_micros() as i64;
        let off = i128::from(true_micros) * i128::from(self.ppm) / 1_000_000;
        Instant((true_micros + off as i64).unsigned_abs())
    }
    fn unix(&self) -> UnixTime {
        self.wall + Duration::from_micros(self.now().0)
    }
    fn quality(&self) -> ClockQuality {
        ClockQuality::Rtc
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
