//! How often is something said of nothing? Years of countries in which nobody shuts anything
//! down, and everything else goes wrong that does (see [`super::benign`]).

use super::{
    chance::Chance,
    fleet::{Wish, draw},
    play::play,
    rivals::{Rival, watch},
    score::{Alarm, Calibration, Errors, is_shutdown},
    world::{Fault, World},
};
use faultline_collector::detect::Settings;
use faultline_core::id::Country;

const DAY: i64 = 86_400;
/// Probes of a world's countries: every size that is asked about, small ones more often, as
/// they are in the world.
const SIZES: [usize; 10] = [3, 3, 5, 5, 10, 10, 20, 20, 50, 50];
/// Faults of the collector a year, of each kind.
const FAULTS: f64 = 6.0;
/// 2025-01-01.
const START: i64 = 1_735_689_600;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Quiet {
    pub errors: Errors,
    pub first: Calibration,
    pub last: Calibration,
    pub rivals: Vec<(Rival, Errors)>,
    pub ticks: u64,
    pub minutes: u64,
    /// A line for each confirmed event that nothing was behind, or that accuses in the end.
    pub wrong: Vec<String>,
}

/// Countries of one world.
pub const COUNTRIES: usize = SIZES.len();

/// A world of [`COUNTRIES`] countries for `days`.
pub fn world(days: i64, seed: u64) -> World {
    let mut chance = Chance::new(seed, 0x9e);
    let mut fleet = Vec::new();
    for (nth, probes) in SIZES.into_iter().enumerate() {
        let second = char::from(b'A' + nth as u8);
        let Some(country) = Country::new(&format!("X{second}")) else {
            continue;
        };
        let wish = Wish {
            weak_grid: nth % 2 == 0,
            ..Wish::plain(country, probes)
        };
        fleet.extend(draw(&wish, fleet.len(), &mut chance));
    }
    let span = (START, START + days * DAY);
    let faults = Fault::draw(FAULTS, span.0, span.1, &mut chance);
    World::live(fleet, &[], Vec::new(), &faults, span, &mut chance)
}

/// Lives through one, with the detector and its rivals.
pub fn quiet(days: i64, seed: u64, settings: Settings, rivals: bool) -> Quiet {
    let world = world(days, seed);
    let played = play(&world, settings);
    let alarms = Alarm::ours(&played.revisions, world.until);
    let (first, last) = Calibration::of(&alarms, &world.losses);
    let years = world.group_years();
    let wrong = alarms
        .iter()
        .filter(|alarm| alarm.confirmed.is_some() && !alarm.is_fault() && !alarm.is_merged())
        .filter(|alarm| {
            let accuses = alarm.stands() && alarm.class().is_none_or(is_shutdown);
            accuses || !alarm.is_large(&world.losses)
        })
        .filter_map(|alarm| alarm.said.last())
        .map(|said| {
            format!(
                "seed {seed}: {} {} {} from {} to {} with {} of {} sites in {} of {} networks, {} told",
                said.location,
                said.state,
                said.disruption_class,
                said.start,
                said.end.map_or_else(|| "now".to_owned(), |end| end.to_string()),
                said.affected_sites,
                said.eligible_sites,
                said.asns.len(),
                said.eligible_asns,
                said.retro_evidence_sites,
            )
        });
    let watched: &[Rival] = if rivals { Rival::ALL } else { &[] };
    Quiet {
        wrong: wrong.collect(),
        errors: Errors::of(&alarms, &world.losses, years),
        first,
        last,
        rivals: watched
            .iter()
            .map(|rival| {
                let alarms = watch(*rival, &world);
                (*rival, Errors::of(&alarms, &world.losses, years))
            })
            .collect(),
        ticks: played.ticks,
        minutes: played.minutes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole thing is `cargo x evaluate --quiet-years 1000`.
    #[test]
    fn nothing_is_confirmed_of_nothing_in_some_weeks_of_ten_countries() {
        let found = quiet(45, 7, Settings::default(), false);
        println!(
            "{:?}, {} of {} ticks",
            found.errors, found.ticks, found.minutes
        );
        assert_eq!(found.errors.false_confirmed, 0, "{:?}", found.wrong);
        assert_eq!(found.errors.benign_accused, 0);
    }
}
