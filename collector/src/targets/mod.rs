//! What should probes measure? Lists in the format of the Citizen Lab test lists: one for
//! everybody, and one for each country.
//!
//! ```text
//! targets = "FILE"     one list, for everybody
//! targets = "FOLDER"   global.csv   for everybody
//!                      xx.csv       for probes in the country XX besides
//!                      risk.csv     country,category_code,risk: raises levels
//! ```
//!
//! A probe is given what its owner's consent covers and nothing above, by the country that its
//! address is in now.

pub mod category;
mod list;

pub use list::Problem;

use faultline_core::{
    id::Country,
    protocol::{Risk, TargetItem},
};
use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
};

/// The list that is used where the operator gives none: small, and nothing in it is above low
/// risk but what no country forbids to open.
pub const BUILT_IN: &str = include_str!("../../targets.csv");

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// A file or folder cannot be read.
    #[error("cannot read the targets {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no list.
    #[error("{0}")]
    NoList(Problem),
    /// A folder without anything for probes.
    #[error(
        "the folder {0} holds neither global.csv nor a list of a country (xx.csv): put the Citizen Lab's test lists there"
    )]
    Empty(PathBuf),
}

/// All lists. As a slice: every target once, those for everybody first.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    all: Vec<TargetItem>,
    /// Of these, the first so many are for everybody.
    global: usize,
    countries: BTreeMap<Country, Vec<TargetItem>>,
    raised: BTreeMap<(Option<Country>, String), Risk>,
    problems: Vec<Problem>,
}

impl Deref for Lists {
    type Target = [TargetItem];
    fn deref(&self) -> &[TargetItem] {
        &self.all
    }
}

/// Reads one list for everybody; lines that cannot be used are left out.
pub fn parse(text: &str) -> Lists {
    let (items, problems) = list::read("list", text).unwrap_or_else(|e| (Vec::new(), vec![e]));
    Lists::new(items, BTreeMap::new(), BTreeMap::new(), problems)
}

impl Lists {
    /// The list of a file, the lists of a folder, or the built-in one.
    pub fn read(path: Option<&Path>) -> Result<Self, TargetsError> {
        let Some(path) = path else {
            return Ok(parse(BUILT_IN));
        };
        if !path.is_dir() {
            let (items, problems) = file(path)?;
            return Ok(Self::new(items, BTreeMap::new(), BTreeMap::new(), problems));
        }
        let unreadable = |source| TargetsError::Read {
            path: path.into(),
            source,
        };
        let entries = fs::read_dir(path).map_err(unreadable)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(unreadable)?;
        paths.sort();
        let (mut global, mut countries) = (Vec::new(), BTreeMap::new());
        let (mut raised, mut problems, mut found) = (BTreeMap::new(), Vec::new(), false);
        for path in paths {
            let csv = path.extension().is_some_and(|ending| ending == "csv");
            let Some(stem) = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .filter(|_| csv)
            else {
                continue;
            };
            if stem == "risk" {
                raised = raises(&path, &mut problems)?;
                continue;
            }
            let country = Country::new(&stem.to_ascii_uppercase());
            if stem != "global" && country.is_none() {
                problems.push(Problem {
                    file: path.display().to_string(),
                    line: 0,
                    what: "left out: lists are called global.csv or by two letters, as ir.csv"
                        .into(),
                });
                continue;
            }
            let (items, more) = file(&path)?;
            problems.extend(more);
            found = true;
            match country {
                Some(country) if stem != "global" => {
                    countries.insert(country, items);
                }
                _ => global = items,
            }
        }
        if !found {
            return Err(TargetsError::Empty(path.into()));
        }
        Ok(Self::new(global, countries, raised, problems))
    }

    fn new(
        global: Vec<TargetItem>,
        countries: BTreeMap<Country, Vec<TargetItem>>,
        raised: BTreeMap<(Option<Country>, String), Risk>,
        problems: Vec<Problem>,
    ) -> Self {
        let mut lists = Self {
            global: global.len(),
            all: global,
            countries,
            raised,
            problems,
        };
        let mut known: HashSet<String> = lists.all.iter().map(|t| t.url.clone()).collect();
        let others = lists.countries.values().flatten();
        let new = others.filter(|item| known.insert(item.url.clone()));
        let new: Vec<TargetItem> = new.cloned().collect();
        lists.all.extend(new);
        lists
    }

    /// Lines that were left out or taken otherwise than they stand.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Adds targets for everybody, where they are not there already.
    pub fn add(&mut self, items: impl IntoIterator<Item = TargetItem>) {
        for item in items {
            let at = self.all.iter().position(|known| known.url == item.url);
            match at {
                Some(at) if at < self.global => continue,
                Some(at) => {
                    self.all.remove(at);
                }
                None => {}
            }
            self.all.insert(self.global, item);
            self.global += 1;
        }
    }

    /// What a probe in this country measures, whose owner agreed to this risk and no more.
    pub fn of(&self, country: Option<Country>, agreed: Risk) -> Vec<TargetItem> {
        let global = self.all.iter().take(self.global);
        let own = country.and_then(|country| self.countries.get(&country));
        let mut known = HashSet::new();
        let both = global.chain(own.into_iter().flatten());
        let both = both.filter(|item| known.insert(item.url.as_str()));
        let levelled = both.map(|item| TargetItem {
            risk: self.risk(item, country),
            ..item.clone()
        });
        levelled.filter(|item| item.risk <= agreed).collect()
    }

