//! How does the same Internet look through real sockets? The second rung: hosts are network
//! namespaces, their links end at a router of ours, and kernels do the rest.
//!
//! ```no_run
//! use faultline_internet::live::{HostSpec, Internet, enter};
//! # use faultline_internet::{scenario::Scenario, world::World};
//! # use std::{error::Error, path::Path, process::Command, sync::Arc};
//! # fn main() -> Result<(), Box<dyn Error>> {
//! // First of all, before any thread: from here on this process is in a world of its own.
//! enter()?;
//! let scenario = Scenario::read(Path::new("scenarios/benign/clean.toml"))?;
//! let world = Arc::new(World::new(&scenario)?);
//! let hosts = vec![
//!     HostSpec { delay_ms: 30, ..HostSpec::within(&world, "probe", 64_500, 7)? },
//!     HostSpec::new("collector", 64_511, [24, 255, 0, 55].into()),
//! ];
//! let internet = Internet::start(&world, hosts)?;
//!
//! // A closure on a thread in the host's network, with the host's /etc/resolv.conf.
//! let table = internet.on("probe", || std::fs::read_to_string("/etc/resolv.conf"))??;
//! // A service that stays: it runs until its closure returns or the process ends.
//! let served = internet.begin("collector", || { /* runtime, bind, serve */ })?;
//! // A real program, which dies with the Internet and with this process.
//! let mut command = Command::new("target/debug/faultline-probe");
//! command.args(["--collector", "http://24.255.0.55:8080", "once", "news.example"]);
//! let status = internet.spawn("probe", command)?.wait()?;
//!
//! // Time goes on: a cable breaks, a government orders.
//! internet.connect("probe", false)?;
//! internet.boxes(|boxes| boxes.clear());
//! std::fs::write("run.pcap", internet.capture())?;
//! # Ok(()) }
//! ```
//!
//! What is not modelled: routes between networks (all meet in one core, one hop away), and
//! delays of servers (a path takes the time of its host's link). Servers of the world share
//! one host; [`HostSpec`]s are for whoever measures, collects or attacks. See decision 10.

mod cable;
mod capture;
mod host;
mod layout;
mod lease;
mod machine;
mod measure;
mod namespace;
mod packet;
mod router;
mod serve;
mod tamper;
mod trickle;

pub use cable::Cable;
pub use layout::has_ipv6;
pub use layout::program;
pub use machine::{BoardError, Emulator, FLASH, Machine, Powered};
pub use measure::{LiveRun, LiveRunError, find, obstacle, plan, run};
pub use namespace::{NamespaceError, enter, entered};

use crate::link::Link;
use crate::middlebox::{Kind, Middlebox};
use crate::world::World;
use capture::Capture;
use host::Host;
use lease::Lease;
use router::{LinkState, Port, Role, Router, Shared, lock};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.extend([": ", &inner.to_string()]);
        source = inner.source();
    }
    text
}

