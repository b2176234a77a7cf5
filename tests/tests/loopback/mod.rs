//! A small Internet of real sockets on the loopback interface: resolvers, web servers, a box
//! on the path, a collector and a probe.
#![allow(dead_code)] // each test uses its part

use axum::extract::connect_info::MockConnectInfo;
use clap::Parser as _;
use faultline_collector::{
    api::{Scores, Service, router},
    config::Config,
    control,
    ingest::{Enricher, Ingest},
    rules::Rules,
    store::{Facts as _, MeasurementRow, sqlite::Sqlite},
    targets,
};
use faultline_core::{
    codec::Identity,
    dns::{Data, Message, Rcode, RecordType, ResponseBuilder},
    failure::Failure,
    id::{Asn, Country},
    time::UnixTime,
};
use faultline_internet::authority::{Authority, Certificate};
use faultline_probe::{
    cli::{Args, Exit, run},
    net::{Attachment, Clock as _, Exchange, Network, OsNetwork, Patience, SystemClock},
    random::OsEntropy,
};
use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    task::{JoinHandle, spawn_local},
};

/// Runs a test where tasks may be local.
pub(crate) fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// What a resolver says to every question about addresses.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    Address([u8; 4]),
    NxDomain,
}

/// A resolver over UDP.
pub(crate) async fn resolver(says: Says) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    spawn_local(async move {
        let (mut query, mut reply) = ([0; 1500], [0; 1500]);
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            let Ok(message) = Message::parse(&query[..length]) else {
                continue;
            };
            let four = message.question().is_some_and(|q| q.rtype == RecordType::A);
            let mut builder = ResponseBuilder::reply_to(&message, &mut reply).unwrap();
            match says {
                Says::Address(ip) if four => {
                    builder.answer(60, &Data::A(ip.into())).unwrap();
                }
                Says::Address(_) => {}
                Says::NxDomain => {
                    builder.rcode(Rcode::NX_DOMAIN);
                }
            }
            let length = builder.finish().unwrap();
            socket.send_to(&reply[..length], from).await.unwrap();
        }
    });
    at
}

/// A whole response with a title and this text.
pub(crate) fn page(text: &str) -> Vec<u8> {
    let body = format!("<title>Evening news today</title>{text}");
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nx-paper: yes\r\n\r\n{body}").into()
}

/// A web server: TLS with this authority's certificate, or plain.
pub(crate) async fn web(
    at: &str,
    tls: Option<(&Authority, Certificate)>,
    page: Vec<u8>,
) -> SocketAddr {
    let listener = TcpListener::bind(at).await.unwrap();
    let at = listener.local_addr().unwrap();
    let tls = tls.map(|(authority, kind)| {
        let names = ["news.example".to_owned()];
        tokio_rustls::TlsAcceptor::from(authority.server(&names, kind).unwrap())
    });
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, page) = (tls.clone(), page.clone());
            spawn_local(async move {
                match tls {
                    None => answer(stream, &page).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, &page).await;
                        }
                    }
                }
            });
        }
    });
    at
}

async fn answer<S>(mut stream: S, page: &[u8])
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(octet) = stream.read_u8().await else {
            return;
        };
        request.push(octet);
    }
    let _ = stream.write_all(page).await;
    let _ = stream.shutdown().await;
}

/// A box on the path to `server` that resets whoever names `name` in the clear.
pub(crate) async fn censor(server: SocketAddr, name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    spawn_local(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            spawn_local(async move {
                let mut first = [0; 2048];
                let length = near.peek(&mut first).await.unwrap_or(0);
                let named = first[..length]
                    .windows(name.len())
                    .any(|w| w == name.as_bytes());
                if named {
                    // Closed with octets unread: the kernel sends a reset (RFC 2525 2.17).
                    return;
                }
                let mut far = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    at
}

/// The probe's network: real sockets, a resolver of its own, and a path on which one server
/// is reached through something else.
pub(crate) struct Line {
    os: OsNetwork,
    /// Instead of this server, that one is reached.
    pub(crate) detour: Option<(SocketAddr, SocketAddr)>,
    /// The number of the network that the probe is in: also the last octet of its address.
    pub(crate) network: Cell<u8>,
    /// After so many datagrams, the probe is in that network.
    pub(crate) moves: Cell<Option<(u32, u8)>>,
}

impl Line {
    pub(crate) fn new(resolver: SocketAddr) -> Self {
        Self {
            os: OsNetwork::asking(&[resolver]),
            detour: None,
            network: Cell::new(1),
            moves: Cell::new(None),
        }
    }
}

impl Network for Line {
    type Stream = TcpStream;
    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        if let Some((datagrams, network)) = self.moves.get() {
            let left = datagrams.saturating_sub(1);
            self.moves.set((left > 0).then_some((left, network)));
            if left == 0 {
                self.network.set(network);
            }
        }
        self.os.exchange(to, payload, patience).await
    }
    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let to = match self.detour {
            Some((server, other)) if server == to => other,
            _ => to,
        };
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, self.network.get()], 0)))?;
        socket.connect(to).await
    }
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        self.os.resolve(name).await
    }
    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        self.os.announced_resolvers()
    }
    fn attach(&self) -> Attachment {
        Attachment {
            network: Some([self.network.get(); 32]),
            ..Attachment::default()
        }
    }
}

