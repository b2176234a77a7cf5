//! Which events are there, and what is known of one? As everybody may see them
//! (`watch/public.rs`), now or as they were known on some day.

use super::{
    Service, analysts::UNNAMED, filter, moment, on_disk, pages::parse_country,
    refused::Refused, wire,
};
use crate::{
    detect::{
        event::{Class, EventId, Evidence, Location, Revision, State},
        input::Action,
    },
    export::{Hold, floors::Wide},
    store::events::Sought,
    watch::public::{self, BLUNT, Public},
};
use axum::{
    extract::{Path, Query, State as Shared, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use faultline_core::time::{Duration, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Most events of a page.
const PAGE: usize = 1000;
/// Bins of a timeline: of a longer event the worst of each so many minutes.
const BINS: usize = 2000;
/// Other events of an incident that are shown: the nearest in time.
const OTHERS: usize = 50;
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
            ..Sought::default()
        })
    }
}

/// Whether a published revision is among those that were asked for. What the store has is more
/// exact: a filter on it would tell, by what it finds, what the floors hide.
fn fits(sought: &Sought, said: &Revision) -> bool {
    sought.country.is_none_or(|c| said.countries.contains(&c))
        && sought.state.is_none_or(|state| said.state == state)
        && sought.class.is_none_or(|c| said.disruption_class == c)
        && sought.window.as_ref().is_none_or(|window| {
            said.start < window.end && said.end.is_none_or(|end| end >= window.start)
        })
}

/// What the store is asked for, so that nothing is missed that fits.
fn around(sought: &Sought) -> Sought {
    let window = sought.window.clone().map(|window| {
        UnixTime(window.start.0.saturating_sub(BLUNT))
            ..UnixTime(window.end.0.saturating_add(BLUNT))
    });
    Sought {
        state: None,
        class: None,
        window,
        ..sought.clone()
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
    let after = wanted.after.as_deref().map(cursor).transpose()?;
    on_disk(move || {
        let (mut shown, mut next, mut last) = (Vec::new(), None, None);
        if let Some(events) = &service.events {
            let now = (service.now)();
            let hold = Hold::of(&service.config.dataset);
            let at = sought.as_of.map_or(now, |at| at.min(now));
            let mut known = Public::new(&**events, &hold, at);
            let mut page_of = around(&sought);
            if let Some(id) = after {
                // The name stands for its place in the list, whose exact time is not told.
                let mut said = events.revisions(id)?;
                said.retain(|one| sought.as_of.is_none_or(|at| one.as_of <= at));
                let place = said.last().map(|one| (one.start, id));
                page_of.after = Some(place.ok_or_else(no_cursor)?);
            }
            // What is not public is passed over, so that a page is as long as it is wanted.
            'pages: loop {
                page_of.limit = Some(limit + 1);
                let page = events.events(&page_of)?;
                let more = page.len() > limit;
                for revision in page {
                    page_of.after = Some((revision.start, revision.event_id));
                    let said = known.newest(revision.event_id)?;
                    let Some(said) = said.filter(|said| fits(&sought, said)) else {
                        continue;
                    };
                    if shown.len() == limit {
                        next = last;
                        break 'pages;
                    }
                    last = Some(said.event_id);
                    shown.push(public::revision(&said));
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
    let now = (service.now)();
    let now = as_of.map_or(now, |at| at.min(now));
    let hold = Hold::of(&service.config.dataset);
    let mut known = Public::new(events, &hold, now);
    let said = known.revisions(id)?;
    let newest = said.last().cloned().ok_or_else(unknown)?;
    let evidence = known.evidence(id)?;
    let (incident, more) = match newest.incident_id {
        None => (Vec::new(), false),
        Some(incident) => {
            let sought = Sought {
                incident: Some(incident),
                as_of,
                limit: Some(PAGE),
                ..Sought::default()
            };
            others(events.events(&sought)?, &newest, &mut known)?
        }
    };
    // As far around the event as the dataset.
    let end = newest.end.unwrap_or(now).min(now);
    let window =
        UnixTime(newest.start.0.saturating_sub(AROUND))..UnixTime(end.0.saturating_add(AROUND));
    let timeline = thinned(known.bins(&newest.location, &window)?);
    let named = service.config.events.analysts_named;
    let mut acted = events.deeds(id)?;
    acted.retain(|done| done.at <= now);
    Ok(json!({
        "simulated": service.config.simulated,
        "event": public::revision(&newest),
        "revisions": said.iter().map(public::revision).collect::<Vec<_>>(),
        "evidence": evidence.iter().map(public::evidence).collect::<Vec<_>>(),
        "timeline": timeline.iter().map(public::bin).collect::<Vec<_>>(),
        "groups": groups(&evidence),
        "incident": incident,
        "incident_more": more,
        "actions": acted.iter().map(|done| action(done, named)).collect::<Vec<_>>(),
        "lag": lag(service, &said, &newest),
    }))
}

/// What an analyst did and why; who, only where the operator names them.
fn action(done: &Action, named: bool) -> Value {
    let by = Some(&done.by).filter(|by| named && *by != UNNAMED);
    json!({
        "at": done.at.to_string(),
        "by": by,
        "deed": json!(done.deed)["deed"],
        "reason": done.reason,
    })
}

/// The other events of an incident that are nearest to one, newest start first, and whether there
/// are more.
fn others(
    mut incident: Vec<Revision>,
    one: &Revision,
    known: &mut Public<'_>,
) -> Result<(Vec<Value>, bool), Refused> {
    incident.retain(|other| other.event_id != one.event_id);
    incident.sort_by_key(|other| other.start.0.abs_diff(one.start.0));
    let (mut shown, mut more) = (Vec::new(), false);
    for other in incident {
        let Some(said) = known.newest(other.event_id)? else {
            continue;
        };
        more = shown.len() == OTHERS;
        if more {
            break;
        }
        shown.push(said);
    }
    shown.sort_by_key(|said| std::cmp::Reverse((said.start, said.event_id)));
    Ok((shown.iter().map(public::revision).collect(), more))
}

/// What groups said themselves, by place and word: of what was said more than once, the most.
fn groups(evidence: &[Evidence]) -> Vec<Value> {
    let mut groups: BTreeMap<(&Location, &str), u32> = BTreeMap::new();
    for row in evidence {
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
fn thinned(bins: Vec<Wide>) -> Vec<Wide> {
    let each = bins.len().div_ceil(BINS).max(1);
    if each == 1 {
        return bins;
    }
    let lost = |wide: &Wide| wide.bin.expected - f64::from(wide.bin.observed);
    let worst = bins.chunks(each).filter_map(|part| {
        part.iter()
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

fn cursor(text: &str) -> Result<EventId, Refused> {
    text.parse().map_err(|_| no_cursor())
}

fn no_cursor() -> Refused {
    Refused::bad_query("after is the `next` of the page before")
}
