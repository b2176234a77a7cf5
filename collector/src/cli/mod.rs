//! What can an operator ask of the collector? Arguments, action, exit status.

mod hearts;
mod import;
mod retention;
mod serve;
mod signals;
mod watch;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use faultline_collector::{
    config::Config,
    fingerprints::Fingerprints,
    import::ooni::{AsnMap, judge_directory},
    ingest::{Enricher, Mmdb, Nowhere},
    rules::Informed,
    score::method,
    store::{
        Address, ClickHouse, Facts as _, Judge, Store, clickhouse_schema, copy_facts, rebuild,
        sqlite::Sqlite,
    },
    traces,
};
use faultline_core::time::UnixTime;
use signals::Whose;
use std::{
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Take in, keep and serve what probes measured.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 done; 1 done, but some input was skipped or refused; 2 failed."
)]
struct Arguments {
    /// The settings; without a file, those of collector.example.toml.
    #[arg(long, env = "FAULTLINE_COLLECTOR_CONFIG")]
    config: Option<PathBuf>,
    /// Where the facts are: sqlite, or clickhouse://USER@HOST:8123/DATABASE. The password may
    /// be in FAULTLINE_CLICKHOUSE_PASSWORD.
    #[arg(
        long,
        global = true,
        env = "FAULTLINE_COLLECTOR_FACTS",
        hide_env_values = true,
        value_name = "WHERE"
    )]
    facts: Option<String>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve the API until SIGTERM or ctrl-c.
    Serve {
        /// Speak TLS with this certificate: PEM, the server's own first.
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// The certificate's key, PEM.
        #[arg(long, value_name = "FILE", requires = "tls_cert")]
        tls_key: Option<PathBuf>,
    },
    /// Take in what others measured.
    Import {
        #[command(subcommand)]
        format: Format,
    },
    /// Judge what others measured by their own rules, without a store; JSON lines.
    Judge {
        #[command(subcommand)]
        format: Foreign,
    },
    /// Print the method of the scores: indicators, formulas, floors.
    Method {
        /// For people or for machines.
        #[arg(long, value_enum, default_value_t = MethodFormat::Text)]
        format: MethodFormat,
    },
    /// Print a zone for the checks of the DNS's way, which any name server loads.
    TestZone {
        /// The zone, which you delegate to your name server: dnstest.example
        zone: String,
        /// The name server that it names; ns.ZONE where not given.
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
    },
    /// Make every derived row again from the batches kept, and print their digest.
    Rebuild,
    /// Make all events again from what was heard and told, and say whether they are equal.
    RebuildEvents {
        /// Keep what was made again in the place of what was said before.
        #[arg(long)]
        replace: bool,
        /// Somebody looked at the clock: the month without events is real.
        #[arg(long)]
        clock_is_right: bool,
    },
    /// Drop what is older than the settings allow, now; `serve` does it every hour.
    Retain,
    /// Move the facts from the state folder to ClickHouse. Goes on where it stopped.
    CopyFacts,
    /// Print the tables that ClickHouse gets, for who makes them by hand.
    ClickhouseSchema {
        /// For many nodes: replicated tables, and one over all shards beside each.
        #[arg(long)]
        cluster: bool,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum MethodFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Foreign {
    /// OONI Web Connectivity: the classic verdict of every measurement below a folder.
    Ooni {
        /// A folder of .json and .jsonl files, gzipped or not; a file; or - .
        folder: PathBuf,
        /// A JSON object of address to AS number; without it, the networks that each
        /// document gives itself.
        #[arg(long, value_name = "FILE")]
        asn_map: Option<PathBuf>,
        /// A folder with fingerprints_dns.csv, fingerprints_http.csv, or both.
        #[arg(long, value_name = "DIR")]
        fingerprints: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Format {
    /// OONI web_connectivity documents: a file, a folder of .json and .jsonl files, gzipped
    /// or not, or - .
    Ooni { from: PathBuf },
    /// Replies of IODA's API, version 2: alerts, or events in either format. A file or - .
    Ioda { from: PathBuf },
    /// The reply of Cloudflare Radar's annotations of outages. A file or - .
    Radar { from: PathBuf },
    /// KeepItOn's STOP list, CSV or XLSX: documented causes, by day. A file or - .
    Keepiton { from: PathBuf },
}

/// Does what the arguments say.
pub fn run(now: fn() -> UnixTime) -> ExitCode {
    let arguments = Arguments::parse();
    match act(&arguments, now) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        // Whoever read the output has seen enough.
        Err(error) if broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "faultline-collector: {}",
                faultline_probe::cli::whole(&error)
            );
            ExitCode::from(2)
        }
    }
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// Gives how many inputs were skipped.
fn act(arguments: &Arguments, now: fn() -> UnixTime) -> Result<u64> {
    let mut config = match &arguments.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    if arguments.facts.is_some() {
        config.facts.clone_from(&arguments.facts);
    }
    match &arguments.action {
        Action::Serve { tls_cert, tls_key } => {
            let mut config = config;
            if tls_cert.is_some() {
                (config.tls_cert, config.tls_key) = (tls_cert.clone(), tls_key.clone());
            }
            serve::serve(config, now).map(|()| 0)
        }
        Action::Import { format } => {
            let (Format::Ooni { from }
            | Format::Ioda { from }
            | Format::Radar { from }
            | Format::Keepiton { from }) = format;
            there(from)?;
            let whose = match format {
                Format::Ooni { .. } => return import::ooni(&config, from, now()),
                Format::Ioda { .. } => Whose::Ioda,
                Format::Radar { .. } => Whose::Radar,
                Format::Keepiton { .. } => Whose::KeepItOn,
            };
            signals::import(&config, whose, from, now())
        }
        Action::Judge {
            format:
                Foreign::Ooni {
                    folder,
                    asn_map,
                    fingerprints,
                },
        } => {
            there(folder)?;
            let known = fingerprints.as_deref().map(in_folder).transpose()?;
            let map = asn_map.as_deref().map(AsnMap::read).transpose()?;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            let done = judge_directory(folder, map.as_ref(), known.as_ref(), &mut out)
                .and_then(|done| out.flush().map(|()| done))
                .context("cannot write the verdicts")?;
            eprintln!(
                "{} judged, {} without what a judgement needs, {} of other nettests, {} unreadable",
                done.judged, done.unjudged, done.others, done.unreadable
            );
            Ok((done.unjudged + done.others + done.unreadable) as u64)
        }
        Action::Method { format } => {
            let text = match format {
                MethodFormat::Text => method::text(),
                MethodFormat::Json => format!("{:#}\n", method::document()),
            };
            std::io::stdout().lock().write_all(text.as_bytes())?;
            Ok(0)
        }
        Action::TestZone { zone, server } => {
            let server = server.clone().unwrap_or_else(|| format!("ns.{zone}"));
            for name in [zone, &server] {
                let parsed = name.parse::<faultline_core::dns::NameBuf>();
                parsed.with_context(|| format!("{name:?} is no domain name"))?;
            }
            let text = traces::zone_file(zone, &server);
            std::io::stdout().lock().write_all(text.as_bytes())?;
            Ok(0)
        }
        Action::Retain => retention::retain(&config, now()).map(|()| 0),
        Action::CopyFacts => {
            let address = clickhouse(&config)?.context(
                "where to? Give --facts clickhouse://USER@HOST:8123/DATABASE, or set `facts`",
            )?;
            let path = ledger(&config)?;
            copy_facts(&path, &address, &mut |said| eprintln!("{said}"))
                .with_context(|| format!("cannot copy {} to {address}", path.display()))?;
            Ok(0)
        }
        Action::ClickhouseSchema { cluster } => {
            let text = clickhouse_schema(*cluster);
            std::io::stdout().lock().write_all(text.as_bytes())?;
            Ok(0)
        }
        Action::RebuildEvents {
            replace,
            clock_is_right,
        } => watch::again(&config, *replace, *clock_is_right, now()),
        Action::Rebuild => {
            let store = open(&config)?;
            rebuild(&*store, judge(&config)?)?;
            let digest = store.digest()?;
            println!("{}", digest.map(|b| format!("{b:02x}")).concat());
            Ok(0)
        }
    }
}

/// The lists in a folder, by the names that OONI gives them.
fn in_folder(folder: &Path) -> Result<Fingerprints> {
    let [dns, http] = ["fingerprints_dns.csv", "fingerprints_http.csv"].map(|name| {
        let path = folder.join(name);
        path.exists().then_some(path)
    });
    anyhow::ensure!(
        dns.is_some() || http.is_some(),
        "neither fingerprints_dns.csv nor fingerprints_http.csv is in {}",
        folder.display()
    );
    Ok(Fingerprints::read(dns.as_deref(), http.as_deref())?)
}

/// A path that is not there is a mistake, not an input to skip.
fn there(path: &Path) -> Result<()> {
    anyhow::ensure!(
        path == Path::new("-") || path.exists(),
        "{} is not there: give a file, a folder, or - for standard input",
        path.display()
    );
    Ok(())
}

/// The rules that verdicts are made by, with what the operator knows of blockpages.
fn judge(config: &Config) -> Result<Arc<dyn Judge>> {
    let (dns, http) = (&config.fingerprints_dns, &config.fingerprints_http);
    let known = Fingerprints::read(dns.as_deref(), http.as_deref())?;
    Ok(Arc::new(Informed(Arc::new(known))))
}

fn enricher(config: &Config) -> Result<Arc<dyn Enricher>> {
    if let (Some(country), Some(asn)) = (&config.country_db, &config.asn_db) {
        return Ok(Arc::new(Mmdb::open(country, asn)?));
    }
    tracing::warn!("no geo databases: networks of addresses are unknown");
    Ok(Arc::new(Nowhere))
}

/// The ledger's file; the folder is made.
fn ledger(config: &Config) -> Result<PathBuf> {
    let state = &config.state;
    // Who measured, and when somebody's machine was on: nobody else's business.
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(state).with_context(|| {
        format!(
            "cannot make the state folder {}: set `state`",
            state.display()
        )
    })?;
    Ok(state.join("collector.db"))
}

/// The ClickHouse that the facts are in, if they are.
fn clickhouse(config: &Config) -> Result<Option<Address>> {
    let Some(facts) = &config.facts else {
        return Ok(None);
    };
    let password = std::env::var("FAULTLINE_CLICKHOUSE_PASSWORD").ok();
    Ok(Address::parse(facts)?.map(|address| address.or_password(password)))
}

fn open(config: &Config) -> Result<Arc<dyn Store>> {
    let path = ledger(config)?;
    if let Some(address) = clickhouse(config)? {
        let store = ClickHouse::open(&path, &address).with_context(|| {
            format!(
                "cannot open the store {} with its facts in {address}",
                path.display()
            )
        })?;
        return Ok(Arc::new(store));
    }
    let store = Sqlite::open(&path)
        .with_context(|| format!("cannot open the store {}", path.display()))?;
    Ok(Arc::new(store))
}
