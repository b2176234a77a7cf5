//! How do results leave the house? Shutdowns as the dataset `shutdown-events`, version 1, a
//! folder or an archive that describes itself; measurements as OONI's documents.
//!
//! Everything here is a pure function of rows, a release and a moment: equal inputs give equal
//! bytes. [`floors`] decides what may be said; what comes after it only says it differently.

mod changes;
mod cite;
mod csv;
mod describe;
pub mod floors;
mod gather;
mod hxl;
mod kio;
mod moment;
mod ndjson;
pub mod ooni;
mod package;
mod parquet;
mod rows;
mod table;

pub use changes::{Earlier, EarlierError};
pub use floors::{Hold, Material, Published, publish};
pub use gather::gather;
pub use package::{File, Package, WriteError};
pub use rows::{RowsError, read_rows};

use crate::{
    config::{ConfigError, Dataset},
    names::Names,
    store::{StoreError, events::Events},
};
use faultline_core::time::UnixTime;
use std::ops::Range;
use table::{Scene, Table};

/// The name of the dataset, and the version of its schema.
pub const DATASET: &str = "shutdown-events";
pub const SCHEMA: &str = "1";

/// Under which licence data is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// As SPDX names it.
    pub id: String,
    pub title: String,
    /// Where it can be read; empty where only here.
    pub url: String,
    pub text: String,
}

impl Licence {
    /// The one that is taken where nothing else is said.
    pub const DEFAULT: &'static str = "CC-BY-4.0";

    /// One whose text is built in.
    pub fn known(id: &str) -> Option<Self> {
        let (title, url, text) = match id {
            "CC-BY-4.0" => (
                "Creative Commons Attribution 4.0 International",
                "https://creativecommons.org/licenses/by/4.0/legalcode",
                include_str!("licences/CC-BY-4.0.txt"),
            ),
            "CC0-1.0" => (
                "Creative Commons Zero 1.0 Universal",
                "https://creativecommons.org/publicdomain/zero/1.0/legalcode",
                include_str!("licences/CC0-1.0.txt"),
            ),
            "ODbL-1.0" => (
                "Open Data Commons Open Database License 1.0",
                "https://opendatacommons.org/licenses/odbl/1-0/",
                include_str!("licences/ODbL-1.0.txt"),
            ),
            _ => return None,
        };
        Some(Self {
            id: id.into(),
            title: title.into(),
            url: url.into(),
            text: text.into(),
        })
    }

    /// One of the operator's own.
    pub fn own(id: &str, text: String) -> Self {
        Self {
            id: id.into(),
            title: id.into(),
            url: String::new(),
            text,
        }
    }
}

/// What a release is, beside its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub version: String,
    /// What was known at this moment.
    pub as_of: UnixTime,
    /// Events that touch it, bins and days in it; everything where it is endless.
    pub window: Range<UnixTime>,
    pub simulated: bool,
    pub licence: Licence,
    pub title: String,
    /// Who publishes it, and who made it.
    pub publisher: String,
    pub creators: Vec<String>,
    /// A DOI, where one was given.
    pub doi: Option<String>,
    /// Where it can be had, where that is known.
    pub homepage: Option<String>,
}

