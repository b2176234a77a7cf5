//! What did the operator set? One typed struct, from a TOML file whose every key is in
//! `collector/collector.example.toml`.

use crate::{alert::Hook, export::Licence, store::Address};
use faultline_core::{
    dns::{NameBuf, is_bogon},
    id::Country,
    resolver::{Service, WELL_KNOWN},
    trace::{self, Check},
};
use faultline_probe::config::explain;
use serde::Deserialize;
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// Settings of a collector. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate of this server with those that lead to its authority, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Folder for key and store.
    pub state: PathBuf,
    /// Where the facts are: `sqlite`, or a ClickHouse; without, in the state folder.
    pub facts: Option<String>,
    /// MaxMind DB file: address to country.
    pub country_db: Option<PathBuf>,
    /// MaxMind DB file: address to network.
    pub asn_db: Option<PathBuf>,
    /// Targets, CSV; without one the built-in list.
    pub targets: Option<PathBuf>,
    /// Addresses of blockpages, CSV in OONI's format.
    pub fingerprints_dns: Option<PathBuf>,
    /// Blockpages, CSV in OONI's format.
    pub fingerprints_http: Option<PathBuf>,
    /// Services of U3, CSV; without one the built-in list.
    pub services: Option<PathBuf>,
    /// Top-level domains, in the form of IANA's list; without one the built-in list.
    pub tlds: Option<PathBuf>,
    /// A zone of the operator's own, for checks of the DNS's way.
    pub dns_test_zone: Option<String>,
    /// Public resolvers to be reached over encrypted transports: `NAME@ADDRESS`.
    pub encrypted_resolvers: Vec<String>,
    /// Addresses that run no resolver: probes ask there who answers all the same.
    pub non_resolvers: Vec<IpAddr>,
    /// Names of networks, CSV.
    pub network_names: Option<PathBuf>,
    /// Users of networks, CSV.
    pub network_users: Option<PathBuf>,
    /// Names of countries, CSV; without one those of the Earth.
    pub country_names: Option<PathBuf>,
    /// Seconds between two check-ins.
    pub check_in_every: u32,
    /// Whether the last hop of X-Forwarded-For is believed.
    pub behind_proxy: bool,
    /// Whether the data is from a simulated world.
    pub simulated: bool,
    /// Whether single measurements of probes are public.
    pub public_evidence: bool,
    /// Opens single measurements to its bearer.
    pub operator_token: Option<String>,
    /// Days for which measurements with their observations are kept.
    pub retention_days: Option<u32>,
    /// Days for which batches with their signatures, and network tokens, are kept.
    pub batch_retention_days: Option<u32>,
    /// The control role.
    pub control: Control,
    /// Heartbeats.
    pub beats: Beats,
    /// Events.
    pub events: Events,
    /// What is published as a dataset.
    pub dataset: Dataset,
}

/// Settings of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Where this collector's pages are, for links in the feed.
    pub public_url: Option<String>,
    /// Days for which it is kept, minute by minute, what was expected and seen where nothing
    /// happened.
    pub bins_days: u32,
    /// Who may act on events.
    pub analysts: Vec<Analyst>,
    /// Whether their names are published with what they did.
    pub analysts_named: bool,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// What kind of access networks give, CSV.
    pub network_access: Option<PathBuf>,
}

/// Somebody who may act on events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analyst {
    pub name: String,
    /// SHA-256 of the token, hexadecimal.
    pub token_sha256: String,
}

/// Somebody who is told of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: String,
    /// What messages are signed with.
    pub secret: String,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            public_url: None,
            bins_days: 90,
            analysts: Vec::new(),
            analysts_named: false,
            webhooks: Vec::new(),
            network_access: None,
        }
    }
}

/// Settings of the published dataset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dataset {
    /// Its title.
    pub title: String,
    /// Who publishes it.
    pub publisher: String,
    /// Who made it.
    pub creators: Vec<String>,
    /// Its licence, by the name that SPDX gives it.
    pub licence: String,
    /// The text of a licence that is not built in.
    pub licence_file: Option<PathBuf>,
    /// The DOI under which releases are found.
    pub doi: Option<String>,
    /// Where releases can be had.
    pub homepage: Option<String>,
    /// Countries in which what single networks did is published a day later.
    pub high_risk: Vec<Country>,
}

