//! What is said of an event, at one moment? A [`Revision`]: every column of `shutdown-events`
//! v1. An event is the list of its revisions, none of which is ever changed: what was known on
//! a given day can be asked for later (two times: that of the event, and `as_of`, when it was
//! said).
//!
//! Numbers are of *sites*: probes behind one /24 (IPv4) or /48 (IPv6) have one vote together.

use faultline_core::{
    id::{Asn, Country},
    measurement::NetworkKind,
    time::UnixTime,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// Which algorithm speaks; goes up with every change that can change a revision.
pub const DETECTOR: &str = "faultline-detect-0.2.0";

/// Name of an event: a ULID, of whose 128 bits the first 48 are the milliseconds of the first
/// alarm since 1970 and the others a digest of group, alarm and detector. The same rows give
/// the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u128);

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl EventId {
    /// Of an alarm at `at` about `location`.
    pub fn of(location: &Location, at: UnixTime) -> Self {
        let mut hash = Sha256::new();
        hash.update(DETECTOR);
        hash.update([0]);
        hash.update(location.to_string());
        hash.update(at.0.to_be_bytes());
        let digest = hash.finalize();
        let tail = digest.iter().take(10);
        let tail = tail.fold(0, |sum: u128, octet| sum << 8 | u128::from(*octet));
        let milliseconds = u128::try_from(at.0.max(0) / 1000).unwrap_or_default();
        Self((milliseconds & ((1 << 48) - 1)) << 80 | tail)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = (0..26).rev();
        let digits = places.map(|place| ALPHABET[(self.0 >> (5 * place) & 31) as usize]);
        f.write_str(&digits.map(char::from).collect::<String>())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// No name of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name of an event: 26 digits and letters without I, L, O and U are")]
pub struct NoEventId;

impl FromStr for EventId {
    type Err = NoEventId;
    fn from_str(text: &str) -> Result<Self, NoEventId> {
        // 26 digits have 130 bits: the first is at most 7.
        if text.len() != 26 || !matches!(text.as_bytes().first(), Some(b'0'..=b'7')) {
            return Err(NoEventId);
        }
        text.bytes().try_fold(Self(0), |sum, octet| {
            let octet = octet.to_ascii_uppercase();
            let digit = ALPHABET.iter().position(|digit| *digit == octet);
            Ok(Self(sum.0 << 5 | digit.ok_or(NoEventId)? as u128))
        })
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where: what a group of probes has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// Everything everywhere, the group that others are held against.
    World,
    /// `country/IR`.
    Country(Country),
    /// `asn/812`.
    Network(Asn),
    /// `country/IR/asn/812`.
    NetworkIn(Country, Asn),
    /// `country/IR/access/mobile`.
    Access(Country, NetworkKind),
    /// `region/IR-07`: ISO 3166-2.
    Region(String),
}

impl Location {
    /// The country that it lies in, where it lies in one.
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::World | Self::Network(_) => None,
            Self::Country(country) | Self::NetworkIn(country, _) | Self::Access(country, _) => {
                Some(*country)
            }
            Self::Region(code) => Country::new(code.split('-').next()?),
        }
    }

    /// The network, where it is one.
    pub const fn asn(&self) -> Option<Asn> {
        match self {
            Self::Network(asn) | Self::NetworkIn(_, asn) => Some(*asn),
            _ => None,
        }
    }
}

const fn access_word(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Fixed => "fixed",
        NetworkKind::Mobile => "mobile",
        NetworkKind::Satellite => "satellite",
        _ => "unknown",
    }
}

fn access_of(word: &str) -> Option<NetworkKind> {
    let known = [
        NetworkKind::Fixed,
        NetworkKind::Mobile,
        NetworkKind::Satellite,
        NetworkKind::Unknown,
    ];
    known.into_iter().find(|kind| access_word(*kind) == word)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Country(country) => write!(f, "country/{country}"),
            Self::Network(asn) => write!(f, "asn/{}", asn.0),
            Self::NetworkIn(country, asn) => write!(f, "country/{country}/asn/{}", asn.0),
            Self::Access(country, kind) => {
                write!(f, "country/{country}/access/{}", access_word(*kind))
            }
            Self::Region(code) => write!(f, "region/{code}"),
        }
    }
}

