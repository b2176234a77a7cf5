//! How fast are OONI's documents judged, and pages compared with known blockpages? Per core,
//! beside others in the same run: serde_json's tree of the documents, and one search for one text.
//!
//! ```text
//! cargo bench -p faultline-tests --bench ooni
//! ```
//! With `FAULTLINE_SHARED` or `../shared` it takes real documents and signatures, else it says
//! so and takes its own.

use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use faultline_collector::{
    fingerprints::Fingerprints,
    import::ooni::{Document, judge, likelihoods},
    rules::Known,
};
use faultline_core::{observation::Fetch, value::Blob, verdict};
use std::{fmt::Write as _, net::IpAddr, path::PathBuf, sync::OnceLock};

fn main() {
    if shared().is_none() {
        println!("skipped: no ../shared: documents and signatures are the bench's own");
    }
    divan::main();
}

fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        Into::into,
    );
    let data = shared.join("data");
    data.exists().then_some(data)
}

/// A document of 0.5 in which all went well, with a page of so many bytes.
fn made(page: usize) -> Vec<u8> {
    let body = "<p>All is well and nothing is amiss. ".repeat(page / 37);
    serde_json::json!({
        "test_name": "web_connectivity", "test_version": "0.5.28", "probe_cc": "IT",
        "probe_asn": "AS64500", "measurement_start_time": "2026-01-02 03:04:05",
        "input": "https://news.example/",
        "test_keys": {
            "x_control_request": { "http_request": "https://news.example/" },
            "queries": [{
                "engine": "getaddrinfo", "hostname": "news.example", "query_type": "ANY",
                "failure": null, "transaction_id": 1, "tags": ["depth=0"],
                "answers": [{ "answer_type": "A", "ipv4": "20.1.0.1" }],
            }],
            "tcp_connect": [{
                "ip": "20.1.0.1", "port": 443, "transaction_id": 2, "tags": ["depth=0"],
                "status": { "failure": null, "success": true },
            }],
            "tls_handshakes": [{
                "address": "20.1.0.1:443", "server_name": "news.example", "failure": null,
                "transaction_id": 2, "tags": ["depth=0"],
            }],
            "requests": [{
                "failure": null, "transaction_id": 2, "tags": ["depth=0"],
                "request": { "url": "https://news.example/" },
                "response": { "code": 200, "body": body, "headers": { "Server": "nginx" } },
            }],
            "control": {
                "dns": { "failure": null, "addrs": ["20.1.0.1"] },
                "tcp_connect": { "20.1.0.1:443": { "status": true, "failure": null } },
                "tls_handshake": {},
                "http_request": { "failure": null, "status_code": 200, "body_length": page },
            },
        },
    })
    .to_string()
    .into_bytes()
}

/// Small documents (below 64 KiB) or those whose page is 350 kB.
fn documents(size: &str) -> Vec<Vec<u8>> {
    if size == "large" {
        return vec![made(350_000)];
    }
    let mut all = Vec::new();
    if let Some(data) = shared() {
        let folder = std::fs::read_dir(data.join("ooni/measurements")).expect("a folder");
        for entry in folder {
            all.push(std::fs::read(entry.expect("a file").path()).expect("a document"));
        }
        all.sort();
        all.retain(|document| document.len() < 64 * 1024);
    } else {
        all.push(made(2000));
    }
    all
}

fn bytes(all: &[Vec<u8>]) -> usize {
    all.iter().map(Vec::len).sum()
}

const SIZES: [&str; 2] = ["small", "large"];

/// The same work on every document of a size.
fn of_each(bencher: Bencher<'_, '_>, size: &str, work: impl Fn(&[u8]) + Sync) {
    let all = documents(size);
    bencher
        .counter(ItemsCount::new(all.len()))
        .counter(BytesCount::new(bytes(&all)))
        .bench(|| all.iter().for_each(|document| work(document)));
}

/// The peer: JSON to a tree.
#[divan::bench(args = SIZES)]
fn a_tree_of_json(bencher: Bencher<'_, '_>, size: &str) {
    of_each(bencher, size, |document| {
        let tree: serde_json::Value = serde_json::from_slice(document).expect("JSON");
        black_box(tree);
    });
}

