//! How do many probes and a collector work together where no time has to pass? On rung 1:
//! each probe measures with its own code in virtual time, seals what it saw, and a real
//! collector's way in takes it, judges it and keeps it.

use super::{Member, Observatory, ObservatoryError, geo};
use crate::clock::{EPOCH, SimClock};
use crate::entropy::Seeded;
use crate::network::SimNetwork;
use crate::run::{fill, look, named, view};
use crate::scenario::{Experiment, Measure, Probe};
use crate::world::{NEUTRAL, VANTAGE, World, WorldError};
use faultline_collector::{
    ingest::{Enricher, Ingest, Mmdb, Refusal, issue},
    rules::Rules,
    store::{Ledger as _, ProbeRecord, Source, StoreError, sqlite::Sqlite},
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{BatchId, MeasurementId},
    measurement::{Batch, ControlReport, Driver, SCHEMA_VERSION},
    time::{ClockQuality, Duration},
    value::{Blob, Ip},
};
use faultline_probe::{
    experiment::{Plan, Surroundings, measure, told},
    net::Clock as _,
    random::Entropy as _,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Why a simulation came to no end.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The observatory is wrong.
    #[error(transparent)]
    Observatory(#[from] ObservatoryError),
    /// There is no such world.
    #[error("cannot build the world")]
    World(#[from] WorldError),
    /// There are no databases.
    #[error(transparent)]
    Geo(#[from] geo::GeoError),
    /// The collector cannot read them.
    #[error(transparent)]
    Enricher(#[from] faultline_collector::ingest::GeoError),
    /// The collector's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The collector refused a batch.
    #[error("the collector refused a batch of {probe}")]
    Refused {
        /// Whose.
        probe: String,
        /// Why.
        #[source]
        source: Refusal,
    },
    /// The collector's key cannot be kept.
    #[error(transparent)]
    Identity(#[from] faultline_probe::identity::IdentityError),
    /// There is no runtime.
    #[error("cannot start virtual time")]
    Runtime(#[source] std::io::Error),
}

/// How long tokens are valid.
const EPOCH_LENGTH: Duration = Duration::from_hours(24);

/// Lets every probe of the observatory measure everything once; results are in `store`,
/// geo databases in `folder`. The same seed gives the same rows.
pub fn simulate(
    observatory: &Observatory,
    store: &Arc<Sqlite>,
    folder: &Path,
) -> Result<(), SimulationError> {
    let members = observatory.members()?;
    let databases = geo::write(&observatory.networks, folder)?;
    let enricher: Arc<dyn Enricher> = Arc::new(Mmdb::open(&databases.country, &databases.asn)?);
    let collector = identity(observatory.seed, 0);
    let ingest = Ingest::new(
        Arc::clone(store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        collector.public(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(SimulationError::Runtime)?;
    let mut control = Control::new(observatory, &members, &collector)?;
    for (at, member) in (1..).zip(&members) {
        let key = identity(observatory.seed, at);
        store.enrol(&ProbeRecord {
            id: key.public().probe_id(),
            public_key: key.public().to_sec1(),
            consent: 1,
            software: software(),
            enrolled: EPOCH,
            source: Source::Probe,
            revoked: None,
        })?;
        let id = key.public().probe_id();
        let token = issue(
            &collector,
            &*enricher,
            id,
            member.address,
            EPOCH,
            EPOCH_LENGTH,
        );
        let batches =
            runtime.block_on(cycle(observatory, member, &key, &token, &mut control))?;
        for batch in batches {
            let accepted = ingest.accept(&batch, EPOCH + Duration::from_hours(1));
            accepted.map_err(|source| SimulationError::Refused {
                probe: member.name.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

/// The clean vantage point, which remembers what it saw: probes that were told the same of
/// the same target get the same report.
struct Control<'a> {
    world: Arc<World>,
    plan: Plan,
    seed: u64,
    key: &'a Identity,
    seen: BTreeMap<(String, Vec<Ip>), (ControlReport, Blob)>,
}

impl<'a> Control<'a> {
    fn new(
        observatory: &Observatory,
        members: &[Member],
        key: &'a Identity,
    ) -> Result<Self, SimulationError> {
        let probe = members.first().map(|member| member.probe.clone());
        let probe = probe.unwrap_or_else(|| Probe::in_network(VANTAGE, 0, 0));
        let world = Arc::new(World::new(&observatory.scenario(probe))?);
        Ok(Self {
            plan: Plan::new(Arc::clone(&world.roots), NEUTRAL),
            world,
            seed: observatory.seed,
            key,
            seen: BTreeMap::new(),
        })
    }

    /// Its report on a target, and the same sealed.
    async fn look(&mut self, target: &str, told: Vec<Ip>) -> (ControlReport, Blob) {
        let asked = (target.to_owned(), told);
        if let Some(known) = self.seen.get(&asked) {
            return known.clone();
        }
        let seed = self.seed ^ (self.seen.len() as u64) << 16;
        let net = SimNetwork::vantage(&self.world, seed);
        let clock = SimClock::new(0, ClockQuality::Ntp);
        let report = view(&net, &clock, &self.plan, seed ^ 2, target, &asked.1).await;
        let sealed = Blob(self.key.seal(Purpose::ControlReport, &report));
        self.seen.insert(asked, (report.clone(), sealed.clone()));
        (report, sealed)
    }
}

/// What one probe sees of every target: its name, then its page; a sealed batch for each. And
/// of the DNS itself, in one more.
async fn cycle(
    observatory: &Observatory,
    member: &Member,
    key: &Identity,
    token: &[u8],
    control: &mut Control<'_>,
) -> Result<Vec<Vec<u8>>, SimulationError> {
    let scenario = observatory.scenario(member.probe.clone());
    let world = Arc::new(World::new(&scenario)?);
    let mut plan = Plan::new(Arc::clone(&world.roots), NEUTRAL);
    fill(&mut plan, &scenario);
    let seed = u64::from(u32::from_be_bytes(first_four(key))) ^ observatory.seed;
    let net = SimNetwork::probe(&world, &member.probe, seed);
    let clock = SimClock::new(0, ClockQuality::Ntp);
    let mut chance = Seeded::new(seed, 0x44);
    let mut draw = || {
        let mut bytes = [0; 16];
        chance.fill(&mut bytes);
        bytes
    };
    let mut batches = Vec::new();
    for (at, wanted) in (0u64..).zip(&observatory.measure) {
        let name = Measure {
            experiment: Experiment::DnsConsistency,
            target: named(&wanted.target).to_owned(),
        };
        let seed = seed ^ at << 8;
        let first = look(&net, &clock, &plan, seed, &name, None).await;
        let told = told(&name.target, &first.observations);
        let (report, sealed) = control.look(&wanted.target, told).await;
        let second = look(&net, &clock, &plan, seed ^ 0x10, wanted, Some(&report)).await;
        let measurements = [first, second].map(|seen| {
            let surroundings = Surroundings {
                id: MeasurementId(draw()),
                software: software(),
                driver: Driver::Simulated,
                network: Some(Blob(token.to_vec())),
                control: Some(sealed.clone()),
                consent: 1,
            };
            measure(surroundings, seen)
        });
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: key.public().probe_id(),
            id: BatchId(draw()),
            sequence: at,
            created: clock.unix(),
            measurements: measurements.into(),
        };
        batches.push(key.seal(Purpose::Batch, &batch));
    }
    let mut measurements = Vec::new();
    for (at, wanted) in (0u64..).zip(observatory.traces()) {
        let seen = look(&net, &clock, &plan, seed ^ at << 40, &wanted, None).await;
        let surroundings = Surroundings {
            id: MeasurementId(draw()),
            software: software(),
            driver: Driver::Simulated,
            network: Some(Blob(token.to_vec())),
            control: None,
            consent: 1,
        };
        measurements.push(measure(surroundings, seen));
    }
    if !measurements.is_empty() {
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: key.public().probe_id(),
            id: BatchId(draw()),
            sequence: batches.len() as u64,
            created: clock.unix(),
            measurements,
        };
        batches.push(key.seal(Purpose::Batch, &batch));
    }
    Ok(batches)
}

fn first_four(key: &Identity) -> [u8; 4] {
    let mut four = [0; 4];
    four.iter_mut()
        .zip(key.public().probe_id().0)
        .for_each(|(to, from)| *to = from);
    four
}

/// The key of a probe (or, for 0, of the collector) in a world of this seed.
pub(super) fn identity(seed: u64, number: u64) -> Identity {
    let mut chance = Seeded::new(seed, 0x55 + (number << 8));
    loop {
        let mut secret = [0; 32];
        chance.fill(&mut secret);
        if let Some(identity) = Identity::from_bytes(&secret) {
            return identity;
        }
    }
}

pub(super) fn software() -> String {
    concat!("faultline-internet/", env!("CARGO_PKG_VERSION")).to_owned()
}
