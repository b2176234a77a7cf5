//! What do probes send? Web measurements as they look where nothing is wrong, ten
//! observations each: lookups with the datagrams that came, a connection, a handshake with
//! its certificates, a page.

use faultline_core::{
    codec::{Identity, Purpose},
    id::{Asn, BatchId, Country, MeasurementId},
    measurement::{
        Batch, ControlReport, Driver, Experiment, Measurement, NetworkEpoch, NetworkKind,
        SCHEMA_VERSION,
    },
    observation::{
        AddressSource, Connect, DnsTransport, Fetch, Handshake, HandshakeRole, HandshakeStage,
        Header, Lookup, Observation, Reply, ResolverRole, Step, Validity,
    },
    time::{ClockQuality, Duration, UnixTime},
    value::{Blob, Ip},
};
use std::net::IpAddr;

const PROBES: usize = 40;
const TARGETS: usize = 200;
const PER_MEASUREMENT: usize = 10;
/// When the first measurement was taken.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_790_000_000);

/// Whether the control's word on a target serves many measurements, as it does within the
/// hour, or each has one of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controls {
    Shared,
    OfItsOwn,
}

impl Controls {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::OfItsOwn => "one each",
        }
    }
}

/// Sealed batches, in the order in which they are sent.
pub(crate) struct Load {
    pub(crate) batch: usize,
    pub(crate) controls: Controls,
    pub(crate) observations: usize,
    pub(crate) probes: Vec<Identity>,
    pub(crate) batches: Vec<Vec<u8>>,
}

/// The collector's key: it signs tokens and control reports.
pub(crate) const COLLECTOR: [u8; 32] = [9; 32];

impl Load {
    /// About `total` observations in batches of `batch`.
    pub(crate) fn new(total: usize, batch: usize, controls: Controls) -> Self {
        let collector = key(COLLECTOR);
        let probes: Vec<Identity> = (0..PROBES).map(|n| key([n as u8 + 20; 32])).collect();
        let tokens: Vec<Blob> = (0..PROBES)
            .map(|n| token(&collector, &probes[n], n))
            .collect();
        let reports: Vec<Blob> = (0..TARGETS).map(|n| report(&collector, n, 0)).collect();
        let each = batch / PER_MEASUREMENT;
        let count = total / batch;
        let batches = (0..count)
            .map(|n| {
                let probe = n % PROBES;
                let measurements = (0..each).map(|i| {
                    let number = n * each + i;
                    // A probe goes through the list in its own order.
                    let target = (n / PROBES * each + i + probe * 7) % TARGETS;
                    let control = match controls {
                        Controls::Shared => reports[target].clone(),
                        Controls::OfItsOwn => report(&collector, target, number),
                    };
                    measurement(number, target, tokens[probe].clone(), control)
                });
                let batch = Batch {
                    schema: SCHEMA_VERSION,
                    probe: probes[probe].public().probe_id(),
                    id: BatchId(id(n, 1)),
                    sequence: (n / PROBES) as u64,
                    created: START,
                    measurements: measurements.collect(),
                    ledger: None,
                };
                probes[probe].seal(Purpose::Batch, &batch)
            })
            .collect();
        Self {
            batch,
            controls,
            observations: count * each * PER_MEASUREMENT,
            probes,
            batches,
        }
    }
}

fn key(bytes: [u8; 32]) -> Identity {
    Identity::from_bytes(&bytes).expect("a key")
}

/// Spread like random ones, and the same in every run.
fn id(n: usize, salt: u64) -> [u8; 16] {
    let mix = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let n = (n as u64).wrapping_add(salt << 40);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes());
    id[8..].copy_from_slice(&mix(n ^ 0x5555_5555).to_be_bytes());
    id
}

/// Bytes that compress as badly as certificates do.
fn noise(n: usize, length: usize) -> Blob {
    let bytes = (0..).flat_map(|i| id(n * 1000 + i, 7));
    Blob(bytes.take(length).collect())
}

fn token(collector: &Identity, probe: &Identity, n: usize) -> Blob {
    let countries = ["XA", "XB", "XC", "XD", "XE", "XF"];
    let epoch = NetworkEpoch {
        probe: probe.public().probe_id(),
        asn: Asn(64_500 + (n % 12) as u32),
        country: Country::new(countries[n % 6]).expect("a country"),
        kind: NetworkKind::Unknown,
        not_before: START,
        not_after: START + Duration::from_hours(24),
        geo: Blob(vec![1; 8]),
    };
    Blob(collector.seal(Purpose::NetworkEpoch, &epoch))
}

