//! How does the probe beat? Once each interval: look at the ground, climb the ladder, send one
//! datagram, hear its answer, write down what was found. Nothing is sent without consent to the
//! group `beat`, which is read anew each time.
//!
//! The heart knows where to send and whom to ask from the last check-in, kept on disk: a probe
//! that starts in the dark notes the dark. Without a collector it climbs as far as its own
//! resolver and tells its owner.

use super::{
    climb::{anchors, climb, datagram},
    desk::Desk,
};
use crate::{
    budget::Budget,
    consent::{Consent, Group},
    experiment::World,
    learned::Beating,
    net::{Clock, Network, Patience},
};
use faultline_core::{
    codec::{Identity, PublicKey},
    engine::{
        heartbeat::{Heart, PATIENCE, Vitals},
        ledger::{BootId, Fix, Ladder, PURSE, Page, Reach, Source},
    },
    id::ProbeId,
    protocol::{AnchorItem, AnchorMethod},
    time::{ClockQuality, Duration, Instant},
};
use sha2::{Digest as _, Sha256};
use std::{
    cell::{RefCell, RefMut},
    io, mem,
    path::{Path, PathBuf},
};
use tokio::sync::Notify;

/// Between two beats, unless the collector says otherwise.
const INTERVAL: Duration = Duration::from_mins(1);
/// The shortest and longest that it may say.
const SHORTEST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_hours(1);
/// Between two beats where the line is paid by the byte, at least.
const METERED: Duration = Duration::from_mins(5);
/// How far a clock that NTP keeps is trusted.
const NTP: Duration = Duration::from_secs(5);
/// What a day of beats costs.
const DAY: u64 = 24 * 60 * PURSE as u64;

/// What the probe's settings say of beats.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ledger's file.
    pub path: PathBuf,
    /// Its largest size, bytes.
    pub cap: u64,
    /// What the owner agreed to.
    pub consent: PathBuf,
    /// Whether the line is paid by the byte.
    pub metered: bool,
    /// Whether anchors may have addresses that no public host has (closed test networks).
    pub special: bool,
}

/// Beats, and keeps the ledger.
pub struct Beats {
    settings: Settings,
    budget: Budget,
    inner: RefCell<Inner>,
    back: Notify,
}

struct Inner {
    desk: Desk,
    heart: Heart,
    ladder: Ladder,
    beating: Option<Beating>,
    collector: Option<PublicKey>,
}

impl Beats {
    /// Begins a run. `boot` names this boot of the machine, see [`boot_id`].
    pub fn open(
        settings: Settings,
        budget: Budget,
        boot: BootId,
        now: Instant,
    ) -> io::Result<Self> {
        budget.keep_back(if agreed(&settings.consent) { DAY } else { 0 });
        let interval = interval(settings.metered, None);
        let desk = Desk::open(&settings.path, settings.cap, boot, now, interval)?;
        let heart = Heart::new(desk.run(), interval, now);
        let inner = Inner {
            desk,
            heart,
            ladder: Ladder::default(),
            beating: None,
            collector: None,
        };
        Ok(Self {
            settings,
            budget,
            inner: RefCell::new(inner),
            back: Notify::new(),
        })
    }

    /// What the collector said at the last check-in, and its key.
    pub fn learn(&self, now: Instant, beating: Option<&Beating>, collector: Option<PublicKey>) {
        let mut inner = self.inner();
        let terms = beating.map(|beating| &beating.terms);
        let interval = interval(self.settings.metered, terms.map(|t| t.interval));
        inner.heart.every(interval);
        inner.desk.every(interval);
        // Beats that this run did not send: the ledger was lost, or went back with its disk.
        if let Some(terms) = terms
            && (terms.run, terms.count) > inner.heart.newest()
        {
            inner.desk.begin_behind(terms.run, now, interval);
            inner.heart = Heart::new(inner.desk.run(), interval, now);
        }
        inner.beating = beating.cloned();
        inner.collector = collector;
    }

