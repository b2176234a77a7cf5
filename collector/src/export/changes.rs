//! What changed since an earlier release? Counted by event and revision, from the files that
//! the earlier one was published as.

use super::{
    moment, ndjson,
    package::{SUMS, hex},
    table::{Scene, Table},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Event and number of a revision; its state and a digest of its row.
type Name = (String, u64);
type Said = (String, [u8; 32]);

/// What an earlier release said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    version: String,
    as_of: String,
    simulated: bool,
    /// Every revision: its state, and a digest of its row without what each release has of its
    /// own.
    revisions: BTreeMap<Name, Said>,
    /// Rows of the other tables.
    rows: BTreeMap<String, usize>,
}

/// Why an earlier release cannot be compared with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EarlierError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; --since wants the folder of an earlier release", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what was published.
    #[error("{} is not as it was published (SHA256SUMS): get the earlier release again", .0.display())]
    Altered(PathBuf),
    /// A file does not read.
    #[error("{} does not read as a release of this dataset", .0.display())]
    Content(PathBuf),
}

impl Earlier {
    /// Reads the folder of a release.
    pub fn read(folder: &Path) -> Result<Self, EarlierError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(|source| EarlierError::File {
                path: path.clone(),
                source,
            })?;
            Ok((path, bytes))
        };
        let (_, sums) = read(SUMS)?;
        let sums = String::from_utf8_lossy(&sums).into_owned();
        let checked = |name: &str| {
            let (path, bytes) = read(name)?;
            let sum = hex(&Sha256::digest(&bytes));
            let known = sums.lines().any(|line| line == format!("{sum}  {name}"));
            if known {
                Ok((path, bytes))
            } else {
                Err(EarlierError::Altered(path))
            }
        };
        let (path, bytes) = checked("datapackage.json")?;
        let content = || EarlierError::Content(path.clone());
        let package: Value = serde_json::from_slice(&bytes).map_err(|_| content())?;
        let mut earlier = Self {
            version: package["version"].as_str().ok_or_else(content)?.into(),
            as_of: package["asOf"].as_str().ok_or_else(content)?.into(),
            simulated: package["simulated"] == true,
            ..Self::default()
        };
        for resource in package["resources"].as_array().ok_or_else(content)? {
            let (name, path) = (resource["name"].as_str(), resource["path"].as_str());
            let (Some(table), Some(path)) =
                (name.and_then(|n| n.strip_suffix("-ndjson")), path)
            else {
                continue;
            };
            let (path, bytes) = checked(path)?;
            let lines = bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty());
            let lines: Vec<&[u8]> = lines.collect();
            earlier.rows.insert(table.into(), lines.len());
            if table != "revisions" {
                continue;
            }
            for line in lines {
                let (key, value) =
                    revision(line).ok_or_else(|| EarlierError::Content(path.clone()))?;
                earlier.revisions.insert(key, value);
            }
        }
        Ok(earlier)
    }

    /// The newest state of each event.
    fn states(&self) -> BTreeMap<&str, &str> {
        // Ordered by event, then revision: the last one stays.
        let all = self.revisions.iter();
        all.map(|((event, _), (state, _))| (event.as_str(), state.as_str()))
            .collect()
    }
}

/// Columns that follow from the release, not from what was said.
const OF_RELEASE: [&str; 2] = ["dataset_version", "licence"];

fn revision(line: &[u8]) -> Option<(Name, Said)> {
    let mut row: BTreeMap<String, Value> = serde_json::from_slice(line).ok()?;
    let event = row.get("event_id")?.as_str()?.to_owned();
    let number = row.get("revision")?.as_u64()?;
    let state = row.get("state")?.as_str()?.to_owned();
    for column in OF_RELEASE {
        row.remove(column);
    }
    let text = serde_json::to_string(&row).ok()?;
    Some(((event, number), (state, Sha256::digest(text).into())))
}

/// Counts of what is new, for people.
pub(super) fn changelog(
    tables: &[Table],
    scene: &Scene<'_>,
    since: Option<&Earlier>,
) -> String {
    let release = scene.release;
    let mut out = format!(
        "# Changes\n\n## {}, as of {}\n\n",
        release.version,
        moment::iso(release.as_of)
    );
    let mut now = Earlier::default();
    for table in tables {
        now.rows.insert(table.name.into(), table.rows.len());
        if table.name == "revisions" {
            let lines = ndjson::ndjson(table);
            let lines = lines.split(|byte| *byte == b'\n');
            now.revisions.extend(lines.filter_map(revision));
        }
    }
    match since {
        None => out.push_str("No earlier release to compare with.\n"),
        Some(before) => {
            let kind = if before.simulated { " (simulated)" } else { "" };
            let _ = write!(
                out,
                "Since {}{kind}, as of {}:\n\n",
                before.version, before.as_of
            );
            out.push_str(&compared(before, &now));
        }
    }
    out.push_str("\n| table | rows | before |\n|---|---|---|\n");
    for (table, rows) in &now.rows {
        let before = since.and_then(|before| before.rows.get(table));
        let before = before.map_or_else(|| "-".into(), ToString::to_string);
        let _ = writeln!(out, "| {table} | {rows} | {before} |");
    }
    out.push_str("\n| state | events |\n|---|---|\n");
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for state in now.states().into_values() {
        *states.entry(state).or_default() += 1;
    }
    for (state, events) in states {
        let _ = writeln!(out, "| {state} | {events} |");
    }
    out
}

fn compared(before: &Earlier, now: &Earlier) -> String {
    let (old, new) = (before.states(), now.states());
    let gone = old.keys().filter(|event| !new.contains_key(*event)).count();
    let added: Vec<&str> = new
        .keys()
        .filter(|event| !old.contains_key(*event))
        .copied()
        .collect();
    let fresh = now
        .revisions
        .keys()
        .filter(|key| !before.revisions.contains_key(*key));
    let mut revised: Vec<&str> = fresh
        .map(|(event, _)| event.as_str())
        .filter(|event| old.contains_key(event))
        .collect();
    revised.dedup();
    let retracted: Vec<&str> = new
        .iter()
        .filter(|(event, state)| {
            **state == "retracted" && old.get(*event).is_some_and(|was| was != *state)
        })
        .map(|(event, _)| *event)
        .collect();
    let both = now
        .revisions
        .iter()
        .filter_map(|(key, value)| Some((value, before.revisions.get(key)?)));
    let completed = both.filter(|(now, before)| now != before).count();
    let mut out = String::new();
    let mut line = |what: &str, count: usize, names: &[&str]| {
        let _ = write!(out, "- {what}: {count}");
        if !names.is_empty() {
            let _ = write!(out, " ({})", names.join(", "));
        }
        out.push('\n');
    };
    line("events added", added.len(), &added);
    line("events revised", revised.len(), &revised);
    line("events retracted", retracted.len(), &retracted);
    line("events no longer in the release's window", gone, &[]);
    let count = now.revisions.len().saturating_sub(before.revisions.len());
    line("revisions more", count, &[]);
    line(
        "revisions completed (networks named, or another window)",
        completed,
        &[],
    );
    out
}
