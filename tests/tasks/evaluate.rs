//! `cargo x evaluate`: how well are shutdowns found? Runs the evaluation and writes its report.

use super::{Chain, Trouble, say};
use faultline_collector::detect::{Settings, event::Class};
use faultline_internet::evaluation::{
    history::History,
    report::{Report, bars},
    run::{Plan, Results, quiet_worlds, stories},
    score::{Kind, Outcome},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

struct Wishes {
    events: PathBuf,
    fleets: Vec<usize>,
    seeds: u64,
    first_seed: u64,
    uncalibrated: bool,
    /// Another map of belief, to see what it would do.
    map: Option<Vec<(f64, f64)>>,
    quiet_years: u64,
    out: PathBuf,
    words: String,
}

/// Runs it; fails where a bar does not hold.
pub(crate) fn run(wishes: &[String]) -> ExitCode {
    let wishes = match understood(wishes) {
        Ok(wishes) => wishes,
        Err(why) => return super::refuse(&why),
    };
    match evaluate(&wishes) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("evaluate: {}", Chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn understood(words: &[String]) -> Result<Wishes, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = env::var_os("FAULTLINE_SHARED")
        .map_or_else(|| root.join("../shared"), PathBuf::from)
        .join("data/shutdowns/events.csv");
    let mut wishes = Wishes {
        events: shared,
        fleets: vec![3, 5, 10, 20, 50],
        seeds: 3,
        first_seed: 0,
        uncalibrated: false,
        map: None,
        quiet_years: 100,
        out: root.join("target/evaluation"),
        words: words.join(" "),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next();
        let value = value.ok_or_else(|| format!("{word} needs a value"))?;
        let number = || {
            let most = 100_000;
            let found = value.parse::<u64>().ok().filter(|n| *n <= most);
            found.ok_or_else(|| format!("{word} {value}: a number up to {most} is needed"))
        };
        match word.as_str() {
            "--events" => wishes.events = value.into(),
            "--out" => wishes.out = value.into(),
            "--seeds" => wishes.seeds = number()?,
            "--first-seed" => wishes.first_seed = number()?,
            "--uncalibrated" => {
                wishes.uncalibrated = match value.as_str() {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(format!("{word} {value}: yes or no is needed")),
                }
            }
            "--map" => {
                let point = |text: &str| {
                    let (raw, share) = text.split_once(':')?;
                    Some((raw.trim().parse().ok()?, share.trim().parse().ok()?))
                };
                wishes.map = value.split(',').map(point).collect();
                if wishes.map.is_none() {
                    return Err(format!(
                        "{word} {value}: points as raw:share with commas between are needed"
                    ));
                }
            }
            "--quiet-years" => wishes.quiet_years = number()?,
            "--fleets" => {
                let sizes = value.split(',').map(|size| size.trim().parse().ok());
                let sizes: Option<Vec<usize>> = sizes.collect();
                wishes.fleets = sizes
                    .filter(|sizes| sizes.iter().all(|size| (1..=500).contains(size)))
                    .ok_or_else(|| {
                        format!(
                            "{word} {value}: sizes from 1 to 500 with commas between are needed"
                        )
                    })?;
            }
            unknown => return Err(format!("evaluate does not know {unknown}")),
        }
    }
    Ok(wishes)
}

fn evaluate(wishes: &Wishes) -> Result<bool, Trouble> {
    let history = History::open(&wishes.events)?;
    for (id, why) in &history.left_out {
        say(&format!("{id} is left out: {why}"));
    }
    let mut settings = Settings::default();
    if wishes.uncalibrated {
        settings.calibration.clear();
    }
    if let Some(map) = &wishes.map {
        settings.calibration.clone_from(map);
    }
    let plan = Plan {
        settings,
        first_seed: wishes.first_seed,
        stories: history.stories.clone(),
        fleets: wishes.fleets.clone(),
        seeds: wishes.seeds,
        quiet_years: wishes.quiet_years,
        quiet_days: 365,
        threads: Plan::cores(),
    };
    let progress = |what: &'static str| {
        move |done: usize, all: usize| {
            if done.is_multiple_of((all / 20).max(1)) || done == all {
                say(&format!("{done} of {all} {what}"));
            }
        }
    };
    let mut results = Results::default();
    let begun = Instant::now();
    stories(&plan, &mut results, &progress("replays"));
    let replayed = begun.elapsed();
    quiet_worlds(&plan, &mut results, &progress("quiet worlds"));
    let quiet = begun.elapsed().saturating_sub(replayed);
    let run = vec![
        format!("    cargo x evaluate {}\n", wishes.words),
        format!(
            "{} stories, fleets of {:?} probes in each country, seeds {} to {}; {:.0} group-years \
             of quiet in {} worlds. On {} threads: {} s for the stories, {} s for the quiet \
             years ({} of {} minutes were worth a tick).",
            history.stories.len(),
            plan.fleets,
            plan.first_seed,
            (plan.first_seed + plan.seeds).saturating_sub(1),
            results.quiet.group_years,
            plan.quiet_worlds(),
            plan.threads,
            replayed.as_secs(),
            quiet.as_secs(),
            results.ticks.0,
            results.ticks.1,
        ),
    ];
    let report = Report {
        history: &history,
        fleets: &plan.fleets,
        seeds: plan.seeds,
        results: &results,
        run,
    };
    fs::create_dir_all(&wishes.out)?;
    let page = wishes.out.join("shutdowns.html");
    fs::write(&page, report.page())?;
    fs::write(wishes.out.join("shutdowns.md"), report.markdown())?;
    for wrong in results.wrong.iter().take(20) {
        say(&format!("confirmed of nothing, or accused: {wrong}"));
    }
    for outcome in &results.outcomes {
        let Outcome {
            id,
            probes,
            class,
            late,
            ..
        } = outcome;
        let control = outcome.kind == Kind::Control;
        if control && outcome.accused {
            let late = late.map_or("nothing", Class::word);
            say(&format!(
                "{id} with {probes} probes, truly {class}, is {late} in the end"
            ));
        }
    }
    if wishes.uncalibrated {
        let mut last = results.last.clone();
        last.append(&results.quiet_last);
        println!("calibration: {:.3?}", last.fit());
    }
    let mut good = true;
    for bar in bars(&results) {
        let mark = match bar.holds {
            Some(true) => "holds",
            Some(false) => "DOES NOT HOLD",
            None => "not run",
        };
        good &= bar.holds != Some(false);
        println!("{mark}: {}: {}", bar.asks, bar.measured);
    }
    println!("{}", page.display());
    Ok(good)
}
