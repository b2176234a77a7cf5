//! What may anybody read in a QUIC packet, whatever its version? (RFC 8999)
//!
//! ```text
//! long header:  1XXXXXXX | version 32 | length 8 | destination ID | length 8 | source ID | ...
//! version 0:    ... | versions, 32 bits each (Version Negotiation, RFC 8999 section 6)
//! ```
//!
//! Nothing here is authentic: whoever sees an Initial can answer it.

/// Version 1 (RFC 9000).
pub const V1: u32 = 1;
/// A version that is never spoken (RFC 9000 section 15): servers answer it by naming theirs.
pub const GREASE: u32 = 0x1a2a_3a4a;
/// Octets of the smallest datagram with an Initial (RFC 9000 section 14.1). Servers leave
/// shorter ones unanswered.
pub const SMALLEST: usize = 1200;
/// Octets of the longest connection ID of version 1.
const LONGEST_ID: usize = 20;

/// The part of a long header that no version changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long<'a> {
    /// The version; 0 in Version Negotiation packets.
    pub version: u32,
    /// To whom.
    pub destination: &'a [u8],
    /// From whom.
    pub source: &'a [u8],
    /// What follows is the version's own.
    pub rest: &'a [u8],
}

impl<'a> Long<'a> {
    /// Reads a datagram's first packet; `None` where it has no long header.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (first, rest) = datagram.split_first()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (destination, rest) = id(rest)?;
        let (source, rest) = id(rest)?;
        (first & 0x80 != 0).then_some(Self {
            version: u32::from_be_bytes(*version),
            destination,
            source,
            rest,
        })
    }

    /// The versions that a Version Negotiation packet names; none for other packets.
    pub fn versions(&self) -> impl Iterator<Item = u32> + use<'a> {
        let list = if self.version == 0 { self.rest } else { &[] };
        let (whole, _) = list.as_chunks();
        whole.iter().map(|version| u32::from_be_bytes(*version))
    }
}

/// Whether this is an Initial of version 1 (RFC 9000 section 17.2.2), as its clear bits say.
pub fn is_initial(datagram: &[u8]) -> bool {
    let kind = datagram.first().is_some_and(|first| first & 0x30 == 0);
    kind && Long::parse(datagram).is_some_and(|long| long.version == V1)
}

fn id(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// A datagram of [`GREASE`], written over `buffer`, which must have [`SMALLEST`] octets: a
/// header and, but for `ids`, octets of chance that were there before.
pub fn grease(buffer: &mut [u8; SMALLEST], ids: &[u8; 16]) {
    let (destination, source) = ids.split_at(8);
    let header = [0xc0]
        .into_iter()
        .chain(GREASE.to_be_bytes())
        .chain([8])
        .chain(destination.iter().copied())
        .chain([8])
        .chain(source.iter().copied());
    for (place, octet) in buffer.iter_mut().zip(header) {
        *place = octet;
    }
}

/// A Version Negotiation packet in answer to a datagram, as any server, or anybody on the path,
/// would write it; the octets written. `None` where there is no room, or nothing to answer.
pub fn negotiate(datagram: &[u8], versions: &[u32], buffer: &mut [u8]) -> Option<usize> {
    let asked = Long::parse(datagram)?;
    if asked.source.len() > LONGEST_ID || asked.destination.len() > LONGEST_ID {
        return None;
    }
    let mut written = 0;
    let mut put = |octets: &[u8]| {
        let place = buffer.get_mut(written..written + octets.len())?;
        place.copy_from_slice(octets);
        written += octets.len();
        Some(())
    };
    put(&[0x80, 0, 0, 0, 0])?;
    for id in [asked.source, asked.destination] {
        put(&[id.len() as u8])?;
        put(id)?;
    }
    for version in versions {
        put(&version.to_be_bytes())?;
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn an_unknown_version_is_answered_with_the_known_ones() {
        let mut asked = [7; SMALLEST];
        grease(&mut asked, &core::array::from_fn(|at| at as u8));
        let long = Long::parse(&asked).unwrap();
        assert_eq!(long.version, GREASE);
        assert_eq!(long.destination, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(long.source, [8, 9, 10, 11, 12, 13, 14, 15]);
        assert!(long.versions().next().is_none() && !is_initial(&asked));
        let mut answer = [0; 64];
        let length = negotiate(&asked, &[V1, 0x6b33_43cf], &mut answer).unwrap();
        let told = Long::parse(&answer[..length]).unwrap();
        assert_eq!(
            (told.destination, told.source),
            (long.source, long.destination)
        );
        assert_eq!(told.versions().collect::<Vec<_>>(), [V1, 0x6b33_43cf]);
        assert_eq!(negotiate(&asked, &[V1], &mut [0; 20]), None);
    }

    proptest! {
        #[test]
        fn no_octets_do_harm(octets in any::<Vec<u8>>(), known in any::<bool>()) {
            let mut octets = octets;
            if known && octets.len() > 5 {
                octets[..5].copy_from_slice(&[0xc0, 0, 0, 0, 0]);
            }
            if let Some(long) = Long::parse(&octets) {
                prop_assert!(long.versions().count() <= octets.len() / 4);
            }
            let mut answer = [0; 128];
            let _ = negotiate(&octets, &[V1], &mut answer);
            let _ = is_initial(&octets);
        }
    }
}
