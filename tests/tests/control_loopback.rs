//! Does the control's view turn what a probe saw into a verdict? Real resolvers, web servers,
//! a collector with its control, and a probe, over loopback.

mod loopback;

use faultline_collector::store::{MeasurementRow, sqlite::Sqlite};
use faultline_core::{
    codec::{Identity, Purpose, from_cbor},
    observation::{Fetch, Observation, Step},
    protocol::{ControlRequest, Enrolled, Enrolment},
    value::{Blob, Ip},
};
use faultline_internet::authority::{Authority, Certificate};
use faultline_probe::{
    cli::Exit,
    net::{OsNetwork, SystemClock},
    trust,
    uplink::{Collector as Uplink, UplinkError},
};
use loopback::{Collector, Line, Probe, Says, block_on, censor, page, resolver, web};
use std::{net::SocketAddr, path::Path, sync::Arc};

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// A site over TLS and in the clear, a collector that looks at it, and a probe.
struct World {
    site: SocketAddr,
    plain: SocketAddr,
    authority: Authority,
    collector: Collector,
    probe: Probe,
}

impl World {
    async fn new(folder: &Path, plain: Vec<u8>) -> Self {
        let authority = Authority::new(7, "Loopback Root").unwrap();
        let roots = folder.join("roots.pem");
        std::fs::write(&roots, authority.root_pem()).unwrap();
        let valid = (&authority, Certificate::Valid);
        let site = web("127.0.0.1:0", Some(valid), page("")).await;
        let plain = web("127.0.0.1:0", None, plain).await;
        let honest = resolver(Says::Address(HERE)).await;
        let store = Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap());
        let roots = roots.display();
        let settings = format!(
            "[control]\nenabled = true\nresolvers = ['{honest}']\nextra_roots = '{roots}'\nallow_special = true"
        );
        let list = format!(
            "https://news.example:{}/,NEWS\nhttp://news.example:{}/,NEWS\n",
            site.port(),
            plain.port()
        );
        let seen = Some("192.0.2.77:5".parse().unwrap());
        let collector = Collector::open(&store, &settings, &list, seen).await;
        let settings = format!("extra_roots = '{roots}'\ncontact_special = true\n");
        Self {
            site,
            plain,
            authority,
            collector,
            probe: Probe::new(&folder.join("probe"), &settings),
        }
    }

    fn secure(&self) -> String {
        format!("https://news.example:{}/", self.site.port())
    }
    fn clear(&self) -> String {
        format!("http://news.example:{}/", self.plain.port())
    }

    /// What the collector makes of one target, names first.
    async fn verdicts(
        &self,
        line: &Line,
        target: &str,
    ) -> (Exit, Vec<(String, Option<String>)>) {
        let before = self.collector.rows().len();
        self.probe.agrees(line, &["dns", "web"]).await;
        let exit = self.probe.once(line, &self.collector.at, &[target]).await;
        let rows = self.collector.rows();
        let verdict = |row: &MeasurementRow| {
            let verdict = row.verdict.clone();
            (verdict.outcome, verdict.mechanism)
        };
        (exit, rows[before..].iter().map(verdict).collect())
    }
}

fn plainly(outcome: &str) -> (String, Option<String>) {
    (outcome.to_owned(), None)
}
fn anomaly(mechanism: &str) -> (String, Option<String>) {
    ("anomaly".to_owned(), Some(mechanism.to_owned()))
}

#[test]
fn an_honest_network_is_ok() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::new(folder.path(), page("")).await;
        let line = Line::new(resolver(Says::Address(HERE)).await);
        for target in [world.secure(), world.clear()] {
            let (exit, verdicts) = world.verdicts(&line, &target).await;
            assert_eq!(verdicts, [plainly("ok"), plainly("ok")], "{target}");
            assert_eq!(exit, Exit::Fine);
        }
        // A bare name has the control's lookups for its control.
        let (_, verdicts) = world.verdicts(&line, "news.example").await;
        assert_eq!(verdicts, [plainly("ok")]);
    });
}

#[test]
fn a_lying_resolver_is_an_anomaly_of_names() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::new(folder.path(), page("")).await;
        let denying = Line::new(resolver(Says::NxDomain).await);
        let (exit, verdicts) = world.verdicts(&denying, &world.secure()).await;
        assert_eq!(verdicts, [anomaly("dns.nxdomain"), anomaly("dns.nxdomain")]);
        assert_eq!(exit, Exit::Anomaly);
        // An address where somebody else answers: by names alone nothing can be said.
        let at = format!("127.0.0.2:{}", world.site.port());
        let other = Some((&world.authority, Certificate::WrongName));
        web(&at, other, page("")).await;
        let leading_astray = Line::new(resolver(Says::Address(ELSEWHERE)).await);
        let (_, verdicts) = world.verdicts(&leading_astray, &world.secure()).await;
        assert_eq!(
            verdicts,
            [plainly("inconclusive"), anomaly("dns.hijack.other")]
        );
    });
}

