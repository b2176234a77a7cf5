//! The classic verdict: a walk from the last redirect and the highest layer downwards; the
//! first rule that fits decides.

use super::{
    analysis::Analysis,
    document::{Document, failure},
    observation::{Container, End, Endpoint, Lookup, Page},
    pages::Diff,
};
use serde::Serialize;
use std::{cmp::Reverse, net::IpAddr};

/// What OONI's test keys say of blocking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blocking {
    /// Cannot be told: `null`.
    #[default]
    Unknown,
    /// `false`.
    None,
    /// `"dns"`, `"tcp_ip"`, `"http-failure"`, `"http-diff"`.
    By(&'static str),
}

impl Serialize for Blocking {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => s.serialize_none(),
            Self::None => s.serialize_bool(false),
            Self::By(how) => s.serialize_str(how),
        }
    }
}

/// The classic fields of Web Connectivity's test keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassicVerdict {
    /// First failure of the system's resolver.
    pub dns_experiment_failure: Option<String>,
    /// `consistent`, `inconsistent` or unknown.
    pub dns_consistency: Option<&'static str>,
    /// Why there is no control.
    pub control_failure: Option<String>,
    /// The failure that the verdict rests on.
    pub http_experiment_failure: Option<String>,
    /// Whether body lengths are within 70 % of each other.
    pub body_length_match: Option<bool>,
    /// The shorter body's length over the longer's; 0 where it cannot be told.
    pub body_proportion: f64,
    /// Whether the status codes are the same.
    pub status_code_match: Option<bool>,
    /// Whether uncommon headers are shared.
    pub headers_match: Option<bool>,
    /// Whether the titles' long words are the same.
    pub title_match: Option<bool>,
    /// How version 0.4 came to its verdict; 0.5 does not compute it. 1 secure success, 2
    /// cleartext success, 4 name does not exist, 8 control unreachable, 16 control failed,
    /// 32 DNS, 64 HTTP diff, 128 connect, 256 read or write, 512 unknown, 1024 TLS, and in
    /// which step: 2048 DNS, 4096 connect, 8192 HTTP; 16384 no requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_status: Option<u32>,
    /// Version 0.5 only: 1 bogon, 2 unexpected failure, 4 unexpected addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_dns_flags: Option<u32>,
    /// Version 0.5 only: 1 DNS, 2 TCP/IP, 4 TLS, 8 HTTP failure, 16 HTTP diff, 32 success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_blocking_flags: Option<u32>,
    /// Version 0.5 only: 1, 2, 4 expected DNS, TCP, TLS failure; 8 HTTPS success without
    /// control; 16 DNS success where the control resolved nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_null_null_flags: Option<u32>,
    /// Whether the page could be had.
    pub accessible: Option<bool>,
    /// Whether and how it was blocked.
    pub blocking: Blocking,
}

pub(super) fn judge(
    document: &Document<'_>,
    asn_of: &dyn Fn(IpAddr) -> Option<u32>,
) -> ClassicVerdict {
    let seen = Container::new(document);
    let classic = seen.classic();
    let analysis = Analysis::new(&classic, asn_of);
    let diff = Diff::new(&classic);
    let dns_consistency = consistency(&analysis, &classic);
    let decision = decide(&classic, diff).unwrap_or(Decision::Undecided);
    let inconsistent = dns_consistency == Some("inconsistent");
    let (blocking, accessible) = match decision.meaning() {
        Meaning::Accessible => (Blocking::None, Some(true)),
        _ if inconsistent && !matches!(decision, Decision::Undecided) => {
            (Blocking::By("dns"), Some(false))
        }
        Meaning::Unknown => (Blocking::Unknown, None),
        Meaning::Down => (Blocking::None, Some(false)),
        Meaning::Blocked(how) => (Blocking::By(how), Some(false)),
    };
    let flags = flags(&Analysis::new(&seen, asn_of), &seen, &classic, diff);
    ClassicVerdict {
        dns_experiment_failure: analysis.dns_experiment_failure.clone(),
        dns_consistency,
        control_failure: failure(document.key("control_failure")).map(Into::into),
        http_experiment_failure: decision.failure(),
        body_length_match: diff.length(),
        body_proportion: diff.proportion.unwrap_or(0.0),
        status_code_match: diff.status,
        headers_match: diff.headers,
        title_match: diff.title,
        x_status: None,
        x_dns_flags: Some(flags.0),
        x_blocking_flags: Some(flags.1),
        x_null_null_flags: Some(flags.2),
        accessible,
        blocking,
    }
}

