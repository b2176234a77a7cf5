#![allow(clippy::needless_pass_by_value)] // `json!` at the place of use

mod older_table;
mod table;

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn nowhere(_: IpAddr) -> Option<u32> {
    None
}

fn verdict(document: Value) -> ClassicVerdict {
    judge(&Document::new(&document), &nowhere).verdict
}

/// A plain-HTTP measurement in which all went well.
fn well() -> Value {
    let tags = json!(["classic", "depth=0", "fetch_body=true"]);
    json!({
        "test_name": "web_connectivity",
        "input": "http://news.example/",
        "test_keys": {
            "control_failure": null,
            "queries": [{
                "engine": "getaddrinfo", "hostname": "news.example", "query_type": "ANY",
                "failure": null, "transaction_id": 1, "tags": tags,
                "answers": [{ "answer_type": "A", "ipv4": "20.1.0.1" }],
            }],
            "tcp_connect": [{
                "ip": "20.1.0.1", "port": 80, "transaction_id": 2, "tags": tags,
                "status": { "failure": null, "success": true },
            }],
            "tls_handshakes": [],
            "requests": [{
                "failure": null, "transaction_id": 2, "tags": tags,
                "request": { "url": "http://news.example/" },
                "response": {
                    "code": 200, "body": "<title>Morning news</title>",
                    "headers": { "Date": "x", "X-Ours": "1" },
                },
            }],
            "x_control_request": { "http_request": "http://news.example/" },
            "control": {
                "dns": { "failure": null, "addrs": ["20.1.0.1"] },
                "tcp_connect": { "20.1.0.1:80": { "status": true, "failure": null } },
                "http_request": {
                    "failure": null, "status_code": 200, "body_length": 27,
                    "title": "Morning news", "headers": { "x-ours": "2" },
                },
            },
        },
    })
}

fn with(changes: &[(&str, Value)]) -> ClassicVerdict {
    let mut document = well();
    for (pointer, value) in changes {
        *document
            .pointer_mut(&format!("/test_keys/{pointer}"))
            .expect(pointer) = value.clone();
    }
    verdict(document)
}

#[track_caller]
fn says(verdict: &ClassicVerdict, blocking: Blocking, accessible: Option<bool>) {
    assert_eq!(
        (verdict.blocking, verdict.accessible),
        (blocking, accessible),
        "{verdict:?}"
    );
}

#[test]
fn a_page_like_the_controls_is_accessible() {
    let verdict = verdict(well());
    says(&verdict, Blocking::None, Some(true));
    assert_eq!(verdict.dns_consistency, Some("consistent"));
    assert_eq!(verdict.x_blocking_flags, Some(32));
}

#[test]
fn a_different_page_is_a_diff_only_when_nothing_else_agrees() {
    let long = json!("x".repeat(100));
    let other_title = ("control/http_request/title", json!("Evening paper"));
    let no_headers = ("control/http_request/headers", json!({ "date": "x" }));
    let body = ("requests/0/response/body", long);
    says(
        &with(&[body.clone(), no_headers.clone()]),
        Blocking::By("http-diff"),
        Some(false),
    );
    says(
        &with(&[body, other_title.clone()]),
        Blocking::None,
        Some(true),
    );
    says(
        &with(&[no_headers, other_title]),
        Blocking::None,
        Some(true),
    );
}

#[test]
fn seven_tenths_of_the_length_are_not_enough() {
    let exactly = with(&[
        ("requests/0/response/body", json!("1234567")),
        ("control/http_request/body_length", json!(10)),
    ]);
    assert_eq!(exactly.body_length_match, Some(false));
    let more = with(&[
        ("requests/0/response/body", json!("12345678")),
        ("control/http_request/body_length", json!(10)),
    ]);
    assert_eq!(more.body_length_match, Some(true));
}

#[test]
fn a_control_that_was_turned_away_leaves_the_status_open() {
    let status = |ours: i64, theirs: i64| {
        with(&[
            ("requests/0/response/code", json!(ours)),
            ("control/http_request/status_code", json!(theirs)),
        ])
        .status_code_match
    };
    assert_eq!(status(200, 403), None);
    assert_eq!(status(404, 404), Some(true));
    assert_eq!(status(404, 200), Some(false));
}

