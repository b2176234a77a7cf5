//! Does QUIC reach the target, and if not, does it reach anybody?
//!
//! One handshake of version 1 (RFC 9000, RFC 9001) at addresses at which the control spoke
//! QUIC, and one GET over HTTP/3 (RFC 9114) of which the status is read. Where it fails, in
//! this order: TLS over TCP to the same address; a neutral name to the same address; a
//! datagram of a version that nobody speaks, which every server answers; the target again,
//! twice; and hosts that are known to speak QUIC. Sources and known false positives are those
//! of the rules in `embedded/core/src/verdict/quic.rs`. A target at which the control spoke no
//! QUIC is not tried: it offers none.

mod dial;
mod dns;
mod http3;

pub(super) use dns::{ask as ask_over_quic, dial_resolver};

use super::addresses::{Sourced, narrowed, port, resolve, sought};
use super::dns_consistency::controlled;
use super::web::{connect, greet};
use super::{Outcome, Plan, World, captive, run::Run};
use crate::net::{Clock, Network};
use dial::{Call, dial, other_version};
use faultline_core::{
    measurement::{ControlReport, Experiment, Limit},
    observation::{AddressSource, HandshakeRole, Observation, Step},
};
use futures_util::future::join_all;
use std::net::{IpAddr, SocketAddr};
use url::Url;

/// Addresses that are tried.
const ADDRESSES: usize = 2;
/// Handshakes with the target's name before it counts as out of reach: of each, lossy links
/// lose one in fifty.
const TRIES: u8 = 3;

/// Dials the host of one `https` URL. Any other target gives an outcome without observations.
pub async fn quic<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    url: &str,
    report: Option<&ControlReport>,
) -> Outcome {
    let run = &Run::new(world, plan);
    let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "https");
    let Some((target, host)) = parsed.as_ref().and_then(|url| Some((url, url.host()?))) else {
        return Outcome::of(run, Experiment::Quic, url, Vec::new(), None);
    };
    let (mut observations, portal) = tokio::join!(resolve(run, &host), captive::check(run));
    if report.is_none() && !controlled(&observations) {
        run.limit(Limit::Control);
    }
    let addresses = sought(run, &host, &observations, report);
    let offered = report.and_then(|report| offers(report, port(target)));
    let addresses = narrowed(run, addresses, offered.as_deref(), ADDRESSES);
    // Without a control nothing can be said of a failure, so nothing follows one; nor behind a
    // portal, which lets nothing through.
    let twins = offered.is_some() && portal != Some(true);
    let visits = addresses.iter().map(|to| visit(run, target, *to, twins));
    let seen: Vec<_> = join_all(visits).await.into_iter().flatten().collect();
    let passed = seen
        .iter()
        .any(|o| is(o, HandshakeRole::Target) && o.failure.is_none());
    let failed = seen.iter().any(|o| is(o, HandshakeRole::Target));
    observations.extend(seen);
    if twins && failed && !passed {
        refer(run, &mut observations).await;
    }
    Outcome::of(run, Experiment::Quic, url, observations, portal)
}

/// The handshake that a control makes: once at each address.
pub(super) async fn offer<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    url: &Url,
    (ip, source): Sourced,
) -> Observation {
    dial(run, &target(url, ip, source)).await
}

fn target(url: &Url, ip: IpAddr, source: AddressSource) -> Call<'_> {
    Call {
        to: SocketAddr::new(ip, port(url)),
        source,
        server: url.host_str().unwrap_or_default(),
        role: HandshakeRole::Target,
        page: Some(url),
    }
}

/// Addresses at which a control spoke QUIC to the target; `None` where it did not try.
fn offers(report: &ControlReport, port: u16) -> Option<Vec<IpAddr>> {
    let tried = || {
        report
            .observations
            .iter()
            .filter(|o| is(o, HandshakeRole::Target))
    };
    let spoke = tried().filter(|o| o.failure.is_none());
    let there = spoke.filter_map(|o| match &o.step {
        Step::Quic(quic) if quic.port == port => Some(quic.ip.0),
        _ => None,
    });
    tried().next().is_some().then(|| there.collect())
}

fn is(observation: &Observation, role: HandshakeRole) -> bool {
    matches!(&observation.step, Step::Quic(quic) if quic.role == role)
}

/// Everything done with one address.
async fn visit<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    url: &Url,
    (ip, source): Sourced,
    twins: bool,
) -> Vec<Observation> {
    let call = target(url, ip, source);
    let first = dial(run, &call).await;
    let done = first.failure.is_none() || !twins;
    let mut seen = vec![first];
    if done {
        return seen;
    }
    for _ in 0..run.plan.attempts.max(1) {
        if let Some(stream) = connect(run, call.to, source, &mut seen).await {
            let role = HandshakeRole::Target;
            if greet(run, stream, call.to, url, role, &mut seen)
                .await
                .authenticated
            {
                break;
            }
        }
    }
    let neutral = Call {
        server: &run.plan.neutral_name,
        role: HandshakeRole::NeutralName,
        page: None,
        ..call
    };
    seen.push(dial(run, &neutral).await);
    let other = Call {
        role: HandshakeRole::OtherVersion,
        ..call
    };
    seen.push(other_version(run, &other).await);
    for _ in 1..TRIES.max(run.plan.attempts) {
        let again = dial(run, &call).await;
        let done = again.failure.is_none();
        seen.push(again);
        if done {
            break;
        }
    }
    seen
}

/// Dials hosts that speak QUIC, until one answers.
async fn refer<N: Network, C: Clock>(run: &Run<'_, N, C>, seen: &mut Vec<Observation>) {
    for reference in &run.plan.quic_references {
        let call = Call {
            to: reference.addr,
            source: AddressSource::Literal,
            server: &reference.name,
            role: HandshakeRole::Reference,
            page: None,
        };
        let dialled = dial(run, &call).await;
        let works = dialled.failure.is_none();
        seen.push(dialled);
        if works {
            return;
        }
    }
}
