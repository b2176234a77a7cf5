//! Are OONI's documents kept once each, with their place, under the import key, and served
//! with both verdicts and the evidence that ours rests on?

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode},
};
use faultline_collector::{
    api::{Arrivals, Scores, Service, router},
    config::Config,
    import::{
        Importer, Kept, convert,
        ooni::{Document, files, read_measurements},
    },
    ingest::{Enricher, Ingest, Nowhere},
    rules::Rules,
    store::{Enrichment, Facts as _, Incoming, ReceiptRecord, rebuild, sqlite::Sqlite},
};
use faultline_core::{
    codec::Identity,
    id::{BatchId, MeasurementId},
    time::UnixTime,
    value::Blob,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
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

fn keep(store: &Sqlite, document: &Document<'_>) -> (MeasurementId, Kept) {
    let importer = Importer {
        store,
        enricher: &Nowhere,
        judge: &Rules,
        key: &key(3),
    };
    importer.enrol(NOW).unwrap();
    let converted = convert(document, &|_| None).unwrap();
    let id = importer.identity(&converted);
    (id, importer.keep(converted, NOW).unwrap())
}

fn app(store: &Arc<Sqlite>) -> Router {
    app_with_arrivals(store).0
}

fn app_with_arrivals(store: &Arc<Sqlite>) -> (Router, Arc<Arrivals>) {
    let enricher: Arc<dyn Enricher> = Arc::new(Nowhere);
    let collector = key(9);
    let config = Config::default();
    let importer = Some(key(3).public().probe_id());
    let scores = Arc::new(Scores::new(&config, importer).unwrap());
    let arrivals = Arc::new(Arrivals::load(Arc::clone(&scores), store).unwrap());
    let watch = Arc::clone(&arrivals);
    let ingest = Ingest::new(
        Arc::clone(store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        collector.public(),
    )
    .watched_by(Arc::new(move |rows| watch.hear(rows)));
    let router = router(Arc::new(Service {
        importer,
        ..Service::new(config, store.clone(), ingest, collector, scores, || NOW)
    }))
    .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5))));
    (router, arrivals)
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
        (
            "ghostDNSBlockingWithHTTP",
            ("inconclusive", "inconclusive.rewriting_untested"),
        ),
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
        let mut found = read_measurements(&file).unwrap();
        while let Some(found) = found.next_document() {
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
        let classic = whole["classic"].as_object().unwrap();
        assert_eq!(classic.len(), 15, "{classic:?}");
        for (field, got) in classic.iter().filter(|(field, _)| *field != "rules") {
            let same = match (got.as_f64(), want[field].as_f64()) {
                (Some(got), Some(want)) => (got - want).abs() < 1e-9,
                _ => *got == want[field],
            };
            assert!(same, "{name}: {field} is {got}, expected {}", want[field]);
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

/// A document of a name that the system's resolver denies and the test helper resolves.
fn denied(name: &str, version: &str) -> Value {
    let tags = json!(["classic", "depth=0"]);
    json!({
        "test_name": "web_connectivity", "test_version": version,
        "software_name": "ooniprobe", "software_version": "3.22.0",
        "report_id": "20240229T000001Z_webconnectivity_XA_64500_n1_x",
        "input": format!("https://{name}/"), "probe_cc": "XA", "probe_asn": "AS64500",
        "measurement_start_time": "2024-02-29 00:00:01", "test_runtime": 1.0,
        "test_keys": {
            "control_failure": null,
            "queries": [{
                "engine": "getaddrinfo", "hostname": name, "query_type": "ANY",
                "failure": "dns_nxdomain_error", "answers": null,
                "transaction_id": 1, "t": 0.1, "tags": tags,
            }],
            "tcp_connect": [], "tls_handshakes": [], "requests": [],
            "x_control_request": { "http_request": format!("https://{name}/") },
            "control": {
                "dns": { "failure": null, "addrs": ["20.1.0.1"] },
                "tcp_connect": { "20.1.0.1:443": { "status": true, "failure": null } },
                "http_request": { "failure": null, "status_code": 200, "headers": {} },
            },
        },
    })
}

#[tokio::test]
async fn a_verdict_of_the_source_stands_beside_ours_and_survives_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let app = app(&store);
    for (version, x_status) in [("0.5.28", Value::Null), ("0.4.3", json!(2080))] {
        let (id, kept) = keep(&store, &Document::new(&denied("news.example", version)));
        assert_eq!(kept, Kept::Stored);
        let whole = served(&app, id).await;
        evidence_holds(&whole);
        assert_eq!(whole["mechanism"], "dns.nxdomain");
        assert_eq!(whole["reasons"][0]["rule"], "dns.negative");
        assert_eq!(
            whole["control"]["observations"][0]["step"]["role"],
            "helper"
        );
        assert_eq!(whole["classic"]["rules"], &version[..3]);
        assert_eq!(whole["classic"]["blocking"], "dns");
        assert_eq!(whole["classic"]["accessible"], false);
        assert_eq!(whole["classic"]["x_status"], x_status);
        assert_eq!(
            whole["imported"]["test"],
            format!("web_connectivity {version}")
        );
        let before = store.digest().unwrap();
        rebuild(&*store, Arc::new(Rules)).unwrap();
        assert_eq!(store.digest().unwrap(), before);
        assert_eq!(served(&app, id).await, whole);
    }
}

#[test]
fn nobody_can_take_the_place_of_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let converted =
        convert(&Document::new(&denied("news.example", "0.5.28")), &|_| None).unwrap();
    let importer = |key| Importer {
        store: &*store,
        enricher: &Nowhere,
        judge: &Rules,
        key,
    };
    let (one, other) = (key(3), key(4));
    let ids = [&one, &other].map(|key| importer(key).identity(&converted));
    assert_ne!(ids[0], ids[1]);
    assert!(!ids.contains(&converted.measurement.id));
}

