//! How does a world look back on sixty days that have not passed? Day by day in virtual
//! time, by the code that probes and the collector run: each probe looks at a few targets,
//! a control looks at them on the same day, one sealed batch a day comes in.
//!
//! A day's targets rotate, so that each probe sees every target once in a round, and the
//! probes of a network stand half a round apart, so that each target is seen there on two
//! days. Each looks at the DNS itself every other day. The world is built once for each set of
//! events under way.

use super::{
    Observatory,
    reception::{Reception, SimulationError},
    round::{Control, Round, Setting},
    simulated::virtual_time,
};
use crate::clock::EPOCH;
use crate::scenario::{Experiment, Measure};
use faultline_collector::{store::sqlite::Sqlite, traces::Lists};
use faultline_core::{
    id::ProbeId,
    time::{Duration, UnixTime},
};
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
    let reception = Reception::open(observatory, store, folder)?;
    let first = offset(wanted.until) + 1 - i64::from(wanted.days);
    let keys = reception.enrol(observatory, &members, at(first))?;
    let lists = lists(observatory);
    let runtime = virtual_time()?;
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
        let offset = first + i64::from(day);
        let mut control = Control::new(&setting.1, offset, &reception.key);
        for (place, (member, key)) in members.iter().zip(&keys).enumerate() {
            let token = reception.token(member, key, at(offset));
            let targets = rotation(observatory.measure.len(), wanted.targets, day, place);
            let targets = targets
                .iter()
                .filter_map(|at| Some((*at as u64, observatory.measure.get(*at)?)));
            let member_id = key.public().probe_id();
            let batch = runtime.block_on(async {
                let mut round = Round::new(&setting.1, member, key, token, offset);
                let mut measurements = Vec::new();
                for (number, wanted) in targets {
                    let seen = round.look(number, wanted, &mut control).await;
                    // The name of the first target alone: pages tell of names, too.
                    if measurements.is_empty() {
                        measurements.push(round.measurement(seen.name, Some(&seen.control)));
                    }
                    measurements.push(round.measurement(seen.page, Some(&seen.control)));
                }
                let lists = lists
                    .as_ref()
                    .filter(|_| (day as usize + place).is_multiple_of(2));
                for wanted in traces(lists, member_id, at(offset)) {
                    let seen = round.trace(&wanted).await;
                    measurements.push(round.measurement(seen, None));
                }
                let created = at(offset) + Duration::from_mins(30);
                round.seal(u64::from(day), created, measurements)
            });
            let received = at(offset) + Duration::from_hours(1);
            let receipt = reception.accept(member, &batch, received)?;
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

/// What of the DNS itself the collector asks a probe for.
fn traces(lists: Option<&Lists>, probe: ProbeId, now: UnixTime) -> Vec<Measure> {
    let Some(lists) = lists else {
        return Vec::new();
    };
    let drawn = lists.draw(probe, now);
    let each = |experiment, names: Vec<String>| {
        let target = move |target| Measure { experiment, target };
        names.into_iter().map(target)
    };
    each(Experiment::Namespace, drawn.namespace)
        .chain(each(Experiment::SpecialNames, drawn.special))
        .chain(each(Experiment::DnsTransparency, drawn.transparency))
        .collect()
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
