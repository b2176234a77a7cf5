//! Can a page be reached, and if not, at which step does it end?
//!
//! After OONI ts-017: resolve, connect to what the probe's and the control's resolvers gave,
//! shake hands, fetch. A handshake that fails gets a twin with a neutral name to the same
//! address, so that filtering by name and by address can be told apart. Known false
//! positives: residual blocking after the first handshake reaches the twin too; servers that
//! refuse unknown names; sites down for everybody.

use super::addresses::{Sourced, port, resolve, sought};
use super::dns_consistency::controlled;
use super::fetch::{Page, fetch};
use super::handshake::{Greeted, Greeting, handshake};
use super::lookup::ask_system;
use super::{Outcome, Plan, World, captive, lookup, run::Run, watch::Watched};
use crate::net::{Clock, Network, at_layer};
use faultline_core::{
    dns::is_bogon,
    failure::{Failure, Layer},
    measurement::{ControlReport, Experiment, Limit},
    observation::{AddressSource, Connect, HandshakeRole, Observation, Step},
    value::Ip,
};
use futures_util::future::join_all;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};

const ALPN: &[u8] = b"http/1.1";

/// Measures one page. The control's report, where there is one, adds addresses to try. A
/// target that is no `http` or `https` URL gives an outcome without observations.
pub async fn web<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    url: &str,
    report: Option<&ControlReport>,
) -> Outcome {
    let run = &Run::new(world, plan);
    let parsed = Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some((target, host)) = parsed.as_ref().and_then(|url| Some((url, url.host()?))) else {
        return Outcome::of(run, Experiment::Web, url, Vec::new(), None);
    };
    let (mut observations, portal) = tokio::join!(resolve(run, &host), captive::check(run));
    if report.is_none() && !controlled(&observations) {
        run.limit(Limit::Control);
    }
    let addresses = sought(run, &host, &observations, report);
    let way = Way {
        url: target,
        twin: true,
        fetched: |_| true,
        claims: RefCell::default(),
    };
    let tries = addresses.iter().map(|address| visit(run, &way, *address));
    observations.extend(join_all(tries).await.into_iter().flatten());
    Outcome::of(run, Experiment::Web, url, observations, portal)
}

/// Pages fetched so far: one for each giver of addresses and each state of authentication,
/// whichever address is first to get there.
type Claims = RefCell<Vec<(AddressSource, bool)>>;

/// How far the addresses of a page are visited.
pub(super) struct Way<'a> {
    pub(super) url: &'a Url,
    /// Whether a handshake that fails gets a twin with the neutral name.
    pub(super) twin: bool,
    /// From whose addresses the page is fetched.
    pub(super) fetched: fn(AddressSource) -> bool,
    pub(super) claims: Claims,
}

/// Everything done with one address.
pub(super) async fn visit<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    way: &Way<'_>,
    (ip, source): Sourced,
) -> Vec<Observation> {
    let url = way.url;
    let to = SocketAddr::new(ip, port(url));
    let mut seen = Vec::new();
    let mut stream = None;
    for _ in 0..run.plan.attempts.max(1) {
        stream = connect(run, to, source, &mut seen).await;
        if stream.is_some() {
            break;
        }
    }
    let Some(stream) = stream else { return seen };
    if url.scheme() == "http" {
        if claim(way, source, false) {
            let mut next = Some(stream);
            for _ in 0..run.plan.attempts.max(1) {
                let Some(stream) = next else { break };
                if browse(run, url, to, Carrier::Plain(stream), &mut seen).await {
                    break;
                }
                next = connect(run, to, source, &mut seen).await;
            }
        }
        return seen;
    }
    let mut greeted = greet(run, stream, to, url, HandshakeRole::Target, &mut seen).await;
    if !greeted.authenticated {
        if way.twin
            && let Some(stream) = connect(run, to, source, &mut seen).await
        {
            greet(run, stream, to, url, HandshakeRole::NeutralName, &mut seen).await;
        }
        for _ in 1..run.plan.attempts {
            let Some(stream) = connect(run, to, source, &mut seen).await else {
                continue;
            };
            let again = greet(run, stream, to, url, HandshakeRole::Target, &mut seen).await;
            if again.stream.is_some() {
                greeted = again;
            }
            if greeted.authenticated {
                break;
            }
        }
    }
    let claimed = greeted.stream.is_some() && claim(way, source, greeted.authenticated);
    let mut next = greeted.stream.filter(|_| claimed);
    for _ in 0..run.plan.attempts.max(1) {
        let Some(stream) = next else { break };
        let carrier = Carrier::Tls(Box::new(stream), greeted.authenticated);
        if browse(run, url, to, carrier, &mut seen).await {
            break;
        }
        let Some(stream) = connect(run, to, source, &mut seen).await else {
            break;
        };
        let again = greet(run, stream, to, url, HandshakeRole::Target, &mut seen).await;
        // Another's page would be counted as this one's.
        let alike = again.authenticated == greeted.authenticated;
        next = again.stream.filter(|_| alike);
    }
    seen
}

fn claim(way: &Way<'_>, source: AddressSource, authenticated: bool) -> bool {
    let mut claims = way.claims.borrow_mut();
    let fresh = (way.fetched)(source) && !claims.contains(&(source, authenticated));
    claims.push((source, authenticated));
    fresh
}

