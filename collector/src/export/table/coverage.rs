//! Columns of `coverage`: where an event could have been seen. Without it, absence says nothing.

use super::{Cell, Column, Field, Kind, Scene, Table, column, event::fields, rows};
use crate::detect::event::Covered;

fn columns() -> Vec<Column<Covered>> {
    use Kind::{Day, Integer, Number, Text, Truth};
    vec![
        column(
            Field::new("location", Text, "The group; as in events.").required(),
            |e, _| Cell::text(e.location.to_string()),
        ),
        column(
            Field::new("day", Day, "The day, UTC.").required(),
            |e, _| Cell::Day(e.day),
        ),
        column(
            Field::new(
                "eligible_sites",
                Integer,
                "Sites that would have been heard, median of the day, to the \
                 nearest multiple of three.",
            )
            .required()
            .from(3.0),
            |e, _| Cell::Integer(e.eligible_sites.into()),
        ),
        column(
            Field::new(
                "eligible_asns",
                Integer,
                "Networks that have three of them or more; null where none has, \
                 or that is not known.",
            )
            .from(1.0),
            |e, _| Cell::count(e.eligible_asns),
        ),
        column(
            Field::new(
                "min_detectable_share",
                Number,
                "The smallest share of sites whose loss would have raised an \
                 alarm with a probability of nine in ten, rounded up; null \
                 where no loss would.",
            )
            .from(0.0)
            .to(1.0),
            |e, _| Cell::number(e.min_detectable_share),
        ),
        column(
            Field::new(
                "deaf_minutes",
                Integer,
                "Minutes of the day in which the collector heard nobody or \
                 failed its own test.",
            )
            .required()
            .from(0.0)
            .to(1440.0),
            |e, _| Cell::Integer(e.deaf_minutes.into()),
        ),
        column(
            Field::new("simulated", Truth, super::SIMULATED).required(),
            |_, scene| Cell::Truth(scene.release.simulated),
        ),
    ]
}

/// Days of groups above the floors.
pub(in super::super) fn coverage(all: &[Covered], scene: &Scene<'_>) -> Table {
    let columns = columns();
    let country = |e: &Covered| e.location.country().map(|c| c.to_string());
    Table {
        name: "coverage",
        title: "Coverage",
        about: "Where and on which days a loss would have been seen, and how large it had to be. No row: nothing would have been seen there.",
        rows: rows(&columns, all, scene, |e| (e.day, country(e))),
        fields: fields(columns),
        key: &["location", "day"],
        foreign: &[],
    }
}
