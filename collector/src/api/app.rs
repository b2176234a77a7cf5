//! How do the pages get to a browser? Everything outside `/v1`: files of the app, kept for ever
//! where their name holds a hash, and the app itself at each of its addresses. The API keeps its
//! own words for what is not there.

use super::refused;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use faultline_dashboards::{Asset, CONTENT_SECURITY_POLICY, asset, is_page, page, preload};

/// Whatever no route of the API takes.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let api = path == "/v1" || path.starts_with("/v1/");
    if api || !matches!(method, Method::GET | Method::HEAD) {
        return refused::nothing_here().into_response();
    }
    let accept = |name| {
        headers
            .get(name)
            .and_then(|v: &HeaderValue| v.to_str().ok())
    };
    let encodings = accept(header::ACCEPT_ENCODING).unwrap_or_default();
    if let Some(found) = asset(path, encodings) {
        return send(StatusCode::OK, found, &headers);
    }
    if is_page(path) {
        let mut response = send(StatusCode::OK, page(encodings), &headers);
        if let Ok(links) = HeaderValue::from_str(&preload(path)) {
            response.headers_mut().insert(header::LINK, links);
        }
        return response;
    }
    // People get the app, which says that there is no such page; programs get a refusal.
    if accept(header::ACCEPT).is_some_and(|types| types.contains("text/html")) {
        return send(StatusCode::NOT_FOUND, page(encodings), &headers);
    }
    refused::nothing_here().into_response()
}

fn send(status: StatusCode, asset: Asset, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", asset.tag);
    let keep = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = asked
        .get(header::IF_NONE_MATCH)
        .is_some_and(|held| held.as_bytes() == tag.as_bytes());
    let mut response = if known && status == StatusCode::OK {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = (status, Body::from(asset.bytes)).into_response();
        let head = response.headers_mut();
        head.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.media_type),
        );
        if let Some(encoding) = asset.encoding {
            head.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let head = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.insert(header::ETAG, tag);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, keep),
        (header::VARY, "accept-encoding"),
        (
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY.trim(),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn get(
        path: &'static str,
        headers: &[(header::HeaderName, &'static str)],
    ) -> Response {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        serve(Method::GET, Uri::from_static(path), headers).await
    }

    #[tokio::test]
    async fn every_page_comes_under_the_policy_and_is_asked_for_again() {
        for path in [
            "/",
            "/countries/XA",
            "/countries/XA/indicators/U1",
            "/method",
        ] {
            let response = get(path, &[]).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let head = response.headers();
            assert_eq!(
                head[header::CONTENT_SECURITY_POLICY],
                CONTENT_SECURITY_POLICY.trim()
            );
            assert_eq!(head[header::CACHE_CONTROL], "no-cache");
            assert_eq!(head[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert!(
                head[header::LINK].to_str().unwrap().contains("</v1/"),
                "{path}"
            );
            let tag = head[header::ETAG].to_str().unwrap().to_owned();
            let again = [(header::IF_NONE_MATCH, tag)];
            let asked = again
                .iter()
                .map(|(name, tag)| (name.clone(), HeaderValue::from_str(tag).unwrap()))
                .collect();
            let kept = serve(Method::GET, Uri::from_static(path), asked).await;
            assert_eq!(kept.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert!(to_bytes(kept.into_body(), 1).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn the_api_keeps_its_words_and_people_get_a_page() {
        let html = [(header::ACCEPT, "text/html")];
        for (path, headers, media_type) in [
            ("/v1/nothing", &html[..], "application/json"),
            ("/v1", &html[..], "application/json"),
            ("/nothing", &[][..], "application/json"),
            ("/nothing", &html[..], "text/html; charset=utf-8"),
            ("/assets/../Cargo.toml", &[][..], "application/json"),
        ] {
            let response = get(path, headers).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(
                response.headers()[header::CONTENT_TYPE],
                media_type,
                "{path}"
            );
        }
        let posted = serve(Method::POST, Uri::from_static("/"), HeaderMap::new()).await;
        assert_eq!(posted.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn files_with_a_hash_are_kept_for_ever() {
        if !faultline_dashboards::is_built() {
            println!("skipped: no built app (cargo x web)");
            return;
        }
        let page = get("/", &[]).await.into_body();
        let page = String::from_utf8(to_bytes(page, 1 << 16).await.unwrap().to_vec()).unwrap();
        let from = page.find("/assets/").unwrap();
        let path = page[from..].split('"').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, br"),
        );
        let response = serve(Method::GET, path.parse().unwrap(), headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        let head = response.headers();
        assert_eq!(head[header::CONTENT_ENCODING], "br");
        assert_eq!(
            head[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(head[header::VARY], "accept-encoding");
    }
}
