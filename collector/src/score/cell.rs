//! What does one judged measurement say, and to which indicator? Attribution comes first:
//! what sits in the customer's own equipment or in the instrument never counts towards a
//! country, and what the remote server does counts in U6 alone. Then precedence: one event
//! counts in one primary indicator.
//!
//! | experiment | verdict | U1 | U2 | U3 (services) | U6 |
//! |---|---|---|---|---|---|
//! | name | ok | clean | | | |
//! | name | anomaly `dns.*` | deviates | | deviates, and nothing else | |
//! | page | ok | clean | clean | clean, and nothing else | clean |
//! | page | anomaly `dns.*` | deviates | clean | deviates, and nothing else | clean |
//! | page | anomaly of a higher layer | clean | deviates | deviates, and nothing else | clean |
//! | page | refused | clean | clean | | deviates |
//! | any | down, inconclusive | | | | |
//!
//! Of the traces in the DNS, `namespace` votes in G3, `special_names` in G6 and
//! `dns_transparency` in T4, and ok and anomaly are trials. Where a network confirms that a
//! top-level domain is removed, what names below it do there is the same event, and no
//! deviation of U1 or U3 (`score/namespace.rs`).
//!
//! Every judged page is a trial of U1, U2 and U6, and deviates in the one that its event is
//! of: otherwise, where many names are blocked, too few pages would be left to say so.

use super::{
    indicator::Indicator,
    services::{Services, host},
};
use crate::store::MeasurementRow;
use faultline_core::{
    codec::from_cbor,
    id::{Asn, Country, ProbeId},
    trace::tld,
    verdict::{Reason, Rule},
};
use sha2::{Digest, Sha256};

/// Days since 1970.
pub type Day = i32;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Whose probes saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Ours.
    Own,
    /// Those of others, public already.
    Import,
}

/// Where the cause sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The customer's own equipment.
    Cpe,
    /// The network between the customer and its resolver or the rest.
    AccessNetwork,
    /// The network's resolver.
    Resolver,
    /// On the path, somewhere.
    UpstreamUnknown,
    /// The far end.
    RemoteServer,
    /// The probe itself.
    Instrument,
    /// It cannot be told.
    Unknown,
}

impl Attribution {
    /// Whether it may count towards a country.
    pub const fn counts(self) -> bool {
        matches!(
            self,
            Self::AccessNetwork | Self::Resolver | Self::UpstreamUnknown
        )
    }
}

/// A target by the first 64 bits of the SHA-256 of its text, so that no order of arrival
/// shows in anything that is computed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u64);

impl TargetId {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        Self(
            digest
                .iter()
                .take(8)
                .fold(0, |all, byte| all << 8 | u64::from(*byte)),
        )
    }
}

/// In which way a top-level domain deviates (G3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Another indicator's deviation, or none.
    #[default]
    None,
    /// One of IANA's is denied.
    Removed,
    /// One of IANA's has other name servers.
    Replaced,
    /// One that IANA does not have is there.
    Added,
}

impl Way {
    /// Those that are one.
    pub const ALL: [Self; 3] = [Self::Removed, Self::Replaced, Self::Added];

    /// Its place among them.
    pub const fn index(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Removed => Some(0),
            Self::Replaced => Some(1),
            Self::Added => Some(2),
        }
    }

    fn of(mechanism: &str) -> Self {
        match mechanism {
            "namespace.removed" => Self::Removed,
            "namespace.replaced" => Self::Replaced,
            "namespace.added" => Self::Added,
            _ => Self::None,
        }
    }
}

/// The first 32 bits of the SHA-256 of the top-level domain of a name; an address has none,
/// and nobody removes it.
pub fn zone(name: &str) -> u32 {
    (TargetId::of(&tld(name)).0 >> 32) as u32
}

/// What one probe found of one target for one indicator on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// For which indicator.
    pub indicator: Indicator,
    /// Whose probe.
    pub source: Source,
    /// Of what.
    pub target: TargetId,
    /// Where.
    pub asn: Asn,
    /// Whose.
    pub probe: ProbeId,
    /// When.
    pub day: Day,
    /// Where.
    pub country: Country,
    /// Measurements that could tell.
    pub trials: u32,
    /// Of these, measurements that deviated.
    pub deviations: u32,
    /// The top-level domain by [`zone`], where a deviation could be its removal; else 0.
    pub zone: u32,
    /// How it deviates, for G3.
    pub way: Way,
    /// Whether several resolvers of the network said so.
    pub several: bool,
}

