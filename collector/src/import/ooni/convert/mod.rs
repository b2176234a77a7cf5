//! What did somebody else's probe see, in our words? OONI's `web_connectivity` documents
//! (df-001, df-002, df-005 to df-007; ts-017) become measurements, and what its test helper
//! saw becomes the control's report, so that the published rules judge both. Within each
//! list OONI's order is kept. Whatever a hostile document makes large is capped.
//!
//! What a document does not tell is not made up: an address of a request that is not said is
//! the unspecified one, and clocks are taken as unsynchronised.

mod control;
mod names;
mod requests;
mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use super::{
    Document, Judged,
    document::{answer_address, hostname, number, text},
    judge,
    tape::Value,
};
use faultline_core::{
    failure::Failure,
    id::{Asn, Country, MeasurementId},
    measurement::{
        ControlReport, Driver, Experiment, Imported, Limit, Measurement, Setting, Source,
    },
    observation::{AddressSource, Observation, Step},
    time::ClockQuality,
    value::Ip,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

/// A document in our words, with the place that it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// What was seen; the control's report is not sealed into it yet.
    pub measurement: Measurement,
    /// What the test helper saw, where it could be asked.
    pub control: Option<ControlReport>,
    /// `probe_cc`.
    pub country: Country,
    /// `probe_asn`.
    pub asn: Asn,
    /// The networks that the document gives for addresses.
    pub networks: BTreeMap<IpAddr, Asn>,
}

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Another nettest.
    #[error("not web_connectivity: {0}")]
    OtherTest(String),
    /// It does not say what was measured.
    #[error("its input is missing or no URL")]
    Input,
    /// It does not say when.
    #[error("its measurement_start_time is missing or no time")]
    Start,
}

/// Entries kept of each list.
const LIST_CAP: usize = 512;

/// Converts one document. The identity follows from what it says: the same document is the
/// same measurement, however it is written down. `asn_of` is asked for addresses whose
/// network the document does not give.
pub fn convert(
    document: &Document<'_>,
    asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
) -> Result<Converted, Unusable> {
    let judged = |networks: &BTreeMap<IpAddr, Asn>| {
        judge(document, &|ip| {
            let own = networks.get(&ip).copied();
            own.or_else(|| asn_of(ip)).map(|asn| asn.0)
        })
    };
    convert_judged(document, judged)
}

/// The same, with the classic verdict that `judged` gives, told the networks that the document
/// names: who has judged already need not do so twice.
pub(super) fn convert_judged(
    document: &Document<'_>,
    judged: impl FnOnce(&BTreeMap<IpAddr, Asn>) -> Judged,
) -> Result<Converted, Unusable> {
    if document.test_name() != "web_connectivity" {
        return Err(Unusable::OtherTest(clip(document.test_name(), 64)));
    }
    let target = document.input();
    let host = hostname(target)
        .filter(|_| target.len() <= requests::URL_CAP)
        .ok_or(Unusable::Input)?;
    let started = words::started(text(document.top("measurement_start_time")));
    let started = started.ok_or(Unusable::Start)?;
    let networks: BTreeMap<IpAddr, Asn> = document
        .networks()
        .take(LIST_CAP * 16)
        .map(|(ip, asn)| (ip, Asn(asn)))
        .collect();
    let mut scene = Scene::new(document, host);
    let mut observations = names::lookups(&mut scene);
    observations.extend(steps::connects(&mut scene));
    observations.extend(steps::handshakes(&mut scene));
    observations.extend(requests::fetches(&mut scene));
    let control = control::report(&scene, started);
    let judged = judged(&networks);
    let limits = [(scene.cut, Limit::Cap), (control.is_none(), Limit::Control)];
    let word = |name: &str| {
        let said = text(document.top(name));
        (!said.is_empty()).then(|| clip(said, 255))
    };
    let named = |name: &str| word(name).unwrap_or_else(|| "unknown".into());
    let mut id = [0; 16];
    id.iter_mut()
        .zip(document.digest())
        .for_each(|(to, from)| *to = from);
    let asn = text(document.top("probe_asn")).strip_prefix("AS");
    let tunnelled = text(document.top("annotations").field("network_type")) == "vpn";
    Ok(Converted {
        measurement: Measurement {
            id: MeasurementId(id),
            experiment: Experiment::Web,
            target: url(target),
            started,
            clock: ClockQuality::Rtc, // what disciplined it is not said
            runtime: words::micros(document.top("test_runtime")),
            software: format!(
                "ooni {} {}",
                named("software_name"),
                named("software_version")
            ),
            driver: Driver::Sockets,
            limits: limits
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, l)| *l)
                .collect(),
            bytes_sent: 0,
            bytes_received: 0,
            network: None,
            control: None,
            settings: tunnelled.then_some(Setting::Vpn).into_iter().collect(),
            consent: 0,
            observations,
            imported: Some(Imported {
                source: Source::Ooni,
                test: format!("web_connectivity {}", named("test_version")),
                report: word("report_id"),
                uid: word("measurement_uid"),
                verdict: serde_json::to_string(&judged).ok(),
            }),
        },
        control,
        country: Country::new(text(document.top("probe_cc"))).unwrap_or_default(),
        asn: Asn(asn.and_then(|asn| asn.parse().ok()).unwrap_or(0)),
        networks,
    })
}

