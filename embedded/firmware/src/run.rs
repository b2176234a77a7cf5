//! One life of a board: from the first address to the last upload.
//!
//! ```text
//!   address (DHCP) -> check in -> measure each target -> seal, keep in flash -> upload -> wait
//! ```
//!
//! A token of the network is used only until the link or its address changes, and never after
//! a restart: a measurement is rather attributed to no network than to a wrong one.

use crate::{
    Board, Chance, NoEntropy, Secure, Settings, Witness,
    beats::{self, Told},
    clock,
    measure::{self, Seen, Target},
    store::{Store, StoreError},
    uplink::{Known, Uplink, UplinkError},
};
use alloc::{format, string::String, vec::Vec};
use embassy_futures::select::{Either3, select3};
use embassy_net::{ConfigV4, DhcpConfig, Stack, StaticConfigV4, udp::UdpSocket};
use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex};
use faultline_core::{
    codec::{Identity, Purpose},
    dns::is_bogon,
    id::{BatchId, MeasurementId},
    measurement::{Batch, Driver, Limit, Measurement, SCHEMA_VERSION},
    observation::Step,
    protocol::Risk,
    time::{ClockQuality, Duration, Instant, UnixTime},
    value::{Blob, Ip},
};

/// Sockets that the application and DHCP use at the same time: for
/// [`StackResources`](embassy_net::StackResources).
pub const SOCKETS: usize = 4;
/// Waiting after a failed upload or check-in: at first, and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));
/// Octets that a sealed batch may need in flash; asked for before it is measured.
const ROOM: usize = 20 * 1024;
/// Octets of a control report that are carried in a measurement.
const REPORT: usize = 6 * 1024;
/// Targets of the collector's list that are measured in one cycle.
const TARGETS: usize = 64;

/// The way to the network: the stack, whose runner the board runs as a task of its own, and
/// the witness between stack and device.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The stack, not yet set up: the board sends nothing before its owner's consent.
    pub stack: Stack<'a>,
    /// Sees what the stack does not tell.
    pub witness: &'a Witness,
}

impl Line<'_> {
    /// Asks the network for an address, where that was not done yet, and waits for one.
    pub async fn attach(&self) {
        if !self.stack.is_config_up() {
            let dhcp = ConfigV4::Dhcp(DhcpConfig::default());
            self.stack.set_config_v4(dhcp);
            // That alone does not wake the stack's runner, which sleeps until something comes;
            // any change to a socket does.
            let mut none = ([], [], [], []);
            UdpSocket::new(
                self.stack,
                &mut none.0,
                &mut none.1,
                &mut none.2,
                &mut none.3,
            )
            .close();
            self.stack.wait_config_up().await;
        }
    }
}

/// What a board tells whoever listens: a light, a serial line, a test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Without the owner's consent nothing is sent.
    NoConsent,
    /// The network gave an address.
    Attached,
    /// It took it away, or gave another.
    Detached,
    /// The collector knows this board.
    CheckedIn,
    /// Something was measured, sealed and kept.
    Kept {
        /// Number of the batch.
        sequence: u64,
    },
    /// Part of the link ledger was sealed and kept.
    Noted {
        /// Number of the batch.
        sequence: u64,
    },
    /// The collector has a batch.
    Acknowledged {
        /// Number of the batch.
        sequence: u64,
    },
    /// The collector will never take a batch, which is gone.
    GivenUp {
        /// Number of the batch.
        sequence: u64,
    },
    /// The collector does not take anything now.
    NotNow(UplinkError),
    /// The flash fails or is full.
    Store(StoreError),
    /// The source of chance fails.
    Entropy(NoEntropy),
    /// A cycle is done.
    Cycle,
}

