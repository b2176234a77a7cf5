//! Does the API take in what it should, refuse the rest with a word and a sentence, and show
//! only what is public?

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::connect_info::MockConnectInfo,
    http::{Request, StatusCode},
};
use faultline_collector::{
    api::{Scores, Service, openapi, router},
    config::Config,
    ingest::{Enricher, Ingest},
    rules::Rules,
    store::sqlite::Sqlite,
    targets,
};
use faultline_core::{
    codec::{Envelope, Identity, Purpose, from_cbor},
    id::{Asn, BatchId, Country, MeasurementId},
    measurement::{
        Batch, Driver, Experiment, Imported, Measurement, NetworkEpoch, SCHEMA_VERSION, Source,
    },
    observation::{AddressSource, Connect, Observation, Step},
    protocol::{CheckIn, CheckInReply, ControlRequest, Enrolled, Enrolment, Receipt, Refusal},
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};
use serde_json::Value;
use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};
use tower::ServiceExt as _;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const OPERATOR: &str = "0123456789abcdef";

struct OneCountry;
impl Enricher for OneCountry {
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

fn key(byte: u8) -> Identity {
    Identity::from_bytes(&[byte; 32]).unwrap()
}

fn app(folder: &Path, settings: &str) -> Router {
    let store = Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap());
    let enricher: Arc<dyn Enricher> = Arc::new(OneCountry);
    let collector = key(9);
    let config = Config::parse(settings).unwrap();
    let scores = Arc::new(Scores::new(&config, None).unwrap());
    let watch = Arc::clone(&scores);
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        collector.public(),
    )
    .watched_by(Arc::new(move |rows| watch.add(rows)));
    router(Arc::new(Service {
        targets: targets::parse(targets::BUILT_IN),
        ..Service::new(config, store, ingest, collector, scores, || NOW)
    }))
    .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5))))
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 32 << 20).await.unwrap();
    (status, body.to_vec())
}
async fn post(app: &Router, path: &str, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let request = Request::post(path).body(Body::from(body)).unwrap();
    send(app, request).await
}
async fn get(app: &Router, path: &str, token: Option<&str>) -> (StatusCode, Value) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("x-operator-token", token);
    }
    let (status, body) = send(app, request.body(Body::empty()).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}
async fn refused(app: &Router, path: &str, body: Vec<u8>, code: &str) {
    let (status, body) = post(app, path, body).await;
    assert!(!status.is_success(), "{code}");
    let refusal: Refusal = from_cbor(&body).unwrap();
    assert_eq!(refusal.code, code);
    assert!(refusal.message.contains(' '), "a sentence: {refusal:?}");
}

fn enrolment(probe: &Identity) -> Vec<u8> {
    let enrolment = Enrolment {
        public_key: Blob(probe.public().to_sec1()),
        consent: 1,
        software: "test".into(),
    };
    probe.seal(Purpose::Request, &enrolment)
}
fn check_in(probe: &Identity) -> Vec<u8> {
    let check_in = CheckIn {
        probe: probe.public().probe_id(),
        consent: 1,
        software: "test".into(),
        clock: NOW,
        risk: Some(faultline_core::protocol::Risk::Medium),
    };
    probe.seal(Purpose::Request, &check_in)
}
fn batch(probe: &Identity, n: u8, network: Option<&Blob>) -> Batch {
    Batch {
        schema: SCHEMA_VERSION,
        probe: probe.public().probe_id(),
        id: BatchId([n; 16]),
        sequence: 0,
        created: NOW,
        measurements: (0..3)
            .map(|i| measurement([n + i; 16], network.cloned()))
            .collect(),
        ledger: None,
    }
}
fn measurement(id: [u8; 16], network: Option<Blob>) -> Measurement {
    Measurement {
        id: MeasurementId(id),
        experiment: Experiment::Web,
        target: "https://news.example/".into(),
        started: NOW,
        clock: ClockQuality::Ntp,
        runtime: 5,
        software: "test".into(),
        driver: Driver::Simulated,
        limits: vec![],
        bytes_sent: 1,
        bytes_received: 2,
        network,
        control: None,
        settings: vec![],
        consent: 1,
        observations: vec![Observation {
            started: 1,
            ended: 2,
            step: Step::Connect(Connect {
                ip: Ip(IpAddr::from([192, 0, 2, 7])),
                port: 443,
                source: AddressSource::Probe,
            }),
            failure: None,
        }],
        imported: Some(Imported {
            source: Source::Ooni,
            test: "claimed".into(),
            report: None,
            uid: None,
            verdict: Some("{}".into()),
        }),
    }
}

