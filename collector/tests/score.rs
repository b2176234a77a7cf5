//! Do scores follow the published method? Vectors to four decimals, and what must hold for
//! every evidence: clean worlds score 0, more deviation never scores less, order and
//! splitting change nothing, and below the floors nothing is said.

use faultline_collector::score::{
    aggregate::{arithmetic, geometric},
    binomial::{jeffreys, wilson},
    cell::{Cell, Source, TargetId, Way, zone},
    chance::{Chance, quantile},
    change::changes,
    estimate::{NetworkRate, Rates, Without, rates},
    evidence::Evidence,
    indicator::{Dimension, Indicator},
    posterior,
    profile::{DIVIDED, Profile, profile},
    shares::Shares,
    vintage::hex,
};
use faultline_core::id::{Asn, Country, ProbeId};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const VECTORS: &str = include_str!("score_vectors.json");
const LAST: i32 = 20_000;
const RATES: [Indicator; 4] = [Indicator::U1, Indicator::U2, Indicator::U3, Indicator::U6];

fn vectors(part: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    all[part].as_array().unwrap().clone()
}

fn near(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    assert!(
        (got - want).abs() < 5.1e-5,
        "{what}: {got} instead of {want}"
    );
}

fn country() -> Country {
    Country::new("XA").unwrap()
}

fn probe(number: u64) -> ProbeId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    ProbeId(id)
}

fn cell(
    indicator: Indicator,
    asn: u32,
    number: u64,
    target: &str,
    day: i32,
    bad: bool,
) -> Cell {
    Cell {
        indicator,
        source: Source::Own,
        target: TargetId::of(target),
        asn: Asn(asn),
        probe: probe(number),
        day,
        country: country(),
        trials: 1,
        deviations: u32::from(bad),
        zone: 0,
        way: Way::None,
        several: false,
    }
}

fn shares(value: &Value) -> Option<Shares> {
    let map = value.as_object()?;
    Shares::from_users(
        map.iter()
            .map(|(asn, share)| (Asn(asn.parse().unwrap()), share.as_f64().unwrap())),
    )
}

#[test]
fn binomial_intervals_are_as_published() {
    for v in vectors("binomial") {
        let (k, n) = (v["k"].as_f64().unwrap(), v["n"].as_f64().unwrap());
        let (w, j) = (wilson(k, n, 1.959_964), jeffreys(k, n, 0.95));
        for (got, want) in [
            (w.0, &v["wilson"][0]),
            (w.1, &v["wilson"][1]),
            (j.0, &v["jeffreys"][0]),
            (j.1, &v["jeffreys"][1]),
        ] {
            near(got, want, &format!("{k} of {n}"));
        }
    }
}

#[test]
fn aggregates_are_as_published() {
    for v in vectors("aggregates") {
        let pairs: Vec<(f64, f64)> = v["scores"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p[0].as_f64().unwrap(), p[1].as_f64().unwrap()))
            .collect();
        near(geometric(&pairs).unwrap(), &v["geometric"], "geometric");
        near(arithmetic(&pairs).unwrap(), &v["arithmetic"], "arithmetic");
    }
}

#[test]
fn rates_are_as_an_independent_implementation_gives_them() {
    for v in vectors("rates") {
        let name = v["name"].as_str().unwrap();
        let source = if v["imported"] == true {
            Source::Import
        } else {
            Source::Own
        };
        let mut cells = Vec::new();
        for view in v["views"].as_array().unwrap() {
            let bad = view["deviating"].as_array().unwrap();
            for day in view["tested"].as_array().unwrap() {
                let (asn, number) = (view["asn"].as_u64().unwrap(), view["probe"].as_u64());
                let target = view["target"].as_str().unwrap();
                let before = day.as_i64().unwrap() as i32;
                let mut cell = cell(
                    Indicator::U1,
                    asn as u32,
                    number.unwrap(),
                    target,
                    LAST - before,
                    bad.contains(day),
                );
                cell.source = source;
                cells.push(cell);
            }
        }
        let evidence = Evidence::new(&cells, LAST, source);
        let got = rates(&evidence, shares(&v["shares"]).as_ref(), Without::Nothing);
        let expect = &v["expect"];
        assert_eq!(
            u64::from(got.targets),
            expect["targets"].as_u64().unwrap(),
            "{name}"
        );
        near(got.raw.unwrap(), &expect["raw"], name);
        for network in &got.networks {
            let want = &expect["networks"][network.asn.0.to_string()];
            near(
                network.rate,
                &want[0],
                &format!("{name}, rate of {}", network.asn),
            );
            near(
                network.weight,
                &want[1],
                &format!("{name}, weight of {}", network.asn),
            );
            near(
                network.own,
                &want[2],
                &format!("{name}, by itself {}", network.asn),
            );
        }
    }
}

