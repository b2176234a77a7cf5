//! One cycle: check in, measure what was agreed to, seal, keep, upload.
//!
//! Generic over the network and the clock, so that the simulated Internet runs it unchanged.

use crate::{
    budget::Budget,
    consent::{Consent, ConsentError, Group},
    experiment::{self, Nobody, Plan, Surroundings, World},
    learned::{Beating, Fingerprint, Learned},
    ledger::Beats,
    net::{Clock, Network},
    scrub::Scrubber,
    spool::{Spool, SpoolError},
    uplink::{self, Collector, Drained, UplinkError},
};
use faultline_core::{
    codec::{Envelope, Identity, Purpose},
    dns::{NameBuf, is_bogon},
    engine::ledger::{Fix, Source},
    id::{BatchId, MeasurementId},
    measurement::{Batch, ControlReport, Driver, Measurement, SCHEMA_VERSION},
    observation::Observation,
    protocol::{
        BeatTerms, CheckIn, CheckInReply, ControlRequest, Enrolled, Enrolment, Risk,
        TargetItem, Traces,
    },
    resolver::{Service, WORD},
    trace::{CANARIES, Check, SPECIAL, bare},
    value::Blob,
};
use std::{net::SocketAddr, path::PathBuf, rc::Rc};

/// What a probe is made of.
pub struct Agent<'a, N, C> {
    /// The world it touches.
    pub world: World<'a, N, C>,
    /// Whom it asks and how long it waits.
    pub plan: Plan,
    /// How it reaches the network.
    pub driver: Driver,
    /// Its key.
    pub identity: Identity,
    /// What its owner agreed to.
    pub consent: Consent,
    /// Where that is noted; it may be withdrawn at any moment.
    pub consent_file: PathBuf,
    /// Where it uploads to.
    pub collector: Option<Collector>,
    /// Where results wait.
    pub spool: Spool,
    /// What it may spend.
    pub budget: Budget,
    /// What must not leave.
    pub scrubber: Scrubber,
    /// Targets of the settings file.
    pub own_targets: Vec<String>,
    /// What the collector told.
    pub learned: Learned,
    /// The network in which the collector was asked last.
    pub asked_in: Option<Fingerprint>,
    /// Beats beside the cycles, and keeps the link ledger.
    pub beats: Option<Rc<Beats>>,
    /// Whether the collector was out of reach when it was asked last. Waiting for it again at
    /// each target would cost a minute each where it is blocked.
    pub away: bool,
}

/// Why a target was not measured.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The owner did not agree to it.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// There is no room for the result.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The day's bytes are spent.
    #[error("the budget of today is spent; measuring goes on tomorrow (or raise budget)")]
    Budget,
    /// A URL with credentials.
    #[error("a target must not carry a user name or password: targets are published")]
    Secret,
    /// The collector could not be asked.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    /// What it told cannot be kept.
    #[error("cannot keep what the collector told: {0}; check the state folder")]
    Learned(std::io::Error),
    /// The account of bytes cannot be kept, so none may be spent.
    #[error("cannot note the bytes spent: {0}; measuring stops")]
    Account(std::io::Error),
    /// Not a URL and not a name.
    #[error(
        "{0} is neither an http(s) URL nor a domain name, nor tld:, special: or path: with a name (path:tcp.ZONE), nor resolver: with a name and an address (resolver:dns.quad9.net@9.9.9.9)"
    )]
    Target(String),
}

/// Room that a measurement may need in the spool; asked for before it starts.
const ROOM: u64 = 1 << 20;
/// Bytes that must be left of the day's budget for a measurement to start.
const LEAST: u64 = 64 << 10;
/// Bytes charged before names are looked up, until it is known how many were spent.
const NAMES: u64 = 64 << 10;
/// The same for a page.
const PAGE: u64 = 1 << 20;
/// The same for QUIC, where every handshake fails.
const QUIC: u64 = 128 << 10;
/// The same for a resolver over encrypted transports, where all of them fail.
const ENCRYPTED: u64 = 128 << 10;
/// Addresses without a resolver that are taken from a collector.
const MOST_NOBODIES: usize = 4;
/// The same for ClientHellos with rising hop limits.
const HOPS: u64 = 64 << 10;
/// The same for ECH, where every handshake is answered by a chain of certificates.
const ECH: u64 = 128 << 10;
/// Epochs in one batch, and batches of the ledger in one cycle: a year in the dark comes in
/// portions, as those of a thousand other probes do.
const EPOCHS: usize = 2000;
const PAGES: u32 = 20;