/// From octets, as they come from a file.
fn read(octets: &[u8]) -> Document<'_> {
    let text = std::str::from_utf8(octets).expect("UTF-8");
    Document::parse(text).expect("JSON")
}

/// JSON alone.
#[divan::bench(args = SIZES)]
fn parse_alone(bencher: Bencher<'_, '_>, size: &str) {
    of_each(bencher, size, |document| {
        black_box(read(document));
    });
}

fn nowhere(_: IpAddr) -> Option<u32> {
    None
}

/// JSON, then the classic verdict.
#[divan::bench(args = SIZES)]
fn parse_and_classify(bencher: Bencher<'_, '_>, size: &str) {
    of_each(bencher, size, |document| {
        black_box(judge(&read(document), &nowhere));
    });
}

/// JSON, the classic verdict, the layered likelihoods, our observations and our verdict with
/// all signatures.
#[divan::bench(args = SIZES)]
fn everything(bencher: Bencher<'_, '_>, size: &str) {
    let known = signatures();
    of_each(bencher, size, |document| {
        let document = read(document);
        black_box(likelihoods(&document, &nowhere, Some(known)));
        // Converting gives the classic verdict, too.
        let converted = faultline_collector::import::ooni::convert(&document, &|_| None);
        let converted = converted.expect("a whole document");
        let known = Known {
            asn_of: &|ip| converted.networks.get(&ip).copied(),
            home: Some(converted.asn),
            fingerprints: Some(known),
        };
        let control = converted.control.as_ref();
        black_box(verdict::judge(&converted.measurement, control, &known));
    });
}

fn signatures() -> &'static Fingerprints {
    static KNOWN: OnceLock<Fingerprints> = OnceLock::new();
    KNOWN.get_or_init(|| {
        if let Some(data) = shared() {
            let [dns, http] = ["fingerprints_dns.csv", "fingerprints_http.csv"]
                .map(|name| data.join("fingerprints").join(name));
            return Fingerprints::read(Some(&dns), Some(&http)).expect("OONI's lists");
        }
        let mut list = String::from(
            "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,exp_url,notes\n",
        );
        for at in 0..1700 {
            let _ = writeln!(
                list,
                "{at},isp,,body,contains,<title>Notice {at:04} of the provider,5,,,,"
            );
        }
        Fingerprints::parse("", &list).expect("a list")
    })
}

/// An ordinary page: markup, words, a script.
fn page() -> Fetch {
    let mut body = String::from("<html><head><title>Morning news</title></head><body>");
    let mut word = 7_u32;
    while body.len() < 66_000 {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let kind = [
            "<p class=\"a\">",
            "<a href=\"/n/",
            "words of the ",
            " if (x) { return ",
        ];
        body += kind[(word >> 30) as usize];
        let _ = write!(body, "{:x} ", word >> 8);
    }
    Fetch {
        url: "http://news.example/".into(),
        ip: IpAddr::from([20, 1, 0, 1]).into(),
        port: 80,
        depth: 0,
        status: Some(200),
        headers: Vec::new(),
        body_length: body.len() as u64,
        body_truncated: false,
        body_sha256: None,
        body: Some(Blob(body.into_bytes())),
        title: None,
        location: None,
        authenticated: false,
    }
}

/// The floor: one text in a page.
#[divan::bench]
fn one_text_in_a_page(bencher: Bencher<'_, '_>) {
    let page = page();
    let body = page.body.expect("a body").0;
    let text = std::str::from_utf8(&body).expect("text");
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| black_box(text).contains("is blocked by order"));
}

/// All signatures in a page that is none of theirs.
#[divan::bench]
fn all_signatures_in_a_page(bencher: Bencher<'_, '_>) {
    let (page, known) = (page(), signatures());
    let length = page.body.as_ref().map_or(0, |body| body.0.len());
    bencher
        .counter(BytesCount::new(length))
        .bench(|| black_box(known.page(black_box(&page))));
}