pub(super) async fn connect<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    to: SocketAddr,
    source: AddressSource,
    seen: &mut Vec<Observation>,
) -> Option<Watched<N::Stream>> {
    let started = run.elapsed();
    let (stream, failure) = match run.within(run.plan.timeouts.tcp, run.connect(to)).await {
        Some(Ok(stream)) => (Some(stream), None),
        Some(Err(error)) => (None, Some(at_layer(&error, Layer::Tcp))),
        None => (None, Some(Failure::TcpTimeout)),
    };
    let step = Step::Connect(Connect {
        ip: Ip(to.ip()),
        port: to.port(),
        source,
    });
    seen.push(run.ended(started, step, failure));
    stream
}

/// A handshake, recorded; the observation that [`Greeted`] keeps is a copy.
pub(super) async fn greet<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    stream: Watched<N::Stream>,
    to: SocketAddr,
    url: &Url,
    role: HandshakeRole,
    seen: &mut Vec<Observation>,
) -> Greeted<N::Stream> {
    let server = match role {
        HandshakeRole::NeutralName => &run.plan.neutral_name,
        _ => url.host_str().unwrap_or_default(),
    };
    let greeted = handshake(
        run,
        stream,
        &Greeting {
            to,
            server,
            role,
            alpn: ALPN,
        },
    )
    .await;
    seen.push(greeted.observation.clone());
    greeted
}

/// What a page comes over.
enum Carrier<S> {
    Plain(Watched<S>),
    /// And whether the certificate is valid.
    Tls(Box<tokio_rustls::client::TlsStream<Watched<S>>>, bool),
}

/// Fetches a page and follows redirects, each over a connection of its own. Whether the first
/// request was answered: a failure that is not repeated says nothing.
async fn browse<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    first: &Url,
    to: SocketAddr,
    carrier: Carrier<N::Stream>,
    seen: &mut Vec<Observation>,
) -> bool {
    let (mut url, mut to, mut carrier) = (first.clone(), to, carrier);
    for depth in 0.. {
        let mut page = Page {
            url: &url,
            to,
            depth,
            authenticated: false,
        };
        let mut observation = match carrier {
            Carrier::Plain(stream) => fetch(run, stream, &page).await,
            Carrier::Tls(stream, authenticated) => {
                page.authenticated = authenticated;
                fetch(run, stream, &page).await
            }
        };
        let location = match &observation.step {
            Step::Fetch(fetch) if observation.failure.is_none() => fetch.location.clone(),
            _ => None,
        };
        let Some(location) = location else {
            // What is slow is not tried again: a page that trickles would time out twice, and
            // one run cannot tell that from a page that is held back.
            let slow = observation.failure == Some(Failure::HttpTimeout);
            let spoke =
                matches!(&observation.step, Step::Fetch(fetch) if fetch.status.is_some());
            let answered = depth > 0 || spoke || slow || observation.failure.is_none();
            seen.push(observation);
            return answered;
        };
        let next = url
            .join(&location)
            .ok()
            .filter(|next| matches!(next.scheme(), "http" | "https") && next.has_host());
        let Some(next) = next.filter(|_| depth < run.plan.max_redirects) else {
            if depth >= run.plan.max_redirects {
                run.limit(Limit::Redirects);
            }
            observation.failure = Some(Failure::HttpBadRedirect);
            seen.push(observation);
            return true;
        };
        seen.push(observation);
        let Some((address, stream)) = follow(run, &url, &next, to, seen).await else {
            return true;
        };
        (url, to, carrier) = (next, address, stream);
    }
    true
}

/// The way to a redirect's target: the same address for the same host, else what the
/// operating system's resolver gives.
async fn follow<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    from: &Url,
    next: &Url,
    at: SocketAddr,
    seen: &mut Vec<Observation>,
) -> Option<(SocketAddr, Carrier<N::Stream>)> {
    let (ip, source) = if from.host() == next.host() {
        (at.ip(), AddressSource::Probe)
    } else {
        locate(run, &next.host()?, seen).await?
    };
    if is_bogon(ip) && !run.plan.contact_bogons && ip != at.ip() {
        return None;
    }
    let to = SocketAddr::new(ip, port(next));
    if run.plan.usual_ports && ![80, 443, port(from)].contains(&to.port()) {
        return None;
    }
    let stream = connect(run, to, source, seen).await?;
    if next.scheme() == "http" {
        return Some((to, Carrier::Plain(stream)));
    }
    let greeted = greet(run, stream, to, next, HandshakeRole::Target, seen).await;
    Some((
        to,
        Carrier::Tls(Box::new(greeted.stream?), greeted.authenticated),
    ))
}

async fn locate<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    host: &Host<&str>,
    seen: &mut Vec<Observation>,
) -> Option<(IpAddr, AddressSource)> {
    match host {
        Host::Ipv4(ip) => Some(((*ip).into(), AddressSource::Literal)),
        Host::Ipv6(ip) => Some(((*ip).into(), AddressSource::Literal)),
        Host::Domain(name) => {
            let answers = ask_system(run, name, &run.plan.query_types, 0).await;
            let ip = answers
                .iter()
                .flat_map(lookup::addresses)
                .map(|ip| ip.0)
                .next();
            seen.extend(answers);
            Some((ip?, AddressSource::Probe))
        }
    }
}
