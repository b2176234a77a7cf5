//! Can anything be learned of fewer than three sites, from one release or from two? Random
//! fleets are exported before and after one site joins, leaves, or hands in its ledger, over
//! windows a minute apart, by moments a minute apart; countries are held against the sum of
//! their networks. Everything that differs is of three sites or more, or of none.

mod fleet;

use faultline_collector::{
    detect::event::{Location, Reason, State},
    export::{Hold, Material, Published, floors::Wide, publish},
};
use faultline_core::{id::Country, time::UnixTime};
use fleet::{Site, at, groups, material};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const AS_OF: UnixTime = UnixTime(fleet::DAY.0 + 3 * 86_400_000_000);

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let site = (
        0..2usize,
        0..3u32,
        0..2u8,
        any::<bool>(),
        0..4u8,
        0..40i64,
        prop::option::of(0..60i64),
    );
    let site = site.prop_map(|(country, asn, region, mobile, fate, back, ledger)| Site {
        country: ["XA", "XB"][country],
        asn: 64_500 + asn,
        region,
        mobile,
        affected: fate > 0,
        back,
        ledger,
    });
    prop::collection::vec(site, 1..24)
}

fn public(sites: &[Site]) -> Published {
    publish(&material(sites), AS_OF, &Hold::default())
}

