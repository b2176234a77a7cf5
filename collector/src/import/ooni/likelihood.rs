//! How likely is it that a layer was blocked, down or fine? The layered likelihoods of OONI's
//! data pipeline (`oonipipeline/analysis/rules.py`, rules version 2), asked of one document:
//! what the pipeline takes from all measurements of an hour, this takes from the document's
//! own control. Weights are OONI's and uncalibrated. Where a document has no control for a
//! name that it was redirected to, an answer is unmatched and scores 0.75, as there.
//!
//! ```text
//! a name and family  -> dns  (answers of the system's resolver)
//! an endpoint        -> tcp, tls
//! first rule that fits -> (blocked, down, ok); over the document, the maximum of each
//! ```

use super::{
    document::{Document, text},
    observation::{Container, Endpoint, Resolved, is_system, networks},
};
use crate::fingerprints::Fingerprints;
use faultline_core::id::Country;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What a row has to say about its layer, whatever its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// No data.
    None,
    /// Data that an earlier layer makes worthless.
    Discarded,
    /// Data that was scored.
    Scored,
}

/// The maxima of one layer, and the rule that says most: the one with most evidence, then
/// most blocked, then the last by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Likelihood that somebody interfered.
    pub blocked: f64,
    /// Likelihood that the service was at fault.
    pub down: f64,
    /// Likelihood that nothing was wrong.
    pub ok: f64,
    /// The rule that says most.
    pub rule: &'static str,
    /// How much it has to say.
    pub evidence: Evidence,
    /// The failure of the row that is blocked most, if any failed.
    pub failure: Option<String>,
}

/// All three layers of a document. There is none for HTTP, as in the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likelihoods {
    /// Answers.
    pub dns: Layer,
    /// Connections.
    pub tcp: Layer,
    /// Handshakes.
    pub tls: Layer,
}

/// A rule that fitted: its name, `(blocked, down, ok)` and evidence.
#[derive(Clone, Copy)]
struct Fit(&'static str, (f64, f64, f64), Evidence);

const fn scored(rule: &'static str, blocked: f64, down: f64, ok: f64) -> Fit {
    Fit(rule, (blocked, down, ok), Evidence::Scored)
}

const fn masked(rule: &'static str, evidence: Evidence) -> Fit {
    Fit(rule, (0.0, 0.0, 0.0), evidence)
}

/// The likelihoods of a document of 0.5; 0.4 ties no steps together. `asn_of` is asked for
/// answered addresses.
pub fn likelihoods(
    document: &Document<'_>,
    asn_of: &dyn Fn(IpAddr) -> Option<u32>,
    fingerprints: Option<&Fingerprints>,
) -> Likelihoods {
    let seen = Container::new(document);
    let around = Around::new(&seen, asn_of);
    let names = names(&seen);
    let country = Country::new(text(document.top("probe_cc")));
    let blockpage = |ip: &IpAddr| {
        let known = fingerprints.and_then(|known| known.address(*ip));
        known.is_some_and(|known| country.is_some_and(|cc| known.countries.contains(&cc)))
    };
    let dns_rows: Vec<Fit> = names
        .values()
        .map(|name| {
            if name.answers.iter().any(blockpage) {
                return scored("country_consistent_blockpage", 1.0, 0.0, 0.0);
            }
            name.rule(&around, asn_of)
        })
        .collect();
    let mut dns = layer(&dns_rows);
    dns.failure = lookup_failure(&seen);
    let v6_broken = v6_broken(&seen);
    let (mut tcp_rows, mut tls_rows) = (Vec::new(), Vec::new());
    for endpoint in seen.endpoints.values() {
        let vouched = endpoint
            .address
            .is_some_and(|ip| around.proven.contains(&ip) || around.control.contains(&ip));
        let untrusted = !vouched && dns.blocked > 0.0 && dns.ok <= dns.blocked + dns.down;
        let connect = connect(endpoint, v6_broken, untrusted);
        tcp_rows.push(connect);
        tls_rows.push(handshake(endpoint, connect, untrusted));
    }
    let (mut tcp, mut tls) = (layer(&tcp_rows), layer(&tls_rows));
    tcp.failure = worst(&seen, &tcp_rows, |endpoint| Some(endpoint.tcp));
    tls.failure = worst(&seen, &tls_rows, |endpoint| endpoint.tls);
    Likelihoods { dns, tcp, tls }
}

/// How a lookup failed, by whichever resolver; the system's comes first. That a name has no
/// address of the other family is no failure.
fn lookup_failure(seen: &Container<'_>) -> Option<String> {
    let failures = || {
        let all = seen.failures.iter();
        all.filter(|l| l.query_type != "AAAA" || l.end != "dns_no_answer")
    };
    let of_system = failures().find(|l| is_system(l.engine));
    let first = of_system.or_else(|| failures().next());
    first.map(|lookup| lookup.end.to_owned())
}

/// How the endpoint that is blocked most failed.
fn worst(
    seen: &Container<'_>,
    rows: &[Fit],
    end: for<'d> fn(&Endpoint<'d>) -> Option<&'d str>,
) -> Option<String> {
    let rows = seen.endpoints.values().zip(rows);
    let failed = rows.filter_map(|(endpoint, row)| {
        let end = end(endpoint).filter(|end| !end.is_empty())?;
        Some((row.1.0, end))
    });
    let most = failed.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
    most.map(|(_, end)| end.to_owned())
}

