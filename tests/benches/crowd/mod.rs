//! Ten thousand probes in a hundred countries, each of which goes away by itself every third day.

use faultline_collector::store::beats::{Presence, Whereabouts};
use faultline_core::{
    engine::ledger::{BootId, State},
    id::{Asn, Country, ProbeId},
    measurement::NetworkKind,
    time::UnixTime,
};

/// A midnight, seconds.
pub(crate) const START: i64 = 20_833 * 86_400;
pub(crate) const PROBES: u32 = 10_000;
pub(crate) const COUNTRIES: u32 = 100;

/// CPU time of this thread, milliseconds.
pub(crate) fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e6
}

/// So many minutes after [`START`].
pub(crate) fn at(minute: i64) -> UnixTime {
    UnixTime::from_secs(START + minute * 60)
}

/// A number that looks drawn, the same each time.
fn drawn(one: u32, two: i64) -> u32 {
    let mut x = u64::from(one) << 32 ^ two as u64 ^ 0x9e37_79b9_7f4a_7c15;
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31) as u32
}

pub(crate) fn presence(probe: u32, from: UnixTime, until: UnixTime) -> Presence {
    let place = probe % COUNTRIES;
    let letters = [b'A' + (place / 26) as u8, b'A' + (place % 26) as u8];
    let mut id = [0; 16];
    id[..4].copy_from_slice(&probe.to_be_bytes());
    Presence {
        probe: ProbeId(id),
        from,
        until,
        beats: 1,
        longest_gap: 60,
        interval: 60,
        state: State::default(),
        run: 1,
        boot: BootId([1; 16]),
        country: Country::new(std::str::from_utf8(&letters).unwrap_or("XX"))
            .unwrap_or_default(),
        asn: Asn(place * 4 + probe / COUNTRIES % 3 + 1),
        whereabouts: Whereabouts {
            site: u64::from(probe) + 1,
            access: if probe.is_multiple_of(3) {
                NetworkKind::Mobile
            } else {
                NetworkKind::Fixed
            },
            region: String::new(),
        },
    }
}

/// Whether a probe is away: a third of a day's chance to go for half an hour.
pub(crate) fn away(probe: u32, minute: i64) -> bool {
    drawn(probe, minute / 30) < u32::MAX / 144
}

/// The presences of one day; `out` tells in which half hours a probe is not heard besides.
pub(crate) fn day(number: i64, out: impl Fn(u32, i64) -> bool) -> Vec<Presence> {
    let mut rows = Vec::new();
    for probe in 0..PROBES {
        let second = i64::from(probe % 60);
        let mut from = None;
        for half in 0..=48 {
            let minute = number * 1440 + half * 30;
            let here = half < 48 && !away(probe, minute) && !out(probe, half);
            match (here, from) {
                (true, None) => from = Some(minute),
                (false, Some(began)) => {
                    let one = UnixTime(at(began).0 + second * 1_000_000);
                    let two = UnixTime(at(minute - 1).0 + second * 1_000_000);
                    rows.push(presence(probe, one, two));
                    from = None;
                }
                _ => {}
            }
        }
    }
    rows
}
