//! What of the DNS itself does a probe look at this hour?
//!
//! A small draw for each probe and hour: two top-level domains, one that the root does not
//! have, one special-use name, one public resolver to be reached over encrypted transports and,
//! where the operator has a test zone, one check. The draw
//! follows from the probe's identity and the hour alone, so that nothing has to be kept, a
//! probe that asks twice measures nothing new, and all probes together see every name.

use crate::config::Config;
use faultline_core::{
    id::ProbeId,
    protocol::Traces,
    time::UnixTime,
    trace::{self, Check},
};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// The list that is used where the operator gives none.
const BUILT_IN: &str = include_str!("../tlds.txt");

/// Top-level domains that the one root does not have, and other namespaces do: of OpenNIC
/// (with a name below one that it is known by), of Namecoin and Emercoin, of Ethereum's and
/// Unstoppable Domains' registries.
const CANARIES: [&str; 14] = [
    "opennic.glue",
    "geek",
    "libre",
    "oss",
    "pirate",
    "bit",
    "bazar",
    "emc",
    "eth",
    "crypto",
    "wallet",
    "nft",
    "dao",
    "zil",
];

/// Domains of the root a draw has.
const TLDS: u8 = 2;
/// Seconds of an hour.
const HOUR: i64 = 3600;

/// Why there is nothing to draw from.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The file cannot be read.
    #[error(
        "cannot read the top-level domains {path}: {source}; leave `tlds` out for the built-in list"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no label.
    #[error(
        "line {line} of the top-level domains: {text:?} is no label; the form is that of tlds-alpha-by-domain.txt"
    )]
    Label {
        /// Where.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// There is none.
    #[error("the list of top-level domains is empty: leave `tlds` out for the built-in list")]
    Empty,
}

/// What is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lists {
    tlds: Vec<String>,
    canaries: Vec<String>,
    checks: Vec<String>,
    resolvers: Vec<String>,
    version: String,
}

/// The built-in list, without a zone.
impl Default for Lists {
    fn default() -> Self {
        Self::parse(BUILT_IN, None).unwrap_or_else(|_| Self {
            tlds: Vec::new(),
            canaries: Vec::new(),
            checks: Vec::new(),
            resolvers: Vec::new(),
            version: String::new(),
        })
    }
}

impl Lists {
    /// As the operator set them.
    pub fn new(config: &Config) -> Result<Self, TracesError> {
        let text = match &config.tlds {
            None => BUILT_IN.to_owned(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|source| TracesError::File {
                    path: path.clone(),
                    source,
                })?
            }
        };
        let lists = Self::parse(&text, config.dns_test_zone.as_deref())?;
        Ok(Self {
            resolvers: config.encrypted_resolvers.clone(),
            ..lists
        })
    }

    /// From the text of a list and the name of a test zone.
    pub fn parse(text: &str, test_zone: Option<&str>) -> Result<Self, TracesError> {
        let mut tlds = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let label = text.trim().to_ascii_lowercase();
            if label.is_empty() || label.starts_with('#') {
                continue;
            }
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if label.len() > 63 || !label.chars().all(fine) {
                let text = text.to_owned();
                return Err(TracesError::Label { line, text });
            }
            tlds.push(label);
        }
        if tlds.is_empty() {
            return Err(TracesError::Empty);
        }
        tlds.sort_unstable();
        tlds.dedup();
        // What the root has by now is no canary.
        let real = |name: &&str| tlds.binary_search(&trace::tld(name)).is_err();
        let canaries = CANARIES.into_iter().filter(real).map(str::to_owned);
        let version = text.lines().next().unwrap_or_default();
        let version = version.trim_start_matches(['#', ' ']).trim_end();
        Ok(Self {
            canaries: canaries.collect(),
            checks: test_zone.map_or_else(Vec::new, checks),
            resolvers: Vec::new(),
            version: version.chars().take(64).collect(),
            tlds,
        })
    }

    /// What the first line of the list says of itself: IANA's has its version there.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a probe looks at in the hour of `now`.
    pub fn draw(&self, probe: ProbeId, now: UnixTime) -> Traces {
        let hour = now.secs().div_euclid(HOUR);
        let of = |list: &[String], kind: u8| -> Option<String> {
            let mut hash = Sha256::new();
            hash.update(probe.0);
            hash.update(hour.to_be_bytes());
            hash.update([kind]);
            let digest = hash.finalize();
            let drawn = digest
                .iter()
                .take(8)
                .fold(0, |all, b| all << 8 | u64::from(*b));
            let place = usize::try_from(drawn % list.len().max(1) as u64).ok()?;
            list.get(place).cloned()
        };
        let mut namespace: Vec<String> =
            (0..TLDS).filter_map(|kind| of(&self.tlds, kind)).collect();
        namespace.dedup();
        namespace.extend(of(&self.canaries, TLDS));
        let special = trace::SPECIAL.map(str::to_owned);
        Traces {
            namespace,
            special: of(&special, TLDS + 1).into_iter().collect(),
            transparency: of(&self.checks, TLDS + 2).into_iter().collect(),
            resolvers: of(&self.resolvers, TLDS + 3).map(|drawn| vec![drawn]),
        }
    }
}

/// The targets of all checks in a zone.
fn checks(zone: &str) -> Vec<String> {
    Check::ALL.map(|check| check.name(zone)).into()
}

