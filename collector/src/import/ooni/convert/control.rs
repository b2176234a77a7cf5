//! What did OONI's test helper see? Its answer becomes a control report, so that the
//! published rules can compare. It says nothing of redirects: the page is the last one.

use super::super::{
    document::{failure, hostname, number, text},
    tape::Value,
};
use super::{Scene, clip, requests, steps, words};
use faultline_core::{
    failure::{Failure, Layer},
    measurement::ControlReport,
    observation::{
        AddressSource, Connect, DnsTransport, Fetch, Handshake, HandshakeRole, Lookup,
        Observation, Reply, ResolverRole, Step,
    },
    time::UnixTime,
    value::Ip,
};
use std::net::IpAddr;

/// Entries kept of each of its lists.
const CAP: usize = 256;
/// Titles that the test helper gives are short.
const TITLE_CAP: usize = 4096;

/// `None` where the test helper could not be asked.
pub(super) fn report(scene: &Scene<'_>, started: UnixTime) -> Option<ControlReport> {
    let document = scene.document;
    let control = document.key("control");
    if !control.is_map() {
        return None;
    }
    if failure(document.key("control_failure")).is_some() {
        return None;
    }
    let asked = text(document.key("x_control_request").field("http_request"));
    let url = if asked.is_empty() {
        document.input()
    } else {
        asked
    };
    let mut observations = Vec::new();
    let host = hostname(url)?;
    // Of a target that is an address there is nothing to look up, and the helper says so in
    // words that look like a denial.
    let dns = control.given("dns");
    if let Some(dns) = dns.filter(|_| host.parse::<IpAddr>().is_err()) {
        observations.extend(lookups(host, dns));
    }
    observations.extend(connects(scene, control));
    observations.extend(handshakes(control));
    observations.extend(fetch(url, control));
    let helper = document
        .top("test_helpers")
        .field("backend")
        .field("address");
    let helper = text(helper);
    Some(ControlReport {
        target: super::url(document.input()),
        taken: started,
        vantage: clip(&format!("ooni test helper {helper}"), 255)
            .trim_end()
            .to_owned(),
        observations,
    })
}

fn entries<'a>(
    control: Value<'a>,
    name: &str,
) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
    control.field(name).sorted().into_iter().take(CAP)
}

fn seen(step: Step, failure: Option<Failure>) -> Observation {
    Observation {
        started: 0,
        ended: 0,
        step,
        failure,
    }
}

/// The addresses by family; where there are none, why.
fn lookups(host: &str, dns: Value<'_>) -> Vec<Observation> {
    let word = failure(dns.field("failure")).map(|word| words::failure(word, Layer::Dns));
    let ips = dns
        .field("addrs")
        .items()
        .filter_map(|ip| text(ip).parse::<IpAddr>().ok());
    let (four, six): (Vec<_>, Vec<_>) = ips.take(CAP).partition(IpAddr::is_ipv4);
    let mut families = vec![(1, four), (28, six)];
    families.retain(|(_, ips)| !ips.is_empty());
    if families.is_empty() {
        families.push((1, Vec::new()));
    }
    let lookup = |(rtype, ips): (u16, Vec<IpAddr>)| {
        let failed = word.or(ips.is_empty().then_some(Failure::DnsNoAnswer));
        let reply = Reply {
            after: 0,
            from: None,
            rcode: 0,
            flags: 0,
            addresses: ips.into_iter().map(Ip).collect(),
            aliases: Vec::new(),
            ttl: None,
            edns: false,
            failure: None,
            case_echoed: None,
            raw: None,
            hop_limit: None,
        };
        let step = Step::Lookup(Lookup {
            name: super::name(host),
            rtype,
            role: ResolverRole::Helper,
            transport: DnsTransport::System,
            resolver: None,
            resolver_name: None,
            replies: failed.is_none().then_some(reply).into_iter().collect(),
            watched: 0,
            attempt: 0,
        });
        seen(step, failed)
    };
    families.into_iter().map(lookup).collect()
}

fn connects(scene: &Scene<'_>, control: Value<'_>) -> Vec<Observation> {
    entries(control, "tcp_connect")
        .filter_map(|(at, ended)| {
            let (ip, port) = super::socket(at)?;
            // From the helper's side: its own addresses, and those that the probe sent it.
            let source = if scene.helped.contains(&ip.0) {
                AddressSource::Control
            } else {
                scene.source(ip.0)
            };
            let failed =
                failure(ended.field("failure")).map(|word| words::failure(word, Layer::Tcp));
            Some(seen(Step::Connect(Connect { ip, port, source }), failed))
        })
        .collect()
}

fn handshakes(control: Value<'_>) -> Vec<Observation> {
    entries(control, "tls_handshake")
        .filter_map(|(at, ended)| {
            let (ip, port) = super::socket(at)?;
            let failed =
                failure(ended.field("failure")).map(|word| words::failure(word, Layer::Tls));
            let name = text(ended.field("server_name"));
            let step = Step::Handshake(Handshake {
                ip,
                port,
                server_name: (!name.is_empty()).then(|| super::name(name)),
                role: HandshakeRole::Target,
                stage: steps::stage(failed, &[]),
                version: None,
                cipher: None,
                alpn: None,
                chain: Vec::new(),
                certificate: steps::validity(failed, false),
                first_bytes: None,
                hop_limit: None,
            });
            Some(seen(step, failed))
        })
        .collect()
}

/// The page that the helper ended at. Its address is not told, nor is its digest.
fn fetch(url: &str, control: Value<'_>) -> Option<Observation> {
    let page = control.given("http_request").filter(|page| page.is_map())?;
    let status = u16::try_from(number(page.field("status_code")))
        .ok()
        .filter(|code| *code > 0);
    let failed = match failure(page.field("failure")) {
        Some(word) => Some(words::failure(word, Layer::Http)),
        None => status.is_none().then_some(Failure::Unknown(u16::MAX)),
    };
    let title = text(page.field("title"));
    let step = Step::Fetch(Fetch {
        url: super::url(url),
        ip: requests::UNTOLD,
        port: super::port(url),
        depth: 0,
        status,
        headers: requests::headers(page),
        body_length: u64::try_from(number(page.field("body_length"))).unwrap_or(0),
        body_truncated: false,
        body_sha256: None,
        body: None,
        title: (!title.is_empty()).then(|| clip(title, TITLE_CAP)),
        location: None,
        authenticated: url.starts_with("https://") && failed.is_none(),
    });
    Some(seen(step, failed))
}
