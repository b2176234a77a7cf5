//! How much of what censors do is found over a bad line, and is nobody accused who did nothing?
//!
//! Every scenario in which somebody interferes is measured on the first rung with many seeds,
//! over lines that lose 0, 1, 5 and 20 of a hundred packets: the share of runs that end in an
//! anomaly, and of those the share that name the mechanism that was at work, exactly or as far
//! as its family (`tls.reset.other` for `tls.reset.sni`). With `--benign N` the harmless
//! worlds are measured instead, N seeds each; every anomaly is printed. `--cost` asks what a
//! measurement costs ([`crate::cost`]).

use crate::cost;
use faultline_core::verdict::{Mechanism, Outcome};
use faultline_internet::{
    run::{self, Finding},
    scenario::Scenario,
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Where somebody interferes.
pub(crate) const KINDS: [&str; 5] = ["dns", "blocking", "censors", "governance", "technical"];
/// Packets lost, of a hundred.
const LOSSES: [u8; 4] = [0, 1, 5, 20];
/// Runs of each scenario at each loss.
const SEEDS: u64 = 50;

/// What the words of the command line ask for.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let number = |word: Option<&String>| word.and_then(|word| word.parse().ok());
    let done = match words {
        [] => table(SEEDS),
        [word, rest @ ..] if word == "--seeds" && rest.len() == 1 => match number(rest.first())
        {
            Some(seeds) => table(seeds),
            None => return crate::refuse("--seeds takes a number"),
        },
        [word, rest @ ..] if word == "--benign" && rest.len() == 1 => {
            match number(rest.first()) {
                Some(seeds) => benign(seeds),
                None => return crate::refuse("--benign takes a number"),
            }
        }
        [word] if word == "--cost" => cost::table(SEEDS),
        _ => return crate::refuse("detection takes --seeds N, --benign N or --cost"),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            crate::say(&crate::Chain(&*error).to_string());
            ExitCode::FAILURE
        }
    }
}

/// How often what was found.
#[derive(Clone, Copy, Default)]
struct Count {
    runs: usize,
    found: usize,
    family: usize,
    exact: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.found += other.found;
        self.family += other.family;
        self.exact += other.exact;
    }

    fn of(expected: &str, finding: &Finding) -> Self {
        let named = finding.verdict.mechanism.map(Mechanism::label);
        let found = finding.verdict.outcome == Outcome::Anomaly;
        let one = |is: bool| usize::from(found && is);
        Self {
            runs: 1,
            found: one(true),
            family: one(named.is_some_and(|named| family(named) == family(expected))),
            exact: one(named == Some(expected)),
        }
    }
}

/// `tls.reset` of `tls.reset.sni`; two words are their own family.
fn family(label: &str) -> &str {
    match label.match_indices('.').nth(1) {
        Some((at, _)) => &label[..at],
        None => label,
    }
}

fn table(seeds: u64) -> Result<ExitCode, crate::Trouble> {
    let mut wanted = Vec::new();
    for kind in KINDS {
        wanted.extend(scenarios(kind)?);
    }
    wanted.retain(|(_, scenario)| scenario.expect.outcome == "anomaly");
    // At a loss of its own a scenario says something else.
    wanted.retain(|(_, scenario)| scenario.probe.loss_percent == 0);
    let jobs: Vec<_> = wanted
        .iter()
        .flat_map(|(_, scenario)| LOSSES.map(|loss| (scenario, loss)))
        .collect();
    let counted = on_all_cores(&jobs, |(scenario, loss)| {
        let mut scenario = (*scenario).clone();
        scenario.probe.loss_percent = *loss;
        let expected = scenario.expect.mechanism.clone().unwrap_or_default();
        let mut count = Count::default();
        for seed in 0..seeds {
            scenario.seed = seed;
            let findings = run::run(&scenario).map_err(|error| error.to_string())?;
            for finding in &findings {
                count.add(Count::of(&expected, finding));
            }
        }
        Ok((expected, count))
    })?;
    let mut rows: BTreeMap<String, [Count; LOSSES.len()]> = BTreeMap::new();
    let mut all = [Count::default(); LOSSES.len()];
    for ((_, loss), (mechanism, count)) in jobs.iter().zip(counted) {
        let column = LOSSES.iter().position(|one| one == loss).unwrap_or(0);
        rows.entry(mechanism).or_default()[column].add(count);
        all[column].add(count);
    }
    println!("{} scenarios, {seeds} seeds each\n", wanted.len());
    println!("| at work | 0 % lost | 1 % | 5 % | 20 % |\n|---|---|---|---|---|");
    for (mechanism, counts) in &rows {
        println!("| `{mechanism}` {}", cells(counts));
    }
    println!("| **all** {}", cells(&all));
    Ok(ExitCode::SUCCESS)
}

