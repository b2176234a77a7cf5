//! Do lists hold exactly what their filters ask for, however few that is, and does the next
//! page begin where the one before ended?

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use faultline_collector::{
    api::{Scores, Service, router},
    config::Config,
    ingest::{Enricher, Ingest, Nowhere},
    rules::Rules,
    store::{
        Enrichment, Facts as _, Incoming, Judgement, Ledger as _, MeasurementRow, ProbeRecord,
        ReceiptRecord, Source, sqlite::Sqlite,
    },
};
use faultline_core::{
    codec::{Identity, to_cbor},
    id::{Asn, BatchId, Country, MeasurementId},
    time::UnixTime,
    value::Blob,
    verdict::Reason,
};
use serde_json::Value;
use std::{path::Path, sync::Arc};
use tower::ServiceExt as _;

const DAY: i64 = 86_400;
const NOW: UnixTime = UnixTime::from_secs(20_833 * DAY + 43_200);

fn key() -> Identity {
    Identity::from_bytes(&[1; 32]).unwrap()
}

/// The `at`-th of a world whose rare things are rare: four countries and nowhere, two networks
/// each, forty days.
fn row(at: u32) -> MeasurementRow {
    let country = ["XA", "XB", "XC", "XD", "ZZ"][(at % 5) as usize];
    let known = country != "ZZ";
    let page = at.is_multiple_of(3);
    let anomaly = at.is_multiple_of(97);
    MeasurementRow {
        id: MeasurementId(u128::from(at).to_be_bytes()),
        batch: BatchId([1; 16]),
        probe: key().public().probe_id(),
        started: UnixTime::from_secs(
            NOW.secs() - i64::from(at * 7919 % 40) * DAY - i64::from(at % 11),
        ),
        experiment: if page { "web" } else { "dns_consistency" },
        target: if page {
            "https://site.example/"
        } else {
            "site.example"
        }
        .into(),
        country: Country::new(country).unwrap(),
        asn: Asn(if known { at % 5 * 2 + at % 2 + 1 } else { 0 }),
        network_known: known,
        scored: known && !at.is_multiple_of(13),
        observations: vec![],
        verdict: Judgement {
            outcome: if anomaly { "anomaly" } else { "ok" }.into(),
            mechanism: anomaly.then(|| {
                if page {
                    "tls.reset.sni"
                } else {
                    "dns.nxdomain"
                }
                .into()
            }),
            reasons: to_cbor(&Vec::<Reason>::new()),
            rules: 1,
        },
    }
}

fn app(folder: &Path, rows: Vec<MeasurementRow>) -> Router {
    let store = Arc::new(Sqlite::open(&folder.join("collector.db")).unwrap());
    store
        .enrol(&ProbeRecord {
            id: key().public().probe_id(),
            public_key: key().public().to_sec1(),
            consent: 1,
            software: "test".into(),
            enrolled: NOW,
            revoked: None,
            source: Source::Probe,
        })
        .unwrap();
    let config = Config::parse("public_evidence = true").unwrap();
    let scores = Arc::new(Scores::new(&config, None).unwrap());
    scores.add(&rows);
    let receipt = ReceiptRecord {
        batch: BatchId([1; 16]),
        probe: key().public().probe_id(),
        sequence: 0,
        sha256: [1; 32],
        received: NOW,
        measurements: rows.len() as u32,
        enrichment: Enrichment {
            geo: Blob(vec![]),
            addresses: vec![],
            places: vec![],
        },
    };
    let bytes = vec![];
    store
        .append(Incoming {
            receipt,
            bytes,
            rows,
        })
        .unwrap();
    let enricher: Arc<dyn Enricher> = Arc::new(Nowhere);
    let identity = Identity::from_bytes(&[9; 32]).unwrap();
    let ingest = Ingest::new(
        Arc::clone(&store),
        Arc::clone(&enricher),
        Arc::new(Rules),
        identity.public(),
    );
    router(Arc::new(Service::new(
        config,
        store,
        ingest,
        identity,
        scores,
        || NOW,
    )))
}

