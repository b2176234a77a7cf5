//! What does the detector say of a world, minute by minute? Rows in the order of their arrival,
//! a tick a minute; ticks of which the detector says that nothing can change are left out.

use super::world::World;
use faultline_collector::detect::{
    Detector, Settings,
    event::{Evidence, Revision},
};
use faultline_core::time::UnixTime;

const MINUTE: i64 = 60;

/// Everything that was said.
#[derive(Clone, Debug, Default)]
pub struct Played {
    pub revisions: Vec<Revision>,
    pub evidence: Vec<Evidence>,
    /// Ticks that were made, of how many minutes.
    pub ticks: u64,
    pub minutes: u64,
}

/// Plays a world to its end.
pub fn play(world: &World, settings: Settings) -> Played {
    let mut detector = Detector::new(settings);
    let mut played = Played {
        minutes: ((world.until - world.from) / MINUTE).unsigned_abs(),
        ..Played::default()
    };
    let mut rows = world.rows.iter().peekable();
    let mut now = whole(world.from);
    while now <= world.until {
        let moment = UnixTime::from_secs(now);
        while let Some(row) = rows.next_if(|row| row.at <= moment) {
            detector.take(row.input.clone());
        }
        let changes = detector.tick(moment);
        played.revisions.extend(changes.revisions);
        played.evidence.extend(changes.evidence);
        played.ticks += 1;
        let next = rows.peek().map_or(world.until, |row| row.at.secs() + 1);
        let idle = detector.idle_until().secs().min(next);
        now = whole(idle).max(now + MINUTE);
    }
    played
}

/// The first whole minute at or after a moment.
fn whole(at: i64) -> i64 {
    at + (-at).rem_euclid(MINUTE)
}
