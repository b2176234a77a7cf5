//! Which addresses of a target are tried, and who gave them?

use super::Plan;
use faultline_core::{
    dns::is_bogon, engine::agenda, measurement::ControlReport, observation::Observation,
};
use url::Url;

pub(super) use faultline_core::engine::agenda::{Sourced, in_turn};

/// The port that a URL names or implies.
pub(super) fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or(80)
}

/// What is tried by this plan; and whether some addresses were left out.
pub(super) fn choose(
    plan: &Plan,
    lookups: &[Observation],
    control: Option<&ControlReport>,
) -> (Vec<Sourced>, bool) {
    agenda::choose(lookups, control, plan.max_addresses, |ip| {
        plan.contact_bogons || !is_bogon(ip)
    })
}