fn report(collector: &Identity, target: usize, number: usize) -> Blob {
    let report = ControlReport {
        target: url(target),
        taken: START + Duration::from_micros(number as u64),
        vantage: "control".into(),
        observations: observations(target)
            .into_iter()
            .filter(
                |o| !matches!(&o.step, Step::Lookup(l) if l.role != ResolverRole::Encrypted),
            )
            .collect(),
    };
    Blob(collector.seal(Purpose::ControlReport, &report))
}

fn url(target: usize) -> String {
    format!("https://www.site{target}.example/")
}

fn measurement(number: usize, target: usize, network: Blob, control: Blob) -> Measurement {
    Measurement {
        id: MeasurementId(id(number, 2)),
        experiment: Experiment::Web,
        target: url(target),
        started: START + Duration::from_millis(number as u64 * 40),
        clock: ClockQuality::Ntp,
        runtime: 2_000_000,
        software: "faultline-probe 0.1.0".into(),
        driver: Driver::Sockets,
        limits: vec![],
        bytes_sent: 3_000,
        bytes_received: 40_000,
        network: Some(network),
        imported: None,
        control: Some(control),
        settings: vec![],
        consent: 1,
        observations: observations(target),
    }
}

fn observations(target: usize) -> Vec<Observation> {
    let ip = Ip(IpAddr::from([93, 184, target as u8, 34]));
    let name = format!("www.site{target}.example");
    let seen = |step| Observation {
        started: 1_000,
        ended: 31_000,
        step,
        failure: None,
    };
    let roles = [
        ResolverRole::System,
        ResolverRole::Network,
        ResolverRole::Public,
        ResolverRole::Encrypted,
    ];
    let lookups = (0..7).map(|n| {
        let role = roles[n % 4];
        seen(Step::Lookup(Lookup {
            name: name.clone(),
            rtype: 1,
            role,
            transport: if role == ResolverRole::Encrypted {
                DnsTransport::Https
            } else {
                DnsTransport::Udp
            },
            resolver: Some(Ip(IpAddr::from([9, 9, 9, n as u8 + 1]))),
            resolver_name: None,
            replies: vec![Reply {
                after: 12_000,
                from: Some(Ip(IpAddr::from([9, 9, 9, n as u8 + 1]))),
                rcode: 0,
                flags: 0x8180,
                addresses: vec![ip],
                aliases: vec![],
                ttl: Some(300),
                edns: true,
                failure: None,
                case_echoed: Some(true),
                raw: Some(noise(target * 10 + n, 70)),
                hop_limit: None,
            }],
            watched: 3_000_000,
            attempt: 0,
        }))
    });
    let connect = seen(Step::Connect(Connect {
        ip,
        port: 443,
        source: AddressSource::Probe,
    }));
    let handshake = seen(Step::Handshake(Handshake {
        ip,
        port: 443,
        server_name: Some(name.clone()),
        role: HandshakeRole::Target,
        stage: HandshakeStage::Complete,
        version: Some(0x0304),
        cipher: Some(0x1301),
        alpn: Some("http/1.1".into()),
        chain: vec![noise(target, 900), noise(TARGETS, 1100)],
        certificate: Some(Validity { failure: None }),
        first_bytes: None,
        hop_limit: None,
    }));
    let header = |name: &str, value: String| Header {
        name: name.into(),
        value,
    };
    let fetch = seen(Step::Fetch(Fetch {
        url: url(target),
        ip,
        port: 443,
        depth: 0,
        status: Some(200),
        headers: vec![
            header("content-type", "text/html; charset=utf-8".into()),
            header("server", "nginx".into()),
            header("content-length", "18000".into()),
            header("cache-control", "max-age=600".into()),
            header("date", "Mon, 21 Sep 2026 14:13:20 GMT".into()),
        ],
        body_length: 18_000,
        body_truncated: false,
        body_sha256: Some(noise(target, 32)),
        body: Some(Blob(
            format!("<!doctype html><title>Site {target}</title><p>Some words of {name}. ")
                .repeat(10)
                .into_bytes(),
        )),
        title: Some(format!("Site {target}")),
        location: None,
        authenticated: true,
    }));
    lookups.chain([connect, handshake, fetch]).collect()
}
