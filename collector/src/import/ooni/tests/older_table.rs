//! Does every combination have the verdict that the rules of version 0.4 say? As the research
//! reads them from OONI's code (`webconnectivity/{dnsanalysis,summary,httpanalysis}.go`), first
//! that fits.

use super::super::{Blocking, Document, judge};
use super::{nowhere, well};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug)]
struct Case {
    /// The address that was answered, or the failure.
    name: Result<&'static str, &'static str>,
    /// Whether connections succeeded; `None` where there were none.
    connected: Option<bool>,
    requested: Requested,
    /// Redirects before it.
    hops: usize,
    control: Control,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Requested {
    Nothing,
    Failed(&'static str),
    Page { secure: bool, same: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Control {
    Unreachable,
    /// Its lookup failed, and so did all else.
    NoSuchName,
    HttpFailed,
    Fine,
}

fn cases() -> Vec<Case> {
    let names = [
        Ok("20.1.0.1"),
        Ok("21.9.0.9"),
        Err("dns_nxdomain_error"),
        Err("android_dns_cache_no_data"),
        Err("generic_timeout_error"),
    ];
    let words = [
        "connection_refused",
        "connection_reset",
        "eof_error",
        "generic_timeout_error",
        "ssl_unknown_authority",
        "dns_nxdomain_error",
        "unknown_failure: odd",
    ];
    let mut requested: Vec<_> = words.map(Requested::Failed).into();
    requested.push(Requested::Nothing);
    for (secure, same) in [(true, false), (false, true), (false, false)] {
        requested.push(Requested::Page { secure, same });
    }
    let controls = [
        Control::Unreachable,
        Control::NoSuchName,
        Control::HttpFailed,
        Control::Fine,
    ];
    let mut all = Vec::new();
    for name in names {
        for connected in [None, Some(true), Some(false)] {
            for requested in requested.iter().copied() {
                for hops in [0, 1] {
                    all.extend(controls.map(|control| Case {
                        name,
                        connected,
                        requested,
                        hops,
                        control,
                    }));
                }
            }
        }
    }
    all
}

impl Case {
    fn document(&self) -> Value {
        let mut document = well();
        document["test_version"] = "0.4.3".into();
        let keys = &mut document["test_keys"];
        keys["queries"][0]["failure"] = self.name.err().into();
        keys["queries"][0]["answers"] = match self.name {
            Ok(ip) => json!([{ "answer_type": "A", "ipv4": ip }]),
            Err(_) => Value::Null,
        };
        match self.connected {
            None => keys["tcp_connect"] = json!([]),
            Some(success) => keys["tcp_connect"][0]["status"]["success"] = success.into(),
        }
        let hop = keys["requests"][0].clone();
        let mut newest = hop.clone();
        match self.requested {
            Requested::Nothing => {}
            Requested::Failed(word) => newest["failure"] = word.into(),
            Requested::Page { secure, same } => {
                if secure {
                    newest["request"]["url"] = "https://news.example/".into();
                }
                if !same {
                    newest["response"]["code"] = 403.into();
                }
            }
        }
        keys["requests"] = match self.requested {
            Requested::Nothing => json!([]),
            _ => std::iter::once(newest)
                .chain(vec![hop; self.hops])
                .collect(),
        };
        let control = &mut keys["control"];
        match self.control {
            Control::Fine => {}
            Control::HttpFailed => control["http_request"]["failure"] = "unknown_error".into(),
            Control::NoSuchName => {
                control["dns"] = json!({ "failure": "dns_name_error", "addrs": [] });
                control["http_request"]["failure"] = "dns_name_error".into();
            }
            Control::Unreachable => keys["control_failure"] = "connection_reset".into(),
        }
        document
    }

    fn consistent(&self) -> bool {
        match (self.name, self.control) {
            (Ok(ip), Control::HttpFailed | Control::Fine) => ip == "20.1.0.1",
            (Err(word), Control::NoSuchName) => is_denial(word),
            _ => false,
        }
    }

    fn expected(&self) -> (Blocking, Option<bool>) {
        let blocked = |how| (Blocking::By(how), Some(false));
        let (fine, unknown) = ((Blocking::None, Some(true)), (Blocking::Unknown, None));
        let consistent = self.consistent();
        if matches!(self.requested, Requested::Page { secure: true, .. }) {
            return fine;
        }
        if self.control == Control::Unreachable {
            return unknown;
        }
        if self.name.is_err_and(is_denial) {
            return if consistent { fine } else { blocked("dns") };
        }
        if self.connected == Some(false) {
            return blocked(if consistent { "tcp_ip" } else { "dns" });
        }
        if self.control != Control::Fine {
            return unknown;
        }
        match self.requested {
            Requested::Nothing | Requested::Failed("unknown_failure: odd") => unknown,
            Requested::Failed("dns_nxdomain_error") => blocked("dns"),
            Requested::Failed(_) if !consistent && self.hops == 0 => blocked("dns"),
            Requested::Failed(_) => blocked("http-failure"),
            Requested::Page { same: true, .. } => fine,
            Requested::Page { .. } if !consistent => blocked("dns"),
            Requested::Page { .. } => blocked("http-diff"),
        }
    }
}

/// Android's resolver says so in its own way.
fn is_denial(word: &str) -> bool {
    matches!(word, "dns_nxdomain_error" | "android_dns_cache_no_data")
}

#[test]
fn every_combination_has_the_verdict_of_the_older_rules() {
    let all = cases();
    assert!(all.len() > 1000, "{}", all.len());
    for case in all {
        let document = case.document();
        let judged = judge(&Document::new(&document), &nowhere);
        let verdict = &judged.verdict;
        assert_eq!((judged.rules, judged.unjudged), ("0.4", None), "{case:?}");
        assert_eq!(
            (verdict.blocking, verdict.accessible),
            case.expected(),
            "{case:?}"
        );
        let consistency = (case.control != Control::Unreachable).then(|| {
            if case.consistent() {
                "consistent"
            } else {
                "inconsistent"
            }
        });
        assert_eq!(verdict.dns_consistency, consistency, "{case:?}");
    }
}
