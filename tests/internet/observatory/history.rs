//! How does a world look back on sixty days that have not passed? Day by day in virtual
//! time, by the code that probes and the collector run: each probe looks at a few targets,
//! a control looks at them on the same day, one sealed batch a day comes in.
//!
//! A day's targets rotate, so that each probe sees every target once in a round, and the
//! probes of a network stand half a round apart, so that each target is seen there on two
//! days. Each looks at the DNS itself every other day. The world is built once for each set of events under way.

use super::simulated::{SimulationError, identity, software};
use super::{Member, Observatory, geo};
use crate::clock::{EPOCH, SimClock};
use crate::entropy::Seeded;
use crate::network::SimNetwork;
use crate::run::{fill, look, named, view};
use crate::scenario::{Experiment, Measure, Scenario};
use crate::world::{NEUTRAL, World};
use faultline_collector::{
    ingest::{Enricher, Ingest, Mmdb, issue},
    rules::Rules,
    score::cell::TargetId,
    store::{Ledger as _, ProbeRecord, Source, sqlite::Sqlite},
    traces::Lists,
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{BatchId, MeasurementId, ProbeId},
    measurement::{Batch, ControlReport, Driver, SCHEMA_VERSION},
    time::{ClockQuality, Duration, UnixTime},
    value::{Blob, Ip},
};
use faultline_probe::{
    experiment::{Plan, Surroundings, measure, told},
    identity::load_or_create,
    random::Entropy as _,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What is looked back on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// How many days.
    pub days: u32,
    /// Some time on the last of them.
    pub until: UnixTime,
    /// How many targets each probe looks at in a day.
    pub targets: u32,
}

