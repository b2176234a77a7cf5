//! Who speaks of an event from elsewhere: ledgers that arrive afterwards, and those who watch
//! from outside. What they say is evidence, kept with its origin, and never names a probe.

use super::{
    aftermath,
    case::{Case, Trigger},
    classify::round,
    draft,
    event::{EventId, Evidence, Location, Reason, State, Verdict},
    fleet::Fleet,
    input::{Signal, Told, Watcher},
    late::{Testimony, is_placed_anew, testify, touches},
    moment::{BIN, DAY, HOUR, MINUTE, later, since},
    settings::Settings,
};
use faultline_core::{engine::ledger::Chapter, id::ProbeId, time::UnixTime};
use std::collections::{BTreeMap, BTreeSet};

/// Chapters are kept for so long, and no more than so many of a probe.
const KEPT: i64 = 60 * DAY;
const MOST: usize = 2000;
/// Ledgers speak of an event for so long after its end.
const HEARD: i64 = 90 * DAY;

/// A probe's chapters, by run and number.
pub(super) type Chapters = BTreeMap<(u32, u64), Chapter>;

/// What a probe told since the last step.
#[derive(Default)]
struct News {
    /// Chapters that are new, or longer than they were.
    fresh: BTreeSet<(u32, u64)>,
    /// Of those that are as they were, whether any is placed otherwise.
    moved: bool,
}

#[derive(Default)]
pub(super) struct Witnesses {
    chapters: BTreeMap<ProbeId, Chapters>,
    /// Probes that told something since the last step.
    new: BTreeMap<ProbeId, News>,
    signals: BTreeMap<(Watcher, String), Signal>,
    signalled: bool,
    /// Rows to give out.
    pub evidence: Vec<Evidence>,
}

impl Witnesses {
    pub(super) fn take(&mut self, told: Told) {
        let known = self.chapters.entry(told.probe).or_default();
        let news = self.new.entry(told.probe).or_default();
        for chapter in told.chapters {
            let key = (chapter.run, chapter.number);
            match known.insert(key, chapter) {
                Some(old) if old.epoch == chapter.epoch => {
                    news.moved |= is_placed_anew(&old, &chapter);
                }
                _ => {
                    news.fresh.insert(key);
                }
            }
        }
        while known.len() > MOST {
            known.pop_first();
        }
    }

    pub(super) fn watch(&mut self, signal: Signal) {
        self.signalled = true;
        self.signals
            .insert((signal.watcher, signal.id.clone()), signal);
    }

    /// Lets them speak of cases; which they changed.
    pub(super) fn hear(
        &mut self,
        cases: &mut Vec<Case>,
        fleet: &Fleet,
        now: UnixTime,
        settings: &Settings,
    ) -> Vec<(EventId, Reason)> {
        let mut changed = Vec::new();
        let new = std::mem::take(&mut self.new);
        if !new.is_empty() {
            let probes = new.keys().copied().collect();
            let again = aftermath::look(cases, &self.chapters, fleet, &probes, settings);
            let young = |case: &&mut Case| {
                let end = case.ended.unwrap_or(case.opened);
                case.is_open() || since(end, now) <= HEARD
            };
            for case in cases.iter_mut().filter(young) {
                let longer = again.contains(&case.id);
                let reason = self.ledgers(case, fleet, &new, longer, now);
                let reason = reason.or(longer.then_some(Reason::LateProbeEvidence));
                changed.extend(reason.map(|reason| (case.id, reason)));
            }
        }
        // A new signal may be about any event; a new event, about any signal of late.
        let new = std::mem::take(&mut self.signalled);
        if new || !self.signals.is_empty() && now.0.rem_euclid(BIN) == 0 {
            for case in cases.iter_mut() {
                if (new || case.is_open()) && self.outside(case, now) {
                    changed.push((case.id, Reason::ExternalImport));
                }
            }
        }
        changed
    }

    /// Why something else is to be said of a case, if it is. `longer`: it lasted longer than
    /// was known, and everybody is asked again.
    fn ledgers(
        &mut self,
        case: &mut Case,
        fleet: &Fleet,
        new: &BTreeMap<ProbeId, News>,
        longer: bool,
        now: UnixTime,
    ) -> Option<Reason> {
        let mut reason = None;
        for hit in case.hits.values() {
            for at in &hit.probes {
                let Some(probe) = fleet.probes.get(*at) else {
                    continue;
                };
                let news = new.get(&probe.id);
                let Some(chapters) = self.chapters.get(&probe.id) else {
                    continue;
                };
                if news.is_none() && !longer {
                    continue;
                }
                let until = hit.back.map_or(now, |(back, _)| back);
                let silence = (hit.last_ok, until);
                let Some(told) = testify(chapters.values(), silence) else {
                    continue;
                };
                let known = case.told.get(at);
                let says = |told: &Testimony| {
                    (
                        told.verdict,
                        told.by_clock,
                        told.span,
                        told.onset,
                        told.relief,
                    )
                };
                if known.is_none_or(|known| says(known) != says(&told)) {
                    // Nothing was added, and what was said before is elsewhere in time.
                    let corrected = !longer
                        && news.is_some_and(|news| {
                            let mut fresh =
                                news.fresh.iter().filter_map(|key| chapters.get(key));
                            news.moved && !fresh.any(|chapter| touches(chapter, silence))
                        });
                    if !corrected {
                        reason = Some(Reason::LateProbeEvidence);
                    } else if reason.is_none() {
                        reason = Some(Reason::ClockCorrection);
                    }
                }
                case.told.insert(*at, told);
            }
        }
        if reason.is_some() {
            self.testimonies(case, now);
        }
        reason
    }

