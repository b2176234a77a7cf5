//! Where do results wait until the collector has them?
//!
//! One file a sealed batch, named by its sequence number; what was sealed never changes, so
//! a batch sent twice is the same batch. After a power cut a file is whole or absent (see
//! [`durable`](crate::durable)). One process at a time writes: two would give one number to
//! different bytes. Looking is free.
//!
//! ```text
//! spool/00000000000000000007.batch    waiting
//! spool/sent/00000000000000000006.batch   acknowledged, kept for the owner, oldest dropped
//! spool/refused/00000000000000000005.batch   refused for good, kept with the reason beside it
//! spool/sequence                      next number to use, at least; noted before the file
//!                                     whose name says the same is removed
//! spool/lock                          locked (flock) by the process that writes
//! ```

use crate::durable;
use std::{
    cell::Cell,
    fs, io,
    path::{Path, PathBuf},
};

/// Why a batch cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file system said no.
    #[error("cannot {action} {path}: {source}; results stay where they are")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes here.
    #[error(
        "another faultline-probe is measuring with the folder {path}; wait for it, stop it, or \
         name another folder with --state DIR"
    )]
    Busy {
        /// The spool.
        path: PathBuf,
    },
    /// The cap is reached.
    #[error(
        "the spool holds {held} bytes of {cap} and nothing was uploaded; measuring pauses until \
         the collector can be reached (or raise spool_cap)"
    )]
    Full {
        /// Bytes waiting.
        held: u64,
        /// The cap.
        cap: u64,
    },
}

/// A folder of sealed batches.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    cap: u64,
    keep: u64,
    next: u64,
    /// What the file `sequence` says.
    noted: Cell<u64>,
    /// Held by the one that may write; given back when the process ends, however it ends.
    lock: Option<fs::File>,
}

impl Spool {
    /// Opens or creates a spool for writing. `cap` bounds the bytes that wait, and those that
    /// were refused; `keep` those kept for the owner after acknowledgement.
    pub fn open(folder: &Path, cap: u64, keep: u64) -> Result<Self, SpoolError> {
        for sub in ["sent", "refused"] {
            let path = folder.join(sub);
            fs::create_dir_all(&path).map_err(at("create", &path))?;
        }
        let lock = lock(folder)?;
        for sub in ["", "sent", "refused"] {
            for entry in entries(&folder.join(sub))? {
                if entry.extension().is_some_and(|e| e == "new") {
                    fs::remove_file(&entry).map_err(at("remove the unfinished", &entry))?;
                }
            }
        }
        Ok(Self {
            cap,
            keep,
            lock: Some(lock),
            ..Self::look(folder)?
        })
    }

