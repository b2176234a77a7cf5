//! How do many probes and a collector work together where no time has to pass? On rung 1:
//! each probe measures with its own code in virtual time, seals what it saw, and a real
//! collector's way in takes it, judges it and keeps it.

use super::{Member, Observatory, ObservatoryError, geo};
use crate::clock::{EPOCH, SimClock};
use crate::entropy::Seeded;
use crate::network::SimNetwork;
use crate::run::{fill, look};
use crate::scenario::{Experiment, Measure};
use crate::world::{NEUTRAL, World, WorldError};
use faultline_collector::{
    ingest::{Enricher, Ingest, Mmdb, Refusal, issue},
    rules::Rules,
    store::{Ledger as _, ProbeRecord, StoreError, sqlite::Sqlite},
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{BatchId, MeasurementId},
    measurement::{Batch, ControlReport, Driver, SCHEMA_VERSION},
    time::{ClockQuality, Duration},
    value::Blob,
};
use faultline_probe::{
    experiment::{Plan, Surroundings, measure},
    net::Clock as _,
    random::Entropy as _,
};
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
    let controls = runtime.block_on(controls(observatory, &members, &collector))?;
    for (at, member) in (1..).zip(&members) {
        let key = identity(observatory.seed, at);
        store.enrol(&ProbeRecord {
            id: key.public().probe_id(),
            public_key: key.public().to_sec1(),
            consent: 1,
            software: software(),
            enrolled: EPOCH,
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
        let batches = runtime.block_on(cycle(observatory, member, &key, &token, &controls))?;
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

/// The sealed view of each target from the clean vantage point.
async fn controls(
    observatory: &Observatory,
    members: &[Member],
    collector: &Identity,
) -> Result<Vec<(ControlReport, Blob)>, SimulationError> {
    let Some(first) = members.first() else {
        return Ok(Vec::new());
    };
    let world = Arc::new(World::new(&observatory.scenario(first.probe.clone()))?);
    let plan = Plan::new(Arc::clone(&world.roots), NEUTRAL);
    let mut reports = Vec::new();
    for (at, wanted) in (0u64..).zip(&observatory.measure) {
        let seed = observatory.seed ^ at << 16;
        let net = SimNetwork::vantage(&world, seed);
        let clock = SimClock::new(0, ClockQuality::Ntp);
        let seen = look(&net, &clock, &plan, seed ^ 2, wanted, None).await;
        let report = ControlReport {
            target: seen.target,
            taken: EPOCH,
            vantage: "XZ".to_owned(),
            observations: seen.observations,
        };
        let sealed = Blob(collector.seal(Purpose::ControlReport, &report));
        reports.push((report, sealed));
    }
    Ok(reports)
}

/// What one probe sees of every target: its name, then its page; a sealed batch for each.
async fn cycle(
    observatory: &Observatory,
    member: &Member,
    key: &Identity,
    token: &[u8],
    controls: &[(ControlReport, Blob)],
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
    for (at, (wanted, (report, sealed))) in
        (0u64..).zip(observatory.measure.iter().zip(controls))
    {
        let name = Measure {
            experiment: Experiment::DnsConsistency,
            target: host(&wanted.target),
        };
        let mut measurements = Vec::new();
        for (round, wanted) in [&name, wanted].into_iter().enumerate() {
            let seed = seed ^ at << 8 ^ (round as u64) << 4;
            let seen = look(&net, &clock, &plan, seed, wanted, Some(report)).await;
            let surroundings = Surroundings {
                id: MeasurementId(draw()),
                software: software(),
                driver: Driver::Simulated,
                network: Some(Blob(token.to_vec())),
                control: Some(sealed.clone()),
                consent: 1,
            };
            measurements.push(measure(surroundings, seen));
        }
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: key.public().probe_id(),
            id: BatchId(draw()),
            sequence: at,
            created: clock.unix(),
            measurements,
        };
        batches.push(key.seal(Purpose::Batch, &batch));
    }
    Ok(batches)
}

pub(super) fn host(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| url.to_owned())
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