async fn upload(app: &Router) -> Vec<u8> {
    let probe = key(1);
    let (status, body) = post(app, "/v1/probes", enrolment(&probe)).await;
    assert_eq!(status, StatusCode::OK);
    let enrolled: Enrolled = from_cbor(&body).unwrap();
    assert_eq!(enrolled.probe, probe.public().probe_id());
    assert_eq!(enrolled.collector_key.0, key(9).public().to_sec1());
    let (_, body) = post(app, "/v1/check-in", check_in(&probe)).await;
    let reply: CheckInReply = from_cbor(&body).unwrap();
    assert_eq!((reply.time, reply.targets.is_empty()), (NOW, false));
    let seen = Ip(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(reply.address, Some(seen), "where the request came from");
    let traces = reply.traces.unwrap();
    assert!(!traces.namespace.is_empty() && traces.special.len() == 1);
    assert!(traces.transparency.is_empty(), "there is no test zone");
    let token = reply.network.unwrap();
    let epoch: NetworkEpoch = Envelope::parse(&token.0)
        .unwrap()
        .open(Purpose::NetworkEpoch, &key(9).public())
        .unwrap();
    assert_eq!((epoch.asn, epoch.country.as_str()), (Asn(64_501), "XA"));
    let sealed = probe.seal(Purpose::Batch, &batch(&probe, 10, Some(&token)));
    let (_, body) = post(app, "/v1/batches", sealed.clone()).await;
    let receipt: Receipt = from_cbor(&body).unwrap();
    assert_eq!((receipt.duplicate, receipt.measurements), (false, 3));
    sealed
}

#[tokio::test]
async fn a_probe_enrols_checks_in_and_uploads_once() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), &format!("operator_token = \"{OPERATOR}\""));
    let sealed = upload(&app).await;
    let (status, body) = post(&app, "/v1/batches", sealed).await;
    assert_eq!(status, StatusCode::OK);
    assert!(from_cbor::<Receipt>(&body).unwrap().duplicate);
    let (_, public) = get(&app, "/v1/summary", None).await;
    assert_eq!(
        public["summary"],
        serde_json::json!([]),
        "one probe is below the floor"
    );
    let (_, summary) = get(&app, "/v1/summary", Some(OPERATOR)).await;
    let line = &summary["summary"][0];
    assert_eq!(line["country"], "XA");
    assert_eq!(
        (&line["measurements"], &line["probes"]),
        (&3.into(), &1.into())
    );
    assert_eq!(line["outcomes"]["inconclusive"], 3);
}

