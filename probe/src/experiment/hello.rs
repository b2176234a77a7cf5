//! Does a ClientHello with the target's name come through, and if not, does a neutral one?
//!
//! The engine of [`faultline_core::engine::handshake`] over an open connection, as boards
//! drive it: no certificate is seen and no page fetched, so that the smallest probe and this
//! one measure the same. Where the name is stopped and a neutral one is not, and the plan wants
//! to know where, ClientHellos with rising hop limits follow at the first such address. Sources
//! and known false positives are the engine's, and those of
//! `embedded/core/src/verdict/hop.rs`.

use super::addresses::{Sourced, port, resolve, sought};
use super::dns_consistency::controlled;
use super::web::connect;
use super::{Outcome, Plan, World, captive, run::Run, watch::Watched};
use crate::net::{Clock, Expiry, Network, at_layer};
use faultline_core::{
    engine::{
        Want,
        handshake::{Event, Greeting, Trial},
    },
    failure::{Failure, Layer},
    measurement::{ControlReport, Experiment, Limit},
    observation::{AddressSource, HandshakeRole, HandshakeStage, Observation, Step},
    time::Duration,
};
use futures_util::future::join_all;
use std::cell::Cell;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

/// Application protocols offered.
const ALPN: &str = "http/1.1";
/// Hops that are tried: paths to large sites have ten to twenty.
const HOPS: u8 = 24;
/// How long one with a lowered hop limit waits: routers answer within a round trip.
const PATIENCE: Duration = Duration::from_secs(2);

/// Greets the host of one `https` URL. Any other target gives an outcome without
/// observations.
pub async fn hello<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    url: &str,
    report: Option<&ControlReport>,
) -> Outcome {
    let run = &Run::new(world, plan);
    let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "https");
    let Some((target, host)) = parsed.as_ref().and_then(|url| Some((url, url.host()?))) else {
        return Outcome::of(run, Experiment::Hello, url, Vec::new(), None);
    };
    let (mut observations, portal) = tokio::join!(resolve(run, &host), captive::check(run));
    if report.is_none() && !controlled(&observations) {
        run.limit(Limit::Control);
    }
    if !plan.system {
        run.limit(Limit::SystemResolver);
    }
    let addresses = sought(run, &host, &observations, report);
    let located = &Cell::new(!run.plan.locate);
    let tries = addresses
        .iter()
        .map(|address| visit(run, target, *address, located));
    observations.extend(join_all(tries).await.into_iter().flatten());
    Outcome::of(run, Experiment::Hello, url, observations, portal)
}

/// Whether handshakes with the target's name were cut off where a neutral one was answered: then
/// it is worth finding out where.
pub fn is_stopped_by_name(seen: &[Observation]) -> bool {
    let shakes = |role: HandshakeRole| {
        seen.iter().filter_map(move |o| match &o.step {
            Step::Handshake(shake) if shake.role == role => Some((o.failure, shake.stage)),
            _ => None,
        })
    };
    let cut = |(failure, stage): (Option<Failure>, HandshakeStage)| {
        failure.is_some_and(is_cut) && stage < HandshakeStage::ServerHello
    };
    let answered = |(failure, stage): (Option<Failure>, HandshakeStage)| {
        failure.is_none() || stage >= HandshakeStage::ServerHello
    };
    shakes(HandshakeRole::Target).any(cut)
        && !shakes(HandshakeRole::Target).any(answered)
        && shakes(HandshakeRole::NeutralName).any(answered)
}

fn is_cut(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::TlsReset | Failure::TlsEof | Failure::TlsTimeout | Failure::TlsMalformed
    )
}

/// Everything done with one address: the target's name, and where it does not pass, the
/// neutral one and the target's again.
async fn visit<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    url: &Url,
    (ip, source): Sourced,
    located: &Cell<bool>,
) -> Vec<Observation> {
    let target = Greeting {
        to: SocketAddr::new(ip, port(url)),
        server_name: url.host_str().map(str::to_owned),
        role: HandshakeRole::Target,
        alpn: vec![ALPN.to_owned()],
        patience: run.plan.timeouts.tls,
    };
    let mut seen = Vec::new();
    let mut stream = None;
    for _ in 0..run.plan.attempts.max(1) {
        stream = connect(run, target.to, source, &mut seen).await;
        if stream.is_some() {
            break;
        }
    }
    let Some(stream) = stream else { return seen };
    if passes(run, stream, target.clone(), &mut seen).await {
        return seen;
    }
    if let Some(stream) = connect(run, target.to, source, &mut seen).await {
        passes(run, stream, target.twin(&run.plan.neutral_name), &mut seen).await;
    }
    for _ in 1..run.plan.attempts {
        if let Some(stream) = connect(run, target.to, source, &mut seen).await
            && passes(run, stream, target.clone(), &mut seen).await
        {
            break;
        }
    }
    if !located.get() && is_stopped_by_name(&seen) {
        located.set(true);
        locate(run, &target, source, &mut seen).await;
    }
    seen
}

