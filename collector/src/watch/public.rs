//! What of an event may everybody know? What the dataset says of it at the same moment, and
//! nothing else: every row passes [`floors::publish`](crate::export::floors::publish) first
//! (decision 25), and filters look at what came out. A reply with one exact count would undo the
//! floors of the dataset. Times are written as everywhere in `/v1`; a count that is not told is
//! null.

use crate::{
    detect::event::{Bin, Covered, EventId, Evidence, Location, Revision},
    export::{
        Hold, Material,
        floors::{Wide, public_from},
        publish,
    },
    store::{StoreError, events::Events},
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
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
    /// Whether anything of an event is public.
    told: BTreeMap<EventId, bool>,
}

impl<'a> Public<'a> {
    pub fn new(events: &'a dyn Events, hold: &'a Hold, as_of: UnixTime) -> Self {
        Self {
            events,
            hold,
            as_of,
            told: BTreeMap::new(),
        }
    }

    /// All revisions of an event that are published, oldest first; none where it is not public.
    pub fn revisions(&mut self, event: EventId) -> Result<Vec<Revision>, StoreError> {
        let material = self.material(event)?;
        Ok(publish(&material, self.as_of, self.hold).revisions)
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
        Ok(self.days(self.events.coverage(days)?))
    }

    /// The same in a country, with the first place of each day wherever it is.
    pub fn coverage_in(
        &self,
        country: Country,
        days: Range<UnixTime>,
    ) -> Result<Vec<Covered>, StoreError> {
        Ok(self.days(self.events.coverage_in(country, days)?))
    }

    fn days(&self, coverage: Vec<Covered>) -> Vec<Covered> {
        let material = Material {
            coverage,
            ..Material::default()
        };
        publish(&material, self.as_of, self.hold).coverage
    }

    /// What the floors look at for one event: its revisions, which of those that they name are
    /// public, and the places with sites on the days on which it began and the days before.
    fn material(&mut self, event: EventId) -> Result<Material, StoreError> {
        let mut revisions = self.events.revisions(event)?;
        revisions.retain(|one| one.as_of <= self.as_of);
        let near = Near::of(&revisions);
        let mut coverage = Vec::new();
        for day in &near.days {
            let rows = self.events.day(*day)?;
            // That there are rows of a day at all matters, too.
            let about = rows.iter().enumerate();
            let about = about.filter(|(number, row)| *number == 0 || near.has(&row.location));
            coverage.extend(about.map(|(_, row)| row.clone()));
        }
        let mut others = BTreeSet::new();
        for other in near.named.into_iter().filter(|other| *other != event) {
            if self.is_told(other)? {
                others.insert(other);
            }
        }
        Ok(Material {
            revisions,
            coverage,
            others,
            ..Material::default()
        })
    }

    fn is_told(&mut self, event: EventId) -> Result<bool, StoreError> {
        if let Some(known) = self.told.get(&event) {
            return Ok(*known);
        }
        let mut is = false;
        self.events.each_of(event, &mut |one| {
            if one.as_of > self.as_of {
                return true;
            }
            let from = public_from(&one, self.as_of, self.hold);
            is = from.is_some_and(|from| from <= self.as_of);
            from.is_none()
        })?;
        self.told.insert(event, is);
        Ok(is)
    }
}

/// What the revisions of an event name.
#[derive(Default)]
struct Near {
    days: BTreeSet<UnixTime>,
    named: BTreeSet<EventId>,
    places: BTreeSet<Location>,
    networks: BTreeSet<Asn>,
    countries: BTreeSet<Country>,
}

impl Near {
    fn of(revisions: &[Revision]) -> Self {
        let mut near = Self::default();
        for one in revisions {
            let day = one.start.0.div_euclid(DAY).saturating_mul(DAY);
            near.days
                .extend([UnixTime(day.saturating_sub(DAY)), UnixTime(day)]);
            near.named.extend(one.incident_id);
            near.named.extend(one.merged_into);
            near.named.extend(&one.related_ids);
            near.networks.extend(&one.asns);
            near.countries.extend(&one.countries);
            let regions = one.admin1_codes.iter().cloned().map(Location::Region);
            near.places.extend(regions);
            near.places.insert(one.location.clone());
        }
        near
    }

    /// Whether a place can be named as a part of the event.
    fn has(&self, place: &Location) -> bool {
        match place {
            Location::Network(asn) if self.networks.contains(asn) => true,
            Location::Network(_) | Location::Region(_) => self.places.contains(place),
            _ => {
                let country = place.country();
                self.places.contains(place)
                    || country.is_some_and(|country| self.countries.contains(&country))
            }
        }
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
