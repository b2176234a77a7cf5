//! Do fewer and fewer answer? What takes hours (batteries that run out, a network that is
//! throttled to nothing) has no minute in which many vanish. So the share heard is held
//! against the usual one of that hour, every five minutes.

use super::{burst, fleet::Fleet, group::Group, moment::HOUR};
use faultline_core::time::UnixTime;

/// Fewer than this part of the usual ...
const RATIO: f64 = 0.8;
/// ... so often in a row ...
const BINS: u32 = 3;
/// ... and less likely than that by itself.
const SURPRISE: f64 = 5.0;
/// Nobody is there more surely than this.
const SUREST: f64 = 0.98;

/// One bin of a group; whether that is an alarm.
pub(super) fn step(fleet: &mut Fleet, at: usize, now: UnixTime) -> bool {
    let Some(group) = fleet.groups.get_mut(at) else {
        return false;
    };
    group.advance(now);
    let usual = usual(group, now);
    let heard = f64::from(group.heard) / f64::from(group.eligible.max(1));
    let lost = group.eligible.saturating_sub(group.heard);
    if group.eligible < 3 || lost < 3 || heard >= RATIO * usual {
        group.low = 0;
        return false;
    }
    group.low = group.low.saturating_add(1);
    if group.low < BINS {
        return false;
    }
    let Some(group) = fleet.groups.get(at) else {
        return false;
    };
    let chances: Vec<f64> = group
        .sites
        .iter()
        .filter_map(|site| fleet.sites.get(*site))
        .filter(|site| site.vote.counts)
        .map(|site| {
            let here = f64::from(site.vote.availability) / 1000.0;
            1.0 - here.min(usual).min(SUREST)
        })
        .collect();
    burst::surprise(&chances, lost as usize) >= SURPRISE
}

/// The share that is usually heard in this hour of the week, or of the day while there are not
/// four weeks; by how much each is here while there are not three days.
fn usual(group: &Group, now: UnixTime) -> f64 {
    let hour = now.0.div_euclid(HOUR);
    let of = |period: i64| {
        let mut all: Vec<u32> = group
            .hours
            .iter()
            .filter(|(at, _, eligible)| *eligible > 0 && (hour - at) % period == 0)
            .map(|(_, share, _)| *share)
            .collect();
        all.sort_unstable();
        (all.len() >= 3)
            .then(|| all.get((all.len() - 1) / 2).copied())
            .flatten()
    };
    of(168).or_else(|| of(24)).map_or_else(
        || group.expected as f64 / 1000.0 / f64::from(group.eligible.max(1)),
        |share| f64::from(share) / 1e6,
    )
}
