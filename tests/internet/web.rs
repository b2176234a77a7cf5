//! What does a host do with a connection? Pages over HTTP/1.1 (RFC 9112), in the clear or
//! over TLS, and DNS over TLS (RFC 7858) and HTTPS (RFC 8484) where a resolver runs.

use crate::resolver::Speech;
use crate::scenario::{Site, State};
use crate::world::World;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// Serves one connection to `to` from a client in `country`. The result does not matter: a
/// client that goes away is no event here.
pub async fn serve<S>(world: Arc<World>, to: SocketAddr, country: String, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if to.port() == 53 {
        let _ = answer(&world, to, stream).await;
        return;
    }
    if let Some(server) = world.resolver_server(to.ip()).filter(|_| to.port() != 80) {
        if let Ok(stream) = TlsAcceptor::from(Arc::clone(server)).accept(stream).await {
            let resolver = world.resolver_at(to.ip());
            if resolver.is_some_and(|resolver| !resolver.answers(&country)) {
                let _ = refuse(to, stream).await;
            } else if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let _ = Box::pin(answer_newer(&world, to, stream)).await;
            } else {
                let _ = answer(&world, to, stream).await;
            }
        }
        return;
    }
    let Some((site, server)) = world.site_at(to.ip()) else {
        return;
    };
    if to.port() == 443 {
        if let Ok(stream) = TlsAcceptor::from(Arc::clone(server)).accept(stream).await {
            let _ = page(&world, site, &country, true, stream).await;
        }
    } else {
        let _ = page(&world, site, &country, false, stream).await;
    }
}

/// Serves one connection in the place of `name`, as somebody else.
pub async fn impersonate<S>(world: Arc<World>, name: String, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(server) = world.intercept(&name) else {
        return;
    };
    if let Ok(mut stream) = TlsAcceptor::from(server).accept(stream).await {
        let _ = request(&mut stream).await;
        let _ = stream
            .write_all(&response(200, &[], b"<title>Relayed</title>"))
            .await;
        let _ = stream.shutdown().await;
    }
}

/// The errno that a SYN to `to` meets, or silence for `Some(None)`; `None` where a
/// connection comes about.
pub fn listens(world: &World, to: SocketAddr) -> Option<Option<i32>> {
    if let Some(resolver) = world.resolver_at(to.ip()).filter(|_| to.port() == 53) {
        return resolver.datagrams_only.then_some(Some(111));
    }
    if let Some(resolver) = world.resolver_at(to.ip()).filter(|r| r.name.is_some()) {
        let speech = match to.port() {
            443 => Some(Speech::Https),
            853 => Some(Speech::Tls),
            _ => None,
        };
        let listens = speech.is_some_and(|speech| resolver.speaks(speech));
        return (!listens).then_some(Some(111));
    }
    match world.site_at(to.ip()) {
        Some((site, _)) if site.state == State::Silent => Some(None),
        Some((site, _)) if site.state == State::Refuses => Some(Some(111)),
        Some(_) => (!matches!(to.port(), 80 | 443)).then_some(Some(111)),
        None => Some(None),
    }
}

/// Whether the host resets what it accepts.
pub fn resets(world: &World, ip: IpAddr) -> bool {
    world
        .site_at(ip)
        .is_some_and(|(site, _)| site.state == State::Resets)
}

/// A whole response.
pub fn response(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Simulated\r\nConnection: close\r\n");
    for (name, value) in fields {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if status != 204 {
        head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    let mut octets = (head + "\r\n").into_bytes();
    octets.extend(body);
    octets
}

/// The host that a request names, lower case, without its port.
pub fn host(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let field = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    })?;
    Some(field.split(':').next()?.to_ascii_lowercase())
}

