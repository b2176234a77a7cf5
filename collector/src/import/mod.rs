//! How do measurements that others took come in? Converted into our words, then sealed by
//! a key of the collector's own for imports, so that they are kept, deduplicated, rebuilt
//! and told apart from those of volunteers like any batch.

mod journal;
pub mod ooni;
pub mod signals;

pub use journal::{Journal, JournalError, Tally};
pub use ooni::{Converted, convert};

use crate::{
    ingest::{Enricher, MAX_BATCH, addresses},
    store::{
        AddressAsn, Appended, Enrichment, Facts, Incoming, Judge, Ledger, Place, ProbeRecord,
        ReceiptRecord, Source, StoreError, derive,
    },
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{Asn, BatchId, Country, MeasurementId},
    measurement::{Batch, SCHEMA_VERSION},
    time::UnixTime,
    value::{Blob, Ip},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Why a document was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// More than a batch may hold, even with everything capped.
    #[error("it holds more than a batch of {MAX_BATCH} bytes can: left out")]
    TooLarge,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new.
    Stored,
    /// It was there, and stays as it was read then.
    Known,
}

/// What an import works with.
pub struct Importer<'a, S: ?Sized> {
    /// Where measurements go.
    pub store: &'a S,
    /// Networks of the addresses that were seen.
    pub enricher: &'a dyn Enricher,
    /// The rules.
    pub judge: &'a dyn Judge,
    /// The key for imports; never the collector's own.
    pub key: &'a Identity,
}

impl<S: Ledger + Facts + ?Sized> Importer<'_, S> {
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

    /// The identity under which a document is kept. It follows from what the document says
    /// and from the import key: documents are public, and whoever uploads batches of their
    /// own must not be able to take their places beforehand.
    pub fn identity(&self, converted: &Converted) -> MeasurementId {
        let digest = Sha256::new()
            .chain_update(self.key.public().probe_id().0)
            .chain_update(converted.measurement.id.0)
            .finalize();
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        MeasurementId(id)
    }

    /// Keeps one document. The same document again changes nothing. The control's report is
    /// sealed by the import key, too: it is the document's word, not this collector's.
    pub fn keep(&self, converted: Converted, now: UnixTime) -> Result<Kept, KeepError> {
        let id = self.identity(&converted);
        let batch = BatchId(id.0);
        if self.store.receipt(batch)?.is_some() {
            return Ok(Kept::Known);
        }
        let Converted {
            mut measurement,
            control,
            country,
            asn,
            networks,
        } = converted;
        let helped = control
            .as_ref()
            .map_or(&[][..], |report| &report.observations);
        let seen: BTreeSet<Ip> = addresses(&measurement.observations)
            .into_iter()
            .chain(addresses(helped))
            .collect();
        let network = |ip: Ip| {
            let known = self.enricher.asn_of(ip.0);
            let asn = known.or_else(|| networks.get(&ip.0).copied())?;
            Some(AddressAsn { ip, asn })
        };
        measurement.id = id;
        measurement.control = control
            .as_ref()
            .map(|report| Blob(self.key.seal(Purpose::ControlReport, report)));
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: self.key.public().probe_id(),
            id: batch,
            sequence: 0,
            created: measurement.started,
            measurements: vec![measurement],
            ledger: None,
        };
        let enrichment = Enrichment {
            geo: Blob(self.enricher.digest().to_vec()),
            addresses: seen.into_iter().filter_map(network).collect(),
            places: vec![Place {
                known: country != Country::UNKNOWN && asn != Asn(0),
                country,
                asn,
                control_valid: control.is_some(),
                control_ignored: false,
                clock_future: batch.created > now,
            }],
        };
        let bytes = self.key.seal(Purpose::Batch, &batch);
        if bytes.len() > MAX_BATCH {
            return Err(KeepError::TooLarge);
        }
        let rows = derive(&batch, &enrichment, self.judge);
        let appended = self.store.append(Incoming {
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
        });
        Ok(match appended? {
            Appended::Stored => Kept::Stored,
            Appended::Duplicate => Kept::Known,
        })
    }
}