/// Every probe tests everything on three days; of each indicator, the first so many targets
/// deviate in each network.
fn world(probes: &[(u32, u64)], blocked: &dyn Fn(Indicator, u32) -> usize) -> Vec<Cell> {
    let (mut cells, mut number) = (Vec::new(), 0);
    for (asn, count) in probes {
        for _ in 0..*count {
            number += 1;
            for id in RATES {
                let targets = if id == Indicator::U3 { 10 } else { 40 };
                for target in 0..targets {
                    for day in [0, 5, 10] {
                        let bad = target < blocked(id, *asn);
                        let name = format!("{}-{target}", id.label());
                        cells.push(cell(id, *asn, number, &name, LAST - day, bad));
                    }
                }
            }
        }
    }
    cells
}

#[test]
fn profiles_are_as_an_independent_implementation_gives_them() {
    for v in vectors("profiles") {
        let name = v["name"].as_str().unwrap();
        let map = v["probes"].as_object().unwrap();
        let probes: Vec<(u32, u64)> = map
            .iter()
            .map(|(asn, count)| (asn.parse().unwrap(), count.as_u64().unwrap()))
            .collect();
        let blocked = |id: Indicator, asn: u32| {
            let count = &v["blocked"][id.label()][asn.to_string()];
            count.as_u64().unwrap_or(0) as usize
        };
        let shares = shares(&v["shares"]);
        let got = profile(country(), LAST, &world(&probes, &blocked), shares.as_ref());
        for (id, want) in v["expect"]["indicators"].as_object().unwrap() {
            let of = got.indicator(id.parse().unwrap()).unwrap();
            near(
                of.assessment.rates.raw.unwrap(),
                &want[0],
                &format!("{name}, raw {id}"),
            );
            near(
                of.estimate.point.unwrap(),
                &want[1],
                &format!("{name}, score {id}"),
            );
        }
        let d1 = &got.dimension(Dimension::D1).unwrap().estimate;
        let divided = v["expect"]["divided"] == true;
        assert_eq!(d1.reasons.contains(&DIVIDED), divided, "{name}");
        let (low, high) = d1.contested.unwrap();
        let want = v["expect"]["d1"].as_f64().unwrap();
        assert!(low <= want + 5e-5 && want - 5e-5 <= high, "{name}");
        if divided {
            assert!(d1.point.is_none() && high - low > 0.05, "{name}");
            continue;
        }
        near(d1.point.unwrap(), &v["expect"]["d1"], name);
        near(d1.bounds.unwrap().0, &v["expect"]["bounds"][0], name);
        near(d1.bounds.unwrap().1, &v["expect"]["bounds"][1], name);
    }
}

