//! Columns of `events` and `revisions`: what is said of an event, as `shutdown-events` v1 has it.

use super::{Cell, Column, Field, Foreign, Kind, Scene, Table, column, rows};
use crate::detect::event::{
    Cap, Cause, CauseStatus, Class, Context, DateType, Extent, GeoScope, Grade, Known, Reason,
    Revision, State,
};
use faultline_core::measurement::NetworkKind;

/// The words of an enum of words.
macro_rules! words {
    ($name:ident) => {
        || $name::ALL.iter().map(|word| word.word()).collect()
    };
}

const ULID: &str = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$";

fn known() -> Vec<&'static str> {
    words!(Known)()
}

/// States that are published.
fn states() -> Vec<&'static str> {
    let published = State::ALL
        .iter()
        .filter(|state| **state != State::Candidate);
    published.map(|state| state.word()).collect()
}

fn kinds() -> Vec<&'static str> {
    vec!["fixed", "mobile", "satellite"]
}

pub(super) const fn kind_word(kind: NetworkKind) -> Option<&'static str> {
    match kind {
        NetworkKind::Fixed => Some("fixed"),
        NetworkKind::Mobile => Some("mobile"),
        NetworkKind::Satellite => Some("satellite"),
        _ => None,
    }
}

/// How long it lasted, seconds; none while it goes on.
fn lasted(event: &Revision) -> Option<i64> {
    event.end.map(|end| end.secs() - event.start.secs())
}

/// How uncertain that is: both intervals together.
fn uncertainty(event: &Revision) -> Option<i64> {
    let start = event.start_upper.secs() - event.start_lower.secs();
    let end = event.end_upper?.secs() - event.end_lower?.secs();
    Some(start + end)
}

