//! How is all of it run? Stories times fleets times seeds, then quiet worlds, one job after the
//! other on as many threads as there are cores; results in the order of the jobs, whoever was
//! faster.

use super::{
    history::Story,
    quiet::{COUNTRIES, Quiet, quiet},
    replay::{Replayed, replay},
    rivals::Rival,
    score::{Calibration, Errors, Outcome},
};
use faultline_collector::detect::Settings;
use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub stories: Vec<Story>,
    pub fleets: Vec<usize>,
    pub seeds: u64,
    /// Of stories and of quiet worlds.
    pub first_seed: u64,
    pub settings: Settings,
    /// Group-years of quiet, rounded up to whole worlds.
    pub quiet_years: u64,
    /// Days of a quiet world; a year but in tests.
    pub quiet_days: i64,
    pub threads: usize,
}

impl Plan {
    /// Worlds of quiet.
    pub fn quiet_worlds(&self) -> u64 {
        let days = self.quiet_years * 365;
        days.div_ceil(COUNTRIES as u64 * self.quiet_days.unsigned_abs().max(1))
    }

    /// As many threads as cores.
    pub fn cores() -> usize {
        thread::available_parallelism().map_or(1, NonZero::get)
    }
}

/// Everything that came of it.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub outcomes: Vec<Outcome>,
    /// By size of fleet.
    pub errors: BTreeMap<usize, Errors>,
    pub first: Calibration,
    pub last: Calibration,
    pub rivals: BTreeMap<Rival, (Vec<Outcome>, Errors)>,
    pub quiet: Errors,
    pub quiet_rivals: BTreeMap<Rival, Errors>,
    pub quiet_first: Calibration,
    pub quiet_last: Calibration,
    /// What was confirmed of nothing.
    pub wrong: Vec<String>,
    /// Ticks made, of how many minutes.
    pub ticks: (u64, u64),
}

/// Runs the stories; `each` is told how many of how many are done.
pub fn stories(plan: &Plan, into: &mut Results, each: &(dyn Fn(usize, usize) + Sync)) {
    let mut jobs = Vec::new();
    for seed in plan.first_seed..plan.first_seed + plan.seeds {
        for story in &plan.stories {
            jobs.extend(plan.fleets.iter().map(|probes| (story, *probes, seed)));
        }
    }
    // The largest first, so that no core ends with one alone.
    jobs.sort_by_key(|(story, probes, _)| std::cmp::Reverse(story.countries.len() * probes));
    let done = spread(plan.threads, &jobs, each, |(story, probes, seed)| {
        replay(story, *probes, *seed, plan.settings.clone())
    });
    let mut all: Vec<(&(&Story, usize, u64), Replayed)> = jobs.iter().zip(done).collect();
    all.sort_by(|(one, _), (two, _)| (&one.0.id, one.1, one.2).cmp(&(&two.0.id, two.1, two.2)));
    for ((_, probes, _), replayed) in all {
        let errors = into.errors.entry(*probes).or_default();
        *errors = errors.plus(replayed.errors);
        into.outcomes.extend(replayed.outcomes);
        into.first.append(&replayed.first);
        into.last.append(&replayed.last);
        for (rival, outcomes, errors) in replayed.rivals {
            let known = into.rivals.entry(rival).or_default();
            known.0.extend(outcomes);
            known.1 = known.1.plus(errors);
        }
    }
}

/// Runs the quiet worlds.
pub fn quiet_worlds(plan: &Plan, into: &mut Results, each: &(dyn Fn(usize, usize) + Sync)) {
    let seeds: Vec<u64> = (0..plan.quiet_worlds())
        .map(|nth| plan.first_seed + nth)
        .collect();
    let done: Vec<Quiet> = spread(plan.threads, &seeds, each, |seed| {
        quiet(plan.quiet_days, *seed, plan.settings.clone(), true)
    });
    for one in done {
        into.quiet = into.quiet.plus(one.errors);
        into.quiet_first.append(&one.first);
        into.quiet_last.append(&one.last);
        into.wrong.extend(one.wrong);
        into.ticks.0 += one.ticks;
        into.ticks.1 += one.minutes;
        for (rival, errors) in one.rivals {
            let known = into.quiet_rivals.entry(rival).or_default();
            *known = known.plus(errors);
        }
    }
}

/// Does all jobs; results in their order.
fn spread<Job: Sync, Done: Send>(
    threads: usize,
    jobs: &[Job],
    each: &(dyn Fn(usize, usize) + Sync),
    work: impl Fn(&Job) -> Done + Sync,
) -> Vec<Done> {
    let (next, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done: Mutex<Vec<(usize, Done)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { break };
                    let result = work(job);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((at, result));
                    each(count.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
