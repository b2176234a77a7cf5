//! Tasks: `cargo x <task>`. One file each; `help` lists them.

mod browse;
mod core_alone;
mod cost;
mod demo;
mod detection;
mod dist;
mod evaluate;
mod firmware;
mod help;
mod house;
mod measure;
mod past;
mod programs;
mod web;

use std::{env, fmt, io::Write as _, path::PathBuf, process::ExitCode};

/// Why a task came to no end.
type Trouble = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    match (task.as_deref(), rest.as_slice()) {
        (Some("house"), []) => house::run(&house::root()),
        (Some("house"), [checkout]) => house::run(&PathBuf::from(checkout)),
        (Some("core"), []) => core_alone::run(),
        (Some("browse"), []) => browse::run("test:collector"),
        (Some("browse"), [word]) if word == "measure" => browse::run("measure"),
        (Some("demo"), wishes) => demo::run(wishes),
        (Some("detection"), words) => detection::run(words),
        (Some("dist"), wishes) => dist::run(wishes),
        (Some("evaluate"), wishes) => evaluate::run(wishes),
        (Some("measure-probe"), []) => measure::run("dist"),
        (Some("measure-probe"), [profile]) => measure::run(profile),
        (Some("measure-probe"), [word, machine]) if word == "--package" => {
            measure::packaged(machine)
        }
        (Some("measure-probe-inside"), [folder, floor, words @ ..]) => {
            measure::inside(folder, floor, words)
        }
        (Some("firmware"), []) => firmware::build(),
        (Some("sizes"), []) => firmware::sizes(),
        (Some("power-cuts"), []) => firmware::power_cuts("200"),
        (Some("power-cuts"), [word, times]) if word == "--times" => firmware::power_cuts(times),
        (Some("web"), []) => web::run(false),
        (Some("web"), [word]) if word == "check" => web::run(true),
        (Some("help" | "--help" | "-h"), []) => {
            print!("{}", help::TEXT);
            ExitCode::SUCCESS
        }
        (None, _) => refuse("no task was named"),
        (
            Some(
                "house" | "core" | "browse" | "web" | "help" | "measure-probe" | "firmware"
                | "sizes" | "power-cuts",
            ),
            _,
        ) => refuse("too many arguments"),
        (Some(unknown), _) => refuse(&format!("there is no task {unknown}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprint!("x: {why}\n{}", help::TEXT);
    ExitCode::from(2)
}

/// To people, who may have stopped listening.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "x: {what}");
}

/// An error and its causes on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}
