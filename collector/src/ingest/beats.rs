//! Whose heart beats? One datagram, believed by its signature, kept, answered.
//!
//! Whatever else comes is met with silence: an answer goes only to who proved to be an enrolled
//! probe with a beat that is new, and is shorter than what it answers, so that nobody is
//! reached by this socket whose address another wrote into a packet. Before a signature is
//! checked, beats are counted by signer and source together: who sends under another's name
//! spends its own allowance. The source's address gives country and network and goes no
//! further.

use super::Enricher;
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
    id::{Country, ProbeId},
    protocol::{Beat, BeatTerms},
    time::UnixTime,
    value::Ip,
};
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

/// Seconds of a window in which beats are counted.
const WINDOW: i64 = 10;
/// Beats of one signer from one source in a window; an honest one sends one in thirty seconds.
const EACH: u8 = 3;
/// Beats in a window altogether, which bounds the signatures that are checked: ten times those
/// of ten thousand probes.
const ALL: u32 = 16_000;
/// Counters. Two sources that share one share an allowance, for one window.
const COUNTERS: usize = 1 << 16;

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
        }
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
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = gate.admits(probe, from.ip(), now);
        drop(gate);
        if !admitted {
            return Err(Silence::TooMany);
        }
        let known = self.probes.probe(probe)?.filter(may_beat);
        let known = known.ok_or(Silence::Stranger)?;
        let key = PublicKey::from_sec1(&known.public_key).map_err(|_| Silence::Stranger)?;
        let beat: Beat =
            signature::open(&envelope, Purpose::Beat, &key).map_err(|_| Silence::Signature)?;
        let heard = Heard {
            probe,
            received: now,
            beat,
            country: self.enricher.country_of(from.ip()).unwrap_or_default(),
            asn: self.enricher.asn_of(from.ip()).unwrap_or_default(),
            whereabouts: Whereabouts::default(),
        };
        if !self.beats.hear(&heard)? {
            return Err(Silence::Repeated);
        }
        let answer = acknowledge(octets, &self.identity, now);
        if answer.len() >= octets.len() {
            return Err(Silence::Length);
        }
        Ok(answer)
    }
}

fn may_beat(probe: &ProbeRecord) -> bool {
    probe.revoked.is_none() && probe.source == Source::Probe
}

/// Counts beats, in memory that does not grow.
struct Gate {
    window: i64,
    all: u32,
    each: Vec<u8>,
    hasher: RandomState,
}

impl Gate {
    fn new() -> Self {
        Self {
            window: i64::MIN,
            all: 0,
            each: vec![0; COUNTERS],
            // Drawn anew at each start: nobody can choose whose counter is shared.
            hasher: RandomState::new(),
        }
    }

    fn admits(&mut self, probe: ProbeId, from: IpAddr, now: UnixTime) -> bool {
        let window = now.secs().div_euclid(WINDOW);
        if window != self.window {
            self.window = window;
            self.all = 0;
            self.each.fill(0);
        }
        let at = self.hasher.hash_one((probe, from)) as usize % COUNTERS;
        let Some(each) = self.each.get_mut(at) else {
            return false;
        };
        if *each >= EACH || self.all >= ALL {
            return false;
        }
        *each += 1;
        self.all += 1;
        true
    }
}

#[cfg(test)]
mod tests;
