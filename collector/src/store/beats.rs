//! What is kept of heartbeats and link ledgers? When each probe was heard and what it said last;
//! what it noted itself, and handed in later. Nothing here is public: who reads it sees when
//! somebody's machine was on.

use super::StoreError;
use faultline_core::{
    engine::ledger::{Book, BootId, State},
    id::{Asn, Country, ProbeId},
    measurement::{LedgerPart, NetworkKind},
    protocol::Beat,
    time::{Duration, UnixTime},
};
use std::ops::Range;

/// A beat that was believed, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub probe: ProbeId,
    pub received: UnixTime,
    pub beat: Beat,
    /// Of the address that it came from, which is not kept.
    pub country: Country,
    pub asn: Asn,
    pub whereabouts: Whereabouts,
}

/// What else is known of where a probe is; never published of one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whereabouts {
    /// Whoever shares it has one vote: a keyed digest of the /24 or /48 that beats come from.
    pub site: u64,
    pub access: NetworkKind,
    /// ISO 3166-2, where the operator's database knows; else empty.
    pub region: String,
}

/// A time in which a probe beat without a pause, in one state and one network, on one day of
/// UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    pub probe: ProbeId,
    /// The first beat.
    pub from: UnixTime,
    /// The last.
    pub until: UnixTime,
    pub beats: u32,
    /// The longest time between two of them, seconds.
    pub longest_gap: u32,
    /// Seconds between two, as the probe says.
    pub interval: u16,
    pub state: State,
    pub run: u32,
    pub boot: BootId,
    pub country: Country,
    pub asn: Asn,
    pub whereabouts: Whereabouts,
}

/// Heartbeats and ledgers.
pub trait Beats: Send + Sync {
    /// Keeps a beat; `false` where it, or a later one of the probe, was kept already.
    fn hear(&self, heard: &Heard) -> Result<bool, StoreError>;
    /// The newest beat of a probe.
    fn last(&self, probe: ProbeId) -> Result<Option<Heard>, StoreError>;
    /// What was present in the window, by probe and start; `each` returns whether to go on.
    fn presences(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(Presence) -> bool,
    ) -> Result<(), StoreError>;
    /// Keeps a part of a probe's ledger, durably. Parts may come again and in any order.
    fn record(
        &self,
        probe: ProbeId,
        part: &LedgerPart,
        received: UnixTime,
    ) -> Result<(), StoreError>;
    /// All that is known of a probe's ledger.
    fn book(&self, probe: ProbeId) -> Result<Book, StoreError>;
    /// Probes whose ledger grew in the window of arrival.
    fn told(&self, window: Range<UnixTime>) -> Result<Vec<ProbeId>, StoreError>;
    /// Drops presences and ledger entries that are older than `keep`; the newest beat of each
    /// probe stays. A clock that leapt by a month since the last time is believed the next
    /// time.
    fn forget(&self, keep: Duration, now: UnixTime) -> Result<(), StoreError>;
}
