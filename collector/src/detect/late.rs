//! What does a probe say afterwards of the time in which it was not heard?
//!
//! Its ledger's chapters that touch the silence are weighed by their length. Time that no
//! chapter covers and that ends in a boot which began within it, is time without power: the
//! machine was off. Who was on, and reached nothing beyond its own network, is the best
//! witness there is (Shah et al., "Disco", TMA 2017, read traceroutes made during a
//! disconnection for the same reason).

use super::{
    event::Verdict,
    moment::{overlap, since},
};
use faultline_core::{
    engine::ledger::{BootId, Chapter, Extent, Placed, Reach, Rung},
    time::UnixTime,
};
use std::collections::BTreeMap;

/// What one probe says of one event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Testimony {
    pub verdict: Verdict,
    /// Microseconds of the silence that it accounts for.
    pub accounted: i64,
    /// By a clock, not by order alone.
    pub by_clock: bool,
    /// It ran on a battery, or its gateway was without power while it was on.
    pub mains_gone: bool,
    /// From the first to the last that it noted of the kind.
    pub span: (UnixTime, UnixTime),
    /// Between these the state changed for the worse, and between those for the better.
    pub onset: Option<(UnixTime, UnixTime)>,
    pub relief: Option<(UnixTime, UnixTime)>,
    /// The largest error of a placement that was used, microseconds.
    pub error: i64,
}

/// The verdict of a chapter by itself.
pub(super) fn verdict(chapter: &Chapter) -> Verdict {
    match chapter.epoch.state.extent() {
        Extent::NoLink | Extent::NoGateway => Verdict::LanDown,
        Extent::NoUpstream => Verdict::PoweredNoUpstream,
        Extent::Domestic => Verdict::PoweredDomesticOnly,
        Extent::NoCanary => Verdict::PoweredServicesBlocked,
        Extent::NoCollector | Extent::Whole => Verdict::PoweredUpstreamOk,
        _ => Verdict::Unknown,
    }
}

/// Whether a chapter says anything of a time.
pub(super) fn touches(chapter: &Chapter, (from, until): (UnixTime, UnixTime)) -> bool {
    let (Some(begins), Some(ends)) = (chapter.from, chapter.until) else {
        return false;
    };
    begins.at <= until && ends.at >= from
}

/// Whether the same chapter is placed otherwise than was stated: by a clock that was not known,
/// or beyond the error that was given.
pub(super) fn is_placed_anew(old: &Chapter, new: &Chapter) -> bool {
    let moved = |old: Option<Placed>, new: Option<Placed>| match (old, new) {
        (Some(old), Some(new)) => since(old.at, new.at).abs() > micros(old.error),
        (old, new) => old.is_some() != new.is_some(),
    };
    old.by_clock != new.by_clock || moved(old.from, new.from) || moved(old.until, new.until)
}

fn micros(duration: faultline_core::time::Duration) -> i64 {
    super::moment::micros(duration)
}

fn earliest(placed: Placed) -> UnixTime {
    UnixTime(placed.at.0.saturating_sub(micros(placed.error)))
}

fn latest(placed: Placed) -> UnixTime {
    UnixTime(placed.at.0.saturating_add(micros(placed.error)))
}