/// Why a step of life ended before its time.
enum Trouble {
    Store(StoreError),
    Entropy(NoEntropy),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
impl From<NoEntropy> for Trouble {
    fn from(error: NoEntropy) -> Self {
        Self::Entropy(error)
    }
}

/// Lives, until power goes.
pub async fn run<B: Board, S: Secure>(
    board: B,
    line: Line<'_>,
    secure: S,
    settings: Settings,
) -> ! {
    let software = software(&board);
    let board = Shared::new(board);
    let told = Told::default();
    let life = async {
        let mut life = Life {
            board: &board,
            line,
            secure,
            settings: &settings,
            known: None,
            here: None,
            backoff: BACKOFF.0,
            due: clock::now(),
            software,
            told: &told,
        };
        loop {
            if let Err(trouble) = life.cycle().await {
                let note = match trouble {
                    Trouble::Store(error) => Note::Store(error),
                    Trouble::Entropy(error) => Note::Entropy(error),
                };
                life.tell(&note).await;
            }
            life.rest().await;
        }
    };
    // Every wait above has an end of its own: the watchdog is for what nobody foresaw.
    let feeder = async {
        loop {
            if let Ok(mut board) = board.try_lock() {
                board.feed();
            }
            clock::until(clock::now() + Duration::from_secs(B::FED / 3)).await;
        }
    };
    let beats = beats::beat(&board, line, &settings, &told);
    match select3(life, feeder, beats).await {
        Either3::First(never) | Either3::Second(never) | Either3::Third(never) => never,
    }
}

/// The board, which several tasks use in turn.
pub(crate) type Shared<B> = Mutex<NoopRawMutex, B>;

struct Life<'a, B, S> {
    board: &'a Shared<B>,
    line: Line<'a>,
    secure: S,
    settings: &'a Settings,
    /// What the collector said in the network at hand.
    known: Option<Known>,
    here: Option<StaticConfigV4>,
    backoff: Duration,
    /// When measuring is due again.
    due: Instant,
    software: String,
    told: &'a Told,
}