/// No such place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no location: world, country/XX, asn/N, country/XX/asn/N, country/XX/access/mobile, region/XX-YY are"
)]
pub struct NoLocation(pub String);

impl FromStr for Location {
    type Err = NoLocation;
    fn from_str(text: &str) -> Result<Self, NoLocation> {
        let parts: Vec<&str> = text.split('/').collect();
        let asn = |digits: &str| digits.parse().ok().map(Asn);
        let found = match *parts.as_slice() {
            ["world"] => Some(Self::World),
            ["country", code] => Country::new(code).map(Self::Country),
            ["asn", digits] => asn(digits).map(Self::Network),
            ["country", code, "asn", digits] => Country::new(code)
                .zip(asn(digits))
                .map(|(country, asn)| Self::NetworkIn(country, asn)),
            ["country", code, "access", word] => Country::new(code)
                .zip(access_of(word))
                .map(|(country, kind)| Self::Access(country, kind)),
            ["region", code] if !code.is_empty() => Some(Self::Region(code.to_owned())),
            _ => None,
        };
        found.ok_or_else(|| NoLocation(text.to_owned()))
    }
}

impl Serialize for Location {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A closed list of words, as datasets write them.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word of datasets and of the API.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.word()) }
        }
    };
}

words! {
    /// What kind of loss it is. Says how, never why.
    Class {
        /// Nothing gets through.
        TotalBlackout = "total_blackout",
        /// The country's own hosts answer, those abroad do not.
        InternationalIsolation = "international_isolation",
        MobileOnly = "mobile_only",
        FixedOnly = "fixed_only",
        /// One network.
        AsnOnly = "asn_only",
        /// A part of a country.
        Regional = "regional",
        /// Services fail while other hosts abroad answer.
        ServiceBlock = "service_block",
        Throttling = "throttling",
        /// Machines had no power.
        Power = "power",
        /// A cable, by its marks in several countries.
        Cable = "cable",
        /// The collector did not hear; nothing happened.
        CollectorFault = "collector_fault",
    }
}

words! {
    /// How far it has come.
    State {
        /// Not published.
        Candidate = "candidate",
        Suspected = "suspected",
        Confirmed = "confirmed",
        /// The affected come back.
        Ending = "ending",
        Ended = "ended",
        /// Nothing more is expected; what changes now is an erratum.
        Final = "final",
        /// It was over before anything confirmed it.
        Lapsed = "lapsed",
        /// It was wrong.
        Retracted = "retracted",
        /// Another event took it in: see `merged_into`.
        Merged = "merged",
    }
}

words! {
    /// Why it was said anew.
    Reason {
        Detector = "detector",
        LateProbeEvidence = "late_probe_evidence",
        ExternalImport = "external_import",
        Analyst = "analyst",
        ClockCorrection = "clock_correction",
        CollectorFault = "collector_fault",
    }
}

words! {
    /// Why it happened. Only an analyst with a source says more than the evidence does.
    Cause {
        Government = "government",
        Exam = "exam",
        Power = "power",
        Cable = "cable",
        Technical = "technical",
        Weather = "weather",
        Military = "military",
        Cyber = "cyber",
        Maintenance = "maintenance",
        Unknown = "unknown",
    }
}

words! {
    /// Who says so.
    CauseStatus {
        Unknown = "unknown",
        /// By the signals.
        Inferred = "inferred",
        /// By others, in general.
        Reported = "reported",
        /// By a document that is named.
        Documented = "documented",
    }
}

words! {
    /// What else was going on.
    Context {
        Election = "election",
        Protest = "protest",
        Exam = "exam",
        Coup = "coup",
        Conflict = "conflict",
        Religious = "religious",
    }
}