    /// Looks at a spool, which another process may be writing; nothing can be put into it.
    pub fn look(folder: &Path) -> Result<Self, SpoolError> {
        let noted = fs::read_to_string(folder.join("sequence"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let mut spool = Self {
            folder: folder.into(),
            cap: 0,
            keep: 0,
            next: noted,
            noted: Cell::new(noted),
            lock: None,
        };
        for sub in ["", "sent", "refused"] {
            for (sequence, _) in batches(&spool.folder.join(sub))? {
                spool.next = spool.next.max(sequence.saturating_add(1));
            }
        }
        Ok(spool)
    }

    /// The number that the next batch must carry.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Bytes waiting.
    pub fn held(&self) -> Result<u64, SpoolError> {
        size(&batches(&self.folder)?)
    }

    /// Whether another batch of `bytes` fits below the cap; asked before measuring, so that
    /// nothing is measured that cannot be kept.
    pub fn room_for(&self, bytes: u64) -> Result<(), SpoolError> {
        if self.lock.is_none() {
            return Err(SpoolError::Busy {
                path: self.folder.clone(),
            });
        }
        let held = self.held()?;
        if bytes > 0 && held.saturating_add(bytes) > self.cap {
            return Err(SpoolError::Full {
                held,
                cap: self.cap,
            });
        }
        Ok(())
    }

    /// Keeps a sealed batch durably under [`Self::next_sequence`].
    pub fn push(&mut self, sealed: &[u8]) -> Result<u64, SpoolError> {
        self.room_for(sealed.len() as u64)?;
        let sequence = self.next;
        // Also where writing fails: the bytes may be there, and be found and sent later.
        self.next = self.next.saturating_add(1);
        let path = self.folder.join(file_name(sequence));
        write(&path, sealed)?;
        Ok(sequence)
    }

    /// Uses up a number for a batch that waits elsewhere, durably.
    pub fn reserve(&mut self) -> Result<u64, SpoolError> {
        self.room_for(0)?;
        let sequence = self.next;
        let next = sequence.saturating_add(1);
        let path = self.folder.join("sequence");
        write(&path, next.to_string().as_bytes())?;
        (self.next, self.noted) = (next, Cell::new(next));
        Ok(sequence)
    }

    /// What waits, oldest first.
    pub fn waiting(&self) -> Result<Vec<u64>, SpoolError> {
        Ok(batches(&self.folder)?.into_iter().map(|(n, _)| n).collect())
    }

    /// The sealed bytes of a waiting batch.
    pub fn read(&self, sequence: u64) -> Result<Vec<u8>, SpoolError> {
        let path = self.folder.join(file_name(sequence));
        fs::read(&path).map_err(at("read", &path))
    }

    /// The sealed bytes of everything kept, waiting or acknowledged, oldest first.
    pub fn kept(&self) -> Result<Vec<(u64, Vec<u8>)>, SpoolError> {
        let mut all = batches(&self.folder.join("sent"))?;
        all.extend(batches(&self.folder)?);
        all.sort();
        all.into_iter()
            .map(|(n, path)| Ok((n, fs::read(&path).map_err(at("read", &path))?)))
            .collect()
    }

    /// The collector has the batch: it moves to what is kept for the owner.
    pub fn acknowledge(&self, sequence: u64) -> Result<(), SpoolError> {
        self.retire(sequence, "sent")?;
        self.prune("sent", self.keep)
    }

    /// The collector will never take the batch: it is set aside with the reason.
    pub fn set_aside(&self, sequence: u64, reason: &str) -> Result<(), SpoolError> {
        let beside = self.folder.join("refused").join(file_name(sequence));
        write(&beside.with_extension("reason"), reason.as_bytes())?;
        self.retire(sequence, "refused")?;
        self.prune("refused", self.cap)
    }

    /// Drops the oldest of a folder until it holds no more than `most` bytes.
    fn prune(&self, sub: &str, most: u64) -> Result<(), SpoolError> {
        let mut kept = batches(&self.folder.join(sub))?;
        while size(&kept)? > most && !kept.is_empty() {
            let (sequence, oldest) = kept.remove(0);
            if self.noted.get() <= sequence {
                let path = self.folder.join("sequence");
                if write(&path, self.next.to_string().as_bytes()).is_err() {
                    // The disk is full: the file stays, since its name holds the number.
                    return Ok(());
                }
                self.noted.set(self.next);
            }
            fs::remove_file(&oldest).map_err(at("remove", &oldest))?;
            let _ = fs::remove_file(oldest.with_extension("reason"));
        }
        Ok(())
    }

    fn retire(&self, sequence: u64, sub: &str) -> Result<(), SpoolError> {
        let from = self.folder.join(file_name(sequence));
        let to = self.folder.join(sub).join(file_name(sequence));
        match fs::rename(&from, &to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
            other => other.map_err(at("move", &from)),
        }
    }
}

fn file_name(sequence: u64) -> String {
    format!("{sequence:020}.batch")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    durable::write(path, bytes, 0o644).map_err(at("write", path))
}

fn lock(folder: &Path) -> Result<fs::File, SpoolError> {
    let path = folder.join("lock");
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::Busy {
            path: folder.into(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(at("lock", &path)(source)),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let listed =
        fs::read_dir(folder).and_then(|dir| dir.map(|entry| entry.map(|e| e.path())).collect());
    match listed {
        // Looked at before anything was measured.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(at("list", folder)),
    }
}

fn batches(folder: &Path) -> Result<Vec<(u64, PathBuf)>, SpoolError> {
    let mut found: Vec<_> = entries(folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "batch"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.parse().ok()?, path)))
        .collect();
    found.sort();
    Ok(found)
}

fn size(batches: &[(u64, PathBuf)]) -> Result<u64, SpoolError> {
    batches
        .iter()
        .map(|(_, path)| {
            fs::metadata(path)
                .map(|m| m.len())
                .map_err(at("read", path))
        })
        .sum()
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SpoolError + 'a {
    move |source| SpoolError::File {
        action,
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(folder: &Path) -> Spool {
        Spool::open(folder, 1000, 100).unwrap()
    }

    #[test]
    fn batches_wait_in_order_and_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = spool(folder.path());
        for byte in 0..3 {
            first.push(&[byte; 10]).unwrap();
        }
        first.acknowledge(0).unwrap();
        drop(first);
        let again = spool(folder.path());
        assert_eq!(again.waiting().unwrap(), [1, 2]);
        assert_eq!(again.read(2).unwrap(), [2; 10]);
        assert_eq!(again.next_sequence(), 3);
        assert_eq!(again.kept().unwrap().len(), 3);
    }

    #[test]
    fn numbers_are_never_used_again_even_when_all_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Spool::open(folder.path(), 1000, 0).unwrap();
        let sequence = first.push(b"x").unwrap();
        first.acknowledge(sequence).unwrap();
        assert!(first.kept().unwrap().is_empty(), "nothing kept by request");
        drop(first);
        assert_eq!(spool(folder.path()).next_sequence(), 1);
    }

    #[test]
    fn a_reserved_number_is_used_by_no_batch_even_in_a_full_spool() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Spool::open(folder.path(), 3, 0).unwrap();
        first.push(b"abc").unwrap();
        assert_eq!(first.reserve().unwrap(), 1);
        drop(first);
        assert_eq!(spool(folder.path()).next_sequence(), 2);
    }

