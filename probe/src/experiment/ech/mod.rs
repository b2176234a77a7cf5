//! Does a ClientHello come through whose name is encrypted?
//!
//! Three handshakes of TLS 1.3 (RFC 8446) with each of up to two addresses: with the target's
//! name in the clear; likewise, with an ECH extension that means nothing (GREASE, RFC 9849
//! section 6.2); and with ECH by the key in the target's HTTPS record (RFC 9460, RFC 9848),
//! which shows the name of the client-facing server. Where one with the extension is cut off,
//! in this order: the visible name without ECH; the same, as long as with it; the target
//! again. Sources and known false positives are those of the rules in
//! `embedded/core/src/verdict/ech.rs`. The key is the control's, or that of an encrypted
//! resolver, before it is the network's: it has to be the server's.
//!
//! A server without ECH, or with another key, ends the handshake under the visible name: then
//! the way lets ECH through, and nothing is known of acceptance.

mod hpke;

use super::addresses::{Sourced, narrowed, port, resolve, sought};
use super::dns_consistency::{controlled, encrypted, network};
use super::handshake::{Greeting, Shape, handshake_in};
use super::lookup::{Ask, persist};
use super::web::connect;
use super::{Outcome, Plan, World, captive, run::Run};
use crate::net::{Clock, Network};
use faultline_core::{
    dns::ech_config,
    failure::Failure,
    measurement::{ControlReport, Experiment, Limit},
    observation::{AddressSource, HandshakeRole as Role, HandshakeStage, Observation, Step},
};
use futures_util::future::join_all;
use rustls::client::{EchConfig, EchGreaseConfig, EchMode};
use rustls::internal::msgs::{
    codec::{Codec as _, Reader},
    handshake::EchConfigPayload,
};
use rustls_pki_types::EchConfigListBytes;
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};

/// Addresses that are tried.
const ADDRESSES: usize = 2;
/// IANA's number of the HTTPS record.
const HTTPS: u16 = 65;

/// Greets the host of one `https` URL. Any other target gives an outcome without
/// observations.
pub async fn ech<N: Network, C: Clock>(
    world: &World<'_, N, C>,
    plan: &Plan,
    url: &str,
    report: Option<&ControlReport>,
) -> Outcome {
    let run = &Run::new(world, plan);
    let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "https");
    let Some((target, host)) = parsed.as_ref().and_then(|url| Some((url, url.host()?))) else {
        return Outcome::of(run, Experiment::Ech, url, Vec::new(), None);
    };
    let (mut observations, records, portal) = tokio::join!(
        resolve(run, &host),
        records(run, target),
        captive::check(run)
    );
    if report.is_none() && !controlled(&observations) {
        run.limit(Limit::Control);
    }
    let addresses = sought(run, &host, &observations, report);
    let reached = report.and_then(|report| reached(report, port(target)));
    let addresses = narrowed(run, addresses, reached.as_deref(), ADDRESSES);
    let theirs = report.map_or(&[][..], |report| &report.observations);
    let key = Key::among(theirs).or_else(|| Key::among(&records));
    observations.extend(records);
    // Without a control nothing can be said of a failure, so nothing follows one; nor behind a
    // portal, which lets nothing through.
    let twins = reached.is_some() && portal != Some(true);
    let visit = |to: &Sourced| Visit::new(run, target, *to, key.as_ref());
    let mut visits: Vec<_> = addresses.iter().map(visit).collect();
    join_all(visits.iter_mut().map(|visit| visit.go(twins))).await;
    observations.extend(visits.into_iter().flat_map(|visit| visit.seen));
    Outcome::of(run, Experiment::Ech, url, observations, portal)
}

/// What a control does: the record, and each handshake with the extension once.
pub(super) async fn offer<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    url: &Url,
    addresses: &[Sourced],
) -> Vec<Observation> {
    let mut seen = records(run, url).await;
    let key = Key::among(&seen);
    let some = addresses.iter().take(ADDRESSES);
    let mut visits: Vec<_> = some
        .map(|to| Visit::new(run, url, *to, key.as_ref()))
        .collect();
    join_all(visits.iter_mut().map(Visit::extensions)).await;
    seen.extend(visits.into_iter().flat_map(|visit| visit.seen));
    seen
}