#[test]
fn failures_count_by_what_the_control_saw_of_the_same_thing() {
    let reset = json!("connection_reset");
    let fetch = ("requests/0/failure", reset.clone());
    let failed = with(std::slice::from_ref(&fetch));
    says(&failed, Blocking::By("http-failure"), Some(false));
    assert_eq!(
        failed.http_experiment_failure.as_deref(),
        Some("connection_reset")
    );
    let both = with(&[
        fetch,
        (
            "control/http_request/failure",
            json!("generic_timeout_error"),
        ),
    ]);
    says(&both, Blocking::None, Some(false));
    let dial = ("tcp_connect/0/status/failure", reset);
    let no_requests = ("requests", json!([]));
    let tcp = with(&[dial.clone(), no_requests.clone()]);
    says(&tcp, Blocking::By("tcp_ip"), Some(false));
    let control = json!({ "20.1.0.1:80": { "status": false, "failure": "x" } });
    let both = with(&[
        dial.clone(),
        no_requests.clone(),
        ("control/tcp_connect", control),
    ]);
    says(&both, Blocking::None, Some(false));
    assert_eq!(both.x_null_null_flags, Some(2));
    says(
        &with(&[dial, no_requests, ("control", json!(null))]),
        Blocking::Unknown,
        None,
    );
}

#[test]
fn lies_about_names_decide_whatever_follows() {
    let elsewhere = ("control/dns/addrs", json!(["21.9.0.9"]));
    let failed = ("requests/0/failure", json!("connection_reset"));
    says(
        &with(&[elsewhere.clone(), failed]),
        Blocking::By("dns"),
        Some(false),
    );
    let mut document = well();
    *document
        .pointer_mut("/test_keys/control/dns/addrs")
        .unwrap() = json!(["21.9.0.9"]);
    let same_network = judge(&Document::new(&document), &|_| Some(64500)).verdict;
    assert_eq!(same_network.dns_consistency, Some("consistent"));
    assert_eq!(with(&[elsewhere]).dns_consistency, Some("inconsistent"));
}

#[test]
fn a_control_that_resolves_nothing_makes_a_ghost() {
    let ghost = with(&[
        ("control/dns/addrs", json!([])),
        ("control/dns/failure", json!("dns_name_error")),
        ("requests/0/failure", json!("eof_error")),
    ]);
    says(&ghost, Blocking::By("dns"), Some(false));
    assert_eq!(ghost.x_null_null_flags.map(|flags| flags & 16), Some(16));
}

#[test]
fn oddities_seen_in_the_wild_are_survived() {
    for odd in [
        json!(null),
        json!([]),
        json!({ "test_keys": null }),
        json!({ "test_keys": { "requests": null, "queries": {}, "control": [] } }),
    ] {
        says(&verdict(odd), Blocking::Unknown, None);
    }
    let mut odd = well();
    let keys = odd.pointer_mut("/test_keys").unwrap();
    keys["requests"][0]["failure"] = json!(false);
    keys["requests"][0]["response"]["headers"] = json!([["X-Ours", "1"]]);
    let body = "PHRpdGxlPk1vcm5pbmcgbmV3czwvdGl0bGU+";
    keys["requests"][0]["response"]["body"] = json!({ "format": "base64", "data": body });
    says(&verdict(odd), Blocking::None, Some(true));
}

/// OONI's own samples, where they are.
fn shared() -> Option<std::path::PathBuf> {
    let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        Into::into,
    );
    let data = shared.join("data/ooni");
    if !data.exists() {
        println!("skipped: no ../shared");
        return None;
    }
    Some(data)
}

