//! One run of one experiment against one target, and what surrounds it on the wire.

use crate::{
    engine::ledger::{BootId, Source as TimeSource, State},
    id::{Asn, BatchId, Country, MeasurementId, ProbeId},
    observation::{Observation, Step, code, fact},
    time::{ClockQuality, UnixTime},
    value::Blob,
};
use alloc::{string::String, vec::Vec};
use minicbor::{Decode, Encode};

/// Version of the schema that this code writes. A reader accepts every version with the
/// same meaning of old field numbers; a change of meaning takes a new field number.
pub const SCHEMA_VERSION: u16 = 1;

code! {
    /// The method used.
    pub enum Experiment {
        /// DNS consistency.
        0 DnsConsistency,
        /// Web blocking.
        1 Web,
        /// Whether a top-level domain is where it is for everybody.
        2 Namespace,
        /// Whether a special-use name leads to a public address.
        3 SpecialNames,
        /// Whether the DNS passes unaltered.
        4 DnsTransparency,
        /// Does a ClientHello with the target's name come through? No certificates, no pages:
        /// what needs no TLS library.
        5 Hello,
        /// Whether QUIC reaches the target where TLS over TCP does.
        6 Quic,
        /// Whether a public resolver is reached over TLS, HTTPS and QUIC.
        7 EncryptedDns,
        /// Whether a ClientHello whose name is encrypted comes through.
        8 Ech,
    }
}
code! {
    /// How the probe reached the network.
    pub enum Driver {
        /// Ordinary sockets, no privilege.
        0 Sockets,
        /// Raw sockets.
        1 Raw,
        /// The firmware's own stack.
        2 Firmware,
        /// The simulated Internet, in process.
        3 Simulated,
    }
}
code! {
    /// What kept a measurement from being whole.
    pub enum Limit {
        /// The day's byte budget ran out.
        0 Budget,
        /// A body or a certificate chain was cut at its cap.
        1 Cap,
        /// More redirects than allowed.
        2 Redirects,
        /// Not every address was tried.
        3 Addresses,
        /// No control could be had.
        4 Control,
        /// There is no operating system whose resolver could be asked.
        10 SystemResolver,
        /// Addresses of IPv6 could not be tried: the driver has none of its own.
        11 Ipv6,
    }
}
code! {
    /// Surroundings in which results are labelled and not scored.
    pub enum Setting {
        /// Behind a captive portal.
        0 CaptivePortal,
        /// Behind a VPN.
        1 Vpn,
        /// The owner chose the resolvers, not the network.
        2 OwnResolvers,
    }
}
code! {
    /// The kind of access network.
    pub enum NetworkKind {
        /// Not known.
        0 Unknown,
        /// Fixed line.
        1 Fixed,
        /// Mobile.
        2 Mobile,
        /// Satellite.
        3 Satellite,
    }
}
#[allow(clippy::derivable_impls)] // the macro derives for enums that have no default
impl Default for NetworkKind {
    fn default() -> Self {
        Self::Unknown
    }
}
fact! {
    /// One run of one experiment against one target.
    pub struct Measurement {
        /// Drawn at random by the probe.
        0 id: MeasurementId,
        /// The method used.
        1 experiment: Experiment,
        /// A URL, or a name for experiments on names.
        2 target: String,
        /// Wall-clock time of the start.
        3 started: UnixTime,
        /// How far `started` can be trusted.
        4 clock: ClockQuality,
        /// Duration, microseconds, monotonic.
        5 runtime: u64,
        /// Name and version of the software.
        6 software: String,
        /// How the probe reached the network.
        7 driver: Driver,
        /// What kept the measurement from being whole.
        8 limits: Vec<Limit>,
        /// Bytes sent, IP headers included where known.
        9 bytes_sent: u64,
        /// Bytes received.
        10 bytes_received: u64,
        /// The network-epoch token current at the start: COSE_Sign1 over [`NetworkEpoch`].
        11 network: Option<Blob>,
        /// The control's report: COSE_Sign1 over [`ControlReport`].
        12 control: Option<Blob>,
        /// Surroundings in which results are labelled and never scored.
        13 settings: Vec<Setting>,
        /// Version of the consent text that the probe's owner agreed to.
        14 consent: u16,
        /// What was seen, in order.
        15 observations: Vec<Observation>,
        /// Where the measurement was taken over from; absent for those of our own probes.
        16 imported: Option<Imported>,
    }
}
code! {
    /// Whose format a measurement was taken over from.
    pub enum Source {
        /// OONI, data format 0.2.
        0 Ooni,
    }
}
fact! {
    /// What somebody else's measurement said of itself. The verdict is theirs and stands
    /// beside ours: no rule of ours reads it.
    pub struct Imported {
        /// Whose format it came in.
        0 source: Source,
        /// Name and version of the test, as its document says.
        1 test: String,
        /// The report that it belongs to, where that is said.
        2 report: Option<String>,
        /// The identity that its first collector gave it, where that is said.
        3 uid: Option<String>,
        /// The verdict by the source's own rules: a JSON object, its keys those of the source.
        4 verdict: Option<String>,
    }
}
fact! {
    /// What a probe uploads: the payload of a COSE_Sign1 by the probe's key.
    pub struct Batch {
        /// [`SCHEMA_VERSION`] of the writer.
        0 schema: u16,
        /// The signer.
        1 probe: ProbeId,
        /// Drawn at random; a batch sent twice keeps it.
        2 id: BatchId,
        /// Position in the probe's own sequence, from 0.
        3 sequence: u64,
        /// When the batch was closed.
        4 created: UnixTime,
        /// What it carries.
        5 measurements: Vec<Measurement>,
        /// Part of the probe's link ledger.
        6 ledger: Option<LedgerPart>,
    }
}
fact! {
    /// What a probe noted of its way to the world, oldest first. All times but those named UTC
    /// are on the monotonic clock of a boot; see [`place`](crate::engine::ledger::place).
    pub struct LedgerPart {
        /// Starts of the program that the rest belongs to.
        0 runs: Vec<RunItem>,
        /// Times in which nothing changed.
        1 epochs: Vec<EpochItem>,
        /// What time it was.
        2 fixes: Vec<FixItem>,
        /// Jumps of the wall clock.
        3 steps: Vec<StepItem>,
        /// What there was no room for.
        4 lost: Option<LostItem>,
    }
}
fact! {
    /// A start of the program.
    pub struct RunItem {
        /// Number of the entry in the ledger.
        0 number: u64,
        /// Counted from 1.
        1 run: u32,
        /// The boot of the machine.
        2 boot: BootId,
        /// Microseconds since the boot.
        3 started: u64,
    }
}
fact! {
    /// A time in which nothing changed.
    pub struct EpochItem {
        /// Number of the entry in the ledger.
        0 number: u64,
        /// In which start of the program.
        1 run: u32,
        /// The first walk that found the state, microseconds since the boot.
        2 from: u64,
        /// The last that did.
        3 until: u64,
        /// Every rung, two bits each.
        4 state: State,
        /// Hosts tried.
        5 checks: u32,
        /// Of those, how many said nothing.
        6 failures: u32,
    }
}
fact! {
    /// What time it was at one moment.
    pub struct FixItem {
        /// Number of the entry in the ledger.
        0 number: u64,
        /// In which start of the program.
        1 run: u32,
        /// Microseconds since the boot.
        2 at: u64,
        /// UTC then.
        3 utc: UnixTime,
        /// Give or take, microseconds.
        4 error: u64,
        /// Whose word it is.
        5 source: TimeSource,
    }
}
fact! {
    /// A jump of the wall clock.
    pub struct StepItem {
        /// Number of the entry in the ledger.
        0 number: u64,
        /// In which start of the program.
        1 run: u32,
        /// When it was noticed, microseconds since the boot.
        2 at: u64,
        /// What the wall clock would have said.
        3 from: UnixTime,
        /// What it said.
        4 to: UnixTime,
    }
}
fact! {
    /// Epochs that were dropped before they could be sent.
    pub struct LostItem {
        /// Number of the newest of them.
        0 through: u64,
        /// How many in all.
        1 epochs: u32,
    }
}
fact! {
    /// The collector's word on which network a probe was in: the payload of a COSE_Sign1
    /// by the collector's key.
    pub struct NetworkEpoch {
        /// For this probe only.
        0 probe: ProbeId,
        /// Network, from the address that the probe came from; 0 where unknown.
        1 asn: Asn,
        /// Country likewise; `ZZ` where unknown.
        2 country: Country,
        /// Kind of access.
        3 kind: NetworkKind,
        /// Valid from.
        4 not_before: UnixTime,
        /// Valid until.
        5 not_after: UnixTime,
        /// SHA-256 of the geo database used, first 8 bytes.
        6 geo: Blob,
    }
}
fact! {
    /// What the control saw of a target: the payload of a COSE_Sign1 by the collector's key.
    pub struct ControlReport {
        /// The target asked for.
        0 target: String,
        /// When the control looked.
        1 taken: UnixTime,
        /// Which vantage point looked.
        2 vantage: String,
        /// What it saw.
        3 observations: Vec<Observation>,
    }
}

impl ControlReport {
    /// The same without what takes room: certificates, pages, raw datagrams. How each step
    /// ended stays, and where it led.
    #[must_use]
    pub fn brief(&self) -> Self {
        let mut brief = self.clone();
        for observation in &mut brief.observations {
            match &mut observation.step {
                Step::Lookup(lookup) => {
                    lookup.replies.iter_mut().for_each(|reply| reply.raw = None);
                }
                Step::Handshake(shake) => {
                    shake.chain.clear();
                    shake.first_bytes = None;
                }
                Step::Fetch(fetch) => {
                    fetch.headers.clear();
                    fetch.body = None;
                    fetch.title = None;
                }
                #[cfg(feature = "transports")]
                Step::Quic(quic) => quic.chain.clear(),
                _ => {}
            }
        }
        brief
    }
}
