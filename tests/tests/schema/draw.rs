//! Messages of every shape, built from octets of chance.

use faultline_core::{
    codec::{Identity, Purpose},
    engine::ledger::{BootId, Rung, Source as TimeSource, State},
    failure::Failure,
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    measurement::{
        Batch, ControlReport, Driver, EpochItem, Experiment, FixItem, Imported, LedgerPart,
        Limit, LostItem, Measurement, NetworkEpoch, NetworkKind, RunItem, Setting, Source,
        StepItem,
    },
    observation::{
        AddressSource, Connect, DnsTransport, Fetch, Handshake, HandshakeRole, HandshakeStage,
        Header, Lookup, Observation, Quic, Reply, ResolverRole, Step, Validity,
    },
    protocol::{
        AnchorItem, AnchorMethod, Beat, BeatAck, BeatTerms, CheckIn, CheckInReply,
        ControlRequest, Enrolled, Enrolment, NobodyItem, Receipt, Refusal, Risk, TargetItem,
        Traces,
    },
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};

const ROLES: &[HandshakeRole] = &[
    HandshakeRole::Target,
    HandshakeRole::NeutralName,
    HandshakeRole::NeutralAddress,
    HandshakeRole::Reference,
    HandshakeRole::OtherVersion,
    HandshakeRole::GreaseEch,
    HandshakeRole::Ech,
    HandshakeRole::PublicName,
    HandshakeRole::LongHello,
    HandshakeRole::HopTarget,
    HandshakeRole::HopNeutral,
];
const STAGES: &[HandshakeStage] = &[
    HandshakeStage::Connected,
    HandshakeStage::HelloSent,
    HandshakeStage::ServerHello,
    HandshakeStage::Complete,
];

/// Octets of chance; zeroes once they run out.
pub(super) struct Draw(std::vec::IntoIter<u8>);

impl Draw {
    pub(super) fn new(octets: Vec<u8>) -> Self {
        Self(octets.into_iter())
    }

