//! How do measurements that others took come in? Converted into our words, then sealed by
//! a key of the collector's own for imports, so that they are kept, deduplicated, rebuilt
//! and told apart from those of volunteers like any batch.

mod convert;
pub mod ooni;

pub use convert::{Converted, convert};

use crate::{
    ingest::{Enricher, addresses},
    store::{
        AddressAsn, Appended, Enrichment, Facts, Incoming, Judge, Ledger, Place, ProbeRecord,
        ReceiptRecord, Source, StoreError, derive,
    },
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{Asn, BatchId, Country},
    measurement::{Batch, SCHEMA_VERSION},
    time::UnixTime,
    value::{Blob, Ip},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What an import works with.
pub struct Importer<'a, S> {
    /// Where measurements go.
    pub store: &'a S,
    /// Networks of the addresses that were seen.
    pub enricher: &'a dyn Enricher,
    /// The rules.
    pub judge: &'a dyn Judge,
    /// The key for imports; never the collector's own.
    pub key: &'a Identity,
}

impl<S: Ledger + Facts> Importer<'_, S> {
    /// Makes the import key known to the ledger.
    pub fn enrol(&self, now: UnixTime) -> Result<(), StoreError> {
        self.store.enrol(&ProbeRecord {
            id: self.key.public().probe_id(),
            public_key: self.key.public().to_sec1(),
            consent: 0,
            software: "import".into(),
            enrolled: now,
            revoked: None,
            source: Source::Import,
        })
    }

    /// Keeps one document. The same document again changes nothing.
    pub fn keep(&self, converted: Converted, now: UnixTime) -> Result<Appended, StoreError> {
        let Converted {
            measurement,
            country,
            asn,
        } = converted;
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: self.key.public().probe_id(),
            id: BatchId(measurement.id.0),
            sequence: 0,
            created: measurement.started,
            measurements: vec![measurement],
        };
        let seen: BTreeSet<Ip> = batch.measurements.iter().flat_map(addresses).collect();
        let network = |ip: Ip| self.enricher.asn_of(ip.0).map(|asn| AddressAsn { ip, asn });
        let enrichment = Enrichment {
            geo: Blob(self.enricher.digest().to_vec()),
            addresses: seen.into_iter().filter_map(network).collect(),
            places: vec![Place {
                known: country != Country::UNKNOWN && asn != Asn(0),
                country,
                asn,
                control_valid: false,
                control_ignored: false,
                clock_future: batch.created > now,
            }],
        };
        let rows = derive(&batch, &enrichment, self.judge);
        let bytes = self.key.seal(Purpose::Batch, &batch);
        self.store.append(Incoming {
            receipt: ReceiptRecord {
                batch: batch.id,
                probe: batch.probe,
                sequence: 0,
                sha256: Sha256::digest(&bytes).into(),
                received: now,
                measurements: 1,
                enrichment,
            },
            bytes,
            rows,
        })
    }
}
