//! Which targets are services in the sense of U3? A list of ours (messaging, encrypted DNS,
//! ways around blocking); an operator may give another one.

use std::collections::BTreeMap;

/// The list that is used where the operator gives none.
pub const BUILT_IN: &str = include_str!("../../services.csv");

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What is fetched.
    pub url: String,
    /// What people call it.
    pub name: String,
    /// `messaging`, `encrypted_dns`, `circumvention`.
    pub category: String,
}

/// Services by host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services(BTreeMap<String, Service>);

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// No CSV with the columns `url,name,category`.
    #[error("the list of services is not a CSV with url,name,category: {0}")]
    Csv(#[from] csv::Error),
    /// A line without a usable URL.
    #[error("line {line} of the list of services: {url:?} is no http or https URL")]
    Url {
        /// Which.
        line: u64,
        /// What stands there.
        url: String,
    },
}

impl Services {
    /// Reads a CSV with a header.
    pub fn parse(text: &str) -> Result<Self, ServicesError> {
        let mut services = BTreeMap::new();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            let record = record?;
            let field = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
            let url = field(0);
            if !url.starts_with("https://") && !url.starts_with("http://") {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(ServicesError::Url { line, url });
            }
            let service = Service {
                name: field(1),
                category: field(2),
                url,
            };
            services.insert(host(&service.url), service);
        }
        Ok(Self(services))
    }

    /// The service at this host.
    pub fn at(&self, host: &str) -> Option<&Service> {
        self.0.get(host)
    }

    /// All, by host.
    pub fn iter(&self) -> impl Iterator<Item = &Service> {
        self.0.values()
    }
}

/// The host that a URL or a name is about, lower case, without port and final dot.
pub fn host(target: &str) -> String {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_reads_and_has_enough_for_u3() {
        let services = Services::parse(BUILT_IN).unwrap();
        assert!((10..=20).contains(&services.iter().count()));
        for service in services.iter() {
            let known = ["messaging", "encrypted_dns", "circumvention"];
            assert!(known.contains(&service.category.as_str()), "{service:?}");
        }
    }

    #[test]
    fn a_line_without_a_url_is_named() {
        let error = Services::parse("url,name,category\nhttps://a.example/,A,x\nb,B,x\n");
        assert!(error.unwrap_err().to_string().contains("line 3"));
    }

    #[test]
    fn hosts_are_found_in_urls_and_names() {
        assert_eq!(host("https://A.example:8443/x?y"), "a.example");
        assert_eq!(host("a.example."), "a.example");
    }
}
