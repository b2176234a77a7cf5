//! How does the request of a page become its reply? Rendered once from the same evidence, as
//! JSON or, with `?format=csv`, as CSV, where `table` picks one of several lists; plain or
//! compressed, whichever the reader takes.

use super::{
    Service, on_disk,
    refused::Refused,
    table,
    wire::{self, Keep, Sent},
};
use crate::score::cell::Day;
use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// How a reply is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    format: Option<String>,
    table: Option<String>,
    country: Option<String>,
    from: Option<String>,
    until: Option<String>,
}

/// What of a page is wanted, where it can be asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) country: Option<String>,
    pub(super) from: Option<String>,
    pub(super) until: Option<String>,
}

/// Who asks what of whom.
pub(super) struct Ask {
    pub(super) service: Arc<Service>,
    headers: HeaderMap,
    wanted: Wanted,
    keep: Keep,
}

impl FromRequestParts<Arc<Service>> for Ask {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Refused> {
        let wanted = Query::<Wanted>::from_request_parts(parts, service).await;
        let Query(wanted) = wanted.map_err(|e| Refused::bad_query(e.body_text()))?;
        Ok(Self {
            service: Arc::clone(service),
            headers: parts.headers.clone(),
            wanted,
            keep: Keep::Never,
        })
    }
}

/// One request of a page.
pub(super) struct Page<'a> {
    pub(super) service: &'a Service,
    /// Whether everything may be shown.
    pub(super) open: bool,
    /// The last day of the window.
    pub(super) last: Day,
}

impl Ask {
    /// The same, of a page that readers may keep: one that tells nothing of what they look at.
    pub(super) fn kept(mut self) -> Self {
        self.keep = Keep::AskAgain;
        self
    }

    /// What part of the page is wanted. Pages that do not ask for it refuse it.
    pub(super) fn part(&mut self) -> Part {
        Part {
            country: self.wanted.country.take(),
            from: self.wanted.from.take(),
            until: self.wanted.until.take(),
        }
    }

    /// Makes a reply, or gives the one that was made from the same evidence. `list` is the
    /// table that CSV holds unless another is wanted.
    pub(super) async fn reply(
        self,
        key: impl Into<String>,
        list: &'static str,
        generation: impl FnOnce(&Service) -> u64 + Send + 'static,
        make: impl FnOnce(&Page<'_>) -> Result<Value, Refused> + Send + 'static,
    ) -> Result<Response, Refused> {
        let Self {
            service,
            headers,
            wanted,
            keep,
        } = self;
        let left = [&wanted.country, &wanted.from, &wanted.until];
        if left.into_iter().any(Option::is_some) {
            return Err(Refused::bad_query("this page takes format and table only"));
        }
        let csv = wire::wants_csv(wanted.format.as_deref())?;
        let operator = service.is_operator(&headers);
        let open = operator || service.config.public_evidence;
        let keep = if operator { Keep::Never } else { keep };
        let gzip = wire::takes_gzip(&headers);
        let key = key.into();
        let sent = on_disk(move || {
            let last = service.scores.last((service.now)());
            let table = wanted.table.as_deref().unwrap_or(list);
            let key = format!("{key} {open} {last} {csv} {table}");
            let page = Page {
                service: &service,
                open,
                last,
            };
            let generation = generation(&service);
            let scores = &service.scores;
            let plain = scores.rendered(key.clone(), generation, || {
                let value = make(&page)?;
                if csv {
                    return table::csv(&value, table);
                }
                serde_json::to_vec(&value).map_err(|e| Refused::internal(&e))
            })?;
            if !gzip || plain.len() < wire::SMALL {
                return Ok(Sent::plain(plain));
            }
            // Compressed once, like everything that is made from evidence.
            let packed = scores.rendered(format!("{key} gzip"), generation, || {
                wire::gzip(&plain, wire::WELL).map_err(|e| Refused::internal(&e))
            })?;
            Ok(Sent::gzipped(packed))
        })
        .await?;
        Ok(sent.respond(wire::media_type(csv), keep, &headers))
    }
}

/// The evidence of all countries.
pub(super) fn of_all(service: &Service) -> u64 {
    service.scores.index().generation()
}
