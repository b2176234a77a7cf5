//! What page answers?
//!
//! One GET over HTTP/1.1 (RFC 9110, RFC 9112) on a connection of its own. Field names come
//! in lower case, as the HTTP library gives them.

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
const USER_AGENT: &str =
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
    let mut body = Vec::new();
    let cap = run.plan.body_cap;
    let exchange = get(stream, page.url, cap, &mut fact, &mut body);
    let failure = match run.within(run.plan.timeouts.http, exchange).await {
        None => Some(Failure::HttpTimeout),
        Some(result) => result.err(),
    };
    if fact.status.is_some() {
        fact.body_length = body.len() as u64;
        fact.body_sha256 = Some(Blob(Sha256::digest(&body).to_vec()));
        fact.title = title(&body);
        body.truncate(run.plan.excerpt_cap);
        fact.body = Some(Blob(body));
    }
    if fact.body_truncated {
        run.limit(Limit::Cap);
    }
    run.ended(started, Step::Fetch(fact), failure)
}

async fn get<S>(
    stream: S,
    url: &Url,
    cap: usize,
    fact: &mut Fetch,
    body: &mut Vec<u8>,
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

/// Drives a connection for as long as `work` on it takes.
pub(super) async fn alongside<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    work: impl Future<Output = T>,
) -> T {
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
