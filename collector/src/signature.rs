//! How are many signatures checked cheaply? Core's P-256 is small and runs on a board; a
//! collector checks thousands a second and takes ring's, which accepts exactly the same
//! (tested against core's with every kind of damage).

use faultline_core::codec::{CodecError, Envelope, PublicKey, Purpose};
use minicbor::Decode;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// [`Envelope::open`], faster.
pub(crate) fn open<'a, T: Decode<'a, ()>>(
    envelope: &Envelope<'a>,
    purpose: Purpose,
    key: &PublicKey,
) -> Result<T, CodecError> {
    envelope.open_with(purpose, key, verifies)
}

fn verifies(key: &PublicKey, signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_sec1_uncompressed())
        .verify(signed, signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::codec::Identity;
    use proptest::prelude::*;

    /// The order of the group, big-endian (SEC 2 section 2.4.2).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];

    /// The bytes that an envelope's signature is over, and the signature.
    fn signed(key: &Identity, n: u32) -> (Vec<u8>, Vec<u8>) {
        let sealed = key.seal(Purpose::Request, &n);
        let mut parts = (Vec::new(), Vec::new());
        let envelope = Envelope::parse(&sealed).unwrap();
        let _ = envelope.open_with::<u32>(
            Purpose::Request,
            &key.public(),
            |_, signed, signature| {
                parts = (signed.into(), signature.into());
                true
            },
        );
        parts
    }

    fn both(key: &PublicKey, signed: &[u8], signature: &[u8]) -> bool {
        let ours = key.verifies(signed, signature);
        assert_eq!(verifies(key, signed, signature), ours, "{signature:02x?}");
        ours
    }

    /// `order - s`: the other signature that is valid.
    fn negated(s: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 32];
        let mut borrow = 0i16;
        for at in (0..32).rev() {
            let difference = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
            borrow = i16::from(difference < 0);
            out[at] = (difference + 256 * borrow) as u8;
        }
        out
    }

    #[test]
    fn edges_are_judged_alike() {
        let key = Identity::from_bytes(&[7; 32]).unwrap();
        let public = key.public();
        for n in 0..20 {
            let (signed, good) = signed(&key, n);
            assert!(both(&public, &signed, &good));
            let (r, s) = good.split_at(32);
            assert!(
                both(&public, &signed, &[r, &negated(s)].concat()),
                "either sign of s"
            );
            for edge in [[0; 32], [0xff; 32], ORDER] {
                assert!(!both(&public, &signed, &[r, &edge].concat()));
                assert!(!both(&public, &signed, &[&edge, s].concat()));
            }
            for length in [0, 1, 32, 63] {
                assert!(!both(&public, &signed, &good[..length]));
            }
            assert!(!both(&public, &signed, &[&good[..], &[0]].concat()));
            let other = Identity::from_bytes(&[8; 32]).unwrap().public();
            assert!(!both(&other, &signed, &good));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn damage_is_judged_alike(n: u32, secret in 1u8.., at: prop::sample::Index, flip in 1u8..) {
            let key = Identity::from_bytes(&[secret; 32]);
            prop_assume!(key.is_some());
            let key = key.unwrap();
            let (signed, mut signature) = signed(&key, n);
            prop_assert!(both(&key.public(), &signed, &signature));
            let at = at.index(64);
            signature[at] ^= flip;
            prop_assert!(!both(&key.public(), &signed, &signature));
        }
    }
}
