//! What is said of a case now, and is it worth saying? A revision is written when something
//! changed that a reader would act on.

use super::{
    belief::judge,
    case::{Case, median},
    classify::{Tally, classify, round},
    event::{
        Cause, CauseStatus, Class, DETECTOR, DateType, Extent, GeoScope, Known, Location,
        Reason, Revision, State, Verdict,
    },
    input::{Deed, Watcher},
    moment::{BIN, MINUTE, later, since},
    settings::Settings,
    severity,
};
use faultline_core::{
    id::{Asn, Country},
    time::UnixTime,
};
use std::collections::BTreeSet;

/// A moment, and what is certain around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub at: UnixTime,
    pub lower: UnixTime,
    pub upper: UnixTime,
}

/// From what each site says: between two moments. Where all can be true at once, that is it;
/// else sites went one after the other, and the middle half of them is meant.
fn together(spans: &[(UnixTime, UnixTime)]) -> Option<Moment> {
    let middle = |(from, to): &(UnixTime, UnixTime)| later(*from, since(*from, *to) / 2);
    let at = median(spans.iter().map(middle))?;
    let lower = spans.iter().map(|span| span.0).max()?;
    let upper = spans.iter().map(|span| span.1).min()?;
    if lower <= upper {
        let at = at.clamp(lower, upper);
        return Some(Moment { at, lower, upper });
    }
    let quarter = |mut all: Vec<UnixTime>, from_top: bool| {
        all.sort_unstable();
        let skip = all.len() / 4;
        if from_top {
            all.into_iter().rev().nth(skip)
        } else {
            all.into_iter().nth(skip)
        }
    };
    let lower = quarter(spans.iter().map(|span| span.0).collect(), false)?.min(at);
    let upper = quarter(spans.iter().map(|span| span.1).collect(), true)?.max(at);
    Some(Moment { at, lower, upper })
}

/// Beats without an answer, until a probe notes that nobody is there.
const NOTICE: i64 = 2;

/// When it began: what ledgers say where they do, beats elsewhere.
pub(super) fn start(case: &Case) -> Moment {
    let of = |hit: &super::case::Hit| {
        let told = hit.probes.iter().filter_map(|probe| case.told.get(probe));
        let told = told
            .filter(|told| told.by_clock)
            .find_map(|told| told.onset);
        told.unwrap_or((hit.last_ok, hit.first_bad))
    };
    let spans: Vec<_> = case.hits.values().map(of).collect();
    // A probe counts somebody as away after some beats without an answer: what it noted as well
    // may have been over by then, but not before it was heard last.
    let noticed = |hit: &super::case::Hit| {
        let (lower, upper) = of(hit);
        let beats = NOTICE * since(hit.last_ok, hit.first_bad);
        (lower.min(later(lower, -beats).max(hit.last_ok)), upper)
    };
    let wide: Vec<_> = case.hits.values().map(noticed).collect();
    let found = together(&spans).zip(together(&wide));
    found.map_or(
        Moment {
            at: case.opened,
            lower: case.opened,
            upper: case.opened,
        },
        |(found, wide)| Moment {
            lower: found.lower.min(wide.lower),
            ..found
        },
    )
}

/// When it ended, of those that returned.
pub(super) fn end(case: &Case) -> Option<Moment> {
    let ended = case.ended.filter(|_| !case.abandoned)?;
    let of = |hit: &super::case::Hit| {
        let told = hit.probes.iter().filter_map(|probe| case.told.get(probe));
        let told = told
            .filter(|told| told.by_clock)
            .find_map(|told| told.relief);
        told.or_else(|| {
            let (back, _) = hit.back?;
            let beat = since(hit.last_ok, hit.first_bad).clamp(MINUTE / 3, 15 * MINUTE);
            Some((later(back, -beat), back))
        })
    };
    // Where some were cut off once more, it was over when these returned.
    let again = case.hits.values().any(|hit| hit.again);
    let last = case.hits.values().filter(|hit| hit.again || !again);
    let spans: Vec<_> = last.filter_map(of).collect();
    let found = together(&spans).unwrap_or(Moment {
        at: ended,
        lower: ended,
        upper: ended,
    });
    let start = start(case).at;
    Some(Moment {
        at: found.at.max(start),
        lower: found.lower.max(start),
        upper: found.upper.max(start),
    })
}

