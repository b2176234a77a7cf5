//! What goes wrong where nobody shuts anything down? Absences of each probe's own, and drops
//! that probes share: the reason why independent chance underestimates false alarms.
//!
//! | what | how often | where from |
//! |---|---|---|
//! | own absences | hazard of the probe, lognormal 20 min, sigma 1.5 | hazards: research page 2.3; lengths: assumed, mean of an hour |
//! | nights | machines that are switched off from 23:00 to 07:30, give or take half an hour | assumed |
//! | micro-outages | 4 a month and country, 3 to 8 min, 30 % of its sites | research page 2.3 |
//! | resets by the provider | every night, 1 to 3 min, each line at its own time: a quarter of the networks | Padmanabhan et al., IMC 2016: addresses that change daily |
//! | equipment restarts | 6 a year and network, 2 to 8 min, all its sites | assumed |
//! | maintenance | 8 a year and network, at night, 15 to 60 min, half or all of its sites | Richter et al., IMC 2018: many disruptions are planned maintenance |
//! | power | 6 a year and region in the evening where the grid is weak, else 1 in 2 years; 60 % of its sites, median 50 min | arXiv 1912.03357 on how they show; rates assumed |
//! | updates of the program | monthly, all probes within an hour, 20 s to 4 min each | the project's own |
//! | addresses that move | monthly a probe, a minute | Padmanabhan et al. |

use super::{
    chance::Chance,
    fleet::Member,
    score::{Kind, Loss},
    timeline::{Trouble, Way},
};
use faultline_collector::detect::event::{Cause, Class};
use faultline_core::id::{Asn, Country};
use std::collections::BTreeSet;

const DAY: i64 = 86_400;

/// What befalls each of a fleet, and what of it was shared.
#[derive(Clone, Debug, Default)]
pub struct Benign {
    /// By place in the fleet.
    pub troubles: Vec<Vec<Trouble>>,
    pub moves: Vec<Vec<i64>>,
    pub losses: Vec<Loss>,
}

/// Draws it for a time.
pub fn draw(fleet: &[Member], from: i64, until: i64, chance: &mut Chance) -> Benign {
    let mut benign = Benign {
        troubles: vec![Vec::new(); fleet.len()],
        moves: vec![Vec::new(); fleet.len()],
        losses: Vec::new(),
    };
    for (at, member) in fleet.iter().enumerate() {
        let chance = &mut chance.branch(1);
        let troubles = &mut benign.troubles[at];
        own(member, from, until, chance, troubles);
        if member.diurnal {
            nights(member, from, until, chance, troubles);
        }
        let moves = chance.moments(1.0 / 30.0, from, until);
        troubles.extend(moves.iter().map(|at| Trouble {
            from: *at,
            until: at + chance.between(30, 90),
            way: Way::NoUpstream,
        }));
        benign.moves[at] = moves;
    }
    updates(fleet, from, until, &mut chance.branch(2), &mut benign);
    let countries: BTreeSet<Country> = fleet.iter().map(|m| m.country).collect();
    for country in countries {
        let mut chance = chance.branch(3);
        micro_outages(fleet, country, from, until, &mut chance, &mut benign);
        power(fleet, country, from, until, &mut chance, &mut benign);
    }
    let networks: BTreeSet<(Country, Asn)> = fleet.iter().map(|m| (m.country, m.asn)).collect();
    for (country, asn) in networks {
        let mut chance = chance.branch(4);
        providers(fleet, (country, asn), from..until, &mut chance, &mut benign);
    }
    benign
}

fn own(member: &Member, from: i64, until: i64, chance: &mut Chance, into: &mut Vec<Trouble>) {
    for at in chance.moments(member.leaves, from, until) {
        let way = match chance.unit() {
            ..0.35 => Way::Off,
            ..0.5 => Way::NoLink,
            ..0.65 => Way::NoGateway,
            _ => Way::NoUpstream,
        };
        let lasts = chance.lognormal(1200.0, 1.5).clamp(20.0, 7.0 * DAY as f64);
        into.push(Trouble {
            from: at,
            until: at + lasts as i64,
            way,
        });
    }
}

/// Midnights of the member's own day within a time.
fn days(member: &Member, from: i64, until: i64) -> impl Iterator<Item = i64> + use<> {
    let zone = member.zone;
    let first = (from + zone).div_euclid(DAY) - 1;
    let last = (until + zone).div_euclid(DAY);
    (first..=last).map(move |day| day * DAY - zone)
}

fn nights(
    member: &Member,
    from: i64,
    until: i64,
    chance: &mut Chance,
    into: &mut Vec<Trouble>,
) {
    for midnight in days(member, from, until) {
        let off = midnight + 23 * 3600 + (chance.normal() * 1800.0) as i64;
        let on = midnight + DAY + 7 * 3600 + 1800 + (chance.normal() * 1800.0) as i64;
        into.push(Trouble {
            from: off,
            until: on,
            way: Way::Off,
        });
    }
}

fn updates(fleet: &[Member], from: i64, until: i64, chance: &mut Chance, benign: &mut Benign) {
    for at in chance.moments(1.0 / 30.0, from, until) {
        for troubles in &mut benign.troubles[..fleet.len()] {
            let begins = at + chance.between(0, 3600);
            troubles.push(Trouble {
                from: begins,
                until: begins + chance.between(20, 240),
                way: Way::Stopped,
            });
        }
    }
}

fn micro_outages(
    fleet: &[Member],
    country: Country,
    from: i64,
    until: i64,
    chance: &mut Chance,
    benign: &mut Benign,
) {
    for at in chance.moments(4.0 / 30.4, from, until) {
        let lasts = chance.between(180, 480);
        let hit = hit(fleet, chance, 0.3, |member| member.country == country);
        shared(fleet, benign, &hit, "micro-outage", |_| Trouble {
            from: at,
            until: at + lasts,
            way: Way::NoUpstream,
        });
    }
}

