//! Does a result come all the way, from real packets to a stored verdict, and is nothing
//! lost or doubled when the collector is away for a while?

use clap::Parser as _;
use faultline_collector::{
    api::{Scores, Service, router},
    config::Config,
    ingest::{Enricher, Ingest},
    rules::Rules,
    store::{Facts as _, MeasurementRow, sqlite::Sqlite},
    targets,
};
use faultline_core::{
    codec::Identity,
    dns::{Data, Message, ResponseBuilder},
    failure::Failure,
    id::{Asn, Country},
    time::UnixTime,
};
use faultline_probe::{
    cli::{Args, Exit, run},
    net::{Exchange, Network, OsNetwork, Patience, SystemClock},
    random::OsEntropy,
    spool::Spool,
};
use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Real sockets, but the network's own resolver is the test's.
struct Loopback {
    os: OsNetwork,
    resolver: SocketAddr,
}

impl Network for Loopback {
    type Stream = TcpStream;
    async fn exchange(&self, to: SocketAddr, payload: &[u8], patience: Patience) -> Exchange {
        self.os.exchange(to, payload, patience).await
    }
    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.os.connect(to).await
    }
    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Failure> {
        Ok(vec![IpAddr::from([20, 1, 0, 1])])
    }
    fn announced_resolvers(&self) -> Vec<SocketAddr> {
        vec![self.resolver]
    }
}

struct OneNetwork;
impl Enricher for OneNetwork {
    fn asn_of(&self, _: IpAddr) -> Option<Asn> {
        Some(Asn(64_501))
    }
    fn country_of(&self, _: IpAddr) -> Option<Country> {
        Country::new("XA")
    }
    fn digest(&self) -> [u8; 32] {
        [1; 32]
    }
}

/// Answers every question with one address.
async fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let (mut query, mut reply) = ([0; 1500], [0; 1500]);
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            let Ok(message) = Message::parse(&query[..length]) else {
                continue;
            };
            let mut builder = ResponseBuilder::reply_to(&message, &mut reply).unwrap();
            builder.answer(60, &Data::A([20, 1, 0, 1].into())).unwrap();
            let length = builder.finish().unwrap();
            socket.send_to(&reply[..length], from).await.unwrap();
        }
    });
    at
}

/// A collector on the store at `path`; gone when the handle is aborted.
async fn collector(store: &Arc<Sqlite>) -> (String, tokio::task::JoinHandle<()>) {
    let enricher: Arc<dyn Enricher> = Arc::new(OneNetwork);
    let identity = Identity::from_bytes(&[9; 32]).unwrap();
    let ingest = Ingest::new(
        Arc::clone(store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        identity.public(),
    );
    let config = Config::parse("").unwrap();
    let scores = Arc::new(Scores::new(&config, None).unwrap());
    let service = Service {
        traces: faultline_collector::traces::Lists::parse("com\n", None).unwrap(),
        targets: targets::parse(targets::BUILT_IN),
        ..Service::new(
            config,
            store.clone(),
            ingest,
            identity,
            scores,
            faultline_now,
        )
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let app = router(Arc::new(service)).into_make_service_with_connect_info::<SocketAddr>();
    let served = tokio::task::spawn(async move {
        axum::serve(listener, app).await.unwrap();
    });
    (at, served)
}

fn faultline_now() -> UnixTime {
    use faultline_probe::net::Clock as _;
    SystemClock::new().unix()
}

async fn probe(network: &Loopback, state: &Path, words: &[&str]) -> Exit {
    let settings = state.with_extension("toml");
    std::fs::write(
        &settings,
        "public_resolvers = []\nencrypted_resolvers = []\n",
    )
    .unwrap();
    let fixed = [
        "faultline-probe",
        "--state",
        state.to_str().unwrap(),
        "--config",
    ];
    let all = fixed
        .into_iter()
        .chain([settings.to_str().unwrap()])
        .chain(words.iter().copied());
    let args = Args::try_parse_from(all).unwrap();
    let entropy = RefCell::new(OsEntropy);
    let mut out = Vec::new();
    run(args, network, &SystemClock::new(), &entropy, &mut out)
        .await
        .unwrap()
}

fn stored(store: &Sqlite) -> Vec<MeasurementRow> {
    let mut rows = Vec::new();
    let all = UnixTime(0)..UnixTime(i64::MAX);
    store
        .measurements(all, &mut |row| {
            rows.push(row);
            true
        })
        .unwrap();
    rows
}

#[test]
fn results_arrive_once_each_however_often_the_collector_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&folder.path().join("collector.db")).unwrap());
    let state = folder.path().join("probe");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let network = Loopback {
            os: OsNetwork::new(),
            resolver: resolver().await,
        };
        let give = ["consent", "give", "--group", "dns", "--i-agree"];
        assert_eq!(probe(&network, &state, &give).await, Exit::Fine);

        let (at, served) = collector(&store).await;
        let once = |at: &str| ["--collector", at, "once", "news.example"].map(String::from);
        let words = once(&at);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(probe(&network, &state, &words).await, Exit::Fine);
        let rows = stored(&store);
        assert_eq!(rows.len(), 1);
        let place = (rows[0].country, rows[0].asn, rows[0].network_known);
        assert_eq!(place, (Country::new("XA").unwrap(), Asn(64_501), true));
        assert_eq!(
            rows[0].verdict.outcome, "inconclusive",
            "no control was had"
        );

        served.abort();
        let _ = served.await;
        assert_eq!(probe(&network, &state, &words).await, Exit::Failed, "away");
        let spool = Spool::look(&state.join("spool")).unwrap();
        assert_eq!(spool.waiting().unwrap(), [1], "kept until it is back");

        let (at, _served) = collector(&store).await;
        let words = once(&at);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(probe(&network, &state, &words).await, Exit::Fine);
        assert!(spool.waiting().unwrap().is_empty());
        let rows = stored(&store);
        assert_eq!(rows.len(), 3);
        // The one that was taken without a check-in is kept and never scored.
        assert_eq!(rows.iter().filter(|row| row.network_known).count(), 2);
    });
}
