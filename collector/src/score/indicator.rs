//! Which indicators are there, and with which numbers? One table: the executable form of
//! table 5.1 of the method. Background `b` and goalpost `h` are frozen for a major version
//! of the method; weights follow from the tier (A 3, B 2, C 1), not from taste.

use serde::Serialize;

/// A dimension of the PNIF discussion framework, as far as probes can evidence it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// User experience.
    D1,
    /// Governance and coordination, technical traces only.
    D2t,
    /// Technical layer.
    D3,
}

impl Dimension {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::D1, Self::D2t, Self::D3];

    /// A stable word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::D1 => "d1",
            Self::D2t => "d2t",
            Self::D3 => "d3",
        }
    }
}

/// How directly an indicator shows what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Tier {
    /// Direct, with strong controls.
    A,
    /// In between.
    B,
    /// Weak or indirect.
    C,
    /// Context, weight 0.
    Context,
}

impl Tier {
    /// The weight before it is normalised within a dimension.
    pub const fn weight(self) -> f64 {
        match self {
            Self::A => 3.0,
            Self::B => 2.0,
            Self::C => 1.0,
            Self::Context => 0.0,
        }
    }
}

/// How the raw value of an indicator comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Share of names, services or checks that deviate, by probe and network.
    Rate,
    /// Share of users of networks with a confirmed deviation.
    UserShare,
    /// Integral over time.
    TimeIntegral,
    /// Herfindahl index, interval by jackknife over networks.
    Concentration,
    /// None: context only.
    None,
}

/// One indicator: everything that the method says about it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spec {
    /// Which.
    pub id: Indicator,
    /// Where it counts.
    pub dimension: Dimension,
    /// In a few words.
    pub title: &'static str,
    /// How the raw value comes about.
    pub estimator: Estimator,
    /// Gives the weight.
    pub tier: Tier,
    /// Background: so much is seen where nothing happens.
    pub b: f64,
    /// Goalpost: from here on the score is 1.
    pub h: f64,
    /// Fewer distinct targets are not enough.
    pub min_targets: u32,
    /// What else it takes, in words.
    pub evidence: &'static str,
    /// Whether this version computes it.
    pub implemented: bool,
    /// Papers and RFCs.
    pub sources: &'static [&'static str],
    /// What looks like it and is not.
    pub known_false_positives: &'static [&'static str],
}

impl Spec {
    /// The score of a raw value: background removed, goalposts applied.
    pub fn score(&self, raw: f64) -> f64 {
        scaled(raw, self.b, self.h)
    }
}

/// `clamp((r - b) / (h - b), 0, 1)`.
pub fn scaled(raw: f64, b: f64, h: f64) -> f64 {
    ((raw - b) / (h - b)).clamp(0.0, 1.0)
}

macro_rules! indicators {
    ($($name:ident $dimension:ident $tier:ident $estimator:ident $b:literal $h:literal
       $targets:literal $implemented:literal $title:literal $evidence:literal
       [$($source:literal),*] [$($false_positive:literal),*];)*) => {
        /// An indicator, by the name that the method gives it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[allow(missing_docs)] // the table is the documentation
        pub enum Indicator { $($name),* }

        impl Indicator {
            /// A stable word.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
            /// What the method says about it.
            pub fn spec(self) -> &'static Spec {
                &SPECS[self as usize]
            }
        }

        /// All of them, in order.
        pub const SPECS: &[Spec] = &[$(Spec {
            id: Indicator::$name,
            dimension: Dimension::$dimension,
            title: $title,
            estimator: Estimator::$estimator,
            tier: Tier::$tier,
            b: $b,
            h: $h,
            min_targets: $targets,
            evidence: $evidence,
            implemented: $implemented,
            sources: &[$($source),*],
            known_false_positives: &[$($false_positive),*],
        }),*];
    };
}

