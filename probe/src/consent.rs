//! Has the owner agreed, and to what? Nothing is sent before that.
//!
//! Consent is to a numbered text; a new text asks again. Named groups of tests are agreed
//! to one by one, and each owner can withdraw.

use crate::durable;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// Version of [`TEXT`]. A change of meaning takes a new number, and asks again.
pub const VERSION: u16 = 4;

/// What the owner reads before agreeing.
pub const TEXT: &str = "\
What Faultline does on this machine, and what it may mean for you

 1. The probe looks up names and opens web pages from lists that the collector sends, or
    that you give it, to find out whether your network interferes with them.
 2. Anyone who watches your connection (your provider, your employer, your government) can
    see that this machine did so. In some countries opening certain pages, or measuring at
    all, can bring you into danger. If in doubt, do not run it.
 3. Results are sent to the collector and published without your address: with your
    country, your network's number and the time. They cannot be called back once published.
 4. The probe sends neither your address nor the name of your network; pages that repeat
    your address are cleaned before anything leaves.
 5. You choose the groups of tests below, see everything your probe saw with
    `faultline-probe show`, and can stop at any time with `faultline-probe consent withdraw`.

Groups:
  dns    looks up names at your network's resolvers and at public ones
  web    opens the pages themselves; implies traffic to every listed site
  transport
         tries the newer ways to speak to the sites of `web`: QUIC and HTTP/3, and TLS with the
         site's name encrypted (ECH), as browsers do; where one fails, the same with another
         name and with what no browser sends, QUIC to a large public resolver for comparison,
         and packets that go only part of the way, to find out where a name is stopped; with
         `dns`, also a neutral name of large public resolvers, over TLS, HTTPS and QUIC
  infrastructure
         asks the same resolvers for what holds the Internet's names together: top-level
         domains, names that must not exist, and names of a test zone; opens no page
  beat   once a minute, tells the collector with one small signed packet that this machine
         runs, and looks how far the Internet reaches: your router, your network's resolver,
         and a few hosts at home and abroad that the collector names, 1.5 MB a day in all;
         while nothing else gets through it notes what it sees, and hands that over later.
         Whoever watches your line sees each of these packets and that they are Faultline's;
         the collector learns when your machine and your connection were on and off, and
         publishes only what at least three probes saw alike
";

/// A group of tests that can be agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Name lookups.
    Dns,
    /// Page fetches.
    Web,
    /// QUIC and HTTP/3, and encrypted names in TLS.
    Transport,
    /// Lookups of top-level domains, special-use names and a test zone.
    Infrastructure,
    /// Heartbeat and link ledger.
    Beat,
}

/// What the owner agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Version of the text that was shown.
    pub version: u16,
    /// When, RFC 3339.
    pub given: String,
    /// Groups of tests.
    pub groups: Vec<Group>,
    /// The highest risk level of targets agreed to: `low`, `medium` or `high`.
    pub risk: faultline_core::protocol::Risk,
}

/// Why nothing may be measured.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// Never given, or withdrawn.
    #[error(
        "there is no consent (never given, or withdrawn), so nothing is sent; read and decide with: faultline-probe consent"
    )]
    Missing,
    /// Given to an older text.
    #[error(
        "consent was given to text {given}, the text is now {VERSION}; read it with: faultline-probe consent"
    )]
    Outdated {
        /// The version agreed to.
        given: u16,
    },
    /// Given, but not to this group.
    #[error(
        "consent does not cover the group {0:?}; add it with: faultline-probe consent give --group ..."
    )]
    Group(Group),
    /// The file could not be used.
    #[error("cannot use the consent file {path}: {reason}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
}

impl Consent {
    /// Reads what was agreed to; absent, unreadable or outdated consent is none.
    pub fn read(path: &Path) -> Result<Self, ConsentError> {
        let text = fs::read_to_string(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ConsentError::Missing,
            _ => file_error(path, &e),
        })?;
        let consent: Self = serde_json::from_str(&text).map_err(|e| file_error(path, &e))?;
        if consent.version != VERSION {
            return Err(ConsentError::Outdated {
                given: consent.version,
            });
        }
        Ok(consent)
    }

    /// Notes consent, durably: a later start finds what was agreed to before or now.
    pub fn write(&self, path: &Path) -> Result<(), ConsentError> {
        let text = serde_json::to_string_pretty(self).map_err(|e| file_error(path, &e))?;
        durable::write(path, text.as_bytes(), 0o644).map_err(|e| file_error(path, &e))
    }

    /// Withdraws consent; withdrawing what was never given is fine.
    pub fn withdraw(path: &Path) -> Result<(), ConsentError> {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(file_error(path, &e)),
            _ => Ok(()),
        }
    }

    /// Whether tests of `group` may run.
    pub fn allows(&self, group: Group) -> Result<(), ConsentError> {
        if self.groups.contains(&group) {
            Ok(())
        } else {
            Err(ConsentError::Group(group))
        }
    }
}

fn file_error(path: &Path, reason: &dyn std::fmt::Display) -> ConsentError {
    ConsentError::File {
        path: path.into(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_old_text_or_damage_is_no_consent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consent.json");
        assert!(matches!(Consent::read(&path), Err(ConsentError::Missing)));
        let mut consent = Consent {
            version: VERSION,
            given: "2026-01-01T00:00:00Z".into(),
            groups: vec![Group::Dns],
            risk: faultline_core::protocol::Risk::Low,
        };
        consent.write(&path).unwrap();
        let read = Consent::read(&path).unwrap();
        assert!(read.allows(Group::Dns).is_ok());
        assert!(matches!(
            read.allows(Group::Web),
            Err(ConsentError::Group(Group::Web))
        ));
        consent.version = VERSION - 1;
        consent.write(&path).unwrap();
        assert!(matches!(
            Consent::read(&path),
            Err(ConsentError::Outdated { .. })
        ));
        fs::write(&path, "{").unwrap();
        assert!(matches!(
            Consent::read(&path),
            Err(ConsentError::File { .. })
        ));
        Consent::withdraw(&path).unwrap();
        Consent::withdraw(&path).unwrap();
    }
}
