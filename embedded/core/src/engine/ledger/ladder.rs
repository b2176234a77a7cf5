//! Which rungs are tried now, in what order, and at what price?
//!
//! The nearest first. Gateway, a host in the country and one abroad are tried at each beat;
//! resolver, region and canaries take turns as the purse allows. Each beat brings
//! [`PURSE`] bytes of IP packets in both directions, the heartbeat and its answer included;
//! what is left over is saved up for what is dear. The walk in which something goes silent, or
//! is back, looks at every rung, whoever's turn it is: what changes together must be seen
//! together.
//!
//! One answer makes a rung good. It is bad when [`TRIES`] tries failed, abroad only when hosts
//! on [`NETWORKS`] networks did: a single host that is down is no shutdown. With fewer
//! networks to ask the rung stays untested.
//!
//! ```text
//!   ladder.begin(link, power);
//!   while let Some(at) = ladder.next(&targets) { ladder.report(&targets, at, answered, bytes) }
//!   let walk = ladder.finish();
//! ```

use super::state::{Reach, Rung, State};

/// Bytes of IP packets that a beat may cost on average, in both directions: a kibibyte, but for
/// what the costs of TCP connections are estimated too low.
pub const PURSE: i32 = 1000;
/// Tries that make a rung bad.
pub const TRIES: usize = 2;
/// Networks abroad that must be silent together.
pub const NETWORKS: usize = 3;
/// What may be saved up or owed.
const SAVED: i32 = 16 * PURSE;
const OWED: i32 = -4 * PURSE;
/// Walks after which what was seen of a rung is too old to be repeated.
const STALE: u8 = 12;
/// The same for canaries, whose TLS handshakes are dear.
const RARE: u8 = 120;
/// Hosts of one rung that are tried in one walk at most.
const MOST: usize = 6;

const RUNGS: usize = Rung::ALL.len();
/// Tried at each beat.
const ALWAYS: [Rung; 3] = [Rung::Gateway, Rung::Domestic, Rung::Foreign];
/// Take turns.
const TURNS: [Rung; 4] = [Rung::Resolver, Rung::Regional, Rung::Resolver, Rung::Canary];

/// A host to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// For which rung it speaks.
    pub rung: Rung,
    /// What tells its network from others: its number.
    pub network: u32,
    /// Bytes of IP packets that a try costs where it answers, about.
    pub cost: u16,
}

/// What one walk up the ladder found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Every rung; those whose turn it was not say what they said last.
    pub state: State,
    /// Hosts tried.
    pub checks: u32,
    /// Of those, how many said nothing.
    pub failures: u32,
    /// Bytes spent.
    pub bytes: u32,
}

/// Climbs again and again. Knows nothing of hosts but what [`Target`]s say.
#[derive(Clone, Debug)]
pub struct Ladder {
    purse: i32,
    turn: usize,
    /// Of each rung, where in the list of targets the next walk begins.
    cursors: [usize; RUNGS],
    /// Walks since a rung was tried.
    ages: [u8; RUNGS],
    state: State,
    climb: Climb,
}

/// One walk under way.
#[derive(Clone, Debug, Default)]
struct Climb {
    walk: Walk,
    /// Rungs to try, a bit each.
    todo: u16,
    /// Rungs settled, a bit each.
    done: u16,
    /// A rung that was good is bad, or the other way round.
    alarm: bool,
    /// Tries of the rung at hand.
    tries: usize,
    /// Networks of the rung at hand that were silent.
    silent: [u32; MOST],
}

const fn bit(rung: Rung) -> u16 {
    1 << rung.index()
}

impl Default for Ladder {
    fn default() -> Self {
        Self {
            purse: 0,
            turn: 0,
            cursors: [0; RUNGS],
            ages: [RARE; RUNGS],
            state: State::default(),
            climb: Climb::default(),
        }
    }
}

impl Ladder {
    /// Starts a walk at a beat. The driver knows the link and the power without asking anybody.
    pub fn begin(&mut self, link: Reach, power: Reach) {
        self.purse = self.purse.saturating_add(PURSE).min(SAVED);
        let mut state = self.state;
        for (age, rung) in self.ages.iter_mut().zip(Rung::ALL) {
            *age = age.saturating_add(1);
            let stale = if rung == Rung::Canary { RARE } else { STALE };
            if *age > stale {
                state = state.with(rung, Reach::Untested);
            }
        }
        state = state.with(Rung::Power, power).with(Rung::Link, link);
        self.climb = Climb {
            alarm: self.state.at(Rung::Link) == Reach::Bad && link != Reach::Bad,
            ..Climb::default()
        };
        if link == Reach::Bad {
            // What cannot be tried is not known.
            state = Rung::ALL
                .into_iter()
                .skip(Rung::Gateway.index())
                .fold(state, |state, rung| state.with(rung, Reach::Untested));
        } else {
            for rung in ALWAYS {
                self.climb.todo |= bit(rung);
            }
        }
        self.state = state;
    }

