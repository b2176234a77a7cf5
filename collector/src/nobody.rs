//! Which addresses without a resolver is a probe told of?
//!
//! The operator vouches for them; on which side of the probe's border each is, the geography
//! tells by which measurements are placed, too. A few on each side: what the probe sees of
//! both tells where a forger stands.

use faultline_core::{
    id::{Country, ProbeId},
    protocol::NobodyItem,
    value::Ip,
};
use std::net::IpAddr;

/// Addresses on each side: the rules take the silence of one for chance.
const ON_EACH_SIDE: usize = 2;

/// For a probe that is seen under an address; where more are known than are told, its identity
/// draws.
pub(crate) fn choose(
    known: &[IpAddr],
    country_of: impl Fn(IpAddr) -> Option<Country>,
    seen: Option<IpAddr>,
    probe: ProbeId,
) -> Option<Vec<NobodyItem>> {
    let home = seen.and_then(&country_of);
    let first = usize::from(probe.0.first().copied().unwrap_or_default());
    let (head, tail) = known.split_at(first % known.len().max(1));
    let mut chosen: Vec<NobodyItem> = Vec::new();
    for ip in tail.iter().chain(head) {
        let abroad = home.zip(country_of(*ip)).map(|(home, there)| home != there);
        let alike = chosen.iter().filter(|item| item.abroad == abroad).count();
        if alike < ON_EACH_SIDE && chosen.len() < 2 * ON_EACH_SIDE {
            chosen.push(NobodyItem {
                address: Ip(*ip),
                abroad,
            });
        }
    }
    (!chosen.is_empty()).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// By the first octet; 9 is nowhere.
    fn country_of(ip: IpAddr) -> Option<Country> {
        let IpAddr::V4(ip) = ip else { return None };
        Country::new(match ip.octets() {
            [20, ..] => "XA",
            [21, ..] => "XB",
            [22, ..] => "XC",
            _ => return None,
        })
    }

    fn told(known: &[&str], seen: Option<&str>, probe: u8) -> Vec<(IpAddr, Option<bool>)> {
        let known: Vec<IpAddr> = known.iter().map(|text| ip(text)).collect();
        let seen = seen.map(ip);
        let chosen = choose(&known, country_of, seen, ProbeId([probe; 16]));
        let chosen = chosen.unwrap_or_default().into_iter();
        chosen.map(|item| (item.address.0, item.abroad)).collect()
    }

    #[test]
    fn two_on_each_side_of_the_probes_border() {
        let known = [
            "20.0.0.1", "20.0.0.2", "20.0.0.3", "21.0.0.1", "22.0.0.1", "21.0.0.2",
        ];
        for probe in 0..=255 {
            let all = told(&known, Some("20.9.9.9"), probe);
            let side = |abroad| all.iter().filter(|(_, side)| *side == Some(abroad)).count();
            assert_eq!((side(false), side(true), all.len()), (2, 2, 4), "{probe}");
            for (ip, abroad) in all {
                assert_eq!(
                    abroad,
                    Some(country_of(ip) != country_of("20.9.9.9".parse().unwrap()))
                );
            }
        }
        // All are told of in time, and each probe always of the same.
        let ever: std::collections::BTreeSet<_> = (0..=255)
            .flat_map(|probe| told(&known, Some("20.9.9.9"), probe))
            .collect();
        assert_eq!(ever.len(), known.len());
        assert_eq!(
            told(&known, Some("20.9.9.9"), 7),
            told(&known, Some("20.9.9.9"), 7)
        );
    }

    #[test]
    fn where_no_side_is_known_none_is_told() {
        let known = ["20.0.0.1", "21.0.0.1", "9.0.0.1"];
        for seen in [None, Some("9.9.9.9")] {
            let all = told(&known, seen, 0);
            assert_eq!(all.len(), 2);
            assert!(all.iter().all(|(_, abroad)| abroad.is_none()));
        }
        assert!(told(&known, Some("20.9.9.9"), 0).contains(&(ip("9.0.0.1"), None)));
        assert_eq!(choose(&[], country_of, None, ProbeId([1; 16])), None);
    }
}
