//! How does one message get to its receiver? One connection, one request, the status of the
//! answer, and not a second longer than is allowed. A redirect is an answer like any other that
//! is no success: nobody but the operator says where messages go.

use super::Hook;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// For all of it.
const WAIT: Duration = Duration::from_secs(15);

/// The public authorities.
pub(super) fn trust() -> Arc<ClientConfig> {
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

/// Sends it; `Err` says why it was not taken.
pub(super) async fn post(
    hook: &Hook,
    tls: &Arc<ClientConfig>,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<(), String> {
    let sent = tokio::time::timeout(WAIT, exchange(hook, tls, headers, body)).await;
    let status = sent.map_err(|_| format!("no answer within {} s", WAIT.as_secs()))??;
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(format!("status {status}: redirects are not followed")),
        _ => Err(format!("status {status}")),
    }
}

async fn exchange(
    hook: &Hook,
    tls: &Arc<ClientConfig>,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<u16, String> {
    let port = hook.url.port_or_known_default().unwrap_or(443);
    let stream = match hook.literal() {
        Some(ip) => TcpStream::connect(SocketAddr::new(ip, port)).await,
        None => TcpStream::connect((hook.host(), port)).await,
    };
    let stream = stream.map_err(|e| format!("connecting: {e}"))?;
    if hook.url.scheme() != "https" {
        return speak(hook, stream, headers, body).await;
    }
    let name = match hook.literal() {
        Some(ip) => ServerName::from(ip),
        None => ServerName::try_from(hook.host().to_owned()).map_err(|e| e.to_string())?,
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(name, stream).await;
    speak(
        hook,
        stream.map_err(|e| format!("TLS: {e}"))?,
        headers,
        body,
    )
    .await
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    hook: &Hook,
    stream: S,
    headers: &[(&'static str, String)],
    body: Vec<u8>,
) -> Result<u16, String> {
    let http = |e: hyper::Error| format!("HTTP: {e}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(http)?;
    let path = &hook.url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::post(path)
        .header(header::HOST, hook.url.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("faultline-collector/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| e.to_string())?;
    let work = sender.send_request(request);
    tokio::pin!(work, connection);
    tokio::select! {
        biased;
        // What it says beside the status is not read.
        answer = &mut work => answer.map(|answer| answer.status().as_u16()).map_err(http),
        ended = &mut connection => match ended {
            Ok(()) => work.await.map(|answer| answer.status().as_u16()).map_err(http),
            Err(e) => Err(http(e)),
        },
    }
}
