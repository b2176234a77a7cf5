//! What did the owner set? One typed struct, from a TOML file whose every key is in
//! `probe/probe.example.toml`.

use bytesize::ByteSize;
use faultline_core::resolver::{Service, WELL_KNOWN};
use serde::Deserialize;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Settings of a probe. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder for key, consent, spool and accounts; without one, see [`crate::owner`].
    pub state: Option<PathBuf>,
    /// Base URL of the collector; without one, results stay here.
    pub collector: Option<String>,
    /// PEM file of the authority that the collector's certificate must lead to; without
    /// one, the public authorities.
    pub collector_ca: Option<PathBuf>,
    /// Bytes per UTC day.
    pub budget: ByteSize,
    /// Bytes of results that may wait for upload.
    pub spool_cap: ByteSize,
    /// Bytes of uploaded results kept for the owner.
    pub spool_keep: ByteSize,
    /// Time between two cycles of `run`.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// Whether the line is paid by the byte: heartbeats are then sent every five minutes.
    pub metered: bool,
    /// Bytes of the link ledger on disk.
    pub ledger_cap: ByteSize,
    /// URLs to measure beside those that the collector sends.
    pub targets: Vec<String>,
    /// Public resolvers to ask over UDP.
    pub public_resolvers: Vec<SocketAddr>,
    /// Encrypted resolvers: the control.
    pub encrypted_resolvers: Vec<Encrypted>,
    /// The provider's resolvers, where a router at home stands between.
    pub network_resolvers: Vec<SocketAddr>,
    /// Whether the resolvers of this machine were chosen by its owner.
    pub own_resolvers: bool,
    /// An address that runs no resolver: any answer from it is an injection.
    pub non_resolver: Option<SocketAddr>,
    /// Name in the neutral twin of a failed handshake.
    pub neutral_name: String,
    /// Resolvers tried over an encrypted transport where another cannot be reached by it:
    /// `NAME@ADDRESS`.
    pub encrypted_references: Vec<Resolver>,
    /// Hosts known to speak QUIC, tried where a target's fails.
    pub quic_references: Vec<QuicHost>,
    /// PEM file of further roots for judging certificates (closed test networks).
    pub extra_roots: Option<PathBuf>,
    /// A plain-HTTP URL that answers 204, to notice captive portals; none checks nothing.
    pub captive_check: Option<String>,
    /// This machine's own public addresses, to be removed from results wherever they show,
    /// beside those of its interfaces and those under which the collector sees it.
    pub own_addresses: Vec<std::net::IpAddr>,
    /// Whether the line itself is a tunnel (PPPoE, dial-up, 6in4) and no sign of a VPN.
    pub line_is_tunnel: bool,
    /// Whether private and reserved addresses are contacted when a resolver gives them
    /// (closed test networks).
    pub contact_special: bool,
}

/// An encrypted resolver, authenticated by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encrypted {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name its certificate must carry.
    pub name: String,
    /// `tls` (RFC 7858) or `https` (RFC 8484).
    pub transport: EncryptedTransport,
}

/// A public resolver, `NAME@ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Resolver(pub Service);

impl TryFrom<String> for Resolver {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let service = Service::parse(&text);
        service.map(Self).ok_or_else(|| {
            format!("{text:?} is no resolver: write its name and address, as in dns.quad9.net@9.9.9.9")
        })
    }
}

/// A host that speaks QUIC, authenticated by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuicHost {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name its certificate must carry.
    pub name: String,
}

/// How an encrypted resolver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncryptedTransport {
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS, path `/dns-query`.
    Https,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings {path}: {source}; start from probe.example.toml")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings {path} are wrong: {reason}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// Line, key and what was expected.
        reason: String,
    },
}

impl Config {
    /// Reads a settings file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.into(),
            source,
        })?;
        toml::from_str(&text).map_err(|e| ConfigError::Content {
            path: path.into(),
            reason: explain(&e),
        })
    }
}

