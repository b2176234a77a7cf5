//! What does a resolver answer where nobody on the path can listen or forge?
//!
//! DNS over TLS (RFC 7858) and over HTTPS (RFC 8484, POST over HTTP/1.1). An answer counts
//! only behind a certificate valid for the resolver's name (RFC 8310 strict profile): this
//! is the control. Resolvers that speak only HTTP/2 cannot be asked over HTTPS.

use super::handshake::{Greeting, handshake};
use super::lookup::{Ask, framed};
use super::run::Run;
use crate::net::{Clock, Network, at_layer};
use bytes::Bytes;
use faultline_core::{
    failure::{Failure, Layer},
    observation::{DnsTransport, HandshakeRole},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Where RFC 8484's examples and every large resolver put the service.
const PATH: &str = "/dns-query";
const MEDIA: &str = "application/dns-message";

/// One question over a connection of its own.
pub(super) async fn ask<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    ask: &Ask,
    query: &[u8],
) -> Result<Vec<u8>, Failure> {
    let stream = run.connect(ask.resolver).await;
    let stream = stream.map_err(|error| at_layer(&error, Layer::Tcp))?;
    let server = ask.resolver_name.as_deref().unwrap_or_default();
    let https = ask.transport == DnsTransport::Https;
    let alpn: &[u8] = if https { b"http/1.1" } else { b"dot" };
    let greeting = Greeting {
        to: ask.resolver,
        server,
        role: HandshakeRole::Target,
        alpn,
    };
    let greeted = handshake(run, stream, &greeting).await;
    if let Some(failure) = greeted.observation.failure {
        return Err(failure);
    }
    let mut stream = greeted.stream.ok_or(Failure::TlsHandshake)?;
    if https {
        post(stream, server, query).await
    } else {
        framed(&mut stream, query)
            .await
            .map_err(|error| at_layer(&error, Layer::Dns))
    }
}

async fn post<S>(stream: S, host: &str, query: &[u8]) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = http::Request::post(PATH)
        .header("host", host)
        .header("content-type", MEDIA)
        .header("accept", MEDIA)
        .body(Full::new(Bytes::copy_from_slice(query)))
        .map_err(|_| Failure::LocalError)?;
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .ok()?;
        let response = async {
            let response = sender.send_request(request).await.ok()?;
            if response.status() != http::StatusCode::OK {
                return None;
            }
            let body = Limited::new(response.into_body(), usize::from(u16::MAX));
            Some(body.collect().await.ok()?.to_bytes().to_vec())
        };
        super::fetch::alongside(connection, response).await
    };
    exchange.await.ok_or(Failure::DnsMalformed)
}
