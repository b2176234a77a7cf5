//! Is a national block one event, is a quiet world quiet, and how soon is it said?

use super::{
    Direction, Hour, Watch,
    simulation::{Block, World, category},
};
use crate::{detect::event::State, score::cell::Attribution};
use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// What a watch says, in words that do not depend on numbers.
fn said(watch: &mut Watch) -> Vec<String> {
    let waves = watch.waves(&category).to_vec();
    let one = |wave: super::Wave| {
        let mut targets: Vec<_> = wave.targets.iter().map(|t| watch.target_text(*t)).collect();
        targets.sort_unstable();
        let account = watch.account(&wave);
        format!(
            "{} {} {} {:?} {}..{:?} {targets:?} {} {}/{} {} {:?}",
            wave.id,
            wave.country,
            wave.state,
            wave.before,
            wave.start,
            wave.end,
            wave.alarms,
            account.total.blocked.len(),
            account.total.judged.len(),
            account.direction().word(),
            account.networks.keys().collect::<Vec<_>>(),
        )
    };
    waves.into_iter().map(one).collect()
}

#[test]
fn a_national_block_of_1800_series_is_one_event() {
    let world = World {
        networks: 45,
        probes: 3,
        targets: 40,
        hours: 0..24 * 24,
        blocks: vec![Block {
            targets: 0..40,
            ..Block::national("XA", 24 * 14..24 * 20)
        }],
        ..World::default()
    };
    let mut watch = world.watched();
    let waves = watch.waves(&category).to_vec();
    let [wave] = waves.as_slice() else {
        panic!("{} events", waves.len());
    };
    let networks = wave.parts.iter().filter(|part| part.asn.is_some()).count();
    println!(
        "{} alarms, of these {networks} of networks: 1 event",
        wave.alarms
    );
    assert_eq!(networks, 45 * 40);
    assert_eq!(
        (wave.state, wave.start, wave.standing),
        (State::Ended, 24 * 14, false)
    );
    assert_eq!(wave.end, Some((24 * 20 - 1, 24 * 20)));
    let account = watch.account(wave);
    assert_eq!(account.total.blocked.len(), 135);
    assert_eq!(account.networks.len(), 45);
    assert_eq!(account.direction(), Direction::OnPath);
}

#[test]
fn networks_that_follow_within_two_days_are_one_event_and_later_ones_another() {
    let at = |network: u32, from: Hour| Block {
        networks: network..network + 1,
        ..Block::national("XA", from..9999)
    };
    let mut world = World {
        every: 6,
        targets: 1,
        blocks: vec![at(0, 480), at(1, 520), at(2, 560)],
        ..World::default()
    };
    assert_eq!(world.watched().waves(&category).len(), 1);
    world.blocks = vec![at(0, 480), at(1, 560), at(2, 560)];
    assert_eq!(world.watched().waves(&category).len(), 2);
}

#[test]
fn what_has_nothing_in_common_is_two_events() {
    let world = World {
        targets: 20,
        blocks: vec![
            Block::national("XA", 480..9999),
            Block {
                targets: 15..16,
                mechanism: "dns.nxdomain",
                place: Attribution::Resolver,
                ..Block::national("XA", 480..9999)
            },
        ],
        ..World::default()
    };
    let mut watch = world.watched();
    let waves = watch.waves(&category).to_vec();
    assert_eq!(waves.len(), 2);
    let mut words: Vec<_> = waves
        .iter()
        .map(|w| watch.account(w).direction().word())
        .collect();
    words.sort_unstable();
    assert_eq!(words, ["on_path", "resolver"]);
}

#[test]
fn many_targets_that_are_rarely_looked_at_are_found_by_their_category() {
    // Each probe sees each target every 18 days.
    let world = World {
        networks: 3,
        probes: 2,
        targets: 10,
        every: 24 * 18,
        hours: 0..24 * 50,
        blocks: vec![Block {
            targets: 0..10,
            ..Block::national("XA", 24 * 40..9999)
        }],
        ..World::default()
    };
    let mut watch = world.watched();
    let waves = watch.waves(&category).to_vec();
    assert_eq!(waves.len(), 1, "{:?}", said(&mut watch));
    assert!((24 * 40..24 * 42).contains(&waves[0].start));
    assert!(waves[0].targets.len() >= 4, "{:?}", said(&mut watch));
}

#[test]
fn what_stands_at_the_first_look_is_one_event_without_a_beginning() {
    let mut world = World {
        blocks: vec![Block {
            targets: 0..4,
            ..Block::national("XA", 0..9999)
        }],
        ..World::default()
    };
    let mut watch = world.watched();
    let waves = watch.waves(&category).to_vec();
    assert_eq!(waves.len(), 1, "{:?}", said(&mut watch));
    assert!(waves[0].standing && waves[0].before.is_none());
    // And what begins later is another.
    world.blocks.push(Block {
        targets: 4..6,
        ..Block::national("XA", 960..9999)
    });
    let mut watch = world.watched();
    let starts: Vec<_> = watch
        .waves(&category)
        .iter()
        .map(|w| (w.standing, w.start / 24))
        .collect();
    assert_eq!(starts, [(false, 40), (true, 0)], "{:?}", said(&mut watch));
}