#[test]
fn the_posterior_agrees_with_another_generator() {
    for v in vectors("posterior") {
        let list = |key: &str| -> Vec<f64> {
            let list = v[key].as_array().unwrap();
            list.iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let (x, p, w) = (list("rates"), list("probes"), list("shares"));
        let networks = (1..).zip(x.iter().zip(&p).zip(&w));
        let networks = networks.map(|(asn, ((rate, probes), weight))| NetworkRate {
            asn: Asn(asn),
            probes: *probes as u32,
            own: *rate,
            rate: *rate,
            removed: false,
            added: false,
            weight: *weight,
        });
        let rates = Rates {
            networks: networks.collect(),
            ..Rates::default()
        };
        let all = (1..).map(Asn).zip(w.into_iter().chain(list("unobserved")));
        let shares = Shares::from_users(all).unwrap();
        let mut draws = posterior::draws(&rates, Some(&shares), 11, 40_000);
        draws.sort_unstable_by(f64::total_cmp);
        for (end, p) in [(0, 0.05), (1, 0.95)] {
            let (got, want) = (quantile(&draws, p), v["interval"][end].as_f64().unwrap());
            assert!((got - want).abs() < 0.015, "{got} instead of {want} in {v}");
        }
    }
}

#[test]
fn user_shares_are_as_computed_by_hand() {
    for v in vectors("user_share") {
        let name = v["name"].as_str().unwrap();
        let mut cells = Vec::new();
        for view in v["seen"].as_array().unwrap() {
            let target = view["target"].as_str().unwrap();
            let way = match view["way"].as_str() {
                Some("removed") => Way::Removed,
                Some("replaced") => Way::Replaced,
                Some("added") => Way::Added,
                _ => Way::None,
            };
            for day in view["days"].as_array().unwrap() {
                cells.push(Cell {
                    zone: zone(target),
                    way,
                    several: view["several"] == true,
                    ..cell(
                        Indicator::G3,
                        view["asn"].as_u64().unwrap() as u32,
                        view["probe"].as_u64().unwrap(),
                        target,
                        LAST - day.as_i64().unwrap() as i32,
                        way != Way::None,
                    )
                });
            }
        }
        let evidence = Evidence::new(&cells, LAST, Source::Own);
        let got = rates(&evidence, shares(&v["shares"]).as_ref(), Without::Nothing);
        near(got.raw.unwrap(), &v["raw"], name);
    }
}

#[test]
fn the_posterior_of_a_user_share_agrees_with_another_generator() {
    for v in vectors("user_share_posterior") {
        let list = |key: &str| -> Vec<f64> {
            let list = v[key].as_array().unwrap();
            list.iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let (removed, added, w) = (list("removed"), list("added"), list("shares"));
        let networks = (1..).zip(removed.iter().zip(&added).zip(&w));
        let networks = networks.map(|(asn, ((removed, added), weight))| NetworkRate {
            asn: Asn(asn),
            probes: v["probes"].as_u64().unwrap() as u32,
            own: removed.max(added / 2.0),
            rate: removed.max(added / 2.0),
            removed: *removed > 0.0,
            added: *added > 0.0,
            weight: *weight,
        });
        let rates = Rates {
            networks: networks.collect(),
            user_share: true,
            ..Rates::default()
        };
        let all = (1..).map(Asn).zip(w.into_iter().chain(list("unobserved")));
        let shares = Shares::from_users(all).unwrap();
        let mut draws = posterior::draws(&rates, Some(&shares), 11, 40_000);
        draws.sort_unstable_by(f64::total_cmp);
        for (end, p) in [(0, 0.05), (1, 0.95)] {
            let (got, want) = (quantile(&draws, p), v["interval"][end].as_f64().unwrap());
            assert!((got - want).abs() < 0.015, "{got} instead of {want}");
        }
    }
}

/// Traces in the DNS: of each indicator, the first so many targets deviate in each network.
fn traces(
    networks: u32,
    days: std::ops::Range<i32>,
    bad: &dyn Fn(Indicator, u32) -> usize,
) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (id, targets) in [(Indicator::G3, 12), (Indicator::G6, 3), (Indicator::T4, 5)] {
        for asn in 1..=networks {
            for number in 0..3 {
                for target in 0..targets {
                    for day in days.clone() {
                        let bad = target < bad(id, asn);
                        let name = format!("t{target}.");
                        let number = u64::from(asn) * 10 + number;
                        let mut cell = cell(id, asn, number, &name, LAST - day, bad);
                        if id == Indicator::G3 && bad {
                            (cell.way, cell.zone) = (Way::Removed, zone(&name));
                        }
                        cells.push(cell);
                    }
                }
            }
        }
    }
    cells
}

#[test]
fn traces_in_the_dns_carry_numbers_and_their_dimensions_say_what_is_missing() {
    let shares = Shares::from_users([(1, 0.5), (2, 0.3), (3, 0.2)].map(|(a, u)| (Asn(a), u)));
    let shares = shares.unwrap();
    let bad = |id: Indicator, asn: u32| match id {
        Indicator::G3 => usize::from(asn == 2),
        _ => 1,
    };
    let got = profile(country(), LAST, &traces(3, 0..8, &bad), Some(&shares));
    let score = |id| got.indicator(id).unwrap().estimate.point.unwrap();
    // .3 of the users; one name of three, (1/3 - .02) / .98; one check of five, .15 / .95.
    near(score(Indicator::G3), &0.3.into(), "G3");
    near(score(Indicator::G6), &0.3197.into(), "G6");
    near(score(Indicator::T4), &0.1579.into(), "T4");
    let g3 = &got.indicator(Indicator::G3).unwrap().estimate;
    let (low, high) = g3.interval.unwrap();
    assert!(low <= 0.3 && (0.3..1.0).contains(&high));
    for (dimension, low) in [(Dimension::D2t, 0.25 * 0.3), (Dimension::D3, 0.2 * 0.15)] {
        let e = &got.dimension(dimension).unwrap().estimate;
        assert!(e.point.is_none() && e.reasons.contains(&"floor.weight"));
        let (from, to) = e.bounds.unwrap();
        assert!(
            low < from && from < 0.2 && 0.8 < to && to < 1.0,
            "{from} {to}"
        );
    }
    // D3 takes seven days.
    let brief = profile(country(), LAST, &traces(3, 0..6, &bad), Some(&shares));
    let t4 = &brief.indicator(Indicator::T4).unwrap().estimate;
    assert_eq!((t4.point, &t4.reasons), (None, &vec!["floor.days"]));
    let clean = profile(country(), LAST, &traces(3, 0..8, &|_, _| 0), Some(&shares));
    for id in [Indicator::G3, Indicator::G6, Indicator::T4] {
        let score = clean.indicator(id).unwrap();
        assert_eq!(score.estimate.point, Some(0.0));
        let raw = score.assessment.rates.raw.unwrap();
        assert!(raw.is_sign_positive(), "{id:?}: nobody reads -0 %");
    }
}

#[test]
fn what_a_removed_domain_takes_with_it_is_one_event() {
    let shares = Shares::from_users((1..=3).map(|a| (Asn(a), 1.0))).unwrap();
    // Five names of U1 deviate everywhere; in networks 1 and 2 all of t0. is gone.
    let mut cells = world(&[(1, 3), (2, 3), (3, 3)], &|id, _| {
        if id == Indicator::U1 { 5 } else { 0 }
    });
    for cell in cells.iter_mut().filter(|c| c.deviations > 0) {
        cell.zone = zone("site.t0.");
    }
    let alone = profile(country(), LAST, &cells, Some(&shares));
    near(
        alone
            .indicator(Indicator::U1)
            .unwrap()
            .assessment
            .rates
            .raw
            .unwrap(),
        &0.125.into(),
        "U1",
    );
    assert!(d1(&alone).point.unwrap() > 0.0);
    let bad = |id: Indicator, asn| usize::from(id == Indicator::G3 && asn <= 2);
    cells.extend(traces(3, 0..8, &bad));
    let got = profile(country(), LAST, &cells, Some(&shares));
    let u1 = &got.indicator(Indicator::U1).unwrap().assessment;
    assert_eq!(
        u1.rates.networks.iter().map(|n| n.own).collect::<Vec<_>>(),
        [0.0, 0.0, 0.125]
    );
    assert!(
        got.indicator(Indicator::G3)
            .unwrap()
            .estimate
            .point
            .unwrap()
            > 0.3
    );
    // Whether it is a removal could be contested, and so is what U1 owes to it.
    assert!(u1.choices.iter().flatten().any(|(low, _)| low.abs() < 1e-9));
}

fn d1(profile: &Profile) -> &faultline_collector::score::profile::Estimate {
    &profile.dimension(Dimension::D1).unwrap().estimate
}

#[test]
fn a_clean_world_scores_exactly_zero_at_every_number_of_networks() {
    let all = Shares::from_users((1..=20).map(|a| (Asn(a), 1.0 / f64::from(a)))).unwrap();
    for k in [1, 2, 3, 4, 5, 7, 10, 15, 20] {
        let probes: Vec<(u32, u64)> = (1..=k).map(|asn| (asn, 2)).collect();
        let got = profile(country(), LAST, &world(&probes, &|_, _| 0), Some(&all));
        let d1 = d1(&got);
        if k < 3 {
            assert!(d1.point.is_none() && d1.interval.is_none() && !d1.reasons.is_empty());
            continue;
        }
        assert_eq!(d1.point.map(f64::to_bits), Some(0), "K = {k}");
        let (low, high) = d1.interval.unwrap();
        assert!(
            low.abs() < 1e-12 && high > 0.0 && high < 1.0,
            "K = {k}: {high}"
        );
        assert_eq!(d1.method_interval, Some((0.0, 0.0)));
        for other in [Dimension::D2t, Dimension::D3] {
            let none = &got.dimension(other).unwrap().estimate;
            assert!(none.point.is_none() && none.bounds.is_none() && none.grade.is_none());
        }
    }
}

#[test]
fn below_any_floor_nothing_is_said() {
    let shares = Shares::from_users((1..=4).map(|a| (Asn(a), 1.0))).unwrap();
    let enough: &[(u32, u64)] = &[(1, 2), (2, 2), (3, 2)];
    let all = world(enough, &|_, _| 5);
    let reasons = |cells: &[Cell], shares: Option<&Shares>| {
        let got = profile(country(), LAST, cells, shares);
        assert!(d1(&got).point.is_none());
        d1(&got).reasons.clone()
    };
    assert!(d1(&profile(country(), LAST, &all, Some(&shares))).published());
    let few = world(&[(1, 2), (2, 1), (3, 1)], &|_, _| 5);
    assert!(reasons(&few, Some(&shares)).contains(&"floor.probes"));
    let two = world(&[(1, 3), (2, 3)], &|_, _| 5);
    assert!(reasons(&two, Some(&shares)).contains(&"floor.provisional"));
    let mut brief = all.clone();
    brief.retain(|c| c.day > LAST - 10);
    assert!(reasons(&brief, Some(&shares)).contains(&"floor.days"));
    let mut narrow = all.clone();
    narrow.retain(|c| c.target != TargetId::of("U1-39"));
    assert!(reasons(&narrow, Some(&shares)).contains(&"floor.targets"));
    assert!(reasons(&all, None).contains(&"floor.networks_without_shares"));
    let small = [(1, 0.1), (2, 0.1), (3, 0.05), (4, 0.75)];
    let small = Shares::from_users(small.map(|(a, u)| (Asn(a), u))).unwrap();
    assert!(reasons(&all, Some(&small)).contains(&"floor.user_share"));
    let mut bare = all.clone();
    bare.retain(|c| matches!(c.indicator, Indicator::U1 | Indicator::U2));
    assert!(reasons(&bare, Some(&shares)).contains(&"floor.weight"));
    assert_eq!(reasons(&[], Some(&shares)).first(), Some(&"floor.weight"));
}

#[test]
fn one_traveller_is_one_witness() {
    let shares = Shares::from_users((1..=4).map(|a| (Asn(a), 1.0))).unwrap();
    let mut cells = world(&[(1, 2), (2, 2), (3, 2)], &|_, _| 0);
    // A probe that accuses everything from many networks.
    for asn in 1..=4 {
        for target in 0..40 {
            for day in 0..20 {
                let name = format!("U1-{target}");
                cells.push(cell(Indicator::U1, asn, 99, &name, LAST - day, true));
            }
        }
    }
    let got = profile(country(), LAST, &cells, Some(&shares));
    assert_eq!(d1(&got).point, Some(0.0));
}

#[test]
fn imports_stand_in_only_where_our_own_evidence_does_not_suffice() {
    let shares = Shares::from_users((1..=4).map(|a| (Asn(a), 1.0))).unwrap();
    let mut import = world(&[(1, 1), (2, 1), (3, 1)], &|_, _| 5);
    for cell in &mut import {
        (cell.source, cell.probe) = (Source::Import, probe(0));
    }
    let alone = profile(country(), LAST, &import, Some(&shares));
    assert!(d1(&alone).point.unwrap() > 0.0);
    assert!(
        alone
            .indicators
            .iter()
            .all(|i| i.assessment.evidence.imported || !i.estimate.published())
    );
    let own = world(&[(1, 2), (2, 2), (3, 2)], &|_, _| 0);
    let both = [own, import].concat();
    let both = profile(country(), LAST, &both, Some(&shares));
    assert_eq!(d1(&both).point, Some(0.0));
}

#[test]
fn a_change_is_claimed_only_if_it_survives_without_any_one_network() {
    let shares = Shares::from_users((1..=4).map(|a| (Asn(a), 1.0))).unwrap();
    let probes: &[(u32, u64)] = &[(1, 3), (2, 3), (3, 3), (4, 3)];
    let score = |cells: &[Cell]| profile(country(), LAST, cells, Some(&shares));
    let clean = score(&world(probes, &|_, _| 0));
    let all = score(&world(probes, &|_, _| 8));
    let one = score(&world(probes, &|_, asn| if asn == 1 { 10 } else { 0 }));
    let up = changes(&clean, &all, Some(&shares));
    assert!(up.len() == 1 && up[0].to > up[0].from && up[0].probability >= 0.95);
    let down = changes(&all, &clean, Some(&shares));
    assert!(down.len() == 1 && down[0].to < down[0].from);
    assert_eq!(changes(&clean, &one, Some(&shares)), []);
    assert_eq!(changes(&clean, &clean, Some(&shares)), []);
}

/// The bytes of everything that is published.
fn bytes(profile: &Profile) -> String {
    let indicators: Vec<_> = profile.indicators.iter().map(|i| &i.estimate).collect();
    format!(
        "{:?} {:?} {indicators:?}",
        profile.digest, profile.dimensions
    )
}

fn scattered(seed: u64) -> (Vec<Cell>, Shares) {
    let mut chance = Chance::new(seed, 0);
    let k = 3 + chance.below(6) as u32;
    let mut cells = Vec::new();
    for asn in 1..=k {
        for number in 0..=chance.below(3) as u64 {
            for target in 0..45 {
                for day in 0..4 {
                    if chance.uniform() < 0.6 {
                        let bad = chance.uniform() < 0.3;
                        for id in RATES {
                            let name = format!("t{target}");
                            let number = u64::from(asn) * 100 + number;
                            cells.push(cell(id, asn, number, &name, LAST - day, bad));
                        }
                    }
                }
            }
        }
    }
    let users = (1..=k + 2).map(|a| (Asn(a), 0.1 + chance.uniform()));
    let shares = Shares::from_users(users.collect::<Vec<_>>()).unwrap();
    (cells, shares)
}

/// The bits of another machine: nothing of the platform may show.
#[test]
fn the_same_evidence_gives_the_same_bytes_everywhere() {
    let (cells, shares) = scattered(7);
    let got = bytes(&profile(country(), LAST, &cells, Some(&shares)));
    assert_eq!(
        hex(&Sha256::digest(got)),
        "6e2083373fa2795d8d2cbf634bd9f0925ab63ca0a9fedc3afc91efdfdc3d1b38"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn order_and_splitting_change_no_byte(seed in any::<u64>()) {
        let (mut cells, shares) = scattered(seed);
        let before = bytes(&profile(country(), LAST, &cells, Some(&shares)));
        let mut chance = Chance::new(seed, 1);
        for at in (1..cells.len()).rev() {
            cells.swap(at, chance.below(at + 1));
        }
        prop_assert_eq!(&before, &bytes(&profile(country(), LAST, &cells, Some(&shares))));
        // Two halves of a cell are as good as the whole.
        for cell in &mut cells {
            (cell.trials, cell.deviations) = (2, cell.deviations * 2);
        }
        let whole = bytes(&profile(country(), LAST, &cells, Some(&shares)));
        let mut halves = Vec::new();
        for cell in cells {
            halves.extend([Cell { trials: 1, deviations: cell.deviations / 2, ..cell }; 2]);
        }
        prop_assert_eq!(whole, bytes(&profile(country(), LAST, &halves, Some(&shares))));
    }

    #[test]
    fn more_deviation_never_scores_less(seed in any::<u64>()) {
        let (mut cells, shares) = scattered(seed);
        let raw = |cells: &[Cell]| {
            let evidence = Evidence::new(
                cells.iter().filter(|c| c.indicator == Indicator::U1), LAST, Source::Own);
            rates(&evidence, Some(&shares), Without::Nothing).raw.unwrap_or(0.0)
        };
        let mut chance = Chance::new(seed, 2);
        let mut before = raw(&cells);
        for _ in 0..12 {
            for _ in 0..20 {
                let at = chance.below(cells.len());
                cells[at].deviations = cells[at].trials;
            }
            let now = raw(&cells);
            prop_assert!(now >= before - 1e-12, "{} after {}", now, before);
            before = now;
        }
    }

    #[test]
    fn every_number_is_in_its_range_and_every_interval_holds_its_point(seed in any::<u64>()) {
        let (cells, shares) = scattered(seed);
        let got = profile(country(), LAST, &cells, Some(&shares));
        let indicators = got.indicators.iter().map(|i| &i.estimate);
        for e in got.dimensions.iter().map(|d| &d.estimate).chain(indicators) {
            let Some(point) = e.point else { continue };
            prop_assert!((0.0..=1.0).contains(&point));
            for (low, high) in [e.interval, e.method_interval].into_iter().flatten() {
                prop_assert!(0.0 <= low && low <= point && point <= high && high <= 1.0);
            }
            prop_assert!(e.reasons.is_empty() && e.grade.is_some());
        }
    }
}