/// Each loopback address is in a network of its own.
struct ByLastOctet;
impl Enricher for ByLastOctet {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        match ip {
            IpAddr::V4(ip) => Some(Asn(64_500 + u32::from(ip.octets()[3]))),
            IpAddr::V6(_) => None,
        }
    }
    fn country_of(&self, _: IpAddr) -> Option<Country> {
        Country::new("XA")
    }
    fn digest(&self) -> [u8; 32] {
        [1; 32]
    }
}

/// A collector with a store that outlives it.
pub(crate) struct Collector {
    pub(crate) store: Arc<Sqlite>,
    pub(crate) at: String,
    served: JoinHandle<()>,
}

impl Collector {
    /// With these settings and listed targets; `seen` is where all requests seem to come from.
    pub(crate) async fn open(
        store: &Arc<Sqlite>,
        settings: &str,
        list: &str,
        seen: Option<SocketAddr>,
    ) -> Self {
        let enricher: Arc<dyn Enricher> = Arc::new(ByLastOctet);
        let identity = Identity::from_bytes(&[9; 32]).unwrap();
        let ingest = Ingest::new(
            Arc::clone(store),
            Arc::clone(&enricher),
            Arc::new(Rules),
            identity.public(),
        );
        let config = Config::parse(settings).unwrap();
        let targets = targets::parse(&format!("url,category_code\n{list}"));
        let enabled = config.control.enabled;
        let control = enabled.then(|| control::open(&config, &targets).unwrap());
        let scores = Arc::new(Scores::new(&config, None).unwrap());
        let service = Service {
            traces: faultline_collector::traces::Lists::parse("com\n", None).unwrap(),
            targets,
            control,
            ..Service::new(config, store.clone(), ingest, identity, scores, now)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let app = router(Arc::new(service));
        let served = tokio::spawn(async move {
            if let Some(seen) = seen {
                let app = app.layer(MockConnectInfo(seen));
                axum::serve(listener, app).await.unwrap();
            } else {
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                axum::serve(listener, app).await.unwrap();
            }
        });
        Self {
            store: Arc::clone(store),
            at,
            served,
        }
    }

    /// It is away; what it stored stays.
    pub(crate) async fn close(self) {
        self.served.abort();
        let _ = self.served.await;
    }

    /// Every measurement stored, in the order in which they were begun.
    pub(crate) fn rows(&self) -> Vec<MeasurementRow> {
        let mut rows = Vec::new();
        let all = UnixTime(0)..UnixTime(i64::MAX);
        self.store
            .measurements(all, &mut |row| {
                rows.push(row);
                true
            })
            .unwrap();
        rows.sort_by_key(|row| row.started);
        rows
    }
}

fn now() -> UnixTime {
    SystemClock::new().unix()
}

/// A probe's folder and settings.
pub(crate) struct Probe {
    folder: PathBuf,
}

impl Probe {
    /// That asks no resolvers but its network's, with further settings.
    pub(crate) fn new(folder: &Path, settings: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let fixed = "public_resolvers = []\nencrypted_resolvers = []\n";
        std::fs::write(folder.join("probe.toml"), format!("{fixed}{settings}")).unwrap();
        Self {
            folder: folder.into(),
        }
    }

    /// Types `words`; gives the exit status and what was written.
    pub(crate) async fn types(&self, line: &Line, words: &[&str]) -> (Exit, String) {
        let (state, settings) = (self.folder.join("state"), self.folder.join("probe.toml"));
        let fixed = ["faultline-probe", "--state"];
        let fixed = fixed
            .into_iter()
            .chain([state.to_str().unwrap(), "--config"]);
        let all = fixed.chain([settings.to_str().unwrap()]);
        let args = Args::try_parse_from(all.chain(words.iter().copied())).unwrap();
        let entropy = RefCell::new(OsEntropy);
        let mut out = Vec::new();
        let clock = SystemClock::new();
        // All experiments are in it: too much for the stack of every caller.
        let exit = Box::pin(run(args, line, &clock, &entropy, &mut out)).await;
        (exit.unwrap(), String::from_utf8(out).unwrap())
    }

    pub(crate) async fn agrees(&self, line: &Line, groups: &[&str]) {
        let mut words = vec!["consent", "give", "--i-agree"];
        for group in groups {
            words.extend(["--group", group]);
        }
        assert_eq!(self.types(line, &words).await.0, Exit::Fine);
    }

    /// `once` on these targets with this collector.
    pub(crate) async fn once(&self, line: &Line, at: &str, targets: &[&str]) -> Exit {
        let words = [&["--collector", at, "once"], targets].concat();
        self.types(line, &words).await.0
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }
}
