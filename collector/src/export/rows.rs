//! Rows from files: a folder of newline-delimited JSON, in the words of the detector. For data
//! that another collector gave, and for tests.

use super::Material;
use serde::de::DeserializeOwned;
use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

/// Why rows cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; a folder of rows has revisions.ndjson, and may have evidence.ndjson, bins.ndjson, coverage.ndjson", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no row.
    #[error("{}, line {line}: {source}", .path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// Reads a folder. Only revisions must be there.
pub fn read_rows(folder: &Path) -> Result<Material, RowsError> {
    Ok(Material {
        revisions: lines(&folder.join("revisions.ndjson"), false)?,
        evidence: lines(&folder.join("evidence.ndjson"), true)?,
        bins: lines(&folder.join("bins.ndjson"), true)?,
        coverage: lines(&folder.join("coverage.ndjson"), true)?,
        ..Material::default()
    })
}

fn lines<T: DeserializeOwned>(path: &Path, optional: bool) -> Result<Vec<T>, RowsError> {
    let failed = |source| RowsError::File {
        path: path.into(),
        source,
    };
    let file = match File::open(path) {
        Err(e) if optional && e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(failed)?,
    };
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let row = serde_json::from_str(&line).map_err(|source| RowsError::Row {
            path: path.into(),
            line: number + 1,
            source,
        })?;
        rows.push(row);
    }
    Ok(rows)
}
