//! What does an operator of the simulated world know beside what is measured? The lists that
//! a collector's settings name: names of countries and networks, users, services.

use super::Observatory;
use std::path::{Path, PathBuf};

/// Where the lists are, by the key of the setting.
#[derive(Clone, Debug)]
pub struct Lists {
    /// `country_names`.
    pub country_names: PathBuf,
    /// `network_names`.
    pub network_names: PathBuf,
    /// `network_users`.
    pub network_users: PathBuf,
    /// `services`.
    pub services: PathBuf,
    /// `tlds`.
    pub tlds: PathBuf,
}

impl Lists {
    /// The collector's settings, by key.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        [
            ("country_names", self.country_names.as_path()),
            ("network_names", self.network_names.as_path()),
            ("network_users", self.network_users.as_path()),
            ("services", self.services.as_path()),
            ("tlds", self.tlds.as_path()),
        ]
        .into_iter()
    }
}

/// Writes the lists of a world into `folder`.
pub fn write(observatory: &Observatory, folder: &Path) -> std::io::Result<Lists> {
    let tlds = folder.join("tlds.txt");
    std::fs::write(&tlds, observatory.tlds())?;
    let keep = |name: &str, header: &str, lines: Vec<String>| {
        let path = folder.join(name);
        let text = format!("{header}\n{}\n", lines.join("\n"));
        std::fs::write(&path, text.trim_end().to_owned() + "\n").map(|()| path)
    };
    let countries = observatory.country.iter();
    let countries = countries.map(|c| {
        let name = if c.name.is_empty() { &c.code } else { &c.name };
        format!("{},{}", c.code, quoted(name))
    });
    let networks = observatory.networks.iter();
    let names = networks.clone().filter(|n| !n.name.is_empty());
    let names = names.map(|n| format!("{},{}", n.asn, quoted(&n.name)));
    let users = networks.filter(|n| n.users > 0);
    let users = users.map(|n| format!("{},{},{}", n.country, n.asn, n.users));
    let services = observatory.service.iter();
    let services = services.map(|s| format!("{},{},{}", s.url, quoted(&s.name), s.category));
    Ok(Lists {
        country_names: keep("countries.csv", "code,name", countries.collect())?,
        network_names: keep("networks.csv", "asn,name", names.collect())?,
        network_users: keep("users.csv", "country,asn,users", users.collect())?,
        services: keep("services.csv", "url,name,category", services.collect())?,
        tlds,
    })
}

/// A CSV field (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_collector::{api::Scores, config::Config};
    use faultline_core::id::{Asn, Country};

    #[test]
    fn a_collector_takes_the_settings_as_they_are() {
        let text = include_str!("../../scenarios/world/sixty_days.toml");
        let world = Observatory::parse(text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lists = write(&world, folder.path()).unwrap();
        let mut settings = toml::Table::new();
        for (key, path) in lists.settings() {
            settings.insert(key.to_owned(), path.to_string_lossy().into_owned().into());
        }
        assert_eq!(settings.len(), 5);
        let config = Config::parse(&settings.to_string()).unwrap();
        let scores = Scores::new(&config, None).unwrap();
        assert_eq!(scores.names.country(Country::new("XB").unwrap()), "Borsia");
        let network = scores.names.network(Asn(64_496));
        assert_eq!(network, Some("Alvania Telecom"));
        assert_eq!(scores.services().iter().count(), world.service.len());
        let users = std::fs::read_to_string(&lists.network_users).unwrap();
        assert!(users.contains("XA,64496,4200000\n"), "{users}");
    }

    #[test]
    fn names_with_commas_and_quotes_stay_one_field() {
        assert_eq!(quoted("a"), "a");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
    }
}
