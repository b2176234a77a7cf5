//! The watch for events as a process of its own, in virtual time, for a test that kills it: it
//! goes through minutes of a file of heartbeats, whatever the hour is, and goes on where it was
//! killed. At one minute it imports what another says, at a later one an analyst acts.
//!
//!     watch-process FOLDER FIRST LAST     minutes since 1970
//!
//! After each minute it says which one is kept.

use faultline_collector::{
    detect::{
        Settings,
        event::EventId,
        input::{Action, Deed, Signal, Watcher},
    },
    store::{
        events::{Events, Note, Sought},
        sqlite::{SqliteBeats, SqliteEvents},
    },
    watch::Watch,
};
use faultline_core::time::UnixTime;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
};

const MINUTE: i64 = 60_000_000;
/// Before the end: somebody else says what they saw; an analyst acts.
const SEEN: i64 = 40;
const ACTED: i64 = 20;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, first, last] = words.as_slice() else {
        anyhow::bail!("a folder, the first and the last minute are needed");
    };
    let (folder, first, last) = (PathBuf::from(folder), first.parse()?, last.parse::<i64>()?);
    let beats = Arc::new(SqliteBeats::open(&folder.join("beats.db"))?);
    let events = Arc::new(SqliteEvents::open(&folder.join("events.db"))?);
    let settings = Settings {
        self_tested: true,
        ..Settings::default()
    };
    let watch = Watch::new(beats, events.clone(), settings);
    let kept = events.steps()?.last().map(|(_, until)| until.0 / MINUTE);
    for minute in kept.map_or(first, |kept| kept + 1)..=last {
        let at = UnixTime(minute * MINUTE);
        if minute > last - SEEN {
            events.note(&seen(last)?, at)?;
        }
        if minute > last - ACTED
            && let Some(event) = unread(&*events)?
        {
            watch.act(deed(event, at))?;
        }
        events.alive(UnixTime(at.0 - MINUTE))?;
        events.alive(at)?;
        watch.step(UnixTime(at.0 + 6_000_000), false)?;
        writeln!(io::stdout(), "{minute}")?;
    }
    Ok(())
}

/// What another says of the country, an hour before the end.
fn seen(last: i64) -> anyhow::Result<Note> {
    Ok(Note::Signal(Signal {
        watcher: Watcher::Ioda,
        id: "event overall country/XA 1".into(),
        source: "bgp".into(),
        location: "country/XA".parse()?,
        from: UnixTime((last - 60) * MINUTE),
        until: None,
        precision_s: 300,
        value: Some(0.1),
        baseline: Some(1.0),
        class: None,
        cause: None,
        words: "critical".into(),
        url: None,
        received: UnixTime((last - SEEN) * MINUTE),
    }))
}

/// An event that no analyst looked at.
fn unread(events: &dyn Events) -> anyhow::Result<Option<EventId>> {
    let acted = events.acted()?;
    let all = events.events(&Sought::default())?;
    let mut all = all.iter().map(|event| event.event_id);
    Ok(all.find(|event| !acted.contains_key(event)))
}

fn deed(event: EventId, at: UnixTime) -> Action {
    Action {
        event,
        at,
        by: "an analyst".into(),
        deed: Deed::Annotate {
            note: "seen from the sea".into(),
        },
        reason: "a test".into(),
    }
}
