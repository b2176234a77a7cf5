//! A board's settings as a TOML file. A real board carries them in its image.

use crate::{Captive, CollectorAt, Consent, Settings, Timeouts};
use anyhow::Context as _;
use core::net::{Ipv4Addr, SocketAddrV4};
use faultline_core::{protocol::Risk, time::Duration};
use serde::Deserialize;
use std::{string::String, vec::Vec};

/// The file. Unknown keys are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// `http://host:port` or `https://host:port`.
    collector: String,
    collector_address: Option<Ipv4Addr>,
    /// The owner's word; without it, nothing is sent.
    #[serde(default)]
    i_agree: bool,
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    public_resolvers: Vec<SocketAddrV4>,
    non_resolver: Option<SocketAddrV4>,
    #[serde(default = "neutral")]
    neutral_name: String,
    /// A plain URL that answers 204.
    captive_check: Option<String>,
    #[serde(default = "hourly")]
    every_seconds: u64,
    #[serde(default)]
    contact_special: bool,
}

fn neutral() -> String {
    "example.com".into()
}
fn hourly() -> u64 {
    3600
}

pub(super) fn read(text: &str) -> anyhow::Result<Settings> {
    let file: File = toml::from_str(text)?;
    let (tls, rest) = match file.collector.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => anyhow::bail!("collector: {} is no http or https URL", file.collector),
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().context("collector: its port")?),
        None => (rest, if tls { 443 } else { 80 }),
    };
    anyhow::ensure!(
        !tls && file.contact_special,
        "collector: this process speaks only http to it, so only in closed test networks \
         (`contact_special = true`); boards speak https"
    );
    let captive = file.captive_check.map(|url| {
        let rest = url.strip_prefix("http://").unwrap_or(&url);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Captive {
            host: host.into(),
            path: std::format!("/{path}"),
            status: 204,
        }
    });
    let consent = Consent {
        version: 2,
        names: true,
        sites: true,
        beat: true,
        risk: Risk::Low,
    };
    Ok(Settings {
        consent: file.i_agree.then_some(consent),
        collector: CollectorAt {
            host: host.into(),
            port,
            tls,
            address: file.collector_address,
        },
        targets: file.targets,
        public_resolvers: file.public_resolvers,
        non_resolver: file.non_resolver,
        neutral_name: file.neutral_name,
        captive,
        every: Duration::from_secs(file.every_seconds),
        contact_special: file.contact_special,
        timeouts: Timeouts::default(),
    })
}
