//! Below which evidence is nothing said? One table; `insufficient` is not `ok`, and never 0.

use serde::Serialize;

/// The numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floors {
    /// Length of the window, days.
    pub window_days: u32,
    /// Networks of a country score.
    pub networks: u32,
    /// Probes of a country score (of ours; imports are exempt).
    pub probes: u32,
    /// Share of users that the observed networks serve.
    pub user_share: f64,
    /// Networks where no table of users is given: then the share cannot be checked.
    pub networks_without_shares: u32,
    /// Days with measurements.
    pub days: u32,
    /// Likewise for the technical layer.
    pub days_d3: u32,
    /// Sites of an event.
    pub event_sites: u32,
    /// Nothing about fewer probes of ours is public.
    pub public_probes: u32,
    /// Weight of the available indicators of a dimension.
    pub weight: f64,
    /// Available indicators of a dimension.
    pub indicators: u32,
    /// Days on which a deviation must be seen in a network.
    pub confirming_days: u32,
    /// Days on which a top-level domain must be seen replaced in a network (G3),
    pub replaced_days: u32,
    /// or days between two of them: to learn of a redelegation takes less.
    pub replaced_apart: u32,
    /// To say "no deviation": so many networks,
    pub absence_networks: u32,
    /// or this share of users,
    pub absence_share: f64,
    /// and an upper bound of no more than this.
    pub absence_upper: f64,
    /// To name a deviation: so many networks,
    pub naming_networks: u32,
    /// or so many probes in one.
    pub naming_probes: u32,
    /// Probability of a claimed change.
    pub change: f64,
}

/// The floors of this method.
pub const FLOORS: Floors = Floors {
    window_days: 28,
    networks: 3,
    probes: 5,
    user_share: 0.30,
    networks_without_shares: 10,
    days: 3,
    days_d3: 7,
    event_sites: 3,
    public_probes: 3,
    weight: 0.6,
    indicators: 3,
    confirming_days: 2,
    replaced_days: 4,
    replaced_apart: 7,
    absence_networks: 10,
    absence_share: 0.70,
    absence_upper: 0.25,
    naming_networks: 2,
    naming_probes: 3,
    change: 0.95,
};
