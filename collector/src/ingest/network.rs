//! Which network was a measurement taken in? Only our own signed word counts, for this
//! probe, valid when the measurement started.

use super::{Enricher, verified::Verified};
use crate::signature;
use faultline_core::{
    codec::{Envelope, Identity, PublicKey, Purpose},
    id::{Asn, Country, ProbeId},
    measurement::{NetworkEpoch, NetworkKind},
    time::{Duration, UnixTime},
    value::Blob,
};
use std::net::IpAddr;

/// How far a probe's clock may run behind ours: by what it says it measured before it asked.
/// A probe stamps a token only where and after it took it, so this attributes nothing wrongly.
const SKEW: Duration = Duration::from_mins(5);

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub country: Country,
    pub asn: Asn,
}

/// Issues a token for the network that `address` is in; the address goes no further.
pub fn issue(
    collector: &Identity,
    enricher: &dyn Enricher,
    probe: ProbeId,
    address: IpAddr,
    now: UnixTime,
    validity: Duration,
) -> Vec<u8> {
    let geo = enricher.digest();
    let epoch = NetworkEpoch {
        probe,
        asn: enricher.asn_of(address).unwrap_or_default(),
        country: enricher.country_of(address).unwrap_or_default(),
        kind: NetworkKind::Unknown,
        not_before: UnixTime(now.0.saturating_sub(SKEW.as_micros() as i64)),
        not_after: now + validity,
        geo: Blob(geo.iter().take(8).copied().collect()),
    };
    collector.seal(Purpose::NetworkEpoch, &epoch)
}

/// A token that says "unknown" is as good as none.
pub(super) fn verify(
    token: &[u8],
    verified: &Verified<NetworkEpoch>,
    collector: &PublicKey,
    probe: ProbeId,
    started: UnixTime,
) -> Option<Network> {
    let epoch = verified.open(token, |token| {
        let envelope = Envelope::parse(token).ok()?;
        signature::open(&envelope, Purpose::NetworkEpoch, collector).ok()
    })?;
    let valid = epoch.probe == probe
        && (epoch.not_before..=epoch.not_after).contains(&started)
        && epoch.country != Country::UNKNOWN
        && epoch.asn != Asn(0);
    valid.then_some(Network {
        country: epoch.country,
        asn: epoch.asn,
    })
}
