//! What do tests of stores put into them? Signed batches, ordinary and strange, and the
//! contract with every engine: [`suite`]. Shared by the tests of both engines.
#![allow(dead_code, unreachable_pub)] // each test target uses its part

pub mod suite;

use faultline_collector::{
    ingest::{Enricher, Ingest, issue},
    rules::Rules,
    store::{
        Enrichment, Incoming, Ledger, Place, ProbeRecord, ReceiptRecord, Source, Store,
        contract::Model, derive,
    },
};
use faultline_core::{
    codec::{Identity, Purpose},
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    measurement::{Batch, Driver, Experiment, Measurement, SCHEMA_VERSION},
    observation::{AddressSource, Connect, Observation, Step},
    time::{ClockQuality, Duration, UnixTime},
    value::{Blob, Ip},
};
use sha2::{Digest, Sha256};
use std::{net::IpAddr, sync::Arc};

pub const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

pub struct Table;
impl Enricher for Table {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        match ip {
            IpAddr::V4(v4) => Some(Asn(64_500 + u32::from(v4.octets()[2]))),
            IpAddr::V6(_) => None,
        }
    }
    fn country_of(&self, ip: IpAddr) -> Option<Country> {
        self.asn_of(ip)
            .and_then(|a| Country::new(if a.0 == 64_501 { "XA" } else { "XB" }))
    }
    fn digest(&self) -> [u8; 32] {
        [1; 32]
    }
}

pub fn identity(byte: u8) -> Identity {
    Identity::from_bytes(&[byte; 32]).unwrap()
}
pub fn probe_id() -> ProbeId {
    identity(1).public().probe_id()
}
pub fn token(probe: ProbeId, net: u8, at: UnixTime) -> Vec<u8> {
    let ip = IpAddr::from([192, 0, net, 1]);
    issue(&identity(9), &Table, probe, ip, at, Duration::from_hours(1))
}
pub fn id16(n: u32) -> [u8; 16] {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    id[12..].copy_from_slice(&n.to_be_bytes());
    id
}
pub fn measurement(n: u32, network: Option<Vec<u8>>) -> Measurement {
    Measurement {
        id: MeasurementId(id16(n)),
        experiment: Experiment::Web,
        target: format!("https://site{}.example/", n % 3),
        started: NOW + Duration::from_secs(u64::from(n % 50)),
        clock: ClockQuality::Ntp,
        runtime: 5,
        software: "test".into(),
        driver: Driver::Simulated,
        limits: vec![],
        bytes_sent: 1,
        bytes_received: 2,
        network: network.map(Blob),
        control: None,
        settings: vec![],
        consent: 1,
        observations: vec![Observation {
            started: 1,
            ended: 2,
            step: Step::Connect(Connect {
                ip: Ip(IpAddr::from([192, 0, 2, 7])),
                port: 443,
                source: AddressSource::Probe,
            }),
            failure: None,
        }],
        imported: None,
    }
}
pub fn batch(n: u32) -> Batch {
    let measurements = (0..4).map(|i| measurement(n * 4 + i, Some(token(probe_id(), 1, NOW))));
    Batch {
        schema: SCHEMA_VERSION,
        probe: probe_id(),
        id: BatchId(id16(n)),
        sequence: u64::from(n),
        created: NOW,
        measurements: measurements.collect(),
        ledger: None,
    }
}
pub fn seal(batch: &Batch) -> Vec<u8> {
    identity(1).seal(Purpose::Batch, batch)
}
pub fn incoming(n: u32) -> Incoming {
    let batch = batch(n);
    let places = vec![
        Place {
            known: true,
            country: Country::new("XA").unwrap(),
            asn: Asn(64_501),
            control_valid: false,
            control_ignored: false,
            clock_future: false,
        };
        4
    ];
    let enrichment = Enrichment {
        geo: Blob(vec![1]),
        addresses: vec![],
        places,
    };
    ready(&identity(1), &batch, enrichment, NOW)
}
pub fn ready(
    key: &Identity,
    batch: &Batch,
    enrichment: Enrichment,
    received: UnixTime,
) -> Incoming {
    let bytes = key.seal(Purpose::Batch, batch);
    Incoming {
        rows: derive(batch, &enrichment, &Rules),
        receipt: ReceiptRecord {
            batch: batch.id,
            probe: batch.probe,
            sequence: batch.sequence,
            sha256: Sha256::digest(&bytes).into(),
            received,
            measurements: batch.measurements.len() as u32,
            enrichment,
        },
        bytes,
    }
}

/// The key for imports among the batches of [`varied`].
pub const IMPORT: u8 = 5;

/// Batches of several probes and of imports: over twelve days, some late, some with a
/// nonsensical clock, some not scored, some with identities that were used before.
pub fn varied(n: u32) -> Incoming {
    let who = [1, 2, 3, 4, IMPORT][n as usize % 5];
    let key = identity(who);
    let day = Duration::from_hours(24);
    let received = NOW + day * (n % 12);
    let measurements: Vec<Measurement> = (0..5)
        .map(|i| {
            let mut m = measurement(n * 4 + i, None); // the last is the next one's first
            m.started = match (n + i) % 7 {
                0 => UnixTime(i64::from(n) * 1_000_000),
                1 => received + day * 400,
                2 => UnixTime::from_secs(1_500_000_000), // unvouched and long ago
                3 => UnixTime(received.0 - 3 * 86_400_000_000),
                _ => UnixTime(received.0 - i64::from(i) * 7_000_000_000),
            };
            if (n + i).is_multiple_of(4) {
                m.observations.clear();
            }
            m
        })
        .collect();
    let places = measurements
        .iter()
        .zip(n..)
        .map(|(m, i)| Place {
            known: i % 5 != 0 && m.started != UnixTime::from_secs(1_500_000_000),
            country: Country::new(["XA", "XB", "XC"][i as usize % 3]).unwrap(),
            asn: Asn(64_500 + i % 4),
            control_valid: false,
            control_ignored: false,
            clock_future: m.started > received,
        })
        .collect();
    let batch = Batch {
        schema: SCHEMA_VERSION,
        probe: key.public().probe_id(),
        id: BatchId(id16(n)),
        sequence: u64::from(n),
        created: received,
        measurements,
        ledger: None,
    };
    let enrichment = Enrichment {
        geo: Blob(vec![1]),
        addresses: vec![],
        places,
    };
    ready(&key, &batch, enrichment, received)
}

pub fn model() -> Model {
    Model::new(identity(IMPORT).public().probe_id())
}

/// Makes everybody known whose batches are here.
pub fn enrol_all(store: &impl Ledger) {
    for who in 1..=IMPORT {
        store
            .enrol(&ProbeRecord {
                id: identity(who).public().probe_id(),
                public_key: identity(who).public().to_sec1(),
                consent: 1,
                software: "test".into(),
                enrolled: NOW,
                revoked: None,
                source: if who == IMPORT {
                    Source::Import
                } else {
                    Source::Probe
                },
            })
            .unwrap();
    }
}

pub fn ingest<S: Store + 'static>(store: &Arc<S>) -> Ingest {
    Ingest::new(
        store.clone(),
        Arc::new(Table),
        Arc::new(Rules),
        identity(9).public(),
    )
}
