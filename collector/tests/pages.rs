//! Do the replies that pages are made from say what the evidence says, and nothing that is
//! below the floors?

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use faultline_collector::{
    api::{Scores, Service, Vintages, router},
    config::Config,
    ingest::{Enricher, Ingest, Nowhere},
    rules::Rules,
    score::explain,
    store::{Judgement, MeasurementRow, sqlite::Sqlite},
    targets,
};
use faultline_core::{
    codec::{Identity, to_cbor},
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
    verdict::Reason,
};
use serde_json::Value;
use std::{collections::BTreeSet, io::Read as _, path::Path, sync::Arc};
use tower::ServiceExt as _;

const DAY: i64 = 86_400;
const NOW: UnixTime = UnixTime::from_secs(20_833 * DAY + 43_200);

fn row(
    asn: u32,
    probe: u8,
    target: &str,
    before: i64,
    experiment: &'static str,
) -> MeasurementRow {
    MeasurementRow {
        id: MeasurementId([probe; 16]),
        batch: BatchId([probe; 16]),
        probe: ProbeId([probe; 16]),
        started: UnixTime::from_secs(NOW.secs() - before * DAY),
        experiment,
        target: target.into(),
        country: Country::new("XA").unwrap(),
        asn: Asn(asn),
        network_known: true,
        scored: true,
        observations: vec![],
        verdict: Judgement {
            outcome: "ok".into(),
            mechanism: None,
            reasons: to_cbor(&Vec::<Reason>::new()),
            rules: 1,
        },
    }
}

/// Probes by network; AS1 resets connections of the first targets, everywhere the services
/// work.
fn rows(
    probes: &[(u32, u8)],
    blocked: usize,
    days: std::ops::Range<i64>,
) -> Vec<MeasurementRow> {
    let (mut rows, mut number) = (Vec::new(), 0);
    for (asn, count) in probes {
        for _ in 0..*count {
            number += 1;
            for at in 0..42 {
                for day in days.clone() {
                    let url = format!("https://site{at}.example/");
                    let mut web = row(*asn, number, &url, day, "web");
                    if *asn == 1 && at < blocked {
                        web.verdict.outcome = "anomaly".into();
                        web.verdict.mechanism = Some("tls.reset.sni".into());
                    }
                    let name = format!("site{at}.example");
                    rows.push(row(*asn, number, &name, day, "dns_consistency"));
                    rows.push(web);
                    if at < 10 {
                        let url = format!("https://service{at}.example/");
                        rows.push(row(*asn, number, &url, day, "web"));
                    }
                }
            }
        }
    }
    rows
}

fn app(folder: &Path, settings: &str, rows: &[MeasurementRow]) -> (Router, Arc<Scores>) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let services = (0..10).map(|at| format!("https://service{at}.example/,S{at},messaging\n"));
    let services: String = services.collect();
    write("services.csv", format!("url,name,category\n{services}"));
    write(
        "users.csv",
        "country,asn,users\nXA,1,50\nXA,2,30\nXA,3,15\nXA,4,5\n".into(),
    );
    write("networks.csv", "asn,name\n1,First\n2,Second\n".into());
    write("countries.csv", "code,name\nXA,Alvania\nXB,Borsia\n".into());
    let path = |name: &str| format!("{name:?}", name = folder.join(name).display().to_string());
    let settings = format!(
        "{settings}\nservices = {}\nnetwork_users = {}\nnetwork_names = {}\ncountry_names = {}",
        path("services.csv"),
        path("users.csv"),
        path("networks.csv"),
        path("countries.csv"),
    );
    let config = Config::parse(&settings).unwrap();
    let scores = Arc::new(Scores::new(&config, Some(ProbeId([99; 16]))).unwrap());
    scores.add(rows);
    let store = Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap());
    let enricher: Arc<dyn Enricher> = Arc::new(Nowhere);
    let identity = Identity::from_bytes(&[9; 32]).unwrap();
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        identity.public(),
    );
    let service = Service {
        importer: Some(ProbeId([99; 16])),
        targets: targets::parse(targets::BUILT_IN),
        vintages: Some(Vintages::open(folder.join("vintages.jsonl")).unwrap()),
        ..Service::new(config, store, ingest, identity, Arc::clone(&scores), || NOW)
    };
    (router(Arc::new(service)), scores)
}

