//! What may be counted in public? Sums over measurements by any key, of which nothing about
//! fewer than three probes of ours is shown, nor what a difference of two sums would tell.
//! Imports are public already; they have lines of their own.

use crate::score::{cell::Source, floors::FLOORS, index::Seen};
use faultline_core::id::Asn;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Sums of one line.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) measurements: u64,
    pub(super) deviations: u64,
    pub(super) probes: BTreeSet<u32>,
    pub(super) networks: BTreeSet<Asn>,
    pub(super) days: BTreeSet<i32>,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) mechanisms: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, seen: &Seen<'_>, deviates: bool) {
        self.measurements += 1;
        self.deviations += u64::from(deviates);
        self.probes.insert(seen.probe);
        self.networks.insert(seen.asn);
        self.days.insert(seen.day);
        bump(&mut self.outcomes, &seen.kind.outcome);
        if let Some(mechanism) = &seen.kind.mechanism {
            bump(&mut self.mechanisms, mechanism);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.measurements += other.measurements;
        self.deviations += other.deviations;
        self.probes.extend(&other.probes);
        self.networks.extend(&other.networks);
        self.days.extend(&other.days);
        for (mine, theirs) in [
            (&mut self.outcomes, &other.outcomes),
            (&mut self.mechanisms, &other.mechanisms),
        ] {
            for (word, count) in theirs {
                *mine.entry(word.clone()).or_default() += count;
            }
        }
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, word: &str) {
    if let Some(count) = counts.get_mut(word) {
        *count += 1;
    } else {
        counts.insert(word.to_owned(), 1);
    }
}

/// Which of the lines with these probes are held back: those with fewer than `least` and, where
/// these together have fewer, the next smallest, too.
pub(super) fn held_back<'a, K: Ord + Clone, P: Ord + Copy + 'a>(
    lines: impl Iterator<Item = (K, &'a BTreeSet<P>)>,
    least: usize,
) -> BTreeSet<K> {
    let mut lines: Vec<_> = lines.collect();
    lines.sort_by_key(|(key, probes)| (probes.len(), key.clone()));
    let mut hidden: BTreeSet<P> = BTreeSet::new();
    let mut held = BTreeSet::new();
    for (key, probes) in lines {
        let small = probes.len() < least;
        if small || (!held.is_empty() && hidden.len() < least) {
            hidden.extend(probes);
            held.insert(key);
        }
    }
    held
}

/// The floor for readers of this kind.
pub(super) const fn least(open: bool) -> usize {
    if open {
        0
    } else {
        FLOORS.public_probes as usize
    }
}

/// Lines by key, ours and imported ones apart.
#[derive(Clone, Debug)]
pub(super) struct Tallies<K>(BTreeMap<(K, bool), Tally>);

impl<K> Default for Tallies<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// A line that may be shown.
#[derive(Clone, Debug)]
pub(super) struct Line<K> {
    pub(super) key: K,
    pub(super) imported: bool,
    pub(super) tally: Tally,
}

impl<K> Line<K> {
    /// How many probes of ours; unknown for imports.
    pub(super) fn probes(&self) -> Value {
        if self.imported {
            Value::Null
        } else {
            json!(self.tally.probes.len())
        }
    }
}

impl<K: Ord + Clone> Tallies<K> {
    pub(super) fn add(&mut self, key: K, seen: &Seen<'_>, deviates: bool) {
        let imported = seen.source == Source::Import;
        self.0
            .entry((key, imported))
            .or_default()
            .add(seen, deviates);
    }

    /// The lines that are public. Where lines below the floor together have fewer probes
    /// than the floor, the next smallest is held back too: otherwise the difference from
    /// the sum would tell what they hide.
    pub(super) fn public(self, open: bool) -> Vec<Line<K>> {
        let least = least(open);
        let ours = self.0.iter().filter(|((_, imported), _)| !imported);
        let ours = ours.map(|((key, _), tally)| (key.clone(), &tally.probes));
        let held = held_back(ours, least);
        self.0
            .into_iter()
            .filter(|((key, imported), _)| *imported || !held.contains(key))
            .map(|((key, imported), tally)| Line {
                key,
                imported,
                tally,
            })
            .collect()
    }

    /// The sum of everything that may enter a public sum.
    pub(super) fn total(&self, open: bool) -> Tally {
        let least = least(open);
        let (mut ours, mut imports) = (Tally::default(), Tally::default());
        for ((_, imported), tally) in &self.0 {
            if *imported {
                imports.merge(tally);
            } else {
                ours.merge(tally);
            }
        }
        imports.probes.clear();
        if ours.probes.len() >= least {
            imports.merge(&ours);
        }
        imports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(lines: &[(&'static str, bool, &[u32])]) -> Tallies<&'static str> {
        let of = |probes: &[u32]| Tally {
            measurements: probes.len() as u64,
            probes: probes.iter().copied().collect(),
            ..Tally::default()
        };
        let lines = lines.iter();
        Tallies(
            lines
                .map(|(key, imported, p)| ((*key, *imported), of(p)))
                .collect(),
        )
    }

    fn shown(tallies: Tallies<&'static str>, open: bool) -> String {
        let lines = tallies.public(open).into_iter();
        lines.map(|l| l.key).collect::<Vec<_>>().join("")
    }

    #[test]
    fn small_lines_are_held_back_and_so_is_what_would_tell_them() {
        let some = tallies(&[
            ("a", false, &[1, 2, 3]),
            ("b", false, &[4, 5, 6, 7]),
            ("c", false, &[8]),
        ]);
        assert_eq!(shown(some.clone(), false), "b", "a hides what c is");
        assert_eq!(shown(some, true), "abc");
        let many = tallies(&[
            ("a", false, &[1, 2, 3]),
            ("b", false, &[4, 5]),
            ("c", false, &[6, 7]),
        ]);
        assert_eq!(shown(many, false), "a", "b and c together hide each other");
        let imports = tallies(&[("a", true, &[0]), ("b", false, &[1])]);
        assert_eq!(shown(imports.clone(), false), "a");
        assert_eq!(imports.total(false).measurements, 1);
        assert_eq!(imports.total(true).measurements, 2);
    }
}