/// Found, and of those: named exactly, named as far as the family.
fn cells(counts: &[Count]) -> String {
    let share = |part: usize, of: usize| match of {
        0 => "-".to_owned(),
        _ => format!("{:.1}", 100.0 * part as f64 / of as f64),
    };
    let cell = |c: &Count| {
        let (exact, family) = (share(c.exact, c.found), share(c.family, c.found));
        format!("| {} ({exact}, {family}) ", share(c.found, c.runs))
    };
    let cells: String = counts.iter().map(cell).collect();
    cells + "|"
}

fn benign(seeds: u64) -> Result<ExitCode, crate::Trouble> {
    let worlds = scenarios("benign")?;
    let counted = on_all_cores(&worlds, |(name, scenario)| {
        let mut scenario = scenario.clone();
        let (mut runs, mut accused) = (0, Vec::new());
        for seed in 0..seeds {
            scenario.seed = seed;
            let findings = run::run(&scenario).map_err(|error| error.to_string())?;
            for finding in findings {
                runs += 1;
                if finding.verdict.outcome == Outcome::Anomaly {
                    accused.push(format!("{name}, seed {seed}: {:?}", finding.verdict));
                }
            }
        }
        Ok((runs, accused))
    })?;
    let runs: u64 = counted.iter().map(|(runs, _)| runs).sum();
    let accused: Vec<_> = counted
        .into_iter()
        .flat_map(|(_, accused)| accused)
        .collect();
    for line in &accused {
        println!("{line}");
    }
    let (worlds, wrong) = (worlds.len(), accused.len());
    println!("{worlds} harmless worlds, {runs} measurements, {wrong} anomalies");
    Ok(if accused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(crate) fn scenarios(kind: &str) -> Result<Vec<(String, Scenario)>, crate::Trouble> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(kind))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().display().to_string();
        found.push((format!("{kind}/{name}"), Scenario::read(&path)?));
    }
    found.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(found)
}

/// The same work on each, in order, whichever core is free.
pub(crate) fn on_all_cores<T: Sync, R: Send>(
    jobs: &[T],
    work: impl Fn(&T) -> Result<R, String> + Sync,
) -> Result<Vec<R>, crate::Trouble> {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut done = thread::scope(|scope| -> Result<Vec<(usize, R)>, crate::Trouble> {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    while let Some((at, job)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        jobs.get(at).map(|job| (at, job))
                    } {
                        mine.push((at, work(job)?));
                    }
                    Ok::<_, String>(mine)
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| "a run panicked")??);
        }
        Ok(all)
    })?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_two_words() {
        assert_eq!(family("tls.reset.sni"), "tls.reset");
        assert_eq!(family("dns.nxdomain"), "dns.nxdomain");
    }

    #[test]
    fn every_job_is_done_once_and_in_order() {
        let jobs: Vec<usize> = (0..100).collect();
        let done = on_all_cores(&jobs, |job| Ok(job * 2)).unwrap();
        assert_eq!(done, (0..100).map(|job| job * 2).collect::<Vec<_>>());
        assert!(on_all_cores(&jobs, |_| Err::<(), _>("no".into())).is_err());
    }
}
