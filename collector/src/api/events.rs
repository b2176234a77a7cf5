//! Which events are there, and what is known of one? As everybody may see them
//! (`watch/public.rs`), now or as they were known on some day.

use super::{Service, filter, moment, on_disk, pages::parse_country, refused::Refused, wire};
use crate::{
    detect::event::{Bin, Class, EventId, Evidence, Location, Revision, State},
    store::events::{Events, Sought},
    watch::public::{self, Networks, SITES},
};
use axum::{
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use faultline_core::{
    id::Asn,
    time::{Duration, UnixTime},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Most events of a page.
const PAGE: usize = 1000;
/// Bins of a timeline: of a longer event the worst of each so many minutes.
const BINS: usize = 2000;
/// Shown around an event.
const AROUND: i64 = 2 * 3_600_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    country: Option<String>,
    state: Option<String>,
    class: Option<String>,
    from: Option<String>,
    until: Option<String>,
    as_of: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

impl Wanted {
    fn read(&self) -> Result<Sought, Refused> {
        let word = |what: &'static str, known: String| {
            move || Refused::bad_query(format!("{what} is one of: {known}"))
        };
        let state = self.state.as_deref().map(|wanted| {
            let mut all = State::ALL.iter().filter(|s| **s != State::Candidate);
            let known = all.clone().map(|s| s.word()).collect::<Vec<_>>().join(", ");
            let found = all.find(|state| state.word() == wanted).copied();
            found.ok_or_else(word("state", known))
        });
        let class = self.class.as_deref().map(|wanted| {
            let known = Class::ALL.iter().map(|c| c.word()).collect::<Vec<_>>();
            let mut all = Class::ALL.iter();
            let found = all.find(|class| class.word() == wanted).copied();
            found.ok_or_else(word("class", known.join(", ")))
        });
        let from = filter::time("from", self.from.as_deref(), moment::parse)?;
        let until = filter::time("until", self.until.as_deref(), moment::end)?;
        let from = from.unwrap_or(UnixTime(i64::MIN));
        let until = until.unwrap_or(UnixTime(i64::MAX));
        Ok(Sought {
            country: self.country.as_deref().map(parse_country).transpose()?,
            state: state.transpose()?,
            class: class.transpose()?,
            window: Some(from..until),
            as_of: as_of(self.as_of.as_deref())?,
            after: self.after.as_deref().map(cursor).transpose()?,
            ..Sought::default()
        })
    }
}

pub(super) async fn list(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(wanted) = wanted.map_err(|e| Refused::bad_query(e.body_text()))?;
    let sought = wanted.read()?;
    let limit = wanted.limit.unwrap_or(100).clamp(1, PAGE);
    on_disk(move || {
        let (mut shown, mut next, mut sought) = (Vec::new(), None, sought);
        if let Some(events) = &service.events {
            let mut networks = Networks::new(&**events);
            // What is not public is passed over, so that a page is as long as it is wanted.
            'pages: loop {
                sought.limit = Some(limit + 1);
                let page = events.events(&sought)?;
                let more = page.len() > limit;
                for revision in page {
                    if !public::is_public(&revision) {
                        sought.after = Some((revision.start, revision.event_id));
                        continue;
                    }
                    if shown.len() == limit {
                        next = sought.after.map(|(at, id)| format!("{}-{id}", at.0));
                        break 'pages;
                    }
                    sought.after = Some((revision.start, revision.event_id));
                    shown.extend(public::revision(&revision, &networks.of(&revision)?));
                }
                if !more {
                    break;
                }
            }
        }
        let simulated = service.config.simulated;
        let value = json!({ "simulated": simulated, "events": shown, "next": next });
        let bytes = serde_json::to_vec(&value).map_err(|e| Refused::internal(&e))?;
        wire::again(&headers, wire::media_type(false), bytes)
    })
    .await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct When {
    as_of: Option<String>,
}

pub(super) async fn one(
    Shared(service): Shared<Arc<Service>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    when: Result<Query<When>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(when) = when.map_err(|e| Refused::bad_query(e.body_text()))?;
    let as_of = as_of(when.as_of.as_deref())?;
    let id = parse(&id)?;
    on_disk(move || {
        let value = whole(&service, id, as_of)?;
        wire::json(&headers, &value)
    })
    .await
}

/// Everything that may be told of an event.
fn whole(service: &Service, id: EventId, as_of: Option<UnixTime>) -> Result<Value, Refused> {
    let unknown = || Refused::not_found("no such event, or it is not public");
    let events = service.events.as_deref().ok_or_else(unknown)?;
    let mut said = events.revisions(id)?;
    said.retain(|revision| as_of.is_none_or(|at| revision.as_of <= at));
    let newest = said.last().filter(|r| public::is_public(r));
    let newest = newest.cloned().ok_or_else(unknown)?;
    let mut networks = Networks::new(events);
    let named = networks.of(&newest)?;
    let mut evidence = events.evidence(id)?;
    evidence.retain(|row| as_of.is_none_or(|at| row.received_at <= at));
    let incident = match newest.incident_id {
        None => Vec::new(),
        Some(incident) => others(events, incident, id, as_of, &mut networks)?,
    };
    let now = as_of.unwrap_or((service.now)());
    let end = newest.end_upper.or(newest.end).unwrap_or(now);
    let window = UnixTime(newest.start_lower.0 - AROUND)..UnixTime(end.0 + AROUND);
    let timeline = thinned(events.bins(&newest.location, window)?);
    let revisions = said.iter().filter_map(|r| public::revision(r, &named));
    Ok(json!({
        "simulated": service.config.simulated,
        "event": public::revision(&newest, &named),
        "revisions": revisions.collect::<Vec<_>>(),
        "evidence": evidence
            .iter()
            .filter_map(|row| public::evidence(row, &named))
            .collect::<Vec<_>>(),
        "timeline": timeline.iter().filter_map(public::bin).collect::<Vec<_>>(),
        "groups": groups(&evidence, &named),
        "incident": incident,
        "lag": lag(service, &said, &newest),
    }))
}

/// The other events of an incident.
fn others(
    events: &dyn Events,
    incident: EventId,
    id: EventId,
    as_of: Option<UnixTime>,
    networks: &mut Networks<'_>,
) -> Result<Vec<Value>, Refused> {
    let sought = Sought {
        incident: Some(incident),
        as_of,
        limit: Some(PAGE),
        ..Sought::default()
    };
    let mut shown = Vec::new();
    for revision in events.events(&sought)? {
        if revision.event_id != id {
            shown.extend(public::revision(&revision, &networks.of(&revision)?));
        }
    }
    Ok(shown)
}

/// What groups said themselves, by place and word: of what was said more than once, the most.
fn groups(evidence: &[Evidence], networks: &BTreeSet<Asn>) -> Vec<Value> {
    let mut groups: BTreeMap<(&Location, &str), u32> = BTreeMap::new();
    let shown = evidence
        .iter()
        .filter(|row| public::evidence(row, networks).is_some());
    for row in shown {
        if let Some(sites) = row.sites {
            let most = groups.entry((&row.location, &row.verdict)).or_default();
            *most = sites.max(*most);
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|((location, verdict), sites)| {
            json!({ "location": location, "verdict": verdict, "sites": sites })
        })
        .collect()
}

/// How long it took from the start until it was said, and what the beats allow.
fn lag(service: &Service, said: &[Revision], newest: &Revision) -> Value {
    let since = |state| {
        let first = said.iter().find(|r| r.state == state)?;
        let late = first.as_of.0.saturating_sub(newest.start.0).max(0);
        Some(Duration::from_micros(late.unsigned_abs()).as_secs())
    };
    json!({
        "interval_s": service.config.beats.interval,
        "suspected_s": since(State::Suspected).or_else(|| since(State::Confirmed)),
        "confirmed_s": since(State::Confirmed),
    })
}

/// Of a long time, the worst bin of each part.
fn thinned(bins: Vec<Bin>) -> Vec<Bin> {
    let each = bins.len().div_ceil(BINS).max(1);
    if each == 1 {
        return bins;
    }
    let lost = |bin: &Bin| bin.expected - f64::from(bin.observed);
    let worst = bins.chunks(each).filter_map(|part| {
        part.iter()
            .filter(|bin| bin.eligible >= SITES)
            .max_by(|a, b| lost(a).total_cmp(&lost(b)))
            .cloned()
    });
    worst.collect()
}

pub(super) fn parse(id: &str) -> Result<EventId, Refused> {
    id.parse()
        .map_err(|e: crate::detect::event::NoEventId| Refused::bad_query(e.to_string()))
}

/// The last moment of what was named.
fn as_of(text: Option<&str>) -> Result<Option<UnixTime>, Refused> {
    let end = filter::time("as_of", text, moment::end)?;
    Ok(end.map(|end| {
        let whole_day = text.is_some_and(|text| !text.contains('T'));
        UnixTime(end.0 - i64::from(whole_day))
    }))
}

fn cursor(text: &str) -> Result<(UnixTime, EventId), Refused> {
    text.rsplit_once('-')
        .and_then(|(at, id)| Some((UnixTime(at.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| Refused::bad_query("after is the `next` of the page before"))
}