type Cell = (String, UnixTime, &'static str);

/// Every published count of sites.
fn cells(published: &Published) -> BTreeMap<Cell, i64> {
    let mut cells = BTreeMap::new();
    let mut put = |place: String, at: UnixTime, what, count: u32| {
        cells.insert((place, at, what), i64::from(count));
    };
    for wide in &published.bins {
        let place = wide.bin.location.to_string();
        put(place.clone(), wide.bin.at, "observed", wide.bin.observed);
        put(
            place.clone(),
            wide.bin.at,
            "expected",
            wide.bin.expected as u32,
        );
        put(place, wide.bin.at, "eligible", wide.bin.eligible);
    }
    for day in &published.coverage {
        put(
            day.location.to_string(),
            day.day,
            "sites of a day",
            day.eligible_sites,
        );
    }
    for said in &published.revisions {
        let place = format!("{} {}", said.location, said.revision);
        put(place.clone(), said.start, "affected", said.affected_sites);
        put(place.clone(), said.start, "of", said.eligible_sites);
        put(place, said.start, "told", said.retro_evidence_sites);
    }
    for evidence in &published.evidence {
        if let Some(sites) = evidence.sites {
            let place = format!("{} {}", evidence.location, evidence.verdict);
            put(place, evidence.received_at, "say so", sites);
        }
    }
    cells
}

fn few(count: i64) -> bool {
    matches!(count.abs(), 1 | 2)
}

/// No cell of one is a cell of fewer than three more or less than that of the other.
fn held_apart(one: &Published, two: &Published) {
    let (one, two) = (cells(one), cells(two));
    for cell in one.keys().chain(two.keys()) {
        let counts = [&one, &two].map(|cells| cells.get(cell).copied().unwrap_or(0));
        assert!(!few(counts[0] - counts[1]), "{cell:?}: {counts:?}");
    }
}

/// Nothing is there of groups of fewer than three.
fn above(sites: &[Site], published: &Published) {
    let groups = groups(sites);
    let many = |place: &Location| groups.get(place).is_some_and(|sites| sites.len() >= 3);
    for wide in &published.bins {
        assert!(many(&wide.bin.location), "{wide:?}");
    }
    for day in &published.coverage {
        assert!(many(&day.location), "{day:?}");
        // What a share is of follows from it.
        let least = day
            .min_detectable_share
            .map_or(3.0, |s| s * f64::from(day.eligible_sites));
        assert!(
            (least / 3.0 - (least / 3.0).round()).abs() < 1e-3,
            "{day:?}"
        );
    }
    for said in &published.revisions {
        assert!(many(&said.location) && said.affected_sites >= 3, "{said:?}");
        assert_ne!(said.state, State::Candidate);
        let lost = said.drop_fraction * f64::from(said.eligible_sites);
        assert!(
            (lost - f64::from(said.affected_sites)).abs() < 0.01,
            "{said:?}"
        );
        // Nor are parts of it named that have fewer.
        let within =
            |place: &Location| place.country().is_none_or(|c| said.countries.contains(&c));
        let part = |fits: &dyn Fn(&Location) -> bool| {
            groups
                .iter()
                .any(|(place, sites)| fits(place) && within(place) && sites.len() >= 3)
        };
        for asn in &said.asns {
            assert!(
                part(&|place| place.asn() == Some(*asn)),
                "{asn} in {said:?}"
            );
        }
        for code in &said.admin1_codes {
            assert!(
                part(&|place| *place == Location::Region(code.clone())),
                "{code} in {said:?}"
            );
        }
        for country in &said.countries {
            assert!(
                part(&|place| *place == Location::Country(*country)),
                "{said:?}"
            );
        }
        for kind in &said.access_types {
            let fits = |place: &Location| matches!(place, Location::Access(_, k) if k == kind);
            assert!(part(&fits), "{kind:?} in {said:?}");
        }
        assert!(said.start_lower <= said.start && said.start <= said.start_upper);
        assert!(said.end.is_none_or(|end| end >= said.start));
        if said.affected_sites < 12 {
            let blunt = |at: UnixTime| at.secs() % 600 == 0;
            assert!(said.end_upper.is_none_or(blunt), "{said:?}");
        }
    }
    let told = said_late(sites);
    for evidence in published.evidence.iter().filter(|e| e.sites.is_some()) {
        assert!(
            told.get(&evidence.location).is_some_and(|told| *told >= 3),
            "{evidence:?}"
        );
        assert_eq!(evidence.received_at.secs() % 600, 0);
    }
    for (cell, count) in cells(published) {
        assert_eq!(count % 3, 0, "{cell:?}");
    }
}

/// How many sites of each group handed in a ledger.
fn said_late(sites: &[Site]) -> BTreeMap<Location, usize> {
    let told = |sites: &Vec<&Site>| {
        sites
            .iter()
            .filter(|s| s.affected && s.ledger.is_some())
            .count()
    };
    groups(sites)
        .into_iter()
        .map(|(place, sites)| (place, told(&sites)))
        .collect()
}

/// A country less its networks, in every bin and on every day.
fn whole_less_parts(published: &Published) {
    let cells = cells(published);
    let keys: BTreeSet<_> = cells.keys().map(|(_, at, what)| (*at, *what)).collect();
    for (at, what) in keys {
        for country in ["XA", "XB"] {
            let whole = cells.get(&(format!("country/{country}"), at, what));
            let within = format!("country/{country}/asn/");
            let parts = cells.iter().filter(|((place, a, w), _)| {
                *a == at && *w == what && place.starts_with(&within)
            });
            let parts: i64 = parts.map(|(_, count)| count).sum();
            if let Some(whole) = whole {
                assert!(
                    !few(whole - parts),
                    "{country} {at} {what}: {whole} - {parts}"
                );
            }
        }
    }
}

/// What two releases of the same fleet have in common is the same.
fn agree(one: &Published, two: &Published) {
    let (a, b) = (cells(one), cells(two));
    for (cell, count) in &a {
        assert!(b.get(cell).is_none_or(|other| other == count), "{cell:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn one_release_says_nothing_of_few(sites in sites()) {
        let published = public(&sites);
        above(&sites, &published);
        whole_less_parts(&published);
    }

    #[test]
    fn a_site_that_joins_or_leaves_is_not_seen(sites in sites(), which: prop::sample::Index) {
        let mut fewer = sites.clone();
        fewer.remove(which.index(sites.len()));
        held_apart(&public(&sites), &public(&fewer));
    }

    #[test]
    fn a_ledger_that_comes_is_not_seen(sites in sites(), which: prop::sample::Index) {
        let which = which.index(sites.len());
        let (mut without, mut with) = (sites.clone(), sites);
        without[which].ledger = None;
        with[which].ledger = Some(7);
        let (before, after) = (public(&without), public(&with));
        held_apart(&before, &after);
        // Nor does a row come that rests on it alone.
        let late = |p: &Published| p.revisions.iter()
            .filter(|r| r.revision_reason == Reason::LateProbeEvidence)
            .map(|r| (r.location.clone(), r.retro_evidence_sites))
            .collect::<BTreeSet<_>>();
        let told = said_late(&with);
        for (place, sites) in late(&after).difference(&late(&before)) {
            prop_assert!(told[place] >= 3 && sites % 3 == 0, "{} {}", place, sites);
        }
    }

    #[test]
    fn a_release_a_minute_later_tells_no_more_of_few(sites in sites(), minute in 640..860i64) {
        let all = material(&sites);
        let known = |minute: i64| {
            // Bins of the future are not known.
            let mut until = all.clone();
            until.bins.retain(|bin| bin.at < at(minute));
            publish(&until, at(minute), &Hold::default())
        };
        let (before, after) = (known(minute), known(minute + 1));
        agree(&before, &after);
        held_apart(&before, &after);
        whole_less_parts(&after);
    }
}

/// The checks above find what the floors are for: without them, a site that leaves is seen.
#[test]
#[should_panic(expected = "eligible")]
fn exact_counts_would_be_seen() {
    let site = |n: u32| Site {
        country: "XA",
        asn: 64_500 + n % 2,
        region: 1,
        mobile: false,
        affected: true,
        back: 3,
        ledger: None,
    };
    let exact = |sites: u32| {
        let all = material(&(0..sites).map(site).collect::<Vec<_>>());
        let wide = |bin| Wide { bin, seconds: 60 };
        Published {
            bins: all.bins.into_iter().map(wide).collect(),
            ..Published::default()
        }
    };
    held_apart(&exact(9), &exact(8));
}

#[test]
fn a_network_of_a_country_at_risk_waits_a_day() {
    let mut sites = Vec::new();
    for n in 0..12 {
        sites.push(Site {
            country: "XA",
            asn: 64_500 + n % 2,
            region: 1,
            mobile: false,
            affected: true,
            back: 3,
            ledger: Some(i64::from(n)),
        });
    }
    let all = material(&sites);
    let hold = Hold {
        countries: [Country::new("XA").unwrap()].into(),
    };
    let of_networks = |as_of: UnixTime, hold: &Hold| {
        let p = publish(&all, as_of, hold);
        let bins = p
            .bins
            .iter()
            .filter(|w| w.bin.location.asn().is_some())
            .count();
        let events = p
            .revisions
            .iter()
            .filter(|r| r.location.asn().is_some())
            .count();
        let named = p.revisions.iter().filter(|r| r.location.asn().is_none());
        (bins, events, named.map(|r| r.asns.len()).sum::<usize>())
    };
    let evening = at(1440 + 120);
    let (bins, events, named) = of_networks(evening, &Hold::default());
    assert!(bins > 0 && events > 0 && named > 0);
    // Ten in the morning of the second day is a day after ten in the morning of the first.
    assert_eq!(of_networks(evening, &hold), (0, 0, 0));
    assert_eq!(
        of_networks(AS_OF, &hold),
        of_networks(AS_OF, &Hold::default())
    );
    let other = Hold {
        countries: [Country::new("XB").unwrap()].into(),
    };
    // A network by itself may be in any country: it waits where anything does.
    let others = (bins / 2, events / 2, named);
    assert_eq!(of_networks(evening, &other), others);
}

#[test]
fn a_retraction_is_never_kept_back() {
    let mut all = Material::default();
    let site = |n: i64| Site {
        country: "XA",
        asn: 64_500,
        region: 1,
        mobile: false,
        affected: true,
        back: 3,
        ledger: (n < 1).then_some(n),
    };
    let sites: Vec<Site> = (0..4).map(site).collect();
    let from = material(&sites);
    all.coverage = from.coverage;
    let place = Location::Country(Country::new("XA").unwrap());
    all.revisions = from
        .revisions
        .into_iter()
        .filter(|r| r.location == place)
        .collect();
    let last = all.revisions.last_mut().unwrap();
    assert_eq!(
        (last.revision_reason, last.retro_evidence_sites),
        (Reason::LateProbeEvidence, 1)
    );
    let hidden = publish(&all.clone(), AS_OF, &Hold::default()).revisions;
    all.revisions.last_mut().unwrap().state = State::Retracted;
    let shown = publish(&all, AS_OF, &Hold::default()).revisions;
    assert_eq!(shown.len(), hidden.len() + 1);
    let last = shown.last().unwrap();
    assert_eq!(
        (last.state, last.retro_evidence_sites),
        (State::Retracted, 0)
    );
}
