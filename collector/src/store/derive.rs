//! Which rows follow from a batch and its enrichment? A pure function: no clock, no
//! database, no keys, so that a rebuild gives the same rows.

use super::Enrichment;
use faultline_core::{
    codec::{Envelope, from_cbor},
    failure::Layer,
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    measurement::{Batch, ControlReport, Experiment, Measurement},
    observation::{Observation, Step},
    time::{ClockQuality, UnixTime},
};
use std::{collections::BTreeMap, net::IpAddr};

/// A verdict as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// A stable word.
    pub outcome: String,
    /// A stable word, where a mechanism is named.
    pub mechanism: Option<String>,
    /// The reasons, encoded by the rules that gave them.
    pub reasons: Vec<u8>,
    /// Version of the rules.
    pub rules: u32,
}

/// The rules that turn a measurement into a verdict. They see the networks of addresses as
/// they were when the batch came, never a database.
pub trait Judge: Send + Sync {
    fn judge(
        &self,
        measurement: &Measurement,
        control: Option<&ControlReport>,
        asn_of: &dyn Fn(IpAddr) -> Option<Asn>,
    ) -> Judgement;
}

/// One measurement with its observations and verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasurementRow {
    pub id: MeasurementId,
    pub batch: BatchId,
    pub probe: ProbeId,
    pub started: UnixTime,
    pub experiment: &'static str,
    pub target: String,
    pub country: Country,
    pub asn: Asn,
    pub network_known: bool,
    /// Whether it may count: known network, believable time, ordinary surroundings.
    pub scored: bool,
    pub observations: Vec<ObservationRow>,
    pub verdict: Judgement,
}

/// One observation; `payload` is the whole of it in CBOR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservationRow {
    pub at: UnixTime,
    pub step: &'static str,
    pub failure: Option<u16>,
    pub layer: Option<u8>,
    pub payload: Vec<u8>,
}

/// 2005-01-01: a start before this is a clock without a battery, not a measurement of then.
pub const EARLIEST: UnixTime = UnixTime::from_secs(1_104_537_600);

/// Rows of a batch, in its order.
pub fn derive(
    batch: &Batch,
    enrichment: &Enrichment,
    judge: &dyn Judge,
) -> Vec<MeasurementRow> {
    let asns: BTreeMap<IpAddr, Asn> = enrichment
        .addresses
        .iter()
        .map(|a| (a.ip.0, a.asn))
        .collect();
    let mut scratch = Vec::new();
    batch
        .measurements
        .iter()
        .zip(&enrichment.places)
        .map(|(m, place)| {
            let control = m
                .control
                .as_ref()
                .filter(|_| place.control_valid)
                .and_then(|token| payload_of::<ControlReport>(&token.0));
            MeasurementRow {
                id: m.id,
                batch: batch.id,
                probe: batch.probe,
                started: m.started,
                experiment: experiment_name(m.experiment),
                target: m.target.clone(),
                country: place.country,
                asn: place.asn,
                network_known: place.known,
                scored: place.known
                    && !place.clock_future
                    && m.started >= EARLIEST
                    && m.clock != ClockQuality::None
                    && m.settings.is_empty(),
                observations: (m.observations.iter())
                    .map(|o| row(m, o, &mut scratch))
                    .collect(),
                verdict: judge.judge(m, control.as_ref(), &|ip| asns.get(&ip).copied()),
            }
        })
        .collect()
}

/// `scratch` is room to encode in, so that each payload is one allocation of its size.
fn row(m: &Measurement, o: &Observation, scratch: &mut Vec<u8>) -> ObservationRow {
    scratch.clear();
    let written = minicbor::encode(o, &mut *scratch);
    debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
    let offset = i64::try_from(o.started).unwrap_or(i64::MAX);
    ObservationRow {
        at: UnixTime(m.started.0.saturating_add(offset)),
        step: match o.step {
            Step::Lookup(_) => "lookup",
            Step::Connect(_) => "connect",
            Step::Handshake(_) => "handshake",
            Step::Fetch(_) => "fetch",
            Step::Quic(_) => "quic",
            _ => "other",
        },
        failure: o.failure.map(faultline_core::failure::Failure::code),
        layer: o.failure.map(|f| match f.layer() {
            Layer::Network => 0,
            Layer::Dns => 1,
            Layer::Tcp => 2,
            Layer::Tls => 3,
            Layer::Http => 4,
            Layer::Quic => 5,
        }),
        payload: scratch.as_slice().into(),
    }
}

/// Payload of an envelope whose signature was checked when the batch came.
pub(crate) fn payload_of<T: for<'b> minicbor::Decode<'b, ()>>(token: &[u8]) -> Option<T> {
    Envelope::parse(token).ok()?;
    let mut d = minicbor::Decoder::new(token);
    d.tag().ok()?;
    d.array().ok()?;
    d.bytes().ok()?;
    d.skip().ok()?;
    from_cbor(d.bytes().ok()?).ok()
}

fn experiment_name(experiment: Experiment) -> &'static str {
    match experiment {
        Experiment::DnsConsistency => "dns_consistency",
        Experiment::Web => "web",
        Experiment::Namespace => "namespace",
        Experiment::SpecialNames => "special_names",
        Experiment::DnsTransparency => "dns_transparency",
        Experiment::Hello => "hello",
        Experiment::Quic => "quic",
        Experiment::EncryptedDns => "encrypted_dns",
        Experiment::Ech => "ech",
        _ => "other",
    }
}

/// Stored words come back as the constants they were.
pub(super) fn intern(word: &str) -> &'static str {
    const WORDS: &[&str] = &[
        "lookup",
        "connect",
        "handshake",
        "fetch",
        "dns_consistency",
        "web",
        "namespace",
        "special_names",
        "dns_transparency",
        "hello",
        "quic",
        "encrypted_dns",
        "ech",
    ];
    WORDS
        .iter()
        .find(|w| **w == word)
        .copied()
        .unwrap_or("other")
}