/// The HTTPS record by everybody who is asked for addresses. On another port it would stand
/// under another name (RFC 9460 section 9.1); there is none for an address.
async fn records<N: Network, C: Clock>(run: &Run<'_, N, C>, url: &Url) -> Vec<Observation> {
    let Some(Host::Domain(name)) = url.host().filter(|_| port(url) == 443) else {
        return Vec::new();
    };
    let mut asks: Vec<Ask> = network(&run.world.net.announced_resolvers(), name, &[HTTPS]);
    asks.extend(encrypted(run.plan, name, HTTPS));
    let asked = join_all(asks.iter().map(|ask| persist(run, ask))).await;
    asked.into_iter().flatten().collect()
}

/// Addresses at which a handshake with the extension, of a control's, was answered; `None`
/// where it did not try.
fn reached(report: &ControlReport, port: u16) -> Option<Vec<IpAddr>> {
    let shakes = || {
        report.observations.iter().filter_map(|o| match &o.step {
            Step::Handshake(shake) if matches!(shake.role, Role::GreaseEch | Role::Ech) => {
                Some((o, shake))
            }
            _ => None,
        })
    };
    let there = shakes().filter(|(o, shake)| answered(o) && shake.port == port);
    let there = there.map(|(_, shake)| shake.ip.0).collect();
    shakes().next().is_some().then_some(there)
}

/// A server's key, and the name that is shown with it.
#[derive(Debug)]
struct Key {
    config: EchConfig,
    public_name: String,
}

impl Key {
    /// The first that can be used: of lookups whose answers cannot be forged first.
    fn among(seen: &[Observation]) -> Option<Self> {
        let lookups = || {
            seen.iter().filter_map(|o| match &o.step {
                Step::Lookup(lookup) if lookup.rtype == HTTPS => Some(lookup),
                _ => None,
            })
        };
        let safe = lookups().filter(|lookup| lookup.resolver_name.is_some());
        let raws = safe.chain(lookups()).flat_map(|lookup| &lookup.replies);
        raws.filter(|reply| reply.failure.is_none())
            .filter_map(|reply| ech_config(&reply.raw.as_ref()?.0))
            .find_map(Self::read)
    }

    fn read(list: &[u8]) -> Option<Self> {
        let configs = Vec::<EchConfigPayload>::read(&mut Reader::init(list)).ok()?;
        // One at a time, so that it is known which one was taken.
        configs.iter().find_map(|one| {
            let EchConfigPayload::V18(contents) = one else {
                return None;
            };
            let alone = list_of(one);
            let config = EchConfig::new(EchConfigListBytes::from(alone), hpke::SUITES).ok()?;
            let public_name = contents.public_name.as_ref().to_owned();
            Some(Self {
                config,
                public_name,
            })
        })
    }
}

fn list_of(config: &EchConfigPayload) -> Vec<u8> {
    let mut body = Vec::new();
    config.encode(&mut body);
    let mut list = (body.len() as u16).to_be_bytes().to_vec();
    list.extend(body);
    list
}

/// Everything done with one address.
struct Visit<'r, 'w, 'p, N, C> {
    run: &'r Run<'w, N, C>,
    to: SocketAddr,
    source: AddressSource,
    name: &'p str,
    key: Option<&'p Key>,
    seen: Vec<Observation>,
}

impl<'r, 'w, 'p, N: Network, C: Clock> Visit<'r, 'w, 'p, N, C> {
    fn new(
        run: &'r Run<'w, N, C>,
        url: &'p Url,
        (ip, source): Sourced,
        key: Option<&'p Key>,
    ) -> Self {
        Self {
            run,
            to: SocketAddr::new(ip, port(url)),
            source,
            name: url.host_str().unwrap_or_default(),
            key,
            seen: Vec::new(),
        }
    }

