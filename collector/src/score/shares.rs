//! How many of a country's users does each network serve? From a table of the operator's;
//! without one nothing is known, and nothing is made up.

use faultline_core::id::{Asn, Country};
use std::collections::BTreeMap;

/// Shares of one country's users by network, summing to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares(BTreeMap<Asn, f64>);

impl Shares {
    /// From counts of users. Networks without any are left out.
    pub fn from_users(users: impl IntoIterator<Item = (Asn, f64)>) -> Option<Self> {
        let mut all: BTreeMap<Asn, f64> = BTreeMap::new();
        for (asn, users) in users {
            if users.is_finite() && users > 0.0 {
                *all.entry(asn).or_default() += users;
            }
        }
        let sum: f64 = all.values().sum();
        if sum <= 0.0 || !sum.is_finite() {
            return None;
        }
        for users in all.values_mut() {
            *users /= sum;
        }
        Some(Self(all))
    }

    /// As if one network did not exist.
    #[must_use]
    pub fn without(&self, out: Asn) -> Self {
        let rest = self.iter().filter(|(asn, _)| *asn != out);
        Self::from_users(rest).unwrap_or_default()
    }

    /// Of one network.
    pub fn of(&self, asn: Asn) -> f64 {
        self.0.get(&asn).copied().unwrap_or(0.0)
    }

    /// Every network with its share, by number.
    pub fn iter(&self) -> impl Iterator<Item = (Asn, f64)> {
        self.0.iter().map(|(asn, share)| (*asn, *share))
    }
}

/// The shares of every country that the operator's table knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareTable(BTreeMap<Country, Shares>);

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SharesError {
    /// No CSV.
    #[error("the table of users is not a CSV with country,asn,users: {0}")]
    Csv(#[from] csv::Error),
    /// A field that does not read.
    #[error(
        "line {line} of the table of users: {what} does not read; expected country,asn,users"
    )]
    Field {
        /// Where.
        line: u64,
        /// Which field.
        what: &'static str,
    },
}

impl ShareTable {
    /// Reads a CSV with a header: `country,asn,users`.
    pub fn parse(text: &str) -> Result<Self, SharesError> {
        let mut users: BTreeMap<Country, Vec<(Asn, f64)>> = BTreeMap::new();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let bad = |what| SharesError::Field { line, what };
            let field = |at: usize| record.get(at).map_or("", str::trim);
            let country = Country::new(field(0)).ok_or_else(|| bad("country"))?;
            let asn = field(1).trim_start_matches("AS").parse();
            let asn = Asn(asn.map_err(|_| bad("asn"))?);
            let count: f64 = field(2).parse().map_err(|_| bad("users"))?;
            if !count.is_finite() || count < 0.0 {
                return Err(bad("users"));
            }
            users.entry(country).or_default().push((asn, count));
        }
        let known = users.into_iter();
        Ok(Self(
            known
                .filter_map(|(country, users)| Some((country, Shares::from_users(users)?)))
                .collect(),
        ))
    }

    /// Of one country.
    pub fn of(&self, country: Country) -> Option<&Shares> {
        self.0.get(&country)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_one_and_lines_that_do_not_read_are_named() {
        let table = ShareTable::parse("country,asn,users\nXA,64496,300\nxa,AS64497,100\n");
        let table = table.unwrap();
        let shares = table.of(Country::new("XA").unwrap()).unwrap();
        assert!((shares.of(Asn(64_496)) - 0.75).abs() < 1e-12);
        assert!(table.of(Country::new("XB").unwrap()).is_none());
        let error = ShareTable::parse("country,asn,users\nXA,1,many\n").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("line 2 of the table of users: users")
        );
    }
}
