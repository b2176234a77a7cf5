//! A revision to test with.

use crate::detect::event::{EventId, Location, Revision};
use faultline_core::time::UnixTime;

/// As the dataset writes it; what is not said is as little as can be.
const LEAST: &str = r#"{
    "event_id": "00000000000000000000000000", "revision": 1, "as_of": 0,
    "revision_reason": "detector", "state": "candidate", "start": 0, "start_lower": 0,
    "start_upper": 0, "start_date_type": "actual", "end": null, "end_lower": null,
    "end_upper": null, "location": "world", "countries": [], "geo_scope": "national",
    "admin1_codes": [], "area_name": null, "asns": [1, 2], "access_types": [],
    "disruption_class": "total_blackout", "alternatives": [], "full_or_service": "full",
    "services": [], "sms_affected": "unknown", "voice_affected": "unknown",
    "cause": "unknown", "cause_status": "unknown", "context": [], "ordered_by": null,
    "gov_ack": "unknown", "legal_basis": null, "source_urls": [], "notes": [],
    "drop_fraction": 0.1, "affected_sites": 5, "eligible_sites": 6, "eligible_asns": 2,
    "coverage": null, "severity_level": 3, "area_pct_min": 1.1, "user_hours": null,
    "belief": 0.97, "confidence": 0.8, "confidence_caps": ["no_outside_signal"],
    "evidence_grade": "C", "signals": ["probe"], "retro_evidence_sites": 0,
    "retro_minutes": 0, "incident_id": null, "merged_into": null, "related_ids": [],
    "detector_version": "test" }"#;

pub(crate) fn revision(
    location: &str,
    number: u32,
    start: UnixTime,
    as_of: UnixTime,
    state: &str,
) -> Revision {
    let location: Location = location.parse().unwrap();
    Revision {
        event_id: EventId::of(&location, start),
        revision: number,
        as_of,
        state: serde_json::from_str(&format!("{state:?}")).unwrap(),
        start,
        countries: location.country().into_iter().collect(),
        location,
        ..serde_json::from_str(LEAST).unwrap()
    }
}
