//! Who are the probes? Volunteers' machines with habits of their own, drawn per country.

use super::chance::Chance;
use faultline_core::{
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
};

/// Disconnections a day of a typical probe: the median, lognormal with sigma 1 (the research
/// page's assumption, to be held against RIPE Atlas' stream of disconnections).
pub const LEAVES: f64 = 0.3;
const LEAVES_SIGMA: f64 = 1.0;
/// Of a flaky one.
pub const FLAKY: f64 = 1.5;
/// How many are flaky; not published.
const FLAKY_SHARE: f64 = 0.1;
/// Of a hundred probes, those that hand their ledger in hours to days late.
const LATE: f64 = 0.3;
/// Switched off for the night; not published.
const DIURNAL: f64 = 0.12;
/// Boards and probes that pay by the byte beat every 300 s; not published.
const SLOW: f64 = 0.15;
/// Two probes behind one router; not published.
const SHARED: f64 = 0.08;
/// Machines or routers on a battery: "residential IPs rarely have batteries" (arXiv 1912.03357).
const BATTERY: f64 = 0.15;
/// Without a clock that survives a boot, as a Raspberry Pi.
const CLOCKLESS: f64 = 0.5;
/// Regions of a country.
pub const REGIONS: usize = 4;

/// What a fleet is asked to be.
#[derive(Clone, Debug)]
pub struct Wish {
    pub country: Country,
    pub probes: usize,
    /// Networks that must be among its own.
    pub networks: Vec<Asn>,
    /// Share of probes on mobile networks; the first of `networks` are then mobile if
    /// `mobile_named`.
    pub mobile: f64,
    pub mobile_named: bool,
    /// Share behind a satellite.
    pub satellite: f64,
    /// Power fails in the evening.
    pub weak_grid: bool,
}

impl Wish {
    /// A country of which nothing particular is asked.
    pub fn plain(country: Country, probes: usize) -> Self {
        Self {
            country,
            probes,
            networks: Vec::new(),
            mobile: 0.3,
            mobile_named: false,
            satellite: 0.0,
            weak_grid: false,
        }
    }
}

/// A probe and its habits.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: ProbeId,
    pub country: Country,
    pub asn: Asn,
    pub access: NetworkKind,
    /// From 0, of [`REGIONS`].
    pub region: usize,
    pub site: u64,
    /// Seconds between beats.
    pub interval: u16,
    /// Probability that a beat is lost.
    pub loss: f64,
    /// Disconnections a day.
    pub leaves: f64,
    /// Off at night.
    pub diurnal: bool,
    /// Hands in its ledger late.
    pub late: bool,
    pub clockless: bool,
    /// How long its battery lasts, seconds; 0 without one.
    pub battery: i64,
    /// How wrong its crystal is, parts in a million.
    pub ppm: i64,
    /// Local time less UTC, seconds.
    pub zone: i64,
    pub weak_grid: bool,
}

impl Member {
    /// ISO 3166-2.
    pub fn region_code(&self) -> String {
        format!("{}-{:02}", self.country, self.region + 1)
    }
}

/// A country's probes; `first` is the number of the first of them.
pub fn draw(wish: &Wish, first: usize, chance: &mut Chance) -> Vec<Member> {
    let count = wish.probes;
    let networks = networks(wish, first);
    // Large networks have more of the probes: weights 1, 1/2, 1/3 ... after one each.
    let weight = |at: usize| 1.0 / (at as f64 + 1.0);
    let total: f64 = (0..networks.len()).map(weight).sum();
    let zone = chance.between(-8, 9) * 3600;
    let mut fleet: Vec<Member> = Vec::with_capacity(count);
    for at in 0..count {
        let network = if at < networks.len() {
            at
        } else {
            let mut left = chance.unit() * total;
            (0..networks.len())
                .find(|at| {
                    left -= weight(*at);
                    left < 0.0
                })
                .unwrap_or(0)
        };
        let (asn, access) = networks[network];
        let number = (first + at + 1) as u64;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let beside = fleet
            .last()
            .filter(|last| last.asn == asn && chance.happens(SHARED))
            .map(|last| (last.site, last.region));
        let region = chance.below(REGIONS);
        let (site, region) = beside.unwrap_or((number << 20, region));
        let flaky = chance.happens(FLAKY_SHARE);
        fleet.push(Member {
            id: ProbeId(id),
            country: wish.country,
            asn,
            access,
            region,
            site,
            interval: if chance.happens(SLOW) { 300 } else { 60 },
            loss: chance.lognormal(0.005, 0.8).min(0.05),
            leaves: if flaky {
                FLAKY
            } else {
                chance.lognormal(LEAVES, LEAVES_SIGMA).min(6.0)
            },
            diurnal: chance.happens(DIURNAL),
            late: chance.happens(LATE),
            clockless: chance.happens(CLOCKLESS),
            battery: if chance.happens(BATTERY) {
                chance.lognormal(7200.0, 0.7) as i64
            } else {
                0
            },
            ppm: chance.between(-60, 60),
            zone,
            weak_grid: wish.weak_grid,
        });
    }
    fleet
}

/// A country's networks: at least two, of one kind of access each.
fn networks(wish: &Wish, first: usize) -> Vec<(Asn, NetworkKind)> {
    let wanted = match wish.probes {
        0..4 => 2,
        4..8 => 3,
        8..15 => 4,
        _ => 6,
    };
    let wanted = wanted.max(wish.networks.len() + 1).min(wish.probes.max(1));
    let mobile = ((wanted as f64 * wish.mobile) as usize).max(1);
    let satellite = (wanted as f64 * wish.satellite).ceil() as usize;
    let own = 4_200_000_000 + (first as u32) * 16;
    (0..wanted)
        .map(|at| {
            let named = wish.networks.get(at).copied();
            let asn = named.unwrap_or(Asn(own + at as u32));
            let access = if named.is_some() && wish.mobile_named {
                NetworkKind::Mobile
            } else if wish.mobile_named {
                NetworkKind::Fixed
            } else if at + satellite >= wanted && wish.satellite > 0.0 {
                NetworkKind::Satellite
            } else if at % (wanted / mobile).max(2) == 1 {
                NetworkKind::Mobile
            } else {
                NetworkKind::Fixed
            };
            (asn, access)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_fleet_has_two_networks_and_both_kinds_of_access() {
        let country = Country::new("XA").unwrap();
        for probes in [3, 5, 10, 20, 50] {
            for seed in 0..20 {
                let fleet = draw(&Wish::plain(country, probes), 0, &mut Chance::new(seed, 1));
                assert_eq!(fleet.len(), probes);
                let networks: BTreeSet<_> = fleet.iter().map(|m| m.asn).collect();
                assert!(networks.len() >= 2, "{probes}: {networks:?}");
                let kinds: BTreeSet<_> = fleet.iter().map(|m| m.access).collect();
                assert_eq!(kinds.len(), 2);
                let ids: BTreeSet<_> = fleet.iter().map(|m| m.id).collect();
                assert_eq!(ids.len(), probes);
            }
        }
    }

    #[test]
    fn networks_that_were_asked_for_are_there() {
        let wish = Wish {
            networks: vec![Asn(37_649), Asn(37_196)],
            mobile_named: true,
            ..Wish::plain(Country::new("SN").unwrap(), 5)
        };
        let fleet = draw(&wish, 0, &mut Chance::new(1, 1));
        for asn in wish.networks {
            let member = fleet.iter().find(|m| m.asn == asn).unwrap();
            assert_eq!(member.access, NetworkKind::Mobile);
        }
        assert!(fleet.iter().any(|m| m.access == NetworkKind::Fixed));
    }
}