impl<N: Network, C: Clock> Agent<'_, N, C> {
    /// Makes the probe known and asks what to measure and which network this is.
    pub async fn check_in(&mut self) -> Result<Option<CheckInReply>, AgentError> {
        let asked = self.ask_collector().await;
        self.away = matches!(asked, Err(AgentError::Uplink(_)));
        asked
    }

    async fn ask_collector(&mut self) -> Result<Option<CheckInReply>, AgentError> {
        let Some(collector) = &self.collector else {
            return Ok(None);
        };
        let (net, clock) = (self.world.net, self.world.clock);
        let before = net.attach();
        self.asked_in = Some(before.network);
        self.scrubber.learn(before.own);
        let public = self.identity.public();
        let enrolment = Enrolment {
            public_key: Blob(public.to_sec1()),
            consent: self.consent.version,
            software: software(),
        };
        let sealed = self.identity.seal(Purpose::Request, &enrolment);
        let enrolled: Enrolled = collector.ask(net, clock, "/v1/probes", sealed).await?;
        let check_in = CheckIn {
            probe: public.probe_id(),
            consent: self.consent.version,
            software: software(),
            clock: clock.unix(),
            risk: Some(self.consent.risk),
        };
        let sealed = self.identity.seal(Purpose::Request, &check_in);
        let sent = clock.uptime();
        let reply: CheckInReply = collector.ask(net, clock, "/v1/check-in", sealed).await?;
        let fix = Fix::between(sent, clock.uptime(), reply.time, Source::Collector);
        let beating = match &reply.beat {
            Some(terms) => beating(net, collector, terms).await,
            None => None,
        };
        // The token is of the network that the request left from: only where that was the
        // same all the while is it known which.
        let here = (net.attach().network == before.network).then_some(before.network);
        let token = here.and(reply.network.clone());
        self.plan.nobody = nobodies(&reply, self.plan.contact_bogons);
        self.scrubber.learn(reply.address.map(|ip| ip.0));
        let noted = self
            .learned
            .learn_key(enrolled.collector_key)
            .and_then(|()| self.learned.learn_beating(beating))
            .and_then(|()| self.learned.learn_token(token, here.flatten()))
            .and_then(|()| match reply.address {
                Some(ip) => self.learned.learn_address(ip.0),
                None => Ok(()),
            });
        noted.map_err(AgentError::Learned)?;
        if let Some(beats) = &self.beats {
            let (beating, key) = (self.learned.beating(), self.learned.collector_key());
            beats.learn(clock.uptime(), beating, key);
            if collector.is_authenticated() {
                beats.fix(fix);
            }
        }
        Ok(Some(reply))
    }

    /// Reads anew what the owner agrees to.
    pub fn reconsider(&mut self) -> Result<(), ConsentError> {
        self.consent = Consent::read(&self.consent_file)?;
        Ok(())
    }

    /// Makes sure that a token of the network at hand is there: where the network has changed
    /// or the token has ended, the collector is asked, once in each network until the next
    /// cycle. Without an answer there is no token, and what is measured is of no network.
    pub async fn settle(&mut self) -> Result<(), AgentError> {
        let here = self.world.net.attach();
        self.scrubber.learn(here.own);
        let now = self.world.clock.unix();
        if self.learned.token(here.network, now).is_none()
            && self.asked_in != Some(here.network)
        {
            self.check_in().await?;
        }
        Ok(())
    }

    /// Targets of `offered` that the owner's consent covers. A list that comes from elsewhere
    /// must not send a probe to devices in its owner's home.
    pub fn agreed<'t>(
        &self,
        offered: &'t [TargetItem],
    ) -> impl Iterator<Item = &'t TargetItem> + use<'t, N, C> {
        let most: Risk = self.consent.risk;
        let special = self.plan.contact_bogons;
        let fits = move |url: &str| match Target::parse(url) {
            // Those of the DNS itself have a list of their own, and are held to it.
            Ok(target) => !target.is_trace() && (special || !target.is_special()),
            Err(_) => true,
        };
        offered
            .iter()
            .filter(move |target| target.risk <= most && fits(&target.url))
    }

    /// What of the DNS itself the collector asks for, if consent covers it, in the words of
    /// [`Target`].
    pub fn agreed_traces(&self, offered: &Traces) -> Vec<String> {
        let mut agreed = match self.consent.allows(Group::Infrastructure) {
            Ok(()) => held(offered),
            Err(_) => Vec::new(),
        };
        if self.allows_encrypted().is_ok() {
            agreed.extend(held_resolvers(offered, self.plan.contact_bogons));
        }
        agreed
    }

    /// Encrypted lookups at public resolvers are lookups there, and newer ways to speak: both
    /// groups have to be agreed to.
    fn allows_encrypted(&self) -> Result<(), ConsentError> {
        self.consent.allows(Group::Dns)?;
        self.consent.allows(Group::Transport)
    }

    /// Measures one target as far as consent goes: a name by lookups, a page by visits too.
    pub async fn measure(&mut self, target: &str) -> Result<Vec<Measurement>, AgentError> {
        let target = Target::parse(target)?;
        if target.is_trace() {
            return Ok(vec![Box::pin(self.trace(&target)).await?]);
        }
        let name = target.name();
        let names = target.is_named() && self.consent.allows(Group::Dns).is_ok();
        let page = target
            .url()
            .filter(|_| self.consent.allows(Group::Web).is_ok());
        if !names && page.is_none() {
            self.consent.allows(if target.is_named() {
                Group::Dns
            } else {
                Group::Web
            })?;
        }
        self.spool.room_for(ROOM)?;
        self.hold(LEAST, NAMES)?;
        let mut measured = Vec::new();
        // Ports of lookups stay open while the page is measured: what an agent may change is
        // not lent to them.
        let world = &World { ..self.world };
        let plan = &self.plan.clone();
        let names = if names {
            Some(Box::pin(experiment::ask_names(world, plan, name)).await)
        } else {
            None
        };
        // Both experiments are about the same name: both carry the control's view.
        let seen = names.as_ref().map_or(&[][..], |names| names.observations());
        let transports = page
            .filter(|url| url.starts_with("https:"))
            .filter(|_| self.consent.allows(Group::Transport).is_ok());
        let target = page.unwrap_or(name);
        let seen = seen.to_vec();
        let looking = self.control(target, name, &seen, transports.is_some());
        let sealed = beside(names.as_ref(), Box::pin(looking)).await;
        let early = names.as_ref().map_or(0, experiment::Listening::bytes);
        self.spend(early)?;
        if let Some(url) = page {
            let report = sealed.as_ref().and_then(|blob| self.open_control(blob));
            self.hold(0, PAGE)?;
            let page = experiment::web(world, plan, url, report.as_ref());
            let page = beside(names.as_ref(), Box::pin(page)).await;
            let stopped = experiment::is_stopped_by_name(&page.observations);
            measured.push(self.finish(page, sealed.clone())?);
            if stopped && transports.is_some() {
                self.hold(0, HOPS)?;
                let plan = Plan {
                    locate: true,
                    ..plan.clone()
                };
                let seen = experiment::hello(world, &plan, url, report.as_ref());
                let seen = beside(names.as_ref(), Box::pin(seen)).await;
                measured.push(self.finish(seen, sealed.clone())?);
            }
        }
        if let Some(url) = transports {
            let report = sealed.as_ref().and_then(|blob| self.open_control(blob));
            self.hold(0, QUIC)?;
            let seen = experiment::quic(world, plan, url, report.as_ref());
            let seen = beside(names.as_ref(), Box::pin(seen)).await;
            measured.push(self.finish(seen, sealed.clone())?);
            self.hold(0, ECH)?;
            let seen = experiment::ech(world, plan, url, report.as_ref());
            let seen = beside(names.as_ref(), Box::pin(seen)).await;
            measured.push(self.finish(seen, sealed.clone())?);
        }
        if let Some(mut names) = names {
            names.settle().await;
            let names = self.finish_spent(names.finish(), sealed, early)?;
            measured.insert(0, names);
        }
        Ok(measured)
    }

    /// One experiment on the DNS itself. Its control is the encrypted resolvers.
    async fn trace(&mut self, target: &Target) -> Result<Measurement, AgentError> {
        if let Target::Resolver(service) = target {
            return self.encrypted(service).await;
        }
        self.consent.allows(Group::Infrastructure)?;
        self.spool.room_for(ROOM)?;
        self.hold(LEAST, NAMES)?;
        let (world, plan) = (&self.world, &self.plan);
        let seen = match target {
            Target::Special(name) => experiment::special_names(world, plan, name).await,
            Target::Path(name) => {
                let seen = experiment::transparency(world, plan, name).await;
                seen.ok_or_else(|| AgentError::Target(name.clone()))?
            }
            other => experiment::namespace(world, plan, other.name()).await,
        };
        self.finish(seen, None)
    }

    /// A resolver over encrypted transports, beside the control's view of it.
    async fn encrypted(&mut self, service: &Service) -> Result<Measurement, AgentError> {
        self.allows_encrypted()?;
        self.spool.room_for(ROOM)?;
        self.hold(LEAST, ENCRYPTED)?;
        let target = service.target();
        let sealed = self.control(&target, "", &[], true).await;
        let report = sealed.as_ref().and_then(|blob| self.open_control(blob));
        let (world, plan) = (&self.world, &self.plan);
        let seen = experiment::encrypted_dns(world, plan, &target, report.as_ref());
        let seen = Box::pin(seen).await;
        let seen = seen.ok_or(AgentError::Target(target))?;
        self.finish(seen, sealed)
    }

    /// Seals measurements into one batch and keeps it durably.
    pub fn keep(&mut self, measurements: Vec<Measurement>) -> Result<u64, SpoolError> {
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: self.identity.public().probe_id(),
            id: BatchId(self.random()),
            sequence: self.spool.next_sequence(),
            created: self.world.clock.unix(),
            measurements,
            ledger: None,
        };
        self.spool.push(&self.identity.seal(Purpose::Batch, &batch))
    }

    /// Hands in what of the link ledger the collector has not, oldest first. It does not wait
    /// behind measurements: after an outage there are many, and this says what happened.
    pub async fn hand_in_ledger(&mut self) -> Result<(), AgentError> {
        let (Some(collector), Some(beats)) = (&self.collector, &self.beats) else {
            return Ok(());
        };
        let (net, clock) = (self.world.net, self.world.clock);
        let mut pages = 0;
        while pages < PAGES
            && let Some(page) = beats.page(EPOCHS)
        {
            let batch = Batch {
                schema: SCHEMA_VERSION,
                probe: self.identity.public().probe_id(),
                id: BatchId(self.random()),
                sequence: self.spool.reserve()?,
                created: clock.unix(),
                measurements: Vec::new(),
                ledger: Some(page.part.clone()),
            };
            let sealed = self.identity.seal(Purpose::Batch, &batch);
            uplink::deliver(net, clock, collector, sealed, batch.id).await?;
            beats.sent(&page);
            pages += 1;
        }
        Ok(())
    }

    /// Uploads what waits.
    pub async fn upload(&self) -> Result<Drained, (Drained, UplinkError)> {
        let Some(collector) = &self.collector else {
            return Ok(Drained::default());
        };
        let (net, clock) = (self.world.net, self.world.clock);
        uplink::drain(net, clock, collector, &self.spool, &self.identity.public()).await
    }

    /// The control's view of a target; without one, verdicts say so.
    async fn control(
        &mut self,
        target: &str,
        name: &str,
        seen: &[Observation],
        transports: bool,
    ) -> Option<Blob> {
        let collector = self.collector.as_ref().filter(|_| !self.away)?;
        let mut addresses = experiment::told(name, seen);
        addresses.retain(|ip| self.plan.contact_bogons || !is_bogon(ip.0));
        addresses.retain(|ip| !self.scrubber.is_own(ip.0));
        let request = ControlRequest {
            probe: self.identity.public().probe_id(),
            target: target.into(),
            addresses,
            brief: None,
            transports: transports.then_some(true),
        };
        let sealed = self.identity.seal(Purpose::Request, &request);
        let (net, clock) = (self.world.net, self.world.clock);
        let reply = collector.post(net, clock, "/v1/control", sealed).await;
        self.away = matches!(reply, Err(UplinkError::Unreachable { .. }));
        let reply = reply.ok()?;
        let blob = (reply.status == 200).then_some(Blob(reply.body))?;
        // What another than the collector wrote is no control's view.
        self.open_control(&blob)
            .is_some_and(|report| report.target == target)
            .then_some(blob)
    }

    /// What a control report says, if the collector signed it.
    pub fn open_control(&self, sealed: &Blob) -> Option<ControlReport> {
        let key = self.learned.collector_key()?;
        Envelope::parse(&sealed.0)
            .ok()?
            .open(Purpose::ControlReport, &key)
            .ok()
    }

    fn hold(&mut self, least: u64, bytes: u64) -> Result<(), AgentError> {
        let now = self.world.clock.unix();
        match self.budget.hold(now, least, bytes) {
            Ok(true) => Ok(()),
            Ok(false) => Err(AgentError::Budget),
            Err(error) => Err(AgentError::Account(error)),
        }
    }

    fn spend(&mut self, bytes: u64) -> Result<(), AgentError> {
        let now = self.world.clock.unix();
        self.budget.spend(now, bytes).map_err(AgentError::Account)
    }

    fn finish(
        &mut self,
        outcome: experiment::Outcome,
        control: Option<Blob>,
    ) -> Result<Measurement, AgentError> {
        self.finish_spent(outcome, control, 0)
    }

    /// Likewise, of an outcome of which so many bytes are in the account.
    fn finish_spent(
        &mut self,
        outcome: experiment::Outcome,
        control: Option<Blob>,
        early: u64,
    ) -> Result<Measurement, AgentError> {
        let spent = outcome.bytes_sent + outcome.bytes_received;
        self.spend(spent.saturating_sub(early))?;
        // Of the network that the measurement was in from its start to its end, or of none.
        let attached = outcome.attached.as_ref();
        let token = attached.and_then(|a| self.learned.token(a.network, outcome.started));
        let token = token.cloned();
        self.scrubber
            .learn(attached.into_iter().flat_map(|a| a.own.clone()));
        let surroundings = Surroundings {
            id: MeasurementId(self.random()),
            software: software(),
            driver: self.driver,
            network: token,
            control,
            consent: self.consent.version,
        };
        let mut measurement = experiment::measure(surroundings, outcome);
        self.scrubber.scrub(&mut measurement);
        Ok(measurement)
    }

    /// A number nobody can guess.
    pub fn random_u32(&self) -> u32 {
        let mut bytes = [0; 4];
        self.world.entropy.borrow_mut().fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.world.entropy.borrow_mut().fill(&mut bytes);
        bytes
    }
}