#[tokio::test]
async fn refusals_have_a_word_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), "");
    let probe = key(1);
    refused(&app, "/v1/check-in", check_in(&probe), "unknown_probe").await;
    let sealed = probe.seal(Purpose::Batch, &batch(&probe, 1, None));
    refused(&app, "/v1/batches", sealed, "unknown_probe").await;
    let mut forged = enrolment(&probe);
    *forged.last_mut().unwrap() ^= 1;
    refused(&app, "/v1/probes", forged, "bad_signature").await;
    refused(&app, "/v1/probes", b"nonsense".to_vec(), "malformed").await;
    upload(&app).await;
    let mut forged = probe.seal(Purpose::Batch, &batch(&probe, 40, None));
    *forged.last_mut().unwrap() ^= 1;
    refused(&app, "/v1/batches", forged, "bad_signature").await;
    let other = probe.seal(Purpose::Batch, &batch(&probe, 10, None));
    refused(&app, "/v1/batches", other, "batch_conflict").await;
    let stranger = probe.seal(Purpose::Batch, &batch(&key(2), 50, None));
    refused(&app, "/v1/batches", stranger, "wrong_signer").await;
    refused(&app, "/v1/batches", vec![0; (4 << 20) + 1], "too_large").await;
    let ask = ControlRequest {
        probe: probe.public().probe_id(),
        target: "https://news.example/".into(),
        addresses: vec![],
        brief: None,
        transports: None,
    };
    let ask = probe.seal(Purpose::Request, &ask);
    refused(&app, "/v1/control", ask, "control_off").await;
    let request = Request::post("/v1/batches").header("accept", "application/json");
    let (_, body) = send(&app, request.body(Body::from("x")).unwrap()).await;
    let refusal: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(refusal["code"], "malformed_envelope");
    let request = Request::post("/v1/batches").header("content-encoding", "gzip");
    let (status, _) = send(&app, request.body(Body::from("x")).unwrap()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for path in [
        "/v1/measurements?x=1",
        "/v1/measurements?after=1",
        "/v1/measurements/1",
    ] {
        assert_eq!(get(&app, path, None).await.1["code"], "bad_query", "{path}");
    }
    assert_eq!(get(&app, "/v2", None).await.1["code"], "not_found");
}

#[tokio::test]
async fn evidence_of_volunteers_is_shown_to_the_operator_alone() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), &format!("operator_token = '{OPERATOR}'"));
    upload(&app).await;
    let one = format!("/v1/measurements/{}", MeasurementId([10; 16]));
    for token in [None, Some("0123456789abcdeX")] {
        assert_eq!(get(&app, &one, token).await.0, StatusCode::NOT_FOUND);
        let (_, list) = get(&app, "/v1/measurements", token).await;
        assert_eq!(list["measurements"].as_array().unwrap().len(), 0);
        let (_, list) = get(&app, "/v1/verdicts", token).await;
        assert_eq!(list["verdicts"].as_array().unwrap().len(), 0);
    }
    let (_, whole) = get(&app, &one, Some(OPERATOR)).await;
    assert_eq!(whole["observations"][0]["index"], 0);
    assert_eq!(whole["observations"][0]["step"]["kind"], "connect");
    // A probe's word on where its measurement comes from is not repeated.
    assert_eq!((whole.get("classic"), whole.get("imported")), (None, None));
    let text = whole.to_string();
    assert!(!text.contains(&key(1).public().probe_id().to_string()));
}

#[tokio::test]
async fn the_summary_counts_probes_and_networks_and_keeps_the_floor() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), &format!("operator_token = '{OPERATOR}'"));
    for (n, seen) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
        let probe = key(n);
        post(&app, "/v1/probes", enrolment(&probe)).await;
        let (_, body) = post(&app, "/v1/check-in", check_in(&probe)).await;
        let token = from_cbor::<CheckInReply>(&body).unwrap().network.unwrap();
        let mut sent = batch(&probe, 10 * n, Some(&token));
        if n < 3 {
            // Only two ever looked at this one.
            sent.measurements[0].target = "https://rare.example/".into();
        }
        let sealed = probe.seal(Purpose::Batch, &sent);
        assert_eq!(post(&app, "/v1/batches", sealed).await.0, StatusCode::OK);
        let (_, summary) = get(&app, "/v1/summary", None).await;
        let lines = summary["summary"].as_array().unwrap();
        assert_eq!(lines.len(), seen, "after {n} probes");
    }
    let (_, summary) = get(&app, "/v1/summary", None).await;
    let want = serde_json::json!([{
        "country": "XA", "target": "https://news.example/", "imported": false,
        "measurements": 10, "observations": 10, "outcomes": { "inconclusive": 10 },
        "mechanisms": {}, "probes": 4, "networks": 1,
        "first": "2023-11-14", "last": "2023-11-14",
    }]);
    assert_eq!(summary["summary"], want);
    let (_, summary) = get(&app, "/v1/summary", Some(OPERATOR)).await;
    assert_eq!(summary["summary"][1]["target"], "https://rare.example/");
}

