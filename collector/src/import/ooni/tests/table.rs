//! Does every combination of what a probe and its control can see at one address have the
//! verdict that the rules say? The rules of version 0.5 again, as the research reads them from
//! OONI's code (`webconnectivitylte/analysisclassic.go`, `analysisext.go`), written down as they
//! are said: for a first hop, one lookup and one address.
#![allow(clippy::match_same_arms)] // a line for each rule

use super::super::{Blocking, Document, judge};
use super::{nowhere, well};
use serde_json::{Value, json};

const OURS: &str = "20.1.0.1";
const LOOPBACK: &str = "127.0.0.1";

/// How the connection and what was done over it ended; the empty text is success.
#[derive(Clone, Copy, Debug)]
enum Reached {
    Nothing,
    Connect(&'static str),
    Handshake(&'static str),
    /// Over TLS or not.
    Fetch(bool, &'static str),
    Page(bool, i64),
}

#[derive(Clone, Copy, Debug)]
struct Control {
    /// Its failure, or its addresses.
    dns: Result<&'static [&'static str], ()>,
    /// `None`: not tried.
    tcp: Option<bool>,
    tls: Option<bool>,
    http: bool,
    same_page: bool,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    dns: Result<&'static str, &'static str>,
    reached: Reached,
    control: Option<Control>,
}

fn cases() -> Vec<Case> {
    let dns = [
        Ok(OURS),
        Ok("21.9.0.9"),
        Ok(LOOPBACK),
        Err("dns_nxdomain_error"),
        Err("dns_no_answer"),
        Err("generic_timeout_error"),
    ];
    let reached = [
        Reached::Nothing,
        Reached::Connect(""),
        Reached::Connect("generic_timeout_error"),
        Reached::Handshake(""),
        Reached::Handshake("connection_reset"),
        Reached::Fetch(true, "eof_error"),
        Reached::Fetch(false, "connection_reset"),
        Reached::Page(true, 200),
        Reached::Page(true, 404),
        Reached::Page(false, 200),
        Reached::Page(false, 302),
    ];
    let mut controls = vec![None];
    let three = [None, Some(true), Some(false)];
    for dns in [Ok(&[OURS][..]), Ok(&[]), Ok(&[LOOPBACK]), Err(())] {
        for tcp in three {
            for tls in three {
                for (http, same_page) in [(true, true), (true, false), (false, true)] {
                    controls.push(Some(Control {
                        dns,
                        tcp,
                        tls,
                        http,
                        same_page,
                    }));
                }
            }
        }
    }
    let mut all = Vec::new();
    for dns in dns {
        for reached in reached {
            // Without an address, nothing is reached.
            if dns.is_ok() || matches!(reached, Reached::Nothing) {
                all.extend(controls.iter().map(|control| Case {
                    dns,
                    reached,
                    control: *control,
                }));
            }
        }
    }
    all
}

impl Case {
    fn document(&self) -> Value {
        let tags = json!(["classic", "depth=0", "fetch_body=true"]);
        let word = |end: &str| {
            if end.is_empty() {
                Value::Null
            } else {
                end.into()
            }
        };
        let mut document = well();
        let keys = &mut document["test_keys"];
        let query = &mut keys["queries"][0];
        query["failure"] = self.dns.err().into();
        query["answers"] = match self.dns {
            Ok(ip) => json!([{ "answer_type": "A", "ipv4": ip }]),
            Err(_) => Value::Null,
        };
        let at = self.dns.unwrap_or_default();
        let (tcp, tls, http) = match self.reached {
            Reached::Nothing => (None, None, None),
            Reached::Connect(end) => (Some(end), None, None),
            Reached::Handshake(end) => (Some(""), Some(end), None),
            Reached::Fetch(secure, end) => (Some(""), secure.then_some(""), Some((0, end))),
            Reached::Page(secure, code) => (Some(""), secure.then_some(""), Some((code, ""))),
        };
        match tcp {
            None => keys["tcp_connect"] = json!([]),
            Some(end) => {
                keys["tcp_connect"][0]["ip"] = at.into();
                keys["tcp_connect"][0]["status"] = json!({ "failure": word(end) });
            }
        }
        keys["tls_handshakes"] = tls.map_or(json!([]), |end| {
            json!([{
                "address": format!("{at}:80"), "server_name": "news.example",
                "failure": word(end), "transaction_id": 2, "tags": tags,
            }])
        });
        match http {
            None => keys["requests"] = json!([]),
            Some((code, end)) => {
                keys["requests"][0]["failure"] = word(end);
                keys["requests"][0]["response"]["code"] = code.into();
            }
        }
        let Some(control) = self.control else {
            keys["control"] = Value::Null;
            return document;
        };
        let there = &mut keys["control"];
        there["dns"] = match control.dns {
            Ok(ips) => json!({ "failure": null, "addrs": ips }),
            Err(()) => json!({ "failure": "dns_name_error", "addrs": [] }),
        };
        let failure = |fine: bool| {
            if fine {
                Value::Null
            } else {
                "some_error".into()
            }
        };
        let mut tried = |name: &str, fine: Option<bool>| {
            there[name] = json!({});
            if let Some(fine) = fine {
                there[name][format!("{at}:80")] =
                    json!({ "failure": failure(fine), "server_name": "news.example" });
            }
        };
        tried("tcp_connect", control.tcp);
        tried("tls_handshake", control.tls);
        there["http_request"]["failure"] = failure(control.http);
        // A page that agrees does so in its status and its title.
        there["http_request"]["status_code"] = match http {
            Some((code, _)) if control.same_page => code.into(),
            _ => 200.into(),
        };
        if !control.same_page {
            there["http_request"]["title"] = "Evening paper".into();
            there["http_request"]["body_length"] = 9000.into();
            there["http_request"]["headers"] = json!({});
        }
        document
    }

    fn consistency(&self) -> Option<&'static str> {
        let control = self.control?;
        let (mut unexpected, mut expected) = (false, false);
        let (mut valid, mut invalid, mut ghost) = (false, false, false);
        match (self.dns, control.dns) {
            (Err(_), Err(())) => expected = true,
            (Err("dns_no_answer"), Ok([])) => expected = true,
            (Err(_), Ok(_)) => unexpected = true,
            (Ok(_), Err(())) => ghost = true,
            (Ok(ip), Ok(theirs)) => {
                ghost = theirs.is_empty();
                valid = theirs.contains(&ip);
                invalid = !valid;
            }
        }
        if !unexpected && !invalid && (valid || expected) {
            Some("consistent")
        } else if invalid || unexpected || ghost {
            Some("inconsistent")
        } else {
            None
        }
    }

    /// Blocking and accessible, before the lookup is asked.
    fn walk(&self) -> Option<(Blocking, Option<bool>)> {
        let fine = Some((Blocking::None, Some(true)));
        let down = Some((Blocking::None, Some(false)));
        let unknown = Some((Blocking::Unknown, None));
        let blocked = |how| Some((Blocking::By(how), Some(false)));
        let failed = |tried: Option<bool>, how| match (self.control, tried) {
            (None, _) => unknown,
            (_, None) => blocked("http-failure"),
            (_, Some(true)) => blocked(how),
            (_, Some(false)) => down,
        };
        let decided = match (self.reached, self.control) {
            (Reached::Page(true, 200 | 404), _) => fine,
            (Reached::Page(false, 200), None) => unknown,
            (Reached::Page(false, 200), Some(control)) => {
                // A control that was not served says nothing: no page is like it.
                if control.http && control.same_page {
                    fine
                } else {
                    blocked("http-diff")
                }
            }
            (Reached::Fetch(..), None) => unknown,
            (Reached::Fetch(..), Some(control)) if control.http => blocked("http-failure"),
            (Reached::Fetch(..), Some(_)) => down,
            (Reached::Handshake("connection_reset"), control) => {
                failed(control.and_then(|c| c.tls), "http-failure")
            }
            (Reached::Connect("generic_timeout_error"), control) => {
                failed(control.and_then(|c| c.tcp), "tcp_ip")
            }
            _ => None,
        };
        decided.or_else(|| match (self.dns, self.control?.dns) {
            (Err(_), Err(()) | Ok([])) => down,
            (Err(_), Ok(_)) => blocked("dns"),
            (Ok(LOOPBACK), Ok([LOOPBACK])) => down,
            (Ok(LOOPBACK), Ok(_)) => blocked("dns"),
            _ => None,
        })
    }

    /// The failure that the verdict rests on.
    fn failure(&self) -> Option<&'static str> {
        let control = self.control.map(|control| control.dns);
        match (self.reached, self.dns) {
            (Reached::Fetch(_, end), _) => Some(end),
            (Reached::Handshake(end) | Reached::Connect(end), _) if !end.is_empty() => {
                Some(end)
            }
            (_, Err(end)) if control != Some(Ok(&[])) => Some(end),
            _ => None,
        }
    }

