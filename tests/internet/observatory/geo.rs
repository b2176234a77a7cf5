//! Where are the addresses of a simulated world? Its own databases in the MaxMind DB format,
//! so that a collector there enriches as one in the open does.

use crate::scenario::Network;
use crate::world::VANTAGE;
use mmdb_writer::{Value, Writer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// Where the two databases are.
#[derive(Clone, Debug)]
pub struct Databases {
    /// Address to country.
    pub country: PathBuf,
    /// Address to network.
    pub asn: PathBuf,
}

impl Databases {
    /// Where [`write`] puts them.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            country: folder.join("country.mmdb"),
            asn: folder.join("asn.mmdb"),
        }
    }
}

/// Why there are no databases.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// Not `address/length`, or a reserved range.
    #[error("{prefix} of AS{asn} cannot stand in a geo database: {reason}")]
    Prefix {
        /// Which.
        prefix: String,
        /// Whose.
        asn: u32,
        /// Why.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the databases of a world's networks into `folder`. The clean vantage's network,
/// which every world has, lies in `XZ`.
pub fn write(networks: &[Network], folder: &Path) -> Result<Databases, GeoError> {
    let mut countries = Writer::new("Simulated-Country");
    let mut asns = Writer::new("Simulated-ASN");
    let vantage = (VANTAGE, "XZ", "24.255.0.0/16");
    let declared = networks
        .iter()
        .flat_map(|n| n.prefixes.iter().map(move |p| (n.asn, &*n.country, &**p)));
    for (asn, country, prefix) in declared.chain([vantage]) {
        let failed = |reason: String| GeoError::Prefix {
            prefix: prefix.to_owned(),
            asn,
            reason,
        };
        let (first, last) =
            range(prefix).ok_or_else(|| failed("not address/length".to_owned()))?;
        let code = Value::map([("iso_code", Value::String(country.into()))]);
        let country = Value::map([("country", code)]);
        let network = Value::map([("autonomous_system_number", Value::from(asn))]);
        for (writer, value) in [(&mut countries, &country), (&mut asns, &network)] {
            let done = writer.insert_range(first, last, value);
            done.map_err(|e| failed(e.to_string()))?;
        }
    }
    let keep = |writer: Writer, path: PathBuf| {
        let written = writer
            .to_bytes()
            .map_err(|e| std::io::Error::other(e.to_string()))
            .and_then(|bytes| std::fs::write(&path, bytes));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(GeoError::Write { path, source }),
        }
    };
    let Databases { country, asn } = Databases::in_folder(folder);
    Ok(Databases {
        country: keep(countries, country)?,
        asn: keep(asns, asn)?,
    })
}

/// The first and the last address of a prefix.
fn range(prefix: &str) -> Option<(IpAddr, IpAddr)> {
    let (address, length) = prefix.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    Some(match address.parse().ok()? {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            let first = u32::from(ip) & !host;
            (
                Ipv4Addr::from(first).into(),
                Ipv4Addr::from(first | host).into(),
            )
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            let first = u128::from(ip) & !host;
            (
                Ipv6Addr::from(first).into(),
                Ipv6Addr::from(first | host).into(),
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{range, write};
    use crate::observatory::Observatory;
    use faultline_collector::ingest::{Enricher as _, Mmdb};
    use faultline_core::id::{Asn, Country};
    use std::net::IpAddr;

    #[test]
    fn the_collector_reads_what_was_written() {
        let six = include_str!("../../scenarios/world/six_countries.toml");
        let world = Observatory::parse(six).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let databases = write(&world.networks, folder.path()).unwrap();
        let geo = Mmdb::open(&databases.country, &databases.asn).unwrap();
        for member in world.members().unwrap() {
            assert_eq!(geo.asn_of(member.address), Some(Asn(member.asn)));
        }
        let vantage = IpAddr::from([24, 255, 0, 53]);
        assert_eq!(geo.country_of(vantage), Country::new("XZ"));
        assert_eq!(geo.country_of(IpAddr::from([8, 8, 8, 8])), None);
    }

    #[test]
    fn ranges_cover_their_prefix() {
        let text = |prefix| range(prefix).map(|(a, b)| format!("{a} {b}"));
        assert_eq!(text("20.1.0.0/16").unwrap(), "20.1.0.0 20.1.255.255");
        assert_eq!(text("20.1.0.5/32").unwrap(), "20.1.0.5 20.1.0.5");
        assert_eq!(text("2a00::/127").unwrap(), "2a00:: 2a00::1");
        assert_eq!(text("20.1.0.0"), None);
    }
}