fn consistency(analysis: &Analysis, classic: &Container<'_>) -> Option<&'static str> {
    let unexpected = !analysis.dns_unexpected.is_empty();
    let invalid = !analysis.dns_invalid_classic.is_empty();
    let good = !analysis.dns_valid_classic.is_empty() || !analysis.dns_expected.is_empty();
    let ghost = !analysis.dns_success.is_empty()
        && classic
            .control
            .as_ref()
            .is_some_and(|c| c.addresses.is_empty());
    match () {
        () if !unexpected && !invalid && good => Some("consistent"),
        () if invalid || unexpected || ghost => Some("inconsistent"),
        () => None,
    }
}

/// What a rule of the walk concluded, with the failure it rests on.
#[derive(Clone, Debug)]
enum Decision<'d> {
    Undecided,
    Page(Meaning),
    Failed(Meaning, End<'d>),
}

#[derive(Clone, Copy, Debug)]
enum Meaning {
    Accessible,
    Unknown,
    Down,
    Blocked(&'static str),
}

impl Decision<'_> {
    const fn meaning(&self) -> Meaning {
        match self {
            Self::Undecided => Meaning::Unknown,
            Self::Page(meaning) | Self::Failed(meaning, _) => *meaning,
        }
    }
    fn failure(&self) -> Option<String> {
        match self {
            Self::Failed(_, failure) => Some((*failure).to_owned()),
            _ => None,
        }
    }
}

/// An entry of the walk, in the order of the walk.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'d> {
    depth: Reverse<i64>,
    layer: Reverse<u8>,
    end: End<'d>,
    transaction: Reverse<i64>,
    index: usize,
}

enum Entry<'a, 'd> {
    Lookup(&'a Lookup<'d>),
    Endpoint(&'a Endpoint<'d>),
}

fn decide<'d>(seen: &Container<'d>, diff: Diff) -> Option<Decision<'d>> {
    let control_http = seen.control.as_ref().map(|c| c.http);
    let entries: Vec<Entry<'_, 'd>> = seen
        .failures
        .iter()
        .chain(&seen.successes)
        .map(Entry::Lookup)
        .chain(seen.endpoints.values().map(Entry::Endpoint))
        .collect();
    let mut walk: Vec<Place<'d>> = entries
        .iter()
        .enumerate()
        .map(|(i, e)| e.place(i))
        .collect();
    walk.sort();
    for place in walk {
        let decision = match entries.get(place.index)? {
            Entry::Endpoint(endpoint) => {
                if endpoint.page.as_ref().is_some_and(Page::is_final) {
                    return Some(Decision::Page(match control_http {
                        _ if endpoint.tls == Some("") => Meaning::Accessible,
                        None => Meaning::Unknown,
                        Some(_) if !diff.differs() => Meaning::Accessible,
                        Some(_) => Meaning::Blocked("http-diff"),
                    }));
                }
                let (control, how) = match place.layer.0 {
                    3 => (None, "http-failure"),
                    2 => (endpoint.control_tls, "http-failure"),
                    _ => (endpoint.control_tcp, "tcp_ip"),
                };
                if place.end.is_empty() {
                    continue;
                }
                match (control, control_http) {
                    (Some(""), _) => Meaning::Blocked(how),
                    (Some(_), _) => Meaning::Down,
                    (None, None) => Meaning::Unknown,
                    // Only the fetch itself has a control of its own after redirects.
                    (None, Some(end)) if place.layer.0 == 3 && !end.is_empty() => Meaning::Down,
                    (None, Some(_)) => Meaning::Blocked("http-failure"),
                }
            }
            Entry::Lookup(lookup) if !lookup.end.is_empty() => {
                match lookup.control.as_deref() {
                    // Odd, and OONI's: with no control at all the page counts as accessible.
                    None if control_http.is_none() => Meaning::Accessible,
                    Some((end, _)) if !end.is_empty() => Meaning::Down,
                    // A control that resolved nothing says no more than that.
                    Some((_, addresses)) if addresses.is_empty() => {
                        return Some(Decision::Page(Meaning::Down));
                    }
                    None | Some(_) => Meaning::Blocked("dns"),
                }
            }
            Entry::Lookup(lookup) => {
                let Some((end, control)) = lookup.control.as_deref() else {
                    continue;
                };
                if !lookup.loopback || !end.is_empty() {
                    continue;
                }
                let too = !control.is_empty() && control.iter().all(IpAddr::is_loopback);
                return Some(Decision::Page(if too {
                    Meaning::Down
                } else {
                    Meaning::Blocked("dns")
                }));
            }
        };
        return Some(Decision::Failed(decision, place.end));
    }
    None
}