async fn fetch(app: &Router, path: &str) -> (StatusCode, String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let reply = app.clone().oneshot(request).await.unwrap();
    let kind = reply.headers()[header::CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    let (status, body) = (reply.status(), reply.into_body());
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    (status, kind, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn json(app: &Router, path: &str) -> Value {
    let (status, _, body) = fetch(app, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

const ENOUGH: &[(u32, u8)] = &[(1, 3), (2, 3), (3, 3)];

#[tokio::test]
async fn the_pages_agree_with_each_other_and_with_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = app(folder.path(), "simulated = true", &rows(ENOUGH, 6, 0..4));
    let world = json(&app, "/v1/world").await;
    assert_eq!(world["simulated"], true);
    assert_eq!(world["window"]["to"], "2027-01-15");
    let country = json(&app, "/v1/countries/xa").await;
    assert_eq!(world["countries"][0]["dimensions"], country["dimensions"]);
    assert_eq!(world["countries"][0]["name"], "Alvania");
    let d1 = &country["dimensions"]["d1"];
    // One network of three blocks: too divided for one number, and the range says how much.
    assert_eq!(
        (&d1["state"], &d1["point"]),
        (&"divided".into(), &Value::Null)
    );
    assert_eq!(d1["reasons"], serde_json::json!(["divided"]));
    let end = |at: usize| d1["contested"][at].as_f64().unwrap();
    assert!(end(0) < end(1) && d1["interval"].is_array(), "{d1}");
    assert_eq!(country["dimensions"]["d3"]["point"], Value::Null);
    let indicators = country["indicators"].as_array().unwrap();
    let u2 = indicators.iter().find(|i| i["id"] == "U2").unwrap();
    // Six of 42 pages, in a network with half of the users; three probes of nine count half.
    let raw = u2["raw"].as_f64().unwrap();
    assert!((raw - 0.5 * 0.5 * 6.0 / 42.0).abs() < 6e-5, "{raw}");
    assert_eq!(
        (&u2["networks"], &u2["networks_deviating"]),
        (&3.into(), &1.into())
    );
    assert_eq!(u2["deviations"], 6 * 3 * 4);
    let page = json(&app, "/v1/countries/XA/indicators/U2").await;
    assert_eq!(page["indicator"], *u2);
    let first = &page["networks"][0];
    assert_eq!(
        (&first["asn"], &first["name"]),
        (&1.into(), &"First".into())
    );
    assert!((first["raw"].as_f64().unwrap() - 6.0 / 42.0).abs() < 5e-5);
    assert_eq!(page["days"].as_array().unwrap().len(), 4);
    assert!(
        page["evidence"]
            .as_str()
            .unwrap()
            .starts_with("/v1/verdicts?country=XA&indicator=U2")
    );
    let network = json(&app, "/v1/networks/AS1").await;
    assert_eq!(network["country"], "XA");
    assert!((network["coverage"]["user_share"].as_f64().unwrap() - 0.5).abs() < 1e-9);
    let targets = json(&app, "/v1/targets").await;
    assert_eq!(targets["targets"].as_array().unwrap().len(), 42 + 42 + 10);
    let target = json(&app, "/v1/targets/https%3A%2F%2Fsite0.example%2F").await;
    assert_eq!(target["countries"][0]["mechanisms"]["tls.reset.sni"], 12);
    let coverage = json(&app, "/v1/coverage").await;
    assert_eq!(coverage["countries"][0]["coverage"]["probes"], 9);
    assert_eq!(json(&app, "/v1/atlas").await["countries"][1]["code"], "XB");
    assert_eq!(json(&app, "/v1/method").await["method"], "fep-0.3.0");
    let service = json(&app, "/v1/targets/https%3A%2F%2Fservice1.example%2F").await;
    assert_eq!(service["category"], "messaging");
}

#[tokio::test]
async fn every_account_is_made_of_known_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = app(folder.path(), "simulated = true", &rows(ENOUGH, 6, 0..4));
    let known: BTreeSet<String> = explain::keys().into_iter().collect();
    let country = json(&app, "/v1/countries/XA").await;
    let mut texts = Vec::new();
    collect(&country, &mut texts);
    assert!(texts.len() > 50);
    let messages = explain::Messages::parse(explain::ENGLISH).unwrap();
    for text in texts {
        assert!(known.contains(&text.key), "{text:?}");
        let sentence = messages.fill(&text);
        assert!(!sentence.contains(['{', '}']), "left open: {sentence}");
    }
}

fn collect(value: &Value, texts: &mut Vec<explain::Text>) {
    match value {
        Value::Object(map) if map.contains_key("key") && map.contains_key("params") => {
            texts.push(serde_json::from_value(value.clone()).unwrap());
        }
        Value::Object(map) => map.values().for_each(|v| collect(v, texts)),
        Value::Array(list) => list.iter().for_each(|v| collect(v, texts)),
        _ => {}
    }
}

#[tokio::test]
async fn nothing_below_the_floors_is_told_in_any_reply() {
    let folder = tempfile::tempdir().unwrap();
    let few = rows(&[(1, 1), (2, 1)], 6, 0..4);
    let (closed, _) = app(folder.path(), "", &few);
    for path in [
        "/v1/countries/XA",
        "/v1/countries/XA/indicators/U2",
        "/v1/networks/1",
        "/v1/targets/https%3A%2F%2Fsite0.example%2F",
    ] {
        let (status, _, body) = fetch(&closed, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {body}");
    }
    for (path, list) in [
        ("world", "countries"),
        ("coverage", "countries"),
        ("targets", "targets"),
    ] {
        let value = json(&closed, &format!("/v1/{path}")).await;
        assert_eq!(value[list].as_array().unwrap().len(), 0, "{path}");
    }
    // A network with one probe is part of the country and has no line; nor has the next
    // smallest one, whose line would tell the difference.
    let folder = tempfile::tempdir().unwrap();
    let some = rows(&[(1, 3), (2, 4), (3, 1)], 6, 0..4);
    let (closed, _) = app(folder.path(), "", &some);
    let country = json(&closed, "/v1/countries/XA").await;
    assert_eq!(country["coverage"]["networks"], 3);
    let lines = |value: &Value| -> Vec<u64> {
        let lines = value["networks"].as_array().unwrap().iter();
        lines.map(|n| n["asn"].as_u64().unwrap()).collect()
    };
    assert_eq!(lines(&country), [2]);
    assert_eq!(
        lines(&json(&closed, "/v1/countries/XA/indicators/U2").await),
        [2]
    );
    let folder = tempfile::tempdir().unwrap();
    let (open, _) = app(folder.path(), "public_evidence = true", &some);
    assert_eq!(lines(&json(&open, "/v1/countries/XA").await), [1, 2, 3]);
}

#[tokio::test]
async fn new_evidence_shows_at_once_and_old_replies_do_not_return() {
    let folder = tempfile::tempdir().unwrap();
    let (app, scores) = app(folder.path(), "", &rows(ENOUGH, 0, 3..7));
    let before = json(&app, "/v1/countries/XA").await;
    assert_eq!(before["dimensions"]["d1"]["point"], 0.0);
    assert_eq!(before["timeline"].as_array().unwrap().len(), 4);
    scores.add(&rows(ENOUGH, 42, 0..3));
    let after = json(&app, "/v1/countries/XA").await;
    assert_eq!(after["dimensions"]["d1"]["state"], "divided");
    assert!(after["dimensions"]["d1"]["contested"][1].as_f64().unwrap() > 0.2);
    assert_eq!(after["timeline"].as_array().unwrap().len(), 7);
    assert_ne!(before["vintage"]["digest"], after["vintage"]["digest"]);
    let world = json(&app, "/v1/world").await;
    assert_eq!(world["countries"][0]["dimensions"], after["dimensions"]);
}

#[tokio::test]
async fn lists_leave_as_csv_with_their_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = app(folder.path(), "simulated = true", &rows(ENOUGH, 6, 0..4));
    for (path, lines) in [
        ("/v1/world?format=csv", 2),
        ("/v1/countries/XA?format=csv", 19),
        ("/v1/countries/XA?format=csv&table=networks", 4),
        ("/v1/countries/XA?format=csv&table=dimensions", 4),
        ("/v1/countries/XA?format=csv&table=timeline", 5),
        ("/v1/countries/XA/indicators/U2?format=csv", 4),
        ("/v1/networks/1?format=csv", 95),
        ("/v1/coverage?format=csv", 2),
        ("/v1/method?format=csv", 19),
        ("/v1/verdicts?format=csv", 1),
    ] {
        let (status, kind, body) = fetch(&app, path).await;
        assert_eq!(
            (status, kind.as_str()),
            (StatusCode::OK, "text/csv; charset=utf-8"),
            "{path}"
        );
        assert_eq!(body.lines().count(), lines, "{path}: {body}");
        assert!(lines == 1 || body.contains("simulated"), "{path}");
    }
    let (status, ..) = fetch(&app, "/v1/world?format=xml").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, ..) = fetch(&app, "/v1/world?format=csv&table=none").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// Headers of a request, and what came: status, headers, bytes as sent.
async fn raw(
    app: &Router,
    path: &str,
    asked: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    for (name, value) in asked {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let reply = app.clone().oneshot(request).await.unwrap();
    let (head, body) = reply.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap().to_vec();
    (head.status, head.headers, bytes)
}

#[tokio::test]
async fn replies_are_compressed_and_tagged_by_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (app, scores) = app(folder.path(), "", &rows(ENOUGH, 6, 0..4));
    for path in [
        "/v1/world",
        "/v1/countries/XA",
        "/v1/countries/XA?format=csv",
        "/v1/countries/XA/indicators/U2",
        "/v1/networks/1",
        "/v1/targets",
        "/v1/method",
        "/v1/openapi.json",
    ] {
        let (_, plain_head, plain) = raw(&app, path, &[]).await;
        let br = [("accept-encoding", "br, gzip;q=0")];
        assert_eq!(raw(&app, path, &br).await.2, plain, "{path}");
        let takes = ("accept-encoding", "gzip, deflate, br, zstd");
        let (_, head, packed) = raw(&app, path, &[takes]).await;
        assert_eq!(plain_head.get(header::CONTENT_ENCODING), None, "{path}");
        assert_eq!(head[header::CONTENT_ENCODING], "gzip", "{path}");
        assert_eq!(head[header::CONTENT_TYPE], plain_head[header::CONTENT_TYPE]);
        assert_eq!(head[header::VARY], "accept-encoding, x-operator-token");
        assert!(packed.len() < plain.len() / 2, "{path}");
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(packed.as_slice());
        decoder.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain, "{path}");
        // Other bytes, another tag; the same bytes are not sent twice.
        let (tag, other) = (&head[header::ETAG], &plain_head[header::ETAG]);
        assert_ne!(tag, other, "{path}");
        let tags = format!("\"x\", W/{}", tag.to_str().unwrap());
        let (status, head, none) = raw(&app, path, &[takes, ("if-none-match", &tags)]).await;
        assert_eq!(
            (status, none.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{path}"
        );
        assert_eq!(&head[header::ETAG], tag);
        let held = ("if-none-match", other.to_str().unwrap());
        let (status, ..) = raw(&app, path, &[takes, held]).await;
        assert_eq!(status, StatusCode::OK, "{path}: another form is held");
    }
    // Evidence changes the tag.
    let before = raw(&app, "/v1/world", &[]).await.1[header::ETAG].clone();
    scores.add(&rows(ENOUGH, 6, 4..5));
    let held = [("if-none-match", before.to_str().unwrap())];
    assert_eq!(raw(&app, "/v1/world", &held).await.0, StatusCode::OK);
}

#[tokio::test]
async fn browsers_keep_nothing_that_tells_what_was_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let token = "0123456789abcdef";
    let settings = format!("operator_token = {token:?}");
    let (app, _) = app(folder.path(), &settings, &rows(ENOUGH, 6, 0..4));
    for (path, keep) in [
        ("/v1/world", "no-cache"),
        ("/v1/countries/XA", "no-cache"),
        ("/v1/method", "no-cache"),
        ("/v1/countries/XA/indicators/U2", "no-store"),
        ("/v1/networks/1", "no-store"),
        ("/v1/targets/https%3A%2F%2Fsite0.example%2F", "no-store"),
        ("/v1/verdicts", "no-store"),
    ] {
        let (_, head, _) = raw(&app, path, &[]).await;
        assert_eq!(head[header::CACHE_CONTROL], keep, "{path}");
        let (_, head, _) = raw(&app, path, &[("x-operator-token", token)]).await;
        assert_eq!(head[header::CACHE_CONTROL], "no-store", "{path}");
    }
}

#[tokio::test]
async fn what_was_published_stands_beside_what_is_computed_today() {
    let folder = tempfile::tempdir().unwrap();
    let (app, scores) = app(folder.path(), "simulated = true", &rows(ENOUGH, 0, 0..20));
    let path = folder.path().join("vintages.jsonl");
    let vintages = Vintages::open(path.clone()).unwrap();
    let none = std::collections::BTreeMap::new();
    assert_eq!(vintages.publish(&scores, &none, NOW).unwrap(), 1);
    assert_eq!(vintages.publish(&scores, &none, NOW).unwrap(), 0);
    // Late uploads change what is computed today, not what was published.
    let mut late = [rows(ENOUGH, 42, 15..19), rows(ENOUGH, 42, 15..19)].concat();
    // In every network: otherwise there would be no number at all.
    for row in late
        .iter_mut()
        .filter(|r| r.target.starts_with("https://site"))
    {
        row.verdict.outcome = "anomaly".into();
        row.verdict.mechanism = Some("tls.reset.sni".into());
    }
    scores.add(&late);
    assert_eq!(vintages.publish(&scores, &none, NOW).unwrap(), 0);
    drop(app);
    let again = folder.path().join("again");
    std::fs::create_dir(&again).unwrap();
    // A power cut tore the line after.
    let torn = std::fs::read_to_string(&path).unwrap() + "{\"torn";
    std::fs::write(again.join("vintages.jsonl"), torn).unwrap();
    let (app, scores) = self::app(&again, "simulated = true", &rows(ENOUGH, 0, 0..20));
    scores.add(&late);
    let reply = json(&app, "/v1/countries/XA/vintages").await;
    assert_eq!(reply["as_published"][0]["day"], "2027-01-01");
    assert_eq!(reply["as_published"][0]["dimensions"]["d1"][0], 0.0);
    assert!(
        reply["as_recomputed"][0]["dimensions"]["d1"][0]
            .as_f64()
            .unwrap()
            > 0.1
    );
}
