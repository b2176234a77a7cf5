//! What happened in a country on each day of a year, and what would have been seen?

use super::{Service, moment, on_disk, pages::parse_country, refused::Refused, wire};
use crate::{
    detect::event::{Covered, Location, Revision, State},
    export::Hold,
    store::events::Sought,
    watch::public::{BLUNT, Public},
};
use axum::{
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use faultline_core::time::UnixTime;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

const DAY: i64 = moment::DAY;
const MINUTE: i64 = 60_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    year: Option<u16>,
}

pub(super) async fn calendar(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
    Path(code): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    let country = parse_country(&code)?;
    let Query(wanted) = wanted.map_err(|e| Refused::bad_query(e.body_text()))?;
    let now = (service.now)();
    let this = now.to_string();
    let this = this.split('-').next().and_then(|year| year.parse().ok());
    let year = wanted.year.or(this).unwrap_or_default();
    let first = |year: u16| {
        let date = moment::parse(&format!("{year:04}-01-01"));
        date.filter(|_| (1970..=2200).contains(&year))
            .ok_or_else(|| Refused::bad_query("year is a number, like 2026"))
    };
    // A day that is still to come is none.
    let days = first(year)?..first(year.saturating_add(1))?.min(now);
    on_disk(move || {
        let (mut happened, mut covered) = (Vec::new(), BTreeMap::new());
        let mut deaf: BTreeMap<UnixTime, u32> = BTreeMap::new();
        if let Some(events) = service.events.as_deref() {
            let sought = Sought {
                country: Some(country),
                window: Some(
                    UnixTime(days.start.0 - BLUNT)..UnixTime(days.end.0.saturating_add(BLUNT)),
                ),
                ..Sought::default()
            };
            let hold = Hold::of(&service.config.dataset);
            let mut known = Public::new(events, &hold, now);
            for revision in events.events(&sought)? {
                let said = known.newest(revision.event_id)?;
                happened.extend(said.filter(|said| said.countries.contains(&country)));
            }
            for row in known.coverage_in(country, days.clone())? {
                // The collector is deaf for all countries.
                let most = deaf.entry(row.day).or_default();
                *most = row.deaf_minutes.max(*most);
                if row.location == Location::Country(country) {
                    covered.insert(row.day, row);
                }
            }
        }
        let lines = lines(&days, &happened, &covered, &deaf, now);
        let value = json!({
            "simulated": service.config.simulated,
            "country": country,
            "name": service.scores.names.country(country),
            "year": year,
            "days": lines,
        });
        let bytes = serde_json::to_vec(&value).map_err(|e| Refused::internal(&e))?;
        wire::again(&headers, wire::media_type(false), bytes)
    })
    .await
}

fn lines(
    days: &Range<UnixTime>,
    events: &[Revision],
    covered: &BTreeMap<UnixTime, Covered>,
    deaf: &BTreeMap<UnixTime, u32>,
    now: UnixTime,
) -> Vec<Value> {
    let mut lines = Vec::new();
    let mut at = days.start;
    while at < days.end {
        let day = at..UnixTime(at.0 + DAY);
        let touching: Vec<&Revision> = events
            .iter()
            .filter(|event| overlap(event, &day, now).is_some())
            .collect();
        let worst = touching.iter().max_by_key(|event| gravity(event.state));
        let worst = worst.filter(|event| gravity(event.state) > 0);
        let row = covered.get(&at);
        let date = at.to_string();
        lines.push(json!({
            "day": date.split('T').next(),
            "worst_state": worst.map(|event| event.state),
            "worst_class": worst.map(|event| event.disruption_class),
            "lost_minutes": lost(&touching, &day, now),
            "event_ids": touching.iter().map(|event| event.event_id).collect::<Vec<_>>(),
            "eligible_sites": row.map_or(0, |row| row.eligible_sites),
            "min_detectable_share": row.and_then(|row| row.min_detectable_share),
            "deaf_minutes": deaf.get(&at).copied().unwrap_or_default(),
        }));
        at = day.end;
    }
    lines
}

/// How grave a state is; nothing was lost by what was no event.
const fn gravity(state: State) -> u8 {
    match state {
        State::Confirmed | State::Ending | State::Ended | State::Final => 3,
        State::Suspected => 2,
        State::Lapsed => 1,
        _ => 0,
    }
}

fn overlap(event: &Revision, day: &Range<UnixTime>, now: UnixTime) -> Option<Range<i64>> {
    let end = event.end.unwrap_or(now).min(now);
    let both = event.start.max(day.start).0..end.min(day.end).0;
    (both.start < both.end).then_some(both)
}

/// Minutes in which something was lost, each once.
fn lost(events: &[&Revision], day: &Range<UnixTime>, now: UnixTime) -> i64 {
    let grave = events.iter().filter(|event| gravity(event.state) >= 2);
    let mut spans: Vec<_> = grave.filter_map(|event| overlap(event, day, now)).collect();
    spans.sort_by_key(|span| span.start);
    let (mut sum, mut reached) = (0, i64::MIN);
    for span in spans {
        sum += (span.end - span.start.max(reached)).max(0);
        reached = reached.max(span.end);
    }
    (sum + MINUTE / 2) / MINUTE
}