/// Does something while ports of lookups are listened at, if any are.
async fn beside<N: Network, C: Clock, T>(
    names: Option<&experiment::Listening<'_, N, C>>,
    work: impl Future<Output = T>,
) -> T {
    match names {
        Some(names) => names.beside(work).await,
        None => work.await,
    }
}

/// Where the collector hears beats: where it said, or beside its URL.
async fn beating<N: Network>(
    net: &N,
    collector: &Collector,
    terms: &BeatTerms,
) -> Option<Beating> {
    let host = collector.host().trim_matches(['[', ']']);
    let address = match (terms.address, host.parse()) {
        (Some(address), _) => address.0,
        (None, Ok(ip)) => ip,
        (None, Err(_)) => *net.resolve(host).await.ok()?.first()?,
    };
    Some(Beating {
        to: SocketAddr::new(address, terms.port),
        terms: terms.clone(),
    })
}

/// Name and version of this software, as measurements carry it.
pub fn software() -> String {
    concat!("faultline-probe/", env!("CARGO_PKG_VERSION")).into()
}

/// Before a top-level domain, or a name below one that the root does not have.
const TLD: &str = "tld:";
/// Before a special-use name.
const RESERVED: &str = "special:";
/// Before a name in a test zone.
const PATH: &str = "path:";
/// The port of the DNS.
const DNS: u16 = 53;

