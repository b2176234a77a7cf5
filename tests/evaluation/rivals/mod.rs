//! What would others have said of the same beats? Own short implementations of two published
//! rules, for countries and for networks, on the same worlds in the same run.
//!
//! They were made for other signals (sessions of RIPE Atlas probes, answering /24s); here they
//! get who was heard when, with the patience that our detector has: a probe is gone when it
//! missed three beats. Neither knows what probes tell afterwards, nor what its own collector
//! could not hear.

mod kleinberg;
mod median;

use super::{score::Alarm, world::World};
use faultline_collector::{detect::input::Input, store::beats::Presence};
use faultline_core::id::{Asn, Country, ProbeId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rival {
    /// Bursts of disconnections by Kleinberg's automaton, as Disco uses it.
    Kleinberg,
    /// Moving median with IODA's least prediction of 20.
    Median20,
    /// The same without it: IODA would not speak of so few.
    Median,
}

impl Rival {
    pub const ALL: &'static [Self] = &[Self::Kleinberg, Self::Median20, Self::Median];
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kleinberg => "Kleinberg bursts (Disco)",
            Self::Median20 => "moving median (IODA)",
            Self::Median => "moving median, no least number",
        })
    }
}

/// What a rival says of a world.
pub fn watch(rival: Rival, world: &World) -> Vec<Alarm> {
    let units = units(world);
    let each = units.iter().flat_map(|unit| match rival {
        Rival::Kleinberg => kleinberg::watch(unit),
        Rival::Median20 => median::watch(unit, world.from, world.until, 20),
        Rival::Median => median::watch(unit, world.from, world.until, 1),
    });
    each.collect()
}

/// A country, or a network in one.
struct Unit {
    country: Country,
    asn: Option<Asn>,
    /// When each probe was heard, seconds.
    probes: Vec<Vec<Online>>,
}

/// A time in which a probe was heard without three beats missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Online {
    from: i64,
    until: i64,
    /// When its silence after `until` is noticed.
    noticed: i64,
}

fn units(world: &World) -> Vec<Unit> {
    let mut heard: BTreeMap<ProbeId, Vec<Online>> = BTreeMap::new();
    for row in &world.rows {
        if let Input::Heard(presence) = &row.input {
            add(heard.entry(presence.probe).or_default(), presence);
        }
    }
    let mut members: BTreeMap<(Country, Option<Asn>), BTreeSet<ProbeId>> = BTreeMap::new();
    for member in &world.fleet {
        for asn in [None, Some(member.asn)] {
            let unit = members.entry((member.country, asn)).or_default();
            unit.insert(member.id);
        }
    }
    let each = members.into_iter().map(|((country, asn), probes)| Unit {
        country,
        asn,
        probes: probes
            .iter()
            .filter_map(|probe| heard.get(probe).cloned())
            .collect(),
    });
    each.collect()
}

fn add(online: &mut Vec<Online>, presence: &Presence) {
    let patience = i64::from(presence.interval) * 3;
    let (from, until) = (presence.from.secs(), presence.until.secs());
    let noticed = until + patience;
    match online.last_mut() {
        // A beat every so often, give or take a second.
        Some(last) if from <= last.noticed + 2 => {
            (last.until, last.noticed) = (until, noticed);
        }
        _ => online.push(Online {
            from,
            until,
            noticed,
        }),
    }
}