#[test]
fn resets_at_a_name_are_an_anomaly_of_tls() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::new(folder.path(), page("")).await;
        let mut line = Line::new(resolver(Says::Address(HERE)).await);
        line.detour = Some((world.site, censor(world.site, "news.example").await));
        let (exit, verdicts) = world.verdicts(&line, &world.secure()).await;
        assert_eq!(verdicts, [plainly("ok"), anomaly("tls.reset.sni")]);
        assert_eq!(exit, Exit::Anomaly);
    });
}

#[test]
fn another_page_in_the_clear_is_an_anomaly_of_http() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::new(folder.path(), page(&"news ".repeat(1000))).await;
        let blocked = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nblocked".to_vec();
        let mut line = Line::new(resolver(Says::Address(HERE)).await);
        line.detour = Some((world.plain, web("127.0.0.1:0", None, blocked).await));
        let (_, verdicts) = world.verdicts(&line, &world.clear()).await;
        assert_eq!(verdicts, [plainly("ok"), anomaly("http.diff")]);
    });
}

fn fetched(rows: &[MeasurementRow]) -> Fetch {
    let observations = rows.iter().flat_map(|row| &row.observations);
    let mut decoded = observations.map(|o| from_cbor::<Observation>(&o.payload).unwrap());
    decoded
        .find_map(|seen| match seen.step {
            Step::Fetch(fetch) => Some(fetch),
            _ => None,
        })
        .unwrap()
}

#[test]
fn the_address_that_the_collector_saw_is_scrubbed_from_pages() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::new(folder.path(), page("You are 192.0.2.77")).await;
        let line = Line::new(resolver(Says::Address(HERE)).await);
        world.verdicts(&line, &world.clear()).await;
        let body = fetched(&world.collector.rows()).body.unwrap().0;
        assert!(body.ends_with(b"You are 000.0.0.00"), "{body:?}");
        // A restart without a collector remembers it.
        let words = ["--format", "json", "once", "--no-upload", &world.clear()];
        let (_, told) = world.probe.types(&line, &words).await;
        assert!(!told.contains(&hex(b"192.0.2.77")) && told.contains(&hex(b"000.0.0.00")));
    });
}

fn hex(octets: &[u8]) -> String {
    serde_json::to_string(&Blob(octets.to_vec()))
        .unwrap()
        .replace('"', "")
}

#[test]
fn a_body_that_cannot_be_scrubbed_stays_at_home() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let coded =
            b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 10\r\n\r\n192.0.2.77";
        let world = World::new(folder.path(), coded.to_vec()).await;
        let line = Line::new(resolver(Says::Address(HERE)).await);
        let (_, verdicts) = world.verdicts(&line, &world.clear()).await;
        assert_eq!(verdicts, [plainly("ok"), plainly("ok")]);
        let fetch = fetched(&world.collector.rows());
        assert_eq!((fetch.body, fetch.body_length), (None, 10));
        assert!(fetch.body_sha256.is_some());
    });
}

#[test]
fn the_control_refuses_strangers_and_what_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let world = World::new(folder.path(), page("")).await;
        let key = Identity::from_bytes(&[3; 32]).unwrap();
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(trust::RootCertStore::empty())
            .with_no_client_auth();
        let uplink = Uplink::new(&world.collector.at, Arc::new(tls)).unwrap();
        let (net, clock) = (OsNetwork::new(), SystemClock::new());
        let ask = async |named: &Identity, target: &str| {
            let request = ControlRequest {
                probe: named.public().probe_id(),
                target: target.into(),
                addresses: vec![Ip(HERE.into())],
                brief: None,
                transports: None,
            };
            let sealed = key.seal(Purpose::Request, &request);
            let asked = uplink.ask::<_, _, ControlRequest>(&net, &clock, "/v1/control", sealed);
            match asked.await {
                Err(UplinkError::Refused { code, message }) => {
                    assert!(message.contains(' '), "a sentence: {message}");
                    code
                }
                Err(UplinkError::Stranger { status, .. }) => status.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(ask(&key, &world.secure()).await, "unknown_probe");
        let enrolment = Enrolment {
            public_key: Blob(key.public().to_sec1()),
            consent: 1,
            software: "test".into(),
        };
        let sealed = key.seal(Purpose::Request, &enrolment);
        let enrolled = uplink.ask::<_, _, Enrolled>(&net, &clock, "/v1/probes", sealed);
        enrolled.await.unwrap();
        let other = Identity::from_bytes(&[4; 32]).unwrap();
        assert_eq!(ask(&other, &world.secure()).await, "wrong_signer");
        for target in [
            "https://victim.example/",
            "http://127.0.0.1:22/",
            &world.collector.at,
        ] {
            let target = url(target);
            assert_eq!(ask(&key, &target).await, "unknown_target", "{target}");
        }
        for target in [
            "ftp://news.example/",
            "https://a:b@news.example/",
            "",
            "a b",
        ] {
            assert_eq!(ask(&key, target).await, "bad_target", "{target}");
        }
        assert_eq!(
            ask(&key, &world.secure()).await,
            "200",
            "what is listed is looked at"
        );
    });
}

/// With the final slash of the normal form.
fn url(text: &str) -> String {
    if text.ends_with('/') {
        text.to_owned()
    } else {
        format!("{text}/")
    }
}
