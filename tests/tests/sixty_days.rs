//! Does a history made in virtual time come out the same each time, and do its scores say
//! what the world is?

use faultline_collector::{
    api::{Arrivals, Scores},
    config::Config,
    detect::wave::Wave,
    score::indicator::{Dimension, Indicator},
    score::{change, profile::Profile},
    store::{Facts as _, sqlite::Sqlite},
};
use faultline_core::{id::Country, time::UnixTime};
use faultline_internet::observatory::{
    Observatory,
    history::{History, Made, history},
    lists,
};
use std::sync::Arc;

const WORLD: &str = include_str!("../scenarios/world/sixty_days.toml");

fn run(world: &Observatory, wanted: &History) -> (Made, [u8; 32], Arc<Scores>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
    let made = history(world, wanted, &store, folder.path(), &mut |_| {}).unwrap();
    let lists = lists::write(world, folder.path()).unwrap();
    let config = Config {
        simulated: true,
        services: Some(lists.services),
        network_names: Some(lists.network_names),
        network_users: Some(lists.network_users),
        country_names: Some(lists.country_names),
        tlds: Some(lists.tlds),
        ..Config::default()
    };
    let scores = Arc::new(Scores::new(&config, None).unwrap());
    Arrivals::load(Arc::clone(&scores), &*store).unwrap();
    (made, store.digest().unwrap(), scores)
}

#[test]
fn the_same_history_comes_out_the_same() {
    let mut world = Observatory::parse(WORLD).unwrap();
    world.fleet.truncate(3);
    // Of the DNS itself half of the probes draw five names a day, or four.
    let traces = 4 * 3 * 4..=4 * 3 * 5;
    let until = UnixTime::from_secs(1_790_000_000);
    let wanted = History {
        days: 3,
        until,
        targets: 2,
    };
    let (made, digest, scores) = run(&world, &wanted);
    assert_eq!(made.batches, 8 * 3);
    assert!(
        traces.contains(&(made.measurements - 8 * 3 * 3)),
        "{made:?}"
    );
    assert_eq!(run(&world, &wanted).1, digest);
    assert_eq!(scores.last(UnixTime(0)), (until.secs() / 86_400) as i32);
    world.seed += 1;
    assert_ne!(run(&world, &wanted).1, digest);
}

#[test]
fn a_month_of_two_countries_is_scored_as_they_deserve() {
    let mut world = Observatory::parse(WORLD).unwrap();
    world
        .fleet
        .retain(|fleet| (64_496..64_504).contains(&fleet.asn));
    let wanted = History {
        days: 28,
        ..History::default()
    };
    let (_, _, scores) = run(&world, &wanted);
    let last = scores.last(UnixTime(0));
    let d1 = |code: &str| {
        let profile = scores.profile(Country::new(code).unwrap(), last);
        profile.dimension(Dimension::D1).unwrap().estimate.clone()
    };
    assert_eq!(d1("XA").point, Some(0.0));
    // With or without a point.
    assert!(d1("XB").interval.unwrap().0 > 0.25, "{:?}", d1("XB"));
    let blocked = waves(&scores);
    assert!(!blocked.is_empty(), "nothing is seen of XB");
    for wave in blocked {
        assert_eq!(wave.country.as_str(), "XB", "{wave:?}");
        assert!(wave.standing, "it was there from the first day: {wave:?}");
    }
}

fn waves(scores: &Scores) -> Vec<Wave> {
    scores.watch().waves(&|_| None).to_vec()
}

fn of(profile: &Profile, id: Indicator) -> f64 {
    profile
        .indicator(id)
        .unwrap()
        .estimate
        .point
        .unwrap_or(-1.0)
}

/// Long in a debug build: run with `--run-ignored all`.
#[test]
#[ignore = "makes sixty days, minutes in a debug build"]
fn sixty_days_are_scored_as_the_world_deserves() {
    let world = Observatory::parse(WORLD).unwrap();
    let started = std::time::Instant::now();
    let (made, _, scores) = run(&world, &History::default());
    println!("{made:?} in {:.1} s", started.elapsed().as_secs_f64());
    let last = scores.last(UnixTime(0));
    // Who refuses at the server (XD) blocks nothing on the way.
    let blocked = waves(&scores);
    for wave in &blocked {
        let country = wave.country.as_str();
        assert!(["XB", "XC", "XE", "XF"].contains(&country), "{wave:?}");
        assert!(wave.standing || country == "XE", "{wave:?}");
    }
    // On the fortieth day, each probe looks at each target every nine days.
    let day = |wave: &Wave| wave.start / 24 - (last - 59);
    let begun: Vec<i32> = blocked.iter().filter(|w| !w.standing).map(day).collect();
    assert!(begun.iter().any(|day| (40..=46).contains(day)), "{begun:?}");
    for country in ["XA", "XB", "XC", "XD", "XE", "XF"] {
        let code = Country::new(country).unwrap();
        let profile = scores.profile(code, last);
        let d1 = &profile.dimension(Dimension::D1).unwrap().estimate;
        let changes = scores.changes(code, last);
        println!(
            "{country}: {:?} {:?} method {:?} bounds {:?} {:?} {:?} U1 {:.3} U2 {:.3} U3 {:.3} U6 {:.3} changes {}",
            d1.point,
            d1.interval,
            d1.method_interval,
            d1.bounds,
            d1.grade,
            d1.reasons,
            of(&profile, Indicator::U1),
            of(&profile, Indicator::U2),
            of(&profile, Indicator::U3),
            of(&profile, Indicator::U6),
            changes.len(),
        );
        let point = d1.point.unwrap_or(-1.0);
        let claimed: &[change::Change] = &changes;
        match country {
            "XA" => assert!(point.abs() < 1e-12),
            "XB" => assert!(d1.interval.unwrap().0 > 0.25),
            "XC" => assert!((0.02..0.5).contains(&of(&profile, Indicator::U1))),
            "XD" => assert!(of(&profile, Indicator::U6) > 0.3),
            // Since the fortieth day: a change is claimed if no tenth could undo it.
            "XE" => {
                assert!(d1.contested.unwrap().1 > 0.2 && claimed.iter().all(|c| c.to > c.from));
            }
            _ => assert!(d1.point.is_none() && d1.reasons.contains(&"floor.provisional")),
        }
        assert!(claimed.is_empty() || country == "XE", "{country}");
    }
}
