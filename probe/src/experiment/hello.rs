//! Does a ClientHello with the target's name come through, and if not, does a neutral one?
//!
//! The engine of [`faultline_core::engine::handshake`] over an open connection, as boards
//! drive it: no certificate is seen and no page fetched, so that the smallest probe and this
//! one measure the same. Sources and known false positives are the engine's.

use super::addresses::{Sourced, port, resolve, sought};
use super::dns_consistency::controlled;
use super::web::connect;
use super::{Outcome, Plan, World, captive, run::Run, watch::Watched};
use crate::net::{Clock, Network, at_layer};
use faultline_core::{
    engine::{
        Want,
        handshake::{Event, Greeting, Trial},
    },
    failure::{Failure, Layer},
    measurement::{ControlReport, Experiment, Limit},
    observation::{HandshakeRole, Observation},
};
use futures_util::future::join_all;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

/// Application protocols offered.
const ALPN: &str = "http/1.1";

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
    let tries = addresses.iter().map(|address| visit(run, target, *address));
    observations.extend(join_all(tries).await.into_iter().flatten());
    Outcome::of(run, Experiment::Hello, url, observations, portal)
}

/// Everything done with one address: the target's name, and where it does not pass, the
/// neutral one and the target's again.
async fn visit<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    url: &Url,
    (ip, source): Sourced,
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
    seen
}

/// One ClientHello; whether a ServerHello came back.
async fn passes<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    mut stream: Watched<N::Stream>,
    greeting: Greeting,
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
                // Without an answer, the trial finds at its next look that time is up.
                if let Some(read) = run.within(patience, stream.read(&mut chunk)).await {
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
