//! How is kept what a probe told? As CBOR with numbered fields, like messages are.

use crate::detect::input::Told;
use faultline_core::{
    codec::{from_cbor, to_cbor},
    engine::ledger::{BootId, Chapter, Epoch, Placed, State},
    id::ProbeId,
    time::{Duration, Instant, UnixTime},
};
use minicbor::{Decode, Encode};

#[derive(Encode, Decode)]
#[cbor(map)]
struct Kept {
    #[cbor(n(0), with = "minicbor::bytes")]
    probe: [u8; 16],
    #[n(1)]
    received: UnixTime,
    #[n(2)]
    chapters: Vec<Line>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Line {
    #[n(0)]
    number: u64,
    #[n(1)]
    run: u32,
    #[cbor(n(2), with = "minicbor::bytes")]
    boot: [u8; 16],
    /// Of the boot's clock: from, until, microseconds.
    #[n(3)]
    epoch: (u64, u64),
    #[n(4)]
    state: u32,
    /// Checks and failures.
    #[n(5)]
    checks: (u32, u32),
    #[n(6)]
    from: Option<Place>,
    #[n(7)]
    until: Option<Place>,
    #[n(8)]
    by_clock: bool,
}

/// When, and the error, microseconds.
type Place = (i64, u64);

pub(super) fn encode(told: &Told) -> Vec<u8> {
    to_cbor(&Kept {
        probe: told.probe.0,
        received: told.received,
        chapters: told.chapters.iter().map(line).collect(),
    })
}

pub(super) fn decode(bytes: &[u8]) -> Option<Told> {
    let kept: Kept = from_cbor(bytes).ok()?;
    Some(Told {
        probe: ProbeId(kept.probe),
        received: kept.received,
        chapters: kept.chapters.iter().map(chapter).collect(),
    })
}

fn line(chapter: &Chapter) -> Line {
    let place = |placed: Placed| {
        let error = u64::try_from(placed.error.as_micros()).unwrap_or(u64::MAX);
        (placed.at.0, error)
    };
    Line {
        number: chapter.number,
        run: chapter.run,
        boot: chapter.boot.0,
        epoch: (chapter.epoch.from.0, chapter.epoch.until.0),
        state: chapter.epoch.state.0,
        checks: (chapter.epoch.checks, chapter.epoch.failures),
        from: chapter.from.map(place),
        until: chapter.until.map(place),
        by_clock: chapter.by_clock,
    }
}

fn chapter(line: &Line) -> Chapter {
    let place = |(at, error)| Placed {
        at: UnixTime(at),
        error: Duration::from_micros(error),
    };
    Chapter {
        number: line.number,
        run: line.run,
        boot: BootId(line.boot),
        epoch: Epoch {
            from: Instant(line.epoch.0),
            until: Instant(line.epoch.1),
            state: State(line.state),
            checks: line.checks.0,
            failures: line.checks.1,
        },
        from: line.from.map(place),
        until: line.until.map(place),
        by_clock: line.by_clock,
    }
}
