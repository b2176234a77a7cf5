//! What does a whole observatory look like? Builds it, lets it measure a simulated world, and
//! shows what was found: `cargo demo`.

use super::web;
use faultline_collector::store::sqlite::Sqlite;
use faultline_core::time::UnixTime;
use faultline_internet::{
    live,
    observatory::{
        Observatory,
        geo::Databases,
        history::{History, history},
        lists,
        live::{Programs, start},
        report::Report,
        simulated::simulate,
    },
};
use std::{
    env, fmt, fs,
    io::{IsTerminal as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The world that is measured.
const WORLD: &str = include_str!("../scenarios/world/six_countries.toml");
/// The world that is looked back on, and then measured on.
const PAST: &str = include_str!("../scenarios/world/sixty_days.toml");
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
struct Wishes {
    /// End after the table.
    once: bool,
    /// Send no packets.
    simulated: bool,
    port: u16,
    /// How many days are looked back on.
    days: u32,
}

/// Why there is no demonstration.
type Trouble = Box<dyn std::error::Error>;

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
    let world = Observatory::parse(if wishes.once { WORLD } else { PAST })?;
    if !wishes.once {
        pages();
    }
    build()?;
    let folder = fresh_folder()?;
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
        probe: binary("faultline-probe")?,
        collector: binary("faultline-collector")?,
    };
    if days > 0 {
        look_back(&world, folder, days)?;
        world = world.today(days, TARGETS);
    }
    let world = &world;
    let started = now()?;
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
        let started = now()?;
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
        look_back(world, folder, days)?;
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

/// Fills the store with days that end yesterday, made in virtual time.
fn look_back(world: &Observatory, folder: &Path, days: u32) -> Result<(), Trouble> {
    say(&format!("making {days} days of history in virtual time"));
    let store = Arc::new(Sqlite::open(&folder.join("collector.db"))?);
    let wanted = History {
        days,
        until: UnixTime::from_secs(now()?.secs() - 86_400),
        ..History::default()
    };
    let terminal = std::io::stderr().is_terminal();
    let made = history(world, &wanted, &store, folder, &mut |day| {
        if terminal {
            eprint!("\rdemo: {} of {days} days", day + 1);
        }
    })?;
    if terminal {
        eprintln!();
    }
    say(&format!("{} measurements in it", made.measurements));
    Ok(())
}

fn now() -> Result<UnixTime, Trouble> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixTime::from_secs(i64::try_from(since.as_secs())?))
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
    let databases = Databases::in_folder(folder);
    let settings = folder.join("collector.toml");
    let mut table = collector_settings(listen, folder, &databases);
    for (key, path) in lists::write(world, folder)?.settings() {
        table.insert(key.to_owned(), path.to_string_lossy().into_owned().into());
    }
    fs::write(&settings, table.to_string())?;
    let mut collector = collector(&settings)?;
    collector.wait()?;
    Ok(())
}

fn collector_settings(listen: SocketAddr, state: &Path, geo: &Databases) -> toml::Table {
    let path = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
    toml::Table::from_iter([
        ("listen".to_owned(), listen.to_string().into()),
        ("state".to_owned(), path(state)),
        ("country_db".to_owned(), path(&geo.country)),
        ("asn_db".to_owned(), path(&geo.asn)),
        ("simulated".to_owned(), true.into()),
        ("public_evidence".to_owned(), true.into()),
    ])
}

fn collector(settings: &Path) -> Result<Child, Trouble> {
    let program = binary("faultline-collector")?;
    let child = Command::new(&program)
        .args(["--config".as_ref(), settings.as_os_str()])
        .arg("serve")
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .spawn();
    Ok(child.map_err(|e| format!("cannot start {}: {e}", program.display()))?)
}

/// Builds what is started.
fn build() -> Result<(), Trouble> {
    say("building the probe and the collector");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "-p", "faultline-probe"])
        .args(["-p", "faultline-collector"])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the build failed; its messages are above".into())
    }
}

/// A program that was built beside this one.
fn binary(name: &str) -> Result<PathBuf, Trouble> {
    let here = env::current_exe()?;
    let path = here.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is not there; run cargo demo", path.display()).into())
    }
}

/// An empty folder below the build products, so that nothing is left elsewhere.
fn fresh_folder() -> Result<PathBuf, Trouble> {
    let here = env::current_exe()?;
    let folder = here.with_file_name("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "demo: {what}");
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
