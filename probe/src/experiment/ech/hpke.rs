//! How is a ClientHello sealed to a server's key?
//!
//! Hybrid public key encryption (RFC 9180), the part that a client of ECH needs: base mode,
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, and the three AEADs, over what ring brings anyway.
//! Nothing is ever opened, so private keys are ephemeral and never leave ring. All outputs of
//! the schedule fit into one block of HMAC-SHA256, so that HKDF (RFC 5869) is two calls.
//!
//! rustls keeps the names of suites among its internals; the lock file pins what they are.

use ring::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral},
    hmac,
    rand::SystemRandom,
};
use rustls::Error;
use rustls::crypto::hpke::{
    EncapsulatedSecret, Hpke, HpkeOpener, HpkePrivateKey, HpkePublicKey, HpkeSealer, HpkeSuite,
};
use rustls::internal::msgs::{
    enums::{HpkeAead, HpkeKdf, HpkeKem},
    handshake::HpkeSymmetricCipherSuite,
};

/// Everything offered, in order of preference.
pub(super) static SUITES: &[&dyn Hpke] = &[
    &Suite(HpkeAead::AES_128_GCM),
    &Suite(HpkeAead::AES_256_GCM),
    &Suite(HpkeAead::CHACHA20_POLY_1305),
];

/// IANA's number of DHKEM(X25519, HKDF-SHA256).
const KEM: u16 = 0x0020;
/// IANA's number of HKDF-SHA256.
const KDF: u16 = 0x0001;
/// Octets of a nonce of every AEAD here.
const NONCE: usize = 12;
/// The octets of a hash.
type Block = [u8; 32];

/// A public key that belongs to nobody, for an extension that means nothing.
pub(super) fn placeholder() -> Result<HpkePublicKey, Error> {
    let own = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).map_err(lost)?;
    let public = own.compute_public_key().map_err(lost)?;
    Ok(HpkePublicKey(public.as_ref().to_vec()))
}

/// A suite, by its AEAD.
#[derive(Clone, Copy, Debug)]
struct Suite(HpkeAead);

impl Suite {
    fn algorithm(self) -> Result<&'static aead::Algorithm, Error> {
        match self.0 {
            HpkeAead::AES_128_GCM => Ok(&aead::AES_128_GCM),
            HpkeAead::AES_256_GCM => Ok(&aead::AES_256_GCM),
            HpkeAead::CHACHA20_POLY_1305 => Ok(&aead::CHACHA20_POLY1305),
            _ => Err(Error::General("no such AEAD for HPKE".to_owned())),
        }
    }

    /// `suite_id` of section 5.1.
    fn id(self) -> Vec<u8> {
        let mut id = b"HPKE".to_vec();
        for number in [KEM, KDF, u16::from(self.0)] {
            id.extend(number.to_be_bytes());
        }
        id
    }
}

impl Hpke for Suite {
    fn seal(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        key: &HpkePublicKey,
    ) -> Result<(EncapsulatedSecret, Vec<u8>), Error> {
        let (enc, mut sealer) = self.setup_sealer(info, key)?;
        Ok((enc, sealer.seal(aad, plaintext)?))
    }

    fn setup_sealer(
        &self,
        info: &[u8],
        key: &HpkePublicKey,
    ) -> Result<(EncapsulatedSecret, Box<dyn HpkeSealer + 'static>), Error> {
        let algorithm = self.algorithm()?;
        let (enc, shared) = encapsulate(&key.0)?;
        let id = self.id();
        // Section 5.1, without a pre-shared key.
        let mut context = vec![0];
        context.extend(extract(&id, b"", b"psk_id_hash", b""));
        context.extend(extract(&id, b"", b"info_hash", info));
        let secret = extract(&id, &shared, b"secret", b"");
        let key = expand(&id, &secret, b"key", &context, algorithm.key_len());
        let base = expand(&id, &secret, b"base_nonce", &context, NONCE);
        let key = UnboundKey::new(algorithm, &key).map_err(lost)?;
        let sealer = Sealer {
            key: LessSafeKey::new(key),
            base: base.try_into().map_err(lost)?,
            sequence: 0,
        };
        Ok((EncapsulatedSecret(enc), Box::new(sealer)))
    }

    fn open(
        &self,
        _: &EncapsulatedSecret,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &HpkePrivateKey,
    ) -> Result<Vec<u8>, Error> {
        Err(clients_only())
    }

