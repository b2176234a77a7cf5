//! Could it be a fault of one network, and chance? Every network has faults and nights of
//! maintenance of its own (Richter et al., "Advancing the Art of Internet Edge Outage
//! Detection", IMC 2018), which take many of its sites at once; and in every network some site
//! goes by itself at any time. What went in several networks is more than that only if it is
//! improbable without the network that lost most.
//!
//! ```text
//!   network A  ████████      taken out: it may have failed by itself
//!   network B  ██            a fault of its own in the same minutes, or each site by itself
//!   network C  █             the same
//!              product of B's and C's chances, times the ways to choose B and C
//! ```

use super::{
    case::{Case, Hit},
    moment::{DAY, MINUTE, since},
};
use faultline_core::id::Asn;
use std::collections::BTreeMap;

/// Faults of a network as a whole, a day: one in a fortnight.
const FAULTS: f64 = 1.0 / 14.0;
/// Beats tell no better when something went.
const LEAST: i64 = 2 * MINUTE;
/// So improbable must it be, as a negative power of ten, where the place lost every site ...
const WHOLE: f64 = 4.0;
/// ... and where some were spared: such a loss can be put together in many ways.
const PART: f64 = 6.0;

/// Whether sites went in more networks than one network's fault and chance account for.
/// `within`: the time in which all of them went.
pub(super) fn is_apart<'a>(
    case: &Case,
    hits: impl Iterator<Item = &'a Hit>,
    within: i64,
) -> bool {
    let days = within.max(LEAST) as f64 / DAY as f64;
    // By network: how many went, and the chance that each of them went by itself.
    let mut went: BTreeMap<Asn, (u32, f64)> = BTreeMap::new();
    for hit in hits {
        let (count, chance) = went.entry(hit.asn).or_insert((0, 0.0));
        *count += 1;
        *chance += libm::log10(-libm::expm1(-hit.leaves * days));
    }
    let lost: u32 = went.values().map(|(count, _)| count).sum();
    let fault = -libm::expm1(-FAULTS * days);
    let alone = went.iter().map(|(asn, (count, chance))| {
        let of = case.pool_by_asn.get(asn).copied().unwrap_or(0).max(*count);
        let sites = libm::pow(10.0, chance + ways(of, *count)).min(1.0);
        -libm::log10((fault + sites).min(1.0))
    });
    let alone: Vec<f64> = alone.collect();
    let most = alone.iter().copied().fold(0.0, f64::max);
    let networks = u32::try_from(case.pool_asns.len()).unwrap_or(u32::MAX);
    let others = u32::try_from(alone.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let choice = ways(networks.saturating_sub(1).max(others), others);
    let surprise = alone.iter().sum::<f64>() - most - choice;
    surprise >= if lost >= case.pool { WHOLE } else { PART }
}

/// The shortest time in which all of these can have gone: each between its last sign of life
/// and the first that was missed.
pub(super) fn shortest<'a>(hits: impl Iterator<Item = &'a Hit> + Clone) -> i64 {
    let latest = hits.clone().map(|hit| hit.last_ok).max();
    let earliest = hits.map(|hit| hit.first_bad).min();
    let (Some(latest), Some(earliest)) = (latest, earliest) else {
        return 0;
    };
    since(earliest, latest).max(0)
}

/// Decimal logarithm of the number of ways to choose.
fn ways(of: u32, count: u32) -> f64 {
    let (n, k) = (f64::from(of), f64::from(count.min(of)));
    let log = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    log * std::f64::consts::LOG10_E
}