    /// Those of the DNS, of blocking, and of what is nobody's.
    fn flags(&self) -> (u32, u32, u32) {
        let control = self.control;
        let secure = matches!(
            self.reached,
            Reached::Handshake("") | Reached::Fetch(true, _) | Reached::Page(true, _)
        );
        let theirs = control.and_then(|c| c.dns.ok());
        let nothing = theirs.is_some_and(<[_]>::is_empty);
        let denied = self.dns.is_err();
        let expected_denial = denied
            && control.is_some()
            && (theirs.is_none() || (nothing && self.dns == Err("dns_no_answer")));
        let wrong = self
            .dns
            .is_ok_and(|ip| theirs.is_some_and(|all| !all.contains(&ip)));
        let dns = [
            (self.dns == Ok(LOOPBACK), 1),
            (denied && control.is_some() && !expected_denial, 2),
            // A handshake that came to its end proves the address.
            (wrong && !secure, 4),
        ];
        let connect = matches!(self.reached, Reached::Connect(end) if !end.is_empty());
        let shake = matches!(self.reached, Reached::Handshake(end) if !end.is_empty());
        let (tcp, tls) = (control.and_then(|c| c.tcp), control.and_then(|c| c.tls));
        let secure_page = matches!(self.reached, Reached::Page(true, _));
        let plain_page = control.filter(|_| matches!(self.reached, Reached::Page(false, 200)));
        let alike = |c: Control| c.http && c.same_page;
        let sum = |bits: &[(bool, u32)]| -> u32 {
            bits.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum()
        };
        let dns = sum(&dns);
        let blocking = [
            (dns & 6 != 0, 1),
            (connect && tcp == Some(true), 2),
            (shake && tls == Some(true), 4),
            (
                matches!(self.reached, Reached::Fetch(..)) && control.is_some_and(|c| c.http),
                8,
            ),
            (plain_page.is_some_and(|c| !alike(c)), 16),
            (secure_page || plain_page.is_some_and(alike), 32),
        ];
        let nobodys = [
            (expected_denial, 1),
            (connect && tcp == Some(false), 2),
            (shake && tls == Some(false), 4),
            (secure_page && control.is_none(), 8),
            // What the control does not find has no addresses either.
            (
                !denied && control.is_some_and(|c| c.dns.unwrap_or_default().is_empty()),
                16,
            ),
        ];
        (dns, sum(&blocking), sum(&nobodys))
    }

