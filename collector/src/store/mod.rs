//! What is kept, and what may be thrown away and made again?
//!
//! Verified batches and the receipt of each (with everything that enrichment added) are
//! the truth. Observations, verdicts and rollups are derived from them by a pure function
//! and can be rebuilt with equal bytes. Two traits with two jobs: the [`Ledger`] knows
//! probes, tokens, receipts; the [`Facts`] hold batches and rows. The embedded engine keeps
//! both in one SQLite file, so that a receipt and its rows live or die together. The other
//! keeps the ledger there and the facts in ClickHouse.

mod arrive;
pub mod beats;
pub mod clickhouse;
pub mod contract;
mod copy;
mod derive;
pub mod events;
mod query;
mod rebuild;
pub mod sqlite;
mod writer;

pub use arrive::{Arrival, rows_of};
pub use clickhouse::{Address, AddressError, ClickHouse, ddl as clickhouse_schema};
pub use copy::copy_facts;
pub(crate) use derive::payload_of;
pub use derive::{EARLIEST, Judge, Judgement, MeasurementRow, ObservationRow, derive};
pub use query::{Dropped, LEAP_DAYS, Query, Retention, Rollup, Source, Summary};
pub use rebuild::rebuild;

use faultline_core::{
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
    value::{Blob, Ip},
};
use minicbor::{Decode, Encode};
use std::{ops::Range, sync::Arc};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room on the disk; nothing of the request was kept.
    #[error("the store's disk is full: free some space, then send again")]
    Full,
    /// The same batch identity came with other bytes.
    #[error("batch {0} is stored already with other bytes")]
    Conflict(BatchId),
    /// Stored bytes do not read back as what was stored.
    #[error("stored data of {0} does not read back")]
    Corrupt(String),
    /// The file was written by a newer version.
    #[error(
        "the store has schema {found}, this version knows up to {known}: use a newer version"
    )]
    Newer {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// The clock went ahead so far that dropping old data is not safe.
    #[error(
        "the clock says that {days} days passed since data was last dropped: if it is right, run `faultline-collector retain` once"
    )]
    ClockLeap {
        /// How far.
        days: i64,
    },
    /// Another process writes, for long: a rebuild, or a large import.
    #[error("another process has been writing to the store for long: send again later")]
    Busy,
    /// The engine of the facts does not answer, or not now; nothing of the request was kept.
    #[error(
        "the facts' database cannot be reached: {0}: see that it runs and that `facts` names it, then try again"
    )]
    Unreachable(String),
    /// The engine of the facts does not let this user in, or not this far.
    #[error("the facts' database refuses: {0}: check user, password and rights")]
    Refused(String),
    /// Facts are not where they are looked for.
    #[error("{0}")]
    Misplaced(String),
    /// The writer has stopped.
    #[error("the store's writer has stopped")]
    Stopped,
    /// The engine failed.
    #[error("the database failed")]
    Engine(#[from] rusqlite::Error),
    /// The engine of the facts failed.
    #[error("the facts' database failed")]
    Facts(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file system failed.
    #[error("the store's files failed")]
    Io(#[from] std::io::Error),
}

impl StoreError {
    /// The same error for another who waited, where it is nobody's fault and will pass.
    pub(crate) fn passing(&self) -> Option<Self> {
        match self {
            Self::Busy => Some(Self::Busy),
            Self::Unreachable(why) => Some(Self::Unreachable(why.clone())),
            _ => None,
        }
    }

    /// What is worth trying again is told apart from other failures.
    fn named(self) -> Self {
        let code = match &self {
            Self::Engine(e) => e.sqlite_error_code(),
            _ => None,
        };
        match code {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::DatabaseBusy) => Self::Busy,
            _ => self,
        }
    }
}

/// A probe as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRecord {
    pub id: ProbeId,
    /// SEC1 compressed.
    pub public_key: Vec<u8>,
    pub consent: u16,
    pub software: String,
    pub enrolled: UnixTime,
    pub revoked: Option<UnixTime>,
    /// Whose measurements the key signs; never changes.
    pub source: Source,
}

