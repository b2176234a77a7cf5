//! Who looks at a world from many places, and what ought to be found?
//!
//! A world file is a scenario without its one probe: fleets of probes stand in its access
//! networks, all measure the same targets, and an outlook says what each network's clients
//! ought to find. [`simulated`] runs it in process and in virtual time, [`live`] with real
//! programs on real sockets.

pub mod geo;
pub mod history;
pub mod lists;
pub mod live;
mod reception;
pub mod report;
mod round;
pub mod simulated;

use crate::scenario::{
    Country, Expect, Experiment, Knowledge, Measure, Network, Probe, Scenario, ScenarioError,
    Site, Tld,
};
use crate::{middlebox::Middlebox, resolver::Resolver};
use faultline_core::trace::{self, Check};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// A world, those who measure in it, and what they ought to find.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observatory {
    /// One sentence.
    pub name: String,
    /// What was seen in the real world.
    pub cites: Vec<String>,
    /// Everything random comes from it.
    pub seed: u64,
    /// Countries.
    pub country: Vec<Country>,
    /// Networks.
    #[serde(rename = "as")]
    pub networks: Vec<Network>,
    /// Web sites.
    #[serde(default)]
    pub site: Vec<Site>,
    /// Resolvers.
    #[serde(default)]
    pub resolver: Vec<Resolver>,
    /// Boxes that interfere.
    #[serde(default)]
    pub middlebox: Vec<Middlebox>,
    /// Top-level domains beside those that every world has and those of sites.
    #[serde(default)]
    pub tld: Vec<Tld>,
    /// The operator's zone for checks of the DNS's way.
    #[serde(default)]
    pub test_zone: Option<String>,
    /// What the rules know beforehand.
    #[serde(default)]
    pub knowledge: Knowledge,
    /// What every probe measures.
    pub measure: Vec<Measure>,
    /// Who measures.
    pub fleet: Vec<Fleet>,
    /// What begins and ends in a history.
    #[serde(default)]
    pub event: Vec<Event>,
    /// Services in the sense of U3.
    #[serde(default)]
    pub service: Vec<Service>,
    /// What ought to be found where it is not `ok`.
    #[serde(default)]
    pub outlook: Vec<Outlook>,
}

/// A box that stands on the path on some days only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The first day, counted from 0.
    pub from: u32,
    /// The first day without it; it stays, where none is given.
    pub until: Option<u32>,
    /// The box.
    pub middlebox: Middlebox,
}

/// A service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What is fetched.
    pub url: String,
    /// What people call it.
    pub name: String,
    /// `messaging`, `encrypted_dns`, `circumvention`.
    pub category: String,
}

/// Probes of one access network.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Their network.
    pub asn: u32,
    /// How many.
    pub probes: u8,
    /// One way, milliseconds.
    #[serde(default = "twenty")]
    pub delay_ms: u64,
    /// Packets lost, of a hundred.
    #[serde(default)]
    pub loss_percent: u8,
}

fn twenty() -> u64 {
    20
}

/// What the clients of some networks ought to find at a target: a mechanism or an outcome.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlook {
    /// In this country; in all, where none is given.
    pub country: Option<String>,
    /// In these networks; in all of the country, where none is given.
    #[serde(default)]
    pub networks: Vec<u32>,
    /// A URL.
    pub target: String,
    /// By the experiment on its name.
    pub name: Option<String>,
    /// By the experiment on the page.
    pub page: Option<String>,
}

/// One probe of a fleet.
#[derive(Clone, Debug)]
pub struct Member {
    /// `xa-64496-1`.
    pub name: String,
    /// Its network.
    pub asn: u32,
    /// Its address, of its network's first prefix.
    pub address: IpAddr,
    /// Its place in a scenario.
    pub probe: Probe,
}

