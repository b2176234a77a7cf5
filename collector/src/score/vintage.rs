//! What was published, and when? A vintage is one profile as it was computed, with the
//! digests of everything that it was computed from. Vintages are kept as lines of JSON that
//! are only ever added to; what would be computed today stands beside them.

use super::{
    cell::Day,
    floors::FLOORS,
    indicator::Dimension,
    profile::{Interval, METHOD, Profile},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write as _};

/// Point and interval.
pub type Triple = (f64, f64, f64);

/// One published profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vintage {
    /// Country.
    pub country: String,
    /// The last day of the window.
    pub day: Day,
    /// Method.
    pub method: String,
    /// Version of the rules of judgement.
    pub rules: u16,
    /// Version of the code.
    pub code_version: String,
    /// When it was computed, RFC 3339.
    pub computed: String,
    /// Seed of all that was drawn.
    pub seed: String,
    /// SHA-256 of the evidence.
    pub digest: String,
    /// Digests of reference data, by name.
    pub references: BTreeMap<String, String>,
    /// By dimension; null where nothing was published.
    pub dimensions: BTreeMap<String, Option<Triple>>,
    /// By dimension: what any tenth of the probes could have made of it, whether or not a point
    /// was published. Vintages of methods before `fep-0.3.0` have none.
    #[serde(default)]
    pub contested: BTreeMap<String, Option<Interval>>,
}

impl Vintage {
    /// Of a profile.
    pub fn new(
        profile: &Profile,
        rules: u16,
        computed: String,
        references: BTreeMap<String, String>,
    ) -> Self {
        let triple = |dimension: Dimension| {
            let estimate = &profile.dimension(dimension)?.estimate;
            let (low, high) = estimate.interval?;
            Some((estimate.point?, low, high))
        };
        Self {
            country: profile.country.to_string(),
            day: profile.last,
            method: METHOD.to_owned(),
            rules,
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            computed,
            seed: format!("{:016x}", profile.seed),
            digest: hex(&profile.digest),
            references,
            dimensions: Dimension::ALL
                .into_iter()
                .map(|d| (d.label().to_owned(), triple(d)))
                .collect(),
            contested: Dimension::ALL
                .into_iter()
                .map(|d| {
                    let range = profile.dimension(d).and_then(|d| d.estimate.contested);
                    (d.label().to_owned(), range)
                })
                .collect(),
        }
    }
}

/// Days after its end at which a window is published for good: late uploads have come.
pub const FINAL_AFTER: Day = 14;

/// Vintages by country, day and method.
#[derive(Clone, Debug, Default)]
pub struct Archive(BTreeMap<(String, Day, String), Vintage>);

/// Why a vintage was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is one already.
    #[error("{country}, day {day}, {method} is published already and never overwritten")]
    Published {
        /// Of which country.
        country: String,
        /// Of which day.
        day: Day,
        /// By which method.
        method: String,
    },
    /// A line does not read.
    #[error("line {line} of the vintages does not read: {source}; restore it from a copy")]
    Line {
        /// Which.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

impl Archive {
    /// Reads lines of JSON. An incomplete last line (a power cut) is left out.
    pub fn read(text: &str) -> Result<Self, ArchiveError> {
        let mut archive = Self::default();
        let whole = text
            .rfind('\n')
            .map_or("", |end| text.get(..end).unwrap_or(""));
        for (at, line) in whole.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
            let vintage: Vintage =
                serde_json::from_str(line).map_err(|source| ArchiveError::Line {
                    line: at + 1,
                    source,
                })?;
            archive.publish(vintage)?;
        }
        Ok(archive)
    }

    /// Adds a vintage and gives its line; one that is there is never overwritten.
    pub fn publish(&mut self, vintage: Vintage) -> Result<String, ArchiveError> {
        let key = (vintage.country.clone(), vintage.day, vintage.method.clone());
        if self.0.contains_key(&key) {
            let (country, day, method) = key;
            return Err(ArchiveError::Published {
                country,
                day,
                method,
            });
        }
        let mut line = serde_json::to_string(&vintage)
            .map_err(|source| ArchiveError::Line { line: 0, source })?;
        line.push('\n');
        self.0.insert(key, vintage);
        Ok(line)
    }

    /// What was published of a country, by day.
    pub fn of<'a>(&'a self, country: &'a str) -> impl Iterator<Item = &'a Vintage> {
        self.0.values().filter(move |v| v.country == country)
    }

    /// Whether this country and day are published by the method of today.
    pub fn has(&self, country: &str, day: Day) -> bool {
        self.0
            .contains_key(&(country.to_owned(), day, METHOD.to_owned()))
    }
}

/// The last day that can be published on `today`.
pub const fn due(today: Day) -> Day {
    today - FINAL_AFTER
}

/// The first day of the window that ends on `last`.
pub const fn first(last: Day) -> Day {
    last - FLOORS.window_days as Day + 1
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "{byte:02x}");
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::profile::profile;
    use faultline_core::id::Country;

    fn vintage() -> Vintage {
        let profile = profile(Country::new("XA").unwrap(), 20_000, &[], None);
        let computed = "2026-11-25T00:00:00Z".to_owned();
        Vintage::new(&profile, 1, computed, BTreeMap::new())
    }

    #[test]
    fn what_is_published_is_never_overwritten() {
        let mut archive = Archive::default();
        let line = archive.publish(vintage()).unwrap();
        let mut other = vintage();
        other.digest = "00".into();
        assert!(matches!(
            archive.publish(other),
            Err(ArchiveError::Published { .. })
        ));
        let again = Archive::read(&line).unwrap();
        assert_eq!(again.of("XA").collect::<Vec<_>>(), [&vintage()]);
        assert!(again.has("XA", 20_000) && !again.has("XA", 20_001));
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_torn_other_one_refused() {
        let line = Archive::default().publish(vintage()).unwrap();
        let torn = format!("{line}{{\"country\"");
        assert_eq!(Archive::read(&torn).unwrap().of("XA").count(), 1);
        assert!(Archive::read(&format!("{{\"country\"\n{line}")).is_err());
    }
}
