//! Which addresses are there, in the words of OpenAPI 3.1? Built from one table of routes;
//! `collector/openapi.json` is the committed copy, and a test compares them.

use super::{refused::Refused, wire};
use axum::{http::HeaderMap, response::Response};
use serde_json::{Map, Value, json};

struct Route {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    replies: &'static str,
}

const JSON: &str = "application/json";
const CBOR: &str = "application/cbor";
const FILTER: &[(&str, &str)] = &[
    ("country", "ISO 3166-1 alpha-2"),
    ("asn", "number of a network"),
    ("target", "the whole URL or name"),
    ("experiment", "web, dns_consistency or hello"),
    ("indicator", "what the verdict counts in, as in /v1/method"),
    ("outcome", "as in a verdict"),
    ("mechanism", "as in a verdict"),
    (
        "since",
        "started then or later: a date or a time in UTC, RFC 3339",
    ),
    (
        "until",
        "started before then, likewise; a date is its whole day",
    ),
    ("limit", "1 to 1000, 100 unless given"),
    ("after", "`next` of the page before"),
    ("format", "json or csv"),
];
/// Of pages: how they are wanted.
const FORMAT: &[(&str, &str)] = &[
    ("format", "json or csv"),
    (
        "table",
        "for csv: which list of the reply, a.b for one inside",
    ),
];
const COUNTRY: &[(&str, &str)] = &[("country", "ISO 3166-1 alpha-2"), FORMAT[0], FORMAT[1]];
const INDICATOR: &[(&str, &str)] = &[
    ("country", "ISO 3166-1 alpha-2"),
    ("indicator", "as in /v1/method"),
    FORMAT[0],
    FORMAT[1],
];
const NETWORK: &[(&str, &str)] = &[("asn", "number of a network"), FORMAT[0], FORMAT[1]];
const TARGET: &[(&str, &str)] = &[
    ("target", "the whole URL or name, percent-encoded"),
    FORMAT[0],
    FORMAT[1],
];

const EVENTS: &[(&str, &str)] = &[
    ("country", "ISO 3166-1 alpha-2"),
    (
        "state",
        "suspected, confirmed, ending, ended, final, lapsed, retracted or merged",
    ),
    ("class", "as in an event"),
    (
        "from",
        "those that touch this time: a date or a time in UTC, RFC 3339",
    ),
    ("until", "likewise; a date is its whole day"),
    ("as_of", "as they were known then; a date is its whole day"),
    ("limit", "1 to 1000, 100 unless given"),
    ("after", "`next` of the page before"),
];
const EVENT: &[(&str, &str)] = &[
    ("id", "26 digits and letters"),
    ("as_of", "as it was known then; a date is its whole day"),
];
const CALENDAR: &[(&str, &str)] = &[COUNTRY[0], ("year", "2026; this one unless given")];
/// A header, never part of an address.
const ANALYST: (&str, &str) = ("x-analyst-token", "the token of an analyst of the settings");
const SIGNED: &[(&str, &str)] = &[("id", "26 digits and letters"), ANALYST];
const WAVES: &[(&str, &str)] = &[
    ("country", "only of this one: ISO 3166-1 alpha-2"),
    FORMAT[0],
    FORMAT[1],
];
const WAVE: &[(&str, &str)] = &[
    (
        "id",
        "26 digits and letters; a name that late data moved leads to what it became",
    ),
    FORMAT[0],
    FORMAT[1],
];
const MATRIX: &[(&str, &str)] = &[
    ("country", "ISO 3166-1 alpha-2"),
    (
        "from",
        "first day, 27 days before the last unless given; at most a year",
    ),
    ("until", "last day, the last with measurements unless given"),
    FORMAT[0],
    FORMAT[1],
];

