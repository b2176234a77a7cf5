//! A small fleet whose every site is known, and what a detector would say of it: exact counts
//! of every group, however small, so that what the floors leave out can be told.

use faultline_collector::{
    detect::event::{
        Alternative, Bin, Cause, CauseStatus, Class, Context, Covered, DateType, EventId,
        Evidence, Extent, GeoScope, Grade, Known, Location, Reason, Revision, State,
    },
    export::Material,
};
use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
    time::UnixTime,
};
use std::collections::{BTreeMap, BTreeSet};

/// 2026-03-01, midnight.
pub(crate) const DAY: UnixTime = UnixTime::from_secs(1_772_323_200);
const MINUTE: i64 = 60_000_000;
/// The outage: from 10:00 to 13:07.
const FROM: i64 = 600;
const UNTIL: i64 = 787;

/// Everything that is behind one address range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) country: &'static str,
    pub(crate) asn: u32,
    pub(crate) region: u8,
    pub(crate) mobile: bool,
    pub(crate) affected: bool,
    /// Minute after the end in which it is back.
    pub(crate) back: i64,
    /// Minute after the end in which its ledger comes, where it does.
    pub(crate) ledger: Option<i64>,
}

impl Site {
    fn groups(&self) -> [Location; 6] {
        let country = Country::new(self.country).unwrap();
        let asn = Asn(self.asn);
        let kind = if self.mobile {
            NetworkKind::Mobile
        } else {
            NetworkKind::Fixed
        };
        [
            Location::World,
            Location::Country(country),
            Location::NetworkIn(country, asn),
            Location::Network(asn),
            Location::Access(country, kind),
            Location::Region(format!("{}-{:02}", self.country, self.region)),
        ]
    }

    fn up(&self, minute: i64) -> bool {
        !self.affected || !(FROM..UNTIL + self.back).contains(&minute)
    }
}

pub(crate) fn at(minute: i64) -> UnixTime {
    UnixTime(DAY.0 + minute * MINUTE)
}

/// Sites of each group.
pub(crate) fn groups(sites: &[Site]) -> BTreeMap<Location, Vec<&Site>> {
    let mut groups: BTreeMap<Location, Vec<&Site>> = BTreeMap::new();
    for site in sites {
        for place in site.groups() {
            groups.entry(place).or_default().push(site);
        }
    }
    groups
}

fn asns(sites: &[&Site]) -> BTreeSet<Asn> {
    sites.iter().map(|site| Asn(site.asn)).collect()
}

/// What the detector would have said by the end of the next day.
pub(crate) fn material(sites: &[Site]) -> Material {
    let mut all = Material::default();
    for (place, sites) in groups(sites) {
        coverage(&place, &sites, &mut all);
        bins(&place, &sites, &mut all);
        if sites.iter().any(|site| site.affected) && place != Location::World {
            event(&place, &sites, &mut all);
        }
    }
    all
}

fn coverage(place: &Location, sites: &[&Site], all: &mut Material) {
    for day in 0..2 {
        all.coverage.push(Covered {
            location: place.clone(),
            day: at(day * 1440),
            eligible_sites: sites.len() as u32,
            eligible_asns: asns(sites).len() as u32,
            min_detectable_share: (sites.len() >= 3).then(|| 3.0 / sites.len() as f64),
            deaf_minutes: 0,
        });
    }
}

fn bins(place: &Location, sites: &[&Site], all: &mut Material) {
    for minute in FROM - 20..UNTIL + 60 {
        all.bins.push(Bin {
            location: place.clone(),
            at: at(minute),
            expected: sites.len() as f64 * 0.98,
            observed: sites.iter().filter(|site| site.up(minute)).count() as u32,
            eligible: sites.len() as u32,
        });
    }
}

fn event(place: &Location, sites: &[&Site], all: &mut Material) {
    let affected: Vec<&Site> = sites.iter().copied().filter(|site| site.affected).collect();
    let id = EventId::of(place, at(FROM + 3));
    let mut said = first(id, place, sites, &affected);
    let mut say = |said: &Revision| all.revisions.push(said.clone());
    say(&said);
    let steps = [
        (FROM + 3, State::Suspected),
        (FROM + 12, State::Confirmed),
        (UNTIL + 12, State::Ended),
    ];
    for (minute, state) in steps {
        said.revision += 1;
        (said.as_of, said.state) = (at(minute), state);
        if state == State::Ended {
            said.end = Some(at(UNTIL));
            said.end_lower = Some(at(UNTIL - 1));
            said.end_upper = affected.iter().map(|site| at(UNTIL + site.back)).max();
        }
        say(&said);
    }
    let mut told: Vec<(i64, &Site)> = affected
        .iter()
        .filter_map(|site| Some((site.ledger?, *site)))
        .collect();
    told.sort_by_key(|(minute, _)| *minute);
    for (count, (minute, site)) in told.into_iter().enumerate() {
        said.revision += 1;
        said.as_of = at(UNTIL + 13 + minute);
        said.revision_reason = Reason::LateProbeEvidence;
        said.retro_evidence_sites = count as u32 + 1;
        said.retro_minutes += 187;
        said.belief = (said.belief + 0.003).min(0.99);
        said.signals = vec!["probe".into(), "epoch_log".into()];
        say(&said);
        all.evidence.push(Evidence {
            event_id: id,
            signal: "epoch_log".into(),
            location: place.clone(),
            verdict: "powered_no_upstream".into(),
            from: UnixTime(at(FROM).0 + 17_000_000),
            to: Some(at(UNTIL + site.back)),
            error_s: 9,
            sites: Some(count as u32 + 1),
            value: None,
            baseline: None,
            llr: 3.81 * (count + 1) as f64,
            received_at: said.as_of,
            url: None,
        });
    }
    all.evidence.push(Evidence {
        event_id: id,
        signal: "import:ioda".into(),
        location: place.clone(),
        verdict: "critical".into(),
        from: at(FROM),
        to: None,
        error_s: 300,
        sites: None,
        value: Some(0.12),
        baseline: Some(0.98),
        llr: 2.5,
        received_at: at(FROM + 30),
        url: Some("https://example.org/a;b".into()),
    });
}

