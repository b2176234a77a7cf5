//! What does a resolver answer where nobody on the path can listen or forge?
//!
//! DNS over TLS (RFC 7858) and over HTTPS (RFC 8484, POST). An answer counts only behind a
//! certificate valid for the resolver's name (RFC 8310 strict profile): this is the control.
//! HTTP/2 is offered first, since some resolvers speak nothing older (RFC 8484 section 5.2;
//! Quad9 from 2025 on); those that do not know it are asked over HTTP/1.1.

use super::handshake::{Greeted, Greeting, handshake};
use super::lookup::{Ask, framed};
use super::run::Run;
use super::watch::Watched;
use crate::net::{Clock, Network, at_layer};
use bytes::Bytes;
use faultline_core::{
    failure::{Failure, Layer},
    observation::{DnsTransport, HandshakeRole},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

/// Where RFC 8484's examples and every large resolver put the service.
const PATH: &str = "/dns-query";
const MEDIA: &str = "application/dns-message";
/// `no_application_protocol` (RFC 7301 section 3.2).
pub(super) const NO_PROTOCOL: Failure = Failure::TlsAlert(120);

/// What is offered by ALPN for a transport, in this order, each over a connection of its own.
pub(super) const fn protocols(transport: DnsTransport) -> &'static [&'static [u8]] {
    match transport {
        DnsTransport::Https => &[b"h2", b"http/1.1"],
        _ => &[b"dot"],
    }
}

/// One question over a connection of its own.
pub(super) async fn ask<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    query: &[u8],
) -> Result<Vec<u8>, Failure> {
    let mut refused = Failure::TlsHandshake;
    for alpn in protocols(ask.transport) {
        let stream = run.connect(ask.resolver).await;
        let stream = stream.map_err(|error| at_layer(&error, Layer::Tcp))?;
        let Greeted {
            observation,
            stream,
            ..
        } = greet(run, ask, stream, alpn).await;
        match (observation.failure, stream) {
            (None, Some(stream)) => return converse(ask, stream, query).await,
            (failure, _) => refused = failure.unwrap_or(refused),
        }
        if refused != NO_PROTOCOL {
            break;
        }
    }
    Err(refused)
}

async fn greet<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    stream: Watched<N::Stream>,
    alpn: &[u8],
) -> Greeted<N::Stream> {
    let greeting = Greeting {
        to: ask.resolver,
        server: ask.resolver_name.as_deref().unwrap_or_default(),
        role: HandshakeRole::Target,
        alpn,
    };
    handshake(run, stream, &greeting).await
}

/// One question to a resolver that has proven itself.
pub(super) async fn converse<S>(
    ask: &Ask,
    mut stream: TlsStream<S>,
    query: &[u8],
) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if ask.transport != DnsTransport::Https {
        let answer = framed(&mut stream, query).await;
        return answer.map_err(|error| at_layer(&error, Layer::Dns));
    }
    let host = ask.resolver_name.as_deref().unwrap_or_default();
    let newer = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let answer = if newer {
        Box::pin(post_newer(stream, host, query)).await
    } else {
        post(stream, host, query).await
    };
    answer.ok_or(Failure::DnsMalformed)
}

fn request(uri: &str, host: Option<&str>) -> http::request::Builder {
    let request = http::Request::post(uri)
        .header("content-type", MEDIA)
        .header("accept", MEDIA);
    match host {
        Some(host) => request.header("host", host),
        None => request,
    }
}

/// Over HTTP/1.1.
async fn post<S>(stream: S, host: &str, query: &[u8]) -> Option<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let body = Full::new(Bytes::copy_from_slice(query));
    let request = request(PATH, Some(host)).body(body).ok()?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = shaken.await.ok()?;
    let response = async {
        let response = sender.send_request(request).await.ok()?;
        if response.status() != http::StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), usize::from(u16::MAX));
        Some(body.collect().await.ok()?.to_bytes().to_vec())
    };
    super::fetch::alongside(connection, response).await
}

/// Over HTTP/2 (RFC 9113).
async fn post_newer<S>(stream: S, host: &str, query: &[u8]) -> Option<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let uri = format!("https://{host}{PATH}");
    let request = request(&uri, None)
        .header("content-length", query.len())
        .body(())
        .ok()?;
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false).max_header_list_size(16 << 10);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await.ok()?;
    let response = async {
        let mut sender = sender.ready().await.ok()?;
        let (response, mut body) = sender.send_request(request, false).ok()?;
        body.send_data(Bytes::copy_from_slice(query), true).ok()?;
        let response = response.await.ok()?;
        if response.status() != http::StatusCode::OK {
            return None;
        }
        let mut body = response.into_body();
        let mut message = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.ok()?;
            let _ = body.flow_control().release_capacity(chunk.len());
            message.extend_from_slice(&chunk);
            if message.len() > usize::from(u16::MAX) {
                return None;
            }
        }
        Some(message)
    };
    super::fetch::alongside(connection, response).await
}