/// What a verdict says to an indicator: about the name or about the whole target, and
/// whether it deviates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// To which.
    pub indicator: Indicator,
    /// Whether the name alone is the target.
    pub by_name: bool,
    /// Whether it deviates.
    pub deviates: bool,
    /// Whether the removal of a top-level domain would look like it, or it is one.
    pub by_zone: bool,
    /// How it deviates, for G3.
    pub way: Way,
    /// Whether several resolvers of the network said so.
    pub several: bool,
}

/// The cells of a measurement; none where it may not be scored or says nothing.
pub fn cells(row: &MeasurementRow, source: Source, services: &Services) -> Vec<Cell> {
    if !row.scored {
        return Vec::new();
    }
    let name = host(&row.target);
    votes(row, services.at(&name).is_some())
        .into_iter()
        .map(|vote| Cell {
            indicator: vote.indicator,
            source,
            target: TargetId::of(if vote.by_name { &name } else { &row.target }),
            asn: row.asn,
            probe: row.probe,
            day: day(row.started.0),
            country: row.country,
            trials: 1,
            deviations: u32::from(vote.deviates),
            zone: if vote.by_zone { zone(&name) } else { 0 },
            way: vote.way,
            several: vote.several,
        })
        .collect()
}

/// The day of a time in microseconds.
pub fn day(micros: i64) -> Day {
    micros.div_euclid(DAY) as Day
}

/// The table above.
pub fn votes(row: &MeasurementRow, is_service: bool) -> Vec<Vote> {
    use Indicator::{G3, G6, T4, U1, U2, U3, U6};
    let mechanism = row.verdict.mechanism.as_deref().unwrap_or_default();
    let dns = mechanism.starts_with("dns.");
    let vote = |indicator, deviates| Vote {
        indicator,
        by_name: matches!(indicator, U1 | U3),
        deviates,
        by_zone: deviates && (indicator == G3 || dns && matches!(indicator, U1 | U3)),
        way: Way::None,
        several: false,
    };
    let page = row.experiment == "web";
    let trace = match row.experiment {
        "namespace" => Some(G3),
        "special_names" => Some(G6),
        "dns_transparency" => Some(T4),
        "web" | "dns_consistency" => None,
        _ => return Vec::new(),
    };
    let deviates = match row.verdict.outcome.as_str() {
        "ok" => false,
        "anomaly" if attribution(row).counts() => true,
        "refused" if page && !is_service => {
            return [(U1, false), (U2, false), (U6, true)]
                .map(|(i, d)| vote(i, d))
                .into();
        }
        _ => return Vec::new(),
    };
    if let Some(indicator) = trace {
        let (way, several) = match indicator {
            G3 if deviates => (Way::of(mechanism), spoke(row, Rule::SeveralResolvers)),
            _ => (Way::None, false),
        };
        return vec![Vote {
            way,
            several,
            ..vote(indicator, deviates)
        }];
    }
    match (is_service, page, deviates) {
        // That a service's name resolves does not say that it works.
        (true, false, false) => Vec::new(),
        (true, ..) => vec![vote(U3, deviates)],
        (false, false, _) => vec![vote(U1, deviates)],
        (false, true, _) => vec![
            vote(U1, deviates && dns),
            vote(U2, deviates && !dns),
            vote(U6, false),
        ],
    }
}

/// Where the cause of a verdict sits, from its reasons. Where in a home it sits is not
/// told apart yet: no rule finds the customer's own equipment except a captive portal.
pub fn attribution(row: &MeasurementRow) -> Attribution {
    let reasons = reasons(row);
    let spoke = |rule: Rule| reasons.iter().any(|r| r.rule == rule);
    match row.verdict.outcome.as_str() {
        "refused" | "down" => Attribution::RemoteServer,
        _ if spoke(Rule::CaptivePortal) => Attribution::Cpe,
        _ if spoke(Rule::ClockUntrusted) || spoke(Rule::Ipv6Broken) => Attribution::Instrument,
        "anomaly" if spoke(Rule::Injected) || spoke(Rule::PublicToo) => {
            Attribution::UpstreamUnknown
        }
        "anomaly" if spoke(Rule::PublicFine) => Attribution::Resolver,
        "anomaly" => Attribution::AccessNetwork,
        _ => Attribution::Unknown,
    }
}