/// Most names of one list that are taken from a collector at a time.
const MOST_NAMES: usize = 64;

/// Names that a collector chose, held to what these experiments are about: top-level domains,
/// known names below ones that the root does not have, special-use names, and names that are
/// checks.
fn held(offered: &Traces) -> Vec<String> {
    let of = |list: &[String], word: &str, fits: fn(&str) -> bool| -> Vec<String> {
        let fitting = list.iter().filter(|name| fits(name)).take(MOST_NAMES);
        fitting.map(|name| format!("{word}{name}")).collect()
    };
    let special = |name: &str| SPECIAL.contains(&bare(name).as_str());
    let check = |name: &str| {
        Check::of_target(name).is_some_and(|(_, zone)| {
            let top = zone.rsplit('.').next().unwrap_or_default();
            // Below a special-use name, `onion` above all, nobody keeps a test zone.
            zone.contains('.') && top != "onion" && !SPECIAL.contains(&top)
        })
    };
    [
        of(&offered.namespace, TLD, is_top),
        of(&offered.special, RESERVED, special),
        of(&offered.transparency, PATH, check),
    ]
    .concat()
}

/// Resolvers that a collector chose, at public addresses.
fn held_resolvers(offered: &Traces, special: bool) -> Vec<String> {
    let named = offered.resolvers.iter().flatten();
    let named = named.filter_map(|text| Service::parse(text));
    let public = named.filter(|service| special || !is_bogon(service.address));
    public.take(MOST_NAMES).map(|s| s.target()).collect()
}

