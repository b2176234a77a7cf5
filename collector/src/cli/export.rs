//! What does an operator give to others? The dataset of shutdowns as a folder or an archive, and
//! measurements as OONI's documents.

use crate::api::moment;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use faultline_collector::{
    config::Config,
    export::{DATASET, Earlier, Form, Hold, Material, Release, SCHEMA, package, read_rows},
    names::Names,
};
use faultline_core::time::UnixTime;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// The dataset of shutdowns and outages.
    Shutdowns(Shutdowns),
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
    }
}

fn shutdowns(config: &Config, wish: &Shutdowns, now: UnixTime) -> Result<()> {
    let material = material(wish)?;
    let as_of = wish.as_of.unwrap_or(now);
    let release = release(config, wish, as_of)?;
    let since = wish.since.as_deref().map(Earlier::read).transpose()?;
    let hold = Hold {
        countries: config.dataset.high_risk.iter().copied().collect(),
    };
    let form = match wish.form {
        As::Package => Form::Package,
        As::Kio => Form::KeepItOn,
        As::Hxl => Form::Hxl,
    };
    let names = names(config)?;
    let package = package(&material, &release, &hold, &names, form, since.as_ref());
    if wish.out.extension().is_some_and(|end| end == "zip") {
        archive(&wish.out, &package.zip()?)?;
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

fn material(wish: &Shutdowns) -> Result<Material> {
    let folder = wish.from_rows.as_deref();
    let folder = folder.context("where from? Give --from-rows DIR")?;
    Ok(read_rows(folder)?)
}

fn release(config: &Config, wish: &Shutdowns, as_of: UnixTime) -> Result<Release> {
    let dataset = &config.dataset;
    let start = wish.from.unwrap_or(UnixTime(i64::MIN));
    let end = wish.until.unwrap_or(UnixTime(i64::MAX));
    anyhow::ensure!(
        start < end,
        "--from is not before --until: nothing would be exported"
    );
    let day = as_of.to_string();
    let day = day.split('T').next().unwrap_or_default();
    Ok(Release {
        version: wish
            .release
            .clone()
            .unwrap_or_else(|| day.replace('-', ".")),
        as_of,
        window: start..end,
        simulated: config.simulated || wish.simulated,
        licence: dataset.licence()?,
        title: dataset.title.clone(),
        publisher: dataset.publisher.clone(),
        creators: dataset.creators.clone(),
        doi: dataset.doi.clone(),
        homepage: dataset.homepage.clone(),
    })
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

/// An archive is there whole or not at all.
fn archive(path: &Path, bytes: &[u8]) -> Result<()> {
    anyhow::ensure!(
        !path.exists(),
        "{} is there already: name another file, releases are never changed",
        path.display()
    );
    let partial = path.with_extension("zip.partial");
    let written = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    });
    if written.is_err() {
        // What is left says by its name that it is no archive.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}
