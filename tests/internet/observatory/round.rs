//! What does one round of a probe come to, in virtual time? It looks at some targets, name and
//! page, with its own code; a control looks at them beside it; what was seen is sealed.

use super::{
    Member, Observatory,
    reception::{SimulationError, software},
};
use crate::clock::SimClock;
use crate::entropy::Seeded;
use crate::network::SimNetwork;
use crate::run::{fill, look, named, view};
use crate::scenario::{Experiment, Measure, Probe, Scenario};
use crate::world::{NEUTRAL, VANTAGE, World};
use faultline_collector::score::cell::TargetId;
use faultline_core::{
    codec::{Identity, Purpose},
    id::{BatchId, MeasurementId},
    measurement::{Batch, ControlReport, Driver, Measurement, SCHEMA_VERSION},
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};
use faultline_probe::{
    experiment::{Outcome, Plan, Surroundings, measure, told},
    net::Clock as _,
    random::Entropy as _,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The world while no event begins or ends. It is the same for every probe in it.
pub(super) struct Setting {
    pub(super) scenario: Scenario,
    world: Arc<World>,
    plan: Plan,
    clean: Plan,
}

impl Setting {
    /// With the boxes of the events of these numbers.
    pub(super) fn new(
        observatory: &Observatory,
        members: &[Member],
        under_way: &[usize],
    ) -> Result<Self, SimulationError> {
        let anybody = members.first().map(|member| member.probe.clone());
        let anybody = anybody.unwrap_or_else(|| Probe::in_network(VANTAGE, 10, 0));
        let mut scenario = observatory.scenario(anybody);
        let events = under_way.iter().filter_map(|at| observatory.event.get(*at));
        scenario
            .middlebox
            .extend(events.map(|e| e.middlebox.clone()));
        let world = Arc::new(World::new(&scenario)?);
        let clean = Plan::new(Arc::clone(&world.roots), NEUTRAL);
        let mut plan = clean.clone();
        fill(&mut plan, &scenario, &world);
        Ok(Self {
            scenario,
            world,
            plan,
            clean,
        })
    }
}

/// Of a world of this seed: a number of its own for each day, thing and purpose.
fn seed(of_world: u64, day: i64, number: u64, purpose: u64) -> u64 {
    let of_day = of_world ^ (day as u64) << 32;
    Seeded::new(of_day ^ number.rotate_left(17), purpose).draw()
}

/// The clean vantage point on one day, which remembers what it saw: probes that were told the
/// same of the same target get the same report.
pub(super) struct Control<'a> {
    setting: &'a Setting,
    day: i64,
    key: &'a Identity,
    seen: BTreeMap<(u64, Vec<Ip>), (ControlReport, Blob)>,
}

impl<'a> Control<'a> {
    pub(super) fn new(setting: &'a Setting, day: i64, key: &'a Identity) -> Self {
        Self {
            setting,
            day,
            key,
            seen: BTreeMap::new(),
        }
    }

    /// Its report on a target, and the same sealed.
    async fn look(
        &mut self,
        number: u64,
        target: &str,
        told: Vec<Ip>,
    ) -> (ControlReport, Blob) {
        let asked = (number, told);
        if let Some(known) = self.seen.get(&asked) {
            return known.clone();
        }
        let seed = seed(self.setting.scenario.seed, self.day, number, 1);
        let net = SimNetwork::vantage(&self.setting.world, seed);
        let clock = SimClock::new(self.day, ClockQuality::Ntp);
        let clean = &self.setting.clean;
        let report = view(&net, &clock, clean, seed ^ 2, target, &asked.1).await;
        let sealed = Blob(self.key.seal(Purpose::ControlReport, &report));
        self.seen.insert(asked, (report.clone(), sealed.clone()));
        (report, sealed)
    }
}

/// What was seen of one target.
pub(super) struct Sight {
    pub(super) name: Outcome,
    pub(super) page: Outcome,
    /// The control's report, sealed.
    pub(super) control: Blob,
}

/// One probe on one day, counted from the simulation's beginning.
pub(super) struct Round<'a> {
    setting: &'a Setting,
    key: &'a Identity,
    token: Vec<u8>,
    seed: u64,
    net: SimNetwork,
    clock: SimClock,
    chance: Seeded,
}

impl<'a> Round<'a> {
    /// Inside of virtual time: the probe's clock begins now.
    pub(super) fn new(
        setting: &'a Setting,
        member: &Member,
        key: &'a Identity,
        token: Vec<u8>,
        day: i64,
    ) -> Self {
        let id = key.public().probe_id();
        let own = id.0.iter().take(8);
        let own = own.fold(0, |all, b| all << 8 | u64::from(*b));
        let seed = seed(setting.scenario.seed, day, own, 2);
        Self {
            setting,
            key,
            token,
            seed,
            net: SimNetwork::probe(&setting.world, &member.probe, seed),
            clock: SimClock::new(day, ClockQuality::Ntp),
            chance: Seeded::new(seed, 0x44),
        }
    }

    /// Looks at a target of this number: its name, then, beside the control, its page.
    pub(super) async fn look(
        &self,
        number: u64,
        wanted: &Measure,
        control: &mut Control<'_>,
    ) -> Sight {
        let name = Measure {
            experiment: Experiment::DnsConsistency,
            target: named(&wanted.target).to_owned(),
        };
        let (seed, plan) = (self.seed ^ number << 8, &self.setting.plan);
        let first = look(&self.net, &self.clock, plan, seed, &name, None).await;
        let told = told(&name.target, &first.observations);
        let (report, sealed) = control.look(number, &wanted.target, told).await;
        let (seed, report) = (seed ^ 0x10, Some(&report));
        let page = look(&self.net, &self.clock, plan, seed, wanted, report).await;
        Sight {
            name: first,
            page,
            control: sealed,
        }
    }

    /// Looks at a part of the DNS itself; nobody looks beside it.
    pub(super) async fn trace(&self, wanted: &Measure) -> Outcome {
        let seed = self.seed ^ TargetId::of(&wanted.target).0;
        let plan = &self.setting.plan;
        look(&self.net, &self.clock, plan, seed, wanted, None).await
    }

    /// What is told of something that was seen.
    pub(super) fn measurement(&mut self, seen: Outcome, control: Option<&Blob>) -> Measurement {
        let surroundings = Surroundings {
            id: MeasurementId(self.draw()),
            software: software(),
            driver: Driver::Simulated,
            network: Some(Blob(self.token.clone())),
            control: control.cloned(),
            consent: 1,
        };
        measure(surroundings, seen)
    }

    /// The clock of the probe.
    pub(super) fn now(&self) -> UnixTime {
        self.clock.unix()
    }

    /// A sealed batch.
    pub(super) fn seal(
        &mut self,
        sequence: u64,
        created: UnixTime,
        measurements: Vec<Measurement>,
    ) -> Vec<u8> {
        let batch = Batch {
            schema: SCHEMA_VERSION,
            probe: self.key.public().probe_id(),
            id: BatchId(self.draw()),
            sequence,
            created,
            measurements,
            ledger: None,
        };
        self.key.seal(Purpose::Batch, &batch)
    }

    fn draw(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.chance.fill(&mut bytes);
        bytes
    }
}
