//! Columns of `evidence`: what speaks for or against an event.

use super::{Cell, Column, Field, Foreign, Kind, Scene, Table, column, event::fields, rows};
use crate::detect::event::Evidence;

fn columns() -> Vec<Column<Evidence>> {
    use Kind::{Integer, Number, Text, Time, Truth};
    vec![
        column(
            Field::new("event_id", Text, "The event that it speaks of.").required(),
            |e, _| Cell::text(e.event_id.to_string()),
        ),
        column(
            Field::new(
                "signal",
                Text,
                "What kind of evidence: probe, epoch_log, import:ioda and \
                 others.",
            )
            .required(),
            |e, _| Cell::text(e.signal.as_str()),
        ),
        column(
            Field::new(
                "location",
                Text,
                "The group that it is about; as in events.",
            )
            .required(),
            |e, _| Cell::text(e.location.to_string()),
        ),
        column(
            Field::new(
                "verdict",
                Text,
                "What it says: of probes' own ledgers one of \
                 powered_no_upstream, powered_domestic_only, \
                 powered_services_blocked, powered_upstream_ok, unpowered, \
                 lan_down, unknown; else the outside signal's word.",
            )
            .required(),
            |e, _| Cell::text(e.verdict.as_str()),
        ),
        column(
            Field::new("from_utc", Time, "Since when.").required(),
            |e, _| Cell::time(e.from),
        ),
        column(
            Field::new(
                "to_utc",
                Time,
                "Until when; null where it goes on. To ten minutes where few \
                 sites tell it.",
            ),
            |e, _| Cell::time(e.to),
        ),
        column(
            Field::new("error_s", Integer, "Uncertainty of both times, seconds.")
                .required()
                .from(0.0),
            |e, _| Cell::Integer(e.error_s.into()),
        ),
        column(
            Field::new(
                "sites",
                Integer,
                "How many sites say so, to the nearest multiple of three; null \
                 for outside signals.",
            )
            .from(3.0),
            |e, _| e.sites.map_or(Cell::Null, Cell::count),
        ),
        column(
            Field::new("value", Number, "What was seen, as fine as three sites."),
            |e, _| Cell::number(e.value),
        ),
        column(
            Field::new("baseline", Number, "What had been expected, likewise."),
            |e, _| Cell::number(e.baseline),
        ),
        column(
            Field::new(
                "llr",
                Number,
                "How much more likely it is under the event than without, \
                 natural logarithm; null for what sites of ours say, whose \
                 number it would tell.",
            ),
            |e, _| Cell::number(e.sites.is_none().then_some(e.llr)),
        ),
        column(
            Field::new(
                "received_at",
                Time,
                "When it was known; up to the next ten minutes where sites said \
                 it.",
            )
            .required(),
            |e, _| Cell::time(e.received_at),
        ),
        column(
            Field::new("url", Text, "Where the outside signal can be looked up."),
            |e, _| Cell::maybe(e.url.as_deref()),
        ),
        column(
            Field::new("simulated", Truth, super::SIMULATED).required(),
            |_, scene| Cell::Truth(scene.release.simulated),
        ),
    ]
}

/// All evidence of the published events.
pub(in super::super) fn evidence(all: &[Evidence], scene: &Scene<'_>) -> Table {
    let columns = columns();
    let country = |e: &Evidence| e.location.country().map(|c| c.to_string());
    Table {
        name: "evidence",
        title: "Evidence",
        about: "What speaks for or against an event: probes' silence, what their ledgers said afterwards, and what others saw.",
        rows: rows(&columns, all, scene, |e| (e.from, country(e))),
        fields: fields(columns),
        key: &[],
        foreign: &[Foreign {
            fields: &["event_id"],
            table: "events",
            to: &["event_id"],
        }],
    }
}
