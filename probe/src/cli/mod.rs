//! From what was typed to what is done and how it ends.

mod args;
mod consent;
mod doctor;
mod measure;
mod output;
mod show;

pub use args::{Action, Args, Format};

use crate::{
    agent::Agent,
    config::{Config, EncryptedTransport},
    consent::{Consent, ConsentError},
    experiment::{CaptiveCheck, EncryptedResolver, Plan, World},
    identity,
    net::{Clock, Network},
    random::Entropy,
    scrub::Scrubber,
    state::State,
    uplink::Collector,
};
use anyhow::Context as _;
use faultline_core::{measurement::Driver, observation::DnsTransport};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{cell::RefCell, io::Write, path::Path, sync::Arc};

/// How a run ends; the process's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Measured, and nothing anomalous.
    Fine = 0,
    /// An anomaly was found.
    Anomaly = 1,
    /// Something could not be measured, read or written.
    Failed = 2,
}

/// Does what was typed. Whatever is not about the network works without one.
pub async fn run<N: Network, C: Clock>(
    args: Args,
    net: &N,
    clock: &C,
    entropy: &RefCell<dyn Entropy>,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let config = settings(&args)?;
    let state = State::open(&config.state)?;
    match args.action {
        Action::Consent { choice } => {
            consent::consent(&state, choice, clock.unix(), out)?;
            return Ok(Exit::Fine);
        }
        Action::Show { filter } => {
            show::show(&state, args.format, filter.as_deref(), out)?;
            return Ok(Exit::Fine);
        }
        Action::Doctor => {
            let collector = collector(&config)?;
            return doctor::doctor(net, clock, &config, &state, collector.as_ref(), out).await;
        }
        Action::Once { .. } | Action::Run { .. } => {}
    }
    let dry = matches!(args.action, Action::Once { dry_run: true, .. });
    let consent = match Consent::read(&state.consent()) {
        // A dry run sends nothing, so it may come before consent.
        Err(ConsentError::Missing) if dry => Consent::none(),
        read => read?,
    };
    // Before the key: two at once would draw one each.
    let spool = if dry {
        state.look()?
    } else {
        state.spool(&config)?
    };
    let mut agent = Agent {
        world: World {
            net,
            clock,
            entropy,
        },
        plan: plan(&config)?,
        driver: Driver::Sockets,
        identity: identity::load_or_create(&state.key(), &mut |bytes| {
            entropy.borrow_mut().fill(bytes);
        })?,
        consent,
        collector: collector(&config)?,
        spool,
        budget: state.budget(&config),
        scrubber: Scrubber::new(config.own_addresses.iter().copied()),
        own_targets: config.targets.clone(),
        network: None,
        collector_key: None,
    };
    match args.action {
        Action::Once {
            targets,
            dry_run: true,
            ..
        } => measure::dry_run(&agent, &targets, out),
        Action::Once {
            targets, no_upload, ..
        } => measure::once(&mut agent, targets, !no_upload, args.format, out).await,
        Action::Run { cycles } => {
            measure::run(&mut agent, config.every, cycles, args.format, out).await
        }
        Action::Consent { .. } | Action::Show { .. } | Action::Doctor => Ok(Exit::Fine),
    }
}

/// Says something on standard error, whether or not anybody can hear it: a log on a full disk
/// must not end the probe, as `eprintln!` would.
pub fn say(text: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "faultline-probe: {text}");
}

/// Flag before environment before file before default.
fn settings(args: &Args) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if let Some(state) = &args.state {
        config.state.clone_from(state);
    }
    if args.collector.is_some() {
        config.collector.clone_from(&args.collector);
    }
    Ok(config)
}

fn plan(config: &Config) -> anyhow::Result<Plan> {
    let mut plan = Plan::new(
        Arc::new(roots(config.extra_roots.as_deref())?),
        &config.neutral_name,
    );
    plan.public_resolvers.clone_from(&config.public_resolvers);
    plan.encrypted = config
        .encrypted_resolvers
        .iter()
        .map(|resolver| EncryptedResolver {
            addr: resolver.address,
            name: resolver.name.clone(),
            transport: match resolver.transport {
                EncryptedTransport::Tls => DnsTransport::Tls,
                EncryptedTransport::Https => DnsTransport::Https,
            },
        })
        .collect();
    plan.non_resolver = config.non_resolver;
    plan.captive = config.captive_check.clone().map(|url| CaptiveCheck {
        url,
        status: 204,
        body: None,
    });
    Ok(plan)
}

fn collector(config: &Config) -> anyhow::Result<Option<Collector>> {
    let Some(base) = &config.collector else {
        return Ok(None);
    };
    let roots = match &config.collector_ca {
        None => roots(None)?,
        Some(path) => {
            let mut only = RootCertStore::empty();
            add(&mut only, path)?;
            only
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(Collector::new(base, Arc::new(tls))?))
}

/// The public authorities, and those of a file.
fn roots(extra: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra {
        add(&mut roots, path)?;
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, path: &Path) -> anyhow::Result<()> {
    let file = || format!("cannot use the certificates in {}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).with_context(file)?;
    for certificate in certificates {
        roots
            .add(certificate.with_context(file)?)
            .with_context(file)?;
    }
    Ok(())
}