fn columns() -> Vec<Column<Revision>> {
    use Kind::{Integer, Integers, Number, Text, Texts, Time, Truth, Word, Words};
    vec![
        column(
            Field::new(
                "event_id",
                Text,
                "Name of the event, a ULID; its first ten characters are the \
                 time of the first alarm.",
            )
            .required()
            .like(ULID)
            .hxl("#event+id"),
            |e, _| Cell::text(e.event_id.to_string()),
        ),
        column(
            Field::new(
                "revision",
                Integer,
                "Which revision of the event this is, counted from 1. Numbers \
                 that are missing were not published: they added nothing above \
                 the floors.",
            )
            .required()
            .from(1.0)
            .hxl("#meta+revision"),
            |e, _| Cell::Integer(e.revision.into()),
        ),
        column(
            Field::new(
                "as_of",
                Time,
                "When this was said. What was known on a day is the revision \
                 with the greatest as_of before it.",
            )
            .required()
            .hxl("#date+updated"),
            |e, _| Cell::time(e.as_of),
        ),
        column(
            Field::new(
                "revision_reason",
                Word(words!(Reason)),
                "Why it was said anew.",
            )
            .required()
            .hxl("#meta+reason"),
            |e, _| Cell::text(e.revision_reason.word()),
        ),
        column(
            Field::new(
                "state",
                Word(states),
                "How far it has come. suspected and confirmed say that \
                 connectivity was lost, never why; lapsed was over before it \
                 could be confirmed; retracted was wrong; merged is part of \
                 another event.",
            )
            .required()
            .hxl("#status"),
            |e, _| Cell::text(e.state.word()),
        ),
        column(
            Field::new(
                "start_utc",
                Time,
                "When it began: best guess, to the minute.",
            )
            .required()
            .hxl("#date+start"),
            |e, _| Cell::time(e.start),
        ),
        column(
            Field::new("start_lower", Time, "It began no earlier.")
                .required()
                .hxl("#date+start+min"),
            |e, _| Cell::time(e.start_lower),
        ),
        column(
            Field::new("start_upper", Time, "It began no later.")
                .required()
                .hxl("#date+start+max"),
            |e, _| Cell::time(e.start_upper),
        ),
        column(
            Field::new(
                "start_date_type",
                Word(words!(DateType)),
                "Whether the start is what happened or the best guess, in \
                 KeepItOn's words.",
            )
            .required()
            .hxl("#date+start+type"),
            |e, _| Cell::text(e.start_date_type.word()),
        ),
        column(
            Field::new(
                "end_utc",
                Time,
                "When it ended: best guess; to ten minutes where few sites tell \
                 it. Null while it goes on.",
            )
            .hxl("#date+end"),
            |e, _| Cell::time(e.end),
        ),
        column(
            Field::new("end_lower", Time, "It ended no earlier.").hxl("#date+end+min"),
            |e, _| Cell::time(e.end_lower),
        ),
        column(
            Field::new("end_upper", Time, "It ended no later.").hxl("#date+end+max"),
            |e, _| Cell::time(e.end_upper),
        ),
        column(
            Field::new("duration_s", Integer, "From start_utc to end_utc, seconds.")
                .from(0.0)
                .hxl("#indicator+duration+seconds"),
            |e, _| lasted(e).map_or(Cell::Null, Cell::Integer),
        ),
        column(
            Field::new(
                "uncertainty_s",
                Integer,
                "Widths of both intervals together, seconds.",
            )
            .from(0.0),
            |e, _| uncertainty(e).map_or(Cell::Null, Cell::Integer),
        ),
        column(
            Field::new(
                "country_code",
                Text,
                "ISO 3166-1 alpha-2 of the country; null for events that \
                 countries share.",
            )
            .like("^[A-Z]{2}$")
            .hxl("#country+code+v_iso2"),
            |e, _| Cell::maybe(sole(e)),
        ),
        column(
            Field::new("country_name", Text, "Its name.").hxl("#country+name"),
            |e, scene| Cell::maybe(one(e).map(|c| scene.names.country(c))),
        ),
        column(
            Field::new("country_codes", Texts, "All countries touched.")
                .hxl("#country+code+list"),
            |e, _| Cell::texts(&e.countries),
        ),
        column(
            Field::new(
                "location",
                Text,
                "What the affected have in common: world, country/IR, asn/812, \
                 country/IR/asn/812, country/IR/access/mobile, or region/IR-07.",
            )
            .required()
            .hxl("#loc+id"),
            |e, _| Cell::text(e.location.to_string()),
        ),
        column(
            Field::new("geo_scope", Word(words!(GeoScope)), "How wide it is.")
                .required()
                .hxl("#loc+type"),
            |e, _| Cell::text(e.geo_scope.word()),
        ),
        column(
            Field::new(
                "admin1_codes",
                Texts,
                "ISO 3166-2 codes of the regions; never anything finer.",
            )
            .hxl("#adm1+code+list"),
            |e, _| Cell::texts(&e.admin1_codes),
        ),
        column(
            Field::new("area_name", Text, "The area in words, by a document.")
                .hxl("#adm1+name"),
            |e, _| Cell::maybe(e.area_name.as_deref()),
        ),
        column(
            Field::new(
                "asns",
                Integers,
                "Affected networks (AS numbers). Networks with fewer than three \
                 sites are left out.",
            )
            .hxl("#org+asn+list"),
            |e, _| Cell::Integers(e.asns.iter().map(|asn| asn.0.into()).collect()),
        ),
        column(
            Field::new("telcos", Texts, "Their names, where known.").hxl("#org+name+list"),
            |e, scene| Cell::texts(e.asns.iter().filter_map(|asn| scene.names.network(*asn))),
        ),
        column(
            Field::new(
                "access_types",
                Words(kinds),
                "Kinds of access that were lost; empty where that is not known.",
            )
            .hxl("#service+access+list"),
            |e, _| Cell::texts(e.access_types.iter().filter_map(|kind| kind_word(*kind))),
        ),
        column(
            Field::new(
                "disruption_class",
                Word(words!(Class)),
                "What kind of loss it is: how, never why.",
            )
            .required()
            .hxl("#event+type"),
            |e, _| Cell::text(e.disruption_class.word()),
        ),
        column(
            Field::new(
                "alternatives",
                Texts,
                "What else it could be, most likely first: class:probability.",
            ),
            |e, _| {
                Cell::texts(
                    e.alternatives
                        .iter()
                        .map(|a| format!("{}:{}", a.class, a.probability)),
                )
            },
        ),
        column(
            Field::new(
                "full_or_service",
                Word(words!(Extent)),
                "Everything, or some services.",
            )
            .required()
            .hxl("#event+extent"),
            |e, _| Cell::text(e.full_or_service.word()),
        ),
        column(
            Field::new(
                "services",
                Texts,
                "Services that were lost, where others were not.",
            )
            .hxl("#service+list"),
            |e, _| Cell::texts(&e.services),
        ),
        column(
            Field::new(
                "sms_affected",
                Word(known),
                "Whether text messages were lost, by a document.",
            )
            .required(),
            |e, _| Cell::text(e.sms_affected.word()),
        ),
        column(
            Field::new(
                "voice_affected",
                Word(known),
                "Whether calls were lost, by a document.",
            )
            .required(),
            |e, _| Cell::text(e.voice_affected.word()),
        ),
        column(
            Field::new(
                "cause",
                Word(words!(Cause)),
                "Why it happened. Only an analyst with a source says more than \
                 unknown, power and cable.",
            )
            .required()
            .hxl("#cause"),
            |e, _| Cell::text(e.cause.word()),
        ),
        column(
            Field::new(
                "cause_status",
                Word(words!(CauseStatus)),
                "Who says so: the signals, others in general, or a document \
                 that source_urls names.",
            )
            .required()
            .hxl("#cause+status"),
            |e, _| Cell::text(e.cause_status.word()),
        ),
        column(
            Field::new(
                "context",
                Words(words!(Context)),
                "What else was going on, by a document.",
            )
            .hxl("#event+context+list"),
            |e, _| Cell::texts(&e.context),
        ),
        column(
            Field::new(
                "ordered_by",
                Text,
                "Who ordered it, in KeepItOn's words, by a document.",
            ),
            |e, _| Cell::maybe(e.ordered_by.as_deref()),
        ),
        column(
            Field::new(
                "gov_ack",
                Word(known),
                "Whether a government acknowledged it, by a document.",
            )
            .required(),
            |e, _| Cell::text(e.gov_ack.word()),
        ),
        column(
            Field::new("legal_basis", Text, "On which legal ground, by a document."),
            |e, _| Cell::maybe(e.legal_basis.as_deref()),
        ),
        column(
            Field::new("source_urls", Texts, "The documents.").hxl("#meta+url+list"),
            |e, _| Cell::texts(&e.source_urls),
        ),
        column(
            Field::new("notes", Texts, "What analysts noted, newest last.").hxl("#description"),
            |e, _| Cell::texts(&e.notes),
        ),
        column(
            Field::new(
                "drop_fraction",
                Number,
                "Share of eligible sites that was lost at the worst: \
                 affected_sites over eligible_sites, so as fine as three sites.",
            )
            .from(0.0)
            .to(1.0)
            .hxl("#indicator+drop"),
            |e, _| Cell::number(share(e)),
        ),
        column(
            Field::new(
                "affected_sites",
                Integer,
                "Sites that were lost, to the nearest multiple of three. A site \
                 is all probes behind one /24 or /48.",
            )
            .from(3.0)
            .hxl("#affected+sites"),
            |e, _| Cell::count(e.affected_sites),
        ),
        column(
            Field::new(
                "eligible_sites",
                Integer,
                "Sites that would have been heard, to the nearest multiple of \
                 three.",
            )
            .from(3.0),
            |e, _| Cell::count(e.eligible_sites),
        ),
        column(
            Field::new("affected_asns", Integer, "Networks in asns.")
                .required()
                .from(0.0),
            |e, _| Cell::Integer(e.asns.len() as i64),
        ),
        column(
            Field::new(
                "eligible_asns",
                Integer,
                "Networks that have three eligible sites or more; null where \
                 none has, or that is not known.",
            )
            .from(1.0),
            |e, _| Cell::count(e.eligible_asns),
        ),
        column(
            Field::new(
                "coverage",
                Number,
                "Share of the country's users in networks with eligible sites, \
                 rounded down to a tenth; null where not known.",
            )
            .from(0.0)
            .to(1.0),
            |e, _| Cell::number(e.coverage),
        ),
        column(
            Field::new(
                "severity_level",
                Integer,
                "0 to 5, by loss times share of users.",
            )
            .required()
            .from(0.0)
            .to(5.0)
            .hxl("#severity"),
            |e, _| Cell::Integer(e.severity_level.into()),
        ),
        column(
            Field::new(
                "area_pct_min",
                Number,
                "Loss in percent times minutes, as IODA counts it; two digits.",
            )
            .from(0.0)
            .hxl("#severity+area"),
            |e, _| Cell::number(e.area_pct_min),
        ),
        column(
            Field::new(
                "user_hours",
                Number,
                "Users without a connection times hours; one digit.",
            )
            .from(0.0)
            .hxl("#affected+hours"),
            |e, _| Cell::number(e.user_hours),
        ),
        column(
            Field::new(
                "belief",
                Number,
                "Probability that it happened, calibrated: of those at .9, nine \
                 in ten did.",
            )
            .required()
            .from(0.0)
            .to(1.0),
            |e, _| Cell::number(e.belief),
        ),
        column(
            Field::new(
                "confidence",
                Number,
                "The belief, but not above what confidence_caps allow.",
            )
            .required()
            .from(0.0)
            .to(1.0)
            .hxl("#indicator+confidence"),
            |e, _| Cell::number(e.confidence),
        ),
        column(
            Field::new(
                "confidence_caps",
                Words(words!(Cap)),
                "What kept the confidence below the belief.",
            ),
            |e, _| Cell::texts(&e.confidence_caps),
        ),
        column(
            Field::new(
                "evidence_grade",
                Word(words!(Grade)),
                "A: several networks, inside evidence and an outside signal; B: \
                 one of the two; C: several networks by liveness alone; D: one \
                 network, few sites, or bad clocks.",
            )
            .required(),
            |e, _| Cell::text(e.evidence_grade.word()),
        ),
        column(
            Field::new(
                "signals",
                Texts,
                "Of what kinds the evidence is: probe, epoch_log, import:ioda \
                 and others.",
            )
            .hxl("#meta+source+list"),
            |e, _| Cell::texts(&e.signals),
        ),
        column(
            Field::new(
                "retro_evidence_sites",
                Integer,
                "Sites that said afterwards what they saw, to the nearest \
                 multiple of three.",
            )
            .from(3.0),
            |e, _| Cell::count(e.retro_evidence_sites),
        ),
        column(
            Field::new(
                "retro_minutes",
                Integer,
                "Their minutes of evidence, in proportion.",
            )
            .from(1.0),
            |e, _| Cell::count(e.retro_minutes),
        ),
        column(
            Field::new(
                "incident_id",
                Text,
                "Events of one incident share it: the first of them.",
            )
            .like(ULID),
            |e, _| Cell::maybe(e.incident_id.map(|id| id.to_string())),
        ),
        column(
            Field::new("merged_into", Text, "The event that took this one in.").like(ULID),
            |e, _| Cell::maybe(e.merged_into.map(|id| id.to_string())),
        ),
        column(
            Field::new("related_ids", Texts, "Other events that may belong to it."),
            |e, _| Cell::texts(&e.related_ids),
        ),
        column(
            Field::new("detector_version", Text, "Which algorithm spoke.")
                .required()
                .hxl("#meta+version"),
            |e, _| Cell::text(e.detector_version.as_str()),
        ),
        column(
            Field::new(
                "dataset_version",
                Text,
                "The release that this row was published in.",
            )
            .required(),
            |_, scene| Cell::text(scene.release.version.as_str()),
        ),
        column(
            Field::new("licence", Text, "Under which licence.")
                .required()
                .hxl("#meta+license"),
            |_, scene| Cell::text(scene.release.licence.id.as_str()),
        ),
        column(
            Field::new("simulated", Truth, super::SIMULATED).required(),
            |_, scene| Cell::Truth(scene.release.simulated),
        ),
    ]
}