    /// What time it is, by the collector.
    pub fn fix(&self, fix: Fix) {
        self.inner().desk.fix(fix);
    }

    /// The next part of the ledger for the collector.
    pub fn page(&self, most: usize) -> Option<Page> {
        self.inner().desk.page(most)
    }

    /// The collector has it.
    pub fn sent(&self, page: &Page) {
        self.inner().desk.sent(page);
    }

    /// Returns when the collector is back and has not heard yet what happened meanwhile.
    pub async fn back(&self) {
        self.back.notified().await;
    }

    /// When the next beat is due, on the clock of uptime.
    pub fn due(&self) -> Instant {
        self.inner().heart.poll_at()
    }

    /// Beats until the program ends; says what its owner must know.
    pub async fn run<N: Network, C: Clock>(
        &self,
        world: &World<'_, N, C>,
        key: &Identity,
        say: &dyn Fn(&dyn std::fmt::Display),
    ) {
        let mut told = String::new();
        loop {
            let wait = self.due().since(world.clock.uptime());
            world.clock.sleep(wait).await;
            self.beat(world, key).await;
            // Each trouble once, not each minute.
            let trouble = self.inner().desk.trouble();
            let trouble = trouble.map(|error| error.to_string()).unwrap_or_default();
            if !trouble.is_empty() && trouble != told {
                let path = self.settings.path.display();
                say(&format_args!(
                    "cannot write the ledger {path}: {trouble}; it goes on in memory, make room \
                     on the disk"
                ));
            }
            told = trouble;
        }
    }

    /// One beat.
    pub async fn beat<N: Network, C: Clock>(&self, world: &World<'_, N, C>, key: &Identity) {
        let (net, clock) = (world.net, world.clock);
        let began = clock.uptime();
        if !agreed(&self.settings.consent) || !self.budget.can_beat(clock.unix(), PURSE as u64)
        {
            self.inner().heart.skip(began);
            return;
        }
        self.wall(began, clock);
        let ground = net.ground();
        let (mut ladder, named) = {
            let mut inner = self.inner();
            let named = inner.beating.as_ref().map(|b| b.terms.anchors.clone());
            (mem::take(&mut inner.ladder), named.unwrap_or_default())
        };
        let named = permitted(named, &self.settings.consent);
        let announced = net.announced_resolvers();
        let special = self.settings.special;
        let (targets, whom) = anchors(&ground.gateways, &announced, &named, special);
        ladder.begin(reach(ground.link), reach(ground.mains));
        let mut chance = |octets: &mut [u8]| world.entropy.borrow_mut().fill(octets);
        climb(net, clock, &mut ladder, &targets, &whom, &mut chance).await;
        // What is on its way while somebody pulls the cable is lost, and said so next time.
        self.send(world, key, &mut ladder).await;
        let walk = ladder.finish();
        let now = clock.uptime();
        // An account that cannot be kept stops measuring, where it is said, too.
        let _ = self.budget.beat(clock.unix(), walk.bytes.into());
        let mut inner = self.inner();
        inner.ladder = ladder;
        inner.desk.note(now, walk);
    }

    /// The datagram and its answer.
    async fn send<N: Network, C: Clock>(
        &self,
        world: &World<'_, N, C>,
        key: &Identity,
        ladder: &mut Ladder,
    ) {
        let (net, clock) = (world.net, world.clock);
        let state = ladder.finish().state;
        let sent = clock.uptime();
        let (to, octets) = {
            let mut inner = self.inner();
            let Some(to) = inner.beating.as_ref().map(|beating| beating.to) else {
                inner.heart.skip(sent);
                return;
            };
            let (waiting, oldest) = inner.desk.waiting();
            let vitals = Vitals {
                boot: inner.desk.boot(),
                state,
                since: inner.desk.since(sent, state),
                last_good: inner.desk.last_good(),
                wall: clock.unix(),
                clock: clock.quality(),
                waiting,
                oldest,
            };
            (to, inner.heart.beat(sent, key, &vitals))
        };
        let patience = Patience {
            first: PATIENCE,
            further: Duration::from_millis(200),
        };
        let seen = net.exchange(to, &octets, patience).await;
        let mut inner = self.inner();
        let before = inner.heart.collector();
        let header = datagram(to.ip());
        let mut bytes = header + octets.len() as u32;
        for datagram in &seen.datagrams {
            bytes += header + datagram.payload.len() as u32;
            let Some(collector) = inner.collector else {
                continue;
            };
            let came = sent + datagram.after;
            if let Some(fix) = inner.heart.handle(came, &datagram.payload, &collector) {
                inner.desk.fix(fix);
            }
        }
        inner.heart.give_up();
        if before == Reach::Bad && inner.heart.collector() == Reach::Good {
            self.back.notify_one();
        }
        ladder.spend(bytes);
        ladder.collector(inner.heart.collector(), inner.heart.answered());
    }