impl Release {
    /// As the settings have it; without a name, it has that of the day.
    pub fn of(
        dataset: &Dataset,
        version: Option<&str>,
        as_of: UnixTime,
        window: Range<UnixTime>,
        simulated: bool,
    ) -> Result<Self, ConfigError> {
        let day = moment::day(as_of).replace('-', ".");
        Ok(Self {
            version: version.map_or(day, Into::into),
            as_of,
            window,
            simulated,
            licence: dataset.licence()?,
            title: dataset.title.clone(),
            publisher: dataset.publisher.clone(),
            creators: dataset.creators.clone(),
            doi: dataset.doi.clone(),
            homepage: dataset.homepage.clone(),
        })
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The archive could not be made.
    #[error("cannot make the archive: {0}")]
    Zip(#[from] std::io::Error),
}

/// The data package of everything that was known at the last full hour, as an archive: equal
/// bytes for all who ask within the hour.
pub fn archive<E: Events + ?Sized>(
    store: &E,
    dataset: &Dataset,
    simulated: bool,
    names: &Names,
    now: UnixTime,
) -> Result<(String, Vec<u8>), ArchiveError> {
    const HOUR: i64 = 3_600_000_000;
    let as_of = UnixTime(now.0.div_euclid(HOUR) * HOUR);
    let window = UnixTime(i64::MIN)..UnixTime(i64::MAX);
    let hour = moment::iso(as_of).replace([':', '-'], "");
    let release = Release::of(dataset, Some(&hour), as_of, window.clone(), simulated)?;
    let hold = Hold::of(dataset);
    let material = gather(store, as_of, &window, &hold)?;
    let package = package(&material, &release, &hold, names, Form::Package, None);
    Ok((format!("{}.zip", package.name), package.zip()?))
}

/// In which words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A data package: CSV, NDJSON, Parquet, with schema and citation.
    #[default]
    Package,
    /// One table in the 46 columns of Access Now's `KeepItOn` STOP dataset.
    KeepItOn,
    /// CSV with a second row of tags of the Humanitarian Exchange Language.
    Hxl,
}

/// The whole export: what may be published of the material, in a form.
pub fn package(
    material: &Material,
    release: &Release,
    hold: &Hold,
    names: &Names,
    form: Form,
    since: Option<&Earlier>,
) -> Package {
    let published = within(publish(material, release.as_of, hold), &release.window);
    let scene = Scene { release, names };
    match form {
        Form::Package => describe::package(&tables(&published, &scene), &scene, since),
        Form::KeepItOn => kio::package(&newest(&published), &scene),
        Form::Hxl => hxl::package(&tables(&published, &scene), &scene),
    }
}

/// Events that touch a window, with all their revisions and evidence, and the bins and days in
/// it. After the floors: what is cut off here changes nothing that stays.
fn within(mut published: Published, window: &Range<UnixTime>) -> Published {
    let newest = newest(&published);
    let touching = newest.iter().filter(|event| {
        let over = event.end.unwrap_or(UnixTime(i64::MAX));
        event.start < window.end && over >= window.start
    });
    let named: std::collections::BTreeSet<_> = touching.map(|event| event.event_id).collect();
    published.revisions.retain(|r| named.contains(&r.event_id));
    published.evidence.retain(|e| named.contains(&e.event_id));
    published.bins.retain(|wide| window.contains(&wide.bin.at));
    published.coverage.retain(|day| window.contains(&day.day));
    published
}

/// The newest revision of each event; they come in order.
fn newest(published: &Published) -> Vec<crate::detect::event::Revision> {
    let events = published
        .revisions
        .chunk_by(|a, b| a.event_id == b.event_id);
    events.filter_map(|event| event.last().cloned()).collect()
}

fn tables(published: &Published, scene: &Scene<'_>) -> Vec<Table> {
    vec![
        table::events(&newest(published), scene),
        table::revisions(&published.revisions, scene),
        table::evidence(&published.evidence, scene),
        table::timeseries(&published.bins, scene),
        table::coverage(&published.coverage, scene),
    ]
}

/// What each column of each table means: the data dictionary, without any data.
pub fn dictionary() -> String {
    let release = Release {
        version: String::new(),
        as_of: UnixTime(0),
        window: UnixTime(0)..UnixTime(0),
        simulated: false,
        licence: Licence::own("", String::new()),
        title: String::new(),
        publisher: String::new(),
        creators: Vec::new(),
        doi: None,
        homepage: None,
    };
    let names = Names::default();
    let scene = Scene {
        release: &release,
        names: &names,
    };
    describe::dictionary(&tables(&Published::default(), &scene))
}
