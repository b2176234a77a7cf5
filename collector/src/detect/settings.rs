//! What can be tuned? Defaults are those of the simulations that the thresholds come from
//! (`docs/shutdowns.md`).

use super::{cables, liveness::Prior};
use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
    time::Duration,
};
use std::collections::{BTreeSet, HashMap};

/// Fitted, by isotonic regression, to what came of simulated worlds that the evaluation does
/// not use: `cargo x evaluate --first-seed 1000 --uncalibrated yes`, which prints such a map.
/// Fleets of 3, 5 and 10, two seeds, 40 group-years.
const CALIBRATION: [(f64, f64); 10] = [
    (0.010, 0.433),
    (0.022, 0.433),
    (0.0221, 0.852),
    (0.169, 0.852),
    (0.173, 0.857),
    (0.326, 0.857),
    (0.334, 0.977),
    (0.971, 0.977),
    (0.973, 0.986),
    (0.990, 0.986),
];

/// How the detector decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// An alarm is raised above so many nats of evidence.
    pub threshold: f64,
    /// Or when as many losses within [`Self::window`] have a probability below ten to minus
    /// this.
    pub burst: f64,
    /// Losses within this belong together.
    pub window: Duration,
    /// A group with fewer sites is not judged, nor fewer losses.
    pub least_sites: u32,
    /// Nor a smaller share of the eligible.
    pub least_share: f64,
    /// Outside of a group, so many must be silent for the collector to be at fault.
    pub fault_share: f64,
    /// So many sites elsewhere are a control group.
    pub least_control: u32,
    /// Whether the collector's own test of its hearing is told ([`super::Input::Deaf`]): then a
    /// loss of everything that there is can be believed without a control group.
    pub self_tested: bool,
    /// A loss must last so long to be confirmed, or else lapses.
    pub confirm_after: Duration,
    /// What one network's fault and chance account for, for so long: half of all outages that
    /// nobody ordered are over by then, and fewer than one in four shutdowns (IODA's list of
    /// 2018 to 2021).
    pub confirm_alone: Duration,
    /// Who falls silent so long after the alarm belongs to the affected, too.
    pub absorb: Duration,
    /// The affected are back when this share of them ...
    pub back_share: f64,
    /// ... was back for so long.
    pub back_for: Duration,
    /// A new alarm so soon after the end is the same event.
    pub reopen: Duration,
    /// Events of several places that begin within this are one incident.
    pub together: Duration,
    /// Nothing is expected any more so long after the end.
    pub final_after: Duration,
    /// A baseline is frozen by an event for at most so long.
    pub freeze: Duration,
    /// What a probe does of which nothing is known yet.
    pub prior: Prior,
    /// The same where its access is known.
    pub priors: HashMap<NetworkKind, Prior>,
    /// What a raw belief is worth: points of a rising line, `(raw, share that happened)`.
    pub calibration: Vec<(f64, f64)>,
    /// Countries in which one cable may be all that leads abroad.
    pub few_cables: BTreeSet<Country>,
    /// Users of a network.
    pub network_users: HashMap<Asn, f64>,
    /// Users of a country.
    pub country_users: HashMap<Country, f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 12.0,
            burst: 8.0,
            window: Duration::from_mins(10),
            least_sites: 3,
            least_share: 0.15,
            fault_share: 0.2,
            least_control: 5,
            self_tested: false,
            confirm_after: Duration::from_mins(10),
            confirm_alone: Duration::from_hours(2),
            absorb: Duration::from_mins(20),
            back_share: 0.7,
            back_for: Duration::from_mins(10),
            reopen: Duration::from_mins(30),
            together: Duration::from_mins(10),
            final_after: Duration::from_hours(14 * 24),
            freeze: Duration::from_hours(30 * 24),
            prior: Prior::default(),
            priors: HashMap::new(),
            calibration: CALIBRATION.to_vec(),
            few_cables: cables::few(),
            network_users: HashMap::new(),
            country_users: HashMap::new(),
        }
    }
}

impl Settings {
    pub(super) fn prior(&self, access: NetworkKind) -> Prior {
        self.priors.get(&access).copied().unwrap_or(self.prior)
    }
}