async fn page(app: &Router, query: &str) -> (Vec<String>, Option<String>) {
    let request = Request::get(format!("/v1/measurements?{query}"));
    let request = request.body(Body::empty()).unwrap();
    let reply = app.clone().oneshot(request).await.unwrap();
    let body = to_bytes(reply.into_body(), 1 << 24).await.unwrap();
    let value: Value = serde_json::from_slice(&body).unwrap();
    let rows = value["measurements"].as_array().expect(query).iter();
    let ids = rows.map(|row| row["id"].as_str().unwrap().to_owned());
    (ids.collect(), value["next"].as_str().map(str::to_owned))
}

/// All pages, and how many they are.
async fn all(app: &Router, query: &str, limit: usize) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let (some, next) = page(app, &format!("{query}&limit={limit}{after}")).await;
        assert!(some.len() <= limit, "{query}");
        ids.extend(some);
        pages += 1;
        match next {
            Some(next) => after = format!("&after={next}"),
            None => return (ids, pages),
        }
    }
}

type Fits = fn(&MeasurementRow) -> bool;

#[tokio::test]
async fn pages_of_every_filter_hold_what_fits_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<_> = (1..1500).map(row).collect();
    let app = app(folder.path(), rows.clone());
    rows.sort_by_key(|row| (row.started, row.id));
    let filters: [(&str, Fits); 12] = [
        ("", |_| true),
        ("asn=3", |r| r.asn.0 == 3),
        ("asn=0", |r| r.asn.0 == 0),
        ("asn=77", |_| false),
        ("experiment=web", |r| r.experiment == "web"),
        ("mechanism=tls.reset.sni", |r| {
            r.verdict.mechanism.as_deref() == Some("tls.reset.sni")
        }),
        ("mechanism=dns.nxdomain&country=XB", |r| {
            r.verdict.mechanism.as_deref() == Some("dns.nxdomain") && r.country.as_str() == "XB"
        }),
        ("indicator=U2", |r| r.experiment == "web" && r.scored),
        ("indicator=U1&country=XC&outcome=anomaly", |r| {
            r.scored && r.country.as_str() == "XC" && r.verdict.outcome == "anomaly"
        }),
        ("experiment=web&target=site.example", |_| false),
        ("experiment=web&country=ZZ", |r| {
            r.experiment == "web" && r.country.as_str() == "ZZ"
        }),
        ("asn=3&since=2027-01-01&until=2027-01-05", |r| {
            let day = r.started.to_string();
            r.asn.0 == 3 && ("2027-01-01".."2027-01-06").contains(&&day[..10])
        }),
    ];
    for (query, fits) in filters {
        let expected: Vec<String> = rows
            .iter()
            .filter(|row| fits(row))
            .map(|row| row.id.to_string())
            .collect();
        for limit in [13, 1000] {
            let (ids, pages) = all(&app, query, limit).await;
            assert_eq!(ids, expected, "{query} by {limit}");
            let least = expected.len().div_ceil(limit).max(1);
            assert_eq!(
                pages, least,
                "{query} by {limit}: no page is short but the last"
            );
        }
    }
}

#[tokio::test]
async fn a_needle_in_one_day_is_found_in_pages_that_say_where_they_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<_> = (1..3000).map(row).collect();
    for (at, row) in (0..).zip(&mut rows) {
        row.country = Country::new("XA").unwrap();
        row.network_known = true;
        row.asn = Asn(1);
        row.started = UnixTime(NOW.0 + at);
        row.verdict.mechanism = None;
    }
    let last = rows.last_mut().unwrap();
    last.verdict.mechanism = Some("tls.reset.sni".into());
    let id = last.id.to_string();
    let app = app(folder.path(), rows);
    let (first, next) = page(&app, "mechanism=tls.reset.sni").await;
    assert!(
        first.is_empty() && next.is_some(),
        "work per request is bounded"
    );
    let (found, pages) = all(&app, "mechanism=tls.reset.sni", 100).await;
    assert_eq!((found, pages), (vec![id], 2));
}
