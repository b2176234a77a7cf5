//! What did an import do already? A line of JSON for each file that is done, and now and then
//! for one that is not; the last line about a file counts, and a torn one, as a power cut leaves
//! it, is none. Documents are stored once whatever the journal says: it saves time, and keeps
//! the sums of a run that was killed.
//!
//! Documents of other nettests are kept as they came, compressed, a file for each nettest. The
//! journal knows how long these files are: what a killed run wrote behind that is cut off, and
//! written again.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// What became of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// New, and stored.
    pub stored: u64,
    /// There already.
    pub known: u64,
    /// Of other nettests, by name: kept, not judged.
    pub others: BTreeMap<String, u64>,
    /// Left out, by why.
    pub left_out: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds what a journal says: what was new then is known now.
    pub fn add_known(&mut self, other: &Self) {
        self.known += other.stored + other.known;
        for (mine, theirs) in [
            (&mut self.others, &other.others),
            (&mut self.left_out, &other.left_out),
        ] {
            for (word, count) in theirs {
                *mine.entry(word.clone()).or_default() += count;
            }
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.add_known(other);
        self.known -= other.stored;
        self.stored += other.stored;
    }

    /// How many are of other nettests.
    pub fn of_others(&self) -> u64 {
        self.others.values().sum()
    }

    /// How many were left out.
    pub fn of_left_out(&self) -> u64 {
        self.left_out.values().sum()
    }
}

/// A file by what it is: changed in length or date, it is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    file: PathBuf,
    size: u64,
    modified: u64,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    key: Key,
    /// The line with which the last document began that is done; all, where the file is done.
    pub line: u64,
    /// Whether everything in it is.
    pub done: bool,
    /// What became of it.
    pub tally: Tally,
    /// How long files of other nettests are by then.
    kept: BTreeMap<String, u64>,
}

/// The journal of a state folder; one import at a time writes it.
pub struct Journal {
    file: File,
    entries: BTreeMap<Key, Entry>,
    others: Others,
}

/// Where documents of other nettests are kept.
struct Others {
    folder: PathBuf,
    lengths: BTreeMap<String, u64>,
    waiting: BTreeMap<String, Vec<u8>>,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another import holds it.
    #[error("another import is at work in this state folder: let it end, or stop it")]
    Busy,
    /// The disk.
    #[error("cannot use {path}: {source}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Journal {
    /// Opens that of a state folder.
    pub fn open(state: &Path) -> Result<Self, JournalError> {
        let path = state.join("import-ooni.jsonl");
        let disk = |source| JournalError::Disk {
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(JournalError::Busy),
            Err(fs::TryLockError::Error(e)) => return Err(disk(e)),
        }
        let text = fs::read(&path).map_err(disk)?;
        let mut entries = BTreeMap::new();
        let mut lengths = BTreeMap::new();
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(entry) = serde_json::from_slice::<Entry>(line) {
                lengths = entry.kept.clone();
                entries.insert(entry.key.clone(), entry);
            }
        }
        let mut journal = Self {
            file,
            entries,
            others: Others {
                folder: state.join("other-nettests"),
                lengths,
                waiting: BTreeMap::new(),
            },
        };
        // A torn line must not swallow the next.
        if !text.is_empty() && !text.ends_with(b"\n") {
            journal.file.write_all(b"\n").map_err(disk)?;
        }
        journal.others.cut()?;
        Ok(journal)
    }

    /// What is known of a file.
    pub fn of(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(&key(path)?)
    }

    /// Keeps a document of another nettest, with the next note.
    pub fn keep(&mut self, test: &str, document: &[u8]) {
        let of = self.others.waiting.entry(file_name(test)).or_default();
        of.extend_from_slice(document);
        of.push(b'\n');
    }

    /// Notes how far a file is done. A stream that is no file has kept its documents, and no
    /// note: nothing tells it from another.
    pub fn note(
        &mut self,
        path: &Path,
        line: u64,
        done: bool,
        tally: &Tally,
    ) -> Result<(), JournalError> {
        self.others.write()?;
        let Some(key) = key(path) else { return Ok(()) };
        let entry = Entry {
            key: key.clone(),
            line,
            done,
            tally: tally.clone(),
            kept: self.others.lengths.clone(),
        };
        let disk = |source| JournalError::Disk {
            path: "import-ooni.jsonl".into(),
            source,
        };
        let mut text = serde_json::to_vec(&entry).map_err(|e| disk(e.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(disk)?;
        self.entries.insert(key, entry);
        Ok(())
    }
}

impl Others {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.jsonl.zst"))
    }

    /// Cuts off what no note knows of.
    fn cut(&self) -> Result<(), JournalError> {
        for (name, length) in &self.lengths {
            let path = self.path(name);
            let cut = || -> io::Result<()> {
                let file = OpenOptions::new().write(true).open(&path)?;
                if file.metadata()?.len() > *length {
                    file.set_len(*length)?;
                }
                Ok(())
            };
            match cut() {
                // Whoever moved it away has it.
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::Disk { path, source: e });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes what waits, to the disk itself, a frame for each nettest.
    fn write(&mut self) -> Result<(), JournalError> {
        for (name, documents) in std::mem::take(&mut self.waiting) {
            let path = self.path(&name);
            let append = || -> io::Result<u64> {
                fs::create_dir_all(&self.folder)?;
                let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
                file.write_all(&zstd::encode_all(documents.as_slice(), 3)?)?;
                file.sync_data()?;
                Ok(file.metadata()?.len())
            };
            let length = append().map_err(|source| JournalError::Disk { path, source })?;
            self.lengths.insert(name, length);
        }
        Ok(())
    }
}

fn key(path: &Path) -> Option<Key> {
    let file = path.canonicalize().ok()?;
    let about = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Key {
        file,
        size: about.len(),
        modified: modified.as_micros() as u64,
    })
}

/// The name of a nettest as that of a file: what is odd in it becomes `_`.
fn file_name(test: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = test.chars().take(48).map(plain).collect();
    if name.is_empty() {
        "unnamed".into()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(state: &Path, test: &str) -> String {
        let path = state.join(format!("other-nettests/{test}.jsonl.zst"));
        String::from_utf8(zstd::decode_all(File::open(path).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_note_survives_and_what_is_behind_it_does_not() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("a.jsonl");
        fs::write(&file, "x").unwrap();
        let tally = Tally {
            stored: 3,
            ..Tally::default()
        };
        {
            let mut journal = Journal::open(state.path()).unwrap();
            assert!(matches!(
                Journal::open(state.path()),
                Err(JournalError::Busy)
            ));
            journal.keep("ndt", b"{1}");
            journal.note(&file, 7, false, &tally).unwrap();
            // Written, but killed before the note.
            journal.keep("ndt", b"{2}");
            journal.others.write().unwrap();
            journal.file.write_all(b"{\"torn\":").unwrap();
        }
        assert_eq!(kept(state.path(), "ndt"), "{1}\n{2}\n");
        let mut journal = Journal::open(state.path()).unwrap();
        assert_eq!(kept(state.path(), "ndt"), "{1}\n");
        let entry = journal.of(&file).unwrap();
        assert_eq!((entry.line, entry.done, entry.tally.stored), (7, false, 3));
        journal.keep("../odd name", b"{3}");
        journal.note(&file, 9, true, &tally).unwrap();
        drop(journal);
        assert_eq!(kept(state.path(), "___odd_name"), "{3}\n");
        let journal = Journal::open(state.path()).unwrap();
        assert!(journal.of(&file).unwrap().done);
        fs::write(&file, "another").unwrap();
        assert_eq!(journal.of(&file), None, "it is another file");
    }
}