    /// What the wall clock says, and whether that is worth something.
    fn wall<C: Clock>(&self, now: Instant, clock: &C) {
        let (wall, quality) = (clock.unix(), clock.quality());
        let mut inner = self.inner();
        inner.desk.wall(now, wall);
        if quality >= ClockQuality::Ntp {
            inner.desk.fix(Fix {
                at: now,
                utc: wall,
                error: NTP,
                source: Source::Ntp,
            });
        }
    }

    /// Never held while something is waited for.
    fn inner(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }
}

/// The name of this boot: the system's own, hashed with the probe's identity, so that nobody
/// can tell by it what else runs here; or `drawn`, where the system has none.
pub fn boot_id<C: Clock>(clock: &C, probe: ProbeId, drawn: [u8; 16]) -> BootId {
    let Some(boot) = clock.boot() else {
        return BootId(drawn);
    };
    let digest = Sha256::new()
        .chain_update(b"faultline boot")
        .chain_update(probe.0)
        .chain_update(boot)
        .finalize();
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    BootId(id)
}

fn agreed(consent: &Path) -> bool {
    Consent::read(consent).is_ok_and(|given| given.allows(Group::Beat).is_ok())
}

/// Those of the named hosts that may be asked. A ClientHello names a service to whoever watches
/// the line, as the opening of its page does: it takes consent to that.
fn permitted(mut named: Vec<AnchorItem>, consent: &Path) -> Vec<AnchorItem> {
    let pages = Consent::read(consent).is_ok_and(|given| given.allows(Group::Web).is_ok());
    named.retain(|item| pages || item.method != AnchorMethod::Tls);
    named
}

fn interval(metered: bool, asked: Option<u16>) -> Duration {
    let asked = asked.map_or(INTERVAL, |secs| Duration::from_secs(secs.into()));
    let least = if metered { METERED } else { SHORTEST };
    asked.clamp(least, LONGEST)
}

const fn reach(known: Option<bool>) -> Reach {
    match known {
        None => Reach::Untested,
        Some(true) => Reach::Good,
        Some(false) => Reach::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{engine::ledger::Rung, id::Asn, protocol::Risk, value::Ip};

    #[test]
    fn a_service_is_named_only_to_those_who_agreed_to_pages() {
        let item = |method| AnchorItem {
            rung: Rung::Canary,
            method,
            address: Ip([192, 0, 2, 1].into()),
            port: 443,
            network: Asn(64500),
            name: Some("messenger.example".into()),
        };
        let named = || vec![item(AnchorMethod::Tls), item(AnchorMethod::Tcp)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consent");
        let methods = || {
            let left = permitted(named(), &path);
            left.iter().map(|item| item.method).collect::<Vec<_>>()
        };
        let mut given = Consent {
            version: crate::consent::VERSION,
            given: String::new(),
            groups: vec![Group::Beat],
            risk: Risk::Low,
        };
        given.write(&path).unwrap();
        assert_eq!(methods(), [AnchorMethod::Tcp]);
        given.groups.push(Group::Web);
        given.write(&path).unwrap();
        assert_eq!(methods(), [AnchorMethod::Tls, AnchorMethod::Tcp]);
    }
}
