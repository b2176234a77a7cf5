//! What would Web Connectivity 0.4 say? Its documents tie no lookup, connection and request
//! together, so the rules of 0.5 cannot be asked: it judges by the newest request, the first
//! failure of the system's resolver and the sum of connections (probe-cli
//! `experiment/webconnectivity`: `dnsanalysis`, `httpanalysis`, `summary`).
//!
//! One thing is stricter here: where the document holds nothing of what a rule needs, there
//! is no verdict, not one by default.

use super::{
    Blocking, ClassicVerdict, Judged,
    document::{Document, answer_address, body, failure, header_names, hostname, number, text},
    observation::{is_system, networks},
    tape::Value,
};
use faultline_core::page::{long_words, title, uncommon_headers};
use std::{collections::BTreeSet, net::IpAddr};

/// Flags of `x_status`.
mod status {
    pub(super) const SECURE: u32 = 1;
    pub(super) const CLEARTEXT: u32 = 1 << 1;
    pub(super) const NO_SUCH_NAME: u32 = 1 << 2;
    pub(super) const CONTROL_UNREACHABLE: u32 = 1 << 3;
    pub(super) const CONTROL_FAILED: u32 = 1 << 4;
    pub(super) const DNS: u32 = 1 << 5;
    pub(super) const HTTP_DIFF: u32 = 1 << 6;
    pub(super) const CONNECT: u32 = 1 << 7;
    pub(super) const READ_WRITE: u32 = 1 << 8;
    pub(super) const UNKNOWN: u32 = 1 << 9;
    pub(super) const TLS: u32 = 1 << 10;
    pub(super) const IN_DNS: u32 = 1 << 11;
    pub(super) const IN_CONNECT: u32 = 1 << 12;
    pub(super) const IN_HTTP: u32 = 1 << 13;
    pub(super) const NO_REQUESTS: u32 = 1 << 14;
}

pub(super) fn judge(document: &Document<'_>, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> Judged {
    let Some(host) = hostname(document.input()) else {
        return unjudged("its input is no URL");
    };
    let names = Names::new(document, host);
    let newest = document.list("requests").next();
    let secure = newest.is_some_and(|request| {
        failure(request.field("failure")).is_none()
            && text(request.field("request").field("url")).starts_with("https://")
    });
    let control = document.key("control");
    let control = (control.is_map() && failure(document.key("control_failure")).is_none())
        .then_some(control);
    let silent = names.addresses.is_empty() && names.failure.is_none();
    if silent && !secure && failure(document.key("control_failure")).is_none() {
        return unjudged("it holds no lookup of the name");
    }
    let consistent = control.map(|control| names.consistent(control, asn_of));
    let pages = newest
        .zip(control)
        .map_or_else(Pages::default, |(request, control)| {
            Pages::new(request.field("response"), control.field("http_request"))
        });
    let (blocking, accessible, x_status) = if secure {
        (Blocking::None, Some(true), status::SECURE)
    } else if let (Some(control), Some(consistent)) = (control, consistent) {
        decide(
            document,
            &names,
            consistent,
            control.field("http_request"),
            &pages,
        )
    } else {
        (Blocking::Unknown, None, status::CONTROL_UNREACHABLE)
    };
    Judged {
        rules: "0.4",
        unjudged: None,
        verdict: ClassicVerdict {
            dns_experiment_failure: names.failure.map(Into::into),
            dns_consistency: consistent.map(|c| if c { "consistent" } else { "inconsistent" }),
            control_failure: failure(document.key("control_failure")).map(Into::into),
            http_experiment_failure: newest
                .and_then(|request| failure(request.field("failure")))
                .map(Into::into),
            body_length_match: pages.proportion.map(|p| p > 0.7),
            body_proportion: pages.proportion.unwrap_or(0.0),
            status_code_match: pages.status,
            headers_match: pages.headers,
            title_match: pages.title,
            x_status: Some(x_status),
            x_dns_flags: None,
            x_blocking_flags: None,
            x_null_null_flags: None,
            accessible,
            blocking,
        },
    }
}

/// Nothing can be said, and why.
fn unjudged(why: &'static str) -> Judged {
    Judged {
        rules: "0.4",
        unjudged: Some(why),
        verdict: ClassicVerdict::default(),
    }
}

