//! Which hosts tell a probe how far the network reaches from where it is? The operator's list:
//! whoever stands on it is asked by every probe, so that its owner must have agreed.
//!
//! ```text
//! country,address,port,method,asn,kind,near,name
//! IT,192.0.2.1,53,dns,64500,anchor,CH;FR;SI,
//! US,198.51.100.7,443,tls,64501,canary,,chat.example
//! ```
//!
//! An anchor is domestic to probes in its country, regional to those in the countries that it
//! is `near`, foreign to all others. A canary is one to all. Without a list nobody is asked:
//! then the collector alone stands for the world.

use faultline_core::{
    engine::ledger::Rung,
    id::{Asn, Country, ProbeId},
    protocol::{AnchorItem, AnchorMethod},
    value::Ip,
};
use serde::Deserialize;
use std::net::IpAddr;

/// Hosts of one rung that a probe is told of.
const MOST: usize = 6;

/// The operator's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors(Vec<Anchor>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Anchor {
    country: Country,
    near: Vec<Country>,
    canary: bool,
    item: AnchorItem,
}

#[derive(Deserialize)]
struct Line {
    country: String,
    address: IpAddr,
    port: u16,
    method: Method,
    asn: u32,
    kind: Kind,
    near: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    Dns,
    Tcp,
    Tls,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Anchor,
    Canary,
}

/// Why the list cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the anchors: {reason}; see collector/src/anchors.rs for the form")]
pub struct AnchorsError {
    line: u64,
    reason: String,
}

impl Anchors {
    /// Reads a list.
    pub fn parse(text: &str) -> Result<Self, AnchorsError> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut anchors = Vec::new();
        for (at, line) in (2..).zip(reader.deserialize::<Line>()) {
            let wrong = |reason: String| AnchorsError { line: at, reason };
            let line = line.map_err(|e| wrong(e.to_string()))?;
            anchors.push(Anchor::of(line).map_err(wrong)?);
        }
        Ok(Self(anchors))
    }

    /// The part of the list for a probe in `country`. Which of many it asks follows from its
    /// identity, so that each is asked by few.
    pub fn of(&self, probe: ProbeId, country: Country) -> Vec<AnchorItem> {
        let mut items = Vec::new();
        for rung in [Rung::Domestic, Rung::Regional, Rung::Foreign, Rung::Canary] {
            let mut all: Vec<_> = self
                .0
                .iter()
                .filter(|anchor| anchor.rung(country) == Some(rung))
                .map(|anchor| &anchor.item)
                .collect();
            if !all.is_empty() {
                let by = usize::from(u16::from_be_bytes([probe.0[0], probe.0[1]]));
                let from = by % all.len();
                all.rotate_left(from);
            }
            // Networks first: three of them must be silent together.
            let mut networks = Vec::new();
            let (mut new, more): (Vec<_>, Vec<_>) = all.into_iter().partition(|item| {
                let new = !networks.contains(&item.network);
                networks.push(item.network);
                new
            });
            new.extend(more);
            items.extend(new.into_iter().take(MOST).map(|item| AnchorItem {
                rung,
                ..item.clone()
            }));
        }
        items
    }
}

impl Anchor {
    fn of(line: Line) -> Result<Self, String> {
        let country = |code: &str| {
            Country::new(code).ok_or_else(|| format!("{code} is no country: two letters"))
        };
        let near = line.near.as_deref().unwrap_or_default().split(';');
        let near = near.filter(|code| !code.is_empty()).map(country);
        let name = line.name.filter(|name| !name.is_empty());
        if line.method == Method::Tls && name.is_none() {
            return Err("the method tls needs a name".into());
        }
        Ok(Self {
            country: country(&line.country)?,
            near: near.collect::<Result<_, _>>()?,
            canary: line.kind == Kind::Canary,
            item: AnchorItem {
                rung: Rung::Foreign,
                method: match line.method {
                    Method::Dns => AnchorMethod::Dns,
                    Method::Tcp => AnchorMethod::Tcp,
                    Method::Tls => AnchorMethod::Tls,
                },
                address: Ip(line.address),
                port: line.port,
                network: Asn(line.asn),
                name,
            },
        })
    }

    /// What it is to somebody there. Of who is nowhere known nothing is foreign.
    fn rung(&self, country: Country) -> Option<Rung> {
        if self.canary {
            return Some(Rung::Canary);
        }
        if country == Country::UNKNOWN {
            return None;
        }
        Some(if self.country == country {
            Rung::Domestic
        } else if self.near.contains(&country) {
            Rung::Regional
        } else {
            Rung::Foreign
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "country,address,port,method,asn,kind,near,name\n\
        XA,20.1.0.1,53,dns,1,anchor,XB;XC,\n\
        XB,20.2.0.1,443,tcp,2,anchor,,\n\
        XC,20.3.0.1,443,tcp,3,anchor,,\n\
        XD,2600::1,443,tcp,4,anchor,,\n\
        XD,20.4.0.2,443,tcp,4,anchor,,\n\
        XE,20.5.0.1,443,tls,5,canary,,chat.example\n";

    #[test]
    fn what_an_anchor_is_depends_on_where_the_probe_is() {
        use Rung::{Canary, Domestic, Foreign, Regional};
        let anchors = Anchors::parse(LIST).unwrap();
        let rungs = |code: &str| -> Vec<_> {
            let items = anchors.of(ProbeId([0; 16]), Country::new(code).unwrap());
            items.iter().map(|i| (i.network.0, i.rung)).collect()
        };
        assert_eq!(
            rungs("XA"),
            [
                (1, Domestic),
                (2, Foreign),
                (3, Foreign),
                (4, Foreign),
                (4, Foreign),
                (5, Canary)
            ]
        );
        assert_eq!(rungs("XB")[..2], [(2, Domestic), (1, Regional)]);
        assert_eq!(rungs("ZZ"), [(5, Canary)], "nowhere nothing is foreign");
        let other = anchors.of(ProbeId([1; 16]), Country::new("XA").unwrap());
        assert_eq!(other.len(), 6);
        assert!(
            Anchors::default()
                .of(ProbeId([1; 16]), Country::UNKNOWN)
                .is_empty()
        );
    }

    #[test]
    fn wrong_lines_are_named() {
        for (line, why) in [
            ("XA,nowhere,53,dns,1,anchor,,", "line 2"),
            ("XAB,20.1.0.1,53,dns,1,anchor,,", "two letters"),
            ("XA,20.1.0.1,53,icmp,1,anchor,,", "icmp"),
            ("XA,20.1.0.1,53,tls,1,canary,,", "needs a name"),
        ] {
            let text = format!("country,address,port,method,asn,kind,near,name\n{line}\n");
            let error = Anchors::parse(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
