//! What does a whole observatory look like? Builds it, lets it measure a simulated world, and
//! shows what was found: `cargo demo`.

use super::{
    Chain, Trouble, past,
    programs::{self, Collector},
    say, web,
};
use faultline_collector::store::sqlite::Sqlite;
use faultline_core::time::UnixTime;
use faultline_internet::{
    live,
    observatory::{
        Observatory,
        live::{Programs, start},
        report::Report,
        simulated::simulate,
    },
};
use std::{
    io::IsTerminal as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

/// The world that is measured.
const WORLD: &str = include_str!("../scenarios/world/six_countries.toml");
/// Of the past, unless others are wished for.
const DAYS: u32 = 60;
/// Most days of the past: what scores look at.
const MOST_DAYS: u32 = 365;
/// Targets of the world with a past that are measured over sockets.
const TARGETS: usize = 6;
/// Where people look.
const PORT: u16 = 8080;
/// Between two rounds of the probes.
const PAUSE: Duration = Duration::from_mins(10);

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
struct Wishes {
    /// End after the table.
    once: bool,
    /// Send no packets.
    simulated: bool,
    port: u16,
    /// How many days are looked back on.
    days: u32,
}

/// Runs the demonstration as `arguments` wish.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let wishes = match parse(arguments) {
        Ok(wishes) => wishes,
        Err(unknown) => {
            eprintln!(
                "demo: {unknown}\nusage: cargo demo [--once] [--simulated] [--days N] [--port PORT]"
            );
            return ExitCode::from(2);
        }
    };
    match demonstrate(&wishes) {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("demo: {}", Chain(&*trouble));
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Wishes, String> {
    let mut wishes = Wishes {
        once: false,
        simulated: false,
        port: PORT,
        days: DAYS,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--once" => wishes.once = true,
            "--simulated" => wishes.simulated = true,
            "--port" => {
                let port = arguments.next().and_then(|port| port.parse().ok());
                wishes.port = port.ok_or("--port wants a number up to 65535")?;
            }
            "--days" => {
                let days = arguments.next().and_then(|days| days.parse().ok());
                let days = days.filter(|days| (1..=MOST_DAYS).contains(days));
                wishes.days =
                    days.ok_or(format!("--days wants a number from 1 to {MOST_DAYS}"))?;
            }
            unknown => return Err(format!("there is no option {unknown}")),
        }
    }
    Ok(wishes)
}

fn demonstrate(wishes: &Wishes) -> Result<ExitCode, Trouble> {
    let world = Observatory::parse(if wishes.once { WORLD } else { past::WORLD })?;
    if !wishes.once {
        pages();
    }
    say("building the probe and the collector");
    programs::build()?;
    let folder = programs::fresh_folder("demo")?;
    // Of this machine's own network: a door into the world's, where one is wanted.
    let door = if wishes.once {
        None
    } else {
        Some(door(wishes.port)?)
    };
    say(&format!(
        "{}: {} probes in {} networks, {} targets",
        world.name,
        world.members()?.len(),
        world.fleet.len(),
        world.measure.len()
    ));
    let days = if wishes.once { 0 } else { wishes.days };
    if wishes.simulated {
        return in_process(&world, &folder, days, door);
    }
    match live::enter() {
        Ok(()) => on_sockets(world, &folder, days, door),
        Err(forbidden) => {
            say(&format!("no namespaces here: {}", Chain(&forbidden)));
            say("so no packet is sent: everything happens in process and in virtual time");
            in_process(&world, &folder, days, door)
        }
    }
}