impl<B: Board, S: Secure> Life<'_, B, S> {
    /// Checks in, measures every target once where that is due, and uploads.
    async fn cycle(&mut self) -> Result<(), Trouble> {
        let Some(consent) = self.settings.consent else {
            self.tell(&Note::NoConsent).await;
            return Ok(());
        };
        self.attach().await;
        let identity = self.identity().await?;
        self.check_in(&identity, (consent.version, consent.risk))
            .await?;
        self.upload(&identity).await?;
        if clock::now() < self.due {
            return Ok(());
        }
        self.due = clock::now() + self.settings.every;
        let mut offered: Vec<(String, Risk)> = Vec::new();
        if let Some(known) = &self.known {
            let list = known.reply.targets.iter().take(TARGETS);
            offered.extend(list.map(|item| (item.url.clone(), item.risk)));
        }
        // The owner's own are the owner's own risk.
        let own = self.settings.targets.iter().cloned();
        offered.extend(own.map(|target| (target, Risk::Low)));
        for (url, risk) in offered {
            let Some(target) = Target::read(&url) else {
                continue;
            };
            let special = target.is_special() && !self.settings.contact_special;
            if risk > consent.risk || special {
                continue;
            }
            self.measure(&identity, &url, &target).await?;
            self.upload(&identity).await?;
        }
        self.tell(&Note::Cycle).await;
        Ok(())
    }

    /// Waits until something is due, or for another network.
    async fn rest(&mut self) {
        let now = clock::now();
        let until = match self.known {
            _ if self.settings.consent.is_none() => now + self.settings.every,
            Some(_) => self.due,
            None => self.due.min(now + self.backoff),
        };
        // Full or broken flash must not make a busy board.
        let until = until.max(now + BACKOFF.0);
        let consented = self.settings.consent.is_some();
        let changed = async {
            if !consented {
                core::future::pending::<()>().await;
            }
            self.line.stack.wait_config_down().await;
        };
        select3(clock::until(until), changed, self.told.news()).await;
    }

    /// Waits for an address. Where it is another than before, nothing that was known of the
    /// network holds.
    async fn attach(&mut self) {
        if !self.line.stack.is_config_up() {
            self.known = None;
            self.line.attach().await;
        }
        let here = self.line.stack.config_v4();
        if here != self.here {
            if self.here.is_some() {
                self.tell(&Note::Detached).await;
            }
            self.here = here;
            self.known = None;
            self.tell(&Note::Attached).await;
        }
    }

    async fn identity(&mut self) -> Result<Identity, Trouble> {
        let mut board = self.board.lock().await;
        // Drawn before the flash is looked at, which holds the board; used only where
        // there is no key yet.
        let mut drawn = Chance::draw(&mut *board)?;
        let layout = board.layout();
        let mut store = Store::new(board.flash(), &layout)?;
        store
            .identity(|secret| {
                *secret = drawn.octets();
                Ok::<_, Trouble>(())
            })
            .await
    }

    async fn check_in(
        &mut self,
        identity: &Identity,
        consent: (u16, Risk),
    ) -> Result<(), Trouble> {
        let software = self.software.clone();
        let clock = self.board.lock().await.wall().time;
        let mut chance = Chance::draw(&mut *self.board.lock().await)?;
        let mut uplink = self.uplink(identity, &mut chance).await;
        match uplink.check_in(consent, &software, clock).await {
            Ok(known) => {
                self.board.lock().await.set_wall(known.reply.time);
                self.told
                    .learn(known.key, known.reply.beat.clone(), known.at);
                self.known = Some(known);
                self.backoff = BACKOFF.0;
                self.tell(&Note::CheckedIn).await;
            }
            Err(error) => self.put_off(error).await,
        }
        Ok(())
    }

    /// Measures a target by the methods that the owner agreed to, and keeps what was seen.
    async fn measure(
        &mut self,
        identity: &Identity,
        url: &str,
        target: &Target,
    ) -> Result<(), Trouble> {
        let Some(consent) = self.settings.consent else {
            return Ok(());
        };
        {
            let mut board = self.board.lock().await;
            let layout = board.layout();
            if !Store::new(board.flash(), &layout)?.has_room(ROOM).await? {
                return Err(StoreError::Full.into());
            }
        }
        let (line, settings) = (self.line, self.settings);
        let mut chance = Chance::draw(&mut *self.board.lock().await)?;
        let mut done = Vec::new();
        if consent.names && target.is_named() {
            done.push(measure::names(line, settings, &mut chance, &target.host).await);
        }
        let greet = consent.sites && target.secure.is_some();
        let told = done.iter().flat_map(told).collect();
        // A page's report serves lookups of its name, too; a name alone has a shorter one.
        let about = if greet { url } else { &target.host };
        let control = self.control(identity, &mut chance, about, told).await;
        if greet {
            let report = control.as_ref().map(|(_, report)| report);
            done.push(measure::hello(line, settings, &mut chance, url, report).await);
        }
        let sealed = control
            .map(|(blob, _)| blob)
            .filter(|blob| blob.0.len() <= REPORT);
        for seen in done {
            self.keep(identity, &mut chance, seen, sealed.clone())
                .await?;
        }
        Ok(())
    }

    async fn control(
        &mut self,
        identity: &Identity,
        chance: &mut Chance,
        about: &str,
        told: Vec<Ip>,
    ) -> Option<(Blob, faultline_core::measurement::ControlReport)> {
        let key = self.known.as_ref()?.key;
        let asked = self
            .uplink(identity, chance)
            .await
            .control(&key, about, told)
            .await;
        asked.ok().flatten()
    }

    /// Seals one measurement and keeps it in flash.
    async fn keep(
        &mut self,
        identity: &Identity,
        chance: &mut Chance,
        seen: Seen,
        control: Option<Blob>,
    ) -> Result<(), Trouble> {
        let same = self.line.stack.config_v4() == self.here;
        let token = self.known.as_ref().filter(|_| same);
        let network = token.and_then(|known| known.reply.network.clone());
        let wall = self.board.lock().await.wall();
        let software = self.software.clone();
        let consent = self.settings.consent.map_or(0, |consent| consent.version);
        let mut limits = seen.limits;
        if control.is_some() {
            limits.retain(|limit| *limit != Limit::Control);
        }
        let measurement = Measurement {
            id: MeasurementId(chance.octets()),
            experiment: seen.experiment,
            target: seen.target,
            started: before(wall.time, seen.runtime),
            clock: wall.quality,
            runtime: seen.runtime.as_micros() as u64,
            software,
            driver: Driver::Firmware,
            limits,
            bytes_sent: seen.bytes_sent,
            bytes_received: seen.bytes_received,
            network,
            control,
            settings: seen.settings,
            consent,
            observations: seen.observations,
            imported: None,
        };
        let mut board = self.board.lock().await;
        let layout = board.layout();
        let mut store = Store::new(board.flash(), &layout)?;
        let sequence = store.number().await?;
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: identity.public().probe_id(),
            id: BatchId(chance.octets()),
            sequence,
            created: wall.time,
            measurements: alloc::vec![measurement],
            ledger: None,
        };
        let sealed = identity.seal(Purpose::Batch, &batch);
        drop(batch);
        store.push(sequence, &sealed).await?;
        drop(board);
        self.tell(&Note::Kept { sequence }).await;
        Ok(())
    }

    /// Uploads what waits, oldest first, until the queue is empty or the line fails.
    async fn upload(&mut self, identity: &Identity) -> Result<(), Trouble> {
        if self.known.is_none() {
            return Ok(());
        }
        let probe = identity.public().probe_id();
        loop {
            let waiting = {
                let mut board = self.board.lock().await;
                let layout = board.layout();
                Store::new(board.flash(), &layout)?.oldest(probe).await?
            };
            let Some(waiting) = waiting else {
                return Ok(());
            };
            let sequence = waiting.sequence;
            let mut chance = Chance::draw(&mut *self.board.lock().await)?;
            let uploaded = self
                .uplink(identity, &mut chance)
                .await
                .upload(&waiting.sealed)
                .await;
            let note = match uploaded {
                Ok(true) => Note::Acknowledged { sequence },
                Ok(false) => Note::GivenUp { sequence },
                Err(error) => {
                    self.known = None;
                    self.put_off(error).await;
                    return Ok(());
                }
            };
            {
                let mut board = self.board.lock().await;
                let layout = board.layout();
                Store::new(board.flash(), &layout)?.remove(sequence).await?;
            }
            self.tell(&note).await;
        }
    }

    async fn uplink<'u>(
        &'u mut self,
        identity: &'u Identity,
        chance: &'u mut Chance,
    ) -> Uplink<'u, S> {
        let wall = self.board.lock().await.wall();
        Uplink {
            line: self.line,
            at: &self.settings.collector,
            settings: self.settings,
            secure: &mut self.secure,
            chance,
            now: (wall.quality != ClockQuality::None).then_some(wall.time),
            identity,
        }
    }

    /// The next try waits twice as long as this one, and a little more or less, so that not
    /// all boards come back at once.
    async fn put_off(&mut self, error: UplinkError) {
        let mut chance = [0];
        // Without chance it is only less polite.
        let _ = self.board.lock().await.entropy(&mut chance);
        let percent = 175 + u32::from(chance[0]) * 50 / 255;
        self.backoff = (self.backoff * percent / 100).min(BACKOFF.1);
        self.tell(&Note::NotNow(error)).await;
    }

    async fn tell(&self, note: &Note) {
        self.board.lock().await.note(note);
    }
}

/// Name and version of this software, and the board's.
fn software(board: &impl Board) -> String {
    format!(
        concat!("faultline-firmware/", env!("CARGO_PKG_VERSION"), " {}"),
        board.model()
    )
}

/// Public addresses that lookups gave, for a control to try too.
fn told(seen: &Seen) -> Vec<Ip> {
    let lookups = seen.observations.iter().filter_map(|o| match &o.step {
        Step::Lookup(lookup) if lookup.name == seen.target => Some(lookup),
        _ => None,
    });
    let mut all: Vec<Ip> = lookups
        .flat_map(|lookup| &lookup.replies)
        .flat_map(|reply| reply.addresses.iter().copied())
        .filter(|ip| !is_bogon(ip.0))
        .collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(16);
    all
}

fn before(now: UnixTime, ago: Duration) -> UnixTime {
    UnixTime(now.0.saturating_sub(ago.as_micros() as i64))
}