words! {
    /// How wide.
    GeoScope { Local = "local", Regional = "regional", National = "national", Multi = "multi" }
}

words! {
    /// Whether a start is what happened, or the best guess.
    DateType { Actual = "actual", Estimated = "estimated" }
}

words! {
    /// Everything, or some services.
    Extent { Full = "full", Service = "service" }
}

words! {
    Known { Yes = "yes", No = "no", Unknown = "unknown" }
}

words! {
    /// How good the evidence is, apart from how likely the event is.
    Grade {
        /// Several networks, inside evidence, and an outside signal.
        A = "A",
        /// Several networks, and one of the two.
        B = "B",
        /// Several networks by liveness alone.
        C = "C",
        /// One network, few sites, or clocks that cannot be trusted.
        D = "D",
    }
}

words! {
    /// What kept the confidence from being the belief.
    Cap {
        OneNetwork = "one_network",
        FewSites = "few_sites",
        NoOutsideSignal = "no_outside_signal",
        NoLateEvidence = "no_late_evidence",
        Clocks = "clocks",
    }
}

impl Cap {
    /// The highest confidence under it.
    pub const fn limit(self) -> f64 {
        match self {
            Self::OneNetwork => 0.6,
            Self::FewSites => 0.5,
            Self::NoOutsideSignal => 0.8,
            Self::NoLateEvidence => 0.95,
            Self::Clocks => 0.7,
        }
    }
}

/// What something else would have to do with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    pub class: Class,
    /// Probability that this is it, by the signals at hand; all sum to one.
    pub probability: f64,
}

/// Everything said of an event at one moment. Serialised names are the columns of the dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    pub event_id: EventId,
    /// Counted from 1.
    pub revision: u32,
    /// When it was said.
    pub as_of: UnixTime,
    pub revision_reason: Reason,
    pub state: State,
    /// The best guess, and what is certain around it.
    pub start: UnixTime,
    pub start_lower: UnixTime,
    pub start_upper: UnixTime,
    pub start_date_type: DateType,
    /// Where it is over.
    pub end: Option<UnixTime>,
    pub end_lower: Option<UnixTime>,
    pub end_upper: Option<UnixTime>,
    pub location: Location,
    /// Those touched; one but for events that countries share.
    pub countries: Vec<Country>,
    pub geo_scope: GeoScope,
    /// ISO 3166-2.
    pub admin1_codes: Vec<String>,
    pub area_name: Option<String>,
    /// Networks with affected sites.
    pub asns: Vec<Asn>,
    pub access_types: Vec<NetworkKind>,
    pub disruption_class: Class,
    /// Others that it could be, most likely first, the class itself among them.
    pub alternatives: Vec<Alternative>,
    pub full_or_service: Extent,
    pub services: Vec<String>,
    pub sms_affected: Known,
    pub voice_affected: Known,
    pub cause: Cause,
    pub cause_status: CauseStatus,
    pub context: Vec<Context>,
    /// As KeepItOn words it; by a document only.
    pub ordered_by: Option<String>,
    pub gov_ack: Known,
    pub legal_basis: Option<String>,
    pub source_urls: Vec<String>,
    /// What an analyst noted, newest last.
    pub notes: Vec<String>,
    /// Share of eligible sites that was lost at the worst, 0 to 1.
    pub drop_fraction: f64,
    pub affected_sites: u32,
    pub eligible_sites: u32,
    pub eligible_asns: u32,
    /// Share of the country's users in networks with eligible sites, where known, 0 to 1.
    pub coverage: Option<f64>,
    /// 0 to 5, by loss times share of users.
    pub severity_level: u8,
    /// Loss in percent times minutes, as IODA counts it.
    pub area_pct_min: f64,
    pub user_hours: Option<f64>,
    /// Probability that it happened, calibrated: of those at .9, nine in ten did.
    pub belief: f64,
    /// The belief, but not above any of the caps.
    pub confidence: f64,
    pub confidence_caps: Vec<Cap>,
    pub evidence_grade: Grade,
    /// Of what kinds the evidence is: `probe`, `epoch_log`, `import:ioda` ...
    pub signals: Vec<String>,
    /// Sites that said afterwards what they saw, and their minutes of evidence.
    pub retro_evidence_sites: u32,
    pub retro_minutes: u32,
    /// Events of one incident share it: the first of them.
    pub incident_id: Option<EventId>,
    pub merged_into: Option<EventId>,
    pub related_ids: Vec<EventId>,
    pub detector_version: String,
}

