//! What was true of a probe at each moment? Troubles overlap; the worst of them counts.

use faultline_core::engine::ledger::{Reach, Rung, State};

/// What is left of the Internet at a probe, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Whole,
    /// The services that are often singled out fail.
    NoCanary,
    /// Everything but the collector.
    NoCollector,
    /// The country's own hosts alone.
    Domestic,
    NoUpstream,
    NoGateway,
    NoLink,
    /// The program is not running, the machine is.
    Stopped,
    Off,
}

impl Way {
    const COUNT: usize = Self::Off as usize + 1;

    /// Whether beats arrive: the collector is abroad.
    pub const fn is_heard(self) -> bool {
        matches!(self, Self::Whole | Self::NoCanary)
    }

    /// Whether anybody notes what it is like.
    pub const fn is_noted(self) -> bool {
        !matches!(self, Self::Stopped | Self::Off)
    }

    /// What the ladder of a probe says.
    pub fn state(self) -> State {
        use Reach::{Bad, Good, Untested};
        let [link, gateway, resolver, domestic, abroad, canary, collector] = match self {
            Self::Whole => [Good; 7],
            Self::NoCanary => [Good, Good, Good, Good, Good, Bad, Good],
            Self::NoCollector => [Good, Good, Good, Good, Good, Good, Bad],
            Self::Domestic => [Good, Good, Good, Good, Bad, Bad, Bad],
            Self::NoUpstream => [Good, Good, Bad, Bad, Bad, Bad, Bad],
            Self::NoGateway => [Good, Bad, Bad, Bad, Bad, Bad, Bad],
            Self::NoLink => [Bad, Untested, Untested, Untested, Untested, Untested, Bad],
            Self::Stopped | Self::Off => [Untested; 7],
        };
        [
            (Rung::Link, link),
            (Rung::Gateway, gateway),
            (Rung::Resolver, resolver),
            (Rung::Domestic, domestic),
            (Rung::Foreign, abroad),
            (Rung::Canary, canary),
            (Rung::Collector, collector),
        ]
        .into_iter()
        .fold(State::default(), |state, (rung, reach)| {
            state.with(rung, reach)
        })
    }
}

/// Something that stands in the way for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub from: i64,
    pub until: i64,
    pub way: Way,
}

/// A time in which nothing changed for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: i64,
    pub until: i64,
    pub way: Way,
    /// Counted from 1.
    pub boot: u32,
    /// Starts of the program, counted from 1.
    pub run: u32,
    /// How often its address moved.
    pub moves: u32,
}

/// A life from `from` to `until`. `moves` are the moments at which the address becomes another.
pub fn stretches(troubles: &[Trouble], moves: &[i64], from: i64, until: i64) -> Vec<Stretch> {
    let within = |trouble: &&Trouble| trouble.until > from && trouble.from < until;
    let mut turns: Vec<(i64, Option<(Way, bool)>)> = Vec::new();
    for trouble in troubles.iter().filter(within) {
        if trouble.from < trouble.until {
            turns.push((trouble.from.max(from), Some((trouble.way, true))));
            turns.push((trouble.until, Some((trouble.way, false))));
        }
    }
    turns.extend(
        moves
            .iter()
            .filter(|at| (from..until).contains(*at))
            .map(|at| (*at, None)),
    );
    turns.sort_by_key(|(at, _)| *at);
    let mut active = [0_i32; Way::COUNT];
    let mut life: Vec<Stretch> = Vec::new();
    let mut now = Stretch {
        from,
        until,
        way: Way::Whole,
        boot: 1,
        run: 1,
        moves: 0,
    };
    let mut turns = turns.into_iter().peekable();
    while let Some((at, _)) = turns.peek().copied() {
        if at >= until {
            break;
        }
        let mut next = now;
        while let Some((_, turn)) = turns.next_if(|(other, _)| *other == at) {
            match turn {
                Some((way, true)) => active[way as usize] += 1,
                Some((way, false)) => active[way as usize] -= 1,
                None => next.moves += 1,
            }
        }
        next.way = worst(&active);
        if next.way.is_noted() && !now.way.is_noted() {
            next.run += 1;
            next.boot += u32::from(was_off(&life, &now));
        }
        if next == now {
            continue;
        }
        if at > now.from {
            life.push(Stretch { until: at, ..now });
        }
        now = Stretch { from: at, ..next };
    }
    life.push(now);
    life
}

/// Whether the silence that ends now had the machine off at any time of it.
fn was_off(life: &[Stretch], now: &Stretch) -> bool {
    let before = life.iter().rev().take_while(|one| !one.way.is_noted());
    now.way == Way::Off || before.into_iter().any(|one| one.way == Way::Off)
}

fn worst(active: &[i32; Way::COUNT]) -> Way {
    const ALL: [Way; Way::COUNT] = [
        Way::Whole,
        Way::NoCanary,
        Way::NoCollector,
        Way::Domestic,
        Way::NoUpstream,
        Way::NoGateway,
        Way::NoLink,
        Way::Stopped,
        Way::Off,
    ];
    let pairs = ALL.into_iter().zip(active).rev();
    let found = pairs.into_iter().find(|(_, count)| **count > 0);
    found.map_or(Way::Whole, |(way, _)| way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::engine::ledger::Extent;

    const fn trouble(from: i64, until: i64, way: Way) -> Trouble {
        Trouble { from, until, way }
    }

    fn lived(troubles: &[Trouble]) -> Vec<(i64, i64, Way, u32, u32)> {
        stretches(troubles, &[], 0, 100)
            .into_iter()
            .map(|s| (s.from, s.until, s.way, s.boot, s.run))
            .collect()
    }

    #[test]
    fn the_worst_counts_and_power_makes_a_new_boot() {
        let found = lived(&[
            trouble(10, 60, Way::NoUpstream),
            trouble(20, 30, Way::Off),
            trouble(40, 50, Way::Domestic),
        ]);
        assert_eq!(
            found,
            [
                (0, 10, Way::Whole, 1, 1),
                (10, 20, Way::NoUpstream, 1, 1),
                (20, 30, Way::Off, 1, 1),
                (30, 60, Way::NoUpstream, 2, 2),
                (60, 100, Way::Whole, 2, 2),
            ]
        );
    }

    #[test]
    fn a_restart_of_the_program_is_no_boot() {
        let found = lived(&[trouble(10, 12, Way::Stopped)]);
        assert_eq!(found.last(), Some(&(12, 100, Way::Whole, 1, 2)));
        let both = [trouble(10, 12, Way::Off), trouble(12, 14, Way::Stopped)];
        assert_eq!(lived(&both).last(), Some(&(14, 100, Way::Whole, 2, 2)));
    }

    #[test]
    fn ladders_say_what_they_stand_for() {
        for (way, extent) in [
            (Way::Whole, Extent::Whole),
            (Way::NoCanary, Extent::NoCanary),
            (Way::NoCollector, Extent::NoCollector),
            (Way::Domestic, Extent::Domestic),
            (Way::NoUpstream, Extent::NoUpstream),
            (Way::NoGateway, Extent::NoGateway),
            (Way::NoLink, Extent::NoLink),
        ] {
            assert_eq!(way.state().extent(), extent);
        }
    }
}