impl Default for Dataset {
    fn default() -> Self {
        Self {
            title: "Internet shutdowns, seen from inside".into(),
            publisher: "Faultline".into(),
            creators: vec!["Faultline".into()],
            licence: Licence::DEFAULT.into(),
            licence_file: None,
            doi: None,
            homepage: None,
            high_risk: Vec::new(),
        }
    }
}

impl Dataset {
    /// The licence with its text.
    pub fn licence(&self) -> Result<Licence, ConfigError> {
        match (&self.licence_file, Licence::known(&self.licence)) {
            (Some(path), _) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Licence::own(&self.licence, text)),
                Err(source) => Err(ConfigError::File {
                    path: path.into(),
                    source,
                }),
            },
            (None, Some(known)) => Ok(known),
            (None, None) => Err(ConfigError::Content(format!(
                "dataset.licence {:?} is not built in: CC-BY-4.0, CC0-1.0 and ODbL-1.0 are; give its text as dataset.licence_file",
                self.licence
            ))),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |why: &str| Err(ConfigError::Content(why.into()));
        if self.licence_file.is_none() {
            self.licence()?;
        }
        let names = [&self.title, &self.publisher, &self.licence];
        if names
            .into_iter()
            .chain(&self.creators)
            .any(|name| name.trim().is_empty())
        {
            return wrong("dataset: title, publisher, licence and creators are never empty");
        }
        if self.creators.is_empty() {
            return wrong("dataset.creators names at least one: citations need it");
        }
        if self
            .doi
            .as_ref()
            .is_some_and(|doi| !doi.starts_with("10.") || !doi.contains('/'))
        {
            return wrong(
                "dataset.doi begins with 10. and has a slash: 10.5281/zenodo.1234567",
            );
        }
        if self
            .homepage
            .as_ref()
            .is_some_and(|home| url::Url::parse(home).is_err())
        {
            return wrong("dataset.homepage is no URL");
        }
        Ok(())
    }
}

/// Settings of heartbeats.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beats {
    /// UDP address to hear them on; without one, none are heard.
    pub listen: Option<SocketAddr>,
    /// Where probes reach it, where that is not the host of the collector's URL.
    pub address: Option<IpAddr>,
    /// The port under which they do, where it is not that of `listen`.
    pub port: Option<u16>,
    /// Seconds between two beats.
    pub interval: u16,
    /// Hosts that tell probes how far the network reaches, CSV; without one, none are asked.
    pub anchors: Option<PathBuf>,
    /// Days for which it is kept when probes were heard and what they noted.
    pub retention_days: u32,
}

impl Default for Beats {
    fn default() -> Self {
        Self {
            listen: None,
            address: None,
            port: None,
            interval: 60,
            anchors: None,
            retention_days: 400,
        }
    }
}

/// Settings of the control role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Whether targets are looked at on behalf of probes.
    pub enabled: bool,
    /// Resolvers to ask in the place of the system's.
    pub resolvers: Vec<SocketAddr>,
    /// Which place looks, as reports name it.
    pub vantage: String,
    /// Whether targets outside the list are looked at.
    pub any_target: bool,
    /// Seconds for which a report answers further requests.
    pub cache_for: u32,
    /// Looks at the same time.
    pub at_once: u16,
    /// Looks an hour that one probe may cause.
    pub per_probe: u32,
    /// Looks an hour at one host.
    pub per_target: u32,
    /// Addresses of the collector that its interfaces do not show.
    pub own_addresses: Vec<IpAddr>,
    /// PEM file of further roots (closed test worlds).
    pub extra_roots: Option<PathBuf>,
    /// Whether special-purpose addresses and any port are contacted (closed test worlds).
    pub allow_special: bool,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            enabled: false,
            resolvers: Vec::new(),
            vantage: "ZZ".into(),
            any_target: false,
            cache_for: 600,
            at_once: 16,
            per_probe: 600,
            per_target: 600,
            own_addresses: Vec::new(),
            extra_roots: None,
            allow_special: false,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8055)),
            tls_cert: None,
            tls_key: None,
            state: "/var/lib/faultline-collector".into(),
            facts: None,
            country_db: None,
            asn_db: None,
            targets: None,
            fingerprints_dns: None,
            fingerprints_http: None,
            services: None,
            tlds: None,
            dns_test_zone: None,
            encrypted_resolvers: WELL_KNOWN.map(str::to_owned).into(),
            non_resolvers: Vec::new(),
            network_names: None,
            network_users: None,
            country_names: None,
            check_in_every: 3600,
            behind_proxy: false,
            simulated: false,
            public_evidence: false,
            operator_token: None,
            retention_days: None,
            batch_retention_days: None,
            control: Control::default(),
            beats: Beats::default(),
            events: Events::default(),
            dataset: Dataset::default(),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings {path}: {source}; start from collector.example.toml")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings are wrong: {0}")]
    Content(String),
}