const fn post(path: &'static str, summary: &'static str) -> Route {
    Route {
        method: "post",
        path,
        summary,
        parameters: &[],
        replies: CBOR,
    }
}
const fn get(
    path: &'static str,
    summary: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Route {
    Route {
        method: "get",
        path,
        summary,
        parameters,
        replies: JSON,
    }
}

const ROUTES: &[Route] = &[
    post(
        "/v1/probes",
        "Enrol a probe: sealed Enrolment, reply Enrolled",
    ),
    post(
        "/v1/check-in",
        "Ask what to measure: sealed CheckIn, reply CheckInReply",
    ),
    post(
        "/v1/batches",
        "Upload results: sealed Batch, at most 4 MiB, reply Receipt",
    ),
    post(
        "/v1/control",
        "Ask for the control's view: sealed ControlRequest, reply sealed ControlReport",
    ),
    get("/v1/health", "Whether the collector works", &[]),
    get(
        "/v1/measurements",
        "Measurements that are public, oldest first",
        FILTER,
    ),
    get(
        "/v1/measurements/{id}",
        "One measurement with its observations, the control's, verdict and reasons; for an import also `classic`, the verdict by its source's own rules",
        &[("id", "32 hexadecimal digits")],
    ),
    get(
        "/v1/verdicts",
        "Verdicts on public measurements, oldest first",
        FILTER,
    ),
    get(
        "/v1/atlas",
        "Countries and their names, of the Earth or of a simulated world",
        FORMAT,
    ),
    get(
        "/v1/world",
        "Scores of all countries and claimed changes",
        FORMAT,
    ),
    get("/v1/coverage", "Who measures where and when", FORMAT),
    get(
        "/v1/countries/{country}",
        "Profile of a country with everything behind it",
        COUNTRY,
    ),
    get(
        "/v1/countries/{country}/indicators/{indicator}",
        "One indicator of a country by networks, targets and days",
        INDICATOR,
    ),
    get(
        "/v1/countries/{country}/vintages",
        "What was published of a country, and what would be computed today",
        COUNTRY,
    ),
    get(
        "/v1/countries/{country}/matrix",
        "Share of probes that see a target blocked, by network and day",
        MATRIX,
    ),
    get(
        "/v1/waves",
        "Blocking that began or ended, one event for what belongs together",
        WAVES,
    ),
    get(
        "/v1/waves/{id}",
        "One wave: targets, networks, days, mechanisms, where it is done",
        WAVE,
    ),
    get(
        "/v1/networks/{asn}",
        "Indicators and targets of a network",
        NETWORK,
    ),
    get("/v1/targets", "Targets that were measured", FORMAT),
    get(
        "/v1/targets/{target}",
        "Outcomes of a target by country and day",
        TARGET,
    ),
    get("/v1/method", "The method of the scores", FORMAT),
    get("/v1/summary", "Scored outcomes by country and target", &[]),
    get(
        "/v1/events",
        "Shutdowns and outages, newest start first; `next` of a page is `after` of the following",
        EVENTS,
    ),
    Route {
        replies: "application/atom+xml",
        ..get(
            "/v1/events.atom",
            "The latest hundred changes of events, as an Atom feed",
            &[],
        )
    },
    get(
        "/v1/events/{id}",
        "One event with its revisions, evidence, timeline, groups, deeds of analysts and the others of its incident",
        EVENT,
    ),
    Route {
        method: "post",
        ..get(
            "/v1/events/{id}/actions",
            "Of an analyst: a deed with its reason, as JSON; reply: the newest revision",
            SIGNED,
        )
    },
    Route {
        replies: "application/zip",
        ..get(
            "/v1/shutdown-events.zip",
            "The dataset of shutdowns and outages as an archive, as of the last full hour",
            &[],
        )
    },
    get("/v1/live", "The state of every country now", &[]),
    get(
        "/v1/coverage/shutdowns",
        "Which losses would have been seen where, on one day",
        &[("day", "2026-11-24; the latest unless given")],
    ),
    get(
        "/v1/countries/{country}/calendar",
        "The days of a year: what was lost, and what would have been seen",
        CALENDAR,
    ),
    get(
        "/v1/review",
        "Of an analyst: events that nobody looked at since they changed",
        &[ANALYST],
    ),
    get("/v1/openapi.json", "This document", &[]),
];

pub(super) async fn serve(headers: HeaderMap) -> Result<Response, Refused> {
    wire::json(&headers, &document())
}

/// The whole document.
pub fn document() -> Value {
    let paths: Map<_, _> = ROUTES
        .iter()
        .map(|r| (r.path.to_owned(), json!({ r.method: operation(r) })))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Faultline collector",
            "version": "1",
            "description": "Messages of probes are described in docs/faultline.cddl.",
        },
        "paths": paths,
        "components": { "schemas": { "Refusal": {
            "type": "object",
            "required": ["code", "message", "retry"],
            "properties": {
                "code": { "type": "string", "description": "a stable word" },
                "message": { "type": "string", "description": "what, where, what to do next" },
                "retry": { "type": "boolean", "description": "whether the same may succeed later" },
            },
        } } },
    })
}

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .parameters
        .iter()
        .map(|(name, description)| {
            let in_path = route.path.contains(&format!("{{{name}}}"));
            json!({
                "name": name,
                "description": description,
                "in": if in_path { "path" } else if *name == ANALYST.0 { "header" } else { "query" },
                "required": in_path || *name == ANALYST.0,
                "schema": { "type": "string" },
            })
        })
        .collect();
    let refusal = json!({ "schema": { "$ref": "#/components/schemas/Refusal" } });
    let mut refusals = Map::from_iter([(JSON.to_owned(), refusal.clone())]);
    refusals.insert(route.replies.to_owned(), refusal);
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "done", "content": { route.replies: {} } },
            "default": { "description": "refused", "content": refusals },
        },
    });
    if let (JSON, "post", Value::Object(map)) = (route.replies, route.method, &mut operation) {
        let body = json!({ "required": true, "content": { JSON: {} } });
        map.insert("requestBody".into(), body);
    }
    if let (CBOR, Value::Object(map)) = (route.replies, &mut operation) {
        let body = json!({ "required": true, "content": { "application/cose": {} } });
        map.insert("requestBody".into(), body);
    }
    operation
}