/// What the chapters say of a silence. `None` where nothing of them touches it.
pub(super) fn testify<'a>(
    chapters: impl Iterator<Item = &'a Chapter>,
    silence: (UnixTime, UnixTime),
) -> Option<Testimony> {
    let mut placed: Vec<(Placed, Placed, &Chapter)> = chapters
        .filter_map(|chapter| Some((chapter.from?, chapter.until?, chapter)))
        .collect();
    placed
        .sort_by_key(|(from, until, chapter)| (from.at, until.at, chapter.run, chapter.number));
    let whole = since(silence.0, silence.1);
    if whole <= 0 {
        return None;
    }
    let mut by_verdict: BTreeMap<Verdict, i64> = BTreeMap::new();
    let mut by_clock = true;
    let mut mains_gone = false;
    let mut touched = false;
    let mut error = 0;
    // The end of what came before, and the boot that it was in.
    let mut before: Option<(UnixTime, BootId)> = None;
    for (from, until, chapter) in &placed {
        let span = (from.at, until.at.max(from.at));
        let within = overlap(span, silence);
        let up = i64::try_from(chapter.epoch.from.0).unwrap_or(i64::MAX);
        let booted = UnixTime(from.at.0.saturating_sub(up));
        if let Some((last, boot)) = before
            && boot != chapter.boot
            && chapter.by_clock
        {
            let off = overlap((last, booted), silence);
            if off > 0 {
                *by_verdict.entry(Verdict::Unpowered).or_default() += off;
                touched = true;
                error = error.max(micros(from.error));
            }
        }
        before = before
            .filter(|(last, _)| *last > span.1)
            .or(Some((span.1, chapter.boot)));
        if within <= 0 {
            continue;
        }
        touched = true;
        by_clock &= chapter.by_clock;
        error = error.max(micros(from.error)).max(micros(until.error));
        let state = chapter.epoch.state;
        mains_gone |=
            state.at(Rung::Power) == Reach::Bad && state.at(Rung::Gateway) == Reach::Bad;
        *by_verdict.entry(verdict(chapter)).or_default() += within;
    }
    if !touched {
        return None;
    }
    let known = by_verdict
        .iter()
        .filter(|(verdict, _)| **verdict != Verdict::Unknown);
    let best = known.max_by_key(|(verdict, span)| (**span, std::cmp::Reverse(**verdict)));
    let (verdict, accounted) = best.map_or((Verdict::Unknown, 0), |(v, span)| (*v, *span));
    let (onset, relief) = changes(&placed, verdict, silence);
    let span = span(&placed, verdict, silence);
    Some(Testimony {
        // A glimpse says nothing of hours.
        verdict: if accounted.saturating_mul(5) < whole {
            Verdict::Unknown
        } else {
            verdict
        },
        accounted,
        by_clock,
        mains_gone,
        span,
        onset,
        relief,
        error,
    })
}

/// From the first to the last chapter of a verdict, within the silence.
fn span(
    placed: &[(Placed, Placed, &Chapter)],
    said: Verdict,
    silence: (UnixTime, UnixTime),
) -> (UnixTime, UnixTime) {
    let of = || {
        placed.iter().filter(|(from, until, chapter)| {
            verdict(chapter) == said && from.at <= silence.1 && until.at >= silence.0
        })
    };
    let from = of().map(|(from, ..)| from.at).min().unwrap_or(silence.0);
    let until = of().map(|(_, until, _)| until.at).max().unwrap_or(from);
    (from.max(silence.0), until.min(silence.1))
}

type Span = Option<(UnixTime, UnixTime)>;

/// When the state that the verdict is about began and ended: between the last walk of another
/// and its first, and the other way round.
fn changes(
    placed: &[(Placed, Placed, &Chapter)],
    said: Verdict,
    silence: (UnixTime, UnixTime),
) -> (Span, Span) {
    let is = |chapter: &Chapter| chapter.by_clock && verdict(chapter) == said;
    let touches = |from: &Placed, until: &Placed| from.at <= silence.1 && until.at >= silence.0;
    let mut all = placed.iter().enumerate();
    let first = all.find(|(_, (from, until, chapter))| is(chapter) && touches(from, until));
    let Some((first, (began, _, chapter))) = first else {
        return (None, None);
    };
    let onset = first
        .checked_sub(1)
        .and_then(|at| placed.get(at))
        .filter(|(_, _, before)| before.boot == chapter.boot && before.by_clock)
        .map(|(_, until, _)| (earliest(*until), latest(*began)));
    let last = placed
        .iter()
        .rposition(|(from, until, chapter)| is(chapter) && touches(from, until));
    let relief = last
        .and_then(|at| Some((placed.get(at)?, placed.get(at + 1)?)))
        .filter(|((_, _, one), (_, _, two))| one.boot == two.boot && two.by_clock)
        .map(|((_, ended, _), (from, _, _))| (earliest(*ended), latest(*from)));
    (onset, relief)
}