/// Addresses without a resolver that a collector vouches for: few, and none in a home.
fn nobodies(reply: &CheckInReply, special: bool) -> Vec<Nobody> {
    let named = reply.nobody.iter().flatten();
    let public = named.filter(|item| special || !is_bogon(item.address.0));
    let held = public.take(MOST_NOBODIES).map(|item| Nobody {
        addr: SocketAddr::new(item.address.0, DNS),
        abroad: item.abroad,
    });
    held.collect()
}

/// Whether a name says nothing but a top-level domain.
fn is_top(name: &str) -> bool {
    let bare = bare(name);
    // Asking for `onion` may mark a volunteer (RFC 7686).
    (!bare.contains('.') && bare != "onion") || CANARIES.contains(&bare.as_str())
}

/// A target, understood.
pub enum Target {
    /// A page and the name of its host.
    Page {
        /// The URL.
        url: String,
        /// Its host.
        name: String,
    },
    /// A name alone.
    Name(String),
    /// `tld:com`: a top-level domain, or a name below one that the root does not have.
    Namespace(String),
    /// `special:invalid`: a special-use name.
    Special(String),
    /// `path:tcp.ZONE`: a check of the DNS's way, by a name in a test zone.
    Path(String),
    /// `resolver:NAME@ADDRESS`: a public resolver over encrypted transports.
    Resolver(Service),
}