fn scope(case: &Case, countries: usize) -> GeoScope {
    match &case.location {
        _ if countries > 1 => GeoScope::Multi,
        Location::World | Location::Network(_) => GeoScope::Multi,
        Location::Region(_) => GeoScope::Regional,
        Location::NetworkIn(..) => GeoScope::Local,
        Location::Country(_) | Location::Access(..) => GeoScope::National,
    }
}

fn watcher(watcher: Watcher) -> &'static str {
    match watcher {
        Watcher::Ioda => "import:ioda",
        Watcher::Radar => "import:radar",
        Watcher::KeepItOn => "import:keepiton",
    }
}

/// The word of a signal's origin.
pub(super) fn origin(signal: &super::input::Signal) -> &'static str {
    watcher(signal.watcher)
}

/// Everything that is said of a case now; number and reason are filled in by [`worth`].
pub(super) fn draft(case: &Case, now: UnixTime, settings: &Settings) -> Revision {
    let tally = Tally::of(case);
    let (class, alternatives) = classify(case, &tally, settings);
    let judged = judge(case, &tally, now, settings);
    let start = start(case);
    let end = end(case);
    let countries: BTreeSet<Country> = case.countries();
    let asns: BTreeSet<Asn> = case.asns();
    let hits = || case.hits.values();
    let regions: BTreeSet<String> = hits()
        .map(|hit| hit.region.clone())
        .filter(|region| !region.is_empty())
        .collect();
    let kinds = faultline_core::measurement::NetworkKind::Unknown;
    let access_types = hits()
        .map(|hit| hit.access)
        .filter(|kind| *kind != kinds)
        .fold(Vec::new(), |mut all, kind| {
            if !all.contains(&kind) {
                all.push(kind);
                all.sort_by_key(|kind| *kind as u8);
            }
            all
        });
    let mut signals: BTreeSet<String> = BTreeSet::from(["probe".to_owned()]);
    if !case.told.is_empty() {
        signals.insert("epoch_log".to_owned());
    }
    signals.extend(case.signals.values().map(|one| origin(one).to_owned()));
    let spoke =
        |hit: &&super::case::Hit| hit.probes.iter().any(|probe| case.told.contains_key(probe));
    let minutes: i64 = case.told.values().map(|told| told.accounted / MINUTE).sum();
    let service = class == Class::ServiceBlock;
    let coverage = case
        .location
        .country()
        .and_then(|country| severity::users(country, case.pool_asns.iter(), settings));
    let ours = tally.said(Verdict::PoweredUpstreamOk);
    let affected = u32::try_from(case.hits.len()).unwrap_or(u32::MAX);
    let mut revision = Revision {
        event_id: case.id,
        revision: 0,
        as_of: now,
        revision_reason: Reason::Detector,
        state: case.state,
        start: start.at,
        start_lower: start.lower,
        start_upper: start.upper,
        start_date_type: if since(start.lower, start.upper) <= 10 * MINUTE {
            DateType::Actual
        } else {
            DateType::Estimated
        },
        end: end.map(|end| end.at),
        end_lower: end.map(|end| end.lower),
        end_upper: end.map(|end| end.upper),
        location: case.location.clone(),
        geo_scope: scope(case, countries.len()),
        countries: countries
            .into_iter()
            .filter(|country| *country != Country::UNKNOWN)
            .collect(),
        admin1_codes: regions.into_iter().collect(),
        area_name: None,
        asns: asns.into_iter().filter(|asn| *asn != Asn(0)).collect(),
        access_types,
        disruption_class: class,
        alternatives,
        full_or_service: if service {
            Extent::Service
        } else {
            Extent::Full
        },
        services: Vec::new(),
        sms_affected: Known::Unknown,
        voice_affected: Known::Unknown,
        cause: Cause::Unknown,
        cause_status: CauseStatus::Unknown,
        context: Vec::new(),
        ordered_by: None,
        gov_ack: Known::Unknown,
        legal_basis: None,
        source_urls: Vec::new(),
        notes: Vec::new(),
        drop_fraction: round(severity::drop(case) * share_kept(affected, ours)),
        affected_sites: affected.saturating_sub(ours),
        eligible_sites: case.pool,
        eligible_asns: u32::try_from(case.pool_asns.len()).unwrap_or(u32::MAX),
        coverage: coverage.map(round),
        severity_level: severity::level(case, settings),
        area_pct_min: round(severity::area(case)),
        user_hours: severity::user_hours(case, settings).map(round),
        belief: round(judged.belief),
        confidence: round(judged.confidence),
        confidence_caps: judged.caps,
        evidence_grade: judged.grade,
        signals: signals.into_iter().collect(),
        retro_evidence_sites: u32::try_from(hits().filter(spoke).count()).unwrap_or(u32::MAX),
        retro_minutes: u32::try_from(minutes).unwrap_or(u32::MAX),
        incident_id: case.incident,
        merged_into: case.merged_into,
        related_ids: case.related.iter().copied().collect(),
        detector_version: DETECTOR.to_owned(),
    };
    causes(case, &mut revision);
    revision
}