    async fn go(&mut self, twins: bool) {
        let clear = self
            .insist(Role::Target, self.name, Shape::Newest, twins)
            .await;
        // A server that speaks TLS up to 1.2 says so by an alert, and knows no ECH.
        let newest = !matches!(clear, End::Answered { complete: false });
        if !newest {
            return;
        }
        let grease = match (&clear, grease()) {
            (End::Answered { .. }, Some(mode)) => {
                let shape = Shape::Ech(mode);
                let end = self
                    .insist(Role::GreaseEch, self.name, shape.clone(), twins)
                    .await;
                Some((end, shape))
            }
            _ => None,
        };
        let offered = match self.key {
            Some(key) => {
                let shape = Shape::Ech(EchMode::Enable(key.config.clone()));
                let end = self
                    .insist(Role::Ech, self.name, shape.clone(), twins)
                    .await;
                Some((end, shape, key.public_name.as_str()))
            }
            None => None,
        };
        if !twins {
            return;
        }
        let mut again = false;
        if let Some((End::CutOff, shape, public)) = offered {
            again = true;
            let passes = self
                .insist(Role::PublicName, public, Shape::Newest, true)
                .await;
            if matches!(passes, End::Answered { .. }) {
                self.long(public, &shape).await;
            }
        }
        if let Some((End::CutOff, shape)) = grease {
            again = true;
            self.long(self.name, &shape).await;
        }
        if again {
            self.insist(Role::Target, self.name, Shape::Newest, true)
                .await;
        }
    }

    /// Each handshake with the extension, once.
    async fn extensions(&mut self) {
        if let Some(mode) = grease() {
            self.insist(Role::GreaseEch, self.name, Shape::Ech(mode), false)
                .await;
        }
        if let Some(key) = self.key {
            let shape = Shape::Ech(EchMode::Enable(key.config.clone()));
            self.insist(Role::Ech, self.name, shape, false).await;
        }
    }

    async fn long(&mut self, visible: &str, as_long_as: &Shape) {
        let shape = Shape::AsLongAs(self.name.to_owned(), Box::new(as_long_as.clone()));
        self.insist(Role::LongHello, visible, shape, true).await;
    }

    /// One handshake, and where it is cut off, again: up to the plan's number of attempts.
    async fn insist(&mut self, role: Role, server: &str, shape: Shape, again: bool) -> End {
        let attempts = if again {
            self.run.plan.attempts.max(1)
        } else {
            1
        };
        for _ in 0..attempts {
            let run = self.run;
            let stream = connect(run, self.to, self.source, &mut self.seen).await;
            let Some(stream) = stream else { continue };
            let greeting = Greeting {
                to: self.to,
                server,
                role,
                alpn: b"http/1.1",
            };
            let mut observation = handshake_in(run, stream, &greeting, &shape)
                .await
                .observation;
            if let (Some(key), Role::Ech, Step::Handshake(shake)) =
                (self.key, role, &mut observation.step)
            {
                // What anybody on the path could read.
                shake.server_name = Some(key.public_name.clone());
            }
            let end = answered(&observation);
            let complete = matches!(&observation.step, Step::Handshake(shake)
                if shake.stage == HandshakeStage::Complete);
            self.seen.push(observation);
            if end {
                return End::Answered { complete };
            }
        }
        End::CutOff
    }
}

/// How tries of one kind ended.
enum End {
    /// Somebody spoke TLS in return.
    Answered {
        /// The handshake came to its end.
        complete: bool,
    },
    CutOff,
}

fn grease() -> Option<EchMode> {
    let suite = *hpke::SUITES.first()?;
    let key = hpke::placeholder().ok()?;
    Some(EchMode::Grease(EchGreaseConfig::new(suite, key)))
}

fn answered(observation: &Observation) -> bool {
    let Step::Handshake(shake) = &observation.step else {
        return false;
    };
    let spoke = matches!(
        observation.failure,
        None | Some(Failure::TlsAlert(_) | Failure::TlsEchRejected)
    );
    spoke || shake.stage >= HandshakeStage::ServerHello
}
