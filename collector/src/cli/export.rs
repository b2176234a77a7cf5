//! What does an operator give to others? The dataset of shutdowns as a folder or an archive, and
//! measurements as OONI's documents.

use crate::api::moment;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use faultline_collector::{
    config::Config,
    export::{
        DATASET, Earlier, Form, Hold, Material, Release, SCHEMA, gather, ooni, package,
        read_rows,
    },
    names::Names,
    store::sqlite::SqliteEvents,
};
use faultline_core::{id::Country, time::UnixTime};
use faultline_probe::{
    identity::{self, IdentityError},
    random::{Entropy as _, OsEntropy},
};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    io::{self, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// The dataset of shutdowns and outages.
    Shutdowns(Shutdowns),
    /// Measurements of the web as OONI's web_connectivity documents; JSON lines. Only where the
    /// settings make single measurements public, and only networks and days of three probes.
    Ooni(Ooni),
}

#[derive(Debug, Args)]
pub(super) struct Ooni {
    /// A file that is not there yet, or - for standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Measurements that started then or later: 2026-11-24, or 2026-11-24T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = from)]
    from: Option<UnixTime>,
    /// Measurements that started before; a date includes its day.
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<UnixTime>,
    /// Of one country.
    #[arg(long, value_name = "CC", value_parser = country)]
    country: Option<Country>,
    /// Name of this release: reports have other names in each.
    #[arg(long, value_name = "NAME", default_value = "")]
    release: String,
}

fn country(text: &str) -> Result<Country, String> {
    Country::new(text).ok_or_else(|| "no country: give two letters (ISO 3166-1)".into())
}

#[derive(Debug, Args)]
pub(super) struct Shutdowns {
    /// A folder that is not there yet, or a file whose name ends in .zip.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// In which words.
    #[arg(long = "as", value_enum, default_value_t = As::Package)]
    form: As,
    /// Events that touch this time or a later one: 2026-11-24, or 2026-11-24T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = from)]
    from: Option<UnixTime>,
    /// Events that began before; a date includes its day.
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<UnixTime>,
    /// What was known then; now where not given.
    #[arg(long, value_name = "TIME", value_parser = from)]
    as_of: Option<UnixTime>,
    /// The folder of an earlier release, to count what changed.
    #[arg(long, value_name = "DIR")]
    since: Option<PathBuf>,
    /// Name of this release; the day of --as-of where not given.
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// Mark everything as data of a simulated world, as the setting `simulated` does.
    #[arg(long)]
    simulated: bool,
    /// Rows of another collector: a folder of revisions.ndjson, evidence.ndjson, bins.ndjson,
    /// coverage.ndjson.
    #[arg(long, value_name = "DIR")]
    from_rows: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    /// A data package: CSV, NDJSON and Parquet with schema, dictionary, citation and checksums.
    Package,
    /// The 46 columns of Access Now's KeepItOn STOP dataset.
    Kio,
    /// CSV with tags of the Humanitarian Exchange Language.
    Hxl,
}

fn from(text: &str) -> Result<UnixTime, String> {
    moment::parse(text).ok_or_else(|| NO_TIME.into())
}

fn until(text: &str) -> Result<UnixTime, String> {
    moment::end(text).ok_or_else(|| NO_TIME.into())
}

const NO_TIME: &str = "no time: give 2026-11-24, or 2026-11-24T12:00:00Z (UTC)";

pub(super) fn export(config: &Config, what: &What, now: UnixTime) -> Result<()> {
    match what {
        What::Shutdowns(wish) => shutdowns(config, wish, now),
        What::Ooni(wish) => measurements(config, wish, now),
    }
}

fn shutdowns(config: &Config, wish: &Shutdowns, now: UnixTime) -> Result<()> {
    let release = Release::of(
        &config.dataset,
        wish.release.as_deref(),
        wish.as_of.unwrap_or(now),
        window(wish.from, wish.until)?,
        config.simulated || wish.simulated,
    )?;
    let since = wish.since.as_deref().map(Earlier::read).transpose()?;
    let hold = Hold::of(&config.dataset);
    let material = material(config, wish, &release, &hold)?;
    let form = match wish.form {
        As::Package => Form::Package,
        As::Kio => Form::KeepItOn,
        As::Hxl => Form::Hxl,
    };
    let names = names(config)?;
    let package = package(&material, &release, &hold, &names, form, since.as_ref());
    if wish.out.extension().is_some_and(|end| end == "zip") {
        let bytes = package.zip()?;
        file(&wish.out, |mut file| Ok(file.write_all(&bytes)?))?;
    } else {
        package.write(&wish.out)?;
    }
    for (table, rows) in &package.rows {
        eprintln!("{rows:>9} {table}");
    }
    eprintln!(
        "{DATASET} {SCHEMA}, {}, as of {}: {} files in {}",
        release.version,
        release.as_of,
        package.files.len(),
        wish.out.display()
    );
    Ok(())
}

