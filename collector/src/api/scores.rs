//! What is known at this moment, and what was computed from it already? The index of facts,
//! filled from the store at start and after each batch; profiles and days of timelines are
//! computed when they are first asked for and kept until evidence in their window changes.

use super::tally::Tallies;
use crate::{
    config::Config,
    detect::wave::Watch,
    names::Names,
    score::{
        assess::OUTLINE,
        cell::{Day, Source, day},
        change::{Change, changes},
        floors::FLOORS,
        index::Index,
        indicator::Indicator,
        profile::{Profile, Shown, outline, profile},
        services::{Services, host},
        shares::ShareTable,
        vintage::{first, hex},
    },
    store::{MeasurementRow, StoreError},
};
use faultline_core::{
    id::{Asn, Country, ProbeId},
    protocol::TargetItem,
    time::UnixTime,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard},
};

/// Days that a timeline goes back.
pub(super) const TIMELINE: Day = 60;
/// Rendered replies kept.
const RENDERED: usize = 4096;
/// And their bytes: any range of days can be asked for.
const RENDERED_BYTES: usize = 64 << 20;

/// Each dimension on one day.
pub(super) type Outline = Vec<Option<Shown>>;
/// Sums of one country and window.
#[derive(Default)]
pub(super) struct View {
    pub(super) networks: Tallies<Asn>,
    pub(super) targets: Tallies<u32>,
    pub(super) days: Tallies<Day>,
    pub(super) indicators: BTreeMap<Indicator, Tallies<Asn>>,
}

/// A rendered reply and the evidence that it is of.
type Reply = (u64, Arc<Vec<u8>>);
type Cache<T> = Mutex<BTreeMap<(Country, Day), (u64, Arc<T>)>>;
/// Profiles and sums kept: a window and the one before of every country, and some to spare.
const PROFILES: usize = 1024;
/// Days of timelines kept: sixty of every country.
const OUTLINES: usize = 16_384;

