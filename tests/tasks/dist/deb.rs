//! How is a Debian package written? deb(5), format 2.0:
//!
//! ```text
//! ar archive
//!   debian-binary    "2.0\n"
//!   control.tar.gz   control, md5sums, conffiles, scripts of the maintainer
//!   data.tar.gz      what is unpacked over /
//! ```
//!
//! gzip, since every dpkg reads it; zstd came to Debian's with version 12 only.

use super::Result;
use flate2::{Compression, GzBuilder};
use md5::{Digest as _, Md5};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
};

/// A package as it is put together.
pub(super) struct Package {
    /// The control file without its `Installed-Size`.
    pub(super) control: String,
    /// Scripts of the maintainer, by name.
    pub(super) scripts: BTreeMap<&'static str, Vec<u8>>,
    /// Files by their path from the root, with their mode.
    pub(super) files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
}

impl Package {
    /// The package as a file. Everything in it is root's, and of `time`.
    pub(super) fn bytes(&self, time: u64) -> Result<Vec<u8>> {
        let data = self.data(time)?;
        let mut control = Vec::new();
        let mut member = |name: &str, mode, bytes: &[u8]| -> Result<()> {
            control.push((PathBuf::from(name), mode, bytes.to_vec()));
            Ok(())
        };
        // Policy 5.6.20: kibibytes, each file rounded up, as dpkg-gencontrol counts.
        let size: usize = self
            .files
            .values()
            .map(|(_, b)| b.len().div_ceil(1024))
            .sum();
        let size = size + folders(self.files.keys()).len();
        let text = format!("{}Installed-Size: {size}\n", self.control);
        member("control", 0o644, text.as_bytes())?;
        let in_etc = |path: &&PathBuf| path.starts_with("etc");
        let conffiles: String = self
            .files
            .keys()
            .filter(in_etc)
            .map(|path| line(path))
            .collect();
        member("conffiles", 0o644, conffiles.as_bytes())?;
        let sums: Vec<_> = self
            .files
            .iter()
            .filter(|(path, _)| !path.starts_with("etc"))
            .map(|(path, (_, bytes))| {
                let sum = Md5::digest(bytes);
                let sum: Vec<_> = sum.iter().map(|octet| format!("{octet:02x}")).collect();
                format!("{}  {}\n", sum.concat(), path.display())
            })
            .collect();
        member("md5sums", 0o644, sums.concat().as_bytes())?;
        for (name, script) in &self.scripts {
            member(name, 0o755, script)?;
        }
        control.sort();
        let mut tar = archive();
        append_folder(&mut tar, Path::new("./"), time)?;
        for (path, mode, bytes) in control {
            append(&mut tar, &path, mode, &bytes, time)?;
        }
        let control = tar.into_inner()?.finish()?;
        let mut ar = ar::Builder::new(Vec::new());
        for (name, bytes) in [
            ("debian-binary", b"2.0\n".as_slice()),
            ("control.tar.gz", &control),
            ("data.tar.gz", &data),
        ] {
            let mut header = ar::Header::new(name.into(), bytes.len() as u64);
            header.set_mode(0o100_644);
            header.set_mtime(time);
            ar.append(&header, bytes)?;
        }
        Ok(ar.into_inner()?)
    }

    fn data(&self, time: u64) -> Result<Vec<u8>> {
        let mut tar = archive();
        append_folder(&mut tar, Path::new("./"), time)?;
        for folder in folders(self.files.keys()) {
            append_folder(&mut tar, &folder, time)?;
        }
        for (path, (mode, bytes)) in &self.files {
            append(&mut tar, path, *mode, bytes, time)?;
        }
        Ok(tar.into_inner()?.finish()?)
    }
}

fn line(path: &Path) -> String {
    format!("/{}\n", path.display())
}

type Tar = tar::Builder<flate2::write::GzEncoder<Vec<u8>>>;

fn archive() -> Tar {
    tar::Builder::new(gzip())
}

fn gzip() -> flate2::write::GzEncoder<Vec<u8>> {
    // No name, no time: Policy 12.7, `gzip -9n`.
    GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best())
}

/// As `gzip -9n`.
pub(super) fn gzipped(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = gzip();
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}

/// Every folder above the files, parents first.
fn folders<'a>(files: impl Iterator<Item = &'a PathBuf>) -> BTreeSet<PathBuf> {
    files
        .flat_map(|file| file.ancestors().skip(1))
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(Path::to_owned)
        .collect()
}

fn header(kind: tar::EntryType, mode: u32, size: u64, time: u64) -> Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    Ok(header)
}

fn append(tar: &mut Tar, path: &Path, mode: u32, bytes: &[u8], time: u64) -> Result<()> {
    let mut header = header(tar::EntryType::Regular, mode, bytes.len() as u64, time)?;
    named(&mut header, &format!("./{}", path.display()))?;
    Ok(tar.append(&header, bytes)?)
}

fn append_folder(tar: &mut Tar, path: &Path, time: u64) -> Result<()> {
    let mut header = header(tar::EntryType::Directory, 0o755, 0, time)?;
    let name = match path.to_str() {
        Some("./") => "./".to_owned(),
        _ => format!("./{}/", path.display()),
    };
    named(&mut header, &name)?;
    Ok(tar.append(&header, std::io::empty())?)
}

/// dpkg's names begin with `./`, which `Header::set_path` takes away.
fn named(header: &mut tar::Header, name: &str) -> Result<()> {
    let field = &mut header.as_old_mut().name;
    let room = field
        .get_mut(..name.len())
        .ok_or_else(|| format!("{name} is too long a name"))?;
    room.copy_from_slice(name.as_bytes());
    header.set_cksum();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_the_same_bytes_again_and_holds_what_was_put_in() {
        let package = Package {
            control: "Package: x\n".into(),
            scripts: BTreeMap::from([("postinst", b"#!/bin/sh\n".to_vec())]),
            files: BTreeMap::from([
                ("etc/x/x.toml".into(), (0o644, b"a = 1\n".to_vec())),
                ("usr/bin/x".into(), (0o755, vec![7; 1500])),
            ]),
        };
        let bytes = package.bytes(1_000_000_000).unwrap();
        assert_eq!(bytes, package.bytes(1_000_000_000).unwrap());
        let mut ar = ar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        while let Some(member) = ar.next_entry() {
            let member = member.unwrap();
            let name = String::from_utf8(member.header().identifier().to_vec()).unwrap();
            if !name.ends_with(".tar.gz") {
                seen.push(name);
                continue;
            }
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(member));
            for entry in tar.entries().unwrap() {
                let entry = entry.unwrap();
                let (path, header) = (entry.path_bytes(), entry.header());
                assert_eq!(header.mtime().unwrap(), 1_000_000_000);
                assert_eq!(header.uid().unwrap(), 0);
                let path = String::from_utf8_lossy(&path).into_owned();
                seen.push(format!("{path} {:o}", header.mode().unwrap()));
            }
        }
        let expected = [
            "debian-binary",
            "./ 755",
            "./conffiles 644",
            "./control 644",
            "./md5sums 644",
            "./postinst 755",
            "./ 755",
            "./etc/ 755",
            "./etc/x/ 755",
            "./usr/ 755",
            "./usr/bin/ 755",
            "./etc/x/x.toml 644",
            "./usr/bin/x 755",
        ];
        assert_eq!(seen, expected);
    }
}
