//! What does a whole observatory look like? Builds it, lets it measure a simulated world, and
//! shows what was found: `cargo demo`.

use faultline_collector::store::sqlite::Sqlite;
use faultline_internet::observatory::{
    Observatory, geo::Databases, report::Report, simulated::simulate,
};
use std::{
    env, fmt, fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
};

/// The world that is measured.
const WORLD: &str = include_str!("../scenarios/world/six_countries.toml");
/// Where people look.
const PORT: u16 = 8080;

/// What was typed.
struct Wishes {
    /// End after the table.
    once: bool,
    port: u16,
}

/// Why there is no demonstration.
type Trouble = Box<dyn std::error::Error>;

/// Runs the demonstration as `arguments` wish.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let wishes = match parse(arguments) {
        Ok(wishes) => wishes,
        Err(unknown) => {
            eprintln!("demo: {unknown}\nusage: cargo demo [--once] [--port PORT]");
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
        port: PORT,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--once" => wishes.once = true,
            "--port" => {
                let port = arguments.next().and_then(|port| port.parse().ok());
                wishes.port = port.ok_or("--port wants a number up to 65535")?;
            }
            unknown => return Err(format!("there is no option {unknown}")),
        }
    }
    Ok(wishes)
}

fn demonstrate(wishes: &Wishes) -> Result<ExitCode, Trouble> {
    let world = Observatory::parse(WORLD)?;
    build()?;
    let folder = fresh_folder()?;
    say(&format!(
        "measuring {}: {} probes in {} networks, {} targets",
        world.name,
        world.members()?.len(),
        world.fleet.len(),
        world.measure.len()
    ));
    let store = folder.join("collector.db");
    {
        let store = Arc::new(Sqlite::open(&store)?);
        simulate(&world, &store, &folder)?;
    }
    let report = Report::new(&world, &Sqlite::open(&store)?)?;
    print!("{}", report.table(&world));
    println!("n/m: probes that found it, of those that measured; AS: their networks, likewise");
    let code = verdict(&report);
    if wishes.once {
        return Ok(code);
    }
    serve(&folder, wishes.port)?;
    Ok(code)
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
fn serve(folder: &Path, port: u16) -> Result<(), Trouble> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let databases = Databases::in_folder(folder);
    let settings = folder.join("collector.toml");
    let text = collector_settings(listen, folder, &databases).to_string();
    fs::write(&settings, text)?;
    say(&format!(
        "look at http://{listen}/v1/summary and http://{listen}/v1/verdicts; ctrl-c ends it"
    ));
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
