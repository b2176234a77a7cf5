//! Is a measurement attributed to the network that it was taken in, or to none, never to
//! another? A probe that moves between networks, over loopback.

mod loopback;

use faultline_collector::store::sqlite::Sqlite;
use faultline_core::id::Asn;
use faultline_probe::{cli::Exit, state::State};
use loopback::{Collector, Line, Probe, Says, block_on, resolver};
use std::{net::SocketAddr, path::Path, sync::Arc};

const NAME: &str = "news.example";
const HOME: Option<u32> = Some(64_501);
const CAFE: Option<u32> = Some(64_502);

struct Moving {
    store: Arc<Sqlite>,
    line: Line,
    probe: Probe,
}

impl Moving {
    async fn new(folder: &Path) -> Self {
        let line = Line::new(resolver(Says::Address([127, 0, 0, 1])).await);
        let probe = Probe::new(&folder.join("probe"), "");
        probe.agrees(&line, &["dns"]).await;
        Self {
            store: Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap()),
            line,
            probe,
        }
    }

    async fn collector(&self) -> Collector {
        Collector::open(&self.store, "", "", None).await
    }
}

/// The networks that rows are attributed to.
fn networks(collector: &Collector) -> Vec<Option<u32>> {
    let rows = collector.rows();
    let network = |asn: Asn, known: bool| known.then_some(asn.0);
    rows.iter()
        .map(|row| network(row.asn, row.network_known))
        .collect()
}

#[test]
fn a_token_stays_in_its_network() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let it = Moving::new(folder.path()).await;
        let collector = it.collector().await;
        let at = collector.at.clone();
        it.probe.once(&it.line, &at, &[NAME]).await;
        assert_eq!(networks(&collector), [HOME]);
        // In the café, without a collector: the token of home must not be used.
        collector.close().await;
        it.line.network.set(2);
        assert_eq!(it.probe.once(&it.line, &at, &[NAME]).await, Exit::Failed);
        // At home again, without a collector, after a restart: it still holds there.
        it.line.network.set(1);
        assert_eq!(it.probe.once(&it.line, &at, &[NAME]).await, Exit::Failed);
        // The backlog is uploaded from the café, which changes nothing of it.
        it.line.network.set(2);
        let collector = it.collector().await;
        it.probe.once(&it.line, &collector.at, &[NAME]).await;
        assert_eq!(networks(&collector), [HOME, None, HOME, CAFE]);
    });
}

#[test]
fn a_move_between_two_targets_is_noticed_and_one_within_a_measurement_is_of_no_network() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let it = Moving::new(folder.path()).await;
        let collector = it.collector().await;
        // A measurement of a name sends three datagrams: A, AAAA and the random label's A.
        it.line.moves.set(Some((2, 2)));
        it.probe
            .once(&it.line, &collector.at, &[NAME, NAME, NAME])
            .await;
        assert_eq!(networks(&collector), [None, CAFE, CAFE]);
    });
}

#[test]
fn a_token_that_ended_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let it = Moving::new(folder.path()).await;
        let collector = it.collector().await;
        let at = collector.at.clone();
        it.probe.once(&it.line, &at, &[NAME]).await;
        collector.close().await;
        let known = it.probe.state().join("network.json");
        let text = std::fs::read_to_string(&known).unwrap();
        let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(!text.contains("\"network\": null"), "{text}");
        kept["epoch"]["until"] = 0.into();
        std::fs::write(&known, kept.to_string()).unwrap();
        it.probe.once(&it.line, &at, &[NAME]).await;
        let collector = it.collector().await;
        it.probe.once(&it.line, &collector.at, &[NAME]).await;
        assert_eq!(networks(&collector), [HOME, None, HOME]);
        let own: Vec<SocketAddr> = State::open(&it.probe.state())
            .unwrap()
            .learned()
            .addresses()
            .iter()
            .map(|ip| SocketAddr::new(*ip, 0))
            .collect();
        assert_eq!(
            own,
            [SocketAddr::from(([127, 0, 0, 1], 0))],
            "where it was seen"
        );
    });
}

#[test]
fn a_collector_out_of_reach_is_asked_once_a_cycle_and_network() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let it = Moving::new(folder.path()).await;
        // Something that takes connections and says nothing that a collector would.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = std::rc::Rc::clone(&asked);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.set(count.get() + 1);
                drop(stream);
            }
        });
        it.probe.once(&it.line, &at, &[NAME, NAME, NAME]).await;
        assert_eq!(asked.get(), 2, "a check-in, and the upload at the end");
        it.line.moves.set(Some((3, 2)));
        it.probe.once(&it.line, &at, &[NAME, NAME, NAME]).await;
        assert_eq!(asked.get(), 5, "once more in the other network");
    });
}
