//! What of an event may everybody know? Nothing about a group of fewer than three sites: an
//! event of such a group is not there, counts of one or two sites are not told, and a network is
//! named only where three sites in it could be seen on the day. Times are written as everywhere
//! in `/v1`.

use crate::{
    detect::event::{Bin, Covered, Evidence, Location, Revision, State},
    store::{StoreError, events::Events},
};
use faultline_core::{id::Asn, time::UnixTime};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Of the floors: so many sites, or nothing.
pub const SITES: u32 = 3;

const DAY: i64 = 86_400_000_000;

/// Whether an event is there for everybody.
pub fn is_public(revision: &Revision) -> bool {
    revision.state != State::Candidate && revision.eligible_sites >= SITES
}

/// Networks of which something may be said, by event: looked up once a day.
pub struct Networks<'a> {
    events: &'a dyn Events,
    days: BTreeMap<i64, BTreeSet<Asn>>,
}

impl<'a> Networks<'a> {
    pub fn new(events: &'a dyn Events) -> Self {
        Self {
            events,
            days: BTreeMap::new(),
        }
    }

    /// With three sites on the day on which the event began, or the day before: while it lasts,
    /// nobody is there to be counted.
    pub fn of(&mut self, revision: &Revision) -> Result<BTreeSet<Asn>, StoreError> {
        let day = revision.start.0 - revision.start.0.rem_euclid(DAY);
        if let Some(known) = self.days.get(&day) {
            return Ok(known.clone());
        }
        let covered = self
            .events
            .coverage(UnixTime(day - DAY)..UnixTime(day + DAY))?;
        let enough = covered.iter().filter(|row| row.eligible_sites >= SITES);
        let networks: BTreeSet<Asn> = enough.filter_map(|row| row.location.asn()).collect();
        self.days.insert(day, networks.clone());
        Ok(networks)
    }
}

/// A revision, without networks in which too few sites are.
pub fn revision(revision: &Revision, networks: &BTreeSet<Asn>) -> Option<Value> {
    if !is_public(revision) {
        return None;
    }
    let mut revision = revision.clone();
    revision.asns.retain(|asn| networks.contains(asn));
    let mut value = timed(
        &revision,
        &[
            "as_of",
            "start",
            "start_lower",
            "start_upper",
            "end",
            "end_lower",
            "end_upper",
        ],
    );
    if few(revision.affected_sites) {
        for key in ["affected_sites", "drop_fraction"] {
            value[key] = Value::Null;
        }
    }
    if few(revision.retro_evidence_sites) {
        for key in ["retro_evidence_sites", "retro_minutes"] {
            value[key] = Value::Null;
        }
    }
    Some(value)
}

/// Evidence, unless it is of one or two sites or of a network with so few.
pub fn evidence(evidence: &Evidence, networks: &BTreeSet<Asn>) -> Option<Value> {
    let named = match evidence.location {
        Location::Network(asn) | Location::NetworkIn(_, asn) => networks.contains(&asn),
        _ => true,
    };
    let enough = evidence.sites.is_none_or(|sites| sites >= SITES);
    let outside = evidence.sites.is_none();
    (enough && (named || outside)).then(|| timed(evidence, &["from", "to", "received_at"]))
}

/// What was expected and seen, unless of a group that is too small.
pub fn bin(bin: &Bin) -> Option<Value> {
    (bin.eligible >= SITES).then(|| timed(bin, &["at"]))
}

/// What could have been seen, unless by a group that is too small.
pub fn covered(covered: &Covered) -> Option<Value> {
    if covered.eligible_sites < SITES {
        return None;
    }
    let mut value = timed(covered, &["day"]);
    if let Some(day) = value["day"].as_str().and_then(|day| day.split('T').next()) {
        value["day"] = json!(day);
    }
    Some(value)
}

fn few(sites: u32) -> bool {
    (1..SITES).contains(&sites)
}

/// A row, with these of its fields as times.
fn timed(row: &impl Serialize, times: &[&str]) -> Value {
    let mut value = json!(row);
    for key in times {
        if let Some(at) = value.get(*key).and_then(Value::as_i64) {
            value[*key] = json!(UnixTime(at).to_string());
        }
    }
    value
}
