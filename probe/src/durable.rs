//! How does a file change so that, whatever happens, it is the old one or the new one, whole?
//!
//! Write beside it, fsync, rename over it, fsync the folder: `rename(2)` is atomic, and what
//! is not synchronised may come after a power cut in any order, or not at all (Pillai et al.,
//! "All File Systems Are Not Created Equal", OSDI 2014).

use std::{
    ffi::OsString,
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Makes `bytes` the content of `path`; a new file gets `mode`.
///
/// After an error the file is the old one, unless only the folder could not be synchronised:
/// then it is the new one until a power cut, and may be either after it.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let unfinished = unfinished(path);
    let named = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    })();
    if named.is_err() {
        // A full disk leaves half a file behind, which would only make it fuller.
        let _ = fs::remove_file(&unfinished);
    }
    named?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Where `path` is written before it gets its name: the same with `.new` at the end.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, b"old", 0o600).unwrap();
        write(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A folder in the way of the unfinished file: nothing can be written.
        fs::create_dir(folder.path().join("key.new")).unwrap();
        assert!(write(&path, b"newer", 0o600).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