async fn page<S>(
    world: &World,
    site: &Site,
    country: &str,
    secure: bool,
    mut stream: S,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(&mut stream).await?;
    tokio::time::sleep(Duration::from_millis(site.thinks_ms)).await;
    let refused = site.refuses_countries.iter().any(|c| c == country);
    let page = match (&site.redirect, next(site, &request)) {
        (Some(to), _) if !secure => response(301, &[("Location", to)], b""),
        _ if refused => response(site.refuses_with, &[], b"<title>Are you a person?</title>"),
        (_, Some(to)) => response(302, &[("Location", to)], b""),
        _ => response(site.status, &[], &body(world, site)),
    };
    if site.pace_ms == 0 {
        stream.write_all(&page).await?;
    } else {
        for part in page.chunks(100) {
            stream.write_all(part).await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(site.pace_ms)).await;
        }
    }
    stream.shutdown().await
}

/// Where a request for a path of the site's chain is sent on to.
fn next<'a>(site: &'a Site, request: &[u8]) -> Option<&'a str> {
    let text = String::from_utf8_lossy(request);
    let path = text.split(' ').nth(1)?;
    let at = site.chain.iter().position(|link| link == path);
    let next = if path == "/" { 0 } else { at? + 1 };
    site.chain.get(next).map(String::as_str)
}

fn body(world: &World, site: &Site) -> Vec<u8> {
    let varied = match site.varies {
        0 => 0,
        varies => world.draw() as usize % varies,
    };
    let mut body = format!("<html><title>{}</title>", site.title).into_bytes();
    body.resize(body.len().max(site.length) + varied, b'.');
    body
}

/// A request's head and what of its body came with it.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut chunk).await?;
        if length == 0 || seen.len() > 65_536 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        seen.extend(&chunk[..length]);
    }
    Ok(seen)
}

/// Lets the client ask, and says that nothing is for it.
async fn refuse<S>(to: SocketAddr, mut stream: S) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = [0; 4096];
    let _ = stream.read(&mut first).await?;
    if to.port() == 443 {
        stream.write_all(&response(403, &[], b"")).await?;
    }
    stream.shutdown().await
}

/// One query over HTTP/2 (RFC 9113), by an implementation of others.
async fn answer_newer<S>(world: &World, to: SocketAddr, stream: S) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(asked) = connection.accept().await {
        let (request, mut respond) = asked?;
        let mut body = request.into_body();
        let answered = async {
            let mut query = Vec::new();
            while let Some(chunk) = body.data().await {
                query.extend_from_slice(&chunk.ok()?);
            }
            let resolver = world.resolver_at(to.ip())?;
            let reply = resolver.reply(world, &query)?;
            let head =
                http::Response::builder().header("content-type", "application/dns-message");
            let mut sending = respond.send_response(head.body(()).ok()?, false).ok()?;
            sending.send_data(reply.into(), true).ok()
        };
        // The connection carries what is waited for.
        tokio::select! {
            _ = answered => {}
            _ = std::future::poll_fn(|cx| connection.poll_closed(cx)) => return Ok(()),
        }
    }
    Ok(())
}

/// One query over TLS or HTTPS.
async fn answer<S>(world: &World, to: SocketAddr, mut stream: S) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reply = |query: &[u8]| {
        let reply = world
            .resolver_at(to.ip())
            .and_then(|r| r.reply(world, query));
        reply.ok_or(std::io::Error::from(std::io::ErrorKind::InvalidData))
    };
    if to.port() == 443 {
        let mut seen = request(&mut stream).await?;
        let head = seen
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .unwrap_or(0)
            + 4;
        let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
        let field = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = field.and_then(|f| f.trim().parse().ok()).unwrap_or(0);
        while seen.len() < head + length {
            seen.push(stream.read_u8().await?);
        }
        let reply = reply(&seen[head..])?;
        let media = [("Content-Type", "application/dns-message")];
        stream.write_all(&response(200, &media, &reply)).await?;
    } else {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let reply = reply(&query)?;
        stream.write_u16(reply.len() as u16).await?;
        stream.write_all(&reply).await?;
    }
    stream.shutdown().await
}