/// The one country.
fn one(event: &Revision) -> Option<faultline_core::id::Country> {
    match *event.countries.as_slice() {
        [country] => Some(country),
        _ => event.location.country(),
    }
}

fn sole(event: &Revision) -> Option<String> {
    one(event).map(|country| country.to_string())
}

/// By the published counts.
fn share(event: &Revision) -> Option<f64> {
    (event.eligible_sites > 0 && event.affected_sites > 0).then_some(event.drop_fraction)
}

/// The newest revision of each event.
pub(in super::super) fn events(newest: &[Revision], scene: &Scene<'_>) -> Table {
    let columns = columns();
    Table {
        name: "events",
        title: "Events",
        about: "One row for each event: its newest revision.",
        rows: rows(&columns, newest, scene, |e| (e.start, sole(e))),
        fields: fields(columns),
        key: &["event_id"],
        foreign: &[Foreign {
            fields: &["event_id", "revision"],
            table: "revisions",
            to: &["event_id", "revision"],
        }],
    }
}

/// Every revision of every event.
pub(in super::super) fn revisions(all: &[Revision], scene: &Scene<'_>) -> Table {
    let columns = columns();
    Table {
        name: "revisions",
        title: "Revisions",
        about: "Everything that was said of each event, and when: one full row for each revision.",
        rows: rows(&columns, all, scene, |e| (e.start, sole(e))),
        fields: fields(columns),
        key: &["event_id", "revision"],
        foreign: &[Foreign {
            fields: &["event_id"],
            table: "events",
            to: &["event_id"],
        }],
    }
}

pub(super) fn fields<R>(columns: Vec<Column<R>>) -> Vec<Field> {
    columns.into_iter().map(|column| column.field).collect()
}
