//! How does a volunteer's own address stay out of what is uploaded?
//!
//! Pages and resolvers like to say "your address is ...". Before a measurement is stored,
//! the probe's own addresses (of its settings, of its interfaces, and under which a collector
//! has seen it) are replaced in every captured text and octet string: text forms
//! (RFC 5952 and the long form, `in-addr.arpa` and `ip6.arpa` order of RFC 1035 section 3.5
//! and RFC 3596 section 2.5) and, in octets, the binary form. Every replacement is as long as
//! what it replaces, so that lengths inside captured messages stay true. Digests of what was
//! received are of the unscrubbed octets. A text that merely begins or ends like an own address
//! loses that part too: losing a little evidence is better than leaking a little address.

use faultline_core::{
    measurement::Measurement,
    observation::{Observation, Step},
    value::{Blob, Ip},
};
use std::net::{IpAddr, Ipv6Addr};

/// Replaces a probe's own addresses.
#[derive(Clone, Debug, Default)]
pub struct Scrubber {
    own: Vec<IpAddr>,
    texts: Vec<Vec<u8>>,
    binaries: Vec<Vec<u8>>,
}

impl Scrubber {
    /// For these addresses.
    pub fn new(own: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut this = Self::default();
        this.learn(own);
        this
    }

    /// For these addresses too; unspecified and loopback ones identify nobody and are left
    /// out.
    pub fn learn(&mut self, own: impl IntoIterator<Item = IpAddr>) {
        let own = own.into_iter().map(|ip| ip.to_canonical());
        for ip in own.filter(|ip| !ip.is_unspecified() && !ip.is_loopback()) {
            if self.own.contains(&ip) {
                continue;
            }
            self.own.push(ip);
            let (texts, binary) = forms(ip);
            self.texts.extend(texts.into_iter().map(String::into_bytes));
            self.binaries.push(binary);
        }
        // Longer first: one address may be the beginning of another's text.
        self.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self.texts.dedup();
    }

    /// Whether an address is one of the probe's own.
    pub fn is_own(&self, ip: IpAddr) -> bool {
        self.own.contains(&ip.to_canonical())
    }

    /// Scrubs everything in a measurement that came from outside.
    pub fn scrub(&self, measurement: &mut Measurement) {
        self.string(&mut measurement.target);
        for observation in &mut measurement.observations {
            self.observation(observation);
        }
    }

    fn observation(&self, observation: &mut Observation) {
        match &mut observation.step {
            Step::Lookup(lookup) => {
                self.string(&mut lookup.name);
                lookup.resolver.iter_mut().for_each(|ip| self.address(ip));
                for reply in &mut lookup.replies {
                    reply.addresses.iter_mut().for_each(|ip| self.address(ip));
                    reply.from.iter_mut().for_each(|ip| self.address(ip));
                    reply.aliases.iter_mut().for_each(|name| self.string(name));
                    reply.raw.iter_mut().for_each(|raw| self.blob(raw));
                }
            }
            Step::Connect(connect) => self.address(&mut connect.ip),
            Step::Handshake(handshake) => {
                self.address(&mut handshake.ip);
                handshake
                    .server_name
                    .iter_mut()
                    .for_each(|name| self.string(name));
                handshake
                    .chain
                    .iter_mut()
                    .for_each(|certificate| self.blob(certificate));
                handshake
                    .first_bytes
                    .iter_mut()
                    .for_each(|bytes| self.blob(bytes));
            }
            Step::Quic(quic) => {
                self.address(&mut quic.ip);
                let name = quic.server_name.iter_mut().chain(&mut quic.alpn);
                name.for_each(|name| self.string(name));
                quic.chain
                    .iter_mut()
                    .for_each(|certificate| self.blob(certificate));
            }
            Step::Fetch(fetch) => {
                self.address(&mut fetch.ip);
                self.string(&mut fetch.url);
                for header in &mut fetch.headers {
                    self.string(&mut header.name);
                    self.string(&mut header.value);
                }
                fetch.body.iter_mut().for_each(|body| self.blob(body));
                fetch.title.iter_mut().for_each(|title| self.string(title));
                fetch
                    .location
                    .iter_mut()
                    .for_each(|location| self.string(location));
            }
            _ => {}
        }
    }

    fn address(&self, ip: &mut Ip) {
        if self.own.contains(&ip.0) {
            *ip = match ip.0 {
                IpAddr::V4(_) => Ip(std::net::Ipv4Addr::UNSPECIFIED.into()),
                IpAddr::V6(_) => Ip(Ipv6Addr::UNSPECIFIED.into()),
            };
        }
    }

    fn string(&self, text: &mut String) {
        let mut octets = std::mem::take(text).into_bytes();
        self.text(&mut octets);
        // Only ASCII was replaced by ASCII, so nothing is lost here.
        *text = String::from_utf8_lossy(&octets).into_owned();
    }

    fn blob(&self, Blob(octets): &mut Blob) {
        self.text(octets);
        for binary in &self.binaries {
            blank(octets, binary, u8::eq, |_| 0);
        }
    }