    fn expected(&self) -> (Blocking, Option<bool>) {
        let decided = self.walk();
        // Odd, and OONI's: a name that fails without any control counts as accessible.
        if self.control.is_none() && self.dns.is_err() {
            return (Blocking::None, Some(true));
        }
        match decided {
            None => (Blocking::Unknown, None),
            Some((_, Some(true))) => (Blocking::None, Some(true)),
            Some(_) if self.consistency() == Some("inconsistent") => {
                (Blocking::By("dns"), Some(false))
            }
            Some(decided) => decided,
        }
    }
}

#[test]
fn every_combination_has_the_verdict_of_the_rules() {
    let all = cases();
    assert!(all.len() > 3000, "{}", all.len());
    for case in all {
        let document = case.document();
        let judged = judge(&Document::new(&document), &nowhere);
        let verdict = &judged.verdict;
        assert_eq!(
            (verdict.blocking, verdict.accessible),
            case.expected(),
            "{case:?}"
        );
        assert_eq!(verdict.dns_consistency, case.consistency(), "{case:?}");
        let failure = verdict.http_experiment_failure.as_deref();
        assert_eq!(failure, case.failure(), "{case:?}");
        let [dns, blocking, nobodys] = [
            verdict.x_dns_flags,
            verdict.x_blocking_flags,
            verdict.x_null_null_flags,
        ]
        .map(Option::unwrap);
        assert_eq!((dns, blocking, nobodys), case.flags(), "{case:?}");
        assert_eq!(judged.rules, "0.5");
        let first = case.dns.err();
        assert_eq!(verdict.dns_experiment_failure.as_deref(), first, "{case:?}");
    }
}
