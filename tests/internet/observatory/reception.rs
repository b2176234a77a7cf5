//! Where do probes in virtual time bring what they saw? To a real collector's way in, which
//! judges it and keeps it: its key, its geo databases and its store are in one folder, where a
//! collector that keeps its state there finds them.

use super::{Member, Observatory, ObservatoryError, geo};
use crate::entropy::Seeded;
use crate::world::WorldError;
use faultline_collector::{
    ingest::{Enricher, Ingest, Mmdb, Refusal, issue},
    rules::Rules,
    store::{Ledger as _, ProbeRecord, Source, StoreError, sqlite::Sqlite},
};
use faultline_core::{
    codec::Identity,
    protocol::Receipt,
    time::{Duration, UnixTime},
};
use faultline_probe::{identity::load_or_create, random::Entropy as _};
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

/// The collector's side of a simulation.
pub(super) struct Reception {
    store: Arc<Sqlite>,
    enricher: Arc<dyn Enricher>,
    ingest: Ingest,
    /// The collector's key.
    pub(super) key: Identity,
}

impl Reception {
    pub(super) fn open(
        observatory: &Observatory,
        store: &Arc<Sqlite>,
        folder: &Path,
    ) -> Result<Self, SimulationError> {
        let databases = geo::write(&observatory.networks, folder)?;
        let enricher: Arc<dyn Enricher> =
            Arc::new(Mmdb::open(&databases.country, &databases.asn)?);
        let mut chance = Seeded::new(observatory.seed, 0x55);
        let key = load_or_create(&folder.join("collector.key"), &mut |b| chance.fill(b))?;
        let ingest = Ingest::new(
            Arc::clone(store),
            Arc::clone(&enricher),
            Arc::new(Rules),
            key.public(),
        );
        Ok(Self {
            store: Arc::clone(store),
            enricher,
            ingest,
            key,
        })
    }

    /// Makes probes known, one for each member: their keys.
    pub(super) fn enrol(
        &self,
        observatory: &Observatory,
        members: &[Member],
        enrolled: UnixTime,
    ) -> Result<Vec<Identity>, SimulationError> {
        let numbers = 1..=members.len() as u64;
        let keys: Vec<_> = numbers.map(|at| identity(observatory.seed, at)).collect();
        for key in &keys {
            self.store.enrol(&ProbeRecord {
                id: key.public().probe_id(),
                public_key: key.public().to_sec1(),
                consent: 1,
                software: software(),
                enrolled,
                source: Source::Probe,
                revoked: None,
            })?;
        }
        Ok(keys)
    }

    /// A probe's network-epoch token.
    pub(super) fn token(&self, member: &Member, probe: &Identity, now: UnixTime) -> Vec<u8> {
        let (geo, id) = (&*self.enricher, probe.public().probe_id());
        issue(&self.key, geo, id, member.address, now, EPOCH_LENGTH)
    }

    /// Takes a sealed batch.
    pub(super) fn accept(
        &self,
        member: &Member,
        batch: &[u8],
        received: UnixTime,
    ) -> Result<Receipt, SimulationError> {
        let receipt = self.ingest.accept(batch, received);
        receipt.map_err(|source| SimulationError::Refused {
            probe: member.name.clone(),
            source,
        })
    }
}

/// The key of a probe in a world of this seed.
fn identity(seed: u64, number: u64) -> Identity {
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
