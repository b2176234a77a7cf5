//! Tasks: `cargo x <task>`.

mod house;

use std::process::ExitCode;

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("house") => report(&house::check(&house::root())),
        other => {
            if let Some(unknown) = other {
                eprintln!("x: there is no task {unknown}");
            }
            eprintln!("usage: cargo x house   check the invariants that the README promises");
            ExitCode::from(2)
        }
    }
}

fn report(broken: &[String]) -> ExitCode {
    for line in broken {
        eprintln!("{line}");
    }
    if broken.is_empty() {
        println!("the house is in order");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