#[tokio::test]
async fn lists_are_filtered_by_window_outcome_and_target() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), "public_evidence = true");
    upload(&app).await;
    for (query, count) in [
        ("since=2023-11-14", 3),
        ("since=2023-11-14T22:13:20Z", 3),
        ("since=2023-11-14T22:13:20.000001Z", 0),
        ("until=2023-11-14T22:13:20Z", 0),
        ("until=2023-11-14", 3),
        ("until=2023-11-13", 0),
        ("since=2023-11-14&until=2023-11-14", 3),
        (
            "since=2023-11-14&until=2023-11-15&outcome=inconclusive&country=xa",
            3,
        ),
        ("outcome=anomaly", 0),
        ("target=https://news.example/&outcome=inconclusive", 3),
        ("target=https://news.example", 0),
    ] {
        for (list, at) in [("measurements", "id"), ("verdicts", "measurement")] {
            let (_, page) = get(&app, &format!("/v1/{list}?{query}"), None).await;
            let rows = page[list].as_array().unwrap();
            assert_eq!(rows.len(), count, "{list}?{query}");
            assert!(rows.iter().all(|row| row[at].is_string()));
        }
    }
    for query in [
        "since=yesterday",
        "until=2023-11-32",
        "country=XAX",
        "limit=x",
    ] {
        let (_, refusal) = get(&app, &format!("/v1/verdicts?{query}"), None).await;
        assert_eq!(refusal["code"], "bad_query", "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), "public_evidence = true");
    upload(&app).await;
    let (mut seen, mut path) = (Vec::new(), "/v1/measurements?limit=2".to_owned());
    loop {
        let (_, page) = get(&app, &path, None).await;
        let rows = page["measurements"].as_array().unwrap();
        seen.extend(rows.iter().map(|m| m["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/measurements?limit=2&after={next}"),
            None => break,
        }
    }
    let ids = [10, 11, 12].map(|n| MeasurementId([n; 16]).to_string());
    assert_eq!(seen, ids);
    let (_, none) = get(&app, "/v1/measurements?country=XB", None).await;
    assert_eq!(none["measurements"].as_array().unwrap().len(), 0);
}

/// `FAULTLINE_UPDATE=1` writes the file.
#[tokio::test]
async fn a_collector_without_events_has_no_dataset_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), "");
    let (status, refusal) = get(&app, "/v1/shutdown-events.zip", None).await;
    assert_eq!(
        (status, &refusal["code"]),
        (StatusCode::NOT_FOUND, &Value::from("no_events"))
    );
}

#[tokio::test]
async fn the_committed_openapi_file_is_current_and_every_path_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = format!("{:#}\n", openapi());
    if std::env::var_os("FAULTLINE_UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(committed, text, "run this test with FAULTLINE_UPDATE=1");
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), "");
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        if item.get("get").is_some() {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let (_, body) = send(&app, request).await;
            let body = String::from_utf8(body).unwrap();
            assert!(!body.contains("nothing here"), "{path}");
        } else {
            let (status, _) = post(&app, path, vec![]).await;
            let signed = item["post"]["parameters"].to_string().contains("header");
            let refused = if signed {
                StatusCode::UNAUTHORIZED
            } else {
                StatusCode::BAD_REQUEST
            };
            assert_eq!(status, refused, "{path}");
        }
    }
}