impl Target {
    /// A URL with scheme, a domain name, or a word for an experiment on the DNS itself and
    /// its name.
    pub fn parse(text: &str) -> Result<Self, AgentError> {
        let bad = || AgentError::Target(text.into());
        if text.starts_with(WORD) {
            return Service::of_target(text).map(Self::Resolver).ok_or_else(bad);
        }
        for (word, of) in [
            (TLD, Self::Namespace as fn(String) -> Self),
            (RESERVED, Self::Special),
            (PATH, Self::Path),
        ] {
            if let Some(name) = text.strip_prefix(word) {
                let checked = word != PATH || Check::of_target(name).is_some();
                let name = name_of_dns(name).filter(|_| checked);
                return name.map(of).ok_or_else(bad);
            }
        }
        if text.contains("://") {
            let url = url::Url::parse(text).map_err(|_| bad())?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(bad());
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(AgentError::Secret);
            }
            let name = url.host_str().ok_or_else(bad)?.trim_end_matches('.');
            return Ok(Self::Page {
                name: name.to_owned(),
                url: url.into(),
            });
        }
        if text.contains([':', '/', '?', '#', '@', '\\']) {
            return Err(bad());
        }
        let url = url::Url::parse(&format!("http://{text}/")).map_err(|_| bad())?;
        match url.host() {
            Some(url::Host::Domain(name)) => {
                Ok(Self::Name(name.trim_end_matches('.').to_owned()))
            }
            _ => Err(bad()),
        }
    }

    /// The page, if it is one.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Page { url, .. } => Some(url),
            _ => None,
        }
    }

    /// Whether it is about the DNS itself.
    pub fn is_trace(&self) -> bool {
        matches!(
            self,
            Self::Namespace(_) | Self::Special(_) | Self::Path(_) | Self::Resolver(_)
        )
    }

    /// Whether its host is a name, not an address.
    pub fn is_named(&self) -> bool {
        let bare = self.name().trim_matches(['[', ']']);
        bare.parse::<std::net::IpAddr>().is_err()
    }

    /// Whether its host is an address at which no public site can live.
    pub fn is_special(&self) -> bool {
        let bare = self.name().trim_matches(['[', ']']);
        bare.parse().is_ok_and(is_bogon)
    }

    /// The name to look up.
    pub fn name(&self) -> &str {
        match self {
            Self::Page { name, .. }
            | Self::Name(name)
            | Self::Namespace(name)
            | Self::Special(name)
            | Self::Path(name) => name,
            Self::Resolver(service) => &service.name,
        }
    }
}

