//! Which bytes belong to an address of the app? The files that Vite built (`cargo x web`),
//! in the encoding that the reader takes; where nothing was built, one page that says how.
//!
//! This crate knows no HTTP server: the collector's `api::app` puts what it finds on the wire.

mod preload;

pub use preload::preload;

use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "dist"]
#[allow_missing = true]
struct Dist;

/// Sent with every page: scripts, styles and data from this server alone, nothing inline.
pub const CONTENT_SECURITY_POLICY: &str = include_str!("../content-security-policy.txt");

/// What is shown where the app was not built.
const NOT_BUILT: &str = include_str!("not-built.html");

/// One file, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// For `Content-Type`.
    pub media_type: &'static str,
    /// For `Content-Encoding`, where the bytes are compressed.
    pub encoding: Option<&'static str>,
    /// Whether the address holds a hash of the content, so that it never changes.
    pub immutable: bool,
    /// For `ETag`: differs whenever the bytes do.
    pub tag: String,
    /// The content.
    pub bytes: Cow<'static, [u8]>,
}

/// Whether the app was built before this crate.
pub fn is_built() -> bool {
    Dist::get("index.html").is_some()
}

/// The file at a path like `/assets/index-abc.js`; `None` for pages of the app and for nothing.
pub fn asset(path: &str, accept_encoding: &str) -> Option<Asset> {
    let name = path.strip_prefix('/')?;
    // The page has addresses of its own; lists and compressed twins are not files for readers.
    if matches!(name, "index.html" | "preload.txt") || matches!(ending(name), Some("br" | "gz"))
    {
        return None;
    }
    find(name, accept_encoding)
}

/// The page that every address of the app begins with.
pub fn page(accept_encoding: &str) -> Asset {
    find("index.html", accept_encoding).unwrap_or_else(|| Asset {
        media_type: "text/html; charset=utf-8",
        encoding: None,
        immutable: false,
        tag: "not-built".to_owned(),
        bytes: Cow::Borrowed(NOT_BUILT.as_bytes()),
    })
}

/// Whether a path is the address of a page of the app.
pub fn is_page(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    matches!(
        parts.as_slice(),
        [] | ["coverage"
            | "method"
            | "targets"
            | "verdicts"
            | "live"
            | "events"
            | "review"
            | "waves"]
            | [
                "countries" | "networks" | "targets" | "measurements" | "events" | "waves",
                _
            ]
            | ["coverage", "shutdowns"]
            | ["countries", _, "calendar"]
            | ["countries", _, "indicators", _]
    )
}

fn find(name: &str, accept_encoding: &str) -> Option<Asset> {
    let plain = Dist::get(name)?;
    let smaller =
        [("br", ".br"), ("gzip", ".gz")]
            .into_iter()
            .find_map(|(encoding, ending)| {
                let file = Dist::get(&format!("{name}{ending}"))?;
                accepts(accept_encoding, encoding).then_some((encoding, file))
            });
    let (encoding, file) = match smaller {
        Some((encoding, file)) => (Some(encoding), file),
        None => (None, plain),
    };
    Some(Asset {
        media_type: media_type(name),
        encoding,
        immutable: name.starts_with("assets/"),
        tag: tag(&file),
        bytes: file.data,
    })
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    hash.iter().take(12).fold(String::new(), |mut tag, byte| {
        tag.push(char::from(HEX[usize::from(byte >> 4)]));
        tag.push(char::from(HEX[usize::from(byte & 15)]));
        tag
    })
}

/// Whether a reader takes an encoding: RFC 9110 section 12.5.3, as far as browsers use it: names, perhaps with `q=0`.
pub fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let refused = weight
            .trim()
            .strip_prefix("q=")
            .is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

fn ending(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, ending)| ending)
}

/// Only what Vite writes; anything else is bytes.
fn media_type(name: &str) -> &'static str {
    match ending(name) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_page() {
        let page = page("");
        assert_eq!(page.media_type, "text/html; charset=utf-8");
        assert_eq!(page.encoding, None);
        let text = String::from_utf8(page.bytes.into_owned()).unwrap();
        assert!(text.contains("<title>Faultline"));
        assert_eq!(is_built(), !text.contains("cargo x web"));
    }

    #[test]
    fn what_was_built_is_found_in_the_encoding_that_is_taken() {
        let Some(name) = Dist::iter().find(|name| name.ends_with(".js.br")) else {
            assert!(!is_built());
            println!("skipped: no built app (cargo x web)");
            return;
        };
        let path = format!("/{}", name.trim_end_matches(".br"));
        let ask = |accept| asset(&path, accept).unwrap();
        let (plain, small) = (ask(""), ask("gzip, deflate, br"));
        assert_eq!((plain.encoding, small.encoding), (None, Some("br")));
        assert_eq!(ask("gzip, br;q=0").encoding, Some("gzip"));
        assert!(small.bytes.len() < plain.bytes.len() && small.tag != plain.tag);
        assert!(plain.immutable && plain.media_type.starts_with("text/javascript"));
        assert_eq!(asset(&format!("/{name}"), ""), None);
        assert_eq!(asset("/index.html", ""), None);
    }

    #[test]
    fn pages_are_told_from_nothing() {
        for page in [
            "/",
            "/coverage",
            "/countries/XA",
            "/countries/XA/indicators/U1",
            "/networks/64496",
            "/targets/https%3A%2F%2Fnews.example%2F",
            "/measurements/00",
            "/verdicts",
            "/live",
            "/events",
            "/events/01KB0000000000000000000000",
            "/coverage/shutdowns",
            "/countries/XA/calendar",
            "/review",
            "/waves",
            "/waves/01KEXAMPLE",
        ] {
            assert!(is_page(page), "{page}");
        }
        for nothing in [
            "/countries",
            "/countries/XA/indicators",
            "/countries/XA/calendar/2026",
            "/coverage/elsewhere",
            "/wp-login.php",
            "/targets/a/b",
        ] {
            assert!(!is_page(nothing), "{nothing}");
        }
    }

    #[test]
    fn the_policy_is_one_line_that_lets_nothing_in_from_elsewhere() {
        let policy = CONTENT_SECURITY_POLICY.trim();
        assert!(!policy.contains(['\n', '*']) && !policy.contains("unsafe"));
        assert!(!policy.contains("http:") && !policy.contains("https:"));
        assert!(policy.starts_with("default-src 'none'"));
    }
}