/// Why scores cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    /// A list cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The list of services is wrong.
    #[error(transparent)]
    Services(#[from] crate::score::services::ServicesError),
    /// The table of users is wrong.
    #[error(transparent)]
    Shares(#[from] crate::score::shares::SharesError),
    /// A list of names is wrong.
    #[error(transparent)]
    Names(#[from] crate::names::NamesError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Facts and what was computed from them.
pub struct Scores {
    index: RwLock<Index>,
    services: Services,
    categories: OnceLock<HashMap<String, String>>,
    importer: Option<ProbeId>,
    simulated: bool,
    /// Names of countries and networks.
    pub names: Names,
    shares: ShareTable,
    profiles: Cache<Profile>,
    outlines: Cache<Outline>,
    changed: Cache<Vec<Change>>,
    views: Cache<View>,
    references: BTreeMap<String, String>,
    rendered: Mutex<HashMap<String, Reply>>,
    watch: Mutex<Watch>,
}

impl Scores {
    /// Nothing measured yet, with the lists that the settings name.
    pub fn new(config: &Config, importer: Option<ProbeId>) -> Result<Self, ScoresError> {
        let read = |path: &Option<std::path::PathBuf>| path.as_deref().map(text).transpose();
        let services = read(&config.services)?;
        let services = services
            .as_deref()
            .unwrap_or(crate::score::services::BUILT_IN);
        let users = read(&config.network_users)?;
        let (countries, networks) =
            (read(&config.country_names)?, read(&config.network_names)?);
        let parsed = Services::parse(services)?;
        let mut references = BTreeMap::new();
        let mut refer = |name: &str, text: Option<&str>| {
            if let Some(text) = text {
                references.insert(name.to_owned(), hex(&Sha256::digest(text)));
            }
        };
        refer("services", Some(services));
        refer("network_users", users.as_deref());
        // Verdicts may rest on what the operator knows of blockpages.
        for (name, path) in [
            ("fingerprints_dns", &config.fingerprints_dns),
            ("fingerprints_http", &config.fingerprints_http),
        ] {
            refer(name, read(path)?.as_deref());
        }
        Ok(Self {
            index: RwLock::new(Index::new(parsed.clone())),
            services: parsed,
            categories: OnceLock::new(),
            importer,
            simulated: config.simulated,
            names: Names::parse(countries.as_deref(), networks.as_deref())?,
            shares: match users {
                Some(users) => ShareTable::parse(&users)?,
                None => ShareTable::default(),
            },
            profiles: Mutex::default(),
            outlines: Mutex::default(),
            changed: Mutex::default(),
            views: Mutex::default(),
            references,
            rendered: Mutex::default(),
            watch: Mutex::default(),
        })
    }

    /// Takes in the rows of a batch that was just stored.
    pub fn add(&self, rows: &[MeasurementRow]) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            index.add(row, self.source(row));
        }
        drop(index);
        let mut watch = guard(&self.watch);
        for row in rows {
            watch.add(row, self.source(row));
        }
    }

    /// What began and ended to be blocked.
    pub fn watch(&self) -> MutexGuard<'_, Watch> {
        guard(&self.watch)
    }

    fn source(&self, row: &MeasurementRow) -> Source {
        if self.importer == Some(row.probe) {
            Source::Import
        } else {
            Source::Own
        }
    }

    /// The category of a target or of its name: of services, else of the list of targets.
    pub(super) fn category(&self, target: &str, list: &[TargetItem]) -> Option<String> {
        let name = host(target);
        if let Some(service) = self.services.at(&name) {
            return Some(service.category.clone());
        }
        let categories = self.categories.get_or_init(|| {
            let of = |t: &TargetItem| (host(&t.url), t.category.clone());
            list.iter().map(of).collect()
        });
        categories.get(&name).cloned()
    }

    /// The services, to be measured beside the targets.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The facts.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last day of the window: the last with measurements; in the open, none that is
    /// still to come.
    pub fn last(&self, now: UnixTime) -> Day {
        let today = day(now.0);
        let limit = (!self.simulated).then_some(today);
        self.index().last_day(limit).unwrap_or(today)
    }

    /// The profile of the window that ends on `last`.
    pub fn profile(&self, country: Country, last: Day) -> Arc<Profile> {
        let days = first(last)..=last;
        let generation = self.index().generation_in(country, days.clone());
        kept(
            &self.profiles,
            PROFILES,
            (country, last),
            generation,
            || {
                let cells = self.index().cells(country, days);
                profile(country, last, &cells, self.shares.of(country))
            },
        )
    }

    /// Sums over the window that ends on `last`.
    pub(super) fn view(&self, country: Country, last: Day) -> Arc<View> {
        let days = first(last)..=last;
        let index = self.index();
        let generation = index.generation_in(country, days.clone());
        kept(&self.views, PROFILES, (country, last), generation, || {
            let mut view = View::default();
            for seen in index.seen(country, days).filter(|seen| seen.kind.scored) {
                let anomaly = seen.kind.outcome == "anomaly";
                view.networks.add(seen.asn, &seen, anomaly);
                view.targets.add(seen.target_number, &seen, anomaly);
                view.days.add(seen.day, &seen, anomaly);
                for vote in seen.votes() {
                    let of = view.indicators.entry(vote.indicator).or_default();
                    of.add(seen.asn, &seen, vote.deviates);
                }
            }
            view
        })
    }

    /// The share of the country's users that a network serves.
    pub(super) fn share(&self, country: Country, asn: Asn) -> Option<f64> {
        self.shares.of(country).map(|shares| shares.of(asn))
    }

    /// Digests of the operator's lists.
    pub(super) fn references(&self) -> &BTreeMap<String, String> {
        &self.references
    }

    /// What is claimed to have changed since the window before.
    pub fn changes(&self, country: Country, last: Day) -> Arc<Vec<Change>> {
        let then = last - FLOORS.window_days as Day;
        let generation = self.index().generation_in(country, first(then)..=last);
        kept(&self.changed, PROFILES, (country, last), generation, || {
            let (before, now) = (self.profile(country, then), self.profile(country, last));
            changes(&before, &now, self.shares.of(country))
        })
    }

    /// What each day shows, the oldest first.
    pub(super) fn timeline(&self, country: Country, last: Day) -> Vec<(Day, Arc<Outline>)> {
        let oldest = self.index().first_day(country).unwrap_or(last);
        let oldest = oldest.max(last - TIMELINE + 1);
        let stale: Vec<Day> = (oldest..=last)
            .filter(|at| {
                let generation = self.index().generation_in(country, first(*at)..=*at);
                guard(&self.outlines)
                    .get(&(country, *at))
                    .is_none_or(|(kept, _)| *kept != generation)
            })
            .collect();
        let cells = match (stale.first(), stale.last()) {
            (Some(from), Some(to)) => self.index().cells(country, first(*from)..=*to),
            _ => Vec::new(),
        };
        (oldest..=last)
            .map(|at| {
                let generation = self.index().generation_in(country, first(at)..=at);
                let outline = kept(&self.outlines, OUTLINES, (country, at), generation, || {
                    outline(country, at, &cells, self.shares.of(country), OUTLINE)
                });
                (at, outline)
            })
            .collect()
    }

    /// A reply that was made before from the same evidence, or a new one.
    pub(super) fn rendered<E>(
        &self,
        key: String,
        generation: u64,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Vec<u8>>, E> {
        if let Some((made, bytes)) = guard(&self.rendered).get(&key)
            && *made == generation
        {
            return Ok(Arc::clone(bytes));
        }
        let bytes = Arc::new(make()?);
        let mut rendered = guard(&self.rendered);
        let held: usize = rendered.values().map(|(_, bytes)| bytes.len()).sum();
        if rendered.len() >= RENDERED || held + bytes.len() > RENDERED_BYTES {
            rendered.clear();
        }
        rendered.insert(key, (generation, Arc::clone(&bytes)));
        Ok(bytes)
    }

    /// Computes every profile now, so that nobody waits for the first.
    pub fn warm(&self, now: UnixTime) {
        let last = self.last(now);
        let countries: Vec<Country> = self.index().countries().collect();
        for country in countries {
            let _ = self.profile(country, last);
        }
    }
}

fn text(path: &Path) -> Result<String, ScoresError> {
    std::fs::read_to_string(path).map_err(|source| ScoresError::Read {
        path: path.into(),
        source,
    })
}

fn guard<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was computed for this key from this generation, or a new computation.
/// A full cache forgets its oldest day.
fn kept<T>(
    cache: &Cache<T>,
    most: usize,
    key: (Country, Day),
    generation: u64,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    if let Some((made, value)) = guard(cache).get(&key)
        && *made == generation
    {
        return Arc::clone(value);
    }
    let value = Arc::new(make());
    let mut cache = guard(cache);
    if cache.len() >= most
        && let Some(oldest) = cache.keys().map(|(_, day)| *day).min()
    {
        cache.retain(|(_, day), _| *day > oldest);
    }
    cache.insert(key, (generation, Arc::clone(&value)));
    value
}
