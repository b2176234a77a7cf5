//! Events in the words of Access Now's `KeepItOn` STOP dataset: its 46 columns, by day.
//!
//! That dataset is of shutdowns that somebody ordered. So only events are here whose cause a
//! government or an exam is, reported or documented: what signals alone say accuses nobody.

use super::{
    cite, csv,
    describe::{self, marked},
    moment,
    package::{File, Package},
    table::Scene,
};
use crate::detect::event::{
    Cause, CauseStatus, Class, Context, DateType, Extent, GeoScope, Known, Revision, State,
};
use faultline_core::measurement::NetworkKind;

type Column = (&'static str, fn(&Revision, &Scene<'_>) -> String);

/// The columns of the workbook 2016 to 2023, in its order. What only people can know stays
/// empty.
const COLUMNS: [Column; 46] = [
    ("start_date_type", |e, _| match e.start_date_type {
        DateType::Actual => "Actual".into(),
        DateType::Estimated => "Estimated".into(),
    }),
    ("start_date", |e, _| moment::day(e.start)),
    ("country", |e, scene| {
        join(e.countries.iter().map(|c| scene.names.country(*c)))
    }),
    ("geo_scope", |e, _| {
        match e.geo_scope {
            GeoScope::Local => "It only affected one city, county, or village",
            GeoScope::Regional => {
                "It affected more than one city in the same state, province, or region"
            }
            GeoScope::National | GeoScope::Multi => {
                "It affected locations in more than one state, province, or region"
            }
        }
        .into()
    }),
    ("area_name", |e, _| {
        e.area_name
            .clone()
            .unwrap_or_else(|| join(e.admin1_codes.iter().cloned()))
    }),
    ("shutdown_type", |e, _| match e.disruption_class {
        Class::Throttling => "Throttle".into(),
        _ => "Shutdown".into(),
    }),
    ("affected_network", |e, _| networks(e)),
    ("shutdown_extent", |e, _| match e.full_or_service {
        Extent::Full => "Full network".into(),
        Extent::Service => "Service-based".into(),
    }),
    ("ordered_by", |e, _| {
        e.ordered_by.clone().unwrap_or_else(|| "Unknown".into())
    }),
    ("decision_maker", nothing),
    ("actual_cause", |e, _| cause(e)),
    ("actual_cause_details", |e, _| join(e.notes.iter().cloned())),
    ("info_source", |_, scene| scene.release.publisher.clone()),
    ("info_source_link", |e, _| {
        e.source_urls.first().cloned().unwrap_or_default()
    }),
    ("shutdown_status", |e, _| {
        if e.end.is_some() {
            "Ended".into()
        } else {
            "Ongoing".into()
        }
    }),
    ("end_date", |e, _| {
        e.end.map(moment::day).unwrap_or_default()
    }),
    ("duration", |e, _| days(e)),
    ("gov_justification", nothing),
    ("gov_just_details", nothing),
    ("gov_ack", |e, _| known(e.gov_ack)),
    ("legal_just", |e, _| {
        if e.legal_basis.is_some() {
            "Yes".into()
        } else {
            "Unknown".into()
        }
    }),
    ("legal_method", |e, _| {
        e.legal_basis.clone().unwrap_or_default()
    }),
    ("gov_ack_source", nothing),
    ("gov_ack_quote", nothing),
    ("facebook_affected", |e, _| service(e, "facebook")),
    ("twitter_affected", |e, _| service(e, "twitter")),
    ("whatsapp_affected", |e, _| service(e, "whatsapp")),
    ("instagram_affected", |e, _| service(e, "instagram")),
    ("telegram_affected", |e, _| service(e, "telegram")),
    ("other_affected", |e, _| {
        join(e.services.iter().filter(|s| !named(s)).cloned())
    }),
    ("sms_affected", |e, _| known(e.sms_affected)),
    ("phonecall_affected", |e, _| known(e.voice_affected)),
    ("telcos_involved", |e, scene| {
        join(e.asns.iter().map(|asn| {
            scene
                .names
                .network(*asn)
                .map_or_else(|| asn.to_string(), Into::into)
        }))
    }),
    ("telco_ack", nothing),
    ("telco_ack_source", nothing),
    ("telco_ack_quote", nothing),
    ("election", |e, _| {
        if e.context.contains(&Context::Election) {
            "Yes".into()
        } else {
            "Unknown".into()
        }
    }),
    ("violence", nothing),
    ("hr_abuse_reported", nothing),
    ("users_targeted", nothing),
    ("users_target_detail", nothing),
    ("users_notified", nothing),
    ("econ_impact", nothing),
    ("event", |e, _| e.event_id.to_string()),
    ("an_link", nothing),
    ("region", nothing),
];

