//! What does the detector learn, and when? Five kinds of rows, each with the moment at which the
//! collector had it. Fed in the order of these moments, the same rows give the same revisions,
//! whether they come one a minute or a year at once.

use super::event::{Cause, CauseStatus, Class, Context, EventId, Known, Location};
use crate::store::beats::Presence;
use faultline_core::{engine::ledger::Chapter, id::ProbeId, time::UnixTime};
use serde::{Deserialize, Serialize};

/// A row for the detector.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A probe was heard. The same presence comes again, longer, while it goes on; a replay
    /// gives it once, whole: whoever reads `until` does so only up to the present tick.
    /// No presence spans midnight UTC.
    Heard(Presence),
    /// A probe's ledger grew.
    Told(Told),
    /// Somebody outside saw something.
    Signal(Signal),
    /// An analyst acted.
    Acted(Action),
    /// The collector was deaf, by its own test.
    Deaf { from: UnixTime, until: UnixTime },
}

/// What a probe's ledger says by now: all chapters that touch the time since the last telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub probe: ProbeId,
    pub received: UnixTime,
    pub chapters: Vec<Chapter>,
}

/// Who else watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Watcher {
    /// IODA's alerts and events.
    Ioda,
    /// Cloudflare Radar's annotations of outages.
    Radar,
    /// Access Now's STOP dataset: causes, by day.
    KeepItOn,
}

/// What somebody outside says. It is evidence, labelled as theirs, never a verdict of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    pub watcher: Watcher,
    /// Theirs; the same one again replaces the older.
    pub id: String,
    /// Which of their sources: `bgp`, `ping-slash24`, ...; empty where they do not say.
    pub source: String,
    pub location: Location,
    pub from: UnixTime,
    pub until: Option<UnixTime>,
    /// How exactly `from` is meant, seconds: a day for datasets by day.
    pub precision_s: u32,
    /// What they saw, and what they had expected.
    pub value: Option<f64>,
    pub baseline: Option<f64>,
    /// What they say of the kind, where it can be told in our words.
    pub class: Option<Class>,
    pub cause: Option<Cause>,
    /// What they say, shortly.
    pub words: String,
    pub url: Option<String>,
    pub received: UnixTime,
}

/// What a signed-in analyst did to an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub event: EventId,
    pub at: UnixTime,
    /// Who, as the operator named them; published only where the operator says so.
    pub by: String,
    pub deed: Deed,
    /// Always given.
    pub reason: String,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "deed")]
#[non_exhaustive]
pub enum Deed {
    /// A note for all readers.
    Annotate { note: String },
    /// The cause by a document: `sources` is never empty.
    Document {
        cause: Cause,
        status: CauseStatus,
        #[serde(default)]
        context: Vec<Context>,
        #[serde(default)]
        ordered_by: Option<String>,
        #[serde(default = "unknown")]
        gov_ack: Known,
        #[serde(default)]
        legal_basis: Option<String>,
        #[serde(default)]
        area_name: Option<String>,
        sources: Vec<String>,
    },
    /// It did not happen.
    Retract,
    /// It did, after all.
    Restore,
    /// It is of another kind.
    Reclassify { class: Class },
    /// Seen, nothing to add: leaves the queue.
    Review,
}

const fn unknown() -> Known {
    Known::Unknown
}
