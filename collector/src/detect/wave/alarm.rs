//! In which series is a share up? One series for each network and mechanism, one for the country
//! and each layer (so that networks with a probe or two count together), and, over targets
//! with no alarm of their own, the same for a category: many targets, each looked at rarely.
//!
//! A look that found another mechanism than that of the series says nothing in it.

use super::{
    Hour,
    cusum::{Span, Vote, firm, spans},
    watch::{Cause, Look},
};
use faultline_core::id::Asn;
use std::collections::{BTreeMap, BTreeSet};

/// A series that is up for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    pub(super) span: Span,
    /// In one network, or anywhere in the country.
    pub(super) asn: Option<Asn>,
    /// Those that were seen blocked.
    pub(super) targets: BTreeSet<u32>,
    /// The numbers of what was seen.
    pub(super) causes: BTreeSet<u16>,
    /// Whether it is of a category.
    pub(super) wide: bool,
}

impl Alarm {
    /// The same, of this target.
    pub(super) fn of(&self, targets: impl Into<BTreeSet<u32>>) -> Self {
        Self {
            targets: targets.into(),
            ..self.clone()
        }
    }

    /// The hours in which it may have begun.
    pub(super) fn began(&self) -> (Hour, Hour) {
        let earliest = self
            .span
            .before
            .map_or(self.span.start, |before| before + 1);
        (earliest.min(self.span.start), self.span.start)
    }
}

/// Alarms of one target; their `targets` are empty.
pub(super) fn of_target(looks: &[Look], causes: &[Cause]) -> Vec<Alarm> {
    of_category(&[(0, looks)], causes)
        .into_iter()
        .map(|alarm| Alarm {
            targets: BTreeSet::new(),
            wide: false,
            ..alarm
        })
        .collect()
}

/// Alarms of several targets together.
pub(super) fn of_category(tracks: &[(u32, &[Look])], causes: &[Cause]) -> Vec<Alarm> {
    let mut mechanisms: BTreeSet<&str> = BTreeSet::new();
    let mut layers: BTreeSet<&str> = BTreeSet::new();
    let mut networks: BTreeMap<(Asn, &str), BTreeSet<u64>> = BTreeMap::new();
    for look in tracks.iter().flat_map(|(_, looks)| looks.iter()) {
        if let Some(cause) = cause(causes, look.cause) {
            mechanisms.insert(&cause.mechanism);
            layers.insert(cause.layer());
            let saw = networks.entry((look.asn, &cause.mechanism)).or_default();
            saw.insert(look.voter);
        }
    }
    let mut alarms = Vec::new();
    for ((asn, mechanism), saw) in &networks {
        if saw.len() >= super::PROBES {
            let is = |cause: &Cause| cause.mechanism == *mechanism;
            alarms.extend(series(tracks, causes, Some(*asn), &is));
        }
    }
    for layer in layers {
        let is = |cause: &Cause| cause.layer() == layer;
        alarms.extend(series(tracks, causes, None, &is));
    }
    alarms
}

fn cause(causes: &[Cause], number: u16) -> Option<&Cause> {
    causes.get(usize::from(number).checked_sub(1)?)
}

fn series(
    tracks: &[(u32, &[Look])],
    causes: &[Cause],
    asn: Option<Asn>,
    is: &dyn Fn(&Cause) -> bool,
) -> Vec<Alarm> {
    let mut votes = Vec::new();
    let mut seen: Vec<(Hour, u64, u32, u16)> = Vec::new();
    for (target, looks) in tracks {
        // Looks of one probe in one hour stand together: most of them decide.
        let mut open: Option<(Hour, u64, i32)> = None;
        let mut vote = |(hour, voter, balance): (Hour, u64, i32)| {
            if balance != 0 {
                votes.push(Vote {
                    hour,
                    voter,
                    target: *target,
                    blocked: balance > 0,
                });
            }
        };
        for look in looks
            .iter()
            .filter(|look| asn.is_none_or(|asn| asn == look.asn))
        {
            let of = match cause(causes, look.cause) {
                None => -1,
                Some(cause) if is(cause) => {
                    seen.push((look.hour, look.voter, *target, look.cause));
                    1
                }
                Some(_) => continue,
            };
            match &mut open {
                Some((hour, voter, balance)) if (*hour, *voter) == (look.hour, look.voter) => {
                    *balance += of;
                }
                _ => {
                    let ended = open.replace((look.hour, look.voter, of));
                    ended.into_iter().for_each(&mut vote);
                }
            }
        }
        open.into_iter().for_each(&mut vote);
    }
    if tracks.len() > 1 {
        votes.sort_unstable();
    }
    let found = spans(&votes).into_iter().map(|span| {
        let until = span.end.map_or(Hour::MAX, |(last, _)| last);
        let from = votes.partition_point(|vote| vote.hour < span.start);
        let to = votes.partition_point(|vote| vote.hour <= until);
        let units = firm(&votes[from..to]);
        let inside = seen.iter().filter(|(hour, voter, target, _)| {
            (span.start..=until).contains(hour) && units.contains(&(*voter, *target))
        });
        Alarm {
            asn,
            targets: units.iter().map(|(_, target)| *target).collect(),
            causes: inside.map(|(.., cause)| *cause).collect(),
            wide: true,
            span,
        }
    });
    found.collect()
}