/// Something that speaks for or against an event. Never names a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub event_id: EventId,
    /// As in [`Revision::signals`].
    pub signal: String,
    /// The group that it is about.
    pub location: Location,
    /// What it says: a [`Verdict`]'s word, or that of the outside signal.
    pub verdict: String,
    pub from: UnixTime,
    pub to: Option<UnixTime>,
    /// Uncertainty of both times, seconds.
    pub error_s: u32,
    /// How many sites say so; none for outside signals.
    pub sites: Option<u32>,
    pub value: Option<f64>,
    pub baseline: Option<f64>,
    /// How much more likely under the event than without it, natural logarithm.
    pub llr: f64,
    pub received_at: UnixTime,
    pub url: Option<String>,
}

words! {
    /// What a probe's ledger says of a time in which it was not heard.
    Verdict {
        /// On, linked, and nothing beyond the network's border: it was the network.
        PoweredNoUpstream = "powered_no_upstream",
        /// The country's hosts answered, those abroad did not.
        PoweredDomesticOnly = "powered_domestic_only",
        /// Others abroad answered, services that are often singled out did not.
        PoweredServicesBlocked = "powered_services_blocked",
        /// Everything answered but the collector: the silence was ours.
        PoweredUpstreamOk = "powered_upstream_ok",
        /// The machine was off.
        Unpowered = "unpowered",
        /// The line or the router at home was.
        LanDown = "lan_down",
        Unknown = "unknown",
    }
}

impl Verdict {
    /// Whether who says it was on, and without what others had.
    pub const fn is_cut(self) -> bool {
        matches!(
            self,
            Self::PoweredNoUpstream | Self::PoweredDomesticOnly | Self::PoweredServicesBlocked
        )
    }
}

/// One bin of what was expected and seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub location: Location,
    pub at: UnixTime,
    /// Sites that would be heard if nothing were wrong, by their own availability.
    pub expected: f64,
    /// Sites that were heard.
    pub observed: u32,
    pub eligible: u32,
}

/// What could have been seen where, on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Covered {
    pub location: Location,
    /// Its midnight, UTC.
    pub day: UnixTime,
    /// Median over the day.
    pub eligible_sites: u32,
    pub eligible_asns: u32,
    /// The smallest share of sites whose loss would have raised an alarm with a probability of
    /// nine in ten; none where no loss would.
    pub min_detectable_share: Option<f64>,
    /// Minutes of the day in which the collector heard nobody, or failed its own test.
    pub deaf_minutes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_events_read_back_and_sort_by_time() {
        let place = Location::Country(Country::new("XA").unwrap());
        let one = EventId::of(&place, UnixTime::from_secs(1_800_000_000));
        let two = EventId::of(&place, UnixTime::from_secs(1_800_000_001));
        assert!(one < two && one.to_string() < two.to_string());
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string().len(), 26);
        assert_eq!("8".repeat(26).parse::<EventId>(), Err(NoEventId));
        assert_eq!("0U".repeat(13).parse::<EventId>(), Err(NoEventId));
        assert_ne!(
            one,
            EventId::of(&Location::World, UnixTime::from_secs(1_800_000_000))
        );
    }

    #[test]
    fn locations_read_back() {
        for text in [
            "world",
            "country/XA",
            "asn/64500",
            "country/XA/asn/64500",
            "country/XA/access/mobile",
            "region/XA-07",
        ] {
            let place: Location = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        assert!("country/XA/asn/x".parse::<Location>().is_err());
        assert!("".parse::<Location>().is_err());
    }
}
