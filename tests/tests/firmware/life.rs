//! Does a board enrol, measure, keep and upload to the real collector, whatever is done to
//! it: a collector that is away, power that is cut, a stranger that answers in its place?

use crate::{Entered, chain, possible};
use faultline_collector::store::{
    Facts as _, MeasurementRow,
    beats::Beats as _,
    sqlite::{Sqlite, SqliteBeats},
};
use faultline_core::{codec::to_cbor, measurement::Limit, observation::Step, time::UnixTime};
use faultline_firmware::{Chance, Settings, host::on_link, measure};
use faultline_internet::{
    live::{HostSpec, Internet},
    scenario::Scenario,
    world::{CHECK, NEUTRAL, VANTAGE, VANTAGE_RESOLVER, World},
};
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(24, 255, 0, 55);
const PORT: u16 = 8055;
const SCENARIO: &str = include_str!("../../scenarios/blocking/sni_reset.toml");
const TARGET: &str = "https://news.example/";

type Check = fn() -> Result<(), Failed>;

/// All trials.
pub(crate) fn trials(entered: &Entered) -> Vec<Trial> {
    let checks: [(&str, Check); 6] = [
        ("measures_and_the_collector_judges", judged),
        ("keeps_its_evidence_when_power_is_cut", power_cuts),
        ("uploads_nothing_to_strangers", strangers),
        ("sends_nothing_without_consent", no_consent),
        ("beats_and_hands_its_ledger_in", beats),
        ("keeps_little_of_a_flood", flood),
    ];
    let trial = |(name, check): (&str, Check)| {
        let entered = Arc::clone(entered);
        Trial::test(format!("namespace_board_{name}"), move || {
            if possible(&entered) { check() } else { Ok(()) }
        })
    };
    checks.into_iter().map(trial).collect()
}

/// A world with a place for a collector and a board.
struct Stage {
    internet: Internet,
    folder: TempDir,
}

impl Stage {
    fn build() -> Result<Self, Failed> {
        let world = Arc::new(World::new(&Scenario::parse(SCENARIO)?)?);
        let folder = tempfile::tempdir()?;
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, world.authority.root_pem())?;
        let hosts = vec![
            HostSpec {
                delay_ms: 10,
                ..HostSpec::new("collector", VANTAGE, ADDRESS)
            },
            HostSpec {
                delay_ms: 10,
                board: true,
                ..HostSpec::within(&world, "board", 64_500, 9)?
            },
        ];
        let internet = Internet::start(&world, hosts).map_err(|error| chain(&error))?;
        let stage = Self { internet, folder };
        let state = stage.folder.path().display();
        let targets = stage.path("targets.csv");
        std::fs::write(&targets, format!("url,category_code\n{TARGET},NEWS\n"))?;
        let collector = format!(
            "listen = \"{ADDRESS}:{PORT}\"\nstate = \"{state}\"\ntargets = \"{}\"\n\
             simulated = true\n[beats]\nlisten = \"{ADDRESS}:{PORT}\"\ninterval = 30\n[control]\nenabled = true\n\
             resolvers = [\"{VANTAGE_RESOLVER}:53\"]\nvantage = \"XZ\"\n\
             extra_roots = \"{}\"\nown_addresses = [\"{ADDRESS}\"]\n",
            targets.display(),
            roots.display(),
        );
        std::fs::write(stage.path("collector.toml"), collector)?;
        let board = format!(
            "collector = \"http://{ADDRESS}:{PORT}\"\nneutral_name = \"{NEUTRAL}\"\n\
             contact_special = true\n\
             captive_check = \"{CHECK}\"\n"
        );
        std::fs::write(stage.path("silent.toml"), &board)?;
        std::fs::write(stage.path("board.toml"), format!("{board}i_agree = true\n"))?;
        // One that measures also while nobody tells it what.
        let own = format!("{board}i_agree = true\ntargets = [\"news.example\"]\n");
        std::fs::write(stage.path("own.toml"), own)?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn collector(&self) -> Result<Running, Failed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_collector-process"));
        command
            .arg("--config")
            .arg(self.path("collector.toml"))
            .arg("serve");
        command.env("RUST_LOG", "warn");
        let mut collector = self.spawn("collector", command)?;
        collector.hear("listening")?;
        Ok(collector)
    }

    /// A board whose flash is what was left of its last life.
    fn board(&self, settings: &str) -> Result<Running, Failed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-process"));
        command
            .args(["--interface", "up0", "--flash"])
            .arg(self.path("flash.bin"))
            .arg("--settings")
            .arg(self.path(settings));
        self.spawn("board", command)
    }

    fn spawn(&self, host: &str, mut command: Command) -> Result<Running, Failed> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let spawned = self.internet.spawn(host, command);
        let mut child = spawned.map_err(|error| chain(&error))?;
        let says = child.stdout.take().ok_or("no output")?;
        Ok(Running {
            child,
            says: BufReader::new(says).lines(),
            heard: Vec::new(),
        })
    }

    /// What the collector has stored; it must have ended.
    fn stored(&self) -> Result<Vec<MeasurementRow>, Failed> {
        let store = Sqlite::open(&self.path("collector.db"))?;
        let mut rows = Vec::new();
        store.measurements(UnixTime(0)..UnixTime(i64::MAX), &mut |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
    }
}

