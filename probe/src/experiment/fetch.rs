//! What page answers?
//!
//! One GET over HTTP/1.1 (RFC 9110, RFC 9112) on a connection of its own. Field names come
//! in lower case, as the HTTP library gives them. Of a body that is no readable text only
//! length and digest are kept: an own address inside could not be found and removed.

use super::run::Run;
use crate::net::{Clock, Network, at_layer};
use bytes::Bytes;
use faultline_core::{
    failure::{Failure, Layer},
    measurement::Limit,
    observation::{Fetch, Header, Observation, Step},
    page::title,
    value::{Blob, Ip},
};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::error::Error as _;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

/// What an ordinary browser says: some sites answer nothing else.
pub(super) const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// Header fields kept, and octets of each value.
const HEADERS_CAP: usize = 64;
const VALUE_CAP: usize = 2048;

/// A page to be fetched.
#[derive(Clone, Debug)]
pub(super) struct Page<'a> {
    pub(super) url: &'a Url,
    pub(super) to: SocketAddr,
    pub(super) depth: u8,
    /// Whether the certificate below is valid for the URL's name.
    pub(super) authenticated: bool,
}

/// Fetches one page and follows nothing.
pub(super) async fn fetch<N: Network, C: Clock, S>(
    run: &Run<'_, N, C>,
    stream: S,
    page: &Page<'_>,
) -> Observation
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let started = run.elapsed();
    let mut fact = Fetch {
        url: page.url.to_string(),
        ip: Ip(page.to.ip()),
        port: page.to.port(),
        depth: page.depth,
        status: None,
        headers: Vec::new(),
        body_length: 0,
        body_truncated: false,
        body_sha256: None,
        body: None,
        title: None,
        location: None,
        authenticated: page.authenticated,
    };
    let mut content = Content::default();
    let cap = run.plan.body_cap;
    let exchange = get(stream, page.url, cap, &mut fact, &mut content);
    let failure = match run.within(run.plan.timeouts.http, exchange).await {
        None => Some(Failure::HttpTimeout),
        Some(result) => result.err(),
    };
    if fact.status.is_some() {
        let Content { mut body, coded } = content;
        fact.body_length = body.len() as u64;
        fact.body_sha256 = Some(Blob(Sha256::digest(&body).to_vec()));
        fact.title = title(&body);
        body.truncate(run.plan.excerpt_cap);
        fact.body = (!coded && is_text(&body)).then_some(Blob(body));
    }
    if fact.body_truncated {
        run.limit(Limit::Cap);
    }
    run.ended(started, Step::Fetch(fact), failure)
}

/// What came below the header.
#[derive(Default)]
struct Content {
    body: Vec<u8>,
    /// Whether it is compressed or otherwise coded, although nobody asked for that.
    coded: bool,
}

/// Whether octets can be read, and so scrubbed, as text: those that WHATWG's MIME Sniffing
/// calls "binary data bytes" betray what is compressed, an image, or text in 16 bits.
fn is_text(octets: &[u8]) -> bool {
    let binary = |octet: &u8| matches!(octet, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    !octets.iter().any(binary)
}

async fn get<S>(
    stream: S,
    url: &Url,
    cap: usize,
    fact: &mut Fetch,
    content: &mut Content,
) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = http::Request::get(target)
        .header("host", host)
        .header("user-agent", USER_AGENT)
        .header("accept", ACCEPT)
        .header("accept-language", "en-US,en;q=0.5")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failure::LocalError)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    let response = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| failure(&e))?;
        describe(&response, fact);
        content.coded = is_coded(&response);
        let body = &mut content.body;
        let mut incoming = response.into_body();
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(|e| failure(&e))?.into_data() else {
                continue;
            };
            let room = cap.saturating_sub(body.len());
            if data.len() > room {
                fact.body_truncated = true;
            }
            body.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            if fact.body_truncated {
                break;
            }
        }
        Ok(())
    };
    alongside(connection, response).await
}

fn describe<B>(response: &http::Response<B>, fact: &mut Fetch) {
    fact.status = Some(response.status().as_u16());
    let text = |value: &http::HeaderValue| {
        let bytes = value.as_bytes();
        String::from_utf8_lossy(bytes.get(..VALUE_CAP).unwrap_or(bytes)).into_owned()
    };
    fact.headers = response
        .headers()
        .iter()
        .take(HEADERS_CAP)
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: text(value),
        })
        .collect();
    if response.status().is_redirection() {
        fact.location = response.headers().get(http::header::LOCATION).map(text);
    }
}

/// Whether a coding other than HTTP's own framing lies over the content (RFC 9110 section
/// 8.4, RFC 9112 section 6.1).
fn is_coded<B>(response: &http::Response<B>) -> bool {
    let fields = [
        http::header::CONTENT_ENCODING,
        http::header::TRANSFER_ENCODING,
    ];
    fields
        .iter()
        .flat_map(|field| response.headers().get_all(field))
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .any(|coding| {
            !coding.is_empty()
                && !coding.eq_ignore_ascii_case(b"identity")
                && !coding.eq_ignore_ascii_case(b"chunked")
        })
}

/// Drives a connection for as long as `work` on it takes.
pub(super) async fn alongside<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        output = &mut work => return output,
        _ = connection => {}
    }
    // The connection is over; what it read is still to be taken.
    work.await
}

fn failure(error: &hyper::Error) -> Failure {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return at_layer(io, Layer::Http);
        }
        cause = inner.source();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Failure::HttpEof
    } else {
        Failure::HttpMalformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_or_binary_is_no_text() {
        assert!(is_text(b"") && is_text("<p>\tgr\u{fc}n \u{65e5}\u{672c}\r\n".as_bytes()));
        for octets in [
            &b"\x1f\x8b\x08\0\0\0\0\0"[..],
            b"(\xb5/\xfd\x04\0",
            b"2\x000\x003\0.\x000\0",
        ] {
            assert!(!is_text(octets), "{octets:?}");
        }
    }

    #[test]
    fn framing_is_no_coding() {
        let coded = |field: &str, value: &str| {
            let response = http::Response::builder().header(field, value).body(());
            is_coded(&response.unwrap())
        };
        for (field, value, expected) in [
            ("content-encoding", "identity", false),
            ("content-encoding", "br", true),
            ("content-encoding", "identity, GZIP", true),
            ("transfer-encoding", "chunked", false),
            ("transfer-encoding", "gzip, chunked", true),
            ("content-type", "gzip", false),
        ] {
            assert_eq!(coded(field, value), expected, "{field}: {value}");
        }
    }
}
