//! What is in the probe's package?
//!
//! ```text
//! /usr/bin/faultline-probe                           the program
//! /etc/faultline/probe.toml                          settings; changes of the owner stay
//! /usr/lib/systemd/system/faultline-probe.service    the service, hardened
//! /usr/share/man/man1/faultline-probe*.1.gz          what `--help` says
//! /usr/share/doc/faultline-probe/                    copyright, changelog, volunteer's guide
//! ```
//!
//! The state folder is made by `postinst`, since it belongs to the service's own user.

use super::{
    Machine, Result,
    deb::{Package, gzipped},
    read,
};
use clap::CommandFactory as _;
use faultline_core::time::UnixTime;
use faultline_probe::cli::Args;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Who answers for the package: there is no mailbox, see SECURITY.md for how to report.
const MAINTAINER: &str = "Faultline contributors <faultline@invalid.invalid>";

pub(super) fn package(
    root: &Path,
    machine: &Machine,
    program: &Path,
    version: &str,
    time: u64,
) -> Result<Package> {
    let parts = root.join("probe/package");
    let mut files = BTreeMap::new();
    let mut put = |path: &str, mode, bytes| {
        files.insert(PathBuf::from(path), (mode, bytes));
    };
    put("usr/bin/faultline-probe", 0o755, read(program)?);
    put(
        "etc/faultline/probe.toml",
        0o644,
        read(&root.join("probe/probe.example.toml"))?,
    );
    put(
        // Where every systemd looks, also one whose own units are in /lib.
        "usr/lib/systemd/system/faultline-probe.service",
        0o644,
        read(&parts.join("faultline-probe.service"))?,
    );
    let documents = "usr/share/doc/faultline-probe";
    put(
        &format!("{documents}/copyright"),
        0o644,
        read(&parts.join("copyright"))?,
    );
    for page in ["volunteers.md", "raspberry-pi.md"] {
        let text = read(&root.join("docs").join(page))?;
        put(&format!("{documents}/{page}.gz"), 0o644, gzipped(&text)?);
    }
    put(
        &format!("{documents}/examples/raw-sockets.conf"),
        0o644,
        read(&parts.join("raw-sockets.conf"))?,
    );
    put(
        &format!("{documents}/changelog.gz"),
        0o644,
        gzipped(changelog(version, time).as_bytes())?,
    );
    if machine.glibc.is_none() {
        put(
            "usr/share/lintian/overrides/faultline-probe",
            0o644,
            read(&parts.join("lintian-overrides"))?,
        );
    }
    for (name, page) in manual()? {
        put(&format!("usr/share/man/man1/{name}.1.gz"), 0o644, page);
    }
    let mut scripts = BTreeMap::new();
    for name in ["preinst", "postinst", "prerm", "postrm"] {
        scripts.insert(name, read(&parts.join(name))?);
    }
    Ok(Package {
        control: control(machine, version),
        scripts,
        files,
    })
}

/// Policy 5.3: the fields of a binary package's control file.
fn control(machine: &Machine, version: &str) -> String {
    let library = match machine.glibc {
        Some(glibc) => format!("libc6 (>= {glibc}), "),
        None => String::new(),
    };
    format!(
        "\
Package: faultline-probe
Version: {version}
Architecture: {}
Maintainer: {MAINTAINER}
Depends: {library}adduser, init-system-helpers (>= 1.54)
Section: net
Priority: optional
Description: volunteer's probe that measures Internet fragmentation
 Looks up names and opens pages from this connection, to find out whether the
 network interferes with them, and hands signed results to a collector.
 .
 Nothing is sent before the owner has read what measuring means and agreed to
 it: faultline-probe consent.
",
        machine.debian
    )
}

/// Policy 4.4: what changed is told in one place, the project's own changelog.
fn changelog(version: &str, time: u64) -> String {
    let seconds = i64::try_from(time).unwrap_or_default();
    format!(
        "\
faultline-probe ({version}) unstable; urgency=medium

  * See CHANGELOG.md of the project for what changed.

 -- {MAINTAINER}  {}
",
        mail_date(UnixTime(seconds * 1_000_000))
    )
}

/// RFC 5322, as `date -R -u`.
fn mail_date(time: UnixTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let day = time.0.div_euclid(86_400_000_000).rem_euclid(7) as usize;
    // RFC 3339: 2026-11-25T12:00:00Z
    let text = time.to_string();
    let part = |range| text.get(range).unwrap_or_default();
    let month: usize = part(5..7).parse().unwrap_or(1);
    format!(
        "{}, {} {} {} {} +0000",
        DAYS.get(day).unwrap_or(&""),
        part(8..10),
        MONTHS.get(month - 1).unwrap_or(&""),
        part(0..4),
        part(11..19)
    )
}

/// A page for the program and one for each of its commands, from what `--help` says.
fn manual() -> Result<Vec<(String, Vec<u8>)>> {
    let mut program = Args::command();
    program.build(); // gives each command its whole name: faultline-probe-consent-give
    let (mut pages, mut left) = (Vec::new(), vec![program]);
    while let Some(command) = left.pop() {
        left.extend(
            command
                .get_subcommands()
                .filter(|c| c.get_name() != "help")
                .cloned(),
        );
        let name = command
            .get_display_name()
            .unwrap_or(command.get_name())
            .to_owned();
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .source(format!("faultline-probe {}", env!("CARGO_PKG_VERSION")))
            .render(&mut page)?;
        pages.push((name, gzipped(&page)?));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_changelog_are_as_in_mail() {
        assert_eq!(mail_date(UnixTime(0)), "Thu, 01 Jan 1970 00:00:00 +0000");
        let later = UnixTime(1_764_072_305_000_000);
        assert_eq!(mail_date(later), "Tue, 25 Nov 2025 12:05:05 +0000");
    }
}
