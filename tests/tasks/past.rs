//! What came before the demonstration? Days of history, made in virtual time by the code of
//! probes and collector, that end the day before today.

use super::{Trouble, say};
use faultline_collector::store::sqlite::Sqlite;
use faultline_core::time::UnixTime;
use faultline_internet::observatory::{
    Observatory,
    history::{History, history},
};
use std::{
    io::IsTerminal as _,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// The world that is looked back on.
pub(crate) const WORLD: &str = include_str!("../scenarios/world/sixty_days.toml");

/// Fills the store in `folder`.
pub(crate) fn look_back(world: &Observatory, folder: &Path, days: u32) -> Result<(), Trouble> {
    say(&format!("making {days} days of history in virtual time"));
    let store = Arc::new(Sqlite::open(&folder.join("collector.db"))?);
    let wanted = History {
        days,
        until: UnixTime::from_secs(now()?.secs() - 86_400),
        ..History::default()
    };
    let terminal = std::io::stderr().is_terminal();
    let made = history(world, &wanted, &store, folder, &mut |day| {
        if terminal {
            eprint!("\r{} of {days} days", day + 1);
        }
    })?;
    if terminal {
        eprintln!();
    }
    say(&format!("{} measurements in it", made.measurements));
    Ok(())
}

pub(crate) fn now() -> Result<UnixTime, Trouble> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixTime::from_secs(i64::try_from(since.as_secs())?))
}
