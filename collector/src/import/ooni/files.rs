//! Which files hold measurements? A file is itself, a folder all that is below it, by name.

use super::ReadError;
use std::path::{Path, PathBuf};

/// Files in a fixed order: `.json` and `.jsonl`, compressed (`.gz`, `.zst`) or not. A folder that cannot be
/// listed is an error in its place; links to folders are not followed.
pub fn files(from: &Path) -> Vec<Result<PathBuf, ReadError>> {
    if !from.is_dir() {
        return vec![Ok(from.into())];
    }
    let mut found = Vec::new();
    below(from, &mut found);
    found
}

fn below(folder: &Path, found: &mut Vec<Result<PathBuf, ReadError>>) {
    let wrong = |source| ReadError::File {
        path: folder.into(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => return found.push(Err(wrong(e))),
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?.is_dir()))) {
            Ok(entry) => paths.push(entry),
            Err(e) => found.push(Err(wrong(e))),
        }
    }
    paths.sort();
    for (path, is_folder) in paths {
        if is_folder {
            below(&path, found);
        } else if holds_measurements(&path) {
            found.push(Ok(path));
        }
    }
}

fn holds_measurements(path: &Path) -> bool {
    let ends = |path: &Path, with: &[&str]| {
        path.extension()
            .is_some_and(|e| with.iter().any(|w| e == *w))
    };
    if ends(path, &["gz", "zst"]) {
        ends(&path.with_extension(""), &["json", "jsonl"])
    } else {
        ends(path, &["json", "jsonl"])
    }
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn everything_below_a_folder_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("2024/IT");
        std::fs::create_dir_all(&inner).unwrap();
        for name in [
            "b.json",
            "a.jsonl.gz",
            "notes.txt",
            "c.gz",
            "e.json.zst",
            "2024/IT/d.jsonl",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found: Vec<_> = files(folder.path())
            .into_iter()
            .map(|path| {
                path.unwrap()
                    .strip_prefix(folder.path())
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let names = ["2024/IT/d.jsonl", "a.jsonl.gz", "b.json", "e.json.zst"];
        assert_eq!(found, names.map(std::path::PathBuf::from));
    }
}
