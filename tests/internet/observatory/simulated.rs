//! How do many probes and a collector work together where no time has to pass? On rung 1:
//! each probe measures with its own code in virtual time, seals what it saw, and a real
//! collector's way in takes it, judges it and keeps it.

pub use super::reception::SimulationError;
use super::{
    Observatory,
    reception::Reception,
    round::{Control, Round, Setting},
};
use crate::clock::EPOCH;
use faultline_collector::store::sqlite::Sqlite;
use faultline_core::time::Duration;
use std::path::Path;
use std::sync::Arc;

/// Lets every probe of the observatory measure everything once, a batch for each target and
/// one for the DNS itself;
/// results are in `store`, geo databases in `folder`. The same seed gives the same rows.
pub fn simulate(
    observatory: &Observatory,
    store: &Arc<Sqlite>,
    folder: &Path,
) -> Result<(), SimulationError> {
    let members = observatory.members()?;
    let reception = Reception::open(observatory, store, folder)?;
    let keys = reception.enrol(observatory, &members, EPOCH)?;
    let setting = Setting::new(observatory, &members, &[])?;
    let mut control = Control::new(&setting, 0, &reception.key);
    let traces = observatory.traces();
    let runtime = virtual_time()?;
    for (member, key) in members.iter().zip(&keys) {
        let token = reception.token(member, key, EPOCH);
        let batches = runtime.block_on(async {
            let (mut round, mut batches) =
                (Round::new(&setting, member, key, token, 0), Vec::new());
            for (number, wanted) in (0..).zip(&observatory.measure) {
                let seen = round.look(number, wanted, &mut control).await;
                let name = round.measurement(seen.name, Some(&seen.control));
                let page = round.measurement(seen.page, Some(&seen.control));
                batches.push(round.seal(number, round.now(), vec![name, page]));
            }
            let mut of_dns = Vec::new();
            for wanted in &traces {
                let seen = round.trace(wanted).await;
                of_dns.push(round.measurement(seen, None));
            }
            if !of_dns.is_empty() {
                let number = batches.len() as u64;
                batches.push(round.seal(number, round.now(), of_dns));
            }
            batches
        });
        for batch in batches {
            reception.accept(member, &batch, EPOCH + Duration::from_hours(1))?;
        }
    }
    Ok(())
}

/// A clock that jumps to the next thing that happens.
pub(super) fn virtual_time() -> Result<tokio::runtime::Runtime, SimulationError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(SimulationError::Runtime)
}