impl Config {
    /// Reads a settings file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            path: path.into(),
            source,
        })?;
        Self::parse(&text)
    }

    /// From the text of a settings file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|e| ConfigError::Content(explain(&e)))?;
        if config.country_db.is_some() != config.asn_db.is_some() {
            return Err(ConfigError::Content(
                "country_db and asn_db go together: give both or none".into(),
            ));
        }
        config.tls()?;
        if config.operator_token.as_ref().is_some_and(|t| t.len() < 16) {
            return Err(ConfigError::Content(
                "operator_token is too short: at least 16 characters".into(),
            ));
        }
        if let Some(zone) = &config.dns_test_zone {
            let longest = Check::ALL.map(|check| check.name(zone));
            if trace::bare(zone).is_empty()
                || longest.iter().any(|n| n.parse::<NameBuf>().is_err())
            {
                return Err(ConfigError::Content(format!(
                    "dns_test_zone is no domain name: {zone:?}; give one that you run, such as dnstest.example"
                )));
            }
        }
        for text in &config.encrypted_resolvers {
            let service = Service::parse(text);
            let special = |s: &Service| is_bogon(s.address) && !config.control.allow_special;
            if service.as_ref().is_none_or(special) {
                return Err(ConfigError::Content(format!(
                    "encrypted_resolvers: {text:?} is no public resolver; write its name and address, as in dns.quad9.net@9.9.9.9"
                )));
            }
        }
        let special = config.non_resolvers.iter().find(|ip| is_bogon(**ip));
        if let Some(ip) = special.filter(|_| !config.control.allow_special) {
            return Err(ConfigError::Content(format!(
                "non_resolvers: {ip} is an address for special purposes, and no query to it leaves a network; give addresses that are yours and answer nothing at port 53"
            )));
        }
        let control = &config.control;
        for (key, number) in [
            ("at_once", u32::from(control.at_once)),
            ("per_probe", control.per_probe),
            ("per_target", control.per_target),
        ] {
            if number == 0 {
                return Err(ConfigError::Content(format!(
                    "control.{key} is 0: nothing could ever be looked at; set control.enabled = false"
                )));
            }
        }
        if let Some(facts) = &config.facts {
            Address::parse(facts).map_err(|e| ConfigError::Content(e.to_string()))?;
        }
        if !(30..=3600).contains(&config.beats.interval) {
            return Err(ConfigError::Content(
                "beats.interval is between 30 and 3600 seconds".into(),
            ));
        }
        if config.beats.retention_days == 0 {
            return Err(ConfigError::Content(
                "beats.retention_days is at least 1: remove beats.listen to keep none".into(),
            ));
        }
        config.events.check()?;
        config.dataset.check()?;
        let days = [config.retention_days, config.batch_retention_days];
        if days.contains(&Some(0)) {
            return Err(ConfigError::Content(
                "retention is at least 1 day: leave the key out to keep everything".into(),
            ));
        }
        Ok(config)
    }

    /// Certificate and key, where TLS is spoken.
    pub fn tls(&self) -> Result<Option<(&Path, &Path)>, ConfigError> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => Err(ConfigError::Content(
                "tls_cert and tls_key go together: give both or none".into(),
            )),
        }
    }
}

