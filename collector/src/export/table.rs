//! What is a table of the dataset? Fields with a name, a kind and a meaning, and rows of cells.
//! Every format, the schema and the data dictionary are made from this one description.

mod coverage;
mod event;
mod evidence;
mod timeseries;

pub(super) use coverage::coverage;
pub(super) use event::{events, revisions};
pub(super) use evidence::evidence;
pub(super) use timeseries::timeseries;

use super::Release;
use crate::names::Names;
use faultline_core::time::UnixTime;

/// What a column holds. Lists have no empty elements, and none with a semicolon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// One of a closed list.
    Word(fn() -> Vec<&'static str>),
    Integer,
    Number,
    Truth,
    /// UTC, whole seconds.
    Time,
    /// A day of UTC.
    Day,
    Texts,
    /// Each of a closed list.
    Words(fn() -> Vec<&'static str>),
    Integers,
}

/// A cell. Its variant is that of the column's [`Kind`], or `Null`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Integer(i64),
    Number(f64),
    Truth(bool),
    Time(UnixTime),
    Day(UnixTime),
    Texts(Vec<String>),
    Integers(Vec<i64>),
}

impl Cell {
    /// Nothing is not the empty text: formats could not tell the two apart.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Self::Null
        } else {
            Self::Text(text)
        }
    }

    pub(super) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    pub(super) fn time(at: impl Into<Option<UnixTime>>) -> Self {
        let at = at.into();
        at.map_or(Self::Null, |at| Self::Time(UnixTime::from_secs(at.secs())))
    }

    /// What is no number is none at all.
    pub(super) fn number(number: impl Into<Option<f64>>) -> Self {
        let number = number.into().filter(|number| number.is_finite());
        // Not -0.
        number.map_or(Self::Null, |number| Self::Number(number + 0.0))
    }

    /// A count below the floor is unknown, not zero.
    pub(super) fn count(count: u32) -> Self {
        if count == 0 {
            Self::Null
        } else {
            Self::Integer(count.into())
        }
    }

    /// A semicolon stands between elements of a list, never in one: addresses of pages have
    /// another way to write it, sentences can do without.
    pub(super) fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        let clean = texts.into_iter().map(|text| {
            let text = text.to_string();
            let other = if text.contains("://") { "%3B" } else { "," };
            text.replace(';', other)
        });
        Self::Texts(clean.filter(|text| !text.is_empty()).collect())
    }
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it is never null.
    pub(super) required: bool,
    pub(super) least: Option<f64>,
    pub(super) most: Option<f64>,
    pub(super) pattern: Option<&'static str>,
    /// Tag and attributes of HXL; empty where it has none.
    pub(super) hxl: &'static str,
    pub(super) about: &'static str,
}

/// A column and where its cells come from.
pub(super) struct Column<R> {
    pub(super) field: Field,
    pub(super) of: fn(&R, &Scene<'_>) -> Cell,
}

const fn column<R>(field: Field, of: fn(&R, &Scene<'_>) -> Cell) -> Column<R> {
    Column { field, of }
}

impl Field {
    /// A column that may be null and has no bounds.
    const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind,
            required: false,
            least: None,
            most: None,
            pattern: None,
            hxl: "",
            about,
        }
    }
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    const fn from(mut self, least: f64) -> Self {
        self.least = Some(least);
        self
    }
    const fn to(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }
    const fn like(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }
    const fn hxl(mut self, tag: &'static str) -> Self {
        self.hxl = tag;
        self
    }
}

/// What cells need beside their row.
pub(super) struct Scene<'a> {
    pub(super) release: &'a Release,
    pub(super) names: &'a Names,
}

/// Columns that point to rows of another table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    pub(super) fields: &'static [&'static str],
    pub(super) table: &'static str,
    pub(super) to: &'static [&'static str],
}

/// A table, its rows in the order of its key.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) fields: Vec<Field>,
    /// Columns that tell rows apart; none where rows have no name of their own.
    pub(super) key: &'static [&'static str],
    pub(super) foreign: &'static [Foreign],
    pub(super) rows: Vec<Row>,
}

/// A row, and the partition that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) year: i64,
    /// `none` where it belongs to no single country.
    pub(super) country: String,
    pub(super) cells: Vec<Cell>,
}

/// Partition of what has no country.
pub(super) const NOWHERE: &str = "none";

/// Rows of cells from rows of the collector.
fn rows<'r, R: 'r>(
    columns: &[Column<R>],
    from: impl IntoIterator<Item = &'r R>,
    scene: &Scene<'_>,
    partition: impl Fn(&R) -> (UnixTime, Option<String>),
) -> Vec<Row> {
    let row = |from: &R| {
        let (at, country) = partition(from);
        Row {
            year: super::moment::year(at),
            country: country.unwrap_or_else(|| NOWHERE.into()),
            cells: columns
                .iter()
                .map(|column| (column.of)(from, scene))
                .collect(),
        }
    };
    from.into_iter().map(row).collect()
}

/// Whether the rows are of a simulated world: said in every row of every table.
const SIMULATED: &str =
    "Whether this is of a simulated world: then it tells of no real country.";
