//! What of an event may everybody know? What the dataset says of it at the same moment, and
//! nothing else: every row passes [`floors::publish`](crate::export::floors::publish) first
//! (decision 25), and filters look at what came out. A reply with one exact count would undo the
//! floors of the dataset. Times are written as everywhere in `/v1`; a count that is not told is
//! null.

use crate::{
    detect::event::{Bin, Covered, EventId, Evidence, Location, Revision},
    export::{Hold, Material, floors::Wide, publish},
    store::{StoreError, events::Events},
};
use faultline_core::time::UnixTime;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;
/// Longer than anything is rounded by: so far around a moment rows are looked for.
pub const BLUNT: i64 = 600_000_000;

/// What is published as of a moment, looked up event by event.
pub struct Public<'a> {
    events: &'a dyn Events,
    hold: &'a Hold,
    as_of: UnixTime,
    known: BTreeMap<EventId, Vec<Revision>>,
    days: BTreeMap<i64, Vec<Covered>>,
}

impl<'a> Public<'a> {
    pub fn new(events: &'a dyn Events, hold: &'a Hold, as_of: UnixTime) -> Self {
        Self {
            events,
            hold,
            as_of,
            known: BTreeMap::new(),
            days: BTreeMap::new(),
        }
    }

    /// All revisions of an event that are published, oldest first; none where it is not public.
    pub fn revisions(&mut self, event: EventId) -> Result<Vec<Revision>, StoreError> {
        let material = self.material(event)?;
        let mut said = publish(&material, self.as_of, self.hold).revisions;
        said.retain(|one| one.event_id == event);
        Ok(said)
    }

    /// The last of them.
    pub fn newest(&mut self, event: EventId) -> Result<Option<Revision>, StoreError> {
        Ok(self.revisions(event)?.pop())
    }

    /// All evidence on an event that is published.
    pub fn evidence(&mut self, event: EventId) -> Result<Vec<Evidence>, StoreError> {
        let mut material = self.material(event)?;
        material.evidence = self.events.evidence(event)?;
        material
            .evidence
            .retain(|one| one.received_at <= self.as_of);
        Ok(publish(&material, self.as_of, self.hold).evidence)
    }

    /// What was expected and seen of one place, in the whole hours that a window touches: a part
    /// of a bin, taken again elsewhere, would tell the rest.
    pub fn bins(
        &self,
        place: &Location,
        window: &Range<UnixTime>,
    ) -> Result<Vec<Wide>, StoreError> {
        let start = window.start.0.div_euclid(HOUR).saturating_mul(HOUR);
        let end = window.end.0.div_euclid(HOUR).saturating_add(1);
        let whole = UnixTime(start)..UnixTime(end.saturating_mul(HOUR));
        let material = Material {
            bins: self.events.bins(place, whole)?,
            ..Material::default()
        };
        Ok(publish(&material, self.as_of, self.hold).bins)
    }

    /// What could have been seen on days that are over.
    pub fn coverage(&self, days: Range<UnixTime>) -> Result<Vec<Covered>, StoreError> {
        let material = Material {
            coverage: self.events.coverage(days)?,
            ..Material::default()
        };
        Ok(publish(&material, self.as_of, self.hold).coverage)
    }

    /// What the floors look at for one event: its revisions, those that they name, and the
    /// places with sites on the days on which it began and the days before.
    fn material(&mut self, event: EventId) -> Result<Material, StoreError> {
        let own = self.known(event)?.clone();
        let mut named = BTreeSet::new();
        let (mut days, mut coverage) = (BTreeSet::new(), Vec::new());
        for one in &own {
            named.extend(one.incident_id);
            named.extend(one.merged_into);
            named.extend(one.related_ids.iter().copied());
            let day = one.start.0.div_euclid(DAY).saturating_mul(DAY);
            days.extend([day.saturating_sub(DAY), day]);
        }
        named.remove(&event);
        for day in days {
            let rows = self.day(day)?;
            // That there are rows of a day at all matters, too.
            let about = |(number, row): &(usize, &Covered)| {
                *number == 0 || own.iter().any(|one| touches(one, &row.location))
            };
            let near = rows.iter().enumerate().filter(about);
            coverage.extend(near.map(|(_, row)| row.clone()));
        }
        let mut revisions = own;
        for other in named {
            revisions.extend(self.known(other)?.iter().cloned());
        }
        Ok(Material {
            revisions,
            coverage,
            ..Material::default()
        })
    }

    fn known(&mut self, event: EventId) -> Result<&Vec<Revision>, StoreError> {
        if !self.known.contains_key(&event) {
            let mut said = self.events.revisions(event)?;
            said.retain(|one| one.as_of <= self.as_of);
            self.known.insert(event, said);
        }
        Ok(self.known.entry(event).or_default())
    }

    fn day(&mut self, day: i64) -> Result<&Vec<Covered>, StoreError> {
        if !self.days.contains_key(&day) {
            let rows = self
                .events
                .coverage(UnixTime(day)..UnixTime(day.saturating_add(DAY)))?;
            self.days.insert(day, rows);
        }
        Ok(self.days.entry(day).or_default())
    }
}

/// Whether a place can be named as a part of an event.
fn touches(event: &Revision, place: &Location) -> bool {
    if *place == event.location {
        return true;
    }
    match place {
        Location::Network(asn) => event.asns.contains(asn),
        Location::Region(code) => event.admin1_codes.contains(code),
        _ => place
            .country()
            .is_some_and(|country| event.countries.contains(&country)),
    }
}

/// A published revision as `/v1` writes it.
pub fn revision(revision: &Revision) -> Value {
    let mut value = timed(
        revision,
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
    if revision.affected_sites == 0 {
        for key in ["affected_sites", "drop_fraction"] {
            value[key] = Value::Null;
        }
    }
    if revision.retro_evidence_sites == 0 {
        for key in ["retro_evidence_sites", "retro_minutes"] {
            value[key] = Value::Null;
        }
    }
    value
}

/// Published evidence.
pub fn evidence(evidence: &Evidence) -> Value {
    let mut value = timed(evidence, &["from", "to", "received_at"]);
    if evidence.sites.is_some() {
        // A sum over sites would tell how many.
        value["llr"] = Value::Null;
    }
    value
}

/// What was expected and seen, and in how many seconds.
pub fn bin(wide: &Wide) -> Value {
    let mut value = timed::<Bin>(&wide.bin, &["at"]);
    value["seconds"] = json!(wide.seconds);
    value
}

/// What could have been seen.
pub fn covered(covered: &Covered) -> Value {
    let mut value = timed(covered, &["day"]);
    if let Some(day) = value["day"].as_str().and_then(|day| day.split('T').next()) {
        value["day"] = json!(day);
    }
    value
}

/// A row, with these of its fields as times.
fn timed<T: Serialize>(row: &T, times: &[&str]) -> Value {
    let mut value = json!(row);
    for key in times {
        if let Some(at) = value.get(*key).and_then(Value::as_i64) {
            value[*key] = json!(UnixTime(at).to_string());
        }
    }
    value
}