#[test]
fn the_verdicts_of_ooni_itself() {
    let Some(data) = shared() else { return };
    let map = AsnMap::read(&data.join("ip_asn_map.json")).unwrap();
    let expected: Value =
        serde_json::from_slice(&std::fs::read(data.join("expected.json")).unwrap()).unwrap();
    let mut out = Vec::new();
    let summary =
        judge_directory(&data.join("measurements"), Some(&map), None, &mut out).unwrap();
    assert_eq!(
        summary,
        Summary {
            judged: 15,
            ..Summary::default()
        }
    );
    let mut wrong = Vec::new();
    for line in out.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).unwrap();
        let name = line["file"].as_str().unwrap();
        let name = name
            .trim_start_matches("generated__")
            .trim_end_matches(".json");
        let want = &expected[name]["verdict"];
        for (field, got) in line["verdict"].as_object().unwrap() {
            let same = match (got.as_f64(), want[field].as_f64()) {
                (Some(got), Some(want)) => (got - want).abs() < 1e-9,
                _ => *got == want[field],
            };
            if !same {
                wrong.push(format!(
                    "{name}: {field} is {got}, expected {}",
                    want[field]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Ranges that OONI's data pipeline expects of the same measurements.
#[test]
fn the_likelihoods_of_ooni_itself() {
    let Some(data) = shared() else { return };
    let map = AsnMap::read(&data.join("ip_asn_map.json")).unwrap();
    let read = |path: std::path::PathBuf| -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let expected = read(data.join("expected.json"));
    let mut wrong = Vec::new();
    for (name, files) in expected.as_object().unwrap() {
        let document = read(data.join(files["measurement"].as_str().unwrap()));
        let got = likelihoods(&Document::new(&document), &|ip| map.asn_of(ip), None);
        for (key, range) in files["loni"].as_object().unwrap() {
            let mut words = key.split('_');
            let top = key.starts_with("top_") && words.next().is_some();
            let layer = match words.next() {
                Some("dns") => &got.dns,
                Some("tcp") => &got.tcp,
                Some("tls") => &got.tls,
                _ => continue, // the probe's own verdict
            };
            if top {
                if layer.failure.as_deref() != range.as_str() {
                    wrong.push(format!("{name}: {key} is {:?}", layer.failure));
                }
                continue;
            }
            let value = match words.next() {
                Some("blocked") => layer.blocked,
                Some("down") => layer.down,
                _ => layer.ok,
            };
            let end = |at: usize| range[at].as_f64().unwrap();
            if !(end(0)..=end(1)).contains(&value) {
                wrong.push(format!("{name}: {key} is {value} ({})", layer.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The sets behind the verdicts, over everything and over what version 0.4 would have seen.
#[test]
fn the_analyses_of_ooni_itself() {
    let Some(data) = shared() else { return };
    let map = AsnMap::read(&data.join("ip_asn_map.json")).unwrap();
    let read = |path: std::path::PathBuf| -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let expected = read(data.join("expected.json"));
    for (name, files) in expected.as_object().unwrap() {
        let file = |kind: &str| read(data.join(files[kind].as_str().unwrap()));
        let measurement = file("measurement");
        let document = Document::new(&measurement);
        let all = observation::Container::new(&document);
        let classic = all.classic();
        for (kind, seen) in [("analysis", &all), ("analysis_classic", &classic)] {
            let want = file(kind);
            let got = analysis::Analysis::new(seen, &|ip| map.asn_of(ip));
            for (set, got) in [
                ("DNSLookupSuccess", &got.dns_success),
                ("DNSLookupSuccessWithBogonAddresses", &got.dns_bogon),
                ("DNSLookupSuccessWithInvalidAddresses", &got.dns_invalid),
                (
                    "DNSLookupSuccessWithInvalidAddressesClassic",
                    &got.dns_invalid_classic,
                ),
                (
                    "DNSLookupSuccessWithValidAddressClassic",
                    &got.dns_valid_classic,
                ),
                ("DNSLookupUnexpectedFailure", &got.dns_unexpected),
                ("DNSLookupUnexplainedFailure", &got.dns_unexplained),
                ("DNSLookupExpectedFailure", &got.dns_expected),
                ("TCPConnectUnexpectedFailure", &got.tcp_unexpected),
                ("TCPConnectUnexplainedFailure", &got.tcp_unexplained),
                ("TCPConnectExpectedFailure", &got.tcp_expected),
                ("TLSHandshakeUnexpectedFailure", &got.tls_unexpected),
                ("TLSHandshakeUnexplainedFailure", &got.tls_unexplained),
                ("TLSHandshakeExpectedFailure", &got.tls_expected),
                ("HTTPRoundTripUnexpectedFailure", &got.http_unexpected),
            ] {
                assert_eq!(json!(got), want[set], "{name}: {set} of {kind}");
            }
            let failure = json!(got.dns_experiment_failure);
            assert_eq!(failure, want["DNSExperimentFailure"], "{name}: {kind}");
        }
    }
}

#[test]
fn an_address_in_the_url_needs_no_lookup() {
    let tags = json!(["classic", "depth=0", "fetch_body=true"]);
    let mut document = well();
    let keys = document.pointer_mut("/test_keys").unwrap();
    keys["queries"] = json!([]);
    keys["control"]["dns"] = json!({ "failure": null, "addrs": [] });
    keys["x_control_request"]["http_request"] = json!("http://20.1.0.1/");
    keys["tls_handshakes"] = json!([{
        "address": "20.1.0.1:80", "server_name": "20.1.0.1", "failure": null,
        "transaction_id": 2, "tags": tags,
    }]);
    let fine = verdict(document.clone());
    says(&fine, Blocking::None, Some(true));
    assert_eq!(fine.dns_consistency, None);
    // An address that only the control gave is another matter.
    document["test_keys"]["control"]["dns"]["addrs"] = json!(["20.1.0.1"]);
    says(&verdict(document), Blocking::Unknown, None);
}

#[test]
fn a_control_that_resolves_nothing_without_failing_makes_answers_wrong() {
    let lying = with(&[
        ("control/dns/addrs", json!([])),
        ("requests/0/failure", json!("eof_error")),
    ]);
    says(&lying, Blocking::By("dns"), Some(false));
    assert_eq!(
        (lying.x_dns_flags, lying.x_null_null_flags),
        (Some(4), Some(16))
    );
    let denied = with(&[
        ("control/dns/addrs", json!([])),
        ("queries/0/failure", json!("dns_nxdomain_error")),
        ("tcp_connect", json!([])),
        ("requests", json!([])),
    ]);
    says(&denied, Blocking::By("dns"), Some(false));
    assert_eq!(denied.http_experiment_failure, None);
}

#[test]
fn the_first_failure_counts_with_or_without_a_control() {
    let alone = with(&[
        ("control", json!(null)),
        ("queries/0/failure", json!("dns_nxdomain_error")),
    ]);
    assert_eq!(
        alone.dns_experiment_failure.as_deref(),
        Some("dns_nxdomain_error")
    );
}

#[test]
fn flags_are_about_everything_that_was_seen() {
    // Only another resolver gave the address; what came from there was the right page.
    let other = with(&[("queries/0/engine", json!("udp"))]);
    assert_eq!(other.x_blocking_flags, Some(32));
    assert_eq!(other.accessible, None);
    // After a redirect, where nothing was had in the end.
    let late = |change: (&str, Value)| {
        with(&[
            change,
            ("requests", json!([])),
            ("tcp_connect/0/tags", json!(["depth=1", "fetch_body=true"])),
        ])
        .x_blocking_flags
    };
    let failed = |why: &str| json!({ "failure": why, "success": false });
    assert_eq!(
        late(("tcp_connect/0/status", failed("connection_reset"))),
        Some(2)
    );
    let mut six = well();
    six["test_keys"]["requests"] = json!([]);
    six["test_keys"]["tcp_connect"][0]["tags"] = json!(["depth=1", "fetch_body=true"]);
    six["test_keys"]["tcp_connect"][0]["status"] = failed("host_unreachable");
    six["test_keys"]["tcp_connect"][0]["ip"] = json!("2a00::1");
    assert_eq!(verdict(six).x_blocking_flags, Some(0));
}

#[test]
fn a_body_that_was_cut_off_is_compared_as_the_code_does() {
    let mut document = well();
    document["test_keys"]["requests"][0]["response"]["body_is_truncated"] = json!(true);
    assert_eq!(verdict(document.clone()).body_length_match, Some(true));
    document["test_keys"]["requests"][0]["request"]["body_is_truncated"] = json!(true);
    assert_eq!(verdict(document).body_length_match, None);
}

pub(super) fn damage(value: &mut Value, path: &[usize], kind: u8) {
    let next = |len: usize, at: usize| if len == 0 { None } else { Some(at % len) };
    if let Some((first, rest)) = path.split_first() {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let at = next(map.len(), *first).unwrap_or_default();
                if let Some(inner) = map.values_mut().nth(at) {
                    return damage(inner, rest, kind);
                }
            }
            Value::Array(list) if !list.is_empty() => {
                let at = next(list.len(), *first).unwrap_or_default();
                return damage(&mut list[at], rest, kind);
            }
            _ => {}
        }
    }
    *value = match kind % 7 {
        0 => json!(null),
        1 => json!(false),
        2 => json!(-1),
        3 => json!("\u{130}<title>"),
        4 => json!([]),
        5 => json!({}),
        _ => json!(1e300),
    };
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(
        damages in prop::collection::vec((prop::collection::vec(0usize..9, 1..7), any::<u8>()), 1..6)
    ) {
        let mut document = well();
        for (path, kind) in damages {
            damage(&mut document, &path, kind);
        }
        verdict(document);
    }
}

/// Everything that is done with a document, on octets that nobody promised anything of.
fn take(bytes: &[u8]) {
    let path = std::path::Path::new("x");
    let mut found = super::Documents::new(path, std::io::Cursor::new(bytes));
    while let Some(found) = found.next_document() {
        if let Ok((_, document)) = found {
            let _ = everything(&document);
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let tree: Result<Value, _> = serde_json::from_str(text);
        match (Document::parse(text), &tree) {
            (Ok(read), Ok(tree)) => {
                assert_eq!(everything(&read), everything(&Document::new(tree)));
            }
            (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
            (one, other) => panic!("{one:?} {other:?}"),
        }
    }
}

/// All that is made of a document.
fn everything(
    document: &Document<'_>,
) -> (Judged, Likelihoods, Result<Converted, Unusable>, [u8; 32]) {
    (
        super::judge(document, &nowhere),
        super::likelihoods(document, &nowhere, None),
        super::convert(document, &|_| None),
        document.digest(),
    )
}

/// Where the samples are; none without the shared folder.
fn samples() -> Vec<Vec<u8>> {
    let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        Into::into,
    );
    let Ok(folder) = std::fs::read_dir(shared.join("data/ooni/measurements")) else {
        println!("skipped: no ../shared: the test's own document instead");
        return vec![include_bytes!("../../../fuzz/corpus/ooni/both-versions.jsonl").to_vec()];
    };
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn truncations_and_mutations_of_every_sample_are_taken_or_refused() {
    let mut word = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        (word % below.max(1) as u64) as usize
    };
    for sample in samples() {
        // Long pages cost time and hold no structure.
        let rounds = if sample.len() > 64 << 10 { 6 } else { 60 };
        for _ in 0..rounds {
            take(&sample[..next(sample.len())]);
            let mut changed = sample.clone();
            for _ in 0..=next(4) {
                let at = next(changed.len());
                changed[at] = b"0nt-[]{}\"\\,:9e\xff\n"[next(16)];
            }
            take(&changed);
            // Valid JSON of another shape: a value becomes another kind of value.
            let mut json: Value = serde_json::from_slice(&sample).unwrap_or_default();
            let (at, kind) = (next(4000), next(6));
            bend(&mut json, &mut (at as i64), kind);
            take(json.to_string().as_bytes());
        }
    }
}

/// Replaces the value at this place, counted from the first.
fn bend(value: &mut Value, left: &mut i64, kind: usize) {
    *left -= 1;
    if *left == 0 {
        *value = [
            json!(null),
            json!(-1),
            json!("::"),
            json!([[]]),
            json!({ "a": 1e300 }),
            json!(u64::MAX),
        ][kind]
            .clone();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| bend(item, left, kind)),
        Value::Object(map) => map.values_mut().for_each(|item| bend(item, left, kind)),
        _ => {}
    }
}
