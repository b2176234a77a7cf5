//! Events as a busy week leaves them: each of a hundred countries goes silent for two hours every
//! other day.

use crate::crowd::{COUNTRIES, at, day};
use faultline_collector::{
    detect::{Detector, Input, Settings, event::EventId},
    store::{
        events::{Events, Moment, Step},
        sqlite::{SqliteBeats, SqliteEvents},
    },
    watch::Watch,
};
use std::{path::Path, sync::Arc};

/// Days before today that are gone through.
const DAYS: i64 = 8;
/// Half hours of an outage.
const OUT: i64 = 4;

/// The stores with everything that was found, and an event among it.
pub(crate) fn kept(folder: &Path) -> (Arc<dyn Events>, Arc<Watch>, EventId) {
    let events = SqliteEvents::open(&folder.join("events.db")).expect("a store");
    let beats = SqliteBeats::open(&folder.join("beats.db")).expect("a store");
    let settings = Settings {
        self_tested: true,
        ..Settings::default()
    };
    let mut detector = Detector::new(settings.clone());
    let (mut said, mut event) = (0, EventId(0));
    for number in -DAYS..0 {
        for row in day(number, |probe, half| silent(number, probe, half)) {
            detector.take(Input::Heard(row));
        }
        for minute in number * 1440..(number + 1) * 1440 {
            let tick = at(minute);
            let changes = detector.tick(tick);
            said += changes.revisions.len();
            event = changes.revisions.last().map_or(event, |last| last.event_id);
            let step = Step {
                at: Moment { tick, pass: 0 },
                revisions: &changes.revisions,
                evidence: &changes.evidence,
                bins: &changes.bins,
                coverage: &changes.coverage,
                ..Step::default()
            };
            events.keep(&step).expect("a step");
        }
    }
    println!("{said} revisions of events in {DAYS} days");
    let events: Arc<dyn Events> = Arc::new(events);
    let watch = Watch::new(Arc::new(beats), Arc::clone(&events), settings);
    (events, Arc::new(watch), event)
}

fn silent(number: i64, probe: u32, half: i64) -> bool {
    let country = i64::from(probe % COUNTRIES);
    let first = country % 44;
    (number + country) % 2 == 0 && (first..first + OUT).contains(&half)
}
