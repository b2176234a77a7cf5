//! How do many probes and a collector work together on real sockets? Every probe of the
//! world is the probe's own program in a network namespace of its own; one more namespace
//! holds the collector's, with its control; the packets between them pass the router of
//! [`crate::live`], and with it the world's boxes.

use super::{Member, Observatory, ObservatoryError, geo, lists};
use crate::live::{HostSpec, Internet, LiveError};
use crate::scenario::Probe;
use crate::world::{CHECK, NEUTRAL, VANTAGE, VANTAGE_RESOLVER, World, WorldError};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io, thread};
use toml::{Table, Value};

/// The collector's host, and its address in the world.
const COLLECTOR: &str = "collector";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(24, 255, 0, 55);
const PORT: u16 = 8055;
/// Probes that measure at the same time: their timeouts are real, and so is the machine.
const AT_ONCE: usize = 8;

/// The programs that are run.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `faultline-probe`.
    pub probe: PathBuf,
    /// `faultline-collector`.
    pub collector: PathBuf,
}

/// Why there is no observatory on real sockets.
#[derive(Debug, thiserror::Error)]
pub enum LiveObservatoryError {
    /// The observatory is wrong.
    #[error(transparent)]
    Observatory(#[from] ObservatoryError),
    /// There is no such world.
    #[error("cannot build the world")]
    World(#[from] WorldError),
    /// There is no live Internet.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// There are no databases.
    #[error(transparent)]
    Geo(#[from] geo::GeoError),
    /// A file of the observatory cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The collector ended before it listened.
    #[error("the collector did not start; what it said is above")]
    NoCollector,
    /// A probe failed.
    #[error("the probe {probe} {what}; see {log}")]
    Probe {
        /// Which.
        probe: String,
        /// What it did.
        what: String,
        /// Where it said why.
        log: PathBuf,
    },
}

/// An observatory at work. Everything ends when it is dropped.
pub struct Running {
    members: Vec<Member>,
    folder: PathBuf,
    probe: PathBuf,
    _collector: Child,
    internet: Internet,
}

/// Starts the Internet and the collector in it, with state below `folder`.
/// [`crate::live::enter`] comes before.
pub fn start(
    observatory: &Observatory,
    folder: &Path,
    programs: &Programs,
) -> Result<Running, LiveObservatoryError> {
    let members = observatory.members()?;
    let first = members.first().map(|member| member.probe.clone());
    let first = first.unwrap_or_else(|| Probe::in_network(VANTAGE, 0, 0));
    let world = Arc::new(World::new(&observatory.scenario(first))?);
    let mut hosts = vec![HostSpec {
        delay_ms: 10,
        ..HostSpec::new(COLLECTOR, VANTAGE, ADDRESS)
    }];
    for member in &members {
        let IpAddr::V4(address) = member.address else {
            continue; // members have an address of IPv4
        };
        hosts.push(HostSpec {
            delay_ms: member.probe.delay_ms,
            loss_percent: member.probe.loss_percent,
            ..HostSpec::new(&member.name, member.asn, address)
        });
    }
    let files = Files::write(observatory, &world, folder)?;
    let internet = Internet::start(&world, hosts)?;
    let collector = collector(&internet, &programs.collector, &files.collector)?;
    for member in &members {
        let state = folder.join(&member.name);
        make(&state)?;
        write(&state.join("probe.toml"), &files.probe.to_string())?;
    }
    Ok(Running {
        members,
        folder: folder.to_owned(),
        probe: programs.probe.clone(),
        _collector: collector,
        internet,
    })
}

impl Running {
    /// Lets every probe measure every target of the collector's list once; `done` is told
    /// how many have. Consent is given here: these volunteers are ours.
    pub fn cycle(&self, done: impl Fn(usize) + Sync) -> Result<(), LiveObservatoryError> {
        let waiting: Mutex<VecDeque<&Member>> = Mutex::new(self.members.iter().collect());
        let finished = Mutex::new(0);
        let work = || -> Result<(), LiveObservatoryError> {
            loop {
                let next = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(member) = next else {
                    return Ok(());
                };
                let groups = [
                    "--group",
                    "dns",
                    "--group",
                    "web",
                    "--group",
                    "infrastructure",
                ];
                let consent = [&["consent", "give"][..], &groups, &["--i-agree"]].concat();
                self.run(member, &consent)?;
                self.run(member, &["once"])?;
                let mut finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
                *finished += 1;
                done(*finished);
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            let results = workers.into_iter().map(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results.collect()
        })
    }

    /// Carries connections to `listener`, which may be of another network namespace, to the
    /// collector, for as long as this lives.
    pub fn relay(&self, listener: TcpListener) -> Result<(), LiveError> {
        self.internet.begin(COLLECTOR, move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((ADDRESS, PORT)) else {
                    continue;
                };
                thread::spawn(move || carry(&client, &server));
            }
        })?;
        Ok(())
    }

    /// Runs a probe's program to its end. Finding an anomaly is no failure.
    fn run(&self, member: &Member, words: &[&str]) -> Result<(), LiveObservatoryError> {
        let state = self.folder.join(&member.name);
        let path = state.join("log");
        let failed = |what: String| LiveObservatoryError::Probe {
            probe: member.name.clone(),
            what,
            log: path.clone(),
        };
        let log = fs::OpenOptions::new().append(true).create(true).open(&path);
        let log = log.map_err(|source| LiveObservatoryError::Write {
            path: path.clone(),
            source,
        })?;
        let mut command = Command::new(&self.probe);
        command
            .arg("--config")
            .arg(state.join("probe.toml"))
            .arg("--state")
            .arg(&state)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = self.internet.spawn(&member.name, command)?;
        let status = child.wait().map_err(|e| failed(e.to_string()))?;
        match status.code() {
            Some(0 | 1) => Ok(()),
            _ => Err(failed(format!("ended with {status}"))),
        }
    }
}

/// One connection, both ways, to its end.
fn carry(client: &TcpStream, server: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| pass(client, server));
        pass(server, client);
    });
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    // Whoever goes away ends both; that is no event here.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn collector(
    internet: &Internet,
    program: &Path,
    settings: &Path,
) -> Result<Child, LiveObservatoryError> {
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(settings)
        .arg("serve")
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = internet.spawn(COLLECTOR, command)?;
    let says = child
        .stdout
        .take()
        .ok_or(LiveObservatoryError::NoCollector)?;
    let mut line = String::new();
    let read = BufReader::new(says).read_line(&mut line);
    if read.is_ok() && line.starts_with("listening") {
        Ok(child)
    } else {
        Err(LiveObservatoryError::NoCollector)
    }
}

