//! What do analysts see and do? People whom the operator named sign in with a token, in a header
//! of each request and never in an address. What they do becomes a revision with its reason;
//! the audit log has who did it.

use super::{Service, events, on_disk, probes::source, refused::Refused, wire};
use crate::{
    config::Analyst,
    detect::{
        event::{Reason, Revision, State},
        input::{Action, Deed},
    },
    export::Hold,
    store::{Ledger as _, events::Sought},
    watch::{
        WatchError,
        public::{self, Public},
    },
};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, Path, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use faultline_core::time::UnixTime;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use url::Url;

/// Who did it, where the operator names nobody.
pub(super) const UNNAMED: &str = "an analyst";
/// Wrong tokens from one /24 or /48 in a window, seconds.
const WRONG: u8 = 10;
const WINDOW: i64 = 60;
/// Prefixes that are counted.
const COUNTED: usize = 10_000;
/// Events of the queue.
const QUEUE: usize = 500;
/// Characters of a reason or note, and of a source.
const LONGEST: usize = 4000;
const SOURCES: usize = 20;

/// Counts wrong tokens.
#[derive(Default)]
pub struct SignIns(Mutex<(i64, HashMap<[u8; 7], u8>)>);

impl SignIns {
    /// Whether a token from there is looked at; a wrong one is counted.
    fn attempt<T>(
        &self,
        from: Option<IpAddr>,
        now: UnixTime,
        look: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, ()> {
        let place = from.map(crate::ingest::prefix).unwrap_or_default();
        let window = now.secs().div_euclid(WINDOW);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.0 != window || counts.1.len() > COUNTED {
            *counts = (window, HashMap::new());
        }
        let wrong = counts.1.entry(place).or_default();
        if *wrong >= WRONG {
            return Err(());
        }
        let found = look();
        if found.is_none() {
            *wrong += 1;
        }
        Ok(found)
    }
}

type Peer = Result<ConnectInfo<SocketAddr>, axum::extract::rejection::ExtensionRejection>;

/// Who signed in.
fn who(service: &Service, peer: &Peer, headers: &HeaderMap) -> Result<Analyst, Refused> {
    let refused = |status, message: &str| Refused::new(status, "not_signed_in", message);
    let Some(token) = headers.get("x-analyst-token") else {
        return Err(refused(
            StatusCode::UNAUTHORIZED,
            "this is for analysts: sign in with a token (header x-analyst-token)",
        ));
    };
    let from = peer
        .as_ref()
        .ok()
        .and_then(|ConnectInfo(peer)| source(peer.ip(), headers, service.config.behind_proxy));
    let digest = crate::score::vintage::hex(&Sha256::digest(token.as_bytes()));
    let look = || {
        // Digests are compared, all of them, each to its end.
        let same = |analyst: &&Analyst| {
            let known = analyst.token_sha256.to_ascii_lowercase();
            super::evidence::same(known.as_bytes(), digest.as_bytes())
        };
        let all = service.config.events.analysts.iter();
        all.filter(same)
            .fold(None, |_, analyst| Some(analyst.clone()))
    };
    match service.sign_ins.attempt(from, (service.now)(), look) {
        Ok(Some(analyst)) => Ok(analyst),
        Ok(None) => Err(refused(
            StatusCode::UNAUTHORIZED,
            "no analyst has this token: ask the operator of this collector",
        )),
        Err(()) => Err(Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_tokens",
            "too many wrong tokens came from there: wait a minute",
        )),
    }
}

