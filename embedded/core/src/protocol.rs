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
//! ```

use crate::{
    id::{BatchId, ProbeId},
    observation::{code, fact},
    time::UnixTime,
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