    #[test]
    fn a_write_cut_short_leaves_no_batch() {
        let folder = tempfile::tempdir().unwrap();
        spool(folder.path()).push(b"whole").unwrap();
        fs::write(folder.path().join("00000000000000000001.batch.new"), b"ha").unwrap();
        let again = spool(folder.path());
        assert_eq!(again.waiting().unwrap(), [0]);
        assert!(
            !folder
                .path()
                .join("00000000000000000001.batch.new")
                .exists()
        );
    }

    #[test]
    fn one_writes_and_others_look() {
        let folder = tempfile::tempdir().unwrap();
        let looked = Spool::look(&folder.path().join("spool")).unwrap();
        assert!(
            looked.kept().unwrap().is_empty(),
            "nothing was measured yet"
        );
        let mut first = spool(folder.path());
        let second = Spool::open(folder.path(), 1000, 100);
        assert!(matches!(second, Err(SpoolError::Busy { .. })));
        first.push(b"x").unwrap();
        let mut looking = Spool::look(folder.path()).unwrap();
        assert_eq!(looking.waiting().unwrap(), [0]);
        assert!(matches!(looking.push(b"y"), Err(SpoolError::Busy { .. })));
        drop(first);
        assert_eq!(spool(folder.path()).next_sequence(), 1);
    }

    #[test]
    fn a_number_is_not_used_again_after_a_write_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = spool(folder.path());
        fs::create_dir(folder.path().join("00000000000000000000.batch.new")).unwrap();
        assert!(matches!(spool.push(b"x"), Err(SpoolError::File { .. })));
        assert_eq!(spool.push(b"y").unwrap(), 1);
    }

    #[test]
    fn without_room_for_the_number_the_file_that_holds_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Spool::open(folder.path(), 1000, 0).unwrap();
        fs::create_dir(folder.path().join("sequence.new")).unwrap();
        let sequence = first.push(b"x").unwrap();
        first.acknowledge(sequence).unwrap();
        assert!(first.waiting().unwrap().is_empty());
        fs::remove_dir(folder.path().join("sequence.new")).unwrap();
        drop(first);
        assert_eq!(spool(folder.path()).next_sequence(), 1);
    }

    #[test]
    fn a_full_spool_says_so_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 15, 0).unwrap();
        spool.push(&[1; 10]).unwrap();
        assert!(matches!(
            spool.push(&[2; 10]),
            Err(SpoolError::Full { held: 10, cap: 15 })
        ));
        assert_eq!(spool.waiting().unwrap(), [0]);
    }

    #[test]
    fn refused_batches_are_set_aside_with_their_reason() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = spool(folder.path());
        spool.push(b"bad").unwrap();
        spool.set_aside(0, "bad_signature: ...").unwrap();
        spool.set_aside(0, "bad_signature: ...").unwrap();
        assert!(spool.waiting().unwrap().is_empty());
        assert!(
            folder
                .path()
                .join("refused/00000000000000000000.reason")
                .exists()
        );
    }
}