    fn octet(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }
    fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.octet())
    }
    fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }
    /// A number of any width.
    fn number(&mut self) -> u64 {
        let wide = u64::from_be_bytes(self.octets());
        wide >> (self.octet() % 64)
    }
    fn u16(&mut self) -> u16 {
        self.number() as u16
    }
    fn u32(&mut self) -> u32 {
        self.number() as u32
    }
    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[usize::from(self.octet()) % among.len()]
    }
    fn option<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| draw(self))
    }
    fn list<T>(&mut self, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.octet() % 4).map(|_| draw(self)).collect()
    }
    fn text(&mut self) -> String {
        let letter = |draw: &mut Self| draw.pick(&['a', 'Z', '.', '\0', 'ß', '網', '🌍']);
        self.list(letter).into_iter().collect()
    }
    fn blob(&mut self) -> Blob {
        Blob(self.list(Self::octet))
    }
    fn ip(&mut self) -> Ip {
        if self.flag() {
            Ip(self.octets::<4>().into())
        } else {
            Ip(self.octets::<16>().into())
        }
    }
    fn time(&mut self) -> UnixTime {
        UnixTime(self.number() as i64)
    }
    fn failure(&mut self) -> Failure {
        Failure::from_code(self.u16())
    }
    fn identity(&mut self) -> Identity {
        Identity::from_bytes(&[self.octet() % 7 + 1; 32]).expect("small keys are keys")
    }
    fn public_key(&mut self) -> Blob {
        Blob(self.identity().public().to_sec1())
    }

    fn reply(&mut self) -> Reply {
        Reply {
            after: self.number(),
            from: self.option(Self::ip),
            rcode: self.u16(),
            flags: self.u16(),
            addresses: self.list(Self::ip),
            aliases: self.list(Self::text),
            ttl: self.option(Self::u32),
            edns: self.flag(),
            failure: self.option(Self::failure),
            case_echoed: self.option(Self::flag),
            raw: self.option(Self::blob),
            hop_limit: self.option(Self::octet),
        }
    }

    fn lookup(&mut self) -> Lookup {
        use DnsTransport as T;
        use ResolverRole as R;
        Lookup {
            name: self.text(),
            rtype: self.u16(),
            role: self.pick(&[
                R::System,
                R::Network,
                R::Public,
                R::Encrypted,
                R::NonResolver,
                R::Helper,
                R::NonResolverInside,
                R::NonResolverAbroad,
            ]),
            transport: self.pick(&[T::System, T::Udp, T::Tcp, T::Tls, T::Https, T::Quic]),
            resolver: self.option(Self::ip),
            resolver_name: self.option(Self::text),
            replies: self.list(Self::reply),
            watched: self.number(),
            attempt: self.octet(),
        }
    }

    fn handshake(&mut self) -> Handshake {
        Handshake {
            ip: self.ip(),
            port: self.u16(),
            server_name: self.option(Self::text),
            role: self.pick(ROLES),
            stage: self.pick(STAGES),
            version: self.option(Self::u16),
            cipher: self.option(Self::u16),
            alpn: self.option(Self::text),
            chain: self.list(Self::blob),
            certificate: self.option(|draw| Validity {
                failure: draw.option(Self::failure),
            }),
            first_bytes: self.option(Self::blob),
            hop_limit: self.option(Self::octet),
        }
    }

    fn quic(&mut self) -> Quic {
        Quic {
            ip: self.ip(),
            port: self.u16(),
            source: self.source(),
            server_name: self.option(Self::text),
            role: self.pick(ROLES),
            stage: self.pick(STAGES),
            version: self.u32(),
            versions: self.list(Self::u32),
            sent: self.u32(),
            received: self.u32(),
            alpn: self.option(Self::text),
            chain: self.list(Self::blob),
            certificate: self.option(|draw| Validity {
                failure: draw.option(Self::failure),
            }),
            close: self.option(Self::number),
            status: self.option(Self::u16),
            answered: self.option(Self::number),
        }
    }

    fn source(&mut self) -> AddressSource {
        use AddressSource as A;
        self.pick(&[A::Probe, A::Control, A::Literal])
    }

    fn fetch(&mut self) -> Fetch {
        Fetch {
            url: self.text(),
            ip: self.ip(),
            port: self.u16(),
            depth: self.octet(),
            status: self.option(Self::u16),
            headers: self.list(|draw| Header {
                name: draw.text(),
                value: draw.text(),
            }),
            body_length: self.number(),
            body_truncated: self.flag(),
            body_sha256: self.option(Self::blob),
            body: self.option(Self::blob),
            title: self.option(Self::text),
            location: self.option(Self::text),
            authenticated: self.flag(),
        }
    }

    fn observation(&mut self) -> Observation {
        let step = match self.octet() % 5 {
            0 => Step::Lookup(self.lookup()),
            1 => Step::Connect(Connect {
                ip: self.ip(),
                port: self.u16(),
                source: self.source(),
            }),
            2 => Step::Handshake(self.handshake()),
            3 => Step::Quic(self.quic()),
            _ => Step::Fetch(self.fetch()),
        };
        Observation {
            started: self.number(),
            ended: self.number(),
            step,
            failure: self.option(Self::failure),
        }
    }

    fn measurement(&mut self) -> Measurement {
        use ClockQuality as C;
        use Driver as D;
        use Limit as L;
        Measurement {
            id: MeasurementId(self.octets()),
            experiment: self.pick(&[
                Experiment::DnsConsistency,
                Experiment::Web,
                Experiment::Namespace,
                Experiment::SpecialNames,
                Experiment::DnsTransparency,
                Experiment::Hello,
                Experiment::Quic,
                Experiment::EncryptedDns,
                Experiment::Ech,
            ]),
            target: self.text(),
            started: self.time(),
            clock: self.pick(&[C::None, C::Rtc, C::Ntp, C::Collector]),
            runtime: self.number(),
            software: self.text(),
            driver: self.pick(&[D::Sockets, D::Raw, D::Firmware, D::Simulated]),
            limits: self.list(|draw| {
                draw.pick(&[
                    L::Budget,
                    L::Cap,
                    L::Redirects,
                    L::Addresses,
                    L::Control,
                    L::SystemResolver,
                    L::Ipv6,
                ])
            }),
            bytes_sent: self.number(),
            bytes_received: self.number(),
            network: self.option(|draw| {
                let epoch = draw.network_epoch();
                Blob(draw.identity().seal(Purpose::NetworkEpoch, &epoch))
            }),
            control: self.option(|draw| {
                let report = draw.control_report();
                Blob(draw.identity().seal(Purpose::ControlReport, &report))
            }),
            settings: self.list(|draw| {
                draw.pick(&[Setting::CaptivePortal, Setting::Vpn, Setting::OwnResolvers])
            }),
            consent: self.u16(),
            imported: self.option(|draw| Imported {
                source: Source::Ooni,
                test: draw.text(),
                report: draw.option(Self::text),
                uid: draw.option(Self::text),
                verdict: draw.option(Self::text),
            }),
            observations: self.list(Self::observation),
        }
    }

    pub(super) fn batch(&mut self) -> Batch {
        Batch {
            schema: self.u16(),
            probe: ProbeId(self.octets()),
            id: BatchId(self.octets()),
            sequence: self.number(),
            created: self.time(),
            measurements: self.list(Self::measurement),
            ledger: self.option(Self::ledger),
        }
    }

    fn boot(&mut self) -> BootId {
        BootId(self.octets())
    }

    fn ledger(&mut self) -> LedgerPart {
        LedgerPart {
            runs: self.list(|draw| RunItem {
                number: draw.number(),
                run: draw.u32(),
                boot: draw.boot(),
                started: draw.number(),
            }),
            epochs: self.list(|draw| EpochItem {
                number: draw.number(),
                run: draw.u32(),
                from: draw.number(),
                until: draw.number(),
                state: State(draw.u32()),
                checks: draw.u32(),
                failures: draw.u32(),
            }),
            fixes: self.list(|draw| FixItem {
                number: draw.number(),
                run: draw.u32(),
                at: draw.number(),
                utc: draw.time(),
                error: draw.number(),
                source: draw.pick(&[TimeSource::Ntp, TimeSource::Collector]),
            }),
            steps: self.list(|draw| StepItem {
                number: draw.number(),
                run: draw.u32(),
                at: draw.number(),
                from: draw.time(),
                to: draw.time(),
            }),
            lost: self.option(|draw| LostItem {
                through: draw.number(),
                epochs: draw.u32(),
            }),
        }
    }

    fn beat_terms(&mut self) -> BeatTerms {
        use AnchorMethod as M;
        BeatTerms {
            port: self.u16(),
            address: self.option(Self::ip),
            interval: self.u16(),
            run: self.u32(),
            anchors: self.list(|draw| AnchorItem {
                rung: draw.pick(&Rung::ALL),
                method: draw.pick(&[M::Dns, M::Tcp, M::Tls]),
                address: draw.ip(),
                port: draw.u16(),
                network: Asn(draw.u32()),
                name: draw.option(Self::text),
            }),
            count: self.u32(),
        }
    }

    pub(super) fn beat(&mut self) -> Beat {
        use ClockQuality as Q;
        Beat {
            run: self.u32(),
            count: self.u32(),
            boot: self.boot(),
            uptime: self.number(),
            wall: self.time(),
            clock: self.pick(&[Q::None, Q::Rtc, Q::Ntp, Q::Collector]),
            state: State(self.u32()),
            since: self.number(),
            last_good: self.option(Self::number),
            waiting: self.u32(),
            oldest: self.option(Self::number),
            interval: self.u16(),
        }
    }

    pub(super) fn beat_ack(&mut self) -> BeatAck {
        BeatAck {
            of: Blob(self.octets::<8>().to_vec()),
            time: self.time(),
        }
    }

    pub(super) fn network_epoch(&mut self) -> NetworkEpoch {
        use NetworkKind as K;
        NetworkEpoch {
            probe: ProbeId(self.octets()),
            asn: Asn(self.u32()),
            country: Country::new(self.pick(&["XA", "xb", "ZZ"])).expect("two letters"),
            kind: self.pick(&[K::Unknown, K::Fixed, K::Mobile, K::Satellite]),
            not_before: self.time(),
            not_after: self.time(),
            geo: self.blob(),
        }
    }

    pub(super) fn control_report(&mut self) -> ControlReport {
        ControlReport {
            target: self.text(),
            taken: self.time(),
            vantage: self.text(),
            observations: self.list(Self::observation),
        }
    }

    pub(super) fn enrolment(&mut self) -> Enrolment {
        Enrolment {
            public_key: self.public_key(),
            consent: self.u16(),
            software: self.text(),
        }
    }

    pub(super) fn enrolled(&mut self) -> Enrolled {
        Enrolled {
            probe: ProbeId(self.octets()),
            collector_key: self.public_key(),
        }
    }

    pub(super) fn check_in(&mut self) -> CheckIn {
        CheckIn {
            probe: ProbeId(self.octets()),
            consent: self.u16(),
            software: self.text(),
            clock: self.time(),
            risk: self.option(|draw| draw.pick(&[Risk::Low, Risk::Medium, Risk::High])),
        }
    }

    pub(super) fn check_in_reply(&mut self) -> CheckInReply {
        CheckInReply {
            time: self.time(),
            network: self.option(|draw| {
                let epoch = draw.network_epoch();
                Blob(draw.identity().seal(Purpose::NetworkEpoch, &epoch))
            }),
            targets: self.list(|draw| TargetItem {
                url: draw.text(),
                category: draw.text(),
                risk: draw.pick(&[Risk::Low, Risk::Medium, Risk::High]),
            }),
            next: self.u32(),
            address: self.option(Self::ip),
            traces: self.option(|draw| Traces {
                namespace: draw.list(Self::text),
                special: draw.list(Self::text),
                transparency: draw.list(Self::text),
                resolvers: draw.option(|draw| draw.list(Self::text)),
            }),
            beat: self.option(Self::beat_terms),
            nobody: self.option(|draw| {
                draw.list(|draw| NobodyItem {
                    address: draw.ip(),
                    abroad: draw.option(Self::flag),
                })
            }),
        }
    }

    pub(super) fn control_request(&mut self) -> ControlRequest {
        ControlRequest {
            probe: ProbeId(self.octets()),
            target: self.text(),
            addresses: self.list(Self::ip),
            brief: self.option(Self::flag),
            transports: self.option(Self::flag),
        }
    }

    pub(super) fn receipt(&mut self) -> Receipt {
        Receipt {
            batch: BatchId(self.octets()),
            duplicate: self.flag(),
            measurements: self.u32(),
        }
    }

    pub(super) fn refusal(&mut self) -> Refusal {
        Refusal {
            code: self.text(),
            message: self.text(),
            retry: self.flag(),
        }
    }
}