#[test]
fn a_document_is_the_same_however_it_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let document = denied("news.example", "0.5.28");
    let pretty = format!("{document:#}");
    let pretty = Document::parse(&pretty).unwrap();
    let (one, kept) = keep(&store, &Document::new(&document));
    assert_eq!(kept, Kept::Stored);
    assert_eq!(keep(&store, &pretty), (one, Kept::Known));
}

fn collector(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("collector.toml");
    let state = folder.join("state");
    std::fs::write(&config, format!("state = {:?}\n", state.to_str().unwrap())).unwrap();
    Command::new(env!("CARGO_BIN_EXE_faultline-collector"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_commands_take_what_they_can_and_say_what_they_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let documents = folder.path().join("documents");
    std::fs::create_dir_all(documents.join("2024/XA")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(documents.join(name), bytes).unwrap();
    let other = json!({ "test_name": "whatsapp", "test_keys": {} });
    let lines = format!(
        "{}\nnonsense\n{other}\n{}\n",
        denied("a.example", "0.5.28"),
        denied("b.example", "0.4.3")
    );
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(lines.as_bytes()).unwrap();
    let mut gz = gz.finish().unwrap();
    gz.extend_from_slice(b"garbage behind the stream");
    write("2024/XA/lines.jsonl.gz", &gz);
    let mut unjudged = denied("c.example", "0.4.3");
    unjudged["test_keys"]["queries"] = json!([]);
    write("pretty.json", format!("{unjudged:#}").as_bytes());
    write("broken.json.gz", b"\x1f\x8b");
    write(
        "undated.json",
        br#"{"test_name":"web_connectivity","input":"http://a.example/"}"#,
    );
    let at = documents.to_str().unwrap();

    for command in ["import", "judge"] {
        let nowhere = collector(folder.path(), &[command, "ooni", "nowhere"]);
        assert_eq!(nowhere.status.code(), Some(2), "{command}");
        assert!(String::from_utf8_lossy(&nowhere.stderr).contains("nowhere is not there"));
    }
    let first = collector(folder.path(), &["import", "ooni", at]);
    assert_eq!(first.status.code(), Some(1));
    let said = String::from_utf8(first.stdout).unwrap();
    assert_eq!(
        said.lines().next().unwrap(),
        "stored 3, known already 0, of other nettests 1, left out 4"
    );
    for what in [
        "kept and not judged: 1 of whatsapp",
        "left out: 2, file that ends before its end",
        "left out: 1, its measurement_start_time is missing or no time",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    let whatsapp = folder
        .path()
        .join("state/other-nettests/whatsapp.jsonl.zst");
    let whatsapp = zstd::decode_all(std::fs::File::open(whatsapp).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&whatsapp).unwrap(), other);
    let talk = String::from_utf8(first.stderr).unwrap();
    for what in [
        "lines.jsonl.gz, line 2: not a measurement in JSON",
        "lines.jsonl.gz cannot be read beyond line 4",
        "broken.json.gz cannot be read beyond line 0",
        "undated.json, line 1: its measurement_start_time is missing",
    ] {
        assert!(talk.contains(what), "{what}: {talk}");
    }
    let again = collector(folder.path(), &["import", "ooni", at]);
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(said.starts_with("stored 0, known already 3,"), "{said}");

    let judged = collector(folder.path(), &["judge", "ooni", at]);
    assert_eq!(judged.status.code(), Some(1));
    let lines: Vec<Value> = judged
        .stdout
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let blocked = lines.iter().filter(|l| l["verdict"]["blocking"] == "dns");
    assert_eq!(blocked.count(), 2);
    let unjudged: Vec<_> = lines
        .iter()
        .filter(|l| l.get("unjudged").is_some())
        .collect();
    assert_eq!(unjudged.len(), 2, "no lookup, or nothing at all");
    for line in unjudged {
        assert_eq!(line["verdict"]["blocking"], Value::Null);
        assert_eq!(line["verdict"]["accessible"], Value::Null);
    }
    assert_eq!(lines.iter().filter(|l| l.get("error").is_some()).count(), 3);
    assert_eq!(
        lines.iter().filter(|l| l.get("skipped").is_some()).count(),
        1
    );
    let talk = String::from_utf8(judged.stderr).unwrap();
    assert!(
        talk.contains(
            "2 judged, 2 without what a judgement needs, 1 of other nettests, 3 unreadable"
        ),
        "{talk}"
    );
}

/// The importer is killed while it waits for its second file, and started again.
#[test]
fn a_killed_import_goes_on_and_keeps_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let documents = folder.path().join("documents");
    std::fs::create_dir_all(&documents).unwrap();
    let other = json!({ "test_name": "ndt", "test_keys": {} });
    let text = |from: u32, to: u32| {
        let lines = (from..to)
            .map(|n| format!("{}\n{other}\n", denied(&format!("s{n}.example"), "0.5.28")));
        lines.collect::<String>()
    };
    std::fs::write(documents.join("a.jsonl"), text(0, 20)).unwrap();
    let second = documents.join("b.jsonl");
    let made = Command::new("mkfifo").arg(&second).status();
    assert!(
        made.is_ok_and(|made| made.success()),
        "mkfifo is of coreutils"
    );
    std::fs::write(documents.join("c.jsonl"), text(30, 40)).unwrap();
    let at = documents.to_str().unwrap();
    let config = folder.path().join("collector.toml");
    let state = folder.path().join("state");
    std::fs::write(&config, format!("state = {:?}\n", state.to_str().unwrap())).unwrap();
    let mut running = Command::new(env!("CARGO_BIN_EXE_faultline-collector"))
        .arg("--config")
        .arg(&config)
        .args(["import", "ooni", at])
        .spawn()
        .unwrap();
    // Opening waits for whoever reads: by then the first file is done.
    let mut pipe = std::fs::OpenOptions::new()
        .write(true)
        .open(&second)
        .unwrap();
    let half = text(20, 30);
    pipe.write_all(&half.as_bytes()[..half.len() / 2]).unwrap();
    let busy = collector(folder.path(), &["import", "ooni", at]);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("another import is at work"));
    running.kill().unwrap();
    running.wait().unwrap();
    drop(pipe);
    std::fs::remove_file(&second).unwrap();
    std::fs::write(&second, half).unwrap();
    let rest = collector(folder.path(), &["import", "ooni", at]);
    let said = String::from_utf8(rest.stdout).unwrap();
    let sums = |said: &str| -> Vec<u64> {
        let line = said
            .lines()
            .next()
            .unwrap()
            .split(|c: char| !c.is_ascii_digit());
        line.filter_map(|number| number.parse().ok()).collect()
    };
    let [stored, known, others, left_out] = sums(&said)[..] else {
        panic!("{said}");
    };
    assert_eq!((stored + known, others, left_out), (40, 40, 0), "{said}");
    assert!(known >= 20, "{said}");
    let kept = std::fs::File::open(state.join("other-nettests/ndt.jsonl.zst")).unwrap();
    let kept = String::from_utf8(zstd::decode_all(kept).unwrap()).unwrap();
    assert_eq!(kept.lines().count(), 40);
    let again = collector(folder.path(), &["import", "ooni", at]);
    assert_eq!(
        sums(&String::from_utf8(again.stdout).unwrap()),
        [0, 40, 40, 0]
    );
}

async fn measured(app: &Router) -> Value {
    let request = Request::get("/v1/targets").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let value: Value = serde_json::from_slice(&body).unwrap();
    let targets = value["targets"].as_array().unwrap().iter();
    let count = |target: &Value| (target["target"].clone(), target["measurements"].clone());
    targets.map(|target| json!(count(target))).collect()
}

#[tokio::test]
async fn what_another_process_imports_shows_without_a_restart_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let keep = |store: &Sqlite, name: &str, version: &str| {
        keep(store, &Document::new(&denied(name, version)))
    };
    let served = open(folder.path());
    keep(&served, "before.example", "0.5.28");
    let (app, arrivals) = app_with_arrivals(&served);
    let before = json!([["https://before.example/", 1]]);
    assert_eq!(measured(&app).await, before);
    assert_eq!(arrivals.look(&served).unwrap(), 0);
    // Another handle on the file is what another process has.
    let other = open(folder.path());
    keep(&other, "new.example", "0.5.28");
    keep(&other, "before.example", "0.5.28");
    assert_eq!(measured(&app).await, before, "nobody has looked yet");
    assert_eq!(arrivals.look(&served).unwrap(), 1);
    let after = json!([["https://before.example/", 1], ["https://new.example/", 1]]);
    assert_eq!(measured(&app).await, after);
    assert_eq!(arrivals.look(&served).unwrap(), 0);
    assert_eq!(measured(&app).await, after);
    // What this process stored and told is not taken in a second time, in either order.
    let (id, _) = keep(&served, "third.example", "0.5.28");
    let row = served.measurement(id).unwrap().unwrap();
    arrivals.hear(std::slice::from_ref(&row));
    assert_eq!(arrivals.look(&served).unwrap(), 0);
    // A batch whose bytes do not read hides nothing of what comes after it.
    served
        .append(Incoming {
            receipt: ReceiptRecord {
                batch: BatchId([8; 16]),
                probe: key(3).public().probe_id(),
                sequence: 1 << 40,
                sha256: [0; 32],
                received: NOW,
                measurements: 1,
                enrichment: Enrichment {
                    geo: Blob(vec![]),
                    addresses: vec![],
                    places: vec![],
                },
            },
            bytes: b"no batch".to_vec(),
            rows: vec![],
        })
        .unwrap();
    let (id, _) = keep(&served, "third.example", "0.4.3");
    let row = served.measurement(id).unwrap().unwrap();
    assert_eq!(arrivals.look(&served).unwrap(), 1);
    arrivals.hear(&[row]);
    let third = &measured(&app).await[2];
    assert_eq!(*third, json!(["https://third.example/", 2]));
}