/// Why there is no live Internet, or why it did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// No namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The process is still in the machine's own network.
    #[error("call live::enter() first in main: a simulation must not touch the real network")]
    Outside,
    /// The tool that lays out networks cannot be run.
    #[error("cannot run `ip`: install iproute2")]
    NoIp {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The tool that lays out networks refused.
    #[error("`ip` refused: {said} (asked: {asked})")]
    Ip {
        /// What it said.
        said: String,
        /// What it was asked.
        asked: String,
    },
    /// No packet socket.
    #[error("cannot open the router's packet socket")]
    Socket(#[source] std::io::Error),
    /// The kernel does not bring links up.
    #[error("a new link carries nothing after ten seconds")]
    NoCarrier,
    /// No thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// No process.
    #[error("cannot start {program} on {host}")]
    Process {
        /// Which.
        program: String,
        /// Where.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The world's servers cannot be opened.
    #[error("cannot serve the world")]
    Serve(#[source] std::io::Error),
    /// The hosts' settings cannot be written.
    #[error("cannot write the hosts' resolv.conf")]
    Settings(#[source] std::io::Error),
    /// A network without a prefix of IPv4.
    #[error("as {0} announces no IPv4 prefix in the scenario: a host needs an address")]
    NoAddress(u32),
    /// There is no such host.
    #[error("there is no host {0}")]
    NoHost(String),
    /// Two hosts want the same.
    #[error("{0} is taken")]
    Taken(String),
    /// A thread of the simulation ended before its time; what it said is above.
    #[error("a part of the simulation has ended")]
    Gone,
}

/// A host of whoever measures, collects or attacks.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// By which it is spoken to.
    pub name: String,
    /// Its network, which decides whose boxes it passes and which resolvers it is told of.
    pub asn: u32,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its address where its network has IPv6; without one, `ENETUNREACH`.
    pub address6: Option<Ipv6Addr>,
    /// One way over its link, milliseconds.
    pub delay_ms: u64,
    /// Packets lost on its link, of a hundred, each way.
    pub loss_percent: u8,
    /// Octets of its streams that travel in one segment, where few; over IPv4 only.
    pub segment: Option<usize>,
    /// Whether a portal waits for a login.
    pub captive_portal: bool,
    /// The resolvers that it is told of, where not those that its network announces.
    pub resolvers: Option<Vec<IpAddr>>,
    /// Whether somebody else than the kernel speaks on its link, `up0`: a board, which has
    /// its address by DHCP, IPv4 only, and the hardware address of
    /// [`Internet::hardware_address`].
    pub board: bool,
}

impl HostSpec {
    /// A host with a perfect link.
    pub fn new(name: &str, asn: u32, address: Ipv4Addr) -> Self {
        Self {
            name: name.to_owned(),
            asn,
            address,
            address6: None,
            delay_ms: 0,
            loss_percent: 0,
            segment: None,
            captive_portal: false,
            resolvers: None,
            board: false,
        }
    }

    /// A host with a perfect link at the `number`th addresses of its network, also of IPv6
    /// where that works there. Servers of scenarios have low numbers.
    pub fn within(world: &World, name: &str, asn: u32, number: u16) -> Result<Self, LiveError> {
        let (v4, v6) = world.host_addresses(asn, number);
        let address = v4.ok_or(LiveError::NoAddress(asn))?;
        Ok(Self {
            address6: v6,
            ..Self::new(name, asn, address)
        })
    }
}

/// A world that runs. Dropping it stops its servers and its router, and kills the processes
/// on its hosts.
pub struct Internet {
    // In the order in which they are to be dropped.
    services: Vec<serve::Service>,
    hosts: Vec<(String, Host)>,
    shared: Arc<Shared>,
    _stop: std::io::PipeWriter,
    _settings: TempDir,
}

/// A host that is to be wired.
struct Plug {
    name: String,
    port: Port,
    on_loopback: Vec<IpAddr>,
    segment: Option<usize>,
    resolv: Option<std::path::PathBuf>,
}

impl Internet {
    /// Wires a world: its servers and the given hosts.
    pub fn start(world: &Arc<World>, hosts: Vec<HostSpec>) -> Result<Self, LiveError> {
        if !entered() {
            return Err(LiveError::Outside);
        }
        let settings = tempfile::tempdir().map_err(LiveError::Settings)?;
        let mut plugs = servers(world, &hosts);
        for spec in hosts {
            plugs.push(plug(world, spec, plugs.len(), &settings)?);
        }
        let mut taken = BTreeSet::new();
        for plug in plugs.iter().filter(|plug| plug.port.role == Role::Host) {
            let names = [plug.name.clone()].into_iter();
            let addresses = plug.port.addresses.iter().map(ToString::to_string);
            for claim in names.chain(addresses) {
                if !taken.insert(claim.clone()) {
                    return Err(LiveError::Taken(claim));
                }
            }
        }

        let router = Host::start("router", None)?;
        let here = router.call(nix::unistd::gettid)?;
        let mut wired = Vec::new();
        let mut ports = Vec::new();
        for (index, plug) in plugs.into_iter().enumerate() {
            let host = Host::start(&plug.name, plug.resolv.as_deref())?;
            let mut on_link = plug.port.addresses.clone();
            on_link.retain(|address| !plug.on_loopback.contains(address));
            if plug.port.lease.is_some() {
                // A kernel that had the address would answer in the board's place.
                on_link.clear();
            }
            let (loopback, segment) = (plug.on_loopback, plug.segment);
            host.call(move || layout::host(index, here, &on_link, &loopback, segment))??;
            wired.push((plug.name, host));
            ports.push(plug.port);
        }
        let count = ports.len();
        router.call(move || layout::router(count))??;
        for (_, host) in &wired {
            host.call(layout::settle)??;
        }
        let shared = Arc::new(Shared {
            world: Arc::clone(world),
            ports: Mutex::new(ports),
            boxes: Mutex::new(world.boxes.clone()),
            capture: Mutex::new(Capture::new()),
        });
        let (stopped, stop) = std::io::pipe().map_err(LiveError::Thread)?;
        let (ready, opened) = mpsc::channel();
        let steered = Arc::clone(&shared);
        router.begin(move || match Router::open(steered, stopped) {
            Ok(router) => {
                let _ = ready.send(Ok(()));
                router.run();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        })?;
        opened.recv().map_err(|_| LiveError::Gone)??;

        let mut internet = Self {
            services: Vec::new(),
            hosts: wired,
            shared,
            _stop: stop,
            _settings: settings,
        };
        internet.serve()?;
        Ok(internet)
    }

    /// Runs `job` on a thread of its own on a host, to its end.
    pub fn on<R: Send + 'static>(
        &self,
        host: &str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, LiveError> {
        match self.begin(host, job)?.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Starts `job` on a thread of its own on a host. Threads that it starts are there too.
    pub fn begin<R: Send + 'static>(
        &self,
        host: &str,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<JoinHandle<R>, LiveError> {
        self.host(host)?.begin(job)
    }

    /// Starts a program on a host. It and what it starts are killed when the Internet is
    /// dropped or this process ends, however it ends; wait for it as for any child.
    pub fn spawn(&self, host: &str, command: Command) -> Result<Child, LiveError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = self.host(host)?.spawn(command)?;
        child.map_err(|source| LiveError::Process {
            program,
            host: host.to_owned(),
            source,
        })
    }

    /// Cuts a host's link, or mends it.
    pub fn connect(&self, host: &str, up: bool) -> Result<(), LiveError> {
        self.change(host, |state| state.up = up)
    }

    /// Gives a host's link another delay and loss.
    pub fn degrade(
        &self,
        host: &str,
        delay_ms: u64,
        loss_percent: u8,
    ) -> Result<(), LiveError> {
        let seed = self.shared.world.draw();
        self.change(host, |state| {
            state.link = Link::new(seed, delay_ms, loss_percent);
        })
    }

    /// The hardware address that the router knows a host by.
    pub fn hardware_address(&self, host: &str) -> Result<[u8; 6], LiveError> {
        let at = self.hosts.iter().position(|(name, _)| name == host);
        let at = at.ok_or_else(|| LiveError::NoHost(host.to_owned()))?;
        Ok(layout::mac(at))
    }

    /// Changes what boxes do from now on. A network whose first interceptor (`tls_mitm`)
    /// comes only now intercepts nothing: its host would have to be there from the start.
    pub fn boxes(&self, change: impl FnOnce(&mut Vec<Middlebox>)) {
        change(&mut lock(&self.shared.boxes));
    }

    /// What passed so far, as a pcap file of at most 16 MiB.
    pub fn capture(&self) -> Vec<u8> {
        lock(&self.shared.capture).file()
    }

    /// How many packets the capture had no room for.
    pub fn uncaptured(&self) -> u64 {
        lock(&self.shared.capture).missed()
    }

    fn change(&self, host: &str, change: impl FnOnce(&mut LinkState)) -> Result<(), LiveError> {
        let at = self.hosts.iter().position(|(name, _)| name == host);
        let mut ports = lock(&self.shared.ports);
        let port = at.and_then(|at| ports.get_mut(at));
        let port = port.ok_or_else(|| LiveError::NoHost(host.to_owned()))?;
        change(&mut port.state);
        Ok(())
    }

    fn host(&self, name: &str) -> Result<&Host, LiveError> {
        let found = self.hosts.iter().find(|(known, _)| known == name);
        let found = found.map(|(_, host)| host);
        found.ok_or_else(|| LiveError::NoHost(name.to_owned()))
    }

    /// Opens the world's own servers, and those of its boxes.
    fn serve(&mut self) -> Result<(), LiveError> {
        let world = Arc::clone(&self.shared.world);
        self.service(SERVERS, move || serve::world(world))?;
        let special: Vec<(String, Role, u32)> = {
            let ports = lock(&self.shared.ports);
            let named = self.hosts.iter().zip(ports.iter());
            let special = named.filter(|(_, port)| port.role != Role::Host);
            special
                .map(|((name, _), port)| (name.clone(), port.role, port.asn))
                .collect()
        };
        for (name, role, asn) in special {
            if role == Role::Portal {
                self.service(&name, serve::portal)?;
                continue;
            }
            let nothing = || async { Ok(()) };
            let exit = self.service(&exit_name(asn), nothing)?;
            let world = Arc::clone(&self.shared.world);
            let boxes = world.boxes.iter();
            let own = boxes.filter(|b| b.kind == Kind::TlsMitm && b.asn == asn);
            let names: Vec<String> = own.flat_map(|b| b.names.clone()).collect();
            self.service(&name, move || serve::interceptor(world, names, exit))?;
        }
        Ok(())
    }

    fn service<F>(
        &mut self,
        host: &str,
        open: impl FnOnce() -> F + Send + 'static,
    ) -> Result<tokio::runtime::Handle, LiveError>
    where
        F: Future<Output = std::io::Result<()>>,
    {
        let (ready, opened) = mpsc::channel();
        self.begin(host, move || serve::run(open, &ready))?;
        let service = opened.recv().map_err(|_| LiveError::Gone)??;
        let handle = service.handle.clone();
        self.services.push(service);
        Ok(handle)
    }
}

const SERVERS: &str = "servers";

fn exit_name(asn: u32) -> String {
    format!("exit {asn}")
}

/// The hosts that every world has, and those that its boxes need.
fn servers(world: &World, hosts: &[HostSpec]) -> Vec<Plug> {
    let all = serve::addresses(world);
    let server = |name: String, asn, role, addresses: Vec<IpAddr>| Plug {
        name,
        on_loopback: addresses.clone(),
        segment: None,
        port: Port {
            asn,
            role,
            captive: false,
            addresses,
            lease: None,
            state: LinkState {
                link: Link::new(0, 0, 0),
                up: true,
            },
        },
        resolv: None,
    };
    let mut plugs = vec![server(SERVERS.to_owned(), 0, Role::Host, all.clone())];
    let captive: BTreeSet<u32> = hosts
        .iter()
        .filter(|host| host.captive_portal)
        .map(|host| host.asn)
        .collect();
    for asn in captive {
        let name = format!("portal {asn}");
        plugs.push(server(name, asn, Role::Portal, all.clone()));
    }
    let intercepting: BTreeSet<u32> = world
        .boxes
        .iter()
        .filter(|b| b.kind == Kind::TlsMitm)
        .map(|b| b.asn)
        .collect();
    for asn in intercepting {
        let name = format!("interceptor {asn}");
        plugs.push(server(name, asn, Role::Interceptor, all.clone()));
        // Its own streams leave by another address, and pass no box a second time.
        let (v4, v6) = world.host_addresses(asn, 0xfffe);
        let exits = v4.map(IpAddr::from).into_iter().chain(v6.map(IpAddr::from));
        plugs.push(server(exit_name(asn), 0, Role::Host, exits.collect()));
    }
    plugs
}

fn plug(
    world: &World,
    spec: HostSpec,
    index: usize,
    settings: &TempDir,
) -> Result<Plug, LiveError> {
    let mut text = String::new();
    let announced = || {
        world
            .announced(spec.asn)
            .iter()
            .map(SocketAddr::ip)
            .collect()
    };
    let resolvers: Vec<IpAddr> = spec.resolvers.unwrap_or_else(announced);
    for resolver in &resolvers {
        let _ = writeln!(text, "nameserver {resolver}");
    }
    let lease = spec.board.then(|| Lease {
        address: spec.address,
        resolvers: resolvers
            .iter()
            .filter_map(|resolver| match resolver {
                IpAddr::V4(ip) => Some(*ip),
                IpAddr::V6(_) => None,
            })
            .collect(),
    });
    text += "options timeout:2 attempts:1\n";
    let resolv = settings.path().join(index.to_string());
    std::fs::write(&resolv, text).map_err(LiveError::Settings)?;
    let mut addresses = vec![spec.address.into()];
    // Boards have no IPv6 yet.
    let six = spec.address6.filter(|_| !spec.board);
    addresses.extend(six.map(IpAddr::from));
    let link = Link::new(
        world.draw() ^ index as u64,
        spec.delay_ms,
        spec.loss_percent,
    );
    Ok(Plug {
        name: spec.name,
        on_loopback: Vec::new(),
        segment: spec.segment,
        port: Port {
            asn: spec.asn,
            role: Role::Host,
            captive: spec.captive_portal,
            addresses,
            lease,
            state: LinkState { link, up: true },
        },
        resolv: Some(resolv),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn nothing_is_wired_in_the_real_network() {
        let text = include_str!("../../scenarios/benign/clean.toml");
        let world = World::new(&Scenario::parse(text).unwrap()).unwrap();
        let started = Internet::start(&Arc::new(world), Vec::new());
        assert!(matches!(started, Err(LiveError::Outside)));
        assert!(
            matches!(enter(), Err(NamespaceError::Threads(_))),
            "too late here"
        );
    }
}