/// A name as the DNS takes it, in lower case and without its final dot.
fn name_of_dns(text: &str) -> Option<String> {
    let name = bare(text);
    name.parse::<NameBuf>().ok().map(|_| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collectors_names_are_held_to_what_the_experiments_are_about() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let offered = Traces {
            namespace: names(&[
                "com",
                "forbidden.example",
                "opennic.glue",
                "Onion.",
                "x.onion",
            ]),
            special: names(&["invalid", "onion", "news.example"]),
            transparency: names(&[
                "tcp.test.example",
                "forbidden.example",
                "",
                "tcp.hidden.onion",
                "tcp.onion",
                "tcp.a.invalid",
            ]),
            resolvers: Some(names(&[
                "dns.quad9.net@9.9.9.9",
                "router.home.example@192.168.1.1",
                "9.9.9.9",
            ])),
        };
        let expected = [
            "tld:com",
            "tld:opennic.glue",
            "special:invalid",
            "path:tcp.test.example",
        ];
        assert_eq!(held(&offered), expected);
        assert_eq!(
            held_resolvers(&offered, false),
            ["resolver:dns.quad9.net@9.9.9.9"]
        );
        let flood = Traces {
            namespace: vec!["com".to_owned(); 10_000],
            special: Vec::new(),
            transparency: Vec::new(),
            resolvers: None,
        };
        assert_eq!(held(&flood).len(), MOST_NAMES);
    }

    #[test]
    fn targets_are_pages_or_names_in_one_form() {
        for (text, name, url) in [
            ("news.example", "news.example", None),
            ("News.Example.", "news.example", None),
            (
                "https://News.example",
                "news.example",
                Some("https://news.example/"),
            ),
            (
                "http://a.example:8443/x",
                "a.example",
                Some("http://a.example:8443/x"),
            ),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.name(), target.url()), (name, url), "{text}");
            assert!(target.is_named(), "{text}");
        }
        for (text, special) in [
            ("https://192.168.1.1/", true),
            ("http://0x7f.1/", true),
            ("http://[fe80::1]:80/", true),
            ("http://[2600::1]:80/", false),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.is_named(), target.is_special()),
                (false, special),
                "{text}"
            );
        }
        for (text, name) in [
            ("tld:COM.", "com"),
            ("tld:opennic.glue", "opennic.glue"),
            ("special:invalid", "invalid"),
            ("path:tcp.test.example.", "tcp.test.example"),
        ] {
            let target = Target::parse(text).unwrap();
            assert!(target.is_trace() && target.url().is_none());
            assert_eq!(target.name(), name);
        }
        for text in [
            "",
            "tld:",
            "tld:a..b",
            "special:.",
            "path:test.example",
            "resolver:dns.quad9.net",
            "resolver:9.9.9.9",
            "ftp://a.example/",
            "192.0.2.1",
            "a.example:80",
            "a b",
            "https://",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