    fn setup_opener(
        &self,
        _: &EncapsulatedSecret,
        _: &[u8],
        _: &HpkePrivateKey,
    ) -> Result<Box<dyn HpkeOpener + 'static>, Error> {
        Err(clients_only())
    }

    fn generate_key_pair(&self) -> Result<(HpkePublicKey, HpkePrivateKey), Error> {
        Err(clients_only())
    }

    fn suite(&self) -> HpkeSuite {
        HpkeSuite {
            kem: HpkeKem::DHKEM_X25519_HKDF_SHA256,
            sym: HpkeSymmetricCipherSuite {
                kdf_id: HpkeKdf::HKDF_SHA256,
                aead_id: self.0,
            },
        }
    }
}

/// Seals messages in order.
#[derive(Debug)]
struct Sealer {
    key: LessSafeKey,
    base: [u8; NONCE],
    sequence: u64,
}

impl HpkeSealer for Sealer {
    fn seal(&mut self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        // Section 5.2: the number of the message, over the end of the base.
        let mut nonce = self.base;
        let number = self.sequence.to_be_bytes();
        for (octet, number) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *octet ^= number;
        }
        let next = self.sequence.checked_add(1);
        self.sequence = next.ok_or_else(|| lost(self.sequence))?;
        let mut sealed = plaintext.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed)
            .map_err(lost)?;
        Ok(sealed)
    }
}

/// `Encap` of section 4.1: what is sent, and the secret that it stands for.
fn encapsulate(public: &[u8]) -> Result<(Vec<u8>, Block), Error> {
    let own = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).map_err(lost)?;
    let enc = own.compute_public_key().map_err(lost)?.as_ref().to_vec();
    let mut id = b"KEM".to_vec();
    id.extend(KEM.to_be_bytes());
    let peer = UnparsedPublicKey::new(&X25519, public);
    // ring refuses points of small order, as section 7.1.4 wants.
    let prk = agree_ephemeral(own, &peer, |dh| extract(&id, b"", b"eae_prk", dh));
    let prk = prk.map_err(lost)?;
    let context = [enc.as_slice(), public].concat();
    let shared = expand(&id, &prk, b"shared_secret", &context, size_of::<Block>());
    Ok((enc, shared.try_into().map_err(lost)?))
}

/// `LabeledExtract` of section 4.
fn extract(id: &[u8], salt: &[u8], label: &[u8], secret: &[u8]) -> Block {
    hash(salt, &[b"HPKE-v1", id, label, secret])
}

/// `LabeledExpand` of section 4, of at most one block.
fn expand(id: &[u8], prk: &Block, label: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let octets = (length as u16).to_be_bytes();
    let mut block = hash(prk, &[&octets, b"HPKE-v1", id, label, info, &[1]]).to_vec();
    block.truncate(length);
    block
}

fn hash(key: &[u8], parts: &[&[u8]]) -> Block {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let mut block = Block::default();
    block
        .iter_mut()
        .zip(context.sign().as_ref())
        .for_each(|(octet, signed)| *octet = *signed);
    block
}

fn clients_only() -> Error {
    Error::General("a probe opens nothing that was sealed".to_owned())
}

fn lost<E>(_: E) -> Error {
    Error::General("the key for ECH cannot be used".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpke::{
        Deserializable as _, Kem as _, OpModeR, Serializable as _,
        aead::{Aead, AesGcm128, AesGcm256, ChaCha20Poly1305},
        kdf::HkdfSha256,
        kem::X25519HkdfSha256,
        setup_receiver,
    };

    fn opens<A: Aead>(suite: &dyn Hpke) {
        for round in 0..8u8 {
            let (secret, public) = X25519HkdfSha256::derive_keypair(&[round; 32]);
            let key = HpkePublicKey(public.to_bytes().to_vec());
            let info = vec![round; usize::from(round) * 40];
            let (enc, mut sealer) = suite.setup_sealer(&info, &key).unwrap();
            let enc = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&enc.0).unwrap();
            let mut opener = setup_receiver::<A, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &secret,
                &enc,
                &info,
            )
            .unwrap();
            for message in [&b"first"[..], b"", &[9; 300]] {
                let sealed = sealer.seal(b"beside", message).unwrap();
                assert_eq!(opener.open(&sealed, b"beside").unwrap(), message);
            }
        }
    }

    #[test]
    fn another_implementation_opens_what_was_sealed() {
        let [small, large, chacha] = SUITES else {
            panic!("three suites");
        };
        opens::<AesGcm128>(*small);
        opens::<AesGcm256>(*large);
        opens::<ChaCha20Poly1305>(*chacha);
    }

    #[test]
    fn bad_keys_are_refused() {
        let suite = SUITES.first().unwrap();
        for key in [vec![], vec![1; 31], vec![0; 32], vec![7; 33]] {
            assert!(suite.setup_sealer(b"", &HpkePublicKey(key)).is_err());
        }
        assert!(suite.generate_key_pair().is_err());
        let key = placeholder().unwrap();
        assert!(suite.seal(b"", b"", b"x", &key).is_ok());
    }
}
