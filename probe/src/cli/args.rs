//! What was typed.

use crate::consent::Group;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT: &str = "Exit status: 0 measured and nothing anomalous; 1 an anomaly was found; \
    2 something could not be measured, read or written, also beside an anomaly.";

/// A volunteer's probe: measures names and pages, keeps what it saw, and hands it over.
///
/// Start with `faultline-probe consent`: nothing is sent before you have agreed.
#[derive(Debug, Parser)]
#[command(name = "faultline-probe", version, max_term_width = 96, after_help = EXIT)]
pub struct Args {
    /// Settings file; every key is in probe.example.toml.
    #[arg(
        long,
        short,
        global = true,
        env = "FAULTLINE_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Folder for key, consent and results; before the settings file's `state`.
    #[arg(long, global = true, env = "FAULTLINE_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Base URL of the collector; before the settings file's `collector`.
    #[arg(long, global = true, env = "FAULTLINE_COLLECTOR", value_name = "URL")]
    pub collector: Option<String>,
    /// How results are written to standard output.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading.
    Human,
    /// One measurement a line, fields as published.
    Json,
    /// One observation a line.
    Csv,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Measure now, once, and show what was seen.
    #[command(after_help = EXIT)]
    Once {
        /// URLs (pages and their names) or bare names (lookups only); without any, the
        /// targets of the settings file and of the collector.
        targets: Vec<String>,
        /// Say what would be sent and to whom, and send nothing.
        #[arg(long)]
        dry_run: bool,
        /// Keep the results on this machine, and ask the collector nothing.
        #[arg(long)]
        no_upload: bool,
    },
    /// Measure every so often and upload, until stopped; the worst cycle gives the status.
    #[command(after_help = EXIT)]
    Run {
        /// Stop after so many cycles.
        #[arg(long, value_name = "N")]
        cycles: Option<u64>,
    },
    /// Check settings, folder, key, consent, clock, network and the way to the collector.
    #[command(after_help = "Exit status: 0 a measurement would work; 2 something is wrong.")]
    Doctor,
    /// Read what measuring means, give consent or withdraw it.
    Consent {
        /// Without one, the text and what was agreed to are shown.
        #[command(subcommand)]
        choice: Option<Choice>,
    },
    /// Show what this probe saw; works without a network.
    Show {
        /// Only measurements whose target contains this; or `ledger`: when this machine and
        /// its connection were on and how far the Internet reached.
        filter: Option<String>,
    },
}

/// A choice about consent.
#[derive(Debug, Subcommand)]
pub enum Choice {
    /// Agree to the text that `faultline-probe consent` shows.
    Give {
        /// Groups of tests to agree to.
        #[arg(long = "group", value_enum, required = true)]
        groups: Vec<Group>,
        /// Highest risk level of targets to agree to.
        #[arg(long, value_enum, default_value_t = RiskLevel::Low)]
        risk: RiskLevel,
        /// That you have read the text and agree.
        #[arg(long, required = true)]
        i_agree: bool,
    },
    /// Take consent back; the probe sends nothing any more.
    Withdraw,
}

/// Risk levels as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RiskLevel {
    /// An ordinary phone touches the like every day.
    Low,
    /// Might draw attention.
    Medium,
    /// May bring danger.
    High,
}

impl From<RiskLevel> for faultline_core::protocol::Risk {
    fn from(level: RiskLevel) -> Self {
        match level {
            RiskLevel::Low => Self::Low,
            RiskLevel::Medium => Self::Medium,
            RiskLevel::High => Self::High,
        }
    }
}