fn nothing(_: &Revision, _: &Scene<'_>) -> String {
    String::new()
}

/// One table of what the dataset is about.
pub(super) fn package(newest: &[Revision], scene: &Scene<'_>) -> Package {
    let about = |e: &&Revision| {
        let ordered = matches!(e.cause, Cause::Government | Cause::Exam);
        let said = matches!(
            e.cause_status,
            CauseStatus::Reported | CauseStatus::Documented
        );
        let stands = !matches!(e.state, State::Retracted | State::Lapsed | State::Merged);
        ordered && said && stands
    };
    let events: Vec<&Revision> = newest.iter().filter(about).collect();
    let head = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows = events
        .iter()
        .map(|e| COLUMNS.iter().map(|(_, of)| of(e, scene)).collect());
    let bytes = csv::lines(std::iter::once(head).chain(rows));
    let readme = format!(
        "# {}, in the columns of KeepItOn\n\nVersion {}, as of {}. Days are of UTC. Only events whose cause is reported or documented as a\ngovernment's order. Columns that measurements cannot fill are empty.\n",
        cite::title(scene.release),
        scene.release.version,
        moment::iso(scene.release.as_of)
    );
    let files = vec![
        File::new(format!("{}kio.csv", describe::mark(scene)), bytes),
        cite::licence(scene),
        File::new("README.md", marked(scene, readme)),
    ];
    let rows = vec![("kio".to_owned(), events.len())];
    Package::sealed(
        format!("{}-kio", describe::name(scene)),
        files,
        scene.release.as_of,
        rows,
    )
}

fn join(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

fn known(known: Known) -> String {
    match known {
        Known::Yes => "Yes",
        Known::No => "No",
        Known::Unknown => "Unknown",
    }
    .into()
}

fn networks(e: &Revision) -> String {
    let has = |kind| e.access_types.contains(&kind);
    match e.disruption_class {
        Class::MobileOnly => return "Mobile".into(),
        Class::FixedOnly => return "Broadband".into(),
        _ => {}
    }
    match (has(NetworkKind::Fixed), has(NetworkKind::Mobile)) {
        (true, true) => "Broadband, Mobile",
        (true, false) => "Broadband",
        (false, true) => "Mobile",
        (false, false) => "Unknown",
    }
    .into()
}

fn cause(e: &Revision) -> String {
    let context = e.context.iter().map(|context| match context {
        Context::Election => "Elections",
        Context::Protest => "Protests",
        Context::Exam => "Exam cheating",
        Context::Coup | Context::Conflict => "Political instability",
        Context::Religious => "Religious holiday/anniversary",
    });
    let mut causes: Vec<&str> = context.collect();
    if e.cause == Cause::Exam {
        causes.push("Exam cheating");
    }
    causes.sort_unstable();
    causes.dedup();
    if causes.is_empty() {
        "Unknown".into()
    } else {
        causes.join(", ")
    }
}

/// Days of UTC that it touched; it goes on where nothing stands here.
fn days(e: &Revision) -> String {
    let day = |at: faultline_core::time::UnixTime| at.secs().div_euclid(86_400);
    e.end
        .map(|end| (day(end) - day(e.start) + 1).to_string())
        .unwrap_or_default()
}

const NAMED: [&str; 5] = ["facebook", "twitter", "whatsapp", "instagram", "telegram"];

fn named(service: &str) -> bool {
    NAMED
        .iter()
        .any(|name| service.to_ascii_lowercase().contains(name))
}

/// Of a whole network nobody looked at single services.
fn service(e: &Revision, name: &str) -> String {
    let lost = e
        .services
        .iter()
        .any(|s| s.to_ascii_lowercase().contains(name));
    match (e.full_or_service, lost) {
        (_, true) => "Yes",
        (Extent::Service, false) => "No",
        (Extent::Full, false) => "Unknown",
    }
    .into()
}
