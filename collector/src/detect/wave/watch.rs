//! What did each probe see of each target in each hour? Looks by country, kept in order, and the
//! alarms that follow from them, computed again where looks came in.

use super::{
    Hour,
    account::Account,
    alarm::{Alarm, of_category, of_target},
    hour,
    merge::{self, Wave},
};
use crate::{
    score::cell::{Attribution, Source, attribution},
    store::MeasurementRow,
};
use faultline_core::id::{Asn, Country, ProbeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) hour: Hour,
    pub(super) asn: Asn,
    pub(super) voter: u64,
    /// 0: nothing; else the number of a [`Cause`], counted from 1.
    pub(super) cause: u16,
}

/// How it was blocked, and where that sits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// Of verdicts.
    pub mechanism: String,
    /// Whether the network's resolver did it.
    pub by_resolver: bool,
    /// Whether something on the path did.
    pub on_path: bool,
}

/// One country by probes of ours, or by imports.
pub(super) type Scene = (Country, Source);

/// Looks at one target, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) looks: Vec<Look>,
    alarms: Option<Vec<Alarm>>,
}

/// Everything that is watched.
#[derive(Debug, Default)]
pub struct Watch {
    pub(super) scenes: BTreeMap<Scene, BTreeMap<u32, Track>>,
    pub(super) targets: Vec<String>,
    target_numbers: HashMap<String, u32>,
    pub(super) causes: Vec<Cause>,
    cause_numbers: HashMap<Cause, u16>,
    voters: HashMap<ProbeId, u64>,
    waves: Option<Vec<Wave>>,
}

impl Watch {
    /// Takes in a row, where it can tell: a name or a page in a known network that scoring
    /// would count as clear or as a deviation of the country.
    pub fn add(&mut self, row: &MeasurementRow, source: Source) {
        let known = row.scored && row.network_known && row.country != Country::UNKNOWN;
        if !known || !matches!(row.experiment, "web" | "dns_consistency") {
            return;
        }
        let cause = match row.verdict.outcome.as_str() {
            "ok" => 0,
            "anomaly" => {
                let place = attribution(row);
                let (true, Some(mechanism)) = (place.counts(), &row.verdict.mechanism) else {
                    return;
                };
                let Some(number) = self.cause(Cause::new(mechanism, place)) else {
                    return;
                };
                number
            }
            _ => return,
        };
        let hour = hour(row.started.0);
        let voter = match source {
            Source::Own => {
                let next = self.voters.len() as u64;
                *self.voters.entry(row.probe).or_insert(next)
            }
            // Whose probe it was is not known: of each network and day, one.
            Source::Import => {
                let day = u64::from(hour.div_euclid(24).max(0) as u32) & 0xff_ffff;
                1 << 62 | u64::from(row.asn.0) << 24 | day
            }
        };
        let look = Look {
            hour,
            asn: row.asn,
            voter,
            cause,
        };
        self.look((row.country, source), &row.target, look);
    }

    pub(super) fn look(&mut self, scene: Scene, target: &str, look: Look) {
        let target = self.target(target);
        let track = self
            .scenes
            .entry(scene)
            .or_default()
            .entry(target)
            .or_default();
        track.looks.push(look);
        track.alarms = None;
        self.waves = None;
    }

    fn target(&mut self, text: &str) -> u32 {
        if let Some(number) = self.target_numbers.get(text) {
            return *number;
        }
        let number = self.targets.len() as u32;
        self.targets.push(text.to_owned());
        self.target_numbers.insert(text.to_owned(), number);
        number
    }

    pub(super) fn cause(&mut self, cause: Cause) -> Option<u16> {
        if let Some(number) = self.cause_numbers.get(&cause) {
            return Some(*number);
        }
        // Words of verdicts are few and ours; should they ever run out, nothing breaks.
        let number = u16::try_from(self.causes.len() + 1).ok()?;
        self.causes.push(cause.clone());
        self.cause_numbers.insert(cause, number);
        Some(number)
    }

    /// The text of a target.
    pub fn target_text(&self, number: u32) -> &str {
        self.targets.get(number as usize).map_or("", String::as_str)
    }

    /// A cause by its number, counted from 1.
    pub(super) fn cause_of(&self, number: u16) -> Option<&Cause> {
        self.causes.get(usize::from(number).checked_sub(1)?)
    }

    /// All waves, the latest first. `category` tells that of a target.
    pub fn waves(&mut self, category: &dyn Fn(&str) -> Option<String>) -> &[Wave] {
        if self.waves.is_none() {
            self.refresh();
            self.waves = Some(self.merged(category));
        }
        self.waves.as_deref().unwrap_or_default()
    }

    /// A wave by its name; a name from before late data moved the beginning leads to what it
    /// became.
    pub fn wave(
        &mut self,
        id: super::WaveId,
        category: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Wave> {
        merge::find(self.waves(category), id).cloned()
    }

    /// Who saw what in a wave.
    pub fn account(&self, wave: &Wave) -> Account {
        Account::new(self, wave)
    }

    /// Alarms of all targets, where they are not known.
    fn refresh(&mut self) {
        let Self { scenes, causes, .. } = self;
        for track in scenes.values_mut().flat_map(BTreeMap::values_mut) {
            if track.alarms.is_some() {
                continue;
            }
            track.looks.sort_unstable();
            // What nobody saw cannot alarm.
            let seen = track.looks.iter().any(|look| look.cause != 0);
            track.alarms = Some(if seen {
                of_target(&track.looks, causes)
            } else {
                Vec::new()
            });
        }
    }

    /// Alarms of a country's targets and, of what has none of its own, of categories.
    fn merged(&self, category: &dyn Fn(&str) -> Option<String>) -> Vec<Wave> {
        let mut all = BTreeMap::new();
        for (scene, tracks) in &self.scenes {
            let mut alarms = Vec::new();
            let mut categories: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            let (mut named, mut alarmed) = (BTreeMap::new(), BTreeSet::new());
            for (target, track) in tracks {
                let name = category(self.target_text(*target));
                for alarm in track.alarms.iter().flatten() {
                    alarmed.insert(*target);
                    alarms.push(alarm.of([*target]));
                }
                if let Some(name) = name {
                    categories.entry(name.clone()).or_default().push(*target);
                    named.insert(*target, name);
                }
            }
            for targets in categories.values() {
                let rest = targets.iter().filter(|target| !alarmed.contains(target));
                let rest = rest.filter_map(|target| Some((*target, tracks.get(target)?)));
                let looks: Vec<_> = rest
                    .map(|(target, t)| (target, t.looks.as_slice()))
                    .collect();
                if looks
                    .iter()
                    .any(|(_, looks)| looks.iter().any(|look| look.cause != 0))
                {
                    alarms.extend(of_category(&looks, &self.causes));
                }
            }
            all.insert(*scene, (alarms, named));
        }
        merge::waves(self, all)
    }
}

impl Cause {
    pub(super) fn new(mechanism: &str, place: Attribution) -> Self {
        // What is done to a connection is done on the way; of a name, the rules tell.
        let of_name = mechanism.starts_with("dns.");
        Self {
            mechanism: mechanism.to_owned(),
            by_resolver: of_name && place == Attribution::Resolver,
            on_path: !of_name || place == Attribution::UpstreamUnknown,
        }
    }

    /// The layer that it is of: what stands before the first dot.
    pub fn layer(&self) -> &str {
        self.mechanism.split('.').next().unwrap_or_default()
    }
}
