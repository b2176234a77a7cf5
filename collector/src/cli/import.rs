//! Which files are imported, and what became of each document? One document a file, one a
//! line, gzipped or not. What cannot be taken is said with its place, counted, and left out.

use super::{enricher, judge, open};
use anyhow::{Context as _, Result};
use faultline_collector::{
    config::Config,
    import::{
        Converted, Importer, KeepError, Kept, convert,
        ooni::{Unusable, files, read_measurements},
    },
    store::{Facts, Ledger, StoreError},
};
use faultline_core::time::UnixTime;
use faultline_probe::{
    identity,
    random::{Entropy as _, OsEntropy},
};
use std::{fmt::Display, path::Path};

/// The key file for imports, in the state folder.
pub(super) const KEY: &str = "import.key";

/// Documents that wait for the disk together: the store commits them as one group.
const TOGETHER: usize = 16;

/// What became of the documents.
#[derive(Default)]
struct Tally {
    stored: u64,
    known: u64,
    others: u64,
    left_out: u64,
}

impl Tally {
    fn leave_out(&mut self, why: impl Display) {
        self.left_out += 1;
        eprintln!("left out: {why}");
    }
}

/// Imports OONI documents; gives how many were skipped.
pub(super) fn ooni(config: &Config, from: &Path, now: UnixTime) -> Result<u64> {
    let store = open(config)?;
    let path = config.state.join(KEY);
    let key = identity::load_or_create(&path, &mut |bytes| OsEntropy.fill(bytes))?;
    let enricher = enricher(config)?;
    let importer = Importer {
        store: &*store,
        enricher: &*enricher,
        judge: &*judge(config)?,
        key: &key,
    };
    importer.enrol(now)?;
    let mut tally = Tally::default();
    let mut waiting = Vec::with_capacity(TOGETHER);
    for file in files(from) {
        let opened = file.and_then(|file| Ok((read_measurements(&file)?, file)));
        let (documents, file) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                tally.leave_out(e);
                continue;
            }
        };
        for document in documents {
            let (line, document) = match document {
                Ok(found) => found,
                Err(e) => {
                    tally.leave_out(e);
                    continue;
                }
            };
            let place = || format!("{}, line {line}", file.display());
            let converted = match convert(&document, &|ip| enricher.asn_of(ip)) {
                Ok(converted) => converted,
                Err(Unusable::OtherTest(_)) => {
                    tally.others += 1;
                    continue;
                }
                Err(why) => {
                    tally.leave_out(format_args!("{}: {why}", place()));
                    continue;
                }
            };
            waiting.push((place(), converted));
            if waiting.len() == TOGETHER {
                keep(&importer, &mut waiting, now, &mut tally)?;
            }
        }
    }
    keep(&importer, &mut waiting, now, &mut tally)?;
    let Tally {
        stored,
        known,
        others,
        left_out,
    } = tally;
    println!(
        "stored {stored}, known already {known}, of other nettests {others}, left out {left_out}"
    );
    Ok(others + left_out)
}

/// Keeps what is waiting, and takes note in order.
fn keep<S: Ledger + Facts + ?Sized>(
    importer: &Importer<'_, S>,
    waiting: &mut Vec<(String, Converted)>,
    now: UnixTime,
    tally: &mut Tally,
) -> Result<()> {
    let done: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = waiting
            .drain(..)
            .map(|(place, document)| (place, scope.spawn(move || importer.keep(document, now))))
            .collect();
        let ended = started.into_iter();
        ended
            .map(|(place, thread)| (place, thread.join()))
            .collect()
    });
    for (place, kept) in done {
        match kept.map_err(|_| anyhow::anyhow!("stopped at {place}: this is a bug"))? {
            Ok(Kept::Stored) => tally.stored += 1,
            Ok(Kept::Known) => tally.known += 1,
            // Whatever comes next would fail alike.
            Err(KeepError::Store(
                e @ (StoreError::Full
                | StoreError::Stopped
                | StoreError::Unreachable(_)
                | StoreError::Refused(_)
                | StoreError::Misplaced(_)),
            )) => {
                return Err(e).with_context(|| format!("stopped at {place}"));
            }
            Err(why) => tally.leave_out(format_args!("{place}: {why}")),
        }
    }
    Ok(())
}
