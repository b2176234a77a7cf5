//! Who has one vote? Probes behind one /24 or /48 in one network: they share a line, a power
//! strip, or an owner.

use super::{
    cusum::Terms,
    event::Location,
    group::Vote,
    liveness::Prior,
    moment::{MINUTE, later, since},
    probe::{Condition, Gap, Probe},
};
use crate::store::beats::Presence;
use faultline_core::{
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
    time::UnixTime,
};
use std::collections::BTreeSet;

/// For so long after a loss it says something that the site stays away.
const FRESH: i64 = 30 * MINUTE;

/// Which site: its number is not enough where a database moves an address block.
pub(super) type Key = (u64, Country, Asn);

/// The key of a site by a presence. Who has no number stands alone.
pub(super) fn key(presence: &Presence) -> Key {
    let site = match presence.whereabouts.site {
        0 => alone(presence.probe),
        site => site,
    };
    (site, presence.country, presence.asn)
}

fn alone(probe: ProbeId) -> u64 {
    let first = probe.0.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

pub(super) struct Site {
    pub country: Country,
    pub asn: Asn,
    pub access: NetworkKind,
    pub region: String,
    /// Since when access and region are these.
    placed: UnixTime,
    /// Where it votes, as numbers of groups.
    pub groups: Vec<usize>,
    /// Probes.
    pub members: BTreeSet<usize>,
    /// What it counts for in its groups now.
    pub vote: Vote,
    /// The member that speaks for the loss, and what it says of that.
    pub gap: Option<Gap>,
    /// Lost or not, it is heard.
    pub is_heard: bool,
    pub lost_since: UnixTime,
    pub blocked_since: UnixTime,
    /// Found gone after so long.
    pub patience: i64,
    pub leaves: f64,
    /// When the votes have to be counted anew.
    pub next_look: UnixTime,
}

impl Site {
    pub(super) fn new(key: Key) -> Self {
        Self {
            country: key.1,
            asn: key.2,
            access: NetworkKind::Unknown,
            region: String::new(),
            placed: UnixTime(i64::MIN),
            groups: Vec::new(),
            members: BTreeSet::new(),
            vote: Vote::default(),
            gap: None,
            is_heard: false,
            lost_since: UnixTime(i64::MIN),
            blocked_since: UnixTime(i64::MIN),
            patience: 3 * MINUTE,
            leaves: 0.3,
            next_look: UnixTime(i64::MAX),
        }
    }

    /// Takes access and region from the newest presence; whether they changed.
    pub(super) fn place(&mut self, presence: &Presence) -> bool {
        let whereabouts = &presence.whereabouts;
        let newest = (presence.from, whereabouts.access as u8, &whereabouts.region);
        if newest <= (self.placed, self.access as u8, &self.region) && !self.groups.is_empty() {
            return false;
        }
        let changed = self.groups.is_empty()
            || (self.access, &self.region) != (whereabouts.access, &whereabouts.region);
        self.placed = presence.from;
        self.access = whereabouts.access;
        self.region.clone_from(&whereabouts.region);
        changed
    }

    /// The groups that it belongs to.
    pub(super) fn locations(&self) -> Vec<Location> {
        let mut all = vec![Location::World];
        let known = self.country != Country::UNKNOWN;
        if self.asn != Asn(0) {
            all.push(Location::Network(self.asn));
        }
        if known {
            all.push(Location::Country(self.country));
            if self.asn != Asn(0) {
                all.push(Location::NetworkIn(self.country, self.asn));
            }
            if self.access != NetworkKind::Unknown {
                all.push(Location::Access(self.country, self.access));
            }
            // A region of another country is a mistake of a database.
            let region = Location::Region(self.region.clone());
            if region.country() == Some(self.country) {
                all.push(region);
            }
        }
        all
    }

    /// Counts its vote anew; whether only habits or the right to vote changed.
    pub(super) fn recount(&mut self, probes: &[Probe], prior: Prior, now: UnixTime) -> Vote {
        let members = || self.members.iter().filter_map(|at| probes.get(*at));
        let counts = members().any(|probe| probe.counts);
        let best = members()
            .map(|probe| probe.condition)
            .max()
            .unwrap_or(Condition::Silent);
        let voting = || members().filter(move |probe| probe.counts || !counts);
        let mut leaves = 0.0_f64;
        let mut returns = 0.0_f64;
        let mut availability = 0.0_f64;
        let mut patience = 0;
        for probe in voting() {
            let habits = probe.habits.as_ref();
            // One vote of several probes goes as often as the worst of them.
            leaves = leaves.max(habits.map_or(prior.leaves, |habits| habits.leaves));
            returns = returns.max(habits.map_or(prior.returns, |habits| habits.returns));
            availability = availability.max(habits.map_or(0.97, |habits| habits.availability));
            patience = patience.max(probe.patience());
        }
        let lost = best.is_lost();
        let blocked = best == Condition::Blocked;
        if lost && !self.vote.lost {
            self.lost_since = now;
        }
        if blocked && !self.vote.blocked {
            self.blocked_since = now;
        }
        if lost {
            self.gap = voting()
                .filter_map(|probe| probe.gap)
                .max_by_key(|gap| gap.last_ok);
        } else if let Some(gap) = &mut self.gap
            && gap.back.is_none()
        {
            gap.back = members()
                .filter(|probe| !probe.condition.is_lost())
                .filter_map(|probe| probe.gap.and_then(|gap| gap.back))
                .min_by_key(|(at, same)| (*at, *same));
        }
        self.is_heard = best != Condition::Silent;
        self.leaves = leaves;
        self.patience = patience;
        let fresh = lost && since(self.lost_since, now) < FRESH;
        let newly = blocked && since(self.blocked_since, now) < FRESH;
        self.next_look = match (fresh, newly) {
            (true, _) => later(self.lost_since, FRESH),
            (_, true) => later(self.blocked_since, FRESH),
            _ => UnixTime(i64::MAX),
        };
        Vote {
            counts,
            lost,
            fresh,
            blocked,
            newly,
            terms: Terms::of(leaves, returns, patience),
            availability: (availability * 1000.0).round() as u32,
        }
    }
}
