//! How does history look with so many probes? A story, in a country with a fleet of a given
//! size, beside quiet countries, with late ledgers, lost clocks and a collector that fails.

use super::{
    chance::Chance,
    fleet::{Wish, draw},
    history::{Cut, Story},
    play::{Played, play},
    score::{Alarm, Calibration, Errors, Kind, Outcome, outcome},
    strike::strike,
    world::{Fault, World},
};
use crate::evaluation::rivals::{Rival, watch};
use faultline_collector::detect::Settings;
use faultline_core::id::Country;

const DAY: i64 = 86_400;
/// Before the event, so that everybody's habits are known.
const BEFORE: i64 = 15 * DAY;
/// After it: ledgers come up to six days late, and after fourteen it is final.
const AFTER: i64 = 15 * DAY;
/// Faults of the collector a year, of those it notices and of those it does not.
const FAULTS: f64 = 12.0;

/// What came of a story.
#[derive(Clone, Debug)]
pub struct Replayed {
    pub outcomes: Vec<Outcome>,
    pub errors: Errors,
    pub first: Calibration,
    pub last: Calibration,
    pub rivals: Vec<(Rival, Vec<Outcome>, Errors)>,
}

/// The world of a story: `probes` in each of its countries.
pub fn world(story: &Story, probes: usize, seed: u64) -> World {
    let mut chance = Chance::new(seed, fold(&story.id));
    let mut fleet = Vec::new();
    for country in &story.countries {
        let wish = Wish {
            networks: story.asns.iter().take(probes / 2).copied().collect(),
            mobile: if matches!(story.cut, Cut::Mobile { .. }) {
                0.5
            } else {
                0.3
            },
            mobile_named: matches!(story.cut, Cut::Mobile { .. }) && !story.asns.is_empty(),
            satellite: if story.cut == Cut::Cable { 0.1 } else { 0.0 },
            weak_grid: chance.happens(0.5),
            ..Wish::plain(*country, probes)
        };
        fleet.extend(draw(&wish, fleet.len(), &mut chance));
    }
    // So many elsewhere that a whole country's silence is not most of the world's.
    let others = 5 * fleet.len() + 30;
    for (nth, country) in quiet_countries(&story.countries).enumerate() {
        let share = others / 8 + usize::from(nth < others % 8);
        let wish = Wish {
            weak_grid: chance.happens(0.3),
            ..Wish::plain(country, share)
        };
        fleet.extend(draw(&wish, fleet.len(), &mut chance));
    }
    let (troubles, losses) = strike(story, &fleet, &mut chance);
    let span = (story.from - BEFORE, story.until + AFTER);
    let faults = Fault::draw(FAULTS, span.0, span.1, &mut chance);
    World::live(fleet, &troubles, losses, &faults, span, &mut chance)
}

/// Eight that are in no story.
fn quiet_countries(taken: &[Country]) -> impl Iterator<Item = Country> {
    let all = ('Q'..='Z').flat_map(|first| ('A'..='Z').map(move |second| (first, second)));
    let codes = all.filter_map(|(first, second)| Country::new(&format!("{first}{second}")));
    // Q to Z: XA and its like first, none that the story needs.
    let fictitious = |country: &Country| country.as_str().starts_with('X');
    codes
        .filter(move |country| fictitious(country) && !taken.contains(country))
        .take(8)
}

/// Plays a story and holds everybody against it.
pub fn replay(story: &Story, probes: usize, seed: u64, settings: Settings) -> Replayed {
    let world = world(story, probes, seed);
    let played = play(&world, settings);
    judge(&world, &played, probes)
}

/// Holds what was said, and what the rivals say, against the truth.
pub fn judge(world: &World, played: &Played, probes: usize) -> Replayed {
    let alarms = Alarm::ours(&played.revisions, world.until);
    let (first, last) = Calibration::of(&alarms, &world.losses);
    let years = world.group_years();
    let rivals = Rival::ALL.iter().map(|rival| {
        let alarms = watch(*rival, world);
        let errors = Errors::of(&alarms, &world.losses, years);
        (*rival, outcomes(world, &alarms, probes), errors)
    });
    Replayed {
        outcomes: outcomes(world, &alarms, probes),
        errors: Errors::of(&alarms, &world.losses, years),
        first,
        last,
        rivals: rivals.collect(),
    }
}

fn outcomes(world: &World, alarms: &[Alarm], probes: usize) -> Vec<Outcome> {
    let of_file = |kind| matches!(kind, Kind::Event | Kind::Control);
    let losses = world.losses.iter().filter(|loss| of_file(loss.kind));
    losses
        .map(|loss| {
            let here = world
                .fleet
                .iter()
                .filter(|member| loss.countries.contains(&member.country));
            let mut asns: Vec<_> = here.map(|member| member.asn).collect();
            asns.sort_unstable();
            asns.dedup();
            outcome(loss, alarms, probes, asns.len())
        })
        .collect()
}

fn fold(id: &str) -> u64 {
    id.bytes().fold(11, |sum: u64, octet| {
        sum.wrapping_mul(131).wrapping_add(octet.into())
    })
}

#[cfg(test)]
mod tests {
    use super::{super::history::History, *};
    use faultline_collector::detect::event::Class;
    use std::path::PathBuf;

    fn replayed(class: &str, probes: usize) -> Replayed {
        let text = format!(
            "id,country_code,scope,area,asns,class,cause,start_utc,end_utc,pattern\n\
             T,UG,national,,,{class},government,2021-01-13T16:00Z,2021-01-14T10:00Z,single\n"
        );
        let history = History::read(&text, "t").unwrap();
        replay(&history.stories[0], probes, 1, Settings::default())
    }

    #[test]
    fn ten_probes_see_an_isolation_and_tell_of_it_afterwards() {
        let replayed = replayed("international_isolation", 10);
        let [outcome] = replayed.outcomes.as_slice() else {
            panic!("{:?}", replayed.outcomes);
        };
        assert!(outcome.late_confirmed, "{outcome:?}");
        assert!(outcome.suspected.unwrap() <= 600, "{outcome:?}");
        assert_eq!(outcome.late, Some(Class::InternationalIsolation));
    }

    #[test]
    fn the_same_seed_gives_the_same_outcomes() {
        let two = || format!("{:?}", replayed("total", 5));
        assert_eq!(two(), two());
    }

    /// The real list, where it is at hand.
    #[test]
    fn every_row_of_the_curated_list_is_replayed_or_left_out_with_a_reason() {
        let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
            PathBuf::from,
        );
        let file = shared.join("data/shutdowns/events.csv");
        if !file.exists() {
            println!("skipped: no ../shared");
            return;
        }
        let history = History::open(&file).unwrap();
        assert!(history.stories.len() >= 30, "{history:?}");
        let [(id, why)] = history.left_out.as_slice() else {
            panic!("{:?}", history.left_out);
        };
        assert_eq!((id.as_str(), why.as_str()), ("GT08", "it says no start"));
        let controls = history.stories.iter().filter(|s| s.kind == Kind::Control);
        assert_eq!(controls.count(), 6);
        // Worlds of a long and of a shared one hold together.
        for id in ["NC06", "GT29"] {
            let story = history.stories.iter().find(|s| s.id == id).unwrap();
            let world = world(story, 3, 0);
            assert!(world.rows.is_sorted_by_key(|row| row.at));
            let losses = world.losses.iter().filter(|l| l.id.starts_with(id));
            assert_eq!(losses.count(), story.countries.len());
        }
    }
}
