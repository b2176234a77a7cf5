//! Whose datagrams are worth a look? Three allowances, so that nobody spends another's:
//!
//! - each signer has a few datagrams in a window, from each source;
//! - each /24 or /48 has so many misses, by names that nobody enrolled or signatures that do not
//!   match. Then it is silence for all of it, but for those whose last believed beat came from
//!   there: one host silences at most the newcomers of its own prefix;
//! - enrolled names without such a proof have an allowance together: this bounds the signatures
//!   that are checked for who writes other sources into its packets.
//!
//! Counts are kept in memory that does not grow, for one window.

use super::site::prefix;
use faultline_core::{id::ProbeId, time::UnixTime};
use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    net::IpAddr,
};

/// Seconds of a window in which datagrams are counted.
const WINDOW: i64 = 10;
/// Beats of one signer from one source in a window; an honest one sends one in thirty seconds.
pub(super) const EACH: u8 = 3;
/// Misses in a window from one prefix.
pub(super) const MISSES: u8 = 100;
/// Signatures in a window that are checked for unproved signers altogether: ten times those of
/// ten thousand probes.
const ALL: u32 = 16_000;
/// Counters of either kind. Two sources that share one share an allowance, for one window.
const COUNTERS: usize = 1 << 16;
/// Probes whose last place is remembered.
const PROVED: usize = 1 << 18;

/// What a datagram is let in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Its signer beat from there before.
    Proved,
    /// Nothing is known of it.
    Unproved,
}

pub(super) struct Gate {
    window: i64,
    all: u32,
    each: Vec<u8>,
    misses: Vec<u8>,
    proved: HashMap<ProbeId, u64>,
    hasher: RandomState,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            window: i64::MIN,
            all: 0,
            each: vec![0; COUNTERS],
            misses: vec![0; COUNTERS],
            proved: HashMap::new(),
            // Drawn anew at each start: nobody can choose whose counter is shared.
            hasher: RandomState::new(),
        }
    }

    /// Whether the ledger may be asked who that is.
    pub(super) fn admits(
        &mut self,
        probe: ProbeId,
        from: IpAddr,
        now: UnixTime,
    ) -> Option<Pass> {
        let window = now.secs().div_euclid(WINDOW);
        if window != self.window {
            self.window = window;
            self.all = 0;
            self.each.fill(0);
            self.misses.fill(0);
        }
        let place = self.place(from);
        if self.proved.get(&probe) == Some(&place) {
            return Some(Pass::Proved);
        }
        let misses = self.misses.get(place as usize % COUNTERS);
        misses
            .is_some_and(|misses| *misses < MISSES)
            .then_some(Pass::Unproved)
    }

    /// Whether a signature in an enrolled name may be checked.
    pub(super) fn checks(&mut self, pass: Pass, probe: ProbeId, from: IpAddr) -> bool {
        let proved = pass == Pass::Proved;
        let at = self.hasher.hash_one((probe, from));
        if (!proved && self.all >= ALL) || !count(&mut self.each, at, EACH) {
            return false;
        }
        self.all += u32::from(!proved);
        true
    }

    /// Nobody of this name, or not by this name.
    pub(super) fn miss(&mut self, from: IpAddr) {
        let place = self.place(from);
        count(&mut self.misses, place, MISSES);
    }

    /// A signature was good: this signer beats from there.
    pub(super) fn prove(&mut self, probe: ProbeId, from: IpAddr) {
        if self.proved.len() >= PROVED && !self.proved.contains_key(&probe) {
            self.proved.clear();
        }
        let place = self.place(from);
        self.proved.insert(probe, place);
    }

    fn place(&self, from: IpAddr) -> u64 {
        self.hasher.hash_one(prefix(from))
    }
}

fn count(counters: &mut [u8], at: u64, most: u8) -> bool {
    match counters.get_mut(at as usize % COUNTERS) {
        Some(counter) if *counter < most => {
            *counter += 1;
            true
        }
        _ => false,
    }
}
