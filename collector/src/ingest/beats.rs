//! Whose heart beats? One datagram, believed by its signature, kept, answered.
//!
//! Whatever else comes is met with silence: an answer goes only to who proved to be an enrolled
//! probe with a beat that is new, and is shorter than what it answers, so that nobody is
//! reached by this socket whose address another wrote into a packet. Before a signature is
//! checked, datagrams are counted (`gate.rs`): who floods spends its own allowance. The
//! source's address gives country, network, region and site and goes no further.
//!
//! The collector beats, too, to hear whether it hears: its own beats come through the same
//! socket and are answered, but not kept.

use super::{
    Enricher,
    gate::Gate,
    site::{AccessTable, Sites},
};
use crate::{
    anchors::Anchors,
    signature,
    store::{
        Ledger, ProbeRecord, Source, StoreError,
        beats::{Beats, Heard, Whereabouts},
    },
};
use faultline_core::{
    codec::{Envelope, Identity, PublicKey, Purpose},
    engine::heartbeat::{LEAST, MOST, acknowledge},
    id::{Asn, Country, ProbeId},
    protocol::{Beat, BeatTerms},
    time::UnixTime,
    value::Ip,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How probes are to beat.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where beats are heard, as probes reach it.
    pub port: u16,
    /// Where not under the host of the collector's URL.
    pub address: Option<IpAddr>,
    /// Seconds.
    pub interval: u16,
    /// Whom they ask how far the network reaches.
    pub anchors: Anchors,
}

/// Why a datagram was met with silence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Silence {
    #[error("no beat is so long, or so short")]
    Length,
    #[error("not a beat of the published shape")]
    Malformed,
    #[error("too many beats")]
    TooMany,
    #[error("no probe of this name may beat here")]
    Stranger,
    #[error("the signature does not match")]
    Signature,
    #[error("it was heard already")]
    Repeated,
    #[error("it could not be kept")]
    Store(#[from] StoreError),
}

/// Where hearts are listened to.
pub struct Ward {
    probes: Arc<dyn Ledger>,
    beats: Arc<dyn Beats>,
    enricher: Arc<dyn Enricher>,
    identity: Identity,
    terms: Terms,
    gate: Mutex<Gate>,
    sites: Option<Sites>,
    access: AccessTable,
    own: Option<PublicKey>,
}

impl Ward {
    /// `identity` is the collector's.
    pub fn new(
        probes: Arc<dyn Ledger>,
        beats: Arc<dyn Beats>,
        enricher: Arc<dyn Enricher>,
        identity: Identity,
        terms: Terms,
    ) -> Self {
        Self {
            probes,
            beats,
            enricher,
            identity,
            terms,
            gate: Mutex::new(Gate::new()),
            sites: None,
            access: AccessTable::default(),
            own: None,
        }
    }

    /// Likewise, telling sites and kinds of access apart. Without sites, each probe is its own.
    #[must_use]
    pub fn knowing(mut self, sites: Sites, access: AccessTable) -> Self {
        (self.sites, self.access) = (Some(sites), access);
        self
    }

    /// Likewise, answering the collector's own beats, which are not kept.
    #[must_use]
    pub fn hearing_itself(mut self, key: PublicKey) -> Self {
        self.own = Some(key);
        self
    }

    /// Beats and ledgers.
    pub fn beats(&self) -> &Arc<dyn Beats> {
        &self.beats
    }

    /// What a probe is told at check-in.
    pub fn terms(&self, probe: ProbeId, from: Option<IpAddr>) -> Result<BeatTerms, StoreError> {
        let country = from.and_then(|ip| self.enricher.country_of(ip));
        let last = self.beats.last(probe)?.map(|heard| heard.beat);
        Ok(BeatTerms {
            port: self.terms.port,
            address: self.terms.address.map(Ip),
            interval: self.terms.interval,
            run: last.as_ref().map_or(0, |beat| beat.run),
            anchors: self
                .terms
                .anchors
                .of(probe, country.unwrap_or(Country::UNKNOWN)),
            count: last.as_ref().map_or(0, |beat| beat.count),
        })
    }

    /// A datagram came: the answer to it, or why there is none.
    pub fn hear(
        &self,
        from: SocketAddr,
        octets: &[u8],
        now: UnixTime,
    ) -> Result<Vec<u8>, Silence> {
        if !(LEAST..=MOST).contains(&octets.len()) {
            return Err(Silence::Length);
        }
        let envelope = Envelope::parse(octets).map_err(|_| Silence::Malformed)?;
        let probe = envelope.signer;
        if let Some(own) = self.own.as_ref().filter(|own| own.probe_id() == probe) {
            return self.hear_itself(own, &envelope, octets, now);
        }
        let pass = self.gate().admits(probe, from.ip(), now);
        let pass = pass.ok_or(Silence::TooMany)?;
        let known = self.probes.probe(probe)?.filter(may_beat);
        let Some(known) = known else {
            self.gate().miss(from.ip());
            return Err(Silence::Stranger);
        };
        let key = PublicKey::from_sec1(&known.public_key).map_err(|_| Silence::Stranger)?;
        if !self.gate().checks(pass, probe, from.ip()) {
            return Err(Silence::TooMany);
        }
        let beat: Beat = signature::open(&envelope, Purpose::Beat, &key).map_err(|_| {
            self.gate().miss(from.ip());
            Silence::Signature
        })?;
        let (country, asn, whereabouts) = self.whereabouts(probe, from.ip());
        let heard = Heard {
            probe,
            received: now,
            beat,
            country,
            asn,
            whereabouts,
        };
        if !self.beats.hear(&heard)? {
            return Err(Silence::Repeated);
        }
        // Only now: a beat that another repeats from elsewhere must not move its signer.
        self.gate().prove(probe, from.ip());
        let answer = acknowledge(octets, &self.identity, now);
        if answer.len() >= octets.len() {
            return Err(Silence::Length);
        }
        Ok(answer)
    }

    /// The collector's own beat: answered, so that both ways through the socket are tested.
    fn hear_itself(
        &self,
        own: &PublicKey,
        envelope: &Envelope<'_>,
        octets: &[u8],
        now: UnixTime,
    ) -> Result<Vec<u8>, Silence> {
        let opened: Result<Beat, _> = signature::open(envelope, Purpose::Beat, own);
        opened.map_err(|_| Silence::Signature)?;
        Ok(acknowledge(octets, &self.identity, now))
    }

    fn whereabouts(&self, probe: ProbeId, from: IpAddr) -> (Country, Asn, Whereabouts) {
        let country = self.enricher.country_of(from).unwrap_or_default();
        let asn = self.enricher.asn_of(from).unwrap_or_default();
        let own = || {
            let head = probe.0.iter().take(8);
            head.fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet))
        };
        let site = self.sites.as_ref().map_or_else(own, |sites| sites.of(from));
        let whereabouts = Whereabouts {
            site,
            access: self.access.of(asn),
            region: self.enricher.region_of(from).unwrap_or_default(),
        };
        (country, asn, whereabouts)
    }

    /// A panic elsewhere leaves counts that are good enough.
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn may_beat(probe: &ProbeRecord) -> bool {
    probe.revoked.is_none() && probe.source == Source::Probe
}

#[cfg(test)]
mod tests;
