//! How large is the probe, and how much memory does it take? In a network of its own that
//! this task lays out and serves: real packets, real resolv.conf, nothing of the machine's.
//!
//! Builds `faultline-probe` and the floor (`probe/examples/floor.rs`) by a profile, then goes
//! into new user, mount and network namespaces (`unshare -rmn`), where the loopback device
//! carries a resolver, a web site with pages of 200 kB, and a collector. The probe measures
//! [`TARGETS`] pages, uploads, and waits for its next cycle: then the kernel is asked.
//!
//! The programs of the packages (`cargo x dist`) are measured as they are, those for other
//! machines under qemu's user mode: its own memory is then in the figures, above the probe's.

use faultline_core::dns::{Data, Message, RecordType, ResponseBuilder};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{
    error::Error,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};
use tokio_rustls::TlsAcceptor;

/// Pages that the probe fetches in its cycle.
const TARGETS: usize = 20;
/// Octets of a page's body.
const PAGE: usize = 200_000;
const RESOLVER: &str = "20.1.0.53";
const SITE: &str = "20.1.0.80";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a probe may take: octets of its program, kB resident while it waits and at most.
const LIMITS: [(&str, u64); 3] = [
    ("binary", 8_000_000),
    ("idle, resident", 16_000),
    ("peak, resident", 32_000),
];

/// Builds by `profile`, and measures in namespaces.
pub(crate) fn run(profile: &str) -> ExitCode {
    ended(native(profile))
}

/// Measures the program of a package that was built for a machine, by Debian's word for it.
pub(crate) fn packaged(machine: &str) -> ExitCode {
    ended(of_package(machine))
}

/// The part inside of the namespaces; not for calling by hand. The words start the probe: the
/// program, after an emulator where one is needed.
pub(crate) fn inside(folder: &str, floor: &str, words: &[String]) -> ExitCode {
    ended(measure(Path::new(folder), floor, words))
}

fn ended(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure-probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn native(profile: &str) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--package",
        "faultline-probe",
        "--profile",
        profile,
    ]);
    build.args(["--bin", "faultline-probe", "--example", "floor"]);
    // What `cargo x` says of itself would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            build.env_remove(&name);
        }
    }
    if !build.status()?.success() {
        return Err("the probe does not build".into());
    }
    let built = super::dist::target()?.join(if profile == "dev" { "debug" } else { profile });
    let program = built.join("faultline-probe");
    outside(&built.join("examples/floor"), &[program.into()])
}

fn of_package(debian: &str) -> Result<()> {
    let machine = super::dist::machine(debian)?;
    let program = machine.program("dist", &super::dist::target()?);
    if !program.exists() {
        return Err(format!("no {}: cargo x dist --target {debian}", program.display()).into());
    }
    let mut words: Vec<OsString> = Vec::new();
    if machine.rust.split('-').next() != Some(std::env::consts::ARCH) {
        words = emulator(machine)?;
    }
    words.push(program.into());
    outside(Path::new("-"), &words)
}

/// qemu for another machine's programs, with that machine's C library where one is needed.
/// Debian's, unpacked beside what is installed.
fn emulator(machine: &super::dist::Machine) -> Result<Vec<OsString>> {
    let (name, library) = match machine.debian {
        "arm64" => ("qemu-aarch64-static", None),
        "armhf" => ("qemu-arm-static", Some("usr/arm-linux-gnueabihf")),
        other => return Err(format!("no emulator is known for {other}").into()),
    };
    let mut unpack = Command::new(super::house::root().join("tests/private-packages"));
    unpack.arg("qemu-user-static");
    if library.is_some() {
        unpack.args(["libc6-armhf-cross", "libgcc-s1-armhf-cross"]);
    }
    let said = unpack.stderr(Stdio::inherit()).output()?;
    if !said.status.success() {
        return Err("there is no qemu to run the program".into());
    }
    let prefix = PathBuf::from(String::from_utf8(said.stdout)?.trim());
    let mut words = vec![prefix.join("usr/bin").join(name).into()];
    if let Some(library) = library {
        words.extend(["-L".into(), prefix.join(library).into()]);
    }
    Ok(words)
}