/// Late probes that saw no outage lower the share.
fn share_kept(affected: u32, ours: u32) -> f64 {
    if affected == 0 {
        return 1.0;
    }
    f64::from(affected.saturating_sub(ours)) / f64::from(affected)
}

/// Why, as far as others or an analyst say; of ourselves only power and cable, as inferred.
fn causes(case: &Case, revision: &mut Revision) {
    let inferred = match revision.disruption_class {
        Class::Power => Some(Cause::Power),
        Class::Cable => Some(Cause::Cable),
        Class::CollectorFault => Some(Cause::Technical),
        _ => None,
    };
    if let Some(cause) = inferred {
        revision.cause = cause;
        revision.cause_status = CauseStatus::Inferred;
    }
    for signal in case.signals.values() {
        let Some(cause) = signal.cause else { continue };
        let status = if signal.watcher == Watcher::KeepItOn {
            CauseStatus::Documented
        } else {
            CauseStatus::Reported
        };
        if status > revision.cause_status {
            revision.cause = cause;
            revision.cause_status = status;
        }
        let urls = &mut revision.source_urls;
        if let Some(url) = &signal.url
            && !urls.contains(url)
        {
            urls.push(url.clone());
        }
    }
    for action in &case.actions {
        match &action.deed {
            Deed::Annotate { note } => revision.notes.push(note.clone()),
            Deed::Document {
                cause,
                status,
                context,
                ordered_by,
                gov_ack,
                legal_basis,
                area_name,
                sources,
            } => {
                revision.cause = *cause;
                revision.cause_status = *status;
                revision.context.clone_from(context);
                revision.ordered_by.clone_from(ordered_by);
                revision.gov_ack = *gov_ack;
                revision.legal_basis.clone_from(legal_basis);
                if area_name.is_some() {
                    revision.area_name.clone_from(area_name);
                }
                for source in sources {
                    if !revision.source_urls.contains(source) {
                        revision.source_urls.push(source.clone());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The revision to write, if there is something to say.
pub(super) fn worth(
    case: &Case,
    mut new: Revision,
    reason: Reason,
    forced: bool,
) -> Option<Revision> {
    let Some(old) = &case.said else {
        new.revision = 1;
        new.revision_reason = reason;
        return Some(new);
    };
    let moved = |one: UnixTime, two: UnixTime| since(one, two).abs() >= BIN;
    let ends = match (old.end, new.end) {
        (Some(one), Some(two)) => moved(one, two),
        (one, two) => one.is_some() != two.is_some(),
    };
    let changed = forced
        || old.state != new.state
        || old.disruption_class != new.disruption_class
        || old.severity_level != new.severity_level
        || moved(old.start, new.start)
        || ends
        || (old.confidence - new.confidence).abs() >= 0.05
        || old.merged_into != new.merged_into
        || old.incident_id != new.incident_id
        || (old.cause, old.cause_status) != (new.cause, new.cause_status)
        || old.location != new.location;
    if !changed {
        return None;
    }
    new.revision = old.revision.saturating_add(1);
    new.revision_reason = reason;
    if old.state == State::Final && new.state != State::Retracted {
        new.state = State::Final;
    }
    Some(new)
}