fn power(
    fleet: &[Member],
    country: Country,
    from: i64,
    until: i64,
    chance: &mut Chance,
    benign: &mut Benign,
) {
    let Some(resident) = fleet.iter().find(|m| m.country == country) else {
        return;
    };
    let a_year = if resident.weak_grid { 6.0 } else { 0.5 };
    for region in 0..super::fleet::REGIONS {
        for at in chance.moments(a_year / 365.0, from, until) {
            let midnight = (at + resident.zone).div_euclid(DAY) * DAY - resident.zone;
            let begins = midnight + chance.between(17 * 3600, 22 * 3600);
            let lasts = chance.lognormal(3000.0, 0.8).clamp(120.0, DAY as f64) as i64;
            let of_region = |m: &Member| m.country == country && m.region == region;
            let hit = hit(fleet, chance, 0.6, of_region);
            shared(fleet, benign, &hit, "power cut", |member| {
                // The router is dark at once; a machine on a battery notes that.
                let begins = begins + chance.between(0, 20);
                let way = if member.battery > lasts {
                    Way::NoLink
                } else {
                    Way::Off
                };
                Trouble {
                    from: begins,
                    until: begins + lasts + chance.between(0, 180),
                    way,
                }
            });
        }
    }
}

fn providers(
    fleet: &[Member],
    (country, asn): (Country, Asn),
    span: std::ops::Range<i64>,
    chance: &mut Chance,
    benign: &mut Benign,
) {
    let of_network = |m: &Member| m.country == country && m.asn == asn;
    for at in chance.moments(6.0 / 365.0, span.start, span.end) {
        let lasts = chance.between(120, 480);
        let hit = hit(fleet, chance, 1.0, of_network);
        shared(fleet, benign, &hit, "equipment restart", |_| Trouble {
            from: at,
            until: at + lasts + chance.between(0, 40),
            way: Way::NoUpstream,
        });
    }
    for at in chance.moments(8.0 / 365.0, span.start, span.end) {
        let zone = fleet.iter().find(|m| of_network(m)).map_or(0, |m| m.zone);
        let midnight = (at + zone).div_euclid(DAY) * DAY - zone;
        let begins = midnight + chance.between(3600, 5 * 3600);
        let lasts = chance.between(900, 3600);
        let share = if chance.happens(0.5) { 1.0 } else { 0.5 };
        let hit = hit(fleet, chance, share, of_network);
        shared(fleet, benign, &hit, "maintenance", |_| {
            let begins = begins + chance.between(0, 120);
            Trouble {
                from: begins,
                until: begins + lasts,
                way: Way::NoUpstream,
            }
        });
    }
    if !chance.happens(0.25) {
        return;
    }
    for (at, member) in fleet.iter().enumerate().filter(|(_, m)| of_network(m)) {
        let of_day = chance.between(2 * 3600, 5 * 3600);
        for midnight in days(member, span.start, span.end) {
            let begins = midnight + of_day + chance.between(-60, 60);
            benign.troubles[at].push(Trouble {
                from: begins,
                until: begins + chance.between(60, 180),
                way: Way::NoUpstream,
            });
        }
    }
}

/// A share of those that fit.
fn hit(
    fleet: &[Member],
    chance: &mut Chance,
    share: f64,
    fits: impl Fn(&Member) -> bool,
) -> Vec<usize> {
    let all = fleet.iter().enumerate().filter(|(_, member)| fits(member));
    all.filter(|_| chance.happens(share))
        .map(|(at, _)| at)
        .collect()
}

fn shared(
    fleet: &[Member],
    benign: &mut Benign,
    hit: &[usize],
    name: &str,
    mut trouble: impl FnMut(&Member) -> Trouble,
) {
    let mut loss = Loss::benign(name);
    for at in hit {
        let trouble = trouble(&fleet[*at]);
        benign.troubles[*at].push(trouble);
        loss.hits(&fleet[*at], trouble.from, trouble.until);
    }
    if name == "power cut" {
        (loss.class, loss.cause) = (Class::Power, Cause::Power);
    }
    // One site alone shares nothing.
    if loss.sites.len() > 1 {
        benign.losses.push(loss);
    }
    debug_assert!(benign.losses.iter().all(|l| l.kind == Kind::Benign));
}

#[cfg(test)]
mod tests {
    use super::{
        super::fleet::{Wish, draw as fleet},
        *,
    };

    #[test]
    fn rates_are_those_of_the_table() {
        let country = Country::new("XA").unwrap();
        let fleet = fleet(&Wish::plain(country, 50), 0, &mut Chance::new(1, 1));
        let years = 4;
        let (from, until) = (0, years * 365 * DAY);
        let benign = draw(&fleet, from, until, &mut Chance::new(1, 2));
        let count = |name: &str| benign.losses.iter().filter(|l| l.id == name).count();
        let micro = count("micro-outage");
        // 4 a month: 192, give or take three standard deviations.
        assert!((150..235).contains(&micro), "{micro}");
        let networks: BTreeSet<Asn> = fleet.iter().map(|m| m.asn).collect();
        let expected = networks.len() * 8 * 4;
        let maintenance = count("maintenance");
        assert!(
            (expected / 2..expected * 3 / 2).contains(&maintenance),
            "{maintenance} of {expected}"
        );
        let steady = fleet.iter().position(|m| !m.diurnal).unwrap();
        let troubles = &benign.troubles[steady];
        assert!(troubles.iter().all(|t| t.until > t.from));
    }
}