/// What the steps of one document have in common.
struct Scene<'a> {
    document: &'a Document<'a>,
    /// The target, where it is an address.
    literal: Option<IpAddr>,
    /// Addresses that the probe was told.
    answered: BTreeSet<IpAddr>,
    /// Addresses that the test helper was told.
    helped: BTreeSet<IpAddr>,
    /// Connections by transaction.
    endpoints: BTreeMap<i64, (Ip, u16)>,
    /// Whether anything was left out.
    cut: bool,
}

impl<'a> Scene<'a> {
    fn new(document: &'a Document<'a>, host: &str) -> Self {
        let answers = document
            .list("queries")
            .flat_map(|q| q.field("answers").items());
        let helped = document.key("control").field("dns").field("addrs").items();
        let tied = document.list("tcp_connect").filter_map(|event| {
            let transaction = number(event.field("transaction_id"));
            (transaction != 0).then_some((transaction, endpoint(event)?))
        });
        Self {
            document,
            literal: host.parse().ok(),
            answered: answers.filter_map(answer_address).collect(),
            helped: helped.filter_map(|ip| text(ip).parse().ok()).collect(),
            endpoints: tied.collect(),
            cut: false,
        }
    }

    /// Who gave an address.
    fn source(&self, ip: IpAddr) -> AddressSource {
        if self.literal == Some(ip) {
            AddressSource::Literal
        } else if self.helped.contains(&ip) && !self.answered.contains(&ip) {
            AddressSource::Control
        } else {
            AddressSource::Probe
        }
    }

    fn capped(&mut self, mut events: impl Iterator<Item = Value<'a>>) -> Vec<Value<'a>> {
        let kept = events.by_ref().take(LIST_CAP).collect();
        self.cut |= events.next().is_some();
        kept
    }
}

fn observation(event: Value<'_>, step: Step, failure: Option<Failure>) -> Observation {
    let ended = words::micros(event.field("t"));
    Observation {
        // Older documents tell the end alone.
        started: event.given("t0").map_or(ended, words::micros),
        ended,
        step,
        failure,
    }
}

/// The address and port of a connection, where they are told.
fn endpoint(event: Value<'_>) -> Option<(Ip, u16)> {
    let ip = text(event.field("ip")).parse().ok()?;
    let port = event.field("port").as_u64()?.try_into().ok()?;
    Some((Ip(ip), port))
}

/// `192.0.2.1:443`, `[2001:db8::1]:443`.
fn socket(text: &str) -> Option<(Ip, u16)> {
    let at: SocketAddr = text.parse().ok()?;
    Some((Ip(at.ip()), at.port()))
}

/// A name as it is asked for: in ASCII (IDNA), without the final dot.
fn name(text: &str) -> String {
    let bare = text.trim_end_matches('.');
    if !bare.is_ascii()
        && let Ok(host) = url::Host::parse(bare)
    {
        return clip(&host.to_string(), 255);
    }
    clip(bare, 255)
}

/// A URL with its host in ASCII; others as they are.
fn url(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(url) if !text.is_ascii() => clip(url.as_str(), requests::URL_CAP),
        _ => clip(text, requests::URL_CAP),
    }
}

/// The port that a URL goes to.
fn port(url: &str) -> u16 {
    let parsed = url::Url::parse(url).ok();
    parsed
        .and_then(|url| url.port_or_known_default())
        .unwrap_or(0)
}

/// At most so many bytes of a text, cut between characters.
fn clip(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes))
        .unwrap_or(text)
        .to_owned()
}
