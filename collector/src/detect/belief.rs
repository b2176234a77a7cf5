//! How likely did it happen, how far may that be said, and how good is the evidence? Three
//! answers, apart from each other: a *belief* that can be held against the share of hits, a
//! *confidence* that caution caps, and a *grade* that says what the evidence is.

use super::{
    case::{Case, Trigger},
    classify::Tally,
    event::{Cap, Grade, State, Verdict},
    moment::since,
    settings::Settings,
};
use std::collections::BTreeSet;

/// How likely an event begins in a given minute.
const PRIOR: f64 = 1e-4;
const LEAST: f64 = 0.01;
const MOST: f64 = 0.99;

/// Belief, confidence, what capped it, and the grade.
pub(super) struct Judged {
    pub belief: f64,
    pub confidence: f64,
    pub caps: Vec<Cap>,
    pub grade: Grade,
}

fn logit(p: f64) -> f64 {
    libm::log(p / (1.0 - p))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// By the group's evidence alone.
pub(super) fn by_group(score: f64) -> f64 {
    sigmoid(logit(PRIOR) + score)
}

/// Sites and networks that said that they were on and cut off.
pub(super) fn witnesses(case: &Case) -> (u32, usize) {
    let cut = [
        Verdict::PoweredNoUpstream,
        Verdict::PoweredDomesticOnly,
        Verdict::PoweredServicesBlocked,
    ];
    let mut asns = BTreeSet::new();
    let mut sites = 0;
    for hit in case.hits.values() {
        let says = hit.probes.iter().filter_map(|probe| case.told.get(probe));
        if says
            .filter(|told| told.by_clock)
            .any(|told| cut.contains(&told.verdict))
        {
            sites += 1;
            asns.insert(hit.asn);
        }
    }
    (sites, asns.len())
}

/// Whether probes themselves testify: three sites, of two networks where it is not one alone.
pub(super) fn is_witnessed(case: &Case) -> bool {
    let (sites, asns) = witnesses(case);
    sites >= 3 && (asns >= 2 || case.asns().len() < 2)
}

pub(super) fn judge(case: &Case, tally: &Tally, settings: &Settings) -> Judged {
    let affected = case.hits.len();
    let witnessed = is_witnessed(case);
    let outside = !case.signals.is_empty();
    let mut odds = logit(by_group(case.score).clamp(LEAST, MOST));
    // Whoever was on and cut off saw it; whoever had everything contradicts.
    let cut = tally.said(Verdict::PoweredNoUpstream)
        + tally.said(Verdict::PoweredDomesticOnly)
        + tally.said(Verdict::PoweredServicesBlocked);
    odds += (3.8 * f64::from(cut)).min(6.0);
    odds -= (3.0 * f64::from(tally.said(Verdict::PoweredUpstreamOk))).min(12.0);
    odds += (3.0 * case.signals.len() as f64).min(4.6);
    if case.fault {
        odds -= 8.0;
    }
    if matches!(case.state, State::Lapsed) && !witnessed {
        // It came and went as faults of the network or of chance do.
        odds -= 4.6;
    }
    let most = if witnessed && outside { 0.995 } else { MOST };
    let belief = if case.state == State::Retracted {
        LEAST
    } else {
        sigmoid(odds).clamp(LEAST, most)
    };
    let vague: u32 = tally.vague.values().sum();
    let said = vague + tally.all();
    let mut caps = Vec::new();
    if case.asns().len() < 2 {
        caps.push(Cap::OneNetwork);
    }
    if affected < settings.least_sites as usize {
        caps.push(Cap::FewSites);
    }
    if !outside && !witnessed {
        caps.push(Cap::NoOutsideSignal);
    }
    if !witnessed {
        caps.push(Cap::NoLateEvidence);
    }
    if said > 0 && vague * 2 > said {
        caps.push(Cap::Clocks);
    }
    let limit = |cap: &Cap| cap.limit();
    let bound = caps.iter().map(limit).fold(1.0, f64::min);
    // What probes testify themselves, in several networks, needs nobody else.
    let confidence = belief.min(bound);
    caps.retain(|cap| cap.limit() < belief);
    let poor = case.asns().len() < 2 || affected < 3 || said > 0 && vague * 2 > said;
    let live = tally.isolated >= 3 || case.trigger == Trigger::Service;
    let grade = match (poor, witnessed || live, outside) {
        (true, ..) => Grade::D,
        (false, true, true) => Grade::A,
        (false, false, false) => Grade::C,
        _ => Grade::B,
    };
    Judged {
        belief,
        confidence,
        caps,
        grade,
    }
}

/// Whether it may be called confirmed.
pub(super) fn confirms(
    case: &Case,
    now: faultline_core::time::UnixTime,
    settings: &Settings,
) -> bool {
    if case.fault {
        return false;
    }
    if is_witnessed(case) {
        return true;
    }
    let outside = !case.signals.is_empty();
    let sites = case.hits.len() >= settings.least_sites as usize;
    let old = since(case.began(), now) >= super::moment::micros(settings.confirm_after);
    let sure = by_group(case.score) > MOST;
    let spread = case.asns().len() >= 2 && (case.controlled || settings.self_tested);
    let held = f64::from(case.out()) > f64::from(case.worst) * (1.0 - settings.back_share);
    sites && old && sure && held && case.trigger != Trigger::Slow && (spread || outside)
}