/// What the programs read.
struct Files {
    collector: PathBuf,
    probe: Table,
}

impl Files {
    fn write(
        observatory: &Observatory,
        world: &World,
        folder: &Path,
    ) -> Result<Self, LiveObservatoryError> {
        let databases = geo::write(&observatory.networks, folder)?;
        let roots = folder.join("roots.pem");
        write(&roots, world.authority.root_pem())?;
        let targets = folder.join("targets.csv");
        let mut list = "url,category_code\n".to_owned();
        for wanted in &observatory.measure {
            list.extend([wanted.target.as_str(), ",NEWS\n"]);
        }
        write(&targets, &list)?;
        let known = lists::write(observatory, folder).map_err(|source| {
            LiveObservatoryError::Write {
                path: folder.to_owned(),
                source,
            }
        })?;
        let settings = folder.join("collector.toml");
        let control = Table::from_iter([
            set("enabled", true),
            set("resolvers", vec![format!("{VANTAGE_RESOLVER}:53")]),
            set("vantage", "XZ"),
            set("extra_roots", text(&roots)),
            set("own_addresses", vec![ADDRESS.to_string()]),
        ]);
        let mut collector = Table::from_iter([
            set("listen", format!("{ADDRESS}:{PORT}")),
            set("state", text(folder)),
            set("country_db", text(&databases.country)),
            set("asn_db", text(&databases.asn)),
            set("targets", text(&targets)),
            set("simulated", true),
            set("public_evidence", true),
            set("control", control),
        ]);
        if let Some(zone) = &observatory.test_zone {
            collector.extend([set("dns_test_zone", zone.as_str())]);
        }
        collector.extend(known.settings().map(|(key, path)| set(key, text(path))));
        write(&settings, &collector.to_string())?;
        let asked = |public: bool| {
            let some = observatory
                .resolver
                .iter()
                .filter(move |r| r.public == public);
            some.map(|r| (SocketAddr::new(r.address, 53), r.name.clone()))
        };
        let public: Vec<String> = asked(true).map(|(at, _)| at.to_string()).collect();
        let encrypted: Vec<Value> = asked(false)
            .filter_map(|(at, name)| {
                Some(Value::Table(Table::from_iter([
                    set("address", SocketAddr::new(at.ip(), 443).to_string()),
                    set("name", name?),
                    set("transport", "https"),
                ])))
            })
            .collect();
        let probe = Table::from_iter([
            set("collector", format!("http://{ADDRESS}:{PORT}")),
            set("public_resolvers", public),
            set("encrypted_resolvers", encrypted),
            set("extra_roots", text(&roots)),
            set("neutral_name", NEUTRAL),
            set("captive_check", CHECK),
        ]);
        Ok(Self {
            collector: settings,
            probe,
        })
    }
}

fn set(key: &str, value: impl Into<Value>) -> (String, Value) {
    (key.to_owned(), value.into())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn make(folder: &Path) -> Result<(), LiveObservatoryError> {
    fs::create_dir_all(folder).map_err(|source| LiveObservatoryError::Write {
        path: folder.to_owned(),
        source,
    })
}

fn write(path: &Path, content: &str) -> Result<(), LiveObservatoryError> {
    fs::write(path, content).map_err(|source| LiveObservatoryError::Write {
        path: path.to_owned(),
        source,
    })
}
