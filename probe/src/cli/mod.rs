//! From what was typed to what is done and how it ends.

mod args;
mod consent;
mod doctor;
mod dry_run;
mod measure;
mod output;
mod show;

pub use args::{Action, Args, Format};

use crate::{
    agent::Agent,
    budget::Budget,
    config::{Config, EncryptedTransport},
    consent::{Consent, ConsentError},
    experiment::{CaptiveCheck, EncryptedResolver, Plan, QuicReference, World},
    identity,
    ledger::{self, Beats, boot_id},
    net::{Clock, Network},
    owner::Owner,
    random::Entropy,
    scrub::Scrubber,
    state::State,
    trust,
    uplink::Collector,
};
use anyhow::Context as _;
use faultline_core::{
    engine::ledger::BootId, measurement::Driver, observation::DnsTransport, time::Instant,
};
use std::{cell::RefCell, io::Write, path::PathBuf, rc::Rc, sync::Arc};

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
    let state = State::open(&folder(&args, &config)?)?;
    match args.action {
        Action::Consent { choice } => {
            consent::consent(&state, choice, clock.unix(), out)?;
            return Ok(Exit::Fine);
        }
        Action::Show { filter } if filter.as_deref() == Some("ledger") => {
            show::ledger(&state, args.format, out)?;
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
        Action::Once {
            mut targets,
            dry_run: true,
            no_upload,
        } => {
            let collector = collector(&config)?.filter(|_| !no_upload);
            let consent = match Consent::read(&state.consent()) {
                Err(ConsentError::Missing) => None,
                read => Some(read?),
            };
            let intent = dry_run::Intent {
                plan: &plan(&config)?,
                announced: &net.announced_resolvers(),
                collector: collector.as_ref(),
                consent: consent.as_ref(),
            };
            if targets.is_empty() {
                targets.clone_from(&config.targets);
            }
            return intent.tell(&targets, out);
        }
        Action::Once { .. } | Action::Run { .. } => {}
    }
    let consent = Consent::read(&state.consent())?;
    let no_upload = matches!(
        args.action,
        Action::Once {
            no_upload: true,
            ..
        }
    );
    let learned = state.learned();
    let own = config.own_addresses.iter().chain(learned.addresses());
    // Before the key: two at once would draw one each.
    let spool = state.spool(&config)?;
    let budget = state.budget(&config);
    let identity = identity::load_or_create(&state.key(), &mut |bytes| {
        entropy.borrow_mut().fill(bytes);
    })?;
    let beats = match args.action {
        Action::Run { .. } => {
            let mut drawn = [0; 16];
            entropy.borrow_mut().fill(&mut drawn);
            let boot = boot_id(clock, identity.public().probe_id(), drawn);
            let beats = beats(&config, &state, &budget, boot, clock.uptime())?;
            beats.learn(clock.uptime(), learned.beating(), learned.collector_key());
            Some(Rc::new(beats))
        }
        _ => None,
    };
    let mut agent = Agent {
        world: World {
            net,
            clock,
            entropy,
        },
        plan: plan(&config)?,
        driver: Driver::Sockets,
        identity,
        consent,
        consent_file: state.consent(),
        collector: if no_upload { None } else { collector(&config)? },
        spool,
        budget,
        scrubber: Scrubber::new(own.copied()),
        own_targets: config.targets.clone(),
        learned,
        asked_in: None,
        beats: beats.clone(),
        away: false,
    };
    match args.action {
        Action::Once { targets, .. } => {
            measure::once(&mut agent, targets, args.format, out).await
        }
        Action::Run { cycles } => {
            let Some(beats) = beats else {
                return Ok(Exit::Failed);
            };
            let world = World {
                net,
                clock,
                entropy,
            };
            // The same key again: the agent keeps its own to itself.
            let key = identity::load(&state.key())?;
            // On the heap: each is as large as all that it may be waiting for.
            let cycles = measure::run(&mut agent, config.every, cycles, args.format, out);
            let (cycles, beating) = (Box::pin(cycles), Box::pin(beats.run(&world, &key, &say)));
            tokio::select! {
                ended = cycles => ended,
                () = beating => Ok(Exit::Failed),
            }
        }
        Action::Consent { .. } | Action::Show { .. } | Action::Doctor => Ok(Exit::Fine),
    }
}

fn beats(
    config: &Config,
    state: &State,
    budget: &Budget,
    boot: BootId,
    now: Instant,
) -> anyhow::Result<Beats> {
    let settings = ledger::Settings {
        path: state.ledger(),
        cap: config.ledger_cap.as_u64(),
        consent: state.consent(),
        metered: config.metered,
        special: config.contact_special,
    };
    let path = settings.path.display().to_string();
    Beats::open(settings, budget.clone(), boot, now).with_context(|| {
        format!("cannot use the ledger {path}; make room on the disk, or move the file away")
    })
}

/// Says something on standard error, whether or not anybody can hear it: a log on a full disk
/// must not end the probe, as `eprintln!` would.
pub fn say(text: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "faultline-probe: {text}");
}

/// An error with its causes, each said once: some of our sentences tell theirs already.
pub fn whole(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.as_str() {
            "" => cause,
            told if told.contains(&cause) => text,
            told => format!("{told}: {cause}"),
        }
    })
}

/// Which folder would be used, without making or opening it.
pub fn state_folder(args: &Args) -> anyhow::Result<PathBuf> {
    let named = |config: Config| args.state.clone().or(config.state);
    Ok(named(settings(args)?).unwrap_or_else(|| Owner::current().state()))
}

/// The folder, of which only what nobody named is made with all that leads to it: where a
/// name was typed, a missing parent is more likely a slip.
fn folder(args: &Args, config: &Config) -> anyhow::Result<PathBuf> {
    if let Some(named) = args.state.as_ref().or(config.state.as_ref()) {
        return Ok(named.clone());
    }
    let own = Owner::current().state();
    if let Some(parent) = own.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
    }
    Ok(own)
}

/// Flag before environment before file before default.
fn settings(args: &Args) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if args.collector.is_some() {
        config.collector.clone_from(&args.collector);
    }
    Ok(config)
}

fn plan(config: &Config) -> anyhow::Result<Plan> {
    let mut plan = Plan::new(
        Arc::new(trust::roots(config.extra_roots.as_deref())?),
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
    plan.encrypted_references = config
        .encrypted_references
        .iter()
        .map(|resolver| resolver.0.clone())
        .collect();
    plan.quic_references = config
        .quic_references
        .iter()
        .map(|host| QuicReference {
            addr: host.address,
            name: host.name.clone(),
        })
        .collect();
    plan.network_resolvers.clone_from(&config.network_resolvers);
    plan.own_resolvers = config.own_resolvers;
    plan.non_resolver = config.non_resolver;
    plan.contact_bogons = config.contact_special;
    plan.line_is_tunnel = config.line_is_tunnel;
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
        None => trust::roots(None)?,
        Some(path) => trust::only(path)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(Collector::new(base, Arc::new(tls))?))
}
