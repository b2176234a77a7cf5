//! Which network and country does an address belong to, by the operator's own databases?

use faultline_core::id::{Asn, Country};
use maxminddb::{MaxMindDbError, PathElement, Reader};
use sha2::{Digest, Sha256};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Knows addresses.
pub trait Enricher: Send + Sync {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn>;
    fn country_of(&self, ip: IpAddr) -> Option<Country>;
    /// ISO 3166-2, where the database has subdivisions.
    fn region_of(&self, _: IpAddr) -> Option<String> {
        None
    }
    /// SHA-256 of what the answers come from.
    fn digest(&self) -> [u8; 32];
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    #[error("cannot read the geo database {path}: check the path and its permissions")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a MaxMind database: download it again")]
    Format {
        path: PathBuf,
        #[source]
        source: MaxMindDbError,
    },
}

/// Country and ASN databases in the MaxMind DB format.
pub struct Mmdb {
    country: Reader<Vec<u8>>,
    asn: Reader<Vec<u8>>,
    digest: [u8; 32],
}

impl Mmdb {
    pub fn open(country: &Path, asn: &Path) -> Result<Self, GeoError> {
        let mut hash = Sha256::new();
        let mut load = |path: &Path| {
            let bytes = std::fs::read(path).map_err(|source| GeoError::Read {
                path: path.into(),
                source,
            })?;
            hash.update(Sha256::digest(&bytes));
            Reader::from_source(bytes).map_err(|source| GeoError::Format {
                path: path.into(),
                source,
            })
        };
        let (country, asn) = (load(country)?, load(asn)?);
        Ok(Self {
            country,
            asn,
            digest: hash.finalize().into(),
        })
    }
}

impl Enricher for Mmdb {
    fn asn_of(&self, ip: IpAddr) -> Option<Asn> {
        let path = [PathElement::Key("autonomous_system_number")];
        self.asn
            .lookup(ip)
            .ok()?
            .decode_path::<u32>(&path)
            .ok()?
            .map(Asn)
    }
    fn country_of(&self, ip: IpAddr) -> Option<Country> {
        let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
        let code = self
            .country
            .lookup(ip)
            .ok()?
            .decode_path::<String>(&path)
            .ok()??;
        Country::new(&code)
    }
    fn region_of(&self, ip: IpAddr) -> Option<String> {
        let path = [
            PathElement::Key("subdivisions"),
            PathElement::Index(0),
            PathElement::Key("iso_code"),
        ];
        let found = self.country.lookup(ip).ok()?;
        let code = found.decode_path::<String>(&path).ok()??;
        let valid =
            (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
        valid.then_some(format!("{}-{code}", self.country_of(ip)?))
    }
    fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// No databases: every address is somewhere unknown.
pub struct Nowhere;

impl Enricher for Nowhere {
    fn asn_of(&self, _: IpAddr) -> Option<Asn> {
        None
    }
    fn country_of(&self, _: IpAddr) -> Option<Country> {
        None
    }
    fn digest(&self) -> [u8; 32] {
        [0; 32]
    }
}