fn measurements(config: &Config, wish: &Ooni, now: UnixTime) -> Result<()> {
    anyhow::ensure!(
        config.public_evidence,
        "single measurements are not public here: set public_evidence = true if their owners agreed to that"
    );
    let store = super::open(config)?;
    let hold = Hold::of(&config.dataset);
    let importer = match identity::load(&config.state.join(super::import::KEY)) {
        Ok(key) => Some(key.public().probe_id()),
        Err(IdentityError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            None
        }
        Err(error) => return Err(error.into()),
    };
    let wanted = ooni::Wish {
        window: window(wish.from, wish.until)?,
        country: wish.country,
        now,
        hold: &hold,
        importer,
        key: secret(config, &wish.release)?,
        simulated: config.simulated,
    };
    let to_stdout = wish.out == Path::new("-");
    let done = if to_stdout {
        let mut out = io::BufWriter::new(io::stdout().lock());
        ooni::export(&*store, &wanted, &mut out)?
    } else {
        let mut done = None;
        file(&wish.out, |file| {
            let mut out = io::BufWriter::new(file);
            done = Some(ooni::export(&*store, &wanted, &mut out)?);
            Ok(())
        })?;
        done.unwrap_or_default()
    };
    let ooni::Summary {
        written,
        few,
        waiting,
        others,
        imports,
        gone,
    } = done;
    eprintln!(
        "wrote {written}; left out {few} of networks with fewer than three probes that day, {waiting} of days not over or held back, {others} that are not of the web or not to be counted, {imports} imported, {gone} whose batches are kept no more"
    );
    Ok(())
}

/// Nobody who does not know it can tell which reports of two releases are of one measurement.
fn secret(config: &Config, release: &str) -> Result<[u8; 32]> {
    let path = config.state.join("export.key");
    identity::load_or_create(&path, &mut |bytes| OsEntropy.fill(bytes))?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let digest = Sha256::new().chain_update(bytes).chain_update(release);
    Ok(digest.finalize().into())
}

fn window(from: Option<UnixTime>, until: Option<UnixTime>) -> Result<Range<UnixTime>> {
    let start = from.unwrap_or(UnixTime(i64::MIN));
    let end = until.unwrap_or(UnixTime(i64::MAX));
    anyhow::ensure!(
        start < end,
        "--from is not before --until: nothing would be exported"
    );
    Ok(start..end)
}

fn material(
    config: &Config,
    wish: &Shutdowns,
    release: &Release,
    hold: &Hold,
) -> Result<Material> {
    if let Some(folder) = &wish.from_rows {
        return Ok(read_rows(folder)?);
    }
    let path = config.state.join("events.db");
    anyhow::ensure!(
        path.exists(),
        "no events are kept in {}: set `state` to the folder of a collector that listens to heartbeats, or give --from-rows DIR",
        path.display()
    );
    let events = SqliteEvents::open(&path)
        .with_context(|| format!("cannot open the events {}", path.display()))?;
    Ok(gather(&events, release.as_of, &release.window, hold)?)
}

fn names(config: &Config) -> Result<Names> {
    let read = |path: &Option<PathBuf>| {
        let read = |path: &PathBuf| {
            fs::read_to_string(path)
                .with_context(|| format!("cannot read the list of names {}", path.display()))
        };
        path.as_ref().map(read).transpose()
    };
    let (countries, networks) = (read(&config.country_names)?, read(&config.network_names)?);
    Ok(Names::parse(countries.as_deref(), networks.as_deref())?)
}

/// A file is there whole or not at all.
fn file(path: &Path, write: impl FnOnce(&fs::File) -> Result<()>) -> Result<()> {
    anyhow::ensure!(
        !path.exists(),
        "{} is there already: name another file, releases are never changed",
        path.display()
    );
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let written = fs::File::create(&partial).map_err(anyhow::Error::from);
    let written = written.and_then(|file| {
        write(&file)?;
        file.sync_all()?;
        Ok(fs::rename(&partial, path)?)
    });
    if written.is_err() {
        // What is left says by its name that it is not whole.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}
