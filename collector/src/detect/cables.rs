//! Where may one cable be everything that leads abroad? From inside, a cable that breaks and an
//! order to cut a country off look the same: its own hosts answer, those abroad do not. Where
//! many cables and borders are crossed, one break does not take all of that. On an island with
//! one cable it does (Watson, "The Limited Communication Cables for Pacific Island Countries",
//! Asia-Pacific Journal of Ocean Law and Policy 7, 2022), and that is what has happened there:
//! Tonga in 2019 and 2022, Vanuatu in 2024. Of the countries below, none is in KeepItOn's list
//! of shutdowns from 2016 to 2023.
//!
//! Compiled for this project from what operators announced of their systems: no land border,
//! and at most two submarine systems that led abroad in 2022. Who is in doubt is not listed. A
//! satellite that stays tells nothing of either.

use faultline_core::id::Country;
use std::collections::BTreeSet;

const FEW: [&str; 24] = [
    "CC", // Cocos (Keeling) Islands
    "CK", // Cook Islands
    "CX", // Christmas Island
    "FK", // Falkland Islands
    "FM", // Micronesia
    "GL", // Greenland
    "KI", // Kiribati
    "MH", // Marshall Islands
    "NC", // New Caledonia
    "NF", // Norfolk Island
    "NR", // Nauru
    "NU", // Niue
    "PF", // French Polynesia
    "PM", // Saint Pierre and Miquelon
    "PW", // Palau
    "SB", // Solomon Islands
    "SC", // Seychelles
    "SH", // Saint Helena
    "ST", // São Tomé and Príncipe
    "TK", // Tokelau
    "TO", // Tonga
    "TV", // Tuvalu
    "VU", // Vanuatu
    "WF", // Wallis and Futuna
];

/// Those countries and territories.
pub(super) fn few() -> BTreeSet<Country> {
    FEW.iter().filter_map(|code| Country::new(code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one() {
        assert_eq!(few().len(), FEW.len());
    }
}