    /// A row for each verdict, counted by sites.
    fn testimonies(&mut self, case: &Case, now: UnixTime) {
        let mut by_verdict: BTreeMap<Verdict, (BTreeSet<usize>, Vec<&Testimony>)> =
            BTreeMap::new();
        for (at, hit) in &case.hits {
            for told in hit.probes.iter().filter_map(|probe| case.told.get(probe)) {
                let (sites, all) = by_verdict.entry(told.verdict).or_default();
                sites.insert(*at);
                all.push(told);
            }
        }
        for (verdict, (sites, all)) in by_verdict {
            let from = all
                .iter()
                .filter_map(|told| told.onset)
                .map(|onset| onset.0);
            let to = all.iter().filter_map(|told| told.relief).map(|one| one.1);
            let error = all.iter().map(|told| told.error).max().unwrap_or(0);
            let clocks = all.iter().any(|told| told.by_clock);
            let weight = if clocks { 1.0 } else { 0.2 };
            let each = match verdict {
                Verdict::PoweredUpstreamOk | Verdict::Unpowered => -3.0,
                Verdict::LanDown => -2.1,
                Verdict::Unknown => 0.0,
                _ => 3.8,
            };
            let count = u32::try_from(sites.len()).unwrap_or(u32::MAX);
            self.evidence.push(Evidence {
                event_id: case.id,
                signal: "epoch_log".to_owned(),
                location: case.location.clone(),
                verdict: verdict.word().to_owned(),
                from: from.min().unwrap_or_else(|| case.began()),
                to: to.max().or(case.ended),
                error_s: u32::try_from(error / 1_000_000).unwrap_or(u32::MAX),
                sites: Some(count),
                value: None,
                baseline: None,
                llr: round((each * weight * f64::from(count)).clamp(-12.0, 12.0)),
                received_at: now,
                url: None,
            });
        }
    }

    fn outside(&mut self, case: &mut Case, now: UnixTime) -> bool {
        let mut touched = false;
        for (key, signal) in &self.signals {
            if !agrees(signal, case, now) || case.signals.get(key) == Some(signal) {
                continue;
            }
            case.signals.insert(key.clone(), signal.clone());
            touched = true;
            self.evidence.push(Evidence {
                event_id: case.id,
                signal: draft::origin(signal).to_owned(),
                location: signal.location.clone(),
                verdict: signal
                    .class
                    .map_or_else(|| "outage".to_owned(), |class| class.word().to_owned()),
                from: signal.from,
                to: signal.until,
                error_s: signal.precision_s,
                sites: None,
                value: signal.value,
                baseline: signal.baseline,
                llr: if signal.watcher == Watcher::KeepItOn {
                    0.0
                } else {
                    3.0
                },
                received_at: signal.received,
                url: signal.url.clone(),
            });
        }
        touched
    }

    pub(super) fn forget(&mut self, now: UnixTime) {
        for chapters in self.chapters.values_mut() {
            chapters.retain(|_, chapter| {
                chapter
                    .until
                    .is_none_or(|until| since(until.at, now) <= KEPT)
            });
        }
        self.chapters.retain(|_, chapters| !chapters.is_empty());
        // Datasets by day come years later, for events that ended long ago.
        self.signals
            .retain(|_, signal| since(signal.received, now) <= 2 * DAY);
    }
}

/// Whether a signal is about this event: its place, and its onset as exactly as it says.
fn agrees(signal: &Signal, case: &Case, now: UnixTime) -> bool {
    if case.state == State::Candidate && case.fault
        || case.trigger == Trigger::Service && signal.class.is_none()
    {
        return false;
    }
    let place = match (&signal.location, &case.location) {
        (Location::World, _) | (_, Location::World) => false,
        (Location::Network(one), other) => {
            other.asn().is_none_or(|two| *one == two) && case.asns().contains(one)
        }
        (one, other) => match (one.country(), one.asn()) {
            (Some(country), asn) => {
                case.countries().contains(&country)
                    && asn.is_none_or(|asn| case.asns().contains(&asn))
                    && (one == other
                        || !matches!(one, Location::Region(_))
                        || case_has(one, case))
            }
            (None, _) => false,
        },
    };
    let began = case.began();
    let slack = i64::from(signal.precision_s)
        .saturating_mul(1_000_000)
        .saturating_add(30 * MINUTE);
    let until = signal.until.unwrap_or_else(|| later(signal.from, 6 * HOUR));
    let ended = case.ended.unwrap_or(now);
    place
        && signal.from <= later(began, slack).max(ended)
        && since(signal.from, began) <= slack.max(since(signal.from, until))
        && later(until, slack) >= began
        && since(began, signal.from) <= slack
}

fn case_has(region: &Location, case: &Case) -> bool {
    let word = region.to_string();
    case.hits
        .values()
        .any(|hit| word.ends_with(&hit.region) && !hit.region.is_empty())
}
