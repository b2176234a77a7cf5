//! One cycle: check in, measure what was agreed to, seal, keep, upload.
//!
//! Generic over the network and the clock, so that the simulated Internet runs it unchanged.

use crate::{
    budget::Budget,
    consent::{Consent, ConsentError, Group},
    experiment::{self, Plan, Surroundings, World},
    net::{Clock, Network},
    scrub::Scrubber,
    spool::{Spool, SpoolError},
    uplink::{self, Collector, Drained, UplinkError},
};
use faultline_core::{
    codec::{Envelope, Identity, PublicKey, Purpose},
    dns::is_bogon,
    id::{BatchId, MeasurementId},
    measurement::{Batch, ControlReport, Driver, Measurement, SCHEMA_VERSION},
    observation::{Observation, Step},
    protocol::{CheckIn, CheckInReply, ControlRequest, Enrolled, Enrolment, Risk, TargetItem},
    value::{Blob, Ip},
};
use std::collections::BTreeSet;

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
    /// The newest network-epoch token.
    pub network: Option<Blob>,
    /// The collector's key, once enrolled.
    pub collector_key: Option<PublicKey>,
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
    /// The account of bytes cannot be kept, so none may be spent.
    #[error("cannot note the bytes spent: {0}; measuring stops")]
    Account(std::io::Error),
    /// Not a URL and not a name.
    #[error("{0} is neither an http(s) URL nor a domain name")]
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

