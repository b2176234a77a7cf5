//! Of what kind is it? Posterior log-odds: a prior, and what each signal adds, none more than
//! a cap, so that no single one decides. Says how connectivity was lost, never why.

use super::{
    case::{Case, Trigger},
    event::{Alternative, Cause, Class, Location, Verdict},
    moment::MINUTE,
    settings::Settings,
};
use faultline_core::measurement::NetworkKind;
use std::collections::BTreeMap;

/// No signal adds or takes more, nats.
const CAP: f64 = 6.0;

/// Classes that can be told apart by signals, and their share among events.
const PRIORS: [(Class, f64); 11] = [
    (Class::TotalBlackout, 0.3),
    (Class::InternationalIsolation, 0.1),
    (Class::MobileOnly, 0.08),
    (Class::FixedOnly, 0.04),
    (Class::AsnOnly, 0.15),
    (Class::Regional, 0.08),
    (Class::ServiceBlock, 0.05),
    (Class::Throttling, 0.01),
    (Class::Power, 0.12),
    (Class::Cable, 0.05),
    (Class::CollectorFault, 0.02),
];

/// How many sites say what.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// By verdict, of sites that spoke by a clock; one vote a site.
    pub sites: BTreeMap<Verdict, u32>,
    /// Sites whose word has little weight: placed by order alone.
    pub vague: BTreeMap<Verdict, u32>,
    /// Heard again in another boot, or in the same, of those that did not say more.
    pub rebooted: u32,
    pub ran_through: u32,
    /// Heard while nothing abroad answered them.
    pub isolated: u32,
    pub mains_gone: u32,
}

impl Tally {
    pub(super) fn of(case: &Case) -> Self {
        let mut tally = Self::default();
        for hit in case.hits.values() {
            tally.isolated += u32::from(hit.isolated);
            let said = hit.probes.iter().filter_map(|probe| case.told.get(probe));
            // Of several at one site, who says more speaks for it.
            let best = said
                .filter(|told| told.verdict != Verdict::Unknown)
                .max_by_key(|told| (told.by_clock, told.accounted, told.verdict));
            if let Some(told) = best {
                tally.mains_gone += u32::from(told.mains_gone);
                let votes = if told.by_clock {
                    &mut tally.sites
                } else {
                    &mut tally.vague
                };
                *votes.entry(told.verdict).or_default() += 1;
            } else if let Some((_, Some(same))) = hit.back {
                tally.rebooted += u32::from(!same);
                tally.ran_through += u32::from(same);
            }
        }
        tally
    }

    pub(super) fn said(&self, verdict: Verdict) -> u32 {
        self.sites.get(&verdict).copied().unwrap_or(0)
    }

    /// Sites that said anything, by a clock.
    pub(super) fn all(&self) -> u32 {
        self.sites.values().sum()
    }

    /// More than half of those that spoke, and two at least, said this.
    pub(super) fn most(&self, verdict: Verdict) -> bool {
        let said = self.said(verdict);
        said >= 2 && said * 2 > self.all()
    }

    /// With the vague ones, a fifth each.
    fn weight(&self, verdict: Verdict) -> f64 {
        let vague = self.vague.get(&verdict).copied().unwrap_or(0);
        f64::from(self.said(verdict)) + f64::from(vague) / 5.0
    }
}

/// The most likely class and all with their odds, most likely first.
pub(super) fn classify(
    case: &Case,
    tally: &Tally,
    settings: &Settings,
) -> (Class, Vec<Alternative>) {
    let mut odds: BTreeMap<Class, f64> = PRIORS
        .iter()
        .map(|(class, prior)| (*class, libm::log(*prior)))
        .collect();
    let mut add = |class: Class, by: f64| {
        *odds.entry(class).or_default() += by.clamp(-CAP, CAP);
    };
    let whole = scope(case, &mut add);
    inside(tally, whole, &mut add);
    shape(case, settings, &mut add);
    for signal in case.signals.values() {
        if let Some(class) = signal.class {
            add(class, 4.0);
        }
        match signal.cause {
            Some(Cause::Cable) => add(Class::Cable, 4.0),
            Some(Cause::Power) => add(Class::Power, 4.0),
            // What was ordered did not break.
            Some(Cause::Government | Cause::Exam) => {
                add(Class::Cable, -CAP);
                add(Class::Power, -CAP);
            }
            _ => {}
        }
    }
    if case.fault {
        add(Class::CollectorFault, CAP);
        add(Class::CollectorFault, 3.0);
    } else if case.controlled {
        add(Class::CollectorFault, -CAP);
    }
    if tally.most(Verdict::PoweredUpstreamOk) {
        add(Class::CollectorFault, CAP);
        add(Class::CollectorFault, CAP);
    }
    let most = odds.values().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = odds
        .iter()
        .map(|(class, odds)| (*class, libm::exp(odds - most)));
    let mut all: Vec<(Class, f64)> = weights.collect();
    let sum: f64 = all.iter().map(|(_, weight)| weight).sum();
    all.sort_by(|one, two| two.1.total_cmp(&one.1).then(one.0.cmp(&two.0)));
    let alternatives: Vec<Alternative> = all
        .into_iter()
        .map(|(class, weight)| Alternative {
            class,
            probability: round(weight / sum),
        })
        .collect();
    let best = alternatives
        .first()
        .map_or(Class::TotalBlackout, |first| first.class);
    (case.ruled().unwrap_or(best), alternatives)
}