/// A process that says what it does, a line at a time. Dropped, it is killed.
struct Running {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
    heard: Vec<String>,
}

impl Running {
    /// Reads until a line begins with `word`.
    fn hear(&mut self, word: &str) -> Result<String, Failed> {
        for line in self.says.by_ref() {
            let line = line?;
            self.heard.push(line.clone());
            if line.starts_with(word) {
                return Ok(line);
            }
        }
        Err(format!("it ended before it said {word}, after {:?}", self.heard).into())
    }

    /// Cuts the power.
    fn cut(mut self) -> Result<Vec<String>, Failed> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(std::mem::take(&mut self.heard))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn judged() -> Result<(), Failed> {
    let stage = Stage::build()?;
    let collector = stage.collector()?;
    let mut board = stage.board("board.toml")?;
    board.hear("Cycle")?;
    let heard = board.cut()?;
    drop(collector);
    let mut rows = stage.stored()?;
    rows.sort_by_key(|row| row.experiment);
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            let verdict = &row.verdict;
            let mechanism = verdict.mechanism.clone();
            (row.experiment, verdict.outcome.clone(), mechanism)
        })
        .collect();
    let wanted = [
        ("dns_consistency", "ok".to_owned(), None),
        (
            "hello",
            "anomaly".to_owned(),
            Some("tls.reset.sni".to_owned()),
        ),
    ];
    assert_eq!(found, wanted, "{heard:?}");
    Ok(())
}

/// Power goes at each thing that a board says of itself, one life after the other, and the
/// collector is away in the first.
fn power_cuts() -> Result<(), Failed> {
    let stage = Stage::build()?;
    let mut kept = BTreeSet::new();
    let mut note = |heard: Vec<String>| {
        for line in heard {
            if let Some(number) = line.strip_prefix("Kept { sequence: ") {
                assert!(kept.insert(number.to_owned()), "number {number} twice");
            }
        }
    };
    let mut board = stage.board("own.toml")?;
    board.hear("NotNow")?;
    board.hear("Kept")?;
    note(board.cut()?);
    let collector = stage.collector()?;
    for word in ["Attached", "CheckedIn", "Kept", "Acknowledged"] {
        let mut board = stage.board("board.toml")?;
        board.hear(word)?;
        note(board.cut()?);
    }
    let mut board = stage.board("board.toml")?;
    board.hear("Cycle")?;
    note(board.cut()?);
    drop(collector);
    let rows = stage.stored()?;
    let probes: BTreeSet<_> = rows.iter().map(|row| row.probe).collect();
    assert_eq!(probes.len(), 1, "one identity, whatever happened");
    let batches: BTreeSet<_> = rows.iter().map(|row| row.batch).collect();
    assert_eq!(
        batches.len(),
        rows.len(),
        "one measurement a batch, each once"
    );
    // What was cut off between keeping and saying so arrives as well.
    assert!(rows.len() >= kept.len(), "{} of {kept:?}", rows.len());
    Ok(())
}

/// Somebody answers in the collector's place: with a page, with noise, with more than fits.
fn strangers() -> Result<(), Failed> {
    let stage = Stage::build()?;
    let answers: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlogin",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"SSH-2.0-nonsense\r\n\r\n\r\n",
        b"",
    ];
    for answer in answers {
        let endless = answer.is_empty();
        let (ready, listening) = std::sync::mpsc::channel();
        let served = stage
            .internet
            .begin("collector", move || -> std::io::Result<()> {
                let listener = TcpListener::bind((ADDRESS, PORT))?;
                let _ = ready.send(());
                let (mut stream, _) = listener.accept()?;
                // The request's head is enough.
                let _ = stream.read(&mut [0; 512])?;
                stream.write_all(answer)?;
                if endless {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
                    while stream.write_all(&[b'x'; 1024]).is_ok() {}
                }
                Ok(())
            });
        let served = served.map_err(|error| chain(&error))?;
        listening.recv()?;
        let mut board = stage.board("own.toml")?;
        board.hear("NotNow")?;
        board.hear("Kept")?;
        let heard = board.cut()?;
        assert!(
            heard.iter().all(|line| !line.starts_with("Acknowledged")
                && !line.starts_with("GivenUp")
                && !line.starts_with("CheckedIn")),
            "{heard:?}"
        );
        // It may meet a connection that is gone.
        let _ = served.join().map_err(|_| "the stranger panicked")?;
    }
    // All of it still waits.
    let collector = stage.collector()?;
    let mut board = stage.board("board.toml")?;
    board.hear("Cycle")?;
    board.cut()?;
    drop(collector);
    let names = stage.stored()?;
    let names = names
        .iter()
        .filter(|row| row.experiment == "dns_consistency");
    assert_eq!(names.count(), answers.len() + 1);
    Ok(())
}

