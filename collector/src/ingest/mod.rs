//! What becomes of an upload? Decode, verify, enrich, judge, store; then say so. The address
//! that an upload comes from plays no part: where a measurement was taken is what its
//! network-epoch token says.

mod beats;
mod control;
mod decode;
mod enrich;
mod gate;
mod network;
mod site;
mod verified;

pub use beats::{Silence, Terms, Ward};
pub use decode::{MAX_BATCH, Refusal};
pub use enrich::{Enricher, GeoError, Mmdb, Nowhere};
pub use network::{Network, issue};
pub(crate) use site::prefix;
pub use site::{AccessTable, SiteError, Sites};

use crate::store::{
    AddressAsn, Appended, Enrichment, Incoming, Judge, MeasurementRow, Place, ReceiptRecord,
    Store, derive,
};
use faultline_core::{
    codec::PublicKey,
    measurement::{Batch, Experiment, Measurement, NetworkEpoch},
    observation::{Observation, ResolverRole, Step},
    protocol::Receipt,
    time::{Duration, UnixTime},
    value::{Blob, Ip},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, sync::Arc};
use verified::Verified;

/// A start further than this after the arrival is not believed.
const FUTURE: Duration = Duration::from_hours(1);

/// Hears of the rows of every batch that was stored.
pub type Watch = Arc<dyn Fn(&[MeasurementRow]) + Send + Sync>;

/// The way in.
pub struct Ingest {
    store: Box<dyn Store>,
    enricher: Arc<dyn Enricher>,
    judge: Arc<dyn Judge>,
    collector: PublicKey,
    epochs: Verified<NetworkEpoch>,
    reports: control::Reports,
    watch: Option<Watch>,
    ward: Option<Arc<Ward>>,
}

impl Ingest {
    pub fn new(
        store: impl Store + 'static,
        enricher: Arc<dyn Enricher>,
        judge: Arc<dyn Judge>,
        collector: PublicKey,
    ) -> Self {
        Self {
            store: Box::new(store),
            enricher,
            judge,
            collector,
            epochs: Verified::new(),
            reports: Verified::new(),
            watch: None,
            ward: None,
        }
    }

    /// Likewise, telling `watch` of what was stored.
    #[must_use]
    pub fn watched_by(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Likewise, keeping the link ledgers that come in batches where heartbeats are kept.
    #[must_use]
    pub fn hearing(mut self, ward: Arc<Ward>) -> Self {
        self.ward = Some(ward);
        self
    }

    /// Where addresses are.
    pub fn enricher(&self) -> &Arc<dyn Enricher> {
        &self.enricher
    }

    /// Where hearts are listened to, if they are.
    pub fn ward(&self) -> Option<&Arc<Ward>> {
        self.ward.as_ref()
    }

    /// Takes a sealed batch. A receipt means that it is durable.
    pub fn accept(&self, bytes: &[u8], received: UnixTime) -> Result<Receipt, Refusal> {
        let batch = decode::open(bytes, |id| self.store.probe(id))?;
        // Before the receipt, and again where that fails: entries know themselves again.
        if let (Some(ward), Some(part)) = (&self.ward, &batch.ledger) {
            ward.beats().record(batch.probe, part, received)?;
        }
        let enrichment = self.enrich(&batch, received);
        let rows = derive(&batch, &enrichment, &*self.judge);
        let measurements = batch.measurements.len() as u32;
        let receipt = ReceiptRecord {
            batch: batch.id,
            probe: batch.probe,
            sequence: batch.sequence,
            sha256: Sha256::digest(bytes).into(),
            received,
            measurements,
            enrichment,
        };
        let told = self.watch.as_ref().map(|watch| (watch, rows.clone()));
        let done = self.store.append(Incoming {
            receipt,
            bytes: bytes.to_vec(),
            rows,
        })?;
        if let (Some((watch, rows)), Appended::Stored) = (told, done) {
            watch(&rows);
        }
        Ok(Receipt {
            batch: batch.id,
            duplicate: done == Appended::Duplicate,
            measurements,
        })
    }

    fn enrich(&self, batch: &Batch, received: UnixTime) -> Enrichment {
        let seen: BTreeSet<Ip> = batch
            .measurements
            .iter()
            .flat_map(|m| addresses(&m.observations).into_iter().chain(resolvers(m)))
            .collect();
        let asn = |ip: Ip| self.enricher.asn_of(ip.0).map(|asn| AddressAsn { ip, asn });
        Enrichment {
            geo: Blob(self.enricher.digest().to_vec()),
            addresses: seen.into_iter().filter_map(asn).collect(),
            places: batch
                .measurements
                .iter()
                .map(|m| self.place(batch, m, received))
                .collect(),
        }
    }

    fn place(&self, batch: &Batch, m: &Measurement, received: UnixTime) -> Place {
        let network = m.network.as_ref().and_then(|token| {
            network::verify(
                &token.0,
                &self.epochs,
                &self.collector,
                batch.probe,
                m.started,
            )
        });
        let control = m
            .control
            .as_ref()
            .map(|report| control::verify(&report.0, &self.reports, &self.collector, m));
        Place {
            known: network.is_some(),
            country: network.as_ref().map(|n| n.country).unwrap_or_default(),
            asn: network.as_ref().map(|n| n.asn).unwrap_or_default(),
            control_valid: control == Some(true),
            control_ignored: control == Some(false),
            clock_future: m.started > received + FUTURE,
        }
    }
}

/// The resolvers of the network, where it is judged by what they say.
fn resolvers(measurement: &Measurement) -> impl Iterator<Item = Ip> {
    let judged = matches!(
        measurement.experiment,
        Experiment::Namespace | Experiment::SpecialNames | Experiment::DnsTransparency
    );
    let seen = measurement.observations.iter().filter(move |_| judged);
    seen.filter_map(|o| match &o.step {
        Step::Lookup(l) if l.role == ResolverRole::Network => l.resolver,
        _ => None,
    })
}

/// Every address that was told or gone to.
pub(crate) fn addresses(observations: &[Observation]) -> Vec<Ip> {
    observations
        .iter()
        .flat_map(|o| match &o.step {
            Step::Lookup(l) => l.replies.iter().flat_map(|r| r.addresses.clone()).collect(),
            Step::Connect(c) => vec![c.ip],
            Step::Handshake(h) => vec![h.ip],
            Step::Fetch(f) => vec![f.ip],
            _ => vec![],
        })
        .collect()
}