/// Why there is no observatory.
#[derive(Debug, thiserror::Error)]
pub enum ObservatoryError {
    /// The file cannot be read or understood.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A fleet stands in a network that is not declared, or that has no IPv4 prefix.
    #[error("the fleet in AS{0} has no declared network with an IPv4 prefix to stand in")]
    Nowhere(u32),
}

impl Observatory {
    /// What is measured while time passes, on the last of so many days: the boxes of events
    /// under way are there, and only so many targets are looked at.
    #[must_use]
    pub fn today(mut self, days: u32, targets: usize) -> Self {
        let day = days.saturating_sub(1);
        let under_way = self
            .event
            .drain(..)
            .filter(|event| event.from <= day && event.until.is_none_or(|until| day < until));
        self.middlebox
            .extend(under_way.map(|event| event.middlebox));
        self.measure.truncate(targets);
        self
    }

    /// From a world file.
    pub fn read(path: &Path) -> Result<Self, ObservatoryError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// From text.
    pub fn parse(text: &str) -> Result<Self, ObservatoryError> {
        Ok(toml::from_str(text).map_err(ScenarioError::from)?)
    }

    /// Every probe, fleet by fleet.
    pub fn members(&self) -> Result<Vec<Member>, ObservatoryError> {
        let mut members = Vec::new();
        for fleet in &self.fleet {
            let network = self.networks.iter().find(|n| n.asn == fleet.asn);
            let base = network.and_then(|n| n.prefixes.iter().find_map(|p| base(p)));
            let (Some(network), Some(base)) = (network, base) else {
                return Err(ObservatoryError::Nowhere(fleet.asn));
            };
            for at in 1..=fleet.probes {
                // Subscribers live above the network's own servers.
                let address = Ipv4Addr::from(u32::from(base) + 0x100 + u32::from(at));
                members.push(Member {
                    name: format!("{}-{}-{at}", network.country.to_lowercase(), fleet.asn),
                    asn: fleet.asn,
                    address: address.into(),
                    probe: Probe::in_network(fleet.asn, fleet.delay_ms, fleet.loss_percent),
                });
            }
        }
        Ok(members)
    }

    /// The scenario of one of its probes.
    pub fn scenario(&self, probe: Probe) -> Scenario {
        Scenario {
            name: self.name.clone(),
            cites: self.cites.clone(),
            seed: self.seed,
            country: self.country.clone(),
            networks: self.networks.clone(),
            site: self.site.clone(),
            resolver: self.resolver.clone(),
            middlebox: self.middlebox.clone(),
            tld: self.tld.clone(),
            test_zone: self.test_zone.clone(),
            probe,
            measure: self.measure.clone(),
            expect: Expect::outcome("ok"),
            knowledge: self.knowledge.clone(),
        }
    }

    /// What the clients of a network ought to find at a target, as `(name, page)`.
    pub fn expected(&self, country: &str, asn: u32, target: &str) -> (&str, &str) {
        let found = self.outlook.iter().find(|o| {
            o.target == target
                && o.country.as_ref().is_none_or(|c| c == country)
                && (o.networks.is_empty() || o.networks.contains(&asn))
        });
        let word = |of: fn(&Outlook) -> Option<&String>| {
            found.and_then(of).map_or("ok", String::as_str)
        };
        (word(|o| o.name.as_ref()), word(|o| o.page.as_ref()))
    }

    /// What of the DNS itself every probe can measure, where there is a test zone: the
    /// world's own top-level domains and one that is everywhere, those that some resolver
    /// has beside the root's, special-use names, and every check.
    pub fn traces(&self) -> Vec<Measure> {
        let Some(zone) = &self.test_zone else {
            return Vec::new();
        };
        let measure = |experiment, name: &str| Measure {
            experiment,
            target: trace::target(name),
        };
        let of_root = self.tld.iter().map(|tld| tld.name.as_str());
        let others = self.resolver.iter().flat_map(|r| &r.own_root);
        let others: BTreeSet<&str> = others.map(String::as_str).collect();
        let others = others.into_iter().filter(|n| !trace::SPECIAL.contains(n));
        let tlds = of_root.chain(["com"]).chain(others);
        let tlds = tlds.map(|name| measure(Experiment::Namespace, name));
        let special = trace::SPECIAL.map(|name| measure(Experiment::SpecialNames, name));
        let checks =
            Check::ALL.map(|check| measure(Experiment::DnsTransparency, &check.name(zone)));
        tlds.chain(special).chain(checks).collect()
    }