/// The walk of version 0.4, from names up; HTTPS success was seen to before.
fn decide(
    document: &Document<'_>,
    names: &Names<'_>,
    consistent: bool,
    control: Value<'_>,
    pages: &Pages,
) -> (Blocking, Option<bool>, u32) {
    let no_such_name = names.failure.is_some_and(no_such_name);
    if no_such_name && consistent {
        // Debatable, and OONI's: a name that does not exist counts as accessible.
        let why = status::NO_SUCH_NAME | status::IN_DNS;
        return (Blocking::None, Some(true), why);
    }
    let by_names = (Blocking::By("dns"), Some(false));
    if no_such_name {
        return (by_names.0, by_names.1, status::DNS | status::IN_DNS);
    }
    let mut dials = document.list("tcp_connect").peekable();
    let connected = |dial: Value<'_>| dial.field("status").field("success").is_true();
    if dials.peek().is_some() && !dials.any(connected) {
        let why = status::CONNECT | status::IN_CONNECT;
        return if consistent {
            (Blocking::By("tcp_ip"), Some(false), why)
        } else {
            (by_names.0, by_names.1, status::DNS | why)
        };
    }
    if failure(control.field("failure")).is_some() {
        return (Blocking::Unknown, None, status::CONTROL_FAILED);
    }
    let Some(newest) = document.list("requests").next() else {
        return (Blocking::Unknown, None, status::NO_REQUESTS);
    };
    if let Some(word) = failure(newest.field("failure")) {
        let (how, why) = match word {
            "connection_refused" => ("http-failure", status::CONNECT),
            "connection_reset" | "eof_error" => ("http-failure", status::READ_WRITE),
            "dns_nxdomain_error" => ("dns", status::DNS),
            "generic_timeout_error" => ("http-failure", status::UNKNOWN),
            "ssl_invalid_hostname" | "ssl_invalid_certificate" | "ssl_unknown_authority" => {
                ("http-failure", status::TLS)
            }
            _ => return (Blocking::Unknown, None, status::IN_HTTP),
        };
        // A redirect may have led elsewhere; the first hop is where the answer led.
        if !consistent && document.list("requests").count() == 1 {
            let why = status::DNS | status::IN_HTTP | why;
            return (by_names.0, by_names.1, why);
        }
        return (Blocking::By(how), Some(false), status::IN_HTTP | why);
    }
    let yes = Some(true);
    let length = pages.proportion.is_some_and(|p| p > 0.7);
    if pages.status == yes && (length || pages.headers == yes || pages.title == yes) {
        return (Blocking::None, Some(true), status::CLEARTEXT);
    }
    if !consistent {
        return (by_names.0, by_names.1, status::DNS | status::HTTP_DIFF);
    }
    (Blocking::By("http-diff"), Some(false), status::HTTP_DIFF)
}

/// Android's cache says "no data" where others say that the name does not exist.
fn no_such_name(failure: &str) -> bool {
    matches!(failure, "dns_nxdomain_error" | "android_dns_cache_no_data")
}

/// What the system's resolver said of the target's name.
struct Names<'d> {
    literal: bool,
    addresses: BTreeSet<IpAddr>,
    failure: Option<&'d str>,
}

impl<'d> Names<'d> {
    fn new(document: &'d Document<'_>, host: &str) -> Self {
        let literal: Option<IpAddr> = host.parse().ok();
        let asked = || {
            document.list("queries").filter(|query| {
                let [engine, name] = ["engine", "hostname"].map(|name| text(query.field(name)));
                (is_system(engine) || engine.is_empty()) && name.eq_ignore_ascii_case(host)
            })
        };
        let answered = asked().flat_map(|query| query.field("answers").items());
        let addresses: BTreeSet<_> =
            answered.filter_map(answer_address).chain(literal).collect();
        let failed = || asked().find_map(|query| failure(query.field("failure")));
        Self {
            literal: literal.is_some(),
            failure: addresses.is_empty().then(failed).flatten(),
            addresses,
        }
    }

