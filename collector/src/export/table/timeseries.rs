//! Columns of `timeseries`: what was expected and what was seen.

use super::{Cell, Column, Field, Kind, Scene, Table, column, event::fields, rows};
use crate::export::floors::Wide;

fn columns() -> Vec<Column<Wide>> {
    use Kind::{Integer, Number, Text, Time, Truth};
    vec![
        column(
            Field::new("location", Text, "The group; as in events.").required(),
            |e, _| Cell::text(e.bin.location.to_string()),
        ),
        column(
            Field::new("bin_ts", Time, "Start of the bin.").required(),
            |e, _| Cell::time(e.bin.at),
        ),
        column(
            Field::new(
                "bin_s",
                Integer,
                "Its width, seconds: ten minutes for groups of few sites.",
            )
            .required()
            .from(1.0),
            |e, _| Cell::Integer(e.seconds.into()),
        ),
        column(
            Field::new(
                "expected",
                Number,
                "Sites that would be heard if nothing were wrong, to the \
                 nearest multiple of three.",
            )
            .required()
            .from(0.0),
            |e, _| Cell::number(e.bin.expected),
        ),
        column(
            Field::new(
                "observed",
                Integer,
                "Sites that were heard, to the nearest multiple of three.",
            )
            .required()
            .from(0.0),
            |e, _| Cell::Integer(e.bin.observed.into()),
        ),
        column(
            Field::new(
                "eligible",
                Integer,
                "Sites that could be, to the nearest multiple of three.",
            )
            .required()
            .from(3.0),
            |e, _| Cell::Integer(e.bin.eligible.into()),
        ),
        column(
            Field::new("simulated", Truth, super::SIMULATED).required(),
            |_, scene| Cell::Truth(scene.release.simulated),
        ),
    ]
}

/// Bins of groups above the floors.
pub(in super::super) fn timeseries(all: &[Wide], scene: &Scene<'_>) -> Table {
    let columns = columns();
    let country = |e: &Wide| e.bin.location.country().map(|c| c.to_string());
    Table {
        name: "timeseries",
        title: "Time series",
        about: "Sites expected and sites heard, by group and bin. No row: fewer than three sites.",
        rows: rows(&columns, all, scene, |e| (e.bin.at, country(e))),
        fields: fields(columns),
        key: &["location", "bin_ts"],
        foreign: &[],
    }
}