/// A zone that any name server loads (RFC 1035 section 5, RFC 3597 section 5), for the checks
/// in `zone`. The SOA and NS records name `server`, which the parent must delegate to.
pub fn zone_file(zone: &str, server: &str) -> String {
    let zone = trace::bare(zone);
    let server = trace::bare(server);
    let text = format!("TXT \"{}\"", trace::TEXT);
    let large = String::from_utf8_lossy(&trace::LARGE_STRING);
    let large = vec![format!("\"{large}\""); trace::LARGE_STRINGS].join(" ");
    let data = trace::UNKNOWN_DATA.map(|b| format!("{b:02x}")).concat();
    let mut file = format!(
        "; Names for Faultline's checks of the DNS's way. Sign the zone if you can: then the\n\
         ; check of the DO bit sees whether signatures arrive.\n\
         $ORIGIN {zone}.\n$TTL 300\n\
         @ SOA {server}. hostmaster.{zone}. 1 3600 600 86400 300\n\
         @ NS {server}.\n\
         plain {text}\n",
    );
    for check in Check::ALL {
        let record = match check {
            Check::UnknownType => {
                format!(
                    "TYPE{} \\# {} {data}",
                    check.rtype().0,
                    trace::UNKNOWN_DATA.len()
                )
            }
            Check::Large => format!("TXT {large}"),
            _ => text.clone(),
        };
        file.extend([check.label(), " ", &record, "\n"]);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::resolver::WELL_KNOWN;
    use std::collections::BTreeSet;

    const NOW: i64 = 1_800_000_000;

    fn probe(number: u8) -> ProbeId {
        ProbeId([number; 16])
    }

    #[test]
    fn a_draw_is_small_and_the_same_all_hour_and_all_names_are_seen_in_time() {
        let lists = Lists::parse(BUILT_IN, Some("Test.Example.")).unwrap();
        let at = |hour: i64| UnixTime::from_secs(NOW + hour * HOUR);
        let start = NOW.div_euclid(HOUR) * HOUR;
        let one = lists.draw(probe(1), UnixTime::from_secs(start));
        assert_eq!(
            one,
            lists.draw(probe(1), UnixTime::from_secs(start + HOUR - 1))
        );
        assert_ne!(one, lists.draw(probe(2), UnixTime::from_secs(start)));
        let (mut tlds, mut special, mut checks) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for hour in 0..24 * 60 {
            let drawn = lists.draw(probe(1), at(hour));
            assert!(drawn.namespace.len() <= 3);
            assert_eq!((drawn.special.len(), drawn.transparency.len()), (1, 1));
            tlds.extend(drawn.namespace);
            special.extend(drawn.special);
            checks.extend(drawn.transparency);
        }
        assert_eq!(tlds.len(), lists.tlds.len() + CANARIES.len());
        assert_eq!((special.len(), checks.len()), (trace::SPECIAL.len(), 5));
        // Once a day, at the same hour, all are seen as well.
        let daily = (0..60).flat_map(|day| lists.draw(probe(1), at(24 * day)).special);
        assert_eq!(daily.collect::<BTreeSet<_>>().len(), trace::SPECIAL.len());
    }

    #[test]
    fn one_resolver_an_hour_and_all_in_time() {
        let lists = Lists::new(&Config::default()).unwrap();
        let mut seen = BTreeSet::new();
        for hour in 0..48 {
            let now = UnixTime::from_secs(NOW + hour * HOUR);
            let drawn = lists.draw(probe(1), now).resolvers.unwrap();
            assert_eq!(drawn.len(), 1);
            seen.extend(drawn);
        }
        assert_eq!(seen, WELL_KNOWN.map(str::to_owned).into());
        let none = Config {
            encrypted_resolvers: Vec::new(),
            ..Config::default()
        };
        let lists = Lists::new(&none).unwrap();
        assert_eq!(lists.draw(probe(1), UnixTime(0)).resolvers, None);
    }

    #[test]
    fn lists_are_ianas_and_what_the_root_has_is_no_canary() {
        let lists = Lists::parse("# Version 7\nCOM\nWALLET\nXN--P1AI\n", None).unwrap();
        assert_eq!(lists.version(), "Version 7");
        assert!(!lists.canaries.contains(&"wallet".to_owned()));
        assert_eq!(lists.tlds, ["com", "wallet", "xn--p1ai"]);
        let drawn = lists.draw(probe(1), UnixTime(0));
        assert!(drawn.transparency.is_empty() && drawn.resolvers.is_none());
        let wrong = Lists::parse("com\nnot a label\n", None).unwrap_err();
        assert!(wrong.to_string().contains("line 2"), "{wrong}");
        assert!(matches!(Lists::parse("#\n", None), Err(TracesError::Empty)));
    }

    #[test]
    fn probes_take_what_the_built_in_lists_say() {
        let top = |name: &&str| !name.contains('.') || trace::CANARIES.contains(name);
        assert!(CANARIES.iter().all(top));
        let lists = Lists::parse(BUILT_IN, None).unwrap();
        assert!(
            lists.canaries.len() == CANARIES.len(),
            "none of them is in the root"
        );
    }

    #[test]
    fn the_zone_file_has_every_check() {
        let file = zone_file("Test.Example.", "ns1.example.");
        for line in [
            "$ORIGIN test.example.",
            "@ NS ns1.example.",
            "plain TXT \"faultline\"",
            "type TYPE65280 \\# 8 00ff444e53800d0a",
            "tcp TXT \"faultline\"",
        ] {
            assert!(file.lines().any(|l| l == line), "{line}:\n{file}");
        }
        let large = file.lines().find(|l| l.starts_with("large ")).unwrap();
        assert!(large.len() > trace::LARGE_STRING.len() * trace::LARGE_STRINGS);
    }
}