#[test]
fn a_site_that_fails_everywhere_is_no_event() {
    let countries: &[_] = &["XA", "XB", "XC", "XD"];
    let block = |country: &&'static str| Block {
        mechanism: "http.error",
        ..Block::national(country, 480..720)
    };
    let mut world = World {
        countries,
        blocks: countries.iter().map(block).collect(),
        ..World::default()
    };
    assert_eq!(said(&mut world.watched()), <[String; 0]>::default());
    world.blocks.truncate(2);
    assert_eq!(world.watched().waves(&category).len(), 2);
}

#[test]
fn a_name_from_before_late_data_leads_to_the_event() {
    let world = World {
        every: 6,
        blocks: vec![Block::national("XA", 475..9999)],
        ..World::default()
    };
    let (mut early, mut whole) = (Watch::default(), Watch::default());
    for seen in world.looks() {
        seen.tell(&mut whole);
        if !(475..485).contains(&seen.hour()) {
            seen.tell(&mut early);
        }
    }
    let before = early.waves(&category)[0].id;
    let after = whole.waves(&category)[0].id;
    assert_ne!(before, after, "the day moved");
    assert_eq!(
        whole.wave(before, &category).map(|wave| wave.id),
        Some(after)
    );
    let unknown = super::WaveId::of(
        &crate::detect::event::Location::World,
        faultline_core::time::UnixTime(0),
    );
    assert_eq!(whole.wave(unknown, &category), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_order_of_arrival_gives_the_same_waves(seed in any::<u64>(), cuts in 1_usize..5) {
        let world = World {
            networks: 3,
            probes: 3,
            targets: 12,
            hours: 0..24 * 30,
            noise: 0.01,
            seed,
            blocks: vec![
                Block { targets: 0..3, ..Block::national("XA", 0..400) },
                Block { targets: 2..8, networks: 0..2, ..Block::national("XA", 430..600) },
                Block { targets: 11..12, mechanism: "dns.nxdomain", place: Attribution::Resolver,
                    ..Block::national("XA", 440..9999) },
            ],
            ..World::default()
        };
        let mut looks = world.looks();
        let whole = said(&mut world.watched());
        prop_assert!(!whole.is_empty());
        looks.shuffle(&mut StdRng::seed_from_u64(seed));
        let mut watch = Watch::default();
        for part in looks.chunks(looks.len() / cuts + 1) {
            for seen in part {
                seen.tell(&mut watch);
            }
            let _ = said(&mut watch);
        }
        prop_assert_eq!(said(&mut watch), whole);
    }
}

/// Four years of a country in which nothing begins, with what goes wrong all the same: one look
/// in three hundred that says blocked, a home with a filter, a site that fails for a week, a
/// probe that says blocked of everything for a month.
#[test]
fn quiet_years_are_quiet() {
    for seed in 0..2 {
        let home = Block {
            networks: 1..2,
            targets: 0..10,
            share: 0.25,
            ..Block::national("XA", 0..Hour::MAX)
        };
        let broken = Block {
            networks: 3..4,
            targets: 0..15,
            share: 0.25,
            ..Block::national("XB", 5000..5720)
        };
        let week = |country: &&'static str| Block {
            targets: 7..8,
            mechanism: "http.error",
            ..Block::national(country, 9000..9168)
        };
        let countries: &[_] = &["XA", "XB", "XC"];
        let world = World {
            countries,
            networks: 4,
            probes: 4,
            targets: 15,
            every: 24 * 3,
            hours: 0..24 * 365 * 4,
            noise: 1.0 / 300.0,
            blocks: countries.iter().map(week).chain([home, broken]).collect(),
            seed,
        };
        let found = said(&mut world.watched());
        assert_eq!(found, <[String; 0]>::default(), "seed {seed}");
    }
}

/// `cargo test -p faultline-collector --lib detect::wave::tests::lag -- --nocapture` prints the
/// table of `docs/benchmarks.md`.
#[test]
fn lag_by_share_and_number_of_probes() {
    println!("| probes | networks | share 1 | .6 | .4 | .25 |\n|---|---|---|---|---|---|");
    for (networks, probes) in [(1, 3), (1, 5), (1, 12), (3, 3), (5, 4), (10, 4)] {
        let mut line = format!("| {} | {networks} |", networks * probes);
        for share in [1.0, 0.6, 0.4, 0.25] {
            let mut lags: Vec<Option<Hour>> = (0..8)
                .map(|seed| {
                    let start = 24 * 30 + seed * 5;
                    let world = World {
                        networks,
                        probes,
                        targets: 1,
                        hours: 0..24 * 60,
                        noise: 0.002,
                        seed: seed as u64,
                        blocks: vec![Block {
                            share,
                            ..Block::national("XA", start..9999)
                        }],
                        ..World::default()
                    };
                    let mut watch = world.watched();
                    let wave = watch.waves(&category).first()?.clone();
                    Some(wave.raised - start)
                })
                .collect();
            lags.sort_unstable_by_key(|lag| lag.unwrap_or(Hour::MAX));
            let found = lags.iter().flatten().count();
            let median = lags[4].map_or("never".into(), |lag| format!("{lag} h"));
            let _ =
                std::fmt::Write::write_fmt(&mut line, format_args!(" {median} ({found}/8) |"));
            let seers = (share * f64::from(probes)).ceil() as u32 * networks;
            assert!(
                found == 8 || seers < 3,
                "{networks} x {probes} at {share}: {lags:?}"
            );
            assert!(found == 0 || seers >= 3, "two probes are too few: {lags:?}");
            if share > 0.99 && networks >= 3 {
                assert!(lags[4] <= Some(24), "{lags:?}");
            }
        }
        println!("{line}");
    }
}