fn outside(floor: &Path, words: &[OsString]) -> Result<()> {
    let me = std::env::current_exe()?;
    let folder = std::env::temp_dir().join(format!("faultline-measure-{}", std::process::id()));
    fs::create_dir(&folder)?;
    fs::write(
        folder.join("resolv.conf"),
        format!("nameserver {RESOLVER}\n"),
    )?;
    let layout = format!(
        "mount --bind \"$1/resolv.conf\" /etc/resolv.conf && ip link set lo up \
         && ip addr add {RESOLVER}/32 dev lo && ip addr add {SITE}/32 dev lo \
         && exec \"$0\" measure-probe-inside \"$@\""
    );
    let status = Command::new("unshare")
        .args(["-rmn", "sh", "-c", &layout])
        .args([&me, &folder])
        .arg(floor)
        .args(words)
        .status();
    fs::remove_dir_all(&folder)?;
    if !status?.success() {
        return Err("nothing was measured: are user namespaces allowed, is `ip` there?".into());
    }
    Ok(())
}

fn measure(folder: &Path, floor: &str, words: &[String]) -> Result<()> {
    let (first, program) = words
        .first()
        .zip(words.last())
        .ok_or("no program was named")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let names: Vec<String> = (0..TARGETS).map(|n| format!("site{n}.example")).collect();
    let (root, server) = certificates(&names)?;
    fs::write(folder.join("root.pem"), root)?;
    runtime.block_on(serve(server))?;
    let (mut collector, at) = collector(folder)?;
    let urls: Vec<String> = names.iter().map(|n| format!("https://{n}/")).collect();
    let settings = format!(
        "state = '{}'\ncollector = {at:?}\nextra_roots = '{}'\ntargets = {urls:?}\n\
         public_resolvers = [\"{RESOLVER}:53\"]\nencrypted_resolvers = []\nevery = \"1h\"\n",
        folder.join("probe").display(),
        folder.join("root.pem").display(),
    );
    fs::write(folder.join("probe.toml"), settings)?;
    let start = |wishes: &[&str]| {
        let mut probe = Command::new(first);
        probe
            .args(&words[1..])
            .arg("--config")
            .arg(folder.join("probe.toml"))
            .args(wishes);
        probe
    };
    let mut give = start(&[
        "consent",
        "give",
        "--group",
        "dns",
        "--group",
        "web",
        "--i-agree",
    ]);
    if !give.stdout(Stdio::null()).status()?.success() {
        return Err("consent could not be given".into());
    }
    let mut probe = start(&["run"]).stdout(Stdio::null()).spawn()?;
    // The next cycle is an hour away: once all is uploaded, the probe only waits.
    let sent = folder.join("probe/spool/sent");
    while fs::read_dir(&sent).map_or(0, Iterator::count) < TARGETS {
        if let Some(status) = probe.try_wait()? {
            return Err(format!("the probe ended: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let probe_memory = memory(&probe)?;
    end(&mut probe)?;
    end(&mut collector)?;
    let shown = start(&["--format", "json", "show"]).output()?;
    let had = String::from_utf8_lossy(&shown.stdout)
        .matches("\"status\":200")
        .count();
    if had < TARGETS {
        return Err(
            format!("only {had} of {TARGETS} pages were had: nothing to compare").into(),
        );
    }
    let floor_is = (floor != "-")
        .then(|| measure_floor(Path::new(floor), &names[0]))
        .transpose()?;
    let size = |path: &Path| fs::metadata(path).map(|m| m.len());
    let had = [
        (
            "binary",
            "bytes",
            size(Path::new(program))?,
            floor_is.as_ref().map(|f| f.0),
        ),
        (
            "idle, resident",
            "kB",
            probe_memory.now,
            floor_is.as_ref().map(|f| f.1.now),
        ),
        (
            "idle, of its own",
            "kB",
            probe_memory.own,
            floor_is.as_ref().map(|f| f.1.own),
        ),
        (
            "peak, resident",
            "kB",
            probe_memory.most,
            floor_is.as_ref().map(|f| f.1.most),
        ),
    ];
    println!("{:<18}{:>12}{:>12}", "", "probe", "floor");
    for (what, unit, probe, floor) in had {
        let floor = floor.map_or_else(|| "-".to_owned(), |n| n.to_string());
        println!("{what:<18}{probe:>12}{floor:>12}  {unit}");
    }
    println!("one cycle: {TARGETS} pages of {PAGE} bytes, names, upload");
    for (what, limit) in LIMITS {
        let measured = had.iter().find(|row| row.0 == what).map(|row| row.2);
        // An emulator's memory is not the probe's.
        let emulated = words.len() > 1 && what != "binary";
        if !emulated && measured.is_some_and(|measured| measured > limit) {
            return Err(format!("{what}: more than the limit of {limit}").into());
        }
    }
    Ok(())
}

/// Size and memory of the floor, which shakes hands once.
fn measure_floor(program: &Path, name: &str) -> Result<(u64, Memory)> {
    let mut floor = Command::new(program)
        .args([&format!("{SITE}:443"), name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(floor.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let taken = memory(&floor)?;
    end(&mut floor)?;
    Ok((fs::metadata(program)?.len(), taken))
}

/// What the kernel says of a process's memory (proc(5)), kB.
struct Memory {
    now: u64,
    /// Without the pages of the program's file, which the kernel may drop.
    own: u64,
    most: u64,
}

fn memory(process: &Child) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let field = |name: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        Ok(number.ok_or_else(|| format!("no {name}"))?.parse()?)
    };
    Ok(Memory {
        now: field("VmRSS:")?,
        own: field("RssAnon:")?,
        most: field("VmHWM:")?,
    })
}

fn end(process: &mut Child) -> Result<()> {
    process.kill()?;
    process.wait()?;
    Ok(())
}

fn collector(folder: &Path) -> Result<(Child, String)> {
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nstate = '{}'\n",
        folder.join("collector").display()
    );
    fs::write(folder.join("collector.toml"), settings)?;
    let program = std::env::current_exe()?.with_file_name("collector-process");
    let mut child = Command::new(program)
        .arg("--config")
        .arg(folder.join("collector.toml"))
        .arg("serve")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| {
            format!("collector-process: {e}; cargo build -p faultline-tests --bins")
        })?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let at = line.trim().strip_prefix("listening on ");
    Ok((child, at.ok_or("the collector does not listen")?.to_owned()))
}

/// The PEM of a root, and a server with a certificate of it for the names.
fn certificates(names: &[String]) -> Result<(String, Arc<ServerConfig>)> {
    let (root_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = root.self_signed(&root_key)?.pem();
    let issuer = Issuer::new(root, root_key);
    let leaf = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    Ok((pem, Arc::new(config)))
}

/// Serves names and pages until the process ends.
async fn serve(server: Arc<ServerConfig>) -> Result<()> {
    let socket = UdpSocket::bind((RESOLVER, 53)).await?;
    tokio::spawn(async move {
        let (mut query, mut reply) = ([0; 1500], [0; 1500]);
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            if let Some(length) = answer(&query[..length], &mut reply) {
                let _ = socket.send_to(&reply[..length], from).await;
            }
        }
    });
    let listener = TcpListener::bind((SITE, 443)).await?;
    let acceptor = TlsAcceptor::from(server);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await?;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {PAGE}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&vec![b'.'; PAGE]).await?;
                stream.shutdown().await
            });
        }
    });
    Ok(())
}

/// Every name that may exist has one address; random labels below it do not.
fn answer(query: &[u8], reply: &mut [u8]) -> Option<usize> {
    let message = Message::parse(query).ok()?;
    let question = message.question()?;
    let labels = question.name.to_buf().to_string().matches('.').count();
    let mut builder = ResponseBuilder::reply_to(&message, reply).ok()?;
    if labels > 2 {
        builder.rcode(faultline_core::dns::Rcode::NX_DOMAIN);
    } else if question.rtype == RecordType::A {
        builder.answer(60, &Data::A(SITE.parse().ok()?)).ok()?;
    }
    builder.finish().ok()
}
