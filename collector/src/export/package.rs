//! How does an export reach a disk or a wire? As files in a folder that is there whole or not
//! at all, or as one archive.

use faultline_core::time::UnixTime;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Below the export's folder, with slashes.
    pub path: String,
    pub bytes: Vec<u8>,
}

impl File {
    pub(super) fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            bytes: bytes.into(),
        }
    }

    pub(super) fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.bytes))
    }
}

/// An export, its files sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name of the folder in an archive.
    pub name: String,
    pub files: Vec<File>,
    pub as_of: UnixTime,
    /// Rows of each table.
    pub rows: Vec<(String, usize)>,
}

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is something already.
    #[error("{} is there already: name another folder, releases are never changed", .0.display())]
    There(PathBuf),
    /// The disk failed.
    #[error("cannot write {}: {source}; nothing of the export was kept", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the checksums are.
pub(super) const SUMS: &str = "SHA256SUMS";

impl Package {
    /// Sorts the files and adds their checksums.
    pub(super) fn sealed(
        name: String,
        mut files: Vec<File>,
        as_of: UnixTime,
        rows: Vec<(String, usize)>,
    ) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let lines = files
            .iter()
            .map(|file| format!("{}  {}\n", file.sha256(), file.path));
        let sums: String = lines.collect();
        files.push(File::new(SUMS, sums));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            name,
            files,
            as_of,
            rows,
        }
    }

    /// Writes a new folder: beside it first, then by its name. A power cut leaves the whole
    /// export or a folder whose name says that it is none.
    pub fn write(&self, folder: &Path) -> Result<(), WriteError> {
        let empty = fs::read_dir(folder).map(|mut found| found.next().is_none());
        if empty.as_ref().is_ok_and(|empty| !empty) || (folder.exists() && empty.is_err()) {
            return Err(WriteError::There(folder.into()));
        }
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = folder.with_file_name(name);
        let done = self.lay(&partial).and_then(|()| {
            fs::rename(&partial, folder).map_err(|source| WriteError::File {
                path: folder.into(),
                source,
            })
        });
        if done.is_err() {
            // What cannot be written cannot always be removed; its name says what it is.
            let _ = fs::remove_dir_all(&partial);
        }
        done
    }

    fn lay(&self, folder: &Path) -> Result<(), WriteError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError::File { path, source }
        };
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(failed(folder))?;
        }
        for file in &self.files {
            let path = folder.join(&file.path);
            let above = path.parent().unwrap_or(folder);
            fs::create_dir_all(above).map_err(failed(above))?;
            let mut open = fs::File::create(&path).map_err(failed(&path))?;
            open.write_all(&file.bytes).map_err(failed(&path))?;
            open.sync_all().map_err(failed(&path))?;
        }
        Ok(())
    }

    /// The same as one archive, its files below a folder of the export's name.
    pub fn zip(&self) -> io::Result<Vec<u8>> {
        let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
        // The time of every file is that of the release.
        let at = rawzip::time::UtcDateTime::from_unix(self.as_of.secs());
        for file in &self.files {
            let path = format!("{}/{}", self.name, file.path);
            // What is compressed already is not made smaller.
            let stored = file.path.ends_with(".parquet");
            let method = if stored {
                rawzip::CompressionMethod::STORE
            } else {
                rawzip::CompressionMethod::DEFLATE
            };
            let entry = archive.new_file(&path).compression_method(method);
            let started = entry.last_modified(at).start();
            let (mut entry, config) = started.map_err(io::Error::other)?;
            let descriptor = if stored {
                let mut writer = config.wrap(&mut entry);
                writer.write_all(&file.bytes)?;
                writer.finish().map_err(io::Error::other)?.1
            } else {
                let level = flate2::Compression::default();
                let encoder = flate2::write::DeflateEncoder::new(&mut entry, level);
                let mut writer = config.wrap(encoder);
                writer.write_all(&file.bytes)?;
                let (encoder, descriptor) = writer.finish().map_err(io::Error::other)?;
                encoder.finish()?;
                descriptor
            };
            entry.finish(descriptor).map_err(io::Error::other)?;
        }
        archive.finish().map_err(io::Error::other)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}