    /// The level of a target in a country.
    fn risk(&self, item: &TargetItem, country: Option<Country>) -> Risk {
        let raised = |country| self.raised.get(&(country, item.category.clone())).copied();
        let everywhere = raised(None);
        let here = country.and_then(|country| raised(Some(country)));
        [everywhere, here]
            .into_iter()
            .flatten()
            .fold(item.risk, Risk::max)
    }
}

fn text(path: &Path) -> Result<String, TargetsError> {
    fs::read_to_string(path).map_err(|source| TargetsError::Read {
        path: path.into(),
        source,
    })
}

fn file(path: &Path) -> Result<(Vec<TargetItem>, Vec<Problem>), TargetsError> {
    list::read(&path.display().to_string(), &text(path)?).map_err(TargetsError::NoList)
}

/// Levels of categories by country; `*` is every country.
fn raises(
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Result<BTreeMap<(Option<Country>, String), Risk>, TargetsError> {
    let text = text(path)?;
    let mut raised = BTreeMap::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let wrong = |what: &str| Problem {
            file: path.display().to_string(),
            line: at as u64 + 1,
            what: what.to_owned(),
        };
        let [country, code, level] = *fields.as_slice() else {
            if !line.trim().is_empty() {
                problems.push(wrong("left out: a line is country,category_code,risk"));
            }
            continue;
        };
        let place = match country {
            "*" => Some(None),
            code => Country::new(&code.to_ascii_uppercase()).map(Some),
        };
        let risk = match level {
            "medium" => Some(Risk::Medium),
            "high" => Some(Risk::High),
            _ => None,
        };
        let known = category::risk(code).is_some();
        match (place, risk) {
            (Some(place), Some(risk)) if known => {
                raised.insert((place, code.to_owned()), risk);
            }
            // A level that is not understood must not be a lower one.
            _ => {
                return Err(TargetsError::NoList(wrong(
                    "not understood: country is two letters or *, category_code one of the lists', risk medium or high",
                )));
            }
        }
    }
    Ok(raised)
}

/// An item for a service of U3, which is measured like any target.
pub fn service(service: &crate::score::services::Service) -> TargetItem {
    TargetItem {
        url: service.url.clone(),
        category: service.category.clone(),
        risk: Risk::Medium,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn urls(items: &[TargetItem]) -> Vec<&str> {
        items.iter().map(|item| item.url.as_str()).collect()
    }

    const GLOBAL: &str = "url,category_code\nhttps://news.example/,NEWS\nhttps://vpn.example/,ANON\nhttps://x.example/,PORN\n";

    #[test]
    fn the_built_in_list_reads_and_is_harmless() {
        let lists = Lists::read(None).unwrap();
        assert_eq!(lists.len(), BUILT_IN.lines().count() - 1);
        assert!(lists.problems().is_empty());
        assert!(lists.iter().all(|item| item.risk < Risk::High));
    }

    #[test]
    fn a_probe_gets_its_countrys_list_and_what_its_owner_agreed_to() {
        let own =
            "url,category_code\nhttps://paper.example/,NEWS\nhttps://news.example/,NEWS\n";
        let risk = "country,category_code,risk\nXA,ANON,high\n*,NEWS,medium\n";
        let folder = folder(&[
            ("global.csv", GLOBAL),
            ("xa.csv", own),
            ("risk.csv", risk),
            ("README", ""),
        ]);
        let lists = Lists::read(Some(folder.path())).unwrap();
        assert_eq!(lists.len(), 4, "each once: what the control looks at");
        let at = |code: &str, risk| urls(&lists.of(Country::new(code), risk)).join(" ");
        assert_eq!(at("XA", Risk::Low), "");
        assert_eq!(
            at("XA", Risk::Medium),
            "https://news.example/ https://paper.example/"
        );
        assert_eq!(
            at("XB", Risk::Medium),
            "https://news.example/ https://vpn.example/"
        );
        assert_eq!(at("XB", Risk::High).split(' ').count(), 3);
        assert_eq!(lists.of(None, Risk::High).len(), 3);
    }

    #[test]
    fn what_is_no_list_is_told() {
        let empty = folder(&[("README", "")]);
        let e = Lists::read(Some(empty.path())).unwrap_err();
        assert!(matches!(e, TargetsError::Empty(_)), "{e}");
        let odd = folder(&[("global.csv", GLOBAL), ("iran.csv", GLOBAL)]);
        let lists = Lists::read(Some(odd.path())).unwrap();
        assert!(lists.problems()[0].to_string().contains("iran.csv"));
        let wrong = folder(&[
            ("global.csv", GLOBAL),
            ("risk.csv", "country,category_code,risk\nXA,ANON,low\n"),
        ]);
        let e = Lists::read(Some(wrong.path())).unwrap_err().to_string();
        assert!(e.contains("risk.csv, line 2: not understood"), "{e}");
        assert!(Lists::read(Some(Path::new("/nowhere.csv"))).is_err());
    }

    #[test]
    fn services_come_for_everybody() {
        let mut lists = parse(GLOBAL);
        let item = |url: &str| TargetItem {
            url: url.into(),
            category: "messaging".into(),
            risk: Risk::Medium,
        };
        lists.add([item("https://chat.example/"), item("https://news.example/")]);
        assert_eq!(lists.of(None, Risk::Medium).len(), 3);
        assert_eq!(lists.len(), 4);
    }
}
