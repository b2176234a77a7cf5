//! Who comes in over TCP, how many at once, and how slowly may they speak?
//!
//! Whoever connects and says nothing must keep nobody out: a connection has a bounded time for
//! its handshake, for each request's head and for the whole of a request, a neighbourhood of
//! addresses (a /24 or a /48) a bounded number of connections, and all together are bounded
//! by what a process may open. What comes above is closed unanswered; that costs less than any
//! answer.
//!
//! `axum::serve` bounds none of this, so connections are taken here, by the same hyper.

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Pause where the system has no more descriptors.
const BREATH: Duration = Duration::from_secs(1);

/// How much of the collector one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one neighbourhood at the same time; behind a proxy, all are its.
    pub each: Option<usize>,
    /// Connections of all.
    pub all: usize,
    /// For the handshake, and for a request's head.
    pub head: Duration,
    /// For a whole request with its answer. A board's largest batch passes in it at two
    /// kilobits a second.
    pub request: Duration,
    /// For those under way when the collector ends.
    pub end: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            each: Some(64),
            // Half of the descriptors that systemd and most shells give a process.
            all: 512,
            head: Duration::from_secs(10),
            request: Duration::from_mins(5),
            end: Duration::from_secs(10),
        }
    }
}

/// Serves until `stop`, then ends what is under way.
pub async fn serve(
    listener: TcpListener,
    secure: Option<Arc<rustls::ServerConfig>>,
    app: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let acceptor = secure.map(TlsAcceptor::from);
    let porter = Arc::new(Porter::default());
    let under_way = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not taken");
                tokio::select! {
                    () = tokio::time::sleep(BREATH) => continue,
                    () = &mut stop => break,
                }
            }
        };
        let Some(place) = Porter::admit(&porter, peer.ip(), &limits) else {
            tracing::debug!("a connection was closed: there are too many");
            continue;
        };
        let (acceptor, app) = (acceptor.clone(), app.clone());
        let watcher = under_way.watcher();
        tokio::spawn(async move {
            let Some(acceptor) = acceptor else {
                return speak(stream, peer, app, limits, watcher, place).await;
            };
            // Who shook no hands is nobody: no word in the log.
            let shaken = tokio::time::timeout(limits.head, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                speak(stream, peer, app, limits, watcher, place).await;
            }
        });
    }
    drop(listener);
    // Who is too slow for that, a handshake among them, comes again.
    let _ = tokio::time::timeout(limits.end, under_way.shutdown()).await;
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    app: Router,
    limits: Limits,
    watcher: Watcher,
    place: Place,
) {
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answered = tokio::time::timeout(limits.request, app.oneshot(request)).await;
            let answer: Response = match answered {
                Ok(Ok(answer)) => answer,
                Ok(Err(impossible)) => match impossible {},
                Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke");
    }
    drop(place);
}

/// Who is in.
#[derive(Default)]
struct Porter {
    inside: Mutex<HashMap<IpAddr, usize>>,
}

impl Porter {
    fn admit(porter: &Arc<Self>, from: IpAddr, limits: &Limits) -> Option<Place> {
        let home = neighbourhood(from);
        let mut inside = porter.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.values().sum::<usize>() >= limits.all {
            return None;
        }
        let here = inside.entry(home).or_default();
        if limits.each.is_some_and(|each| *here >= each) {
            return None;
        }
        *here += 1;
        let porter = Arc::clone(porter);
        Some(Place { porter, home })
    }
}

/// A place inside; given back when dropped.
struct Place {
    porter: Arc<Porter>,
    home: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let inside = &self.porter.inside;
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = inside.get_mut(&self.home) {
            *here -= 1;
            if *here == 0 {
                inside.remove(&self.home);
            }
        }
    }
}

/// The first address of what one owner usually has: a /24, a /48.
fn neighbourhood(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & !0xff).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !(u128::MAX >> 48)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::oneshot,
    };

    /// Serves, and says so to whoever drops the second.
    async fn open(limits: Limits) -> (SocketAddr, oneshot::Sender<()>, impl Future) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let never = get(std::future::pending::<()>);
        let app = Router::new().route("/", get(|| async { "well" }));
        let app = app.route("/never", never);
        let (end, ended) = oneshot::channel();
        let ended = async move {
            let _ = ended.await;
        };
        let served = tokio::spawn(serve(listener, None, app, limits, ended));
        (at, end, served)
    }

    async fn say(stream: &mut TcpStream, what: &str) -> String {
        stream.write_all(what.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    const ASK: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn one_neighbourhood_cannot_have_it_all() {
        let limits = Limits {
            each: Some(2),
            ..Limits::default()
        };
        let (at, end, served) = open(limits).await;
        let silent = TcpStream::connect(at).await.unwrap();
        let mut second = TcpStream::connect(at).await.unwrap();
        let mut third = TcpStream::connect(at).await.unwrap();
        assert_eq!(say(&mut third, "").await, "", "closed unanswered");
        assert!(say(&mut second, ASK).await.ends_with("well"));
        drop(silent);
        drop(end);
        served.await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_slow_is_let_go() {
        let (at, _end, _served) = open(Limits::default()).await;
        let mut slow = TcpStream::connect(at).await.unwrap();
        assert_eq!(say(&mut slow, "GET / HT").await, "");
        let mut waits = TcpStream::connect(at).await.unwrap();
        let answer = say(&mut waits, &ASK.replace("/ ", "/never ")).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    #[tokio::test]
    async fn an_end_waits_for_nobody_who_is_silent() {
        let (at, end, served) = open(Limits::default()).await;
        let _silent = TcpStream::connect(at).await.unwrap();
        drop(end);
        served.await;
    }

    #[test]
    fn neighbours_are_counted_together() {
        let of = |ip: &str| neighbourhood(ip.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.77"), "192.0.2.0");
        assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(of("2001:db8:1:2::3"), "2001:db8:1::");
    }
}