/// What enrichment found about one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Place {
    /// Whether a valid network-epoch token came with the measurement.
    #[n(0)]
    pub known: bool,
    #[n(1)]
    pub country: Country,
    #[n(2)]
    pub asn: Asn,
    /// Whether a control report came that is ours and about this target.
    #[n(3)]
    pub control_valid: bool,
    /// Whether a control report came that was ignored.
    #[n(4)]
    pub control_ignored: bool,
    /// Whether the start lies more than an hour after the batch's arrival.
    #[n(5)]
    pub clock_future: bool,
}

/// The network of an address that a probe saw, when the batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AddressAsn {
    #[n(0)]
    pub ip: Ip,
    #[n(1)]
    pub asn: Asn,
}

/// Everything that was added to a batch on arrival. Databases change, so what they said is
/// kept with the receipt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrichment {
    /// Digest of the geo databases.
    #[n(0)]
    pub geo: Blob,
    /// Sorted by address.
    #[n(1)]
    pub addresses: Vec<AddressAsn>,
    /// One for each measurement, in order.
    #[n(2)]
    pub places: Vec<Place>,
}

/// A receipt as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRecord {
    pub batch: BatchId,
    pub probe: ProbeId,
    pub sequence: u64,
    pub sha256: [u8; 32],
    pub received: UnixTime,
    pub measurements: u32,
    pub enrichment: Enrichment,
}

/// A batch to store: the receipt, the bytes, and what follows from them.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub receipt: ReceiptRecord,
    pub bytes: Vec<u8>,
    pub rows: Vec<MeasurementRow>,
}

/// A batch as stored.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    pub receipt: ReceiptRecord,
    /// SEC1 compressed key of the signer.
    pub public_key: Vec<u8>,
    pub bytes: Vec<u8>,
}

/// What became of an [`Incoming`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Stored,
    Duplicate,
}

/// Makes the rows of a stored batch again.
pub type Derive =
    Arc<dyn Fn(&StoredBatch) -> Result<Vec<MeasurementRow>, StoreError> + Send + Sync>;

/// Small, transactional, unique keys.
pub trait Ledger: Send + Sync {
    /// Makes a probe known; known ones keep their key and date, and stay revoked.
    fn enrol(&self, probe: &ProbeRecord) -> Result<(), StoreError>;
    fn probe(&self, id: ProbeId) -> Result<Option<ProbeRecord>, StoreError>;
    fn revoke(&self, id: ProbeId, at: UnixTime) -> Result<(), StoreError>;
    /// Notes that a network-epoch token was issued.
    fn record_epoch(
        &self,
        probe: ProbeId,
        issued: UnixTime,
        token: &[u8],
    ) -> Result<(), StoreError>;
    fn receipt(&self, batch: BatchId) -> Result<Option<ReceiptRecord>, StoreError>;
    fn audit(&self, at: UnixTime, what: &str) -> Result<(), StoreError>;
    /// How far the order of arrival reaches by now.
    fn newest(&self) -> Result<Arrival, StoreError>;
    /// Batches that came later, by whichever process, in order of arrival.
    fn after(
        &self,
        since: Arrival,
        each: &mut dyn FnMut(Arrival, BatchId),
    ) -> Result<(), StoreError>;
}