fn layer(rows: &[Fit]) -> Layer {
    let most = |of: fn(&Fit) -> f64| rows.iter().map(of).fold(0.0, f64::max);
    let top = rows.iter().max_by(|a, b| {
        (a.2.cmp(&b.2))
            .then(a.1.0.total_cmp(&b.1.0))
            .then(a.0.cmp(b.0))
    });
    let top = top.copied().unwrap_or(masked("none", Evidence::None));
    Layer {
        blocked: most(|row| row.1.0),
        down: most(|row| row.1.1),
        ok: most(|row| row.1.2),
        rule: top.0,
        evidence: top.2,
        failure: None,
    }
}

/// Addresses at which somebody, probe or control, came to the end of a handshake.
fn proven(seen: &Container<'_>) -> BTreeSet<IpAddr> {
    let done =
        |endpoint: &&Endpoint<'_>| endpoint.tls == Some("") || endpoint.control_tls == Some("");
    let endpoints = seen.endpoints.values().filter(done);
    endpoints.filter_map(|endpoint| endpoint.address).collect()
}

/// Whether more than half of the document's connections over IPv6 fail.
fn v6_broken(seen: &Container<'_>) -> bool {
    let v6 = || {
        let endpoints = seen.endpoints.values();
        endpoints.filter(|e| e.address.is_some_and(|ip| ip.is_ipv6()))
    };
    2 * v6().filter(|e| !e.tcp.is_empty()).count() > v6().count()
}

/// What the system's resolver said of one name in one family.
#[derive(Default)]
struct Name {
    answers: BTreeSet<IpAddr>,
    failed: bool,
    /// Whether the control looked the name up: with which end.
    control: Option<bool>,
}