impl<N: Network, C: Clock> Agent<'_, N, C> {
    /// Makes the probe known and asks what to measure and which network this is.
    pub async fn check_in(&mut self) -> Result<Option<CheckInReply>, UplinkError> {
        let Some(collector) = &self.collector else {
            return Ok(None);
        };
        let (net, clock) = (self.world.net, self.world.clock);
        let public = self.identity.public();
        let enrolment = Enrolment {
            public_key: Blob(public.to_sec1()),
            consent: self.consent.version,
            software: software(),
        };
        let sealed = self.identity.seal(Purpose::Request, &enrolment);
        let enrolled: Enrolled = collector.ask(net, clock, "/v1/probes", sealed).await?;
        self.collector_key = PublicKey::from_sec1(&enrolled.collector_key.0).ok();
        let check_in = CheckIn {
            probe: public.probe_id(),
            consent: self.consent.version,
            software: software(),
            clock: clock.unix(),
        };
        let sealed = self.identity.seal(Purpose::Request, &check_in);
        let reply: CheckInReply = collector.ask(net, clock, "/v1/check-in", sealed).await?;
        self.network.clone_from(&reply.network);
        Ok(Some(reply))
    }

    /// Targets of `offered` that the owner's consent covers.
    pub fn agreed<'t>(
        &self,
        offered: &'t [TargetItem],
    ) -> impl Iterator<Item = &'t TargetItem> + use<'t, N, C> {
        let most: Risk = self.consent.risk;
        offered.iter().filter(move |target| target.risk <= most)
    }

    /// Measures one target: a URL by names and pages, a bare name by names only.
    pub async fn measure(&mut self, target: &str) -> Result<Vec<Measurement>, AgentError> {
        let target = Target::parse(target)?;
        self.consent.allows(Group::Dns)?;
        self.spool.room_for(ROOM)?;
        self.hold(LEAST, NAMES)?;
        let mut measured = Vec::new();
        let names = experiment::dns_consistency(&self.world, &self.plan, target.name()).await;
        let Target::Page { url, .. } = &target else {
            return Ok(vec![self.finish(names, None)?]);
        };
        self.consent.allows(Group::Web)?;
        // Both experiments ask about the same name: both carry the control's view.
        let sealed = self.control(url, target.name(), &names.observations).await;
        let report = sealed.as_ref().and_then(|blob| self.open_control(blob));
        measured.push(self.finish(names, sealed.clone())?);
        self.hold(0, PAGE)?;
        let page = experiment::web(&self.world, &self.plan, url, report.as_ref()).await;
        measured.push(self.finish(page, sealed)?);
        Ok(measured)
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
        };
        self.spool.push(&self.identity.seal(Purpose::Batch, &batch))
    }

    /// Uploads what waits.
    pub async fn upload(&self) -> Result<Drained, (Drained, UplinkError)> {
        let Some(collector) = &self.collector else {
            return Ok(Drained::default());
        };
        let (net, clock) = (self.world.net, self.world.clock);
        uplink::drain(net, clock, collector, &self.spool, &self.identity.public()).await
    }

    /// The control's view of `url`; without one, verdicts say so.
    async fn control(&self, url: &str, name: &str, seen: &[Observation]) -> Option<Blob> {
        let collector = self.collector.as_ref()?;
        let request = ControlRequest {
            probe: self.identity.public().probe_id(),
            target: url.into(),
            addresses: addresses_of(name, seen),
        };
        let sealed = self.identity.seal(Purpose::Request, &request);
        let (net, clock) = (self.world.net, self.world.clock);
        let reply = collector
            .post(net, clock, "/v1/control", sealed)
            .await
            .ok()?;
        (reply.status == 200 && Envelope::parse(&reply.body).is_ok())
            .then_some(Blob(reply.body))
    }

    /// What a control report says, if the collector signed it.
    pub fn open_control(&self, sealed: &Blob) -> Option<ControlReport> {
        let key = self.collector_key.as_ref()?;
        Envelope::parse(&sealed.0)
            .ok()?
            .open(Purpose::ControlReport, key)
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

    fn finish(
        &mut self,
        outcome: experiment::Outcome,
        control: Option<Blob>,
    ) -> Result<Measurement, AgentError> {
        let spent = outcome.bytes_sent + outcome.bytes_received;
        let now = self.world.clock.unix();
        self.budget.spend(now, spent).map_err(AgentError::Account)?;
        let surroundings = Surroundings {
            id: MeasurementId(self.random()),
            software: software(),
            driver: self.driver,
            network: self.network.clone(),
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

/// Name and version of this software, as measurements carry it.
pub fn software() -> String {
    concat!("faultline-probe/", env!("CARGO_PKG_VERSION")).into()
}

/// Public addresses that lookups gave for `name`, for the control to try too.
fn addresses_of(name: &str, seen: &[Observation]) -> Vec<Ip> {
    let lookups = seen.iter().filter_map(|o| match &o.step {
        Step::Lookup(lookup) if lookup.name.eq_ignore_ascii_case(name) => Some(lookup),
        _ => None,
    });
    let all: BTreeSet<Ip> = lookups
        .flat_map(|lookup| &lookup.replies)
        .flat_map(|reply| reply.addresses.iter().copied())
        .filter(|ip| !is_bogon(ip.0))
        .collect();
    all.into_iter().collect()
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
}

impl Target {
    /// A URL with scheme, or a domain name.
    pub fn parse(text: &str) -> Result<Self, AgentError> {
        let bad = || AgentError::Target(text.into());
        if text.contains("://") {
            let url = url::Url::parse(text).map_err(|_| bad())?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(bad());
            }
            let name = url.host_str().ok_or_else(bad)?.to_owned();
            return Ok(Self::Page {
                url: url.into(),
                name,
            });
        }
        let url = url::Url::parse(&format!("http://{text}/")).map_err(|_| bad())?;
        match url.host() {
            Some(url::Host::Domain(name)) if url.path() == "/" && url.port().is_none() => {
                Ok(Self::Name(name.to_owned()))
            }
            _ => Err(bad()),
        }
    }

    /// The page, if it is one.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Page { url, .. } => Some(url),
            Self::Name(_) => None,
        }
    }

    /// The name to look up.
    pub fn name(&self) -> &str {
        match self {
            Self::Page { name, .. } | Self::Name(name) => name,
        }
    }
}
