//! How bad is it? Area as IODA counts it (loss in percent times minutes), hours of users, and
//! a level from 0 to 5 by the share of a country's users that lost their connection.

use super::{
    case::Case,
    event::{Location, State},
    moment::{HOUR, MINUTE},
    settings::Settings,
};
use faultline_core::id::{Asn, Country};

/// Loss in percent times minutes, up to the last look.
pub(super) fn area(case: &Case) -> f64 {
    if case.pool == 0 {
        return 0.0;
    }
    case.area as f64 / MINUTE as f64 * 100.0 / f64::from(case.pool)
}

/// The share of eligible sites that was lost at the worst.
pub(super) fn drop(case: &Case) -> f64 {
    if case.pool == 0 {
        return 0.0;
    }
    (f64::from(case.worst) / f64::from(case.pool)).min(1.0)
}

/// Hours times users, where users of all its networks are known.
pub(super) fn user_hours(case: &Case, settings: &Settings) -> Option<f64> {
    let mut sum = 0.0;
    for (asn, area) in &case.area_by_asn {
        let users = settings.network_users.get(asn)?;
        let pool = f64::from(*case.pool_by_asn.get(asn).unwrap_or(&1));
        sum += users * (*area as f64 / HOUR as f64 / pool);
    }
    Some(sum)
}

/// The share of a country's users in some networks.
pub(super) fn users<'a>(
    country: Country,
    asns: impl Iterator<Item = &'a Asn>,
    settings: &Settings,
) -> Option<f64> {
    let all = settings
        .country_users
        .get(&country)
        .filter(|all| **all > 0.0)?;
    let known: f64 = asns.filter_map(|asn| settings.network_users.get(asn)).sum();
    Some((known / all).min(1.0))
}

/// 0 to 5.
pub(super) fn level(case: &Case, settings: &Settings) -> u8 {
    if matches!(case.state, State::Retracted | State::Lapsed) || case.fault {
        return 0;
    }
    let part = match &case.location {
        Location::NetworkIn(country, asn) => {
            users(*country, std::iter::once(asn), settings).unwrap_or(0.25)
        }
        Location::Network(_) | Location::Region(_) | Location::Access(..) => 0.5,
        Location::World | Location::Country(_) => 1.0,
    };
    let share = drop(case) * part;
    1 + [0.1, 0.3, 0.6, 0.9]
        .iter()
        .filter(|bound| share >= **bound)
        .count() as u8
}