    fn text(&self, octets: &mut [u8]) {
        for text in &self.texts {
            blank(octets, text, u8::eq_ignore_ascii_case, |octet| {
                if octet.is_ascii_hexdigit() {
                    b'0'
                } else {
                    octet
                }
            });
        }
    }
}

/// Overwrites every occurrence of `needle`.
fn blank(
    octets: &mut [u8],
    needle: &[u8],
    same: impl Fn(&u8, &u8) -> bool,
    with: impl Fn(u8) -> u8,
) {
    let mut at = 0;
    while let Some(window) = octets.get_mut(at..at + needle.len()) {
        if window.iter().zip(needle).all(|(a, b)| same(a, b)) {
            for octet in window {
                *octet = with(*octet);
            }
            at += needle.len();
        } else {
            at += 1;
        }
    }
}

/// The texts that stand for an address, and its octets. Reversed names come with dots and, as
/// in DNS messages, with a length octet before each label.
fn forms(ip: IpAddr) -> (Vec<String>, Vec<u8>) {
    let labels = |labels: Vec<String>| {
        let prefixed =
            |label: &String| [&*char::from(label.len() as u8).to_string(), label].concat();
        let wire: Vec<String> = labels.iter().map(prefixed).collect();
        let wire = wire.concat();
        [labels.join("."), wire]
    };
    match ip {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            let forward = octets.iter().map(u8::to_string).collect();
            let backward = octets.iter().rev().map(u8::to_string).collect();
            let mut texts = vec![v4.to_string().replace('.', "-")];
            texts.extend(labels(forward));
            texts.extend(labels(backward));
            (texts, octets.to_vec())
        }
        IpAddr::V6(v6) => {
            let groups = v6.segments();
            let join = |each: fn(&u16) -> String| -> String {
                groups.iter().map(each).collect::<Vec<_>>().join(":")
            };
            let nibbles = v6.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            let mut texts = vec![
                v6.to_string(),
                join(|group| format!("{group:x}")),
                join(|group| format!("{group:04x}")),
            ];
            texts.extend(labels(nibbles.map(|n| format!("{n:x}")).collect()));
            (texts, v6.octets().to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(octets: &[u8], needle: &[u8]) -> bool {
        octets
            .windows(needle.len())
            .any(|w| w.eq_ignore_ascii_case(needle))
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from),
        ]
        .prop_filter("identifies somebody", |ip| {
            !ip.is_unspecified() && !ip.is_loopback()
        })
    }

    proptest! {
        #[test]
        fn no_form_of_an_own_address_survives(
            ip in any_address(),
            before in any::<Vec<u8>>(),
            after in any::<Vec<u8>>(),
        ) {
            let (texts, binary) = forms(ip);
            prop_assume!(binary.iter().any(|octet| *octet != 0));
            let scrubber = Scrubber::new([ip]);
            for text in &texts {
                // An address of zeros and ones may be its own replacement.
                prop_assume!(text.bytes().any(|o| o.is_ascii_hexdigit() && o != b'0'));
            }
            for form in texts.iter().map(String::as_bytes).chain([&binary[..]]) {
                let captured = [&before, form, &after].concat();
                let mut blob = Blob(captured.clone());
                scrubber.blob(&mut blob);
                prop_assert_eq!(blob.0.len(), captured.len());
                prop_assert!(!contains(&blob.0, form));
            }
        }

        #[test]
        fn other_texts_stay(text in "[g-z ]{0,64}") {
            let mut scrubbed = text.clone();
            Scrubber::new(["192.0.2.7".parse().unwrap()]).string(&mut scrubbed);
            prop_assert_eq!(scrubbed, text);
        }
    }

    #[test]
    fn what_is_learned_later_goes_too() {
        let mut scrubber = Scrubber::new(["192.0.2.7".parse().unwrap()]);
        let seen = "you are 192.0.2.77, once 192.0.2.7";
        scrubber.learn([
            "::ffff:192.0.2.77".parse().unwrap(),
            "127.0.0.1".parse().unwrap(),
        ]);
        let mut scrubbed = seen.to_owned();
        scrubber.string(&mut scrubbed);
        assert_eq!(scrubbed, "you are 000.0.0.00, once 000.0.0.0");
        assert!(scrubber.is_own("192.0.2.77".parse().unwrap()));
        assert!(!scrubber.is_own("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn reversed_and_upper_case_forms_go() {
        let own = [
            "203.0.113.9".parse().unwrap(),
            "2001:db8::a".parse().unwrap(),
        ];
        let scrubber = Scrubber::new(own);
        for text in [
            "9.113.0.203.in-addr.arpa",
            "ip-203-0-113-9.isp.example",
            "2001:DB8::A",
        ] {
            let mut scrubbed = text.to_owned();
            scrubber.string(&mut scrubbed);
            assert_ne!(scrubbed, text);
            assert_eq!(scrubbed.len(), text.len());
        }
        let mut wire = Blob(b"\x019\x03113\x010\x03203\x07in-addr\x04arpa\0".to_vec());
        scrubber.blob(&mut wire);
        assert_eq!(wire.0, b"\x010\x03000\x010\x03000\x07in-addr\x04arpa\0");
    }
}