fn names<'d>(seen: &Container<'d>) -> BTreeMap<(&'d str, bool), Name> {
    let mut names: BTreeMap<(&'d str, bool), Name> = BTreeMap::new();
    for lookup in seen.successes.iter().filter(|l| is_system(l.engine)) {
        let Some(address) = lookup.address else {
            continue;
        };
        let name = names.entry((lookup.domain, address.is_ipv6())).or_default();
        name.answers.insert(address);
        name.control = resolved(lookup.control.as_ref());
    }
    for lookup in seen.failures.iter().filter(|l| is_system(l.engine)) {
        let v6 = lookup.query_type == "AAAA";
        let nothing = v6 && lookup.end == "dns_no_answer";
        let answered = [false, true].map(|v6| names.contains_key(&(lookup.domain, v6)));
        if nothing || answered.contains(&true) {
            continue; // no address of one family is no failure of the name
        }
        let name = names.entry((lookup.domain, v6)).or_default();
        name.failed = true;
        name.control = resolved(lookup.control.as_ref());
    }
    names
}

fn resolved(control: Option<&Resolved<'_>>) -> Option<bool> {
    control.map(|told| told.0.is_empty())
}

/// What the rules ask of beside a name, found once for all names.
struct Around {
    proven: BTreeSet<IpAddr>,
    /// Addresses whose certificates are wrong.
    uncertified: BTreeSet<IpAddr>,
    control: BTreeSet<IpAddr>,
    control_networks: BTreeSet<u32>,
}

impl Around {
    fn new(seen: &Container<'_>, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> Self {
        let wrong = |endpoint: &&Endpoint<'_>| endpoint.tls.is_some_and(is_about_certificate);
        let uncertified = seen.endpoints.values().filter(wrong);
        let control = seen.control.as_ref().map(|control| &control.addresses);
        let control = control.cloned().unwrap_or_default();
        Self {
            proven: proven(seen),
            uncertified: uncertified
                .filter_map(|endpoint| endpoint.address)
                .collect(),
            control_networks: networks(&control, asn_of),
            control,
        }
    }
}

impl Name {
    fn rule(&self, around: &Around, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> Fit {
        // The control looked up one name; of others it says nothing.
        let told = self.control.is_some();
        let matches = told && !self.answers.is_disjoint(&around.control);
        let bogon = self
            .answers
            .iter()
            .any(|ip| faultline_core::dns::is_bogon(*ip));
        let certificate_fails = !self.answers.is_disjoint(&around.uncertified);
        if self.answers.is_empty() && !self.failed {
            masked("no_dns_data", Evidence::None)
        } else if !self.answers.is_disjoint(&around.proven) {
            scored("tls_consistent_answer", 0.0, 0.0, 1.0)
        } else if bogon && !matches {
            scored("bogon_not_in_ctrl", 0.95, 0.05, 0.0)
        } else if bogon {
            scored("bogon_in_ctrl", 0.1, 0.9, 0.0)
        } else if certificate_fails && !matches {
            scored("tls_inconsistent_not_in_ctrl", 0.9, 0.05, 0.05)
        } else if matches {
            scored("answer_matches_ctrl", 0.0, 0.0, 0.9)
        } else if told && !networks(&self.answers, asn_of).is_disjoint(&around.control_networks)
        {
            scored("answer_asn_matches_ctrl", 0.2, 0.0, 0.8)
        } else if self.failed {
            match self.control {
                Some(false) => scored("failure_ctrl_also_failing", 0.1, 0.9, 0.0),
                Some(true) => scored("failure_ctrl_ok", 0.9, 0.1, 0.0),
                None => scored("failure_no_ctrl", 0.5, 0.5, 0.0),
            }
        } else {
            scored("answer_unmatched", 0.75, 0.0, 0.25)
        }
    }
}

fn is_about_certificate(end: &str) -> bool {
    matches!(
        end,
        "ssl_invalid_hostname" | "ssl_unknown_authority" | "ssl_invalid_certificate"
    )
}

fn connect(endpoint: &Endpoint<'_>, v6_broken: bool, untrusted: bool) -> Fit {
    let v6 = endpoint.address.is_some_and(|ip| ip.is_ipv6());
    match endpoint.control_tcp {
        _ if endpoint.tcp.is_empty() => scored("connect_ok", 0.0, 0.0, 1.0),
        _ if v6 && v6_broken => masked("ipv6_broken_probe", Evidence::Discarded),
        Some("") => scored("failure_ctrl_ok", 0.75, 0.25, 0.0),
        _ if untrusted => masked("endpoint_untrusted", Evidence::Discarded),
        Some(_) => scored("failure_ctrl_also_failing", 0.25, 0.75, 0.0),
        None => masked("none", Evidence::None),
    }
}

fn handshake(endpoint: &Endpoint<'_>, connect: Fit, untrusted: bool) -> Fit {
    let Some(end) = endpoint.tls else {
        return masked("no_tls_data", Evidence::None);
    };
    let (blocked, down, ok) = connect.1;
    match endpoint.control_tls {
        _ if end.is_empty() => scored("certificate_valid", 0.0, 0.0, 1.0),
        Some("") if end.starts_with("ssl_") => scored("failure_ctrl_ok_ssl", 0.9, 0.1, 0.0),
        Some("") if end == "connection_reset" => scored("failure_ctrl_ok_reset", 0.8, 0.2, 0.0),
        Some("") => scored("failure_ctrl_ok_other", 0.7, 0.3, 0.0),
        _ if untrusted => masked("endpoint_untrusted", Evidence::Discarded),
        _ if blocked > 0.0 && ok <= blocked + down => {
            masked("tcp_blocked", Evidence::Discarded)
        }
        Some(_) => scored("failure_ctrl_also_failing", 0.2, 0.8, 0.0),
        None => masked("none", Evidence::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A name answered with 20.1.0.1, a connection and a handshake with it; the control likewise.
    fn well() -> Value {
        json!({
            "test_name": "web_connectivity", "test_version": "0.5.28",
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
                "requests": [],
                "control": {
                    "dns": { "failure": null, "addrs": ["20.1.0.1"] },
                    "tcp_connect": { "20.1.0.1:443": { "status": true, "failure": null } },
                    "tls_handshake": { "20.1.0.1:443": {
                        "server_name": "news.example", "status": true, "failure": null } },
                    "http_request": { "failure": null },
                },
            },
        })
    }

    fn with(changes: &[(&str, Value)]) -> Likelihoods {
        let mut document = well();
        for (pointer, value) in changes {
            *document
                .pointer_mut(&format!("/test_keys/{pointer}"))
                .expect(pointer) = value.clone();
        }
        let asn_of = |ip: IpAddr| {
            let ours = ["20.1.0.1", "20.1.0.9"].contains(&ip.to_string().as_str());
            ours.then_some(64_500)
        };
        likelihoods(&Document::new(&document), &asn_of, None)
    }

    fn answer(ip: &str) -> (&'static str, Value) {
        (
            "queries/0/answers",
            json!([{ "answer_type": "A", "ipv4": ip }]),
        )
    }

    /// Each rule with its weights, reached by the least change.
    #[test]
    fn every_rule_can_be_reached() {
        let no_tls = ("tls_handshakes", json!([]));
        let no_shake = ("control/tls_handshake", json!({}));
        let plain = [no_tls.clone(), no_shake.clone()];
        let dns = |changes: &[(&str, Value)]| with(&[&plain, changes].concat()).dns;
        let failed = ("queries/0/failure", json!("dns_nxdomain_error"));
        let nothing = ("queries/0/answers", json!([]));
        let denied = [failed.clone(), nothing.clone()];
        let control_fails = (
            "control/dns",
            json!({ "failure": "dns_name_error", "addrs": [] }),
        );
        let said: Vec<(Layer, &str, (f64, f64, f64))> = vec![
            (dns(&[("queries", json!([]))]), "none", (0.0, 0.0, 0.0)),
            (with(&[]).dns, "tls_consistent_answer", (0.0, 0.0, 1.0)),
            (
                dns(&[answer("10.0.0.1")]),
                "bogon_not_in_ctrl",
                (0.95, 0.05, 0.0),
            ),
            (
                dns(&[
                    answer("10.0.0.1"),
                    ("control/dns/addrs", json!(["10.0.0.1"])),
                ]),
                "bogon_in_ctrl",
                (0.1, 0.9, 0.0),
            ),
            (dns(&[]), "answer_matches_ctrl", (0.0, 0.0, 0.9)),
            (
                dns(&[answer("20.1.0.9")]),
                "answer_asn_matches_ctrl",
                (0.2, 0.0, 0.8),
            ),
            (
                dns(&[answer("20.9.0.9")]),
                "answer_unmatched",
                (0.75, 0.0, 0.25),
            ),
            (dns(&denied), "failure_ctrl_ok", (0.9, 0.1, 0.0)),
            (
                dns(&[&denied[..], &[control_fails]].concat()),
                "failure_ctrl_also_failing",
                (0.1, 0.9, 0.0),
            ),
            (
                dns(&[&denied[..], &[("control", json!(null))]].concat()),
                "failure_no_ctrl",
                (0.5, 0.5, 0.0),
            ),
            (
                with(&[
                    no_shake,
                    ("control/dns/addrs", json!(["20.9.0.9"])),
                    ("tls_handshakes/0/failure", json!("ssl_invalid_hostname")),
                ])
                .dns,
                "tls_inconsistent_not_in_ctrl",
                (0.9, 0.05, 0.05),
            ),
        ];
        for (layer, rule, weights) in said {
            assert_eq!((layer.blocked, layer.down, layer.ok), weights, "{layer:?}");
            assert_eq!(layer.rule, rule);
        }
    }

    #[test]
    fn connections_and_handshakes_count_by_what_the_control_could() {
        let timeout = (
            "tcp_connect/0/status",
            json!({ "failure": "generic_timeout_error", "success": false }),
        );
        let no_tls = ("tls_handshakes", json!([]));
        let blocked = with(&[timeout.clone(), no_tls.clone()]).tcp;
        assert_eq!((blocked.rule, blocked.blocked), ("failure_ctrl_ok", 0.75));
        assert_eq!(blocked.failure.as_deref(), Some("generic_timeout_error"));
        let dead = (
            "control/tcp_connect/20.1.0.1:443",
            json!({ "failure": "generic_timeout_error" }),
        );
        let down = with(&[timeout, no_tls, dead]).tcp;
        assert_eq!((down.rule, down.down), ("failure_ctrl_also_failing", 0.75));
        for (end, rule, weight) in [
            ("ssl_invalid_hostname", "failure_ctrl_ok_ssl", 0.9),
            ("connection_reset", "failure_ctrl_ok_reset", 0.8),
            ("generic_timeout_error", "failure_ctrl_ok_other", 0.7),
        ] {
            let tls = with(&[("tls_handshakes/0/failure", json!(end))]).tls;
            assert_eq!(
                (tls.rule, tls.blocked, tls.failure.as_deref()),
                (rule, weight, Some(end))
            );
        }
        let fine = with(&[]);
        assert_eq!(
            (fine.tcp.rule, fine.tls.rule),
            ("connect_ok", "certificate_valid")
        );
    }

    /// An address that only a poisoned lookup gave says nothing about the target.
    #[test]
    fn addresses_that_nobody_vouches_for_are_discarded() {
        let lied = with(&[
            answer("20.9.0.9"),
            ("tcp_connect/0/ip", json!("20.9.0.9")),
            ("tls_handshakes/0/failure", json!("connection_reset")),
        ]);
        assert_eq!(lied.dns.rule, "answer_unmatched");
        assert_eq!(
            (lied.tls.rule, lied.tls.evidence, lied.tls.blocked),
            ("endpoint_untrusted", Evidence::Discarded, 0.0)
        );
    }

    #[test]
    fn broken_ipv6_is_the_probes_own() {
        let six = with(&[
            ("tcp_connect/0/ip", json!("2a00::1")),
            (
                "tcp_connect/0/status",
                json!({ "failure": "network_unreachable", "success": false }),
            ),
            ("tls_handshakes", json!([])),
        ]);
        assert_eq!(six.tcp.rule, "ipv6_broken_probe");
    }
}