/// ClientHellos that may go one hop, two, and so on, until one with the target's name is stopped
/// and one with a neutral name is not.
async fn locate<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    target: &Greeting,
    source: AddressSource,
    seen: &mut Vec<Observation>,
) {
    let target = Greeting {
        role: HandshakeRole::HopTarget,
        patience: target.patience.min(PATIENCE),
        ..target.clone()
    };
    let neutral = Greeting {
        role: HandshakeRole::HopNeutral,
        ..target.twin(&run.plan.neutral_name)
    };
    for hops in 1..=HOPS {
        let Some(end) = limited(run, &target, source, hops, seen).await else {
            return;
        };
        match end {
            // It passes now, whatever stopped it.
            None => return,
            Some(failure) if !is_cut(failure) => {}
            Some(failure) => match limited(run, &neutral, source, hops, seen).await {
                // Where silence meets both, the hop says nothing.
                Some(Some(other)) if other == failure && failure.is_timeout() => {}
                _ => return,
            },
        }
    }
}

/// How one that may go so many hops ended; `None` where there was no connection, or hops cannot
/// be limited here.
async fn limited<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    greeting: &Greeting,
    source: AddressSource,
    hops: u8,
    seen: &mut Vec<Observation>,
) -> Option<Option<Failure>> {
    let stream = connect(run, greeting.to, source, seen).await?;
    let net = run.world.net;
    let expiry = net.limit_hops(stream.carrier(), hops).ok()?;
    passes_or(run, stream, greeting.clone(), expiry, seen).await;
    let last = seen.last_mut()?;
    if let Step::Handshake(shake) = &mut last.step {
        shake.hop_limit = Some(hops);
    }
    Some(last.failure)
}

/// One ClientHello; whether a ServerHello came back.
async fn passes<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    stream: Watched<N::Stream>,
    greeting: Greeting,
    seen: &mut Vec<Observation>,
) -> bool {
    let never = Box::pin(std::future::pending());
    passes_or(run, stream, greeting, never, seen).await
}

/// Likewise, over a connection that may report that something expired.
async fn passes_or<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    mut stream: Watched<N::Stream>,
    greeting: Greeting,
    mut expiry: Expiry,
    seen: &mut Vec<Observation>,
) -> bool {
    let clock = run.world.clock;
    let entropy = run.random();
    let mut trial = Trial::new(greeting, run.start, clock.now(), &entropy);
    let mut chunk = [0; 512];
    loop {
        match trial.poll(clock.now()) {
            Want::Send(hello) => {
                let hello = hello.to_vec();
                if let Err(error) = stream.write_all(&hello).await {
                    trial.handle(clock.now(), event(&error));
                }
            }
            Want::Wait => {
                let Some(until) = trial.poll_at() else { break };
                let patience = until.since(clock.now());
                let read = async {
                    tokio::select! {
                        biased;
                        read = stream.read(&mut chunk) => read,
                        error = &mut expiry => Err(error),
                    }
                };
                // Without an answer, the trial finds at its next look that time is up.
                if let Some(read) = run.within(patience, read).await {
                    let event = match &read {
                        Ok(0) => Event::Closed,
                        Ok(length) => Event::Received(chunk.get(..*length).unwrap_or_default()),
                        Err(error) => event(error),
                    };
                    trial.handle(clock.now(), event);
                }
            }
            Want::Nothing => break,
        }
    }
    let observation = trial.finish(clock.now());
    let passed = observation.failure.is_none();
    seen.push(observation);
    passed
}

fn event(error: &std::io::Error) -> Event<'static> {
    match at_layer(error, Layer::Tls) {
        Failure::TlsReset => Event::Reset,
        failure => Event::Failed(failure),
    }
}