impl<'d> Entry<'_, 'd> {
    fn place(&self, index: usize) -> Place<'d> {
        let (depth, layer, end, transaction) = match self {
            Entry::Lookup(l) => (l.depth, 0, l.end, l.transaction),
            Entry::Endpoint(e) => {
                let (layer, end) = match (e.http, e.tls) {
                    (Some(http), _) => (3, http),
                    (None, Some(tls)) => (2, tls),
                    (None, None) => (1, e.tcp),
                };
                (e.depth, layer, end, e.transaction)
            }
        };
        Place {
            depth: Reverse(depth.unwrap_or(-1)),
            layer: Reverse(layer),
            end,
            transaction: Reverse(transaction),
            index,
        }
    }
}

/// The extended flags, over everything seen: DNS, blocking, null-null.
fn flags(
    all: &Analysis,
    seen: &Container<'_>,
    classic: &Container<'_>,
    diff: Diff,
) -> (u32, u32, u32) {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    let control_fine = seen.control.as_ref().is_some_and(|c| c.http.is_empty());
    // A failure after a redirect counts where nothing was had in the end, and the control had.
    let unexplained = control_fine && !all.final_response;
    let dns = bit(!all.dns_bogon.is_empty(), 1)
        | bit(!all.dns_unexpected.is_empty(), 2)
        | bit(!all.dns_invalid.is_empty(), 4);
    let plain_final = seen
        .endpoints
        .values()
        .any(|e| e.page.as_ref().is_some_and(Page::is_final) && e.tls.is_none());
    let compared = plain_final && seen.control.is_some();
    // Where nothing was left out, the page that was compared is the same.
    let alike = seen.endpoints.len() == classic.endpoints.len();
    let differs = compared && if alike { diff } else { Diff::new(seen) }.differs();
    let agrees = compared && !differs;
    let success = all.final_tls_with_control || all.final_tls_without_control || agrees;
    let blocking = bit(
        dns & (2 | 4) != 0 || (unexplained && !all.dns_unexplained.is_empty()),
        1,
    ) | bit(
        !all.tcp_unexpected.is_empty() || (unexplained && !all.tcp_unexplained.is_empty()),
        2,
    ) | bit(
        !all.tls_unexpected.is_empty() || (unexplained && !all.tls_unexplained.is_empty()),
        4,
    ) | bit(!all.http_unexpected.is_empty(), 8)
        | bit(differs, 16)
        | bit(success, 32);
    let ghost = !all.dns_success.is_empty()
        && seen
            .control
            .as_ref()
            .is_some_and(|c| c.addresses.is_empty());
    let null = bit(!all.dns_expected.is_empty(), 1)
        | bit(!all.tcp_expected.is_empty(), 2)
        | bit(!all.tls_expected.is_empty(), 4)
        | bit(all.final_tls_without_control, 8)
        | bit(ghost, 16);
    (dns, blocking, null)
}