    /// A list of top-level domains in the form of IANA's: the world's own first, so that a
    /// small world's probes come to it.
    pub fn tlds(&self) -> String {
        let own = self.tld.iter().map(|tld| tld.name.as_str());
        let all = own.chain(["com", "net", "org", "example"]);
        let lines: Vec<&str> = ["# A simulated root"].into_iter().chain(all).collect();
        lines.join("\n") + "\n"
    }

    /// A country's name, or its code where it has none.
    pub fn country_name<'a>(&'a self, code: &'a str) -> &'a str {
        let known = self.country.iter().find(|c| c.code == code);
        known
            .map(|c| c.name.as_str())
            .filter(|name| !name.is_empty())
            .unwrap_or(code)
    }
}

/// The first address of an IPv4 prefix.
fn base(prefix: &str) -> Option<Ipv4Addr> {
    prefix.split_once('/')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Observatory;

    const SIX: &str = include_str!("../../scenarios/world/six_countries.toml");

    #[test]
    fn six_countries_have_thirty_probes_in_a_dozen_networks() {
        let world = Observatory::parse(SIX).unwrap();
        let members = world.members().unwrap();
        assert_eq!(world.country.len(), 6);
        assert!(world.fleet.len() >= 12 && members.len() >= 30);
        let mut addresses: Vec<_> = members.iter().map(|m| m.address).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), members.len());
    }

    /// Boxes and targets of a day after so many days of a world with three events.
    fn today(days: u32, targets: usize) -> (usize, usize) {
        let event = |from: u32, until: &str| {
            format!(
                "[[event]]\nfrom = {from}\n{until}\n\
                 middlebox = {{ kind = \"sni_drop\", asn = 64496, names = [\"a.example\"] }}\n"
            )
        };
        let events = [
            event(0, "until = 10"),
            event(10, ""),
            event(40, "until = 50"),
        ];
        let world = Observatory::parse(&format!("{SIX}\n{}", events.concat())).unwrap();
        let boxes = world.middlebox.len();
        let today = world.today(days, targets);
        assert!(today.event.is_empty(), "what is under way stays");
        (today.middlebox.len() - boxes, today.measure.len())
    }

    #[test]
    fn today_has_the_boxes_of_events_under_way_and_a_few_targets() {
        assert_eq!(today(10, 3), (1, 3), "the tenth day is number nine");
        assert_eq!(today(11, 3).0, 1, "one ended when the other began");
        assert_eq!(today(41, 3).0, 2);
        assert_eq!(today(50, 3).0, 2);
        assert_eq!(today(51, 3).0, 1);
        assert_eq!(today(0, 1000), today(1, 1000), "no day is before the first");
    }

    #[test]
    fn the_first_outlook_that_fits_counts() {
        let world = Observatory::parse(SIX).unwrap();
        let forum = "http://forum.example/";
        assert_eq!(world.expected("XC", 64_501, forum).0, "dns.nxdomain");
        assert_eq!(world.expected("XC", 64_502, forum), ("ok", "ok"));
        assert_eq!(
            world.expected("XA", 64_496, "https://dead.example/").1,
            "down"
        );
    }

    #[test]
    fn a_fleet_nowhere_is_refused() {
        let lost = SIX.replacen("[[fleet]]\nasn = 64496", "[[fleet]]\nasn = 1", 1);
        let error = Observatory::parse(&lost).unwrap().members().unwrap_err();
        assert!(error.to_string().contains("AS1 "), "{error}");
    }
}
