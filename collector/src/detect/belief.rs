//! How likely did it happen, how far may that be said, and how good is the evidence? Three
//! answers, apart from each other: a *belief* that can be held against the share of hits, a
//! *confidence* that caution caps, and a *grade* that says what the evidence is.

use super::{
    apart,
    case::{Case, Hit, Trigger},
    classify::Tally,
    event::{Cap, Grade, Location, State, Verdict},
    moment::{MINUTE, later, micros, since},
    settings::Settings,
};
use faultline_core::{id::Asn, time::UnixTime};
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

/// What a raw belief is worth: of all events with such a one, so many happened. Straight lines
/// between the points of the map.
fn calibrated(raw: f64, map: &[(f64, f64)]) -> f64 {
    let above = map.partition_point(|(from, _)| *from < raw);
    let left = above.checked_sub(1).and_then(|at| map.get(at));
    match (left, map.get(above)) {
        (Some((x0, y0)), Some((x1, y1))) => {
            let part = (raw - x0) / (x1 - x0).max(f64::EPSILON);
            y0 + (y1 - y0) * part
        }
        (Some((_, only)), None) | (None, Some((_, only))) => *only,
        (None, None) => raw,
    }
}

/// A site that said that it was on and cut off.
struct Word<'a> {
    hit: &'a Hit,
    span: (UnixTime, UnixTime),
}

/// Those that were cut off for so long that it counts.
fn words<'a>(case: &'a Case, settings: &Settings) -> Vec<Word<'a>> {
    let least = micros(settings.confirm_after);
    let word = |hit: &'a Hit| {
        let says = hit.probes.iter().filter_map(|probe| case.told.get(probe));
        says.filter(|told| told.by_clock && told.verdict.is_cut() && told.accounted >= least)
            .map(|told| told.span)
            .min()
            .map(|span| Word { hit, span })
    };
    case.hits.values().filter_map(word).collect()
}

/// Whether probes themselves testify: three sites that went together and stayed away together,
/// of two networks where it is not one alone. What was over within minutes, or what each lost
/// at its own time, is no event however well it is attested; and what one network's fault and
/// chance account for has to last longer than such things do.
pub(super) fn is_witnessed(case: &Case, settings: &Settings) -> bool {
    let all = words(case, settings);
    let alone = case.asns().len() < 2;
    all.iter().any(|first| {
        // Networks obey within four minutes of each other.
        let begin = first.span.0;
        let late = later(begin, micros(settings.window) / 2);
        let near = |word: &&Word| (begin..=late).contains(&word.span.0);
        let Some(last) = all.iter().filter(near).map(|word| word.span.0).max() else {
            return false;
        };
        let held = |least: i64| {
            let held = all.iter().filter(near);
            held.filter(move |word| since(last, word.span.1) >= least)
        };
        let enough = |least: i64| {
            let asns: BTreeSet<Asn> = held(least).map(|word| word.hit.asn).collect();
            held(least).count() >= 3 && (asns.len() >= 2 || alone)
        };
        let short = micros(settings.confirm_after);
        enough(micros(settings.confirm_alone))
            || enough(short)
                && apart::is_apart(case, held(short).map(|word| word.hit), since(begin, last))
    })
}

/// Whether others saw what lasted long enough, and its group had no doubt.
pub(super) fn is_seen_outside(case: &Case, now: UnixTime, settings: &Settings) -> bool {
    !case.fault
        && case.watchers() > 0
        && case.trigger != Trigger::Slow
        && case.hits.len() >= settings.least_sites as usize
        && case.lasted(now) >= micros(settings.confirm_after)
        && by_group(case.score) > MOST
}

pub(super) fn judge(case: &Case, tally: &Tally, now: UnixTime, settings: &Settings) -> Judged {
    let affected = case.hits.len();
    let witnessed = is_witnessed(case, settings);
    let outside = case.watchers() > 0;
    let mut odds = logit(by_group(case.score).clamp(LEAST, MOST));
    // Whoever was on and cut off saw it; whoever had everything contradicts.
    let cut = tally.said(Verdict::PoweredNoUpstream)
        + tally.said(Verdict::PoweredDomesticOnly)
        + tally.said(Verdict::PoweredServicesBlocked);
    odds += (3.8 * f64::from(cut)).min(6.0);
    odds -= (3.0 * f64::from(tally.said(Verdict::PoweredUpstreamOk))).min(12.0);
    odds += (3.0 * case.watchers() as f64).min(4.6);
    if case.fault {
        odds -= 8.0;
    }
    let short = case.lasted(now) < micros(settings.confirm_after);
    if case.state == State::Lapsed && short && !witnessed {
        // It came and went as faults of the network or of chance do.
        odds -= 7.0;
    }
    if case.asns().len() < 2 && !witnessed && !outside {
        // Networks have faults of their own, and towns have power cuts.
        odds -= 4.2;
    }
    let most = if witnessed && outside { 0.995 } else { MOST };
    let belief = if case.state == State::Retracted {
        LEAST
    } else {
        calibrated(sigmoid(odds).clamp(LEAST, most), &settings.calibration)
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
pub(super) fn confirms(case: &Case, now: UnixTime, settings: &Settings) -> bool {
    if case.fault {
        return false;
    }
    if is_witnessed(case, settings) {
        return true;
    }
    let outside = case.watchers() > 0;
    let sites = case.hits.len() >= settings.least_sites as usize;
    let old = since(case.began(), now) >= micros(settings.confirm_after);
    let sure = by_group(case.score) > MOST;
    // What returned does not count: it may have been the collector's silence, and who stays
    // away from then on is no more than who is away.
    let out = case.out();
    let still = out >= settings.least_sites;
    // Power cuts take a town in all of its networks, and rarely a country at once.
    // Three of five is what such a cut takes of a few, or chance.
    let share = if out < 5 { 0.75 } else { 0.6 };
    // Machines that are switched off at night go a few at a time, too.
    let few = out < 5 && case.spread() > 5 * MINUTE;
    let part = f64::from(out) / f64::from(case.pool.max(1));
    let large = still && part >= share && case.is_sudden() && !few;
    let wide = !matches!(case.location, Location::Region(_));
    let heard = case.controlled || settings.self_tested;
    // One network has faults of its own, and what goes beside it may be chance.
    let hits = || case.hits.values().filter(|hit| hit.back.is_none());
    let long = since(case.began(), now) >= micros(settings.confirm_alone);
    let apart = long || apart::is_apart(case, hits(), apart::shortest(hits()));
    let spread = case.asns().len() >= 2 && heard && large && wide && apart;
    let held = f64::from(case.out()) > f64::from(case.worst) * (1.0 - settings.back_share);
    sites && old && sure && held && case.trigger != Trigger::Slow && (spread || outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_goes_through_its_points_and_no_map_changes_nothing() {
        let map = [(0.2, 0.6), (0.6, 0.8), (0.6, 0.9)];
        let near = |one: f64, two: f64| (one - two).abs() < 1e-9;
        assert!(near(calibrated(0.1, &map), 0.6));
        assert!(near(calibrated(0.4, &map), 0.7));
        assert!(near(calibrated(0.9, &map), 0.9));
        assert!(near(calibrated(0.37, &[]), 0.37));
    }
}