fn reasons(row: &MeasurementRow) -> Vec<Reason> {
    from_cbor(&row.verdict.reasons).unwrap_or_default()
}

pub(super) fn spoke(row: &MeasurementRow, rule: Rule) -> bool {
    reasons(row).iter().any(|r| r.rule == rule)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Judgement;
    use faultline_core::{
        codec::to_cbor,
        id::{BatchId, MeasurementId},
        time::UnixTime,
    };

    fn row(experiment: &'static str, outcome: &str, mechanism: Option<&str>) -> MeasurementRow {
        MeasurementRow {
            id: MeasurementId([1; 16]),
            batch: BatchId([1; 16]),
            probe: ProbeId([1; 16]),
            started: UnixTime(-1),
            experiment,
            target: "https://news.example/".into(),
            country: Country::new("XA").unwrap(),
            asn: Asn(64_496),
            network_known: true,
            scored: true,
            observations: vec![],
            verdict: Judgement {
                outcome: outcome.into(),
                mechanism: mechanism.map(Into::into),
                reasons: to_cbor(&Vec::<Reason>::new()),
                rules: 1,
            },
        }
    }

    fn said(row: &MeasurementRow, service: bool) -> String {
        let one = |v: Vote| {
            format!(
                "{}{}",
                v.indicator.label(),
                if v.deviates { "!" } else { "" }
            )
        };
        votes(row, service)
            .into_iter()
            .map(one)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn one_event_counts_in_one_indicator() {
        for (experiment, outcome, mechanism, plain, service) in [
            ("dns_consistency", "ok", None, "U1", ""),
            (
                "dns_consistency",
                "anomaly",
                Some("dns.nxdomain"),
                "U1!",
                "U3!",
            ),
            ("web", "ok", None, "U1 U2 U6", "U3"),
            (
                "web",
                "anomaly",
                Some("dns.hijack.other"),
                "U1! U2 U6",
                "U3!",
            ),
            ("web", "anomaly", Some("tls.reset.sni"), "U1 U2! U6", "U3!"),
            ("web", "refused", None, "U1 U2 U6!", ""),
            ("web", "down", None, "", ""),
            ("web", "inconclusive", None, "", ""),
            ("namespace", "ok", None, "G3", "G3"),
            (
                "namespace",
                "anomaly",
                Some("namespace.removed"),
                "G3!",
                "G3!",
            ),
            ("namespace", "inconclusive", None, "", ""),
            (
                "special_names",
                "anomaly",
                Some("special.answered"),
                "G6!",
                "G6!",
            ),
            ("dns_transparency", "ok", None, "T4", "T4"),
            (
                "dns_transparency",
                "anomaly",
                Some("transparency.dropped"),
                "T4!",
                "T4!",
            ),
            ("dns_transparency", "refused", None, "", ""),
            ("other", "ok", None, "", ""),
        ] {
            let row = row(experiment, outcome, mechanism);
            assert_eq!(said(&row, false), plain, "{experiment} {outcome}");
            assert_eq!(
                said(&row, true),
                service,
                "{experiment} {outcome} of a service"
            );
        }
    }

    #[test]
    fn what_sits_at_home_or_in_the_probe_never_counts() {
        for rule in [Rule::CaptivePortal, Rule::ClockUntrusted] {
            let mut row = row("web", "anomaly", Some("tls.mitm"));
            let reason = Reason {
                rule,
                observations: vec![],
                control: vec![],
            };
            row.verdict.reasons = to_cbor(&vec![reason]);
            assert!(!attribution(&row).counts());
            assert!(votes(&row, false).is_empty());
        }
    }

    #[test]
    fn days_begin_at_midnight_and_unscored_rows_give_nothing() {
        let mut row = row("web", "ok", None);
        let made = cells(&row, Source::Own, &Services::default());
        assert_eq!(made.iter().map(|c| c.day).collect::<Vec<_>>(), [-1; 3]);
        row.scored = false;
        assert!(cells(&row, Source::Own, &Services::default()).is_empty());
    }
}