/// What is wrong in a settings file, where, and which known key an unknown one is most like.
pub fn explain(error: &toml::de::Error) -> String {
    let place = error.to_string();
    let mut words = error.message().split('`').skip(1).step_by(2);
    let unknown = words
        .next()
        .filter(|_| error.message().starts_with("unknown field"));
    let likeness = |known: &str| strsim::jaro_winkler(unknown.unwrap_or_default(), known);
    words
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
        .filter(|known| likeness(known) > 0.8)
        .map_or(place.clone(), |known| {
            format!("{}\ndid you mean `{known}`?", place.trim_end())
        })
}

impl Default for Config {
    fn default() -> Self {
        let udp = |text: &str| text.parse().ok();
        let encrypted = |address: &str, name: &str, transport| {
            Some(Encrypted {
                address: address.parse().ok()?,
                name: name.into(),
                transport,
            })
        };
        Self {
            state: None,
            collector: None,
            collector_ca: None,
            budget: ByteSize::mb(50),
            spool_cap: ByteSize::mb(200),
            spool_keep: ByteSize::mb(50),
            every: Duration::from_hours(1),
            metered: false,
            ledger_cap: ByteSize::mb(2),
            targets: Vec::new(),
            public_resolvers: ["1.1.1.1:53", "9.9.9.9:53"]
                .into_iter()
                .filter_map(udp)
                .collect(),
            encrypted_resolvers: [
                encrypted("1.1.1.1:853", "one.one.one.one", EncryptedTransport::Tls),
                encrypted("9.9.9.9:443", "dns.quad9.net", EncryptedTransport::Https),
            ]
            .into_iter()
            .flatten()
            .collect(),
            network_resolvers: Vec::new(),
            own_resolvers: false,
            non_resolver: None,
            neutral_name: "example.com".into(),
            encrypted_references: WELL_KNOWN
                .iter()
                .filter_map(|known| Service::parse(known).map(Resolver))
                .collect(),
            quic_references: [
                ("1.1.1.1:443", "one.one.one.one"),
                ("8.8.8.8:443", "dns.google"),
            ]
            .into_iter()
            .filter_map(|(address, name)| {
                Some(QuicHost {
                    address: address.parse().ok()?,
                    name: name.into(),
                })
            })
            .collect(),
            extra_roots: None,
            captive_check: None,
            own_addresses: Vec::new(),
            line_is_tunnel: false,
            contact_special: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../probe.example.toml");

    #[test]
    fn the_example_holds_every_key_with_its_default() {
        let example: Config = toml::from_str(EXAMPLE).unwrap();
        let mut default = Config::default();
        // The optional keys cannot show an absent value: the example has them commented.
        default.collector.clone_from(&example.collector);
        // Of the machine's probe: the package installs the example.
        assert_eq!(
            example.state.as_deref(),
            Some(Path::new(crate::owner::STATE))
        );
        default.state.clone_from(&example.state);
        assert_eq!(format!("{example:?}"), format!("{default:?}"));
        // What is commented out could be written so, too.
        let whole: String = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest
                        .split_once(" = ")
                        .is_some_and(|(key, _)| !key.contains(' ')) =>
                {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let whole: Config = toml::from_str(&whole).unwrap();
        assert!(whole.collector.is_some() && whole.captive_check.is_some());
        let listed = toml::from_str::<Config>("no_such_key = 1")
            .unwrap_err()
            .to_string();
        let keys = listed.split('`').skip(3).step_by(2).collect::<Vec<_>>();
        assert!(keys.len() > 10, "{listed}");
        for key in keys
            .iter()
            .filter(|k| k.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        {
            assert!(
                EXAMPLE.contains(&format!("{key} =")),
                "{key} is not in the example"
            );
        }
    }

    #[test]
    fn wrong_keys_and_values_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe.toml");
        fs::write(&path, "bugdet = \"5 MB\"").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("did you mean `budget`?"), "{error}");
        fs::write(&path, "colector = \"x\"\n").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("line 1") && error.contains("did you mean `collector`?"),
            "{error}"
        );
        fs::write(&path, "zzz = 1").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("zzz") && !error.contains("did you mean"),
            "{error}"
        );
        fs::write(&path, "every = \"often\"").unwrap();
        assert!(
            Config::read(&path)
                .unwrap_err()
                .to_string()
                .contains("every")
        );
    }
}
