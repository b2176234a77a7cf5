//! What do rows look like on their way to the engine and back? Fields are columns.

use super::super::{
    Judgement, MeasurementRow, ObservationRow, StoreError, derive::intern,
    sqlite::read::source_of, sqlite::shelf::Shelf,
};
use clickhouse::Row;
use faultline_core::{
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    time::UnixTime,
};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

/// A day as tables have it.
pub(super) fn narrow(day: i64) -> i32 {
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

#[derive(Row, Serialize)]
pub(super) struct NewMeasurement<'a> {
    load: u64,
    day: i32,
    odd: bool,
    started: i64,
    id: [u8; 16],
    batch: [u8; 16],
    probe: [u8; 16],
    source: u8,
    experiment: &'a str,
    target: &'a str,
    country: &'a str,
    asn: u32,
    known: bool,
    scored: bool,
    outcome: &'a str,
    mechanism: Option<&'a str>,
    #[serde(with = "serde_bytes")]
    reasons: &'a [u8],
    rules: u32,
    obs_at: Vec<i64>,
    obs_step: Vec<&'a str>,
    obs_failure: Vec<Option<u16>>,
    obs_layer: Vec<Option<u8>>,
    obs_payload: Vec<&'a Bytes>,
}

impl<'a> NewMeasurement<'a> {
    pub(super) fn of(m: &'a MeasurementRow, load: i64, shelf: Shelf, source: i64) -> Self {
        let observations = &m.observations;
        Self {
            load: load as u64,
            day: narrow(shelf.day()),
            odd: matches!(shelf, Shelf::Odd(_)),
            started: m.started.0,
            id: m.id.0,
            batch: m.batch.0,
            probe: m.probe.0,
            source: source as u8,
            experiment: m.experiment,
            target: &m.target,
            country: m.country.as_str(),
            asn: m.asn.0,
            known: m.network_known,
            scored: m.scored,
            outcome: &m.verdict.outcome,
            mechanism: m.verdict.mechanism.as_deref(),
            reasons: &m.verdict.reasons,
            rules: m.verdict.rules,
            obs_at: observations.iter().map(|o| o.at.0).collect(),
            obs_step: observations.iter().map(|o| o.step).collect(),
            obs_failure: observations.iter().map(|o| o.failure).collect(),
            obs_layer: observations.iter().map(|o| o.layer).collect(),
            obs_payload: observations
                .iter()
                .map(|o| Bytes::new(&o.payload))
                .collect(),
        }
    }
}

/// A measurement, in the order of [`COLUMNS`].
#[derive(Row, Deserialize)]
pub(super) struct Measurement {
    started: i64,
    id: [u8; 16],
    batch: [u8; 16],
    probe: [u8; 16],
    experiment: String,
    target: String,
    country: String,
    asn: u32,
    known: bool,
    scored: bool,
    outcome: String,
    mechanism: Option<String>,
    reasons: ByteBuf,
    rules: u32,
    obs_at: Vec<i64>,
    obs_step: Vec<String>,
    obs_failure: Vec<Option<u16>>,
    obs_layer: Vec<Option<u8>>,
    obs_payload: Vec<ByteBuf>,
}

const PLAIN: &str = "started, id, batch, probe, experiment, target, country, asn, known,
    scored, outcome, mechanism, reasons, rules";

/// What is read of a measurement, with its observations or with none.
pub(super) fn columns(observations: bool) -> String {
    if observations {
        return format!("{PLAIN}, obs_at, obs_step, obs_failure, obs_layer, obs_payload");
    }
    format!(
        "{PLAIN}, CAST([], 'Array(Int64)') AS obs_at, CAST([], 'Array(String)') AS obs_step,
         CAST([], 'Array(Nullable(UInt16))') AS obs_failure,
         CAST([], 'Array(Nullable(UInt8))') AS obs_layer,
         CAST([], 'Array(String)') AS obs_payload"
    )
}

impl Measurement {
    pub(super) fn whole(self) -> Result<MeasurementRow, StoreError> {
        let n = self.obs_at.len();
        let lengths = [
            self.obs_step.len(),
            self.obs_failure.len(),
            self.obs_layer.len(),
            self.obs_payload.len(),
        ];
        if lengths != [n; 4] {
            let id = MeasurementId(self.id);
            return Err(StoreError::Corrupt(format!("measurement {id}")));
        }
        let words = self.obs_at.into_iter().zip(self.obs_step);
        let failures = self.obs_failure.into_iter().zip(self.obs_layer);
        let observations = words
            .zip(failures)
            .zip(self.obs_payload)
            .map(|(((at, step), (failure, layer)), payload)| ObservationRow {
                at: UnixTime(at),
                step: intern(&step),
                failure,
                layer,
                payload: payload.into_vec(),
            })
            .collect();
        Ok(MeasurementRow {
            id: MeasurementId(self.id),
            batch: BatchId(self.batch),
            probe: ProbeId(self.probe),
            started: UnixTime(self.started),
            experiment: intern(&self.experiment),
            target: self.target,
            country: Country::new(&self.country).unwrap_or_default(),
            asn: Asn(self.asn),
            network_known: self.known,
            scored: self.scored,
            observations,
            verdict: Judgement {
                outcome: self.outcome,
                mechanism: self.mechanism,
                reasons: self.reasons.into_vec(),
                rules: self.rules,
            },
        })
    }
}