impl Default for History {
    fn default() -> Self {
        Self {
            days: 60,
            until: EPOCH,
            // A round of 52 targets in eighteen days.
            targets: 3,
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Batches taken in.
    pub batches: u64,
    /// Measurements in them.
    pub measurements: u64,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Makes the history; rows are in `store`, geo databases and the collector's key in `folder`,
/// where a collector that keeps its state there finds them. `each` hears of every
/// day that is done. The same observatory and history give the same rows.
pub fn history(
    observatory: &Observatory,
    wanted: &History,
    store: &Arc<Sqlite>,
    folder: &Path,
    each: &mut dyn FnMut(u32),
) -> Result<Made, SimulationError> {
    let members = observatory.members()?;
    let databases = geo::write(&observatory.networks, folder)?;
    let enricher: Arc<dyn Enricher> = Arc::new(Mmdb::open(&databases.country, &databases.asn)?);
    let mut chance = Seeded::new(observatory.seed, 0x55);
    let collector = load_or_create(&folder.join("collector.key"), &mut |b| chance.fill(b))?;
    let ingest = Ingest::new(
        Arc::clone(store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        collector.public(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(SimulationError::Runtime)?;
    let keys: Vec<Identity> = (1..)
        .zip(&members)
        .map(|(at, _)| identity(observatory.seed, at))
        .collect();
    let first = offset(wanted.until) + 1 - i64::from(wanted.days);
    for key in &keys {
        store.enrol(&ProbeRecord {
            id: key.public().probe_id(),
            public_key: key.public().to_sec1(),
            consent: 1,
            software: software(),
            enrolled: at(first),
            source: Source::Probe,
            revoked: None,
        })?;
    }
    let traces = lists(observatory);
    let (mut made, mut built) = (Made::default(), None::<(Vec<usize>, Setting)>);
    for day in 0..wanted.days {
        let under_way = under_way(observatory, day);
        let setting = match built.take() {
            Some(setting) if setting.0 == under_way => setting,
            _ => {
                let setting = Setting::new(observatory, &members, &under_way)?;
                (under_way, setting)
            }
        };
        let today = Today {
            observatory,
            setting: &setting.1,
            day,
            offset: first + i64::from(day),
            collector: &collector,
            traces: traces.as_ref(),
        };
        let mut controls = Reports::new();
        for (number, (member, key)) in members.iter().zip(&keys).enumerate() {
            let targets = rotation(observatory.measure.len(), wanted.targets, day, number);
            let now = at(today.offset);
            let id = key.public().probe_id();
            let (geo, validity) = (&*enricher, Duration::from_hours(24));
            let token = issue(&collector, geo, id, member.address, now, validity);
            let traces = if (day as usize + number).is_multiple_of(2) {
                today.traces(id)
            } else {
                Vec::new()
            };
            let wanted = (targets.as_slice(), traces.as_slice());
            let batch =
                runtime.block_on(today.batch(member, key, &token, wanted, &mut controls));
            let receipt = ingest.accept(&batch, now + Duration::from_hours(1));
            let receipt = receipt.map_err(|source| SimulationError::Refused {
                probe: member.name.clone(),
                source,
            })?;
            made.batches += 1;
            made.measurements += u64::from(receipt.measurements);
        }
        built = Some(setting);
        each(day);
    }
    Ok(made)
}

/// What the collector draws from; nothing, where the world has no test zone.
fn lists(observatory: &Observatory) -> Option<Lists> {
    let zone = observatory.test_zone.as_deref()?;
    Lists::parse(&observatory.tlds(), Some(zone)).ok()
}

/// Days from the simulation's beginning.
fn offset(time: UnixTime) -> i64 {
    time.secs().div_euclid(DAY) - EPOCH.secs().div_euclid(DAY)
}

fn at(offset: i64) -> UnixTime {
    UnixTime::from_secs(EPOCH.secs() + offset * DAY)
}

/// Events under way on a day, by number.
fn under_way(observatory: &Observatory, day: u32) -> Vec<usize> {
    let events = observatory.event.iter().enumerate();
    events
        .filter(|(_, e)| e.from <= day && e.until.is_none_or(|until| day < until))
        .map(|(number, _)| number)
        .collect()
}

/// The targets of a probe's day, by number.
fn rotation(all: usize, per_day: u32, day: u32, probe: usize) -> Vec<usize> {
    let per_day = (per_day as usize).min(all);
    if per_day == 0 {
        return Vec::new();
    }
    let round = all.div_ceil(per_day);
    let shift = if probe.is_multiple_of(2) {
        0
    } else {
        round / 2
    };
    let first = (day as usize + shift) % round * per_day;
    (first..all.min(first + per_day)).collect()
}

/// The world while no event begins or ends.
struct Setting {
    scenario: Scenario,
    world: Arc<World>,
    plan: Plan,
    clean: Plan,
}

impl Setting {
    fn new(
        observatory: &Observatory,
        members: &[Member],
        under_way: &[usize],
    ) -> Result<Self, SimulationError> {
        let anybody = members.first().map(|m| m.probe.clone());
        let anybody = anybody.unwrap_or_else(|| {
            crate::scenario::Probe::in_network(crate::world::VANTAGE, 10, 0)
        });
        let mut scenario = observatory.scenario(anybody);
        let events = under_way.iter().filter_map(|at| observatory.event.get(*at));
        scenario
            .middlebox
            .extend(events.map(|e| e.middlebox.clone()));
        let world = Arc::new(World::new(&scenario)?);
        let clean = Plan::new(Arc::clone(&world.roots), NEUTRAL);
        let mut plan = Plan::new(Arc::clone(&world.roots), NEUTRAL);
        fill(&mut plan, &scenario);
        Ok(Self {
            scenario,
            world,
            plan,
            clean,
        })
    }
}

/// The control's reports of a day, by target and by what the probe was told of it.
type Reports = BTreeMap<(usize, Vec<Ip>), (ControlReport, Blob)>;

/// One day.
struct Today<'a> {
    observatory: &'a Observatory,
    setting: &'a Setting,
    day: u32,
    offset: i64,
    collector: &'a Identity,
    traces: Option<&'a Lists>,
}

impl Today<'_> {
    /// What the clean vantage point sees of a target, sealed.
    async fn control(&self, number: usize, target: &str, told: &[Ip]) -> (ControlReport, Blob) {
        let seed = self.seed(number as u64, 1);
        let net = SimNetwork::vantage(&self.setting.world, seed);
        let clock = SimClock::new(self.offset, ClockQuality::Ntp);
        let report = view(&net, &clock, &self.setting.clean, seed ^ 2, target, told).await;
        let sealed = Blob(self.collector.seal(Purpose::ControlReport, &report));
        (report, sealed)
    }

    /// What one probe sees of its targets, names and pages, and of the DNS itself, in one sealed
    /// batch.
    async fn batch(
        &self,
        member: &Member,
        key: &Identity,
        token: &[u8],
        (targets, traces): (&[usize], &[Measure]),
        controls: &mut Reports,
    ) -> Vec<u8> {
        let id = key.public().probe_id();
        let own =
            id.0.iter()
                .take(8)
                .fold(0, |all, b| all << 8 | u64::from(*b));
        let seed = self.seed(own, 2);
        let net = SimNetwork::probe(&self.setting.world, &member.probe, seed);
        let clock = SimClock::new(self.offset, ClockQuality::Ntp);
        let mut chance = Seeded::new(seed, 0x44);
        let mut draw = || {
            let mut bytes = [0; 16];
            chance.fill(&mut bytes);
            bytes
        };
        let mut measurements = Vec::new();
        for (place, number) in targets.iter().enumerate() {
            let Some(wanted) = self.setting.scenario.measure.get(*number) else {
                continue;
            };
            let seed = seed ^ (*number as u64) << 8;
            let name = Measure {
                experiment: Experiment::DnsConsistency,
                target: named(&wanted.target).to_owned(),
            };
            let plan = &self.setting.plan;
            let first = look(&net, &clock, plan, seed, &name, None).await;
            let asked = (*number, told(&name.target, &first.observations));
            let (report, sealed) = if let Some(known) = controls.get(&asked) {
                known.clone()
            } else {
                let seen = self.control(*number, &wanted.target, &asked.1).await;
                controls.insert(asked, seen.clone());
                seen
            };
            let second = look(&net, &clock, plan, seed ^ 0x10, wanted, Some(&report)).await;
            // The name of the first target alone: pages tell of names, too.
            let first = Some(first).filter(|_| place == 0);
            for seen in first.into_iter().chain([second]) {
                let surroundings = Surroundings {
                    id: MeasurementId(draw()),
                    software: software(),
                    driver: Driver::Simulated,
                    network: Some(Blob(token.to_vec())),
                    control: Some(sealed.clone()),
                    consent: 1,
                };
                measurements.push(measure(surroundings, seen));
            }
        }
        for wanted in traces {
            let seed = seed ^ TargetId::of(&wanted.target).0;
            let seen = look(&net, &clock, &self.setting.plan, seed, wanted, None).await;
            let surroundings = Surroundings {
                id: MeasurementId(draw()),
                software: software(),
                driver: Driver::Simulated,
                network: Some(Blob(token.to_vec())),
                control: None,
                consent: 1,
            };
            measurements.push(measure(surroundings, seen));
        }
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: id,
            id: BatchId(draw()),
            sequence: u64::from(self.day),
            created: at(self.offset) + Duration::from_mins(30),
            measurements,
        };
        key.seal(Purpose::Batch, &batch)
    }

    /// What of the DNS itself the collector asks a probe for on this day.
    fn traces(&self, probe: ProbeId) -> Vec<Measure> {
        let Some(lists) = self.traces else {
            return Vec::new();
        };
        let drawn = lists.draw(probe, at(self.offset));
        let each = |experiment, names: Vec<String>| {
            let target = move |target| Measure { experiment, target };
            names.into_iter().map(target)
        };
        each(Experiment::Namespace, drawn.namespace)
            .chain(each(Experiment::SpecialNames, drawn.special))
            .chain(each(Experiment::DnsTransparency, drawn.transparency))
            .collect()
    }

    fn seed(&self, number: u64, purpose: u64) -> u64 {
        let of_day = self.observatory.seed ^ u64::from(self.day) << 32;
        Seeded::new(of_day ^ number.rotate_left(17), purpose).draw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_seen_in_a_round_and_neighbours_stand_half_a_round_apart() {
        for (all, per_day) in [(52, 2), (52, 3), (5, 9)] {
            let round = all_div(all, per_day);
            let mut seen: Vec<usize> = (0..round)
                .flat_map(|day| rotation(all, per_day, day, 0))
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..all).collect::<Vec<_>>());
        }
        assert_ne!(rotation(52, 2, 0, 0), rotation(52, 2, 0, 1));
        assert!(rotation(52, 0, 0, 0).is_empty());
    }

    fn all_div(all: usize, per_day: u32) -> u32 {
        (all as u32).div_ceil(per_day.min(all as u32))
    }
}
