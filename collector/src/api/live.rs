//! What is going on now, and what would be seen if something were? A country where too few
//! sites are is *not covered*, which is never shown as quiet.

use super::{Service, moment, on_disk, refused::Refused, wire};
use crate::{
    detect::event::{Covered, Location, Revision, State},
    export::{
        Hold,
        floors::{Wide, count},
    },
    store::events::{DEAF, Events, Sought},
    watch::public::{self, BLUNT, Public},
};
use axum::{
    extract::{Query, State as Shared, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use faultline_core::{
    id::Country,
    time::{Duration, UnixTime},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const DAY: i64 = moment::DAY;
/// A bin that began earlier says nothing of now: of ten minutes, told when they are over.
const FRESH: Duration = Duration::from_mins(25);

/// States of what is not over, the gravest last.
const GOING_ON: [State; 3] = [State::Ending, State::Suspected, State::Confirmed];

/// What is known of one country.
#[derive(Default)]
struct Now {
    bin: Option<Wide>,
    /// Sites that were heard, where no event has bins.
    heard: Option<u32>,
    covered: Option<Covered>,
    event: Option<Revision>,
}

pub(super) async fn live(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    on_disk(move || {
        let now = (service.now)();
        let mut deaf = true;
        let mut as_of = None;
        let mut countries = BTreeMap::new();
        if let Some(events) = service.events.as_deref() {
            let pause = back(now, DEAF);
            deaf = service.watch.is_none()
                || events
                    .lives(pause)?
                    .last()
                    .is_none_or(|(_, until)| *until < pause);
            as_of = events.steps()?.last().map(|(_, until)| *until);
            let hold = Hold::of(&service.config.dataset);
            let known = &mut Public::new(events, &hold, now);
            countries = going_on(events, known, as_of.unwrap_or(now))?;
            if let Some(watch) = &service.watch {
                for (country, sites) in watch.heard() {
                    if let Some(known) = countries.get_mut(&country) {
                        known.heard = Some(sites);
                    }
                }
            }
        }
        // All there are: that one is missing would tell that a few sites are in another.
        for (country, _) in service.scores.names.countries() {
            countries.entry(country).or_default();
        }
        countries.remove(&Country::UNKNOWN);
        let lines = countries.into_iter().map(|(country, known)| {
            line(country, &service.scores.names.country(country), &known)
        });
        let value = json!({
            "simulated": service.config.simulated,
            "as_of": as_of.map(|at| at.to_string()),
            "countries": lines.collect::<Vec<_>>(),
            "deaf": deaf,
            "licence": service.config.dataset.licence,
            "lag": lag(service.config.beats.interval),
        });
        let bytes = serde_json::to_vec(&value).map_err(|e| Refused::internal(&e))?;
        wire::again(&headers, wire::media_type(false), bytes)
    })
    .await
}

/// What the beats allow: silent is who misses three, a minute is gone through after its end, and
/// what is confirmed has lasted for ten.
fn lag(interval: u16) -> Value {
    let suspected = 3 * u64::from(interval) + 66;
    json!({
        "interval_s": interval,
        "suspected_s": suspected,
        "confirmed_s": suspected + 600,
    })
}

fn going_on(
    events: &dyn Events,
    known: &mut Public<'_>,
    at: UnixTime,
) -> Result<BTreeMap<Country, Now>, Refused> {
    let mut countries: BTreeMap<Country, Now> = BTreeMap::new();
    let fresh = back(at, FRESH);
    for bin in events.newest_bins(fresh)? {
        if let Location::Country(country) = bin.location {
            let mut bins = known.bins(&bin.location, &(fresh..at))?;
            bins.retain(|wide| wide.bin.at >= fresh);
            countries.entry(country).or_default().bin = bins.pop();
        }
    }
    let today = at.0 - at.0.rem_euclid(DAY);
    for covered in known.coverage(UnixTime(today - DAY)..UnixTime(today + DAY))? {
        if let Location::Country(country) = covered.location {
            // By day: the later one stays.
            countries.entry(country).or_default().covered = Some(covered);
        }
    }
    // By what is published of them: of that, too, the end may not be told yet.
    let mut found = events.events(&Sought {
        window: Some(back(at, Duration::from_micros(BLUNT as u64))..UnixTime(i64::MAX)),
        ..Sought::default()
    })?;
    for state in GOING_ON {
        found.extend(events.events(&Sought {
            state: Some(state),
            ..Sought::default()
        })?);
    }
    let names: BTreeSet<_> = found.iter().map(|revision| revision.event_id).collect();
    let mut said = Vec::new();
    for event in names {
        let newest = known.newest(event)?;
        said.extend(newest.filter(|newest| GOING_ON.contains(&newest.state)));
    }
    // The gravest comes last, and of one state what is known of the whole country; of that, the
    // one that began first.
    said.sort_by_key(|event| {
        let gravity = GOING_ON.iter().position(|state| *state == event.state);
        let whole = matches!(event.location, Location::Country(_));
        (gravity, whole, std::cmp::Reverse(event.start))
    });
    for event in said {
        for country in event.countries.clone() {
            countries.entry(country).or_default().event = Some(event.clone());
        }
    }
    Ok(countries)
}

fn line(country: Country, name: &str, known: &Now) -> Value {
    let (bin, covered) = (
        known.bin.as_ref().map(|wide| &wide.bin),
        known.covered.as_ref(),
    );
    let sites = match (bin, covered) {
        (Some(bin), _) => bin.eligible,
        (None, Some(covered)) => covered.eligible_sites,
        (None, None) => 0,
    };
    let enough = sites > 0;
    let heard = known.heard.filter(|_| enough);
    let heard = heard.map(|heard| count(heard).min(sites));
    let state = match &known.event {
        Some(event) => event.state.word(),
        None if enough => "quiet",
        None => "not_covered",
    };
    json!({
        "country": country,
        "name": name,
        "eligible_sites": sites,
        "eligible_asns": covered.map_or(0, |c| c.eligible_asns),
        "observed": bin.map(|b| b.observed).or(heard),
        "expected": bin.map(|b| b.expected),
        "state": state,
        "event_id": known.event.as_ref().map(|event| event.event_id),
        "min_detectable_share": covered.and_then(|c| c.min_detectable_share),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    day: Option<String>,
}

/// Where what would have been seen.
pub(super) async fn coverage(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(wanted) = wanted.map_err(|e| Refused::bad_query(e.body_text()))?;
    let day = wanted.day.as_deref().map(|text| {
        let day = moment::parse(text).filter(|_| !text.contains('T'));
        day.ok_or_else(|| Refused::bad_query("day is a date, like 2026-11-24"))
    });
    let day = day.transpose()?;
    on_disk(move || {
        let now = (service.now)();
        let today = UnixTime(now.0 - now.0.rem_euclid(DAY));
        let mut rows = Vec::new();
        let mut shown = day.unwrap_or(today);
        if let Some(events) = service.events.as_deref() {
            let hold = Hold::of(&service.config.dataset);
            let known = Public::new(events, &hold, now);
            rows = known.coverage(shown..UnixTime(shown.0 + DAY))?;
            // A day is known when it is over.
            if day.is_none() && rows.is_empty() {
                shown = UnixTime(today.0 - DAY);
                rows = known.coverage(shown..today)?;
            }
        }
        let date = shown.to_string();
        let value = json!({
            "simulated": service.config.simulated,
            "day": date.split('T').next(),
            "rows": rows.iter().map(public::covered).collect::<Vec<_>>(),
        });
        let bytes = serde_json::to_vec(&value).map_err(|e| Refused::internal(&e))?;
        wire::again(&headers, wire::media_type(false), bytes)
    })
    .await
}

fn back(now: UnixTime, by: Duration) -> UnixTime {
    UnixTime(now.0.saturating_sub(by.as_micros() as i64))
}
