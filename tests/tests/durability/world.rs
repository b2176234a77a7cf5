//! What do these tests have in common? A resolver, a collector in this process on a store of
//! its own, and the state folder of a probe.

use crate::process;
use faultline_collector::{
    anchors::Anchors,
    api::{Scores, Service, router},
    config::Config,
    ingest::{Enricher, Ingest, Terms, Ward},
    rules::Rules,
    store::{
        Facts as _, MeasurementRow, StoredBatch,
        beats::{Beats as _, Heard},
        sqlite::{Sqlite, SqliteBeats},
    },
};
use faultline_core::{
    codec::Identity,
    dns::{Data, Message, ResponseBuilder},
    engine::ledger::Book,
    id::{Asn, Country, ProbeId},
    time::UnixTime,
};
use faultline_probe::net::{Clock as _, SystemClock};
use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use tempfile::TempDir;

/// Whose is an address of loopback? 127.0.0.1 is in one country and network, 127.0.0.2 in
/// others, 127.0.0.3 nowhere; measured addresses are in a network of their own.
pub(crate) struct Loopback;
impl Enricher for Loopback {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        match ip {
            IpAddr::V4(ip) if ip.octets() == [127, 0, 0, 1] => Some(Asn(64_501)),
            IpAddr::V4(ip) if ip.octets() == [127, 0, 0, 2] => Some(Asn(64_502)),
            IpAddr::V4(ip) if ip.is_loopback() => None,
            _ => Some(Asn(64_510)),
        }
    }
    fn country_of(&self, ip: IpAddr) -> Option<Country> {
        match self.asn_of(ip)? {
            Asn(64_501) => Country::new("XA"),
            _ => Country::new("XB"),
        }
    }
    fn digest(&self) -> [u8; 32] {
        [1; 32]
    }
}

/// A resolver that answers every question with one address, for as long as the process runs.
pub(crate) fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut query, mut reply) = ([0; 1500], [0; 1500]);
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let Ok(message) = Message::parse(&query[..length]) else {
                continue;
            };
            let mut builder = ResponseBuilder::reply_to(&message, &mut reply).unwrap();
            builder.answer(60, &Data::A([20, 1, 0, 1].into())).unwrap();
            let length = builder.finish().unwrap();
            let _ = socket.send_to(&reply[..length], from);
        }
    });
    at
}

/// A collector in this process.
pub(crate) struct Here {
    pub(crate) store: Arc<Sqlite>,
    pub(crate) at: SocketAddr,
    served: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// The collector's key.
pub(crate) fn collector_key() -> Identity {
    Identity::from_bytes(&[9; 32]).unwrap()
}

/// A collector with an empty store.
pub(crate) async fn here() -> Here {
    here_with(|_, ingest| ingest).await
}

/// One that hears heartbeats, too.
pub(crate) struct Hearing {
    pub(crate) url: String,
    beats: Arc<SqliteBeats>,
    // Serves on its own threads as long as it is there.
    _runtime: tokio::runtime::Runtime,
    _here: Here,
}

impl Hearing {
    /// What is kept of a probe's ledger.
    pub(crate) fn book(&self, probe: ProbeId) -> Book {
        self.beats.book(probe).unwrap()
    }

    /// The newest beat of a probe.
    pub(crate) fn last(&self, probe: ProbeId) -> Option<Heard> {
        self.beats.last(probe).unwrap()
    }
}

/// A collector that hears heartbeats.
pub(crate) fn hearing() -> Hearing {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut kept = None;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let here = runtime.block_on(here_with(|store, ingest| {
        let folder = store.1;
        let beats = Arc::new(SqliteBeats::open(&folder.join("beats.db")).unwrap());
        let terms = Terms {
            port,
            address: None,
            interval: 60,
            anchors: Anchors::default(),
        };
        let (probes, kept_beats) = (Arc::clone(store.0), Arc::clone(&beats));
        let key = collector_key();
        let ward = Ward::new(probes, kept_beats, Arc::new(Loopback), key, terms);
        let ward = Arc::new(ward);
        kept = Some((Arc::clone(&ward), beats));
        ingest.hearing(ward)
    }));
    let (ward, beats) = kept.unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Ok(answer) = ward.hear(from, &buffer[..length], now()) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Hearing {
        url: format!("http://{}", here.at),
        beats,
        _runtime: runtime,
        _here: here,
    }
}

async fn here_with(more: impl FnOnce((&Arc<Sqlite>, &Path), Ingest) -> Ingest) -> Here {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
    let enricher: Arc<dyn Enricher> = Arc::new(Loopback);
    let identity = collector_key();
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        identity.public(),
    );
    let ingest = more((&store, folder.path()), ingest);
    let config = Config::parse("").unwrap();
    let scores = Arc::new(Scores::new(&config, None).unwrap());
    let service = Service {
        traces: faultline_collector::traces::Lists::parse("com\n", None).unwrap(),
        ..Service::new(config, store.clone(), ingest, identity, scores, now)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = router(Arc::new(service)).into_make_service_with_connect_info::<SocketAddr>();
    let served = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Here {
        store,
        at,
        served,
        _folder: folder,
    }
}

/// The wall clock.
pub(crate) fn now() -> UnixTime {
    SystemClock::new().unix()
}

/// Every measurement stored.
pub(crate) fn rows(store: &Sqlite) -> Vec<MeasurementRow> {
    let mut rows = Vec::new();
    let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let each = &mut |row| {
        rows.push(row);
        true
    };
    store.measurements(all, each).unwrap();
    rows
}

/// Every batch stored.
pub(crate) fn batches(store: &Sqlite) -> Vec<StoredBatch> {
    let mut batches = Vec::new();
    let each = &mut |batch| {
        batches.push(batch);
        true
    };
    store.batches(each).unwrap();
    batches
}

/// A probe's machine: its state folder and settings.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) resolver: SocketAddr,
}

impl Home {
    /// With settings that ask nobody but the resolver; `more` of them.
    pub(crate) fn new(resolver: SocketAddr, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "public_resolvers = []\nencrypted_resolvers = []\nevery = \"1ms\"\n{more}\n"
        );
        fs::write(folder.path().join("settings.toml"), settings).unwrap();
        Self { folder, resolver }
    }

    /// The same once more, as it is on the disk now.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(self.folder.path(), folder.path());
        Self {
            folder,
            resolver: self.resolver,
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A probe's command line, in whatever process `command` starts.
    pub(crate) fn with(&self, mut command: Command, words: &[&str]) -> Command {
        command
            .env("FAULTLINE_TEST_RESOLVER", self.resolver.to_string())
            .arg("--config")
            .arg(self.folder.path().join("settings.toml"))
            .arg("--state")
            .arg(self.state())
            .args(words);
        command
    }

    /// Runs the probe to its end and gives its status and what it printed.
    pub(crate) fn run(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.with(Command::new(process::PROBE), words).output();
        let output = output.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status.code().expect("it ended by itself");
        (status, text(&output.stdout), text(&output.stderr))
    }

    /// Files whose names say that they are unfinished.
    pub(crate) fn unfinished(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.state(), &mut found);
        found.retain(|path| path.extension().is_some_and(|e| e == "new"));
        found
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap(); // modes too
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        }
        found.push(path);
    }
}
