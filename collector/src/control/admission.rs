//! Which requests does the control take at all?
//!
//! Decided before anything is sent: pages over http or https without credentials, at usual
//! ports, and names; of the operator's list unless `any_target` is set. Where a name leads is
//! for [`super::Guarded`] to watch.

use super::Denied;
use crate::config::Control;
use faultline_core::{
    dns::is_bogon,
    protocol::{ControlRequest, TargetItem},
    resolver::Service,
};
use faultline_probe::agent::Target;
use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};
use url::{Host, Url};

/// What a look is at; equal questions get one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// A URL or a name, in its one normal form.
    pub target: String,
    /// Its host.
    pub host: String,
    /// The port of the page, where the target is one.
    pub port: Option<u16>,
    /// What the probe's resolvers said, in order.
    pub told: Vec<IpAddr>,
    /// Whether QUIC is tried, too.
    pub transports: bool,
}

/// Addresses of a request that are considered.
const MOST_TOLD: usize = 16;
/// Where DNS is spoken over TLS and QUIC (RFC 7858, RFC 9250).
const ENCRYPTED: u16 = 853;
/// Octets of the longest target.
const LONGEST: usize = 2048;

/// The rules of admission.
pub struct Admission {
    pages: HashSet<String>,
    hosts: HashSet<String>,
    resolvers: HashSet<String>,
    any_target: bool,
    allow_special: bool,
}

impl Admission {
    /// Takes resolvers, too, that probes are asked to reach: `NAME@ADDRESS`.
    #[must_use]
    pub fn with_resolvers(mut self, resolvers: &[String]) -> Self {
        let named = resolvers.iter().filter_map(|text| Service::parse(text));
        self.resolvers = named.map(|service| service.target()).collect();
        self
    }

    /// For the targets that probes are asked to measure.
    pub fn new(settings: &Control, targets: &[TargetItem]) -> Self {
        let parsed = targets.iter().filter_map(|t| Url::parse(&t.url).ok());
        let pages: Vec<Url> = parsed.collect();
        Self {
            hosts: pages
                .iter()
                .filter_map(|url| url.host_str().map(str::to_owned))
                .collect(),
            pages: pages.into_iter().map(String::from).collect(),
            resolvers: HashSet::new(),
            any_target: settings.any_target,
            allow_special: settings.allow_special,
        }
    }

    /// What to look at for a request.
    pub fn admit(&self, request: &ControlRequest) -> Result<Question, Denied> {
        let bad = |text: String| Err(Denied::BadTarget(text));
        let asked = &request.target;
        if asked.len() > LONGEST {
            return bad(format!("the target is longer than {LONGEST} octets"));
        }
        let target = Target::parse(asked).map_err(|e| Denied::BadTarget(e.to_string()))?;
        if let Target::Resolver(service) = &target {
            return self.resolver(asked, service);
        }
        let normal = target.url().unwrap_or_else(|| target.name());
        if normal != asked {
            // A report counts only for the very target that it names.
            return bad(format!("write the target in its normal form: {normal}"));
        }
        let listed = match target.url() {
            Some(url) => self.pages.contains(url),
            None => self.hosts.contains(target.name()),
        };
        let port = match target.url().map(Url::parse) {
            Some(Ok(url)) => Some(self.page(&url, listed)?),
            _ => None,
        };
        if !listed && !self.any_target {
            return Err(Denied::UnknownTarget);
        }
        Ok(Question {
            target: normal.to_owned(),
            host: target.name().to_owned(),
            port,
            told: self.told(request),
            transports: request.transports == Some(true),
        })
    }

    /// Checks a resolver: of the list alone, also where any page is welcome.
    fn resolver(&self, asked: &str, service: &Service) -> Result<Question, Denied> {
        if !self.resolvers.contains(asked) {
            return Err(Denied::UnknownTarget);
        }
        if is_bogon(service.address) && !self.allow_special {
            let text = "a resolver at an address for special purposes is nobody else's";
            return Err(Denied::BadTarget(text.into()));
        }
        Ok(Question {
            target: asked.to_owned(),
            host: service.name.clone(),
            port: Some(ENCRYPTED),
            told: Vec::new(),
            transports: true,
        })
    }

    /// Checks a page, and gives its port.
    fn page(&self, url: &Url, listed: bool) -> Result<u16, Denied> {
        let bad = |text: &str| Err(Denied::BadTarget(text.into()));
        let port = url.port_or_known_default().unwrap_or_default();
        if ![80, 443].contains(&port) && !listed && !self.allow_special {
            return bad(
                "the control looks at ports 80 and 443 only, unless the list has others",
            );
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::from(ip)),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if literal.is_some_and(is_bogon) && !self.allow_special {
            return bad("the target is an address for special purposes, where no site can be");
        }
        Ok(port)
    }

