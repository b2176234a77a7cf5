//! `judge ooni DIR --asn-map FILE`: classic verdicts as JSON lines, without a store.

use super::{ReadError, judge, read_measurements};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Which network announces an address: a JSON object of address to number.
#[derive(Clone, Debug, Default)]
pub struct AsnMap(BTreeMap<IpAddr, u32>);

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the ASN map {path}: {reason}; it is a JSON object of address to AS number")]
pub struct AsnMapError {
    path: PathBuf,
    reason: String,
}

impl AsnMap {
    /// Reads a map.
    pub fn read(path: &Path) -> Result<Self, AsnMapError> {
        let wrong = |reason: String| AsnMapError {
            path: path.into(),
            reason,
        };
        let bytes = fs::read(path).map_err(|e| wrong(e.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|e| wrong(e.to_string()))
    }

    /// The network of an address.
    pub fn asn_of(&self, ip: IpAddr) -> Option<u32> {
        self.0.get(&ip).copied()
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Measurements judged.
    pub judged: usize,
    /// Measurements of other nettests, not judged.
    pub others: usize,
    /// Files that could not be read to their end.
    pub unreadable: usize,
}

/// Judges every measurement of every JSON file in a folder, in the order of file names.
pub fn judge_directory(
    folder: &Path,
    asn_map: &AsnMap,
    out: &mut dyn Write,
) -> Result<Summary, JudgeError> {
    let mut summary = Summary::default();
    for path in files(folder).map_err(|source| ReadError::File {
        path: folder.into(),
        source,
    })? {
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let measurements = match read_measurements(&path) {
            Ok(measurements) => measurements,
            Err(e) => {
                summary.unreadable += 1;
                writeln!(out, "{}", json!({ "file": file, "error": e.to_string() }))?;
                continue;
            }
        };
        for measurement in measurements {
            match measurement {
                Ok(document) if document.test_name() == "web_connectivity" => {
                    summary.judged += 1;
                    let verdict = judge(&document, &|ip| asn_map.asn_of(ip));
                    writeln!(out, "{}", json!({ "file": file, "verdict": verdict }))?;
                }
                Ok(document) => {
                    summary.others += 1;
                    let skipped = format!("not web_connectivity: {}", document.test_name());
                    writeln!(out, "{}", json!({ "file": file, "skipped": skipped }))?;
                }
                Err(e) => {
                    summary.unreadable += 1;
                    writeln!(out, "{}", json!({ "file": file, "error": e.to_string() }))?;
                }
            }
        }
    }
    Ok(summary)
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The folder cannot be listed.
    #[error(transparent)]
    Folder(#[from] ReadError),
    /// Results cannot be written.
    #[error("cannot write the verdicts")]
    Output(#[from] io::Error),
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<Vec<_>>>()?
        .into_iter()
        .filter(|path| {
            let ends = |path: &Path, with: &[&str]| {
                path.extension()
                    .is_some_and(|e| with.iter().any(|w| e == *w))
            };
            let inner = if ends(path, &["gz"]) {
                path.with_extension("")
            } else {
                path.clone()
            };
            ends(&inner, &["json", "jsonl"])
        })
        .collect();
    files.sort();
    Ok(files)
}
