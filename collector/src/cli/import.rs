//! Which files are imported, and what became of each document? One document a file, or one
//! a line.

use super::{enricher, judge, open};
use anyhow::{Context as _, Result};
use faultline_collector::{
    config::Config,
    import::{Importer, convert},
    store::Appended,
};
use faultline_core::time::UnixTime;
use faultline_probe::{
    identity,
    random::{Entropy as _, OsEntropy},
};
use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

/// The largest file that is read, bytes.
const MOST: u64 = 256 << 20;

/// The key file for imports, in the state folder.
pub(super) const KEY: &str = "import.key";

/// Imports OONI documents; gives how many were skipped.
pub(super) fn ooni(config: &Config, from: &Path, now: UnixTime) -> Result<u64> {
    let store = open(config)?;
    let path = config.state.join(KEY);
    let key = identity::load_or_create(&path, &mut |bytes| OsEntropy.fill(bytes))?;
    let importer = Importer {
        store: &*store,
        enricher: &*enricher(config)?,
        judge: &*judge(),
        key: &key,
    };
    importer.enrol(now)?;
    let (mut stored, mut known, mut skipped) = (0u64, 0u64, 0u64);
    for file in files(from)? {
        let bytes = read(&file)?;
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let documents: Vec<&[u8]> = if whole {
            vec![bytes.trim_ascii()]
        } else {
            bytes
                .split(|b| *b == b'\n')
                .map(<[u8]>::trim_ascii)
                .collect()
        };
        for document in documents.into_iter().filter(|d| !d.is_empty()) {
            let Some(converted) = convert(document) else {
                tracing::warn!(file = %file.display(), "skipped: no web_connectivity document");
                skipped += 1;
                continue;
            };
            match importer.keep(converted, now)? {
                Appended::Stored => stored += 1,
                Appended::Duplicate => known += 1,
            }
        }
    }
    println!("stored {stored}, known already {known}, skipped {skipped}");
    Ok(skipped)
}

fn files(from: &Path) -> Result<Vec<PathBuf>> {
    if !from.is_dir() {
        return Ok(vec![from.into()]);
    }
    let entries =
        fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    let mut files = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|p| p.extension().is_some_and(|e| e == "json" || e == "jsonl"));
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let cannot = || format!("cannot read {}", file.display());
    if file == Path::new("-") {
        std::io::stdin().take(MOST + 1).read_to_end(&mut bytes)
    } else {
        let file = fs::File::open(file).with_context(cannot)?;
        file.take(MOST + 1).read_to_end(&mut bytes)
    }
    .with_context(cannot)?;
    anyhow::ensure!(
        bytes.len() as u64 <= MOST,
        "{} is too large",
        file.display()
    );
    Ok(bytes)
}