fn first(id: EventId, place: &Location, sites: &[&Site], affected: &[&Site]) -> Revision {
    let share = affected.len() as f64 / sites.len() as f64;
    let countries: BTreeSet<Country> = affected
        .iter()
        .filter_map(|site| Country::new(site.country))
        .collect();
    let regions: BTreeSet<String> = affected
        .iter()
        .map(|site| format!("{}-{:02}", site.country, site.region))
        .collect();
    let mut kinds = vec![NetworkKind::Fixed, NetworkKind::Mobile];
    kinds.retain(|kind| {
        let mobile = *kind == NetworkKind::Mobile;
        affected.iter().any(|site| site.mobile == mobile)
    });
    let class = match place {
        Location::NetworkIn(..) => Class::AsnOnly,
        Location::Region(_) => Class::Regional,
        _ => Class::TotalBlackout,
    };
    Revision {
        event_id: id,
        revision: 1,
        as_of: at(FROM + 1),
        revision_reason: Reason::Detector,
        state: State::Candidate,
        start: UnixTime(at(FROM).0 + 12_345_678),
        start_lower: UnixTime(at(FROM).0 - 21_000_001),
        start_upper: UnixTime(at(FROM).0 + 50_000_001),
        start_date_type: DateType::Estimated,
        end: None,
        end_lower: None,
        end_upper: None,
        location: place.clone(),
        countries: countries.into_iter().collect(),
        geo_scope: GeoScope::National,
        admin1_codes: regions.into_iter().collect(),
        area_name: None,
        asns: asns(affected).into_iter().collect(),
        access_types: kinds,
        disruption_class: class,
        alternatives: vec![
            Alternative {
                class,
                probability: 0.913,
            },
            Alternative {
                class: Class::Power,
                probability: 0.087,
            },
        ],
        full_or_service: Extent::Full,
        services: Vec::new(),
        sms_affected: Known::Unknown,
        voice_affected: Known::Unknown,
        cause: Cause::Unknown,
        cause_status: CauseStatus::Unknown,
        context: Vec::new(),
        ordered_by: None,
        gov_ack: Known::Unknown,
        legal_basis: None,
        source_urls: Vec::new(),
        notes: Vec::new(),
        drop_fraction: share,
        affected_sites: affected.len() as u32,
        eligible_sites: sites.len() as u32,
        eligible_asns: asns(sites).len() as u32,
        coverage: Some(0.434),
        severity_level: (share * 5.0) as u8,
        area_pct_min: share * 100.0 * (UNTIL - FROM) as f64,
        user_hours: Some(share * 1_234_567.0),
        belief: 0.9612,
        confidence: 0.8,
        confidence_caps: Vec::new(),
        evidence_grade: Grade::C,
        signals: vec!["probe".into()],
        retro_evidence_sites: 0,
        retro_minutes: 0,
        incident_id: Some(id),
        merged_into: None,
        related_ids: Vec::new(),
        detector_version: "fleet".into(),
    }
}

/// An analyst's word on the newest revision of a country's event.
#[allow(dead_code)] // not every test has an analyst
pub(crate) fn document(material: &mut Material, country: &str) {
    let place = Location::Country(Country::new(country).unwrap());
    let own = material
        .revisions
        .iter()
        .filter(|said| said.location == place);
    let mut said = own.max_by_key(|said| said.revision).unwrap().clone();
    said.revision += 1;
    said.as_of = at(1900);
    said.revision_reason = Reason::Analyst;
    (said.cause, said.cause_status) = (Cause::Government, CauseStatus::Documented);
    said.context = vec![Context::Election];
    said.ordered_by = Some("Executive government".into());
    said.gov_ack = Known::Yes;
    said.source_urls = vec!["https://example.org/decree?a=1;b=2".into()];
    said.notes =
        vec!["The decree is of the day before; \"security\", it says,\nand no more.".into()];
    material.revisions.push(said);
}