/// Real programs send real packets through a router of ours.
fn on_sockets(
    mut world: Observatory,
    folder: &Path,
    days: u32,
    door: Option<TcpListener>,
) -> Result<ExitCode, Trouble> {
    let programs = Programs {
        probe: programs::binary("faultline-probe")?,
        collector: programs::binary("faultline-collector")?,
    };
    if days > 0 {
        past::look_back(&world, folder, days)?;
        world = world.today(days, TARGETS);
    }
    let world = &world;
    let started = past::now()?;
    let running = start(world, folder, &programs)?;
    let probes = world.members()?.len();
    let terminal = std::io::stderr().is_terminal();
    let measure = || {
        running.cycle(|done| {
            if terminal && done < probes {
                eprint!("\rdemo: {done} of {probes} probes have measured");
            } else if done == probes {
                eprintln!("\rdemo: {done} of {probes} probes have measured");
            }
        })
    };
    say("they measure over real sockets, each in a network namespace of its own");
    let Some(door) = door else {
        measure()?;
        return tell(world, folder, started);
    };
    announce(&door)?;
    running.relay(door)?;
    loop {
        let started = past::now()?;
        measure()?;
        tell(world, folder, started)?;
        std::thread::sleep(PAUSE);
    }
}

/// The probes' own code in virtual time; then a collector on what they saw.
fn in_process(
    world: &Observatory,
    folder: &Path,
    days: u32,
    door: Option<TcpListener>,
) -> Result<ExitCode, Trouble> {
    if days > 0 {
        past::look_back(world, folder, days)?;
    } else {
        let store = Arc::new(Sqlite::open(&folder.join("collector.db"))?);
        simulate(world, &store, folder)?;
    }
    let Some(door) = door else {
        return tell(world, folder, UnixTime(i64::MIN));
    };
    announce(&door)?;
    serve(world, folder, door)?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the pages where that can be done. Without them the collector says how to.
fn pages() {
    say("building the pages");
    if let Err(why) = web::build() {
        say(&format!("no pages: {why}"));
        say("everything else goes on; the address will say how to build them");
    }
}

/// Prints what was found.
fn tell(world: &Observatory, folder: &Path, since: UnixTime) -> Result<ExitCode, Trouble> {
    let store = Sqlite::open(&folder.join("collector.db"))?;
    let report = Report::since(world, &store, since)?;
    print!("{}", report.table(world));
    println!("n/m: probes that found it, of those that measured; AS: their networks, likewise");
    if world.outlook.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(verdict(&report))
}

/// Where people look.
fn door(port: u16) -> Result<TcpListener, Trouble> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let door = TcpListener::bind(at);
    Ok(door.map_err(|e| format!("cannot listen on {at}: {e}; name another with --port"))?)
}

fn announce(door: &TcpListener) -> Result<(), Trouble> {
    let at = door.local_addr()?;
    say(&format!(
        "look at http://{at}/ (data: http://{at}/v1/openapi.json); ctrl-c ends it"
    ));
    Ok(())
}

/// Says whether all is as the world's outlook expects.
fn verdict(report: &Report) -> ExitCode {
    if report.wrong().is_empty() {
        println!(
            "{} measurements; each verdict is the one that its network deserves",
            report.measurements()
        );
        return ExitCode::SUCCESS;
    }
    for line in report.wrong() {
        eprintln!("not as expected: {line}");
    }
    ExitCode::FAILURE
}

/// The collector on this machine's own loopback, until ctrl-c.
fn serve(world: &Observatory, folder: &Path, door: TcpListener) -> Result<(), Trouble> {
    let listen = door.local_addr()?;
    drop(door);
    Collector::start(world, folder, listen)?.wait()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &str) -> Result<Wishes, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn days_are_wished_for_within_what_scores_look_at() {
        assert_eq!(typed("").unwrap().days, DAYS);
        assert_eq!(typed("--days 1").unwrap().days, 1);
        let all = typed("--simulated --days 365 --port 9 --once").unwrap();
        let wishes = Wishes {
            once: true,
            simulated: true,
            port: 9,
            days: 365,
        };
        assert_eq!(all, wishes);
        for wrong in [
            "--days",
            "--days 0",
            "--days 366",
            "--days -1",
            "--days many",
        ] {
            let said = typed(wrong).unwrap_err();
            assert!(said.contains("1 to 365"), "{wrong}: {said}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(typed("--port 65536").unwrap_err().contains("65535"));
        assert!(typed("--day 3").unwrap_err().contains("--day"));
    }
}
