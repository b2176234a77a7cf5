//! What do probes send in these tests?

use faultline_core::{
    codec::{Identity, Purpose},
    failure::Failure,
    id::{BatchId, MeasurementId},
    measurement::{Batch, Driver, Experiment, Measurement, SCHEMA_VERSION},
    observation::{AddressSource, Connect, Observation, Step},
    protocol::Enrolment,
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};
use faultline_probe::uplink::Collector;
use rustls::{ClientConfig, RootCertStore};
use std::{net::IpAddr, sync::Arc};

/// One of many probes.
pub(crate) fn probe(number: u8) -> Identity {
    Identity::from_bytes(&[number + 1; 32]).unwrap()
}

/// Its request to be known.
pub(crate) fn enrolment(probe: &Identity) -> Vec<u8> {
    let enrolment = Enrolment {
        public_key: Blob(probe.public().to_sec1()),
        consent: 1,
        software: "test".into(),
    };
    probe.seal(Purpose::Request, &enrolment)
}

/// Batch `n` of probe `p`, the same bytes whenever it is made.
pub(crate) fn sealed(p: u8, n: u8) -> (BatchId, Vec<u8>) {
    let batch = batch(p, n);
    (batch.id, probe(p).seal(Purpose::Batch, &batch))
}

/// The same before it is sealed.
pub(crate) fn batch(p: u8, n: u8) -> Batch {
    let measurement = |i: u8| Measurement {
        id: MeasurementId([p, n, i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        experiment: Experiment::Web,
        target: format!("https://site{i}.example/"),
        started: UnixTime::from_secs(1_700_000_000 + i64::from(n)),
        clock: ClockQuality::Ntp,
        runtime: 5,
        software: "test".into(),
        driver: Driver::Simulated,
        limits: vec![],
        bytes_sent: 1,
        bytes_received: 2,
        network: None,
        control: None,
        imported: None,
        settings: vec![],
        consent: 1,
        observations: vec![Observation {
            started: 1,
            ended: 2,
            step: Step::Connect(Connect {
                ip: Ip(IpAddr::from([192, 0, 2, p])),
                port: 443,
                source: AddressSource::Probe,
            }),
            failure: (i == 1).then_some(Failure::TcpTimeout),
        }],
    };
    Batch {
        schema: SCHEMA_VERSION,
        probe: probe(p).public().probe_id(),
        id: BatchId([p, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]),
        sequence: u64::from(n),
        created: UnixTime::from_secs(1_700_000_100),
        measurements: (0..3).map(measurement).collect(),
        ledger: None,
    }
}

/// A probe's way to the collector at `at`, in the clear.
pub(crate) fn link(at: &str) -> Collector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Collector::new(at, Arc::new(tls)).unwrap()
}
