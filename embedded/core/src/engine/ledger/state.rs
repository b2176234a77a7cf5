//! How far does the network reach from here? One answer a rung, two bits each.
//!
//! ```text
//!  bit 17 16 15 14 13 12 11 10  9  8  7  6  5  4  3  2  1  0
//!     |coll.|canry|foreg|regio|domes|resol|gatew|link |power|
//!  each: 0 untested, 1 good, 2 bad, 3 mixed (epochs that were merged said both)
//! ```

use core::fmt;

/// A step of the way from the mains to the world, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(
    feature = "alloc",
    derive(minicbor::Encode, minicbor::Decode),
    cbor(index_only)
)]
#[non_exhaustive]
pub enum Rung {
    /// Good: on mains. Bad: on battery.
    #[cfg_attr(feature = "alloc", n(0))]
    Power,
    /// An interface has a carrier.
    #[cfg_attr(feature = "alloc", n(1))]
    Link,
    /// The router at home answers.
    #[cfg_attr(feature = "alloc", n(2))]
    Gateway,
    /// A resolver that the network announced answers, whatever it says.
    #[cfg_attr(feature = "alloc", n(3))]
    Resolver,
    /// A host in the same country answers.
    #[cfg_attr(feature = "alloc", n(4))]
    Domestic,
    /// A host in a country nearby answers.
    #[cfg_attr(feature = "alloc", n(5))]
    Regional,
    /// Good: a host abroad answers. Bad: none did on three networks or more.
    #[cfg_attr(feature = "alloc", n(6))]
    Foreign,
    /// A service that is often singled out (messengers) answers.
    #[cfg_attr(feature = "alloc", n(7))]
    Canary,
    /// The collector acknowledges, with its signature.
    #[cfg_attr(feature = "alloc", n(8))]
    Collector,
}

impl Rung {
    /// All, nearest first.
    pub const ALL: [Self; 9] = [
        Self::Power,
        Self::Link,
        Self::Gateway,
        Self::Resolver,
        Self::Domestic,
        Self::Regional,
        Self::Foreign,
        Self::Canary,
        Self::Collector,
    ];

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// A word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Link => "link",
            Self::Gateway => "gateway",
            Self::Resolver => "resolver",
            Self::Domestic => "domestic",
            Self::Regional => "regional",
            Self::Foreign => "foreign",
            Self::Canary => "canary",
            Self::Collector => "collector",
        }
    }
}

/// What is known of one rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Not tried, or there is nothing to try it with.
    #[default]
    Untested,
    /// It answers.
    Good,
    /// It does not.
    Bad,
    /// Both, in epochs that were merged to save room.
    Mixed,
}

impl Reach {
    const fn bits(self) -> u32 {
        self as u32
    }
    const fn of(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Untested,
            1 => Self::Good,
            2 => Self::Bad,
            _ => Self::Mixed,
        }
    }
}

/// Every rung at one moment.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
#[cfg_attr(
    feature = "alloc",
    derive(minicbor::Encode, minicbor::Decode),
    cbor(transparent)
)]
pub struct State(#[cfg_attr(feature = "alloc", n(0))] pub u32);

impl State {
    /// What it says of a rung.
    pub const fn at(self, rung: Rung) -> Reach {
        Reach::of(self.0 >> (2 * rung.index()))
    }

    /// The same, but for one rung.
    #[must_use]
    pub const fn with(self, rung: Rung, reach: Reach) -> Self {
        let shift = 2 * rung.index();
        Self(self.0 & !(3 << shift) | reach.bits() << shift)
    }

    /// What two moments say together: what differs is [`Reach::Mixed`].
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Rung::ALL.into_iter().fold(self, |both, rung| {
            let (one, two) = (self.at(rung), other.at(rung));
            let reach = if one == two { one } else { Reach::Mixed };
            both.with(rung, reach)
        })
    }

    /// What this means in one word.
    pub fn extent(self) -> Extent {
        use Reach::{Bad, Good, Mixed, Untested};
        let at = |rung| self.at(rung);
        let beyond = [
            Rung::Domestic,
            Rung::Regional,
            Rung::Foreign,
            Rung::Collector,
        ];
        if at(Rung::Link) == Bad {
            return Extent::NoLink;
        }
        if beyond
            .into_iter()
            .chain([Rung::Link])
            .any(|rung| at(rung) == Mixed)
        {
            return Extent::Mixed;
        }
        let near = at(Rung::Domestic) == Good || at(Rung::Regional) == Good;
        match at(Rung::Foreign) {
            Good if at(Rung::Canary) == Bad => Extent::NoCanary,
            Good if at(Rung::Collector) == Bad => Extent::NoCollector,
            Good => Extent::Whole,
            // The collector may stand in the same country.
            Bad if near || at(Rung::Collector) == Good => Extent::Domestic,
            Mixed => Extent::Mixed,
            // Without anchors abroad, the collector is the only witness.
            Untested if at(Rung::Collector) == Good => {
                if at(Rung::Canary) == Bad {
                    Extent::NoCanary
                } else {
                    Extent::Whole
                }
            }
            Untested if near => Extent::NoCollector,
            Bad | Untested => {
                if beyond.into_iter().all(|rung| at(rung) == Untested) {
                    Extent::Unknown
                } else if at(Rung::Gateway) == Bad {
                    Extent::NoGateway
                } else {
                    Extent::NoUpstream
                }
            }
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `link+ gateway+ foreign- collector?`: untested rungs are left out, `~` is mixed.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for rung in Rung::ALL {
            let sign = match self.at(rung) {
                Reach::Untested => continue,
                Reach::Good => '+',
                Reach::Bad => '-',
                Reach::Mixed => '~',
            };
            if !first {
                f.write_str(" ")?;
            }
            first = false;
            write!(f, "{}{sign}", rung.name())?;
        }
        if first {
            f.write_str("untested")?;
        }
        Ok(())
    }
}

/// How much of the Internet is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Extent {
    /// Nothing was tried that could tell.
    Unknown,
    /// No carrier: a cable, a radio, or the box behind it.
    NoLink,
    /// The link is there, the router at home says nothing, nor does anything beyond.
    NoGateway,
    /// The router at home answers (or was not asked), nothing beyond does.
    NoUpstream,
    /// Hosts in the country or nearby answer, those abroad do not.
    Domestic,
    /// The world answers, services that are often singled out do not.
    NoCanary,
    /// All but the collector answers.
    NoCollector,
    /// Everything that was tried answers.
    Whole,
    /// Merged epochs that said different things.
    Mixed,
}

impl Extent {
    /// A stable word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NoLink => "no_link",
            Self::NoGateway => "no_gateway",
            Self::NoUpstream => "no_upstream",
            Self::Domestic => "domestic_only",
            Self::NoCanary => "no_canary",
            Self::NoCollector => "no_collector",
            Self::Whole => "whole",
            Self::Mixed => "mixed",
        }
    }

    /// Whether the Internet abroad was there.
    pub const fn is_upstream(self) -> bool {
        matches!(self, Self::Whole | Self::NoCanary | Self::NoCollector)
    }
}