fn no_consent() -> Result<(), Failed> {
    let stage = Stage::build()?;
    let mut board = stage.board("silent.toml")?;
    board.hear("NoConsent")?;
    board.cut()?;
    let sent = || -> Result<String, Failed> {
        let read = || std::fs::read_to_string("/proc/thread-self/net/dev");
        let table = stage
            .internet
            .on("board", read)
            .map_err(|error| chain(&error))??;
        let link = table
            .lines()
            .find_map(|line| line.trim().strip_prefix("up0:"));
        let sent = link.and_then(|link| link.split_whitespace().nth(9));
        Ok(sent.ok_or("no link")?.to_owned())
    };
    assert_eq!(sent()?, "0", "not even a question for an address");
    let mut board = stage.board("own.toml")?;
    board.hear("Attached")?;
    board.cut()?;
    assert_ne!(sent()?, "0", "the counter counts");
    Ok(())
}

/// The collector hears the board's heart over UDP, and what the ledger noted in a life that
/// was cut off arrives in the next one, as an epoch of a run of its own.
fn beats() -> Result<(), Failed> {
    let stage = Stage::build()?;
    let collector = stage.collector()?;
    let mut board = stage.board("board.toml")?;
    board.hear("Cycle")?;
    let first = board.cut()?;
    let mut board = stage.board("board.toml")?;
    // Names, a ClientHello, and the ledger, once the collector has answered a beat.
    for _ in 0..3 {
        board.hear("Acknowledged")?;
    }
    let second = board.cut()?;
    drop(collector);
    let rows = stage.stored()?;
    let probe = rows.first().ok_or("nothing came")?.probe;
    let beats = SqliteBeats::open(&stage.path("beats.db"))?;
    let last = beats.last(probe)?.ok_or("no beat was heard")?;
    assert_eq!(last.beat.run, 2, "{first:?} {second:?}");
    let book = beats.book(probe)?;
    let runs: BTreeSet<u32> = book.epochs().map(|(_, run, _)| run).collect();
    assert!(runs.contains(&1), "{book:?}");
    Ok(())
}

/// Whoever floods a question with answers makes a board keep a bounded part of them, and say
/// so.
fn flood() -> Result<(), Failed> {
    let stage = Stage::build()?;
    let (ready, listening) = std::sync::mpsc::channel();
    let flooder = stage
        .internet
        .begin("collector", move || -> std::io::Result<()> {
            let socket = UdpSocket::bind((ADDRESS, 53))?;
            let _ = ready.send(());
            let mut query = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut query)?;
                // The end of the test.
                if length == 0 {
                    return Ok(());
                }
                let mut reply = query[..length].to_vec();
                reply[2] |= 0x80;
                reply.resize(1200, 0);
                for _ in 0..400 {
                    // A full buffer loses some, as it should.
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
    let flooder = flooder.map_err(|error| chain(&error))?;
    listening.recv()?;
    let job = || {
        on_link("up0", 5, async |line| {
            line.attach().await;
            let settings = Settings {
                public_resolvers: vec![SocketAddrV4::new(ADDRESS, 53); 6],
                ..Settings::default()
            };
            let mut chance = Chance::of([5; 32]);
            measure::names(line, &settings, &mut chance, "news.example").await
        })
    };
    let seen = stage
        .internet
        .on("board", job)
        .map_err(|error| chain(&error))??;
    let size = to_cbor(&seen.observations).len();
    assert!(size < 20 * 1024, "{size} octets are kept");
    assert!(seen.limits.contains(&Limit::Cap), "{:?}", seen.limits);
    let most = seen
        .observations
        .iter()
        .filter_map(|seen| match &seen.step {
            Step::Lookup(lookup) => Some(lookup.replies.len()),
            _ => None,
        });
    // How many of 400 a small buffer catches is chance; how many are kept is not.
    let most = most.max().unwrap_or_default();
    assert!((2..=16).contains(&most), "{most} replies of one question");
    let end = move || UdpSocket::bind((ADDRESS, 0))?.send_to(&[], (ADDRESS, 53));
    stage
        .internet
        .on("collector", end)
        .map_err(|error| chain(&error))??;
    flooder.join().map_err(|_| "the flooder panicked")??;
    Ok(())
}
