//! What do probe and collector say to each other besides batches?
//!
//! Requests are CBOR in a `COSE_Sign1` with [`Purpose::Request`](crate::codec::Purpose);
//! replies are plain CBOR. A replayed request is harmless: replies say nothing that its
//! sender could use without the probe's key.
//!
//! ```text
//! POST /v1/probes    sealed Enrolment       -> Enrolled
//! POST /v1/check-in  sealed CheckIn         -> CheckInReply
//! POST /v1/control   sealed ControlRequest  -> sealed ControlReport
//! POST /v1/batches   sealed Batch           -> Receipt
//! any failure                               -> Refusal, with a 4xx or 5xx status
//!
//! UDP                sealed Beat            -> sealed BeatAck, or nothing
//! ```

use crate::{
    engine::ledger::{BootId, Rung, State},
    id::{Asn, BatchId, ProbeId},
    observation::{code, fact},
    time::{ClockQuality, UnixTime},
    value::{Blob, Ip},
};
use alloc::{string::String, vec::Vec};
use minicbor::{Decode, Encode};

/// Media type of a sealed message.
pub const MEDIA_COSE: &str = "application/cose";
/// Media type of a plain CBOR message.
pub const MEDIA_CBOR: &str = "application/cbor";

fact! {
    /// A probe makes itself known. Sending it again changes nothing.
    pub struct Enrolment {
        /// Public key, SEC1 compressed; its hash is the probe's identity.
        0 public_key: Blob,
        /// Version of the consent text that the probe's owner agreed to.
        1 consent: u16,
        /// Name and version of the software.
        2 software: String,
    }
}
fact! {
    /// The collector knows the probe.
    pub struct Enrolled {
        /// The identity under which it does.
        0 probe: ProbeId,
        /// The collector's public key, SEC1 compressed.
        1 collector_key: Blob,
    }
}
fact! {
    /// A probe asks what to measure and which network it is in.
    pub struct CheckIn {
        /// The asker.
        0 probe: ProbeId,
        /// Version of the consent text agreed to.
        1 consent: u16,
        /// Name and version of the software.
        2 software: String,
        /// The probe's wall clock.
        3 clock: UnixTime,
        /// The highest risk of targets that its owner agreed to; of a probe that does not say,
        /// the lowest is taken.
        4 risk: Option<Risk>,
    }
}
fact! {
    /// The answer to a [`CheckIn`].
    pub struct CheckInReply {
        /// The collector's wall clock.
        0 time: UnixTime,
        /// Network-epoch token: COSE_Sign1 over
        /// [`NetworkEpoch`](crate::measurement::NetworkEpoch).
        1 network: Option<Blob>,
        /// What to measure, in order of priority.
        2 targets: Vec<TargetItem>,
        /// Seconds until the next check-in is welcome.
        3 next: u32,
        /// The address that the request came from, so that the probe can keep it out of what
        /// it sends. The collector does not keep it.
        4 address: Option<Ip>,
        /// What to measure of the DNS itself.
        5 traces: Option<Traces>,
        /// How to beat and where to look for the world; absent where heartbeats are not heard.
        6 beat: Option<BeatTerms>,
        /// Addresses that the operator vouches for: they run no resolver. Boards have no room
        /// for more than their owner's, and skip them.
        #[cfg(feature = "transports")]
        7 nobody: Option<Vec<NobodyItem>>,
    }
}
fact! {
    /// An address that runs no resolver. Whoever answers a question to it stands on the path.
    pub struct NobodyItem {
        /// Where.
        0 address: Ip,
        /// Whether it is in another country than the probe, where the collector knows both.
        1 abroad: Option<bool>,
    }
}
fact! {
    /// Names for the small experiments on the DNS itself ([`trace`](crate::trace)), the share
    /// of this hour.
    pub struct Traces {
        /// Top-level domains, and names under ones that the root does not have.
        0 namespace: Vec<String>,
        /// Special-use names.
        1 special: Vec<String>,
        /// Names in the operator's own test zone, each the target of a check.
        2 transparency: Vec<String>,
        /// Public resolvers to be reached over encrypted transports
        /// ([`resolver::Service`](crate::resolver::Service)). Boards cannot, and skip them.
        #[cfg(feature = "transports")]
        3 resolvers: Option<Vec<String>>,
    }
}
fact! {
    /// How a probe is to beat.
    pub struct BeatTerms {
        /// UDP port of the collector.
        0 port: u16,
        /// Its address, where it is not that of the collector's URL.
        1 address: Option<Ip>,
        /// Seconds between two beats.
        2 interval: u16,
        /// The run of the newest beat of this probe that the collector heard: a probe that lost
        /// its ledger must begin behind it, or its beats count as repeated.
        3 run: u32,
        /// Hosts that tell how far the network reaches from where the probe is.
        4 anchors: Vec<AnchorItem>,
        /// The number of that beat in its run.
        5 count: u32,
    }
}
fact! {
    /// A host that is tried at each walk up the ladder.
    pub struct AnchorItem {
        /// Which rung it speaks for.
        0 rung: Rung,
        /// How it is tried.
        1 method: AnchorMethod,
        /// Its address.
        2 address: Ip,
        /// Its port.
        3 port: u16,
        /// Its network.
        4 network: Asn,
        /// The name asked for, or sent in the TLS handshake.
        5 name: Option<String>,
    }
}
code! {
    /// How an anchor is tried.
    pub enum AnchorMethod {
        /// A DNS query over UDP; any answer to it is one.
        0 Dns,
        /// A TCP connection.
        1 Tcp,
        /// A TLS ClientHello; any TLS answer is one.
        2 Tls,
    }
}
fact! {
    /// A heartbeat. Times are microseconds since the boot, but for `wall`.
    pub struct Beat {
        /// Start of the program, counted from 1; only grows.
        0 run: u32,
        /// Beats of this run, from 1; only grows.
        1 count: u32,
        /// The boot of the machine.
        2 boot: BootId,
        /// Now.
        3 uptime: u64,
        /// What the wall clock claims.
        4 wall: UnixTime,
        /// How far that can be trusted.
        5 clock: ClockQuality,
        /// Every rung, two bits each.
        6 state: State,
        /// Since when it has been so.
        7 since: u64,
        /// When the Internet abroad was there last, in this run.
        8 last_good: Option<u64>,
        /// Epochs of the ledger that wait to be sent.
        9 waiting: u32,
        /// Number of the oldest of them.
        10 oldest: Option<u64>,
        /// Seconds until the next beat.
        11 interval: u16,
    }
}
fact! {
    /// The collector heard a beat.
    pub struct BeatAck {
        /// SHA-256 of the sealed beat, first 8 bytes.
        0 of: Blob,
        /// The collector's wall clock.
        1 time: UnixTime,
    }
}
fact! {
    /// One thing to measure.
    pub struct TargetItem {
        /// A URL.
        0 url: String,
        /// Category code of the Citizen Lab test lists.
        1 category: String,
        /// What measuring it may mean for the volunteer.
        2 risk: Risk,
    }
}
code! {
    /// What measuring a target may mean for the volunteer.
    pub enum Risk {
        /// An ordinary phone touches the like every day.
        0 Low,
        /// Might draw attention.
        1 Medium,
        /// Only with consent to this level by name.
        2 High,
    }
}
fact! {
    /// A probe asks for the control's view of a target.
    pub struct ControlRequest {
        /// The asker.
        0 probe: ProbeId,
        /// A URL from the check-in's list, or the name of its host.
        1 target: String,
        /// Addresses that the probe saw for the target's name.
        2 addresses: Vec<Ip>,
        /// Whether certificates and pages are to be left out of the report: a board has no
        /// room for them, and does not measure what they are compared with.
        3 brief: Option<bool>,
        /// Whether the newer ways to speak to a site are to be tried, too: QUIC.
        4 transports: Option<bool>,
    }
}
fact! {
    /// The collector has a batch, durably.
    pub struct Receipt {
        /// Which batch.
        0 batch: BatchId,
        /// Whether it was there already.
        1 duplicate: bool,
        /// Measurements in it.
        2 measurements: u32,
    }
}
fact! {
    /// Why something was refused.
    pub struct Refusal {
        /// A stable word: `bad_signature`.
        0 code: String,
        /// A sentence: what, where, what to do next.
        1 message: String,
        /// Whether the same request may succeed later.
        2 retry: bool,
    }
}