    fn consistent(&self, control: Value<'_>, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> bool {
        if self.literal {
            return true;
        }
        if let (Some(ours), Some(theirs)) =
            (self.failure, failure(control.field("dns").field("failure")))
        {
            return theirs == "dns_name_error" && no_such_name(ours);
        }
        let theirs: BTreeSet<IpAddr> = control
            .field("dns")
            .field("addrs")
            .items()
            .filter_map(|ip| text(ip).parse().ok())
            .collect();
        !networks(&self.addresses, asn_of).is_disjoint(&networks(&theirs, asn_of))
            || !self.addresses.is_disjoint(&theirs)
    }
}

/// The four measures; `None` is "cannot tell".
#[derive(Default)]
struct Pages {
    proportion: Option<f64>,
    status: Option<bool>,
    headers: Option<bool>,
    title: Option<bool>,
}

impl Pages {
    fn new(ours: Value<'_>, control: Value<'_>) -> Self {
        let page = body(ours.field("body"));
        let truncated = ours.field("body_is_truncated").is_true();
        let (length, theirs) = (page.len() as i64, number(control.field("body_length")));
        let measurable = !truncated && length > 0 && theirs > 0;
        let (code, expected) = (
            number(ours.field("code")),
            number(control.field("status_code")),
        );
        let coded = code > 0 && expected > 0;
        let lower = |value: Value<'_>| -> BTreeSet<String> {
            let names = header_names(value);
            names.iter().map(|name| name.to_lowercase()).collect()
        };
        let (mine, other) = (
            lower(ours.field("headers")),
            lower(control.field("headers")),
        );
        let telling =
            |names: &BTreeSet<String>| uncommon_headers(names.iter().map(String::as_str));
        let title = title(&page).filter(|_| !truncated);
        Self {
            proportion: measurable
                .then(|| length.min(theirs) as f64 / length.max(theirs) as f64),
            // A test helper that fails cannot say that another answer is wrong.
            status: (coded && (code == expected || expected / 100 != 5))
                .then_some(code == expected),
            headers: coded
                .then(|| mine == other || !telling(&mine).is_disjoint(&telling(&other))),
            title: title
                .filter(|_| coded)
                .map(|title| long_words(&title) == long_words(text(control.field("title")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, judge};
    use super::*;
    use serde_json::{Value, json};

    /// A cleartext measurement by version 0.4 in which all went well.
    fn well() -> Value {
        json!({
            "test_name": "web_connectivity", "test_version": "0.4.3",
            "input": "http://news.example/",
            "test_keys": {
                "control_failure": null,
                "queries": [{
                    "engine": "system", "hostname": "news.example", "query_type": "A",
                    "failure": null,
                    "answers": [{ "answer_type": "A", "ipv4": "20.1.0.1" }],
                }],
                "tcp_connect": [{
                    "ip": "20.1.0.1", "port": 80,
                    "status": { "failure": null, "success": true },
                }],
                "requests": [{
                    "failure": null,
                    "request": { "url": "http://news.example/" },
                    "response": { "code": 200, "body": "<title>Morning news</title>", "headers": {} },
                }],
                "control": {
                    "dns": { "failure": null, "addrs": ["20.1.0.1"] },
                    "tcp_connect": { "20.1.0.1:80": { "status": true, "failure": null } },
                    "http_request": {
                        "failure": null, "status_code": 200, "body_length": 27,
                        "title": "Morning news", "headers": {},
                    },
                },
            },
        })
    }

    fn with(changes: &[(&str, Value)]) -> Judged {
        let mut document = well();
        for (pointer, value) in changes {
            *document
                .pointer_mut(&format!("/test_keys/{pointer}"))
                .expect(pointer) = value.clone();
        }
        judge(&Document::new(&document), &|_| None)
    }

    #[track_caller]
    fn says(judged: &Judged, blocking: Blocking, accessible: Option<bool>, x_status: u32) {
        let verdict = &judged.verdict;
        assert_eq!(
            (verdict.blocking, verdict.accessible, verdict.x_status),
            (blocking, accessible, Some(x_status)),
            "{judged:?}"
        );
    }

    /// The statuses are those that OONI expects of version 0.4 in its own quality suite.
    #[test]
    fn each_step_has_its_verdict_and_status() {
        let fine = with(&[]);
        says(&fine, Blocking::None, Some(true), 2);
        assert_eq!((fine.rules, fine.unjudged), ("0.4", None));
        let failed = |word: &str| ("requests/0/failure", json!(word));
        let http = Blocking::By("http-failure");
        says(
            &with(&[failed("connection_reset")]),
            http,
            Some(false),
            8448,
        );
        says(
            &with(&[failed("generic_timeout_error")]),
            http,
            Some(false),
            8704,
        );
        says(&with(&[failed("odd")]), Blocking::Unknown, None, 8192);
        let dial = (
            "tcp_connect/0/status",
            json!({ "failure": "generic_timeout_error", "success": false }),
        );
        says(&with(&[dial]), Blocking::By("tcp_ip"), Some(false), 4224);
        let nothing = json!([]);
        let denied = [
            ("queries/0/failure", json!("dns_nxdomain_error")),
            ("queries/0/answers", nothing.clone()),
        ];
        says(&with(&denied), Blocking::By("dns"), Some(false), 2080);
        let both = [
            denied.as_slice(),
            &[(
                "control/dns",
                json!({ "failure": "dns_name_error", "addrs": [] }),
            )],
        ]
        .concat();
        says(&with(&both), Blocking::None, Some(true), 2052);
        let unreachable = ("control_failure", json!("connection_reset"));
        says(&with(&[unreachable]), Blocking::Unknown, None, 8);
        let broken = ("control/http_request/failure", json!("unknown_error"));
        says(&with(&[broken]), Blocking::Unknown, None, 16);
        says(
            &with(&[("requests", nothing)]),
            Blocking::Unknown,
            None,
            16384,
        );
        let other = ("requests/0/response", json!({ "code": 403, "body": "no" }));
        says(&with(&[other]), Blocking::By("http-diff"), Some(false), 64);
        let secure = ("requests/0/request/url", json!("https://news.example/"));
        says(&with(&[secure]), Blocking::None, Some(true), 1);
    }

    /// Statuses of OONI's quality suite again: a hijack to a proxy, a blockpage, a reset, a
    /// ghost.
    #[test]
    fn wrong_answers_are_judged_by_what_they_led_to() {
        let elsewhere = ("control/dns/addrs", json!(["21.9.0.9"]));
        let apart = |changes: &[(&str, Value)]| {
            with(&[std::slice::from_ref(&elsewhere), changes].concat())
        };
        says(&apart(&[]), Blocking::None, Some(true), 2);
        let dns = Blocking::By("dns");
        let other = ("requests/0/response", json!({ "code": 403, "body": "no" }));
        says(&apart(&[other]), dns, Some(false), 96);
        let reset = ("requests/0/failure", json!("connection_reset"));
        says(&apart(std::slice::from_ref(&reset)), dns, Some(false), 8480);
        let dial = (
            "tcp_connect/0/status",
            json!({ "failure": "generic_timeout_error", "success": false }),
        );
        says(&apart(&[dial]), dns, Some(false), 4256);
        let broken = ("control/http_request/failure", json!("dns_name_error"));
        says(&apart(&[broken]), Blocking::Unknown, None, 16);
        let first = well()["test_keys"]["requests"][0].clone();
        let hops = ("requests", json!([first, first]));
        let led = Blocking::By("http-failure");
        says(&apart(&[hops, reset]), led, Some(false), 8448);
    }

    #[test]
    fn another_network_is_inconsistent_and_the_same_one_is_not() {
        let mut document = well();
        *document
            .pointer_mut("/test_keys/control/dns/addrs")
            .unwrap() = json!(["21.9.0.9"]);
        let document = Document::new(&document);
        let apart = judge(&document, &|_| None);
        assert_eq!(apart.verdict.dns_consistency, Some("inconsistent"));
        let together = judge(&document, &|_| Some(64500));
        assert_eq!(together.verdict.dns_consistency, Some("consistent"));
    }

    #[test]
    fn what_a_document_does_not_hold_accuses_nobody() {
        let empty = with(&[("queries", json!([]))]);
        assert_eq!(empty.unjudged, Some("it holds no lookup of the name"));
        assert_eq!(
            (empty.verdict.blocking, empty.verdict.accessible),
            (Blocking::Unknown, None)
        );
        // No control is no control, whatever the document says of its failure.
        says(
            &with(&[("control", json!(null))]),
            Blocking::Unknown,
            None,
            8,
        );
        let mut odd = well();
        odd["input"] = json!(null);
        let odd = judge(&Document::new(&odd), &|_| None);
        assert_eq!(odd.unjudged, Some("its input is no URL"));
    }
}