/// Large, append-mostly, read by window of time.
pub trait Facts: Send + Sync {
    /// Stores a batch with its receipt and rows, durably, or nothing of it.
    fn append(&self, incoming: Incoming) -> Result<Appended, StoreError>;
    /// Measurements started in the window, by start and identity, one at a time, as they
    /// were when the call began; `each` returns whether to go on.
    fn measurements(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError>;
    /// A page: the first measurements that match, by start and identity.
    fn select(&self, query: &Query) -> Result<Vec<MeasurementRow>, StoreError>;
    fn measurement(&self, id: MeasurementId) -> Result<Option<MeasurementRow>, StoreError>;
    /// Rollups of the hours that start in the window, in key order.
    fn rollups(&self, window: Range<UnixTime>) -> Result<Vec<Rollup>, StoreError>;
    /// Everything scored, by country, target and source, in this order.
    fn summary(&self) -> Result<Vec<Summary>, StoreError>;
    /// A batch, unless it is not known or was dropped.
    fn batch(&self, id: BatchId) -> Result<Option<StoredBatch>, StoreError>;
    /// Batches in order of arrival, as they were when the call began.
    fn batches(&self, each: &mut dyn FnMut(StoredBatch) -> bool) -> Result<(), StoreError>;
    /// Drops the derived rows whose batches are all kept and makes them again; readers see
    /// the old ones or the new ones.
    fn rederive(&self, derive: Derive) -> Result<(), StoreError>;
    /// Drops what is older than the policy says, and notes it in the audit log. Receipts,
    /// identities of measurements, rollups and the summary stay.
    fn retain(&self, policy: &Retention, now: UnixTime) -> Result<Dropped, StoreError>;
    /// SHA-256 over all derived rows in canonical order.
    fn digest(&self) -> Result<[u8; 32], StoreError>;
}

/// Both, behind one pointer: what the collector works with.
pub trait Store: Ledger + Facts {}

impl<S: Ledger + Facts + ?Sized> Store for S {}

impl<S: Ledger + ?Sized> Ledger for Arc<S> {
    fn enrol(&self, probe: &ProbeRecord) -> Result<(), StoreError> {
        (**self).enrol(probe)
    }
    fn probe(&self, id: ProbeId) -> Result<Option<ProbeRecord>, StoreError> {
        (**self).probe(id)
    }
    fn revoke(&self, id: ProbeId, at: UnixTime) -> Result<(), StoreError> {
        (**self).revoke(id, at)
    }
    fn record_epoch(
        &self,
        probe: ProbeId,
        issued: UnixTime,
        token: &[u8],
    ) -> Result<(), StoreError> {
        (**self).record_epoch(probe, issued, token)
    }
    fn receipt(&self, batch: BatchId) -> Result<Option<ReceiptRecord>, StoreError> {
        (**self).receipt(batch)
    }
    fn audit(&self, at: UnixTime, what: &str) -> Result<(), StoreError> {
        (**self).audit(at, what)
    }
    fn newest(&self) -> Result<Arrival, StoreError> {
        (**self).newest()
    }
    fn after(
        &self,
        since: Arrival,
        each: &mut dyn FnMut(Arrival, BatchId),
    ) -> Result<(), StoreError> {
        (**self).after(since, each)
    }
}

impl<S: Facts + ?Sized> Facts for Arc<S> {
    fn append(&self, incoming: Incoming) -> Result<Appended, StoreError> {
        (**self).append(incoming)
    }
    fn measurements(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(MeasurementRow) -> bool,
    ) -> Result<(), StoreError> {
        (**self).measurements(window, each)
    }
    fn select(&self, query: &Query) -> Result<Vec<MeasurementRow>, StoreError> {
        (**self).select(query)
    }
    fn measurement(&self, id: MeasurementId) -> Result<Option<MeasurementRow>, StoreError> {
        (**self).measurement(id)
    }
    fn rollups(&self, window: Range<UnixTime>) -> Result<Vec<Rollup>, StoreError> {
        (**self).rollups(window)
    }
    fn summary(&self) -> Result<Vec<Summary>, StoreError> {
        (**self).summary()
    }
    fn batch(&self, id: BatchId) -> Result<Option<StoredBatch>, StoreError> {
        (**self).batch(id)
    }
    fn batches(&self, each: &mut dyn FnMut(StoredBatch) -> bool) -> Result<(), StoreError> {
        (**self).batches(each)
    }
    fn rederive(&self, derive: Derive) -> Result<(), StoreError> {
        (**self).rederive(derive)
    }
    fn retain(&self, policy: &Retention, now: UnixTime) -> Result<Dropped, StoreError> {
        (**self).retain(policy, now)
    }
    fn digest(&self) -> Result<[u8; 32], StoreError> {
        (**self).digest()
    }
}
