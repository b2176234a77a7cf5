//! What are countries and networks called? Countries of the Earth by a list that is built
//! in (ISO 3166-1, short names); those of a simulated world, and networks, by lists of the
//! operator's.

use faultline_core::id::{Asn, Country};
use std::collections::BTreeMap;

const EARTH: &str = include_str!("../countries.csv");

/// Names of countries and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    countries: BTreeMap<Country, String>,
    networks: BTreeMap<Asn, String>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// No CSV.
    #[error("the list of names is not a CSV: {0}")]
    Csv(#[from] csv::Error),
    /// A key that does not read.
    #[error("line {line} of the list of {of}: {key:?} does not read; expected {expected}")]
    Key {
        /// Where.
        line: u64,
        /// Which list.
        of: &'static str,
        /// What stands there.
        key: String,
        /// What should.
        expected: &'static str,
    },
}

impl Names {
    /// From the operator's lists; countries are those of the Earth where none is given.
    pub fn parse(countries: Option<&str>, networks: Option<&str>) -> Result<Self, NamesError> {
        Ok(Self {
            countries: pairs(
                countries.unwrap_or(EARTH),
                "countries",
                "code,name",
                Country::new,
            )?,
            networks: pairs(networks.unwrap_or(""), "networks", "asn,name", |key| {
                key.trim_start_matches("AS").parse().ok().map(Asn)
            })?,
        })
    }

    /// Every known country.
    pub fn countries(&self) -> impl Iterator<Item = (Country, &str)> {
        self.countries
            .iter()
            .map(|(code, name)| (*code, name.as_str()))
    }

    /// A country's name, or its code.
    pub fn country(&self, code: Country) -> String {
        let name = self.countries.get(&code);
        name.map_or_else(|| code.to_string(), Clone::clone)
    }

    /// A network's name.
    pub fn network(&self, asn: Asn) -> Option<&str> {
        self.networks.get(&asn).map(String::as_str)
    }
}

fn pairs<K: Ord>(
    text: &str,
    of: &'static str,
    expected: &'static str,
    key: impl Fn(&str) -> Option<K>,
) -> Result<BTreeMap<K, String>, NamesError> {
    let mut names = BTreeMap::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record?;
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        let Some(key) = key(field(0)) else {
            return Err(NamesError::Key {
                line: record.position().map_or(0, csv::Position::line),
                of,
                key: field(0).to_owned(),
                expected,
            });
        };
        names.insert(key, field(1).to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earth_is_known_and_a_simulated_world_replaces_it() {
        let earth = Names::parse(None, None).unwrap();
        assert_eq!(earth.countries().count(), 249);
        let kenya = Country::new("KE").unwrap();
        assert_eq!(earth.country(kenya), "Kenya");
        let lists = (
            Some("code,name\nXA,Alvania\n"),
            Some("asn,name\nAS64496,Alvania Telecom\n"),
        );
        let world = Names::parse(lists.0, lists.1).unwrap();
        assert_eq!(world.countries().count(), 1);
        assert_eq!(world.country(kenya), "KE");
        assert_eq!(world.network(Asn(64_496)), Some("Alvania Telecom"));
        let error = Names::parse(None, Some("asn,name\n1,a\nx,b\n")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("line 3 of the list of networks")
        );
    }
}