/// Events that nobody looked at since they changed.
pub(super) async fn review(
    Shared(service): Shared<Arc<Service>>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let analyst = who(&service, &peer, &headers)?;
    on_disk(move || {
        let mut shown = Vec::new();
        if let Some(events) = service.events.as_deref() {
            let acted = events.acted()?;
            let hold = Hold::of(&service.config.dataset);
            let mut known = Public::new(events, &hold, (service.now)());
            let sought = Sought {
                by_change: true,
                ..Sought::default()
            };
            let mut waiting = events.events(&sought)?;
            waiting.retain(|revision| {
                let deed = acted.get(&revision.event_id).copied();
                waits(revision, deed)
            });
            for revision in waiting {
                let said = known.newest(revision.event_id)?;
                shown.extend(said.as_ref().map(public::revision));
                if shown.len() == QUEUE {
                    break;
                }
            }
        }
        let value = json!({
            "simulated": service.config.simulated,
            "events": shown,
            "analyst": analyst.name,
        });
        wire::json(&headers, &value)
    })
    .await
}

/// Whether somebody should look at it: nobody did, or it changed since by itself.
fn waits(revision: &Revision, deed: Option<UnixTime>) -> bool {
    match deed {
        None => !matches!(
            revision.state,
            State::Candidate | State::Lapsed | State::Merged | State::Retracted
        ),
        Some(deed) => revision.as_of > deed && revision.revision_reason != Reason::Analyst,
    }
}

/// What comes in.
#[derive(Debug, Deserialize)]
struct Act {
    #[serde(flatten)]
    deed: Deed,
    reason: String,
}

/// An analyst does something to an event.
pub(super) async fn act(
    Shared(service): Shared<Arc<Service>>,
    peer: Peer,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refused> {
    let analyst = who(&service, &peer, &headers)?;
    let event = events::parse(&id)?;
    let Act { deed, reason } = serde_json::from_slice(&body).map_err(|e| {
        Refused::bad_query(format!("the deed does not read: {e}; /v1/openapi.json and docs/shutdowns.md say how it is written"))
    })?;
    check(&deed, &reason)?;
    on_disk(move || {
        let unknown =
            || Refused::not_found("no such event, or nothing can be done to it any more");
        let watch = service.watch.as_deref().ok_or_else(unknown)?;
        let now = (service.now)();
        let hold = Hold::of(&service.config.dataset);
        let newest = || Public::new(&**watch.events(), &hold, (service.now)()).newest(event);
        if newest()?.is_none() {
            return Err(unknown());
        }
        // First the log, then the deed: nothing is done that is not known.
        let done = serde_json::to_string(&deed).map_err(|e| Refused::internal(&e))?;
        let told = format!(
            "analyst {:?} on event {event}: {done}, because {reason:?}",
            analyst.name
        );
        service.store.audit(now, &told)?;
        let named = service.config.events.analysts_named;
        let action = Action {
            event,
            at: now,
            by: if named { analyst.name } else { UNNAMED.into() },
            deed,
            reason,
        };
        watch.act(action).map_err(|e| match e {
            WatchError::NoEvent => unknown(),
            WatchError::Store(e) => e.into(),
            e @ WatchError::ClockLeap { .. } => Refused::internal(&e),
        })?;
        let said = newest()?.ok_or_else(unknown)?;
        wire::json(&headers, &public::revision(&said))
    })
    .await
}

/// Whether a deed can be published as it is.
fn check(deed: &Deed, reason: &str) -> Result<(), Refused> {
    let said = |what: &str, text: &str| {
        let length = text.trim().chars().count();
        if (1..=LONGEST).contains(&length) {
            return Ok(());
        }
        Err(Refused::bad_query(format!(
            "{what} is missing or longer than {LONGEST} characters"
        )))
    };
    said("reason", reason)?;
    match deed {
        Deed::Annotate { note } => said("note", note),
        Deed::Document { sources, .. } => {
            let links = |source: &String| {
                source.len() <= LONGEST
                    && Url::parse(source).is_ok_and(|url| {
                        matches!(url.scheme(), "http" | "https") && url.host().is_some()
                    })
            };
            if !(1..=SOURCES).contains(&sources.len()) || !sources.iter().all(links) {
                return Err(Refused::bad_query(format!(
                    "a cause needs its sources: 1 to {SOURCES} http or https URLs"
                )));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
