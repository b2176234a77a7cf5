//! What is kept of events? Every revision that was ever said, with its evidence; what was
//! expected and seen, minute by minute; where what could have been seen; and the log of what
//! the detector was told besides heartbeats, at which of its steps, so that the same can be
//! found again from the same rows.
//!
//! A step of the detector is kept whole or not at all: what it said, what it had been told, and
//! that it was taken. After a kill the detector is where the last kept step left it.

use super::StoreError;
use crate::detect::{
    event::{Bin, Class, Covered, EventId, Evidence, Location, Revision, State},
    input::{Action, Signal, Told},
};
use faultline_core::{
    id::Country,
    time::{Duration, UnixTime},
};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// The collector was deaf where it did not hear itself for so long.
pub const DEAF: Duration = Duration::from_mins(2);

/// What the detector learns besides presences.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    Told(Told),
    Signal(Signal),
    Acted(Action),
    Deaf { from: UnixTime, until: UnixTime },
}

/// A note, and the step before which the detector was told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    pub at: Moment,
    pub note: Note,
}

/// A step of the detector: the minute, and how often it was gone through again at once, because
/// an analyst acted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub tick: UnixTime,
    pub pass: u32,
}

/// What one step was told and said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step<'a> {
    pub at: Moment,
    /// What it was told that is in no log yet.
    pub told: &'a [Told],
    /// Numbers of the notes that waited for it.
    pub taken: &'a [i64],
    pub revisions: &'a [Revision],
    pub evidence: &'a [Evidence],
    pub bins: &'a [Bin],
    pub coverage: &'a [Covered],
}

/// Which events are asked for; newest start first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sought {
    pub country: Option<Country>,
    pub state: Option<State>,
    pub class: Option<Class>,
    /// Those that touch this time.
    pub window: Option<Range<UnixTime>>,
    /// As they were known then; without, as they are known now.
    pub as_of: Option<UnixTime>,
    /// Those of one incident.
    pub incident: Option<EventId>,
    /// Those after this one, in the order of the list.
    pub after: Option<(UnixTime, EventId)>,
    /// Those whose newest revision is at least so new.
    pub changed_since: Option<UnixTime>,
    /// Also those that are not published.
    pub candidates: bool,
    /// By the time of the newest revision instead, newest first.
    pub by_change: bool,
    pub limit: Option<usize>,
}

/// The store of events.
pub trait Events: Send + Sync {
    /// Keeps a note for the next step, durably; `false` where it is known word for word.
    fn note(&self, note: &Note, received: UnixTime) -> Result<bool, StoreError>;
    /// Notes that came by then and that no step has taken yet, in order of arrival, with their
    /// numbers.
    fn waiting(&self, until: UnixTime) -> Result<Vec<(i64, Note)>, StoreError>;
    /// Notes that steps from `from` on were told, in their order.
    fn noted(
        &self,
        from: UnixTime,
        each: &mut dyn FnMut(Noted) -> bool,
    ) -> Result<(), StoreError>;
    /// When analysts acted last, by event.
    fn acted(&self) -> Result<BTreeMap<EventId, UnixTime>, StoreError>;
    /// What analysts did to an event, in order.
    fn deeds(&self, event: EventId) -> Result<Vec<Action>, StoreError>;
    /// Keeps a step with everything that it said. Where a revision's number is taken by another
    /// content, it gets the next: nothing that was said is ever changed.
    fn keep(&self, step: &Step<'_>) -> Result<(), StoreError>;
    /// The minutes that were gone through, first and last of each span, in order.
    fn steps(&self) -> Result<Vec<(UnixTime, UnixTime)>, StoreError>;
    /// Puts revisions, evidence, bins and coverage in the place of all there are. What webhooks
    /// were sent stays sent.
    fn replace(&self, step: &Step<'_>) -> Result<(), StoreError>;

    /// The collector heard itself.
    fn alive(&self, now: UnixTime) -> Result<(), StoreError>;
    /// When it did, without pauses of more than [`DEAF`], since then.
    fn lives(&self, since: UnixTime) -> Result<Vec<(UnixTime, UnixTime)>, StoreError>;

    /// One revision of each event that is asked for.
    fn events(&self, sought: &Sought) -> Result<Vec<Revision>, StoreError>;
    /// All revisions of an event, oldest first.
    fn revisions(&self, event: EventId) -> Result<Vec<Revision>, StoreError>;
    /// Revisions of an event, oldest first, as long as `each` returns whether to go on.
    fn each_of(
        &self,
        event: EventId,
        each: &mut dyn FnMut(Revision) -> bool,
    ) -> Result<(), StoreError>;
    /// All evidence on an event, as it came.
    fn evidence(&self, event: EventId) -> Result<Vec<Evidence>, StoreError>;
    /// Every revision that was said before `until`, by event and number; `each` returns whether
    /// to go on. With it, the bytes as they were kept, which are compared.
    fn each_revision(
        &self,
        until: UnixTime,
        each: &mut dyn FnMut(Revision, &str) -> bool,
    ) -> Result<(), StoreError>;
    /// All evidence that came before `until`, by event and arrival.
    fn each_evidence(
        &self,
        until: UnixTime,
        each: &mut dyn FnMut(Evidence) -> bool,
    ) -> Result<(), StoreError>;
    /// What was expected and seen of one place.
    fn bins(
        &self,
        location: &Location,
        window: Range<UnixTime>,
    ) -> Result<Vec<Bin>, StoreError>;
    /// Of all places, by place and time.
    fn each_bin(
        &self,
        window: Range<UnixTime>,
        each: &mut dyn FnMut(Bin) -> bool,
    ) -> Result<(), StoreError>;
    /// The newest of each place, of those since then.
    fn newest_bins(&self, since: UnixTime) -> Result<Vec<Bin>, StoreError>;
    /// What could have been seen, on days that begin in the window, by day and place.
    fn coverage(&self, days: Range<UnixTime>) -> Result<Vec<Covered>, StoreError>;
    /// The same of one day: all places, by place. What is asked for again is not read again.
    fn day(&self, day: UnixTime) -> Result<Arc<[Covered]>, StoreError>;
    /// The same of the places of a country, and of one other place of each day: that there are
    /// rows of a day, and how long the collector was deaf on it, can be read off any.
    fn coverage_in(
        &self,
        country: Country,
        days: Range<UnixTime>,
    ) -> Result<Vec<Covered>, StoreError>;
    /// Drops bins older than `keep`, unless they are of the time of an event or the day before
    /// and after it.
    fn forget(&self, keep: Duration, now: UnixTime) -> Result<u64, StoreError>;
}

/// A revision on its way to a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// Grows with every revision.
    pub number: i64,
    pub revision: Revision,
    /// The state of the revision before, where there was one.
    pub before: Option<State>,
}

/// How far a webhook has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the last parcel that it took, or that was given up.
    pub taken: i64,
    /// Attempts at the next one that failed.
    pub failures: u32,
    /// Not before then.
    pub next: UnixTime,
}

/// What webhooks were sent, durably.
pub trait Outbox: Send + Sync {
    /// Of a webhook that was never heard of: it has everything by now.
    fn progress(&self, hook: &str) -> Result<Progress, StoreError>;
    fn note_progress(&self, hook: &str, progress: Progress) -> Result<(), StoreError>;
    /// The first published revision after a number.
    fn parcel(&self, after: i64) -> Result<Option<Parcel>, StoreError>;
}