#[derive(Row, Serialize)]
pub(super) struct NewBatch<'a> {
    pub(super) load: u64,
    pub(super) day: i32,
    pub(super) key: i64,
    pub(super) received: i64,
    #[serde(with = "serde_bytes")]
    pub(super) bytes: &'a [u8],
}

#[derive(Row, Deserialize)]
pub(super) struct KeptBatch {
    pub(super) key: i64,
    pub(super) bytes: ByteBuf,
}

/// What a rollup is about, in the order in which rollups come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Cell {
    pub(in crate::store) hour: i64,
    pub(in crate::store) country: Country,
    pub(in crate::store) asn: u32,
    pub(in crate::store) target: String,
    pub(in crate::store) experiment: &'static str,
    pub(in crate::store) source: i64,
    pub(in crate::store) outcome: String,
    pub(in crate::store) mechanism: Option<String>,
}

#[derive(Row, Serialize)]
pub(super) struct NewCount<'a> {
    load: u64,
    day: i32,
    hour: i64,
    country: &'a str,
    asn: u32,
    target: &'a str,
    experiment: &'a str,
    source: u8,
    outcome: &'a str,
    mechanism: Option<&'a str>,
    n: u64,
    observations: u64,
}

impl<'a> NewCount<'a> {
    pub(super) fn of(load: i64, c: &'a Cell, (n, observations): (u64, u64)) -> Self {
        Self {
            load: load as u64,
            day: narrow(c.hour.div_euclid(24)),
            hour: c.hour,
            country: c.country.as_str(),
            asn: c.asn,
            target: &c.target,
            experiment: c.experiment,
            source: c.source as u8,
            outcome: &c.outcome,
            mechanism: c.mechanism.as_deref(),
            n,
            observations,
        }
    }
}

/// A sum of counts.
#[derive(Row, Deserialize)]
pub(super) struct Count {
    pub(super) hour: i64,
    pub(super) country: String,
    pub(super) asn: u32,
    pub(super) target: String,
    pub(super) experiment: String,
    pub(super) source: u8,
    pub(super) outcome: String,
    pub(super) mechanism: Option<String>,
    pub(super) n: u64,
    pub(super) observations: u64,
}

impl Count {
    pub(super) fn place(&self) -> (Country, faultline_core::id::Asn) {
        let country = Country::new(&self.country).unwrap_or_default();
        (country, Asn(self.asn))
    }
    pub(super) fn source(&self) -> super::super::Source {
        source_of(i64::from(self.source))
    }
}

/// Who stands behind a line of the summary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Member {
    pub(in crate::store) country: Country,
    pub(in crate::store) target: String,
    pub(in crate::store) source: i64,
    pub(in crate::store) who: Who,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Who {
    Probe(ProbeId),
    Network(u32),
}

#[derive(Row, Serialize)]
pub(super) struct NewMember<'a> {
    load: u64,
    day: i32,
    country: &'a str,
    target: &'a str,
    source: u8,
    kind: u8,
    who: ByteBuf,
}

impl<'a> NewMember<'a> {
    pub(super) fn of(load: i64, m: &'a Member, day: i64) -> Self {
        let (kind, who) = match m.who {
            Who::Probe(id) => (0, id.0.to_vec()),
            Who::Network(asn) => (1, asn.to_be_bytes().to_vec()),
        };
        Self {
            load: load as u64,
            day: narrow(day),
            country: m.country.as_str(),
            target: &m.target,
            source: m.source as u8,
            kind,
            who: ByteBuf::from(who),
        }
    }
}

#[derive(Row, Deserialize)]
pub(super) struct Members {
    pub(super) country: String,
    pub(super) target: String,
    pub(super) source: u8,
    pub(super) probes: u64,
    pub(super) networks: u64,
}

#[derive(Row, Deserialize)]
pub(super) struct Line {
    pub(super) country: String,
    pub(super) target: String,
    pub(super) source: u8,
    pub(super) outcome: String,
    pub(super) mechanism: Option<String>,
    pub(super) n: u64,
    pub(super) observations: u64,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// One number.
#[derive(Row, Deserialize)]
pub(super) struct Number {
    pub(super) number: u64,
}

/// A day, and whether there is any.
#[derive(Row, Deserialize)]
pub(super) struct Newest {
    pub(super) day: i32,
    pub(super) rows: u64,
}