    /// Which target is to be tried next; `None` where the walk is over.
    pub fn next(&mut self, targets: &[Target]) -> Option<usize> {
        loop {
            let open = self.climb.todo & !self.climb.done;
            let rung = Rung::ALL.into_iter().find(|rung| open & bit(*rung) != 0);
            let Some(rung) = rung else {
                if !self.widen(targets) {
                    return None;
                }
                continue;
            };
            match self.candidate(rung, targets) {
                Some(at) => return Some(at),
                None => self.settle(rung, Reach::Untested),
            }
        }
    }

    /// How the try of `targets[at]` ended.
    pub fn report(&mut self, targets: &[Target], at: usize, answered: bool, bytes: u32) {
        let Some(target) = targets.get(at) else {
            return;
        };
        let rung = target.rung;
        self.spend(bytes);
        self.climb.walk.checks += 1;
        // The next time the next: one host's trouble is its own.
        self.remember(rung, at + 1);
        if answered {
            self.settle(rung, Reach::Good);
            return;
        }
        self.climb.walk.failures += 1;
        let tries = self.climb.tries;
        if let Some(silent) = self.climb.silent.get_mut(tries) {
            *silent = target.network;
        }
        self.climb.tries = tries + 1;
        let enough = match rung {
            Rung::Foreign => self.networks() >= NETWORKS,
            _ => self.climb.tries >= TRIES,
        };
        if enough {
            self.settle(rung, Reach::Bad);
        } else if self.climb.tries >= MOST {
            self.settle(rung, Reach::Untested);
        }
    }

    /// The heartbeat and its answer, or other bytes that count to the beat.
    pub fn spend(&mut self, bytes: u32) {
        self.climb.walk.bytes = self.climb.walk.bytes.saturating_add(bytes);
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.purse = self.purse.saturating_sub(bytes).max(OWED);
    }

    /// Whether the collector is there, and whether it answered this time. That it was there
    /// before says nothing in a walk in which other things changed.
    pub fn collector(&mut self, reach: Reach, answered: bool) {
        let stale = reach == Reach::Good && !answered && self.climb.alarm;
        let reach = if stale { Reach::Untested } else { reach };
        self.settle(Rung::Collector, reach);
    }

    /// What the walk found.
    pub fn finish(&mut self) -> Walk {
        Walk {
            state: self.state,
            ..self.climb.walk
        }
    }

    /// Further rungs for this walk: all of them once something went silent, otherwise the one
    /// whose turn it is, if it can be paid.
    fn widen(&mut self, targets: &[Target]) -> bool {
        if self.state.at(Rung::Link) == Reach::Bad {
            return false;
        }
        if self.climb.alarm {
            let before = self.climb.todo;
            for rung in TURNS {
                self.climb.todo |= bit(rung);
            }
            return self.climb.todo != before;
        }
        if TURNS.iter().any(|rung| self.climb.todo & bit(*rung) != 0) {
            return false;
        }
        // The first whose turn it is and that can be paid. What is too dear keeps its turn and
        // saves up, while others go on before it only so often that they stay fresh.
        for ahead in 0..TURNS.len() {
            let turn = (self.turn + ahead) % TURNS.len();
            let Some(rung) = TURNS.get(turn).copied() else {
                break;
            };
            let Some(at) = self.candidate(rung, targets) else {
                continue;
            };
            let cost = targets.get(at).map_or(0, |target| i32::from(target.cost));
            let age = self.ages.get(rung.index()).copied().unwrap_or(STALE);
            if cost > self.purse || (ahead > 0 && age < STALE / 2) {
                continue;
            }
            if ahead == 0 {
                self.turn = (turn + 1) % TURNS.len();
            }
            self.climb.todo |= bit(rung);
            return true;
        }
        false
    }

    /// The next host of a rung: abroad, one on a network that was not silent yet.
    fn candidate(&self, rung: Rung, targets: &[Target]) -> Option<usize> {
        let of_rung = |at: &usize| {
            targets.get(*at).is_some_and(|t| {
                t.rung == rung && (rung != Rung::Foreign || !self.was_silent(t.network))
            })
        };
        let from = self.cursors.get(rung.index()).copied().unwrap_or(0);
        let len = targets.len();
        (from.min(len)..len).chain(0..from.min(len)).find(of_rung)
    }

    fn was_silent(&self, network: u32) -> bool {
        let tries = self.climb.tries.min(MOST);
        self.climb.silent.iter().take(tries).any(|n| *n == network)
    }

    fn networks(&self) -> usize {
        let silent = self.climb.silent.iter().take(self.climb.tries);
        let earlier =
            |at: usize, network: &u32| self.climb.silent.iter().take(at).any(|n| n == network);
        silent
            .enumerate()
            .filter(|(at, network)| !earlier(*at, network))
            .count()
    }

    fn remember(&mut self, rung: Rung, cursor: usize) {
        if let Some(at) = self.cursors.get_mut(rung.index()) {
            *at = cursor;
        }
    }

    fn settle(&mut self, rung: Rung, reach: Reach) {
        self.climb.done |= bit(rung);
        self.climb.tries = 0;
        self.climb.alarm |= matches!(
            (self.state.at(rung), reach),
            (Reach::Good, Reach::Bad) | (Reach::Bad, Reach::Good)
        );
        self.state = self.state.with(rung, reach);
        if let Some(age) = self.ages.get_mut(rung.index()) {
            *age = 0;
        }
    }
}