/// Six decimals: what is published has no noise of the last bit.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Which part of a country it took; the class of a loss of all of that.
fn scope(case: &Case, add: &mut impl FnMut(Class, f64)) -> Class {
    let own = match &case.location {
        Location::Network(_) | Location::NetworkIn(..) => Some(Class::AsnOnly),
        Location::Region(_) => Some(Class::Regional),
        Location::Access(_, NetworkKind::Mobile) => Some(Class::MobileOnly),
        Location::Access(_, NetworkKind::Fixed) => Some(Class::FixedOnly),
        _ => None,
    };
    for class in [
        Class::AsnOnly,
        Class::Regional,
        Class::MobileOnly,
        Class::FixedOnly,
    ] {
        add(class, if own == Some(class) { 3.0 } else { -CAP });
    }
    if own.is_some() {
        // A part of a country is no blackout of it.
        add(Class::TotalBlackout, -3.0);
        add(Class::InternationalIsolation, -CAP);
    }
    match case.trigger {
        Trigger::Service => {
            add(Class::ServiceBlock, CAP);
            for class in [Class::TotalBlackout, Class::Power, Class::Cable] {
                add(class, -CAP);
            }
            add(Class::AsnOnly, -2.0);
            add(Class::InternationalIsolation, -3.0);
        }
        Trigger::Loss | Trigger::Slow => {
            add(Class::ServiceBlock, -3.0);
            add(Class::Throttling, -3.0);
        }
    }
    own.unwrap_or(Class::TotalBlackout)
}

/// What sites say, while it lasts and afterwards.
fn inside(tally: &Tally, whole: Class, add: &mut impl FnMut(Class, f64)) {
    let isolated = f64::from(tally.isolated) + tally.weight(Verdict::PoweredDomesticOnly);
    let cut = tally.weight(Verdict::PoweredNoUpstream);
    let off = tally.weight(Verdict::Unpowered);
    let ours = tally.weight(Verdict::PoweredUpstreamOk);
    let services = tally.weight(Verdict::PoweredServicesBlocked);
    let all = isolated + cut + off + ours + services + tally.weight(Verdict::LanDown);
    let share = |part: f64| if all > 0.0 { part / all } else { 0.0 };
    // Each site says it with a likelihood ratio of some twenty; few contradict many.
    let voice = |part: f64, llr: f64| part * llr * share(part);
    add(
        Class::InternationalIsolation,
        voice(isolated, 3.0) - 2.0 * cut * share(cut),
    );
    if whole == Class::TotalBlackout {
        add(whole, voice(cut, 1.5) - voice(isolated, 3.0));
    } else if whole == Class::FixedOnly {
        // Lines on the ground that lose abroad alone: as a cable would have it.
        add(whole, voice(cut, 1.5));
    } else {
        add(whole, voice(cut + isolated, 1.5));
    }
    // A cable that breaks looks the same from inside.
    add(Class::Cable, voice(isolated, 3.0) - 2.0 * cut * share(cut));
    add(Class::ServiceBlock, voice(services, 3.0));
    let home = tally.weight(Verdict::LanDown);
    add(Class::Power, 2.1 * home * share(home));
    // Off: 20 to 1. On all the time, or only rebooted: less.
    let on = isolated + cut + ours + services;
    let reboots = 1.6 * f64::from(tally.rebooted) - 2.3 * f64::from(tally.ran_through);
    let mains = 2.1 * f64::from(tally.mains_gone);
    add(Class::Power, 3.0 * off * share(off) - 3.8 * on * share(on));
    add(Class::Power, reboots + mains);
    add(
        Class::CollectorFault,
        voice(ours, 3.0) - 3.0 * cut - 3.0 * isolated,
    );
}

/// How it began, and where else at the same time.
fn shape(case: &Case, settings: &Settings, add: &mut impl FnMut(Class, f64)) {
    // An order to isolate a country reaches every network on its ground; a cable carries those
    // that lease it. Who is spared by both, on a satellite, tells nothing.
    if matches!(case.location, Location::Country(_)) {
        let spared = (1.5 * f64::from(case.spared())).min(3.0);
        add(Class::Cable, spared);
        add(Class::InternationalIsolation, -spared);
    }
    let spread = case.spread();
    if spread >= 20 * MINUTE {
        add(Class::Power, 1.4);
    } else if spread <= 5 * MINUTE && case.asns().len() >= 2 {
        add(Class::Power, -1.1);
    }
    if case.trigger == Trigger::Slow {
        add(Class::Power, 1.4);
    }
    // Where one cable is everything, no other country need feel it, and no order is known.
    let few = case.countries().is_subset(&settings.few_cables);
    if few {
        add(Class::InternationalIsolation, -3.0);
    }
    match case.elsewhere.len() {
        0 if few => {}
        0 => add(Class::Cable, -1.0),
        1 => add(Class::Cable, 3.0),
        _ => add(Class::Cable, 4.5),
    }
}
