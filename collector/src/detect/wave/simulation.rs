//! Worlds for the detector, made apart from it: who looks at what and when, what is blocked
//! where and for how long, and what goes wrong though nothing is blocked.

use super::{Cause, Hour, Watch, watch::Look};
use crate::score::cell::{Attribution, Source};
use faultline_core::id::{Asn, Country};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// A block.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) country: &'static str,
    /// Of its networks, from the first.
    pub(super) networks: std::ops::Range<u32>,
    pub(super) targets: std::ops::Range<u32>,
    pub(super) hours: std::ops::Range<Hour>,
    /// Of the probes of each network.
    pub(super) share: f64,
    pub(super) mechanism: &'static str,
    pub(super) place: Attribution,
}

impl Block {
    pub(super) fn national(country: &'static str, hours: std::ops::Range<Hour>) -> Self {
        Self {
            country,
            networks: 0..u32::MAX,
            targets: 0..1,
            hours,
            share: 1.0,
            mechanism: "tls.reset.sni",
            place: Attribution::AccessNetwork,
        }
    }
}

/// A world.
#[derive(Clone)]
pub(super) struct World {
    pub(super) countries: &'static [&'static str],
    /// Of each country.
    pub(super) networks: u32,
    /// Of each network.
    pub(super) probes: u32,
    pub(super) targets: u32,
    /// Between two looks of a probe at one target; probes stand apart.
    pub(super) every: Hour,
    pub(super) hours: std::ops::Range<Hour>,
    pub(super) blocks: Vec<Block>,
    /// Looks that say blocked without cause.
    pub(super) noise: f64,
    pub(super) seed: u64,
}

/// One look, to be told to a watch.
#[derive(Clone)]
pub(super) struct Seen {
    country: Country,
    target: u32,
    hour: Hour,
    asn: Asn,
    voter: u64,
    cause: Option<(&'static str, Attribution)>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            countries: &["XA"],
            networks: 5,
            probes: 4,
            targets: 10,
            every: 24,
            hours: 0..24 * 60,
            blocks: Vec::new(),
            noise: 0.0,
            seed: 1,
        }
    }
}

/// A sixth of the targets each.
pub(super) fn category(target: &str) -> Option<String> {
    let number: u32 = target
        .strip_prefix("https://t")?
        .split('.')
        .next()?
        .parse()
        .ok()?;
    Some(format!("C{}", number / 10))
}

impl World {
    /// Everything that is seen in it, by time.
    pub(super) fn looks(&self) -> Vec<Seen> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut seen = Vec::new();
        for (c, code) in self.countries.iter().enumerate() {
            for network in 0..self.networks {
                for probe in 0..self.probes {
                    for target in 0..self.targets {
                        self.unit(
                            (c as u32, code),
                            network,
                            probe,
                            target,
                            &mut rng,
                            &mut seen,
                        );
                    }
                }
            }
        }
        seen.sort_by_key(|seen| seen.hour);
        seen
    }

    /// What one probe sees of one target.
    fn unit(
        &self,
        (place, code): (u32, &'static str),
        network: u32,
        probe: u32,
        target: u32,
        rng: &mut StdRng,
        seen: &mut Vec<Seen>,
    ) {
        let country = Country::new(code).unwrap();
        let voter = u64::from((place * self.networks + network) * self.probes + probe);
        let hits = |block: &&Block| {
            block.country == code
                && block.networks.contains(&network)
                && block.targets.contains(&target)
                && f64::from(probe) < block.share * f64::from(self.probes) - 1e-9
        };
        let blocks: Vec<&Block> = self.blocks.iter().filter(hits).collect();
        // Each at an hour of its own.
        let phase = (voter as Hour * 67 + target as Hour * 43) % self.every;
        for hour in self
            .hours
            .clone()
            .skip(phase as usize)
            .step_by(self.every as usize)
        {
            let block = blocks.iter().find(|block| block.hours.contains(&hour));
            let noise = rng.random_bool(self.noise);
            let cause = match block {
                Some(block) => Some((block.mechanism, block.place)),
                None => noise.then_some(("tls.reset.sni", Attribution::AccessNetwork)),
            };
            seen.push(Seen {
                country,
                target,
                hour,
                asn: Asn(64_496 + place * 1000 + network),
                voter,
                cause,
            });
        }
    }

    /// A watch that saw it all.
    pub(super) fn watched(&self) -> Watch {
        let mut watch = Watch::default();
        for seen in self.looks() {
            seen.tell(&mut watch);
        }
        watch
    }
}

impl Seen {
    pub(super) fn hour(&self) -> Hour {
        self.hour
    }

    pub(super) fn tell(&self, watch: &mut Watch) {
        let cause = self.cause.map_or(0, |(mechanism, place)| {
            watch.cause(Cause::new(mechanism, place)).unwrap()
        });
        let look = Look {
            hour: self.hour,
            asn: self.asn,
            voter: self.voter,
            cause,
        };
        let target = format!("https://t{}.example/", self.target);
        watch.look((self.country, Source::Own), &target, look);
    }
}