impl Events {
    fn check(&self) -> Result<(), ConfigError> {
        if self.bins_days == 0 {
            return Err(ConfigError::Content(
                "events.bins_days is at least 1".into(),
            ));
        }
        if let Some(url) = &self.public_url
            && !url::Url::parse(url).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.host().is_some()
            })
        {
            return Err(ConfigError::Content(format!(
                "events.public_url is no http or https URL: {url:?}"
            )));
        }
        for analyst in &self.analysts {
            let name = &analyst.name;
            let digest = &analyst.token_sha256;
            let valid = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            if name.trim().is_empty() || !valid {
                return Err(ConfigError::Content(format!(
                    "events.analysts: {name:?} needs a name and token_sha256, 64 hexadecimal digits: printf %s TOKEN | sha256sum"
                )));
            }
        }
        for webhook in &self.webhooks {
            Hook::new(webhook)
                .map_err(|e| ConfigError::Content(format!("events.webhooks: {e}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../collector.example.toml");

    #[test]
    fn the_example_is_the_default_and_names_every_key() {
        assert_eq!(Config::parse(EXAMPLE).unwrap(), Config::default());
        let whole = EXAMPLE
            .replace("# facts", "facts")
            .replace("# country_db", "country_db")
            .replace("# asn_db", "asn_db")
            .replace("# tls_", "tls_")
            .replace("# targets", "targets")
            .replace("# fingerprints", "fingerprints")
            .replace("# services", "services")
            .replace("# tlds", "tlds")
            .replace("# dns_test_zone", "dns_test_zone")
            .replace("# network_names", "network_names")
            .replace("# network_users", "network_users")
            .replace("# country_names", "country_names")
            .replace("# operator_token", "operator_token")
            .replace("# listen = \"0", "listen = \"0")
            .replace("# address", "address")
            .replace("# port", "port")
            .replace("# anchors", "anchors")
            .replace("# extra_roots", "extra_roots")
            .replace("# public_url", "public_url")
            .replace("# network_access", "network_access")
            .replace("# analysts", "analysts")
            .replace("# webhooks", "webhooks")
            .replace("analysts = []\n", "")
            .replace("webhooks = []\n", "")
            .replace("# retention_days", "retention_days")
            .replace("# licence_file", "licence_file")
            .replace("# doi", "doi")
            .replace("# homepage", "homepage")
            .replace("# batch_retention_days", "batch_retention_days");
        let config = Config::parse(&whole).unwrap();
        assert!(config.retention_days.is_some() && config.batch_retention_days.is_some());
        assert!(config.country_db.is_some() && config.asn_db.is_some());
        assert!(config.tls().unwrap().is_some());
        assert!(config.targets.is_some() && config.operator_token.is_some());
        assert!(config.services.is_some() && config.network_names.is_some());
        assert!(config.tlds.is_some() && config.dns_test_zone.is_some());
        assert!(config.network_users.is_some() && config.country_names.is_some());
        assert!(config.control.extra_roots.is_some());
        assert_eq!(config.events.analysts.len(), 1);
        assert_eq!(config.events.webhooks.len(), 1);
        // Every key that the parser knows is there.
        for nonsense in [
            "no_such_key = 1",
            "[control]\nno_such_key = 1",
            "[beats]\nno_such_key = 1",
            "[events]\nno_such_key = 1",
            "[dataset]\nno_such_key = 1",
        ] {
            let told = Config::parse(nonsense).unwrap_err().to_string();
            let expected = told.split_once("expected").map(|(_, keys)| keys).unwrap();
            let keys: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
            assert!(keys.len() > 5, "{told}");
            for key in keys
                .iter()
                .filter(|key| !["control", "beats", "events"].contains(key))
                .filter(|key| !["control", "beats", "dataset"].contains(key))
            {
                assert!(
                    whole.contains(&format!("\n{key} = ")),
                    "{key} is not in the example"
                );
            }
        }
    }

    #[test]
    fn wrong_settings_are_refused() {
        for text in [
            "listne = 1",
            "[control]\nenable = true",
            "country_db = 'a'",
            "tls_cert = 'a'",
            "tls_key = 'a'",
            "operator_token = 'short'",
            "[control]\nat_once = 0",
            "retention_days = 0",
            "encrypted_resolvers = ['dns.quad9.net']",
            "encrypted_resolvers = ['dns.home.example@192.168.1.1']",
            "non_resolvers = ['10.0.0.1']",
            "non_resolvers = ['nobody.example']",
            "dns_test_zone = ''",
            "dns_test_zone = 'a..b'",
            "[beats]\ninterval = 1",
            "[beats]\nretention_days = 0",
            "[beats]\nlisten = 'everywhere'",
            "[events]\nbins_days = 0",
            "[events]\npublic_url = 'somewhere'",
            "[events]\nanalysts = [{ name = 'A', token_sha256 = 'short' }]",
            "[events]\nwebhooks = [{ url = 'http://hooks.example/', secret = '0123456789abcdef' }]",
            "[events]\nwebhooks = [{ url = 'https://hooks.example/', secret = 'short' }]",
            "batch_retention_days = -1",
            "facts = 'postgres://host/db'",
            "[dataset]\nlicence = 'MINE'",
            "[dataset]\ncreators = []",
            "[dataset]\npublisher = ' '",
            "[dataset]\ndoi = 'https://doi.org/10.1/x'",
            "[dataset]\nhomepage = 'example'",
            "[dataset]\nhigh_risk = ['XYZ']",
        ] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }
}
