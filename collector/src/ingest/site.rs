//! Who sits behind one line? Probes behind one /24 (IPv4) or /48 (IPv6) have one vote together,
//! so what is kept of an address is a keyed digest of that prefix: whoever reads the store
//! without the key cannot try all prefixes (there are only 16 million), and the key is drawn
//! here, read by its owner alone and told to nobody.

use faultline_core::{id::Asn, measurement::NetworkKind};
use faultline_probe::durable;
use ring::hmac;
use std::{
    collections::BTreeMap,
    fs, io,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Why sites cannot be told apart.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(
        "cannot use the key of sites {path}: is there room, and may the collector write there?"
    )]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{0} does not hold a key of 32 octets; move it away to count sites anew from now on"
    )]
    NotAKey(PathBuf),
    #[error("{path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("cannot read the kinds of networks {path}; leave network_access out to know none")]
    Table {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the kinds of networks are no CSV with asn,access")]
    Csv(#[from] csv::Error),
    #[error(
        "line {line} of the kinds of networks: {text:?} does not read; expected asn,access with fixed, mobile or satellite"
    )]
    Line { line: u64, text: String },
}

/// Tells sites apart without keeping where they are.
pub struct Sites(hmac::Key);

impl Sites {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// With the key in the file, which is drawn with `fill` where there is none.
    pub fn load_or_create(
        path: &Path,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Self, SiteError> {
        let failed = |source| SiteError::File {
            path: path.into(),
            source,
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                fill(&mut key);
                durable::write(path, &key, 0o600).map_err(failed)?;
                return Ok(Self::new(&key));
            }
            Err(e) => return Err(failed(e)),
        };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SiteError::Exposed {
                path: path.into(),
                mode,
            });
        }
        let key = bytes.as_slice().try_into();
        key.map(Self::new)
            .map_err(|_| SiteError::NotAKey(path.into()))
    }

    /// The digest of the prefix that an address is in; never 0, which stands for none.
    pub fn of(&self, ip: IpAddr) -> u64 {
        let digest = hmac::sign(&self.0, &prefix(ip));
        let head = digest.as_ref().iter().take(8);
        head.fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet))
            .max(1)
    }
}

/// What is common to a line, with the length of an address before it: /24 or /48. An IPv4
/// address in an IPv6 one is the former.
pub(crate) fn prefix(ip: IpAddr) -> [u8; 7] {
    let mut prefix = [0; 7];
    let to = prefix.iter_mut();
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let from = [4].into_iter().chain(ip.octets().into_iter().take(3));
            to.zip(from).for_each(|(to, from)| *to = from);
        }
        IpAddr::V6(ip) => {
            let from = [6].into_iter().chain(ip.octets().into_iter().take(6));
            to.zip(from).for_each(|(to, from)| *to = from);
        }
    }
    prefix
}

/// What kind of access networks give, by a table of the operator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessTable(BTreeMap<Asn, NetworkKind>);

impl AccessTable {
    pub fn read(path: &Path) -> Result<Self, SiteError> {
        let text = fs::read_to_string(path).map_err(|source| SiteError::Table {
            path: path.into(),
            source,
        })?;
        Self::parse(&text)
    }

    /// `asn,access`, with a line of titles. A network of several kinds stays out.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        let mut table = BTreeMap::new();
        for record in csv::Reader::from_reader(text.as_bytes()).records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let field = |at| record.get(at).unwrap_or_default().trim();
            let asn = field(0).trim_start_matches("AS").parse().ok();
            let kind = match field(1) {
                "fixed" => Some(NetworkKind::Fixed),
                "mobile" => Some(NetworkKind::Mobile),
                "satellite" => Some(NetworkKind::Satellite),
                _ => None,
            };
            let (asn, kind) = asn.zip(kind).ok_or_else(|| SiteError::Line {
                line,
                text: record.iter().collect::<Vec<_>>().join(","),
            })?;
            table.insert(Asn(asn), kind);
        }
        Ok(Self(table))
    }

    pub fn of(&self, asn: Asn) -> NetworkKind {
        self.0.get(&asn).copied().unwrap_or(NetworkKind::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_site_and_another_key_tells_nothing_of_it() {
        let sites = Sites::new(&[1; 32]);
        let of = |text: &str| sites.of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.255"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.7"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:ffff::9"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        let other = Sites::new(&[2; 32]);
        assert_ne!(of("192.0.2.1"), other.of("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn the_key_is_drawn_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        let mut draws = 0;
        let ip = "192.0.2.1".parse().unwrap();
        let mut open = |path: &Path| {
            Sites::load_or_create(path, &mut |key| {
                draws += 1;
                key.fill(draws);
            })
        };
        let first = open(&path).unwrap().of(ip);
        assert_eq!(open(&path).unwrap().of(ip), first);
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(&path), Err(SiteError::Exposed { .. })));
        fs::write(&path, "short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(open(&path), Err(SiteError::NotAKey(_))));
    }

    #[test]
    fn kinds_of_networks_are_read_and_what_does_not_read_is_named() {
        let table = AccessTable::parse("asn,access\n1,fixed\nAS2,mobile\n3,satellite\n");
        let table = table.unwrap();
        assert_eq!(table.of(Asn(2)), NetworkKind::Mobile);
        assert_eq!(table.of(Asn(9)), NetworkKind::Unknown);
        let wrong = AccessTable::parse("asn,access\n1,fixed\n2,wifi\n").unwrap_err();
        assert!(wrong.to_string().contains("line 3"), "{wrong}");
    }
}
