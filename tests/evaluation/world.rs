//! What does a whole world look like to a collector? Fleets, their habits, what strikes them,
//! and a collector that is deaf now and then, as rows in the order of their arrival.

use super::{
    benign,
    chance::Chance,
    fleet::Member,
    rows::{self, Row},
    score::Loss,
    timeline::{Trouble, Way, stretches},
};
use faultline_collector::detect::input::Input;
use faultline_core::{id::Country, time::UnixTime};
use std::collections::BTreeSet;

/// A world that was lived through.
#[derive(Clone, Debug)]
pub struct World {
    pub fleet: Vec<Member>,
    /// By arrival.
    pub rows: Vec<Row>,
    /// Everything that probes shared.
    pub losses: Vec<Loss>,
    pub from: i64,
    pub until: i64,
}

/// A time in which the collector hears nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub from: i64,
    pub until: i64,
    /// Whether its own test says so.
    pub noticed: bool,
}

impl Fault {
    /// Faults of a time: `per_year` of each kind, of median 12 minutes; not published.
    pub fn draw(per_year: f64, from: i64, until: i64, chance: &mut Chance) -> Vec<Self> {
        let mut faults = Vec::new();
        for noticed in [true, false] {
            for at in chance.moments(per_year / 365.0, from, until) {
                let lasts = chance.lognormal(720.0, 0.8).clamp(120.0, 7200.0) as i64;
                faults.push(Self {
                    from: at,
                    until: at + lasts,
                    noticed,
                });
            }
        }
        faults
    }
}

impl World {
    /// Lives through it. `strikes` are troubles by place in the fleet.
    pub fn live(
        fleet: Vec<Member>,
        strikes: &[(usize, Trouble)],
        losses: Vec<Loss>,
        faults: &[Fault],
        (from, until): (i64, i64),
        chance: &mut Chance,
    ) -> Self {
        let mut benign = benign::draw(&fleet, from, until, &mut chance.branch(1));
        for (at, trouble) in strikes {
            benign.troubles[*at].push(*trouble);
        }
        let mut losses = losses;
        losses.append(&mut benign.losses);
        let mut rows = Vec::new();
        for fault in faults {
            let trouble = Trouble {
                from: fault.from,
                until: fault.until,
                way: Way::NoCollector,
            };
            benign.troubles.iter_mut().for_each(|all| all.push(trouble));
            losses.push(Loss::fault(&fleet, fault.from, fault.until));
            if fault.noticed {
                rows.extend(deaf(fault));
            }
        }
        for (at, member) in fleet.iter().enumerate() {
            let life = stretches(&benign.troubles[at], &benign.moves[at], from, until);
            rows.extend(rows::of(member, &life, &mut chance.branch(2)));
        }
        rows.sort_by_key(|row| row.at);
        Self {
            fleet,
            rows,
            losses,
            from,
            until,
        }
    }

    /// Countries that probes are in.
    pub fn countries(&self) -> BTreeSet<Country> {
        self.fleet.iter().map(|member| member.country).collect()
    }

    /// Countries times years.
    pub fn group_years(&self) -> f64 {
        let years = (self.until - self.from) as f64 / (365.0 * 86_400.0);
        self.countries().len() as f64 * years
    }
}

/// The collector's test, once a minute.
fn deaf(fault: &Fault) -> impl Iterator<Item = Row> + use<> {
    let until = fault.until;
    (fault.from..until).step_by(60).map(move |from| {
        let to = (from + 60).min(until);
        Row {
            at: UnixTime::from_secs(to),
            input: Input::Deaf {
                from: UnixTime::from_secs(from),
                until: UnixTime::from_secs(to),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::fleet::{Wish, draw},
        *,
    };

    fn world(seed: u64) -> World {
        let country = Country::new("XA").unwrap();
        let fleet = draw(&Wish::plain(country, 10), 0, &mut Chance::new(seed, 1));
        let faults = [Fault {
            from: 86_400,
            until: 87_000,
            noticed: true,
        }];
        let span = (0, 20 * 86_400);
        World::live(
            fleet,
            &[],
            Vec::new(),
            &faults,
            span,
            &mut Chance::new(seed, 2),
        )
    }

    #[test]
    fn a_seed_gives_the_same_rows_in_order_of_arrival() {
        let one = world(1);
        assert_eq!(one.rows, world(1).rows);
        assert_ne!(one.rows, world(2).rows);
        assert!(one.rows.is_sorted_by_key(|row| row.at));
        assert!(one.rows.len() > 200, "{}", one.rows.len());
    }

    #[test]
    fn nobody_is_heard_by_a_deaf_collector() {
        let rows = world(1).rows;
        let deaf = rows
            .iter()
            .filter(|row| matches!(row.input, Input::Deaf { .. }));
        assert_eq!(deaf.count(), 10);
        let heard = rows.iter().filter_map(|row| match &row.input {
            Input::Heard(presence) => Some(presence),
            _ => None,
        });
        let within = |at: UnixTime| (86_402..86_998).contains(&at.secs());
        for presence in heard {
            assert!(!within(presence.from) && !within(presence.until));
        }
    }
}