indicators! {
    U1 D1 A Rate 0.01 0.30 40 true
        "DNS tampering"
        "at least 40 testable names; seen on two days in the country"
        ["OONI ts-002 and ts-017", "Niaki et al., ICLab, S&P 2020", "Hoang et al., GFWatch, USENIX Security 2021"]
        ["answers by place of content networks", "filters that a user chose", "resolvers that rewrite every name that does not exist"];
    U2 D1 A Rate 0.01 0.30 40 true
        "Interference with connections, TLS and pages"
        "at least 40 testable pages, probes that can speak TLS; seen on two days in the country"
        ["OONI ts-017", "Xue et al., TSPU, IMC 2022", "Raman et al., IMC 2020"]
        ["servers that refuse a country (they count in U6)", "dead sites", "rate limits of middleboxes", "interception by software on the host"];
    U3 D1 B Rate 0.02 0.50 10 true
        "Services and circumvention tools"
        "at least 10 services; any layer; seen on two days in the country"
        ["collector/services.csv", "OONI ts-018 (WhatsApp), ts-020 (Telegram), ts-023 (Tor)"]
        ["outages of a service", "services that leave countries out by their own terms"];
    U4 D1 A TimeIntegral 0.0 0.10 0 false
        "Severity of shutdowns"
        "two independent signals and two networks"
        ["IODA, https://ioda.caida.org/ioda/help"]
        ["power cuts", "cable cuts", "updates of the probe's software"];
    U5 D1 C Rate 0.05 0.50 0 false
        "Throttling"
        "paired downloads on at least three days"
        ["Xue et al., IMC 2021"]
        ["congested peerings", "policies of content networks"];
    U6 D1 C Rate 0.02 0.20 40 true
        "Refusal by the remote server"
        "at least 40 testable pages; a certificate valid for the name, a status that turns visitors away, and a control that got the page"
        ["McDonald et al., 403 Forbidden, IMC 2018", "RFC 7725"]
        ["protection against bots", "servers that refuse a single address"];
    G1 D2t A Rate 0.0 0.50 0 false
        "Correctness of root zone data"
        "200 answers from six root server identities"
        ["RSSAC047 section 5.3", "RFC 8976", "RFC 2826"]
        ["DNS proxies in the customer's own equipment", "root instances that boot with an old zone", "a zone version that the collector lacks"];
    G2 D2t B Rate 0.017 1.0 0 false
        "Diversion of traffic to root and public resolvers"
        "two methods agree, not in the customer's equipment"
        ["Wei and Heidemann, Whac-A-Mole, 2020", "Liu et al., USENIX Security 2018", "Randall et al., IMC 2021"]
        ["interception in the user's own router", "parental or enterprise DNS", "operators that rename instances"];
    G3 D2t A UserShare 0.0 1.0 10 true
        "Divergence of the namespace"
        "at least 10 top-level domains; a random one is denied; confirmed by a network: on two days (other name servers: on four, or a week apart), at two resolvers, by most of its probes"
        ["RFC 2826", "ICANN OCTO-034"]
        ["resolvers that rewrite every name that does not exist", "new top-level domains, and those that change their name servers", "resolvers that a user chose", "top-level domains that resolvers block as dangerous"];
    G4 D2t C Rate 0.02 1.0 0 false
        "Conformity of trust anchors"
        "five determinate resolvers"
        ["RFC 8509", "RFC 9718"]
        ["resolver farms", "forwarders", "hold-down of RFC 5011"];
    G5 D2t B Rate 0.0 0.50 0 false
        "National public-key infrastructure"
        "two probes see the same chain"
        ["Raman et al., IMC 2020", "RFC 5280"]
        ["captive portals", "software that intercepts on the host", "old copies of root stores"];
    G6 D2t C Rate 0.02 1.0 2 true
        "Special-use names"
        "two of invalid, alt and localhost; a random name is denied; seen on two days in the country"
        ["RFC 6761", "RFC 9476"]
        ["resolvers that rewrite every name that does not exist", "search lists"];
    G7 D2t Context None 0.0 1.0 0 false
        "Validation of route origins: context, weight 0 (to drop invalids is conformity)"
        "context only"
        ["RFC 6811", "RoVista, IMC 2023"]
        ["filters of an upstream"];
    T1 D3 A Rate 0.0 0.30 40 false
        "Peninsulas: persistent partial reachability"
        "40 usable anchors, 24 hours, 80 % of control networks reach them"
        ["Baltra and Heidemann, arXiv 2107.11439"]
        ["anchors whose operator leaves places out"];
    T2 D3 A Rate 0.02 0.50 0 false
        "Interoperability of protocols"
        "baseline and near miss pass, two operators, three days"
        ["RFC 9170", "RFC 8701", "https://github.com/net4people/bbs/issues/417"]
        ["servers without the protocol"];
    T3 D3 C Rate 0.05 0.50 0 false
        "Asymmetry of IPv6 and IPv4"
        "two dual-stack networks"
        ["RFC 8305"]
        ["a probe's own broken IPv6"];
    T4 D3 B Rate 0.05 1.0 3 true
        "Transparency of DNS paths"
        "three checks of unknown types, DNSSEC OK, large answers, TCP, letter case; seven days; seen on two days in the country"
        ["RFC 3597", "RFC 3225", "RFC 6891", "RFC 7766", "draft-vixie-dnsext-dns0x20"]
        ["DNS proxies in the customer's own equipment", "resolvers that a user chose"];
    T5 D3 C Concentration 0.20 1.0 0 false
        "Concentration of gateways"
        "five networks"
        ["PNIF discussion paper 2023"]
        ["geography"];
}

impl std::str::FromStr for Indicator {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let known = SPECS
            .iter()
            .find(|s| s.id.label().eq_ignore_ascii_case(text));
        known.map(|s| s.id).ok_or(())
    }
}

/// The indicators of a dimension that carry weight.
pub fn of(dimension: Dimension) -> impl Iterator<Item = &'static Spec> {
    SPECS
        .iter()
        .filter(move |s| s.dimension == dimension && s.tier.weight() > 0.0)
}

/// The weight within its dimension, all of which sum to 1.
pub fn weight(spec: &Spec) -> f64 {
    let all: f64 = of(spec.dimension).map(|s| s.tier.weight()).sum();
    spec.tier.weight() / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_weights_sum_to_one() {
        for (at, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.id as usize, at);
            assert_eq!(spec.id.label().parse(), Ok(spec.id));
            assert!(spec.b < spec.h && !spec.known_false_positives.is_empty());
        }
        for dimension in Dimension::ALL {
            let sum: f64 = of(dimension).map(weight).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
        assert!((weight(Indicator::U1.spec()) - 0.2308).abs() < 5e-5);
        assert!((weight(Indicator::T2.spec()) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn goalposts_hold() {
        let u1 = Indicator::U1.spec();
        assert!(u1.score(0.01).abs() < 1e-12 && u1.score(0.0).abs() < 1e-12);
        assert!((u1.score(0.155) - 0.5).abs() < 1e-12);
        assert!((u1.score(0.9) - 1.0).abs() < 1e-12);
    }
}
