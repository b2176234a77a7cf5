//! In which bytes does a reply of the API leave? Compressed where the reader takes gzip and
//! it pays; with a tag of exactly these bytes (RFC 9110 section 8.8.3), so that a reader who
//! holds them gets none; kept by browsers only where nobody's reading shows in what is kept.

use super::refused::Refused;
use crate::score::vintage::hex;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{io::Write as _, sync::Arc};

/// Below this, headers outweigh what is saved.
pub(super) const SMALL: usize = 1024;
/// For what is made once and sent often.
pub(super) const WELL: Compression = Compression::new(6);
/// For what is sent once.
const FAST: Compression = Compression::new(1);

/// Whether a reader may keep a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// And asks each time whether it still holds.
    AskAgain,
    /// It would tell what was looked at, or is not for everybody.
    Never,
}

/// A reply's bytes.
pub(super) struct Sent {
    bytes: Arc<Vec<u8>>,
    gzip: bool,
}

impl Sent {
    /// As they are.
    pub(super) fn plain(bytes: Arc<Vec<u8>>) -> Self {
        Self { bytes, gzip: false }
    }

    /// Compressed already.
    pub(super) fn gzipped(bytes: Arc<Vec<u8>>) -> Self {
        Self { bytes, gzip: true }
    }

    /// With the headers that belong to them; without the bytes where `asked` holds them.
    pub(super) fn respond(
        self,
        media_type: &'static str,
        keep: Keep,
        asked: &HeaderMap,
    ) -> Response {
        let tag = tag(&self.bytes);
        let mut response = if holds(asked, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let bytes = Arc::unwrap_or_clone(self.bytes);
            let mut response = Body::from(bytes).into_response();
            let head = response.headers_mut();
            head.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            if self.gzip {
                head.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let head = response.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            head.insert(header::ETAG, tag);
        }
        let keep = match keep {
            Keep::AskAgain => "no-cache",
            Keep::Never => "no-store",
        };
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        let vary = HeaderValue::from_static("accept-encoding, x-operator-token");
        head.insert(header::VARY, vary);
        response
    }
}

/// A value as JSON that is made for this request alone.
pub(super) fn json(asked: &HeaderMap, value: &Value) -> Result<Response, Refused> {
    let bytes = serde_json::to_vec(value).map_err(|e| Refused::internal(&e))?;
    once(asked, media_type(false), bytes)
}

/// Bytes that are made for this request alone.
pub(super) fn once(
    asked: &HeaderMap,
    media_type: &'static str,
    bytes: Vec<u8>,
) -> Result<Response, Refused> {
    made(asked, media_type, Keep::Never, bytes)
}

/// Bytes of a page that tells nothing of what its reader looks at.
pub(super) fn again(
    asked: &HeaderMap,
    media_type: &'static str,
    bytes: Vec<u8>,
) -> Result<Response, Refused> {
    made(asked, media_type, Keep::AskAgain, bytes)
}

fn made(
    asked: &HeaderMap,
    media_type: &'static str,
    keep: Keep,
    bytes: Vec<u8>,
) -> Result<Response, Refused> {
    let sent = if bytes.len() >= SMALL && takes_gzip(asked) {
        let packed = gzip(&bytes, FAST).map_err(|e| Refused::internal(&e))?;
        Sent::gzipped(Arc::new(packed))
    } else {
        Sent::plain(Arc::new(bytes))
    };
    Ok(sent.respond(media_type, keep, asked))
}

/// Whether a list is wanted as CSV.
pub(super) fn wants_csv(format: Option<&str>) -> Result<bool, Refused> {
    match format {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => Err(Refused::bad_query("format is json or csv")),
    }
}

pub(super) fn media_type(csv: bool) -> &'static str {
    if csv {
        "text/csv; charset=utf-8"
    } else {
        "application/json"
    }
}

pub(super) fn takes_gzip(asked: &HeaderMap) -> bool {
    let mut values = asked.get_all(header::ACCEPT_ENCODING).iter();
    values.any(|value| {
        let value = value.to_str().unwrap_or_default();
        faultline_dashboards::accepts(value, "gzip")
    })
}

/// RFC 1952, without a time or a name: the same bytes give the same bytes.
pub(super) fn gzip(bytes: &[u8], level: Compression) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn tag(bytes: &[u8]) -> String {
    let mut hex = hex(&Sha256::digest(bytes));
    hex.truncate(24);
    format!("\"{hex}\"")
}

/// Whether the reader holds what has this tag: `If-None-Match`, compared weakly.
fn holds(asked: &HeaderMap, tag: &str) -> bool {
    let held = asked.get_all(header::IF_NONE_MATCH).iter();
    let mut held = held.filter_map(|value| value.to_str().ok());
    held.any(|tags| {
        let mut tags = tags.split(',').map(str::trim);
        tags.any(|held| held == "*" || held.trim_start_matches("W/") == tag)
    })
}