    fn told(&self, request: &ControlRequest) -> Vec<IpAddr> {
        let addresses = request.addresses.iter().map(|ip| ip.0.to_canonical());
        let allowed: BTreeSet<IpAddr> = addresses
            .filter(|ip| self.allow_special || !is_bogon(*ip))
            .collect();
        allowed.into_iter().take(MOST_TOLD).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{id::ProbeId, protocol::Risk, value::Ip};

    fn admit(settings: &Control, target: &str, told: &[&str]) -> Result<Question, Denied> {
        let list =
            ["https://news.example/", "http://odd.example:8080/x"].map(|url| TargetItem {
                url: url.into(),
                category: "NEWS".into(),
                risk: Risk::Low,
            });
        Admission::new(settings, &list).admit(&ControlRequest {
            probe: ProbeId([1; 16]),
            target: target.into(),
            addresses: told.iter().map(|ip| Ip(ip.parse().unwrap())).collect(),
            brief: None,
            transports: None,
        })
    }

    #[test]
    fn the_list_decides() {
        let settings = Control::default();
        let page = admit(&settings, "https://news.example/", &[]).unwrap();
        assert_eq!((page.host.as_str(), page.port), ("news.example", Some(443)));
        let name = admit(&settings, "news.example", &[]).unwrap();
        assert_eq!((name.host.as_str(), name.port), ("news.example", None));
        assert!(admit(&settings, "http://odd.example:8080/x", &[]).is_ok());
        for other in [
            "https://victim.example/",
            "victim.example",
            "http://news.example/",
            "https://news.example/other",
            "https://news.example/#1",
            "https://news.example/?1",
        ] {
            let denied = admit(&settings, other, &[]).unwrap_err();
            assert_eq!(denied, Denied::UnknownTarget, "{other}");
        }
    }

    #[test]
    fn resolvers_are_those_of_the_list() {
        let settings = Control {
            any_target: true,
            ..Control::default()
        };
        let listed = ["dns.quad9.net@9.9.9.9", "dns.home.example@192.168.1.1"];
        let admission =
            Admission::new(&settings, &[]).with_resolvers(&listed.map(str::to_owned));
        let admit = |target: &str| {
            admission.admit(&ControlRequest {
                probe: ProbeId([1; 16]),
                target: target.into(),
                addresses: Vec::new(),
                brief: None,
                transports: Some(true),
            })
        };
        let question = admit("resolver:dns.quad9.net@9.9.9.9").unwrap();
        assert_eq!(
            (question.host.as_str(), question.port),
            ("dns.quad9.net", Some(853))
        );
        for other in [
            "resolver:dns.quad9.net@9.9.9.10",
            "resolver:DNS.quad9.net@9.9.9.9",
            "resolver:dns.google@8.8.8.8",
        ] {
            assert_eq!(admit(other).unwrap_err(), Denied::UnknownTarget, "{other}");
        }
        let home = admit("resolver:dns.home.example@192.168.1.1").unwrap_err();
        assert_eq!(home.code(), "bad_target");
    }

    #[test]
    fn what_is_no_ordinary_page_is_refused_even_where_any_target_is_welcome() {
        let settings = Control {
            any_target: true,
            ..Control::default()
        };
        assert!(admit(&settings, "https://other.example/", &[]).is_ok());
        for odd in [
            "ftp://news.example/",
            "file:///etc/passwd",
            "https://me:secret@other.example/",
            "https://me@other.example/",
            "http://other.example:25/",
            "https://other.example:8443/",
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
            "HTTPS://Other.example",
            "https://other.example:443/",
            "other.example:25",
            "",
        ] {
            let denied = admit(&settings, odd, &[]).unwrap_err();
            assert_eq!(denied.code(), "bad_target", "{odd}");
            assert!(denied.to_string().contains(' ') && !denied.retry());
        }
        let long = format!("https://other.example/{}", "x".repeat(LONGEST));
        assert!(admit(&settings, &long, &[]).is_err());
    }

    #[test]
    fn addresses_are_few_public_and_in_order() {
        let settings = Control::default();
        let told = [
            "203.0.114.9",
            "10.0.0.1",
            "::ffff:10.0.0.1",
            "20.1.0.1",
            "20.1.0.1",
        ];
        let question = admit(&settings, "https://news.example/", &told).unwrap();
        let expected = ["20.1.0.1", "203.0.114.9"].map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(question.told, expected);
        let many: Vec<String> = (0..99).map(|n| format!("20.1.1.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let question = admit(&settings, "https://news.example/", &many).unwrap();
        assert_eq!(question.told.len(), MOST_TOLD);
    }
}
