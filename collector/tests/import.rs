//! Are OONI's documents kept once each, with their place, under the import key, and served
//! with both verdicts and the evidence that ours rests on?

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode},
};
use faultline_collector::{
    api::{Service, router},
    config::Config,
    import::{
        Importer, Kept, convert,
        ooni::{Document, files, read_measurements},
    },
    ingest::{Enricher, Ingest, Nowhere},
    rules::Rules,
    store::{Facts as _, rebuild, sqlite::Sqlite},
};
use faultline_core::{codec::Identity, id::MeasurementId, time::UnixTime};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tower::ServiceExt as _;

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

fn key(byte: u8) -> Identity {
    Identity::from_bytes(&[byte; 32]).unwrap()
}

fn open(folder: &Path) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap())
}

fn keep(store: &Sqlite, document: &Document) -> (MeasurementId, Kept) {
    let importer = Importer {
        store,
        enricher: &Nowhere,
        judge: &Rules,
        key: &key(3),
    };
    importer.enrol(NOW).unwrap();
    let converted = convert(document, &|_| None).unwrap();
    let id = converted.measurement.id;
    (id, importer.keep(converted, NOW).unwrap())
}

fn app(store: &Arc<Sqlite>) -> Router {
    let enricher: Arc<dyn Enricher> = Arc::new(Nowhere);
    let collector = key(9);
    let ingest = Ingest::new(
        Arc::clone(store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        collector.public(),
    );
    router(Arc::new(Service {
        config: Config::default(),
        store: Arc::clone(store),
        ingest,
        enricher,
        identity: collector,
        importer: Some(key(3).public().probe_id()),
        targets: vec![],
        now: || NOW,
    }))
    .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5))))
}

async fn served(app: &Router, id: MeasurementId) -> Value {
    let request = Request::get(format!("/v1/measurements/{id}"));
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{id}");
    let body = to_bytes(response.into_body(), 32 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Every index in a reason is that of an observation which is served.
fn evidence_holds(whole: &Value) {
    let indexes = |list: &Value| -> Vec<u64> {
        let list = list.as_array().map_or(&[][..], Vec::as_slice);
        list.iter().map(|o| o["index"].as_u64().unwrap()).collect()
    };
    let (own, there) = (
        indexes(&whole["observations"]),
        indexes(&whole["control"]["observations"]),
    );
    assert_eq!(own, (0..own.len() as u64).collect::<Vec<_>>());
    assert_eq!(there, (0..there.len() as u64).collect::<Vec<_>>());
    let reasons = whole["reasons"].as_array().unwrap();
    assert!(!reasons.is_empty(), "{whole:#}");
    for reason in reasons {
        for (field, known) in [("observations", &own), ("control", &there)] {
            for index in reason[field].as_array().into_iter().flatten() {
                assert!(known.contains(&index.as_u64().unwrap()), "{reason}");
            }
        }
    }
}

fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let data = shared.join("data/ooni");
    if data.exists() {
        return Some(data);
    }
    println!("skipped: no ../shared");
    None
}

/// What we say of OONI's own samples. Never an accusation where OONI expects `accessible`;
/// where OONI expects blocking, its mechanism, or why it cannot be told from one document.
/// The mechanism, or the outcome where there is none; and the rule.
fn ours() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    BTreeMap::from([
        ("badSSLWithExpiredCertificate", ("down", "control.fails")),
        (
            "cloudflareCAPTCHAWithHTTP",
            ("refused", "http.server_refuses"),
        ),
        (
            "controlFailureWithSuccessfulHTTPWebsite",
            ("inconclusive", "inconclusive.no_control"),
        ),
        ("dnsBlockingNXDOMAIN", ("dns.nxdomain", "dns.negative")),
        ("dnsHijackingToProxyWithHTTPURL", ("ok", "http.page_agrees")),
        ("ghostDNSBlockingWithHTTP", ("dns.ghost", "dns.ghost")),
        (
            "httpBlockingConnectionReset",
            ("inconclusive", "inconclusive.not_repeated"),
        ),
        (
            "httpDiffWithInconsistentDNS",
            ("http.diff", "http.page_differs"),
        ),
        ("localhostWithHTTP", ("down", "control.fails")),
        (
            "redirectWithConsistentDNSAndThenConnectionResetForHTTPS",
            ("inconclusive", "inconclusive.control_elsewhere"),
        ),
        (
            "redirectWithConsistentDNSAndThenTimeoutForHTTP",
            ("inconclusive", "inconclusive.not_repeated"),
        ),
        ("successWithHTTPS", ("ok", "http.authenticated")),
        (
            "tcpBlockingConnectTimeout",
            ("inconclusive", "inconclusive.not_repeated"),
        ),
        (
            "tlsBlockingConnectionResetWithInconsistentDNS",
            ("inconclusive", "inconclusive.not_repeated"),
        ),
        ("websiteDownNoAddrs", ("down", "control.fails")),
    ])
}

#[tokio::test]
async fn the_shared_documents_are_kept_once_and_served_with_both_verdicts() {
    let Some(data) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut kept = Vec::new();
    for file in files(&data.join("measurements")) {
        let file = file.unwrap();
        for found in read_measurements(&file).unwrap() {
            let (_, document) = found.unwrap();
            let (id, first) = keep(&store, &document);
            let (again, second) = keep(&store, &document);
            assert_eq!((first, second), (Kept::Stored, Kept::Known));
            assert_eq!(id, again);
            kept.push((file.clone(), id));
        }
    }
    assert_eq!(kept.len(), 15);
    let expected: Value =
        serde_json::from_slice(&std::fs::read(data.join("expected.json")).unwrap()).unwrap();
    let (app, ours) = (app(&store), ours());
    for (file, id) in &kept {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let name = name.trim_start_matches("generated__");
        let whole = served(&app, *id).await;
        let want = &expected[name]["verdict"];
        for field in ["blocking", "accessible", "dns_consistency"] {
            assert_eq!(whole["classic"][field], want[field], "{name}: {field}");
        }
        assert_eq!(whole["source"], "import");
        assert_eq!(whole["imported"]["source"], "ooni");
        evidence_holds(&whole);
        let said = whole["mechanism"].as_str().or(whole["outcome"].as_str());
        let rule = whole["reasons"][0]["rule"].as_str();
        assert_eq!((said.unwrap(), rule.unwrap()), ours[name], "{name}");
        if want["accessible"] == true {
            assert_ne!(whole["outcome"], "anomaly", "{name}");
        }
    }
    let before = store.digest().unwrap();
    rebuild(&*store, Arc::new(Rules)).unwrap();
    assert_eq!(store.digest().unwrap(), before);
}
